"""The public edge: takes the platform's pushes and answers when they are durable.

Plain ASGI: a request and a response object would cost more than all else that happens here. The
edge knows nothing of catalogue, state or store, so none of them can touch the 200.
"""

import hashlib
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass

from starlette.types import Receive, Scope, Send

from receiver.domain.events import Trust
from receiver.errors import JournalUnavailableError, StoreUnavailableError
from receiver.huawei import wire
from receiver.journal import Entry, Kind
from receiver.metrics import Metrics
from receiver.web.problems import MEDIA_TYPE, Problem, document

PREFIX = "/callbacks/"
RETRY_AFTER_S = 1

# The platform's own sample of an answer; it ignores the body (sms_05_0003).
_ACCEPTED_BODY = b'{"returnCode":0,"returnCodeDesc":"Success"}'
_JSON = (b"content-type", b"application/json;charset=UTF-8")
_ACCEPTED_START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [_JSON, (b"content-length", b"%d" % len(_ACCEPTED_BODY))],
}
_ACCEPTED = {"type": "http.response.body", "body": _ACCEPTED_BODY}
_HEALTHY_BODY = b'{"status":"ok"}'

# Of the documented headers, those that help to trace a push; the others say nothing about it.
_KEPT_HEADERS = frozenset({b"content-type", b"x-sdk-date", b"ompsid", b"tracehandle"})
_LONGEST_KEPT_HEADER = 200


class _TooLargeError(Exception):
    """The body is larger than the limit."""


class _GoneError(Exception):
    """The client went away before it had sent everything."""


@dataclass(frozen=True, slots=True)
class Address:
    """A callback token and whose it is."""

    token: str
    application: str


class Callbacks:
    """The ASGI application of the public listener.

    Args:
        addresses: the callback tokens.
        accept: makes an entry durable; raises JournalUnavailableError or StoreUnavailableError.
        metrics: where to count.
        clock: the time, microseconds since the epoch, UTC.
        max_body_bytes: larger bodies are refused with 413.
    """

    def __init__(
        self,
        addresses: Iterable[Address],
        accept: Callable[[Entry], Awaitable[object]],
        metrics: Metrics,
        clock: Callable[[], int],
        max_body_bytes: int,
    ) -> None:
        # Looked up by digest: how long the search takes says nothing about a token.
        self._applications: Mapping[bytes, str] = {
            _digest(address.token): address.application for address in addresses
        }
        self._accept = accept
        self._clock = clock
        self._max_body_bytes = max_body_bytes
        self._outcome = {pair: metrics.pushes.labels(*pair) for pair in _OUTCOMES}
        self._last_push = {
            application: metrics.last_push.labels(application)
            for application in self._applications.values()
        }
        self._items = metrics.push_items
        self._ack_seconds = metrics.ack_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        started = time.perf_counter()
        path: str = scope["path"]
        if not path.startswith(PREFIX):
            await _answer_elsewhere(scope, send)
            return
        if scope["method"] != "POST":
            self._count("unknown", "wrong_method")
            await _refuse(send, Problem.METHOD_NOT_ALLOWED, "Pushes come by POST.", _ALLOW_POST)
            return
        application = self._applications.get(_digest(path[len(PREFIX) :].removesuffix("/")))
        if application is None:
            self._count("unknown", "unknown_token")
            await _refuse(send, Problem.NOT_FOUND, "There is no such callback address.")
            return
        try:
            body = await self._read(scope, receive)
        except _TooLargeError:
            self._count("unknown", "too_large")
            detail = f"A push may have up to {self._max_body_bytes} bytes."
            await _refuse(send, Problem.TOO_LARGE, detail, _CLOSE)
            return
        except _GoneError:
            return
        await self._take(application, scope, body, send, started)

    async def _take(
        self, application: str, scope: Scope, body: bytes, send: Send, started: float
    ) -> None:
        unusable = ""
        kind: str = "unknown"
        items = 0
        try:
            push = wire.sift(body)
            kind, items = push.kind.value, len(push.items)
        except wire.UnusableError as error:
            unusable = str(error)
        client = scope["client"]
        entry = Entry(
            kind=Kind.UNUSABLE if unusable else kind,
            application=application,
            received_at=self._clock(),
            peer=client[0] if client else "",
            trust=Trust.OPEN.value,
            headers=_kept_headers(scope["headers"]),
            body=body,
        )
        try:
            await self._accept(entry)
        except (JournalUnavailableError, StoreUnavailableError):
            self._count(kind, "unavailable")
            detail = "The push could not be made durable; it was not accepted."
            await _refuse(send, Problem.UNAVAILABLE, detail, _RETRY_AFTER)
            return
        if unusable:
            self._count("unknown", "unusable")
            await _refuse(send, Problem.UNUSABLE_PUSH, unusable)
            return
        await send(_ACCEPTED_START)
        await send(_ACCEPTED)
        self._ack_seconds.observe(time.perf_counter() - started)
        self._items.observe(items)
        self._count(kind, "accepted")
        self._last_push[application].set(entry.received_at / 1e6)

    def _count(self, kind: str, outcome: str) -> None:
        self._outcome[kind, outcome].inc()

    async def _read(self, scope: Scope, receive: Receive) -> bytes:
        limit = self._max_body_bytes
        for name, value in scope["headers"]:
            if name == b"content-length" and (len(value) > len(str(limit)) or int(value) > limit):
                raise _TooLargeError
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _GoneError
        body: bytes = message.get("body", b"")
        while message.get("more_body", False):
            if len(body) > limit:
                raise _TooLargeError
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _GoneError
            body += message.get("body", b"")
        if len(body) > limit:
            raise _TooLargeError
        return body


_OUTCOMES: tuple[tuple[str, str], ...] = (
    *((kind.value, outcome) for kind in wire.Kind for outcome in ("accepted", "unavailable")),
    *(
        ("unknown", outcome)
        for outcome in ("unavailable", "unusable", "too_large", "unknown_token", "wrong_method")
    ),
)
_ALLOW_POST = (b"allow", b"POST")
_CLOSE = (b"connection", b"close")
_RETRY_AFTER = (b"retry-after", b"%d" % RETRY_AFTER_S)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogateescape")).digest()


def _kept_headers(headers: Iterable[tuple[bytes, bytes]]) -> str:
    return "\n".join(
        f"{name.decode('latin-1')}: {value[:_LONGEST_KEPT_HEADER].decode('latin-1')}"
        for name, value in headers
        if name in _KEPT_HEADERS
    )


async def _answer_elsewhere(scope: Scope, send: Send) -> None:
    if scope["path"] != "/healthz":
        await _refuse(send, Problem.NOT_FOUND, "There is nothing at this path.")
    elif scope["method"] not in ("GET", "HEAD"):
        detail = "Ask for the health by GET."
        await _refuse(send, Problem.METHOD_NOT_ALLOWED, detail, (b"allow", b"GET, HEAD"))
    else:
        await _respond(send, 200, b"application/json", _HEALTHY_BODY)


async def _refuse(send: Send, problem: Problem, detail: str, *headers: tuple[bytes, bytes]) -> None:
    await _respond(send, problem.status, MEDIA_TYPE.encode(), document(problem, detail), *headers)


async def _respond(
    send: Send, status: int, media_type: bytes, body: bytes, *headers: tuple[bytes, bytes]
) -> None:
    start = {
        "type": "http.response.start",
        "status": status,
        "headers": [
            (b"content-type", media_type),
            (b"content-length", b"%d" % len(body)),
            *headers,
        ],
    }
    await send(start)
    await send({"type": "http.response.body", "body": body})
