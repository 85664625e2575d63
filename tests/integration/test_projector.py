"""The projector: every accepted push reaches the store exactly once, whatever happens meanwhile."""

import asyncio
import json
import shutil
import sqlite3
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from structlog.testing import capture_logs

from receiver.errors import StoreUnavailableError
from receiver.journal import FILE_NAME as JOURNAL_FILE
from receiver.journal import Journal, JournalEntry
from receiver.store.database.urls import FILE_NAME, default_url
from receiver.store.quarantine import QuarantineLimits
from receiver.store.schema import messages, quarantine, reports, uplinks
from receiver.store.store import Store
from tests.support.parts import (
    HOUR,
    NOW,
    a_journal,
    a_projector,
    a_store,
    a_write_lock,
    batch,
    break_journal,
    counts_of,
    entry,
    form,
    mend_journal,
    project,
    rows_of,
)

SENT = "2023-11-14T22:00:00Z"
UPDATED = "2023-11-14T22:10:00Z"
UPDATED_US = NOW - 200_000_000  # 22:10:00 is 3 min 20 s before NOW


def report(sms_msg_id: str = "m1", status: str = "DELIVRD", **fields: str) -> bytes:
    """Write a status report; `None` leaves nothing out, further fields replace the usual ones."""
    usual = {"smsMsgId": sms_msg_id, "status": status, "source": "2", "updateTime": UPDATED}
    return form(**{**usual, **fields})


def sends(*entries: dict[str, Any], **common: Any) -> JournalEntry:
    """Write a registration as the API puts it into the journal."""
    body = json.dumps({"sends": entries, **common}).encode()
    return entry(body, kind="sends")


def a_send(sms_msg_id: str = "m1", **fields: Any) -> dict[str, Any]:
    """Write a send in our own words."""
    return {"sms_msg_id": sms_msg_id, "to": "15500005172", "sent_at": SENT, **fields}


async def fill(journal: Journal, *entries: JournalEntry) -> None:
    """Append entries in order."""
    for one in entries:
        await journal.append(one)


Dump = dict[str, list[dict[str, Any]]]

# What depends on arrival alone, or only numbers rows.
_ARRIVAL = {"received_at", "last_received_at", "redeliveries", "first_report_at", "last_report_at"}
_ARRIVAL |= {"registered_at", "id", "message_id"}


async def dump(store: Store, leave_out: set[str] | None = None) -> Dump:
    """Return the content of the store in an order of its own, reports named by their message."""
    names = {row["id"]: row["sms_msg_id"] for row in await rows_of(store, messages)}
    found: Dump = {}
    for table in (messages, reports, uplinks, quarantine):
        rows = [
            {**row, "of": names.get(row.get("message_id", 0))}
            for row in await rows_of(store, table)
        ]
        kept = [
            {name: value for name, value in row.items() if name not in (leave_out or set())}
            for row in rows
        ]
        found[table.name] = sorted(kept, key=str)
    return found


# --- what the rows become -----------------------------------------------------------------------


async def test_a_registered_send_is_a_pending_message(store_url: str, tmp_path: Path) -> None:
    """A registration becomes a message with all that the application said."""
    more: dict[str, Any] = {
        "from": "1069000000000012",
        "total": 2,
        "country": "CN",
        "template_id": "t1",
    }
    async with a_journal(tmp_path) as journal, a_store(store_url) as store:
        await fill(journal, sends(a_send(**more), reference="order 7", extend="shop"))
        await project(journal, store)
        (row,) = await rows_of(store, messages)
    expected = {
        "application": "default",
        "sms_msg_id": "m1",
        "registered": True,
        "registered_at": NOW,
        "state": "pending",
        "final": False,
        "to_number": "+8615500005172",
        "from_number": "1069000000000012",
        "country": "CN",
        "extend": "shop",
        "reference": "order 7",
        "template_id": "t1",
        "total": 2,
        "sent_at": NOW - 800_000_000,  # 22:00:00 is 13 min 20 s before NOW
        "code": None,
        "first_report_at": None,
    }
    assert {name: row[name] for name in expected} == expected


async def test_a_report_before_its_send_waits_as_an_orphan(store_url: str, tmp_path: Path) -> None:
    """A report makes an unregistered message; the send that comes later binds to it."""
    async with a_journal(tmp_path) as journal, a_store(store_url) as store:
        await fill(journal, entry(report(orgCode="000")))
        async with a_projector(journal, store) as projecting:
            await projecting.caught_up()
            (orphan,) = await rows_of(store, messages)
            assert (orphan["registered"], orphan["state"]) == (False, "delivered")
            assert orphan["delivered_at"] == UPDATED_US
            await fill(journal, sends(a_send()))
            await projecting.caught_up()
            (bound,) = await rows_of(store, messages)
            assert (bound["registered"], bound["state"]) == (True, "delivered")
            assert bound["id"] == orphan["id"]
            assert [c.orphans_found for c in projecting.changes] == [1, 0]
            assert [c.orphans_bound for c in projecting.changes] == [0, 1]
        async with a_projector(journal, store) as projecting:
            await projecting.caught_up()
            assert projecting.orphans == [0]


async def test_the_orphans_are_counted_at_the_start(store_url: str, tmp_path: Path) -> None:
    """A projector that starts tells how many messages wait for their send."""
    async with a_journal(tmp_path) as journal, a_store(store_url) as store:
        await fill(journal, entry(report("m1")), entry(report("m2")), sends(a_send("m2")))
        await project(journal, store)
        async with a_projector(journal, store) as projecting:
            await projecting.caught_up()
            assert projecting.orphans == [1]


