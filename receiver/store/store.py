"""The open store: transactions, upkeep of its file, and driver errors in our own words."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import exc, select
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from receiver.errors import StoreRejectedError, StoreUnavailableError
from receiver.store.engines import BUSY_TIMEOUT_S, READERS, migrate, sqlite_engine
from receiver.store.schema import checkpoints
from receiver.store.urls import ASYNC_DRIVERS, check_url

_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_WAL_CAP_BYTES = 48 * 1024 * 1024  # reached only when readers let the WAL grow


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
        self._file: Path | None = None  # of SQLite
        self._inode: int | None = None  # of the file that was prepared
        target = self._url.set(drivername=ASYNC_DRIVERS[self._url.get_backend_name()])
        if self._url.get_backend_name() == "sqlite":
            self._file = Path(self._url.database or "").absolute()
            self._writer = sqlite_engine(target, writing=True)
            self._reader = sqlite_engine(target, writing=False)
        else:
            self._writer = self._reader = create_async_engine(
                target,
                paramstyle="format",  # values by position, as SQLite has them
                pool_size=READERS + 1,
                pool_pre_ping=True,
                hide_parameters=True,
            )

    async def prepare(self) -> None:
        """Bring the schema up to date; makes the database anew where it was taken away.

        Raises:
            StoreUnavailableError: the database does not answer, is locked, or was made by a newer
                version.
        """
        async with self._turn:
            if not self._is_in_place():
                await self.close()  # what is open leads to the file that was taken away
            with _translated():
                await asyncio.to_thread(migrate, self._url)
            self._inode = self._inode_now()

    def check_in_place(self) -> None:
        """See that the file that was prepared still stands where it stood.

        Raises:
            StoreUnavailableError: it does not; `prepare` makes a new one.
        """
        if not self._is_in_place():
            raise StoreUnavailableError(
                "The store's file was taken away; what stands in its place is brought up to date "
                "from the journal."
            )

    def _is_in_place(self) -> bool:
        return self._inode is None or self._inode_now() == self._inode

    def _inode_now(self) -> int | None:
        try:
            return self._file.stat().st_ino if self._file else None
        except OSError:
            return None

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
                if self._wal_bytes() > _WAL_CAP_BYTES:
                    await self._checkpoint("TRUNCATE")

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
        if self._file is None:
            return True
        async with self._turn:
            with _translated():
                done = await self._checkpoint("FULL", patience_s=BUSY_TIMEOUT_S)
        return done and self._is_in_place()

    @property
    def files(self) -> tuple[Path, ...]:
        """The files it is made of, with those that SQLite puts beside; none on a server."""
        if self._file is None:
            return ()
        return tuple(Path(f"{self._file}{end}") for end in ("", "-wal", "-shm", "-journal"))

    async def empty_wal(self) -> bool:
        """Copy the WAL into the file and cut it off; tell whether it is done.

        Raises:
            StoreUnavailableError: as when writing.
        """
        if self._file is None:
            return True
        async with self._turn:
            with _translated():
                return await self._checkpoint("TRUNCATE", patience_s=BUSY_TIMEOUT_S)

    async def compact(self) -> None:
        """Write the whole file anew, without what is left between its rows.

        Raises:
            StoreUnavailableError: as when writing.
        """
        if self._file is None:
            return
        async with self._turn:
            with _translated():
                await self._outside("VACUUM")

    async def settle(self) -> None:
        """Use a quiet moment: copy the WAL into the file and give memory back.

        Raises:
            StoreUnavailableError: as when writing.
        """
        if self._file is None:
            return
        async with self._turn:
            with _translated():
                await self._checkpoint("PASSIVE")
                await self._pragma("shrink_memory")

    async def _checkpoint(self, mode: str, *, patience_s: float = 0) -> bool:
        """Copy the WAL into the file, as far as readers allow; tell whether all of it was."""
        await self._pragma(f"busy_timeout = {1000 * patience_s:.0f}")
        try:
            ((busy, in_log, moved),) = await self._pragma(f"wal_checkpoint({mode})")
        finally:
            await self._pragma(f"busy_timeout = {1000 * BUSY_TIMEOUT_S:.0f}")
        return bool(busy == 0 and in_log == moved)

    async def _pragma(self, pragma: str) -> Any:
        return await self._outside(f"PRAGMA {pragma}")

    async def _outside(self, statement: str) -> Any:
        """Run a statement on the writing connection, outside any transaction."""
        async with self._writer.connect() as connection:
            raw = await connection.get_raw_connection()
            driver: Any = raw.driver_connection
            return await driver.execute_fetchall(statement)

    def _wal_bytes(self) -> int:
        try:
            return Path(f"{self._file}-wal").stat().st_size if self._file else 0
        except OSError:
            return 0

    async def close(self) -> None:
        """Close all connections."""
        await self._reader.dispose()
        await self._writer.dispose()


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
        raise _unavailable(getattr(error, "orig", None), _cause(error)) from error
    except sqlite3.Error as error:  # of what goes past SQLAlchemy
        name = getattr(error, "sqlite_errorname", type(error).__name__)
        raise _unavailable(error, name) from error
    except (exc.StatementError, OverflowError, UnicodeError) as error:
        raise StoreRejectedError(f"The store refused a value: {type(error).__name__}.") from None


def _unavailable(error: object, cause: str) -> StoreUnavailableError:
    if getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED:
        return StoreUnavailableError(
            f"The store's file is damaged ({cause}). Stop the receiver, move the file with its "
            "-wal and -shm aside, and start again: it is rebuilt from what the journal still has "
            "(`retention.journal_hours`). Restore a backup first to have what is older."
        )
    return StoreUnavailableError(f"The store does not answer: {cause}.")


def _cause(error: exc.SQLAlchemyError) -> str:
    """Name the driver's error without its parameters, which hold numbers and texts."""
    original = getattr(error, "orig", None)
    name = getattr(original, "sqlite_errorname", None) or getattr(original, "sqlstate", None)
    return str(name or type(original or error).__name__)
