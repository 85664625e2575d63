"""The reclassifier: folds history again by today's catalogue and policy, beside live traffic.

It walks through the messages in slices; what a slice changes and how far the walk has come commit
in one transaction. So it can end at any moment and go on later, with the same result as if it had
never stopped: messages that come meanwhile are folded by the same rules, by the projector.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from receiver.domain.effects import RetryMove, SuppressionLine, Undo, effects_on_retries
from receiver.domain.messages.state import Key
from receiver.domain.projection import DecidedMessage, MessageBuilder, Policy
from receiver.domain.reclassification import Refolded, Run, reclassify
from receiver.errors import ReceiverError, StoreDamagedError, StoreUnavailableError
from receiver.journal import Journal
from receiver.pacing import Pacer
from receiver.projector.rereader import MaybeYield, Rereader, replace_messages
from receiver.projector.rereading import reread_message
from receiver.store import reclassification
from receiver.store.database.scratch import Scratch
from receiver.store.projector import begin_write
from receiver.store.records import outcome_values
from receiver.store.retries import queue
from receiver.store.store import Store
from receiver.store.suppressions import by_code, revisions

_log = structlog.get_logger(__name__)

_SLICE_IDS = 200  # in one transaction: some tens of milliseconds
_LAST_STATEMENT_S = 1.0
_PAUSE_S = 1.0  # after the store was away
_SLICE_S = 0.003
_SLICE_UNDONE = 200  # suppressions in one transaction


class RunPhase(StrEnum):
    """What has become of a run."""

    RUNNING = "running"
    STOPPED = "stopped"  # it can go on
    FINISHED = "finished"
    FAILED = "failed"


class AnotherRunError(ReceiverError):
    """A run over other messages is going on."""


class _GivenUpError(Exception):
    """The slice at hand is rolled back, because the end cannot wait for it."""


class _ForgottenError(Exception):
    """The store does not know the run any more: it was recreated."""


class Reclassifier:
    """Runs one reclassification at a time."""

    def __init__(
        self,
        store: Store,
        journal: Journal | None,
        *,
        clock: Callable[[], int],
        yield_factor: Callable[[], int],
    ) -> None:
        """Make one that is at rest.

        Args:
            store: whose messages are folded again.
            journal: in which items are looked for that the store does not have; None: nowhere.
            clock: gives microseconds.
            yield_factor: how much time is left to others for each unit taken.
        """
        self._store = store
        self._rereader = Rereader(journal)
        self._clock = clock
        self._yield_factor = yield_factor
        self._run: Run | None = None
        self._number = 0
        self._task: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()
        self._stopping = False
        self._giving_up = False
        self._failed = False

    async def start(self, policy: Policy, since: int | None) -> None:
        """Begin a run, go on with the one that was stopped, or join the one that is going on.

        A run that is going on by other rules is given up: they are not in force any more.

        Args:
            policy: the rules; a run that was stopped goes on only by the same ones.
            since: microseconds; only messages sent (else first heard of) at or after.

        Raises:
            AnotherRunError: a run is going on with another `since`.
            StoreUnavailableError: the store cannot be written.
        """
        async with self._starting:
            if self._is_running():
                if self._is_same(self._run, policy, since):
                    return
                if self._run is not None and self._run.policy == policy.name:
                    raise AnotherRunError(
                        "A reclassification of other messages is going on (see `since`); stop it "
                        "(DELETE), or wait for its end."
                    )
                await self.stop()
            await self._begin(policy, since)

    async def _begin(self, policy: Policy, since: int | None) -> None:
        async with self._store.writing() as connection:
            await begin_write(connection)
            newest = await reclassification.newest_run(connection)
            if newest and self._is_same(newest[1], policy, since) and newest[1].can_go_on:
                self._number, self._run = newest
            else:
                now, last = self._clock(), await reclassification.last_message(connection)
                begun = await self._rereader.begin(connection, apply=True)
                self._run = Run(
                    policy.name, since, last, started_at=now, updated_at=now, rereading=begun
                )
                self._number = await reclassification.begin_run(connection, self._run)
        self._stopping = self._giving_up = self._failed = False
        self._task = asyncio.create_task(self._work(self._run, policy), name="reclassifier")

    def stop_soon(self) -> None:
        """End after the slice at hand; what was done stays done."""
        self._stopping = True

    async def stop(self, patience_s: float | None = None) -> None:
        """Wait for the end; a slice that takes longer than the patience is rolled back."""
        self.stop_soon()
        if self._task is None:
            return
        _, late = await asyncio.wait({self._task}, timeout=patience_s)
        if late:
            self._giving_up = True
            _, late = await asyncio.wait(late, timeout=_LAST_STATEMENT_S)
        # The last resort: a statement that is cut off may hold the store's lock for a while.
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def progress(self) -> tuple[Run, RunPhase] | None:
        """Return the newest run and what has become of it; None when there never was one.

        Raises:
            StoreUnavailableError: the store cannot be read.
            StoreDamagedError: it was found damaged, which has ended the run.
        """
        if self._run is None:
            async with self._store.reading() as connection:
                newest = await reclassification.newest_run(connection)
            if newest is None:
                return None
            run = newest[1]
        else:
            run = self._run
        if run.finished_at is not None:
            return run, RunPhase.FINISHED
        if self._is_running():
            return run, RunPhase.RUNNING
        if self._failed and self._store.damage:
            raise StoreDamagedError(self._store.damage)
        return run, RunPhase.FAILED if self._failed else RunPhase.STOPPED

    def _is_running(self) -> bool:
        # A run that has come to its end is over, though its task may still take its last rest.
        is_over = self._run is not None and self._run.finished_at is not None
        return self._task is not None and not self._task.done() and not is_over

    @staticmethod
    def _is_same(run: Run | None, policy: Policy, since: int | None) -> bool:
        return run is not None and (run.policy, run.since) == (policy.name, since)

    async def _work(self, run: Run, policy: Policy) -> None:
        pacer = Pacer(_SLICE_S, self._yield_factor)
        while run.finished_at is None and not self._stopping:
            try:
                run = self._run = await self._slice(run, policy, pacer)
                await pacer.yield_now()
            except _GivenUpError:
                return
            except StoreDamagedError as error:
                _log.error("reclassifying failed", reason=str(error))
                self._failed = True
                return
            except StoreUnavailableError as error:
                _log.warning("reclassifying waits for the store", reason=str(error))
                await asyncio.sleep(_PAUSE_S)
            except Exception as error:  # noqa: BLE001 - whoever asks for the progress is told
                _log.error("reclassifying failed", error=type(error).__name__)
                self._failed = True
                return

    async def _slice(self, run: Run, policy: Policy, pacer: Pacer) -> Run:
        """Take the next stretch and note how far the run has come, in one transaction."""

        async def maybe_yield() -> None:
            await pacer.maybe_yield()
            if self._giving_up:
                raise _GivenUpError

        async with self._store.writing() as connection:
            await begin_write(connection)
            if run.position < run.upto:
                run = await self._take(connection, run, policy, maybe_yield)
            else:
                so_far = await self._rereader.slice(
                    connection, run.rereading, policy, maybe_yield, apply=True
                )
                run = run.reread(so_far, self._clock())
            if not await reclassification.save_run(connection, self._number, run):
                raise _ForgottenError
        return run

    async def _take(
        self, connection: AsyncConnection, run: Run, policy: Policy, maybe_yield: MaybeYield
    ) -> Run:
        """Fold the next stretch again, with what follows from it for retries and suppressions."""
        upto, now = _end_of_slice(run), self._clock()
        read = await _read(connection, run.position, upto, run.since)
        stretch = await _refold(connection, read, policy, maybe_yield)
        numbers = await by_code.concerned(connection, stretch.decided, policy)
        lines = await _revise(
            connection, self._number, numbers, policy, began_at=run.started_at, now=now
        )
        return stretch.added_to(run, upto, lines, now)

    async def undo(self) -> tuple[Run, RunPhase] | None:
        """Take back what the newest run did to suppressions by codes; None where there is none.

        What a person or somebody here has decided since stays as it is. A second undo finds
        nothing left.

        Raises:
            AnotherRunError: a run is going on.
            StoreUnavailableError: the store cannot be written; the next undo goes on.
        """
        async with self._starting:
            if self._is_running():
                raise AnotherRunError(
                    "A reclassification is going on; stop it (DELETE) or wait for its end, then "
                    "undo it."
                )
            now, pacer = self._clock(), Pacer(_SLICE_S, self._yield_factor)
            while await self._undo_some(now):
                await pacer.yield_now()
        return await self.progress()

    async def _undo_some(self, now: int) -> bool:
        """Take the next suppressions back in one transaction; tell whether more may be left."""
        async with self._store.writing() as connection:
            await begin_write(connection)
            newest = await reclassification.newest_run(connection)
            if newest is None:
                return False
            number, run = newest
            so_far = run.effects.undo or Undo(now)
            undone = await revisions.undo_some(
                connection, number, so_far, _SLICE_UNDONE, began_at=run.started_at, now=now
            )
            effects = replace(run.effects, undo=undone or so_far)
            run = replace(run, effects=effects)
            await reclassification.save_run(connection, number, run)
        self._number, self._run = number, run
        return undone is not None


@dataclass(frozen=True, slots=True)
class _FoldedStretch:
    """A stretch of messages that is folded again and written."""

    examined: int
    reread: int
    changed: list[Refolded]
    decided: list[DecidedMessage]  # also those that stay what they are
    retries: list[RetryMove]

    def added_to(
        self, run: Run, upto: int, suppressions: Iterable[SuppressionLine], now: int
    ) -> Run:
        """Return the run as it is after the stretch."""
        effects = run.effects.with_retries(self.retries).with_suppressions(suppressions)
        return run.after(
            upto, self.examined, self.changed, now, reread=self.reread, effects=effects
        )


def _end_of_slice(run: Run) -> int:
    return min(run.position + _SLICE_IDS, run.upto)


@dataclass(frozen=True, slots=True)
class _Read:
    """A stretch of messages as they are stored, and those that read otherwise now."""

    after: int  # the id behind which it begins
    upto: int
    found: list[MessageBuilder]
    pairs: list[
        tuple[MessageBuilder, MessageBuilder]
    ]  # as they are stored, and as they are read now

    @property
    def keys(self) -> set[Key]:
        """The messages that are rewritten, and those into which they may be merged."""
        return {one.key for pair in self.pairs for one in pair}


async def _read(connection: AsyncConnection, after: int, upto: int, since: int | None) -> _Read:
    found = await reclassification.read_slice(connection, after, upto, since)
    pairs = [(message, again) for message in found if (again := reread_message(message))]
    return _Read(after, upto, found, pairs)


async def _refold(
    connection: AsyncConnection, read: _Read, policy: Policy, maybe_yield: MaybeYield
) -> _FoldedStretch:
    """Fold a stretch of messages by today's rules and write what changes."""
    queued = await queue.read_items(connection, read.after, read.upto)
    reread = await replace_messages(connection, read.pairs, policy, maybe_yield)
    done = {message.id for message, _ in read.pairs} | {one.decided.message.id for one in reread}
    refolded: list[Refolded] = []
    for message in read.found:
        if message.id not in done:
            refolded.append(reclassify(message, policy))
        await maybe_yield()
    changed = [one for one in refolded if _is_changed(one)]
    await reclassification.write_outcomes(connection, (one.decided for one in changed))
    # Also of messages that stay what they are: the plan of a retry may be another one, and a word
    # may be wrong where they are right.
    decided = [one.decided for one in (*refolded, *reread)]
    planned = [one for one in decided if one.retry_at is not None or one.message.id in queued]
    await queue.queue(connection, [one for one in planned if one.message.id not in done])
    moves: list[RetryMove] = []
    if planned:
        items = await queue.read_items(connection, read.after, read.upto)
        moves = effects_on_retries(queued, items, _told(planned))
    moved = [one for one in reread if one.before != one.after]
    return _FoldedStretch(len(read.found), len(read.pairs), [*changed, *moved], decided, moves)


