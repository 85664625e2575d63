"""Driving one server for a few seconds with status reports, by `wrk` or the built-in generator."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from .servers import ROOT, TOKEN, Name, Server

_GRACE_S = 20.0


class Mode(StrEnum):
    """How connections are used; the platform closes."""

    CLOSE = "close"
    KEEP_ALIVE = "keep-alive"


class Push(StrEnum):
    """What is pushed; wrk's script for it bears its name."""

    REPORT = "status_report"
    BATCH = "status_batch"  # 50 reports; only wrk can


class Generator(StrEnum):
    """What makes the load."""

    WRK = "wrk"
    BUILTIN = "builtin"

    @property
    def label(self) -> str:
        """Name it for people."""
        if self is Generator.WRK:
            return "wrk"
        return "the built-in generator (slower than wrk: it caps what fast servers can show)"


@dataclass(frozen=True, slots=True)
class Window:
    """What one server answered in one span of load."""

    server: Name
    mode: Mode
    round: int
    answers: int  # all of them, refusals too
    refused: int  # not 2xx
    failed: int  # connections that failed or timed out
    seconds: float
    p50_ms: float
    p99_ms: float
    lag_before: int | None = None  # rows that the receiver's projector was behind
    lag_after: int | None = None
    projected_per_second: float | None = None  # rows that it worked off meanwhile

    @property
    def accepted(self) -> int:
        """How many answers were a 2xx."""
        return self.answers - self.refused

    @property
    def per_second(self) -> float:
        """Accepted pushes per second."""
        return self.accepted / self.seconds


def default_generator() -> Generator:
    """Choose `wrk` where it is installed."""
    return Generator.WRK if shutil.which("wrk") else Generator.BUILTIN


def drive(
    server: Server,
    mode: Mode,
    number: int,
    *,
    seconds: int,
    connections: int,
    by: Generator,
    push: Push = Push.REPORT,
) -> Window:
    """Load a server; a round's number is only noted.

    Raises:
        subprocess.SubprocessError: the generator failed or did not end.
    """
    if by is Generator.WRK:
        command = _wrk(server, mode, seconds, connections, push)
    else:
        command = _builtin(server, mode, seconds, connections)
    ran = subprocess.run(
        command,
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
        timeout=seconds + _GRACE_S,
    )
    fields = json.loads(ran.stdout.splitlines()[-1])
    return Window(server=server.name, mode=mode, round=number, **fields)


def _wrk(server: Server, mode: Mode, seconds: int, connections: int, push: Push) -> Sequence[str]:
    options = ["-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s"]
    if mode is Mode.CLOSE:
        options += ["-H", "Connection: close"]
    script = Path(__file__).with_name(f"{push.value}.lua")
    return ["wrk", *options, "-s", str(script), server.push_url, "--", os.urandom(8).hex()]


def _builtin(server: Server, mode: Mode, seconds: int, connections: int) -> Sequence[str]:
    close = "1" if mode is Mode.CLOSE else "0"
    arguments = [str(server.port), f"/callbacks/{TOKEN}", str(connections), str(seconds), close]
    return [sys.executable, "-m", f"{__package__}.generator", *arguments]
