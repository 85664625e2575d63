"""A receiver as a process of its own: started, asked, stopped, killed and started again by tests.

Nothing here looks into the process: it is reached as its users reach it, by ports, signals, files
and its log.
"""

import json
import os
import random
import re
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, Self, TypeVar
from urllib.parse import quote

import httpx

from tests.support.forking import Forked, can_fork, fork

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "token-of-the-tests-0123456789abcdef"  # noqa: S105 - of no service
KEY = "key-of-the-tests-0123456789abcdef"
READER = "reader-of-the-tests-0123456789abcdef"
# Tests register sends of years ago, which are not to become overdue while they are looked at.
OVERDUE_AFTER_HOURS = "800000"
# On a busy machine a receiver may wait for its turn for longer than production would let pass.
MAX_LOOP_DELAY_SECONDS = "600"
READER_KEYS = json.dumps([{"name": "reader", "key": READER, "scopes": ["read"]}])

_START_S = 60.0
_STOP_S = 60.0
# Below the range from which outgoing connections take their ports: a client that connects to a
# port while its server is down must never meet itself there.
_PORTS = range(20_000, 32_000)
# Nothing here speaks TLS, and to load the machine's certificates takes 20 ms for each client.
NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
_T = TypeVar("_T")
Process = subprocess.Popen[bytes] | Forked


def at_length(usually: _T, at_length: _T) -> _T:
    """Return how long a test goes on: usually, or where `RECEIVER_TEST_AT_LENGTH` is set.

    `.ci/test-at-length` repeats the tests that ask for this at their full length.
    """
    return at_length if "RECEIVER_TEST_AT_LENGTH" in os.environ else usually


def eventually(
    look: Callable[[], _T], what: str, *, timeout_s: float = 60.0, every_s: float = 0.05
) -> _T:
    """Look again and again until the result is true; return it.

    Raises:
        AssertionError: it was not true in time.
    """
    until = time.monotonic() + timeout_s
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() >= until:
            raise AssertionError(f"after {timeout_s} s still not: {what} (last seen: {seen!r})")
        time.sleep(every_s)


def free_port() -> int:
    """Return a port of 127.0.0.1 on which nothing listens."""
    while True:
        port = random.choice(_PORTS)  # noqa: S311 - no secret
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


