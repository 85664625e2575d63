"""Load from many connections, with a record of what was sent when and what was answered.

Raw sockets: only so is it known when the last byte of a request had been handed over.
"""

import itertools
import math
import random
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Self

from tests.e2e.pushes import FORM, JSON, batch, form
from tests.support.server import Server

# code -> the state of a one-part message that has this report alone
STATES = {
    "DELIVRD": "delivered",
    "EXPIRED": "failed",
    "MK:0001": "failed",
    "E200027": "failed",
    "NOBODY:KNOWS": "failed",
    "ACCEPTD": "accepted",
    "UNKNOWN": "unknown",
}
_CODES = list(STATES)
_BATCH_SHARE = 0.2
_MOST_IN_A_BATCH = 10
_TIMEOUT_S = 15.0
_NO_CONNECTION_S = 0.05  # before the next attempt


@dataclass(frozen=True, slots=True)
class Attempt:
    """One push and what came of it.

    Attributes:
        codes: the status code of each message id in it.
        sent_at: when its last byte had been handed over (monotonic seconds); infinite when the
            connection broke before.
        status: of the complete answer; None when there was none.
        seconds: from the handing over to the answer.
        trouble: what went wrong, for people.
    """

    codes: dict[str, str]
    sent_at: float
    status: int | None
    seconds: float = math.inf
    trouble: str = ""


class BrokenAnswerError(Exception):
    """The connection ended before the answer was complete."""


def exchange(connection: socket.socket, request: bytes) -> tuple[int, bytes]:
    """Send a request; return status and body of its answer.

    Raises:
        BrokenAnswerError: the answer is not complete.
        OSError: the connection failed.
    """
    connection.sendall(request)
    return read_answer(connection)


def read_answer(connection: socket.socket) -> tuple[int, bytes]:
    """Read an answer that tells its length; return status and body.

    Raises:
        BrokenAnswerError: the answer is not complete.
        OSError: the connection failed.
    """
    data = b""
    while b"\r\n\r\n" not in data:
        data += _receive(connection, len(data))
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:])
    length = int(headers["content-length"])
    while len(body) < length:
        body += _receive(connection, len(data) + len(body))
    return int(lines[0].split(" ")[1]), body


def _receive(connection: socket.socket, so_far: int) -> bytes:
    some = connection.recv(65536)
    if not some:
        raise BrokenAnswerError(f"the connection ended after {so_far} bytes of the answer")
    return some


@dataclass
class Load:
    """Pushes of unique ids from several connections until it is stopped; a context.

    Every other connection is closed after each push, as the platform does; the others stay.
    """

    server: Server
    name: str
    connections: int = 20
    pause_s: float = 0.005  # of each connection between two pushes
    attempts: list[Attempt] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, args=(number,), name=f"{self.name}-{number}")
            for number in range(self.connections)
        ]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    @property
    def acknowledged(self) -> dict[str, str]:
        """The code of every id that was answered 200."""
        taken = (attempt.codes for attempt in self.attempts if attempt.status == 200)
        return {sms_msg_id: code for codes in taken for sms_msg_id, code in codes.items()}

    def _work(self, number: int) -> None:
        chance = random.Random(f"{self.name}/{number}")  # noqa: S311 - traffic, no secret
        ids = (f"{self.name}-{number}-{count}_1" for count in itertools.count())
        stays = number % 2 == 0
        connection: socket.socket | None = None
        while not self._stopping.is_set():
            if connection is None:
                connection = self._connect()
                if connection is None:
                    continue
            attempt = self._push(connection, _codes(chance, ids), stays=stays)
            self.attempts.append(attempt)
            if not stays or attempt.status is None:
                connection.close()
                connection = None
            self._stopping.wait(self.pause_s)
        if connection is not None:
            connection.close()

    def _connect(self) -> socket.socket | None:
        try:
            return socket.create_connection(("127.0.0.1", self.server.port), _TIMEOUT_S)
        except OSError:
            self._stopping.wait(_NO_CONNECTION_S)
            return None

    def _push(self, connection: socket.socket, codes: dict[str, str], *, stays: bool) -> Attempt:
        sent_at = math.inf
        try:
            connection.sendall(self._request(codes, stays=stays))
            sent_at = time.monotonic()
            status, _ = read_answer(connection)
        except (OSError, BrokenAnswerError) as error:
            return Attempt(codes, sent_at, None, trouble=f"{type(error).__name__}: {error}")
        return Attempt(codes, sent_at, status, time.monotonic() - sent_at)

    def _request(self, codes: dict[str, str], *, stays: bool) -> bytes:
        items = [{"smsMsgId": sms_msg_id, "status": codes[sms_msg_id]} for sms_msg_id in codes]
        single = len(items) == 1
        body = form(**items[0]) if single else batch(items)
        return post(self.server.callback_path, body, FORM if single else JSON, stays=stays)


def post(path: str, body: bytes, media_type: str, *, stays: bool = False) -> bytes:
    """Write a POST request."""
    return (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {media_type}\r\n"
        f"Connection: {'keep-alive' if stays else 'close'}\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def _codes(chance: random.Random, ids: Iterator[str]) -> dict[str, str]:
    """Choose what the next push says: one report, or a batch."""
    count = chance.randint(2, _MOST_IN_A_BATCH) if chance.random() < _BATCH_SHARE else 1
    return {next(ids): chance.choice(_CODES) for _ in range(count)}
