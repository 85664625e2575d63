"""Statistics in the store: message counts, updated with every change of a message.

Who writes messages writes the deltas in the same transaction, so what is maintained is always what
`rebuild` would count.
"""

from collections.abc import Iterable

from sqlalchemy import TextClause, delete, text
from sqlalchemy.ext.asyncio import AsyncConnection

from receiver.domain.messages.durations import BOUNDS, CLOCK_AHEAD, NO_CLASS
from receiver.domain.statistics import DAY, HOUR, LONGEST_TEXT, Cell, Deltas
from receiver.store.database import bulk
from receiver.store.schema import EMPTY, statistics

_NAMES = tuple(column.name for column in statistics.c)
_DIMENSIONS = ", ".join(_NAMES[2:-1])


async def write_deltas(connection: AsyncConnection, deltas: Deltas) -> None:
    """Add to the counts, and take away those that have become 0."""
    rows = deltas.rows()
    values = [dict(zip(_NAMES, (hours, *cell, add), strict=True)) for hours, cell, add in rows]
    await bulk.add_rows(connection, statistics, "messages", values)
    if any(_takes(rows)):
        await connection.execute(delete(statistics).where(EMPTY))


def _takes(rows: Iterable[tuple[int, Cell, int]]) -> Iterable[bool]:
    return (messages < 0 for _, _, messages in rows)


async def rebuild(connection: AsyncConnection) -> None:
    """Count all messages again."""
    for statement in REBUILD:
        await connection.execute(statement)


def _floor(column: str, step: int) -> str:
    """Write the beginning of the step in which a time lies, also before the epoch."""
    return f"{column} - ({column} % {step} + {step}) % {step}"


def _clip(column: str) -> str:
    return f"substr(coalesce({column}, ''), 1, {LONGEST_TEXT})"


def _class() -> str:
    """Write the class of a message's delivery time."""
    classes = " ".join(
        f"WHEN delivered_at - sent_at < {bound} THEN {number}"
        for number, bound in enumerate(BOUNDS)
    )
    return (
        f"CASE WHEN sent_at <= delivered_at AND delivered_at <= last_report_at + {CLOCK_AHEAD} "
        f"THEN CASE {classes} ELSE {len(BOUNDS)} END ELSE {NO_CLASS} END"
    )


def _rebuild() -> tuple[TextClause, ...]:
    clipped = ("category", "code", "country", "template_id", "from_number")
    dimensions = ", ".join(
        (_clip("application"), "registered", "state", *map(_clip, clipped), _class())
    )
    names, groups = ", ".join(_NAMES), ", ".join(map(str, range(1, len(_NAMES))))
    return (
        text("DELETE FROM statistics"),
        text(
            f"INSERT INTO statistics ({names}) "  # noqa: S608 - names and numbers of our own
            f"SELECT 1, {_floor('occurred_at', HOUR)}, {dimensions}, count(*) "
            f"FROM messages GROUP BY {groups}"
        ),
        text(
            f"INSERT INTO statistics ({names}) "  # noqa: S608 - as above
            f"SELECT 24, {_floor('start', DAY)}, {_DIMENSIONS}, sum(messages) "
            f"FROM statistics WHERE hours = 1 GROUP BY {groups}"
        ),
    )


# Valid on SQLite and PostgreSQL.
REBUILD = _rebuild()
