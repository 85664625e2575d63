"""Erasure of a person: their rows are deleted, their number in other rows is redacted.

The number itself leads to most of it. All texts are looked through besides, in stretches: an
application may have written the number into a reference, another person into an SMS.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import Column, Select, Table, and_, delete, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from receiver.domain.messages.state import Key
from receiver.domain.numbers import is_number
from receiver.domain.privacy.number_matcher import Writings
from receiver.domain.uplinks import content_digest
from receiver.store import paging
from receiver.store.database.columns import ReadingContext
from receiver.store.records import load_raw, load_send
from receiver.store.schema import (
    idempotency,
    messages,
    quarantine,
    reports,
    retries,
    statistics,
    suppression_changes,
    suppressions,
    uplinks,
)

_Id = TypeVar("_Id", int, str)
Row = Mapping[Any, Any]

_IN_ONE_STATEMENT = 200  # ids
_FULL_WIDTH_ZERO = 0xFF10
_COVERED = "covered"  # of the counts: rows about others in which the number was made unreadable

# Which texts of a table are looked through; those that are JSON are rewritten as such.
_TEXTS: dict[Table, tuple[str, ...]] = {
    messages: (
        "sms_msg_id", "send", "code", "org_code", "to_text", "from_number", "extend", "reference",
        "template_id", "retry_of",
    ),
    reports: ("status", "update_time", "status_desc", "org_code", "extend", "to_text", "raw"),
    uplinks: ("sms_msg_id", "from_text", "to_number", "body", "original_body", "raw"),
    suppressions: ("reason",),
    suppression_changes: ("reason", "by", "word"),
}  # fmt: skip
_JSON = frozenset({"send", "raw", "word"})
_OF_GROUPS = ("code", "template_id", "from_number")  # of the statistics
# Where the number stands in one of these, the row is the person's own; a report is its message's.
_OWN = {
    messages: ("sms_msg_id", "to_text"),
    reports: ("to_text",),
    uplinks: ("sms_msg_id", "from_text", "to_number"),
}
STRETCH_IDS = 2000
_QUARANTINE_STRETCH_IDS = 50  # each may have a large body


@dataclass(slots=True)
class SubjectRows:
    """The rows of a person: row ids by table."""

    messages: set[int] = field(default_factory=set)
    rows: dict[Table, set[int]] = field(default_factory=dict)  # to delete
    covered: list[tuple[Table, int, dict[str, Any]]] = field(default_factory=list)
    answers: list[tuple[str, str]] = field(default_factory=list)  # owner and key
    groups: list[Row] = field(default_factory=list)  # of the statistics
    ids: set[Key] = field(default_factory=set)  # of messages and uplinks

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing."""
        rows = self.messages or any(self.rows.values())
        return not (rows or self.covered or self.answers or self.groups)


def tables(*, keep_suppression: bool) -> list[tuple[Table, int]]:
    """Return the tables that are looked through by ids, and how many ids at a time."""
    kept = {suppressions, suppression_changes} if keep_suppression else set()
    searched = [(table, STRETCH_IDS) for table in _TEXTS if table not in kept]
    return [*searched, (quarantine, _QUARANTINE_STRETCH_IDS)]


async def last_id(connection: AsyncConnection, table: Table) -> int:
    """Return the highest id of a table."""
    return (await connection.execute(select(func.max(table.c.id)))).scalar() or 0


async def find_by_number(
    connection: AsyncConnection, number: str, found: SubjectRows, *, keep_suppression: bool
) -> None:
    """Find what the number itself leads to."""
    of_number = select(messages.c.id, messages.c.application, messages.c.sms_msg_id)
    for row in await connection.execute(of_number.where(messages.c.to_number == number)):
        found.messages.add(row[0])
        found.ids.add((row[1], row[2]))
    of_sender = select(uplinks.c.id, uplinks.c.application, uplinks.c.sms_msg_id)
    for row in await connection.execute(of_sender.where(uplinks.c.from_number == number)):
        found.rows.setdefault(uplinks, set()).add(row[0])
        found.ids.add((row[1], row[2]))
    for table in () if keep_suppression else (suppressions, suppression_changes):
        rows = await connection.execute(select(table.c.id).where(table.c.number == number))
        found.rows.setdefault(table, set()).update(rows.scalars())


