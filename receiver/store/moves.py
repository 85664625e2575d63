"""Lists of messages in which each message keeps its place while they are paged through.

A message stands where it was sent, and until its send is registered where it was first reported. A
walk that began before goes on by the old place: so it gives each message that is there throughout
exactly once, whatever is registered meanwhile.
"""

from collections.abc import Sequence

from sqlalchemy import delete, exists, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from receiver.errors import ReceiverError
from receiver.store.database import bulk
from receiver.store.message_filters import MessageFilter, way_to
from receiver.store.paging import Page, Place, Row, Walked, walk
from receiver.store.records import Values
from receiver.store.schema import messages, moves

MOST_KEPT = 1_000_000  # moves; a walk during which more messages move must begin again
_FROM = "moved_from"
_earlier = moves.alias("earlier")


class ExpiredCursorError(ReceiverError):
    """So many messages have moved since the walk began that their old places are gone."""


async def save_moves(connection: AsyncConnection, moved: Sequence[Values]) -> None:
    """Note where messages stood until this transaction, and drop what is too old."""
    if not moved:
        return
    await bulk.insert_rows(connection, moves, moved)
    newest, _ = await _kept(connection)
    await connection.execute(delete(moves).where(moves.c.id <= newest - MOST_KEPT))


async def walk_messages(
    connection: AsyncConnection, wanted: MessageFilter, spellings: Sequence[str], page: Page
) -> Walked:
    """Read a page of messages, the last sent (otherwise first reported) first.

    Args:
        connection: that sees one state of the store.
        wanted: the filter.
        spellings: of its code.
        page: begins behind a time, the id of a row, and the newest move when the walk began.

    Raises:
        ExpiredCursorError: the walk must begin again.
    """
    newest, oldest = await _kept(connection)
    before, began = (None, newest) if page.before is None else (page.before[:-1], page.before[-1])
    if began + 1 < oldest:
        raise ExpiredCursorError(
            "Too many messages have changed their position since the first page. Start "
            "the list again without `cursor`."
        )
    stretch = Page(page.limit, before, page.most_walked)
    way, old_way = way_to(wanted, spellings), way_to(wanted, spellings, at=moves.c.moved_from)
    if way is None or old_way is None:
        return Walked([], None)
    if began == newest:
        rows, following = await walk(connection, select(messages), way, stretch)
        return Walked(rows, None if following is None else (*following, began))
    since = moves.c.id > began
    has_moved = exists().where(moves.c.message_id == messages.c.id, since)
    standing = await walk(connection, select(messages), way.also(~has_moved), stretch)
    moved_before = exists().where(
        _earlier.c.message_id == messages.c.id, _earlier.c.id > began, _earlier.c.id < moves.c.id
    )
    old_places = select(messages, moves.c.moved_from).join(
        moves, moves.c.message_id == messages.c.id
    )
    moved = await walk(connection, old_places, old_way.also(since, ~moved_before), stretch)
    return _merge(standing, moved, page.limit, began)


def _merge(standing: Walked, moved: Walked, limit: int, began: int) -> Walked:
    """Join two walks over the same stretch, as far as both have come."""
    ends = [one.next for one in (standing, moved) if one.next is not None]
    end = max(ends, default=None)
    placed = [(_place(row), row) for row in (*standing.rows, *moved.rows)]
    placed = [(place, row) for place, row in placed if end is None or place >= end]
    placed.sort(key=lambda one: one[0], reverse=True)
    if len(placed) > limit:
        placed = placed[:limit]
        end = placed[-1][0]
    rows = [{name: one for name, one in row.items() if name != _FROM} for _, row in placed]
    return Walked(rows, None if end is None else (*end, began))


def _place(row: Row) -> Place:
    at: int = row[_FROM] if _FROM in row else row["occurred_at"]
    return at, row["id"]


async def _kept(connection: AsyncConnection) -> tuple[int, int]:
    """Return the newest and the oldest move that is kept; 0 where there is none."""
    of_newest, of_oldest = select(func.max(moves.c.id)), select(func.min(moves.c.id))
    both = select(of_newest.scalar_subquery(), of_oldest.scalar_subquery())
    row = (await connection.execute(both)).one()
    return row[0] or 0, row[1] or 0
