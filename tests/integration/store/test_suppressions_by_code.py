"""Suppression by codes in the store: what messages prove, in any order, and what disproves it."""

import asyncio
import json
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, event, text

from receiver.domain import times
from receiver.domain.projection import Policy, refold
from receiver.domain.retries.policy import RetryPolicy
from receiver.journal import JournalEntry
from receiver.projector.reclassifier import Reclassifier, RunPhase
from receiver.store import reclassification
from receiver.store.database.urls import default_url
from receiver.store.schema import messages, reports, retries, statistics, suppressions
from receiver.store.store import Store
from receiver.store.suppressions.by_code import update_from_results
from tests.support.parts import (
    HOUR,
    NOW,
    PATIENCE_S,
    a_journal,
    a_store,
    entry,
    form,
    policy,
    project,
    rows_of,
)
from tests.support.server import at_length

PERSON = "+8615500005172"
DAY = 24 * HOUR


def sent(
    sms_msg_id: str, hours_ago: float, *, to: str = PERSON, channel: str = "1069", **more: str
) -> JournalEntry:
    """Register a send."""
    at = times.to_rfc3339(NOW - round(hours_ago * HOUR))
    send = {"sms_msg_id": sms_msg_id, "to": to, "from": channel, "sent_at": at, **more}
    return entry(json.dumps({"sends": [send]}).encode(), "sends")


def came(
    sms_msg_id: str, status: str, hours_ago: float, *, trust: str = "token", **more: str
) -> JournalEntry:
    """Report on it."""
    at = times.to_rfc3339(NOW - round(hours_ago * HOUR))
    report = {"smsMsgId": sms_msg_id, "status": status, "source": "2", "updateTime": at, **more}
    return entry(form(**report), trust=trust)


async def suppressed(store: Store) -> dict[str, str]:
    """Return the message that suppresses the person, by channel."""
    rows = await rows_of(store, suppressions)
    assert all(row["source"] == "code" and row["suppressed"] for row in rows)
    return {row["channel"]: row["source_id"] for row in rows}


