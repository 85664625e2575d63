"""HTTP/1.1 on the public listener: bytes of a connection <-> requests and answers.

A push is answered when a group commit is done, for dozens of pushes at a time. So there is no task
and no request object of a framework for each of them, only a callback: that alone decides how many
pushes a processor can take (figures: `python -m tests.benchmarks`). llhttp, by way of httptools,
does the parsing. A connection is one class, for reading, answering and its limits change the same
state, without a call of another object for each push.
"""

import asyncio
import time
from collections.abc import Callable
from email.utils import formatdate
from http import HTTPStatus
from typing import Protocol

import httptools
import structlog

from receiver.edge.bodies import Bodies
from receiver.edge.exchanges import Exchange, Handler, RequestError, RequestLimits
from receiver.edge.loop_delay import read_wait_s
from receiver.http.connection_limits import ConnectionLimits
from receiver.http.framing import names_http, read_framing, read_path
from receiver.http.peers import group_of
from receiver.http.responses import PreparedResponse
from receiver.http.turns import ReadHold, Tap, Turns

_log = structlog.get_logger(__name__)

# After an answer to half a request the rest is read and dropped for so long: closing at once would
# reset the connection, and the client would never see the answer. Also the time that a client has
# to read its last answer.
_LINGER_S = 2.0
_CUT_OFF_S = 0.25  # for the beginning of a body that was announced too large
_LAST_HALF_S = 2.0  # for the rest of a request that is half there when the server ends
_MOST_PIPELINED = 16  # requests of a connection in hand before it is read on
# Read at a time: a push of one report with its head. Behind it may stand a hundred other pushes,
# and the parser stops for none of them. Of a body that is told by its length more is read.
_READ_BYTES = 4 * 1024
_READ_BODY_BYTES = 64 * 1024
_MOST_AT_ONCE = 4  # requests and pieces of bodies from one reading, before others have their turn
_UNREAD_BYTES = 8 * 1024  # of answers that a client leaves unread, before it is read no further
_CLOCK_STEP_S = 0.001  # of the event loop
_CLOSE_S = 0.02  # between two connections: more may wait behind them, as turns take so long
_FEW_CONNECTIONS = 16  # cannot be in others' way by readings that complete nothing
_LONGEST_STEP_S = 1.0
_AROUND_A_HEADER = 4  # bytes: colon, blank, line end
_NEVER = float("inf")


class _BehindError(Exception):
    """Something stands behind the last request of a connection: the parser need not go on."""


class Leaver(Protocol):
    """A connection, or one that is to be."""

    def make_room(self) -> None:
        """Leave, because others need the connection."""


class Edge:
    """What all connections of a listener share."""

    def __init__(self, handler: Handler, limits: RequestLimits) -> None:
        self.handler = handler
        self.limits = limits
        self.connections: set[PublicConnection] = set()
        self.connection_limits: ConnectionLimits[Leaver] = ConnectionLimits(
            limits.max_connections, limits.max_connections_per_peer, limits.exempt_peers
        )
        self.accept_more: Callable[[], None] = lambda: None  # takes what waits to be accepted
        self.observe_wait: Callable[[float], object] = lambda _: None  # seconds, now and then
        self.came = 0.0  # when the last connection did, by the clock of the event loop
        self.turns = Turns()
        self.bodies = Bodies(limits.max_inflight_body_bytes)
        # One for all: what is read is parsed before anything else is read.
        self.raw = bytearray(_READ_BODY_BYTES)
        self.body_buffer = memoryview(self.raw)
        self.buffer = self.body_buffer[:_READ_BYTES]
        self.is_ending = False
        self.ended = asyncio.Event()  # no connection is left, and none will come
        self.now = 0.0  # a clock that stands still while we do: nobody is late for our sake
        self._looked = time.monotonic()
        self.tick()

    def tick(self) -> None:
        """Look at the clock, for all connections at once: to be called several times a second."""
        self.is_sampling = True
        looked = time.monotonic()
        self.now += min(looked - self._looked, _LONGEST_STEP_S)
        self._looked = looked
        date = b"date: " + formatdate(usegmt=True).encode()
        self.end_open = date + b"\r\n\r\n"
        self.end_close = date + b"\r\nconnection: close\r\n\r\n"
        for connection in [one for one in self.connections if one.deadline < self.now]:
            connection.run_out()

    def group_of(self, peer: str) -> str:
        """Return the group of an address where strangers are bounded."""
        return peer if peer in self.limits.exempt_peers else group_of(peer)

    def sample(self, transport: asyncio.Transport) -> None:
        """Look how long the bytes of a request waited to be read: of one between two ticks."""
        self.is_sampling = False
        waited = read_wait_s(transport)
        if waited is not None:
            self.observe_wait(waited)

    def is_fruitless(self) -> bool:
        """Count a reading that completes nothing; tell whether there were many in this turn."""
        return len(self.connections) > _FEW_CONNECTIONS and self.turns.spend()

    def come(self, connection: "Leaver", group: str) -> None:
        """Take a connection in; where it is one too many, a connection is closed."""
        if self.connection_limits.add(connection, group):
            (self.connection_limits.oldest_idle(group) or connection).make_room()

    def end(self) -> None:
        """Let every connection end after what it has begun."""
        self.is_ending = True
        self.tick()
        for connection in list(self.connections):
            connection.end()
        self.note_end()

    def note_end(self) -> None:
        """Notice that the last connection has ended."""
        if self.is_ending and not self.connections:
            self.ended.set()


