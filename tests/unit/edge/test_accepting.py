"""Connections that come faster than they are served: addresses take turns, few wait for each."""

import asyncio
import socket
import time
from collections.abc import Coroutine
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvloop

from receiver.app.listeners import PublicListener, bind
from receiver.edge.exchanges import Exchange, RequestError, RequestLimits
from receiver.http.problems import Problem
from receiver.http.responses import PreparedResponse, refusal
from tests.unit.edge.test_http1 import Echo

PATIENCE_S = 60
MANY = 400
HELD_S = 0.4
STRANGE = b"POST /strange HTTP/1.1\r\nHost: x\r\n\r\n"
UNFINISHED = b"POST /strange HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 10_000
GENUINE = b"POST /push HTTP/1.1\r\nHost: x\r\n\r\n"


@dataclass
class Counting(Echo):
    """A handler that refuses strangers, takes pushes, and counts."""

    strange: int = 0
    waits: list[float] = field(default_factory=list)  # of some requests before they were read

    def open(self, exchange: Exchange) -> PreparedResponse | None:
        """Refuse all paths but one."""
        if exchange.path == "/push":
            return None
        self.strange += 1
        return refusal(Problem.NOT_FOUND, "Nothing.")


@dataclass
class Port:
    """A port on which a listener has begun, but has not had a turn since."""

    number: int
    clients: ExitStack

    def connect(self, sent: bytes, address: str) -> socket.socket:
        """Connect from an address and send, while the listener cannot accept."""
        client = socket.create_connection(("127.0.0.1", self.number), PATIENCE_S, (address, 0))
        self.clients.enter_context(client)
        client.sendall(sent)
        client.setblocking(False)  # noqa: FBT003 - the signature is the library's
        return client


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run on the event loop that the receiver has: it accepts one connection in each turn."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)


async def answer(client: socket.socket) -> bytes:
    """Read what comes first."""
    async with asyncio.timeout(PATIENCE_S):
        return await asyncio.get_running_loop().sock_recv(client, 1000)


async def listen(
    handler: Counting, limits: RequestLimits, clients: ExitStack
) -> tuple[PublicListener, Port]:
    """Begin to listen on a free port."""
    listening = clients.enter_context(bind("listen", "127.0.0.1", 0))
    listener = PublicListener(
        handler, listening, limits, shutdown_s=1, observe_wait=handler.waits.append
    )
    await listener.start()
    return listener, Port(listening.getsockname()[1], clients)


@pytest.mark.parametrize("sent", [STRANGE, UNFINISHED], ids=["refused", "unfinished"])
def test_a_push_waits_for_no_queue_of_strangers(sent: bytes) -> None:
    """Behind hundreds of connections of one address a push is served before most of them."""

    async def main() -> None:
        handler = Counting()
        with ExitStack() as clients:
            listener, port = await listen(handler, RequestLimits(), clients)
            for _ in range(MANY):
                port.connect(sent, "127.0.2.1")
            push = port.connect(GENUINE, "127.0.3.1")
            assert (await answer(push)).startswith(b"HTTP/1.1 200 ")
            assert handler.strange < MANY // 4
            await listener.stop()

    run(main())


def test_the_wait_in_the_queue_is_seen() -> None:
    """How long a push was there before it was read is looked up, for one request between ticks."""

    async def main() -> None:
        handler = Counting()
        with ExitStack() as clients:
            listener, port = await listen(handler, RequestLimits(), clients)
            pushes = [port.connect(GENUINE, "127.0.3.1") for _ in range(3)]
            time.sleep(HELD_S)  # noqa: ASYNC251 - holds the event loop on purpose
            for push in pushes:
                assert (await answer(push)).startswith(b"HTTP/1.1 200 ")
            assert handler.waits[0] > HELD_S / 2
            await listener.stop()

    run(main())


def test_all_who_wait_are_served_in_the_end() -> None:
    """Nobody who may stay is forgotten, whichever address it comes from."""

    async def main() -> None:
        handler = Counting()
        with ExitStack() as clients:
            listener, port = await listen(handler, RequestLimits(), clients)
            strangers = [port.connect(STRANGE, f"127.0.{n % 3}.1") for n in range(MANY)]
            for stranger in strangers:
                assert (await answer(stranger)).startswith(b"HTTP/1.1 404 ")
            assert (handler.strange, handler.troubles) == (MANY, [])
            await listener.stop()

    run(main())


def test_a_push_of_a_client_that_sends_no_more_is_taken_behind_those_that_left() -> None:
    """Of clients that closed their side while they waited, those that had sent are answered."""

    async def main() -> None:
        handler = Counting()
        with ExitStack() as clients:
            listener, port = await listen(handler, RequestLimits(), clients)
            pushes = []
            for number in range(MANY):
                client = port.connect(b"" if number % 4 else GENUINE, f"127.0.{number % 3}.1")
                client.shutdown(socket.SHUT_WR)
                if number % 4 == 0:
                    pushes.append(client)
                elif number % 4 == 1:
                    client.close()
            for push in pushes:
                assert (await answer(push)).startswith(b"HTTP/1.1 200 ")
            assert handler.troubles == []
            await listener.stop()

    run(main())


def test_an_address_has_few_connections_also_where_they_wait() -> None:
    """One too many, and the oldest of that address is closed and counted; others have room."""

    async def main() -> None:
        handler = Counting()
        limits = RequestLimits(max_connections_per_peer=20)
        with ExitStack() as clients:
            listener, port = await listen(handler, limits, clients)
            for _ in range(MANY):
                port.connect(UNFINISHED, "127.0.2.1")
            push = port.connect(GENUINE, "127.0.3.1")
            assert (await answer(push)).startswith(b"HTTP/1.1 200 ")
            async with asyncio.timeout(PATIENCE_S):
                while len(handler.troubles) < MANY - 20:  # noqa: ASYNC110 - of the other side
                    await asyncio.sleep(0.01)
            assert set(handler.troubles) == {RequestError.OVERLOADED}
            await listener.stop()

    run(main())


def test_who_waits_at_the_end_is_closed() -> None:
    """The end does not wait for connections that nobody has opened, and leaves none behind."""

    async def main() -> None:
        with ExitStack() as clients:
            listener, port = await listen(Counting(), RequestLimits(), clients)
            strangers = [port.connect(UNFINISHED, "127.0.2.1") for _ in range(MANY)]
            async with asyncio.timeout(PATIENCE_S):
                await listener.stop()
            for stranger in strangers:
                stranger.setblocking(True)  # noqa: FBT003 - the signature is the library's
                try:
                    while stranger.recv(1000):
                        pass
                except ConnectionResetError:
                    pass

    run(main())