STORIES: list[Any] = [
    pytest.param([sent("a", 3), came("a", "MK:0001", 2)], {"": "a"}, id="no such number"),
    pytest.param([sent("a", 3), came("a", "BLACK", 2)], {"1069": "a"}, id="blocked"),
    pytest.param([sent("a", 3), came("a", "REJECTD", 2)], {}, id="blocked or off"),
    pytest.param([sent("a", 3), came("a", "640", 2)], {}, id="a bare number of any list"),
    pytest.param([sent("a", 3), came("a", "UNDELIV", 2)], {}, id="a failure that proves nothing"),
    pytest.param([sent("a", 3), came("a", "MY:9999", 2)], {}, id="a family's guess"),
    pytest.param([sent("a", 3), came("a", "MK:0001", 2), sent("b", 1), came("b", "DELIVRD", 1)],
                 {}, id="a later message was delivered"),
    pytest.param([sent("a", 3), came("a", "MK:0001", 2), sent("b", 4), came("b", "DELIVRD", 1)],
                 {}, id="an earlier message was delivered after it"),
    pytest.param([sent("a", 3), came("a", "MK:0001", 2), sent("b", 5), came("b", "DELIVRD", 4)],
                 {"": "a"}, id="an earlier message had been delivered"),
    pytest.param([sent("a", 3), came("a", "MK:0001", 2), came("b", "DELIVRD", 4, to=PERSON)],
                 {"": "a"}, id="an orphan had been delivered"),
    pytest.param([sent("a", 3), came("a", "MK:0001", 2), came("b", "DELIVRD", 1, to=PERSON)],
                 {}, id="an orphan was delivered after it"),
    pytest.param([sent("a", 3), came("a", "BLACK", 2), came("b", "DELIVRD", 1, to=PERSON),
                  sent("b", 2)],
                 {}, id="an orphan was delivered after it, by the channel that blocks"),
    pytest.param([sent("a", 3), came("a", "BLACK", 2), came("b", "DELIVRD", 1, to=PERSON),
                  sent("b", 2, channel="1070")],
                 {"1069": "a"}, id="an orphan was delivered after it, by another channel"),
    pytest.param([sent("a", 3), came("a", "MK:0001", 2), sent("b", 9), came("b", "DELIVRD", -1)],
                 {}, id="delivered in the future: when it was heard of"),
    pytest.param([sent("a", 3, total="2"), came("a", "MK:0001", 2, sequence="1", total="2"),
                  came("a", "DELIVRD", 2, sequence="2", total="2")],
                 {}, id="a part was delivered"),
    pytest.param([sent("b", 4), came("b", "MK:0001", 3.5), came("a", "MK:0001", 2, sequence="1",
                  total="3", to=PERSON), came("a", "DELIVRD", 2, sequence="2", total="3")],
                 {}, id="a part was delivered, the others are not known"),
    pytest.param([sent("a", 3), came("a", "MK:0001", 2), came("a", "DELIVRD", 1, trust="open")],
                 {"": "a"}, id="an open delivery of the same message"),
    pytest.param([sent("a", 3), came("a", "MK:0001", 2), sent("b", 2),
                  came("b", "DELIVRD", 1, trust="open")],
                 {"": "a"}, id="an open delivery of a later message"),
    pytest.param([sent("a", 3), came("a", "MK:0001", 2), came("a", "MK:0041", 1, trust="open")],
                 {"": "a"}, id="an open failure beside it"),
    pytest.param([sent("a", 3), came("a", "MK:0001", 2), sent("b", 2), came("b", "DELIVRD", 1),
                  came("b", "ACCEPTD", 1, trust="open")],
                 {}, id="a later message was delivered, beside an open report"),
    pytest.param([sent("a", 3), came("a", "MK:0001", 2), came("a", "DELIVRD", 1)], {},
                 id="it was delivered after all"),
    pytest.param([sent("a", 3), came("a", "MK:0001", 2), sent("b", 1), came("b", "BLACK", 1)],
                 {"": "a", "1069": "b"}, id="two reasons"),
    pytest.param([came("a", "MK:0001", 2)], {}, id="an orphan without a number"),
    pytest.param([sent("a", 3, to="csms12345678"), came("a", "MK:0001", 2)], {},
                 id="no phone number"),
    pytest.param([sent("a", 3), came("a", "MK:0001", 2, trust="open")], {}, id="open trust"),
    pytest.param([sent("a", 3), came("a", "MK:0041", 2),
                  came("a", "MK:0041", 2, trust="open", orgCode="MK:0001")],
                 {}, id="an open repetition with another code"),
    pytest.param([sent("a", 3), came("a", "MK:0001", 2),
                  came("a", "MK:0001", 2, trust="open", total="2")],
                 {"": "a"}, id="an open repetition that speaks of two parts"),
    pytest.param([came("a", "MK:0001", 2), came("a", "ACCEPTD", 1, trust="open", to=PERSON)],
                 {}, id="an orphan whose number an open report tells"),
    pytest.param([sent("b", 4), came("b", "MK:0001", 3), came("a", "DELIVRD", 2),
                  came("a", "ACCEPTD", 1, trust="open", to=PERSON)],
                 {"": "b"}, id="a delivered orphan whose number an open report tells"),
    pytest.param([sent("b", 4), came("b", "MK:0001", 3), came("a", "DELIVRD", 2, to=PERSON),
                  came("a", "DELIVRD", 1, trust="open", to=PERSON)],
                 {}, id="a delivered orphan whose number a trusted report tells too"),
]  # fmt: skip


