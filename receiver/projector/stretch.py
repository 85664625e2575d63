"""A stretch of messages that is folded again, with what follows for retries and suppressions."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from receiver.domain.effects import RetryMove, SuppressionLine, effects_on_retries
from receiver.domain.messages.state import Key
from receiver.domain.projection import DecidedMessage, MessageBuilder, Policy
from receiver.domain.reclassification import Refolded, Run, reclassify
from receiver.projector.rereader import MaybeYield, replace_messages
from receiver.projector.rereading import reread_message
from receiver.store import reclassification
from receiver.store.records import outcome_values
from receiver.store.retries import queue
from receiver.store.suppressions import by_code, revisions

_MOST_IDS = 200  # in one transaction: some tens of milliseconds


@dataclass(frozen=True, slots=True)
class FoldedStretch:
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


def end_of_stretch(run: Run) -> int:
    """Return the id up to which the next stretch of a run reaches."""
    return min(run.position + _MOST_IDS, run.upto)


@dataclass(frozen=True, slots=True)
class ReadStretch:
    """A stretch of messages as they are stored, and those that read otherwise now."""

    after: int  # the id behind which it begins
    upto: int
    found: list[MessageBuilder]
    # As they are stored, and as they are read now.
    pairs: list[tuple[MessageBuilder, MessageBuilder]]

    @property
    def keys(self) -> set[Key]:
        """The messages that are rewritten, and those into which they may be merged."""
        return {one.key for pair in self.pairs for one in pair}


async def read_stretch(
    connection: AsyncConnection, after: int, upto: int, since: int | None
) -> ReadStretch:
    """Read the messages whose ids are in a range, if they were sent at `since` or after."""
    found = await reclassification.read_slice(connection, after, upto, since)
    pairs = [(message, again) for message in found if (again := reread_message(message))]
    return ReadStretch(after, upto, found, pairs)


async def refold(
    connection: AsyncConnection, read: ReadStretch, policy: Policy, maybe_yield: MaybeYield
) -> FoldedStretch:
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
    return FoldedStretch(len(read.found), len(read.pairs), [*changed, *moved], decided, moves)


def _told(decided: Iterable[DecidedMessage]) -> dict[int, tuple[str, str]]:
    """Return the id of each message and what happened to it, by its number."""
    return {
        one.message.id: (one.message.sms_msg_id, one.verdict.category or one.state)
        for one in sorted(decided, key=lambda one: one.message.id)
    }


async def revise(
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


def _is_changed(refolded: Refolded) -> bool:
    """Return whether the stored row would be another one."""
    stored = refolded.decided.message.stored
    values = outcome_values(refolded.decided)
    return any(values[name] != stored[name] for name in values)
