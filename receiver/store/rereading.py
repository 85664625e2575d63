"""Parsing stored inputs again: removes and rewrites those that are parsed differently."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Table, delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from receiver.domain.numbers import without_home_code
from receiver.domain.projection import MessageBuilder, UplinkRecord
from receiver.domain.statistics import Deltas
from receiver.domain.suppressions.suppression import Source, SuppressionScope
from receiver.store import records
from receiver.store.erasure import delete_messages
from receiver.store.records import Values
from receiver.store.schema import (
    quarantine,
    reports,
    retries,
    suppression_changes,
    suppressions,
    uplinks,
)
from receiver.store.statistics import write_deltas
from receiver.store.suppressions.entries import party_of, record_opt_outs


async def clear_reports(connection: AsyncConnection, message_ids: Sequence[int]) -> None:
    """Delete the reports of messages, which are then written again as they are read now."""
    await connection.execute(delete(reports).where(reports.c.message_id.in_(message_ids)))


async def remove_messages(
    connection: AsyncConnection, gone: Sequence[tuple[MessageBuilder, int]]
) -> None:
    """Remove messages that turned out to be other ones; their retries go with them.

    Args:
        connection: in a transaction that no other one writes beside.
        gone: messages as they are stored, each with the id of the one that it is part of.
    """
    into = {message.id: other for message, other in gone}
    queued = select(retries.c.message_id).where(retries.c.message_id.in_([*into, *into.values()]))
    taken = set((await connection.execute(queued)).scalars())
    for message_id in sorted(taken & into.keys()):
        if into[message_id] not in taken:
            taken.add(into[message_id])
            this = retries.c.message_id == message_id
            values = {"message_id": into[message_id]}
            await connection.execute(update(retries).where(this).values(values))
    await delete_messages(connection, list(into))
    deltas = Deltas()
    for message, _ in gone:
        deltas.move(message.stored, None)
    await write_deltas(connection, deltas)


@dataclass(frozen=True, slots=True)
class StoredUplink:
    """An uplink as it is stored."""

    row_id: int
    record: UplinkRecord
    number: str | None  # of its sender

    @property
    def party(self) -> SuppressionScope:
        """The person it concerns, and about which channel."""
        party = party_of(self.record)
        return party if self.number is None else replace(party, number=self.number)


async def read_uplinks(
    connection: AsyncConnection, after: int, upto: int, limit: int
) -> list[StoredUplink]:
    """Return the next uplinks by their ids."""
    query = select(uplinks).where(uplinks.c.id > after, uplinks.c.id <= upto)
    query = query.order_by(uplinks.c.id).limit(limit)
    rows = (await connection.execute(query)).mappings()
    return [
        StoredUplink(row["id"], records.read_uplink(dict(row)), row["from_number"]) for row in rows
    ]


async def replace_uplink(
    connection: AsyncConnection, before: StoredUplink, after: UplinkRecord
) -> None:
    """Write an uplink as it is read now, and what it asks for.

    One that is the same as another stored one now was a redelivery of it.
    """
    this = uplinks.c.id == before.row_id
    values = records.uplink_values(after)
    same = (uplinks.c[name] == values[name] for name in records.UPLINK_KEY)
    twin = select(uplinks.c.id).where(*same, uplinks.c.id != before.row_id)
    twin_id = (await connection.execute(twin)).scalar()
    if twin_id is None:
        await connection.execute(update(uplinks).where(this).values(values))
    else:
        await connection.execute(delete(uplinks).where(this))
        again = uplinks.c.redeliveries + after.redeliveries + 1
        await connection.execute(
            update(uplinks).where(uplinks.c.id == twin_id).values(redeliveries=again)
        )
    is_same_id = before.record.uplink.sms_msg_id == after.uplink.sms_msg_id
    if before.party != party_of(after) or not is_same_id:
        await _take_back(connection, before)
    after.asks_anew = True
    await record_opt_outs(connection, [after])


async def hear_again(connection: AsyncConnection, found: Iterable[StoredUplink]) -> None:
    """Note what uplinks ask for that are read as they were: a word may have been lost since."""
    told = [stored for stored in found if stored.number == party_of(stored.record).number]
    for stored in told:
        stored.record.asks_anew = True
    await record_opt_outs(connection, (stored.record for stored in told))


async def _take_back(connection: AsyncConnection, before: StoredUplink) -> None:
    """Delete what an uplink said about somebody who was not its sender."""
    party = before.party
    await connection.execute(
        delete(suppressions).where(
            suppressions.c.number == party.number,
            suppressions.c.channel == party.channel,
            suppressions.c.application == party.application,
            suppressions.c.source == Source.UPLINK,
            suppressions.c.source_id == before.record.uplink.sms_msg_id,
        )
    )


async def read_quarantine(
    connection: AsyncConnection, after: int, upto: int, limit: int
) -> list[Values]:
    """Return the next rows of the quarantine."""
    query = select(quarantine).where(quarantine.c.id > after, quarantine.c.id <= upto)
    query = query.order_by(quarantine.c.id).limit(limit)
    return [dict(row) for row in (await connection.execute(query)).mappings()]


async def release(connection: AsyncConnection, row_ids: Sequence[int]) -> None:
    """Delete rows of the quarantine that can be used now."""
    await connection.execute(delete(quarantine).where(quarantine.c.id.in_(row_ids)))


async def renumber(connection: AsyncConnection, *, apply: bool) -> int:
    """Store manual suppressions of short codes by the code as written; return how many there are.

    A country code was once put in front of them.
    """
    count = 0
    for table in (suppressions, suppression_changes):
        numbers = select(table.c.number).where(table.c.number.startswith("+")).distinct()
        if table is suppressions:
            numbers = numbers.where(table.c.source == Source.HAND)
        for number in (await connection.execute(numbers)).scalars().all():
            written = without_home_code(number)
            if written == number:
                continue
            count += table is suppressions
            if apply:
                await _move(connection, table, number, written)
    return count


async def _move(connection: AsyncConnection, table: Table, number: str, written: str) -> None:
    """Store rows under another number; one that stands there already was set later and stays."""
    ids = select(table.c.id).where(table.c.number == number)
    if table is suppressions:
        ids = ids.where(table.c.source == Source.HAND)
    for row_id in (await connection.execute(ids)).scalars().all():
        this = table.c.id == row_id
        try:
            async with connection.begin_nested():
                await connection.execute(update(table).where(this).values(number=written))
        except IntegrityError:
            await connection.execute(delete(table).where(this))
