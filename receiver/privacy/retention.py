"""The purger: deletes expired data from the store, alongside live traffic.

It walks in stretches. What there is to do is read first; only where there is something a short
transaction does it, and after each the others get their turn.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum

import structlog

from receiver.errors import ReceiverError, StoreUnavailableError
from receiver.pacing import Pacer
from receiver.store import retention as stored
from receiver.store.projector import begin_write
from receiver.store.store import Store

_log = structlog.get_logger(__name__)

_DAY_US = 86_400 * 1_000_000
_SLICE_S = 0.003
_FIRST_AFTER_S = 60.0
_PAUSE_S = 1.0  # after the store was unavailable


@dataclass(frozen=True, slots=True)
class Retention:
    """Retention periods in days; 0: unlimited, and numbers as long as their message."""

    messages_days: float = 0
    numbers_days: float = 0
    texts_days: float = 0
    raw_days: float = 0
    quarantine_days: float = 0

    def cutoffs(self, now: int) -> stored.Cutoffs:
        """Return the times before which it goes (microseconds)."""
        return stored.Cutoffs(
            messages=_cutoff(self.messages_days, now),
            numbers=_cutoff(self.numbers_days, now),
            texts=_cutoff(self.texts_days, now),
            raw=_cutoff(self.raw_days, now),
            quarantine=_cutoff(self.quarantine_days, now),
        )


def _cutoff(days: float, now: int) -> int | None:
    return now - round(days * _DAY_US) if days else None


class PurgePhase(StrEnum):
    """What happened to a purge."""

    RUNNING = "running"
    STOPPED = "stopped"
    FINISHED = "finished"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Purge:
    """One purge, as far as it has progressed."""

    dry_run: bool
    cutoffs: stored.Cutoffs
    started_at: int
    updated_at: int
    finished_at: int | None = None
    counts: Counter[str] = field(default_factory=Counter)
    phase: PurgePhase = PurgePhase.RUNNING


class AnotherPurgeError(ReceiverError):
    """A different purge is in progress."""


class Purger:
    """Runs one purge at a time, periodically and on request."""

    def __init__(
        self,
        store: Store,
        retention: Retention,
        *,
        every_s: float,
        clock: Callable[[], int],
        yield_factor: Callable[[], int],
        on_orphans_gone: Callable[[int], None],
    ) -> None:
        """Make one that is at rest.

        Args:
            store: whose rows go.
            retention: when.
            every_s: how long after one purge the next begins; the first, a minute after the start
                at the latest.
            clock: gives microseconds.
            yield_factor: how much time is left to others for each unit taken.
            on_orphans_gone: told how many messages without a send went.
        """
        self._store = store
        self._retention = retention
        self._every_s = every_s
        self._clock = clock
        self._yield_factor = yield_factor
        self._on_orphans_gone = on_orphans_gone
        self._purge: Purge | None = None
        self._task: asyncio.Task[None] | None = None
        self._schedule: asyncio.Task[None] | None = None
        self._stopping = False

    def run_regularly(self) -> None:
        """Purge ever so often from now on, until it is stopped."""
        self._schedule = asyncio.create_task(self._regularly(), name="purges")

    def start(self, *, dry_run: bool) -> Purge:
        """Begin a purge, or join the one of the same kind that is going on.

        Args:
            dry_run: only count what would go.

        Raises:
            AnotherPurgeError: one of the other kind is going on.
        """
        if self._purge is not None and self._task is not None and not self._task.done():
            if self._purge.dry_run != dry_run:
                raise AnotherPurgeError(
                    "Another purge is in progress. Get its progress (GET) and try again "
                    "when it has ended."
                )
            return self._purge
        now = self._clock()
        self._purge = Purge(dry_run, self._retention.cutoffs(now), now, now)
        self._task = asyncio.create_task(self._work(), name="purge")
        return self._purge

    @property
    def progress(self) -> Purge | None:
        """The newest purge of this process; None when there was none."""
        return self._purge

    async def stop(self, patience_s: float) -> None:
        """End after the stretch at hand; one that takes longer is rolled back."""
        self._stopping = True
        if self._schedule is not None:
            self._schedule.cancel()
            await asyncio.gather(self._schedule, return_exceptions=True)
        if self._task is None:
            return
        _, late = await asyncio.wait({self._task}, timeout=patience_s)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _regularly(self) -> None:
        await asyncio.sleep(min(_FIRST_AFTER_S, self._every_s))
        while not self._stopping:
            if self._task is None or self._task.done():
                self.start(dry_run=False)
            if self._task is not None:
                await asyncio.wait({self._task})
            await asyncio.sleep(self._every_s)

    async def _work(self) -> None:
        pacer = Pacer(_SLICE_S, self._yield_factor)
        try:
            for walk in stored.WALKS:
                await self._walk(walk, pacer)
        except Exception as error:  # noqa: BLE001 - whoever asks for the progress is told
            _log.error("purge failed", error=type(error).__name__)
            self._note(Counter(), phase=PurgePhase.FAILED)
            return
        self._note(Counter(), phase=PurgePhase.STOPPED if self._stopping else PurgePhase.FINISHED)
        counts = self._counts()
        if any(counts.values()) and not self._dry_run:
            _log.info("purged", **counts)

    async def _walk(self, walk: stored.Stretch, pacer: Pacer) -> None:
        place: stored.Place | None = ()
        while place is not None and not self._stopping:
            try:
                step = await self._stretch(walk, place)
            except StoreUnavailableError as error:
                _log.warning("purge waits for the store", reason=str(error))
                await asyncio.sleep(_PAUSE_S)
                continue
            place = step.next
            self._note(step.counts)
            await pacer.yield_now()

    async def _stretch(self, walk: stored.Stretch, place: stored.Place) -> stored.Step:
        cutoffs = self._current.cutoffs
        async with self._store.reading() as connection:
            step = await walk(connection, cutoffs, place, False)  # noqa: FBT003 - as declared
        goes = sum(count for name, count in step.counts.items() if name != "spared")
        if self._dry_run or not goes:
            return step
        async with self._store.writing() as connection:
            await begin_write(connection)
            step = await walk(connection, cutoffs, place, True)  # noqa: FBT003 - as above
        self._on_orphans_gone(step.counts.pop("orphans", 0))
        return step

    def _note(self, counts: Counter[str], phase: PurgePhase | None = None) -> None:
        now, purge = self._clock(), self._current
        self._purge = replace(
            purge,
            counts=purge.counts + counts,
            updated_at=now,
            phase=phase or purge.phase,
            finished_at=now if phase is PurgePhase.FINISHED else None,
        )

    def _counts(self) -> dict[str, int]:
        return {name: count for name, count in sorted(self._current.counts.items()) if count}

    @property
    def _dry_run(self) -> bool:
        return self._current.dry_run

    @property
    def _current(self) -> Purge:
        assert self._purge is not None  # noqa: S101 - set before the task that works on it
        return self._purge
