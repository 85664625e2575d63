"""The private API: every route, every filter, every refusal, over a real node without ports."""

import asyncio
import gzip
import sqlite3
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from receiver.settings import ApiKey
from receiver.store.database.urls import FILE_NAME
from tests.support.parts import (
    KEY,
    TOKEN,
    Served,
    a_node,
    break_journal,
    check_problem,
    form,
    mend_journal,
    until_answered,
)

OTHER_TOKEN = "token-of-the-second-application"  # noqa: S105 - of no service
SECOND = {"name": "second", "tokens": [OTHER_TOKEN]}
UPDATED = "2023-11-14T22:10:00Z"
Json = dict[str, Any]


def report(sms_msg_id: str, status: str = "DELIVRD", **fields: str) -> bytes:
    """Write a status report."""
    usual = {"smsMsgId": sms_msg_id, "status": status, "source": "2", "updateTime": UPDATED}
    return form(**{**usual, **fields})


def uplink(sms_msg_id: str, sender: str, to: str = "1069", body: str = "R") -> bytes:
    """Write an uplink."""
    return form(smsMsgId=sms_msg_id, from_=sender, to=to, body=body)


@asynccontextmanager
async def a_full_node(directory: Path) -> AsyncIterator[Served]:
    """Run a node of two applications that holds one of each."""
    async with a_node(directory, applications=[SECOND]) as served:
        await served.register(
            sends=[
                {"sms_msg_id": "pending", "to": "15500005171", "sent_at": "2023-11-01T00:00:00Z"},
                {
                    "sms_msg_id": "delivered",
                    "to": "+8615500005172",
                    "sent_at": "2023-11-02T00:00:00Z",
                    "reference": "order 1",
                    "extend": "shop",
                    "template_id": "t1",
                    "from": "1069000000000012",
                    "country": "CN",
                },
                {"sms_msg_id": "failed", "to": "+442079460958", "sent_at": "2023-11-03T00:00:00Z"},
                {"sms_msg_id": "refused", "to": "15500005174", "status": "E200033",
                 "sent_at": "2023-11-04T00:00:00Z"},
            ]
        )  # fmt: skip
        await served.push(report("delivered", orgCode="000", statusDesc="Success"))
        await served.push(report("failed", "E200027"))
        await served.push(report("orphan", "EXPIRED", extend="post", to="+8615500005175"))
        await served.push(report("elsewhere", "DELIVRD"), OTHER_TOKEN)
        await served.push(uplink("u1", "+8615500005172", body="yes"))
        await served.push(uplink("u2", "15500005173", to="1070", body="no"))
        await served.push(uplink("u3", "15500005173"), OTHER_TOKEN)
        await served.push(b"nonsense")
        await served.push(b'{"statusReportList":[{"smsMsgId":"good","status":"DELIVRD"},{}]}')
        await served.push(b"\xff\xfe", OTHER_TOKEN)
        yield served


def ids(items: list[Json]) -> list[str]:
    """Return the message ids in order."""
    return [item["sms_msg_id"] for item in items]


# --- registering --------------------------------------------------------------------------------


async def test_registering_tells_what_was_taken(tmp_path: Path) -> None:
    """Good entries are taken with 202, bad ones named by place and reason."""
    async with a_node(tmp_path) as served:
        sends = [{"sms_msg_id": "a"}, {"to": "1"}, 7, {"sms_msg_id": "b"}]
        answer = await served.api.post("/v1/sends", json={"sends": sends})
        assert answer.status_code == 202
        taken = answer.json()
        assert (taken["application"], taken["registered"]) == ("default", 2)
        assert [bad["index"] for bad in taken["rejected"]] == [1, 2]
        assert all(bad["reason"] for bad in taken["rejected"])
        assert ids((await served.get("/v1/messages"))["messages"]) == ["b", "a"]


async def test_a_send_belongs_to_the_application_that_is_named(tmp_path: Path) -> None:
    """A registration may name its application; one that does not exist is refused."""
    async with a_node(tmp_path, applications=[SECOND]) as served:
        await served.register(sends=[{"sms_msg_id": "a"}], application="second")
        assert (await served.get("/v1/messages/a"))["application"] == "second"
        wrong = {"sends": [{"sms_msg_id": "a"}], "application": "third"}
        problem = check_problem(await served.api.post("/v1/sends", json=wrong), 400)
        assert problem["known"] == ["default", "second"]


@pytest.mark.parametrize(
    "body",
    [b"", b"nonsense", b"[]", b"{}", b'{"sends": 7}', b'{"sends": [{}]}', b"\xff", b"[" * 50_000],
    ids=["empty", "text", "list", "no sends", "no list", "no good entry", "bytes", "deep"],
)
async def test_what_is_no_registration_is_refused(tmp_path: Path, body: bytes) -> None:
    """A body that cannot be understood gets 400 and leaves nothing behind."""
    async with a_node(tmp_path) as served:
        check_problem(await served.api.post("/v1/sends", content=body), 400)
        assert served.journal.last_position == 0