async def test_a_report_is_kept_whole(store_url: str, tmp_path: Path) -> None:
    """All fields of a report stand in its row, the unknown ones in `raw`."""
    body = report(
        status="E200027",
        sequence="2",
        total="3",
        statusDesc="refused",
        orgCode="7",
        extend="shop",
        to="+8615500005172",
        future="x",
    )
    async with a_journal(tmp_path) as journal, a_store(store_url) as store:
        await fill(journal, entry(body))
        await project(journal, store)
        (row,) = await rows_of(store, reports)
        (message,) = await rows_of(store, messages)
    expected = {
        "message_id": message["id"],
        "sequence": 2,
        "status": "E200027",
        "update_time": UPDATED,
        "updated_at": UPDATED_US,
        "total": 3,
        "source": 2,
        "status_desc": "refused",
        "org_code": "7",
        "extend": "shop",
        "to_text": "+8615500005172",
        "trust": "open",
        "received_at": NOW,
        "last_received_at": NOW,
        "redeliveries": 0,
    }
    assert {name: row[name] for name in expected} == expected
    assert json.loads(row["raw"])["future"] == "x"


async def test_the_same_report_again_is_counted_not_stored(store_url: str, tmp_path: Path) -> None:
    """A redelivery, in one batch or after a restart, adds to the count of its report alone."""
    async with a_journal(tmp_path) as journal, a_store(store_url) as store:
        await fill(journal, entry(report()), entry(report(), received_at=NOW + 5))
        await project(journal, store)
        await fill(journal, entry(report(), received_at=NOW + 9))
        await project(journal, store)
        (row,) = await rows_of(store, reports)
    assert row["redeliveries"] == 2
    assert (row["received_at"], row["last_received_at"]) == (NOW, NOW + 9)


async def test_an_uplink_is_kept_once(store_url: str, tmp_path: Path) -> None:
    """An uplink becomes a row with the number in its usual writing; again it is counted."""
    uplink = entry(form(from_="15500005172", to="1069", body="Ja & nein", smsMsgId="u1"), "uplink")
    async with a_journal(tmp_path) as journal, a_store(store_url) as store:
        await fill(journal, uplink, uplink)
        await project(journal, store)
        await fill(journal, uplink._replace(received_at=NOW + 1))
        await project(journal, store)
        (row,) = await rows_of(store, uplinks)
    assert (row["from_number"], row["to_number"]) == ("+8615500005172", "1069")
    assert row["body"] == "Ja & nein"
    assert row["redeliveries"] == 2
    assert (row["received_at"], row["last_received_at"]) == (NOW, NOW + 1)


@pytest.mark.parametrize(
    "again",
    [
        pytest.param({"from_": "15500005172"}, id="number without its country code"),
        pytest.param({"from_": "+86 155-0000\u200b-5172"}, id="number in groups"),
        pytest.param({"to": "+1069 03"}, id="channel number in groups"),
        pytest.param({"createTime": "2026-11-30 16:00:00"}, id="time without T and zone"),
        pytest.param({"createTime": "2026-12-01T00:00:00+08:00"}, id="time of another zone"),
        pytest.param({"createTime": "2026-11-30T16%3A00%3A00Z"}, id="time escaped twice"),
    ],
)
async def test_another_writing_is_the_same_uplink(
    again: dict[str, str], store_url: str, tmp_path: Path
) -> None:
    """What is written otherwise and says the same is a redelivery; what came first is kept."""
    first = {"from_": "+8615500005172", "to": "106903", "createTime": "2026-11-30T16:00:00Z"}
    usual = {"smsMsgId": "u1", "body": "R"}
    async with a_journal(tmp_path) as journal, a_store(store_url) as store:
        for fields in (first, {**first, **again}, first):
            await fill(journal, entry(form(**usual, **fields), "uplink"))
            await project(journal, store)
        (row,) = await rows_of(store, uplinks)
    assert (row["from_text"], row["to_number"]) == ("+8615500005172", "106903")
    assert json.loads(row["raw"])["createTime"] == first["createTime"]
    assert row["redeliveries"] == 2


async def test_the_same_id_in_two_applications_is_two_messages(
    store_url: str, tmp_path: Path
) -> None:
    """Ids are known within their application only."""
    async with a_journal(tmp_path) as journal, a_store(store_url) as store:
        await fill(
            journal,
            entry(report(), application="one"),
            entry(report(status="EXPIRED"), application="two"),
        )
        await project(journal, store)
        found = {row["application"]: row["state"] for row in await rows_of(store, messages)}
    assert found == {"one": "delivered", "two": "failed"}


async def test_bad_items_of_a_batch_are_set_aside_alone(store_url: str, tmp_path: Path) -> None:
    """The good items of a batch count, each bad one stands in the quarantine with its reason."""
    good = {"smsMsgId": "m1", "status": "DELIVRD", "updateTime": UPDATED}
    pushed = batch([good, {"status": "DELIVRD"}, {**good, "smsMsgId": "m2"}])
    async with a_journal(tmp_path) as journal, a_store(store_url) as store:
        await fill(journal, entry(pushed, "batch"))
        await project(journal, store)
        assert [row["sms_msg_id"] for row in await rows_of(store, messages)] == ["m1", "m2"]
        (bad,) = await rows_of(store, quarantine)
    assert (bad["kind"], bad["reason"]) == ("batch", "`smsMsgId` is missing.")
    assert json.loads(bytes(bad["body"])) == {"status": "DELIVRD"}


