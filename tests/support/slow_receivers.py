"""Servers that hang, drip or never end, on loopback; what a client meets instead of a receiver."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field

_DRIP_S = 0.05
_BLOCK = 65_536


@dataclass
class SlowReceiver:
    """What listens there.

    Attributes:
        port: of this machine.
        connections: how many came.
        sent: bytes that clients took.
        over: set when it is to end.
    """

    port: int
    connections: int = 0
    sent: int = 0
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def say(self, connection: socket.socket, data: bytes) -> None:
        """Send all at once."""
        connection.sendall(data)
        self.sent += len(data)

    def drip(self, connection: socket.socket, data: bytes) -> None:
        """Send a byte at a time, and begin again at the end."""
        while True:
            for n in range(len(data)):
                self.say(connection, data[n : n + 1])
                if self.over.wait(_DRIP_S):
                    return

    def pour(self, connection: socket.socket, data: bytes) -> None:
        """Send the same again and again."""
        while not self.over.is_set():
            self.say(connection, data)


Behaviour = Callable[[SlowReceiver, socket.socket], None]


def _drip_after(head: bytes, data: bytes) -> Behaviour:
    def behave(slow: SlowReceiver, connection: socket.socket) -> None:
        connection.recv(_BLOCK)
        slow.say(connection, head)
        slow.drip(connection, data)

    return behave


def _pour_after(head: bytes, data: bytes) -> Behaviour:
    def behave(slow: SlowReceiver, connection: socket.socket) -> None:
        connection.recv(_BLOCK)
        slow.say(connection, head)
        slow.pour(connection, data)

    return behave


def _hang(slow: SlowReceiver, _: socket.socket) -> None:
    slow.over.wait()


_CHUNKED = b"HTTP/1.1 202 Accepted\r\ntransfer-encoding: chunked\r\n\r\n"
_CHUNK = b"ffff\r\n" + 65_535 * b" " + b"\r\n"
BEHAVIOURS: dict[str, Behaviour] = {
    "hangs": _hang,
    "drips nothing but spaces": _drip_after(b"HTTP/1.1 202 Accepted\r\n\r\n", b" "),
    "drips its answer": _drip_after(b"HTTP/1.1 202 Accepted\r\ncontent-length: 9999\r\n\r\n", b"{"),
    "drips chunks": _drip_after(_CHUNKED, b"1\r\n \r\n"),
    "drips its first line": _drip_after(b"", b"H"),
    "drips headers": _drip_after(b"HTTP/1.1 202 Accepted\r\n", b"x: y\r\n"),
    "drips interim answers": _drip_after(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "pours interim answers": _pour_after(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
}
ENDLESS: dict[str, Behaviour] = {
    "body": _pour_after(b"HTTP/1.1 202 Accepted\r\n\r\n", _BLOCK * b" "),
    "chunks": _pour_after(_CHUNKED, _CHUNK),
    "length": _pour_after(
        b"HTTP/1.1 202 Accepted\r\ncontent-length: 99999999999\r\n\r\n", _BLOCK * b" "
    ),
    "packed": _pour_after(
        b"HTTP/1.1 202 Accepted\r\ncontent-encoding: gzip\r\n\r\n", _BLOCK * b"\0"
    ),
}


@contextmanager
def slow_receiver(behave: Behaviour) -> Iterator[SlowReceiver]:
    """Run one on loopback."""
    threads: list[threading.Thread] = []
    with closing(socket.create_server(("127.0.0.1", 0), backlog=128)) as listener:
        slow = SlowReceiver(listener.getsockname()[1])

        def serve(connection: socket.socket) -> None:
            with closing(connection), suppress(OSError):
                connection.settimeout(1.0)  # so that it ends when the test does
                behave(slow, connection)

        def listen() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    slow.connections += 1
                    threads.append(threading.Thread(target=serve, args=(connection,)))
                    threads[-1].start()

        threads.append(threading.Thread(target=listen))
        threads[0].start()
        try:
            yield slow
        finally:
            slow.over.set()
            listener.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join()


@contextmanager
def receiver_away() -> Iterator[str]:
    """Return an address that drops packets: a listener whose queue is full."""
    with (
        closing(socket.create_server(("127.0.0.1", 0), backlog=0)) as listener,
        ExitStack() as all_,
    ):
        address = listener.getsockname()
        for _ in range(4):  # the kernel takes one or two more than it was told to
            waiting = all_.enter_context(closing(socket.socket()))
            waiting.setblocking(False)  # noqa: FBT003
            with suppress(BlockingIOError):
                waiting.connect(address)
        yield f"http://127.0.0.1:{address[1]}"
