"""HTTP/1.1 on the public listener: bytes on a socket -> requests handed over, bytes answered."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.edge.exchanges import Exchange, RequestError, RequestLimits
from receiver.http.problems import Problem
from receiver.http.responses import PreparedResponse, make_answer, refusal
from tests.support.framing import BODY, CASES, MAX_BODY_BYTES, Case
from tests.support.parts import a_listener

LIMITS = RequestLimits(max_body_bytes=1000, max_head_bytes=2000, request_s=0.3, idle_s=0.3)
PATIENT = replace(LIMITS, request_s=60, idle_s=60)
CLOSED = b""  # what a read gives at the end of a connection


@dataclass
class Echo:
    """A handler that answers a body with itself, once it is let go, and notes what it was given."""

    at_once: bool = True
    taken: list[Exchange] = field(default_factory=list)
    troubles: list[RequestError] = field(default_factory=list)
    opened: int = 0

    def open(self, exchange: Exchange) -> PreparedResponse | None:
        """Refuse one path, fail on another one, want the body of all others but one."""
        self.opened += 1
        if exchange.path == "/at-once":
            return make_answer(200, "text/plain", b"at once")
        if exchange.path == "/broken":
            raise ValueError("broken")
        return refusal(Problem.NOT_FOUND, "Nothing.") if exchange.path == "/nothing" else None

    def take(self, exchange: Exchange) -> None:
        """Note it, or fail on one body."""
        if exchange.body == b"broken":
            raise ValueError("broken")
        self.taken.append(exchange)
        if exchange.body == b"stranger":
            exchange.dismiss(refusal(Problem.UNSIGNED_PUSH, "No."))
        elif self.at_once:
            self.let_go(exchange)

    def let_go(self, exchange: Exchange) -> None:
        """Answer."""
        exchange.answer(make_answer(200, "text/plain", exchange.body))

    def cut_off(self, exchange: Exchange) -> None:
        """Answer at once."""
        exchange.answer(self.give_up(RequestError.BODY_TOO_LARGE))

    def give_up(self, trouble: RequestError) -> PreparedResponse:
        """Note it."""
        self.troubles.append(trouble)
        return refusal(Problem.BAD_REQUEST, trouble.name)


@dataclass
class Client:
    """A connection of a client."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @property
    def reading(self) -> asyncio.ReadTransport:
        """The side that reads."""
        transport = self.writer.transport
        assert isinstance(transport, asyncio.ReadTransport)
        return transport

    def send(self, *pieces: bytes) -> None:
        """Send bytes."""
        self.writer.write(b"".join(pieces))

    async def answer(self, *, to_head: bool = False) -> tuple[int, dict[str, str], bytes]:
        """Read one answer: status, headers, body."""
        async with asyncio.timeout(5):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = dict(line.split(": ", 1) for line in head[1:-2])
            length = 0 if to_head else int(headers["content-length"])
            return int(head[0].split(" ")[1]), headers, await self.reader.readexactly(length)

    async def end(self) -> bytes:
        """Read until the server closes."""
        async with asyncio.timeout(5):
            return await self.reader.read()

    def close(self) -> None:
        """Close, also where not all has been sent."""
        self.writer.transport.abort()


@asynccontextmanager
async def connected(handler: Echo, limits: RequestLimits = PATIENT) -> AsyncIterator[Client]:
    """Connect to a listener."""
    async with a_listener(handler, limits) as port:
        client = Client(*await asyncio.open_connection("127.0.0.1", port))
        try:
            yield client
        finally:
            client.close()


async def until(seen: Callable[[], bool]) -> None:
    """Wait until something is seen."""
    async with asyncio.timeout(5):
        while not seen():  # noqa: ASYNC110 - what happens on the other side of a socket
            await asyncio.sleep(0.005)


def post(body: bytes, *headers: str, path: str = "/", version: str = "1.1") -> bytes:
    """Write a request."""
    lines = [
        f"POST {path} HTTP/{version}",
        "Host: x",
        f"Content-Length: {len(body)}",
        *headers,
        "",
        "",
    ]
    return "\r\n".join(lines).encode() + body


CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"

