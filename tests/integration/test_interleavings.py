"""Nothing depends on how things came: order, repetition, batches, restarts, rules in between."""

import asyncio
import json
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select, update

from receiver.domain import times
from receiver.domain.messages.durations import delivery_time_us
from receiver.domain.projection import Policy
from receiver.domain.retries.policy import RetryPolicy, TrustOpen
from receiver.domain.suppressions.manual import write_word
from receiver.domain.suppressions.suppression import (
    ScopedEntry,
    Source,
    SuppressionEntry,
    SuppressionScope,
)
from receiver.huawei.catalogue import load_catalogue
from receiver.journal import Journal, JournalEntry
from receiver.projector.reclassifier import Reclassifier
from receiver.store import statistics as counting
from receiver.store.database.urls import default_url
from receiver.store.records import load_send
from receiver.store.schema import (
    checkpoints,
    messages,
    reports,
    retries,
    statistics,
    suppression_changes,
    suppressions,
    uplinks,
)
from receiver.store.store import Store
from receiver.store.suppressions.revisions import BY
from tests.support.parts import (
    HOUR,
    NOW,
    a_journal,
    a_projector,
    a_store,
    batch,
    entry,
    finished,
    form,
    policy,
    project,
    rows_of,
)
from tests.support.server import at_length

Item = dict[str, str]
Rows = list[dict[str, Any]]

# Rows are numbered in the order in which messages were first heard of.
_NUMBERS = {"id", "message_id"}
_SENT = "2023-11-14T22:00:00Z"
_IDS = ("a", "b", "c")
_CHANNELS = {"b": "1070", "c": "csms12345678"}
_SENT_AT = {"b": "2023-11-14T22:11:30Z"}
_ANSWERS = ("Thanks", "R", "START")
_TRUSTS = ("open", "token", "signed")
_CORRECTIONS = """\
code,category,retry,meaning
MK:0012,account,never,Ours
MK:0001,routing,never,Ours
EXPIRED,routing,,Ours
"""


@cache
def _rules(trust_open: TrustOpen) -> tuple[Policy, ...]:
    """Return the rules that an operator switches between; the first are in force at the end."""
    retry = RetryPolicy(trust_open=trust_open)
    other = RetryPolicy(trust_open="advise" if trust_open == "queue" else "queue")
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "mine.csv"
        file.write_text(_CORRECTIONS)
        corrected = Policy(load_catalogue(file), late_delivered="ignored", retry=retry)
    return (
        replace(policy(), retry=retry),
        corrected,
        replace(corrected, late_delivered="wins", retry=other),
    )


# --- stories ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Run:
    """What one process does before it is killed."""

    entries: list[JournalEntry]
    batch_rows: int
    rules: int  # index in `_rules(…)`
    reclassified: bool  # history is folded again at its end
    trust_open: TrustOpen = "queue"


def _items(total: str | None) -> st.SearchStrategy[Item]:
    """Draw reports of up to 9 parts, some of which fit nothing that was said before."""
    optional = {
        "total": st.just(total) if total else st.sampled_from(("1", "2", "9", "2.0", "two")),
        "sequence": st.integers(0, 9).map(str) | st.sampled_from(("2.0", "two", " 1 ")),
        "updateTime": st.integers(0, 3).map(lambda minute: f"2023-11-14T22:1{minute}:00Z"),
        "extend": st.sampled_from(("x", "y")),
        "to": st.sampled_from(("15500005172", "+442079460958")),
        "orgCode": st.just("7"),
    }
    return st.fixed_dictionaries(
        {
            "smsMsgId": st.sampled_from(_IDS),
            "status": st.sampled_from(
                (
                    "DELIVRD",
                    "DELIVRD",
                    "ACCEPTD",
                    "UNKNOWN",
                    "EXPIRED",
                    "MK:0012",
                    "?!",
                    "MK:0001",
                    "BLACK",
                )
            ),
            "source": st.sampled_from(("1", "2", "3")),
        },
        optional=optional,
    )


