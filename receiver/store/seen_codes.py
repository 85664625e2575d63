"""Codes that have been received, counted from the messages that they decided."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Boolean, func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncConnection

from receiver.domain.messages.state import State
from receiver.store.paging import pieces
from receiver.store.schema import NOT_DELIVERED, messages

# Strangers choose the codes. The most frequent ones are looked at; a code that is beyond these
# has not come often.
_MOST_CODES = 5000
_BEFORE_A_BREATH = 200  # codes
_AT_ONCE = 1000  # codes; each is one statement parameter
# PostgreSQL takes two expressions for the same only where they hold no parameters.
_REFUSED = literal_column(f"state = '{State.REFUSED.value}'", Boolean)


@dataclass(frozen=True, slots=True)
class SeenCode:
    """A code that decided the state of messages, none of them delivered."""

    code: str
    org_code: str | None
    source: int | None
    refused: bool  # it came in a send response, not in a report
    messages: int
    first_at: int  # microseconds: the first report of any of the messages, else the sending
    last_at: int
    example: str  # smsMsgId of the newest of them
    application: str  # of the example


async def find_seen_codes(
    connection: AsyncConnection,
    may_be_wanted: Callable[[str], bool],
    is_wanted: Callable[[SeenCode], bool],
    limit: int,
) -> list[SeenCode]:
    """Return codes by how many messages they decided, the most frequent first.

    Args:
        connection: of a reader.
        may_be_wanted: tells by the code alone; it must let pass whatever `is_wanted` does.
        is_wanted: decides.
        limit: the most codes to give.
    """
    candidates: list[str] = []
    for place, code in enumerate(await _most_frequent(connection)):
        if place % _BEFORE_A_BREATH == 0:
            await asyncio.sleep(0)
        if may_be_wanted(code):
            candidates.append(code)
    found: list[SeenCode] = []
    for some in pieces(candidates, _AT_ONCE):
        details = await _details(connection, some)
        found = _joined([*found, *(code for code in details if is_wanted(code))])
        if len(found) >= limit:
            break
    return found[:limit]


async def _most_frequent(connection: AsyncConnection) -> Sequence[str]:
    """Count by the index of codes alone."""
    query = (
        select(messages.c.code)
        .where(NOT_DELIVERED, messages.c.code.is_not(None))
        .group_by(messages.c.code)
        .order_by(func.count().desc(), messages.c.code)
        .limit(_MOST_CODES)
    )
    return (await connection.execute(query)).scalars().all()


async def _details(connection: AsyncConnection, codes: Sequence[str]) -> list[SeenCode]:
    kinds = (messages.c.code, messages.c.org_code, messages.c.source, _REFUSED)
    first = func.coalesce(messages.c.first_report_at, messages.c.occurred_at)
    last = func.coalesce(messages.c.last_report_at, messages.c.occurred_at)
    grouped = (
        select(
            *kinds[:-1],
            _REFUSED.label("refused"),
            func.count().label("messages"),
            func.min(first).label("first_at"),
            func.max(last).label("last_at"),
            func.max(messages.c.id).label("newest"),
        )
        .where(NOT_DELIVERED, messages.c.code.in_(codes))
        .group_by(*kinds)
        .subquery()
    )
    query = select(
        *(column for column in grouped.c if column.name != "newest"),
        messages.c.sms_msg_id.label("example"),
        messages.c.application,
    ).join(messages, messages.c.id == grouped.c.newest)
    rows = (await connection.execute(query)).mappings()
    return [SeenCode(**row) for row in rows]


def _joined(found: Sequence[SeenCode]) -> list[SeenCode]:
    """Join what differs in its source alone, which says nothing to a reader here."""
    joined: dict[tuple[str, str | None, bool], SeenCode] = {}
    for one in found:
        key = (one.code, one.org_code, one.refused)
        other = joined.get(key)
        if other is None:
            joined[key] = one
            continue
        newer = max(one, other, key=lambda code: code.last_at)
        joined[key] = replace(
            newer,
            messages=one.messages + other.messages,
            first_at=min(one.first_at, other.first_at),
            source=None,
        )
    return sorted(joined.values(), key=lambda code: (-code.messages, code.code))
