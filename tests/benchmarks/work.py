"""Small work that keeps an event loop busy, as the other requests of a server would."""

import asyncio
import socket
import time
from contextlib import AbstractContextManager, ExitStack
from enum import StrEnum
from typing import Self
from urllib.parse import parse_qsl

_FORM = "sequence=1&total=1&source=2&smsMsgId=1&status=DELIVRD"


class Load(StrEnum):
    """What the event loop is busy with."""

    CHAIN = "chain"  # tasks that chain `call_soon`: the loop never sleeps
    SOCKETS = "sockets"  # messages to and fro over sockets: the loop polls between them
    NONE = "none"


class Work(AbstractContextManager["Work"]):
    """Work that goes on until `seconds` have passed; each turn parses one small form.

    It ends by time and not by the caller alone, so that a writer starved of the GIL gets it back.
    """

    def __init__(self, load: Load, tasks: int, seconds: float) -> None:
        self.done = 0
        self.ended_at = float("inf")
        self._load = load
        self._tasks = tasks
        self._loop = asyncio.get_running_loop()
        self._began = time.perf_counter()
        self._end = self._began + seconds
        self._timer = self._loop.call_at(self._loop.time() + seconds, self._stop)
        self._sockets = ExitStack()

    @property
    def going(self) -> bool:
        """Whether the time is not over yet."""
        return self.ended_at == float("inf")

    @property
    def elapsed(self) -> float:
        """Seconds from the beginning to the end."""
        return self.ended_at - self._began

    def __enter__(self) -> Self:
        for _ in range(self._tasks):
            match self._load:
                case Load.CHAIN:
                    self._chain()
                case Load.SOCKETS:
                    self._connect()
                case Load.NONE:
                    pass
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._stop()
        self._sockets.close()

    def _stop(self) -> None:
        if self.going:
            self.ended_at = time.perf_counter()

    def _turn(self) -> bool:
        if not self.going:
            return False
        parse_qsl(_FORM)
        self.done += 1
        return True

    def _chain(self) -> None:
        if self._turn():
            self._loop.call_soon(self._chain)

    def _connect(self) -> None:
        pair = socket.socketpair()
        for end in pair:
            end.setblocking(False)  # noqa: FBT003 - the signature is the library's
            self._sockets.callback(self._drop, end)
            self._loop.add_reader(end, self._answer, end)
        pair[0].send(b"x")

    def _drop(self, end: socket.socket) -> None:
        self._loop.remove_reader(end)
        end.close()

    def _answer(self, end: socket.socket) -> None:
        message = end.recv(256)
        if self._turn():
            end.send(message)
