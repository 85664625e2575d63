"""Queries of the statistics: counts by group and time, and silences.

They read whole days from the rows of 24 hours and the edges from the rows of one hour, each by a
range of the primary key; never the messages themselves.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    CompoundSelect,
    Select,
    and_,
    case,
    cast,
    func,
    null,
    or_,
    select,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from receiver.domain.catalogue.codes import fold
from receiver.domain.messages.state import State
from receiver.domain.statistics import AGES, DAY, HOUR, StatisticsResult
from receiver.store.schema import NOT_DELIVERED, messages, statistics

WAITED_FOR = (State.PENDING, State.ACCEPTED, State.UNKNOWN)
_OPEN = (*WAITED_FOR, State.OVERDUE)
_HALF_AN_HOUR = HOUR // 2
_ROWS_AT_ONCE = 500
_SILENT_BY = (statistics.c.application, statistics.c.registered, statistics.c.state)


class Interval(StrEnum):
    """The steps of a time series."""

    HOUR = "hour"
    DAY = "day"

    @property
    def us(self) -> int:
        """The same in microseconds."""
        return HOUR if self is Interval.HOUR else DAY


@dataclass(frozen=True, slots=True)
class Question:
    """Which messages are counted, and how far apart. Times are microseconds, on full steps."""

    since: int  # sent (otherwise first reported) at or after
    until: int  # ... and before
    by: tuple[str, ...] = ()  # columns of `statistics`
    only: Mapping[str, Sequence[str | bool]] = field(default_factory=dict)  # column -> one of these
    limit: int = 50  # groups, those with the most messages
    interval: Interval | None = None  # of a time series


@dataclass(frozen=True, slots=True)
class Silent:
    """Messages of one age."""

    application: str
    registered: bool
    state: State
    age: int  # index in AGES
    messages: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message that is waited for."""

    sms_msg_id: str
    occurred_at: int


async def count(
    connection: AsyncConnection, question: Question, maybe_yield: Callable[[], Awaitable[None]]
) -> StatisticsResult:
    """Count messages from the statistics alone.

    Args:
        connection: to the store.
        question: which messages, and how far apart.
        maybe_yield: awaited between pieces of the work, so that it does not delay other work.
    """
    answer = StatisticsResult()
    result = await connection.execute(counting(question))
    for rows in result.partitions(_ROWS_AT_ONCE):
        for row in rows:
            place, groups, start, state, delivery_class, messages_, *group = tuple(row)
            answer.add(
                None if place is None else tuple(group),
                start,
                (state, delivery_class, messages_),
            )
            answer.groups_found = groups or answer.groups_found
        await maybe_yield()
    return answer


def counting(question: Question) -> Select[Any]:
    """Write the query that counts."""
    summed = _summed(question).cte("summed")
    number = _sum(summed.c.messages).label("messages")
    start = summed.c.start if question.interval else null().label("start")
    steps = [start] if question.interval else []
    apart = [summed.c.state, summed.c.delivery_class]
    if not question.by:
        none = (null().label("place"), null().label("groups"))
        return select(*none, start, *apart, number).group_by(*steps, *apart)
    largest = _largest(summed, question).cte("largest")
    same = and_(*(summed.c[name] == largest.c[name] for name in question.by))
    group = [largest.c.place, largest.c.groups, *(largest.c[name] for name in question.by)]
    labelled = [column.label(f"by_{column.name}") for column in group[2:]]
    return (
        select(*group[:2], start, *apart, number, *labelled)
        .select_from(summed.outerjoin(largest, same))
        .group_by(*group, *steps, *apart)
        .order_by(largest.c.place)  # so that groups come in their order
    )


def _summed(question: Question) -> CompoundSelect[Any]:
    """Write the sums of each stretch of the period; the same group may stand in several."""
    names = dict.fromkeys([*question.by, "state", "delivery_class"])
    if question.interval:
        names["start"] = None
    columns = [statistics.c[name] for name in names]
    only = [_is_one_of(name, values) for name, values in question.only.items()]
    return union_all(
        *(
            select(*columns, _sum(statistics.c.messages).label("messages"))
            .where(
                statistics.c.hours == hours,
                statistics.c.start >= start,
                statistics.c.start < end,
                *only,
            )
            .group_by(*columns)
            for hours, start, end in _stretches(question)
        )
    )


