"""Facts for a claim: recent sends, budgets, breakers."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import BigInteger, ColumnElement, cast, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from receiver.domain.messages.state import State
from receiver.domain.retries.breaker import CLOSED, Breaker, Counts, Position
from receiver.domain.statistics import HOUR
from receiver.store.database import bulk
from receiver.store.paging import pieces
from receiver.store.schema import breakers, messages, statistics

_ENDED = (State.DELIVERED, State.FAILED, State.PARTIAL, State.REFUSED)


@dataclass(frozen=True, slots=True)
class RecentSend:
    """A send to a number."""

    at: int  # microseconds
    template_id: str | None
    reference: str | None


@dataclass(frozen=True, slots=True)
class BreakerKey:
    """What a breaker watches."""

    application: str
    code: str
    scope: str  # `channel:1069…` or `country:CN`


@dataclass(frozen=True, slots=True)
class StoredBreaker:
    """A breaker and the message that went first while it was not closed."""

    state: Breaker = CLOSED
    probe: int | None = None  # messages.id


async def recent_sends(
    connection: AsyncConnection, numbers: Iterable[str], since: int
) -> dict[str, list[RecentSend]]:
    """Return what was sent to numbers since a time, registered or not."""
    found: defaultdict[str, list[RecentSend]] = defaultdict(list)
    for some in pieces(sorted(set(numbers))):
        query = select(
            messages.c.to_number,
            messages.c.occurred_at,
            messages.c.template_id,
            messages.c.reference,
        ).where(
            messages.c.to_number.in_(some),
            messages.c.occurred_at >= since,
            messages.c.state != State.REFUSED,  # it never left the platform
        )
        for number, at, template_id, reference in await connection.execute(query):
            found[number].append(RecentSend(at, template_id, reference))
    return found


async def sent_since(connection: AsyncConnection, application: str, since: int) -> int:
    """Count an application's registered messages since a time, at the start of an hour."""
    query = select(_sum(statistics.c.messages)).where(
        statistics.c.hours == 1,
        statistics.c.start >= since,
        statistics.c.application == application,
        statistics.c.registered,
    )
    return (await connection.execute(query)).scalar() or 0


@dataclass(frozen=True, slots=True)
class EndedMessages:
    """Messages that have come to their end in the same way."""

    code: str  # empty: none
    scopes: tuple[str, ...]
    failed: bool
    messages: int


async def ended_between(
    connection: AsyncConnection, application: str, since: int, until: int
) -> list[EndedMessages]:
    """Count what has ended of the messages of some hours."""
    names = (statistics.c.code, statistics.c.from_number, statistics.c.country, statistics.c.state)
    query = (
        select(*names, _sum(statistics.c.messages))
        .where(
            statistics.c.hours == 1,
            statistics.c.start >= since // HOUR * HOUR,
            statistics.c.start < until,
            statistics.c.application == application,
            statistics.c.state.in_(_ENDED),
        )
        .group_by(*names)
    )
    return [
        EndedMessages(code, tuple(scopes_of(channel, country)), state != State.DELIVERED, number)
        for code, channel, country, state, number in await connection.execute(query)
    ]


def counts_of(ended: Iterable[EndedMessages], key: BreakerKey) -> Counts:
    """Count what has ended in the scope of a breaker, and failed with its code."""
    here = [one for one in ended if key.scope in one.scopes]
    return Counts(
        sum(one.messages for one in here),
        sum(one.messages for one in here if one.failed and one.code == key.code),
    )


async def read_breakers(
    connection: AsyncConnection, application: str | None = None
) -> dict[BreakerKey, StoredBreaker]:
    """Return the breakers that are not closed for good; there are few."""
    query = select(breakers)
    if application is not None:
        query = query.where(breakers.c.application == application)
    return {
        BreakerKey(row["application"], row["code"], row["scope"]): StoredBreaker(
            Breaker(Position(row["position"]), row["pause_s"], row["until"]), row["probe"]
        )
        for row in (await connection.execute(query)).mappings()
    }


async def save_breaker(connection: AsyncConnection, key: BreakerKey, stored: StoredBreaker) -> None:
    """Write one breaker; one that is closed for good is forgotten."""
    here = (
        breakers.c.application == key.application,
        breakers.c.code == key.code,
        breakers.c.scope == key.scope,
    )
    state = stored.state
    if state == CLOSED:
        await connection.execute(delete(breakers).where(*here))
        return
    values = {
        "position": state.position.value,
        "pause_s": state.pause_s,
        "until": state.until,
        "probe": stored.probe,
    }
    done = await connection.execute(update(breakers).where(*here).values(values))
    if done.rowcount == 0:
        row = {"application": key.application, "code": key.code, "scope": key.scope, **values}
        await bulk.insert_rows(connection, breakers, [row])


def scopes_of(channel: str | None, country: str | None) -> Sequence[str]:
    """Name what a message's breakers watch."""
    named = {"channel": channel, "country": country}
    return [f"{kind}:{name}" for kind, name in named.items() if name]


def _sum(column: ColumnElement[int]) -> ColumnElement[int]:
    return cast(func.sum(column), BigInteger)  # PostgreSQL's own sum would be a decimal
