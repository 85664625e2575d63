"""Retention in the store: deletes in slices, each a short transaction.

Statistics are counts of messages and no persons: what is deleted stays counted.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Table,
    Text,
    and_,
    cast,
    delete,
    func,
    not_,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from receiver.domain.messages.state import OPEN_STATES, Key
from receiver.domain.retries.items import ItemState
from receiver.store import erasure
from receiver.store.paging import pieces
from receiver.store.records import erase_recipient
from receiver.store.retries.chains import find_chains
from receiver.store.schema import ERASED_DIGEST, messages, quarantine, reports, retries, uplinks

ERASED = "{}"  # in place of what an item came as
_STRETCH_MESSAGES = 300
_STRETCH_IDS = 500
_FIRST = (-(2**62), 0)  # before every message

Place = tuple[int, ...]  # how far a walk has come


@dataclass(frozen=True, slots=True)
class Cutoffs:
    """What was heard of last before a time goes (microseconds); None: nothing does."""

    messages: int | None = None  # and uplinks, as a whole
    numbers: int | None = None
    texts: int | None = None
    raw: int | None = None
    quarantine: int | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One stretch of a walk: what went or would go, and where the next one begins."""

    counts: Counter[str]
    next: Place | None  # None: the walk is at its end


Stretch = Callable[[AsyncConnection, Cutoffs, Place, bool], Awaitable[Step]]


# --- messages -----------------------------------------------------------------------------------

_WALKED = (
    messages.c.id, messages.c.application, messages.c.sms_msg_id, messages.c.state,
    messages.c.final, messages.c.registered, messages.c.registered_at, messages.c.occurred_at,
    messages.c.last_report_at, messages.c.to_text, messages.c.to_number,
)  # fmt: skip


async def walk_messages(
    connection: AsyncConnection,
    cutoffs: Cutoffs,
    place: Place,
    apply: bool,
) -> Step:
    """Take a stretch of messages in the order of their time.

    Args:
        connection: of a reader; to apply it, in a transaction.
        cutoffs: what goes.
        place: where the stretch begins, `()` at the start.
        apply: do it; else only count.
    """
    ends = [end for end in (cutoffs.messages, cutoffs.numbers) if end is not None]
    if not ends:
        return Step(Counter(), None)
    order = (messages.c.occurred_at, messages.c.id)
    query = (
        select(*_WALKED)
        .where(messages.c.occurred_at < max(ends), tuple_(*order) > tuple_(*(place or _FIRST)))
        .order_by(*order)
        .limit(_STRETCH_MESSAGES)
    )
    rows = (await connection.execute(query)).mappings().all()
    old = [row for row in rows if _is_before(row, cutoffs.messages)]
    lasting = [row for row in rows if row["final"] and row not in old]
    numbered = [
        row
        for row in lasting
        if _is_before(row, cutoffs.numbers)
        and (row["to_number"] is not None or row["to_text"] is not None)
    ]
    open_ids = await _open_among(connection, [*old, *numbered])
    going = [row["id"] for row in old if row["id"] not in open_ids]
    losing = [row["id"] for row in numbered if row["id"] not in open_ids]
    counts: Counter[str] = Counter(spared=len(old) - len(going), numbers=len(losing))
    counts += await _delete(connection, going, apply=apply)
    if apply:
        await _erase_numbers(connection, losing)
    is_last = len(rows) < _STRETCH_MESSAGES
    return Step(counts, None if is_last else (rows[-1]["occurred_at"], rows[-1]["id"]))


def _is_before(row: Any, end: int | None) -> bool:
    """Return whether a message was last heard of before a time."""
    heard = (row["occurred_at"], row["registered_at"], row["last_report_at"])
    return end is not None and all(at is None or at < end for at in heard)


async def _open_among(connection: AsyncConnection, rows: Sequence[Any]) -> set[int]:
    """Return those of some messages of which more is expected."""
    if not rows:
        return set()
    keys = {row["id"]: (row["application"], row["sms_msg_id"]) for row in rows}
    # Of an orphan nobody has said that a report is to come.
    waited = {row["id"] for row in rows if row["registered"] and row["state"] in OPEN_STATES}
    chains = await find_chains(connection, keys.values())
    attempts: dict[int, set[Key]] = {}
    for row_id, key in keys.items():
        chain = chains[key].attempts if key in chains else ()  # deleted meanwhile
        attempts[row_id] = {(one.application, one.sms_msg_id) for one in chain}
        if len(chain) > 1 and any(one.state in OPEN_STATES for one in chain):
            waited.add(row_id)
    queued = await _queued(connection, {key for its in attempts.values() for key in its})
    return waited | {row_id for row_id, its in attempts.items() if its & queued}


async def _queued(connection: AsyncConnection, keys: set[Key]) -> set[Key]:
    """Return those messages that wait to be sent again, or that somebody is sending."""
    found: set[Key] = set()
    for some in pieces(sorted({sms_msg_id for _, sms_msg_id in keys})):
        query = (
            select(messages.c.application, messages.c.sms_msg_id)
            .join(retries, retries.c.message_id == messages.c.id)
            .where(
                messages.c.sms_msg_id.in_(some),
                retries.c.state.in_((ItemState.WAITING, ItemState.CLAIMED)),
            )
        )
        found |= {(row[0], row[1]) for row in await connection.execute(query)}
    return found & keys