def _complete(total: int) -> st.SearchStrategy[list[Item]]:
    """Draw a long SMS of which every part comes to its end."""
    ends = st.sampled_from(("DELIVRD", "DELIVRD", "DELIVRD", "MK:0012"))
    return st.tuples(st.sampled_from(_IDS), st.lists(ends, min_size=total, max_size=total)).map(
        lambda drawn: [
            {
                "smsMsgId": drawn[0],
                "status": status,
                "source": "2",
                "sequence": str(part),
                "total": str(total),
                "updateTime": "2023-11-14T22:12:00Z",
            }
            for part, status in enumerate(drawn[1], 1)
        ]
    )


def _pushes(draw: st.DrawFn, items: list[Item], first: int) -> list[JournalEntry]:
    """Cut items into pushes, each of which arrives at a time of its own."""
    pushes: list[JournalEntry] = []
    while items:
        size = draw(st.integers(1, 4))
        some, items = items[:size], items[size:]
        at = NOW + (first + len(pushes)) * times.SECOND
        single = len(some) == 1 and draw(st.booleans())
        body, kind = (form(**some[0]), "status") if single else (batch(some), "batch")
        pushes.append(entry(body, kind, received_at=at, trust=draw(st.sampled_from(_TRUSTS))))
    return pushes


def _registrations(ids: Iterable[str], total: int | None, *, refused: str) -> list[JournalEntry]:
    """Write registrations, which say the same whenever they come."""
    return [
        entry(
            json.dumps(
                {
                    "sends": [
                        {
                            "sms_msg_id": one,
                            "to": "15500005172",
                            "from": _CHANNELS.get(one, "1069"),
                            "sent_at": _SENT_AT.get(one, _SENT),
                            "reference": f"of {one}",
                            **({"total": total} if total else {}),
                            **({"status": "E200033"} if one == refused else {}),
                            **({"retry_of": "a"} if one == "c" else {}),
                        }
                    ]
                }
            ).encode(),
            "sends",
            received_at=NOW - place * times.SECOND,
        )
        for place, one in enumerate(ids)
    ]


def _by_hand(draw: st.DrawFn) -> list[JournalEntry]:
    """Draw what somebody suppresses and lifts."""
    words = st.lists(st.tuples(st.booleans(), st.sampled_from(("", "1069"))), max_size=3)
    return [
        entry(
            write_word(
                ScopedEntry(
                    SuppressionScope("+8615500005172", channel, ""),
                    SuppressionEntry(
                        suppressed, 0, Source.HAND, "a key", "why", overrides=not suppressed
                    ),
                )
            ),
            "suppression",
            received_at=NOW + place * times.SECOND,
        )
        for place, (suppressed, channel) in enumerate(draw(words))
    ]


def _later(one: JournalEntry, seconds: int, trust: str) -> JournalEntry:
    """Let an entry come again otherwise, and at another time but where its first arrival stands."""
    shift = 0 if one.kind in ("uplink", "suppression") else seconds * times.SECOND
    return one._replace(received_at=one.received_at + shift, trust=trust)


def _answers(draw: st.DrawFn) -> list[JournalEntry]:
    """Draw what a person writes."""
    answer = st.tuples(
        st.sampled_from(_ANSWERS),
        st.sampled_from(("1069", "106907")),
        st.integers(0, 3),
        st.sampled_from(_TRUSTS),
    )
    return [
        entry(
            form(
                from_="15500005172",
                to=channel,
                body=body,
                smsMsgId=f"u{place}",
                createTime=f"2023-11-14T22:1{minute}:00Z",
            ),
            "uplink",
            trust=trust,
        )
        for place, (body, channel, minute, trust) in enumerate(draw(st.lists(answer, max_size=4)))
    ]


