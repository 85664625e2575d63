"""The process that writes the journal: one connection, one request at a time, an answer for each.

It shares no interpreter lock with the event loop, so a commit costs the loop two small system
calls instead of a fight for the lock (figures: `python -m tests.benchmarks.journal`). It imports
the standard library only, because it is started by path, without the package.

It speaks over its standard input, a socket: a frame is a length and a marshalled tuple. It ends
when the other end closes, and ignores the signals that a terminal or a supervisor sends to all
processes of a service: what was taken must still be answered.
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
from collections.abc import Callable
from functools import cache
from typing import Any

COLUMNS = "position, kind, application, received_at, peer, trust, headers, body"
LAYOUT = "1"  # raised when the tables change in a way that older code cannot read
LENGTH = struct.Struct("!Q")

_WIDTH = 8  # columns
_PARAMETERS = f"({', '.join('?' * _WIDTH)})"
_STATEMENTS_KEPT = 512  # one for each size of a group
_BUSY_TIMEOUT_S = 5
_LOCK_PATIENCE_S = 5  # for a writer whose server was killed to end
_LOCK_LOOKS_EVERY_S = 0.01
_PR_SET_PDEATHSIG = 1  # of linux/prctl.h
_PROBE = 64 * 1024 * "0"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS journal (
    position INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    application TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    peer TEXT NOT NULL,
    trust TEXT NOT NULL,
    headers TEXT NOT NULL,
    body BLOB NOT NULL
);
"""
_PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA wal_autocheckpoint = 0",  # the server says when, between two commits
    "PRAGMA secure_delete = ON",  # what is deleted is overwritten by zeros
)


class HeldError(OSError):
    """Another process holds the lock; its id stands in the lock's file."""


class Writer:
    """The writing connection; each public method is one request and one transaction."""

    def __init__(self, path: str) -> None:
        self._lock = _take_lock(path + ".lock")
        # Autocommit: each statement is a transaction of its own, committed within its one step.
        self._connection = sqlite3.connect(
            path,
            isolation_level=None,
            cached_statements=_STATEMENTS_KEPT,
            timeout=_BUSY_TIMEOUT_S,
        )
        for pragma in _PRAGMAS:
            self._connection.execute(pragma)
        self._connection.executescript(_SCHEMA)
        self._connection.execute(
            "INSERT OR IGNORE INTO meta VALUES ('layout', ?), ('identity', ?)",
            (LAYOUT, str(uuid.uuid4())),
        )

    def append(self, rows: int, values: list[Any]) -> None:
        """Write rows in one statement; on return they are on disk."""
        self._connection.execute(_insert(rows), values)

    def delete_oldest(self, up_to: int, arrived_before: int, limit: int) -> int:
        """Delete the oldest rows up to a position and a time; give how many went."""
        return self._connection.execute(
            "DELETE FROM journal WHERE position IN (SELECT position FROM journal"
            " WHERE position <= ? AND received_at < ? ORDER BY position LIMIT ?)",
            (up_to, arrived_before, limit),
        ).rowcount

    def renew_identity(self) -> str:
        """Give the journal another identity."""
        identity = str(uuid.uuid4())
        self._connection.execute("UPDATE meta SET value = ? WHERE name = 'identity'", (identity,))
        return identity

    def try_writing(self) -> None:
        """Write as much as a large push and take it back, to learn whether the disk takes it."""
        self._connection.execute("INSERT OR REPLACE INTO meta VALUES ('probe', ?)", (_PROBE,))
        self._connection.execute("DELETE FROM meta WHERE name = 'probe'")

    def replace(self, rows: list[tuple[str, str, bytes, int]]) -> None:
        """Put another kind, headers and body in the place of those of rows, all or none."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            self._connection.executemany(
                "UPDATE journal SET kind = ?, headers = ?, body = ? WHERE position = ?", rows
            )
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def compact(self) -> None:
        """Write the whole file anew, without what is left between its rows."""
        self._connection.execute("VACUUM")

    def checkpoint(self, mode: str) -> bool:
        """Copy the WAL into the file (PASSIVE), or empty it too (TRUNCATE); tell whether it did."""
        # Whoever reads may hold a checkpoint up, but never the commits behind it.
        self._connection.execute("PRAGMA busy_timeout = 0")
        try:
            found = self._connection.execute(f"PRAGMA wal_checkpoint({mode})")
            return bool(found.fetchone()[0] == 0)
        finally:
            self._connection.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_S * 1000}")

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


@cache
def _insert(rows: int) -> str:
    values = ", ".join([_PARAMETERS] * rows)
    return f"INSERT INTO journal ({COLUMNS}) VALUES {values}"  # noqa: S608 - constants only


def _take_lock(path: str) -> int:
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
    """Do one request; give `(True, result)` or `(False, error code, error name)`."""
    try:
        return True, writer(*arguments)
    except (sqlite3.Error, OSError, ValueError, OverflowError) as error:
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


def _die_with_parent() -> None:
    """Let the system kill this process when its server dies, also while it is stopped or hangs.

    A killed server answers nobody any more, and a commit that is cut off leaves nothing behind.
    """
    with contextlib.suppress(OSError, AttributeError):  # Linux only
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def main(path: str) -> None:
    """Serve requests until the other end closes."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    _die_with_parent()
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
    main(sys.argv[1])
