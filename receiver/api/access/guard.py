"""Checks of every request to the private listener: head, Host and Origin; response headers.

A browser that was lured to a foreign page may be made to talk to this listener, by a name
that leads here (DNS rebinding) or by a form. It then tells that name as `Host`, or that page as
`Origin`. A host that is an address cannot come about that way.
"""

import re
from collections.abc import Iterable
from http import HTTPStatus
from ipaddress import ip_address
from urllib.parse import unquote

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from receiver.http.framing import read_absolute, read_framing
from receiver.http.problems import MEDIA_TYPE, Problem, document

_LOCAL = frozenset({"localhost"})
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_AUTHORITY = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([0-9]{1,5}))?")
_USUAL_PORTS = {"http": "80", "https": "443"}
_AROUND_A_HEADER = 4  # bytes: colon, blank, line end
HEAD_TOO_LARGE = (
    Problem.HEAD_TOO_LARGE,
    (
        "The target and headers are larger than `max_head_bytes`. Send less, or increase "
        "the setting."
    ),
)
NOT_PLAIN = (
    Problem.BAD_REQUEST,
    (
        "The request is malformed or its framing is ambiguous. Send HTTP/1.1 with a "
        "path, one valid Host, and either one Content-Length or chunked encoding."
    ),
)
_WRONG_KEY = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.TOO_MANY_REQUESTS})
_ADDED = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
}


class RequestGuard:
    """Lets requests through that are meant for this listener."""

    def __init__(self, app: ASGIApp, hosts: Iterable[str], *, max_head_bytes: int) -> None:
        """Guard an application.

        Args:
            app: what answers.
            hosts: the names, without a port, by which it is asked besides addresses.
            max_head_bytes: of a request's target and headers together.
        """
        self.app = app
        self._max_head_bytes = max_head_bytes
        self._hosts = _LOCAL | {host.lower() for host in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        scope, authorities = _in_origin_form(scope)
        refusal = self._refusal(scope, authorities)
        if refusal is not None:
            await _refuse(*refusal, send)
            return

        has_key = any(name == b"authorization" for name, _ in scope["headers"])

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if _is_to_a_stranger(message["status"], has_key=has_key):
                    headers["connection"] = "close"
                for name, value in _ADDED.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope, authorities: list[str]) -> tuple[Problem, str] | None:
        if _head_bytes(scope) > self._max_head_bytes:
            return HEAD_TOO_LARGE
        told = _values(scope, b"host")
        # Only programs speak HTTP/1.0 without a host.
        if len(told) > 1 or not all(map(self._is_ours, (*told, *authorities))):
            return Problem.WRONG_HOST, (
                "The Host header is not a name of this listener. Use an IP address or "
                "`localhost`, or add the name to the setting `api_hosts`."
            )
        if read_framing(scope["http_version"], scope["headers"]) is None:
            return NOT_PLAIN
        if scope["method"] in _READING:
            return None
        if all(_is_same(origin, told) for origin in _values(scope, b"origin")):
            return None
        return Problem.WRONG_ORIGIN, (
            "A page of another origin must not change anything. Send the request from a "
            "program, without `Origin`."
        )

    def _is_ours(self, authority: str) -> bool:
        match = _AUTHORITY.fullmatch(authority)
        if match is None:
            return False
        host = match[1].strip("[]")
        return host in self._hosts or _is_address(host)


def _in_origin_form(scope: Scope) -> tuple[Scope, list[str]]:
    """Return a request by its path alone, and the authority that a whole URL named before it."""
    absolute = read_absolute(scope["raw_path"])
    if absolute is None:
        return scope, []
    authority, path = absolute
    here = {**scope, "path": unquote(path.decode("latin-1")), "raw_path": path}
    return here, [authority.decode("latin-1").lower()]


def _is_to_a_stranger(status: int, *, has_key: bool) -> bool:
    """Return whether an answer is one behind which nothing is to be read."""
    return status in _WRONG_KEY or (status >= HTTPStatus.BAD_REQUEST and not has_key)


def _head_bytes(scope: Scope) -> int:
    target = len(scope["raw_path"]) + len(scope["query_string"])
    return target + sum(
        len(name) + len(value) + _AROUND_A_HEADER for name, value in scope["headers"]
    )


def _values(scope: Scope, name: bytes) -> list[str]:
    return [
        value.decode("latin-1").strip().lower()
        for known, value in scope["headers"]
        if known == name
    ]


def _is_same(origin: str, hosts: list[str]) -> bool:
    """Return whether an origin is that of the page which the request's own host would serve."""
    scheme, _, authority = origin.partition("://")
    match = _AUTHORITY.fullmatch(authority)
    of_host = _AUTHORITY.fullmatch(hosts[0]) if hosts else None
    if scheme not in _USUAL_PORTS or match is None or of_host is None or match[1] != of_host[1]:
        return False
    usual = _USUAL_PORTS[scheme]
    return (match[2] or usual) == (of_host[2] or usual)


async def _refuse(problem: Problem, detail: str, send: Send) -> None:
    body = document(problem, detail)
    headers = [
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
        *((name.encode(), value.encode()) for name, value in _ADDED.items()),
    ]
    start = {"type": "http.response.start", "status": problem.status, "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": body})


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
