"""Opening the store: engines, migrations, transactions, and driver errors in our own words."""

import asyncio
import contextlib
import importlib.util
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError
from sqlalchemy import Engine, create_engine, event, exc, make_url, select
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from receiver.errors import SettingsError, StoreRejectedError, StoreUnavailableError
from receiver.store.schema import checkpoints

FILE_NAME = "store.sqlite3"

_MIGRATIONS = Path(__file__).with_name("migrations")
_BUSY_TIMEOUT_S = 2.0
_READERS = 4
_ASYNC_DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+psycopg"}
_SYNC_DRIVERS = {"sqlite": "sqlite+pysqlite", "postgresql": "postgresql+psycopg"}


def default_url(data_dir: Path) -> str:
    """Give the URL of the embedded store in a data directory."""
    return f"sqlite:///{data_dir.absolute() / FILE_NAME}"


def check_url(url: str) -> URL:
    """Check a store URL.

    Raises:
        SettingsError: it is no URL, or of a database that is not supported.
    """
    try:
        parsed = make_url(url)
    except (exc.ArgumentError, ValueError):
        raise SettingsError(
            "store_url is not a URL; write sqlite:////path/to/file or "
            "postgresql://user:password@host/database (special characters percent-encoded)."
        ) from None
    backend = parsed.get_backend_name()
    if backend not in _ASYNC_DRIVERS:
        raise SettingsError(f"store_url names {backend!r}; sqlite and postgresql are supported.")
    if backend == "postgresql" and importlib.util.find_spec("psycopg") is None:
        raise SettingsError(
            "store_url names postgresql, whose driver is not installed: "
            "pip install 'receiver[postgres]'."
        )
    if backend == "sqlite" and (not parsed.database or ":memory:" in parsed.database):
        raise SettingsError("store_url names no file; a store in memory would lose everything.")
    return parsed


def lock_of(url: str) -> Path | None:
    """Name the file whose lock keeps a SQLite store for one process; None for a server."""
    parsed = check_url(url)
    if parsed.get_backend_name() != "sqlite":
        return None
    return Path(f"{parsed.database}.lock").absolute()


class Store:
    """An open store: one writer, several readers.

    SQLite is written through exactly one connection (versions before 3.51.3 can corrupt a WAL
    file otherwise); readers open it read-only and never checkpoint.
    """

    def __init__(self, url: str) -> None:
        """Make a store that connects when it is first used.

        Args:
            url: `sqlite:////path/to/file` or `postgresql://user:password@host/database`.

        Raises:
            SettingsError: the URL cannot be used.
        """
        self._url = check_url(url)
        self._turn = asyncio.Lock()
        target = self._url.set(drivername=_ASYNC_DRIVERS[self._url.get_backend_name()])
        if self._url.get_backend_name() == "sqlite":
            self._writer = _sqlite_engine(target, writing=True)
            self._reader = _sqlite_engine(target, writing=False)
        else:
            self._writer = self._reader = create_async_engine(
                target, pool_size=_READERS + 1, pool_pre_ping=True, hide_parameters=True
            )

    async def prepare(self) -> None:
        """Bring the schema up to date.

        Raises:
            StoreUnavailableError: the database does not answer, is locked, or was made by a newer
                version.
        """
        async with self._turn:
            with _translated():
                await asyncio.to_thread(migrate, self._url)

    @contextlib.asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """Give a transaction that commits on leaving; only one runs at a time.

        Raises:
            StoreUnavailableError: trying again later may help.
            StoreRejectedError: it will not.
        """
        async with self._turn:
            with _translated():
                async with self._writer.begin() as connection:
                    yield connection

    @contextlib.asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """Give a connection that sees one consistent state.

        Raises:
            StoreUnavailableError: the database does not answer.
        """
        with _translated():
            async with self._reader.begin() as connection:
                yield connection

    async def ping(self) -> None:
        """Ask the database for a sign of life.

        Raises:
            StoreUnavailableError: there is none.
        """
        async with self.reading() as connection:
            await connection.execute(select(checkpoints.c.position).limit(1))

    async def make_durable(self) -> bool:
        """Force what was committed to disk; tell whether all of it is there now.

        SQLite's store runs with synchronous=NORMAL, because the journal can replay what a power
        loss takes from it. Before the journal forgets rows, this must have returned true.
        """
        if self._writer.dialect.name != "sqlite":
            return True
        async with self._turn:
            with _translated():
                async with self._writer.connect() as connection:
                    raw = await connection.get_raw_connection()
                    driver: Any = raw.driver_connection
                    found = await driver.execute_fetchall("PRAGMA wal_checkpoint(FULL)")
        ((busy, in_log, moved),) = found
        return bool(busy == 0 and in_log == moved)

    async def close(self) -> None:
        """Close all connections."""
        await self._reader.dispose()
        await self._writer.dispose()


def migrate(url: URL) -> None:
    """Bring the schema to this version's (blocking)."""
    backend = url.get_backend_name()
    engine = create_engine(
        url.set(drivername=_SYNC_DRIVERS[backend]), poolclass=NullPool, hide_parameters=True
    )
    if backend == "sqlite":
        _begin_by_ourselves(engine, "BEGIN IMMEDIATE")  # so that tables come all or not at all
    try:
        upgrade(engine)
    except CommandError as error:
        raise StoreUnavailableError(
            "The store was written by a newer version of receiver, or is not a receiver's store; "
            "install that version or set store_url to another database."
        ) from error
    finally:
        engine.dispose()


def upgrade(engine: Engine) -> None:
    """Run the migrations that the database has not seen."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.set_main_option("path_separator", "os")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _sqlite_engine(url: URL, *, writing: bool) -> AsyncEngine:
    file = Path(url.database or "").absolute()
    mode = "rwc" if writing else "ro"
    engine = create_async_engine(
        url.set(database=f"file:{file}", query={"mode": mode, "uri": "true"}),
        pool_size=1 if writing else _READERS,
        max_overflow=0,
        connect_args={"timeout": _BUSY_TIMEOUT_S},
        hide_parameters=True,  # an error must not carry numbers and texts into a log
    )
    pragmas = ["foreign_keys = ON"]
    if writing:
        pragmas += ["journal_mode = WAL", "synchronous = NORMAL"]
    # A writer takes its lock at once: no statement in the middle can then find it taken.
    _begin_by_ourselves(engine.sync_engine, "BEGIN IMMEDIATE" if writing else "BEGIN", pragmas)
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


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Turn driver errors into ours, once and without any values.

    What is refused loses its cause: drivers quote the row in it, and a trace may reach a log.
    """
    try:
        yield
    except (exc.DataError, exc.IntegrityError) as error:
        raise StoreRejectedError(f"The store refused a value: {_cause(error)}.") from None
    except (exc.DBAPIError, exc.TimeoutError) as error:
        if str(getattr(getattr(error, "orig", None), "sqlstate", "")).startswith("54"):
            # "Program limit exceeded": PostgreSQL's word for a value too large for an index.
            raise StoreRejectedError(f"The store refused a value: {_cause(error)}.") from None
        raise StoreUnavailableError(f"The store does not answer: {_cause(error)}.") from error
    except (exc.StatementError, OverflowError, UnicodeError) as error:
        raise StoreRejectedError(f"The store refused a value: {type(error).__name__}.") from None


def _cause(error: exc.SQLAlchemyError) -> str:
    """Name the driver's error without its parameters, which hold numbers and texts."""
    original = getattr(error, "orig", None)
    name = getattr(original, "sqlite_errorname", None) or getattr(original, "sqlstate", None)
    return str(name or type(original or error).__name__)
