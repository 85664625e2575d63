"""What an older version stored is read again: ids, numbers, parts, texts and opt-outs."""

import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

from sqlalchemy import select, update

from receiver.domain.inputs import Conflict
from receiver.domain.reclassification import Rereading, Run
from receiver.journal import Journal
from receiver.projector.reclassifier import Reclassifier
from receiver.projector.rehearsal import rehearse
from receiver.store import statistics
from receiver.store.database.urls import FILE_NAME, default_url
from receiver.store.records import load_send
from receiver.store.schema import messages, quarantine, reports, suppressions, uplinks
from receiver.store.schema import statistics as counts
from receiver.store.store import Store
from tests.support.parts import (
    NOW,
    ROOT,
    a_journal,
    a_store,
    entry,
    finished,
    form,
    policy,
    project,
    rows_of,
)

# The store of version 0.1.0 before its seventh migration, filled through its listeners.
_OLDER = ROOT / "tests" / "data" / "store_before_0007.sql"
_FOUND = Rereading(messages=9, uplinks=7, opt_outs=6, suppressions=1, recovered=1)


@asynccontextmanager
async def an_older_store(directory: Path) -> AsyncIterator[Store]:
    """Open a store as an older version left it."""
    with closing(sqlite3.connect(directory / FILE_NAME)) as connection:
        connection.executescript(_OLDER.read_text())
    async with a_store(default_url(directory)) as store:
        yield store


async def reclassified(store: Store, journal: Journal | None = None) -> Run:
    """Reclassify to the end."""
    reclassifier = Reclassifier(store, journal, clock=lambda: NOW, yield_factor=lambda: 0)
    await reclassifier.start(policy(), None)
    return await finished(reclassifier)


def found_by(run: Run) -> Rereading:
    """Return what a run found, without how far it went."""
    told = run.rereading
    return Rereading(
        messages=told.messages,
        uplinks=told.uplinks,
        opt_outs=told.opt_outs,
        suppressions=told.suppressions,
        recovered=told.recovered,
    )


async def test_what_an_older_version_stored_is_mended(tmp_path: Path) -> None:
    """Each kind of item that was read wrongly is as if it came today, and the run says how many."""
    async with an_older_store(tmp_path) as store:
        run = await reclassified(store)
        found = {row["sms_msg_id"]: row for row in await rows_of(store, messages)}
        told = await rows_of(store, reports)
        people = {row["sms_msg_id"]: row for row in await rows_of(store, uplinks)}
        words = {row["number"]: row for row in await rows_of(store, suppressions)}
        left = await rows_of(store, quarantine)

    assert found_by(run) == _FOUND
    assert {name: found[name]["state"] for name in ("pad-1", "pad-2", "pad-3")} == {
        "pad-1": "delivered",
        "pad-2": "failed",
        "pad-3": "failed",
    }
    assert found["pad-1"]["reference"] == "order-1"
    assert found["pad-2"]["reference"] == "order-2"
    assert found["pad-2"]["code"] == "UNDELIV"
    assert found["enc-4"]["extend"] == "订单1"
    assert found["moj-1"]["extend"] == "订单"
    assert (found["flt-1"]["final"], found["flt-1"]["total"]) == (False, 2)
    assert found["short-1"]["to_number"] == "10086"
    assert found["gbk-json"]["state"] == "failed"
    assert {row["updated_at"] for row in told if row["update_time"] == "2026-11-30"} == {None}
    assert {name: row["intent"] for name, row in people.items()} == {
        "enc-1": "opt-out",
        "enc-2": "opt-out",
        "sc-1": "opt-out",
        "oo-1": "opt-out",
        "oo-2": "opt-out",
        "oo-3": "opt-out",
        "pad-up": "opt-out",
        "same-1": None,
    }
    assert people["enc-1"]["body"] == "退订"
    assert people["sc-1"]["from_number"] == "68849"
    assert "pad-up" in {row["source_id"] for row in words.values()}
    assert sorted(words) == [
        "+8615500003001",
        "+8615500003002",
        "+8615500006001",
        "+8615500006002",
        "+8615500006003",
        "+8615500006004",
        "68849",
        "95588",
    ]
    assert left == []


async def test_the_statistics_follow(tmp_path: Path) -> None:
    """What is counted after messages were merged is what a new count gives."""
    async with an_older_store(tmp_path) as store:
        await reclassified(store)
        kept = await rows_of(store, counts)
        async with store.writing() as connection:
            await statistics.rebuild(connection)
        assert sorted(map(repr, await rows_of(store, counts))) == sorted(map(repr, kept))


