"""The retry queue as the projector writes it: adds planned items, removes settled ones.

It follows from the messages alone: read again, in any order, they give the same queue. What has
been claimed is left to whoever claimed it, but for the word that it is not to be sent any more.
"""

from collections.abc import Iterable, Sequence

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from receiver.domain.effects import PlannedItem
from receiver.domain.inputs import Trust
from receiver.domain.messages.state import FAILED_STATES
from receiver.domain.projection import DecidedMessage, MessageBuilder
from receiver.domain.retries.items import ItemState
from receiver.store.database import bulk
from receiver.store.paging import pieces
from receiver.store.schema import retries

# Planned otherwise than before (by another report, another catalogue) it waits again, unless it was
# sent or given up. The same plan again changes nothing: neither what it was put off to nor its
# end.
_PLANNED_ANEW = f"""(message_id) DO UPDATE
SET state = '{ItemState.WAITING}', planned_for = excluded.planned_for, due_at = excluded.due_at,
    reason = NULL
WHERE retries.state = '{ItemState.CANCELLED}'
    OR retries.state IN ('{ItemState.WAITING}', '{ItemState.ENDED}')
        AND retries.planned_for <> excluded.planned_for"""


async def read_items(connection: AsyncConnection, after: int, upto: int) -> dict[int, PlannedItem]:
    """Return the items of a stretch of messages, as far as a plan decides on them."""
    query = select(retries.c.message_id, retries.c.state, retries.c.planned_for).where(
        retries.c.message_id > after, retries.c.message_id <= upto
    )
    return {
        message_id: PlannedItem(ItemState(state), planned_for)
        for message_id, state, planned_for in await connection.execute(query)
    }


async def queue(connection: AsyncConnection, changed: Iterable[DecidedMessage]) -> None:
    """Bring the queue up to date with messages that have changed.

    Args:
        connection: in a transaction that no other one writes beside.
        changed: messages as they are now.
    """
    planned, settled = [], []
    for decided in changed:
        message = decided.message
        if decided.retry_at is not None:
            planned.append(
                {
                    "message_id": message.id,
                    "application": message.application,
                    "state": ItemState.WAITING.value,
                    "planned_for": decided.retry_at,
                    "due_at": decided.retry_at,
                    "claims": 0,
                }
            )
        elif _may_be_queued(message):
            settled.append((message.id, decided.state.value))
    await bulk.merge_rows(connection, retries, _PLANNED_ANEW, planned)
    for some in pieces(settled):
        await _settle(connection, some)


def _may_be_queued(message: MessageBuilder) -> bool:
    """Return whether a message may have an item: it had failed, by all its reports or by some."""
    reported = message.stored.get("last_report_at") is not None
    doubted = reported and message.stored.get("trust") == Trust.OPEN
    return message.state_before in FAILED_STATES or doubted


async def _settle(connection: AsyncConnection, settled: Sequence[tuple[int, str]]) -> None:
    ids = [message_id for message_id, _ in settled]
    here = retries.c.message_id.in_(ids)
    await connection.execute(delete(retries).where(here, retries.c.state == ItemState.WAITING))
    for state in sorted({state for _, state in settled}):
        of_state = [message_id for message_id, its in settled if its == state]
        await connection.execute(
            update(retries)
            .where(retries.c.message_id.in_(of_state), retries.c.state == ItemState.CLAIMED)
            .values(state=ItemState.CANCELLED.value, reason=state)
        )
