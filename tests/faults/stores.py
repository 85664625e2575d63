"""The store is locked, is deleted, or has no space, while pushes arrive."""

import errno
import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.faults.experiment import Bench, Experiment, Outcome
from tests.faults.lookups import Lookups
from tests.faults.mounts import tmpfs
from tests.faults.rounds import settle, stop_and_audit
from tests.faults.shown import Shown
from tests.faults.steady import RATE, Steady
from tests.support.parts import write_lock
from tests.support.server import Server, eventually

_KNOWN = {"known_1": "DELIVRD"}
_LOOKUPS = ("/v1/messages?limit=50", "/v1/messages/known_1")
_NOTICED_S = 10.0
_MOST_READY = 0.2  # of the answers of /readyz while there is no store
_CATCH_UP_S = 60.0
_FOLLOWING_ROWS = RATE / 4
_SPACE = 32 * 1024 * 1024  # the write-ahead log alone may take 16 MiB
_CHUNKS = (64 * 1024, 4096, 1)


# --- locked ---------------------------------------------------------------------------------------


def lock(bench: Bench) -> Outcome:
    """Let another connection hold the store's write lock for a while."""
    seconds = bench.seconds(30, 5)
    shown = Shown()
    with closing(Server(bench.directory / "data")) as server:
        _start_with_known(server)
        with Steady(server, "steady", bench.directory) as client:
            with Lookups(server, _LOOKUPS) as lookups, write_lock(server.store_file):
                began = time.monotonic()
                time.sleep(seconds)
                lag = server.api.metric("receiver_projector_lag_rows")
                ready = server.api.http.get("/readyz").status_code
                ended = time.monotonic()
            catch_up_s = _await_catch_up(server)
        pace = client.pace(began, ended)
        found = stop_and_audit(server, {**client.acknowledged, **_KNOWN})
    shown.require(lag > 0.5 * pace.pushes, f"a lag of {lag:.0f} rows: the store was not locked")
    shown.require(ready == 503, f"/readyz said {ready} while the store was locked")
    shown.figures |= {
        "locked_s": seconds,
        **pace.figures(),
        "lookups": lookups.answered,
        "lag_rows": round(lag),
        "catch_up_s": round(catch_up_s, 2),
    }
    shown.complaints += [*pace.complaints(), *lookups.complaints]
    shown.take(found)
    return shown.outcome()


# --- deleted --------------------------------------------------------------------------------------


def delete(bench: Bench) -> Outcome:
    """Delete the store's files while the process runs; restart it when it does not help itself."""
    shown = Shown()
    with closing(Server(bench.directory / "data")) as server:
        _start_with_known(server)
        with Steady(server, "steady", bench.directory) as client:
            said_before = len(server.log.read_text())
            began = time.monotonic()
            for ending in ("", "-wal", "-shm"):
                Path(f"{server.store_file}{ending}").unlink(missing_ok=True)
            reaction = _await_reaction(server, began)
            time.sleep(bench.seconds(5, 1))
            ended = time.monotonic()
        pace = client.pace(began, ended)
        acknowledged = {**client.acknowledged, **_KNOWN}
        told = _warnings(server.log.read_text()[said_before:])
        if reaction.rebuilt_after_s is None:
            bench.say("restart")
            assert server.stop() == 0
            found = settle(server, acknowledged)
        else:
            found = stop_and_audit(server, acknowledged)
    if reaction.rebuilt_after_s is None:
        seconds = f"{_NOTICED_S:.0f} s"
        share = f"{reaction.ready_share:.0%}"
        shown.require(
            reaction.ready_share < _MOST_READY, f"/readyz said yes in {share} of {seconds}"
        )
        shown.require(told, f"not rebuilt in {seconds}, and the log is silent")
    shown.figures |= {
        **pace.figures(),
        "rebuilt_s": (
            "never" if reaction.rebuilt_after_s is None else round(reaction.rebuilt_after_s, 2)
        ),
        "ready_share": round(reaction.ready_share, 2),
    }
    shown.complaints += pace.complaints()
    shown.take(found)
    return shown.outcome(f"the log said: {' / '.join(told)}" if told else "")


@dataclass(frozen=True, slots=True)
class _Reaction:
    """How a process took the loss of its store.

    Attributes:
        rebuilt_after_s: when everything was there again; None: not in time.
        ready_share: of the answers of /readyz until then, those that said yes.
    """

    rebuilt_after_s: float | None
    ready_share: float


def _await_reaction(server: Server, since: float) -> _Reaction:
    """Watch until the store is there again with everything, or for as long as one may wait."""
    asked = ready = 0
    rebuilt: float | None = None
    while rebuilt is None and (passed := time.monotonic() - since) < _NOTICED_S:
        is_ready = server.api.http.get("/readyz").status_code == 200
        asked, ready = asked + 1, ready + is_ready
        if is_ready and server.store_file.exists() and _has_known(server):
            rebuilt = passed
        time.sleep(0.05)
    return _Reaction(rebuilt, ready / asked)


def _has_known(server: Server) -> bool:
    """Tell whether the file at the store's path holds what was there before."""
    tables = server.rows("SELECT name FROM sqlite_master WHERE name = 'messages'")
    return bool(tables and server.rows("SELECT 1 FROM messages WHERE sms_msg_id = 'known_1'"))


