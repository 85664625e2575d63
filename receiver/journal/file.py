"""The journal's SQLite file: written by a separate process, read by a connection here."""

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import aiosqlite
import structlog

from receiver.errors import (
    DataDirectoryError,
    JournalDamagedError,
    JournalUnavailableError,
)
from receiver.journal import opening
from receiver.journal.damage import DamageFinding, Lost, gaps, marker
from receiver.journal.entries import JournalEntry, Row, read_row, read_text, read_time
from receiver.journal.opening import cannot_open, held_by_another
from receiver.journal.process import WriterError, WriterProcess
from receiver.journal.recovery import LogDamage
from receiver.journal.soundness import is_damage
from receiver.journal.writer import CHECKED_FROM, COLUMNS, LAYOUT, HeldError

_log = structlog.get_logger(__name__)

FILE_NAME = "journal.sqlite3"
_ENDS = ("", "-wal", "-shm", "-journal")
_RESTORED = 50  # rows in a statement
MOST_ROWS_A_COMMIT = 512  # 9 columns each: far below SQLite's 32,766 parameters


class JournalFile:
    """The open file. One writing request at a time: the caller takes care of the turns."""

    def __init__(self, path: Path, process: WriterProcess, reader: aiosqlite.Connection) -> None:
        self.path = path
        self._wal = path.with_name(path.name + "-wal")
        self._process = process
        self._ended: WriterProcess | None = None  # of which that was said
        self._reader = reader
        self._reading = asyncio.Lock()
        self._inode: int | None = path.stat().st_ino
        self.checked_from = 0  # the position from which on every row has a checksum

    @classmethod
    async def open(cls, path: Path) -> tuple[Self, list[DamageFinding]]:
        """Open or create the file and start its writer; mend it first where that is needed.

        Returns:
            the file, and what was found damaged.

        Raises:
            DataDirectoryError: it cannot be opened, is no journal, or is of a newer version.
        """
        log = await asyncio.to_thread(opening.examine, path)
        findings: list[DamageFinding] = []
        try:
            file = await cls._open(path)
        except JournalDamagedError as error:
            findings.append(await asyncio.to_thread(opening.rebuild, path, str(error)))
            file = await cls._open(path)
        if log is not None:
            findings.append(await file.take_back(log))
        return file, findings

    @classmethod
    async def _open(cls, path: Path) -> Self:
        try:
            process = await WriterProcess.start(path)
        except WriterError as error:
            if error.name == HeldError.__name__:
                raise held_by_another(path) from error
            if error.is_damage:
                raise JournalDamagedError(error.name) from error
            raise cannot_open(path, error.name) from error
        try:
            reader = await _connect(path)
        except sqlite3.Error as error:
            await process.end()
            raise cannot_open(path, str(error)) from error
        file = cls(path, process, reader)
        try:
            layout = await file._meta("layout")
            await file._find_checks()
            await file.last_position()
        except JournalUnavailableError as error:
            await file.close()
            if isinstance(error, JournalDamagedError):
                raise
            raise cannot_open(path, str(error)) from error
        if layout != LAYOUT:
            await file.close()
            raise DataDirectoryError(
                f"The journal {path} was written by a newer version of the receiver. "
                "Install that version."
            )
        return file

    async def take_back(self, log: LogDamage) -> DamageFinding:
        """Write the rows that stood behind damaged frames of the log."""
        before = await self.last_position()
        salvaged = await self._restore(log.rows, keeps=False)
        salvaged += await self._restore(log.doubtful, keeps=True)
        found = {row.position: row for row in (*log.rows, *log.doubtful)}
        newest = max((before, *found))
        lost = [
            Lost(first, last, None, found[last + 1].received_at)
            for first, last in gaps(found, before, newest)
        ]
        await self._restore([marker(one, log.kept) for one in lost], keeps=True)
        # What stays of the log behind the new frames would be found and taken back again.
        with contextlib.suppress(WriterError):  # appends report what the disk does not take
            await self.checkpoint(empty_wal=True)
        text = f"{log.describe()} {salvaged} rows that SQLite had omitted were restored"
        text += f", {len(log.doubtful)} of them uncertain." if log.doubtful else "."
        for one in lost:
            text += f" Lost{{'' if one.first > 1 else ', or deleted earlier'}}: {one.describe()}."
        return DamageFinding(text, log.kept, sum(one.rows for one in lost), salvaged)

    async def _restore(self, rows: Sequence[Row], *, keeps: bool) -> int:
        count = 0
        for start in range(0, len(rows), _RESTORED):
            some = [list(row) for row in rows[start : start + _RESTORED]]
            count += int(await self._ask("restore", some, keeps))
        return count

    async def _meta(self, name: str) -> str:
        ((value,),) = await self._fetch("SELECT value FROM meta WHERE name = ?", (name,))
        return str(value)

    async def _find_checks(self) -> None:
        """Read from which position on rows have checksums."""
        written = await self._meta(CHECKED_FROM)
        if not written.isdecimal():
            raise JournalDamagedError(f"The journal {self.path} is damaged (`{CHECKED_FROM}`).")
        self.checked_from = int(written)

    # --- writing ----------------------------------------------------------------------------

    async def append(self, first: int, entries: Sequence[JournalEntry]) -> None:
        """Write entries at positions from `first` on; on return they are on disk.

        Raises:
            WriterError: as all writing methods; the entries may or may not be on disk.
        """
        values: list[object] = []
        for position, entry in enumerate(entries, first):
            values.append(position)
            values += entry
        await self._ask("append", len(entries), values)

    async def delete(self, positions: Sequence[int]) -> None:
        """Delete rows."""
        await self._ask("delete", list(positions))

    async def renew_identity(self) -> str:
        """Return the journal another identity."""
        return str(await self._ask("renew_identity"))

    async def try_writing(self) -> None:
        """Write something that changes nothing, to learn whether the disk takes it."""
        await self._ask("try_writing")

    async def replace(self, rows: Sequence[Row]) -> None:
        """Put another kind, headers and body in place of those of rows, all or none."""
        await self._ask("replace", [list(row) for row in rows])

    async def switch(self, target: Path, kept: Path | None) -> bool:
        """Go on in a file that holds the same rows; tell whether no reader hindered it.

        Args:
            target: the file.
            kept: where the old one stays; None: it goes.
        """
        async with self._reading:
            await self._reader.close()
            self._inode = None
            # Closing the last descriptor of a large file waits for its blocks.
            old = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                done = await self._ask("adopt", str(target), "" if kept is None else str(kept))
            finally:
                self._reader = await _connect(self.path)
                self._inode = self.path.stat().st_ino
                asyncio.get_running_loop().run_in_executor(None, os.close, old)
        await self._find_checks()
        return bool(done)

    async def checkpoint(self, *, empty_wal: bool) -> bool:
        """Copy the WAL into the file, or empty it too; tell whether nobody hindered it."""
        return bool(await self._ask("checkpoint", "TRUNCATE" if empty_wal else "PASSIVE"))

    async def _ask(self, name: str, *arguments: object) -> Any:
        if not self._process.alive:
            await self.keep_writer()
        return await self._process.ask(name, *arguments)

    async def keep_writer(self) -> None:
        """Start another writer where the last one has ended.

        Raises:
            WriterError: it cannot open the file.
        """
        if self._process.alive:
            return
        await self._process.end()
        self.note_end()
        self._process = await WriterProcess.start(self.path)
        _log.warning("journal writer restarted", writer=self._process.pid)

    def note_end(self) -> bool:
        """Log that the writer exited, and how; return whether that was new."""
        how = self._process.ending()
        if not how or self._process is self._ended:
            return False
        self._ended = self._process
        _log.error("journal writer exited; starting another", writer=self._process.pid, how=how)
        return True

    @property
    def writer(self) -> WriterProcess:
        """The process that writes."""
        return self._process

    # --- reading ----------------------------------------------------------------------------

    async def identity(self) -> str:
        """Return the journal's identity."""
        return await self._meta("identity")

    async def last_position(self) -> int:
        """Return the newest position, 0 when there is none."""
        ((last,),) = await self._fetch("SELECT coalesce(max(position), 0) FROM journal")
        return int(last)

    async def read_after(self, position: int, *, rows: int, max_bytes: int) -> list[Row]:
        """Return the next rows in order: at most `rows`, and about `max_bytes` of bodies."""
        sizes = await self._fetch(
            "SELECT position, length(body) FROM journal WHERE position > ?"
            " ORDER BY position LIMIT ?",
            (position, rows + 1),
        )
        # A damaged position shows by the row behind it: taken for good, it would skip all between.
        if any(at >= behind for (at, _), (behind, _) in pairwise(sizes)):
            raise JournalDamagedError(f"The journal {self.path} is out of order.")
        last = position
        for at, size in sizes[:rows]:
            if last > position and int(size) > max_bytes:
                break
            max_bytes -= int(size)
            last = int(at)
        found = await self._fetch(
            f"SELECT {COLUMNS} FROM journal"  # noqa: S608 - a constant list of names
            " WHERE position > ? AND position <= ? ORDER BY position",
            (position, last),
        )
        rows_found = [read_row(*row) for row in found]
        if not all(one.is_sound(self.checked_from) for one in rows_found):
            raise JournalDamagedError(
                f"Rows of the journal {self.path} do not match their checksums."
            )
        return [one.row for one in rows_found]

    async def arrival_after(self, position: int) -> int | None:
        """Return when the entry after a position arrived (microseconds), None if there is none."""
        found = await self._fetch(
            "SELECT received_at FROM journal WHERE position > ? ORDER BY position LIMIT 1",
            (position,),
        )
        return read_time(found[0][0]) if found else None

    async def ages_after(self, position: int, rows: int) -> list[tuple[int, int, int]]:
        """Return position, arrival and size of the body of the next rows."""
        found = await self._fetch(
            "SELECT position, received_at, length(body) FROM journal WHERE position > ?"
            " ORDER BY position LIMIT ?",
            (position, rows),
        )
        return [(int(at), read_time(arrived), int(size)) for at, arrived, size in found]

    async def _fetch(self, sql: str, values: tuple[object, ...] = ()) -> list[sqlite3.Row]:
        try:
            async with self._reading:
                return list(await self._reader.execute_fetchall(sql, values))
        except sqlite3.DatabaseError as error:
            name = getattr(error, "sqlite_errorname", type(error).__name__)
            if is_damage(error):
                raise JournalDamagedError(
                    f"The journal {self.path} is damaged ({name})."
                ) from error
            raise JournalUnavailableError(
                f"The journal {self.path} cannot be read ({name})."
            ) from error

    def is_in_place(self) -> bool:
        """Return whether the path still leads to the file that was opened."""
        if self._inode is None:  # another one is being put there
            return True
        try:
            return self.path.stat().st_ino == self._inode
        except FileNotFoundError:
            return False

    @property
    def files(self) -> tuple[Path, ...]:
        """The file, and those that SQLite puts beside it."""
        return tuple(self.path.with_name(f"{self.path.name}{end}") for end in _ENDS)

    def wal_bytes(self) -> int:
        """Size of the write-ahead log."""
        return _size(self._wal)

    def total_bytes(self) -> int:
        """Size of the file and its write-ahead log."""
        return _size(self.path) + self.wal_bytes()

    async def close(self) -> None:
        """Close the file and end its writer."""
        await self._reader.close()
        await self._process.end()


async def _connect(path: Path) -> aiosqlite.Connection:
    # Read-only: SQLite before 3.51.3 can corrupt a WAL that two connections checkpoint.
    reader = await aiosqlite.connect(_reading_uri(path), uri=True)
    reader.text_factory = read_text
    return reader


def _reading_uri(path: Path) -> str:
    """Name a file to SQLite, whatever its name holds."""
    return f"{path.absolute().as_uri()}?mode=ro"


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
