"""The public edge, as a table: request -> status, what is counted, what the journal has."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from receiver.huawei import wire
from receiver.journal import FILE_NAME, Journal, Row
from receiver.metrics import Metrics
from receiver.web.callbacks import Address, Callbacks
from receiver.web.problems import MEDIA_TYPE
from tests.conftest import (
    NOW,
    TOKEN,
    a_journal,
    batch,
    break_journal,
    form,
    mend_journal,
    write_lock,
)

ACCEPTED = b'{"returnCode":0,"returnCodeDesc":"Success"}'
OTHER_TOKEN = "token-of-the-second-application"  # noqa: S105 - of no service
LIMIT = 4096
PATH = f"/callbacks/{TOKEN}"
ITEM = {"smsMsgId": "m1", "status": "DELIVRD", "updateTime": "2018-04-13T06:31:46Z"}
REPORT = form(**ITEM)
UPLINK = form(from_="+8615500005172", to="1069", body="R", smsMsgId="u1")
MIXED = batch([ITEM, {"status": "DELIVRD"}])
HUGE = b"x" * (LIMIT + 1)


@dataclass
class Edge:
    """The public application over a real journal."""

    app: Callbacks
    journal: Journal
    metrics: Metrics
    client: httpx.AsyncClient

    async def rows(self) -> list[Row]:
        """Give all rows of the journal."""
        return await self.journal.read_after(0, rows=1000, max_bytes=2**30)

    def counted(self) -> dict[tuple[str, str], float]:
        """Give what was counted, by kind and outcome."""
        (family,) = self.metrics.pushes.collect()
        return {
            (sample.labels["kind"], sample.labels["outcome"]): sample.value
            for sample in family.samples
            if sample.name.endswith("_total") and sample.value
        }


@asynccontextmanager
async def an_edge(directory: Path, **limits: Any) -> AsyncIterator[Edge]:
    """Open the public application over a journal in a directory."""
    addresses = [Address(TOKEN, "default"), Address(OTHER_TOKEN, "second")]
    metrics = Metrics("test")
    async with a_journal(directory, **limits) as journal:
        app = Callbacks(addresses, journal.append, metrics, lambda: NOW, LIMIT)
        transport = httpx.ASGITransport(app, client=("192.0.2.7", 40_000))
        async with httpx.AsyncClient(transport=transport, base_url="http://edge.test") as client:
            yield Edge(app, journal, metrics, client)


# method, path, body -> status, (kind, outcome) counted, kinds of the journal's rows
TABLE = [
    pytest.param("POST", PATH, REPORT, 200, ("status", "accepted"), ["status"], id="report"),
    pytest.param("POST", PATH, batch([ITEM] * 50), 200, ("batch", "accepted"), ["batch"],
                 id="batch"),
    pytest.param("POST", PATH, UPLINK, 200, ("uplink", "accepted"), ["uplink"], id="uplink"),
    pytest.param("POST", PATH + "/", REPORT, 200, ("status", "accepted"), ["status"],
                 id="slash at the end"),
    pytest.param("POST", PATH + "?a=b", REPORT, 200, ("status", "accepted"), ["status"],
                 id="query"),
    pytest.param("POST", PATH, MIXED, 200, ("batch", "accepted"), ["batch"], id="some bad items"),
    pytest.param("POST", PATH, REPORT.ljust(LIMIT, b"x"), 200, ("status", "accepted"), ["status"],
                 id="as large as may be"),
    pytest.param("POST", PATH, b"", 400, ("unknown", "unusable"), ["unusable"], id="empty"),
    pytest.param("POST", PATH, b"a=b", 400, ("unknown", "unusable"), ["unusable"], id="no push"),
    pytest.param("POST", PATH, form(smsMsgId="", status="X"), 400, ("unknown", "unusable"),
                 ["unusable"], id="empty id"),
    pytest.param("POST", PATH, b"\x00\xff\xfe", 400, ("unknown", "unusable"), ["unusable"],
                 id="bytes"),
    pytest.param("POST", PATH, b'{"statusReportList":[]}', 400, ("unknown", "unusable"),
                 ["unusable"], id="empty batch"),
    pytest.param("POST", PATH, batch([{}, {}]), 400, ("unknown", "unusable"), ["unusable"],
                 id="only bad items"),
    pytest.param("POST", PATH, HUGE, 413, ("unknown", "too_large"), [], id="too large"),
    pytest.param("POST", "/callbacks/wrong", REPORT, 404, ("unknown", "unknown_token"), [],
                 id="unknown token"),
    pytest.param("POST", "/callbacks/", REPORT, 404, ("unknown", "unknown_token"), [],
                 id="no token"),
    pytest.param("POST", PATH + "/more", REPORT, 404, ("unknown", "unknown_token"), [],
                 id="more path"),
    pytest.param("POST", PATH.upper(), REPORT, 404, None, [], id="another case"),
    pytest.param("GET", PATH, b"", 405, ("unknown", "wrong_method"), [], id="GET"),
    pytest.param("PUT", PATH, REPORT, 405, ("unknown", "wrong_method"), [], id="PUT"),
    pytest.param("GET", "/callbacks/wrong", b"", 405, ("unknown", "wrong_method"), [],
                 id="GET tells nothing of a token"),
    pytest.param("GET", "/healthz", b"", 200, None, [], id="health"),
    pytest.param("HEAD", "/healthz", b"", 200, None, [], id="HEAD health"),
    pytest.param("POST", "/healthz", b"", 405, None, [], id="POST health"),
    pytest.param("GET", "/", b"", 404, None, [], id="root"),
    pytest.param("GET", "/metrics", b"", 404, None, [], id="no metrics here"),
    pytest.param("POST", "/v1/sends", b"{}", 404, None, [], id="no API here"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "body", "status", "counted", "kinds"), TABLE)
async def test_a_request_gets_its_answer(
    tmp_path: Path,
    method: str,
    path: str,
    body: bytes,
    status: int,
    counted: tuple[str, str] | None,
    kinds: list[str],
) -> None:
    """Each request has its status, is counted by kind and outcome, and is kept or not."""
    async with an_edge(tmp_path) as edge:
        answer = await edge.client.request(method, path, content=body)
        rows = await edge.rows()
        assert answer.status_code == status
        assert edge.counted() == ({counted: 1} if counted else {})
    assert [(row.kind, row.body) for row in rows] == [(kind, body) for kind in kinds]
    if status >= 400:
        assert answer.headers["content-type"] == MEDIA_TYPE
        problem = answer.json()
        assert problem["status"] == status
        assert problem["detail"]
        assert ("allow" in answer.headers) == (status == 405)
    elif path.startswith("/callbacks"):
        assert answer.content == ACCEPTED
        assert answer.headers["content-length"] == "43"


async def test_a_row_says_where_it_came_from(tmp_path: Path) -> None:
    """The journal's row carries application, time, peer, trust and the headers worth keeping."""
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "X-Sdk-Date": "20241212T070653Z",
        "Ompsid": "7f54" * 100,
        "TraceHandle": "DMZ_1",
        "Authorization": "SDK-HMAC-SHA256 Access=secret",
        "Cookie": "secret",
    }
    async with an_edge(tmp_path) as edge:
        path = f"/callbacks/{OTHER_TOKEN}"
        answer = await edge.client.post(path, content=REPORT, headers=headers)
        (row,) = await edge.rows()
    assert answer.status_code == 200
    assert row[:6] == (1, "status", "second", NOW, "192.0.2.7", "open")
    assert row.headers.split("\n") == [
        "content-type: application/x-www-form-urlencoded",
        "x-sdk-date: 20241212T070653Z",
        f"ompsid: {('7f54' * 100)[:200]}",
        "tracehandle: DMZ_1",
    ]


