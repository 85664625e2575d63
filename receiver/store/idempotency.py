"""Responses kept for repeated requests with the same Idempotency-Key."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, delete, func, insert, or_, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from receiver.domain.times import SECOND
from receiver.store.schema import idempotency

KEPT_US = 24 * 3600 * SECOND  # how long an answer is given again

_MOST_AT_ONCE = 1000  # answers that make room for a large one


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that may come again."""

    owner: str  # digest of the API key and its application
    key: str  # as the caller chose it
    request: str  # digest of route and body


@dataclass(frozen=True, slots=True)
class AnswerLimits:
    """How many answers are kept for repetitions, and how large they may be."""

    rows: int = 10_000
    rows_per_key: int = 1000  # of one owner
    answer_bytes: int = 4 * 1024 * 1024
    total_bytes: int = 64 * 1024 * 1024

    def admit(self, answer: str) -> bool:
        """Return whether an answer is small enough to be kept."""
        return _size(answer) <= min(self.answer_bytes, self.total_bytes)


@dataclass(frozen=True, slots=True)
class Given:
    """The answer that was given, and to what."""

    request: str
    status: int
    answer: str  # JSON


async def given(connection: AsyncConnection, asked: Asked, since: int) -> Given | None:
    """Return the answer to an earlier request with the same key, unless it is too old."""
    query = select(idempotency).where(
        idempotency.c.owner == asked.owner,
        idempotency.c.key == asked.key,
        idempotency.c.created_at >= since,
    )
    row = (await connection.execute(query)).mappings().first()
    return Given(row["request"], row["status"], row["answer"]) if row else None


async def forget(connection: AsyncConnection, before: int) -> None:
    """Forget answers that were given before a time."""
    await connection.execute(delete(idempotency).where(idempotency.c.created_at < before))


async def remember(
    connection: AsyncConnection, asked: Asked, given: Given, now: int, limits: AnswerLimits
) -> int:
    """Keep an answer in place of one that is too old to be given again.

    Args:
        connection: in a transaction.
        asked: what was asked.
        given: the answer, which `limits` admit.
        now: microseconds since the epoch.
        limits: beyond them the oldest answers are forgotten: first of this owner, then of all.

    Returns:
        how many were forgotten.
    """
    await connection.execute(
        delete(idempotency).where(
            idempotency.c.owner == asked.owner, idempotency.c.key == asked.key
        )
    )
    await connection.execute(
        insert(idempotency).values(
            owner=asked.owner,
            key=asked.key,
            request=given.request,
            status=given.status,
            answer=given.answer,
            created_at=now,
            bytes=_size(given.answer),
        )
    )
    own = idempotency.c.owner == asked.owner
    evicted = await _evict(connection, asked, own, limits.rows_per_key, limits.total_bytes)
    return evicted + await _evict(connection, asked, true(), limits.rows, limits.total_bytes)


async def _evict(
    connection: AsyncConnection,
    newest: Asked,
    which: ColumnElement[bool],
    rows: int,
    total_bytes: int,
) -> int:
    """Forget the oldest answers but the newest until the rest fits; return how many."""
    counted = select(func.count(), func.coalesce(func.sum(idempotency.c.bytes), 0)).where(which)
    count, size = (await connection.execute(counted)).one()
    if count <= rows and size <= total_bytes:
        return 0
    oldest = (
        select(idempotency.c.owner, idempotency.c.key, idempotency.c.bytes)
        .where(which, or_(idempotency.c.owner != newest.owner, idempotency.c.key != newest.key))
        .order_by(idempotency.c.created_at)
        .limit(max(count - rows, _MOST_AT_ONCE))
    )
    evicted = 0
    for owner, key, freed in (await connection.execute(oldest)).all():
        if count - evicted <= rows and size <= total_bytes:
            break
        await connection.execute(
            delete(idempotency).where(idempotency.c.owner == owner, idempotency.c.key == key)
        )
        evicted += 1
        size -= freed
    return evicted


def _size(answer: str) -> int:
    return len(answer.encode(errors="surrogatepass"))
