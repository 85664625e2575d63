"""Purging and forgetting by the private API: scopes, progress, and what is refused."""

import asyncio
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from receiver.settings import ApiKey, RetentionSettings
from receiver.store.records import load_send
from receiver.store.schema import metadata
from tests.support.parts import (
    PATIENCE_S,
    Served,
    a_node,
    a_store,
    batch,
    check_problem,
    form,
    rows_of,
)

Json = dict[str, Any]
PERSON = "+8615500005172"
WRITER = "key-that-may-write-0123456789"
OLD = "2018-04-13T06:31:46Z"


async def done(served: Served) -> Json:
    """Wait for the end of a purge."""
    async with asyncio.timeout(PATIENCE_S):
        while (purge := await served.get("/v1/purge"))["phase"] == "running":  # noqa: ASYNC110 - as a client has to
            await asyncio.sleep(0.005)
    found: Json = purge
    return found


async def test_a_purge_is_counted_then_done(tmp_path: Path) -> None:
    """The dry run tells what goes, the purge takes it, the metric of orphans follows."""
    retention = RetentionSettings(messages_days=1e-9, purge_hours=1000)
    async with a_node(tmp_path, retention=retention) as served:
        check_problem(await served.api.get("/v1/purge"), 404)
        items = [{"smsMsgId": f"m{n}", "status": "DELIVRD", "to": PERSON} for n in range(5)]
        assert (await served.push(batch(items))).status_code == 200
        assert (await served.api.post("/v1/purge", json={"dry_run": True})).status_code == 202
        told = await done(served)
        assert (told["phase"], told["dry_run"]) == ("finished", True)
        assert (told["counts"]["messages"], told["counts"]["reports"]) == (5, 5)
        assert len((await served.get("/v1/messages"))["messages"]) == 5
        assert "receiver_orphans 5.0" in (await served.api.get("/metrics")).text
        assert (await served.api.post("/v1/purge")).status_code == 202
        purge = await done(served)
        assert (purge["dry_run"], purge["counts"]) == (False, told["counts"])
        assert purge["before"]["numbers"] is None
        assert purge["started_at"] <= purge["finished_at"]
        assert (await served.get("/v1/messages"))["messages"] == []
        assert "receiver_orphans 0.0" in (await served.api.get("/metrics")).text
        assert (await served.get("/v1/stats"))["messages"] == 5


@pytest.mark.parametrize(
    ("path", "document"),
    [
        pytest.param("/v1/purge", {"dry_run": "yes"}, id="no flag"),
        pytest.param("/v1/purge", {"since": OLD}, id="unknown member of a purge"),
        pytest.param("/v1/purge", [], id="no object"),
        pytest.param("/v1/forget", {}, id="no number"),
        pytest.param("/v1/forget", {"number": "csms1"}, id="an alias"),
        pytest.param("/v1/forget", {"number": PERSON, "keep": True}, id="unknown member"),
    ],
)
async def test_what_is_not_understood_is_refused(tmp_path: Path, path: str, document: Any) -> None:
    """A request that cannot be understood changes nothing."""
    async with a_node(tmp_path) as served:
        check_problem(await served.api.post(path, json=document), 400)


async def test_only_admins_may(tmp_path: Path) -> None:
    """A key of another scope neither purges nor forgets."""
    key = ApiKey(name="writer", key=WRITER, scopes=["write", "read"])
    async with a_node(tmp_path, api_keys=[key]) as served:
        headers = {"authorization": f"Bearer {WRITER}"}
        for method, path in (("POST", "purge"), ("GET", "purge"), ("POST", "forget")):
            answer = await served.api.request(method, f"/v1/{path}", headers=headers)
            check_problem(answer, 403)


async def test_a_person_is_forgotten_at_once(tmp_path: Path) -> None:
    """The answer says how much went; the refusal of a number never quotes it."""
    async with a_node(tmp_path) as served:
        await served.push(form(smsMsgId="m", status="DELIVRD", to=PERSON))
        answer = await served.api.post("/v1/forget", json={"number": "155 0000 5172"})
        assert answer.status_code == 200, answer.text
        told = answer.json()
        assert told["erased"] == {"journal": 1, "messages": 1, "reports": 1}
        assert (told["found_in_files"], told["store_searched"]) == ([], True)
        assert told["searched_files"] > 3
        assert "receiver_orphans 0.0" in (await served.api.get("/metrics")).text
        refused = await served.api.post("/v1/forget", json={"number": "1550000517x"})
        assert "1550000517" not in refused.text


async def test_two_are_not_forgotten_at_once(tmp_path: Path) -> None:
    """A second request while one is at work is told to come again."""
    async with a_node(tmp_path) as served:
        items = [{"smsMsgId": f"m{n}", "status": "DELIVRD", "to": PERSON} for n in range(300)]
        await served.push(batch(items))
        both = [{"number": PERSON}, {"number": "+8615500005173"}]
        answers = await asyncio.gather(*(served.api.post("/v1/forget", json=one) for one in both))
        assert sorted(answer.status_code for answer in answers) == [200, 409]