async def test_a_refusal_repeats_nothing_of_the_push(tmp_path: Path) -> None:
    """The problem document names what is wrong, never a value that came."""
    body = form(from_="+8613912345678", to="1069", body="my secret", smsMsgId="")
    async with an_edge(tmp_path) as edge:
        answer = await edge.client.post(PATH, content=body)
        assert answer.status_code == 400
        assert "`smsMsgId`" in answer.json()["detail"]
        for value in ("13912345678", "secret", "1069"):
            assert value not in answer.text
        answer = await edge.client.post("/callbacks/almost-a-token", content=body)
        assert "almost-a-token" not in answer.text


# --- ASGI, message by message ---------------------------------------------------------------------

Message = dict[str, Any]


async def ask(
    edge: Edge, messages: Sequence[Message], headers: Sequence[tuple[bytes, bytes]] = ()
) -> list[Message]:
    """Hand messages of a server to the application; give what it sent."""
    waiting = list(messages)
    sent: list[Message] = []

    async def receive() -> Message:
        await asyncio.sleep(0)
        assert waiting, "the application reads beyond the end of the request"
        return waiting.pop(0)

    async def send(message: Any) -> None:
        sent.append(dict(message))

    scope = {
        "type": "http",
        "method": "POST",
        "path": PATH,
        "headers": list(headers),
        "client": ("192.0.2.7", 40_000),
    }
    await edge.app(scope, receive, send)
    return sent