async def test_a_failed_send_request_registers_nothing(tmp_path: Path) -> None:
    """The response to a send request that failed as a whole is taken and changes nothing."""
    async with a_node(tmp_path) as served:
        failed = {"response": {"code": "E000101", "description": "Authentication failed."}}
        answer = await served.api.post("/v1/sends", json=failed)
        assert (answer.status_code, answer.json()["registered"]) == (202, 0)
        assert answer.json()["request"]["code"] == "E000101"
        assert served.journal.last_position == 0


# --- one message --------------------------------------------------------------------------------

MESSAGE_FIELDS = """
    sms_msg_id application state final conflict code org_code status_desc to from country extend
    reference template_id text_length registered sent_at delivered_at delivery_seconds
    first_report_at last_report_at total parts anomalies reports timeline verdict retry attempts
    trust registration_conflicts registration_conflicts_omitted
"""


async def test_a_message_shows_all_that_is_known(tmp_path: Path) -> None:
    """A message carries its send, parts, reports, timeline and verdict."""
    async with a_full_node(tmp_path) as served:
        message = await served.get("/v1/messages/delivered")
    assert sorted(message) == sorted(MESSAGE_FIELDS.split())
    expected = {
        "application": "default",
        "state": "delivered",
        "final": True,
        "conflict": False,
        "code": "DELIVRD",
        "org_code": "000",
        "status_desc": "Success",
        "to": "+8615500005172",
        "from": "1069000000000012",
        "country": "CN",
        "extend": "shop",
        "reference": "order 1",
        "template_id": "t1",
        "registered": True,
        "sent_at": "2023-11-02T00:00:00Z",
        "delivered_at": UPDATED,
        "delivery_seconds": 1_116_600.0,  # 12 days, 22 hours and 10 minutes
        "total": 1,
        "anomalies": ["late"],  # it arrives today
        "trust": "token",
    }
    assert {name: message[name] for name in expected} == expected
    (part,) = message["parts"]
    assert (part["sequence"], part["state"], part["code"]) == (1, "delivered", "DELIVRD")
    assert (part["expected"], part["reports"]) == (True, 1)
    assert part["first_report_at"] == part["last_report_at"] == message["last_report_at"]
    (stored,) = message["reports"]
    assert (stored["status"], stored["source"], stored["redeliveries"]) == ("DELIVRD", 2, 0)
    assert stored["raw"]["smsMsgId"] == "delivered"
    assert [(e["event"], e["at"]) for e in message["timeline"]] == [
        ("sent", "2023-11-02T00:00:00Z"),
        ("report", UPDATED),
    ]
    verdict = message["verdict"]
    assert (verdict["action"], verdict["category"]) == ("none", "delivered")
    assert verdict["why"]["text"]


@pytest.mark.parametrize(
    ("sms_msg_id", "state", "code", "action"),
    [
        ("pending", "pending", None, "wait"),
        ("failed", "failed", "E200027", "fix"),
        ("refused", "refused", "E200033", "fix"),
        ("orphan", "failed", "EXPIRED", "investigate"),
    ],
)
async def test_a_message_says_what_to_do(
    tmp_path: Path, sms_msg_id: str, state: str, code: str | None, action: str
) -> None:
    """State, code and verdict fit each other, and there is always a suggestion."""
    async with a_full_node(tmp_path) as served:
        message = await served.get(f"/v1/messages/{sms_msg_id}")
    assert (message["state"], message["code"]) == (state, code)
    verdict = message["verdict"]
    assert verdict["action"] == action
    assert verdict["retryable"] is (action == "retry")
    assert verdict["meaning"]
    assert verdict["suggestion"]


IDS = [
    pytest.param("with/slash", id="slash"),
    pytest.param("a/b/lookup", id="slashes"),
    pytest.param("lookup", id="the name of a route"),
    pytest.param("100%", id="percent"),
    pytest.param("%2F", id="an escape"),
    pytest.param("a+b", id="plus"),
    pytest.param("a b", id="blank"),
    pytest.param("a  b", id="blanks inside"),
    pytest.param("a?b#c&d=e", id="reserved"),
    pytest.param("名前-ё", id="unicode"),
    pytest.param("😀", id="beyond the basic plane"),
    pytest.param("A", id="letters keep their case"),
    pytest.param("x" * 255, id="longest"),
    pytest.param("..", id="dots"),
    pytest.param("trailing/", id="slash at the end"),
    pytest.param("a/explain", id="the end of a route"),
    pytest.param("explain", id="its last word alone"),
]


@pytest.mark.parametrize("sms_msg_id", IDS)
async def test_an_id_is_opaque(tmp_path: Path, sms_msg_id: str) -> None:
    """A message is found by whatever id the platform gave it, alone and among others."""
    async with a_node(tmp_path) as served:
        assert (await served.push(report(sms_msg_id))).status_code == 200
        path = "/v1/messages/" + quote(sms_msg_id, safe="").replace(".", "%2E")
        assert (await served.get(path))["sms_msg_id"] == sms_msg_id
        answer = await served.api.post("/v1/messages/lookup", json={"ids": [sms_msg_id, "none"]})
        assert ids(answer.json()["messages"]) == [sms_msg_id]
        assert answer.json()["missing"] == ["none"]
        assert (await served.get(f"{path}/explain"))["sms_msg_id"] == sms_msg_id