# bytes, bodies handed over, whether the connection stays
WHOLE = [
    pytest.param(post(b"abc"), [b"abc"], True, id="one"),
    pytest.param(post(b""), [b""], True, id="no body"),
    pytest.param(b"POST / HTTP/1.1\r\nHost: x\r\n\r\n", [b""], True, id="no length"),
    pytest.param(post(b"a") + post(b"b") + post(b"c"), [b"a", b"b", b"c"], True, id="pipelined"),
    pytest.param(post(b"x" * 1000), [b"x" * 1000], True, id="as large as may be"),
    pytest.param(post(b"a", "Connection: close"), [b"a"], False, id="close"),
    pytest.param(post(b"a", "CONNECTION: Close"), [b"a"], False, id="close, another case"),
    pytest.param(post(b"a", version="1.0"), [b"a"], False, id="HTTP/1.0"),
    pytest.param(post(b"a", "Connection: keep-alive", version="1.0"), [b"a"], False,
                 id="HTTP/1.0 keep-alive"),
    pytest.param(CHUNKED + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
                 [b"abcde"], True, id="chunked"),
    pytest.param(CHUNKED + b"1\r\na\r\n0\r\nX: y\r\n\r\n",
                 [b"a"], True, id="trailer"),
    pytest.param(b"\r\n\r\n" + post(b"a"), [b"a"], True, id="lines before"),
]  # fmt: skip


@pytest.mark.parametrize(("sent", "bodies", "stays"), WHOLE)
@pytest.mark.parametrize("at_a_time", [1, 7, 100_000])
async def test_requests_are_handed_over_whole(
    sent: bytes, bodies: Sequence[bytes], *, stays: bool, at_a_time: int
) -> None:
    """However the bytes are cut, each body is handed over whole and answered in its turn."""
    handler = Echo()
    async with connected(handler) as client:
        for start in range(0, len(sent), at_a_time):
            client.send(sent[start : start + at_a_time])
            await asyncio.sleep(0)
        for body in bodies:
            status, headers, answered = await client.answer()
            assert (status, answered) == (200, body)
            assert headers["date"].endswith("GMT")
            assert (headers.get("connection") == "close") is not stays
        if stays:
            client.send(post(b"again"))
            assert (await client.answer())[2] == b"again"
        else:
            assert await client.end() == CLOSED
    assert [exchange.body for exchange in handler.taken][: len(bodies)] == list(bodies)
    assert handler.troubles == []


@pytest.mark.parametrize("more", [b"\r\n", b"\0", post(b"b")])
async def test_nothing_is_read_behind_the_last_request(more: bytes) -> None:
    """What stands behind a request that asks for the end is neither handed over nor an error."""
    handler = Echo(at_once=False)
    async with connected(handler) as client:
        client.send(post(b"a", "Connection: close"), more)
        await until(lambda: len(handler.taken) == 1)
        handler.let_go(handler.taken[0])
        assert (await client.answer())[2] == b"a"
        assert await client.end() == CLOSED
    assert (len(handler.taken), handler.troubles) == (1, [])


# bytes, why it is given up
BROKEN = [
    pytest.param(b"nonsense\r\n\r\n", RequestError.MALFORMED, id="nonsense"),
    pytest.param(b"\x16\x03\x01\x02\x00\x01\x00", RequestError.MALFORMED, id="TLS"),
    pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", RequestError.MALFORMED, id="HTTP/2"),
    pytest.param(b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
                 RequestError.MALFORMED, id="two lengths"),
    pytest.param(b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", RequestError.MALFORMED,
                 id="negative length"),
    pytest.param(b"POST / HTTP/1.1\r\nContent-Length: " + b"9" * 500 + b"\r\n\r\n",
                 RequestError.MALFORMED, id="endless length"),
    pytest.param(CHUNKED + b"zz\r\n", RequestError.MALFORMED,
                 id="bad chunk"),
    pytest.param(post(b"x=1", "Connection: Upgrade", "Upgrade: h2c"), RequestError.MALFORMED,
                 id="upgrade"),
    pytest.param(post(b"x" * 1001), RequestError.BODY_TOO_LARGE, id="declared too large"),
    pytest.param(CHUNKED +
                 (b"64\r\n" + b"x" * 100 + b"\r\n") * 11, RequestError.BODY_TOO_LARGE,
                 id="too large in pieces"),
    pytest.param(post(b"", *(f"X-{n}: {'y' * 90}" for n in range(30))), RequestError.HEAD_TOO_LARGE,
                 id="many headers"),
    pytest.param(post(b"", "X: " + "y" * 3000), RequestError.HEAD_TOO_LARGE, id="long header"),
    pytest.param(post(b"", path="/" + "y" * 3000), RequestError.HEAD_TOO_LARGE, id="long target"),
    pytest.param(CHUNKED + b"1\r\na\r\n0\r\n" +
                 b"".join(b"X-%d: %b\r\n" % (n, b"y" * 90) for n in range(30)) + b"\r\n",
                 RequestError.HEAD_TOO_LARGE, id="many trailers"),
]  # fmt: skip


