"""Bulk statements for the tables that grow with every report.

SQLAlchemy writes the statement for one row, once; the text is then repeated for many rows and the
values go to the driver as they are. SQLAlchemy's own way looks at each value again: for 500 rows
half as much time more. A driver's `executemany` gives the interpreter lock away for each row, and
a busy event loop returns it late: up to four times as long.

The columns must need no conversion by SQLAlchemy: numbers, truth values and texts do not.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Any

from sqlalchemy import Dialect, Table, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from receiver.store.records import Values

Names = tuple[str, ...]

# Rows in one statement. Few sizes, so that the driver keeps each statement prepared; all below
# SQLite's limit of 32,766 values. The driver of PostgreSQL works on the event loop, in pieces.
_SIZES = {"sqlite": (500, 100, 20, 4, 1), "postgresql": (100, 20, 4, 1)}
_TEXTS_KEPT = 64


async def insert_rows(connection: AsyncConnection, table: Table, rows: Sequence[Values]) -> None:
    """Insert rows that all have the same columns."""
    if not rows:
        return
    form = _form(table, tuple(rows[0]), connection.dialect)
    for piece in _pieces(rows, connection.dialect):
        await connection.exec_driver_sql(_insertion(form, len(piece)), _flat(form, piece))


async def update_rows(
    connection: AsyncConnection, table: Table, key: Names, rows: Sequence[Values]
) -> None:
    """Update rows, found by the columns of the key; all have the same columns."""
    if not rows:
        return
    form = _form(table, tuple(rows[0]), connection.dialect)
    for piece in _pieces(rows, connection.dialect):
        await connection.exec_driver_sql(_update(form, key, len(piece)), _flat(form, piece))


async def add_rows(
    connection: AsyncConnection, table: Table, counted: str, rows: Sequence[Values]
) -> None:
    """Insert rows; where one of the same primary key is there, add to its column `counted`.

    No two rows may have the same key.
    """
    if not rows:
        return
    form = _form(table, tuple(rows[0]), connection.dialect)
    key = tuple(column.name for column in table.primary_key)
    for piece in _pieces(rows, connection.dialect):
        statement = _addition(form, key, counted, len(piece))
        await connection.exec_driver_sql(statement, _flat(form, piece))


async def merge_rows(
    connection: AsyncConnection, table: Table, conflict: str, rows: Sequence[Values]
) -> None:
    """Insert rows; where one of the same key is there, do what `conflict` says.

    Args:
        connection: in a transaction.
        table: where to.
        conflict: SQL behind `ON CONFLICT`; the row that was to be inserted is `excluded`.
        rows: all with the same columns, no two with the same key.
    """
    if not rows:
        return
    form = _form(table, tuple(rows[0]), connection.dialect)
    for piece in _pieces(rows, connection.dialect):
        statement = f"{_insertion(form, len(piece))} ON CONFLICT {conflict}"
        await connection.exec_driver_sql(statement, _flat(form, piece))


@dataclass(frozen=True, slots=True)
class _Form:
    """How one row of some columns is written."""

    table: str
    names: Names  # in the order of the placeholders
    placeholders: str  # "(?, ?)"; PostgreSQL's name their types


@lru_cache(maxsize=_TEXTS_KEPT)
def _form(table: Table, names: Names, dialect: Dialect) -> _Form:
    # "inline": without a RETURNING for keys that the database makes.
    compiled: Any = insert(table).inline().compile(dialect=dialect, column_keys=list(names))
    _, _, placeholders = str(compiled).partition(" VALUES ")
    return _Form(table.name, tuple(compiled.positiontup), placeholders)


@lru_cache(maxsize=_TEXTS_KEPT)
def _insertion(form: _Form, rows: int) -> str:
    names, values = ", ".join(form.names), ", ".join([form.placeholders] * rows)
    return f"INSERT INTO {form.table} ({names}) VALUES {values}"  # noqa: S608 - names of our own


@lru_cache(maxsize=_TEXTS_KEPT)
def _update(form: _Form, key: Names, rows: int) -> str:
    # Both databases call the columns of a bare VALUES column1, column2 and so on.
    given = {name: f"given.column{place}" for place, name in enumerate(form.names, 1)}
    changes = ", ".join(f"{name} = {given[name]}" for name in form.names if name not in key)
    found = " AND ".join(f"{form.table}.{name} = {given[name]}" for name in key)
    values = ", ".join([form.placeholders] * rows)
    return (
        f"UPDATE {form.table} SET {changes} "  # noqa: S608 - names of our own
        f"FROM (VALUES {values}) AS given WHERE {found}"
    )


@lru_cache(maxsize=_TEXTS_KEPT)
def _addition(form: _Form, key: Names, counted: str, rows: int) -> str:
    return (
        f"{_insertion(form, rows)} ON CONFLICT ({', '.join(key)}) "
        f"DO UPDATE SET {counted} = {form.table}.{counted} + excluded.{counted}"
    )


def _flat(form: _Form, rows: Sequence[Values]) -> tuple[Any, ...]:
    return tuple(chain.from_iterable([[row[name] for name in form.names] for row in rows]))


def _pieces(rows: Sequence[Values], dialect: Dialect) -> Iterator[Sequence[Values]]:
    """Cut rows into pieces of the sizes that are kept prepared, the largest first."""
    start = 0
    for size in _SIZES[dialect.name]:
        while len(rows) - start >= size:
            yield rows[start : start + size]
            start += size