async def test_a_second_run_finds_nothing(tmp_path: Path) -> None:
    """What was read again reads the same the next time."""
    async with an_older_store(tmp_path) as store:
        await reclassified(store)
        before = [await rows_of(store, table) for table in (messages, reports, uplinks)]
        again = await reclassified(store)
        assert (found_by(again), again.changed) == (Rereading(), 0)
        assert [await rows_of(store, table) for table in (messages, reports, uplinks)] == before


async def test_a_rehearsal_tells_the_same_and_changes_nothing(tmp_path: Path) -> None:
    """`--dry-run` counts what a run would find."""
    async with an_older_store(tmp_path) as store:
        before = [await rows_of(store, table) for table in (messages, uplinks, suppressions)]
        run = await rehearse(
            store, policy(), None, clock=lambda: NOW, on_progress=lambda _run: None
        )
        assert found_by(run) == _FOUND
        after = [await rows_of(store, table) for table in (messages, uplinks, suppressions)]
        assert after == before


async def test_a_hidden_uplink_is_found_in_the_journal(tmp_path: Path) -> None:
    """A text that disappeared under the id of another is stored while the journal has it."""
    person: dict[str, Any] = {"from_": "+8615500004001", "to": "106900000001"}
    async with a_journal(tmp_path) as journal, a_store(default_url(tmp_path)) as store:
        for body in ("Hello", "R"):
            push = form(**person, smsMsgId="same-1", body=body)
            await journal.append(entry(push, "uplink", trust="token"))
        await project(journal, store)
        async with store.writing() as connection:
            await connection.execute(uplinks.delete().where(uplinks.c.body == "R"))
            await connection.execute(suppressions.delete())
        run = await reclassified(store, journal)
        assert found_by(run) == Rereading(recovered=1)
        assert [row["body"] for row in await rows_of(store, uplinks)] == ["Hello", "R"]
        assert [row["number"] for row in await rows_of(store, suppressions)] == ["+8615500004001"]


async def test_numbers_and_uplinks_that_were_told_apart_become_one(tmp_path: Path) -> None:
    """An invisible character in a number, or another writing of it, makes nobody else."""
    hidden = "+861550000\u200b4001"
    person: dict[str, Any] = {"to": "106900000001", "smsMsgId": "same-1", "body": "R"}
    async with a_journal(tmp_path) as journal, a_store(default_url(tmp_path)) as store:
        await journal.append(entry(form(**person, from_=hidden), "uplink", trust="token"))
        sent = form(smsMsgId="m", status="DELIVRD", to=hidden, extend="x")
        await journal.append(entry(sent))
        await project(journal, store)
        async with store.writing() as connection:  # as an older version stored it
            found = await connection.execute(select(uplinks))
            older = {**found.mappings().one(), "digest": "of its writing", "from_number": hidden}
            other = {**older, "id": older["id"] + 1, "digest": "of another writing"}
            await connection.execute(uplinks.delete())
            await connection.execute(uplinks.insert(), [older, {**other, "redeliveries": 1}])
            await connection.execute(update(suppressions).values(number=hidden))
            await connection.execute(update(messages).values(to_number=hidden))
        await journal.append(entry(form(**person, from_="15500004001"), "uplink", trust="token"))
        await project(journal, store)
        redeliveries = [row["redeliveries"] for row in await rows_of(store, uplinks)]
        assert (len(redeliveries), sum(redeliveries)) == (2, 2)  # known before it is read again
        run = await reclassified(store)
        assert found_by(run) == Rereading(messages=1, uplinks=2)
        (uplink,) = await rows_of(store, uplinks)
        assert (uplink["from_text"], uplink["from_number"]) == (hidden, "+8615500004001")
        assert uplink["redeliveries"] == 3
        assert [row["number"] for row in await rows_of(store, suppressions)] == ["+8615500004001"]
        assert [row["to_number"] for row in await rows_of(store, messages)] == ["+8615500004001"]
        assert found_by(await reclassified(store)) == Rereading()


async def test_of_two_registrations_of_one_id_the_earlier_stands(tmp_path: Path) -> None:
    """Where two stored ids read the same today, what the later registration says is kept beside."""
    async with a_journal(tmp_path) as journal, a_store(default_url(tmp_path)) as store:
        for place, sms_msg_id in enumerate(("later", "m")):
            send = {"sms_msg_id": sms_msg_id, "reference": f"order {place}"}
            body = json.dumps({"sends": [send]}).encode()
            await journal.append(entry(body, "sends", received_at=NOW - place))
        await project(journal, store)
        async with store.writing() as connection:
            padded = update(messages).where(messages.c.sms_msg_id == "later")
            await connection.execute(padded.values(sms_msg_id="m\u200b"))
        await reclassified(store)
        (message,) = await rows_of(store, messages)
    assert (message["sms_msg_id"], message["reference"]) == ("m", "order 1")
    assert load_send(message["send"]).conflicts == (Conflict("reference", "order 0", NOW),)
