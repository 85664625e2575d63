"""Strangers flood the ports while genuine pushes come, at the receiver and at bare uvicorn."""

import json
import subprocess
import sys
from contextlib import closing, suppress
from dataclasses import dataclass
from statistics import quantiles
from typing import Self

from tests.faults.experiment import Bench, Experiment, Outcome
from tests.faults.flooder import BUSY, FLOODS
from tests.faults.rivals import bare_uvicorn
from tests.faults.rounds import stop_and_audit
from tests.faults.shown import Shown
from tests.support.server import ROOT, Server, clean_environment

_FLOODERS = 4
_SPARE_S = 1.0  # that a flood lasts longer than the pushes
_PATIENCE_S = 60.0
_P99_MS = 100.0
_P99_CROWD_MS = 300.0  # beside hundreds of connections, which are taken in and closed meanwhile
# Flooders take processors from the receiver, too. Where processes that only compute make pushes
# that slow already, no more can be asked than so many times that.
_TIMES_BUSY = 2.0
_QUICK_STEP = 3  # one in so many kinds
_COMPARED_QUICKLY = 2  # kinds
_CALM = "calm"  # no flood at all: what the machine itself does


@dataclass(frozen=True, slots=True)
class Pushed:
    """How genuine pushes fared."""

    acknowledged: dict[str, str]
    refused: int
    milliseconds: list[float]

    @classmethod
    def read(cls, written: bytes) -> Self:
        """Read what a pusher wrote."""
        answers = json.loads(written)
        taken = {sms_msg_id: "DELIVRD" for sms_msg_id, status, _ in answers if status == 200}
        seconds = [seconds for _, _, seconds in answers]
        return cls(taken, len(answers) - len(taken), [1000 * one for one in seconds])

    @property
    def p99_ms(self) -> float:
        """The time in which 99 of 100 were answered."""
        return quantiles(self.milliseconds, n=100)[98]

    def describe(self) -> str:
        """Return median, p99 and slowest in milliseconds, and what was refused."""
        median = quantiles(self.milliseconds, n=2)[0]
        slowest = max(self.milliseconds)
        refused = f", {self.refused} refused" if self.refused else ""
        return f"{median:.0f}/{self.p99_ms:.0f}/{slowest:.0f} ms{refused}"


def _run(module: str, *arguments: object) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", f"tests.faults.{module}", *map(str, arguments)],
        env=clean_environment({}),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )


def _push_while(kind: str, port: int, flooded: int, path: str, name: str, seconds: float) -> Pushed:
    """Push for so long while some flood; each process ends by itself, and is waited for."""
    count = 0 if kind == _CALM else _FLOODERS
    lasting = seconds + _SPARE_S
    floods = [
        _run("flooder", flooded, path, kind, lasting, f"127.0.{number + 1}.1")
        for number in range(count)
    ]
    pusher = _run("pusher", port, path, name, seconds)
    try:
        written, _ = pusher.communicate(timeout=_PATIENCE_S)
        return Pushed.read(written)
    finally:
        for process in (pusher, *floods):
            with suppress(subprocess.TimeoutExpired):
                process.communicate(timeout=_PATIENCE_S)
            process.kill()
            process.communicate()


def flood(bench: Bench) -> Outcome:
    """Push calmly, then under each flood, at the receiver and at bare uvicorn."""
    seconds = bench.seconds(8, 1.5)
    shown = Shown()
    with closing(Server(bench.directory / "data").start()) as server, bare_uvicorn() as bare:
        server.ready()
        path = server.callback_path
        acknowledged: dict[str, str] = {}
        most_ms = _P99_MS
        kinds = (_CALM, BUSY, *FLOODS)
        for number, kind in enumerate(kinds[::_QUICK_STEP] if bench.quick else kinds):
            bench.say(kind)
            name = f"push-{number}"
            is_private = kind in FLOODS and FLOODS[kind].private
            flooded = server.api_port if is_private else server.port
            pushed = _push_while(kind, server.port, flooded, path, name, seconds)
            acknowledged |= pushed.acknowledged
            figures = pushed.describe()
            shown.require(not pushed.refused, f"{kind}: {pushed.refused} pushes had no 200")
            if kind == BUSY:
                most_ms = max(_P99_MS, _TIMES_BUSY * pushed.p99_ms)
            elif not bench.quick:
                is_crowd = kind in FLOODS and FLOODS[kind].is_crowd
                slow = f"{kind}: p99 {pushed.p99_ms:.0f} ms"
                shown.require(pushed.p99_ms < max(most_ms, is_crowd * _P99_CROWD_MS), slow)
            if not bench.quick or number < _COMPARED_QUICKLY:
                rival = _push_while(kind, bare, bare, path, name, seconds)
                figures += f" (bare uvicorn {rival.describe()})"
            shown.figures[kind] = figures
        shown.take(stop_and_audit(server, acknowledged))
    return shown.outcome()


EXPERIMENTS = (
    Experiment(
        name="floods",
        how=f"{_FLOODERS} clients flood in each of {len(FLOODS)} ways while 100 pushes/s come",
        must_hold=(
            f"no push refused, 0 lost; p99 < {_P99_MS:.0f} ms, beside crowds of connections "
            f"{_P99_CROWD_MS:.0f} ms, or {_TIMES_BUSY:g} times that beside {BUSY} (not if quick)"
        ),
        run=flood,
    ),
)