@pytest.mark.parametrize(("story", "expected"), STORIES)
async def test_any_order_proves_the_same(
    store_url: str, tmp_path: Path, story: list[JournalEntry], expected: dict[str, str]
) -> None:
    """Whatever the order of arrival, entry by entry or at once, with everything once more."""
    orders = list(permutations(story))
    some = Random(7).sample(orders, min(len(orders), at_length(6, 120)))  # noqa: S311 - no secret
    async with a_journal(tmp_path) as journal, a_store(store_url) as store:
        for place, order in enumerate(some):
            await _empty(store)
            for one in (*order, *order):
                await journal.append(one)
            await project(journal, store, batch_rows=1 + place % 3)
            assert await suppressed(store) == expected, order


async def _empty(store: Store) -> None:
    async with store.writing() as connection:
        for table in (reports, retries, messages, suppressions, statistics):
            await connection.execute(delete(table))


async def _project(
    store: Store, directory: Path, entries: Iterable[JournalEntry], rules: Policy
) -> dict[str, str]:
    async with a_journal(directory) as journal:
        for one in entries:
            await journal.append(one)
        await project(journal, store, rules=rules)
    return await suppressed(store)


STORY = [sent("a", 3), came("a", "MK:0001", 2, trust="open")]


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        pytest.param(policy(), {}, id="what anybody may have said is advice"),
        pytest.param(
            replace(policy(), retry=RetryPolicy(trust_open="queue")), {"": "a"}, id="queue"
        ),
        pytest.param(
            replace(policy(), retry=RetryPolicy(trust_open="queue"), suppressed_us=0),
            {},
            id="not at all",
        ),
    ],
)
async def test_settings_decide(
    store_url: str, tmp_path: Path, rules: Policy, expected: dict[str, str]
) -> None:
    """`retry.trust_open` says whether open pushes count, `suppressions.code_days` for how long."""
    async with a_store(store_url) as store:
        assert await _project(store, tmp_path, STORY, rules) == expected


async def test_a_row_says_what_it_rests_on(store_url: str, tmp_path: Path) -> None:
    """It has the code, the time of the failure and the end; a future time is that of hearing."""
    rules = replace(policy(), suppressed_us=30 * DAY)
    ahead = [sent("f", 1, channel="1070"), came("f", "BLACK", -5)]
    async with a_store(store_url) as store:
        await _project(store, tmp_path, [sent("a", 3), came("a", "MK:0001", 2), *ahead], rules)
        rows = {row["channel"]: row for row in await rows_of(store, suppressions)}
    told = {name: rows[""][name] for name in ("number", "application", "reason", "decided_at")}
    assert told == {
        "number": PERSON, "application": "default", "reason": "MK:0001",
        "decided_at": NOW - 2 * HOUR,
    }  # fmt: skip
    assert rows[""]["until"] == NOW - 2 * HOUR + 30 * DAY
    assert (rows["1070"]["decided_at"], rows["1070"]["until"]) == (NOW, NOW + 30 * DAY)


async def test_a_corrected_number_takes_its_word_along(store_url: str, tmp_path: Path) -> None:
    """When a registration tells another number than the report did, the word moves there."""
    told = form(
        smsMsgId="a", status="MK:0001", source="2", to="15500005999", extend="x",
        updateTime=times.to_rfc3339(NOW - HOUR),
    )  # fmt: skip
    async with a_store(store_url) as store:
        await _project(store, tmp_path, [entry(told, trust="token")], policy())
        assert [row["number"] for row in await rows_of(store, suppressions)] == ["+8615500005999"]
        await _project(store, tmp_path, [sent("a", 3)], policy())
        (row,) = await rows_of(store, messages)
        assert [one["number"] for one in await rows_of(store, suppressions)] == [row["to_number"]]


async def _reclassify(store: Store) -> None:
    """Fold history again."""
    reclassifier = Reclassifier(store, None, clock=lambda: NOW, yield_factor=lambda: 0)
    await reclassifier.start(policy(), None)
    async with asyncio.timeout(PATIENCE_S):
        while True:
            newest = await reclassifier.progress()
            if newest is not None and newest[1] is not RunPhase.RUNNING:
                assert newest[1] is RunPhase.FINISHED
                return
            await asyncio.sleep(0.001)


