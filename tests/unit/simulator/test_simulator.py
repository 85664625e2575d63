"""The simulator pushes what the platform would push, and counts honestly what comes back."""

import asyncio
import io
import json
import re
import socket
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from receiver.simulator import (
    SimulationError,
    SimulationOptions,
    SimulationTally,
    show_progress,
    simulate,
    tally_table,
)
from receiver.simulator.population import Wave, make_wave, wave_count
from receiver.simulator.pushes import SimulatedPush, SimulatedPushKind, make_pushes
from receiver.simulator.registrar import registration
from receiver.simulator.tally import Latencies

NOW = 1_700_000_000_000_000  # 2023-11-14T22:13:20Z
TOKEN = "very-secret-token"  # noqa: S105 - of no service
KEY = "very-secret-key"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"

# Documented shapes (sms_05_0003, sms_05_0004, sms_05_0063) and those of real captures.
REPORT_FIELDS = {
    "smsMsgId": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}_[0-9]{1,9}",
    "total": r"[1-9][0-9]?",
    "sequence": r"[1-9][0-9]?",
    "status": r"\S{1,11}",
    "statusDesc": r".{1,500}",
    "source": r"[123]",
    "updateTime": r"2023-11-14T22:13:[01][0-9]Z",
    "extend": r"[^{}]{1,128}",
    "to": r"\+[0-9]{7,20}",
    "orgCode": r"\S{1,20}",
}
UPLINK_FIELDS = {
    "smsMsgId": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "from": r"\+86[0-9]{11}",
    "to": r"[0-9]{1,21}",
    "body": r"(?s:.{1,160})",
    "createTime": r"2023-11-14T22:13:[01][0-9]Z",
}


def offline(**changes: Any) -> SimulationOptions:
    """Return options that register nothing and push as fast as possible."""
    given: dict[str, Any] = {"url": "http://127.0.0.1/", "rate": 0, "register": "never"}
    return SimulationOptions(**{**given, **changes})


def traffic(options: SimulationOptions, seed: int = 7) -> tuple[list[Wave], list[SimulatedPush]]:
    """Make everything that a simulation would register and push."""
    waves = [make_wave(options, seed, number, NOW) for number in range(wave_count(options))]
    return waves, [push for wave in waves for push in make_pushes(wave, options, seed)]


def fields_of(form: bytes) -> dict[str, str]:
    """Read a form as strictly as any reader may."""
    pairs = parse_qsl(form.decode("ascii"), strict_parsing=True, errors="strict")
    assert len(dict(pairs)) == len(pairs), "a field came twice"
    return dict(pairs)


def reports_of(push: SimulatedPush) -> list[dict[str, str]]:
    """Read the status reports of a push; numbers of JSON become text, as in a form."""
    if push.kind is SimulatedPushKind.STATUS:
        return [fields_of(push.body)]
    if push.kind is SimulatedPushKind.UPLINK:
        return []
    listed = json.loads(push.body)["statusReportList"]
    return [{name: str(value) for name, value in item.items()} for item in listed]


def first_reports(pushes: list[SimulatedPush]) -> list[dict[str, str]]:
    """Read all reports but those of redeliveries."""
    return [report for push in pushes if not push.redelivered for report in reports_of(push)]


def check_fields(fields: dict[str, str], documented: dict[str, str]) -> None:
    """See that every field is documented and has its documented shape."""
    for name, value in fields.items():
        assert re.fullmatch(documented[name], value), (name, value)


def test_same_seed_same_bytes() -> None:
    """Two runs with one seed register and push the same bytes in the same order."""
    first, second = traffic(offline(count=1200)), traffic(offline(count=1200))
    assert first == second


def test_other_seed_other_traffic() -> None:
    """Another seed shares no message with the first."""
    one, other = (traffic(offline(count=200), seed)[1] for seed in (1, 2))
    ids = [{name for push in pushes for name in push.sms_msg_ids} for pushes in (one, other)]
    assert ids[0]
    assert not ids[0] & ids[1]


