"""Finding messages by keys of the application's own, and messages that nobody registered."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from receiver.domain.messages.state import State
from receiver.store import queries
from receiver.store.database.urls import default_url
from tests.support.parts import (
    PATIENCE_S,
    Served,
    a_journal,
    a_node,
    a_store,
    batch,
    check_problem,
    entry,
    form,
    project,
)

OTHER_TOKEN = "token-of-the-second-application"  # noqa: S105 - of no service
SECOND = {"name": "second", "tokens": [OTHER_TOKEN]}
FIRST_PAGE = queries.Page(50)
UPDATED = "2023-11-14T22:10:00Z"
Json = dict[str, Any]


def report(sms_msg_id: str, status: str = "DELIVRD", **fields: str) -> bytes:
    """Write a status report."""
    usual = {"smsMsgId": sms_msg_id, "status": status, "source": "2", "updateTime": UPDATED}
    return form(**{**usual, **fields})


async def look_up(served: Served, **document: Any) -> Json:
    """Look messages up, which must be answered; show ids instead of messages."""
    answer = await served.api.post("/v1/messages/lookup", json=document)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found | {"messages": [message["sms_msg_id"] for message in found["messages"]]}


async def a_small_shop(served: Served) -> None:
    """Let a node know a few messages by references and extends."""
    await served.register(
        sends=[
            {"sms_msg_id": "m1", "reference": "order 1", "extend": "spring"},
            {"sms_msg_id": "m2", "reference": "order 2", "extend": "spring"},
            {"sms_msg_id": "m3", "reference": "order 1"},
            {"sms_msg_id": "m4", "reference": "Order 1", "extend": "order 1"},
            {"sms_msg_id": "m5", "reference": "order  1"},
        ]
    )
    await served.push(report("orphan", extend="spring", to="+8615500005175"))
    await served.push(report("elsewhere", extend="spring"), OTHER_TOKEN)


LOOKUPS: list[tuple[Json, Json]] = [
    (
        {"references": ["order 1"]},
        {"messages": ["m3", "m1"], "missing": [], "missing_references": [], "cut_references": []},
    ),
    (
        {"extends": ["spring", "none"]},
        {
            "messages": ["elsewhere", "orphan", "m2", "m1"],
            "missing": [],
            "missing_extends": ["none"],
            "cut_extends": [],
        },
    ),
    (
        {"extends": ["spring"], "application": "second"},
        {"messages": ["elsewhere"], "missing": [], "missing_extends": [], "cut_extends": []},
    ),
    (
        {"references": ["none", "order", "order  1", "none"]},
        {
            "messages": ["m5"],
            "missing": [],
            "missing_references": ["none", "order"],
            "cut_references": [],
        },
    ),
    (
        {
            "ids": ["orphan", "m1", "m9"],
            "references": ["order 2", "order 1"],
            "extends": ["spring"],
        },
        {
            "messages": ["orphan", "m1", "m2", "m3", "elsewhere"],
            "missing": ["m9"],
            "missing_references": [],
            "cut_references": [],
            "missing_extends": [],
            "cut_extends": [],
        },
    ),
    ({"ids": ["m1"], "references": None}, {"messages": ["m1"], "missing": []}),
    (
        {"references": []},
        {"messages": [], "missing": [], "missing_references": [], "cut_references": []},
    ),
]  # fmt: skip


async def test_messages_are_looked_up_by_any_key(tmp_path: Path) -> None:
    """Ids, references and extends are matched exactly, and each message is given once."""
    async with a_node(tmp_path, applications=[SECOND]) as served:
        await a_small_shop(served)
        for document, expected in LOOKUPS:
            assert await look_up(served, **document) == expected, document


async def test_a_key_of_many_messages_is_cut(tmp_path: Path) -> None:
    """Of each key the newest messages are given, of many keys fewer, and the answer says so."""
    async with a_node(tmp_path) as served:
        await served.register(
            sends=[
                {"sms_msg_id": f"m{n}.{key}", "reference": f"r{key}"}
                for n in range(101)
                for key in range(13)
            ]
        )
        one = await look_up(served, references=["r0"])
        assert one["messages"] == [f"m{n}.0" for n in range(100, 0, -1)]
        assert one["cut_references"] == ["r0"]
        many = await look_up(served, references=[f"r{key}" for key in range(13)])
        assert len(many["messages"]) == 1000
        for key in range(13):
            given = [one for one in many["messages"] if one.endswith(f".{key}")]
            assert len(given) in (76, 77)
            assert given == [f"m{n}.{key}" for n in range(100, 100 - len(given), -1)]
        assert many["cut_references"] == [f"r{key}" for key in range(13)]
        all_of_them = await look_up(served, references=["r1"], ids=["m0.1"])
        assert (len(all_of_them["messages"]), all_of_them["missing_references"]) == (101, [])


async def test_a_thousand_keys_are_looked_up(tmp_path: Path) -> None:
    """Up to 1,000 keys of all kinds go together, one more is refused."""
    async with a_node(tmp_path) as served:
        await served.register(
            sends=[
                {"sms_msg_id": f"m{n}", "reference": f"r{n}", "extend": f"e{n}"} for n in range(600)
            ]
        )
        references, extends = [f"r{n}" for n in range(700)], [f"e{n}" for n in range(299, -1, -1)]
        found = await look_up(served, references=references, extends=extends)
        assert found["messages"] == [f"m{n}" for n in range(600)]
        assert found["missing_references"] == references[600:]
        assert (found["missing_extends"], found["cut_references"], found["cut_extends"]) == (
            [],
            [],
            [],
        )
        more: Json = {"ids": ["m1"], "references": references, "extends": extends}
        check_problem(await served.api.post("/v1/messages/lookup", json=more), 400)


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (queries.MessageFilter(extend="x"), "ix_messages_extend"),
        (queries.MessageFilter(reference="x"), "ix_messages_reference"),
        (queries.MessageFilter(reference="x", application="a"), "ix_messages_reference"),
        (queries.MessageFilter(extend="x", since=1, until=2), "ix_messages_extend"),
        (queries.MessageFilter(extend="x", registered=True), "ix_messages_extend"),
        (queries.MessageFilter(to="15500005172"), "ix_messages_to_number"),
        (queries.MessageFilter(state=State.FAILED), "ix_messages_state"),
        (queries.MessageFilter(registered=False), "ix_messages_orphans"),
        (queries.MessageFilter(application="a"), "ix_messages_application"),
        (queries.MessageFilter(category="timeout"), "ix_messages_category"),
        (queries.MessageFilter(code="DELIVRD"), "ix_messages_occurred_at"),
        (queries.MessageFilter(), "ix_messages_occurred_at"),
    ],
    ids=["extend", "reference", "of one application", "in a time", "registered", "number", "state",
         "orphans", "application", "category", "the usual code", "all"],
)  # fmt: skip
async def test_a_list_is_found_by_its_index(
    tmp_path: Path, wanted: queries.MessageFilter, index: str
) -> None:
    """Each filter is answered by an index, in its order and as a range of any period or page."""
    *_, plan = await plans(tmp_path, wanted)
    assert f"USING INDEX {index}" in plan
    assert "TEMP B-TREE" not in plan
    *_, plan = await plans(tmp_path, replace(wanted, since=1, until=2))
    assert f"USING INDEX {index}" in plan
    assert "occurred_at>? AND occurred_at<?" in plan
    assert "TEMP B-TREE" not in plan
    *_, plan = await plans(tmp_path, wanted, queries.Page(50, before=(1, 2, 0)))
    assert f"USING INDEX {index}" in plan
    assert "occurred_at<?" in plan
    assert "TEMP B-TREE" not in plan


async def test_keys_are_found_by_their_indexes(tmp_path: Path) -> None:
    """Looking many keys up walks an index for each of them, and no table."""
    for key in ("reference", "extend"):
        (plan,) = await plans(tmp_path, key)
        assert plan.count(f"INDEX ix_messages_{key} ") == 3
        assert "SCAN messages" not in plan
        assert "TEMP B-TREE" not in plan


async def test_rows_are_found_by_key(store_url: str, tmp_path: Path) -> None:
    """On every database the newest rows of each value are found, of one application or of all."""
    sends = [
        {"sms_msg_id": f"m{n}", "reference": f"r{n % 301}", "extend": "common"} for n in range(602)
    ]
    body = json.dumps({"sends": sends}).encode()
    values = [f"r{n}" for n in range(301)]
    async with a_journal(tmp_path) as journal, a_store(store_url) as store:
        await journal.append(entry(body, "sends"))
        await journal.append(entry(body, "sends", application="second"))
        await project(journal, store)
        async with store.reading() as connection:
            found = await queries.find_by_key(connection, "reference", values, most=3)
            own = await queries.find_by_key(
                connection, "reference", values, most=3, application="default"
            )
            named = await queries.load_messages(connection, own["r7"])
            extended = await queries.find_by_key(connection, "extend", ["common", "it's"], most=5)
    assert {value: len(rows) for value, rows in found.items()} == dict.fromkeys(values, 3)
    assert [named[row].message.sms_msg_id for row in own["r7"]] == ["m308", "m7"]
    assert {stored.message.application for stored in named.values()} == {"default"}
    assert extended == {"common": [1204, 1203, 1202, 1201, 1200], "it's": []}


async def plans(
    directory: Path,
    asked: queries.MessageFilter | queries.Key,
    page: queries.Page = FIRST_PAGE,
) -> list[str]:
    """Ask an empty store, and give SQLite's plan for each statement about messages."""
    seen: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if "FROM messages" in statement:
            seen.append((statement, parameters))

    async with a_store(default_url(directory)) as store, store.reading() as connection:
        event.listen(connection.sync_connection, "before_cursor_execute", note)
        if isinstance(asked, queries.MessageFilter):
            await queries.list_messages(connection, asked, page)
        else:
            await queries.find_by_key(connection, asked, ["a", "b", "c"], most=101)
        explained = [
            await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            for statement, parameters in list(seen)
        ]
        return ["\n".join(row["detail"] for row in rows.mappings()) for rows in explained]