def _warnings(log: str) -> list[str]:
    """Return what a log says to an operator who does not read everything."""
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    return [
        " ".join(str(line[name]) for name in ("event", "reason") if name in line)
        for line in lines
        if line["level"] in ("warning", "error", "critical")
    ]


# --- full -----------------------------------------------------------------------------------------


@dataclass
class _StoreElsewhere(Server):
    """A server whose store has a place of its own."""

    place: Path = Path()

    def __post_init__(self) -> None:
        self.settings = {**self.settings, "RECEIVER_STORE_URL": f"sqlite:///{self.store_file}"}
        super().__post_init__()

    @property
    def store_file(self) -> Path:
        """The store."""
        return self.place / "store.sqlite3"


def fill(bench: Bench) -> Outcome:
    """Leave the store no space for a while; restart the process in the middle of it."""
    shown = Shown()
    place = bench.directory / "store"
    server = _StoreElsewhere(bench.directory / "data", place=place)
    with tmpfs(place, _SPACE), closing(server):
        _start_with_known(server)
        with Steady(server, "steady", bench.directory) as client:
            said_before = len(server.log.read_text())
            with _filled(place), Lookups(server, _LOOKUPS) as lookups:
                began = time.monotonic()
                unready_s = _await_unready(server, shown)
                time.sleep(bench.seconds(10, 3))
                lag = server.api.metric("receiver_projector_lag_rows")
                ended = time.monotonic()
            catch_up_s = _await_catch_up(server)
        pace = client.pace(began, ended)
        told = _warnings(server.log.read_text()[said_before:])
        acknowledged = {**client.acknowledged, **_KNOWN, **_restart_when_full(server, place)}
        found = stop_and_audit(server, acknowledged)
    shown.require(lag > 0, "the store had space all the time: proves nothing")
    shown.require(bool(told), "the log is silent")
    shown.figures |= {
        **pace.figures(),
        "unready_s": round(unready_s, 2),
        "lookups": lookups.answered,
        "lag_rows": round(lag),
        "catch_up_s": round(catch_up_s, 2),
    }
    shown.complaints += [*pace.complaints(), *lookups.complaints]
    shown.take(found)
    return shown.outcome(f"the log said: {' / '.join(told)}")


def _await_unready(server: Server, shown: Shown) -> float:
    """Wait until /readyz says no; return after how many seconds it did."""
    began = time.monotonic()
    while (passed := time.monotonic() - began) < _NOTICED_S:
        if server.api.http.get("/readyz").status_code == 503:
            return passed
        time.sleep(0.05)
    shown.complaints.append(f"/readyz says yes for {_NOTICED_S:.0f} s")
    return passed


def _restart_when_full(server: Server, place: Path) -> dict[str, str]:
    """Start the process on a full disk; return what it acknowledged then."""
    assert server.stop() == 0
    with _filled(place):
        server.start()
        assert server.push(b"smsMsgId=restarted_1&status=DELIVRD").status_code == 200
    return {"restarted_1": "DELIVRD"}


@contextmanager
def _filled(place: Path) -> Iterator[None]:
    """Take all space of a file system."""
    ballast = place / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in _CHUNKS:
            _write_until_full(file.write, bytes(size))
    try:
        yield
    finally:
        ballast.unlink()


def _write_until_full(write: Callable[[bytes], int], chunk: bytes) -> None:
    while True:
        try:
            write(chunk)
        except OSError as error:
            assert error.errno == errno.ENOSPC, error  # noqa: PT017 - no test of pytest's
            return


# --- what they share ------------------------------------------------------------------------------


def _await_catch_up(server: Server) -> float:
    """Wait until the store follows the pushes, which go on; return the seconds it took."""
    began = time.monotonic()
    server.ready(_CATCH_UP_S)
    eventually(
        lambda: server.api.metric("receiver_projector_lag_rows") < _FOLLOWING_ROWS,
        "the store follows the pushes",
        timeout_s=_CATCH_UP_S,
    )
    return time.monotonic() - began


def _start_with_known(server: Server) -> None:
    server.start()
    assert server.push(b"smsMsgId=known_1&status=DELIVRD").status_code == 200
    server.caught_up()


EXPERIMENTS = (
    Experiment(
        name="store-locked",
        how="another connection holds BEGIN IMMEDIATE for 30 s while 200 pushes/s arrive",
        must_hold="all 200 within 1 s, look-ups served, /readyz says no, catches up, 0 lost",
        run=lock,
    ),
    Experiment(
        name="store-deleted",
        how="the store's file, -wal and -shm are deleted while 200 pushes/s arrive",
        must_hold="all 200 within 1 s; rebuilt, or /readyz says no and the log what to do; 0 lost",
        run=delete,
    ),
    Experiment(
        name="store-full",
        how="the store on a tmpfs of 32 MiB that a file fills up while 200 pushes/s arrive",
        must_hold="all 200 within 1 s, look-ups served, /readyz says no, catches up, 0 lost",
        run=fill,
        needs=("root",),
    ),
)
