"""One push over one connection, as the platform connects.

Written on asyncio's streams because httpx with a connection for each request managed about 450
pushes per second of one core, streams 5,500: with httpx the simulator would measure itself.
"""

import asyncio
import re
import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit

from receiver.simulator.options import SimulationError, origin_of
from receiver.simulator.pushes import SimulatedPush

_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: |\r)")
_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,5})[ \t]*\r\n", re.IGNORECASE)
_TERMINAL = "203.0.113.7"
_DEFAULT_PORTS = {"http": 80, "https": 443}


class NotHttpError(Exception):
    """The answer to a push was not HTTP."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where the pushes go, resolved once so that a lookup never counts as the receiver's time."""

    address: str
    port: int
    head: str  # request line and Host, ready to send
    tls: ssl.SSLContext | None
    server_name: str | None

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection; OSError when that fails."""
        return await asyncio.open_connection(
            self.address, self.port, ssl=self.tls, server_hostname=self.server_name
        )


async def find_target(url: str, wait_seconds: float) -> Target:
    """Resolve the callback URL and see that something listens there.

    Raises:
        SimulationError: nothing does, or its certificate is not trusted.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or _DEFAULT_PORTS[parts.scheme]
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    head = f"POST {path} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
    tls = ssl.create_default_context() if parts.scheme == "https" else None
    reason: OSError | None = None
    try:
        async with asyncio.timeout(wait_seconds):
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=1)
            for *_, address in found:
                target = Target(str(address[0]), port, head, tls, host if tls else None)
                try:
                    _, writer = await target.connect()
                except OSError as error:
                    reason = error
                else:
                    writer.close()
                    return target
    except OSError as error:  # the name has no address, or the time is over
        reason = error
    raise SimulationError(_unreachable(url, reason)) from reason


def _unreachable(url: str, reason: OSError | None) -> str:
    where = origin_of(url)
    if isinstance(reason, ssl.SSLError):
        return (
            f"The TLS certificate of {where} is not accepted ({type(reason).__name__}). "
            "Use a trusted certificate, or set SSL_CERT_FILE to its authority."
        )
    return (
        f"There is no connection to {where} ({type(reason).__name__}). Start the "
        "receiver (`receiver serve`), or correct the URL."
    )


async def deliver(target: Target, push: SimulatedPush) -> int:
    """Push once and give the status of the answer.

    Raises:
        OSError: no connection, or it broke.
        EOFError: it ended before the answer did.
        NotHttpError: the answer cannot be read.
    """
    reader, writer = await target.connect()
    try:
        writer.write(request_bytes(target.head, push))
        answer = await reader.readuntil(b"\r\n\r\n")
        status = _STATUS_LINE.match(answer)
        if status is None:
            raise NotHttpError
        length = _CONTENT_LENGTH.search(answer)
        if length:  # a body left unread would reset the connection
            await reader.readexactly(int(length[1]))
        return int(status[1])
    except asyncio.LimitOverrunError as error:
        raise NotHttpError from error
    finally:
        writer.close()


def request_bytes(head: str, push: SimulatedPush) -> bytes:
    """Return the whole request with the headers that the published examples show."""
    return (
        f"{head}"
        f"Content-Type: {push.content_type}\r\n"
        "Connection: close\r\n"
        "Pooltype: approxy\r\n"
        f"Ompsid: {push.trace}\r\n"
        f"TerminalIP: {_TERMINAL}\r\n"
        "TrcModule: AP\r\n"
        "UserTrace: application\r\n"
        "TraceHandle: DMZ_818405\r\n"
        f"Content-Length: {len(push.body)}\r\n"
        "\r\n"
    ).encode("ascii") + push.body