@st.composite
def _stories(draw: st.DrawFn) -> tuple[list[JournalEntry], list[_Run]]:
    """Return entries with repetitions; and the same shuffled, in runs under changing rules."""
    trust_open: TrustOpen = draw(st.sampled_from(("advise", "queue")))
    total = draw(st.none() | st.integers(1, 9))
    items = draw(st.lists(_items(str(total) if total else None), min_size=1, max_size=8))
    items += draw(_complete(draw(st.integers(1, 9)))) if draw(st.booleans()) else []
    sent = draw(st.sets(st.sampled_from(_IDS)))
    refused = draw(st.sampled_from(("", "", "b")))
    entries = [
        *_registrations(sorted(sent), total, refused=refused),
        *_pushes(draw, items, first=0),
        *_answers(draw),
        *_by_hand(draw),
    ]
    again = [
        _later(one, draw(st.integers(-9, 99)), draw(st.sampled_from(_TRUSTS)))
        for one in draw(st.lists(st.sampled_from(entries), max_size=6))
    ]
    mixed = draw(st.permutations([*entries, *again]))
    cuts = sorted(draw(st.lists(st.integers(0, len(mixed)), max_size=3)))
    edges = zip([0, *cuts], [*cuts, len(mixed)], strict=True)
    return [*entries, *again], [
        _Run(
            mixed[start:end],
            batch_rows=draw(st.integers(1, 5)),
            rules=draw(st.integers(0, len(_rules(trust_open)) - 1)),
            reclassified=draw(st.booleans()),
            trust_open=trust_open,
        )
        for start, end in edges
    ]


# --- the store's content ------------------------------------------------------------------------


async def _content(store: Store, *, repeats: bool) -> dict[str, Rows]:
    """Return what the store holds, without the numbers of rows, and with repetitions or without."""
    left_out = _NUMBERS if repeats else _NUMBERS | {"redeliveries"}
    names = {row["id"]: row["sms_msg_id"] for row in await rows_of(store, messages)}
    return {
        table.name: sorted(
            (
                {"of": names.get(row.get("message_id", 0)), **_without(row, left_out)}
                for row in await rows_of(store, table)
                if row.get("by") != BY  # the trail of reclassifications, which are no content
            ),
            key=str,
        )
        for table in (
            messages,
            reports,
            uplinks,
            statistics,
            retries,
            suppressions,
            suppression_changes,
        )
    }


