"""The suppression list in the store: the entry of each source for each number."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from receiver.domain.inputs import Trust, written_at
from receiver.domain.numbers import normalise, normalise_channel
from receiver.domain.projection import SetByHand, UplinkRecord
from receiver.domain.suppressions.opt_outs import Intent
from receiver.domain.suppressions.suppression import (
    ScopedEntry,
    Source,
    SuppressionEntry,
    SuppressionScope,
    holding,
    standing,
)
from receiver.store import records
from receiver.store.database import bulk
from receiver.store.paging import Condition, Walk, Walked, pieces, walk
from receiver.store.queries import Page, Row
from receiver.store.records import Values
from receiver.store.schema import suppression_changes, suppressions

_IN_SUPPRESSIONS = records.required(suppressions)
Key = tuple[SuppressionScope, Source, Trust | None]


@dataclass(frozen=True, slots=True)
class SuppressionFilter:
    """Which rows of the list; None leaves a condition out."""

    suppressed: bool
    now: int  # microseconds; what is over by then is left out
    number: str | None = None  # in any writing
    channel: str | None = None  # in any writing; finds its extensions too
    application: str | None = None
    source: Source | None = None


async def record_opt_outs(connection: AsyncConnection, uplinks: Iterable[UplinkRecord]) -> None:
    """Note what new uplinks ask for.

    Args:
        connection: in a transaction that no other one writes beside.
        uplinks: new ones and redelivered ones; those mostly tell nothing new.
    """
    await _note(
        connection,
        (
            ScopedEntry(party_of(record), _word_of(record, record.intent))
            for record in uplinks
            if record.intent and (record.asks_anew or record.trusted_anew)
        ),
    )


async def set_by_hand(connection: AsyncConnection, words: Sequence[SetByHand]) -> None:
    """Note what was set and lifted manually, and that it was.

    Args:
        connection: in a transaction that no other one writes beside.
        words: in any order, known ones too.
    """
    await _note(connection, (one.said for one in words))
    # A journal that is read again from its start reports the same changes.
    changes = {_change_key(one): _change_values(one) for one in words}
    known = "(number, at, channel, application) DO NOTHING"
    await bulk.merge_rows(connection, suppression_changes, known, list(changes.values()))


async def replace_words(
    connection: AsyncConnection,
    known: Mapping[Key, tuple[int, SuppressionEntry]],
    wanted: Mapping[Key, SuppressionEntry],
) -> None:
    """Put words in place of others.

    Args:
        connection: in a transaction that no other one writes beside.
        known: what stands there, with the ids of its rows.
        wanted: what is to stand there; what is not in it goes.
    """
    outdated = [row_id for key, (row_id, _) in known.items() if key not in wanted]
    for some in pieces(outdated):
        await connection.execute(delete(suppressions).where(suppressions.c.id.in_(some)))
    # A row that changes keeps its id, by which somebody may be walking along the list.
    changed = [
        {"id": known[key][0], **_values(key[0], word)}
        for key, word in wanted.items()
        if key in known and known[key][1] != word
    ]
    await bulk.update_rows(connection, suppressions, ("id",), changed)
    new = [_values(key[0], word) for key, word in wanted.items() if key not in known]
    await bulk.insert_rows(connection, suppressions, new)


async def read_words(
    connection: AsyncConnection, numbers: Iterable[str], *, source: Source | None = None
) -> dict[Key, tuple[int, SuppressionEntry]]:
    """Return what is said about numbers, with the ids of the rows."""
    known: dict[Key, tuple[int, SuppressionEntry]] = {}
    for some in pieces(sorted(set(numbers))):
        query = select(suppressions).where(suppressions.c.number.in_(some))
        if source is not None:
            query = query.where(suppressions.c.source == source)
        for row in (await connection.execute(query)).mappings():
            party = SuppressionScope(row["number"], row["channel"], row["application"])
            word = _read_word(row)
            known[party, word.source, word.trust] = row["id"], word
    return known


async def all_said(
    connection: AsyncConnection, numbers: Iterable[str]
) -> dict[str, list[ScopedEntry]]:
    """Return what is said about numbers, by number."""
    said: dict[str, list[ScopedEntry]] = {}
    for (party, _, _), (_, word) in (await read_words(connection, numbers)).items():
        said.setdefault(party.number, []).append(ScopedEntry(party, word))
    return said


async def suppressed_among(
    connection: AsyncConnection, parties: Iterable[SuppressionScope], now: int
) -> dict[SuppressionScope, tuple[ScopedEntry, ...]]:
    """Return those parties that are not to be sent to, and the words that say so."""
    asked = list(parties)
    said = await all_said(connection, (party.number for party in asked))
    found = {party: holding(said.get(party.number, ()), party, now) for party in asked}
    return {party: holds for party, holds in found.items() if holds}


async def list_suppressions(
    connection: AsyncConnection, wanted: SuppressionFilter, page: Page
) -> Walked:
    """Return a page of the list, the newest rows first."""
    columns = suppressions.c
    along: list[Condition] = []  # the words about one number are few
    conditions: list[Condition] = [
        columns.suppressed if wanted.suppressed else ~columns.suppressed,
        or_(columns.until.is_(None), columns.until > wanted.now),
    ]
    if wanted.number is not None:
        along.append(columns.number == normalise(wanted.number))
    if wanted.channel is not None:
        channel = normalise_channel(wanted.channel)
        conditions.append(func.substr(columns.channel, 1, len(channel)) == channel)
    if wanted.application is not None:
        conditions.append(columns.application == wanted.application)
    if wanted.source is not None:
        conditions.append(columns.source == wanted.source)
    return await walk(connection, select(suppressions), Walk([columns.id], along, conditions), page)


async def list_changes(
    connection: AsyncConnection, number: str, page: Page, application: str | None = None
) -> list[Row]:
    """Return a page of what was set and lifted for a number, the latest first."""
    columns = suppression_changes.c
    conditions = [columns.number == number]
    if application is not None:
        conditions.append(columns.application == application)
    if page.before is not None:
        at, row_id = page.before
        conditions.append(or_(columns.at < at, (columns.at == at) & (columns.id < row_id)))
    query = select(suppression_changes).where(*conditions)
    query = query.order_by(columns.at.desc(), columns.id.desc()).limit(page.limit)
    return [dict(row) for row in (await connection.execute(query)).mappings()]


async def count_suppressed(connection: AsyncConnection, now: int) -> dict[Source, int]:
    """Count the words that keep somebody from being sent to, by source."""
    columns = suppressions.c
    query = (
        select(columns.source, func.count())
        .where(columns.suppressed, or_(columns.until.is_(None), columns.until > now))
        .group_by(columns.source)
    )
    counted = {Source(source): number for source, number in await connection.execute(query)}
    return {source: counted.get(source, 0) for source in Source}


def said_by(row: Mapping[Any, Any]) -> ScopedEntry:
    """Return the word that a row of the list holds."""
    return ScopedEntry(
        SuppressionScope(row["number"], row["channel"], row["application"]), _read_word(row)
    )


async def _note(connection: AsyncConnection, said: Iterable[ScopedEntry]) -> None:
    """Let words stand beside those of other sources; of one source those stand that count."""
    heard: defaultdict[tuple[SuppressionScope, Source], list[SuppressionEntry]] = defaultdict(list)
    for one in said:
        heard[one.party, one.word.source].append(one.word)
    if not heard:
        return
    known = await read_words(connection, {party.number for party, _ in heard})
    before = {key: row for key, row in known.items() if key[:2] in heard}
    for (party, source, _), (_, word) in before.items():
        heard[party, source].append(word)
    wanted: dict[Key, SuppressionEntry] = {
        (party, source, word.trust): word
        for (party, source), words in heard.items()
        for word in standing(words)
    }
    await replace_words(connection, before, wanted)


def party_of(record: UplinkRecord) -> SuppressionScope:
    """Return the person that an uplink concerns, and about which channel."""
    uplink = record.uplink
    number = normalise(uplink.sender) or uplink.sender
    return SuppressionScope(number, normalise_channel(uplink.to), record.arrival.application)


def _word_of(record: UplinkRecord, intent: Intent) -> SuppressionEntry:
    return SuppressionEntry(
        suppressed=intent is Intent.OPT_OUT,
        decided_at=written_at(record.uplink.created_at, record.arrival.received_at),
        source=Source.UPLINK,
        source_id=record.uplink.sms_msg_id,
        trust=record.arrival.trust,
    )


def _values(party: SuppressionScope, word: SuppressionEntry) -> Values:
    return {
        "application": party.application,
        "number": party.number,
        "channel": party.channel,
        "suppressed": word.suppressed,
        "source": word.source.value,
        "source_id": word.source_id,
        "decided_at": word.decided_at,
        "reason": word.reason,
        "until": word.until,
        "overrides": word.overrides,
        "trust": "" if word.trust is None else word.trust.value,
        "restored_at": word.restored_at,
    }


def _read_word(row: Mapping[Any, Any]) -> SuppressionEntry:
    records.check_whole(row, _IN_SUPPRESSIONS, "suppressions")
    return SuppressionEntry(
        suppressed=row["suppressed"],
        decided_at=row["decided_at"],
        source=Source(row["source"]),
        source_id=row["source_id"],
        reason=row["reason"],
        until=row["until"],
        overrides=row["overrides"],
        trust=Trust(row["trust"]) if row["trust"] else None,
        restored_at=row["restored_at"],
    )


def _change_key(one: SetByHand) -> tuple[SuppressionScope, int]:
    return one.said.party, one.said.word.decided_at


def _change_values(one: SetByHand) -> Values:
    party, word = one.said.party, one.said.word
    return {
        "number": party.number,
        "channel": party.channel,
        "application": party.application,
        "at": word.decided_at,
        "suppressed": word.suppressed,
        "by": word.source_id,
        "reason": word.reason,
        "until": word.until,
        "overrides": word.overrides,
    }