class PublicConnection(asyncio.BufferedProtocol):
    """One connection of a client."""

    __slots__ = (
        "_arrived",
        "_body",
        "_data",
        "_edge",
        "_exchange",
        "_exchanges",
        "_group",
        "_held_back_bytes",
        "_is_behind",
        "_is_deaf",
        "_left_bytes",
        "_limits",
        "_line",
        "_loop",
        "_parser",
        "_peer",
        "_tap",
        "_trailer_bytes",
        "_transport",
        "_turn_since",
        "_url",
        "_work",
        "deadline",
    )

    def __init__(self, edge: Edge) -> None:
        self.deadline = edge.now + edge.limits.request_s
        self._edge = edge
        self._limits = edge.limits
        self._parser = httptools.HttpRequestParser(self)
        self._exchanges: list[Exchange] = []  # whole or given up, not yet answered, in order
        self._exchange: Exchange | None = None  # that is being read
        self._is_deaf = False  # no further request is taken
        self._held_back_bytes = 0  # read since the parser last handed over a piece of a body
        self._trailer_bytes = 0
        self._left_bytes = 0  # of a body that is wanted and was told by its length
        self._work = 0  # requests and pieces of bodies from this reading
        self._url = b""
        self._line = b""  # what earlier readings had of a request line
        self._is_behind = 0  # not 0: the request began in one reading with the end of another one
        self._body: bytes | bytearray = b""

    # --- the transport's side ---------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # a stream's
        """Begin."""
        self._transport = transport
        transport.set_write_buffer_limits(_UNREAD_BYTES)
        self._tap = Tap(transport)
        self._loop = asyncio.get_running_loop()
        peer = transport.get_extra_info("peername")
        self._peer = peer[0] if peer else ""
        edge = self._edge
        self._group = edge.group_of(self._peer)
        edge.connections.add(self)
        edge.come(self, self._group)
        now = self._loop.time()
        if now - edge.came < _CLOSE_S:
            edge.accept_more()
        edge.came = now

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the base's signature
        """Forget a connection; what was taken of it is kept all the same."""
        edge = self._edge
        if self._exchange is not None:  # hardly ever: it was half there
            self._cut_off_announced()
            edge.bodies.drop(self)
            self._exchange = None
        edge.connections.discard(self)
        edge.connection_limits.remove(self, self._group)
        if self._tap.is_held(ReadHold.TURN):
            edge.turns.leave(self, self._group)
        edge.note_end()
        self._is_deaf = True
        self._exchanges.clear()
        # It refers to us, so that nothing of both would go before the next collection of garbage.
        del self._parser

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - the base's signature
        """Return room for as much as may be read at a time."""
        if self._left_bytes > _READ_BYTES:
            return self._edge.body_buffer[: self._left_bytes]
        return self._edge.body_buffer if self._is_deaf else self._edge.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Read on."""
        self._work = 0
        if not self._is_deaf:
            self._parse(self._edge.body_buffer[:nbytes])
        is_more = nbytes >= _READ_BYTES and not self._left_bytes
        if is_more or self._work > _MOST_AT_ONCE or (not self._work and self._edge.is_fruitless()):
            self._wait_for_turn()

    def _wait_for_turn(self) -> None:
        if not self._transport.is_closing():
            self._turn_since = self._edge.now
            self._tap.hold(ReadHold.TURN)
            self._edge.turns.wait(self, self._group)

    def _parse(self, data: memoryview) -> None:
        # When the bytes were there: before others were served in this turn of the event loop.
        now, turn = time.perf_counter(), self._loop.time() + _CLOCK_STEP_S
        self._arrived = turn if turn < now else now  # noqa: FURB136 - every push would pay for `min`
        self._data = data
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # Everything behind the head would belong to another protocol.
            self._give_up(RequestError.MALFORMED)
        except httptools.HttpParserError:
            if not self._answer_at_once(is_last=True):
                self._give_up(RequestError.MALFORMED)
        else:
            exchange = self._exchange
            if exchange is not None and not self._left_bytes and not self._answer_at_once():
                self._count_held_back(len(data))
                if not exchange.path and not self._is_deaf:
                    self._keep_head(data)

    def _answer_at_once(self, *, is_last: bool = False) -> bool:
        """Answer a whole request that is no push; tell whether there is one.

        Only a client that asks one thing at a time may stay: who asks for more at once would be
        answered and answered for as long as it likes, and has no other business here.
        """
        exchange = self._exchange
        if exchange is None or not exchange.is_whole:
            return False
        exchange.keep_alive = exchange.keep_alive and not is_last and not self._exchanges
        self._answer_whole(exchange)
        return True

    def _answer_whole(self, exchange: Exchange) -> None:
        self._exchange = None
        self._is_deaf = not exchange.keep_alive
        self._exchanges.append(exchange)
        self._send_answers()

    def _keep_head(self, data: memoryview) -> None:
        """Count a piece of a head that is not whole; keep it as far as it may name the protocol."""
        if not self._is_line_whole():
            self._line += data
        self._edge.bodies.grow(self, len(data))

    def take_turn(self) -> None:
        """Read on, since others have been served; a client loses no time by that."""
        if not self._is_deaf:
            self.deadline += self._edge.now - self._turn_since
        self._tap.release(ReadHold.TURN)

    def eof_received(self) -> bool:
        """Answer what is whole, although the client will send no more."""
        self._cut_off_announced()
        self._edge.bodies.drop(self)
        self._body = self._line = b""
        self._is_deaf = True
        self._exchange = None
        self.deadline = _NEVER if self._exchanges else self._edge.now + _LINGER_S
        return bool(self._exchanges)  # false: the transport closes

    def pause_writing(self) -> None:
        """Read no more from a client that does not read its answers."""
        self._tap.hold(ReadHold.UNREAD)

    def resume_writing(self) -> None:
        """Read on."""
        self._tap.release(ReadHold.UNREAD)

    # --- the parser's side ------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Begin a request."""
        if self._is_deaf:
            raise _BehindError  # the parser stops
        if self._edge.is_sampling:
            self._edge.sample(self._transport)
        self._exchange = exchange = Exchange(self, self._peer)
        exchange.started = self._arrived
        self._url = b""
        self._line = b""
        self._is_behind = self._work
        self._body = b""
        self._held_back_bytes = 0
        self._trailer_bytes = 0
        self.deadline = self._edge.now + self._limits.request_s

    def on_url(self, url: bytes) -> None:
        """Take a piece of the request target."""
        if self._exchange is not None:
            self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; one behind the body is only counted."""
        exchange = self._exchange
        if exchange is None:
            return
        if not exchange.path:
            exchange.headers.append((name.lower(), value.rstrip(b" \t")))
            return
        self._trailer_bytes += _size_of(name, value)
        if self._trailer_bytes > self._limits.max_head_bytes:
            self._give_up(RequestError.HEAD_TOO_LARGE)

    def on_headers_complete(self) -> None:
        """Judge the request by its head."""
        exchange = self._exchange
        if exchange is None:
            return
        parser, edge = self._parser, self._edge
        exchange.method = method = parser.get_method()
        exchange.target = self._url
        path = read_path(method, self._url)
        exchange.path = path or "*"
        if self._is_head_too_large(exchange):
            self._give_up(RequestError.HEAD_TOO_LARGE)
            return
        version = parser.get_http_version()
        framing = None if parser.should_upgrade() else read_framing(version, exchange.headers)
        if framing is None or path is None or not self._is_http(exchange):
            self._give_up(RequestError.MALFORMED)
            return
        # A client of HTTP/1.0 that asks for it is not told that we agree, so we do not.
        exchange.keep_alive = parser.should_keep_alive() and not edge.is_ending and version != "1.0"
        try:
            exchange.answered = edge.handler.open(exchange)
        except Exception as error:  # noqa: BLE001 - one request's trouble must not touch the others
            exchange.answered = self._note_defect(error)
        else:
            if exchange.answered is not None and exchange.answered.status >= HTTPStatus.BAD_REQUEST:
                self._finish(exchange.answered)
                return
        length, asks_first = framing
        self._await_body(exchange, length, asks_first=asks_first)

    def _is_http(self, exchange: Exchange) -> bool:
        """Return whether the request line names HTTP."""
        target = exchange.target
        if not self._is_behind and exchange.started is self._arrived:  # nearly always
            end = len(exchange.method) + 1 + len(target)
            if self._edge.raw.startswith(b" HTTP/", end):
                return True
        raw = self._line if self._is_line_whole() else self._line + self._data
        return names_http(target, raw, is_behind=self._is_behind > 0)

    def _is_line_whole(self) -> bool:
        """Return whether earlier readings are known to have had all of the request line."""
        return not self._is_behind and b"\n" in self._line.lstrip(b"\r\n")

    def _await_body(self, exchange: Exchange, length: int, *, asks_first: bool) -> None:
        """Do what the headers ask for before the body comes."""
        if length > self._limits.max_body_bytes:
            if exchange.answered is not None:
                self._give_up(RequestError.BODY_TOO_LARGE)
                return
            exchange.claimed = length
            self.deadline = min(self.deadline, self._edge.now + _CUT_OFF_S)
            if asks_first:
                self._cut_off(exchange)
                return
        if exchange.answered is None:
            self._left_bytes = length
            if asks_first and not self._exchanges:
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        elif asks_first:
            self._finish(exchange.answered)  # the body need not come

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        self._work += 1
        self._held_back_bytes = 0
        exchange = self._exchange
        if exchange is None or exchange.answered is not None:
            return
        if not self._body:  # nearly always the only piece
            self._body = body
        elif isinstance(self._body, bytes):
            self._body = bytearray(self._body + body)
        else:
            self._body += body
        if self._left_bytes:
            self._left_bytes -= len(body)
        limits = self._limits
        most = limits.cut_off_body_bytes if exchange.claimed else limits.max_body_bytes
        self._edge.bodies.grow(self, len(body))
        if len(self._body) > most and self._exchange is exchange:
            self._cut_off(exchange)

    def on_message_complete(self) -> None:
        """Hand a whole request to the handler."""
        self._work += 1
        exchange = self._exchange
        if exchange is None:
            return
        if exchange.claimed:
            self._cut_off(exchange)
            return
        edge = self._edge
        self.deadline = _NEVER  # from here on it is we who take time
        edge.connection_limits.mark_busy(self, self._group)
        exchange.is_whole = True
        if exchange.answered is not None:
            edge.bodies.drop(self)
            self._is_deaf = True  # until it is known whether anything stands behind it
            if exchange.answered.status >= HTTPStatus.BAD_REQUEST:  # a defect: others may go on
                self._answer_whole(exchange)
            return
        self._exchange = None
        self._exchanges.append(exchange)
        if not exchange.keep_alive:
            self._is_deaf = True
        self._hand_over(exchange, edge.handler.take)
        if len(self._exchanges) >= _MOST_PIPELINED:
            self._tap.hold(ReadHold.UNANSWERED)

    def _cut_off_announced(self) -> None:
        """Hand over what came of a body that was announced too large: no more will come."""
        exchange = self._exchange
        if exchange is not None and exchange.claimed and not self._is_deaf:
            self._cut_off(exchange)

    def _cut_off(self, exchange: Exchange) -> None:
        """Hand over the beginning of a body that is too large; no other request is taken."""
        self._exchange = None
        self._left_bytes = 0
        self.read_no_more()
        self.deadline = _NEVER
        self._edge.connection_limits.mark_busy(self, self._group)
        exchange.keep_alive = False
        self._exchanges.append(exchange)
        self._hand_over(exchange, self._edge.handler.cut_off)

    def _hand_over(self, exchange: Exchange, take: Callable[[Exchange], None]) -> None:
        exchange.body, self._body = bytes(self._body), b""
        exchange.held = self._edge.bodies.complete(self)
        try:
            take(exchange)
        except Exception as error:  # noqa: BLE001 - as for `open`
            exchange.answer(self._note_defect(error))

    def _note_defect(self, error: Exception) -> PreparedResponse:
        _log.error("request failed", exc_info=error)
        return self._edge.handler.give_up(RequestError.DEFECT)

    # --- answering --------------------------------------------------------------------------

    def send_answer(self, exchange: Exchange) -> None:
        """Hold the body no longer; send the answers whose turn it is."""
        self._edge.bodies.release(exchange.held)
        exchange.held = 0
        self._send_answers()

    def _send_answers(self) -> None:
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
            self.deadline = self._edge.now + self._limits.idle_s
            self._edge.connection_limits.mark_idle(self, self._group)
            if self._tap.holds:
                self._tap.release(ReadHold.UNANSWERED)

    def _close_after(self, exchange: Exchange) -> None:
        if exchange.is_whole or not self._transport.can_write_eof():
            self._close()
            return
        self.deadline = self._edge.now + _LINGER_S
        try:
            self._transport.write_eof()
        except OSError:  # the client has left, and nobody has noticed yet
            self._transport.abort()

    def read_no_more(self) -> None:
        """Take no further request; what comes is dropped."""
        self._is_deaf = True

    def _close(self) -> None:
        self.deadline = self._edge.now + _LINGER_S
        self._transport.close()

    def _give_up(self, trouble: RequestError) -> None:
        if not self._is_deaf:
            self._finish(self._edge.handler.give_up(trouble))

    def _finish(self, answer: PreparedResponse) -> None:
        """Answer a request that is not whole; the connection takes no other one."""
        exchange = self._exchange or Exchange(self, self._peer)
        self._exchange = None
        self._edge.bodies.drop(self)
        self._body = self._line = b""  # the client may stay for a while
        self._left_bytes = 0
        self.read_no_more()
        self.deadline = _NEVER
        exchange.keep_alive = False
        exchange.answered = answer
        self._exchanges.append(exchange)
        self._send_answers()

    # --- limits -----------------------------------------------------------------------------

    def _is_head_too_large(self, exchange: Exchange) -> bool:
        limits = self._limits
        if len(exchange.headers) > limits.max_headers:
            return True
        if not self._held_back_bytes and limits.max_head_bytes >= _READ_BYTES:
            return False  # nearly always: it came in one reading
        head_bytes = len(self._url) + sum(_size_of(*header) for header in exchange.headers)
        return head_bytes > limits.max_head_bytes

    def _count_held_back(self, more_bytes: int) -> None:
        """Count what was read of a head, of trailers or of the size of a chunk that has no end."""
        self._held_back_bytes += more_bytes
        # Ahead of the head may stand the end of another request, in one reading with its beginning.
        is_long = self._held_back_bytes > self._limits.max_head_bytes + _READ_BYTES
        exchange = self._exchange
        # Each header takes memory beside its bytes, of short ones forty times as much.
        is_many = exchange is not None and len(exchange.headers) > self._limits.max_headers
        if is_long or is_many:
            self._give_up(RequestError.HEAD_TOO_LARGE)

    def make_room(self) -> None:
        """Leave, because others need the connection."""
        self._edge.connection_limits.mark_busy(self, self._group)  # it is not chosen twice
        if self._exchange is None or self._is_deaf:
            self._edge.handler.give_up(RequestError.OVERLOADED)
            self._is_deaf = True
            self._transport.abort()
        else:
            self._give_up(RequestError.OVERLOADED)
            self._transport.close()  # without waiting for the rest of the request

    def lose_body(self) -> None:
        """Give up the request whose body is being read, because there is no room for it."""
        self._give_up(RequestError.NO_ROOM)

    def run_out(self) -> None:
        """End what took too long, unless it is we who take the time."""
        if self._tap.is_held(ReadHold.TURN) and not self._is_deaf:
            return
        if self._exchange is not None and not self._is_deaf:
            self._cut_off_announced()
            if self._exchange is not None:
                self._give_up(RequestError.TOO_SLOW)
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
        elif self._tap.is_held(ReadHold.TURN) and not self._is_deaf:
            self.deadline = self._edge.now + _LAST_HALF_S  # there is more to read
        elif not self._is_deaf:
            self._close()

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()


def _size_of(name: bytes, value: bytes) -> int:
    """Return how many bytes a header has, with colon, blank and line end."""
    return len(name) + len(value) + _AROUND_A_HEADER
