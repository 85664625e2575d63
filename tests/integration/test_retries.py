"""Claims on every database: what is handed out, put back, ended, and probed for."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from receiver.domain import times
from receiver.domain.projection import Policy
from receiver.domain.retries.items import ItemState
from receiver.domain.retries.policy import RetryPolicy
from receiver.retries.claims import Claimed, Order, claim, digest
from receiver.store import idempotency
from receiver.store.idempotency import AnswerLimits, Asked, Given
from receiver.store.queries import Page
from receiver.store.retries import leases
from receiver.store.retries.chains import find_chains, find_next
from receiver.store.retries.leases import ItemFilter
from receiver.store.schema import breakers, retries
from receiver.store.schema import idempotency as answers
from receiver.store.store import Store
from tests.support.parts import NOW, a_journal, a_store, entry, policy, project, rows_of

MINUTE = 60 * times.SECOND
HOUR = 60 * MINUTE
SENT, FAILED = NOW - 2 * HOUR, NOW - 115 * MINUTE
Json = dict[str, Any]


def rules(**retry: Any) -> Policy:
    """Return the usual rules; any push leads to retries."""
    return replace(policy(), retry=RetryPolicy(trust_open="queue", **retry))


async def fill(directory: Path, store: Store, *sends: Json, status: str = "UNDELIV") -> None:
    """Register sends of two hours ago, each of which failed unless it says `status`."""
    reports = []
    for n, send in enumerate(sends):
        send.setdefault("sent_at", times.to_rfc3339(SENT))
        send.setdefault("to", f"+8613900{n:06}")
        what = send.pop("reported", status)
        if what:
            updated = times.to_rfc3339(FAILED)
            reports.append(
                {"smsMsgId": send["sms_msg_id"], "status": what, "source": "2",
                 "updateTime": updated}
            )  # fmt: skip
    async with a_journal(directory) as journal:
        await journal.append(entry(json.dumps({"sends": list(sends)}).encode(), "sends"))
        await journal.append(entry(json.dumps({"statusReportList": reports}).encode(), "batch"))
        await project(journal, store, rules=rules())


async def claimed(store: Store, limit: int = 10, *, now: int = NOW, **retry: Any) -> Claimed:
    """Claim items for a minute."""
    async with store.writing() as connection:
        return await claim(connection, Order(limit, MINUTE), rules(**retry), now)


def ids(found: Claimed) -> list[str]:
    """Name what was handed out."""
    return sorted(one.candidate.sms_msg_id for one in found.items)


async def test_an_item_is_held_for_the_lease(store_url: str, tmp_path: Path) -> None:
    """It is handed out once, and again when the lease is over; the lease's secret is not kept."""
    async with a_store(store_url) as store:
        await fill(tmp_path, store, {"sms_msg_id": "a"}, {"sms_msg_id": "b", "reported": "DELIVRD"})
        first = await claimed(store)
        assert ids(first) == ["a"]
        assert ids(await claimed(store, now=NOW + MINUTE - 1)) == []
        again = await claimed(store, now=NOW + MINUTE)
        assert (ids(again), again.expired) == (["a"], 1)
        async with store.reading() as connection:
            (row,) = await leases.list_items(connection, ItemFilter(), Page(10))
            counts = await leases.count(connection, NOW + MINUTE)
    assert (row["state"], row["claims"], row["lease"]) == ("claimed", 2, digest(again.secret))
    assert (counts.waiting, counts.due, counts.claimed, counts.expired) == (0, 0, 1, 0)


async def test_the_longest_due_come_first(store_url: str, tmp_path: Path) -> None:
    """A claim for few gets those that have waited longest, of its application."""
    async with a_store(store_url) as store:
        await fill(tmp_path, store, *({"sms_msg_id": f"m{n}"} for n in range(5)))
        async with store.reading() as connection:
            rows = await leases.list_items(connection, ItemFilter(), Page(10))
        order = [row["sms_msg_id"] for row in rows]
        assert ids(await claimed(store, 2)) == sorted(order[:2])
        async with store.writing() as connection:
            other = await claim(connection, Order(5, MINUTE, "other"), rules(), NOW)
        assert ids(other) == []
        assert ids(await claimed(store, 5)) == sorted(order[2:])


