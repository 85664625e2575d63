"""Whole lists over the private API of a real node: everything, once, in order, or no end."""

import asyncio
import csv
import io
import json
import sqlite3
from collections.abc import MutableMapping
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from receiver.api.bodies import export_csv
from receiver.store.database.urls import FILE_NAME
from tests.support.parts import KEY, PATIENCE_S, Served, a_node, batch, check_problem, form

Json = dict[str, Any]
PERSON = "+8615500005172"
OTHER_TOKEN = "token-of-the-second-application"  # noqa: S105 - of no service
SECOND = {"name": "second", "tokens": [OTHER_TOKEN]}


async def fill(served: Served) -> None:
    """Send, report and answer a few messages of two applications."""
    sends = [
        {"sms_msg_id": "pending", "to": "15500005171", "sent_at": "2023-11-01T00:00:00Z"},
        {
            "sms_msg_id": "delivered",
            "to": PERSON,
            "from": "1069031221280000001",
            "sent_at": "2023-11-02T00:00:00Z",
            "reference": "=1+1",
            "extend": "shop",
            "total": 2,
        },
        {"sms_msg_id": "refused", "to": "+442079460958", "status": "E200033"},
    ]
    await served.register(sends=sends)
    await served.push(form(smsMsgId="delivered", status="DELIVRD", orgCode="000", sequence="1"))
    await served.push(form(smsMsgId="orphan", status="MK:0012", to=PERSON, extend="post"))
    await served.push(form(smsMsgId="elsewhere", status="DELIVRD"), OTHER_TOKEN)
    await served.push(form(smsMsgId="u1", from_=PERSON, to="1069031221280000001", body="yes"))
    await served.push(form(smsMsgId="u2", from_="15500005173", to="1070", body="+1\r\n;=2"))
    await served.push(form(smsMsgId="u3", from_="15500005173", to="1069", body="R"), OTHER_TOKEN)


async def exported(served: Served, what: str, **parameters: str) -> list[Json]:
    """Get an export as its lines."""
    answer = await served.api.get(f"/v1/export/{what}", params=parameters)
    assert answer.status_code == 200, answer.text
    assert answer.content.endswith(b"\n") or not answer.content
    return [json.loads(line) for line in answer.text.splitlines()]


async def table(served: Served, what: str, **parameters: str) -> list[dict[str, str]]:
    """Get an export as the rows of its table."""
    answer = await served.api.get(f"/v1/export/{what}", params={"format": "csv", **parameters})
    assert answer.status_code == 200, answer.text
    text = answer.content.decode()
    assert text.startswith(export_csv.BYTE_ORDER_MARK)
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")))


MESSAGES: list[Json] = [
    {},
    {"to": "155 0000 5172"},
    {"state": "refused"},
    {"code": "MK:0012"},
    {"category": "delivered"},
    {"application": "second"},
    {"extend": "shop"},
    {"reference": "=1+1"},
    {"registered": "false"},
    {"since": "2023-11-02T00:00:00Z"},
    {"until": "2023-11-02T00:00:00Z"},
    {"reference": "nobody's"},
    {"lang": "zh"},
]
UPLINKS: list[Json] = [
    {},
    {"from": PERSON},
    {"to": "1070"},
    {"application": "second"},
    {"until": "2000-01-01T00:00:00Z"},
]


@pytest.mark.parametrize("wanted", MESSAGES, ids=str)
async def test_messages_are_those_of_the_list(tmp_path: Path, wanted: Json) -> None:
    """Each filter chooses what it chooses there; a line is what the look-up of the id gives."""
    async with a_node(tmp_path, applications=[SECOND]) as served:
        await fill(served)
        listed = (await served.get("/v1/messages", **wanted))["messages"]
        lines = await exported(served, "messages", **wanted)
        assert lines == listed
        language = {"lang": wanted["lang"]} if "lang" in wanted else {}
        for line in lines:
            assert line == await served.get(f"/v1/messages/{line['sms_msg_id']}", **language)
        rows = await table(served, "messages", **wanted)
        assert [row["sms_msg_id"] for row in rows] == [line["sms_msg_id"] for line in lines]


@pytest.mark.parametrize("wanted", UPLINKS, ids=str)
async def test_uplinks_are_those_of_the_list(tmp_path: Path, wanted: Json) -> None:
    """The same for uplinks, with what they answer."""
    async with a_node(tmp_path, applications=[SECOND]) as served:
        await fill(served)
        listed = (await served.get("/v1/uplinks", **wanted))["uplinks"]
        assert await exported(served, "uplinks", **wanted) == listed
        rows = await table(served, "uplinks", **wanted)
        assert [row["sms_msg_id"] for row in rows] == [one["sms_msg_id"] for one in listed]


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 200, 250])
async def test_all_pages_are_given(tmp_path: Path, count: int) -> None:
    """Whatever the number: every message once, in the order of the list."""
    async with a_node(tmp_path) as served:
        sends = [{"sms_msg_id": f"m{n}", "sent_at": "2023-11-01T00:00:00Z"} for n in range(count)]
        if sends:
            await served.register(sends=sends)
        expected = [f"m{n}" for n in reversed(range(count))]
        for rows in (await exported(served, "messages"), await table(served, "messages")):
            assert [row["sms_msg_id"] for row in rows] == expected
        if count:
            uplinks = [form(smsMsgId=f"u{n}", from_=PERSON, to="1", body="x") for n in range(count)]
            await asyncio.gather(*map(served.push, uplinks[:101]))
            found = [one["sms_msg_id"] for one in await exported(served, "uplinks")]
            assert sorted(found) == sorted(f"u{n}" for n in range(min(count, 101)))