def piece(body: bytes, *, more: bool = True) -> Message:
    """Make a piece of a body."""
    return {"type": "http.request", "body": body, "more_body": more}


GONE: Message = {"type": "http.disconnect"}


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([piece(REPORT, more=False)], id="whole"),
        pytest.param([{"type": "http.request", "body": REPORT}], id="without more_body"),
        pytest.param([piece(REPORT), piece(b"", more=False)], id="an empty end"),
        pytest.param([*(piece(bytes([b])) for b in REPORT), {"type": "http.request"}], id="bytes"),
    ],
)
async def test_a_body_may_come_in_pieces(tmp_path: Path, pieces: list[Message]) -> None:
    """However a body is cut, the journal has it whole and the answer is 200."""
    async with an_edge(tmp_path) as edge:
        start, body = await ask(edge, pieces)
        assert (start["status"], body["body"]) == (200, ACCEPTED)
        assert [row.body for row in await edge.rows()] == [REPORT]


@pytest.mark.parametrize(
    "messages",
    [
        pytest.param([GONE], id="at once"),
        pytest.param([piece(REPORT), GONE], id="before the end"),
        pytest.param([piece(b"a"), piece(b"b"), GONE], id="midway"),
    ],
)
async def test_a_client_that_goes_away_leaves_nothing(
    tmp_path: Path, messages: list[Message]
) -> None:
    """A request that did not come whole is neither kept nor answered nor counted."""
    async with an_edge(tmp_path) as edge:
        assert await ask(edge, messages) == []
        assert await edge.rows() == []
        assert edge.counted() == {}


@pytest.mark.parametrize(
    ("messages", "headers"),
    [
        pytest.param([], [(b"content-length", b"%d" % (LIMIT + 1))], id="declared"),
        pytest.param([], [(b"content-length", b"9" * 5000)], id="declared without end"),
        pytest.param([piece(HUGE)], [], id="in one piece"),
        pytest.param([piece(HUGE[:-1]), piece(b"xx")], [], id="in two pieces"),
    ],
)
async def test_a_body_that_is_too_large_is_not_read_on(
    tmp_path: Path, messages: list[Message], headers: list[tuple[bytes, bytes]]
) -> None:
    """As soon as it is clear that the body is too large, the answer is 413 and the end."""
    async with an_edge(tmp_path) as edge:
        start, _ = await ask(edge, messages, headers)
        assert start["status"] == 413
        assert (b"connection", b"close") in start["headers"]
        assert await edge.rows() == []


# --- the journal is away ----------------------------------------------------------------------


