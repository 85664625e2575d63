"""The process that writes the journal: one connection, one request at a time.

It shares no interpreter lock with the event loop, so a commit costs the loop two small system
calls instead of a fight for the lock (figures: `python -m tests.benchmarks.journal`). It imports
the standard library only and is one module, because it is started by path, without the package.

It speaks over its standard input, a socket: a frame is a length and a marshalled tuple. It ends
when the other end closes, and ignores the signals that a terminal or a supervisor sends to all
processes of a service: what was taken must still be answered. When its server is killed it ends
at once.
"""

import contextlib
import ctypes
import fcntl
import marshal
import os
import signal
import socket
import sqlite3
import struct
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any
from zlib import crc32

COLUMNS = "position, kind, application, received_at, peer, trust, headers, body, checksum"
LAYOUT = "2"  # raised when the tables change in a way that older code cannot read
UNCHECKED_LAYOUT = "1"  # the one before, whose rows have no checksums
CHECKED_FROM = "checked_from"  # in `meta`: the position from which on every row has a checksum
LENGTH = struct.Struct("!Q")

_WIDTH = 9  # columns
_PARAMETERS = f"({', '.join('?' * _WIDTH)})"
_STATEMENTS_KEPT = 512  # one for each size of a group
_BUSY_TIMEOUT_S = 5
_LOCK_PATIENCE_S = 5  # for a writer whose server was killed to end
_LOCK_LOOKS_EVERY_S = 0.01
_PR_SET_PDEATHSIG = 1  # of linux/prctl.h
_PROBE = 64 * 1024 * "0"
SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS journal (
    position INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    application TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    peer TEXT NOT NULL,
    trust TEXT NOT NULL,
    headers TEXT NOT NULL,
    body BLOB NOT NULL,
    checksum INTEGER
);
"""
_PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA wal_autocheckpoint = 0",  # the server says when, between two commits
    "PRAGMA secure_delete = ON",  # what is deleted is overwritten by zeros
)


class HeldError(OSError):
    """Another process holds the lock; the lock file contains its id."""


class Writer:
    """The writing connection; each public method is one request and one transaction."""

    def __init__(self, path: str) -> None:
        self._lock = take_lock(path + ".lock")
        self._path = path
        self._open()

    def _open(self) -> None:
        # Autocommit: each statement is a transaction of its own, committed within its one step.
        self._connection = sqlite3.connect(
            self._path,
            isolation_level=None,
            cached_statements=_STATEMENTS_KEPT,
            timeout=_BUSY_TIMEOUT_S,
        )
        for pragma in _PRAGMAS:
            self._connection.execute(pragma)
        self._connection.executescript(SCHEMA)
        _add_checksums(self._connection)
        add_meta(self._connection)

    def append(self, rows: int, values: list[Any]) -> None:
        """Write rows in one statement; on return they are on disk."""
        self._connection.execute(_insert(rows), _with_checksums(values))

    def restore(self, rows: list[list[Any]], keeps: bool) -> int:
        """Put rows at their own positions; return how many were not there.

        Args:
            rows: with all columns.
            keeps: what stands at a position stays; otherwise it is replaced.
        """
        positions = [row[0] for row in rows]
        marks = ", ".join("?" * len(positions))
        ((there,),) = self._connection.execute(
            f"SELECT count(*) FROM journal WHERE position IN ({marks})",  # noqa: S608 - marks only
            positions,
        )
        statement = _insert(len(rows)).replace(
            "INSERT", "INSERT OR IGNORE" if keeps else "INSERT OR REPLACE", 1
        )
        values = [value for row in rows for value in row]
        self._connection.execute(statement, _with_checksums(values))
        return len(rows) - int(there)

    def delete(self, positions: list[int]) -> None:
        """Delete rows."""
        marks = ", ".join("?" * len(positions))
        self._connection.execute(
            f"DELETE FROM journal WHERE position IN ({marks})",  # noqa: S608 - marks only
            positions,
        )

    def renew_identity(self) -> str:
        """Return the journal another identity."""
        identity = str(uuid.uuid4())
        self._connection.execute("UPDATE meta SET value = ? WHERE name = 'identity'", (identity,))
        return identity

    def try_writing(self) -> None:
        """Write as much as a large push and take it back, to learn whether the disk takes it."""
        self._connection.execute("INSERT OR REPLACE INTO meta VALUES ('probe', ?)", (_PROBE,))
        self._connection.execute("DELETE FROM meta WHERE name = 'probe'")

    def replace(self, rows: list[list[Any]]) -> None:
        """Put another kind, headers and body in place of those of whole rows, all or none."""
        with _transaction(self._connection):
            self._connection.executemany(
                "UPDATE journal SET kind = ?, headers = ?, body = ?, checksum = ?"
                " WHERE position = ?",
                [(row[1], row[6], row[7], checksum(row), row[0]) for row in rows],
            )

    def adopt(self, target: str, kept: str) -> bool:
        """Go on in a file that holds the same rows; tell whether no reader hindered it.

        Args:
            target: the file.
            kept: where the old file stays; "": it goes.
        """
        if not self.checkpoint("TRUNCATE"):
            return False
        self._connection.close()
        try:
            put_in_place(self._path, target, kept)
        finally:
            self._open()
        return True

    def checkpoint(self, mode: str) -> bool:
        """Copy the WAL into the file (PASSIVE), or empty it too (TRUNCATE); tell whether it did."""
        # A reader may delay a checkpoint, but never the commits behind it.
        self._connection.execute("PRAGMA busy_timeout = 0")
        try:
            found = self._connection.execute(f"PRAGMA wal_checkpoint({mode})")
            return bool(found.fetchone()[0] == 0)
        finally:
            self._connection.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_S * 1000}")

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def checksum(row: Sequence[Any]) -> int:
    """Return what is kept beside a row to see damage by: SQLite checks no content of a row."""
    position, kind, application, received_at, peer, trust, headers, body = row
    head = f"{position}\0{kind}\0{application}\0{received_at}\0{peer}\0{trust}\0{headers}"
    return crc32(body, crc32(head.encode()))


def _with_checksums(values: list[Any]) -> list[Any]:
    """Return the values of rows, each row with its checksum behind it."""
    complete: list[Any] = []
    for row in zip(*[iter(values)] * (_WIDTH - 1), strict=True):
        complete += row
        complete.append(checksum(row))
    return complete


def _add_checksums(connection: sqlite3.Connection) -> None:
    """Let the rows that are written to a journal of the layout before have checksums."""
    found = connection.execute("SELECT value FROM meta WHERE name = 'layout'").fetchone()
    if found == (UNCHECKED_LAYOUT,):
        with _transaction(connection):
            connection.execute("ALTER TABLE journal ADD COLUMN checksum INTEGER")
            connection.execute("UPDATE meta SET value = ? WHERE name = 'layout'", (LAYOUT,))
            add_meta(connection)


def add_meta(connection: sqlite3.Connection) -> None:
    """Let a file have what it lacks of layout, identity and where its checksums begin."""
    connection.execute(
        "INSERT OR IGNORE INTO meta VALUES ('layout', ?), ('identity', ?),"
        " (?, (SELECT coalesce(max(position), 0) + 1 FROM journal))",
        (LAYOUT, str(uuid.uuid4()), CHECKED_FROM),
    )


def put_in_place(path: str, target: str, kept: str) -> None:
    """Put a file in place of a journal that nobody writes, durably.

    Args:
        path: the journal.
        target: the file.
        kept: where the journal and its log stay; "": they go.

    Raises:
        OSError: the directory cannot be changed; the journal may be without its log, which was
            empty or cannot be used.
    """
    if kept:
        os.link(path, kept)
    for end in ("-shm", "-wal"):
        # Beside the new file they would be taken for its own; `-shm` alone would tell of a loss.
        beside = Path(path + end)
        with contextlib.suppress(FileNotFoundError):
            if kept and end == "-wal" and beside.stat().st_size:
                beside.rename(kept + end)
            else:
                beside.unlink()
    sync_directory(path)
    Path(target).replace(path)
    sync_directory(path)


def sync_directory(path: str) -> None:
    """Make the name of a file durable; as `receiver.durable`, which this process cannot import."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    directory = os.open(Path(path).parent, flags)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