# --- what cannot be digested ----------------------------------------------------------------------

POISON = [
    pytest.param(entry(b"", "unusable"), id="empty"),
    pytest.param(entry(b"\x00\xff\xfe" * 100, "status"), id="bytes"),
    pytest.param(entry(b"hello=world", "status"), id="another form"),
    pytest.param(entry(b"{" * 20_000, "batch"), id="nested deeply"),
    pytest.param(entry(b'{"statusReportList": 7}', "batch"), id="no list"),
    pytest.param(entry(b"not JSON", "sends"), id="registration that is no JSON"),
    pytest.param(entry(b'{"sends": 7}', "sends"), id="registration without a list"),
    pytest.param(entry(b"\xff", "of the future"), id="unknown kind"),
    pytest.param(entry(report("m1"), trust="of the future"), id="unknown trust"),
]


@pytest.mark.parametrize("poison", POISON)
async def test_a_row_that_cannot_be_digested_is_set_aside(
    store_url: str, tmp_path: Path, poison: JournalEntry
) -> None:
    """A poisonous row stands in the quarantine as it came, and all behind it is projected.

    Its checksum says that it is no damage; the log names it, if it was acknowledged.
    """
    async with a_journal(tmp_path) as journal, a_store(store_url) as store:
        await fill(journal, poison, entry(report("after")))
        with capture_logs() as logs:
            await project(journal, store)
        assert journal.problems == []
        (row,) = await rows_of(store, quarantine)
        assert [m["sms_msg_id"] for m in await rows_of(store, messages)] == ["after"]
    assert (row["kind"], bytes(row["body"]), row["size"]) == (
        poison.kind,
        poison.body,
        len(poison.body),
    )
    assert (row["peer"], row["headers"]) == (poison.peer, poison.headers)
    assert row["received_at"] == NOW
    assert row["reason"].endswith(".")
    was_acknowledged = poison.kind != "unusable"
    assert row["reason"].startswith("The push was acknowledged") == was_acknowledged
    named = [line for line in logs if "contain nothing usable" in line["event"]]
    assert [line["first"] for line in named] == ([1] if was_acknowledged else [])


@settings(max_examples=10, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.text("stabuplinkecd", max_size=8), st.binary(max_size=60)), max_size=12
    )
)
def test_any_rows_never_stop_it(rows: list[tuple[str, bytes]]) -> None:
    """Rows of any kind with any bytes are digested or set aside; what follows is projected."""

    async def run(directory: Path) -> list[str]:
        async with a_journal(directory) as journal, unprepared(directory) as store:
            await fill(journal, *(entry(body, kind) for kind, body in rows), entry(report("after")))
            await project(journal, store)
            return [row["sms_msg_id"] for row in await rows_of(store, messages)]

    with tempfile.TemporaryDirectory() as directory:
        assert "after" in asyncio.run(run(Path(directory)))


async def refuse_m2(store: Store) -> None:
    """Let the store refuse a message of this id."""
    refuse = {
        "sqlite": "CREATE TRIGGER refuse BEFORE INSERT ON messages WHEN NEW.sms_msg_id = 'm2'"
        " BEGIN SELECT RAISE(ABORT, 'refused'); END",
        "postgresql": "ALTER TABLE messages ADD CHECK (sms_msg_id <> 'm2')",
    }
    async with store.writing() as connection:
        await connection.execute(text(refuse[connection.dialect.name]))


async def test_what_the_store_refuses_of_a_large_push_stops_nothing(
    store_url: str, tmp_path: Path
) -> None:
    """The pieces before stay, the push goes to the quarantine, and what follows is taken."""
    ids = [*(f"a{n}" for n in range(1200)), "m2", *(f"b{n}" for n in range(1200))]
    pushed = batch({"smsMsgId": one, "status": "A"} for one in ids)
    async with a_journal(tmp_path) as journal, a_store(store_url) as store:
        await refuse_m2(store)
        await fill(journal, entry(pushed, "batch"), entry(report("behind")))
        await project(journal, store)
        known = {row["sms_msg_id"] for row in await rows_of(store, messages)}
        (row,) = await rows_of(store, quarantine)
    assert known == {*ids[:1000], "behind"}
    assert row["size"] == len(pushed)


async def test_only_the_row_that_the_store_refuses_is_set_aside(
    store_url: str, tmp_path: Path
) -> None:
    """When the store refuses a value, its row alone goes to the quarantine."""
    async with a_journal(tmp_path) as journal, a_store(store_url) as store:
        await refuse_m2(store)
        await fill(journal, *(entry(report(f"m{n}")) for n in (1, 2, 3)))
        await project(journal, store)
        assert [row["sms_msg_id"] for row in await rows_of(store, messages)] == ["m1", "m3"]
        assert [row["redeliveries"] for row in await rows_of(store, reports)] == [0, 0]
        (row,) = await rows_of(store, quarantine)
        assert bytes(row["body"]) == report("m2")


async def test_the_quarantine_keeps_its_newest_rows(store_url: str, tmp_path: Path) -> None:
    """The quarantine is bounded in rows: the oldest go first."""
    async with a_journal(tmp_path) as journal, a_store(store_url) as store:
        await fill(journal, *(entry(b"%d" % n, "unusable") for n in range(5)))
        await project(journal, store, quarantine=QuarantineLimits(rows=3), batch_rows=2)
        found = [bytes(row["body"]) for row in await rows_of(store, quarantine)]
    assert found == [b"2", b"3", b"4"]


