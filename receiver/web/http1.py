"""HTTP/1.1 on the public listener: bytes of a connection <-> requests and answers.

A push is answered when a group commit is done, for dozens of pushes at a time. So there is no task
and no request object of a framework for each of them, only a callback: that alone decides how many
pushes a processor can take (figures: `python -m tests.benchmarks`). llhttp, by way of httptools,
does the parsing.
"""

import asyncio
import time
from collections.abc import Container
from dataclasses import dataclass
from email.utils import formatdate
from enum import Enum, auto
from typing import Protocol
from urllib.parse import unquote

import httptools
import structlog

from receiver.web.answers import Answer, Header
from receiver.web.crowding import Crowd
from receiver.web.peers import group_of

_log = structlog.get_logger(__name__)

# After an answer to half a request the rest is read and dropped for so long: closing at once would
# reset the connection, and the client would never see the answer. Also the time that a client has
# to read its last answer.
_LINGER_S = 2.0
_LAST_HALF_S = 2.0  # for the rest of a request that is half there when the server ends
_MOST_PIPELINED = 16  # requests of a connection in hand before it is read on
_AROUND_A_HEADER = 4  # bytes: colon, blank, line end
_NEVER = float("inf")


class Trouble(Enum):
    """Why a request was given up before it was whole."""

    MALFORMED = auto()
    HEAD_TOO_LARGE = auto()
    BODY_TOO_LARGE = auto()
    TOO_SLOW = auto()
    CROWDED = auto()  # others needed the connection
    DEFECT = auto()  # of ours


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a request may be, and how long it may take."""

    max_body_bytes: int = 64 * 1024
    max_head_bytes: int = 16 * 1024
    request_s: float = 10.0  # for head and body together
    idle_s: float = 10.0  # between two requests of a connection
    max_headers: int = 100
    max_connections: int = 4000
    max_connections_per_peer: int = 1000
    exempt_peers: Container[str] = ()  # that speak for many clients


class Exchange:
    """One request, and the place where its answer is given.

    Attributes:
        method: as it came.
        path: without the query, percent-encoding undone.
        target: path and query as they came.
        headers: names in lower case.
        body: whole when the handler takes the exchange.
        peer: the client's address, empty when it has none.
        started: when the head was there, `time.perf_counter`.
        application: the handler's own note of whose request it is.
        address: the handler's own note of where it came to.
        trust: the handler's own note of how far it is believed.
    """

    __slots__ = (
        "_connection",
        "address",
        "answered",
        "application",
        "body",
        "headers",
        "is_whole",
        "keep_alive",
        "method",
        "path",
        "peer",
        "started",
        "target",
        "trust",
    )

    def __init__(self, connection: "Connection", peer: str) -> None:
        self._connection = connection
        self.peer = peer
        self.headers: list[Header] = []
        self.body = b""
        self.application = ""
        self.address = b""
        self.trust = ""
        self.method = b""
        self.path = ""
        self.target = b""
        self.started = 0.0
        self.keep_alive = False
        self.is_whole = False
        self.answered: Answer | None = None

    def answer(self, answer: Answer) -> None:
        """Send the answer, after those of earlier requests; a client that left is no error."""
        self.answered = answer
        self._connection.send_answers()


class Handler(Protocol):
    """What decides about requests."""

    def open(self, exchange: Exchange) -> Answer | None:
        """Judge a request by its head; None: its body is wanted."""

    def take(self, exchange: Exchange) -> None:
        """Take a whole request; `exchange.answer` is to be called once, now or later."""

    def give_up(self, trouble: Trouble) -> Answer:
        """Give the answer to a request that did not become whole."""


class Edge:
    """What all connections of a listener share."""

    def __init__(self, handler: Handler, limits: Limits) -> None:
        self.handler = handler
        self.limits = limits
        self.connections: set[Connection] = set()
        self.crowd: Crowd[Connection] = Crowd(
            limits.max_connections, limits.max_connections_per_peer, limits.exempt_peers
        )
        self.is_ending = False
        self.ended = asyncio.Event()  # no connection is left, and none will come
        self.tick()

    def tick(self) -> None:
        """Look at the clock, for all connections at once: to be called several times a second."""
        self.now = time.monotonic()
        date = b"date: " + formatdate(usegmt=True).encode()
        self.end_open = date + b"\r\n\r\n"
        self.end_close = date + b"\r\nconnection: close\r\n\r\n"
        for connection in [one for one in self.connections if one.deadline < self.now]:
            connection.run_out()

    def end(self) -> None:
        """Let every connection end after what it has begun."""
        self.is_ending = True
        self.now = time.monotonic()
        for connection in list(self.connections):
            connection.end()
        self.note_end()

    def note_end(self) -> None:
        """Notice that the last connection has ended."""
        if self.is_ending and not self.connections:
            self.ended.set()


class Connection(asyncio.Protocol):
    """One connection of a client."""

    __slots__ = (
        "_body",
        "_edge",
        "_exchange",
        "_exchanges",
        "_group",
        "_head_bytes",
        "_held_back_bytes",
        "_is_deaf",
        "_is_paused",
        "_parser",
        "_peer",
        "_transport",
        "_url",
        "deadline",
    )

    def __init__(self, edge: Edge) -> None:
        self.deadline = edge.now + edge.limits.request_s
        self._edge = edge
        self._parser = httptools.HttpRequestParser(self)
        self._exchanges: list[Exchange] = []  # whole or given up, not yet answered, in order
        self._exchange: Exchange | None = None  # that is being read
        self._is_deaf = False  # no further request is taken
        self._is_paused = False
        self._head_bytes = 0
        self._held_back_bytes = 0
        self._url = b""
        self._body: bytes | bytearray = b""

    # --- the transport's side ---------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # a stream's
        """Begin."""
        self._transport = transport
        peer = transport.get_extra_info("peername")
        self._peer = peer[0] if peer else ""
        edge = self._edge
        is_exempt = self._peer in edge.limits.exempt_peers
        self._group = self._peer if is_exempt else group_of(self._peer)
        edge.connections.add(self)
        if edge.crowd.come(self, self._group):
            (edge.crowd.longest(self._group) or self).make_room()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the base's signature
        """Forget a connection; what was taken of it is kept all the same."""
        self._edge.connections.discard(self)
        self._edge.crowd.leave(self, self._group)
        self._edge.note_end()
        self._is_deaf = True
        self._exchanges.clear()
        self._exchange = None

    def data_received(self, data: bytes) -> None:
        """Read on."""
        if self._is_deaf:
            return
        reading, counted = self._exchange, self._head_bytes
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # Everything behind the head would belong to another protocol.
            self._give_up(Trouble.MALFORMED)
        except httptools.HttpParserError:
            self._give_up(Trouble.MALFORMED)
        else:
            if reading is not None and reading is self._exchange and not reading.path:
                self._count_held_back(0 if self._head_bytes > counted else len(data))

    def eof_received(self) -> bool:
        """Answer what is whole, although the client will send no more."""
        self._is_deaf = True
        self._exchange = None
        self.deadline = _NEVER if self._exchanges else self._edge.now + _LINGER_S
        return bool(self._exchanges)  # false: the transport closes

    def pause_writing(self) -> None:
        """Read no more from a client that does not read its answers."""
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Read on."""
        self._transport.resume_reading()

    # --- the parser's side ------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Begin a request."""
        if self._is_deaf:
            return
        self._exchange = Exchange(self, self._peer)
        self._url = b""
        self._body = b""
        self._head_bytes = 0
        self._held_back_bytes = 0
        self.deadline = self._edge.now + self._edge.limits.request_s

    def on_url(self, url: bytes) -> None:
        """Take a piece of the request target."""
        self._url += url
        self._count_head(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; one behind the body is only counted."""
        exchange = self._exchange
        if exchange is None:
            return
        if not exchange.path:
            exchange.headers.append((name.lower(), value.rstrip(b" \t")))
            if len(exchange.headers) > self._edge.limits.max_headers:
                self._give_up(Trouble.HEAD_TOO_LARGE)
        self._count_head(len(name) + len(value) + _AROUND_A_HEADER)

    def on_headers_complete(self) -> None:
        """Judge the request by its head."""
        exchange = self._exchange
        if exchange is None:
            return
        parser, edge = self._parser, self._edge
        exchange.started = time.perf_counter()
        exchange.method = parser.get_method()
        exchange.path = _path(self._url)
        exchange.target = bytes(self._url)
        if parser.should_upgrade():
            return
        # A client of HTTP/1.0 that asks for it is not told that we agree, so we do not.
        exchange.keep_alive = (
            parser.should_keep_alive() and not edge.is_ending and parser.get_http_version() != "1.0"
        )
        try:
            exchange.answered = edge.handler.open(exchange)
        except Exception as error:  # noqa: BLE001 - one request's trouble must not touch the others
            exchange.answered = self._note_defect(error)
        self._heed_headers(exchange)

    def _heed_headers(self, exchange: Exchange) -> None:
        """Do what the headers ask for before the body comes."""
        for name, value in exchange.headers:
            if name == b"content-length":
                # llhttp has made sure that it is a number.
                if exchange.answered is None and int(value) > self._edge.limits.max_body_bytes:
                    self._give_up(Trouble.BODY_TOO_LARGE)
                    return
            elif name == b"expect" and value.lower() == b"100-continue":
                if exchange.answered is not None:
                    self._finish(exchange.answered)  # the body need not come
                    return
                if not self._exchanges:
                    self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        exchange = self._exchange
        if exchange is None or exchange.answered is not None:
            return
        if not self._body:  # nearly always the only piece
            self._body = body
        elif isinstance(self._body, bytes):
            self._body = bytearray(self._body + body)
        else:
            self._body += body
        if len(self._body) > self._edge.limits.max_body_bytes:
            self._give_up(Trouble.BODY_TOO_LARGE)

    def on_message_complete(self) -> None:
        """Hand a whole request to the handler."""
        exchange = self._exchange
        if exchange is None or self._parser.should_upgrade():
            return
        self._exchange = None
        self.deadline = _NEVER  # from here on it is we who take time
        self._edge.crowd.work(self, self._group)
        exchange.is_whole = True
        self._exchanges.append(exchange)
        if not exchange.keep_alive:
            self._is_deaf = True
        exchange.body = bytes(self._body)
        if exchange.answered is not None:
            self.send_answers()
        else:
            self._hand_over(exchange)
        if len(self._exchanges) >= _MOST_PIPELINED:
            self._transport.pause_reading()
            self._is_paused = True

    def _hand_over(self, exchange: Exchange) -> None:
        try:
            self._edge.handler.take(exchange)
        except Exception as error:  # noqa: BLE001 - as for `open`
            exchange.answer(self._note_defect(error))

    def _note_defect(self, error: Exception) -> Answer:
        _log.error("a request failed", exc_info=error)
        return self._edge.handler.give_up(Trouble.DEFECT)

    # --- answering --------------------------------------------------------------------------

    def send_answers(self) -> None:
        """Send the answers whose turn it is."""
        exchanges = self._exchanges
        while exchanges and (answer := exchanges[0].answered) is not None:
            exchange = exchanges.pop(0)
            end = self._edge.end_open if exchange.keep_alive else self._edge.end_close
            body = b"" if exchange.method == b"HEAD" else answer.body
            self._transport.write(answer.head + end + body)
            if not exchange.keep_alive:
                self._close_after(exchange)
                return
        if not exchanges and self._exchange is None:
            if self._is_deaf:
                self._close()
                return
            self.deadline = self._edge.now + self._edge.limits.idle_s
            self._edge.crowd.wait(self, self._group)
            if self._is_paused:
                self._transport.resume_reading()
                self._is_paused = False

    def _close_after(self, exchange: Exchange) -> None:
        if exchange.is_whole or not self._transport.can_write_eof():
            self._close()
        else:
            self._transport.write_eof()
            self.deadline = self._edge.now + _LINGER_S

    def _close(self) -> None:
        self.deadline = self._edge.now + _LINGER_S
        self._transport.close()

    def _give_up(self, trouble: Trouble) -> None:
        if not self._is_deaf:
            self._finish(self._edge.handler.give_up(trouble))

    def _finish(self, answer: Answer) -> None:
        """Answer a request that is not whole; the connection takes no other one."""
        exchange = self._exchange or Exchange(self, self._peer)
        self._exchange = None
        self._is_deaf = True
        self.deadline = _NEVER
        exchange.keep_alive = False
        exchange.answered = answer
        self._exchanges.append(exchange)
        self.send_answers()

    # --- limits -----------------------------------------------------------------------------

    def _count_head(self, more_bytes: int) -> None:
        """Count what the parser has handed over of a head."""
        self._head_bytes += more_bytes
        self._held_back_bytes = 0
        self._check_head()

    def _count_held_back(self, more_bytes: int) -> None:
        """Count what the parser keeps: a header that never ends is handed over at its end only."""
        self._held_back_bytes += more_bytes
        self._check_head()

    def _check_head(self) -> None:
        if self._head_bytes + self._held_back_bytes > self._edge.limits.max_head_bytes:
            self._give_up(Trouble.HEAD_TOO_LARGE)

    def make_room(self) -> None:
        """Leave, because others need the connection."""
        self._edge.crowd.work(self, self._group)  # it is not chosen twice
        if self._exchange is None or self._is_deaf:
            self._edge.handler.give_up(Trouble.CROWDED)
            self._is_deaf = True
            self._transport.abort()
        else:
            self._give_up(Trouble.CROWDED)
            self._transport.close()  # without waiting for the rest of the request

    def run_out(self) -> None:
        """End what took too long."""
        if self._exchange is not None and not self._is_deaf:
            self._give_up(Trouble.TOO_SLOW)
        elif self._transport.is_closing():
            self._transport.abort()  # the client does not read
        else:
            self._close()

    def end(self) -> None:
        """Take no further request; close when what was begun is answered."""
        if self._exchange is not None:
            self._exchange.keep_alive = False
            self.deadline = min(self.deadline, self._edge.now + _LAST_HALF_S)
        elif self._exchanges:
            self._exchanges[-1].keep_alive = False
            self._is_deaf = True
        elif not self._is_deaf:
            self._close()

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()


def _path(url: bytes) -> str:
    """Give the path of a request target; undecodable bytes and odd forms lead nowhere."""
    if not url.startswith(b"/"):
        try:
            url = httptools.parse_url(url).path or b"*"
        except httptools.HttpParserInvalidURLError:
            return "*"
    path = url.partition(b"?")[0].decode("latin-1")
    return unquote(path) if "%" in path else path
