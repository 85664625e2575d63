"""Listening sockets, and a shutdown that loses no accepted request."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp

from receiver.api.access.protocol import Bounded, Bounds, Shared
from receiver.edge.accepting import Arrivals
from receiver.edge.exchanges import Handler, RequestLimits
from receiver.edge.http1 import Edge, PublicConnection
from receiver.errors import ReceiverError

_BACKLOG = 2048
# A request that reached a socket before the end was announced is read within a turn or two of the
# event loop; only then are idle connections closed.
_LAST_READS_S = 0.2
_LAST_ACCEPTS_S = 0.1
_LAST_TURNS = 3
_TICK_S = 0.25


class ListenError(ReceiverError):
    """An address cannot be listened on."""


def bind(setting: str, host: str, port: int) -> socket.socket:
    """Listen on an address; port 0 takes a free one.

    Raises:
        ListenError: the address is taken or not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        # Here, where a failure is heard: the event loop would keep one to itself.
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise ListenError(
            f"{setting}: cannot listen on {host}:{port}: {error.strerror}. Stop the "
            "process that uses the address, or choose another address."
        ) from error
    listener.setblocking(False)  # noqa: FBT003 - the signature is the library's
    return listener


class PublicListener:
    """The listener for the platform: one socket with a handler of pushes."""

    def __init__(
        self,
        handler: Handler,
        listening: socket.socket,
        limits: RequestLimits,
        *,
        shutdown_s: float,
        tls: ssl.SSLContext | None = None,
        observe_wait: Callable[[float], object] = lambda _: None,
    ) -> None:
        """Make a listener that does not accept yet.

        Args:
            handler: what answers.
            listening: where.
            limits: what a request may be.
            shutdown_s: the longest wait for open requests at the end.
            tls: None: plain text.
            observe_wait: takes now and then how long bytes waited to be read, in seconds.
        """
        self.url = _url_of(listening, "http" if tls is None else "https")
        self._edge = Edge(handler, limits)
        self._edge.observe_wait = observe_wait
        self._tls = tls
        self._handshake_s = None if tls is None else limits.request_s
        self._arrivals = Arrivals(self._edge, listening, tls, self._handshake_s)
        self._edge.accept_more = self._arrivals.accept_more
        self._socket = listening
        self._shutdown_s = shutdown_s
        self._server: asyncio.Server | None = None
        self._ticking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to accept; returns when connections are taken."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: PublicConnection(self._edge),
            sock=self._socket,
            backlog=_BACKLOG,
            ssl=self._tls,
            ssl_handshake_timeout=self._handshake_s,
        )
        self._ticking = asyncio.create_task(self._tick(), name="public listener")

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            self._edge.tick()

    async def stop(self) -> None:
        """Take no more connections, answer what was taken, then end."""
        if self._server is None or self._ticking is None:
            return
        await _read_what_came(self._socket, self._server)
        self._arrivals.close()
        self._edge.end()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._edge.ended.wait(), self._shutdown_s)
        for connection in list(self._edge.connections):
            connection.abort()
        self._ticking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._ticking


class PrivateListener:
    """The listener for the API: one socket with an ASGI application."""

    def __init__(
        self, app: ASGIApp, listening: socket.socket, bounds: Bounds, *, shutdown_s: float
    ) -> None:
        """Make a listener that does not accept yet.

        Args:
            app: what answers.
            listening: where.
            bounds: how many connections there may be, and how long they may take.
            shutdown_s: the longest wait for open requests at the end.
        """
        self.url = _url_of(listening)
        self._socket = listening
        self._server = _Server(
            uvicorn.Config(
                app,
                http=Bounded,  # h11 inside: unlike httptools' it knows how to decline an `Upgrade`
                loop="uvloop",
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                backlog=_BACKLOG,
                h11_max_incomplete_event_size=bounds.max_head_bytes,
                timeout_keep_alive=max(1, round(bounds.idle_s)),
                timeout_graceful_shutdown=max(1, round(shutdown_s)),
            ),
            bounds,
        )
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to accept; returns when connections are taken."""
        self._task = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        # uvicorn tells the start by a flag, not by an event.
        while not self._server.started and not self._task.done():  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        if self._task.done():
            self._task.result()

    async def stop(self) -> None:
        """Take no more connections, answer what was taken, then end."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task
            self._task = None


class _Server(uvicorn.Server):
    """A server whose process handles signals itself and whose end is gentle."""

    def __init__(self, config: uvicorn.Config, bounds: Bounds) -> None:
        super().__init__(config)
        self.server_state = Shared(bounds)

    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]  # noqa: ANN202 - as the base has it
        """Leave the signals to the process: it has two servers and a journal to end."""
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more connections, read what has already come, then let the base end."""
        for listening, server in zip(sockets or [], self.servers, strict=True):
            await _read_what_came(listening, server)
        await super().shutdown(sockets)


async def _read_what_came(listening: socket.socket, server: asyncio.AbstractServer) -> None:
    """Take no new connections, but those in the queue, and what they have sent."""
    # Closing a listening socket resets what waits in its queue. With no room in the queue new
    # connections wait with their sender, while those already in it are still accepted.
    listening.listen(0)
    await _leave_time(_LAST_ACCEPTS_S)
    server.close()
    await _leave_time(_LAST_READS_S)


async def _leave_time(seconds: float) -> None:
    """Wait, and then until what lies in the sockets has been read."""
    await asyncio.sleep(seconds)
    # Where the processor is short, the time may be over before the event loop has had a turn: its
    # timers come before its sockets. A connection needs one turn to be accepted, one to be read.
    for _ in range(_LAST_TURNS):
        await asyncio.sleep(0)


def _url_of(listening: socket.socket, scheme: str = "http") -> str:
    host, port = listening.getsockname()[:2]
    return f"{scheme}://{_reachable(host)}:{port}"


def _reachable(host: str) -> str:
    if host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host