async def test_case_makes_another_id(tmp_path: Path) -> None:
    """Ids that differ in case or in what is inside them are different messages."""
    async with a_node(tmp_path) as served:
        await served.push(report("i d"))
        for other in ("I D", "id", "i%20%20d", "i%E2%80%8B%20d"):
            check_problem(await served.api.get(f"/v1/messages/{other}"), 404)
        assert (await served.get("/v1/messages/%20i%20d%E2%80%8B"))["sms_msg_id"] == "i d"


async def test_an_id_of_two_applications_must_be_told_apart(tmp_path: Path) -> None:
    """The same id in two applications is 409 with their names; naming one answers."""
    async with a_node(tmp_path, applications=[SECOND]) as served:
        await served.push(report("twin", "DELIVRD"))
        await served.push(report("twin", "EXPIRED"), OTHER_TOKEN)
        problem = check_problem(await served.api.get("/v1/messages/twin"), 409)
        assert problem["applications"] == ["default", "second"]
        for application, state in (("default", "delivered"), ("second", "failed")):
            message = await served.get("/v1/messages/twin", application=application)
            assert (message["application"], message["state"]) == (application, state)
        answer = await served.api.post("/v1/messages/lookup", json={"ids": ["twin"]})
        assert ids(answer.json()["messages"]) == ["twin", "twin"]
        named = {"ids": ["twin"], "application": "second"}
        answer = await served.api.post("/v1/messages/lookup", json=named)
        assert [m["state"] for m in answer.json()["messages"]] == ["failed"]


# --- many messages --------------------------------------------------------------------------------

EVERY = ["good", "elsewhere", "orphan", "refused", "failed", "delivered", "pending"]  # newest first
FILTERS: list[tuple[Mapping[str, str], list[str]]] = [
    ({}, EVERY),
    ({"to": "+8615500005172"}, ["delivered"]),
    ({"to": "8615500005172"}, ["delivered"]),
    ({"to": "15500005172"}, ["delivered"]),
    ({"to": "008615500005172"}, ["delivered"]),
    ({"to": "155 0000 5172"}, ["delivered"]),
    ({"to": "155-0000-5172"}, ["delivered"]),
    ({"to": "(+86) 155 0000 5172"}, ["delivered"]),
    ({"to": "+442079460958"}, ["failed"]),
    ({"to": "0044 20 7946 0958"}, ["failed"]),
    ({"to": "15500005179"}, []),
    ({"state": "delivered"}, ["good", "elsewhere", "delivered"]),
    ({"state": "failed"}, ["orphan", "failed"]),
    ({"state": "pending"}, ["pending"]),
    ({"state": "refused"}, ["refused"]),
    ({"state": "overdue"}, []),
    ({"code": "DELIVRD"}, ["good", "elsewhere", "delivered"]),
    ({"code": "EXPIRED"}, ["orphan"]),
    ({"code": "expired"}, ["orphan"]),
    ({"code": "Delivrd"}, ["good", "elsewhere", "delivered"]),
    ({"code": "E200033"}, ["refused"]),
    ({"code": "nothing such"}, []),
    ({"category": "delivered"}, ["good", "elsewhere", "delivered"]),
    ({"category": "timeout"}, ["orphan"]),
    ({"category": "account"}, []),
    ({"application": "second"}, ["elsewhere"]),
    ({"application": "third"}, []),
    ({"application": "third", "state": "delivered"}, []),
    ({"application": "second", "state": "delivered", "code": "DELIVRD"}, ["elsewhere"]),
    ({"extend": "shop"}, ["delivered"]),
    ({"extend": "post"}, ["orphan"]),
    ({"reference": "order 1"}, ["delivered"]),
    ({"registered": "true"}, ["refused", "failed", "delivered", "pending"]),
    ({"registered": "false"}, ["good", "elsewhere", "orphan"]),
    ({"until": "2023-11-04T00:00:00Z"}, ["failed", "delivered", "pending"]),
    ({"since": "2023-11-03T00:00:00Z", "until": "2023-11-04T00:00:00Z"}, ["failed"]),
    ({"since": "2023-11-03T01:00:00+01:00", "until": "2023-11-03T00:00:01Z"}, ["failed"]),
    ({"since": "2023-11-02T00:00:01Z", "until": "2023-11-03T00:00:00Z"}, []),
    ({"state": "failed", "registered": "true"}, ["failed"]),
    ({"state": "delivered", "application": "default", "code": "DELIVRD", "extend": "shop"},
     ["delivered"]),
    ({"limit": "2"}, EVERY[:2]),
]  # fmt: skip