def test_shares_are_about_right() -> None:
    """The default mix comes out within a few standard deviations over 10,000 messages."""
    waves, pushes = traffic(offline(count=10_000))
    messages = [message for wave in waves for message in wave.messages]
    reports = first_reports(pushes)
    uplinks = [
        push for push in pushes if push.kind is SimulatedPushKind.UPLINK and not push.redelivered
    ]
    codes = Counter(report["status"] for report in reports)
    unlisted = sum(n for code, n in codes.items() if code.startswith(("XQ:", "ZV:", "QX.")))
    shares = {
        "delivered": (codes["DELIVRD"] / len(reports), 0.92, 0.02),
        "unlisted": (unlisted / len(reports), 0.01, 0.004),
        "no time": (sum("updateTime" not in r for r in reports) / len(reports), 0.03, 0.007),
        "long": (sum(m.send.total > 1 for m in messages) / len(messages), 0.15, 0.015),
        "abroad": (sum(m.send.country != "CN" for m in messages) / len(messages), 0.05, 0.01),
        "refused": (sum(m.send.status != "000000" for m in messages) / len(messages), 0.01, 0.004),
        "batched": (sum(m.batched for m in messages) / len(messages), 0.3, 0.02),
        "answered": (len(uplinks) / len(messages), 0.03, 0.007),
        "redelivered": (sum(p.redelivered for p in pushes) / len(pushes), 0.02, 0.006),
    }
    assert len(messages) == 10_000
    assert {
        name: got for name, (got, wanted, margin) in shares.items() if abs(got - wanted) > margin
    } == {}
    assert len(codes) > 20


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    count=st.integers(1, 120),
    shares=st.lists(st.floats(0, 1), min_size=6, max_size=6),
    losses=st.sampled_from([(0.0, 0.0), (0.03, 0.01), (1.0, 0.0), (0.0, 1.0), (0.5, 0.5)]),
)
def test_every_push_reads_as_documented(
    seed: int, count: int, shares: list[float], losses: tuple[float, float]
) -> None:
    """Whatever the shares: every push holds the documented fields in their documented shapes."""
    batch, long, again, disorder, answers, abroad = shares
    options = offline(
        count=count,
        batch_share=batch,
        long_share=long,
        redelivery_share=again,
        reorder_share=disorder,
        uplink_share=answers,
        international_share=abroad,
        missing_update_time_share=losses[0],
        unknown_code_share=losses[1],
    )
    waves, pushes = traffic(options, seed)
    countries = {m.send.sms_msg_id: m.send.country for wave in waves for m in wave.messages}
    for push in pushes:
        form = push.kind is not SimulatedPushKind.BATCH
        assert push.content_type == (
            "application/x-www-form-urlencoded" if form else "application/json"
        )
        assert not form or b":" not in push.body  # escaped as %3A
        if push.kind is SimulatedPushKind.UPLINK:
            uplink = fields_of(push.body)
            check_fields(uplink, UPLINK_FIELDS)
            assert uplink.keys() >= {"smsMsgId", "from", "to", "body"}
            continue
        reports = reports_of(push)
        assert 1 <= len(reports) <= (1 if form else 50)
        assert tuple(report["smsMsgId"] for report in reports) == push.sms_msg_ids
        for report in reports:
            check_report(report, countries[report["smsMsgId"]])


def check_report(report: dict[str, str], country: str) -> None:
    """See that a report keeps the documented rules between its fields."""
    check_fields(report, REPORT_FIELDS)
    assert report.keys() >= {"smsMsgId", "status", "total", "sequence", "source"}
    assert int(report["sequence"]) <= int(report["total"])
    assert "to" not in report or "extend" in report
    assert "orgCode" not in report or country != "CN"
    if "updateTime" not in report:  # the platform built it itself
        assert (report["status"], report["source"]) == ("EXPIRED", "1")


def test_a_long_sms_gives_one_report_per_part() -> None:
    """Each accepted message gets every sequence from 1 to its total once, a refused one none."""
    waves, pushes = traffic(offline(count=1500, long_share=0.5))
    sequences = defaultdict(list)
    for report in first_reports(pushes):
        sequences[report["smsMsgId"]].append(int(report["sequence"]))
    expected = {
        message.send.sms_msg_id: list(range(1, message.send.total + 1))
        for wave in waves
        for message in wave.messages
        if message.send.status == "000000"
    }
    assert {name: sorted(found) for name, found in sequences.items()} == expected
    assert {len(found) for found in expected.values()} == {1, 2, 3, 4}


