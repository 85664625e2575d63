"""A server on loopback that answers as it is told, and clients of both kinds that ask it."""

import asyncio
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from receiver.client import AsyncClient, Client, Registered
from tests.support.server import KEY, free_port

PERSON = "+8613912345678"
ENTRY = {"smsMsgId": "m_1", "originTo": PERSON, "status": "000000"}
RESPONSE = {"code": "000000", "description": "Success", "result": [ENTRY]}
KINDS = ["sync", "async"]


@dataclass
class Reply:
    """One answer."""

    status: int = 202
    body: Any = field(default_factory=lambda: {"registered": 1, "rejected": [], "refused": []})
    headers: dict[str, str] = field(default_factory=dict)
    after_s: float = 0.0
    drop: bool = False  # the connection, without an answer


@dataclass
class Scripted:
    """What a server is to answer, the last reply for ever; and what it was asked."""

    url: str
    replies: list[Reply]
    asked: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    connections: set[Any] = field(default_factory=set)
    decide: Callable[[str, Any], Reply] | None = None  # instead of replies: key, document -> reply

    @property
    def documents(self) -> list[Any]:
        """The registrations that came."""
        return [json.loads(body) for _, body in self.asked]


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port: int, script: Scripted, *, close: bool) -> None:
        self.script = script
        self.close = close
        self.lock = threading.Lock()
        self.open_ones: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Handler)

    def handle_error(self, *_: Any) -> None:
        """A client that went away is no error of the test."""

    def reply(self, headers: Mapping[str, str], body: bytes) -> Reply:
        """Note a request, and return what is to be answered."""
        script = self.script
        with self.lock:
            script.asked.append((dict(headers.items()), body))
            if script.decide is not None:
                key = headers["authorization"].removeprefix("Bearer ")
                return script.decide(key, json.loads(body))
            return script.replies.pop(0) if len(script.replies) > 1 else script.replies[0]

    def cut_off(self) -> None:
        """Close what clients have kept open."""
        for connection in tuple(self.open_ones):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = 5
    wbufsize = -1  # an answer in one piece: two of them wait for each other
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.server.open_ones.add(self.connection)
        self.server.script.connections.add(self.client_address)

    def finish(self) -> None:
        self.server.open_ones.discard(self.connection)
        with suppress(OSError):
            super().finish()

    def do_POST(self) -> None:
        length = int(self.headers["content-length"])
        body = self.rfile.read(length)
        if len(body) < length:  # the client was interrupted
            self.close_connection = True
            return
        reply = self.server.reply(dict(self.headers.items()), body)
        time.sleep(reply.after_s)
        if reply.drop:
            self.close_connection = True
            return
        answer = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        self.send_response(reply.status)
        for name, value in {**reply.headers, "Content-Length": str(len(answer))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer)
        self.close_connection = self.server.close

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def scripted(
    *replies: Reply,
    port: int = 0,
    decide: Callable[[str, Any], Reply] | None = None,
    tls: ssl.SSLContext | None = None,
    close: bool = False,
) -> Iterator[Scripted]:
    """Run a server on loopback.

    Args:
        replies: what it answers, one after the other, the last one for ever.
        port: any free one where it is 0.
        decide: what it answers, instead of replies.
        tls: its certificate, where it speaks TLS.
        close: it closes each connection after one answer, without having said so.
    """
    script = Scripted("", list(replies) or [Reply()], decide=decide)
    with _Server(port, script, close=close) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        scheme = "http" if tls is None else "https"
        script.url = f"{scheme}://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield script
        finally:
            server.shutdown()
            thread.join()
            server.cut_off()


def nobody() -> str:
    """Return an address where nothing listens."""
    return f"http://127.0.0.1:{free_port()}"


def register(kind: str, url: str, *responses: Any, **options: Any) -> list[Registered]:
    """Register responses, one after the other, by a client of either kind."""
    own = {"reference", "references", "extend", "template_id", "text_length", "request", "raising"}
    details = {name: options.pop(name) for name in own & set(options)}
    options = {"timeout_s": 2.0, "patience_s": 2.0, **options}

    async def all_of_them() -> list[Registered]:
        async with AsyncClient(url, KEY, **options) as client:
            return [await client.register(response, **details) for response in responses]

    if kind == "async":
        return asyncio.run(all_of_them())
    with Client(url, KEY, **options) as client:
        return [client.register(response, **details) for response in responses]


def flush(kind: str, url: str, directory: Path, key: str = KEY, **options: Any) -> int:
    """Deliver what is in a spool by a client of either kind; return how many are left."""

    async def all_of_it() -> int:
        async with AsyncClient(url, key, spool=directory, **options) as client:
            return await client.flush()

    if kind == "async":
        return asyncio.run(all_of_it())
    with Client(url, key, spool=directory, **options) as client:
        return client.flush()


def kept(directory: Path) -> list[Any]:
    """Return the documents in a spool, in order."""
    files = sorted(directory.glob("*.ndjson"))
    return [json.loads(file.read_bytes().splitlines()[-1]) for file in files]
