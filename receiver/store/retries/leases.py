"""Leases on items of the retry queue: which claimer may send a message, and until when."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, RowMapping, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from receiver.domain.retries.items import ItemState
from receiver.store import records
from receiver.store.paging import pieces
from receiver.store.queries import Page, Row
from receiver.store.schema import messages, retries

_IN_RETRIES = records.required(retries)


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease that a claimer holds."""

    digest: str  # of the secret that the claimer was told
    until: int  # microseconds


@dataclass(frozen=True, slots=True)
class Item:
    """A row of the queue. Times are microseconds."""

    message_id: int
    application: str
    state: ItemState
    due_at: int
    lease: str | None
    lease_until: int | None
    claims: int
    next_id: str | None
    reason: str | None

    def state_at(self, now: int) -> ItemState:
        """Return where it stands: what was claimed waits again when the lease is over."""
        is_over = self.lease_until is not None and self.lease_until <= now
        return ItemState.WAITING if self.state is ItemState.CLAIMED and is_over else self.state


@dataclass(frozen=True, slots=True)
class ItemFilter:
    """Which items; None leaves a condition out."""

    state: ItemState | None = None
    application: str | None = None
    due_before: int | None = None


@dataclass(frozen=True, slots=True)
class QueueCounts:
    """The counts of the queue."""

    waiting: int
    due: int
    claimed: int
    expired: int  # claimed, and the lease is over


async def find_due(
    connection: AsyncConnection, now: int, limit: int, application: str | None
) -> list[Item]:
    """Return items that nobody holds and that are due, the longest due first."""
    free: list[list[ColumnElement[bool]]] = [
        [retries.c.state == ItemState.WAITING, retries.c.due_at <= now],
        [
            retries.c.state == ItemState.CLAIMED,
            retries.c.lease_until <= now,
            retries.c.due_at <= now,
        ],
    ]
    found: list[Item] = []
    for conditions in free:
        if application is not None:
            conditions.append(retries.c.application == application)
        query = select(retries).where(*conditions).order_by(retries.c.due_at).limit(limit)
        found += [_read(row) for row in (await connection.execute(query)).mappings()]
    found.sort(key=lambda item: (item.due_at, item.message_id))
    return found[:limit]


async def find_item(connection: AsyncConnection, message_id: int) -> Item | None:
    """Return the item of a message, None where it has none."""
    query = select(retries).where(retries.c.message_id == message_id)
    row = (await connection.execute(query)).mappings().first()
    return _read(row) if row else None


async def find_items(connection: AsyncConnection, message_ids: Iterable[int]) -> dict[int, Item]:
    """Return the items of messages, by the ids of the messages' rows."""
    found: dict[int, Item] = {}
    for some in pieces(message_ids):
        query = select(retries).where(retries.c.message_id.in_(some))
        for row in (await connection.execute(query)).mappings():
            found[row["message_id"]] = _read(row)
    return found


async def claim(connection: AsyncConnection, ids: Sequence[int], lease: Lease, now: int) -> None:
    """Hand items out."""
    await _change(
        connection,
        ids,
        {
            "state": ItemState.CLAIMED.value,
            "lease": lease.digest,
            "lease_until": lease.until,
            "claims": retries.c.claims + 1,
            "reason": None,
            "updated_at": now,
        },
    )


async def put_back(
    connection: AsyncConnection, message_id: int, due_at: int, reason: str | None
) -> None:
    """Let an item wait until a time."""
    await _change(
        connection,
        [message_id],
        {
            "state": ItemState.WAITING.value,
            "due_at": due_at,
            "reason": reason,
            "lease": None,
            "lease_until": None,
        },
    )


async def release_held(
    connection: AsyncConnection, application: str, code: str, reason: str
) -> None:
    """Let the items that were put back for a reason be due when they were due before.

    Args:
        connection: in a transaction that no other one writes beside.
        application: whose items.
        code: with which their messages failed.
        reason: why they were put back.
    """
    of_code = select(messages.c.id).where(
        messages.c.id == retries.c.message_id, messages.c.code == code
    )
    await connection.execute(
        update(retries)
        .where(
            retries.c.application == application,
            retries.c.state == ItemState.WAITING,
            retries.c.reason == reason,
            of_code.exists(),
        )
        .values(due_at=retries.c.planned_for, reason=None)
    )