async def look_through(
    connection: AsyncConnection, table: Table, after: int, upto: int, writings: Writings
) -> list[Row]:
    """Return the rows of a stretch of ids whose texts hold the number."""
    if table is quarantine:
        return await _look_through_quarantine(connection, after, upto, writings)
    texts = [table.c[name] for name in _TEXTS[table]]
    more: list[Column[Any]] = []
    if table is reports:
        more = [table.c.message_id, messages.c.to_number]
    elif table is messages:
        more = [table.c.application]
    elif table is uplinks:
        more = [table.c.application, table.c.created_at]
    query: Select[Any] = select(table.c.id, *more, *texts).where(
        table.c.id > after, table.c.id <= upto, _may_hold(texts, writings)
    )
    if table is reports:
        query = query.join(messages, messages.c.id == reports.c.message_id)
    rows = (await connection.execute(query)).mappings()
    names = [text.name for text in texts]
    return [row for row in rows if any(_holds(name, row[name], writings) for name in names)]


async def _look_through_quarantine(
    connection: AsyncConnection, after: int, upto: int, writings: Writings
) -> list[Row]:
    query = select(
        quarantine.c.id, quarantine.c.headers, quarantine.c.reason, quarantine.c.body
    ).where(quarantine.c.id > after, quarantine.c.id <= upto)
    return [
        row
        for row in (await connection.execute(query)).mappings()
        if writings.in_unread(bytes(row["body"]))
        or writings.in_text(row["headers"])
        or writings.in_text(row["reason"])
    ]


async def find_answers(connection: AsyncConnection, writings: Writings) -> list[tuple[str, str]]:
    """Find answers that are kept for a repeated request and hold the number."""
    texts = [idempotency.c.answer, idempotency.c.key]
    query = select(idempotency.c.owner, *texts).where(_may_hold(texts, writings))
    return [
        (row["owner"], row["key"])
        for row in (await connection.execute(query)).mappings()
        if writings.in_text(row["answer"]) or writings.in_text(row["key"])
    ]


def take(found: SubjectRows, table: Table, rows: Iterable[Row], writings: Writings) -> None:
    """Decide what becomes of rows that hold the number."""
    for row in rows:
        if table is messages and _is_own_message(row, writings):
            found.messages.add(row["id"])
            found.ids.add((row["application"], row["sms_msg_id"]))
        elif table is reports and _is_own_report(row, writings):
            found.messages.add(row["message_id"])
        elif table is quarantine:
            found.rows.setdefault(table, set()).add(row["id"])
        elif table is uplinks and _is_own(table, row, writings):
            found.rows.setdefault(table, set()).add(row["id"])
            found.ids.add((row["application"], row["sms_msg_id"]))
        else:
            found.covered.append((table, row["id"], _covered(table, row, writings)))


def _is_own(table: Table, row: Row, writings: Writings) -> bool:
    return any(writings.is_it(row[name]) for name in _OWN[table])


def _is_own_report(row: Row, writings: Writings) -> bool:
    """Return whether a report names the person, and its message nobody else."""
    is_to_another = _is_another(row["to_number"], writings)
    return _is_own(reports, row, writings) and not is_to_another


def _is_another(number: str | None, writings: Writings) -> bool:
    return number is not None and number != writings.number and is_number(number)


def _is_own_message(row: Row, writings: Writings) -> bool:
    send = load_send(row["send"]) if row["send"] else None
    return _is_own(messages, row, writings) or (send is not None and writings.is_it(send.to))


def _covered(table: Table, row: Row, writings: Writings) -> dict[str, Any]:
    values = {
        name: _covered_text(row[name], name, writings)
        for name in _TEXTS[table]
        if _holds(name, row[name], writings)
    }
    return {**values, **_of_content(row, values)} if table is uplinks else values


def _of_content(row: Row, values: dict[str, Any]) -> dict[str, Any]:
    """Return what follows from the content of an uplink that is rewritten."""
    became = {**row, **values}
    raw = load_raw(became["raw"], "uplinks.raw")
    if not raw:
        return {}
    create_time = raw.get("createTime") or ""
    texts = (became["from_text"], became["to_number"], became["body"])
    digest = content_digest(*texts, create_time, row["created_at"])
    # In another charset than UTF-8 the number cannot be made unreadable.
    lost = {"raw": "{}", "original_body": None} if "body" in values and "raw" not in values else {}
    return {"digest": digest, **lost}


def _holds(name: str, text: str | None, writings: Writings) -> bool:
    with ReadingContext(name):
        return writings.in_json(text) if name in _JSON else writings.in_text(text)


def _covered_text(text: str, name: str, writings: Writings) -> str:
    if name in _JSON:
        return json.dumps(writings.cover_value(json.loads(text)))
    return writings.cover(text)