async def test_messages_are_found_by_every_filter(tmp_path: Path) -> None:
    """Each filter, in each writing, gives exactly its messages, newest first."""
    async with a_full_node(tmp_path) as served:
        for parameters, expected in FILTERS:
            found = await served.get("/v1/messages", **parameters)
            assert ids(found["messages"]) == expected, parameters
        plus = await served.api.get("/v1/messages?to=+8615500005172")  # a plus not escaped
        assert ids(plus.json()["messages"]) == ["delivered"]
        period = "since=2023-11-03T08:00:00+08:00&until=2023-11-03T08:00:01.5+0800"  # nor here
        plus = await served.api.get(f"/v1/messages?{period}")
        assert ids(plus.json()["messages"]) == ["failed"]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, ["f", "d", "b", "e", "c", "a"]),
        ({"state": "pending"}, ["f", "d", "b", "e", "c", "a"]),
        ({"since": "2023-11-02T00:00:00Z", "until": "2023-11-03T00:00:00Z"}, ["d", "b", "e"]),
        ({"reference": "r", "until": "2023-11-03T00:00:00Z"}, ["d", "b", "e", "c", "a"]),
    ],
    ids=["all", "of a state", "of a period", "of a reference"],
)
async def test_pages_follow_the_time_of_sending(
    tmp_path: Path, wanted: Mapping[str, str], expected: list[str]
) -> None:
    """Messages come by when they were sent, whenever they were registered; a tie loses nothing."""
    days = {"a": "01T00", "b": "02T09", "c": "01T00", "d": "02T09", "e": "02T00", "f": "03T00"}
    async with a_node(tmp_path) as served:
        await served.register(
            sends=[
                {"sms_msg_id": name, "reference": "r", "sent_at": f"2023-11-{day}:00:00Z"}
                for name, day in days.items()
            ]
        )
        seen: list[str] = []
        parameters = {**wanted, "limit": "1"}
        while True:
            found = await served.get("/v1/messages", **parameters)
            seen += ids(found["messages"])
            if found["next"] is None:
                break
            parameters["cursor"] = found["next"]
    assert seen == expected


async def test_the_cursor_walks_all_pages_while_more_comes(tmp_path: Path) -> None:
    """Following `next` gives every row that was there once, whatever is added meanwhile."""
    async with a_node(tmp_path) as served:
        for n in range(7):
            await served.push(report(f"m{n}"))
            await served.push(uplink(f"m{n}", "15500005172"))
            await served.push(b"nonsense %d" % n)
        expected = [f"m{n}" for n in range(6, -1, -1)]
        for path, name in (
            ("/v1/messages", "messages"),
            ("/v1/uplinks", "uplinks"),
            ("/v1/quarantine", "quarantine"),
        ):
            seen: list[str] = []
            parameters = {"limit": "3"}
            for page in range(5):
                found = await served.get(path, **parameters)
                seen += [i.get("sms_msg_id") or "m" + i["body"].split()[1] for i in found[name]]
                if found["next"] is None:
                    break
                parameters["cursor"] = found["next"]
                await served.push(report(f"new {name} {page}"))
                await served.push(uplink(f"new {name} {page}", "15500005172"))
                await served.push(b"nonsense %d" % (100 + page))
            seen = [one for one in seen if int(one[1:]) < 7] if name == "quarantine" else seen
            seen = [one for one in seen if not one.startswith("new")]
            assert seen == expected, name


async def test_a_walk_of_whole_pages_ends(tmp_path: Path) -> None:
    """When the rows fill the pages exactly, the walk still ends without a double."""
    async with a_node(tmp_path) as served:
        for n in range(4):
            await served.push(report(f"m{n}"))
        first = await served.get("/v1/messages", limit="2")
        second = await served.get("/v1/messages", limit="2", cursor=first["next"])
        assert ids(first["messages"] + second["messages"]) == ["m3", "m2", "m1", "m0"]
        if second["next"] is not None:
            last = await served.get("/v1/messages", limit="2", cursor=second["next"])
            assert (last["messages"], last["next"]) == ([], None)