async def test_every_table_is_erased(store_url: str, tmp_path: Path) -> None:
    """On either database no table holds the number afterwards; rows about others stay."""
    other = "+8615500005173"
    async with a_node(tmp_path, store_url=store_url) as served:
        await served.register(
            sends=[
                {"sms_msg_id": "his", "to": PERSON, "from": "1069", "sent_at": OLD},
                {"sms_msg_id": "groups", "to": "155-0000-5172", "sent_at": OLD},
                {"sms_msg_id": "other", "to": other, "reference": f"for {PERSON}", "sent_at": OLD},
            ]
        )
        await served.register(sends=[{"sms_msg_id": "other", "to": "155 0000 5172"}])
        reports: list[Json] = [
            {"smsMsgId": "his", "status": "EXPIRED", "to": PERSON},
            {"smsMsgId": "other", "status": "DELIVRD", "to": other, "note": [PERSON, 15500005172]},
            {"smsMsgId": "orphan", "status": "DELIVRD", "to": PERSON[1:]},
        ]
        assert (await served.push(batch(reports))).status_code == 200
        for sender, sms_msg_id, body in (
            (PERSON, "u1", "R"),
            (other, "u2", "R"),
            (other, "u3", "ask 15500005172"),
        ):
            push = form(from_=sender, to="1069", body=body, smsMsgId=sms_msg_id)
            assert (await served.push(push)).status_code == 200
        assert (await served.push(b"to=%2B8615500005172")).status_code == 400
        for number in (PERSON, other):
            path = f"/v1/suppressions/{quote(number)}"
            answer = await served.api.put(path, json={"reason": f"like {PERSON}"})
            assert answer.status_code == 200, answer.text
        claim = {"limit": 10}
        headers = {"idempotency-key": "15500005172"}
        answer = await served.api.post("/v1/retries/claim", json=claim, headers=headers)
        assert answer.status_code == 200
        done = (await served.api.post("/v1/forget", json={"number": PERSON})).json()
        assert done["found_in_files"] == []
        assert done["store_searched"] is store_url.startswith("sqlite")
        assert done["erased"]["messages"] == 3
        assert done["erased"]["idempotency"] == 1
        async with a_store(store_url, prepared=False) as store:
            rows = {name: await rows_of(store, table) for name, table in metadata.tables.items()}
        held = {name for name, found in rows.items() if "5172" in str(found)}
        assert held == set()
        left = {name: len(rows[name]) for name in ("messages", "reports", "uplinks")}
        assert left == {"messages": 1, "reports": 1, "uplinks": 2}
        (conflict,) = load_send(rows["messages"][0]["send"]).conflicts
        assert (conflict.field, conflict.value) == ("to", "*" * 13)
        assert [row["number"] for row in rows["suppression_changes"]] == [other]
        assert {row["number"] for row in rows["suppressions"]} == {other}
        assert json.loads(rows["reports"][0]["raw"])["note"] == ["*" * 14, "*" * 11]
        assert (await served.get("/v1/stats", since=OLD, until="2018-05-01T00:00:00Z"))["messages"]


async def test_what_was_erased_is_still_answered(store_url: str, tmp_path: Path) -> None:
    """Without numbers, texts and raw bodies look-ups, explain, lists and refolding go on."""
    days = RetentionSettings(messages_days=0, numbers_days=1e-9, texts_days=1e-9, raw_days=1e-9)
    async with a_node(tmp_path, store_url=store_url, retention=days) as served:
        await served.register(sends=[{"sms_msg_id": "m", "to": PERSON, "sent_at": OLD}])
        await served.push(form(smsMsgId="m", status="DELIVRD", to=PERSON, updateTime=OLD))
        await served.push(form(from_=PERSON, to="1069", body="hello", smsMsgId="u"))
        before = await served.get("/v1/messages/m")
        assert (await served.api.post("/v1/purge")).status_code == 202
        assert (await done(served))["counts"]["numbers"] == 2
        after = await served.get("/v1/messages/m")
        assert (after["to"], after["reports"][0]["to"], after["reports"][0]["raw"]) == (
            None, None, {},
        )  # fmt: skip
        for name in ("state", "code", "country", "sent_at", "delivered_at", "verdict", "parts"):
            assert after[name] == before[name]
        assert (await served.get("/v1/messages/m/explain"))["state"]["state"] == "delivered"
        (uplink,) = (await served.get("/v1/uplinks"))["uplinks"]
        assert (uplink["from"], uplink["body"], uplink["answers"]) == (None, "", None)
        assert (await served.get("/v1/messages", to=PERSON))["messages"] == []
        assert (await served.api.post("/v1/reclassify")).status_code == 202
        await served.push(form(from_=PERSON, to="1069", body="hello", smsMsgId="u"))
        assert (await served.get("/v1/uplinks/u"))["redeliveries"] == 1
        assert (await served.get("/v1/messages/m"))["state"] == "delivered"