def broken(directory: Path) -> Callable[[], None]:
    """Let writes fail; give what undoes it."""
    break_journal(directory)
    return lambda: mend_journal(directory)


def locked(directory: Path) -> Callable[[], None]:
    """Lock the journal's file; give what undoes it."""
    held = ExitStack()
    held.enter_context(write_lock(directory / FILE_NAME))
    return held.close


@pytest.mark.parametrize("trouble", [broken, locked])
@pytest.mark.parametrize(
    ("body", "kind"),
    [
        pytest.param(REPORT, "status", id="report"),
        pytest.param(MIXED, "batch", id="batch"),
        pytest.param(UPLINK, "uplink", id="uplink"),
        pytest.param(b"nonsense", "unknown", id="unusable"),
    ],
)
async def test_nothing_is_acknowledged_without_the_journal(
    tmp_path: Path, trouble: Callable[[Path], Callable[[], None]], body: bytes, kind: str
) -> None:
    """While the journal fails every push gets 503 and when to come again; then all is well."""
    async with an_edge(tmp_path, timeout_s=0.2) as edge:
        end_trouble = trouble(tmp_path)
        try:
            async with asyncio.timeout(3):
                answer = await edge.client.post(PATH, content=body)
        finally:
            end_trouble()
        assert answer.status_code == 503
        assert answer.headers["content-type"] == MEDIA_TYPE
        assert int(answer.headers["retry-after"]) >= 1
        assert edge.counted() == {(kind, "unavailable"): 1}
        # A lock may be released when the push has already been given up but can still be written.
        async with asyncio.timeout(10):
            while (await edge.client.post(PATH, content=REPORT)).status_code != 200:  # noqa: ASYNC110 - as the platform would
                await asyncio.sleep(0.05)
        assert (await edge.rows())[-1].body == REPORT


async def test_too_much_that_waits_is_refused_at_once(tmp_path: Path) -> None:
    """Pushes beyond the journal's limit get 503 without waiting; the others are acknowledged."""
    async with an_edge(tmp_path, max_waiting=5) as edge:
        posts = (edge.client.post(PATH, content=REPORT) for _ in range(40))
        answers = await asyncio.gather(*posts)
        taken = [answer.status_code for answer in answers].count(200)
        assert {answer.status_code for answer in answers} == {200, 503}
        assert len(await edge.rows()) == taken
        assert edge.counted() == {
            ("status", "accepted"): taken,
            ("status", "unavailable"): 40 - taken,
        }


async def test_every_200_is_in_the_journal_at_that_moment(tmp_path: Path) -> None:
    """The acknowledgement is sent after the row can be read, never before."""
    async with an_edge(tmp_path) as edge:
        seen: list[int] = []

        async def receive() -> Message:
            return piece(REPORT, more=False)

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                seen.append(len(await edge.rows()))

        scope: dict[str, Any] = {
            "type": "http",
            "method": "POST",
            "path": PATH,
            "headers": [],
            "client": None,
        }
        for _ in range(5):
            await edge.app(scope, receive, send)
        assert seen == [1, 2, 3, 4, 5]
        assert {row.peer for row in await edge.rows()} == {""}


# --- anything -----------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(body=st.one_of(st.binary(max_size=200), st.sampled_from([REPORT, MIXED, UPLINK])))
def test_any_body_is_kept_whole_and_answered_honestly(body: bytes) -> None:
    """Whatever comes is in the journal byte for byte; 200 says that something in it is usable."""
    kept: list[Any] = []

    async def accept(entry: Any) -> None:
        kept.append(entry)

    async def run() -> int:
        app = Callbacks([Address(TOKEN, "default")], accept, Metrics("test"), lambda: NOW, LIMIT)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://edge.test") as client:
            return (await client.post(PATH, content=body)).status_code

    status = asyncio.run(run())
    assert [one.body for one in kept] == [body]
    try:
        wire.sift(body)
    except wire.UnusableError:
        assert (status, kept[0].kind) == (400, "unusable")
    else:
        assert status == 200