async def test_the_table_has_fixed_columns(tmp_path: Path) -> None:
    """Values as in the JSON; formulas and what a spreadsheet would count stand as text."""
    async with a_node(tmp_path, applications=[SECOND]) as served:
        await fill(served)
        rows = {row["sms_msg_id"]: row for row in await table(served, "messages")}
        uplinks = {row["sms_msg_id"]: row for row in await table(served, "uplinks")}
        empty = await served.api.get("/v1/export/messages?format=csv&reference=none")
    assert empty.content.decode().strip("\ufeff\r\n").split(",") == list(export_csv.MESSAGES)
    assert all(list(row) == list(export_csv.MESSAGES) for row in rows.values())
    assert all(list(row) == list(export_csv.UPLINKS) for row in uplinks.values())
    delivered = rows["delivered"]
    expected = {
        "state": "accepted",
        "final": "false",
        "send_status": "'000000",
        "code": "DELIVRD",
        "org_code": "'000",
        "to": "'+8615500005172",
        "from": "'1069031221280000001",
        "reference": "'=1+1",
        "registered": "true",
        "sent_at": "2023-11-02T00:00:00Z",
        "total": "2",
        "template_id": "",
        "action": "wait",
    }
    assert {name: delivered[name] for name in expected} == expected
    assert (rows["refused"]["state"], rows["refused"]["send_status"]) == ("refused", "E200033")
    assert (rows["orphan"]["registered"], rows["orphan"]["send_status"]) == ("false", "")
    assert uplinks["u2"]["body"] == "'+1\r\n;'=2"
    answered = {name: value for name, value in uplinks["u1"].items() if name.startswith("answers")}
    assert answered == {
        "answers_sms_msg_id": "orphan",
        "answers_reference": "",
        "answers_extend": "post",
        "answers_rule": "number",
        "answers_ambiguous": "false",
    }
    assert uplinks["u3"]["answers_ambiguous"] == ""


async def test_an_answer_is_a_file(tmp_path: Path) -> None:
    """It has a name and a type, is not kept by caches, and HEAD gives no content."""
    async with a_node(tmp_path) as served:
        for form_, kind in (("ndjson", "application/x-ndjson"), ("csv", "text/csv")):
            for method in ("GET", "HEAD"):
                path = f"/v1/export/messages?format={form_}"
                answer = await served.api.request(method, path)
                assert answer.status_code == 200
                assert answer.headers["content-type"].startswith(kind)
                assert answer.headers["cache-control"] == "no-store"
                name = answer.headers["content-disposition"]
                assert name.startswith('attachment; filename="messages-20')
                assert name.endswith(f'.{form_}"')
                assert "content-length" not in answer.headers
                assert method == "GET" or not answer.content


@pytest.mark.parametrize(
    "path",
    [
        "/v1/export/messages?format=xml",
        "/v1/export/messages?format=",
        "/v1/export/messages?limit=1001",
        "/v1/export/messages?cursor=x",
        "/v1/export/messages?from=1",
        "/v1/export/messages?state=nonsense",
        "/v1/export/uplinks?state=failed",
        "/v1/export/uplinks?lang=zh",
        "/v1/export/uplinks?since=yesterday",
    ],
)
async def test_a_question_that_makes_no_sense_is_refused(tmp_path: Path, path: str) -> None:
    """Parameters that do not belong here get 400, as in lists."""
    async with a_node(tmp_path) as served:
        check_problem(await served.api.get(path), 400)


@pytest.mark.parametrize("form_", ["ndjson", "csv"])
@pytest.mark.parametrize(("what", "count"), [("messages", 5), ("uplinks", 3)])
async def test_parts_make_the_whole(tmp_path: Path, what: str, count: int, form_: str) -> None:
    """One behind the other the parts are the export; the first says how much there is."""
    path = f"/v1/export/{what}"
    async with a_node(tmp_path, applications=[SECOND]) as served:
        await fill(served)
        whole = await served.api.get(path, params={"format": form_})
        asked, parts = {"format": form_, "limit": "2"}, list[httpx.Response]()
        while not parts or "next-cursor" in parts[-1].headers:
            asked |= {"cursor": parts[-1].headers["next-cursor"]} if parts else {}
            parts.append(await served.api.get(path, params=asked))
    assert b"".join(part.content for part in parts) == whole.content
    assert [int(part.headers["item-count"]) for part in parts][:-1] == [2] * (len(parts) - 1)
    assert sum(int(part.headers["item-count"]) for part in parts) == count
    assert [part.headers.get("total-count") for part in parts] == [
        str(count), *[None] * (len(parts) - 1)
    ]  # fmt: skip