def _without(row: dict[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}


def _count(entries: Iterable[JournalEntry]) -> int:
    """Count the reports in entries."""
    bodies = [one.body for one in entries if one.kind in ("status", "batch")]
    return sum(body.count(b"smsMsgId") for body in bodies)


async def _fill(journal: Journal, entries: Iterable[JournalEntry]) -> None:
    for one in entries:
        await journal.append(one)


async def _reclassify(store: Store, rules: Policy) -> None:
    """Fold history again."""
    reclassifier = Reclassifier(store, None, clock=lambda: NOW, yield_factor=lambda: 0)
    await reclassifier.start(rules, None)
    await finished(reclassifier)


async def _live(directory: Path, runs: list[_Run]) -> dict[str, Rows]:
    """Let processes follow each other on the same files, and the first rules have the last word."""
    url = default_url(directory)
    for run in runs:
        rules = _rules(run.trust_open)[run.rules]
        async with a_journal(directory) as journal, a_store(url, prepared=False) as store:
            await _fill(journal, run.entries)
            await project(journal, store, rules=rules, batch_rows=run.batch_rows)
            if run.entries and run.reclassified:
                await _reclassify(store, rules)
    async with a_store(url, prepared=False) as store:
        if any(run.rules for run in runs):
            await _reclassify(store, _rules(runs[0].trust_open)[0])
        content = await _content(store, repeats=True)
        async with store.writing() as connection:
            await counting.rebuild(connection)
        assert content["statistics"] == (await _content(store, repeats=True))["statistics"]
    return content


def _lived(runs: list[_Run]) -> dict[str, Rows]:
    with tempfile.TemporaryDirectory() as directory:
        return asyncio.run(_live(Path(directory), runs))


@settings(max_examples=at_length(8, 48), deadline=None)
@given(story=_stories())
def test_the_content_follows_from_what_came(story: tuple[list[JournalEntry], list[_Run]]) -> None:
    """Any order, repetition, batching, restarts and changes of mind end in the same content."""
    entries, runs = story

    mixed = _lived(runs)

    at_once = _Run(entries, 500, 0, reclassified=False, trust_open=runs[0].trust_open)
    assert mixed == _lived([at_once])
    assert sum(1 + row["redeliveries"] for row in mixed["reports"]) == _count(entries)


# --- the same again -----------------------------------------------------------------------------


async def test_registering_again_changes_nothing(store_url: str, tmp_path: Path) -> None:
    """The same sends again leave every row as it is: final, pending, refused and overdue ones."""
    late = NOW + 80 * HOUR
    sent = _registrations("abcd", 2, refused="b")
    pushed = entry(
        batch([_part("a", 1), _part("a", 2), _part("c", 1), _part("orphan", 1)]), "batch"
    )
    async with a_journal(tmp_path) as journal, a_store(store_url) as store:
        await _fill(journal, [*sent, pushed])
        await project(journal, store)
        async with a_projector(journal, store, clock=lambda: late) as projecting:
            await projecting.until(lambda: projecting.overdue, "it has looked for silent messages")
        before = await _content(store, repeats=True)
        await _fill(journal, [replaced._replace(received_at=late) for replaced in sent])
        await project(journal, store, clock=lambda: late)
        assert await _content(store, repeats=True) == before
        await _fill(journal, [pushed])
        await project(journal, store, clock=lambda: late)
        again = await _content(store, repeats=False)
    states = {row["sms_msg_id"]: row["state"] for row in again["messages"]}
    assert states == {
        "a": "delivered", "b": "refused", "c": "overdue", "d": "overdue", "orphan": "accepted"
    }  # fmt: skip
    assert again["statistics"] == before["statistics"]


async def test_contradictions_are_the_same_when_all_is_read_again(
    store_url: str, tmp_path: Path
) -> None:
    """Reading the journal a second time, or history again, adds no contradiction and loses none."""
    told: list[dict[str, Any]] = [
        {"to": "15500005172", "reference": "order 7", "retry_of": "a"},
        {"to": "15500005173", "reference": "order 8", "retry_of": "b", "total": 2},
        {"to": "+8615500005172", "total": 3, "sent_at": _SENT},
    ]
    entries = [
        entry(
            json.dumps({"sends": [{"sms_msg_id": "m", **one}]}).encode(),
            "sends",
            received_at=NOW + place,
        )
        for place, one in enumerate(told)
    ]
    async with a_journal(tmp_path) as journal, a_store(store_url) as store:
        await _fill(journal, [*entries, entry(batch([_part("m", 1)]), "batch")])
        await project(journal, store)
        before = await _content(store, repeats=False)
        async with store.writing() as connection:
            await connection.execute(delete(checkpoints))
        await project(journal, store)
        await _reclassify(store, _rules("advise")[1])
        await _reclassify(store, _rules("advise")[0])
        assert await _content(store, repeats=False) == before
    (message,) = before["messages"]
    assert (message["to_number"], message["retry_of"]) == ("+8615500005172", "a")
    kept = [(one.field, one.value) for one in load_send(message["send"]).conflicts]
    assert kept == [
        ("to", "15500005173"), ("reference", "order 8"), ("retry_of", "b"), ("total", 3)
    ]  # fmt: skip


def _part(sms_msg_id: str, part: int) -> Item:
    return {
        "smsMsgId": sms_msg_id,
        "status": "DELIVRD",
        "source": "2",
        "total": "2",
        "sequence": str(part),
        "updateTime": "2023-11-14T22:12:00Z",
    }


async def test_sends_that_come_last_bind_all_orphans(store_url: str, tmp_path: Path) -> None:
    """However many reports came first, registering their sends leaves no orphan."""
    ids = [f"m{number}" for number in range(300)]
    async with a_journal(tmp_path) as journal, a_store(store_url) as store:
        await _fill(journal, [entry(batch([_part(one, 1), _part(one, 2)]), "batch") for one in ids])
        async with a_projector(journal, store, batch_rows=50) as projecting:
            await projecting.caught_up()
            await _fill(journal, _registrations(ids, 2, refused=""))
            await projecting.caught_up()
            await projecting.until(
                lambda: sum(c.sends for c in projecting.changes) == len(ids), "all were told"
            )
            assert sum(c.orphans_found for c in projecting.changes) == len(ids)
            assert sum(c.orphans_bound for c in projecting.changes) == len(ids)
        found = await rows_of(store, messages)
    assert {(row["registered"], row["state"]) for row in found} == {(True, "delivered")}


# --- a report before its send -------------------------------------------------------------------

_MS = times.SECOND // 1000
_MINUTE = 60 * times.SECOND
_DAY = 24 * HOUR
WAITS: list[Any] = [
    pytest.param(100 * _MS, "sent before", 30 * times.SECOND, id="100 ms"),
    pytest.param(10 * _MINUTE, "sent before", 30 * times.SECOND, id="10 minutes"),
    pytest.param(4 * _DAY, "sent before", 30 * times.SECOND, id="4 days"),
    pytest.param(100 * _MS, "no time", None, id="100 ms, the send has no time"),
    pytest.param(4 * _DAY, "no time", None, id="4 days, the send has no time"),
    pytest.param(100 * _MS, "as it comes", None, id="100 ms, sent when registered"),
    pytest.param(10 * _MINUTE, "as it comes", None, id="10 minutes, sent when registered"),
    pytest.param(4 * _DAY, "as it comes", None, id="4 days, sent when registered"),
]


@pytest.mark.parametrize(("wait", "sending", "expected"), WAITS)
async def test_a_send_that_comes_later_binds(
    store_url: str, tmp_path: Path, wait: int, sending: str, expected: int | None
) -> None:
    """A send binds its report whenever it comes; the delivery time is right or absent."""
    clock = NOW
    delivered_at = NOW - times.SECOND
    sent_at = {
        "sent before": times.to_rfc3339(delivered_at - 30 * times.SECOND),
        "as it comes": times.to_rfc3339(NOW + wait),
        "no time": None,
    }[sending]
    report = {"smsMsgId": "m", "status": "DELIVRD", "source": "2"}
    pushed = form(**report, updateTime=times.to_rfc3339(delivered_at))
    send = {"sms_msg_id": "m", **({"sent_at": sent_at} if sent_at else {})}
    body = json.dumps({"sends": [send]}).encode()
    async with a_journal(tmp_path) as journal, a_store(store_url) as store:
        await _fill(journal, [entry(pushed, received_at=clock)])
        async with a_projector(journal, store, clock=lambda: clock) as projecting:
            await projecting.caught_up()
            clock = NOW + wait
            await _fill(journal, [entry(body, "sends", received_at=clock)])
            await projecting.caught_up()
            await projecting.until(lambda: len(projecting.changes) == 2, "both were told")
            assert [c.orphans_found for c in projecting.changes] == [1, 0]
            assert [c.orphans_bound for c in projecting.changes] == [0, 1]
        (row,) = await rows_of(store, messages)
        async with store.reading() as connection:
            classes = await connection.execute(
                select(statistics.c.delivery_class).where(statistics.c.hours == 1)
            )
            (delivery_class,) = classes.scalars()
    assert (row["registered"], row["state"], row["registered_at"]) == (True, "delivered", clock)
    taken = delivery_time_us(row["sent_at"], row["delivered_at"], row["last_report_at"])
    assert taken == expected
    assert (delivery_class == -1) == (expected is None)


async def test_a_stored_send_is_not_taken_for_news(store_url: str, tmp_path: Path) -> None:
    """An overdue message that is registered again after a restart stays overdue."""
    async with a_journal(tmp_path) as journal, a_store(store_url) as store:
        await _fill(journal, _registrations("a", None, refused=""))
        await project(journal, store)
        async with store.writing() as connection:
            await connection.execute(update(messages).values(state="overdue", category="timeout"))
        await _fill(journal, _registrations("a", 3, refused=""))
        await project(journal, store)
        (row,) = await rows_of(store, messages)
    assert (row["state"], row["category"], row["total"]) == ("overdue", "timeout", 3)
