"""Answers that are given again to a request that comes again with the same Idempotency-Key."""

from dataclasses import dataclass

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from receiver.domain.times import SECOND
from receiver.store.schema import idempotency

KEPT_US = 24 * 3600 * SECOND  # how long an answer is given again


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that may come again."""

    owner: str  # name of the API key
    key: str  # as the caller chose it
    request: str  # digest of route and body


@dataclass(frozen=True, slots=True)
class Given:
    """The answer that was given, and to what."""

    request: str
    status: int
    answer: str  # JSON


async def given(connection: AsyncConnection, asked: Asked, since: int) -> Given | None:
    """Give the answer to an earlier request with the same key, unless it is too old."""
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
    connection: AsyncConnection, asked: Asked, status: int, answer: str, now: int
) -> None:
    """Keep an answer in place of one that is too old to be given again."""
    await connection.execute(
        delete(idempotency).where(
            idempotency.c.owner == asked.owner, idempotency.c.key == asked.key
        )
    )
    await connection.execute(
        insert(idempotency).values(
            owner=asked.owner,
            key=asked.key,
            request=asked.request,
            status=status,
            answer=answer,
            created_at=now,
        )
    )