async def test_one_push_takes_few_rows_of_the_quarantine(store_url: str, tmp_path: Path) -> None:
    """Of a batch with many bad items some stand one by one, one row counts and holds the others."""
    first = entry(b"earlier", "unusable")
    pushed = batch([{"smsMsgId": "m1", "status": "A"}, *({"bad": n} for n in range(30_000))])
    limits = QuarantineLimits(rows=20, push_rows=3)
    async with a_journal(tmp_path) as journal, a_store(store_url) as store:
        await fill(journal, first, entry(pushed, "batch", trust="signed"), entry(report("m2")))
        async with a_projector(journal, store, quarantine=limits) as projecting:
            await projecting.caught_up()
        earlier, *found = await rows_of(store, quarantine)
        assert [row["sms_msg_id"] for row in await rows_of(store, messages)] == ["m1", "m2"]
    assert bytes(earlier["body"]) == b"earlier"
    assert [bytes(row["body"]) for row in found[:3]] == [b'{"bad": %d}' % n for n in range(3)]
    (rest,) = found[3:]
    assert rest["reason"] == (
        "29997 more items of this push are unusable. The push is kept unchanged, or its "
        "beginning if `truncated` is true."
    )
    assert (bytes(rest["body"]), rest["size"]) == (pushed[: limits.body_bytes], len(pushed))
    assert {row["trust"] for row in found} == {"signed"}
    counted = [one.items for changes in projecting.changes for one in changes.quarantined]
    assert sum(counted) == 1 + 30_000


async def test_a_full_quarantine_says_what_goes(store_url: str, tmp_path: Path) -> None:
    """A flood evicts its own rows: they are counted, and the log says so once."""
    few = [entry(b"few", "unusable", application="few") for _ in range(3)]
    flood = [entry(b"x" * 100, "unusable", peer=f"198.51.100.{n % 250}") for n in range(60)]
    limits = QuarantineLimits(rows=1000, bytes=2048)
    async with a_journal(tmp_path) as journal, a_store(store_url) as store:
        await fill(journal, *few, *flood)
        with capture_logs() as logs:
            async with a_projector(journal, store, quarantine=limits, batch_rows=10) as projecting:
                await projecting.caught_up()
        found = await rows_of(store, quarantine)
    assert [row["application"] for row in found][:3] == ["few"] * 3
    assert sum(len(row["body"]) for row in found) <= limits.bytes
    assert sum(projecting.evicted) == 63 - len(found) > 0
    assert len([log for log in logs if "quarantine is full" in log["event"]]) == 1


async def test_the_quarantine_cuts_long_bodies(store_url: str, tmp_path: Path) -> None:
    """The quarantine is bounded in bytes: a body is cut, its whole size is told."""
    async with a_journal(tmp_path) as journal, a_store(store_url) as store:
        await fill(journal, entry(b"x" * 100, "unusable"))
        await project(journal, store, quarantine=QuarantineLimits(body_bytes=10))
        (row,) = await rows_of(store, quarantine)
    assert (bytes(row["body"]), row["size"]) == (b"x" * 10, 100)


# --- exactly once -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "break_it",
    [
        pytest.param("ALTER TABLE checkpoints RENAME TO away", id="before the checkpoint"),
        pytest.param("ALTER TABLE reports RENAME TO away", id="in the middle"),
    ],
)
async def test_effects_and_checkpoint_are_one_transaction(tmp_path: Path, break_it: str) -> None:
    """A transaction that breaks leaves nothing; once the cause is gone all is there once."""
    repair = f"ALTER TABLE away RENAME TO {break_it.split()[2]}"
    async with a_journal(tmp_path) as journal, a_store(default_url(tmp_path)) as store:
        async with a_projector(journal, store) as projecting:
            await fill(journal, entry(report("m1")))
            await projecting.caught_up()
            await execute(store, break_it)
            await fill(journal, entry(report("m2")), entry(b"", "unusable"))
            await projecting.until(lambda: len(projecting.failures) >= 2, "it tried twice")
            assert not projecting.projector.healthy
            assert projecting.projector.position == 1
            assert [row["sms_msg_id"] for row in await rows_of(store, messages)] == ["m1"]
            assert await rows_of(store, quarantine) == []
            await execute(store, repair)
            await projecting.caught_up()
        expected = {"messages": 2, "reports": 2, "quarantine": 1, "checkpoints": 1}
        assert await counts_of(store) == expected
        assert [row["redeliveries"] for row in await rows_of(store, reports)] == [0, 0]


async def execute(store: Store, statement: str) -> None:
    """Run one statement in a transaction of its own, again when the store is not to be had."""
    for _ in range(20):
        try:
            async with store.writing() as connection:
                await connection.execute(text(statement))
        except StoreUnavailableError:
            await asyncio.sleep(0.1)
        else:
            return
    raise AssertionError("the store did not take it")


