"""Queries of the store: messages, uplinks, quarantine."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from sqlalchemy import Select, TextClause, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from receiver.domain.messages.state import State
from receiver.domain.numbers import normalise
from receiver.domain.projection import MessageBuilder
from receiver.store import records
from receiver.store.message_filters import MessageFilter, find_spellings, way_to
from receiver.store.moves import walk_messages
from receiver.store.paging import (
    Condition,
    Page,
    Place,
    Row,
    Walk,
    Walked,
    between,
    count,
    pieces,
    unindexed,
    walk,
)
from receiver.store.retries import chains
from receiver.store.schema import messages, quarantine, reports, uplinks

__all__ = ["MessageFilter", "Page", "Row"]


@dataclass(frozen=True, slots=True)
class UplinkFilter:
    """Which uplinks."""

    sender: str | None = None  # in any writing
    to: str | None = None
    sms_msg_id: str | None = None
    application: str | None = None
    since: int | None = None  # arrived at or after
    until: int | None = None


@dataclass(frozen=True, slots=True)
class QuarantineFilter:
    """Which quarantined pushes and items."""

    application: str | None = None
    kind: str | None = None
    since: int | None = None
    until: int | None = None


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message as stored: what it was made from, and the columns that time alone changes."""

    row_id: int
    message: MessageBuilder
    state: State
    country: str | None
    occurred_at: int
    next_id: str | None = None  # of the attempt that followed

    @property
    def place(self) -> tuple[int, ...]:
        """Where it stands in lists of messages."""
        return self.occurred_at, self.row_id


class ListedMessages(NamedTuple):
    """A page of messages, and where the next one begins; None at the end of the list."""

    messages: list[StoredMessage]
    next: Place | None


Key = Literal["reference", "extend"]  # by which an application finds its messages
_MOST_UNDER_ONE_ID = 100  # of uplinks; a list has all of them
_VALUES_AT_ONCE = 200  # SQLite joins up to 500 queries in one


async def find_messages(
    connection: AsyncConnection, ids: Iterable[str], application: str | None = None
) -> list[StoredMessage]:
    """Return the messages with these ids (of all applications, unless one is named)."""
    query = select(messages).where(messages.c.sms_msg_id.in_(list(ids)))
    if application is not None:
        query = query.where(messages.c.application == application)
    return await _with_reports(connection, await _rows(connection, query))


async def load_messages(
    connection: AsyncConnection, row_ids: Iterable[int]
) -> dict[int, StoredMessage]:
    """Return messages by the ids of their rows, which are in no answer."""
    query = select(messages).where(messages.c.id.in_(list(row_ids)))
    found = await _with_reports(connection, await _rows(connection, query))
    return {stored.row_id: stored for stored in found}


async def find_by_key(
    connection: AsyncConnection,
    key: Key,
    values: Sequence[str],
    *,
    most: int,
    application: str | None = None,
) -> dict[str, list[int]]:
    """Find the rows of messages by a key of the application's own, newest first.

    Args:
        connection: to the store.
        key: which one.
        values: exact.
        most: rows for each value; a campaign may have sent a million messages under one.
        application: None for all.
    """
    found: dict[str, list[tuple[int, int]]] = {value: [] for value in values}
    for some in pieces(values, _VALUES_AT_ONCE):
        parameters = {f"value_{place}": value for place, value in enumerate(some)}
        if application is not None:
            parameters["application"] = application
        query = _newest_of_each(key, len(some), most, narrowed=application is not None)
        for place, occurred_at, row_id in await connection.execute(query, parameters):
            found[some[place]].append((occurred_at, row_id))
    return {
        value: [row_id for _, row_id in sorted(rows, reverse=True)] for value, rows in found.items()
    }


def _newest_of_each(key: Key, values: int, most: int, *, narrowed: bool) -> TextClause:
    """Write a query that walks an index to its newest rows, once for each value."""
    condition = " AND application = :application" if narrowed else ""
    return text(
        " UNION ALL ".join(
            f"SELECT {place} AS place, occurred_at, id FROM ("  # noqa: S608 - our own
            f"SELECT occurred_at, id FROM messages WHERE {key} = :value_{place}{condition} "
            f"ORDER BY occurred_at DESC, id DESC LIMIT {most}) AS of_{place}"
            for place in range(values)
        )
    )


