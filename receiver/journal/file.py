"""The journal's SQLite file: a process of its own writes it, a connection here reads it."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import aiosqlite

from receiver.errors import DataDirectoryError, InUseError, JournalUnavailableError
from receiver.journal.entries import Entry, Row
from receiver.journal.process import WriterError, WriterProcess
from receiver.journal.writer import COLUMNS, LAYOUT, HeldError

FILE_NAME = "journal.sqlite3"
_ENDS = ("", "-wal", "-shm", "-journal")
MOST_ROWS_A_COMMIT = 512  # 8 columns each: far below SQLite's 32,766 parameters


class JournalFile:
    """The open file. One writing request at a time: the caller takes care of the turns."""

    def __init__(self, path: Path, process: WriterProcess, reader: aiosqlite.Connection) -> None:
        self._path = path
        self._wal = path.with_name(path.name + "-wal")
        self._process = process
        self._reader = reader
        self._inode = path.stat().st_ino

    @classmethod
    async def open(cls, path: Path) -> Self:
        """Open or create the file and start its writer.

        Raises:
            DataDirectoryError: it cannot be opened, is no journal, or is of a newer version.
        """
        try:
            process = await WriterProcess.start(path)
        except WriterError as error:
            if error.name == HeldError.__name__:
                raise _held(path) from error
            raise _cannot_open(path, error.name) from error
        try:
            # Read-only: SQLite before 3.51.3 can corrupt a WAL that two connections checkpoint.
            reader = await aiosqlite.connect(_reading_uri(path), uri=True)
            reader.text_factory = _read_text
        except sqlite3.Error as error:
            await process.end()
            raise _cannot_open(path, str(error)) from error
        file = cls(path, process, reader)
        try:
            layout = await file._meta("layout")
        except JournalUnavailableError as error:
            await file.close()
            raise _cannot_open(path, str(error)) from error
        if layout != LAYOUT:
            await file.close()
            raise DataDirectoryError(
                f"The journal {path} was written by a newer version; install that version."
            )
        return file

    async def _meta(self, name: str) -> str:
        ((value,),) = await self._fetch("SELECT value FROM meta WHERE name = ?", (name,))
        return str(value)

    # --- writing ----------------------------------------------------------------------------

    async def append(self, first: int, entries: Sequence[Entry]) -> None:
        """Write entries at positions from `first` on; on return they are on disk.

        Raises:
            WriterError: as all writing methods; the entries may or may not be on disk.
        """
        values: list[object] = []
        for position, entry in enumerate(entries, first):
            values.append(position)
            values += entry
        await self._ask("append", len(entries), values)

    async def delete_oldest(self, *, up_to: int, arrived_before: int, limit: int) -> int:
        """Delete the oldest rows up to a position and a time; give how many went."""
        return int(await self._ask("delete_oldest", up_to, arrived_before, limit))

    async def renew_identity(self) -> str:
        """Give the journal another identity."""
        return str(await self._ask("renew_identity"))

    async def try_writing(self) -> None:
        """Write something that changes nothing, to learn whether the disk takes it."""
        await self._ask("try_writing")

    async def replace(self, rows: Sequence[Row]) -> None:
        """Put another kind, headers and body in the place of those of rows, all or none."""
        await self._ask("replace", [(r.kind, r.headers, r.body, r.position) for r in rows])

    async def compact(self) -> None:
        """Write the whole file anew, without what is left between its rows."""
        await self._ask("compact")

    async def checkpoint(self, *, empty_wal: bool) -> bool:
        """Copy the WAL into the file, or empty it too; tell whether nobody hindered it."""
        return bool(await self._ask("checkpoint", "TRUNCATE" if empty_wal else "PASSIVE"))

    async def _ask(self, name: str, *arguments: object) -> Any:
        if not self._process.alive:
            await self._process.end()
            self._process = await WriterProcess.start(self._path)
        return await self._process.ask(name, *arguments)

    # --- reading ----------------------------------------------------------------------------

    async def identity(self) -> str:
        """Give the journal's identity."""
        return await self._meta("identity")

    async def last_position(self) -> int:
        """Give the newest position, 0 when there is none."""
        ((last,),) = await self._fetch("SELECT coalesce(max(position), 0) FROM journal")
        return int(last)

    async def read_after(self, position: int, *, rows: int, max_bytes: int) -> list[Row]:
        """Give the next rows in order: at most `rows`, and about `max_bytes` of bodies."""
        sizes = await self._fetch(
            "SELECT position, length(body) FROM journal WHERE position > ?"
            " ORDER BY position LIMIT ?",
            (position, rows),
        )
        last = position
        for at, size in sizes:
            if last > position and int(size) > max_bytes:
                break
            max_bytes -= int(size)
            last = int(at)
        found = await self._fetch(
            f"SELECT {COLUMNS} FROM journal"  # noqa: S608 - a constant list of names
            " WHERE position > ? AND position <= ? ORDER BY position",
            (position, last),
        )
        return [_read_row(*row) for row in found]

    async def arrival_after(self, position: int) -> int | None:
        """Give when the entry after a position arrived (microseconds), None if there is none."""
        found = await self._fetch(
            "SELECT received_at FROM journal WHERE position > ? ORDER BY position LIMIT 1",
            (position,),
        )
        return _read_time(found[0][0]) if found else None

    async def _fetch(self, sql: str, values: tuple[object, ...] = ()) -> list[sqlite3.Row]:
        try:
            return list(await self._reader.execute_fetchall(sql, values))
        except sqlite3.DatabaseError as error:
            name = getattr(error, "sqlite_errorname", type(error).__name__)
            raise JournalUnavailableError(
                f"The journal {self._path} cannot be read ({name}). If it stays "
                "so, the file is damaged: stop the receiver, keep a copy, and save what can be "
                "read by the command .recover of sqlite3."
            ) from error

    def is_in_place(self) -> bool:
        """Tell whether the path still leads to the file that was opened."""
        try:
            return self._path.stat().st_ino == self._inode
        except FileNotFoundError:
            return False

    @property
    def files(self) -> tuple[Path, ...]:
        """The file, and those that SQLite puts beside it."""
        return tuple(self._path.with_name(f"{self._path.name}{end}") for end in _ENDS)

    def wal_bytes(self) -> int:
        """Size of the write-ahead log."""
        return _size(self._wal)

    def total_bytes(self) -> int:
        """Size of the file and its write-ahead log."""
        return _size(self._path) + self.wal_bytes()

    async def close(self) -> None:
        """Close the file and end its writer."""
        await self._reader.close()
        await self._process.end()


