"""What people and programs ask the store: messages, uplinks, quarantine."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, Select, Table, TextClause, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from receiver.domain.messages import State
from receiver.domain.numbers import normalise
from receiver.projection import Message
from receiver.store import chains, records
from receiver.store.schema import NOT_DELIVERED, ORPHANED, messages, quarantine, reports, uplinks


@dataclass(frozen=True, slots=True)
class Page:
    """Which stretch of a list, newest first."""

    limit: int
    before: tuple[int, ...] | None = None  # the place of the row at which the page before ended


@dataclass(frozen=True, slots=True)
class MessageFilter:
    """Which messages; None leaves a condition out. Times are microseconds."""

    to: str | None = None  # in any writing
    state: State | None = None
    code: str | None = None
    category: str | None = None
    application: str | None = None
    extend: str | None = None
    reference: str | None = None
    registered: bool | None = None
    since: int | None = None  # sent (else first heard of) at or after
    until: int | None = None  # ... and before


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
    message: Message
    state: State
    country: str | None
    occurred_at: int
    next_id: str | None = None  # of the attempt that followed

    @property
    def place(self) -> tuple[int, ...]:
        """Where it stands in lists of messages."""
        return self.occurred_at, self.row_id


Row = dict[str, Any]
Key = Literal["reference", "extend"]  # by which an application finds its messages
_BY_TIME = (messages.c.occurred_at, messages.c.id)
_MOST_UNDER_ONE_ID = 100  # of uplinks; a list has all of them
_VALUES_AT_ONCE = 200  # SQLite joins up to 500 queries in one


async def find_messages(
    connection: AsyncConnection, ids: Iterable[str], application: str | None = None
) -> list[StoredMessage]:
    """Give the messages with these ids (of all applications, unless one is named)."""
    query = select(messages).where(messages.c.sms_msg_id.in_(list(ids)))
    if application is not None:
        query = query.where(messages.c.application == application)
    return await _with_reports(connection, await _rows(connection, query))


async def load_messages(
    connection: AsyncConnection, row_ids: Iterable[int]
) -> dict[int, StoredMessage]:
    """Give messages by the ids of their rows, which are in no answer."""
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
    for start in range(0, len(values), _VALUES_AT_ONCE):
        some = values[start : start + _VALUES_AT_ONCE]
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
) -> list[StoredMessage]:
    """Give a page of messages, the last sent (else first heard of) first."""
    conditions: list[ColumnElement[bool] | TextClause] = []
    conditions += _equal(
        messages,
        {
            "to_number": normalise(wanted.to),
            "state": wanted.state,
            "code": wanted.code,
            "category": wanted.category,
            "application": wanted.application,
            "extend": wanted.extend,
            "reference": wanted.reference,
        },
    ) + _between(messages.c.occurred_at, wanted.since, wanted.until)
    if wanted.registered is not None:
        conditions.append(messages.c.registered if wanted.registered else ORPHANED)
    if _never_delivered(wanted):
        conditions.append(NOT_DELIVERED)
    rows = await _rows(connection, _page(messages, conditions, page, _BY_TIME))
    return await _with_reports(connection, rows)


async def list_uplinks(connection: AsyncConnection, wanted: UplinkFilter, page: Page) -> list[Row]:
    """Give a page of uplinks, newest first."""
    conditions = _equal(
        uplinks,
        {
            "from_number": normalise(wanted.sender),
            "to_number": wanted.to,
            "sms_msg_id": wanted.sms_msg_id,
            "application": wanted.application,
        },
    ) + _between(uplinks.c.received_at, wanted.since, wanted.until)
    return await _rows(connection, _page(uplinks, conditions, page))


async def find_uplinks(
    connection: AsyncConnection, sms_msg_id: str, application: str | None = None
) -> list[Row]:
    """Give the uplinks with an id (of all applications, unless one is named), newest first."""
    query = select(uplinks).where(uplinks.c.sms_msg_id == sms_msg_id)
    query = query.order_by(uplinks.c.id.desc()).limit(_MOST_UNDER_ONE_ID)
    if application is not None:
        query = query.where(uplinks.c.application == application)
    return await _rows(connection, query)


async def list_quarantine(
    connection: AsyncConnection, wanted: QuarantineFilter, page: Page
) -> list[Row]:
    """Give a page of the quarantine, newest first."""
    conditions = _equal(
        quarantine, {"application": wanted.application, "kind": wanted.kind}
    ) + _between(quarantine.c.received_at, wanted.since, wanted.until)
    return await _rows(connection, _page(quarantine, conditions, page))


def _never_delivered(wanted: MessageFilter) -> bool:
    """Whether no delivered message can match, so that the smaller indexes serve."""
    return (
        wanted.state not in (None, State.DELIVERED)
        or wanted.category not in (None, "delivered")
        or (wanted.code is not None and wanted.code.strip().upper() != "DELIVRD")
    )


def _equal(table: Table, values: Row) -> list[ColumnElement[bool]]:
    return [table.c[name] == value for name, value in values.items() if value is not None]


def _between(
    column: ColumnElement[int], since: int | None, until: int | None
) -> list[ColumnElement[bool]]:
    conditions = []
    if since is not None:
        conditions.append(column >= since)
    if until is not None:
        conditions.append(column < until)
    return conditions


def _page(
    table: Table,
    conditions: Sequence[ColumnElement[bool] | TextClause],
    page: Page,
    by: Sequence[ColumnElement[int]] = (),
) -> Select[tuple[Any, ...]]:
    """Write the query for a page in the order of these columns, downwards; of the id without."""
    order = by or [table.c.id]
    query = select(table).where(*conditions)
    if page.before is not None:
        query = query.where(tuple_(*order) < tuple_(*page.before))
    return query.order_by(*(column.desc() for column in order)).limit(page.limit)


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