async def list_messages(
    connection: AsyncConnection, wanted: MessageFilter, page: Page
) -> ListedMessages:
    """Return a page of messages, as `walk_messages` gives them, with their reports."""
    spellings = [] if wanted.code is None else await find_spellings(connection, wanted.code)
    found = await walk_messages(connection, wanted, spellings, page)
    return ListedMessages(await _with_reports(connection, found.rows), found.next)


async def count_messages(connection: AsyncConnection, wanted: MessageFilter, most: int) -> int:
    """Count the messages of a filter, up to so many."""
    spellings = [] if wanted.code is None else await find_spellings(connection, wanted.code)
    way = way_to(wanted, spellings)
    return 0 if way is None else await count(connection, select(messages), way, most)


async def list_uplinks(connection: AsyncConnection, wanted: UplinkFilter, page: Page) -> Walked:
    """Return a page of uplinks, newest first."""
    return await walk(connection, select(uplinks), _way_to_uplinks(wanted), page)


async def count_uplinks(connection: AsyncConnection, wanted: UplinkFilter, most: int) -> int:
    """Count the uplinks of a filter, up to so many."""
    return await count(connection, select(uplinks), _way_to_uplinks(wanted), most)


def _way_to_uplinks(wanted: UplinkFilter) -> Walk:
    columns = uplinks.c
    asked = (
        (columns.sms_msg_id, wanted.sms_msg_id),  # the most selective first: its index is walked
        (columns.from_number, normalise(wanted.sender)),
        (columns.to_number, wanted.to),
    )
    given = [(column, value) for column, value in asked if value is not None]
    along: list[Condition] = [column == value for column, value in given[:1]]
    others: list[Condition] = [unindexed(column, value) for column, value in given[1:]]
    others += between(columns.received_at, wanted.since, wanted.until)
    if wanted.application is not None:
        others.append(columns.application == wanted.application)
    return Walk([columns.id], along, others)


async def find_uplinks(
    connection: AsyncConnection, sms_msg_id: str, application: str | None = None
) -> list[Row]:
    """Return the uplinks with an id (of all applications, unless one is named), newest first."""
    query = select(uplinks).where(uplinks.c.sms_msg_id == sms_msg_id)
    query = query.order_by(uplinks.c.id.desc()).limit(_MOST_UNDER_ONE_ID)
    if application is not None:
        query = query.where(uplinks.c.application == application)
    return await _rows(connection, query)


async def list_quarantine(
    connection: AsyncConnection, wanted: QuarantineFilter, page: Page
) -> Walked:
    """Return a page of the quarantine, newest first."""
    columns = quarantine.c
    others: list[Condition] = [*between(columns.received_at, wanted.since, wanted.until)]
    if wanted.application is not None:
        others.append(columns.application == wanted.application)
    if wanted.kind is not None:
        others.append(columns.kind == wanted.kind)
    return await walk(connection, select(quarantine), Walk([columns.id], [], others), page)


async def _rows(connection: AsyncConnection, query: Select[tuple[Any, ...]]) -> list[Row]:
    return [dict(row) for row in (await connection.execute(query)).mappings()]


async def _with_reports(connection: AsyncConnection, rows: list[Row]) -> list[StoredMessage]:
    if not rows:
        return []
    keys = [(row["application"], row["sms_msg_id"]) for row in rows]
    followed = await chains.find_next(connection, keys)
    found = {
        row["id"]: StoredMessage(
            row["id"],
            records.read_message(row),
            State(row["state"]),
            row["country"],
            row["occurred_at"],
            followed.get((row["application"], row["sms_msg_id"])),
        )
        for row in rows
    }
    query = select(reports).where(reports.c.message_id.in_(list(found)))
    for row in await _rows(connection, query):
        message = found[row["message_id"]].message
        stored = records.read_report(row, message.sms_msg_id)
        message.reports[stored.key] = stored
    return list(found.values())
