"""What holds the event loop is measured, and readiness says so."""

import asyncio
import socket
import time
from pathlib import Path

from receiver.edge.loop_delay import LoopDelay, read_wait_s
from tests.support.parts import a_node

HELD_S = 0.5


async def test_what_holds_the_event_loop_is_measured() -> None:
    """A callback that takes long delays everybody, and so the timer that measures it."""
    seen: list[float] = []
    delay = LoopDelay(seen.append)
    measuring = asyncio.create_task(delay.run())
    await asyncio.sleep(0.15)
    time.sleep(HELD_S)  # noqa: ASYNC251 - holds the event loop on purpose
    await asyncio.sleep(0.15)
    measuring.cancel()
    assert delay.longest_s == max(seen)
    assert delay.longest_s > HELD_S / 2


async def test_readiness_tells_of_a_held_event_loop(tmp_path: Path) -> None:
    """Beyond the bound `/readyz` says no and which part it is; pushes are taken all the same."""
    async with a_node(tmp_path, max_loop_delay_seconds=HELD_S / 4) as served:
        time.sleep(HELD_S)  # noqa: ASYNC251 - holds the event loop on purpose
        await asyncio.sleep(0.3)
        answer = await served.api.get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["event_loop"] is False
        assert "receiver_event_loop_delay_seconds_count" in (await served.api.get("/metrics")).text


class _Waiting(asyncio.Protocol):
    """Notes how long its first bytes had been there."""

    def __init__(self, seen: "asyncio.Future[float | None]") -> None:
        self._seen = seen

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep it."""
        self._transport = transport

    def data_received(self, _: bytes) -> None:
        """Look."""
        self._seen.set_result(read_wait_s(self._transport))
        self._transport.close()


async def test_the_wait_before_the_first_bytes_are_read_is_known() -> None:
    """A connection that nobody accepts for a while has waited, which its own clock cannot tell."""
    loop = asyncio.get_running_loop()
    seen: asyncio.Future[float | None] = loop.create_future()
    server = await loop.create_server(lambda: _Waiting(seen), "127.0.0.1", 0)
    with socket.create_connection(server.sockets[0].getsockname()) as client:
        client.sendall(b"x")
        time.sleep(HELD_S)  # noqa: ASYNC251 - holds the event loop on purpose
        waited = await asyncio.wait_for(seen, 20)
    server.close()
    assert waited is not None
    assert waited > HELD_S / 2