@cache
def _insert(rows: int) -> str:
    values = ", ".join([_PARAMETERS] * rows)
    return f"INSERT INTO journal ({COLUMNS}) VALUES {values}"  # noqa: S608 - constants only


def take_lock(path: str) -> int:
    """Hold the file of a lock until the descriptor is closed.

    Raises:
        BlockingIOError: another process held it all the time.
    """
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    give_up = time.monotonic() + _LOCK_PATIENCE_S
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() >= give_up:
                raise HeldError from error
            time.sleep(_LOCK_LOOKS_EVERY_S)
        else:
            os.ftruncate(lock, 0)
            os.write(lock, f"{os.getpid()}\n".encode())
            return lock


def answer(writer: Callable[..., Any], *arguments: Any) -> tuple[Any, ...]:
    """Do one request; return `(True, result)` or `(False, error code, error name)`."""
    try:
        return True, writer(*arguments)
    except (sqlite3.Error, OSError, ValueError, OverflowError, TypeError) as error:
        code = getattr(error, "sqlite_errorcode", 0)
        return False, code, getattr(error, "sqlite_errorname", type(error).__name__)


def read_frame(stream: socket.socket) -> Any:
    """Read one frame; None when the other end has closed."""
    head = _read_exactly(stream, LENGTH.size)
    if head is None:
        return None
    body = _read_exactly(stream, LENGTH.unpack(head)[0])
    return None if body is None else marshal.loads(body)  # noqa: S302 - our own server wrote it


def _read_exactly(stream: socket.socket, size: int) -> bytearray | None:
    data = bytearray(size)
    view = memoryview(data)
    while view:
        got = stream.recv_into(view)
        if got == 0:
            return None
        view = view[got:]
    return data


def make_frame(value: tuple[Any, ...]) -> bytes:
    """Write one frame."""
    body = marshal.dumps(value)
    return LENGTH.pack(len(body)) + body


def _die_with(server: int) -> None:
    """Let the kernel end this process when its server ends, whatever it does then.

    Nothing is lost by it: an end in the middle of a commit is what the log is made for.
    """
    prctl = getattr(ctypes.CDLL(None), "prctl", None)  # Linux only
    if prctl is not None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != server:
        sys.exit()


def main(path: str, server: int) -> None:
    """Serve requests until the other end closes."""
    _die_with(server)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    stream = socket.socket(fileno=os.dup(0))
    opened: list[Writer] = []
    started = answer(lambda: opened.append(Writer(path)))
    stream.sendall(make_frame(started))
    if not opened:
        return
    writer = opened[0]
    while (request := read_frame(stream)) is not None:
        name, *arguments = request
        stream.sendall(make_frame(answer(getattr(writer, name), *arguments)))
    writer.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
