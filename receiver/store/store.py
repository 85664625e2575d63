"""The open store: transactions, maintenance of its file, and driver errors."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import select
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from receiver.errors import StoreDamagedError, StoreUnavailableError
from receiver.store.database.engines import (
    BUSY_TIMEOUT_S,
    READERS,
    connect_arguments,
    sqlite_engine,
)
from receiver.store.database.failures import Failures
from receiver.store.database.upgrade import migrate
from receiver.store.database.urls import ASYNC_DRIVERS, check_url
from receiver.store.schema import checkpoints

_log = structlog.get_logger(__name__)

_MARK = ".damaged"  # ends the name of the file that tells the next process of damage
_WAL_CAP_BYTES = 48 * 1024 * 1024  # reached only when readers let the WAL grow


class Store:
    """An open store: one writer, several readers.

    SQLite is written through exactly one connection (versions before 3.51.3 can corrupt a WAL
    file otherwise); readers open it read-only and never checkpoint. One that any statement found
    damaged is not written to again; it is read as far as it can be.

    Attributes:
        damage: what is damaged and what to do, "" while no damage was found.
    """

    def __init__(self, url: str, on_damage: Callable[[], None] = lambda: None) -> None:
        """Make a store that connects when it is first used.

        Args:
            url: `sqlite:////path/to/file` or `postgresql://user:password@host/database`.
            on_damage: called for each statement that found it damaged.

        Raises:
            SettingsError: the URL cannot be used.
        """
        self._url = check_url(url)
        self._failures = Failures(self._url, self._note_damage)
        self._on_damage = on_damage
        self.damage = ""
        self._turn = asyncio.Lock()
        self._file: Path | None = None  # of SQLite
        self._inode: int | None = None  # of the file that was prepared
        target = self._url.set(drivername=ASYNC_DRIVERS[self._url.get_backend_name()])
        if self._url.get_backend_name() == "sqlite":
            self._file = Path(self._url.database or "").absolute()
            self._writer = sqlite_engine(target, writing=True)
            self._reader = sqlite_engine(target, writing=False)
            self._pinger = sqlite_engine(target, writing=False, connections=1)
            self._watcher = sqlite_engine(target, writing=False, connections=1)
        else:
            self._writer = _server_engine(target, READERS + 1)
            self._reader = self._writer.execution_options(isolation_level="REPEATABLE READ")
            self._pinger, self._watcher = _server_engine(target, 1), _server_engine(target, 1)

    async def prepare(self) -> None:
        """Bring the schema up to date; recreates the database where it was taken away.

        Raises:
            StoreUnavailableError: the database does not answer, is locked, or was made by a newer
                version.
        """
        async with self._turn:
            if not self._is_in_place():
                await self.close()  # what is open leads to the file that was taken away
                self._forget_damage()
            self._refuse_damaged()
            with self._failures.translated():
                await self._look_whole()
                await asyncio.to_thread(migrate, self._url)
            self._inode = self._inode_now()

    def check_in_place(self) -> None:
        """See that the file that was prepared still stands where it stood.

        Raises:
            StoreUnavailableError: it does not; `prepare` makes a new one.
            StoreDamagedError: it is damaged.
        """
        if not self._is_in_place():
            raise StoreUnavailableError(
                "The store file was removed or replaced. The new file is filled again "
                "from the journal."
            )
        self._refuse_damaged()

    def _is_in_place(self) -> bool:
        return self._inode is None or self._inode_now() == self._inode

    def _inode_now(self) -> int | None:
        try:
            return self._file.stat().st_ino if self._file else None
        except OSError:
            return None

    @contextlib.asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """Return a transaction that commits on leaving; only one runs at a time.

        Raises:
            StoreUnavailableError: trying again later may help.
            StoreRejectedError: it will not.
        """
        async with self._turn_to_write():
            async with self._writer.begin() as connection:
                yield connection
            if self._wal_bytes() > _WAL_CAP_BYTES:
                await self._checkpoint("TRUNCATE")

    @contextlib.asynccontextmanager
    async def _turn_to_write(self) -> AsyncIterator[None]:
        async with self._turn:
            self._refuse_damaged()
            with self._failures.translated():
                yield

    @contextlib.asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """Return a connection that sees one consistent state.

        Raises:
            StoreUnavailableError: the database does not answer.
        """
        with self._failures.translated():
            async with self._reader.begin() as connection:
                yield connection

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator[AsyncConnection]:
        """Return what `reading` gives, on a connection for which no lookup makes it wait.

        Raises:
            StoreUnavailableError: the database does not answer.
        """
        with self._failures.translated():
            async with self._watcher.begin() as connection:
                yield connection

    async def ping(self) -> None:
        """Ask the database for a sign of life, past all lookups that are under way.

        Raises:
            StoreUnavailableError: there is none.
        """
        with self._failures.translated():
            async with self._pinger.begin() as connection:
                await connection.execute(select(checkpoints.c.position).limit(1))

    async def reach(self) -> None:
        """Connect, and ask for nothing.

        Raises:
            StoreUnavailableError: the database cannot be reached.
        """
        async with self.reading():
            pass

    async def make_durable(self) -> bool:
        """Force what was committed to disk; tell whether all of it is there now.

        SQLite's store runs with synchronous=NORMAL, because the journal can replay what a power
        loss takes from it. Before the journal forgets rows, this must have returned true.
        """
        if self._file is None:
            return True
        async with self._turn_to_write():
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
        async with self._turn_to_write():
            return await self._checkpoint("TRUNCATE", patience_s=BUSY_TIMEOUT_S)

    async def compact(self) -> None:
        """Rewrite the whole file, without what is left between its rows.

        Raises:
            StoreUnavailableError: as when writing.
        """
        if self._file is None:
            return
        async with self._turn_to_write():
            await self._outside("VACUUM")

    async def settle(self) -> None:
        """Use a quiet moment: copy the WAL into the file and give memory back.

        Raises:
            StoreUnavailableError: as when writing.
        """
        if self._file is None:
            return
        async with self._turn_to_write():
            await self._checkpoint("PASSIVE")
            await self._pragma("shrink_memory")

    # --- damage -----------------------------------------------------------------------------

    def _refuse_damaged(self) -> None:
        if self.damage:
            raise StoreDamagedError(self.damage)

    def _note_damage(self, error: StoreDamagedError) -> None:
        """Log the damage once, and record it for the next process."""
        self._on_damage()
        if self.damage:
            return
        self.damage = str(error)
        _log.error("store damaged", finding=self.damage)
        if self._inode is None:
            self._inode = self._inode_now()  # by which its replacement is known
        if (mark := self._mark) is not None:
            with contextlib.suppress(OSError):
                mark.write_text(f"{self.damage}\n")

    def _forget_damage(self) -> None:
        """Start over: another file stands there."""
        self.damage = ""
        self._inode = None

    async def _look_whole(self) -> None:
        """Check all of a file that was found damaged before: it may be mended, or another one.

        Raises:
            StoreDamagedError: it is neither.
        """
        mark = self._mark
        if mark is None or not mark.exists():
            return
        ((found,),) = await self._pragma("integrity_check(1)")
        if found != "ok":
            raise self._failures.damaged("integrity_check")
        mark.unlink(missing_ok=True)

    @property
    def _mark(self) -> Path | None:
        return None if self._file is None else Path(f"{self._file}{_MARK}")

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
        for engine in (self._pinger, self._watcher, self._reader, self._writer):
            await engine.dispose()


def _server_engine(url: URL, connections: int) -> AsyncEngine:
    return create_async_engine(
        url,
        paramstyle="format",  # values by position, as SQLite has them
        pool_size=connections,
        max_overflow=0 if connections == 1 else 10,
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args=connect_arguments(url),
    )