async def end(
    connection: AsyncConnection,
    message_id: int,
    state: ItemState,
    now: int,
    *,
    reason: str | None = None,
    next_id: str | None = None,
) -> None:
    """Bring an item to its end; the lease stays known, so that its holder can say it again."""
    await _change(
        connection,
        [message_id],
        {"state": state.value, "reason": reason, "next_id": next_id, "updated_at": now},
    )


async def list_items(connection: AsyncConnection, wanted: ItemFilter, page: Page) -> list[Row]:
    """Return a page of the queue with what is known of the messages, the first due first."""
    conditions: list[ColumnElement[bool]] = []
    if wanted.state is not None:
        conditions.append(retries.c.state == wanted.state)
    else:
        conditions.append(retries.c.state.in_((ItemState.WAITING, ItemState.CLAIMED)))
    if wanted.application is not None:
        conditions.append(retries.c.application == wanted.application)
    if wanted.due_before is not None:
        conditions.append(retries.c.due_at < wanted.due_before)
    if page.before is not None:
        due_at, message_id = page.before
        later = retries.c.due_at > due_at
        conditions.append(
            later | ((retries.c.due_at == due_at) & (retries.c.message_id > message_id))
        )
    query = (
        select(retries, messages.c.sms_msg_id, messages.c.to_number, messages.c.code,
               messages.c.category, messages.c.reference, messages.c.template_id)
        .join(messages, messages.c.id == retries.c.message_id)
        .where(*conditions)
        .order_by(retries.c.due_at, retries.c.message_id)
        .limit(page.limit)
    )  # fmt: skip
    return [dict(row) for row in (await connection.execute(query)).mappings()]


async def count(
    connection: AsyncConnection, now: int, application: str | None = None
) -> QueueCounts:
    """Count the open items, of one application or of all."""
    of_whom = [] if application is None else [retries.c.application == application]
    state, due_at, until = retries.c.state, retries.c.due_at, retries.c.lease_until
    query = select(
        *(
            select(func.count()).select_from(retries).where(*conditions, *of_whom).scalar_subquery()
            for conditions in (
                (state == ItemState.WAITING,),
                (state == ItemState.WAITING, due_at <= now),
                (state == ItemState.CLAIMED,),
                (state == ItemState.CLAIMED, until <= now),
            )
        )
    )
    return QueueCounts(*(await connection.execute(query)).one())


async def claimed_numbers(
    connection: AsyncConnection, numbers: Iterable[str], now: int
) -> list[tuple[str, int]]:
    """Return the numbers, of those named, that somebody is sending to, and since when."""
    query = (
        select(messages.c.to_number, retries.c.updated_at)
        .join(retries, retries.c.message_id == messages.c.id)
        .where(
            messages.c.to_number.in_(list(numbers)),
            retries.c.state == ItemState.CLAIMED,
            retries.c.lease_until > now,
        )
    )
    return [(number, at) for number, at in await connection.execute(query)]


async def retried_since(connection: AsyncConnection, application: str, since: int) -> int:
    """Count what an application has sent again, or is sending again, since a time."""
    query = (
        select(func.count())
        .select_from(retries)
        .where(
            retries.c.updated_at >= since,
            retries.c.application == application,
            retries.c.state.in_((ItemState.COMPLETED, ItemState.CLAIMED)),
        )
    )
    return int((await connection.execute(query)).scalar_one())


async def _change(
    connection: AsyncConnection, ids: Sequence[int], values: Mapping[str, object]
) -> None:
    await connection.execute(
        update(retries).where(retries.c.message_id.in_(ids)).values(dict(values))
    )


def _read(row: RowMapping) -> Item:
    records.check_whole(row, _IN_RETRIES, "retries")
    return Item(
        message_id=row["message_id"],
        application=row["application"],
        state=ItemState(row["state"]),
        due_at=row["due_at"],
        lease=row["lease"],
        lease_until=row["lease_until"],
        claims=row["claims"],
        next_id=row["next_id"],
        reason=row["reason"],
    )