async def test_up_to_a_thousand_ids_are_looked_up(tmp_path: Path) -> None:
    """Looking up keeps the order asked for, names what is missing once, and has a limit."""
    async with a_node(tmp_path) as served:
        await served.register(sends=[{"sms_msg_id": f"m{n}"} for n in range(500)])
        wanted = [f"m{n}" for n in range(999, -1, -1)]
        answer = await served.api.post("/v1/messages/lookup", json={"ids": wanted})
        assert answer.status_code == 200
        assert ids(answer.json()["messages"]) == wanted[500:]
        assert answer.json()["missing"] == wanted[:500]
        twice = {"ids": ["m1", "none", "m1", "none"]}
        answer = await served.api.post("/v1/messages/lookup", json=twice)
        assert ids(answer.json()["messages"]) == ["m1"]
        assert answer.json()["missing"] == ["none"]
        answer = await served.api.post("/v1/messages/lookup", json={"ids": []})
        assert answer.json() == {"messages": [], "missing": []}
        more = {"ids": [*wanted, "one more"]}
        check_problem(await served.api.post("/v1/messages/lookup", json=more), 400)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"ids": "m1"}',
        b'{"ids": [1]}',
        b'{"ids": ["a\\u0000b"]}',
        b'{"ids": ["\\ud800"]}',
        b'{"ids": [], "application": 7}',
        b'{"references": "m1"}',
        b'{"ids": ["m1"], "extends": [1]}',
        b'{"ids": ["m1"], "ids": ["m2"]}',
        b"\xff",
    ],
    ids=[
        "empty", "list", "no ids", "text", "number", "NUL", "surrogate", "application",
        "references", "extends", "ids twice", "bytes",
    ],
)  # fmt: skip
async def test_what_is_no_lookup_is_refused(tmp_path: Path, body: bytes) -> None:
    """A lookup that cannot be understood gets 400."""
    async with a_node(tmp_path) as served:
        check_problem(await served.api.post("/v1/messages/lookup", content=body), 400)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        pytest.param("POST", "/v1/messages/lookup", {"ids": ["m"], "referenses": ["r"]}, id="keys"),
        pytest.param("POST", "/v1/retries/claim", {"limit": 1, "lease_second": 5}, id="claim"),
        pytest.param("POST", "/v1/retries/1/release", {"lease": "l", "delay": 5}, id="release"),
        pytest.param("POST", "/v1/retries/1/abandon", {"lease": "l", "why": "w"}, id="abandon"),
        pytest.param("PUT", "/v1/suppressions/15500005172", {"reson": "asked"}, id="suppress"),
        pytest.param("DELETE", "/v1/suppressions/15500005172", {"until": "2030"}, id="lift"),
        pytest.param("POST", "/v1/recipients/check", {"number": ["15500005172"]}, id="check"),
        pytest.param("POST", "/v1/reclassify", {"from": "2026-01-01T00:00:00Z"}, id="reclassify"),
        pytest.param("POST", "/v1/purge", {"dry-run": True}, id="purge"),
        pytest.param("POST", "/v1/forget", {"numbers": ["15500005172"]}, id="forget"),
    ],
)
async def test_an_unknown_field_is_refused(
    tmp_path: Path, method: str, path: str, body: dict[str, Any]
) -> None:
    """A field that nobody asks for is named, with those that there are."""
    async with a_node(tmp_path) as served:
        problem = check_problem(await served.api.request(method, path, json=body), 400)
    assert problem["detail"].startswith("The body has unknown fields.")
    assert set(problem["unknown"]) == set(body) - set(problem["known"])


# --- uplinks and quarantine -----------------------------------------------------------------------


async def test_uplinks_are_found_by_every_filter(tmp_path: Path) -> None:
    """Uplinks are listed newest first, by sender in any writing, receiver, application, time."""
    cases: list[tuple[Mapping[str, str], list[str]]] = [
        ({}, ["u3", "u2", "u1"]),
        ({"from": "+8615500005172"}, ["u1"]),
        ({"from": "15500005172"}, ["u1"]),
        ({"from": "+86 155 0000 5173"}, ["u3", "u2"]),
        ({"to": "1070"}, ["u2"]),
        ({"application": "second"}, ["u3"]),
        ({"from": "15500005173", "application": "default"}, ["u2"]),
        ({"since": "2020-01-01T00:00:00Z"}, ["u3", "u2", "u1"]),
        ({"until": "2020-01-01T00:00:00Z"}, []),
        ({"limit": "1"}, ["u3"]),
    ]
    async with a_full_node(tmp_path) as served:
        for parameters, expected in cases:
            found = await served.get("/v1/uplinks", **parameters)
            assert ids(found["uplinks"]) == expected, parameters
        (first,) = (await served.get("/v1/uplinks", to="1070"))["uplinks"]
    received = first.pop("received_at")
    assert received.endswith("Z")
    assert first == {
        "sms_msg_id": "u2",
        "application": "default",
        "from": "+8615500005173",
        "to": "1070",
        "body": "no",
        "original_body": None,
        "created_at": None,
        "redeliveries": 0,
        "trust": "token",
        "intent": None,
        "answers": None,
    }


async def test_the_quarantine_shows_what_came(tmp_path: Path) -> None:
    """Quarantined pushes and items are listed with their reason and their bytes."""
    async with a_full_node(tmp_path) as served:
        rows = (await served.get("/v1/quarantine"))["quarantine"]
        assert [row["kind"] for row in rows] == ["unusable", "batch", "unusable"]
        assert [row["application"] for row in rows] == ["second", "default", "default"]
        assert [row.get("body") for row in rows] == [None, "{}", "nonsense"]
        assert rows[0]["body_base64"] == "//4="
        assert [row["size"] for row in rows] == [2, 2, 8]
        assert all(row["reason"] and not row["truncated"] for row in rows)
        assert {row["peer"] for row in rows} == {"127.0.0.1"}
        for parameters, expected in (
            ({"application": "second"}, [2]),
            ({"kind": "batch"}, [2]),
            ({"kind": "unusable"}, [2, 8]),
            ({"until": "2020-01-01T00:00:00Z"}, []),
            ({"since": "2020-01-01T00:00:00Z", "limit": "2"}, [2, 2]),
        ):
            found = (await served.get("/v1/quarantine", **parameters))["quarantine"]
            assert [row["size"] for row in found] == expected, parameters


