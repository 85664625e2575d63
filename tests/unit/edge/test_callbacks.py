"""The public edge, as a table: request -> status, what is counted, what the journal has."""

import asyncio
import gzip
import hashlib
import sqlite3
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from receiver.domain.projection import Quarantined
from receiver.domain.steps import finish
from receiver.edge.admission import Gates
from receiver.edge.callbacks import Callbacks, address_of
from receiver.edge.exchanges import RequestLimits
from receiver.http.peers import Networks
from receiver.http.problems import MEDIA_TYPE
from receiver.http.throttle import Guesses, GuessLimits
from receiver.huawei import wire
from receiver.journal import FILE_NAME, Journal, JournalEntry, Row, Settle
from receiver.metrics import Metrics
from receiver.projector.decoding import decode
from tests.support.parts import (
    NOW,
    TOKEN,
    a_journal,
    a_public_client,
    batch,
    break_journal,
    form,
    mend_journal,
    write_lock,
)

ACCEPTED = b'{"returnCode":0,"returnCodeDesc":"Success"}'
OTHER_TOKEN = "token-of-the-second-application"  # noqa: S105 - of no service
LIMIT = 4096
LIMITS = RequestLimits(
    max_body_bytes=LIMIT, max_form_bytes=1024, cut_off_body_bytes=100, cut_off_traces_per_minute=2
)
PATH = f"/callbacks/{TOKEN}"
ITEM = {"smsMsgId": "m1", "status": "DELIVRD", "updateTime": "2018-04-13T06:31:46Z"}
REPORT = form(**ITEM)
UPLINK = form(from_="+8615500005172", to="1069", body="R", smsMsgId="u1")
MIXED = batch([ITEM, {"status": "DELIVRD"}])
HUGE = b"x" * (LIMIT + 1)


@dataclass
class Edge:
    """The handler of the public listener over a real journal, on a port."""

    journal: Journal
    metrics: Metrics
    client: httpx.AsyncClient

    async def rows(self) -> list[Row]:
        """Return all rows of the journal."""
        return await self.journal.read_after(0, rows=1000, max_bytes=2**30)

    def counted(self) -> dict[tuple[str, str], float]:
        """Return what was counted, by kind and outcome."""
        (family,) = self.metrics.pushes.collect()
        return {
            (sample.labels["kind"], sample.labels["outcome"]): sample.value
            for sample in family.samples
            if sample.name.endswith("_total") and sample.value
        }


def unbounded() -> tuple[Gates, Guesses]:
    """Let everybody push who has a token, and try as many wrong ones as they like."""
    guesses = Guesses(GuessLimits(10**6, 1, 1), lambda: None)
    return Gates({}, Networks(), Metrics("test"), lambda: NOW), guesses


