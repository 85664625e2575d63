"""Slow senders cannot occupy what genuine pushes need."""

import asyncio

import pytest

from tests.support.server import MakeServer, at_length
from tests.support.slow_senders import allow_files, besiege


@pytest.mark.parametrize(
    ("sockets", "room", "seconds", "p99_ms"),
    [
        pytest.param(1000, "4000", at_length(6, 12), 500, id="room for all"),
        # Thousands that were cut off come again each second, from the same two processors.
        pytest.param(200, "100", 6, 5000, id="room for half of them"),
    ],
)
def test_genuine_pushes_get_through(
    make_server: MakeServer, sockets: int, room: str, seconds: float, p99_ms: float
) -> None:
    """None is refused or waits long, and afterwards all is as before."""
    allow_files()
    server = make_server({"RECEIVER_MAX_CONNECTIONS": room}).start()
    found = asyncio.run(besiege(server, sockets=sockets, addresses=10, seconds=seconds))
    assert not found.refused
    assert len(found.seconds) > 5 * seconds
    assert found.connected >= sockets
    assert found.p99_ms < p99_ms
    assert "Traceback" not in server.log.read_text()