def _is_one_of(name: str, values: Sequence[str | bool]) -> ColumnElement[bool]:
    if name == "code":  # in any case, as in lists
        return func.upper(statistics.c.code).in_([fold(str(value)) for value in values])
    return statistics.c[name].in_(values)


def _largest(summed: CTE, question: Question) -> Select[Any]:
    """Write the choice of the groups with the most messages, and how many groups there are."""
    columns = [summed.c[name] for name in question.by]
    order = [func.sum(summed.c.messages).desc(), *columns]
    place = func.row_number().over(order_by=order).label("place")
    groups = func.count().over().label("groups")
    chosen = select(*columns, place, groups).group_by(*columns)
    return chosen.order_by(place).limit(question.limit)


def _stretches(question: Question) -> list[tuple[int, int, int]]:
    """Cut a period into stretches of hours and of whole days."""
    since, until = question.since, question.until
    first, last = -(-since // DAY) * DAY, until // DAY * DAY
    if question.interval is Interval.HOUR or first >= last:
        return [(1, since, until)]
    stretches = [(1, since, first), (24, first, last), (1, last, until)]
    return [stretch for stretch in stretches if stretch[1] < stretch[2]]


async def silent(
    connection: AsyncConnection, now: int, since: int, application: str | None = None
) -> list[Silent]:
    """Count registered messages without a final report, and orphans, by age.

    Ages are taken from the middle of the hour of sending: exact to half an hour.

    Args:
        connection: to the store.
        now: microseconds.
        since: older messages are left aside; at the start of a day.
        application: None for all.
    """
    start = statistics.c.start
    # Days that are of the oldest class as a whole.
    split = (now - AGES[-1].begins_us - _HALF_AN_HOUR) // DAY * DAY
    of_day, of_hour = statistics.c.hours == 24, statistics.c.hours == 1  # noqa: PLR2004 - hours
    conditions = [or_(~statistics.c.registered, statistics.c.state.in_(_OPEN))]
    if application is not None:
        conditions.append(statistics.c.application == application)
    whens: list[tuple[ColumnElement[bool], int]] = [
        (start > now - older.begins_us - _HALF_AN_HOUR, index)
        for index, older in enumerate(AGES[1:])
    ]
    age = case(*whens, else_=len(AGES) - 1).label("age")
    cells = union_all(
        *(
            select(*_SILENT_BY, age, statistics.c.messages).where(*stretch, *conditions)
            for stretch in ((of_day, start >= since, start < split), (of_hour, start >= split))
        )
    ).subquery("cells")
    apart = [*(cells.c[column.name] for column in _SILENT_BY), cells.c.age]
    query = select(*apart, _sum(cells.c.messages)).group_by(*apart)
    found = []
    for row in await connection.execute(query):
        name, registered, state, index, number = tuple(row)
        found.append(Silent(name, registered, State(state), index, number))
    return found


async def oldest_waiting(
    connection: AsyncConnection, application: str, states: Iterable[State], since: int
) -> Waiting | None:
    """Return the registered message in one of the states that was sent first, but not before."""
    found = []
    for state in states:
        query = (
            select(messages.c.occurred_at, messages.c.sms_msg_id)
            .where(
                NOT_DELIVERED,  # so that the index of states serves
                messages.c.state == state,
                messages.c.application == application,
                messages.c.registered,
                messages.c.occurred_at >= since,
            )
            .order_by(messages.c.occurred_at, messages.c.id)
            .limit(1)
        )
        found += [tuple(row) for row in await connection.execute(query)]
    if not found:
        return None
    occurred_at, sms_msg_id = min(found)
    return Waiting(sms_msg_id, occurred_at)


def _sum(column: ColumnElement[int]) -> ColumnElement[int]:
    return cast(func.sum(column), BigInteger)  # PostgreSQL's own sum would be a decimal