@asynccontextmanager
async def an_edge(
    directory: Path,
    clock: Callable[[], int] = lambda: NOW,
    edge_limits: RequestLimits = LIMITS,
    **limits: Any,
) -> AsyncIterator[Edge]:
    """Open the handler over a journal in a directory."""
    addresses = [address_of(TOKEN, "default"), address_of(OTHER_TOKEN, "second")]
    metrics = Metrics("test")
    async with a_journal(directory, **limits) as journal:
        handler = Callbacks(addresses, journal.submit, metrics, clock, edge_limits, *unbounded())
        async with a_public_client(handler, edge_limits) as client:
            yield Edge(journal, metrics, client)


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
    pytest.param("POST", PATH, REPORT.ljust(1024, b"x"), 200, ("status", "accepted"), ["status"],
                 id="as large as a form may be"),
    pytest.param("POST", PATH, batch([ITEM]).ljust(LIMIT), 200, ("batch", "accepted"), ["batch"],
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
    pytest.param("POST", "/callbacks/wrong", REPORT, 404, ("unknown", "unknown_token"), [],
                 id="unknown token"),
    pytest.param("POST", "/callbacks/", REPORT, 404, ("unknown", "unknown_token"), [],
                 id="no token"),
    pytest.param("POST", PATH + "/more", REPORT, 404, ("unknown", "unknown_token"), [],
                 id="more path"),
    pytest.param("POST", PATH.upper(), REPORT, 404, None, [], id="another case"),
    pytest.param("GET", PATH, b"", 405, ("unknown", "wrong_method"), [], id="GET"),
    pytest.param("HEAD", PATH, b"", 405, ("unknown", "wrong_method"), [], id="HEAD"),
    pytest.param("OPTIONS", PATH, b"", 405, ("unknown", "wrong_method"), [], id="OPTIONS"),
    pytest.param("PUT", PATH, REPORT, 405, ("unknown", "wrong_method"), ["unusable"],
                 id="PUT with a report"),
    pytest.param("GET", "/callbacks/wrong?a=b", b"", 404, ("unknown", "unknown_token"), [],
                 id="GET with a query and an unknown token"),
    pytest.param("PUT", "/callbacks/wrong", REPORT, 404, ("unknown", "unknown_token"), [],
                 id="PUT with an unknown token"),
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
    if method == "HEAD":
        assert answer.content == b""
    elif status >= 400:
        assert answer.headers["content-type"] == MEDIA_TYPE
        problem = answer.json()
        assert problem["status"] == status
        assert problem["detail"]
        assert ("allow" in answer.headers) == (status == 405)
    elif path.startswith("/callbacks"):
        assert answer.content == ACCEPTED
        assert answer.headers["content-length"] == "43"


async def test_fields_in_the_query_beside_a_body_are_kept(tmp_path: Path) -> None:
    """The push in the body is taken, and what its query told is in the quarantine."""
    async with an_edge(tmp_path) as edge:
        for query in ("extend=abc", "app=shop"):
            answer = await edge.client.post(f"{PATH}?{query}", content=REPORT)
            assert answer.status_code == 200
        rows = await edge.rows()
    assert [(row.kind, row.body) for row in rows] == [
        ("unusable", b"extend=abc"),
        ("status", REPORT),
        ("status", REPORT),
    ]
    (event,) = finish(decode(rows[0]))
    assert isinstance(event, Quarantined)
    assert "were ignored" in event.reason


MISPLACED = [
    pytest.param("POST", b"", 400, id="POST"),
    pytest.param("GET", b"", 405, id="GET"),
    pytest.param("HEAD", b"", 405, id="HEAD"),
    pytest.param("OPTIONS", b"", 405, id="OPTIONS"),
    pytest.param("DELETE", b"", 405, id="DELETE"),
]


@pytest.mark.parametrize(("method", "body", "status"), MISPLACED)
async def test_fields_in_the_query_are_kept(
    tmp_path: Path, method: str, body: bytes, status: int
) -> None:
    """A push whose fields stand in the query is refused with what to do, and is kept."""
    async with an_edge(tmp_path) as edge:
        path = f"{PATH}?{REPORT.decode()}"
        answer = await edge.client.request(method, path, content=body)
        (row,) = await edge.rows()
        assert answer.status_code == status
        if method != "HEAD":
            assert "as a form" in answer.json()["detail"]
            assert ITEM["smsMsgId"] not in answer.text
        assert ("allow" in answer.headers) == (status == 405)
    assert (row.kind, row.body) == ("unusable", REPORT)
    (event,) = finish(decode(row))
    assert isinstance(event, Quarantined)
    assert event.body == REPORT
    assert "as a form" in event.reason


# body, whether its length is announced -> bytes told and received as the trace says
CUT_OFF = [
    pytest.param(HUGE, True, f"{len(HUGE)} bytes were announced; ", id="announced"),
    pytest.param(HUGE, False, "", id="in chunks"),
    pytest.param(REPORT.ljust(1025, b"x"), True, "", id="form"),
    pytest.param(REPORT.ljust(1025, b"x"), False, "", id="form in chunks"),
]


@pytest.mark.parametrize(("body", "announced", "told"), CUT_OFF)
async def test_what_is_too_large_leaves_a_trace(
    tmp_path: Path, body: bytes, announced: bool, told: str
) -> None:
    """Its beginning, its size and the digest of what came are durable before the 413."""

    async def pieces() -> AsyncIterator[bytes]:
        yield body

    async with an_edge(tmp_path) as edge:
        answer = await edge.client.post(PATH, content=body if announced else pieces())
        (row,) = await edge.rows()
        assert answer.status_code == 413
        assert edge.counted() == {("unknown", "too_large"): 1}
        assert edge.metrics.registry.get_sample_value(
            "receiver_pushes_cut_off_total", {"application": "default"}
        ) == 1  # fmt: skip
    (event,) = finish(decode(row))
    assert isinstance(event, Quarantined)
    assert (event.body, event.size) == (body[:100], len(body))
    assert told in event.reason
    if not told:
        assert f"{len(body)} bytes arrived" in event.reason
        assert hashlib.sha256(body).hexdigest() in event.reason


async def test_traces_are_bounded_and_say_so(tmp_path: Path) -> None:
    """So many a minute are kept; the next one that is kept tells how many left none."""
    now = [NOW]
    async with an_edge(tmp_path, clock=lambda: now[0]) as edge:
        for _ in range(5):
            assert (await edge.client.post(PATH, content=HUGE)).status_code == 413
        other = await edge.client.post(f"/callbacks/{OTHER_TOKEN}", content=HUGE)
        now[0] += 60_000_000
        await edge.client.post(PATH, content=HUGE)
        rows = await edge.rows()
        assert other.status_code == 413
    assert [row.application for row in rows] == ["default"] * 2 + ["second"] + ["default"]
    assert "3 earlier pushes were rejected without a record." in rows[-1].headers
    assert "without a record" not in "".join(row.headers for row in rows[:-1])


async def test_strangers_leave_no_trace_of_large_bodies(tmp_path: Path) -> None:
    """Without a token the head alone is answered, and nothing is kept."""
    async with an_edge(tmp_path) as edge:
        answer = await edge.client.post("/callbacks/wrong", content=HUGE)
        assert answer.status_code == 404
        assert await edge.rows() == []
        assert edge.counted() == {("unknown", "unknown_token"): 1}


async def test_a_trace_that_is_not_durable_is_no_answer_about_size(tmp_path: Path) -> None:
    """While the journal cannot be written, what is too large may be pushed again."""
    async with an_edge(tmp_path) as edge:
        break_journal(tmp_path)
        answer = await edge.client.post(PATH, content=HUGE)
        assert answer.status_code == 503
        mend_journal(tmp_path)


async def test_a_push_of_many_values_is_judged_in_slices(tmp_path: Path) -> None:
    """Many items are counted as few are, while other pushes are answered."""
    limits = RequestLimits()
    many = batch([{}] * 30_000 + [ITEM])
    async with an_edge(tmp_path, edge_limits=limits) as edge:
        large = asyncio.create_task(edge.client.post(PATH, content=many))
        bad = asyncio.create_task(edge.client.post(PATH, content=batch([{}] * 30_000)))
        for _ in range(5):
            assert (await edge.client.post(PATH, content=REPORT)).status_code == 200
        assert (await large).status_code == 200
        assert (await bad).status_code == 400
        rows = await edge.rows()
        assert edge.counted()["batch", "accepted"] == 1
    assert sorted(row.kind for row in rows) == ["batch"] + ["status"] * 5 + ["unusable"]


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
    assert row[:6] == (1, "status", "second", NOW, "127.0.0.1", "token")
    assert row.headers.split("\n") == [
        "content-type: application/x-www-form-urlencoded",
        "x-sdk-date: 20241212T070653Z",
        f"ompsid: {('7f54' * 100)[:200]}",
        "tracehandle: DMZ_1",
    ]


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        pytest.param(gzip.compress(REPORT), {"content-encoding": "gzip"}, id="gzip"),
        pytest.param(gzip.compress(REPORT), {}, id="gzip that nobody declares"),
        pytest.param(zlib.compress(REPORT), {"Content-Encoding": "deflate"}, id="deflate"),
        pytest.param(gzip.compress(MIXED), {"content-encoding": "x-gzip"}, id="batch"),
    ],
)
async def test_a_compressed_push_is_told_how_to_come(
    tmp_path: Path, body: bytes, headers: dict[str, str]
) -> None:
    """A body that is compressed is refused with what is accepted instead, and is kept."""
    async with an_edge(tmp_path) as edge:
        answer = await edge.client.post(PATH, content=body, headers=headers)
        (row,) = await edge.rows()
    assert answer.status_code == 400
    assert "without `Content-Encoding`" in answer.json()["detail"]
    assert answer.headers["accept-encoding"] == "identity"
    (event,) = finish(decode(row))
    assert isinstance(event, Quarantined)
    assert (event.body, event.reason) == (body, answer.json()["detail"])


