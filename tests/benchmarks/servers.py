"""The servers under test: each a process of its own on a port of 127.0.0.1."""

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from pathlib import Path

ROOT = Path(__file__).parents[2]
TOKEN = "benchmark-token-0123456789abcdef"  # noqa: S105 - of no service
KEY = "benchmark-key-0123456789abcdef"
CATALOGUE_FILE = "catalogue.csv"  # in force where the data directory has it
_LOG = "log"
_READY_S = 20.0
_STOP_S = 15.0


class Name(StrEnum):
    """The servers, in the order of the table."""

    BARE = "bare"
    RECEIVER = "receiver"
    BEHIND = "behind"  # the receiver while its projector works on a backlog
    FASTAPI = "fastapi"
    STARLETTE = "starlette"


OURS = frozenset({Name.RECEIVER, Name.BEHIND})


class ServerError(Exception):
    """A server did not start; the text carries the end of its log."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server; `database` has a row of table `journal` for each push, or is None."""

    name: Name
    port: int
    private_port: int  # of the receiver's private API
    directory: Path
    database: Path | None
    process: subprocess.Popen[bytes]  # leads a session of its own, with all its children

    @property
    def push_url(self) -> str:
        """Where the platform would push."""
        return f"http://127.0.0.1:{self.port}/callbacks/{TOKEN}"

    def pause(self) -> None:
        """Let it use no processor while another one is measured (a backlog would)."""
        os.killpg(self.process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Undo `pause`."""
        os.killpg(self.process.pid, signal.SIGCONT)


@contextmanager
def serving(name: Name, directory: Path) -> Iterator[Server]:
    """Run a server with its files in a directory of its own; the server is gone afterwards.

    Raises:
        ServerError: it did not answer in time.
    """
    server = spawn(name, directory)
    try:
        _await_ready(server)
        yield server
    finally:
        end(server)


def spawn(name: Name, directory: Path) -> Server:
    """Start a server and do not wait for it; whoever calls ends it."""
    directory.mkdir(exist_ok=True)
    port, private_port = _free_ports(2)
    database = _database(name, directory)
    with (directory / _LOG).open("wb") as output:
        process = subprocess.Popen(
            _command(name, port),
            env=_environment(directory, port, private_port, database),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return Server(name, port, private_port, directory, database, process)


def count_rows(database: Path) -> int:
    """Count what a stopped server stored, with a connection that cannot write."""
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        (count,) = connection.execute("SELECT count(*) FROM journal").fetchone()
    finally:
        connection.close()
    return int(count)


def _command(name: Name, port: int) -> Sequence[str]:
    if name in OURS:
        return [sys.executable, "-m", "receiver", "serve"]
    options = "--host 127.0.0.1 --loop uvloop --http httptools --ws none --workers 1"
    quiet = "--no-access-log --no-server-header --no-proxy-headers --log-level warning"
    app = f"{__package__}.{name.value}_app:app"
    lifespan = "off" if name is Name.BARE else "on"
    run = [sys.executable, "-m", "uvicorn", app, "--port", str(port), "--lifespan", lifespan]
    return [*run, *options.split(), *quiet.split()]


def _database(name: Name, directory: Path) -> Path | None:
    return None if name is Name.BARE else directory / "journal.sqlite3"


def _environment(
    directory: Path, port: int, private_port: int, database: Path | None
) -> Mapping[str, str]:
    inherited = {key: value for key, value in os.environ.items() if "RECEIVER_" not in key}
    catalogue = directory / CATALOGUE_FILE
    if catalogue.exists():
        inherited["RECEIVER_CATALOGUE_FILE"] = str(catalogue)
    return {
        **inherited,
        "BENCHMARK_DATABASE": str(database),
        "RECEIVER_DATA_DIR": str(directory),
        "RECEIVER_LISTEN": f"127.0.0.1:{port}",
        "RECEIVER_API_LISTEN": f"127.0.0.1:{private_port}",
        "RECEIVER_CALLBACK_TOKEN": TOKEN,
        "RECEIVER_API_KEY": KEY,
    }


def _free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def _await_ready(server: Server) -> None:
    until = time.monotonic() + _READY_S
    # The receiver takes pushes before its store is open; its figures need both.
    ours = server.name in OURS
    url = f"http://127.0.0.1:{server.private_port if ours else server.port}"
    url += "/readyz" if ours else "/healthz"
    while time.monotonic() < until and server.process.poll() is None:
        with (
            suppress(OSError),
            urllib.request.urlopen(url, timeout=1) as answer,  # noqa: S310 - our own
        ):
            if answer.status == HTTPStatus.OK:
                return
        time.sleep(0.05)
    tail = (server.directory / _LOG).read_text(errors="replace")[-2000:]
    raise ServerError(f"The server {server.name} is not ready. The end of its log:\n{tail}")


def end(server: Server) -> None:
    """End a server that still runs, by force if it must be."""
    if server.process.poll() is not None:
        return
    server.resume()
    server.process.terminate()
    try:
        server.process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        os.killpg(server.process.pid, signal.SIGKILL)
        server.process.wait()