def test_a_redelivery_repeats_an_earlier_body() -> None:
    """With every push redelivered, each body comes exactly twice and the second is marked."""
    _, pushes = traffic(offline(count=300, redelivery_share=1.0))
    seen: set[bytes] = set()
    for push in pushes:
        assert push.redelivered == (push.body in seen)
        seen.add(push.body)
    assert len(pushes) == 2 * len(seen)


@pytest.mark.parametrize("share", [pytest.param(0.0, id="none"), pytest.param(0.5, id="half")])
def test_reordering(share: float) -> None:
    """Reports come in the order of sending unless reordering is asked for."""
    options = offline(
        count=300, reorder_share=share, batch_share=0, uplink_share=0, redelivery_share=0
    )
    waves, pushes = traffic(options)
    sent = [r.sms_msg_id for wave in waves for m in wave.messages for r in m.reports]
    came = [name for push in pushes for name in push.sms_msg_ids]
    assert sorted(came) == sorted(sent)
    assert (came == sent) == (share == 0)


def test_field_order_varies() -> None:
    """Forms agree on no field order, as on the wire."""
    _, pushes = traffic(offline(count=500))
    orders = {
        tuple(name for name, _ in parse_qsl(p.body.decode()) if name not in {"extend", "to"})
        for p in pushes
        if p.kind is SimulatedPushKind.STATUS
    }
    assert ("sequence", "total", "updateTime", "source", "smsMsgId", "status") in orders
    assert len(orders) > 10


def test_texts_of_people_survive_the_form() -> None:
    """Uplinks bring the opt-out word, separators of forms, and an emoji."""
    _, pushes = traffic(offline(count=3000, uplink_share=1.0))
    bodies = {
        fields_of(push.body)["body"] for push in pushes if push.kind is SimulatedPushKind.UPLINK
    }
    assert {"R", "退订"} <= bodies
    assert any({"&", "=", "+"} <= set(body) for body in bodies)
    assert any("\N{GRINNING FACE}" in body for body in bodies)


def test_reports_follow_their_sends_within_the_delay() -> None:
    """No time lies in the future, and a report comes 2 to 9 s after its send when so asked."""
    waves, _ = traffic(offline(count=600, delay_seconds=(2.0, 9.0)))
    times = [
        (message.send.sent_at, report.update_time)
        for wave in waves
        for message in wave.messages
        for report in message.reports
        if report.update_time is not None
    ]
    assert len(times) > 500
    assert max(updated for _, updated in times) <= NOW
    delays = {(updated - sent) // 1_000_000 for sent, updated in times}
    assert delays == set(range(2, 9))  # whole seconds


def test_the_send_response_has_the_documented_shape() -> None:
    """A registration carries what batchSendSms answers, up to 500 entries in a request."""
    waves, _ = traffic(offline(count=2500))
    documents = [registration(request) for wave in waves for request in wave.requests]
    for document in documents:
        response = document["response"]
        accepted = [e for e in response["result"] if e["status"] == "000000"]
        assert response["code"] == ("000000" if accepted else "E000510")
        assert 1 <= len(response["result"]) <= 500
        for entry in response["result"]:
            assert entry.keys() == {
                *("smsMsgId", "from", "originTo", "status", "createTime", "countryId", "total")
            }
            assert re.fullmatch(REPORT_FIELDS["smsMsgId"], entry["smsMsgId"])
            assert re.fullmatch(r"\+?[0-9]{8,20}", entry["originTo"])
            assert re.fullmatch(r"[A-Z]{2}", entry["countryId"])
    refusals = {e["status"] for d in documents for e in d["response"]["result"]} - {"000000"}
    assert refusals <= {"E200028", "E200033", "E200041", "E200015"}
    assert refusals


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        pytest.param({"count": 0}, "count", id="no messages"),
        pytest.param({"rate": -1}, "rate", id="negative rate"),
        pytest.param({"rate": float("nan")}, "rate", id="rate not a number"),
        pytest.param({"connections": 0}, "connections", id="no connections"),
        pytest.param({"timeout_seconds": 0}, "timeout_seconds", id="no patience"),
        pytest.param({"delay_seconds": (5, 1)}, "delay_seconds", id="delay upside down"),
        pytest.param({"batch_share": 1.1}, "batch_share", id="share over 1"),
        pytest.param({"uplink_share": float("nan")}, "uplink_share", id="share not a number"),
        pytest.param(
            {"missing_update_time_share": 0.6, "unknown_code_share": 0.6}, "together", id="shares"
        ),
        pytest.param({"url": "ftp://host/x"}, "url", id="not HTTP"),
        pytest.param({"url": "http:///x"}, "url", id="no host"),
        pytest.param({"url": "http://host:99999/"}, "url", id="no such port"),
        pytest.param({"url": "http://host/a b"}, "url", id="blank in the URL"),
        pytest.param({"register": "first"}, "api_url", id="register without API"),
        pytest.param({"register": "maybe"}, "register", id="unknown way to register"),
    ],
)
def test_bad_options_are_named(changes: dict[str, Any], complaint: str) -> None:
    """A value that cannot be used is named in the error."""
    with pytest.raises(SimulationError, match=complaint):
        offline(**changes)