async def test_chains_are_walked_both_ways(store_url: str, tmp_path: Path) -> None:
    """From any attempt the whole chain is found, and what followed is handed out in its place."""
    async with a_store(store_url) as store:
        await fill(
            tmp_path,
            store,
            {"sms_msg_id": "a2", "retry_of": "a1", "to": "+8613900000001"},
            {"sms_msg_id": "a1", "to": "+8613900000001"},
            {"sms_msg_id": "loop1", "retry_of": "loop2"},
            {"sms_msg_id": "loop2", "retry_of": "loop1"},
            {"sms_msg_id": "b2", "retry_of": "gone"},
        )
        keys = [("default", name) for name in ("a1", "a2", "loop1", "b2", "none")]
        async with store.reading() as connection:
            chains = await find_chains(connection, keys)
            followed = await find_next(connection, keys)
        handed = await claimed(store)
        rows = {row["reason"] for row in await rows_of(store, retries)}
    names = {key[1]: [one.sms_msg_id for one in chain.attempts] for key, chain in chains.items()}
    assert names == {
        "a1": ["a1", "a2"],
        "a2": ["a1", "a2"],
        "loop1": names["loop1"],
        "b2": ["b2"],
    }
    assert sorted(names["loop1"]) == ["loop1", "loop2"]
    assert followed == {("default", "a1"): "a2", ("default", "loop1"): "loop2"}
    assert ids(handed) == ["a2", "b2"]
    assert rows == {None, "superseded"}


@pytest.mark.parametrize("minutes", [0, 5, 40])
async def test_a_code_that_has_become_frequent_waits_for_a_probe(
    store_url: str, tmp_path: Path, minutes: int
) -> None:
    """With its breaker open nothing goes, then one message; when that arrives, all others.

    However much of an hour is over, what fails in it is not what was usual before.
    """
    at = NOW + minutes * MINUTE
    recent = times.to_rfc3339(at - 5 * MINUTE)
    async with a_store(store_url) as store:
        await fill(
            tmp_path,
            store,
            *({"sms_msg_id": f"old{n}", "from": "1069"} for n in range(3)),
            *(
                {"sms_msg_id": f"good{n}", "from": "1069", "reported": "DELIVRD"}
                for n in range(40)
            ),
            *(
                {"sms_msg_id": f"new{n}", "from": "1069", "sent_at": recent,
                 "to": f"+8613800{n:06}"}
                for n in range(25)
            ),
        )  # fmt: skip
        assert ids(await claimed(store, now=at)) == []
        (breaker, *_) = await rows_of(store, breakers)
        assert breaker["position"] == "open"
        later = breaker["until"]
        probe = await claimed(store, 3, now=later)
        assert len(probe.items) == 1
        assert ids(await claimed(store, 3, now=later)) == []
        async with store.reading() as connection:
            rows = (await connection.execute(select(breakers.c.position))).scalars().all()
        assert set(rows) == {"half-open"}
        (sent,) = probe.items
        async with store.writing() as connection:
            state = ItemState.COMPLETED
            await leases.end(connection, sent.stored.row_id, state, later, next_id="probe")
        again = {"sms_msg_id": "probe", "retry_of": sent.candidate.sms_msg_id, "from": "1069"}
        await fill(tmp_path, store, {**again, "reported": "DELIVRD", "to": "+8613800999999"})
        assert len((await claimed(store, 5, now=later + MINUTE)).items) == 5
        assert {row["position"] for row in await rows_of(store, breakers)} == {"closed"}
        assert len((await claimed(store, 5, now=later + 2 * HOUR)).items) == 5
        assert await rows_of(store, breakers) == []


