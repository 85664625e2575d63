"""The projector: reads the journal in order and brings the store up to date.

It runs on the event loop in slices of a few milliseconds, so that pushes go first. The effects of
a batch and the checkpoint behind it commit in one transaction: a crash repeats nothing and skips
nothing. Its upkeep of the store stands here too, for it takes turns with the batches.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import structlog

from receiver.domain.projection import Event, Policy, ProjectedChanges, Projection, keys_of
from receiver.domain.steps import walk
from receiver.errors import (
    JournalUnavailableError,
    ReceiverError,
    StoreRejectedError,
    StoreUnavailableError,
)
from receiver.journal import Journal, Row
from receiver.pacing import Pacer, yield_factor
from receiver.projector.decoding import decode, set_aside
from receiver.projector.mismatch import mismatch
from receiver.projector.options import ProjectorObservers, ProjectorOptions
from receiver.store import idempotency, projector, reclassification, silence
from receiver.store.store import Store
from receiver.store.suppressions import by_code

_log = structlog.get_logger(__name__)

_FIRST_PAUSE_S = 0.1  # after a failed write; doubles up to the longest
_LONGEST_PAUSE_S = 2.0
_IDLE_WAIT_S = 1.0
_UPKEEP_EVERY_S = 60.0
_SAY_AGAIN_S = 60.0
_OVERDUE_SLICE = 500
_QUIET_LOOKS = 2  # the first look that finds nothing may fall between two pushes
_MOST_EVENTS = 1000  # of one row in one transaction, and of a batch that takes no further row


@dataclass(slots=True)
class _Batch:
    """Rows that are taken in one transaction, and what they say."""

    rows: list[Row] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def add(self, row: Row, events: list[Event]) -> None:
        self.rows.append(row)
        self.events += events

    @property
    def is_full(self) -> bool:
        return len(self.events) >= _MOST_EVENTS


class Projector:
    """Brings the store up to date with the journal until it is stopped."""

    def __init__(
        self,
        journal: Journal,
        store: Store,
        policy: Policy,
        *,
        clock: Callable[[], int],
        options: ProjectorOptions | None = None,
        observers: ProjectorObservers | None = None,
    ) -> None:
        self.position = 0  # how far the store is, as far as this process knows
        self._taken = 0  # events of the row behind it that the store has too
        self.healthy = False  # whether the last write to the store worked
        self._journal = journal
        self._store = store
        self.policy = policy  # may be replaced at any time; what is decided next goes by it
        self._clock = clock
        self._options = options or ProjectorOptions()
        self._observers = observers or ProjectorObservers()
        self._advanced = asyncio.Event()
        self._stopping = asyncio.Event()
        self._started = False
        self._failure = ""  # why the last attempt failed
        self._has_evicted = False  # from the quarantine
        self._said_at = 0.0
        self._misfit = ""  # of journal and store, as the start found it
        self._quiet_looks = 0  # in a row that found nothing new
        self._next_upkeep = time.monotonic()

    async def run(self) -> None:
        """Work until `stop`; a store that is unavailable or locked is tried again and again."""
        pause = _FIRST_PAUSE_S
        while not self._stopping.is_set():
            try:
                moved = await self._work()
            except Exception as error:  # noqa: BLE001 - a dead projector would help nobody
                # A commit whose answer was lost may have been made: the checkpoint knows.
                self._started = self._started and not isinstance(error, StoreUnavailableError)
                said = isinstance(error, ReceiverError)
                reason = str(error) if said else f"defect: {type(error).__name__}"
                what = "journal" if isinstance(error, JournalUnavailableError) else "store"
                self._note_failure(f"the {what}: {reason}")
                await self._rest(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_S)
            else:
                self.healthy = True
                self._failure = ""
                pause = _FIRST_PAUSE_S
                if not moved:
                    await self._idle()

    @property
    def problems(self) -> list[str]:
        """What is wrong now, and what the start found wrong."""
        return [problem for problem in (self._misfit, self._failure) if problem]

    def stop(self) -> None:
        """Let `run` end after the batch at hand."""
        self._stopping.set()

    async def reached(self, position: int) -> None:
        """Return when the store has everything up to a position of the journal."""
        while self.position < position:
            await self._advanced.wait()

    async def _work(self) -> bool:
        if self._started:
            # A new file is filled from the journal's start, as if there had been none.
            self._store.check_in_place()
        else:
            await self._start()
        moved = await self._advance()
        self._quiet_looks = 0 if moved else self._quiet_looks + 1
        if self._quiet_looks == _QUIET_LOOKS:
            await self._store.settle()
        if time.monotonic() >= self._next_upkeep:
            self._next_upkeep = time.monotonic() + _UPKEEP_EVERY_S
            await self._mark_overdue()
            await self._forget_answers()
            await self._prune()
        return moved

    async def _idle(self) -> None:
        """Wait until the journal grows, or for the end, or until it is time to look around."""
        waits = [
            asyncio.create_task(self._journal.wait_for_growth(self.position, _IDLE_WAIT_S)),
            asyncio.create_task(self._stopping.wait()),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    async def _start(self) -> None:
        await self._store.prepare()
        async with self._store.writing() as connection:
            await reclassification.forget_runs(connection, but_of=self.policy.name)
        async with self._store.reading() as connection:
            read_up_to = await projector.read_checkpoints(connection)
            taken = await projector.read_taken(connection, self._journal.identity)
            self._observers.on_orphans(await projector.count_orphans(connection))
        known = read_up_to.get(self._journal.identity)
        newest = self._journal.handed_out
        await self._compare(read_up_to, newest)
        if known is not None and known > newest:
            # The journal is older than the store, as after a restored backup: its positions
            # would be taken for old ones. Reading all of it again is safe, for the same report
            # twice is a redelivery.
            await self._journal.begin_anew()
            known = None
        self._move_to(known or 0, taken if known is not None else 0)
        self._started = True

    async def _compare(self, read_up_to: Mapping[str, int], newest: int) -> None:
        """Report a mismatch of journal and store, and its meaning."""
        # Without a newest row it was empty when it was opened, whatever has come since.
        (oldest,) = await self._journal.read_after(0, rows=1, max_bytes=0) or (None,)
        self._misfit = mismatch(
            known=read_up_to.get(self._journal.identity),
            others=len(read_up_to.keys() - {self._journal.identity}),
            oldest=None if oldest is None or not newest else oldest.position,
            oldest_at=None if oldest is None else oldest.received_at,
            newest=newest,
            is_shared=not self._store.files,
            was_mended=bool(self._journal.problems),
        )
        if self._misfit:
            _log.error("journal and store do not match", finding=self._misfit)

    async def _advance(self) -> bool:
        rows = await self._journal.read_after(
            self.position, rows=self._options.batch_rows, max_bytes=self._options.batch_bytes
        )
        pacer = Pacer(self._options.slice_s, self._yield_factor)
        batch = _Batch()
        for row in rows:
            events = await self._decode(row, pacer)
            if row is rows[0]:
                events = events[self._taken :]
            await pacer.maybe_yield()
            if len(events) > _MOST_EVENTS:
                if batch.rows:
                    await self._take(batch, pacer)
                events = await self._take_pieces(events, pacer)
                batch = _Batch()
                if self._stopping.is_set():
                    break
            batch.add(row, events)
            if batch.is_full or row is rows[-1]:
                await self._take(batch, pacer)
                batch = _Batch()
                if self._stopping.is_set():
                    break
        return bool(rows)

    async def _take_pieces(self, events: list[Event], pacer: Pacer) -> list[Event]:
        """Take the events of a long row in several transactions; return those of the last one.

        So others who write to the store wait for a piece of a large push, not for all of it.
        """
        while len(events) > _MOST_EVENTS and not self._stopping.is_set():
            piece = events[:_MOST_EVENTS]
            try:
                taken = self._taken + len(piece)
                changes = await self._commit(piece, self.position, pacer, taken)
            except StoreUnavailableError:
                raise
            except Exception:  # noqa: BLE001 - whatever it is, the row is taken alone and judged there
                break
            self._observers.on_changes(changes)
            await pacer.yield_now()
            events = events[_MOST_EVENTS:]
        return events

    async def _take(self, batch: _Batch, pacer: Pacer) -> None:
        try:
            done = [await self._commit(batch.events, batch.rows[-1].position, pacer)]
        except StoreUnavailableError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, one row must not stop the rest
            _log.warning("batch failed; processing its rows one by one", error=type(error).__name__)
            done = [await self._commit_alone(row, pacer) for row in batch.rows]
        lost = [one.lost_at for changes in done for one in changes.quarantined]
        self._journal.note_unusable([at for at in lost if at is not None])
        for changes in done:
            await pacer.maybe_yield()
            self._observers.on_changes(changes)
        await pacer.yield_now()

    async def _decode(self, row: Row, pacer: Pacer) -> list[Event]:
        return await walk(decode(row, self._options.quarantine.push_rows), pacer.maybe_yield)

    def _yield_factor(self) -> int:
        return yield_factor(
            waiting=self._journal.waiting, behind=self._journal.last_position - self.position
        )

    async def _commit_alone(self, row: Row, pacer: Pacer) -> ProjectedChanges:
        """Commit one row of a batch that failed: only the culprit is set aside."""
        try:
            events = (await self._decode(row, pacer))[self._taken :]
            return await self._commit(events, row.position, pacer)
        except StoreUnavailableError:
            raise
        except Exception as error:  # noqa: BLE001 - as for the batch
            reason = str(error) if isinstance(error, StoreRejectedError) else type(error).__name__
            _log.error("row moved to the quarantine", position=row.position, reason=reason)
            return await self._commit([set_aside(row, reason)], row.position, pacer)

    async def _commit(
        self, events: list[Event], position: int, pacer: Pacer, taken: int = 0
    ) -> ProjectedChanges:
        async with self._store.writing() as connection:
            known = await projector.load(connection, *keys_of(events))
            projection = Projection(known, self.policy.words)
            for event in events:
                projection.apply(event)
                await pacer.maybe_yield()
            for message in projection.touched():
                projection.decide(message, self.policy)
                await pacer.maybe_yield()
            changes = projection.finish()
            evicted = await projector.save(
                connection, changes, self._options.quarantine, pacer.maybe_yield
            )
            await by_code.update_from_results(connection, changes.messages, self.policy)
            await silence.hear(connection, changes.heard, self._clock(), self._options.silence)
            await projector.save_checkpoint(
                connection, self._journal.identity, position, self._clock(), taken
            )
        self._move_to(position, taken)
        if evicted:
            self._note_evicted(evicted)
        return changes

    def _move_to(self, position: int, taken: int) -> None:
        """Note up to where the store has the journal, and wake the waiters."""
        self.position = position
        self._taken = taken
        self._advanced.set()
        self._advanced.clear()

    def _note_evicted(self, rows: int) -> None:
        if not self._has_evicted:
            _log.warning(
                "quarantine is full: evicting the oldest rows of the largest sources; "
                "receiver_quarantine_evicted_total counts them"
            )
        self._has_evicted = True
        self._observers.on_evicted(rows)

    # --- upkeep -----------------------------------------------------------------------------

    async def _mark_overdue(self) -> None:
        heard_before = self._clock() - self._options.overdue_after_us
        marked = _OVERDUE_SLICE
        while marked == _OVERDUE_SLICE:
            async with self._store.writing() as connection:
                marked = await projector.mark_overdue(
                    connection, heard_before=heard_before, limit=_OVERDUE_SLICE
                )
            self._observers.on_overdue(marked)

    async def _forget_answers(self) -> None:
        async with self._store.writing() as connection:
            await idempotency.forget(connection, self._clock() - idempotency.KEPT_US)

    async def _prune(self) -> None:
        """Let the journal forget rows that are old and that the store holds durably."""
        position = self.position
        arrived_before = self._clock() - self._options.journal_kept_us
        oldest = await self._journal.arrival_after(0)
        if oldest is not None and oldest < arrived_before and await self._store.make_durable():
            await self._journal.prune(up_to=position, arrived_before=arrived_before)

    def _note_failure(self, reason: str) -> None:
        now = time.monotonic()
        if reason != self._failure or now - self._said_at >= _SAY_AGAIN_S:
            self._said_at = now
            _log.error("store update failed; trying again", reason=reason)
        self._failure = reason
        self.healthy = False
        self._observers.on_failure()

    async def _rest(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)