async def test_a_locked_store_is_waited_for(tmp_path: Path) -> None:
    """While another locks the store nothing is lost; then everything is there once."""
    async with a_journal(tmp_path) as journal, a_store(default_url(tmp_path)) as store:
        async with a_projector(journal, store) as projecting:
            await fill(journal, entry(report("m1")))
            await projecting.caught_up()
            # Its upkeep is over: nothing that this loop runs can hold the lock.
            await projecting.until(lambda: projecting.overdue, "it is idle")
            async with a_write_lock(tmp_path / FILE_NAME):
                await fill(journal, entry(report("m2")))
                await projecting.until(lambda: projecting.failures, "it has noticed the lock")
                assert not projecting.projector.healthy
            await fill(journal, entry(report("m3")))
            await projecting.caught_up()
        assert await counts_of(store) == {"messages": 3, "reports": 3, "checkpoints": 1}


async def test_a_store_that_cannot_be_opened_is_waited_for(tmp_path: Path) -> None:
    """A file of something else in the store's place stops nothing once it is gone."""
    url = default_url(tmp_path)
    (tmp_path / FILE_NAME).write_bytes(b"this is a diary, not a database\n" * 1000)
    async with a_journal(tmp_path) as journal, a_store(url, prepared=False) as store:
        await fill(journal, entry(report()))
        async with a_projector(journal, store) as projecting:
            await projecting.until(lambda: projecting.failures, "it has tried")
            (tmp_path / FILE_NAME).unlink()
            await projecting.caught_up()
        assert await counts_of(store) == {"messages": 1, "reports": 1, "checkpoints": 1}


async def test_a_journal_that_cannot_forget_stops_nothing(tmp_path: Path) -> None:
    """When pruning fails, for a lock or a full disk, projecting goes on."""
    async with a_journal(tmp_path) as journal, a_store(default_url(tmp_path)) as store:
        await fill(journal, *(entry(report(f"m{n}"), received_at=1) for n in range(3)))
        break_journal(tmp_path)
        async with a_projector(journal, store) as projecting:
            await projecting.until(lambda: projecting.overdue, "its upkeep has begun")
            await asyncio.sleep(0.2)
            mend_journal(tmp_path)
            await fill(journal, entry(report("after")))
            await projecting.caught_up()
        assert (await counts_of(store))["messages"] == 4


async def test_reached_returns_when_the_store_has_it(store_url: str, tmp_path: Path) -> None:
    """Whoever waits for a position waits until its effects are committed, not longer."""
    async with (
        a_journal(tmp_path) as journal,
        a_store(store_url) as store,
        a_projector(journal, store) as projecting,
    ):
        for n in range(3):
            waiting = asyncio.create_task(projecting.projector.reached(n + 1))
            await asyncio.sleep(0)
            assert not waiting.done()
            await fill(journal, entry(report(f"m{n}")))
            async with asyncio.timeout(10):
                await waiting
            assert (await counts_of(store))["messages"] == n + 1
            await projecting.projector.reached(1)


async def test_it_ends_after_the_batch_at_hand(tmp_path: Path) -> None:
    """After `stop` the batch at hand is finished and `run` returns."""
    async with a_journal(tmp_path) as journal, a_store(default_url(tmp_path)) as store:
        await fill(journal, *(entry(report(f"m{n}")) for n in range(50)))
        async with a_projector(journal, store, batch_rows=50) as projecting:
            await projecting.until(lambda: projecting.changes, "it works")
            projecting.projector.stop()
            async with asyncio.timeout(5):
                await projecting.task
        assert (await counts_of(store))["messages"] == 50


async def test_an_idle_projector_is_healthy_and_ends_at_once(tmp_path: Path) -> None:
    """With nothing to do it is healthy without delay, and `stop` does not wait for work."""
    async with (
        a_journal(tmp_path) as journal,
        a_store(default_url(tmp_path)) as store,
        a_projector(journal, store) as projecting,
    ):
        await projecting.until(lambda: projecting.overdue, "it has done all there is to do")
        await asyncio.sleep(0.2)
        assert projecting.projector.healthy
        projecting.projector.stop()
        async with asyncio.timeout(0.5):
            await projecting.task


# --- restarts and losses ------------------------------------------------------------------------

STORY = (
    sends(a_send("m1"), a_send("m2", total=2), a_send("m3", status="E200033")),
    entry(report("m1")),
    entry(report("m2", sequence="1", total="2")),
    entry(report("m2", "MK:0001", sequence="2", total="2")),
    entry(report("m4", "EXPIRED")),
    entry(report("m1")),
    entry(form(from_="+8615500005172", to="1069", body="R", smsMsgId="u1"), "uplink"),
    entry(b"nonsense", "unusable"),
)


async def test_a_store_that_was_lost_is_made_anew(tmp_path: Path) -> None:
    """A store that was deleted is rebuilt from the journal with the same content."""
    url = default_url(tmp_path)
    async with a_journal(tmp_path) as journal:
        async with a_store(url) as store:
            await fill(journal, *STORY)
            await project(journal, store)
            before = await dump(store)
        for end in ("", "-wal", "-shm"):
            (tmp_path / (FILE_NAME + end)).unlink(missing_ok=True)
        async with a_store(url, prepared=False) as store:
            await project(journal, store)
            assert await dump(store) == before
    assert len(before["messages"]) == 4


