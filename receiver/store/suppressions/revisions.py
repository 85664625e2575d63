"""Effects of a reclassification on suppressions by codes: its audit trail, and its undo.

Each suppression that a run lifted or made has one row in the history of its number. The row names
the run for as long as that can be undone. What is lifted and made again within a run (its slices
see the messages of a number one after the other) has none.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from receiver.domain.effects import Review, SuppressionEffect, SuppressionLine, Undo
from receiver.domain.projection import Policy
from receiver.domain.suppressions.revisions import Noted, Revision, explain, taken_back
from receiver.domain.suppressions.suppression import (
    ScopedEntry,
    Source,
    SuppressionEntry,
    SuppressionScope,
)
from receiver.domain.times import to_rfc3339
from receiver.store.database import bulk
from receiver.store.database.columns import ReadingContext
from receiver.store.paging import pieces
from receiver.store.records import Values
from receiver.store.schema import suppression_changes
from receiver.store.suppressions.by_code import read_proofs
from receiver.store.suppressions.entries import Key, all_said, read_words, replace_words

BY = "reclassify"  # in the history, where a manual change has the name of the API key

_ONCE = "(number, at, channel, application) DO NOTHING"
_REVIEW_FIELDS = ("effect", "code", "category", "reason")


async def note(
    connection: AsyncConnection,
    run: int,
    revisions: Sequence[Revision],
    policy: Policy,
    *,
    began_at: int,
    now: int,
) -> list[SuppressionLine]:
    """Write down which suppressions a run has lifted and made, and return how many by reason.

    Args:
        connection: in the transaction that changed them.
        run: the number of the run.
        revisions: what it changed in this transaction.
        policy: the effective rules.
        began_at: when the run began, microseconds.
        now: microseconds.
    """
    changed = [one for one in revisions if one.effect is not None or one.is_other_failure]
    known = await _entries_about(connection, run, changed)
    made = {
        party
        for party, (_, entry) in known.items()
        if entry.review.effect is SuppressionEffect.MADE
    }
    changed = [one for one in changed if one.effect is not None or one.party in made]
    cancelled = [known[one.party] for one in changed if one.party in known]
    # What was made for one failure and stands for another one now was made for that.
    new = [
        replace(one, before=None) if one.is_other_failure else one
        for one in changed
        if one.is_other_failure == (one.party in known)
    ]
    entries = await _entries(connection, new, changed, policy, now)
    await _delete(connection, [row_id for row_id, _ in cancelled])
    rows = [_values(entry, run) for entry in entries]
    await bulk.merge_rows(connection, suppression_changes, _ONCE, rows)
    return [
        *(entry.line(began_at) for entry in entries),
        *(entry.line(began_at, -1) for _, entry in cancelled),
    ]


async def undo_some(
    connection: AsyncConnection, run: int, so_far: Undo, limit: int, *, began_at: int, now: int
) -> Undo | None:
    """Take back some of what a run lifted and made; None where nothing is left.

    Args:
        connection: in a transaction that no other one writes beside.
        run: the number of the run.
        so_far: what was taken back of it before.
        limit: at most so many suppressions.
        began_at: when the run began, microseconds.
        now: microseconds.
    """
    columns = suppression_changes.c
    query = select(suppression_changes).where(columns.run == run)
    query = query.order_by(columns.id).limit(limit)
    rows = (await connection.execute(query)).mappings().all()
    if not rows:
        return None
    entries = [_read_entry(row) for row in rows]
    numbers = {entry.party.number for entry in entries}
    said = await all_said(connection, numbers)
    words = await read_words(connection, numbers, source=Source.CODE)
    known: dict[Key, tuple[int, SuppressionEntry]] = {}
    wanted: dict[Key, SuppressionEntry] = {}
    for entry in entries:
        word = taken_back(entry, said.get(entry.party.number, ()), now)
        if word is not None:
            key = (entry.party, Source.CODE, None)
            wanted[key] = word
            if key in words:
                known[key] = words[key]
    await replace_words(connection, known, wanted)
    trail = [_trail(ScopedEntry(key[0], word), began_at, now) for key, word in wanted.items()]
    await bulk.merge_rows(connection, suppression_changes, _ONCE, trail)
    done = columns.id.in_([row["id"] for row in rows])
    await connection.execute(update(suppression_changes).where(done).values(run=None))
    restored = sum(word.suppressed for word in wanted.values())
    return so_far.plus(restored, len(wanted) - restored, len(entries) - len(wanted))


async def close_trail(connection: AsyncConnection) -> None:
    """Let what earlier runs did stand: only the newest run can be undone."""
    columns = suppression_changes.c
    open_ = columns.run.is_not(None)
    await connection.execute(update(suppression_changes).where(open_).values(run=None))


def load_review(given: Mapping[str, Any]) -> Review:
    """Return a review from its JSON."""
    values = {name: given[name] for name in _REVIEW_FIELDS}
    return Review(**{**values, "effect": SuppressionEffect(values["effect"])})


async def _entries_about(
    connection: AsyncConnection, run: int, revisions: Sequence[Revision]
) -> dict[SuppressionScope, tuple[int, Noted]]:
    """Return what the run noted before about the same parties, with the ids of the rows."""
    numbers = sorted({one.party.number for one in revisions})
    found: dict[SuppressionScope, tuple[int, Noted]] = {}
    for some in pieces(numbers):
        query = select(suppression_changes).where(
            suppression_changes.c.number.in_(some), suppression_changes.c.run == run
        )
        for row in (await connection.execute(query)).mappings():
            entry = _read_entry(row)
            found[entry.party] = row["id"], entry
    return found


async def _entries(
    connection: AsyncConnection,
    new: Sequence[Revision],
    revisions: Sequence[Revision],
    policy: Policy,
    now: int,
) -> list[Noted]:
    asked = [
        (one, one.effect, one.word)
        for one in new
        if one.effect is not None and one.word is not None
    ]
    proofs = await read_proofs(
        connection, ((one.party.application, word.source_id) for one, _, word in asked), policy
    )
    entries = []
    for one, effect, word in asked:
        proof = proofs.get((one.party.application, word.source_id))
        reason = explain(one, proof, revisions, is_on=policy.suppressed_us > 0)
        category = None if proof is None else proof.category
        entries.append(Noted(one.party, now, Review(effect, word.reason, category, reason), word))
    return entries


async def _delete(connection: AsyncConnection, row_ids: Sequence[int]) -> None:
    for some in pieces(row_ids):
        await connection.execute(
            delete(suppression_changes).where(suppression_changes.c.id.in_(some))
        )


def _values(entry: Noted, run: int) -> Values:
    review, word = entry.review, entry.word
    is_made = review.effect is SuppressionEffect.MADE
    kept = {
        "source_id": word.source_id,
        "decided_at": word.decided_at,
        "until": word.until,
        **{name: getattr(review, name) for name in _REVIEW_FIELDS},
    }
    return {
        **_change(entry.party, entry.at, f"reclassified: {review.reason}"),
        "suppressed": is_made,
        "until": word.until if is_made else None,
        "run": run,
        "word": json.dumps(kept),
    }


def _trail(said: ScopedEntry, began_at: int, now: int) -> Values:
    word = said.word
    verb = "restored" if word.suppressed else "lifted"
    reason = f"{verb}: undo of the reclassification begun at {to_rfc3339(began_at)}"
    return {
        **_change(said.party, now, reason),
        "suppressed": word.suppressed,
        "until": word.until if word.suppressed else None,
        "run": None,
        "word": None,
    }


def _change(party: SuppressionScope, at: int, reason: str) -> Values:
    return {
        "number": party.number,
        "channel": party.channel,
        "application": party.application,
        "at": at,
        "by": BY,
        "reason": reason,
        "overrides": False,
        "source": Source.CODE.value,
    }


def _read_entry(row: Mapping[Any, Any]) -> Noted:
    party = SuppressionScope(row["number"], row["channel"], row["application"])
    with ReadingContext("suppression_changes.word"):
        kept = json.loads(row["word"])
        word = SuppressionEntry(
            suppressed=True,
            decided_at=kept["decided_at"],
            source=Source.CODE,
            source_id=kept["source_id"],
            reason=kept["code"],
            until=kept["until"],
        )
        return Noted(party, row["at"], load_review(kept), word)