async def _delete(connection: AsyncConnection, ids: list[int], *, apply: bool) -> Counter[str]:
    counts: Counter[str] = Counter()
    if apply:
        for some in erasure.pieces(ids):
            counts += await erasure.delete_messages(connection, some)
    elif ids:
        of_these = select(func.count()).where(reports.c.message_id.in_(ids))
        counts["reports"] = (await connection.execute(of_these)).scalar_one()
        counts["messages"] = len(ids)
    return counts


async def _erase_numbers(connection: AsyncConnection, ids: Sequence[int]) -> None:
    if not ids:
        return
    sends = select(messages.c.id, messages.c.send).where(
        messages.c.id.in_(ids), messages.c.send.is_not(None)
    )
    for row_id, send in (await connection.execute(sends)).all():
        without = erase_recipient(send)
        await connection.execute(
            update(messages).where(messages.c.id == row_id).values(send=without)
        )
    nobody = {"to_text": None, "to_number": None}
    await connection.execute(update(messages).where(messages.c.id.in_(ids)).values(nobody))
    await connection.execute(
        update(reports).where(reports.c.message_id.in_(ids)).values(to_text=None, raw=ERASED)
    )


# --- what is walked by id -----------------------------------------------------------------------


async def walk_raw(
    connection: AsyncConnection,
    cutoffs: Cutoffs,
    place: Place,
    apply: bool,
) -> Step:
    """Take what reports came as; as for messages."""
    raw = _before(reports.c.last_received_at, cutoffs.raw, reports.c.raw != ERASED)
    return await _walk(connection, reports, place, apply, {"raw": (raw, {"raw": ERASED})})


async def walk_uplinks(
    connection: AsyncConnection,
    cutoffs: Cutoffs,
    place: Place,
    apply: bool,
) -> Step:
    """Take uplinks, their texts and their numbers; as for messages."""
    heard = uplinks.c.last_received_at
    # The digest of a short text tells it to anyone who tries all of them.
    erased = {"raw": ERASED, "digest": ERASED_DIGEST + cast(uplinks.c.id, Text)}
    nothing = {"body": "", "original_body": None, **erased}
    nobody = {"from_text": "", "from_number": None, **erased}
    return await _walk(
        connection,
        uplinks,
        place,
        apply,
        {
            "uplinks": (_before(heard, cutoffs.messages), None),
            "texts": (
                _before(heard, cutoffs.texts, or_(uplinks.c.body != "", uplinks.c.raw != ERASED)),
                nothing,
            ),
            "numbers": (_before(heard, cutoffs.numbers, uplinks.c.from_text != ""), nobody),
        },
    )


async def walk_quarantine(
    connection: AsyncConnection,
    cutoffs: Cutoffs,
    place: Place,
    apply: bool,
) -> Step:
    """Take what could not be understood; as for messages."""
    old = _before(quarantine.c.received_at, cutoffs.quarantine)
    return await _walk(connection, quarantine, place, apply, {"quarantine": (old, None)})


# In the order in which they are walked.
WALKS: tuple[Stretch, ...] = (walk_messages, walk_uplinks, walk_raw, walk_quarantine)

# What is counted -> which rows, and what they become; None: they are deleted.
_Taken = dict[str, tuple[ColumnElement[bool] | None, dict[str, Any] | None]]


async def _walk(
    connection: AsyncConnection,
    table: Table,
    place: Place,
    apply: bool,
    taken: _Taken,
) -> Step:
    wanted = [
        (name, condition, values)
        for name, (condition, values) in taken.items()
        if condition is not None
    ]
    if not wanted:
        return Step(Counter(), None)
    after = place[0] if place else 0
    ids = select(table.c.id).where(table.c.id > after).order_by(table.c.id).limit(_STRETCH_IDS)
    found = (await connection.execute(ids)).scalars().all()
    if not found:
        return Step(Counter(), None)
    counts: Counter[str] = Counter()
    gone: list[ColumnElement[bool]] = []  # deleted, or would be: it is not counted again
    for name, condition, values in wanted:
        here = and_(table.c.id > after, table.c.id <= found[-1], condition, *gone)
        if values is None:
            gone.append(not_(condition))
        if not apply:
            query = select(func.count()).select_from(table).where(here)
            counts[name] = (await connection.execute(query)).scalar_one()
        elif values is None:
            counts[name] = (await connection.execute(delete(table).where(here))).rowcount
        else:
            done = await connection.execute(update(table).where(here).values(values))
            counts[name] = done.rowcount
    return Step(counts, (found[-1],) if len(found) == _STRETCH_IDS else None)


def _before(
    column: ColumnElement[Any], end: int | None, *more: ColumnElement[bool]
) -> ColumnElement[bool] | None:
    return None if end is None else and_(column < end, *more)