# --- refusals -----------------------------------------------------------------------------------

LISTS = ("/v1/messages", "/v1/uplinks", "/v1/suppressions", "/v1/quarantine")


@pytest.mark.parametrize(
    "query",
    [
        *(pytest.param(f"{path}?nonsense=1", id=f"{path} unknown name") for path in LISTS),
        *(pytest.param(f"{path}?cursor=nonsense", id=f"{path} bad cursor") for path in LISTS),
        *(pytest.param(f"{path}?limit=0", id=f"{path} limit 0") for path in LISTS),
        *(pytest.param(f"{path}?limit=1001", id=f"{path} limit too high") for path in LISTS),
        *(pytest.param(f"{path}?since=yesterday", id=f"{path} no time") for path in LISTS),
        pytest.param("/v1/suppressions?suppressed=all", id="suppressed, neither true nor false"),
        pytest.param("/v1/uplinks/u1?nonsense=1", id="uplink, unknown name"),
        pytest.param("/v1/uplinks/a%00b", id="uplink, id with a NUL"),
        pytest.param("/v1/messages?limit=many", id="no number"),
        pytest.param("/v1/messages?limit=-1", id="negative"),
        pytest.param("/v1/messages?limit=%D9%A3", id="digits of another script"),
        pytest.param("/v1/messages?limit=1&limit=2", id="twice"),
        pytest.param("/v1/messages?state=lost", id="no state"),
        pytest.param("/v1/messages?category=lost", id="no category"),
        pytest.param("/v1/messages?registered=perhaps", id="neither true nor false"),
        pytest.param("/v1/messages?until=2023-13-01T00:00:00Z", id="no such month"),
        pytest.param("/v1/messages?since=2026-11-30%2016:00:00", id="a time without a zone"),
        pytest.param("/v1/uplinks?until=2026-11-30T16:00", id="a time of minutes without one"),
        pytest.param("/v1/stats?since=2026-11-30", id="a date, of whatever zone"),
        pytest.param("/v1/messages?reference=a%00b", id="NUL"),
        pytest.param(f"/v1/messages?reference={'x' * 1025}", id="too long"),
        pytest.param("/v1/messages?lang=en&lang=zh", id="two languages"),
        pytest.param("/v1/messages?lang=", id="no language"),
        pytest.param("/v1/messages?cursor=8J-YgA", id="cursor of other bytes"),
        pytest.param("/v1/messages?cursor=MTI", id="cursor of another list"),
        pytest.param("/v1/messages?cursor=OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5", id="huge cursor"),
        pytest.param("/v1/messages?cursor=%F0%9F%98%80", id="cursor that is no ASCII"),
        pytest.param("/v1/messages/m1?nonsense=1", id="message, unknown name"),
        pytest.param("/v1/messages/a%00b", id="id with a NUL"),
        pytest.param("/v1/messages/m1/explain?nonsense=1", id="explain, unknown name"),
        pytest.param("/v1/messages/a%00b/explain", id="explain, id with a NUL"),
    ],
)
async def test_a_question_that_makes_no_sense_is_refused(tmp_path: Path, query: str) -> None:
    """Unknown parameters and values get 400, so that a typing error is not a silent answer."""
    async with a_node(tmp_path) as served:
        check_problem(await served.api.get(query), 400)


KEYS = {name: f"key-with-the-scope-{name}-0123" for name in ("read", "write", "admin")}
ROUTES = [
    ("POST", "/v1/sends", "write"),
    ("GET", "/v1/messages", "read"),
    ("GET", "/v1/messages/m1", "read"),
    ("GET", "/v1/messages/m1/explain", "read"),
    ("POST", "/v1/messages/lookup", "read"),
    ("GET", "/v1/uplinks", "read"),
    ("GET", "/v1/uplinks/u1", "read"),
    ("GET", "/v1/export/messages", "read"),
    ("GET", "/v1/export/uplinks?format=csv", "read"),
    ("GET", "/v1/suppressions", "read"),
    ("GET", "/v1/quarantine", "read"),
    ("GET", "/v1/codes", "read"),
    ("GET", "/v1/codes/DELIVRD", "read"),
]


BODIES = {"/v1/sends": b'{"sends": [{"sms_msg_id": "m1"}]}', "/v1/messages/lookup": b'{"ids": []}'}


