"""The journal's disk fails to sync, fails to write, is full, or is slow."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.load import Attempt
from tests.faults.client import Client
from tests.faults.experiment import Bench, Experiment, Outcome
from tests.faults.injection import SYNCS, WRITES, injected, journal_writer
from tests.faults.lookups import Lookups
from tests.faults.mounts import tmpfs
from tests.faults.rounds import again_and_again, stop_and_audit
from tests.faults.shown import Shown
from tests.support.server import Server, eventually

REFUSED_WITHIN_S = 1.0
_UNTRUSTWORTHY = 74  # exit status (sysexits.h: EX_IOERR): a supervisor is to restart it
_ENDED_WITHIN_S = 5.0
RECOVERED_WITHIN_S = 10.0
LOOKUPS = ("/v1/messages?limit=50", "/v1/messages/known_1", "/metrics")
_KNOWN = b"smsMsgId=known_1&status=DELIVRD"
_BEFORE_S, _AFTER_S = 1.0, 0.5  # under load
_TMPFS_BYTES = 16 * 1024 * 1024
_MOST_THAT_FIT = 100  # pushes, into what a full disk still has in the journal's own files


# --- a sync fails ---------------------------------------------------------------------------------


def fail_syncs(bench: Bench) -> Outcome:
    """Let the journal's syncs fail under load: the process ends and is restarted."""
    rounds = bench.rounds(10, 2)
    shown = Shown({"rounds": rounds})
    ends: list[float] = []
    with closing(Server(bench.directory / "data")) as server:

        def strike(number: int, client: Client) -> None:
            with tampered(server, bench, SYNCS, "error=EIO") as count:
                failing_from = time.monotonic()
                status = server.wait(2 * _ENDED_WITHIN_S)
                ends.append(time.monotonic() - failing_from)
                assert count() > 0, "no sync failed: proves nothing"
            time.sleep(_AFTER_S)  # for the client's record
            after = client.sent_between(failing_from, time.monotonic())
            taken = sum(attempt.status == 200 for attempt in after)
            shown.require(
                status == _UNTRUSTWORTHY and not taken and ends[-1] < _ENDED_WITHIN_S,
                f"round {number}: status {status} after {ends[-1]:.1f} s, {taken} acknowledged",
            )

        found = again_and_again(bench, server, rounds, strike)
    shown.figures["slowest_end_s"] = round(max(ends), 2)
    shown.take(found)
    return shown.outcome()


# --- a write fails, and the disk is full ----------------------------------------------------------

Fault = Callable[[Server, Bench], AbstractContextManager[object]]


def _writes_fail(error: str) -> Fault:
    @contextmanager
    def failing(server: Server, bench: Bench) -> Iterator[None]:
        with tampered(server, bench, WRITES, f"error={error}") as count:
            yield
            assert count() > 0, "no write failed: proves nothing"

    return failing


@contextmanager
def _disk_filled(server: Server, _: Bench) -> Iterator[None]:
    filler = server.directory / "filler"
    try:
        _fill(filler)
        yield
    finally:
        filler.unlink()


def _fill(filler: Path) -> None:
    """Write until nothing more fits."""
    with filler.open("wb", buffering=0) as file:
        for size in (64 * 1024, 4096):
            try:
                while file.write(b"\0" * size):
                    pass
            except OSError:
                continue


def fail_writes(bench: Bench, error: str) -> Outcome:
    """Let every write to the journal fail for a while."""
    return _refuse_and_recover(bench, _writes_fail(error), nothing_fits=True)


def fill_disk(bench: Bench) -> Outcome:
    """Fill the disk of the data directory, and free it again."""
    with tmpfs(bench.directory / "data", _TMPFS_BYTES):
        return _refuse_and_recover(bench, _disk_filled, nothing_fits=False)


@dataclass(frozen=True, slots=True)
class _Times:
    """When what happened to the disk (monotonic seconds)."""

    broken: float
    refusing: float  # what came from now on had to be refused
    mended: float