# --- messages that nobody registers ---------------------------------------------------------------

QUESTIONS: list[tuple[dict[str, str], list[str]]] = [
    ({}, ["odd", "half", "failed", "delivered"]),
    ({"registered": "false"}, ["odd", "half", "failed", "delivered"]),
    ({"registered": "true"}, []),
    ({"state": "delivered"}, ["delivered"]),
    ({"state": "accepted"}, ["half"]),
    ({"state": "failed", "registered": "false"}, ["odd", "failed"]),
    ({"code": "E200027"}, ["failed"]),
    ({"category": "routing"}, ["failed"]),
    ({"category": "unknown"}, ["odd"]),
    ({"to": "15500005172"}, ["failed"]),
    ({"extend": "autumn"}, ["failed"]),
    ({"since": "2020-01-01T00:00:00Z"}, ["odd", "half", "failed", "delivered"]),
    ({"until": "2020-01-01T00:00:00Z"}, []),
]


async def test_an_application_that_never_registers_has_nearly_everything(tmp_path: Path) -> None:
    """Orphans are ordinary messages: lists, verdicts, look-ups, explaining, reclassifying."""
    file = tmp_path / "mine.csv"
    file.write_text("code,category,retry,meaning\n")
    async with a_node(tmp_path / "data", catalogue_file=file) as served:
        await served.push(
            batch(
                [
                    {"smsMsgId": "delivered", "status": "DELIVRD", "updateTime": UPDATED},
                    {"smsMsgId": "failed", "status": "E200027", "updateTime": UPDATED,
                     "source": "2", "extend": "autumn", "to": "+8615500005172"},
                    {"smsMsgId": "half", "status": "DELIVRD", "total": "2", "sequence": "1"},
                    {"smsMsgId": "odd", "status": "ZQ:0001", "updateTime": UPDATED},
                ]
            )
        )  # fmt: skip
        for parameters, expected in QUESTIONS:
            found = await served.get("/v1/messages", **parameters)
            assert [m["sms_msg_id"] for m in found["messages"]] == expected, parameters
        found = await look_up(served, extends=["autumn"], ids=["odd"])
        assert found["messages"] == ["odd", "failed"]
        message = await served.get("/v1/messages/failed")
        assert (message["registered"], message["sent_at"]) == (False, None)
        assert message["delivery_seconds"] is None
        assert (message["to"], message["country"]) == ("+8615500005172", "CN")
        assert message["verdict"]["action"] == "fix"
        explained = await served.get("/v1/messages/half/explain")
        assert explained["parts"]["missing"] == [2]
        assert explained["policy"][-1]["rule"] == "never-overdue"
        file.write_text("code,category,retry,meaning\nZQ:0001,account,never,Closed\n")
        assert (await served.api.post("/v1/reclassify")).status_code == 202
        async with asyncio.timeout(PATIENCE_S):
            while (await served.get("/v1/reclassify"))["phase"] == "running":  # noqa: ASYNC110 - as a client has to
                await asyncio.sleep(0.005)
        listed = await served.get("/v1/messages", category="account", registered="false")
        assert [m["sms_msg_id"] for m in listed["messages"]] == ["odd"]