def test_options_keep_their_secrets() -> None:
    """Neither the token of the URL nor the API key is in the text form of the options."""
    options = offline(url=f"http://h/callbacks/{TOKEN}", api_key=KEY)
    assert TOKEN not in repr(options)
    assert KEY not in repr(options)


# Against a real server.


@dataclass
class Request:
    """A request as it came."""

    line: str
    headers: list[tuple[str, str]]
    body: bytes


Answer = Callable[[Request], bytes | None]


@dataclass
class Server:
    """A tiny HTTP server that plays the receiver: its callbacks and its API."""

    answer: Answer
    api_answer: Answer
    pushes: list[Request] = field(default_factory=list)
    registrations: list[Request] = field(default_factory=list)
    order: list[str] = field(default_factory=list)
    connections: int = 0
    broken_off: bytes = b""  # what came of requests that never ended
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of a connection; None as answer means never."""
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                line, *rest = head.decode("ascii").split("\r\n")
                headers = [(name, value) for name, _, value in (h.partition(": ") for h in rest)]
                length = {name.lower(): value for name, value in headers}["content-length"]
                request = Request(line, headers[:-2], await reader.readexactly(int(length)))
                answer = self._take(request)
                if answer is None:
                    await reader.read()
                    return
                writer.write(answer)
                if b"Connection: close" in head:
                    return
        except asyncio.IncompleteReadError as error:
            self.broken_off += error.partial
        finally:
            writer.close()

    def _take(self, request: Request) -> bytes | None:
        if " /v1/sends " in request.line:
            self.registrations.append(request)
            self.order.append("registration")
            return self.api_answer(request)
        self.pushes.append(request)
        self.order.append("push")
        return self.answer(request)

    def registered_ids(self) -> list[str]:
        """Return the ids of all registered entries that the platform had accepted."""
        documents = [json.loads(request.body) for request in self.registrations]
        return [
            entry["smsMsgId"]
            for document in documents
            for entry in document.get("response", {}).get("result", [])
            if entry["status"] == "000000"
        ]


def status(code: int) -> Answer:
    """Return an answer with a status and an empty body."""
    return lambda _: f"HTTP/1.1 {code} Some\r\nContent-Length: 0\r\n\r\n".encode()


def always(answer: bytes | None) -> Answer:
    """Return the same answer to everything."""
    return lambda _: answer


@asynccontextmanager
async def serving(answer: Answer, api_answer: Answer) -> AsyncIterator[Server]:
    """Serve on a free port of this machine."""
    server = Server(answer, api_answer)
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    async with listener:
        server.port = listener.sockets[0].getsockname()[1]
        yield server


TAKE = always(OK)
REGISTERED = status(202)


def run(
    answer: Answer = TAKE,
    api_answer: Answer = REGISTERED,
    stop_after: float | None = None,
    **changes: Any,
) -> tuple[Server, SimulationTally]:
    """Simulate against a server of this process."""

    async def both() -> tuple[Server, SimulationTally]:
        async with serving(answer, api_answer) as server:
            here = f"http://127.0.0.1:{server.port}"
            given: dict[str, Any] = {
                "url": f"{here}/callbacks/{TOKEN}?a=b",
                "api_url": here,
                "api_key": KEY,
                "rate": 0,
                "count": 40,
                "seed": 7,
            }
            stop = asyncio.Event()
            if stop_after is not None:
                asyncio.get_running_loop().call_later(stop_after, stop.set)
            options = SimulationOptions(**{**given, **changes})
            return server, await simulate(options, stop=stop)

    server, tally = asyncio.run(both())
    assert server.broken_off == b""
    return server, tally


def test_requests_look_like_the_platforms() -> None:
    """Each push is a POST to the exact URL with the documented headers on its own connection."""
    server, tally = run(register="never")
    for request in server.pushes:
        assert request.line == f"POST /callbacks/{TOKEN}?a=b HTTP/1.1"
        names = [name for name, _ in request.headers]
        assert names == [
            *("Host", "Content-Type", "Connection", "Pooltype", "Ompsid", "TerminalIP"),
            *("TrcModule", "UserTrace", "TraceHandle", "Content-Length"),
        ]
        headers = dict(request.headers)
        form = not request.body.startswith(b"{")
        assert headers["Content-Type"] == (
            "application/x-www-form-urlencoded" if form else "application/json"
        )
        assert headers["Host"] == f"127.0.0.1:{server.port}"
        assert headers["Connection"] == "close"
        assert headers["Pooltype"] == "approxy"
        assert headers["TrcModule"] == "AP"
        assert headers["UserTrace"] == "application"
        assert headers["TraceHandle"] == "DMZ_818405"
        assert re.fullmatch("[0-9a-f]{32}", headers["Ompsid"])
        assert headers["Content-Length"] == str(len(request.body))
    assert len(server.pushes) == tally.pushes.total() > 20
    assert server.connections == tally.pushes.total() + 1  # the look whether anybody is there


def test_the_wire_carries_the_population() -> None:
    """What arrives has the ids, parts and codes that the seed makes, whatever the moment."""
    server, tally = run(register="never", count=60, connections=1)
    _, made = traffic(offline(count=60), seed=7)
    undated = re.compile(rb"2[0-9]{3}-[0-9-]{5}T[0-9%3A:]+Z")
    arrived = Counter(undated.sub(b"", request.body) for request in server.pushes)
    assert arrived == Counter(undated.sub(b"", push.body) for push in made)
    assert tally.messages == 60
    assert tally.reports == len(first_reports(made))


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        pytest.param(status(500), "HTTP 500", id="error"),
        pytest.param(status(503), "HTTP 503", id="overloaded"),
        pytest.param(status(204), "HTTP 204", id="another success"),
        pytest.param(always(b""), "IncompleteReadError", id="hangs up"),
        pytest.param(always(b"220 mail ready\r\n\r\n"), "NotHttpError", id="not HTTP"),
        pytest.param(always(None), "TimeoutError", id="never answers"),
    ],
)
def test_whatever_is_not_200_is_lost(answer: Answer, reason: str) -> None:
    """A push without a 200 is counted by its reason, never acknowledged, never sent again."""
    server, tally = run(answer, register="never", count=20, timeout_seconds=0.3)
    assert tally.not_acknowledged == {reason: tally.pushes.total()}
    assert not tally.acknowledged
    assert tally.p50 is None
    assert len(server.pushes) == tally.pushes.total() > 0


def test_200_is_acknowledged() -> None:
    """Every 200 counts for its kind and has a latency."""
    _, tally = run(register="never", count=400, uplink_share=0.2)
    assert tally.acknowledged == tally.pushes
    assert set(tally.acknowledged) == set(SimulatedPushKind)
    assert not tally.not_acknowledged
    assert tally.p50 is not None
    assert tally.p99 is not None
    assert 0 < tally.p50 <= tally.p99
    assert tally.redelivered > 0
    assert json.loads(json.dumps(tally.as_dict()))["acknowledged"].keys() == {
        *("status", "batch", "uplink")
    }


def test_sends_are_registered_before_their_reports() -> None:
    """With `first`, no report comes whose send was not registered; the key is in the header."""
    registered: set[str] = set()
    unknown: list[str] = []

    def api(request: Request) -> bytes:
        entries = json.loads(request.body)["response"]["result"]
        registered.update(entry["smsMsgId"] for entry in entries)
        return status(202)(request) or b""

    def callback(request: Request) -> bytes:
        found = re.findall(r"[0-9a-f-]{36}_[0-9]+", request.body.decode())
        unknown.extend(set(found) - registered)
        return OK

    # 700 messages are two waves, so the second is registered while the first is pushed.
    server, tally = run(callback, api, count=700)
    assert not unknown
    assert tally.registered == 700
    assert len(server.registered_ids()) == 700 - tally.refused
    assert {dict(r.headers)["Authorization"] for r in server.registrations} == {f"Bearer {KEY}"}


def test_orphans_get_their_sends_after_all_reports() -> None:
    """With `after`, the sends of all reports are registered once the last report has come."""
    server, tally = run(register="after", count=700)
    came = set(
        re.findall(r"[0-9a-f-]{36}_[0-9]+", b"".join(p.body for p in server.pushes).decode())
    )
    first_push, last_push = server.order.index("push"), server.order[::-1].index("push")
    assert server.order[:first_push] == ["registration"]  # of nothing: is the key good?
    assert "push" not in server.order[-last_push:]
    assert json.loads(server.registrations[0].body) == {"sends": []}
    assert sorted(server.registered_ids()) == sorted(came)
    assert tally.registered == 700


@pytest.mark.parametrize("register", ["first", "after"])
@pytest.mark.parametrize(
    ("code", "advice"),
    [
        pytest.param(401, "key", id="unauthorized"),
        pytest.param(403, "key", id="forbidden"),
        pytest.param(404, "api_listen", id="another address"),
    ],
)
def test_a_refusing_api_ends_the_simulation(register: str, code: int, advice: str) -> None:
    """An API that refuses ends everything before the first push, and no secret is told."""
    with pytest.raises(SimulationError, match=advice) as caught:
        run(always(None), status(code), register=register)
    assert KEY not in str(caught.value)


def test_a_busy_api_is_asked_again() -> None:
    """A 503 to a registration costs time, not the registration."""
    answers = iter([b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", OK])
    server, tally = run(api_answer=lambda _: next(answers), count=1)
    assert (len(server.registrations), tally.registered, tally.unregistered) == (2, 1, 0)


def test_an_api_that_stays_busy_does_not_stop_the_pushes() -> None:
    """Sends that cannot be registered are counted, and their reports come as orphans."""
    server, tally = run(api_answer=status(503), count=1, unknown_code_share=0)
    assert (tally.registered, tally.unregistered) == (0, 1)
    assert len(server.pushes) >= 1


@pytest.mark.parametrize("part", ["callback", "api"])
def test_nobody_there(part: str) -> None:
    """A URL where nothing listens is an error that says what to do and hides the token."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
        nowhere = f"http://127.0.0.1:{unused.getsockname()[1]}"
        changes: dict[str, Any] = (
            {"url": f"{nowhere}/callbacks/{TOKEN}"} if part == "callback" else {"api_url": nowhere}
        )
        with pytest.raises(SimulationError, match=re.escape(nowhere)) as caught:
            run(**changes)
    assert TOKEN not in str(caught.value)