async def remember(
    connection: AsyncConnection, asked: Asked, status: int, text: str, now: int, **limits: int
) -> int:
    """Keep an answer; return how many others went for it."""
    given = Given(asked.request, status, text)
    return await idempotency.remember(connection, asked, given, now, AnswerLimits(**limits))


@pytest.mark.parametrize(
    ("limits", "kept", "evicted"),
    [
        pytest.param({"rows_per_key": 2}, ["a3", "a4", "b0", "b1"], 3, id="of one key"),
        pytest.param({"rows": 3}, ["a4", "b0", "b1"], 4, id="of all"),
        pytest.param({"total_bytes": 20}, ["b0", "b1"], 5, id="in bytes"),
    ],
)
async def test_kept_answers_are_bounded(
    store_url: str, limits: dict[str, int], kept: list[str], evicted: int
) -> None:
    """Beyond each limit the oldest answers go, first those of the key that asks."""
    names = ["a0", "a1", "a2", "a3", "a4", "b0", "b1"]
    async with a_store(store_url) as store:
        async with store.writing() as connection:
            gone = [
                await remember(
                    connection, Asked(name[0], name, "x"), 200, "ten bytes.", NOW + at, **limits
                )
                for at, name in enumerate(names)
            ]
        found = await rows_of(store, answers)
    assert ([row["key"] for row in found], sum(gone)) == (kept, evicted)


async def test_answers_are_given_again(store_url: str) -> None:
    """By key and owner, as long as they are kept; then the key may be used again."""
    asked = Asked("key name", "k1", "digest")
    async with a_store(store_url) as store:
        async with store.writing() as connection:
            assert await idempotency.given(connection, asked, 0) is None
            await remember(connection, asked, 200, "{}", NOW)
        async with store.writing() as connection:
            given = await idempotency.given(connection, asked, NOW)
            other = await idempotency.given(connection, replace(asked, owner="x"), 0)
            late = await idempotency.given(connection, asked, NOW + 1)
            await remember(connection, asked, 409, "[]", NOW + 5)
            anew = await idempotency.given(connection, asked, NOW + 1)
            await idempotency.forget(connection, NOW + 6)
            forgotten = await idempotency.given(connection, asked, 0)
    assert given is not None
    assert anew is not None
    assert (given.request, given.status, given.answer) == ("digest", 200, "{}")
    assert (anew.status, anew.answer) == (409, "[]")
    assert (other, late, forgotten) == (None, None, None)


async def test_the_same_again_changes_no_plan(store_url: str, tmp_path: Path) -> None:
    """A report or a registration that comes again leaves an item where it was put off to."""
    async with a_store(store_url) as store:
        await fill(tmp_path, store, {"sms_msg_id": "a"})
        (one,) = (await claimed(store)).items
        async with store.writing() as connection:
            await leases.put_back(connection, one.stored.row_id, NOW + HOUR, "released")
        again = tmp_path / "again"
        again.mkdir()
        await fill(again, store, {"sms_msg_id": "a"})
        (row,) = await rows_of(store, retries)
        assert (row["due_at"], row["reason"]) == (NOW + HOUR, "released")
        assert ids(await claimed(store)) == []


@pytest.mark.parametrize("state", [ItemState.ABANDONED, ItemState.COMPLETED])
async def test_what_was_settled_stays_so(store_url: str, tmp_path: Path, state: ItemState) -> None:
    """A report that comes again does not put a settled message back into the queue."""
    async with a_store(store_url) as store:
        await fill(tmp_path, store, {"sms_msg_id": "a"})
        (one,) = (await claimed(store)).items
        async with store.writing() as connection:
            await leases.end(connection, one.stored.row_id, state, NOW, reason="x")
        again = tmp_path / "again"
        again.mkdir()
        await fill(again, store, {"sms_msg_id": "a"})
        (row,) = await rows_of(store, retries)
        assert row["state"] == state.value
        assert ids(await claimed(store, now=NOW + HOUR)) == []
