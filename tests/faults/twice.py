"""Two processes want one data directory, or one store."""

import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.faults.experiment import Bench, Experiment, Outcome
from tests.faults.rounds import stop_and_audit
from tests.faults.shown import Shown
from tests.faults.steady import Steady
from tests.support.server import Server, eventually

_REFUSED_WITHIN_S = 5.0
_TAKEN_OVER_WITHIN_S = 10.0
_REFUSED = 1  # exit status
_ADVICE = "Stop that receiver"  # of the message, whatever else it says


@dataclass(frozen=True, slots=True)
class _Rival:
    """A second process that must not start.

    Attributes:
        how: what it shares with the first.
        make: makes it; the files of its output must be its own.
        names: what its message must name.
    """

    how: str
    make: Callable[[Server, Path], Server]
    names: Callable[[Server], str]


def _same_directory(first: Server, _: Path) -> Server:
    return Server(first.directory)


def _same_everything(first: Server, _: Path) -> Server:
    return Server(first.directory, port=first.port, api_port=first.api_port)


def _by_another_name(first: Server, place: Path) -> Server:
    alias = place / "alias"
    alias.symlink_to(first.directory)
    return Server(alias)


def _same_store(first: Server, place: Path) -> Server:
    settings = {"RECEIVER_STORE_URL": f"sqlite:///{first.store_file}"}
    return Server(place / "other", settings)


_RIVALS = (
    _Rival("directory", _same_directory, lambda rival: str(rival.directory)),
    _Rival("directory and ports", _same_everything, lambda rival: str(rival.directory)),
    _Rival("directory by another name", _by_another_name, lambda rival: str(rival.directory)),
    _Rival("store", _same_store, lambda _: "store_url"),
)


def refuse_the_second(bench: Bench) -> Outcome:
    """Start second processes beside the first, which is under load; then let one take over."""
    shown = Shown()
    ends: list[float] = []
    rounds = bench.rounds(3, 1)
    with closing(Server(bench.directory / "data")) as first:
        first.start()
        with Steady(first, "steady", bench.directory) as client:
            began = time.monotonic()
            for number in range(rounds):
                for rival in _RIVALS[::3] if bench.quick else _RIVALS:
                    bench.say(f"round {number + 1} of {rounds}: same {rival.how}")
                    place = bench.directory / f"{number} {rival.how}"
                    place.mkdir()
                    ends.append(_refuse(first, rival, place, shown))
            ended = time.monotonic()
        pace = client.pace(began, ended)
        if shown.complaints:  # a rival may still have the files
            return shown.outcome()
        acknowledged = dict(client.acknowledged)
        takeovers = _take_over(bench, first, acknowledged)
        simultaneous = _start_at_once(bench, first, shown)
        first.start()
        found = stop_and_audit(first, acknowledged)
    shown.require(
        max(takeovers) < _TAKEN_OVER_WITHIN_S, f"after SIGKILL it took {max(takeovers):.1f} s"
    )
    shown.figures |= {
        "refused_starts": len(ends),
        "slowest_refusal_s": round(max(ends), 2),
        **pace.figures(),
        "takeovers": len(takeovers),
        "slowest_takeover_s": round(max(takeovers), 2),
        "started_at_once": simultaneous,
    }
    shown.complaints += pace.complaints()
    shown.take(found)
    return shown.outcome()


def _refuse(first: Server, rival: _Rival, place: Path, shown: Shown) -> float:
    """Start a rival, which must end by itself; return after how many seconds it did."""
    assert first.process is not None
    with closing(_with_own_output(rival.make(first, place), place, "rival")) as second:
        began = time.monotonic()
        second.spawn()
        status = _status(second, 2 * _REFUSED_WITHIN_S)
        took = time.monotonic() - began
        said = second.printed()
        shown.require(
            status == _REFUSED and took < _REFUSED_WITHIN_S,
            f"same {rival.how}: status {status} after {took:.1f} s",
        )
        for part in (rival.names(second), str(first.process.pid), _ADVICE):
            shown.require(part in said, f"same {rival.how}: the message does not say {part!r}")
        shown.require(
            "Traceback" not in said, f"same {rival.how}: a traceback instead of a message"
        )
    return took


def _take_over(bench: Bench, server: Server, acknowledged: dict[str, str]) -> list[float]:
    """Kill the process, its journal's writer not, and start the next at once."""
    took = []
    for number in range(bench.rounds(5, 1)):
        server.kill()
        began = time.monotonic()
        server.start()
        took.append(time.monotonic() - began)
        sms_msg_id = f"taken-over-{number}_1"
        answer = server.push(f"smsMsgId={sms_msg_id}&status=DELIVRD".encode())
        assert answer.status_code == 200, f"after a takeover: {answer.status_code}"
        acknowledged[sms_msg_id] = "DELIVRD"
    server.kill()
    return took


def _start_at_once(bench: Bench, first: Server, shown: Shown) -> int:
    """Start several at the same moment: one must serve, the others must be refused."""
    rounds = bench.rounds(5, 1)
    for number in range(rounds):
        with ExitStack() as stack:
            rivals = [first]
            for which in range(2):
                place = bench.directory / f"at once {number} {which}"
                place.mkdir()
                rival = _with_own_output(Server(first.directory), place, "rival")
                rivals.append(stack.enter_context(closing(rival)))
            for server in rivals:
                server.spawn()
            serving = eventually(lambda: [s for s in rivals if _serves(s)], "one of them serves")  # noqa: B023 - called at once
            statuses = [_status(s, _REFUSED_WITHIN_S) for s in rivals if s is not serving[0]]
            shown.require(
                statuses == [_REFUSED] * (len(rivals) - 1),
                f"started at once: the others ended with {statuses}",
            )
            assert serving[0].stop(signal.SIGTERM) == 0
    return rounds


def _serves(server: Server) -> bool:
    try:
        return server.public.get("/healthz").status_code == 200
    except httpx.TransportError:
        return False


def _status(server: Server, patience_s: float) -> int | None:
    """Wait for the end of a process that should end; return its status, None when it goes on."""
    try:
        return server.wait(patience_s)
    except subprocess.TimeoutExpired:
        return None


def _with_own_output(server: Server, place: Path, name: str) -> Server:
    server.out, server.log = place / f"{name}.out", place / f"{name}.log"
    return server


EXPERIMENTS = (
    Experiment(
        name="two-processes",
        how="a second start on the directory, its alias, the store; 3 at once; after SIGKILL",
        must_hold="refused within 5 s, told why and what to do; the first goes on; 0 lost",
        run=refuse_the_second,
    ),
)