@pytest.mark.parametrize(
    "endings",
    [
        pytest.param(("",), id="the file alone"),
        pytest.param(("", "-wal", "-shm"), id="all of it"),
    ],
)
async def test_a_store_that_is_lost_while_it_runs_is_made_anew(
    tmp_path: Path, endings: tuple[str, ...]
) -> None:
    """A store that is deleted is rebuilt without a restart, also for readers; one warning tells."""
    url = default_url(tmp_path)
    async with (
        a_journal(tmp_path) as journal,
        a_store(url, prepared=False) as store,
        a_projector(journal, store) as projecting,
    ):
        await fill(journal, *STORY)
        await projecting.caught_up()
        await projecting.until(lambda: projecting.overdue, "it is idle")
        before = await dump(store)
        with capture_logs() as logs:
            for ending in endings:
                (tmp_path / (FILE_NAME + ending)).unlink()
            await projecting.until(lambda: projecting.failures, "it has noticed")
            await projecting.caught_up()
            await projecting.until(lambda: projecting.projector.healthy, "it works again")
        assert await dump(store) == before
        await fill(journal, entry(report("after")))
        await projecting.caught_up()
        assert (await counts_of(store))["messages"] == len(before["messages"]) + 1
    assert ["removed or replaced" in log["reason"] for log in logs] == [True]


async def test_a_store_that_is_lost_in_the_middle_of_work_is_made_anew(tmp_path: Path) -> None:
    """Deleted between two batches of a backlog, the store still gets all of the journal."""
    async with (
        a_journal(tmp_path) as journal,
        a_store(default_url(tmp_path), prepared=False) as store,
    ):
        await fill(journal, *(entry(report(f"m{n}")) for n in range(60)))
        async with a_projector(journal, store, batch_rows=2) as projecting:
            await projecting.until(lambda: len(projecting.changes) > 3, "it works")
            (tmp_path / FILE_NAME).unlink()
            await projecting.until(lambda: projecting.failures, "it has noticed")
            await projecting.caught_up()
        assert (await counts_of(store))["messages"] == 60
        assert [row["redeliveries"] for row in await rows_of(store, reports)] == [0] * 60


async def test_a_journal_older_than_the_store_is_read_anew(store_url: str, tmp_path: Path) -> None:
    """After a journal was restored from a backup, everything is read again without doubles."""
    backup = tmp_path / "backup"
    backup.mkdir()
    half = len(STORY) // 2
    async with a_journal(tmp_path) as journal:
        await fill(journal, *STORY[:half])
    shutil.copy(tmp_path / JOURNAL_FILE, backup)
    async with a_store(store_url) as store:
        async with a_journal(tmp_path) as journal:
            await fill(journal, *STORY[half:])
            await project(journal, store)
            before = await dump(store, _ARRIVAL)
        async with a_journal(backup) as journal:
            identity = journal.identity
            await project(journal, store)
            assert journal.identity != identity, "its positions would be taken for old ones"
            assert await dump(store, _ARRIVAL) == before
            await fill(journal, entry(report("m1", "EXPIRED")), entry(report("new")))
            await project(journal, store)
        found = {row["sms_msg_id"]: row for row in await rows_of(store, messages)}
    assert set(found) == {"m1", "m2", "m3", "m4", "new"}
    assert found["m1"]["conflict"]


async def test_a_restored_journal_that_outgrew_the_store_meanwhile_is_read_anew(
    store_url: str, tmp_path: Path
) -> None:
    """Pushes that came before the store answered are not taken for those it had seen."""
    backup = tmp_path / "backup"
    backup.mkdir()
    async with a_journal(tmp_path) as journal:
        await fill(journal, entry(report("kept")))
    shutil.copy(tmp_path / JOURNAL_FILE, backup)
    async with a_store(store_url) as store:
        async with a_journal(tmp_path) as journal:
            await fill(journal, entry(report("lost with the journal")))
            await project(journal, store)
        async with a_journal(backup) as journal:
            await fill(journal, *(entry(report(f"new {number}")) for number in range(3)))
            await project(journal, store)
        found = {row["sms_msg_id"] for row in await rows_of(store, messages)}
    assert found == {"kept", "lost with the journal", "new 0", "new 1", "new 2"}


async def test_two_journals_have_a_checkpoint_each(store_url: str, tmp_path: Path) -> None:
    """Two nodes that project into one store do not disturb each other's positions."""
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    async with (
        a_journal(one) as first,
        a_journal(two) as second,
        a_store(store_url) as store,
    ):
        await fill(first, entry(report("m1")), entry(report("m2")), entry(report("m3")))
        await fill(second, entry(report("m1")), entry(report("m4")))
        await project(first, store)
        await project(second, store)
        await fill(second, entry(report("m5")))
        await project(second, store)
        await project(first, store)
        expected = {"messages": 5, "reports": 5, "checkpoints": 2}
        assert await counts_of(store) == expected
        assert sum(row["redeliveries"] for row in await rows_of(store, reports)) == 1


# --- how much at once ---------------------------------------------------------------------------


async def test_many_events_are_cut_into_transactions(store_url: str, tmp_path: Path) -> None:
    """Rows that say much are taken in several transactions, each a thousand events and a row."""
    many = [sends(*(a_send(f"{row}.{n}") for n in range(700))) for row in range(5)]
    async with a_journal(tmp_path) as journal, a_store(store_url) as store:
        await fill(journal, *many)
        async with a_projector(journal, store) as projecting:
            await projecting.caught_up()
            await projecting.until(lambda: len(projecting.changes) == 3, "all were told")
            assert [changes.sends for changes in projecting.changes] == [1400, 1400, 700]
        assert (await counts_of(store))["messages"] == 3500