async def test_a_plain_push_that_is_declared_as_compressed_is_taken(tmp_path: Path) -> None:
    """What can be used is used, whatever its headers say of it."""
    async with an_edge(tmp_path) as edge:
        headers = {"content-encoding": "gzip"}
        assert (await edge.client.post(PATH, content=REPORT, headers=headers)).status_code == 200


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


# --- the journal is away ----------------------------------------------------------------------


def broken(directory: Path) -> Callable[[], None]:
    """Let writes fail; return what undoes it."""
    break_journal(directory)
    return lambda: mend_journal(directory)


def locked(directory: Path) -> Callable[[], None]:
    """Lock the journal's file; return what undoes it."""
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
        for number in range(1, 6):
            assert (await edge.client.post(PATH, content=REPORT)).status_code == 200
            with closing(sqlite3.connect(tmp_path / FILE_NAME)) as reader:
                assert reader.execute("SELECT count(*) FROM journal").fetchone() == (number,)


# --- anything -----------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(body=st.one_of(st.binary(max_size=200), st.sampled_from([REPORT, MIXED, UPLINK])))
def test_any_body_is_kept_whole_and_answered_honestly(body: bytes) -> None:
    """Whatever comes is in the journal byte for byte; 200 says that something in it is usable."""
    kept: list[JournalEntry] = []

    def submit(entry: JournalEntry, settle: Settle) -> None:
        kept.append(entry)
        settle(len(kept))

    async def run() -> int:
        handler = Callbacks(
            [address_of(TOKEN, "default")],
            submit,
            Metrics("test"),
            int,
            LIMITS,
            *unbounded(),
        )
        async with a_public_client(handler, LIMITS) as client:
            return (await client.post(PATH, content=body)).status_code

    status = asyncio.run(run())
    assert [one.body for one in kept] == [body]
    try:
        wire.sift(body)
    except wire.UnusableError:
        assert (status, kept[0].kind) == (400, "unusable")
    else:
        assert status == 200