def test_the_rate_is_kept() -> None:
    """Pushes at 100 per second do not come all at once."""
    _, tally = run(register="never", rate=100, count=60)
    planned = (tally.pushes.total() - 1) / 100
    assert planned > 0.3
    assert tally.elapsed >= planned * 0.9


def test_a_slow_receiver_does_not_slow_an_open_loop() -> None:
    """With a rate given, pushes go out on time although no answer comes."""
    _, tally = run(
        always(None), register="never", rate=200, count=80, timeout_seconds=2, connections=1
    )
    assert tally.pushes.total() == tally.not_acknowledged["TimeoutError"] > 60
    assert tally.elapsed < 60  # one after the other would take 120 s and more


def test_stopping_ends_early_and_cleanly() -> None:
    """When told to stop, the simulation waits for what is under way and gives its tally."""
    server, tally = run(stop_after=0.3, rate=50, count=10_000)
    assert 0 < tally.messages < 10_000
    assert tally.acknowledged.total() == tally.pushes.total() == len(server.pushes)


def test_recorded_ids_are_the_acknowledged_ones(tmp_path: Path) -> None:
    """The file names exactly the messages of whose reports at least one push got its 200."""
    acknowledged: set[str] = set()

    def every_other(request: Request) -> bytes | None:
        if len(request.body) % 2:
            return status(503)(request)
        if b"status" in request.body:
            acknowledged.update(re.findall(r"[0-9a-f-]{36}_[0-9]+", request.body.decode()))
        return OK

    path = tmp_path / "ids"
    run(every_other, register="never", count=200, uplink_share=0, record_ids=path)
    assert set(path.read_text().splitlines()) == acknowledged
    assert acknowledged


