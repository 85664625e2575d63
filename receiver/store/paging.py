"""Pages of lists: each page reads a bounded number of rows along one index."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import ColumnElement, Select, TextClause, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

# Rows that one page looks at. Where few of them match, it ends early and says where to go on.
MOST_WALKED = 10_000

MOST_PARAMETERS = 500  # of one statement that looks up ids or numbers
_T = TypeVar("_T")
Row = dict[str, Any]
Place = tuple[int, ...]
Condition = ColumnElement[bool] | TextClause


@dataclass(frozen=True, slots=True)
class Page:
    """Which stretch of a list, newest first."""

    limit: int
    before: Place | None = None  # where the page before ended
    most_walked: int = MOST_WALKED


class Walked(NamedTuple):
    """The rows of a page, and where the next one begins; None at the end of the list."""

    rows: list[Row]
    next: Place | None


@dataclass(frozen=True, slots=True)
class Walk:
    """How a list is read.

    Attributes:
        order: the columns of its order, downwards; the index ends with them.
        along: conditions that make a range of that index.
        others: conditions that each row on the way is tested by, see `unindexed`.
    """

    order: Sequence[ColumnElement[int]]
    along: Sequence[Condition]
    others: Sequence[Condition] = ()

    def also(self, *conditions: Condition) -> "Walk":
        """Return the same walk with further conditions for each row."""
        return replace(self, others=(*self.others, *conditions))


def unindexed(column: ColumnElement[Any], value: object) -> ColumnElement[bool]:
    """Compare a text so that no index serves: the planner must keep to the way that is bounded."""
    return func.coalesce(column, "") == value


def between(
    column: ColumnElement[int], since: int | None, until: int | None
) -> list[ColumnElement[bool]]:
    """Write that a time is at or after one, and before another; None leaves one out."""
    conditions = []
    if since is not None:
        conditions.append(column >= since)
    if until is not None:
        conditions.append(column < until)
    return conditions


async def walk(connection: AsyncConnection, rows_of: Select[Any], how: Walk, page: Page) -> Walked:
    """Read a page of a list; with `others` it may have fewer rows than its limit, even none."""
    order = tuple_(*how.order)
    down = [column.desc() for column in how.order]
    along = list(how.along)
    if page.before is not None:
        along.append(order < tuple_(*page.before))
    last: Place | None = None
    if how.others:
        places = rows_of.with_only_columns(*how.order).where(*along).order_by(*down)
        found = await connection.execute(places.offset(page.most_walked - 1).limit(1))
        end = found.one_or_none()
        if end is not None:
            last = tuple(end)
            along.append(order >= tuple_(*last))
    query = rows_of.where(*along, *how.others).order_by(*down).limit(page.limit)
    rows = [dict(row) for row in (await connection.execute(query)).mappings()]
    if len(rows) == page.limit:
        last = tuple(rows[-1][column.key] for column in how.order)
    return Walked(rows, last)


async def count(connection: AsyncConnection, rows_of: Select[Any], how: Walk, most: int) -> int:
    """Count the rows of a list, up to so many."""
    rows = rows_of.with_only_columns(*how.order).where(*how.along, *how.others).limit(most)
    counted = await connection.execute(select(func.count()).select_from(rows.subquery()))
    return counted.scalar_one()


def pieces(items: Iterable[_T], size: int = MOST_PARAMETERS) -> Iterator[list[_T]]:
    """Yield items in lists of at most `size`, each as many as one statement takes."""
    walk = iter(items)
    while some := list(islice(walk, size)):
        yield some
