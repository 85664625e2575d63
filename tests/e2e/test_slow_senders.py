"""Slow senders cannot occupy what genuine pushes need."""

import asyncio

import pytest

from tests.server import MakeServer
from tests.slow_senders import allow_files, besiege


@pytest.mark.parametrize(
    ("sockets", "room", "seconds"),
    [
        pytest.param(1000, "4000", 15, id="room for all"),
        pytest.param(400, "200", 8, id="room for half of them"),
    ],
)
def test_genuine_pushes_get_through(
    make_server: MakeServer, sockets: int, room: str, seconds: float
) -> None:
    """None is refused or waits for half a second, and afterwards all is as before."""
    allow_files()
    server = make_server({"RECEIVER_MAX_CONNECTIONS": room}).start()
    found = asyncio.run(besiege(server, sockets=sockets, addresses=10, seconds=seconds))
    assert not found.refused
    assert len(found.seconds) > 10 * seconds
    assert found.connected >= sockets
    assert found.p99_ms < 500
    assert "Traceback" not in server.log.read_text()
