"""Connections of the synchronous client, with one deadline for an entire request.

httpx bounds each operation of a socket by itself; here a request ends in time even when names
resolve slowly, when an address drops packets, or when an answer comes byte by byte.
"""

import queue
import socket
import ssl
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from time import monotonic
from typing import Any

import httpcore
import httpx

from receiver.client.attempts import LARGEST_ANSWER, Failure, HttpAnswer
from receiver.client.interruptions import interruption, let_through

_MOST_IDLE = 20  # connections kept open between requests
_IDLE_S = 5.0  # for how long; as httpx
_MOST_RESOLVING = 8  # lookups at once: one that hangs keeps its thread until the system gives up

_FAILURES = (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError)
_LOST = (httpcore.ReadError, httpcore.WriteError, httpcore.RemoteProtocolError)


class Connections:
    """Connections to one address. Threads of one process may share them.

    Each request has a connection of its own, and none is used again after a failure. So neither an
    exception in its midst nor a fork leaves one in an unknown state.

    Args:
        url: where requests are posted to.
        headers: of each request.
        context: for an https address.
    """

    def __init__(self, url: str, headers: Mapping[str, str], context: ssl.SSLContext) -> None:
        parsed = httpx.URL(url)  # it knows how to write names in other scripts
        self._url = httpcore.URL(
            scheme=parsed.raw_scheme,
            host=parsed.raw_host,
            port=parsed.port,
            target=parsed.raw_path,
        )
        self._headers = [(b"host", parsed.netloc)]
        self._headers += [(name.encode(), value.encode()) for name, value in headers.items()]
        self._context = context
        self._resolver = _Resolver()
        self._idle: deque[_Connection] = deque()  # its operations are atomic: there is no lock

    def post(self, body: bytes, timeout_s: float) -> HttpAnswer | Failure:
        """Return what is answered within a time, or why there is no answer."""
        until = monotonic() + timeout_s
        connection = self._take()
        try:
            return self._post_on(connection, body, until)
        except _FAILURES as error:
            if not (connection.is_used and isinstance(error, _LOST)) or interruption(error):
                return _failure(error)
        # The other end has closed it just when it was to be used again; that says nothing yet.
        try:
            return self._post_on(self._open(), body, until)
        except _FAILURES as error:
            return _failure(error)

    def close(self) -> None:
        """Close the connections that are not in use."""
        while self._idle:
            self._idle.pop().close()

    def _post_on(self, connection: "_Connection", body: bytes, until: float) -> HttpAnswer:
        try:
            answer = connection.post(self._url, self._headers, body, until)
            if connection.is_reusable() and len(self._idle) < _MOST_IDLE:
                self._idle.append(connection)
            else:
                connection.close()
        except BaseException:
            connection.close()  # also one that is kept already: it is not used again
            raise
        return answer

    def _take(self) -> "_Connection":
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return self._open()
            if connection.is_reusable():
                return connection
            connection.close()

    def _open(self) -> "_Connection":
        return _Connection(self._url.origin, self._context, self._resolver)


def _failure(error: Exception) -> Failure:
    interrupt = interruption(error)
    if interrupt is not None:
        raise interrupt
    return Failure(type(error).__name__)


class _Connection:
    """One connection, used by one thread at a time."""

    def __init__(
        self, origin: httpcore.Origin, context: ssl.SSLContext, resolver: "_Resolver"
    ) -> None:
        self._network = _Network(resolver)
        self._http = httpcore.HTTPConnection(
            origin, context, keepalive_expiry=_IDLE_S, network_backend=self._network
        )
        self.is_used = False

    def post(
        self, url: httpcore.URL, headers: list[tuple[bytes, bytes]], body: bytes, until: float
    ) -> HttpAnswer:
        self._network.until = until
        length = (b"content-length", str(len(body)).encode())
        request = httpcore.Request(b"POST", url, headers=[*headers, length], content=body)
        response = self._http.handle_request(request)
        answered = bytearray()
        for chunk in response.iter_stream():
            answered += chunk
            if len(answered) > LARGEST_ANSWER:
                answered.clear()
                break
        response.close()  # it stays open only when all of it was read
        self.is_used = True
        told = {name.lower(): value for name, value in response.headers}
        retry_after = told.get(b"retry-after")
        return HttpAnswer(
            response.status,
            bytes(answered),
            None if retry_after is None else retry_after.decode("latin-1"),
        )

    def is_reusable(self) -> bool:
        return self._http.is_idle() and not self._http.has_expired()

    def close(self) -> None:
        self._http.close()
        self._network.close()  # also what httpcore has not heard of yet


@contextmanager
def _named(too_late: type[Exception], failed: type[Exception]) -> Iterator[None]:
    """Turn failures of a socket into those of httpcore.

    An interrupt stays as it is, whatever its type: httpcore passes over a failed write, since a
    server may answer before it has read everything.
    """
    try:
        yield
    except OSError as error:
        let_through(error)
        raise (too_late if isinstance(error, TimeoutError) else failed) from error


