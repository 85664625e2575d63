"""All bodies in memory: one bound, exact on every way a request can end."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.edge.bodies import SMALL_BYTES, Bodies
from receiver.edge.exchanges import Exchange, RequestError, RequestLimits
from receiver.edge.http1 import Edge, PublicConnection
from receiver.http.problems import Problem
from receiver.http.responses import PreparedResponse, make_answer, refusal

ROOM = 16 * SMALL_BYTES
LIMITS = RequestLimits(
    max_body_bytes=ROOM // 2, max_inflight_body_bytes=ROOM, request_s=60, idle_s=60
)


@dataclass(eq=False)
class Body:
    """A body that grows until it is lost."""

    size: int = 0
    is_lost: bool = False

    def lose_body(self) -> None:
        """Note it."""
        self.is_lost = True


def test_the_largest_unfinished_body_goes_first() -> None:
    """Whoever needs room gets it from the largest body that is still growing."""
    bodies = Bodies(ROOM)
    large, larger, small = Body(), Body(), Body()
    bodies.grow(large, 6 * SMALL_BYTES)
    bodies.grow(larger, 7 * SMALL_BYTES)
    bodies.grow(large, SMALL_BYTES // 2)
    assert (large.is_lost, larger.is_lost) == (False, False)
    bodies.grow(large, SMALL_BYTES)
    assert (large.is_lost, larger.is_lost) == (True, False)
    bodies.grow(small, SMALL_BYTES)
    assert not small.is_lost
    assert bodies.held == 8 * SMALL_BYTES


def test_small_bodies_have_room_of_their_own() -> None:
    """Large bodies that wait for the disk leave an eighth of the room; more of them are refused."""
    bodies = Bodies(ROOM)
    whole = [Body() for _ in range(7)]
    for body in whole:
        bodies.grow(body, 2 * SMALL_BYTES)
        assert bodies.complete(body) == 2 * SMALL_BYTES
    small, large = Body(), Body()
    bodies.grow(large, 2 * SMALL_BYTES)
    bodies.grow(small, SMALL_BYTES)
    assert (large.is_lost, small.is_lost) == (True, False)
    assert not any(body.is_lost for body in whole)


STEPS = st.lists(
    st.tuples(
        st.integers(0, 5), st.sampled_from(["grow", "complete", "drop"]), st.integers(1, 90_000)
    )
)


@given(steps=STEPS)
def test_what_is_held_is_exact(steps: list[tuple[int, str, int]]) -> None:
    """After any steps what is held is the sum of what is there, within the room, and ends at 0."""
    bodies = Bodies(4 * SMALL_BYTES)
    growing: dict[int, Body] = {}
    whole: list[int] = []
    for name, step, size in steps:
        body = growing.setdefault(name, Body())
        if step == "grow":
            body.size += size
            bodies.grow(body, size)
        elif step == "complete":
            whole.append(bodies.complete(growing.pop(name)))
            assert whole[-1] == body.size
        else:
            bodies.drop(growing.pop(name))
        growing = {number: one for number, one in growing.items() if not one.is_lost}
        assert bodies.held == sum(whole) + sum(one.size for one in growing.values())
        assert not growing or bodies.held <= 4 * SMALL_BYTES
    for body in growing.values():
        bodies.drop(body)
    for size in whole:
        bodies.release(size)
    bodies.grow(last := Body(), 3 * SMALL_BYTES)
    assert (bodies.held, last.is_lost) == (3 * SMALL_BYTES, False)


# --- on connections -----------------------------------------------------------------------------


@dataclass
class Keeper:
    """A handler that keeps bodies until they are let go."""

    taken: list[Exchange] = field(default_factory=list)
    troubles: list[RequestError] = field(default_factory=list)

    def open(self, exchange: Exchange) -> PreparedResponse | None:
        """Want every body but of one path."""
        return refusal(Problem.NOT_FOUND, "No.") if exchange.path == "/nothing" else None

    def take(self, exchange: Exchange) -> None:
        """Keep it."""
        if exchange.body == b"broken":
            raise ValueError("broken")
        self.taken.append(exchange)

    cut_off = take

    def give_up(self, trouble: RequestError) -> PreparedResponse:
        """Note it."""
        self.troubles.append(trouble)
        return refusal(Problem.UNAVAILABLE, trouble.name)


@asynccontextmanager
async def listening(keeper: Keeper, limits: RequestLimits) -> AsyncIterator[tuple[Edge, int]]:
    """Serve connections on a port."""
    edge = Edge(keeper, limits)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: PublicConnection(edge), "127.0.0.1", 0)
    try:
        yield edge, server.sockets[0].getsockname()[1]
    finally:
        for connection in list(edge.connections):
            connection.abort()
        server.close()


def head(length: int, path: str = "/", more: bytes = b"") -> bytes:
    """Begin a push."""
    return b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n%b\r\n" % (
        path.encode(), length, more,
    )  # fmt: skip


async def until(seen: Callable[[], bool]) -> None:
    """Wait until something is seen."""
    async with asyncio.timeout(10):
        while not seen():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)


CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
ENDS = [
    pytest.param(head(5) + b"whole", id="whole"),
    pytest.param(head(5) + b"first" + head(9) + b"half", id="half behind a whole one"),
    pytest.param(head(9) + b"half", id="half"),
    pytest.param(CHUNKED + b"4\r\nhalf\r\n", id="half in chunks"),
    pytest.param(CHUNKED + b"4\r\nhalf\r\nzz\r\n", id="bad chunk"),
    pytest.param(CHUNKED + b"4\r\nhalf\r\n0\r\n" + b"x: y\r\n" * 200, id="many trailers"),
    pytest.param(head(2000) + b"x" * 2000, id="too large, all of it"),
    pytest.param(head(2000) + b"x" * 20, id="too large, half of it"),
    pytest.param(head(2000, more=b"Expect: 100-continue\r\n"), id="too large, asking first"),
    pytest.param(CHUNKED + b"7d0\r\n" + b"x" * 2000, id="too large in chunks"),
    pytest.param(head(6) + b"broken", id="defect"),
    pytest.param(head(9, "/nothing") + b"half", id="refused at the head"),
    pytest.param(head(0), id="empty"),
]


@pytest.mark.parametrize("leaving", ["close", "half close", "reset", "slow"])
@pytest.mark.parametrize("sent", ENDS)
async def test_nothing_is_held_after_the_end(sent: bytes, leaving: str) -> None:
    """Whatever was sent, and however the client leaves, all that was counted is released."""
    keeper = Keeper()
    limits = replace(LIMITS, max_body_bytes=1000, max_inflight_body_bytes=8000, request_s=0.6)
    async with listening(keeper, limits) as (edge, port):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        await asyncio.sleep(0.02)
        if leaving == "close":
            writer.close()
        elif leaving == "half close":
            writer.write_eof()
        elif leaving == "reset":
            writer.transport.abort()

        def is_over() -> bool:
            edge.tick()
            for exchange in keeper.taken:
                if exchange.answered is None:
                    exchange.answer(make_answer(200, "text/plain", b""))
            if edge.now > 2 * limits.request_s:
                writer.close()
            return not edge.connections

        await until(is_over)
        writer.close()
        assert edge.bodies.held == 0
        assert edge.bodies.complete(PublicConnection(edge)) == 0


async def test_slow_senders_of_large_bodies_starve_nobody() -> None:
    """While large bodies fill the room, a small push is taken and the largest one gets 503."""
    keeper = Keeper()
    async with listening(keeper, LIMITS) as (edge, port):
        slow = [await asyncio.open_connection("127.0.0.1", port) for _ in range(20)]
        for _, writer in slow:
            writer.write(head(ROOM // 2) + b"x" * SMALL_BYTES * 2)
        await until(lambda: RequestError.NO_ROOM in keeper.troubles)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head(5) + b"small")
        await until(lambda: keeper.taken != [])
        keeper.taken[0].answer(make_answer(200, "text/plain", b""))
        assert (await reader.readline()).split()[1] == b"200"
        assert edge.bodies.held <= ROOM
        for _, other in [*slow, (reader, writer)]:
            other.close()
    assert set(keeper.troubles) == {RequestError.NO_ROOM}