def test_an_unwritable_record_is_refused(tmp_path: Path) -> None:
    """A record that cannot be opened ends the simulation before the first push."""
    with pytest.raises(SimulationError, match="record_ids"):
        run(always(None), register="never", record_ids=tmp_path / "missing" / "ids")


def test_progress_is_told_while_it_runs_and_at_the_end() -> None:
    """`on_progress` sees the tally grow, and last of all the final one."""
    seen: list[int] = []

    async def watched() -> SimulationTally:
        async with serving(always(OK), status(202)) as server:
            options = offline(url=f"http://127.0.0.1:{server.port}/", rate=100, count=60)
            return await simulate(options, on_progress=lambda tally: seen.append(tally.messages))

    tally = asyncio.run(watched())
    assert len(seen) >= 2
    assert seen == sorted(seen)
    assert seen[0] < seen[-1] == tally.messages == 60


@pytest.mark.parametrize("terminal", [True, False], ids=["terminal", "pipe"])
def test_progress_for_people(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal gets a bar; a pipe gets plain lines, and not one for every call."""
    monkeypatch.setenv("TERM", "xterm")
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=120)
    # Read once at the start, then once for each call.
    clock = iter((0.0, 1.0, 6.0, 7.0, 12.0))
    with show_progress(60, console, lambda: next(clock)) as show:
        for _ in range(4):
            show(SimulationTally(seed=1, messages=60))
    assert "60/60" in out.getvalue()
    if not terminal:
        assert "\x1b" not in out.getvalue()
        assert out.getvalue().count("\n") == 2  # at 6 s and at 12 s


def test_the_table_tells_losses_with_their_reasons() -> None:
    """The table of a run with losses names each reason and how often it came."""
    tally = SimulationTally(seed=42, messages=1234)
    tally.not_acknowledged.update({"HTTP 503": 17, "TimeoutError": 3})
    out = io.StringIO()
    Console(file=out, width=80).print(tally_table(tally))
    text = out.getvalue()
    for name, value in [
        *(("messages", "1,234"), ("not acknowledged", "20"), ("HTTP 503", "17")),
        *(("TimeoutError", "3"), ("seed", "42"), ("latency p99", "-")),
    ]:
        assert re.search(rf"{name} +\S +{re.escape(value)} ", text), name


@given(st.lists(st.floats(0.05, 60_000), min_size=1, max_size=200))
def test_quantiles_are_two_percent_exact(values: list[float]) -> None:
    """A quantile is never below the true one and at most 2 % above."""
    latencies = Latencies()
    for value in values:
        latencies.add(value)
    ordered = sorted(values)
    for share in (0.5, 0.99, 1.0):
        true = ordered[max(0, -int(-share * len(ordered) // 1) - 1)]
        found = latencies.quantile(share)
        assert found is not None
        assert true * 0.999999 <= found <= true * 1.0200001