def clean_environment(changes: Mapping[str, str]) -> dict[str, str]:
    """Return this process's environment without anything that configures a receiver."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RECEIVER_")}
    return {**kept, "PYTHONPATH": str(ROOT), **changes}


def run(
    *arguments: str, env: Mapping[str, str] | None = None, timeout_s: float = 60.0
) -> subprocess.CompletedProcess[str]:
    """Run a command of the receiver to its end."""
    with TemporaryFile() as out, TemporaryFile() as errors:
        process = start_receiver([*arguments], clean_environment(env or {}), out, errors)
        try:
            status = process.wait(timeout_s)
        finally:
            process.kill()
        for file in (out, errors):
            file.seek(0)
        return subprocess.CompletedProcess(
            arguments, status, out.read().decode(), errors.read().decode()
        )


def start_receiver(
    arguments: Sequence[str],
    env: Mapping[str, str],
    out: IO[bytes],
    errors: IO[bytes],
    *,
    cwd: Path = ROOT,
    prefix: Sequence[str] = (),
    new_session: bool = False,
) -> Process:
    """Start a command of the receiver, as a fork where that makes no difference."""
    with Path(os.devnull).open("rb") as nothing:
        if not prefix and can_fork(env):
            descriptors = nothing.fileno(), out.fileno(), errors.fileno()
            return fork(arguments, env, cwd, descriptors, new_session=new_session)
        return subprocess.Popen(
            [*prefix, sys.executable, "-m", "receiver", *arguments],
            env=env,
            cwd=cwd,
            stdin=nothing,
            stdout=out,
            stderr=errors,
            start_new_session=new_session,
        )


def http_client(url: str, key: str | None = None) -> httpx.Client:
    """Make a client for a listener, with a key or without."""
    headers = {} if key is None else {"authorization": f"Bearer {key}"}
    return httpx.Client(
        base_url=url, headers=headers, timeout=60, trust_env=False, verify=NO_CERTIFICATES
    )


class Api:
    """A client of the private API."""

    def __init__(self, url: str, key: str) -> None:
        self.http = http_client(url, key)

    def get(self, path: str, **parameters: str) -> Any:
        """Get a document that must be there."""
        answer = self.http.get(path, params=parameters)
        assert answer.status_code == 200, f"GET {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def message(self, sms_msg_id: str) -> dict[str, Any]:
        """Get one message that must be there."""
        found: dict[str, Any] = self.get(f"/v1/messages/{quote(sms_msg_id, safe='')}")
        return found

    def register(self, document: Mapping[str, Any] | bytes) -> dict[str, Any]:
        """Register sends, which must be taken."""
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        answer = self.http.post(
            "/v1/sends", content=body, headers={"content-type": "application/json"}
        )
        assert answer.status_code == 202, f"{answer.status_code} {answer.text}"
        taken: dict[str, Any] = answer.json()
        return taken

    def lookup(self, ids: list[str]) -> dict[str, dict[str, Any]]:
        """Get up to 1,000 messages by id."""
        answer = self.http.post("/v1/messages/lookup", json={"ids": ids})
        assert answer.status_code == 200, f"{answer.status_code} {answer.text}"
        return {message["sms_msg_id"]: message for message in answer.json()["messages"]}

    def metrics(self) -> str:
        """Get all metrics as text."""
        answer = self.http.get("/metrics")
        assert answer.status_code == 200
        return answer.text

    def metric(self, name: str) -> float:
        """Get the sum of all series of one metric."""
        found = re.findall(rf"^{re.escape(name)}(?:\{{.*\}})? (\S+)$", self.metrics(), re.MULTILINE)
        assert found, f"there is no metric {name}"
        return sum(float(value) for value in found)

    def close(self) -> None:
        """Close the connections."""
        self.http.close()


@dataclass
class Server:
    """A `receiver serve` on one directory and two ports, which stay the same over restarts.

    Attributes:
        directory: its data directory.
        settings: further `RECEIVER_*` variables; they win over the usual ones.
        cwd: its working directory.
        prefix: a command to run it under, such as a tracer.
        extra_env: variables that are no settings; they win over all others.
    """

    directory: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    cwd: Path = ROOT
    port: int = field(default_factory=free_port)
    api_port: int = field(default_factory=free_port)
    process: Process | None = None
    prefix: tuple[str, ...] = ()
    extra_env: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.out = self.directory.with_name(self.directory.name + ".out")
        self.log = self.directory.with_name(self.directory.name + ".log")
        self.url = f"http://127.0.0.1:{self.port}"
        self.api_url = f"http://127.0.0.1:{self.api_port}"
        key = self.environment.get("RECEIVER_API_KEY", "none")
        self.api = Api(self.api_url, key)
        self.public = http_client(self.url)

    @property
    def environment(self) -> dict[str, str]:
        """What configures it; a setting that is empty is left out."""
        usual = {
            "RECEIVER_DATA_DIR": str(self.directory),
            "RECEIVER_LISTEN": f"127.0.0.1:{self.port}",
            "RECEIVER_API_LISTEN": f"127.0.0.1:{self.api_port}",
            "RECEIVER_CALLBACK_TOKEN": TOKEN,
            "RECEIVER_API_KEY": KEY,
            "RECEIVER_PROJECTOR__OVERDUE_AFTER_HOURS": OVERDUE_AFTER_HOURS,
            "RECEIVER_MAX_LOOP_DELAY_SECONDS": MAX_LOOP_DELAY_SECONDS,
        }
        return {name: value for name, value in {**usual, **self.settings}.items() if value}

    @property
    def callback_path(self) -> str:
        """Where pushes go."""
        return f"/callbacks/{TOKEN}"

    @property
    def journal_file(self) -> Path:
        """The journal."""
        return self.directory / "journal.sqlite3"

    @property
    def store_file(self) -> Path:
        """The store."""
        return self.directory / "store.sqlite3"

    # --- the process ------------------------------------------------------------------------

    def spawn(self) -> None:
        """Start the process and do not wait; what it prints goes to the end of the files."""
        with self.out.open("ab") as out, self.log.open("ab") as log:
            self.process = start_receiver(
                ["serve"],
                clean_environment({**self.environment, **self.extra_env}),
                out,
                log,
                cwd=self.cwd,
                prefix=self.prefix,
                new_session=True,
            )

    def start(self) -> Self:
        """Start the process; returns when it accepts pushes."""
        self.spawn()
        eventually(self._answers, "the server is up", timeout_s=_START_S, every_s=0.02)
        return self

    def _answers(self) -> bool:
        assert self.process is not None
        status = self.process.poll()
        assert status is None, f"the server ended with status {status}:\n{self.log.read_text()}"
        try:
            return self.public.get("/healthz").status_code == 200
        except httpx.TransportError:
            return False

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    def signal_all(self, number: signal.Signals) -> None:
        """Send a signal to all its processes, as a terminal and most supervisors do."""
        assert self.process is not None
        os.killpg(self.process.pid, number)

    def children(self) -> list[int]:
        """Return the processes that it started and that still run."""
        assert self.process is not None
        threads = Path(f"/proc/{self.process.pid}/task").iterdir()
        return [int(pid) for one in threads for pid in (one / "children").read_text().split()]

    def wait(self, timeout_s: float = _STOP_S) -> int:
        """Wait for the end; return the exit status."""
        assert self.process is not None
        status = self.process.wait(timeout_s)
        self.process = None
        return status

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End the process by a signal; return the exit status."""
        self.send_signal(number)
        return self.wait()

    def kill(self, *, all_of_it: bool = False) -> None:
        """End the process, or all its processes, with no chance to tidy up."""
        (self.signal_all if all_of_it else self.send_signal)(signal.SIGKILL)
        assert self.wait() == -signal.SIGKILL

    def close(self) -> None:
        """End whatever is left."""
        self.api.close()
        self.public.close()
        if self.process is not None:
            self.signal_all(signal.SIGKILL)
            self.process.wait()
            self.process = None

    def printed(self) -> str:
        """Return all that was printed and logged so far."""
        return self.out.read_text() + self.log.read_text()

    def ready(self, timeout_s: float = _START_S) -> None:
        """Wait until look-ups are answered too: the store is opened after the first pushes."""
        eventually(
            lambda: self.api.http.get("/readyz").status_code == 200,
            "the server is ready",
            timeout_s=timeout_s,
        )

    # --- using it ---------------------------------------------------------------------------

    def push(self, body: bytes) -> httpx.Response:
        """Push a body as the platform would."""
        form = "application/x-www-form-urlencoded"
        kind = "application/json" if body.startswith(b"{") else form
        return self.public.post(self.callback_path, content=body, headers={"content-type": kind})

    def caught_up(self, timeout_s: float = 60.0) -> None:
        """Wait until the store is open and has everything that the journal has."""
        self.ready(timeout_s)
        eventually(
            lambda: self.api.metric("receiver_projector_lag_rows") == 0,
            "the projector is caught up",
            timeout_s=timeout_s,
        )

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Read from the store's file, past the server."""
        uri = f"file:{self.store_file}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=10)) as connection:
            return connection.execute(sql, values).fetchall()

    def write(self, sql: str) -> None:
        """Change the store's file, past the server."""
        with closing(sqlite3.connect(self.store_file, timeout=10)) as connection:
            connection.execute(sql)
            connection.commit()


MakeServer = Callable[..., Server]  # settings and the directory's name, both optional
