"""Retention: what is old goes in stretches, what is open is spared, counts stay."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select

from receiver.domain import times
from receiver.domain.inputs import Conflict
from receiver.domain.retries.items import ItemState
from receiver.domain.times import to_rfc3339
from receiver.journal import EntryKind, JournalEntry
from receiver.privacy.retention import AnotherPurgeError, Purge, PurgePhase, Purger, Retention
from receiver.store import projector
from receiver.store.records import load_send
from receiver.store.schema import messages, quarantine, reports, retries, statistics, uplinks
from receiver.store.store import Store
from tests.support.parts import (
    NOW,
    PATIENCE_S,
    a_journal,
    a_store,
    batch,
    entry,
    form,
    project,
    rows_of,
)

DAY = 86_400 * times.SECOND
OLD = NOW - 500 * DAY
NUMBER = "+8615500005172"


def sends(*listed: dict[str, Any], at: int = OLD) -> JournalEntry:
    """Register sends, all at one time."""
    usual = {"to": NUMBER, "sent_at": to_rfc3339(at)}
    body = json.dumps({"sends": [{**usual, **one} for one in listed]}).encode()
    return entry(body, EntryKind.SENDS, received_at=at)


def report(sms_msg_id: str, status: str = "DELIVRD", at: int = OLD, **more: str) -> JournalEntry:
    """Push a report."""
    fields = {"updateTime": to_rfc3339(at), "to": NUMBER, **more}
    return entry(form(smsMsgId=sms_msg_id, status=status, **fields), received_at=at)


def uplink(sms_msg_id: str, at: int) -> JournalEntry:
    """Push an uplink."""
    body = form(from_=NUMBER, to="1069", body="hello", smsMsgId=sms_msg_id)
    return entry(body, "uplink", received_at=at)


@asynccontextmanager
async def a_filled_store(
    url: str, directory: Path, entries: list[JournalEntry]
) -> AsyncIterator[Store]:
    """Open a store that has heard of some entries."""
    async with a_store(url) as store:
        await hear(store, directory, *entries)
        yield store


async def hear(store: Store, directory: Path, *entries: JournalEntry) -> None:
    """Bring entries into the store by way of the journal, at a time when none was overdue."""
    async with a_journal(directory) as journal:
        for one in entries:
            await journal.append(one)
        await project(journal, store, clock=lambda: OLD)


async def purged(store: Store, **days: float) -> Purge:
    """Purge to the end."""
    purger, _ = a_purger(store, **days)
    purger.start(dry_run=False)
    return await ended(purger)


def a_purger(store: Store, every_s: float = 3600, **days: float) -> tuple[Purger, list[int]]:
    """Make a purger, and the list of how many orphans it told of."""
    orphans: list[int] = []
    purger = Purger(
        store,
        Retention(**days),
        every_s=every_s,
        clock=lambda: NOW,
        yield_factor=lambda: 0,
        on_orphans_gone=orphans.append,
    )
    return purger, orphans


async def ended(purger: Purger) -> Purge:
    """Wait for the end of a purge."""
    async with asyncio.timeout(PATIENCE_S):
        while purger.progress is None or purger.progress.phase is PurgePhase.RUNNING:  # noqa: ASYNC110 - as a client has to
            await asyncio.sleep(0.005)
    return purger.progress


async def ids_of(store: Store) -> set[str]:
    """Return the ids of all messages."""
    return {row["sms_msg_id"] for row in await rows_of(store, messages)}


async def put_in_queue(store: Store, sms_msg_id: str, state: ItemState) -> None:
    """Put a message into the retry queue."""
    async with store.writing() as connection:
        query = select(messages.c.id).where(messages.c.sms_msg_id == sms_msg_id)
        message_id = (await connection.execute(query)).scalar_one()
        await connection.execute(
            insert(retries).values(
                message_id=message_id, application="default", state=state.value,
                planned_for=OLD, due_at=OLD, claims=0,
            )
        )  # fmt: skip


GONE: set[str] = set()
STAYS = {"m"}


@pytest.mark.parametrize(
    ("entries", "left"),
    [
        pytest.param([sends({"sms_msg_id": "m"}), report("m")], GONE, id="delivered"),
        pytest.param([sends({"sms_msg_id": "m"}), report("m", "UNDELIV")], GONE, id="failed"),
        pytest.param([report("m")], GONE, id="an orphan"),
        pytest.param([report("m", "ACCEPTD")], GONE, id="an orphan without an end"),
        pytest.param([sends({"sms_msg_id": "m"})], STAYS, id="pending"),
        pytest.param([sends({"sms_msg_id": "m"}), report("m", at=NOW - DAY)], STAYS,
                     id="heard of yesterday"),
        pytest.param([sends({"sms_msg_id": "m"}, at=NOW - DAY), report("m", at=NOW - DAY)], STAYS,
                     id="young"),
        pytest.param([report("m"), sends({"sms_msg_id": "m"})._replace(received_at=NOW - DAY)],
                     STAYS, id="registered yesterday"),
    ],
)  # fmt: skip
async def test_old_messages_go(
    store_url: str, tmp_path: Path, entries: list[JournalEntry], left: set[str]
) -> None:
    """A message goes with its reports when nothing was heard of it for long and it is settled."""
    async with a_filled_store(store_url, tmp_path, entries) as store:
        done = await purged(store, messages_days=400)
        assert await ids_of(store) == left
        assert left or not await rows_of(store, reports)
        assert done.phase is PurgePhase.FINISHED
        assert done.counts["messages"] == 1 - len(left)


async def test_overdue_messages_go(store_url: str, tmp_path: Path) -> None:
    """Of what is overdue nothing is expected any more."""
    entries = [sends({"sms_msg_id": "m"})]
    async with a_filled_store(store_url, tmp_path, entries) as store:
        async with store.writing() as connection:
            await projector.mark_overdue(connection, heard_before=NOW, limit=1)
        assert (await rows_of(store, messages))[0]["state"] == "overdue"
        await purged(store, messages_days=400)
        assert await ids_of(store) == set()


@pytest.mark.parametrize(
    ("state", "left"),
    [
        pytest.param(ItemState.WAITING, {"m"}, id="waiting"),
        pytest.param(ItemState.CLAIMED, {"m"}, id="claimed"),
        pytest.param(ItemState.COMPLETED, set(), id="completed"),
        pytest.param(ItemState.ENDED, set(), id="ended"),
    ],
)
@pytest.mark.parametrize("number", [0.0, 1.0], ids=["whole", "numbers first"])
async def test_the_retry_queue_is_spared(
    store_url: str, tmp_path: Path, state: ItemState, left: set[str], number: float
) -> None:
    """What may be sent again keeps its row and its number; what is settled goes with its item."""
    entries = [sends({"sms_msg_id": "m"}), report("m", "EXPIRED")]
    async with a_filled_store(store_url, tmp_path, entries) as store:
        await put_in_queue(store, "m", state)
        done = await purged(store, messages_days=400, numbers_days=number)
        assert await ids_of(store) == left
        assert len(await rows_of(store, retries)) == len(left)
        assert done.counts["spared"] == len(left)
        assert all(row["to_number"] == NUMBER for row in await rows_of(store, messages))


async def test_a_chain_with_an_open_attempt_is_spared(store_url: str, tmp_path: Path) -> None:
    """The first attempt stays while the last is pending, and goes with it later."""
    listed = ({"sms_msg_id": "a"}, {"sms_msg_id": "b", "retry_of": "a"}, {"sms_msg_id": "x"})
    entries = [sends(*listed), report("a", "EXPIRED"), report("x")]
    async with a_filled_store(store_url, tmp_path, entries) as store:
        done = await purged(store, messages_days=400)
        assert await ids_of(store) == {"a", "b"}
        assert (done.counts["messages"], done.counts["spared"]) == (1, 2)
        await hear(store, tmp_path, report("b"))
        await purged(store, messages_days=400)
        assert await ids_of(store) == set()


async def test_statistics_stay(store_url: str, tmp_path: Path) -> None:
    """Counts are no persons; a report that comes again is an orphan again."""
    entries = [sends({"sms_msg_id": "m"}), report("m"), report("orphan")]
    async with a_filled_store(store_url, tmp_path, entries) as store:
        before = await rows_of(store, statistics)
        purger, orphans = a_purger(store, messages_days=400)
        purger.start(dry_run=False)
        await ended(purger)
        assert await ids_of(store) == set()
        assert sum(orphans) == 1
        assert await rows_of(store, statistics) == before
        await hear(store, tmp_path, report("m", at=NOW))
        (again,) = await rows_of(store, messages)
        assert (again["sms_msg_id"], again["registered"]) == ("m", False)


async def test_numbers_of_final_messages_go(store_url: str, tmp_path: Path) -> None:
    """State, code, times and country stay; the open one keeps its number."""
    listed = ({"sms_msg_id": "m", "reference": "r"}, {"sms_msg_id": "open"})
    other = sends({"sms_msg_id": "m", "to": "+8615600005172"})
    entries = [sends(*listed), other, report("m"), uplink("u", OLD), uplink("young", NOW)]
    async with a_filled_store(store_url, tmp_path, entries) as store:
        before = {row["sms_msg_id"]: row for row in await rows_of(store, messages)}
        done = await purged(store, numbers_days=30)
        after = {row["sms_msg_id"]: row for row in await rows_of(store, messages)}
        assert after["open"] == before["open"]
        gone = {"to_text", "to_number", "send"}
        assert {n: v for n, v in after["m"].items() if n not in gone} == {
            n: v for n, v in before["m"].items() if n not in gone
        }
        assert (after["m"]["to_text"], after["m"]["to_number"]) == (None, None)
        assert after["m"]["country"] == "CN"
        texts = [after["m"]["send"], *(str(row) for row in await rows_of(store, reports))]
        assert all("5172" not in text for text in texts)
        assert load_send(after["m"]["send"]).conflicts == (Conflict("to", None, OLD),)
        read = {row["sms_msg_id"]: row for row in await rows_of(store, uplinks)}
        assert "5172" not in str(read["u"])
        assert read["u"]["body"] == "hello"
        assert read["young"]["from_number"] == NUMBER
        assert done.counts["numbers"] == 2
        assert sum((await purged(store, numbers_days=30)).counts.values()) == 0


@pytest.mark.parametrize(
    ("days", "left"),
    [
        pytest.param({"texts_days": 90}, ("", "{}", True), id="texts"),
        pytest.param({"numbers_days": 90}, ("hello", "{}", False), id="numbers"),
        pytest.param({"messages_days": 400}, None, id="the whole"),
        pytest.param({}, ("hello", None, True), id="for ever"),
    ],
)
async def test_old_uplinks(
    store_url: str, tmp_path: Path, days: dict[str, float], left: tuple[Any, ...] | None
) -> None:
    """Texts, numbers and at last the uplink go, each at its time; young ones stay as they are."""
    entries = [uplink("old", OLD), uplink("young", NOW)]
    async with a_filled_store(store_url, tmp_path, entries) as store:
        young_before = (await rows_of(store, uplinks))[1]
        await purged(store, **days)
        *old, young = await rows_of(store, uplinks)
        assert young == young_before
        if left is None:
            assert old == []
            return
        (row,) = old
        body, raw, has_number = left
        assert row["body"] == body
        assert raw is None or row["raw"] == raw
        assert (row["from_number"] == NUMBER) is has_number


async def test_raw_bodies_go_and_the_fold_stays(store_url: str, tmp_path: Path) -> None:
    """What reports came as goes; what they say stays, and the same report again is one."""
    entries = [sends({"sms_msg_id": "m"}), report("m"), report("y", at=NOW)]
    async with a_filled_store(store_url, tmp_path, entries) as store:
        done = await purged(store, raw_days=30)
        old, young = await rows_of(store, reports)
        assert (old["raw"], old["status"], old["to_text"]) == ("{}", "DELIVRD", NUMBER)
        assert NUMBER[1:] in young["raw"]
        assert done.counts["raw"] == 1
        await hear(store, tmp_path, report("m"))
        assert [row["redeliveries"] for row in await rows_of(store, reports)] == [1, 0]


async def test_the_quarantine_is_emptied(store_url: str, tmp_path: Path) -> None:
    """What could not be understood goes at its time."""
    junk = [entry(b"junk", "unusable", received_at=at) for at in (OLD, NOW - 31 * DAY, NOW)]
    async with a_filled_store(store_url, tmp_path, junk) as store:
        done = await purged(store, quarantine_days=30)
        assert len(await rows_of(store, quarantine)) == 1
        assert done.counts["quarantine"] == 2


async def test_a_dry_run_only_counts(store_url: str, tmp_path: Path) -> None:
    """It says what the purge behind it does, over many stretches, and touches nothing."""
    items = [{"smsMsgId": f"m{n}", "status": "DELIVRD", "to": NUMBER} for n in range(700)]
    entries = [
        entry(batch(items), "batch", received_at=OLD),
        sends(*({"sms_msg_id": f"p{n}"} for n in range(10))),
        uplink("u", OLD),
        entry(b"junk", "unusable", received_at=OLD),
        report("raw", at=NOW - 60 * DAY),
    ]
    days: dict[str, float] = {
        "messages_days": 400, "numbers_days": 300, "raw_days": 30, "quarantine_days": 30
    }  # fmt: skip
    async with a_filled_store(store_url, tmp_path, entries) as store:
        before = [await rows_of(store, table) for table in (messages, reports, uplinks, quarantine)]
        purger, _ = a_purger(store, **days)
        purger.start(dry_run=True)
        told = await ended(purger)
        after = [await rows_of(store, table) for table in (messages, reports, uplinks, quarantine)]
        assert after == before
        done = await purged(store, **days)
        assert len(await ids_of(store)) == 11
        names = ("messages", "reports", "uplinks", "quarantine", "spared", "numbers")
        assert [done.counts[n] for n in names] == [told.counts[n] for n in names]
        assert [done.counts[n] for n in names] == [700, 700, 1, 1, 10, 0]
        assert told.counts["raw"] == 701  # those of the messages that would go before too
        assert done.counts["raw"] == 1


async def test_one_purge_at_a_time(store_url: str, tmp_path: Path) -> None:
    """A second one of the same kind joins, one of the other kind is refused."""
    async with a_filled_store(store_url, tmp_path, [report("m")]) as store:
        purger, _ = a_purger(store, messages_days=400)
        first = purger.start(dry_run=True)
        assert purger.start(dry_run=True) is first
        with pytest.raises(AnotherPurgeError):
            purger.start(dry_run=False)
        await ended(purger)
        assert not purger.start(dry_run=False).dry_run
        await ended(purger)
        assert await ids_of(store) == set()


async def test_it_purges_by_itself(store_url: str, tmp_path: Path) -> None:
    """Ever so often, and until it is stopped; the store may be made later."""
    async with a_store(store_url, prepared=False) as store:
        purger, _ = a_purger(store, every_s=0.01, messages_days=400)
        purger.run_regularly()
        await asyncio.sleep(0.05)
        await store.prepare()
        await hear(store, tmp_path, report("m"))
        async with asyncio.timeout(PATIENCE_S):
            while await ids_of(store):  # noqa: ASYNC110 - as a client has to
                await asyncio.sleep(0.01)
        await purger.stop(5)
        assert purger.progress is not None
        assert purger.progress.phase is not PurgePhase.RUNNING
