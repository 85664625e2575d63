"""Filters of messages, and the index that each one uses."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import ColumnElement, func, text
from sqlalchemy.ext.asyncio import AsyncConnection

from receiver.domain.catalogue.codes import fold
from receiver.domain.messages.state import State
from receiver.domain.numbers import normalise
from receiver.store.paging import Condition, Walk, between, unindexed
from receiver.store.schema import NOT_DELIVERED, ORPHANED, messages

# Strangers choose the codes; spellings beyond so many codes are not looked for.
_MOST_CODES = 5000
_DELIVERED_CODE = "DELIVRD"
# Each step is a search in the index of codes.
_DISTINCT_CODES = text(
    "WITH RECURSIVE seen(code) AS ("
    "SELECT min(code) FROM messages WHERE state <> 'delivered' "
    "UNION ALL "
    "SELECT (SELECT min(code) FROM messages WHERE state <> 'delivered' AND code > seen.code) "
    "FROM seen WHERE seen.code IS NOT NULL) "
    "SELECT code FROM seen WHERE code IS NOT NULL LIMIT :most"
)


@dataclass(frozen=True, slots=True)
class MessageFilter:
    """Which messages; None leaves a condition out. Times are microseconds."""

    to: str | None = None  # in any writing
    state: State | None = None
    code: str | None = None  # in any case
    category: str | None = None
    application: str | None = None
    extend: str | None = None
    reference: str | None = None
    registered: bool | None = None
    since: int | None = None  # sent (otherwise first reported) at or after
    until: int | None = None  # ... and before


class _Indexed(NamedTuple):
    """A condition with an index of its own."""

    along: Sequence[Condition]  # where that index is walked
    other: Condition  # where another one is


async def find_spellings(connection: AsyncConnection, code: str) -> list[str]:
    """Return how a code was written where it decided messages that are not delivered."""
    found = await connection.execute(_DISTINCT_CODES, {"most": _MOST_CODES})
    return [one for one in found.scalars() if fold(one) == fold(code)]


def way_to(
    wanted: MessageFilter,
    spellings: Sequence[str],
    at: ColumnElement[int] = messages.c.occurred_at,
) -> Walk | None:
    """Return how the messages of a filter are read; None where there can be none.

    Args:
        wanted: the filter.
        spellings: of its code, as `find_spellings` gives them.
        at: the time by which messages are ordered and chosen.
    """
    if wanted.code is not None and not spellings and fold(wanted.code) != _DELIVERED_CODE:
        return None
    indexed, others = _by_text(wanted), list[Condition]()
    if wanted.code is not None:
        _add_code(fold(wanted.code), spellings, indexed, others)
    for column, value in ((messages.c.state, wanted.state), (messages.c.category, wanted.category)):
        # Most messages are delivered, and no index tells these apart.
        if value == State.DELIVERED.value:
            others.append(unindexed(column, value))
        elif value is not None:
            indexed.append(_not_delivered(column, value))
    if wanted.registered:
        others.append(messages.c.registered)
    elif wanted.registered is not None:
        indexed.append(_Indexed([ORPHANED], ORPHANED))
    if wanted.application is not None:
        indexed.append(_exactly(messages.c.application, wanted.application))
    along = [*indexed[0].along] if indexed else []
    along += between(at, wanted.since, wanted.until)
    return Walk((at, messages.c.id), along, [*others, *(one.other for one in indexed[1:])])


def _add_code(
    code: str, spellings: Sequence[str], indexed: list[_Indexed], others: list[Condition]
) -> None:
    if code == _DELIVERED_CODE:
        others.append(func.upper(messages.c.code) == code)
    elif len(spellings) == 1:
        indexed.append(_not_delivered(messages.c.code, spellings[0]))
    else:
        others.append(func.coalesce(messages.c.code, "").in_(spellings))


def _by_text(wanted: MessageFilter) -> list[_Indexed]:
    return [
        _exactly(column, value)
        for column, value in (
            (messages.c.to_number, normalise(wanted.to)),
            (messages.c.reference, wanted.reference),
            (messages.c.extend, wanted.extend),
        )
        if value is not None
    ]


def _exactly(column: ColumnElement[str], value: str) -> _Indexed:
    return _Indexed([column == value], unindexed(column, value))


def _not_delivered(column: ColumnElement[str], value: str) -> _Indexed:
    return _Indexed([NOT_DELIVERED, column == value], unindexed(column, value))
