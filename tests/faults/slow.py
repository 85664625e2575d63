"""The journal's disk is slow while more is pushed than may wait for it."""

import time
from contextlib import closing
from dataclasses import dataclass, field
from statistics import median

from tests.faults.client import Client
from tests.faults.disk import (
    LOOKUPS,
    RECOVERED_WITHIN_S,
    REFUSED_WITHIN_S,
    require_answers,
    start_with_known,
    tampered,
)
from tests.faults.experiment import Bench, Experiment, Outcome
from tests.faults.injection import SYNCS, resident_bytes
from tests.faults.lookups import Lookups
from tests.faults.rounds import stop_and_audit
from tests.faults.shown import Shown
from tests.support.server import Server

_SYNC_TAKES_MICROSECONDS = 200_000  # more than usual
_MOST_WAITING = 100
_CROWD, _PAUSE_S = 250, 0.1  # connections, and the pause of each between two pushes
_MEBIBYTE = 1024 * 1024
_MOST_GROWTH_BYTES = 64 * _MEBIBYTE
_LOOK_EVERY_S = 0.1
_QUICK_S = 0.1
_PUSHES_AFTER = 50


@dataclass(slots=True)
class _Slowness:
    """What was seen while the disk was slow."""

    begun: float = 0.0
    ended: float = 0.0
    resident: list[int] = field(default_factory=list)  # bytes, all processes of the server
    waiting: list[float] = field(default_factory=list)  # entries


def slow_disk(bench: Bench) -> Outcome:
    """Let each sync take long while a crowd pushes more than may wait."""
    settings = {"RECEIVER_JOURNAL__MAX_WAITING": str(_MOST_WAITING)}
    with closing(Server(bench.directory / "data", settings)) as server:
        start_with_known(server)
        before = resident_bytes(server)
        crowd = Client(server, "crowd", bench.directory, connections=_CROWD, pause_s=_PAUSE_S)
        with crowd, Lookups(server, LOOKUPS) as ask:
            crowd.wait_for_acknowledgement(time.monotonic())
            seen = _watch_slowness(server, bench)
            crowd.wait_for_acknowledgement(seen.ended, RECOVERED_WITHIN_S)
        late, afterwards = _push_afterwards(server)
        found = stop_and_audit(server, {**crowd.acknowledged, **late, "known_1": "DELIVRD"})
    shown = Shown()
    _judge(crowd, seen, before, shown)
    shown.figures["ack_afterwards_ms"] = round(afterwards * 1000, 1)
    shown.require(afterwards < _QUICK_S, f"afterwards a push still takes {afterwards:.3f} s")
    require_answers(crowd, ask, shown)
    shown.take(found)
    return shown.outcome()


def _judge(crowd: Client, seen: _Slowness, resident_before: int, shown: Shown) -> None:
    during = crowd.sent_between(seen.begun, seen.ended)
    taken = sum(attempt.status == 200 for attempt in during)
    refused = [attempt.seconds for attempt in during if attempt.status == 503]
    slowest = max(refused, default=0.0)
    growth = max(seen.resident) - resident_before
    most_waiting = round(max(seen.waiting))
    shown.figures |= {
        "acknowledged_while_slow": taken,
        "refused": len(refused),
        "slowest_refusal_s": round(slowest, 3),
        "most_waiting": most_waiting,
        "rss_before_mib": resident_before // _MEBIBYTE,
        "rss_most_mib": max(seen.resident) // _MEBIBYTE,
    }
    shown.require(refused, "the bound was not reached: proves nothing")
    shown.require(taken, "nothing was acknowledged while the disk was slow")
    shown.require(slowest < REFUSED_WITHIN_S, f"a refusal took {slowest:.2f} s")
    shown.require(growth < _MOST_GROWTH_BYTES, f"memory grew by {growth // _MEBIBYTE} MiB")
    # As many again may be in the commit that is under way.
    shown.require(most_waiting <= 2 * _MOST_WAITING, f"{most_waiting} entries waited")


def _watch_slowness(server: Server, bench: Bench) -> _Slowness:
    seen = _Slowness()
    with tampered(server, bench, SYNCS, f"delay_exit={_SYNC_TAKES_MICROSECONDS}") as count:
        seen.begun = time.monotonic()
        end = seen.begun + bench.seconds(10, 3)
        while time.monotonic() < end:
            seen.resident.append(resident_bytes(server))
            seen.waiting.append(server.api.metric("receiver_journal_waiting"))
            time.sleep(_LOOK_EVERY_S)
        assert count() > 0, "no sync was slow: proves nothing"
        seen.ended = time.monotonic()
    return seen


def _push_afterwards(server: Server) -> tuple[dict[str, str], float]:
    """Push one after the other; return what was acknowledged, and the median of the seconds."""
    taken: dict[str, str] = {}
    seconds = []
    for number in range(_PUSHES_AFTER):
        began = time.monotonic()
        answer = server.push(f"smsMsgId=after-{number}_1&status=DELIVRD".encode())
        seconds.append(time.monotonic() - began)
        assert answer.status_code == 200, f"afterwards: {answer.status_code}"
        taken[f"after-{number}_1"] = "DELIVRD"
    return taken, median(seconds)


EXPERIMENTS = (
    Experiment(
        name="slow-disk",
        how="each fdatasync of the journal's writer takes 0.2 s more while 250 connections push",
        must_hold="memory grows < 64 MiB, past the bound 503 within 1 s, then 200 in 0.1 s, 0 lost",
        run=slow_disk,
        needs=("strace",),
    ),
)
