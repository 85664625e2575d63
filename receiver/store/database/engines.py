"""Making the engines of a store."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiosqlite
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool, StaticPool

from receiver.store.database.driver import DriverConnection

BUSY_TIMEOUT_S = 2.0
READERS = 4
CONNECT_TIMEOUT_S = 5  # where the URL says no other

_SYNC_DRIVERS = {"sqlite": "sqlite+pysqlite", "postgresql": "postgresql+psycopg"}
# A quiet moment copies the WAL into the file. Where none comes, the commit that fills this many
# pages (16 MB) does, four times as rarely as by default. The WAL is then written from its start
# again, which is cheaper than to cut it off; that is left for a WAL which readers let grow.
_CHECKPOINT_PAGES = 4000
# What one transaction changes should fit: pages of a full cache are written before their time.
_WRITER_CACHE_KIB = 8 * 1024
_SECURE_DELETE = "secure_delete = ON"  # what is deleted is overwritten by zeros


def sqlite_engine(url: URL, *, writing: bool, connections: int = READERS) -> AsyncEngine:
    """Return the engine of the one writer or of `connections` readers of a SQLite file."""
    file = Path(url.database or "").absolute()
    mode = "rwc" if writing else "ro"

    async def connect() -> aiosqlite.Connection:
        return await DriverConnection(f"{file.as_uri()}?mode={mode}", timeout=BUSY_TIMEOUT_S)

    engine = create_async_engine(
        url,
        async_creator=connect,
        pool_size=1 if writing else connections,
        max_overflow=0,
        hide_parameters=True,  # an error must not carry numbers and texts into a log
    )
    pragmas = ["foreign_keys = ON"]
    if writing:
        pragmas += [
            "journal_mode = WAL",
            "synchronous = NORMAL",
            f"wal_autocheckpoint = {_CHECKPOINT_PAGES}",
            f"cache_size = -{_WRITER_CACHE_KIB}",
            _SECURE_DELETE,
        ]
    # A writer takes its lock at once: no statement in the middle can then find it taken.
    _begin_by_ourselves(engine.sync_engine, "BEGIN IMMEDIATE" if writing else "BEGIN", pragmas)
    return engine


def memory_engine() -> AsyncEngine:
    """Return the engine of one connection to a SQLite database that is in memory alone."""

    async def connect() -> aiosqlite.Connection:
        return await DriverConnection("file::memory:")

    engine = create_async_engine(
        "sqlite+aiosqlite://", async_creator=connect, poolclass=StaticPool, hide_parameters=True
    )
    _begin_by_ourselves(engine.sync_engine, "BEGIN")
    return engine


def _begin_by_ourselves(engine: Engine, begin: str, pragmas: Sequence[str] = ()) -> None:
    """Let every transaction of a SQLite engine start with a BEGIN, which the driver omits."""

    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Any) -> None:
        connection.exec_driver_sql(begin)


def connect_arguments(url: URL) -> dict[str, Any]:
    """Return what a connection is made with besides its URL, which takes precedence."""
    if url.get_backend_name() != "postgresql" or "connect_timeout" in url.query:
        return {}
    return {"connect_timeout": CONNECT_TIMEOUT_S}


def migrating_engine(url: URL) -> Engine:
    """Return a blocking engine with which the schema is changed: all of it or nothing."""
    engine = create_engine(
        url.set(drivername=_SYNC_DRIVERS[url.get_backend_name()]),
        poolclass=NullPool,
        hide_parameters=True,
        connect_args=connect_arguments(url),
    )
    if url.get_backend_name() == "sqlite":
        _begin_by_ourselves(engine, "BEGIN IMMEDIATE", [_SECURE_DELETE])
    return engine