def _told(decided: Iterable[DecidedMessage]) -> dict[int, tuple[str, str]]:
    """Return the id of each message and what has become of it, by its number."""
    return {
        one.message.id: (one.message.sms_msg_id, one.verdict.category or one.state)
        for one in sorted(decided, key=lambda one: one.message.id)
    }


async def _revise(
    connection: AsyncConnection,
    number: int,
    numbers: set[by_code.Number],
    policy: Policy,
    *,
    began_at: int,
    now: int,
) -> list[SuppressionLine]:
    """Bring suppressions by codes up to date; return what was lifted and made, which is noted."""
    found = await by_code.revise(connection, numbers, policy, override_undo=True)
    return await revisions.note(connection, number, found, policy, began_at=began_at, now=now)


async def rehearse(
    store: Store,
    policy: Policy,
    since: int | None,
    *,
    clock: Callable[[], int],
    on_progress: Callable[[Run], None],
) -> Run:
    """Tell what a reclassification would change, and change nothing.

    What a run would write over is copied into memory and written there, by the same code.

    Raises:
        StoreUnavailableError: the store cannot be read.
    """
    now = clock()
    rereader, scratch = Rereader(None), Scratch()
    async with store.reading() as connection:
        last = await reclassification.last_message(connection)
        begun = await rereader.begin(connection, apply=False)
    run = Run(policy.name, since, last, started_at=now, updated_at=now, rereading=begun)
    revised: set[by_code.Number] = set()
    try:
        await scratch.open()
        while run.finished_at is None:
            async with store.reading() as connection:
                if run.position < run.upto:
                    run = await _rehearse_slice(connection, scratch, run, policy, revised, clock())
                else:
                    so_far = await rereader.slice(
                        connection, run.rereading, policy, _hurry, apply=False
                    )
                    run = run.reread(so_far, clock())
            on_progress(run)
    finally:
        await scratch.close()
    return run


