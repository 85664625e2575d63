"""Clients of the private API that are at work while something happens to the server."""

import socket
import threading
import time
from typing import Self

import httpx

from tests.support.server import KEY, Server, eventually, http_client

LARGEST_PAGE = 1000  # messages
_SIP_BYTES, _SIP_EVERY_S = 16, 0.05
_PAUSE_S = 0.05


class SlowDownload:
    """A client that reads a large answer a few bytes at a time; a context."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._received = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sip, name="slow download")

    def __enter__(self) -> Self:
        self._connection = socket.socket()
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._connection.settimeout(10)
        self._connection.connect(("127.0.0.1", self._server.api_port))
        self._connection.sendall(
            f"GET /v1/messages?limit={LARGEST_PAGE} HTTP/1.1\r\nHost: localhost\r\n"
            f"Authorization: Bearer {KEY}\r\n\r\n".encode()
        )
        self._thread.start()
        eventually(lambda: self._received > _SIP_BYTES, "the download has begun")
        return self

    def is_under_way(self) -> bool:
        """Tell whether the answer is still being read."""
        return self._thread.is_alive()

    def _sip(self) -> None:
        while not self._ended.wait(_SIP_EVERY_S):
            try:
                some = self._connection.recv(_SIP_BYTES)
            except OSError:
                return
            if not some:
                return
            self._received += len(some)

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._connection.close()


class Lookups:
    """Look-ups one after the other, each of them to be answered; a context.

    Attributes:
        answered: how many were.
        slowest_s: the longest that one of them took.
        complaints: what went wrong.
        may_fail: whether the server is about to end, so that a look-up may be refused.
    """

    def __init__(self, server: Server, paths: tuple[str, ...]) -> None:
        self.answered = 0
        self.slowest_s = 0.0
        self.complaints: list[str] = []
        self.may_fail = False
        self._paths = paths
        self._http = http_client(server.api_url, KEY)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._ask, name="look-ups")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def _ask(self) -> None:
        while not self._ended.is_set():
            for path in self._paths:
                began = time.monotonic()
                try:
                    status = self._http.get(path).status_code
                except httpx.TransportError as error:
                    self._note(path, type(error).__name__)
                else:
                    self._note(path, "" if status == 200 else str(status))
                self.slowest_s = max(self.slowest_s, time.monotonic() - began)
            self._ended.wait(_PAUSE_S)

    def _note(self, path: str, trouble: str) -> None:
        if not trouble:
            self.answered += 1
        elif not self.may_fail:
            self.complaints.append(f"GET {path}: {trouble}")

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._http.close()
