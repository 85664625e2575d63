"""One flooding connection is in nobody's way, on either listener."""

import socket
import threading
from contextlib import suppress

import pytest

from tests.e2e.pushes import form
from tests.faults.flooder import FLOODS, main
from tests.support.server import MakeServer

PUSHES = 20
SECONDS = 3.0


@pytest.mark.parametrize("kind", ["pipelined healthz", "one-byte chunks", "private chunks"])
def test_pushes_are_taken_during_a_flood(make_server: MakeServer, kind: str) -> None:
    """While a client floods, every push gets its 200, and nothing goes wrong inside."""
    server = make_server().start()
    port = server.api_port if FLOODS[kind].private else server.port
    flooding = threading.Thread(target=main, args=(port, server.callback_path, kind, SECONDS))
    flooding.start()
    for number in range(PUSHES):
        push = form(smsMsgId=f"m-{number}", status="DELIVRD", source="2")
        assert server.push(push).status_code == 200
    flooding.join()
    assert "Traceback" not in server.log.read_text()
    assert server.stop() == 0


@pytest.mark.parametrize("private", [False, True], ids=["public", "private"])
def test_nothing_is_read_behind_a_stranger(make_server: MakeServer, *, private: bool) -> None:
    """Who asks without token or key has one answer on a connection, and is told so."""
    server = make_server().start()
    server.ready()
    port = server.api_port if private else server.port
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(b"GET /v1/messages HTTP/1.1\r\nHost: localhost\r\n\r\n" * 3)
        got = b""
        with suppress(ConnectionResetError):
            while piece := connection.recv(65536):
                got += piece
    assert got.count(b"HTTP/1.1 ") == 1
    assert got.startswith(b"HTTP/1.1 401 " if private else b"HTTP/1.1 404 ")
    assert b"connection: close" in got.lower()
