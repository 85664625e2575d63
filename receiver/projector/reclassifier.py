"""The reclassifier: folds history by the current rules, alongside live traffic.

It walks through the messages in slices; what a slice changes and how far the walk has come commit
in one transaction. So it can end at any moment and go on later, with the same result as if it had
never stopped: messages that come meanwhile are folded by the same rules, by the projector.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from receiver.domain.effects import Undo
from receiver.domain.projection import Policy
from receiver.domain.reclassification import Run
from receiver.errors import ReceiverError, StoreDamagedError, StoreUnavailableError
from receiver.journal import Journal
from receiver.pacing import Pacer
from receiver.projector.rereader import MaybeYield, RereadContext, Rereader
from receiver.projector.stretch import end_of_stretch, read_stretch, refold, revise
from receiver.store import reclassification
from receiver.store.projector import begin_write
from receiver.store.store import Store
from receiver.store.suppressions import by_code, revisions

_log = structlog.get_logger(__name__)

_LAST_STATEMENT_S = 1.0
_PAUSE_S = 1.0  # after the store was unavailable
_SLICE_S = 0.003
_SLICE_UNDONE = 200  # suppressions in one transaction


class RunPhase(StrEnum):
    """What happened to a run."""

    RUNNING = "running"
    STOPPED = "stopped"  # it can go on
    FINISHED = "finished"
    FAILED = "failed"


class AnotherRunError(ReceiverError):
    """A run over different messages is in progress."""


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
            since: microseconds; only messages sent (otherwise first reported) at or after.

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
                        "Another reclassification is in progress, with other messages "
                        "(see `since`). Stop it (DELETE), or wait until it ends."
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
        """Return the newest run and what happened to it; None when there never was one.

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
                _log.error("reclassification failed", reason=str(error))
                self._failed = True
                return
            except StoreUnavailableError as error:
                _log.warning("reclassification waits for the store", reason=str(error))
                await asyncio.sleep(_PAUSE_S)
            except Exception as error:  # noqa: BLE001 - whoever asks for the progress is told
                _log.error("reclassification failed", error=type(error).__name__)
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
                context = RereadContext(connection, policy, maybe_yield, apply=True)
                so_far = await self._rereader.slice(context, run.rereading)
                run = run.reread(so_far, self._clock())
            if not await reclassification.save_run(connection, self._number, run):
                raise _ForgottenError
        return run

    async def _take(
        self, connection: AsyncConnection, run: Run, policy: Policy, maybe_yield: MaybeYield
    ) -> Run:
        """Fold the next stretch again, with what follows from it for retries and suppressions."""
        upto, now = end_of_stretch(run), self._clock()
        read = await read_stretch(connection, run.position, upto, run.since)
        stretch = await refold(connection, read, policy, maybe_yield)
        numbers = await by_code.concerned(connection, stretch.decided, policy)
        lines = await revise(
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
                    "A reclassification is in progress. Stop it (DELETE) or wait until "
                    "it ends, then undo it."
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
