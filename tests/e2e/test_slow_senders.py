"""Slow senders cannot occupy what genuine pushes need."""

import asyncio

import pytest

from tests.support.server import MakeServer, at_length
from tests.support.slow_senders import allow_files, besiege


@pytest.mark.parametrize(
    ("sockets", "room", "seconds"),
    [
        pytest.param(1000, "4000", at_length(6, 12), id="room for all"),
        # Thousands that were cut off come again each second, from the same two processors.
        pytest.param(200, "100", 6, id="room for half of them"),
    ],
)
def test_genuine_pushes_get_through(
    make_server: MakeServer, sockets: int, room: str, seconds: float
) -> None:
    """None is refused or waits for the slow ones, and afterwards all is as before."""
    allow_files()
    server = make_server({"RECEIVER_MAX_CONNECTIONS": room}).start()
    found = asyncio.run(besiege(server, sockets=sockets, addresses=10, seconds=seconds))
    assert not found.refused
    assert len(found.seconds) > seconds
    assert found.connected >= sockets
    # A slow sender is cut off after ten seconds; how soon a push is answered is a matter of
    # `python -m tests.faults --only floods`.
    assert found.p99_ms < 5000
    assert "Traceback" not in server.log.read_text()