LOST = [sent("a", 3), came("a", "MK:0001", 2)]
DISPROVED = [*LOST, sent("b", 3), came("b", "DELIVRD", 1)]
HEALED: list[Any] = [
    pytest.param(LOST, "DELETE FROM suppressions", {"": "a"}, id="a word was missing"),
    pytest.param(
        DISPROVED,
        f"INSERT INTO suppressions (application, number, channel, suppressed, source, source_id, "  # noqa: S608 - values of our own
        f"decided_at) VALUES ('default', '{PERSON}', '', true, 'code', 'a', {NOW - 2 * HOUR})",
        {},
        id="a word had been disproved",
    ),
    pytest.param(LOST, "UPDATE suppressions SET channel = '1069'", {"": "a"}, id="too narrow"),
]


@pytest.mark.parametrize(("story", "damage", "expected"), HEALED)
async def test_reclassifying_heals_words_of_messages_that_stay(
    store_url: str, tmp_path: Path, story: list[JournalEntry], damage: str, expected: dict[str, str]
) -> None:
    """A word that was wrong is right after the messages, which do not change, are folded again."""
    async with a_store(store_url) as store:
        assert await _project(store, tmp_path, story, policy()) == expected
        async with store.writing() as connection:
            await connection.execute(text(damage))
        assert await suppressed(store) != expected
        await _reclassify(store)
        assert await suppressed(store) == expected


@pytest.mark.parametrize(
    ("later", "expected"),
    [
        pytest.param([sent("b", 9), came("b", "DELIVRD", 8)], {"": "a"}, id="delivered before it"),
        pytest.param([sent("b", 9), came("b", "DELIVRD", 1)], {}, id="delivered after it"),
        pytest.param([sent("b", 2), came("b", "MK:0001", 1)], {"": "b"}, id="failed again"),
    ],
)
async def test_a_word_outlives_its_message(
    store_url: str, tmp_path: Path, later: list[JournalEntry], expected: dict[str, str]
) -> None:
    """Where the message is purged before its word is over, the word stays until it is disproved."""
    async with a_store(store_url) as store:
        await _project(store, tmp_path, LOST, policy())
        async with store.writing() as connection:
            for table in (reports, retries, messages):
                await connection.execute(delete(table))
        assert await _project(store, tmp_path, later, policy()) == expected
        await _reclassify(store)
        assert await suppressed(store) == expected


async def test_old_deliveries_do_not_hide_what_came_after(store_url: str, tmp_path: Path) -> None:
    """However many messages went to a number, and whenever their sends were registered."""
    many = [
        one
        for place in range(150)
        for one in (came(f"m{place}", "DELIVRD", 4, to=PERSON), sent(f"m{place}", 5))
    ]
    story = [*LOST, *many, sent("late", 1), came("late", "DELIVRD", 4)]
    async with a_store(store_url) as store:
        assert await _project(store, tmp_path, story, policy()) == {"": "a"}
        last = [sent("c", 9), came("c", "DELIVRD", 1)]
        assert await _project(store, tmp_path, last, policy()) == {}