async def test_a_large_push_is_taken_in_pieces(store_url: str, tmp_path: Path) -> None:
    """However often it is killed in the middle of a large push, each item is taken once."""
    pushed = batch([*({"smsMsgId": f"m{n}", "status": "A"} for n in range(4500)), {"bad": 1}])
    async with a_journal(tmp_path) as journal, a_store(store_url) as store:
        await fill(
            journal, entry(report("before")), entry(pushed, "batch"), entry(report("behind"))
        )
        starts = position = 0
        while position < journal.last_position:
            async with a_projector(journal, store) as projecting:
                await projecting.until(projecting.changes.copy, "a piece is taken")
            position, starts = projecting.projector.position, starts + 1
        found = await counts_of(store)
        assert {row["redeliveries"] for row in await rows_of(store, reports)} == {0}
    assert starts > 1
    assert (found["messages"], found["reports"], found["quarantine"]) == (4502, 4502, 1)


async def test_a_report_leaves_what_it_does_not_change(tmp_path: Path) -> None:
    """The report of a known send writes neither its ids nor its numbers nor their indexes."""
    async with a_journal(tmp_path) as journal, a_store(default_url(tmp_path)) as store:
        await fill(journal, sends(a_send()))
        await project(journal, store)
        await execute(
            store,
            "CREATE TRIGGER untouched BEFORE UPDATE OF application, sms_msg_id, send, to_number,"
            " from_number, country, reference, occurred_at ON messages"
            " BEGIN SELECT RAISE(ABORT, 'touched'); END",
        )
        await fill(journal, entry(report(extend="shop")))
        await project(journal, store)
        (row,) = await rows_of(store, messages)
        assert await rows_of(store, quarantine) == []
    assert (row["state"], row["delivered_at"], row["extend"]) == ("delivered", UPDATED_US, "shop")


async def test_a_later_registration_changes_all_it_says(store_url: str, tmp_path: Path) -> None:
    """What a second registration adds to a message is written, whatever was known before."""
    async with a_journal(tmp_path) as journal, a_store(store_url) as store:
        await fill(journal, entry(report()))
        await project(journal, store)
        await fill(journal, sends(a_send(reference="order 7", country="SG")))
        await project(journal, store)
        (row,) = await rows_of(store, messages)
    expected = {"registered": True, "reference": "order 7", "country": "SG", "state": "delivered"}
    assert {name: row[name] for name in expected} == expected


# --- upkeep -------------------------------------------------------------------------------------


async def mark(journal: Journal, store: Store, now: int) -> int:
    """Let a projector do its upkeep at a time; return how many messages it marked."""
    async with a_projector(journal, store, clock=lambda: now) as projecting:
        await projecting.until(lambda: projecting.overdue, "it has looked for silent messages")
        return sum(projecting.overdue)


@pytest.mark.parametrize(
    ("rows", "hours", "expected"),
    [
        pytest.param([sends(a_send())], 74, "overdue", id="pending"),
        pytest.param([sends(a_send())], 72, "pending", id="not yet: 72 h < 73 h"),
        pytest.param(
            [sends(a_send()), entry(report(status="ACCEPTD"))], 74, "overdue", id="accepted"
        ),
        pytest.param(
            [sends(a_send()), entry(report(status="UNKNOWN"))], 74, "overdue", id="unknown"
        ),
        pytest.param([sends(a_send()), entry(report())], 74, "delivered", id="final"),
        pytest.param([sends(a_send(status="E200033"))], 74, "refused", id="refused"),
        pytest.param([entry(report(status="ACCEPTD"))], 74, "accepted", id="orphan"),
        pytest.param(
            [sends(a_send()), entry(report(status="ACCEPTD"), received_at=NOW + 50 * HOUR)],
            74,
            "accepted",
            id="heard of meanwhile",
        ),
        pytest.param(
            [entry(sends(a_send()).body, "sends", received_at=NOW + 50 * HOUR)],
            74,
            "overdue",
            id="registered late",
        ),
        pytest.param(
            [entry(sends(a_send(sent_at=None)).body, "sends", received_at=NOW + 50 * HOUR)],
            74,
            "pending",
            id="registered late, sent at nobody knows when",
        ),
    ],
)
async def test_silent_messages_become_overdue(
    store_url: str, tmp_path: Path, rows: list[JournalEntry], hours: int, expected: str
) -> None:
    """A registered message without a final report is overdue 73 h after it was last heard of."""
    async with a_journal(tmp_path) as journal, a_store(store_url) as store:
        await fill(journal, *rows)
        await project(journal, store)
        marked = await mark(journal, store, NOW + hours * HOUR)
        (row,) = await rows_of(store, messages)
    assert row["state"] == expected
    assert marked == (expected == "overdue")
    assert (row["category"] == "timeout") == (expected == "overdue")


async def test_a_report_ends_being_overdue(store_url: str, tmp_path: Path) -> None:
    """An overdue message takes the state of whatever comes at last, and is marked once."""
    late = NOW + 80 * HOUR
    async with a_journal(tmp_path) as journal, a_store(store_url) as store:
        await fill(journal, sends(a_send("m1"), a_send("m2")))
        await project(journal, store)
        assert await mark(journal, store, late) == 2
        assert await mark(journal, store, late) == 0
        await fill(journal, entry(report("m1"), received_at=late))
        await project(journal, store, clock=lambda: late)
        rows = {row["sms_msg_id"]: row for row in await rows_of(store, messages)}
    assert (rows["m1"]["state"], rows["m1"]["category"]) == ("delivered", "delivered")
    assert rows["m2"]["state"] == "overdue"


