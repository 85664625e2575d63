"""One flooding client: a process of its own that ends by itself.

python -m tests.faults.flooder PORT PATH KIND SECONDS ADDRESS
"""

import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

BUSY = "busy loops"  # no flood: processes that take as much of the processors
_PATIENCE_S = 0.5  # for an answer, before it connects again
_REPEATED = 2000  # times in what is handed over at once
_SINK_BYTES = 256 * 1024
_MANY = 300  # connections of a flooder


@dataclass(frozen=True, slots=True)
class Flood:
    """What a flooding client sends; `@` stands for the path of pushes.

    Attributes:
        over_and_over: what is repeated.
        first: what comes before that, once in each connection.
        private: whether it is meant for the private listener.
        reads: whether the answers are read.
        piece: bytes in a segment; 0: as many as there are.
        reconnects: whether each repetition has a connection of its own.
        connections: how many are kept open, each of which sends in its turn.
    """

    over_and_over: bytes
    first: bytes = b""
    private: bool = False
    reads: bool = True
    piece: int = 0
    reconnects: bool = False
    connections: int = 1

    @property
    def is_crowd(self) -> bool:
        """Whether it opens connections without waiting for what became of those before."""
        return self.connections > 1 or (self.reconnects and not self.reads)


_HEAD = b" HTTP/1.1\r\nHost: localhost\r\n"
_CHUNKED = _HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
_HEALTH = b"GET /healthz" + _HEAD + b"\r\n"
_NOWHERE = b"GET /" + _HEAD + b"\r\n"
_CHUNK, _HEADER = b"1\r\na\r\n", b"a:\r\n"

FLOODS = {
    "pipelined 404": Flood(_NOWHERE),
    "pipelined without a host": Flood(b"GET / HTTP/1.1\r\n\r\n"),
    "pipelined healthz": Flood(_HEALTH),
    "healthz unread": Flood(_HEALTH, reads=False),
    "tiny segments": Flood(_HEALTH, piece=1),
    "one-byte chunks": Flood(_CHUNK, b"POST @" + _CHUNKED),
    "100-continue": Flood(
        b"POST @" + _HEAD + b"Content-Length: 9\r\nExpect: 100-continue\r\n\r\n", reconnects=True
    ),
    "headers": Flood(_HEADER, b"GET /healthz" + _HEAD),
    "new connections": Flood(_NOWHERE, reconnects=True),
    "wrong tokens": Flood(
        b"POST /callbacks/wrong" + _HEAD + b"Content-Length: 0\r\n\r\n", reconnects=True
    ),
    "wrong tokens, answers unread": Flood(
        b"POST /callbacks/wrong" + _HEAD + b"Content-Length: 0\r\n\r\n",
        reconnects=True,
        reads=False,
    ),
    "unfinished heads": Flood(
        b"GET /healthz" + _HEAD + b"a: " + b"b" * 15_000,
        reconnects=True,
        reads=False,
        connections=_MANY,
    ),
    "heaps of healthz": Flood(_HEALTH * 300, reconnects=True, reads=False, connections=_MANY),
    "heaps of healthz, kept": Flood(_HEALTH * 30, reads=False, connections=_MANY),
    "one healthz each": Flood(_HEALTH, reconnects=True, reads=False, connections=_MANY),
    "half bodies": Flood(
        b"POST /callbacks/wrong" + _HEAD + b"Content-Length: 60000\r\n\r\n" + b"a" * 50_000,
        reconnects=True,
        reads=False,
        connections=_MANY,
    ),
    "connections without a word": Flood(b"", reconnects=True, reads=False, connections=_MANY),
    "tiny segments of many": Flood(_HEALTH, piece=1, connections=50),
    "private 401": Flood(b"GET /v1/messages" + _HEAD + b"\r\n", private=True),
    "private healthz": Flood(_HEALTH, private=True),
    "private chunks": Flood(_CHUNK, b"POST /v1/sends" + _CHUNKED, private=True),
    "private headers": Flood(_HEADER, b"GET /healthz" + _HEAD, private=True),
}


def main(port: int, path: str, kind: str, seconds: float, address: str = "127.0.0.1") -> None:
    """Flood a port from an address until the time is over; whoever is cut off connects again."""
    until = time.monotonic() + seconds
    if kind == BUSY:
        _be_busy(until)
        return
    flood = FLOODS[kind]
    if flood.connections > 1:
        _by_many(port, flood, until, address)
        return
    flow = _once if flood.reconnects else _on_and_on
    while time.monotonic() < until:
        with suppress(OSError), _connect(port, address) as one:
            flow(one, flood, path.encode(), lambda: time.monotonic() < until)


def _be_busy(until: float) -> None:
    while time.monotonic() < until:
        pass


def _connect(port: int, address: str) -> socket.socket:
    one = socket.create_connection(("127.0.0.1", port), _PATIENCE_S, (address, 0))
    one.settimeout(_PATIENCE_S)
    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return one


def _once(connection: socket.socket, flood: Flood, path: bytes, _: Callable[[], bool]) -> None:
    connection.sendall(flood.over_and_over.replace(b"@", path))
    if flood.reads:
        connection.recv(_SINK_BYTES)


def _on_and_on(
    connection: socket.socket, flood: Flood, path: bytes, goes_on: Callable[[], bool]
) -> None:
    if flood.reads:
        threading.Thread(target=_read, args=(connection,), daemon=True).start()
    connection.sendall(flood.first.replace(b"@", path))
    data = flood.over_and_over.replace(b"@", path) * _REPEATED
    while goes_on():
        for start in range(0, len(data), flood.piece or len(data)):
            connection.sendall(data[start : start + (flood.piece or len(data))])
            if not goes_on():
                break


def _by_many(port: int, flood: Flood, until: float, address: str) -> None:
    """Keep many connections open: each sends a piece in its turn, or makes room for a new one."""
    data = flood.over_and_over
    kept: deque[tuple[socket.socket, int] | None] = deque([None] * flood.connections)
    while time.monotonic() < until:
        had = kept.popleft()
        if had is not None and flood.reconnects:
            had[0].close()
            had = None
        try:
            one, sent = had or (_connect(port, address), 0)
            sent += _send_some(one, data[sent : sent + (flood.piece or len(data))], flood)
            kept.append((one, sent % max(1, len(data))))
        except OSError:
            kept.append(None)


def _send_some(one: socket.socket, data: bytes, flood: Flood) -> int:
    """Send what can be sent at once; tell how many bytes that is."""
    one.setblocking(False)  # noqa: FBT003 - the signature is the library's
    with suppress(BlockingIOError):
        while flood.reads and one.recv(_SINK_BYTES):
            pass
    with suppress(BlockingIOError):
        return one.send(data)
    return 0


def _read(connection: socket.socket) -> None:
    with suppress(OSError):
        while connection.recv(_SINK_BYTES):
            pass


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3], float(sys.argv[4]), sys.argv[5])
