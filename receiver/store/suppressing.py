"""The suppression list in the store: the newest word of each person to each channel."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from receiver.domain.events import written_at
from receiver.domain.numbers import normalise, normalise_channel
from receiver.domain.optouts import Intent
from receiver.domain.suppression import Party, Source, Word, last_word
from receiver.projection import UplinkRecord
from receiver.store import bulk
from receiver.store.queries import Page, Row
from receiver.store.records import Values
from receiver.store.schema import suppressions

_IN_ONE_LOOKUP = 500  # numbers; each is one statement parameter


@dataclass(frozen=True, slots=True)
class SuppressionFilter:
    """Which rows of the list; None leaves a condition out."""

    suppressed: bool
    number: str | None = None  # in any writing
    channel: str | None = None  # in any writing; finds its extensions too
    application: str | None = None


async def hear(connection: AsyncConnection, uplinks: Iterable[UplinkRecord]) -> None:
    """Note what new uplinks ask for.

    Args:
        connection: in a transaction that no other one writes beside.
        uplinks: new ones and redelivered ones; those tell nothing new.
    """
    heard: dict[Party, Word] = {}
    for record in uplinks:
        if record.is_new and record.intent:
            party, word = _party_of(record), _word_of(record, record.intent)
            heard[party] = last_word(heard.get(party, word), word)
    if heard:
        await _write(connection, heard)


async def list_suppressions(
    connection: AsyncConnection, wanted: SuppressionFilter, page: Page
) -> list[Row]:
    """Give a page of the list, the latest change first."""
    columns = suppressions.c
    conditions: list[ColumnElement[bool]] = [columns.suppressed == wanted.suppressed]
    if wanted.number is not None:
        conditions.append(columns.number == normalise(wanted.number))
    if wanted.channel is not None:
        channel = normalise_channel(wanted.channel)
        conditions.append(func.substr(columns.channel, 1, len(channel)) == channel)
    if wanted.application is not None:
        conditions.append(columns.application == wanted.application)
    if page.before is not None:
        conditions.append(columns.id < page.before[0])
    query = select(suppressions).where(*conditions).order_by(columns.id.desc()).limit(page.limit)
    return [dict(row) for row in (await connection.execute(query)).mappings()]


async def suppressed_among(
    connection: AsyncConnection, parties: Iterable[Party]
) -> dict[Party, Source]:
    """Give those parties that are not to be sent to, and whose word that is.

    A person who answered a channel number with an extension means the channel number too; where
    a party's channel is empty, any channel of the application counts.
    """
    asked = list(parties)
    known = await _read(connection, {party.number for party in asked})
    refused = [(party, word.source) for party, (_, word) in known.items() if word.suppressed]
    return {
        party: source
        for party in asked
        for row, source in refused
        if (row.number, row.application) == (party.number, party.application)
        and row.channel.startswith(party.channel)
    }


async def _write(connection: AsyncConnection, heard: Mapping[Party, Word]) -> None:
    known = await _read(connection, {party.number for party in heard})
    new: list[Values] = []
    outdated: list[int] = []
    for party, word in heard.items():
        row_id, before = known.get(party, (None, word))
        after = last_word(before, word)
        if row_id is not None:
            if after == before:
                continue
            outdated.append(row_id)
        new.append(_values(party, after))
    # A row that changes gets a new id: lists show the latest change first.
    for at in range(0, len(outdated), _IN_ONE_LOOKUP):
        some = outdated[at : at + _IN_ONE_LOOKUP]
        await connection.execute(delete(suppressions).where(suppressions.c.id.in_(some)))
    await bulk.insert_rows(connection, suppressions, new)


async def _read(connection: AsyncConnection, numbers: set[str]) -> dict[Party, tuple[int, Word]]:
    known: dict[Party, tuple[int, Word]] = {}
    wanted = sorted(numbers)
    for at in range(0, len(wanted), _IN_ONE_LOOKUP):
        some = wanted[at : at + _IN_ONE_LOOKUP]
        query = select(suppressions).where(suppressions.c.number.in_(some))
        for row in (await connection.execute(query)).mappings():
            party = Party(row["number"], row["channel"], row["application"])
            known[party] = row["id"], _read_word(row)
    return known


def _party_of(record: UplinkRecord) -> Party:
    uplink = record.uplink
    number = normalise(uplink.sender) or uplink.sender
    return Party(number, normalise_channel(uplink.to), record.arrival.application)


def _word_of(record: UplinkRecord, intent: Intent) -> Word:
    return Word(
        suppressed=intent is Intent.OPT_OUT,
        decided_at=written_at(record.uplink.created_at, record.arrival.received_at),
        source=Source.UPLINK,
        source_id=record.uplink.sms_msg_id,
    )


def _values(party: Party, word: Word) -> Values:
    return {
        "application": party.application,
        "number": party.number,
        "channel": party.channel,
        "suppressed": word.suppressed,
        "source": word.source.value,
        "source_id": word.source_id,
        "decided_at": word.decided_at,
    }


def _read_word(row: Mapping[Any, Any]) -> Word:
    return Word(row["suppressed"], row["decided_at"], Source(row["source"]), row["source_id"])