@pytest.mark.parametrize(("sent", "trouble"), BROKEN)
@pytest.mark.parametrize("before", [0, 2])
async def test_a_request_that_is_not_whole_is_refused(
    sent: bytes, trouble: RequestError, before: int
) -> None:
    """It is answered after the requests before it, never handed over, and the connection ends."""
    handler = Echo(at_once=False)
    async with connected(handler) as client:
        client.send(*[post(b"first")] * before, sent)
        await until(lambda: handler.troubles != [])
        for exchange in handler.taken:
            handler.let_go(exchange)
        for _ in range(before):
            assert (await client.answer())[::2] == (200, b"first")
        status, headers, body = await client.answer()
        assert (status, headers["connection"]) == (400, "close")
        assert trouble.name in body.decode()
        client.send(post(b"ignored"))
        assert await client.end() == CLOSED
    assert handler.troubles == [trouble]
    assert [exchange.body for exchange in handler.taken] == [b"first"] * before


@pytest.mark.parametrize("broken", [post(b"x", path="/broken"), post(b"broken")])
async def test_a_defect_of_the_handler_is_its_own(broken: bytes) -> None:
    """One request that the handler fails on is refused; the others on the connection are not."""
    handler = Echo()
    async with connected(handler) as client:
        client.send(post(b"before"), broken, post(b"after"))
        answers = [await client.answer() for _ in range(3)]
    assert [status for status, _, _ in answers] == [200, 400, 200]
    assert handler.troubles == [RequestError.DEFECT]
    assert [exchange.body for exchange in handler.taken] == [b"before", b"after"]


async def test_a_client_that_does_not_read_is_cut_off() -> None:
    """Answers that nobody fetches are kept for a while, not for ever."""
    handler = Echo()
    async with connected(handler, replace(LIMITS, max_body_bytes=100_000)) as client:
        client.reading.pause_reading()
        for _ in range(200):
            client.send(post(b"x" * 100_000))
        before = -1
        while len(handler.taken) > before:  # until the server stops reading
            before = len(handler.taken)
            await asyncio.sleep(0.2)
        assert before < 200
        await until(client.writer.transport.is_closing)


ENDLESS = [
    pytest.param(b"POST / HTTP/1.1\r\nX: ", id="header"),
    pytest.param(b"POST /", id="target"),
    pytest.param(CHUNKED + b"1\r\na\r\n0\r\nX: ", id="trailer"),
    pytest.param(CHUNKED + b"1;x=", id="extension of a chunk"),
]


