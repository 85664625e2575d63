"""The server's side of the writing process: starts it, sends requests, detects its exit."""

import asyncio
import contextlib
import marshal
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Self

from receiver.journal import writer

_END_PATIENCE_S = 1.0
_READ_AHEAD = 4096  # an answer comes in one piece: one wait for it, not one for each field


class WriterError(Exception):
    """A request to the writer failed.

    Attributes:
        code: SQLite's extended error code, 0 when it was no error of SQLite.
        name: the error's name.
    """

    def __init__(self, code: int, name: str) -> None:
        super().__init__(name)
        self.code = code
        self.name = name

    @property
    def is_damage(self) -> bool:
        """Whether SQLite found the file damaged."""
        return self.code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class WriterProcess:
    """A running writer. One request at a time: the caller takes care of the turns."""

    def __init__(self, process: subprocess.Popen[bytes], stream: socket.socket) -> None:
        self._process = process
        self._stream = stream
        self._received = b""  # of an answer, not yet taken
        self._is_broken = False  # the process may be gone before it can be seen to be
        self._asked_at: float | None = None  # of the request that has no answer yet

    @classmethod
    async def start(cls, path: Path) -> Self:
        """Start a writer on a journal file; returns when the file is open.

        Raises:
            WriterError: it cannot open the file.
        """
        try:
            started = cls(*_spawn(path))
        except OSError as error:  # no descriptors, no memory
            raise WriterError(0, type(error).__name__) from error
        try:
            await started._read_answer()
        except WriterError:
            await started.end()
            raise
        except BaseException:  # whoever waited for it has gone: nobody else would end it
            started.abandon()
            raise
        return started

    async def ask(self, name: str, *arguments: Any) -> Any:
        """Let the writer run one of its methods; return the result.

        Raises:
            WriterError: the writer failed or died; what it was asked may or may not be done.
        """
        loop = asyncio.get_running_loop()
        self._asked_at = time.monotonic()
        try:
            await loop.sock_sendall(self._stream, writer.make_frame((name, *arguments)))
            return await self._read_answer()
        except OSError as error:
            raise self._broken(type(error).__name__) from error
        finally:
            self._asked_at = None

    async def _read_answer(self) -> Any:
        head = await self._read_exactly(writer.LENGTH.size)
        body = await self._read_exactly(writer.LENGTH.unpack(head)[0])
        done, *result = marshal.loads(body)  # noqa: S302 - our own writer wrote it
        if not done:
            raise WriterError(*result)
        return result[0]

    async def _read_exactly(self, size: int) -> bytes:
        loop = asyncio.get_running_loop()
        while len(self._received) < size:
            try:
                got = await loop.sock_recv(self._stream, _READ_AHEAD)
            except OSError as error:
                raise self._broken(type(error).__name__) from error
            if not got:
                raise self._broken("WriterDied")
            self._received += got
        data, self._received = self._received[:size], self._received[size:]
        return data

    def _broken(self, name: str) -> WriterError:
        self._is_broken = True
        return WriterError(0, name)

    @property
    def alive(self) -> bool:
        """Whether it can be asked."""
        return not self._is_broken and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def ending(self) -> str:
        """Return how the process ended, "" while it has not."""
        status = self._process.poll()
        if status is None:
            return ""
        if status >= 0:
            return f"exit status {status}"
        known = {number.value: number.name for number in signal.Signals}
        return f"killed by {known.get(-status, f'signal {-status}')}"

    def silent_s(self) -> float:
        """Return how long a request has been without an answer (seconds)."""
        return 0.0 if self._asked_at is None else time.monotonic() - self._asked_at

    def state(self) -> str:
        """Return the process's state as the kernel writes it, "" where it cannot be read.

        `T`: stopped by a signal; `D`: waits for the disk, and cannot be killed before it answers.
        """
        try:
            status = Path(f"/proc/{self._process.pid}/stat").read_text()
        except OSError:
            return ""
        return status.rpartition(")")[2].split()[0]

    def kill(self) -> None:
        """Kill it; what it was asked fails when it is gone, which the disk may hold up."""
        self._process.kill()

    def abandon(self) -> None:
        """End it without waiting for what it does."""
        self._stream.close()
        self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_PATIENCE_S)

    async def end(self) -> None:
        """Let the writer finish and end; one that the disk holds is killed."""
        self._stream.close()
        try:
            await asyncio.to_thread(self._process.wait, _END_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()


def _spawn(path: Path) -> tuple[subprocess.Popen[bytes], socket.socket]:
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            process = subprocess.Popen(  # noqa: S603 - our own file
                [sys.executable, "-I", writer.__file__, str(path), str(os.getpid())],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
            )
        except OSError:
            ours.close()
            raise
    ours.setblocking(False)  # noqa: FBT003 - the signature is the library's
    return process, ours