class _Network(httpcore.NetworkBackend):
    """Opens the socket of one connection; all that is done with it ends at `until`."""

    _socket: socket.socket | None = None

    def __init__(self, resolver: "_Resolver") -> None:
        self.until = 0.0
        self._resolver = resolver

    def __del__(self) -> None:
        # An interrupt may come anywhere, and a program may forget to close its client.
        self.close()

    def left_s(self, too_late: type[Exception], parts: int = 1) -> float:
        """Return how much time is left for one of some parts, or raise that there is none."""
        left_s = self.until - monotonic()
        if left_s <= 0:
            raise too_late("The time for the entire call has expired.")
        return left_s / parts

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - one deadline stands for all time-outs
        local_address: str | None = None,  # noqa: ARG002 - never given
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002 - never given
    ) -> httpcore.NetworkStream:
        addresses = self._resolver.resolve(host, port, self.left_s(httpcore.ConnectTimeout))
        failure: OSError = OSError("The name has no address.")
        for place, (family, kind, protocol, _, address) in enumerate(addresses):
            self.close()
            try:
                # One that drops packets leaves time for those behind it.
                part_s = self.left_s(httpcore.ConnectTimeout, len(addresses) - place)
                self._socket = socket.socket(family, kind, protocol)
                self._socket.settimeout(part_s)
                self._socket.connect(address)
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError as error:
                let_through(error)
                failure = error
            else:
                return _Stream(self._socket, self)
        with _named(httpcore.ConnectTimeout, httpcore.ConnectError):
            raise failure

    def secure(self, context: ssl.SSLContext, host: str | None) -> httpcore.NetworkStream:
        """Begin TLS."""
        assert self._socket is not None  # noqa: S101 - it is connected
        with _named(httpcore.ConnectTimeout, httpcore.ConnectError):
            self._socket.settimeout(self.left_s(httpcore.ConnectTimeout))
            self._socket = context.wrap_socket(self._socket, server_hostname=host)
        return _Stream(self._socket, self)

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()


class _Stream(httpcore.NetworkStream):
    """A connected socket."""

    def __init__(self, connected: socket.socket, network: _Network) -> None:
        self._socket = connected
        self._network = network

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        with _named(httpcore.ReadTimeout, httpcore.ReadError):
            self._socket.settimeout(self._network.left_s(httpcore.ReadTimeout))
            return self._socket.recv(max_bytes)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        rest = memoryview(buffer)
        with _named(httpcore.WriteTimeout, httpcore.WriteError):
            while rest:
                self._socket.settimeout(self._network.left_s(httpcore.WriteTimeout))
                rest = rest[self._socket.send(rest) :]

    def close(self) -> None:
        self._network.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002
    ) -> httpcore.NetworkStream:
        return self._network.secure(ssl_context, server_hostname)

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":  # what comes unasked is the end, or nothing to be relied on
            return self._is_readable()
        return None

    def _is_readable(self) -> bool:
        self._socket.settimeout(0)
        try:
            self._socket.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError) as error:
            let_through(error)
            return False
        except OSError as error:
            let_through(error)
        return True


_Addresses = list[tuple[Any, Any, int, str, Any]]


class _Resolver:
    """Looks names up, in threads: the system's own lookup cannot be given a time-out."""

    def __init__(self) -> None:
        self._free = threading.BoundedSemaphore(_MOST_RESOLVING)

    def resolve(self, host: str, port: int, timeout_s: float) -> _Addresses:
        """Return the addresses of a host.

        Raises:
            httpcore.ConnectTimeout: they are not found in time.
            httpcore.ConnectError: there are none.
        """
        flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        try:
            return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
        except socket.gaierror:
            pass  # it is a name
        until = monotonic() + timeout_s
        if not self._free.acquire(timeout=timeout_s):
            raise httpcore.ConnectTimeout("Too many host name lookups are hanging.")
        found: queue.SimpleQueue[_Addresses | OSError] = queue.SimpleQueue()

        def look_up() -> None:
            try:
                found.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
            except (OSError, UnicodeError) as error:
                found.put(error if isinstance(error, OSError) else OSError(str(error)))
            finally:
                self._free.release()

        try:
            threading.Thread(target=look_up, daemon=True).start()
        except RuntimeError as error:  # no further thread
            self._free.release()
            let_through(error)
            raise httpcore.ConnectError from error
        try:
            answer = found.get(timeout=max(until - monotonic(), 0.0))
        except queue.Empty:
            raise httpcore.ConnectTimeout("The host name was not resolved in time.") from None
        if isinstance(answer, OSError):
            raise httpcore.ConnectError from answer
        return answer