async def test_messages_are_found_by_their_number(tmp_path: Path) -> None:
    """Whatever the number of messages of an application, those to a number lead the way."""
    statements: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        statements.append((statement, parameters))

    async with a_store(default_url(tmp_path)) as store:
        await _project(store, tmp_path, DISPROVED, policy())
        async with store.writing() as connection:
            found = await reclassification.read_slice(connection, 0, 9, None)
            event.listen(connection.sync_connection, "before_cursor_execute", note)
            await update_from_results(
                connection, [refold(one, policy()) for one in found], policy()
            )
            delivered = [refold(one, policy()) for one in found if one.sms_msg_id == "b"]
            await update_from_results(connection, delivered, policy())
            asked, ways = [*statements], []
            for statement, parameters in asked:
                explain = f"EXPLAIN QUERY PLAN {statement}"
                plan = (await connection.exec_driver_sql(explain, parameters)).mappings()
                ways += [row["detail"] for row in plan if " messages " in row["detail"]]
    assert len(ways) == 5  # failures and deliveries each time, and whether there is a failure
    assert {way.partition(" (")[0] for way in ways} == {
        "SEARCH messages USING INDEX ix_messages_to_number"
    }


# --- any history --------------------------------------------------------------------------------

Told = tuple[str, int, str]  # status, hours ago, trust
History = dict[str, tuple[str | None, int, list[Told]]]  # by id: channel, hours ago, reports

_TOLD = st.tuples(
    st.sampled_from(("DELIVRD", "MK:0001", "BLACK", "DELIVRD", "BLACK", "UNDELIV", "ACCEPTD")),
    st.integers(0, 4),
    st.sampled_from(("token", "token", "token", "open")),
)
_MESSAGE = st.tuples(
    st.sampled_from(("1069", "1070", "1069", None)),
    st.integers(0, 9),
    st.lists(_TOLD, min_size=1, max_size=2),
)
_HISTORIES = st.fixed_dictionaries(dict.fromkeys("abcd", _MESSAGE))


def _expected(history: History) -> dict[str, str]:
    """Say by the rules, as they are documented, which message suppresses the person by channel."""
    arrived: list[tuple[int, str]] = []
    failed: list[tuple[int, str, str]] = []
    for sms_msg_id, (channel, _, told) in history.items():
        counting = [(-ago, status) for status, ago, trust in told if trust != "open"]
        ends = [at for at, status in counting if status == "DELIVRD"]
        failures = [one for one in counting if one[1] not in ("DELIVRD", "ACCEPTD")]
        if ends:
            arrived.append((max(ends), channel or ""))
        elif failures:
            at, status = max(failures)
            where = {"MK:0001": "", "BLACK": channel or ""}.get(status)
            if where is not None:
                failed.append((at, sms_msg_id, where))
    return {
        where: sms_msg_id
        for at, sms_msg_id, where in sorted(failed)
        if not any(end > at and where in ("", channel) for end, channel in arrived)
    }


@settings(max_examples=at_length(20, 60), deadline=None)
@given(history=_HISTORIES, data=st.data())
def test_any_history_in_any_order_proves_what_the_rules_say(
    history: History, data: st.DataObject
) -> None:
    """Orphans and sends in any order, repeated, with restarts; folding again changes nothing."""
    entries = [
        came(sms_msg_id, status, ago, trust=trust, to=PERSON)
        for sms_msg_id, (_, _, told) in history.items()
        for status, ago, trust in told
    ]
    entries += [
        sent(sms_msg_id, ago, channel=channel)
        for sms_msg_id, (channel, ago, _) in history.items()
        if channel is not None
    ]
    mixed = data.draw(st.permutations(entries + entries[:2]))
    cut = data.draw(st.integers(0, len(mixed)))
    found, folded_again = asyncio.run(_lived([mixed[:cut], mixed[cut:]]))
    assert found == _expected(history)
    assert folded_again == found


async def _lived(runs: Iterable[list[JournalEntry]]) -> tuple[dict[str, str], dict[str, str]]:
    """Let a projector take entries, another one the rest; return the words, and folded again."""
    with tempfile.TemporaryDirectory() as directory:
        async with a_store(default_url(Path(directory))) as store:
            for entries in runs:
                async with a_journal(Path(directory)) as journal:
                    for one in entries:
                        await journal.append(one)
                    await project(journal, store, batch_rows=2)
            found = await suppressed(store)
            await _reclassify(store)
            return found, await suppressed(store)