async def test_the_journal_forgets_only_what_the_store_has(store_url: str, tmp_path: Path) -> None:
    """Old rows that are not projected yet stay, and so do young rows that are."""
    old = 1
    async with a_journal(tmp_path) as journal, a_store(store_url) as store:
        await fill(journal, *(entry(report(f"m{n}"), received_at=old) for n in range(4)))
        await fill(journal, *(entry(report(f"m{n}")) for n in range(4, 6)))
        # The upkeep follows the first batch, here of two rows.
        await project(journal, store, batch_rows=2)
        assert await positions(journal) == [3, 4, 5, 6]
        await project(journal, store)  # a restart: now all of it is in the store
        await eventually_positions(journal, store, [5, 6])
        assert (await counts_of(store))["messages"] == 6


async def positions(journal: Journal) -> list[int]:
    """Return the positions that the journal still holds."""
    return [row.position for row in await journal.read_after(0, rows=100, max_bytes=2**30)]


async def eventually_positions(journal: Journal, store: Store, expected: list[int]) -> None:
    """Let a projector do its upkeep until the journal holds these positions."""
    async with a_projector(journal, store), asyncio.timeout(10):
        while await positions(journal) != expected:  # noqa: ASYNC110 - nothing tells of pruning
            await asyncio.sleep(0.02)


async def test_nothing_is_forgotten_that_the_store_cannot_keep(tmp_path: Path) -> None:
    """While the store cannot be made durable the journal keeps its rows."""
    async with a_journal(tmp_path) as journal, a_store(default_url(tmp_path)) as store:
        await execute(store, "SELECT 1")  # the writer turns the file to WAL: readers stop nobody
        await fill(journal, *(entry(report(f"m{n}"), received_at=1) for n in range(3)))
        with closing(sqlite3.connect(tmp_path / FILE_NAME)) as reading:
            reading.execute("BEGIN")
            reading.execute("SELECT count(*) FROM messages").fetchall()
            async with a_projector(journal, store) as projecting:
                await projecting.caught_up()
                await asyncio.sleep(2.5)  # a checkpoint waits 2 s for readers
                assert await positions(journal) == [1, 2, 3]


# --- any order ----------------------------------------------------------------------------------

IDS = ("a", "b", "c")
TIMES = ("", "2023-11-14T22:10:00Z", "2023-11-14T22:11:00Z", "2023-11-14T22:12:00Z")
REPORT_ITEMS = st.fixed_dictionaries(
    {
        "smsMsgId": st.sampled_from(IDS),
        "status": st.sampled_from(("DELIVRD", "ACCEPTD", "UNKNOWN", "EXPIRED", "MK:0012", "?!")),
        "sequence": st.sampled_from(("1", "2")),
        "total": st.sampled_from(("1", "2")),
        "source": st.sampled_from(("1", "2", "3")),
        "updateTime": st.sampled_from(TIMES),
    },
    optional={"extend": st.sampled_from(("x", "y")), "to": st.just("15500005172")},
)
PUSHES = st.one_of(
    REPORT_ITEMS.map(lambda item: entry(form(**item))),
    st.lists(REPORT_ITEMS, min_size=1, max_size=4).map(lambda items: entry(batch(items), "batch")),
)
SENDS = st.sets(st.sampled_from(IDS)).map(
    lambda ids: [sends(a_send(one, total=2, reference=f"of {one}")) for one in sorted(ids)]
)


@st.composite
def stories(draw: st.DrawFn) -> tuple[list[JournalEntry], list[tuple[list[JournalEntry], int]]]:
    """Return entries, and the same in another order with repetitions, in runs with a batch size."""
    entries = draw(SENDS) + draw(st.lists(PUSHES, min_size=1, max_size=8))
    repeated = draw(st.lists(st.sampled_from(entries), max_size=4))
    mixed = draw(st.permutations(entries + repeated))
    cuts = sorted(draw(st.lists(st.integers(0, len(mixed)), max_size=2)))
    runs = [mixed[a:b] for a, b in zip([0, *cuts], [*cuts, len(mixed)], strict=True)]
    return entries, [(run, draw(st.integers(1, 5))) for run in runs]


@settings(max_examples=15, deadline=None)
@given(story=stories())
def test_any_order_any_cut_any_restart_gives_the_same(
    story: tuple[list[JournalEntry], list[tuple[list[JournalEntry], int]]],
) -> None:
    """The store's content depends on what came, not on order, repetition, batches or restarts."""
    entries, runs = story
    straight = asyncio.run(_in_a_directory(lambda d: _project_runs(d, [(entries, 500)])))
    mixed = asyncio.run(_in_a_directory(lambda d: _project_runs(d, runs)))
    assert mixed == straight


def unprepared(directory: Path) -> AbstractAsyncContextManager[Store]:
    """Open a store that the projector prepares."""
    return a_store(default_url(directory), prepared=False)


async def _project_runs(directory: Path, runs: list[tuple[list[JournalEntry], int]]) -> Dump:
    for entries, batch_rows in runs:
        async with a_journal(directory) as journal, unprepared(directory) as store:
            await fill(journal, *entries)
            await project(journal, store, batch_rows=batch_rows)
    async with unprepared(directory) as store:
        return await dump(store, _ARRIVAL)


async def _in_a_directory(work: Callable[[Path], Awaitable[Dump]]) -> Dump:
    with tempfile.TemporaryDirectory() as directory:
        return await work(Path(directory))
