"""The projector's access to the store: reads known state, writes changes, in one transaction."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from receiver.domain.catalogue.entries import Category
from receiver.domain.messages.state import OPEN_STATES, Key, State
from receiver.domain.projection import (
    DecidedMessage,
    Known,
    MessageBuilder,
    ProjectedChanges,
    UplinkKey,
    UplinkRecord,
)
from receiver.domain.statistics import SOURCES, Deltas
from receiver.domain.uplinks import digest_of
from receiver.store import quarantine, records
from receiver.store.database import bulk
from receiver.store.moves import save_moves
from receiver.store.paging import pieces
from receiver.store.quarantine import QuarantineLimits
from receiver.store.retries import queue
from receiver.store.schema import (
    ERASED_DIGEST,
    NOT_DELIVERED,
    ORPHANED,
    checkpoints,
    messages,
    reports,
    uplinks,
)
from receiver.store.statistics import write_deltas
from receiver.store.suppressions import entries

# When only the outcome of a message has changed, nothing else is written, which spares the indexes
# of numbers, ids and times.
_BESIDE_THE_OUTCOME = tuple(
    column.name for column in messages.c if column.name not in records.OUTCOME
)
_MESSAGE_KEY = ("id",)
_REPORT_KEY = ("message_id", "sequence", "status", "update_time")
_UPLINK_KEY = ("application", "sms_msg_id", "digest")
# Any number that is ours alone: projectors of several nodes take turns by it on PostgreSQL.
_PROJECTOR_TURN = 7_203_115_488


async def read_checkpoints(connection: AsyncConnection) -> dict[str, int]:
    """Return the projected position of each journal, by its identity."""
    found = await connection.execute(select(checkpoints.c.journal, checkpoints.c.position))
    return {str(journal): int(position) for journal, position in found}


async def read_taken(connection: AsyncConnection, journal: str) -> int:
    """Return how many events are taken of the row that follows a journal's checkpoint."""
    query = select(checkpoints.c.taken).where(checkpoints.c.journal == journal)
    return int((await connection.execute(query)).scalar() or 0)


async def begin_write(connection: AsyncConnection) -> None:
    """Wait until no other node folds messages; the turn ends with the transaction."""
    if connection.dialect.name == "postgresql":
        await connection.execute(select(func.pg_advisory_xact_lock(_PROJECTOR_TURN)))


async def load(
    connection: AsyncConnection, message_keys: set[Key], uplink_keys: set[UplinkKey]
) -> Known:
    """Read everything that is stored under the keys."""
    await begin_write(connection)
    last = (await connection.execute(select(func.max(messages.c.id)))).scalar()
    known, erased = await _load_uplinks(connection, uplink_keys)
    return Known(
        messages=await _load_messages(connection, message_keys),
        uplinks=known,
        erased_uplinks=erased,
        next_message_id=(last or 0) + 1,
    )


async def _load_messages(connection: AsyncConnection, keys: set[Key]) -> dict[Key, MessageBuilder]:
    by_id: dict[int, MessageBuilder] = {}
    for some in pieces({identifier for _, identifier in keys}):
        found = await connection.execute(select(messages).where(messages.c.sms_msg_id.in_(some)))
        names = tuple(found.keys())
        for values in found:
            row = dict(zip(names, values, strict=True))
            if (row["application"], row["sms_msg_id"]) in keys:
                by_id[row["id"]] = records.read_message(row)
    reported = [at for at, message in by_id.items() if message.stored["last_report_at"] is not None]
    for ids in pieces(reported):
        found = await connection.execute(select(reports).where(reports.c.message_id.in_(ids)))
        for entry in found.mappings():
            message = by_id[entry["message_id"]]
            stored = records.read_report(dict(entry), message.sms_msg_id)
            message.reports[stored.key] = stored
    return {(message.application, message.sms_msg_id): message for message in by_id.values()}


async def _load_uplinks(
    connection: AsyncConnection, keys: set[UplinkKey]
) -> tuple[dict[UplinkKey, UplinkRecord], dict[Key, UplinkRecord]]:
    """Read the uplinks of some keys, and those under the same ids whose content is erased."""
    known: dict[UplinkKey, UplinkRecord] = {}
    erased: dict[Key, UplinkRecord] = {}
    for some in pieces({identifier for _, identifier, _ in keys}):
        found = await connection.execute(select(uplinks).where(uplinks.c.sms_msg_id.in_(some)))
        for row in found.mappings():
            record = records.read_uplink(dict(row))
            application, sms_msg_id = row["application"], row["sms_msg_id"]
            if row["digest"].startswith(ERASED_DIGEST):
                erased[application, sms_msg_id] = record
                continue
            stored = (application, sms_msg_id, row["digest"])
            # An older version told the writings of a number or a time apart.
            today = (application, sms_msg_id, digest_of(record.uplink))
            if stored in keys:
                known[stored] = record
            elif today in keys:
                known.setdefault(today, record)
    return known, erased