async def test_a_store_that_is_away_is_said_by_a_status(tmp_path: Path) -> None:
    """Before anything is given, an error is an ordinary one."""
    url = f"sqlite:///{tmp_path}/nowhere/store.sqlite3"
    async with a_node(tmp_path / "data", ready=False, store_url=url, ack="journal") as served:
        check_problem(await served.api.get("/v1/export/messages"), 503)


async def test_a_line_is_one_line_to_everybody(tmp_path: Path) -> None:
    """What some readers take for line ends is escaped, and so is what no encoding holds."""
    text = "a\u2028b\u2029c\x85d"
    async with a_node(tmp_path) as served:
        await served.push(form(smsMsgId="u1", from_=PERSON, to="1", body=text))
        await served.push(
            b'{"statusReportList":[{"smsMsgId":"m1","status":"X","statusDesc":"\\ud800"}]}'
        )
        (uplink,) = await exported(served, "uplinks")
        (message,) = await exported(served, "messages")
        (row,) = await table(served, "messages")
    assert uplink["body"] == text
    assert message["reports"][0]["raw"]["statusDesc"] == r"\ud800"
    assert row["sms_msg_id"] == "m1"


# --- what breaks off, and who goes away ---------------------------------------------------------


def drop_messages(directory: Path) -> None:
    """Take the messages away behind the receiver's back."""
    with closing(sqlite3.connect(directory / FILE_NAME, timeout=10)) as connection:
        connection.execute("DROP TABLE messages")
        connection.commit()


class Asked:
    """A request made of the application itself, and what came of it."""

    def __init__(self, served: Served, path: str) -> None:
        self.served = served
        self.gone = False
        self.sent: list[MutableMapping[str, Any]] = []
        self.scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [(b"host", b"127.0.0.1"), (b"authorization", f"Bearer {KEY}".encode())],
            "server": ("receiver.test", 80),
            "client": ("192.0.2.7", 40_000),
        }

    async def receive(self) -> MutableMapping[str, Any]:
        """Return the request, or say that nobody listens any more."""
        if self.gone:
            return {"type": "http.disconnect"}
        await asyncio.sleep(3600)
        raise AssertionError

    async def send(self, message: MutableMapping[str, Any]) -> None:
        """Take a part of the answer."""
        self.sent.append(message)
        if message.get("body"):
            await self.on_piece()

    async def on_piece(self) -> None:
        """Do nothing about a piece."""

    async def run(self) -> None:
        """Make the request."""
        await self.served.node.private(self.scope, self.receive, self.send)

    @property
    def lines(self) -> int:
        """How many lines came."""
        return sum(message.get("body", b"").count(b"\n") for message in self.sent)

    @property
    def complete(self) -> bool:
        """Whether the end came."""
        return self.sent[-1].get("more_body") is False


async def many(served: Served) -> None:
    """Register 450 messages."""
    await served.push(batch([{"smsMsgId": f"r{n}", "status": "DELIVRD"} for n in range(150)]))
    await served.register(sends=[{"sms_msg_id": f"m{n}"} for n in range(300)])


async def test_an_export_that_fails_has_no_end(tmp_path: Path) -> None:
    """When the store fails in the middle the last chunk never comes: nothing looks complete."""

    class Sabotaged(Asked):
        async def on_piece(self) -> None:
            if self.lines == 100:
                await asyncio.to_thread(drop_messages, tmp_path)

    async with a_node(tmp_path) as served:
        await many(served)
        whole = Asked(served, "/v1/export/messages")
        await whole.run()
        assert (whole.lines, whole.complete) == (450, True)
        broken = Sabotaged(served, "/v1/export/messages")
        await broken.run()
    assert (broken.lines, broken.complete) == (100, False)


async def test_nobody_is_served_who_went_away(tmp_path: Path) -> None:
    """An export ends with the connection that it is for, and the store is read on by others."""

    class Leaving(Asked):
        async def on_piece(self) -> None:
            self.gone = True

    async with a_node(tmp_path) as served:
        await many(served)
        for _ in range(5):
            leaving = Leaving(served, "/v1/export/messages")
            await leaving.run()
            assert (leaving.lines, leaving.complete) == (100, False)
        assert len(await exported(served, "messages")) == 450


async def test_only_what_is_taken_is_read(tmp_path: Path) -> None:
    """A reader that is slow has one page waiting, not the whole list."""

    class Slow(Asked):
        async def on_piece(self) -> None:
            await taken.wait()

    taken = asyncio.Event()
    async with a_node(tmp_path) as served:
        await many(served)
        slow = Slow(served, "/v1/export/messages")
        task = asyncio.create_task(slow.run())
        async with asyncio.timeout(PATIENCE_S):
            while slow.lines < 100:  # noqa: ASYNC110 - as a client has to
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)  # in which no more may be read
        assert slow.lines == 100
        await served.push(form(smsMsgId="r0", status="MK:0012"))  # nobody waits for the reader
        taken.set()
        await task
    assert (slow.lines, slow.complete) == (450, True)
