"""The reclassifier: folds history again by today's catalogue and policy, beside live traffic.

It walks through the messages in slices; what a slice changes and how far the walk has come commit
in one transaction. So it can end at any moment and go on later, with the same result as if it had
never stopped: messages that come meanwhile are folded by the same rules, by the projector.
"""

import asyncio
from collections.abc import Callable
from enum import StrEnum

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from receiver.errors import ReceiverError, StoreUnavailableError
from receiver.journal import Journal
from receiver.pacing import Pacer
from receiver.projection import Policy
from receiver.reclassification import Refolded, Run, reclassify
from receiver.rereader import Breathe, Rereader, replace_messages
from receiver.rereading import reread_message
from receiver.store import proving, refolding
from receiver.store.projecting import take_turn
from receiver.store.records import outcome_values
from receiver.store.store import Store

_log = structlog.get_logger(__name__)

_SLICE_IDS = 200  # in one transaction: some tens of milliseconds
_LAST_STATEMENT_S = 1.0
_PAUSE_S = 1.0  # after the store was away
_SLICE_S = 0.003


class Phase(StrEnum):
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
    """The store does not know the run any more: it was made anew."""


class Reclassifier:
    """Runs one reclassification at a time."""

    def __init__(
        self,
        store: Store,
        journal: Journal | None,
        *,
        clock: Callable[[], int],
        give_way: Callable[[], int],
    ) -> None:
        """Make one that is at rest.

        Args:
            store: whose messages are folded again.
            journal: in which items are looked for that the store does not have; None: nowhere.
            clock: gives microseconds.
            give_way: how much time is left to others for each unit taken.
        """
        self._store = store
        self._rereader = Rereader(journal)
        self._clock = clock
        self._give_way = give_way
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
            await take_turn(connection)
            newest = await refolding.newest_run(connection)
            if newest and self._is_same(newest[1], policy, since) and not newest[1].finished_at:
                self._number, self._run = newest
            else:
                now, last = self._clock(), await refolding.last_message(connection)
                begun = await self._rereader.begin(connection, apply=True)
                self._run = Run(
                    policy.name, since, last, started_at=now, updated_at=now, rereading=begun
                )
                self._number = await refolding.begin_run(connection, self._run)
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

    async def progress(self) -> tuple[Run, Phase] | None:
        """Give the newest run and what has become of it; None when there never was one.

        Raises:
            StoreUnavailableError: the store cannot be read.
        """
        if self._run is None:
            async with self._store.reading() as connection:
                newest = await refolding.newest_run(connection)
            if newest is None:
                return None
            run = newest[1]
        else:
            run = self._run
        if run.finished_at is not None:
            return run, Phase.FINISHED
        if self._is_running():
            return run, Phase.RUNNING
        return run, Phase.FAILED if self._failed else Phase.STOPPED

    def _is_running(self) -> bool:
        # A run that has come to its end is over, though its task may still take its last rest.
        is_over = self._run is not None and self._run.finished_at is not None
        return self._task is not None and not self._task.done() and not is_over

    @staticmethod
    def _is_same(run: Run | None, policy: Policy, since: int | None) -> bool:
        return run is not None and (run.policy, run.since) == (policy.name, since)

    async def _work(self, run: Run, policy: Policy) -> None:
        pacer = Pacer(_SLICE_S, self._give_way)
        while run.finished_at is None and not self._stopping:
            try:
                run = self._run = await self._slice(run, policy, pacer)
                await pacer.rest()
            except _GivenUpError:
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

        async def breathe() -> None:
            await pacer.breathe()
            if self._giving_up:
                raise _GivenUpError

        async with self._store.writing() as connection:
            await take_turn(connection)
            if run.position < run.upto:
                run = await _refold(connection, run, policy, breathe, self._clock(), apply=True)
            else:
                so_far = await self._rereader.slice(
                    connection, run.rereading, policy, breathe, apply=True
                )
                run = run.reread(so_far, self._clock())
            if not await refolding.save_run(connection, self._number, run):
                raise _ForgottenError
        return run


async def _refold(
    connection: AsyncConnection,
    run: Run,
    policy: Policy,
    breathe: Breathe,
    now: int,
    *,
    apply: bool,
) -> Run:
    """Read one stretch of messages again and fold them by today's rules."""
    upto = min(run.position + _SLICE_IDS, run.upto)
    found = await refolding.read_slice(connection, run.position, upto, run.since)
    pairs = [(message, again) for message in found if (again := reread_message(message))]
    reread = await replace_messages(connection, pairs, policy, breathe, apply=apply)
    done = {message.id for message, _ in pairs} | {one.decided.message.id for one in reread}
    refolded: list[Refolded] = []
    changed: list[Refolded] = []
    for message in found:
        if message.id not in done:
            one = reclassify(message, policy)
            refolded.append(one)
            if _is_changed(one):
                changed.append(one)
        await breathe()
    if apply:
        await refolding.write_outcomes(connection, (one.decided for one in changed))
        # Also of messages that stay what they are: a word may be wrong where they are right.
        decided = [one.decided for one in (*refolded, *reread)]
        await proving.learn(connection, decided, policy)
    moved = [one for one in reread if one.before != one.after]
    return run.after(upto, len(found), [*changed, *moved], now, reread=len(pairs))


async def rehearse(
    store: Store,
    policy: Policy,
    since: int | None,
    *,
    clock: Callable[[], int],
    on_progress: Callable[[Run], None],
) -> Run:
    """Tell what a reclassification would change, and change nothing.

    Raises:
        StoreUnavailableError: the store cannot be read.
    """
    now = clock()
    rereader = Rereader(None)
    async with store.reading() as connection:
        last = await refolding.last_message(connection)
        begun = await rereader.begin(connection, apply=False)
    run = Run(policy.name, since, last, started_at=now, updated_at=now, rereading=begun)
    while run.finished_at is None:
        async with store.reading() as connection:
            if run.position < run.upto:
                run = await _refold(connection, run, policy, _hurry, clock(), apply=False)
            else:
                so_far = await rereader.slice(
                    connection, run.rereading, policy, _hurry, apply=False
                )
                run = run.reread(so_far, clock())
        on_progress(run)
    return run


async def _hurry() -> None:
    """Wait for nobody."""


def _is_changed(refolded: Refolded) -> bool:
    """Tell whether the stored row would be another one."""
    stored = refolded.decided.message.stored
    values = outcome_values(refolded.decided)
    return any(values[name] != stored[name] for name in values)