def _may_hold(texts: Sequence[Column[Any]], writings: Writings) -> Any:
    """Write the first, cheap look: the digits in their order, or one in full width.

    Whatever stands between them, no text that holds the number is missed.
    """
    narrow = "%".join(writings.plain)
    last = writings.plain[-1]
    return or_(
        *(text.like(f"%{narrow}%") for text in texts),
        *(text.like(f"%{chr(_FULL_WIDTH_ZERO + int(last))}%") for text in texts),
        *(text.like(rf"%\uff1{last}%", escape="|") for text in texts if text.name in _JSON),
    )


async def complete(connection: AsyncConnection, found: SubjectRows) -> None:
    """Find the ids of messages that only their reports led to."""
    for some in pieces(sorted(found.messages)):
        query = select(messages.c.application, messages.c.sms_msg_id)
        for row in await connection.execute(query.where(messages.c.id.in_(some))):
            found.ids.add((row[0], row[1]))


async def find_others(
    connection: AsyncConnection, ids: Iterable[Key], writings: Writings
) -> set[Key]:
    """Return those ids of messages that went to somebody else."""
    asked = set(ids)
    others: set[Key] = set()
    for some in pieces(sorted({sms_msg_id for _, sms_msg_id in asked})):
        query = select(messages.c.application, messages.c.sms_msg_id, messages.c.to_number)
        for row in await connection.execute(query.where(messages.c.sms_msg_id.in_(some))):
            if _is_another(row[2], writings):
                others.add((row[0], row[1]))
    return others & asked


async def delete_messages(connection: AsyncConnection, ids: Sequence[int]) -> Counter[str]:
    """Delete messages with all that hangs on them; what they add to the statistics stays.

    Returns:
        How many rows went, by table; `orphans` are those of the messages that had no send.
    """
    counts: Counter[str] = Counter()
    orphans = select(func.count()).where(messages.c.id.in_(ids), ~messages.c.registered)
    counts["orphans"] = (await connection.execute(orphans)).scalar_one()
    for table, column in (
        (retries, retries.c.message_id),
        (reports, reports.c.message_id),
        (messages, messages.c.id),
    ):
        done = await connection.execute(delete(table).where(column.in_(ids)))
        counts[table.name] = done.rowcount
    return counts


async def find_groups(connection: AsyncConnection, writings: Writings) -> list[Row]:
    """Find groups of the statistics whose names hold the number."""
    names = [statistics.c[name] for name in _OF_GROUPS]
    rows = (
        await connection.execute(select(statistics).where(_may_hold(names, writings)))
    ).mappings()
    return [row for row in rows if any(writings.in_text(row[name]) for name in _OF_GROUPS)]


async def cover_groups(
    connection: AsyncConnection, groups: Iterable[Row], writings: Writings
) -> None:
    """Name groups of the statistics without the number; those that are then the same become one."""
    for group in groups:
        covered = {name: writings.cover(group[name]) for name in _OF_GROUPS}
        was, will_be = _this_group(group), _this_group({**group, **covered})
        count = (await connection.execute(select(statistics.c.messages).where(was))).scalar()
        if count is None:
            continue
        more = statistics.c.messages + count
        added = await connection.execute(update(statistics).where(will_be).values(messages=more))
        if added.rowcount:
            await connection.execute(delete(statistics).where(was))
        else:
            await connection.execute(update(statistics).where(was).values(covered))


def _this_group(group: Row) -> Any:
    return and_(*(column == group[column.name] for column in statistics.primary_key))


async def delete_rows(connection: AsyncConnection, table: Table, ids: Sequence[int]) -> int:
    """Delete rows by their ids; return how many."""
    return (await connection.execute(delete(table).where(table.c.id.in_(ids)))).rowcount


async def cover(connection: AsyncConnection, found: SubjectRows) -> Counter[str]:
    """Write rows about others without the number, and delete answers that hold it."""
    counts: Counter[str] = Counter()
    for table, row_id, values in found.covered:
        this = table.c.id == row_id
        try:
            async with connection.begin_nested():
                done = await connection.execute(update(table).where(this).values(values))
        except IntegrityError:  # covered, two reports of one message are the same
            done = await connection.execute(delete(table).where(this))
        counts[_COVERED] += done.rowcount
    for owner, key in found.answers:
        done = await connection.execute(
            delete(idempotency).where(idempotency.c.owner == owner, idempotency.c.key == key)
        )
        counts[idempotency.name] += done.rowcount
    return counts


def pieces(ids: Sequence[_Id]) -> Iterable[list[_Id]]:
    """Cut ids into as many as one statement takes."""
    return paging.pieces(ids, _IN_ONE_STATEMENT)
