"""SQLite's connection on its thread, entered once per statement.

aiosqlite goes over for every step: to make a cursor, execute, fetch, close. Beside a busy event
loop each way there and back waits for its turn at the interpreter, and a lookup of one
millisecond takes six. Here a statement is one step, and its rows come back with it.
"""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Self

import aiosqlite

Parameters = Sequence[Any]
_CHUNK_ROWS = 64  # of an interface of aiosqlite's that nothing here uses


class Cursor:
    """One statement and what came of it: as much of a cursor as SQLAlchemy's adapter uses."""

    def __init__(self, connection: "DriverConnection") -> None:
        """Make a cursor that has executed nothing."""
        self._connection = connection
        self._rows: list[Any] = []
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None
        self.arraysize = 1

    async def __aenter__(self) -> Self:
        """Return itself: nothing has to be opened."""
        return self

    async def execute(self, sql: str, parameters: Parameters = ()) -> None:
        """Execute a statement and fetch its rows."""
        await self._connection.on_thread(
            lambda connection: self._keep(connection.execute(sql, parameters))
        )

    async def executemany(self, sql: str, parameters: Iterable[Parameters]) -> None:
        """Execute a statement once for each of many values."""
        await self._connection.on_thread(
            lambda connection: self._keep(connection.executemany(sql, parameters))
        )

    async def fetchall(self) -> list[Any]:
        """Return the rows."""
        return self._rows

    async def close(self) -> None:
        """Do nothing: SQLite's own cursor was closed with its statement."""

    def _keep(self, cursor: sqlite3.Cursor) -> None:
        try:
            self._rows = cursor.fetchall()
            self.description = cursor.description
            self.rowcount = cursor.rowcount
            self.lastrowid = cursor.lastrowid
        finally:
            cursor.close()


class DriverConnection(aiosqlite.Connection):
    """aiosqlite's connection, with such cursors."""

    def __init__(self, database: str, **options: Any) -> None:
        """Make a connection that opens when it is awaited.

        Args:
            database: a `file:` URI.
            options: of `sqlite3.connect`.
        """
        super().__init__(lambda: sqlite3.connect(database, uri=True, **options), _CHUNK_ROWS)
        self._thread.daemon = True  # a statement that hangs must not hold up the process's end

    def cursor(self) -> Cursor:  # type: ignore[override]  # the parent's crosses for each step
        """Return a cursor, at once."""
        return Cursor(self)

    async def on_thread(self, work: Callable[[sqlite3.Connection], None]) -> None:
        """Do work with SQLite's connection where it may be used."""
        # As its own methods do; it has no public one that takes work of any kind.
        await self._execute(work, self._conn)  # type: ignore[no-untyped-call]

    async def rollback(self) -> None:
        """Roll back; the pool asks for it after each use, mostly when nothing is open."""
        if self.in_transaction:
            await super().rollback()