@pytest.mark.parametrize("beginning", ENDLESS)
async def test_what_has_no_end_is_not_kept(
    beginning: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """What goes on and on in small pieces, and is no body, is refused when it is too long."""
    handler = Echo()
    async with connected(handler) as client:
        client.send(beginning)
        async with asyncio.timeout(5):
            while not handler.troubles:
                client.send(b"y" * 100)
                await asyncio.sleep(0.002)
        assert (await client.answer())[0] == 400
    assert handler.troubles == [RequestError.HEAD_TOO_LARGE]
    assert "y" not in caplog.text


@pytest.mark.parametrize("more", [0, 1])
@pytest.mark.parametrize("at_a_time", [100, 5000])
async def test_the_limit_of_a_head_is_exact(at_a_time: int, more: int) -> None:
    """A head of as many bytes as may be is taken, one of a byte more is not, however it is cut."""
    counted = sum(map(len, ["/", "host: x\r\n", "content-length: 0\r\n", "x: \r\n"]))
    sent = post(b"", "X: " + "y" * (PATIENT.max_head_bytes - counted + more))
    handler = Echo()
    async with connected(handler) as client:
        for start in range(0, len(sent), at_a_time):
            client.send(sent[start : start + at_a_time])
            await asyncio.sleep(0.001)
        assert (await client.answer())[0] == (400 if more else 200)


# heads of less than LIMITS.max_head_bytes
HEADS = [
    pytest.param(post(b"", *(f"X-{n}: {'y' * 90}" for n in range(18))), id="many headers"),
    pytest.param(post(b"", "X: " + "y" * 1800), id="long header"),
    pytest.param(post(b"", path="/" + "y" * 1800), id="long target"),
]


@pytest.mark.parametrize("sent", HEADS)
@pytest.mark.parametrize("at_a_time", [10, 100, 1000])
async def test_a_head_may_come_in_pieces(sent: bytes, at_a_time: int) -> None:
    """A head below the limit is taken however it is cut: no byte counts twice."""
    handler = Echo()
    async with connected(handler) as client:
        for start in range(0, len(sent), at_a_time):
            client.send(sent[start : start + at_a_time])
            await asyncio.sleep(0.001)
        assert (await client.answer())[0] == 200
    assert handler.troubles == []


async def test_short_headers_without_an_end_are_not_kept() -> None:
    """More headers than may be are refused before the head is whole: each takes memory."""
    handler = Echo()
    async with connected(handler) as client:
        client.send(b"POST / HTTP/1.1\r\n" + b"a:\r\n" * (PATIENT.max_headers + 2))
        assert (await client.answer())[0] == 400
    assert handler.troubles == [RequestError.HEAD_TOO_LARGE]


async def test_unfinished_heads_have_the_room_of_bodies() -> None:
    """All heads and bodies that are not whole share one bound; beyond it the largest goes."""
    handler = Echo()
    limits = replace(PATIENT, max_inflight_body_bytes=10_000)
    async with a_listener(handler, limits) as port:
        clients = [Client(*await asyncio.open_connection("127.0.0.1", port)) for _ in range(8)]
        for client in clients:
            client.send(b"POST / HTTP/1.1\r\nX: " + b"y" * 1500)
            await asyncio.sleep(0.01)
        await until(lambda: len(handler.troubles) > 0)
        assert set(handler.troubles) == {RequestError.NO_ROOM}
        for client in clients:
            client.close()


async def test_the_room_of_a_head_is_given_back() -> None:
    """However a request whose head came in pieces ends, nothing of it is counted any longer."""
    handler = Echo()
    limits = replace(PATIENT, max_inflight_body_bytes=3000)
    endings = [
        post(b"abc", "X: " + "y" * 900),
        post(b"abc", "X: " + "y" * 900, path="/at-once"),
        post(b"abc", "X: " + "y" * 900, path="/nothing"),
        post(b"abc", "X: " + "y" * 900, "Host: twice"),
        post(b"abc", "X: " + "y" * 900)[:-1],
        post(b"abc", "X: " + "y" * 900)[:500],
    ]
    async with a_listener(handler, limits) as port:
        for sent in endings * 3:
            client = Client(*await asyncio.open_connection("127.0.0.1", port))
            client.send(sent[:400])
            await asyncio.sleep(0.01)
            client.send(sent[400:])
            await asyncio.sleep(0.01)
            client.close()
        client = Client(*await asyncio.open_connection("127.0.0.1", port))
        client.send(post(b"x" * 1000))
        assert (await client.answer())[2] == b"x" * 1000
        client.close()
    assert RequestError.NO_ROOM not in handler.troubles


async def test_target_and_headers_share_the_limit() -> None:
    """What neither breaks alone they break together."""
    handler = Echo()
    async with connected(handler) as client:
        client.send(post(b"", "X: " + "y" * 1200, path="/" + "y" * 1200))
        assert (await client.answer())[0] == 400
    assert handler.troubles == [RequestError.HEAD_TOO_LARGE]


async def test_answers_come_in_the_order_of_the_requests() -> None:
    """A later request that is done first waits for its turn."""
    handler = Echo(at_once=False)
    async with connected(handler) as client:
        client.send(*(post(b"%d" % n) for n in range(5)))
        await until(lambda: len(handler.taken) == 5)
        for n in (3, 1, 4, 0, 2):
            handler.let_go(handler.taken[n])
        assert [(await client.answer())[2] for _ in range(5)] == [b"%d" % n for n in range(5)]


async def test_a_connection_has_few_requests_in_hand() -> None:
    """A client that pipelines without end is read on when it has been answered."""
    handler = Echo(at_once=False)
    async with connected(handler) as client:
        client.send(*(post(b"%d" % n) for n in range(16)))
        await until(lambda: len(handler.taken) == 16)
        client.send(*(post(b"%d" % n) for n in range(16, 40)))
        await asyncio.sleep(0.1)
        assert len(handler.taken) == 16
        handler.at_once = True
        for exchange in list(handler.taken):
            handler.let_go(exchange)
        assert [(await client.answer())[2] for _ in range(40)] == [b"%d" % n for n in range(40)]


@pytest.mark.parametrize(
    ("sent", "answered", "trouble"),
    [
        pytest.param(b"", False, [], id="nothing"),
        pytest.param(b"POST / HTTP/1.1\r\nX", True, [RequestError.TOO_SLOW], id="half a head"),
        pytest.param(post(b"abc")[:-1], True, [RequestError.TOO_SLOW], id="half a body"),
        pytest.param(b"\r\n", False, [], id="a line"),
    ],
)
async def test_what_takes_too_long_ends(
    sent: bytes, trouble: list[RequestError], *, answered: bool
) -> None:
    """Half a request is answered and closed after the limit; silence is closed without a word."""
    handler = Echo()
    async with connected(handler, LIMITS) as client:
        client.send(sent)
        if answered:
            assert (await client.answer())[0] == 400
        assert await client.end() == CLOSED
    assert (handler.taken, handler.troubles) == ([], trouble)


async def test_an_idle_connection_ends_but_not_one_that_waits_for_us() -> None:
    """A client is never cut off while its answer is due; afterwards it has the idle time."""
    handler = Echo(at_once=False)
    async with connected(handler, LIMITS) as client:
        client.send(post(b"slow"))
        await asyncio.sleep(3 * LIMITS.request_s)
        handler.let_go(handler.taken[0])
        assert (await client.answer())[2] == b"slow"
        assert await client.end() == CLOSED
    assert handler.troubles == []


@pytest.mark.parametrize("cut", [None, -1000, -5000], ids=["whole", "half a body", "head"])
async def test_a_refusal_by_the_head_ends_the_connection(cut: int | None) -> None:
    """A stranger is answered before the body is there, and nothing behind it is taken."""
    handler = Echo()
    async with connected(handler) as client:
        client.send(post(b"x" * 5000, path="/nothing")[:cut])
        status, headers, _ = await client.answer()
        assert (status, headers["connection"]) == (404, "close")
        client.send(post(b"next"))
        assert await client.end() == CLOSED
    assert (handler.taken, handler.troubles) == ([], [])


@pytest.mark.parametrize("behind", [post(b"next"), b"nonsense", post(b"x", path="/nothing")])
async def test_nothing_is_read_behind_a_stranger(behind: bytes) -> None:
    """Whoever is dismissed when the request is whole is told so, and is read no further."""
    handler = Echo()
    async with connected(handler) as client:
        client.send(post(b"stranger"), behind)
        status, headers, _ = await client.answer()
        assert (status, headers["connection"]) == (401, "close")
        assert await client.end() == CLOSED
    assert [exchange.body for exchange in handler.taken] == [b"stranger"]
    assert handler.troubles == []


AT_ONCE = b"GET /at-once HTTP/1.1\r\nHost: x\r\n\r\n"

# what comes at once, how many requests of it are opened, how many taken
OVERLOADED = [
    pytest.param(AT_ONCE * 100, 1, 0, id="many of it"),
    pytest.param(AT_ONCE + post(b"next"), 1, 0, id="a push behind it"),
    pytest.param(AT_ONCE + b"G", 1, 0, id="the beginning of another"),
    pytest.param(AT_ONCE + b"\0", 1, 0, id="nonsense behind it"),
    pytest.param(AT_ONCE + b"\r\n\r\nGET", 1, 0, id="lines between"),
    pytest.param(post(b"abc", path="/at-once") + AT_ONCE, 1, 0, id="with a body"),
    pytest.param(post(b"abc") + AT_ONCE, 2, 1, id="behind a push"),
    pytest.param(post(b"abc") + AT_ONCE * 9, 2, 1, id="many behind a push"),
]


@pytest.mark.parametrize(("sent", "opened", "taken"), OVERLOADED)
async def test_who_asks_more_than_one_thing_at_a_time_is_answered_once(
    sent: bytes, opened: int, taken: int
) -> None:
    """Besides pushes one request is answered, after pushes ahead of it; none behind it is read."""
    handler = Echo(at_once=False)
    async with connected(handler) as client:
        client.send(sent)
        await until(lambda: handler.opened == opened)
        for exchange in handler.taken:
            handler.let_go(exchange)
        for _ in range(taken):
            assert (await client.answer())[2] == b"abc"
        status, headers, body = await client.answer()
        assert (status, headers.get("connection"), body) == (200, "close", b"at once")
        assert await client.end() == CLOSED
    assert (handler.opened, len(handler.taken), handler.troubles) == (opened, taken, [])


@pytest.mark.parametrize("behind", [b"", b"\r\n"], ids=["plain", "with a line behind it"])
@pytest.mark.parametrize("at_a_time", [1, 20, 100_000])
async def test_who_asks_one_thing_at_a_time_may_stay(at_a_time: int, behind: bytes) -> None:
    """A load balancer that waits for each answer keeps its connection, and may push by it, too."""
    handler = Echo()
    async with connected(handler) as client:
        for sent, body in [(AT_ONCE + behind, b"at once"), (post(b"abc"), b"abc")] * 3:
            for start in range(0, len(sent), at_a_time):
                client.send(sent[start : start + at_a_time])
                await asyncio.sleep(0.001)
            status, headers, answered = await client.answer()
            assert (status, headers.get("connection"), answered) == (200, None, body)
    assert (len(handler.taken), handler.troubles) == (3, [])


async def test_who_still_sends_can_read_the_refusal() -> None:
    """A large body that nobody wants is dropped while it comes: the answer is not lost by it."""
    async with connected(Echo()) as client:
        client.send(post(b"x" * 10_000_000))
        assert (await client.answer())[0] == 400
        assert await client.end() == CLOSED


@pytest.mark.parametrize("at_a_time", [1, 7, 100_000])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_framing(case: Case, at_a_time: int) -> None:
    """What is framed plainly is taken with its body, all else is refused, however it is cut."""
    handler = Echo()
    async with connected(handler, replace(PATIENT, max_body_bytes=MAX_BODY_BYTES)) as client:
        sent = case.sent_to("/")
        for start in range(0, len(sent), at_a_time):
            client.send(sent[start : start + at_a_time])
            await asyncio.sleep(0)
        goes_on = b"HTTP/1.1 100 Continue\r\n\r\n"
        if b"Expect: 100-continue" in sent and b"HTTP/1.1" in sent and case.status == 200:
            async with asyncio.timeout(5):
                assert await client.reader.readexactly(len(goes_on)) == goes_on
        status, headers, _ = await client.answer()
        if case.status == 200:
            assert (status, handler.troubles) == (200, [])
            assert [exchange.body for exchange in handler.taken] == [BODY]
            return
        assert (status, headers["connection"]) == (400, "close")
        assert await client.end() == CLOSED
    large = case.status == 413
    assert handler.troubles == [RequestError.BODY_TOO_LARGE if large else RequestError.MALFORMED]
    assert handler.taken == []


LINES = [case for case in CASES if "RTSP" in case.name or "ICE" in case.name]


@pytest.mark.parametrize("case", LINES, ids=lambda case: case.name)
async def test_the_protocol_is_seen_wherever_the_line_is_cut(case: Case) -> None:
    """Cut at any place of the request line, or behind another request, the answer is the same."""
    handler = Echo()
    sent = case.sent_to("/")
    # Behind another request what looks like such a line elsewhere is refused too.
    before = (b"", post(b"ahead")) if case.status != 200 else (b"",)
    async with a_listener(handler, PATIENT) as port:
        for cut in range(1, sent.index(b"\r\n", 2) + 3):
            for ahead in before:
                client = Client(*await asyncio.open_connection("127.0.0.1", port))
                client.send(ahead, sent[:cut])
                await asyncio.sleep(0.001)
                client.send(sent[cut:])
                if ahead:
                    assert (await client.answer())[0] == 200
                assert (await client.answer())[0] == case.status
                client.close()


# --- floods -------------------------------------------------------------------------------------


async def test_a_flood_leaves_turns_to_others() -> None:
    """While thousands of requests of one connection are answered, another one is not kept."""
    handler = Echo()
    most = 5_000
    async with a_listener(handler, PATIENT) as port:
        flood, other = [Client(*await asyncio.open_connection("127.0.0.1", port)) for _ in range(2)]
        flood.send(post(b"flood") * most)
        other.send(post(b"other"))
        assert (await other.answer())[2] == b"other"
        assert len(handler.taken) < most // 2
        for _ in range(most):
            assert (await flood.answer())[2] == b"flood"
        flood.close()
        other.close()


async def test_one_byte_chunks_leave_turns_to_others() -> None:
    """A body of many small pieces is taken a few at a time, and whole in the end."""
    handler = Echo()
    size = 50_000
    async with a_listener(handler, replace(PATIENT, max_body_bytes=size)) as port:
        flood, other = [Client(*await asyncio.open_connection("127.0.0.1", port)) for _ in range(2)]
        flood.send(CHUNKED + b"1\r\na\r\n" * size + b"0\r\n\r\n")
        other.send(post(b"other"))
        assert (await other.answer())[2] == b"other"
        assert [exchange.body for exchange in handler.taken] == [b"other"]
        assert (await flood.answer())[2] == b"a" * size
        flood.close()
        other.close()


async def test_many_who_send_byte_by_byte_are_all_answered() -> None:
    """Where more of them are read than a turn allows, they wait, and none is forgotten."""
    handler = Echo()
    sent = post(b"a")
    async with a_listener(handler, PATIENT) as port:
        clients = [Client(*await asyncio.open_connection("127.0.0.1", port)) for _ in range(60)]
        for place in range(len(sent)):
            for client in clients:
                client.send(sent[place : place + 1])
            await asyncio.sleep(0)
        for client in clients:
            assert (await client.answer())[2] == b"a"
            client.close()
    assert handler.troubles == []


async def test_the_end_of_a_flood_is_heard_behind_it() -> None:
    """All that came before the client's end is answered, in order, then the connection closes."""
    handler = Echo()
    async with connected(handler) as client:
        bodies = [b"%d" % number for number in range(3000)]
        client.send(*map(post, bodies))
        client.writer.write_eof()
        assert [(await client.answer())[2] for _ in bodies] == bodies
        assert await client.end() == CLOSED


async def test_nothing_is_parsed_behind_the_end() -> None:
    """What stands behind a refusal reaches nobody, however much it is."""
    handler = Echo()
    async with connected(handler) as client:
        client.send(post(b"", path="/nothing") * 10_000)
        assert (await client.answer())[0] == 404
        assert await client.end() == CLOSED
    assert handler.opened == 1


async def test_the_clock_starts_with_the_first_bytes() -> None:
    """A request counts from when its first bytes were there, not from when its head was read."""
    handler = Echo()
    async with connected(handler) as client:
        began = time.perf_counter()
        client.send(post(b"abc")[:10])
        await asyncio.sleep(0.2)
        client.send(post(b"abc")[10:])
        await client.answer()
        ended = time.perf_counter()
    (exchange,) = handler.taken
    assert began - 0.01 < exchange.started < ended - 0.15


async def test_a_client_that_asks_first_is_told_to_go_on() -> None:
    """`Expect: 100-continue` is answered before the body comes, by a refusal where it is one."""
    handler = Echo()
    async with connected(handler) as client:
        whole = post(b"abc", "Expect: 100-Continue")
        client.send(whole[:-3])
        async with asyncio.timeout(5):
            assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send(b"abc")
        assert (await client.answer())[::2] == (200, b"abc")
        client.send(post(b"abc", "Expect: 100-continue", path="/nothing")[:-3])
        status, headers, _ = await client.answer()
        assert (status, headers["connection"]) == (404, "close")
        assert await client.end() == CLOSED


async def test_a_head_request_gets_no_body() -> None:
    """The answer to HEAD has the headers of the other answer, and the connection stays usable."""
    async with connected(Echo()) as client:
        client.send(b"HEAD / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", post(b"next"))
        status, headers, _ = await client.answer(to_head=True)
        assert (status, headers["content-length"]) == (200, "3")
        assert (await client.answer())[2] == b"next"


async def test_a_client_that_sends_no_more_still_gets_its_answer() -> None:
    """A half-closed connection is answered, then closed."""
    handler = Echo(at_once=False)
    async with connected(handler) as client:
        client.send(post(b"abc"))
        client.writer.write_eof()
        await until(lambda: len(handler.taken) == 1)
        await asyncio.sleep(0.05)
        handler.let_go(handler.taken[0])
        assert (await client.answer())[2] == b"abc"
        assert await client.end() == CLOSED


async def test_an_answer_to_a_client_that_left_is_no_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What was taken is settled all the same, and nobody complains."""
    handler = Echo(at_once=False)
    async with connected(handler) as client:
        client.send(post(b"abc"))
        await until(lambda: len(handler.taken) == 1)
        client.writer.transport.abort()
        await asyncio.sleep(0.05)
        handler.let_go(handler.taken[0])
        await asyncio.sleep(0.05)
    assert caplog.text == ""


# request target -> path
PATHS = [
    pytest.param("/a/b", "/a/b", id="path"),
    pytest.param("/a?b=c", "/a", id="query"),
    pytest.param("/a%2Fb%20c", "/a/b c", id="percent-encoded"),
    pytest.param("http://example.com/a?b", "/a", id="absolute"),
    pytest.param("*", "*", id="asterisk"),
    pytest.param("//a", "//a", id="two slashes"),
]


@pytest.mark.parametrize(("target", "path"), PATHS)
async def test_the_path_is_read_from_the_target(target: str, path: str) -> None:
    """Query and scheme are cut off, percent-encoding is undone."""
    handler = Echo()
    async with connected(handler) as client:
        method = "OPTIONS" if target == "*" else "POST"
        client.send(f"{method} {target} HTTP/1.1\r\nHost: x\r\nX-A: b\r\nx-a:  c \r\n\r\n".encode())
        assert (await client.answer())[0] == 200
    (exchange,) = handler.taken
    assert (exchange.path, exchange.method) == (path, method.encode())
    assert exchange.headers == [(b"host", b"x"), (b"x-a", b"b"), (b"x-a", b"c")]
    assert exchange.peer == "127.0.0.1"


@given(sent=st.one_of(st.binary(max_size=300), st.binary(max_size=60).map(lambda b: post(b) + b)))
def test_any_bytes_are_answered_or_refused(sent: bytes) -> None:
    """Whatever comes, the server answers in HTTP, closes, and goes on for others."""

    async def run() -> None:
        handler = Echo()
        async with a_listener(handler, PATIENT) as port:
            client = Client(*await asyncio.open_connection("127.0.0.1", port))
            client.send(sent)
            client.writer.write_eof()
            answered = await client.end()
            assert answered == b"" or answered.startswith(b"HTTP/1.1 ")
            client.close()
            other = Client(*await asyncio.open_connection("127.0.0.1", port))
            other.send(post(b"still here"))
            assert (await other.answer())[2] == b"still here"
            other.close()

    asyncio.run(run())
