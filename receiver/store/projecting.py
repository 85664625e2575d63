"""The projector's side of the store: read what is known, write the changes, in one transaction."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import and_, bindparam, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from receiver.domain.messages import State
from receiver.projection import Changes, Key, Known, Message, UplinkRecord
from receiver.store import records
from receiver.store.schema import (
    NOT_DELIVERED,
    ORPHANED,
    checkpoints,
    messages,
    quarantine,
    reports,
    uplinks,
)

_T = TypeVar("_T")

_IN_ONE_LOOKUP = 500  # keys; each is one statement parameter
# Any number that is ours alone: projectors of several nodes take turns by it on PostgreSQL.
_PROJECTOR_TURN = 7_203_115_488


async def read_checkpoint(connection: AsyncConnection, journal: str) -> int | None:
    """Give the position up to which a journal has been projected, None when it never was."""
    found = await connection.execute(
        select(checkpoints.c.position).where(checkpoints.c.journal == journal)
    )
    position: int | None = found.scalar()
    return position


async def load(connection: AsyncConnection, message_keys: set[Key], uplink_keys: set[Key]) -> Known:
    """Read everything that is stored under the keys."""
    if connection.dialect.name == "postgresql":
        await connection.execute(select(func.pg_advisory_xact_lock(_PROJECTOR_TURN)))
    last = (await connection.execute(select(func.max(messages.c.id)))).scalar()
    return Known(
        messages=await _load_messages(connection, message_keys),
        uplinks=await _load_uplinks(connection, uplink_keys),
        next_message_id=(last or 0) + 1,
    )


async def _load_messages(connection: AsyncConnection, keys: set[Key]) -> dict[Key, Message]:
    by_id: dict[int, Message] = {}
    for some in _chunks({identifier for _, identifier in keys}):
        found = await connection.execute(select(messages).where(messages.c.sms_msg_id.in_(some)))
        for row in found.mappings():
            if (row["application"], row["sms_msg_id"]) in keys:
                by_id[row["id"]] = records.read_message(dict(row))
    for ids in _chunks(by_id):
        found = await connection.execute(select(reports).where(reports.c.message_id.in_(ids)))
        for row in found.mappings():
            message = by_id[row["message_id"]]
            stored = records.read_report(dict(row), message.sms_msg_id)
            message.reports[stored.key] = stored
    return {(message.application, message.sms_msg_id): message for message in by_id.values()}


async def _load_uplinks(connection: AsyncConnection, keys: set[Key]) -> dict[Key, UplinkRecord]:
    known: dict[Key, UplinkRecord] = {}
    for some in _chunks({identifier for _, identifier in keys}):
        found = await connection.execute(select(uplinks).where(uplinks.c.sms_msg_id.in_(some)))
        for row in found.mappings():
            key = (row["application"], row["sms_msg_id"])
            if key in keys:
                known[key] = records.read_uplink(dict(row))
    return known


@dataclass(frozen=True, slots=True)
class QuarantineLimits:
    """How much the quarantine keeps."""

    rows: int = 10_000  # the newest ones
    body_bytes: int = 64 * 1024  # of each


async def save(connection: AsyncConnection, changes: Changes, limits: QuarantineLimits) -> None:
    """Write changes; the quarantine keeps only its newest rows."""
    new: list[records.Values] = []
    changed: list[records.Values] = []
    for decided in changes.messages:
        (new if decided.message.is_new else changed).append(records.message_values(decided))
    await _insert_all(connection, messages, new)
    await _update_all(connection, messages, ("id",), changed)
    await _insert_all(connection, reports, _report_rows(changes, changed=False))
    await _update_all(
        connection,
        reports,
        ("message_id", "sequence", "status", "update_time"),
        _report_rows(changes, changed=True),
    )
    await _insert_all(
        connection, uplinks, [records.uplink_values(u) for u in changes.uplinks if u.is_new]
    )
    await _update_all(
        connection,
        uplinks,
        ("application", "sms_msg_id"),
        [records.uplink_values(u) for u in changes.uplinks if not u.is_new],
    )
    if changes.quarantined:
        await _insert_all(
            connection,
            quarantine,
            [records.quarantine_values(q, limits.body_bytes) for q in changes.quarantined],
        )
        newest = select(func.max(quarantine.c.id)).scalar_subquery()
        await connection.execute(delete(quarantine).where(quarantine.c.id <= newest - limits.rows))


def _report_rows(changes: Changes, *, changed: bool) -> list[records.Values]:
    rows = []
    for decided in changes.messages:
        message = decided.message
        keys = message.changed_reports - message.new_reports if changed else message.new_reports
        rows += [records.report_values(message.id, message.reports[key]) for key in keys]
    return rows


async def save_checkpoint(
    connection: AsyncConnection, journal: str, position: int, now: int
) -> None:
    """Note how far a journal has been projected; part of the same transaction as the effects."""
    values = {"position": position, "updated_at": now}
    done = await connection.execute(
        update(checkpoints).where(checkpoints.c.journal == journal).values(values)
    )
    if done.rowcount == 0:
        await connection.execute(insert(checkpoints).values(journal=journal, **values))


async def mark_overdue(connection: AsyncConnection, *, heard_before: int, limit: int) -> int:
    """Mark registered messages that stayed without a final report; give how many."""
    silent = (
        select(messages.c.id)
        .where(
            NOT_DELIVERED,
            messages.c.state.in_((State.PENDING, State.ACCEPTED, State.UNKNOWN)),
            messages.c.registered_at < heard_before,
            or_(messages.c.sent_at.is_(None), messages.c.sent_at < heard_before),
            or_(messages.c.last_report_at.is_(None), messages.c.last_report_at < heard_before),
        )
        .limit(limit)
    )
    done = await connection.execute(
        update(messages)
        .where(messages.c.id.in_(silent))
        .values(state=State.OVERDUE.value, category="timeout")
    )
    return done.rowcount


async def count_orphans(connection: AsyncConnection) -> int:
    """Count the messages that have reports but no send."""
    found = await connection.execute(select(func.count()).select_from(messages).where(ORPHANED))
    return int(found.scalar_one())


async def _insert_all(connection: AsyncConnection, table: Any, rows: list[records.Values]) -> None:
    if rows:
        await connection.execute(insert(table), rows)


async def _update_all(
    connection: AsyncConnection, table: Any, key: Sequence[str], rows: list[records.Values]
) -> None:
    if not rows:
        return
    where = and_(*(table.c[name] == bindparam(f"key_{name}") for name in key))
    set_: dict[str, Any] = {name: bindparam(name) for name in rows[0] if name not in key}
    renamed = [
        {(f"key_{name}" if name in key else name): value for name, value in row.items()}
        for row in rows
    ]
    await connection.execute(update(table).where(where).values(set_), renamed)


def _chunks(items: Iterable[_T]) -> Iterator[list[_T]]:
    walk = iter(items)
    while some := list(islice(walk, _IN_ONE_LOOKUP)):
        yield some