async def save(
    connection: AsyncConnection,
    changes: ProjectedChanges,
    limits: QuarantineLimits,
    maybe_yield: Callable[[], Awaitable[None]],
) -> int:
    """Write changes; return how many rows left the quarantine for new ones.

    Args:
        connection: in a transaction.
        changes: what to write.
        limits: of the quarantine.
        maybe_yield: awaited between rows, so that preparing many of them does not delay other work.
    """
    rows = _SortedRows()
    for decided in changes.messages:
        rows.take(decided)
        await maybe_yield()
    await bulk.insert_rows(connection, messages, rows.new_messages)
    await bulk.update_rows(connection, messages, _MESSAGE_KEY, rows.changed_messages)
    await bulk.update_rows(connection, messages, _MESSAGE_KEY, rows.reported_messages)
    await save_moves(connection, rows.moves)
    await bulk.insert_rows(connection, reports, rows.new_reports)
    await bulk.update_rows(connection, reports, _REPORT_KEY, rows.changed_reports)
    await write_deltas(connection, rows.deltas)
    await queue.queue(connection, changes.messages)
    await _save_uplinks(connection, changes.uplinks)
    await entries.set_by_hand(connection, changes.by_hand)
    return await quarantine.save(connection, changes.quarantined, limits, maybe_yield)


class _SortedRows:
    """What there is to write of messages and their reports, sorted by how it is written."""

    def __init__(self) -> None:
        self.new_messages: list[records.Values] = []
        self.changed_messages: list[records.Values] = []  # in any of their columns
        self.reported_messages: list[records.Values] = []  # only in what reports change
        self.moves: list[records.Values] = []
        self.new_reports: list[records.Values] = []
        self.changed_reports: list[records.Values] = []
        self.deltas = Deltas()

    def take(self, decided: DecidedMessage) -> None:
        """Add one message that changed."""
        message, values = decided.message, records.message_values(decided)
        self.deltas.move(None if message.is_new else message.stored, values)
        if message.is_new:
            self.new_messages.append(values)
        elif _differ_elsewhere(values, message.stored):
            self.changed_messages.append(values)
            before = message.stored["occurred_at"]
            if values["occurred_at"] != before:
                self.moves.append({"message_id": message.id, "moved_from": before})
        else:
            names = _MESSAGE_KEY + records.OUTCOME
            self.reported_messages.append({name: values[name] for name in names})
        for key in message.new_reports:
            self.new_reports.append(records.report_values(message.id, message.reports[key]))
        for key in message.changed_reports - message.new_reports:
            self.changed_reports.append(records.report_values(message.id, message.reports[key]))


def _differ_elsewhere(values: records.Values, stored: Mapping[str, Any]) -> bool:
    """Return whether a message differs from its stored row in more than reports change."""
    return any(values[name] != stored[name] for name in _BESIDE_THE_OUTCOME)


async def _save_uplinks(connection: AsyncConnection, changed: Sequence[UplinkRecord]) -> None:
    new = [records.uplink_values(record) for record in changed if record.is_new]
    if new:
        await connection.execute(insert(uplinks), new)
    again = [records.uplink_values(record) for record in changed if not record.is_new]
    await bulk.update_rows(connection, uplinks, _UPLINK_KEY, again)
    await entries.record_opt_outs(connection, changed)


async def save_checkpoint(
    connection: AsyncConnection, journal: str, position: int, now: int, taken: int = 0
) -> None:
    """Note how far a journal has been projected; part of the same transaction as the effects.

    Args:
        connection: in that transaction.
        journal: by its identity.
        position: of the last row that is projected whole.
        now: the time, microseconds since the epoch.
        taken: how many events of the next row are projected too.
    """
    values = {"position": position, "updated_at": now, "taken": taken}
    done = await connection.execute(
        update(checkpoints).where(checkpoints.c.journal == journal).values(values)
    )
    if done.rowcount == 0:
        await connection.execute(insert(checkpoints).values(journal=journal, **values))


async def mark_overdue(connection: AsyncConnection, *, heard_before: int, limit: int) -> int:
    """Mark registered messages that stayed without a final report; return how many."""
    await begin_write(connection)
    silent = (
        select(messages.c.id, *(messages.c[name] for name in SOURCES))
        .where(
            NOT_DELIVERED,
            messages.c.state.in_(OPEN_STATES),
            # The sending, where its time is known. It makes this a range of an index.
            messages.c.occurred_at < heard_before,
            or_(messages.c.sent_at.is_not(None), messages.c.registered_at < heard_before),
            or_(messages.c.last_report_at.is_(None), messages.c.last_report_at < heard_before),
        )
        .limit(limit)
    )
    found = [dict(row) for row in (await connection.execute(silent)).mappings()]
    if not found:
        return 0
    marks = {"state": State.OVERDUE.value, "category": Category.TIMEOUT.value}
    deltas = Deltas()
    for row in found:
        deltas.move(row, {**row, **marks})
    ids = [row["id"] for row in found]
    await connection.execute(update(messages).where(messages.c.id.in_(ids)).values(marks))
    await write_deltas(connection, deltas)
    return len(found)


async def count_orphans(connection: AsyncConnection) -> int:
    """Count the messages that have reports but no send."""
    found = await connection.execute(select(func.count()).select_from(messages).where(ORPHANED))
    return int(found.scalar_one())