def _reading_uri(path: Path) -> str:
    """Name a file to SQLite, whatever its name holds."""
    return f"{path.absolute().as_uri()}?mode=ro"


# SQLite keeps values of any type in any column. Nothing of ours writes others than the right ones,
# but a file that was damaged or edited may hold them: one row must not stop all behind it.
def _read_row(position: int, *values: object) -> Row:
    kind, application, received_at, peer, trust, headers, body = values
    return Row(
        position,
        _read_text(kind),
        _read_text(application),
        _read_time(received_at),
        _read_text(peer),
        _read_text(trust),
        _read_text(headers),
        body if isinstance(body, bytes) else str(body).encode(),
    )


def _read_text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _read_time(value: object) -> int:
    """Read a time; what is none counts as the epoch."""
    return value if isinstance(value, int) else 0


def _held(path: Path) -> InUseError:
    """Say who holds the journal: the writer of a receiver that was killed, most likely."""
    lock = path.with_name(path.name + ".lock")
    try:
        holder = lock.read_text(errors="replace").strip()
    except OSError:
        holder = ""
    who = f"process {holder}" if holder else f"a process that `fuser {lock}` names"
    return InUseError(
        f"The journal {path} is held by {who}, by the lock {lock}. It is probably the writer of a "
        "receiver that was killed, and its disk hangs or it is stopped (`ps -o pid,stat,args`): "
        f"end it with `kill -9 {holder or 'PID'}` and start again."
    )


def _cannot_open(path: Path, cause: str) -> DataDirectoryError:
    return DataDirectoryError(
        f"The journal {path} cannot be opened: {cause}. Check that the disk has space, that the "
        "file belongs to this user, and that it is a SQLite file."
    )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
