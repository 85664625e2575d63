"""The quarantine in the store: unparsable inputs, kept unchanged, within bounds."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from receiver.domain.eviction import QuarantinedRow, Room, choose
from receiver.domain.projection import Quarantined
from receiver.domain.steps import walk
from receiver.store import records
from receiver.store.paging import pieces
from receiver.store.schema import quarantine

# When the room is used up, one part in so many is cleared at once: which rows go is found by
# looking at all of them.
_CLEARED = 32


@dataclass(frozen=True, slots=True)
class QuarantineLimits:
    """How much the quarantine keeps."""

    rows: int = 10_000
    bytes: int = 256 * 1024 * 1024  # of bodies, together
    body_bytes: int = 64 * 1024  # of each
    push_rows: int = 50  # for the items of one push; one more reports the others


async def save(
    connection: AsyncConnection,
    quarantined: Sequence[Quarantined],
    limits: QuarantineLimits,
    maybe_yield: Callable[[], Awaitable[None]],
) -> int:
    """Write what was quarantined; return how many rows had to go for it.

    Args:
        connection: in a transaction.
        quarantined: in order of arrival.
        limits: what is kept.
        maybe_yield: awaited between rows, so that many of them do not delay other work.
    """
    if not quarantined:
        return 0
    rows = []
    for one in quarantined:
        rows.append(records.quarantine_values(one, limits.body_bytes))
        await maybe_yield()
    await connection.execute(insert(quarantine), rows)
    return await _make_room(connection, limits, maybe_yield)


async def _make_room(
    connection: AsyncConnection,
    limits: QuarantineLimits,
    maybe_yield: Callable[[], Awaitable[None]],
) -> int:
    size = func.length(quarantine.c.body)
    found = await connection.execute(select(func.count(), func.coalesce(func.sum(size), 0)))
    rows, kept_bytes = found.one()
    if rows <= limits.rows and kept_bytes <= limits.bytes:
        return 0
    columns = quarantine.c
    held = await connection.execute(
        select(columns.id, columns.application, columns.trust, columns.peer, size)
    )
    going = await walk(
        choose((QuarantinedRow(*row) for row in held), _room_left(limits)), maybe_yield
    )
    for ids in pieces(going):
        await connection.execute(delete(quarantine).where(columns.id.in_(ids)))
    return len(going)


def _room_left(limits: QuarantineLimits) -> Room:
    return Room(
        rows=limits.rows - limits.rows // _CLEARED, size=limits.bytes - limits.bytes // _CLEARED
    )
