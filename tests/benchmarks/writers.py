"""Four places where the journal's writing connection can live.

Each is an asynchronous context manager over a prepared file; it yields a function that makes one
batch of rows durable and returns when the commit is on disk.
"""

import asyncio
import marshal
import queue
import socket
import sqlite3
import struct
import sys
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import aiosqlite

Row = tuple[str, str, int, str, str, bytes, bytes]
Append = Callable[[Sequence[Row]], Awaitable[None]]
Writer = Callable[[Path], AbstractAsyncContextManager[Append]]

ROOT = Path(__file__).parents[2]
HEADER = struct.Struct("!I")
COMMITTED = b"\x01"

_COLUMNS = ("kind", "application", "received_at", "peer", "trust", "headers", "body")
_ONE = "(" + ", ".join("?" * len(_COLUMNS)) + ")"
_TYPES = ("TEXT", "TEXT", "INTEGER", "TEXT", "TEXT", "BLOB", "BLOB")


def prepare(path: Path) -> None:
    """Make the file with its table, in WAL mode."""
    columns = ", ".join(f"{name} {kind}" for name, kind in zip(_COLUMNS, _TYPES, strict=True))
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute(f"CREATE TABLE journal (id INTEGER PRIMARY KEY, {columns})")
    connection.close()


@cache
def insert(rows: int) -> str:
    """Write the statement that inserts this many rows at once."""
    columns = ", ".join(_COLUMNS)
    values = ", ".join([_ONE] * rows)
    return f"INSERT INTO journal ({columns}) VALUES {values}"  # noqa: S608 - constants only


def open_autocommit(path: Path) -> sqlite3.Connection:
    """Open a connection where each statement is its own durable transaction."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous=FULL")
    return connection


def insert_all(connection: sqlite3.Connection, rows: Sequence[Row]) -> None:
    """Insert and commit a batch in one statement: one step, the GIL released once."""
    connection.execute(insert(len(rows)), flatten(rows))


def flatten(rows: Sequence[Row]) -> tuple[Any, ...]:
    """Lay the rows' values end to end, as a multi-row statement wants them."""
    return tuple(chain.from_iterable(rows))


@asynccontextmanager
async def aiosqlite_many(path: Path) -> AsyncGenerator[Append]:
    """Run `executemany` and then `commit`: two hops, one step for each row."""
    async with aiosqlite.connect(path) as connection:
        await connection.execute("PRAGMA synchronous=FULL")

        async def append(rows: Sequence[Row]) -> None:
            await connection.executemany(insert(1), rows)
            await connection.commit()

        yield append


@asynccontextmanager
async def aiosqlite_one(path: Path) -> AsyncGenerator[Append]:
    """Run one multi-row statement in autocommit mode: one hop, one step."""
    async with aiosqlite.connect(path, isolation_level=None) as connection:
        await connection.execute("PRAGMA synchronous=FULL")

        async def append(rows: Sequence[Row]) -> None:
            await connection.execute(insert(len(rows)), flatten(rows))

        yield append


@asynccontextmanager
async def own_thread(path: Path) -> AsyncGenerator[Append]:
    """Run one multi-row statement in a thread of our own that answers the loop directly."""
    loop = asyncio.get_running_loop()
    batches: queue.SimpleQueue[tuple[Sequence[Row], asyncio.Future[None]] | None]
    batches = queue.SimpleQueue()

    def work() -> None:
        connection = open_autocommit(path)
        while (batch := batches.get()) is not None:
            rows, committed = batch
            try:
                insert_all(connection, rows)
            except sqlite3.Error as error:
                loop.call_soon_threadsafe(committed.set_exception, error)
            else:
                loop.call_soon_threadsafe(committed.set_result, None)
        connection.close()

    async def append(rows: Sequence[Row]) -> None:
        committed: asyncio.Future[None] = loop.create_future()
        batches.put((rows, committed))
        await committed

    thread = threading.Thread(target=work, name="journal-writer", daemon=True)
    thread.start()
    try:
        yield append
    finally:
        batches.put(None)
        await asyncio.to_thread(thread.join)


@asynccontextmanager
async def own_process(path: Path) -> AsyncGenerator[Append]:
    """Send the rows over a socket pair to a process that runs one multi-row statement."""
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            f"{__package__}.writer_process",
            path,
            stdin=theirs.fileno(),
            cwd=ROOT,
        )
        theirs.close()
        ours.setblocking(False)  # noqa: FBT003 - the signature is the library's

        async def append(rows: Sequence[Row]) -> None:
            frame = marshal.dumps(list(rows))
            await loop.sock_sendall(ours, HEADER.pack(len(frame)) + frame)
            if await loop.sock_recv(ours, len(COMMITTED)) != COMMITTED:
                raise ConnectionError("The writer process ended.")

        try:
            yield append
        finally:
            ours.close()
            await process.wait()


WRITERS: dict[str, Writer] = {
    "aiosqlite executemany": aiosqlite_many,
    "aiosqlite one statement": aiosqlite_one,
    "own thread one statement": own_thread,
    "own process one statement": own_process,
}