@pytest.mark.parametrize(("method", "path", "scope"), ROUTES, ids=[r[1] for r in ROUTES])
async def test_a_route_wants_its_scope(tmp_path: Path, method: str, path: str, scope: str) -> None:
    """Without a key it is 401, with a key of another scope 403; `admin` includes all."""
    keys = [ApiKey(name=name, key=key, scopes=[name]) for name, key in KEYS.items()]
    async with a_node(tmp_path, api_keys=keys) as served:
        await served.register(sends=[{"sms_msg_id": "m1"}])
        await served.push(uplink("u1", "15500005172"))

        async def ask(authorization: str | None) -> httpx.Response:
            headers = {b"authorization": (authorization or "").encode("latin-1")}
            headers = headers if authorization is not None else {}
            served.api.headers.pop("authorization", None)
            content = BODIES.get(path) if method == "POST" else None
            return await served.api.request(method, path, headers=headers, content=content)

        wrong = (None, "", "Bearer", "Bearer ", "Bearer wrong", f"Basic {KEY}", KEY, "Bearer é")
        for authorization in wrong:
            refused = await ask(authorization)
            check_problem(refused, 401)
            assert refused.headers["www-authenticate"] == "Bearer"
        for name in ("read", "write"):
            answer = await ask(f"Bearer {KEYS[name]}")
            if name == scope:
                assert answer.is_success, answer.text
            else:
                check_problem(answer, 403)
        for key in (KEYS["admin"], KEY):
            assert (await ask(f"bearer {key}")).is_success


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/v1", 404),
        ("GET", "/v1/nothing", 404),
        ("GET", "/v1/messages/", 404),
        ("POST", "/v1/sends/", 404),
        ("GET", "/v1/messages/none", 404),
        ("GET", "/v1/messages/none/explain", 404),
        ("GET", "/v1/uplinks/none", 404),
        ("GET", "/callbacks/" + TOKEN, 404),
        ("DELETE", "/v1/messages", 405),
        ("PUT", "/v1/messages/m1", 405),
        ("GET", "/v1/sends", 405),
        ("POST", "/metrics", 405),
        ("POST", "/healthz", 405),
    ],
)
async def test_what_is_not_there_is_a_problem(
    tmp_path: Path, method: str, path: str, status: int
) -> None:
    """Unknown paths and methods get problem documents; 405 names what is allowed."""
    async with a_node(tmp_path) as served:
        answer = await served.api.request(method, path)
        check_problem(answer, status)
        assert (status == 405) == ("allow" in answer.headers)


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        pytest.param("/v1/sends", "POST", id="one method"),
        pytest.param("/v1/reclassify", "DELETE, GET, HEAD, POST", id="several routes"),
        pytest.param("/v1/suppressions/1", "DELETE, PUT", id="several routes with a value"),
        pytest.param("/v1/messages/m/explain", "GET, HEAD", id="below a value"),
    ],
)
async def test_405_names_every_method(tmp_path: Path, path: str, allowed: str) -> None:
    """`Allow` has the methods of all routes of a path."""
    async with a_node(tmp_path) as served:
        answer = await served.api.request("PATCH", path)
        check_problem(answer, 405)
        assert answer.headers["allow"] == allowed


@pytest.mark.parametrize("path", ["/v1/sends", "/v1/messages/lookup", "/v1/retries/claim"])
async def test_a_compressed_body_is_refused(tmp_path: Path, path: str) -> None:
    """A body in an encoding gets 400, which names the one that is accepted."""
    body = gzip.compress(b'{"sends": [{"sms_msg_id": "m1"}], "ids": ["m1"]}')
    async with a_node(tmp_path) as served:
        answer = await served.api.post(path, content=body, headers={"content-encoding": "gzip"})
        check_problem(answer, 400)
        assert answer.headers["accept-encoding"] == "identity"
        assert "without `Content-Encoding`" in answer.json()["detail"]


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize("chunked", [False, True], ids=["declared", "in pieces"])
async def test_a_body_that_is_too_large_is_refused(
    tmp_path: Path, path: str, chunked: bool
) -> None:
    """A body over the limit gets 413, declared or not; one at the limit is read."""
    limit = 2048
    body = BODIES[path]

    async def pieces(size: int) -> AsyncIterator[bytes]:
        yield body
        yield b" " * (size - len(body))

    def content(size: int) -> Any:
        return pieces(size) if chunked else body.ljust(size)

    async with a_node(tmp_path, api_max_body_bytes=limit) as served:
        assert (await served.api.post(path, content=content(limit))).is_success
        check_problem(await served.api.post(path, content=content(limit + 1)), 413)


# --- the process ----------------------------------------------------------------------------------


async def test_it_is_ready_when_all_parts_work(tmp_path: Path) -> None:
    """Readiness names journal, projector and store; neither question needs a key."""
    async with a_node(tmp_path) as served:
        await until_answered(served.api, "/readyz")
        served.api.headers.pop("authorization")
        ready = await served.api.get("/readyz")
        assert (ready.status_code, ready.json()) == (
            200,
            {
                "status": "ready",
                "journal": True,
                "projector": True,
                "store": True,
                "event_loop": True,
                "problems": [],
            },
        )
        assert (await served.api.get("/healthz")).json() == {"status": "ok"}