def _refuse_and_recover(bench: Bench, fault: Fault, *, nothing_fits: bool) -> Outcome:
    """Push and look up before, during and after a fault that the process should live through.

    `nothing_fits`: no acknowledgement at all is right during the fault; otherwise what still found
    its place on the disk may be acknowledged.
    """
    shown = Shown()
    with closing(Server(bench.directory / "data")) as server:
        start_with_known(server)
        with Client(server, "client", bench.directory) as client, Lookups(server, LOOKUPS) as ask:
            client.wait_for_acknowledgement(time.monotonic())
            time.sleep(_BEFORE_S)
            with fault(server, bench):
                broken = time.monotonic()
                eventually(lambda: _refusals(client, broken), "pushes are refused")
                _require_a_helpful_refusal(server, shown)
                refusing = time.monotonic()
                time.sleep(bench.seconds(8, 2))
                at = _Times(broken, refusing, time.monotonic())
            client.wait_for_acknowledgement(at.mended, RECOVERED_WITHIN_S)
            shown.figures["recovered_s"] = round(time.monotonic() - at.mended, 2)
            time.sleep(_AFTER_S)
        found = stop_and_audit(server, {**client.acknowledged, "known_1": "DELIVRD"})
    _judge(client, at, shown, nothing_fits=nothing_fits)
    require_answers(client, ask, shown)
    shown.take(found)
    return shown.outcome()


def _judge(client: Client, at: _Times, shown: Shown, *, nothing_fits: bool) -> None:
    """Complain of slow refusals, and of acknowledgements that the disk did not stand behind."""
    refused = _refusals(client, at.broken)
    slowest = max(attempt.seconds for attempt in refused)
    taken = sum(
        attempt.status == 200 and attempt.sent_at + attempt.seconds < at.mended
        for attempt in client.sent_between(at.refusing, at.mended)
    )
    shown.figures |= {"refused": len(refused), "slowest_refusal_s": round(slowest, 3)}
    shown.require(slowest < REFUSED_WITHIN_S, f"a refusal took {slowest:.2f} s")
    shown.require(
        not taken or (not nothing_fits and taken < len(refused)),
        f"{taken} acknowledged while the disk took nothing",
    )


def _require_a_helpful_refusal(server: Server, shown: Shown) -> None:
    """Push until a push is refused: what still finds its place on the disk may be acknowledged."""
    for _ in range(_MOST_THAT_FIT):
        began = time.monotonic()
        answer = server.push(b"smsMsgId=refused_1&status=DELIVRD")
        took = time.monotonic() - began
        if answer.status_code != 200:
            break
    retry_after = answer.headers.get("retry-after", "")
    shown.require(
        answer.status_code == 503 and retry_after.isdigit() and took < REFUSED_WITHIN_S,
        f"{answer.status_code}, Retry-After {retry_after!r}, after {took:.2f} s",
    )


# --- what they share ------------------------------------------------------------------------------


def start_with_known(server: Server) -> None:
    """Start a server that has a message to look up."""
    server.start()
    assert server.push(_KNOWN).status_code == 200
    server.caught_up()


def tampered(
    server: Server, bench: Bench, calls: str, what: str
) -> AbstractContextManager[Callable[[], int]]:
    """Tamper with the journal's writer until the context ends."""
    return injected(journal_writer(server), calls, what, bench.directory / "strace.log")


def _refusals(client: Client, since: float) -> list[Attempt]:
    return [a for a in client.read().attempts if a.status == 503 and a.sent_at > since]


def require_answers(client: Client, ask: Lookups, shown: Shown) -> None:
    """Complain of pushes that were neither acknowledged nor refused, and of failed look-ups."""
    shown.figures |= {"lookups": ask.answered, "slowest_lookup_s": round(ask.slowest_s, 2)}
    shown.complaints += ask.complaints
    strange = [attempt for attempt in client.attempts if attempt.status not in (200, 503)]
    if strange:
        shown.complaints.append(f"{len(strange)} pushes: {strange[0].status} {strange[0].trouble}")


EXPERIMENTS = (
    Experiment(
        name="sync-eio",
        how="fdatasync of the journal's writer fails with EIO under load; restarted",
        must_hold="exit 74 within 5 s, no 200 from the failure on, 0 lost",
        run=fail_syncs,
        needs=("strace",),
    ),
    Experiment(
        name="write-eio",
        how="pwrite64 of the journal's writer fails with EIO for a while",
        must_hold="503 with Retry-After within 1 s, look-ups served, recovers by itself, 0 lost",
        run=lambda bench: fail_writes(bench, "EIO"),
        needs=("strace",),
    ),
    Experiment(
        name="write-enospc",
        how="pwrite64 of the journal's writer fails with ENOSPC for a while",
        must_hold="503 with Retry-After within 1 s, look-ups served, recovers by itself, 0 lost",
        run=lambda bench: fail_writes(bench, "ENOSPC"),
        needs=("strace",),
    ),
    Experiment(
        name="disk-full",
        how="data directory on a tmpfs of 16 MiB that a file fills up, then the file goes",
        must_hold="503 with Retry-After within 1 s, look-ups served, recovers by itself, 0 lost",
        run=fill_disk,
        needs=("root",),
    ),
)
