"""Connections of the private listener: uvicorn's, bounded in number and time.

Both listeners live in one process and share its files: whoever keeps the private one busy must not
be in the way of pushes.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

import h11
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from receiver.api.access.guard import HEAD_TOO_LARGE, NOT_PLAIN
from receiver.http.connection_limits import ConnectionLimits
from receiver.http.peers import group_of
from receiver.http.problems import MEDIA_TYPE, Problem, document
from receiver.http.turns import ReadHold, Tap, Turns

# Read at a time: h11 takes ten microseconds for each chunk of a body, and there may be one in six
# bytes. Of a body that is told by its length more is read.
_READ_BYTES = 1024
_READ_BODY_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many connections there may be, and how long they may take."""

    max_connections: int = 200
    request_s: float = 30.0  # for head and body together
    idle_s: float = 10.0  # between two requests of a connection
    max_head_bytes: int = 16 * 1024


class Shared(ServerState):
    """What the connections of a listener share."""

    def __init__(self, bounds: Bounds) -> None:
        """Begin without connections."""
        super().__init__()
        self.bounds = bounds
        most = bounds.max_connections
        self.connection_limits: ConnectionLimits[Bounded] = ConnectionLimits(most, most)
        self.turns = Turns()
        self.body_buffer = memoryview(bytearray(_READ_BODY_BYTES))
        self.buffer = self.body_buffer[:_READ_BYTES]


class _Flow(FlowControl):
    """uvicorn's own pauses, beside ours."""

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__(transport)
        self.tap = Tap(transport)

    def pause_reading(self) -> None:
        """Read no further until the application wants more."""
        self.read_paused = True
        self.tap.hold(ReadHold.UNANSWERED)

    def resume_reading(self) -> None:
        """Read on."""
        self.read_paused = False
        self.tap.release(ReadHold.UNANSWERED)


class _Reading(asyncio.BufferedProtocol):
    """Reads a little at a time for a connection; what is left stays with the operating system."""

    def __init__(self, connection: "Bounded") -> None:
        self._connection = connection
        self.connection_lost = connection.connection_lost  # type: ignore[method-assign]
        self.pause_writing = connection.pause_writing  # type: ignore[method-assign]
        self.resume_writing = connection.resume_writing  # type: ignore[method-assign]

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - the base's signature
        """Return room for as much as may be read at a time."""
        return self._connection.room()

    def buffer_updated(self, nbytes: int) -> None:
        """Read on."""
        self._connection.take(nbytes)


class Bounded(H11Protocol):
    """One connection of a client.

    It waits for its client from the beginning, or from the end of an answer, until a request is
    whole; and while the client does not read its answer.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Make it as uvicorn does."""
        super().__init__(*arguments, **options)
        assert isinstance(self.server_state, Shared)  # noqa: S101 - its listener sees to it
        self._shared = self.server_state
        self._group = ""
        self._running_out: asyncio.TimerHandle | None = None
        self._is_unread = False  # the client leaves an answer where it is

    # --- the transport's side ---------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # a stream's
        """Begin; where there is no room, a connection is closed."""
        super().connection_made(transport)
        self.flow = self._flow = _Flow(transport)
        transport.set_protocol(_Reading(self))
        self._group = group_of(self.client[0] if self.client else "")
        self._give_time()
        connection_limits = self._shared.connection_limits
        if connection_limits.add(self, self._group):
            (connection_limits.oldest_idle(self._group) or self).make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._shared.connection_limits.remove(self, self._group)
        self._shared.turns.leave(self, self._group)
        self._take_time()
        super().connection_lost(exc)

    def room(self) -> memoryview:
        """Return the buffer to read into: a large one within a body of known length."""
        is_body = self.conn.their_state is h11.SEND_BODY and not any(
            name == b"transfer-encoding" for name, _ in self.headers
        )
        return self._shared.body_buffer if is_body else self._shared.buffer

    def take(self, nbytes: int) -> None:
        """Take what was read; who has more to say waits for a turn."""
        is_more = nbytes == len(self.room())
        self.data_received(bytes(self._shared.body_buffer[:nbytes]))
        if is_more and not self.transport.is_closing():
            self._flow.tap.hold(ReadHold.TURN)
            self._shared.turns.wait(self, self._group)

    def take_turn(self) -> None:
        """Read on, since others have been served."""
        self._flow.tap.release(ReadHold.TURN)

    def data_received(self, data: bytes) -> None:
        """Read on; the time for a request runs from its first byte."""
        if self._running_out is None:
            self._give_time()
        super().data_received(data)
        self._note_turn()

    def on_response_complete(self) -> None:
        """Wait for the next request, which may have come already."""
        super().on_response_complete()
        self._note_turn()

    def pause_writing(self) -> None:
        """Wait for a client that does not read."""
        super().pause_writing()
        self._is_unread = True
        self._note_turn()

    def resume_writing(self) -> None:
        """Go on."""
        super().resume_writing()
        self._is_unread = False
        self._note_turn()

    # --- whose turn it is -------------------------------------------------------------------

    def _note_turn(self) -> None:
        if self.transport.is_closing():
            return
        is_whole = self.conn.their_state not in (h11.IDLE, h11.SEND_BODY)
        if is_whole and not self._is_unread:
            self._shared.connection_limits.mark_busy(self, self._group)
        else:
            self._shared.connection_limits.mark_idle(self, self._group)
        if is_whole:
            self._take_time()
        elif self.conn.their_state is h11.SEND_BODY and self._running_out is None:
            self._give_time()  # it came behind another request

    def _give_time(self) -> None:
        self._running_out = self.loop.call_later(self._shared.bounds.request_s, self._run_out)

    def _take_time(self) -> None:
        if self._running_out is not None:
            self._running_out.cancel()
            self._running_out = None

    # --- the end ----------------------------------------------------------------------------

    def make_room(self) -> None:
        """Leave, because others need the connection."""
        self._shared.connection_limits.mark_busy(self, self._group)  # it is not chosen twice
        self._leave(
            Problem.UNAVAILABLE,
            "Too many connections are open (`api_max_connections`), and this one was "
            "idle the longest. Try again.",
        )

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's words are for its log
        """Answer what is no request."""
        if len(self.conn.trailing_data[0]) > self._shared.bounds.max_head_bytes:
            self._leave(*HEAD_TOO_LARGE)
        else:
            self._leave(*NOT_PLAIN)

    def _run_out(self) -> None:
        self._running_out = None
        self._leave(
            Problem.TOO_SLOW,
            "The request was not complete within `api_request_seconds`. Try again.",
        )

    def _leave(self, problem: Problem, detail: str) -> None:
        """Close; a request that has begun and has no answer yet gets this one."""
        conn = self.conn
        has_begun = conn.their_state is not h11.IDLE or bool(conn.trailing_data[0])
        if not has_begun or conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.abort()
            return
        if conn.our_state is h11.SEND_RESPONSE:
            self.cycle.disconnected = True  # what the application answers would come too late
            self.cycle.message_event.set()
        is_head = conn.our_state is h11.SEND_RESPONSE and self.cycle.scope["method"] == "HEAD"
        body = document(problem, detail)
        headers = [
            ("content-type", MEDIA_TYPE),
            ("content-length", str(len(body))),
            ("connection", "close"),
        ]
        for event in (
            h11.Response(status_code=problem.status, headers=headers),
            h11.Data(data=b"" if is_head else body),
            h11.EndOfMessage(),
        ):
            self.transport.write(conn.send(event) or b"")
        self.transport.close()