async def test_it_is_not_ready_while_the_store_is_away(tmp_path: Path) -> None:
    """Without its store a node tells so, refuses look-ups with 503, and still takes pushes."""
    store = tmp_path / "nowhere"
    async with a_node(
        tmp_path / "data",
        ready=False,
        store_url=f"sqlite:///{store}/store.sqlite3",
        ack="journal",
    ) as served:
        assert (await served.push(report("m1"))).status_code == 200
        answer = await served.api.get("/readyz")
        (problem,) = answer.json().pop("problems")
        assert "store" in problem
        assert (answer.status_code, answer.json()) == (
            503,
            {
                "status": "not ready",
                "journal": True,
                "projector": False,
                "store": False,
                "event_loop": True,
                "problems": [problem],
            },
        )
        assert (await served.api.get("/healthz")).status_code == 200
        refused = await served.api.get("/v1/messages")
        check_problem(refused, 503)
        assert int(refused.headers["retry-after"]) >= 1
        assert (await served.api.get("/metrics")).status_code == 200
        store.mkdir()  # the store comes back
        await until_answered(served.api, "/readyz")
        await until_answered(served.api, "/v1/messages/m1")


async def test_sends_are_refused_when_the_journal_does_not_take_them(tmp_path: Path) -> None:
    """A registration that could not be made durable gets 503 and when to try again."""
    async with a_node(tmp_path) as served:
        break_journal(tmp_path)
        answer = await served.api.post("/v1/sends", json={"sends": [{"sms_msg_id": "m1"}]})
        check_problem(answer, 503)
        assert int(answer.headers["retry-after"]) >= 1
        ready = await served.api.get("/readyz")
        assert (ready.status_code, ready.json()["journal"]) == (503, False)
        mend_journal(tmp_path)
        await served.register(sends=[{"sms_msg_id": "m1"}])
        await until_answered(served.api, "/readyz")


async def test_metrics_come_in_the_format_that_is_asked_for(tmp_path: Path) -> None:
    """The metrics are Prometheus text or OpenMetrics, without a key unless a setting says so."""
    async with a_node(tmp_path / "a") as served:
        served.api.headers.pop("authorization")
        plain = await served.api.get("/metrics")
        assert plain.headers["content-type"].startswith("text/plain")
        assert "\nreceiver_projector_lag_rows 0.0\n" in plain.text
        accept = {"accept": "application/openmetrics-text; version=1.0.0"}
        opened = await served.api.get("/metrics", headers=accept)
        assert opened.headers["content-type"].startswith("application/openmetrics-text")
        assert opened.text.endswith("# EOF\n")
    async with a_node(tmp_path / "b", metrics_need_key=True) as served:
        assert (await served.api.get("/metrics")).status_code == 200
        served.api.headers.pop("authorization")
        check_problem(await served.api.get("/metrics"), 401)


async def test_the_projectors_lag_is_measured(tmp_path: Path) -> None:
    """While the store is away the lag counts the rows that wait and the age of the oldest."""
    url = f"sqlite:///{tmp_path}/nowhere/store.sqlite3"
    async with a_node(tmp_path / "data", ready=False, store_url=url, ack="journal") as served:
        await served.push(report("m1"))
        await served.push(report("m2"))
        await asyncio.sleep(0.05)
        lines = (await served.api.get("/metrics")).text.splitlines()
        values = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    assert float(values["receiver_projector_lag_rows"]) == 2
    assert float(values["receiver_projector_lag_seconds"]) >= 0.05
    assert float(values["receiver_projector_failures_total"]) >= 1


async def test_an_answer_holds_what_no_encoding_holds(tmp_path: Path) -> None:
    """Lone surrogates in a report's own fields come back as valid JSON."""
    body = (
        b'{"statusReportList":[{"smsMsgId":"m1","status":"X","extra":"\\ud800 \xf0\x9f\x98\x80"}]}'
    )
    async with a_node(tmp_path) as served:
        assert (await served.push(body)).status_code == 200
        message = await served.get("/v1/messages/m1")
    assert message["reports"][0]["raw"]["extra"] == r"\ud800 😀"


def mark_overdue(file: Path) -> None:
    """Do what the watchdog does when the time has come."""
    with closing(sqlite3.connect(file, timeout=10)) as connection:
        connection.execute("UPDATE messages SET state = 'overdue', category = 'timeout'")
        connection.commit()


async def test_an_overdue_message_is_shown_as_such(tmp_path: Path) -> None:
    """The state that time alone sets is in the answer, with a verdict of its own."""
    async with a_node(tmp_path) as served:
        await served.register(sends=[{"sms_msg_id": "m1"}])
        await asyncio.to_thread(mark_overdue, tmp_path / FILE_NAME)
        message = await served.get("/v1/messages/m1")
        assert (message["state"], message["final"]) == ("overdue", False)
        assert message["verdict"]["category"] == "timeout"
        assert message["verdict"]["duplicate_risk"] is True
        assert ids((await served.get("/v1/messages", state="overdue"))["messages"]) == ["m1"]