async def _rehearse_slice(
    connection: AsyncConnection,
    scratch: Scratch,
    run: Run,
    policy: Policy,
    revised: set[by_code.Number],
    now: int,
) -> Run:
    """Fold the next stretch in memory.

    A number is revised once, when the first message is met that may change what stands about it:
    with all messages to it folded again, as they are when a run is done.
    """
    upto = _end_of_slice(run)
    read = await _read(connection, run.position, upto, run.since)
    async with scratch.of_slice(connection, run.position, upto, read.keys) as copied:
        stretch = await _refold(copied, read, policy, _hurry)
    numbers = await by_code.concerned(connection, stretch.decided, policy) - revised
    lines: list[SuppressionLine] = []
    if numbers:
        async with scratch.of_numbers(connection, (number for number, _ in numbers)) as copied:
            all_of_it = await _read(copied, 0, run.upto, run.since)
            await _refold(copied, all_of_it, policy, _hurry)
            lines = await _revise(
                copied, 0, numbers, policy, began_at=run.started_at, now=run.started_at
            )
        revised |= numbers
    return stretch.added_to(run, upto, lines, now)


async def _hurry() -> None:
    """Wait for nobody."""


def _is_changed(refolded: Refolded) -> bool:
    """Tell whether the stored row would be another one."""
    stored = refolded.decided.message.stored
    values = outcome_values(refolded.decided)
    return any(values[name] != stored[name] for name in values)
