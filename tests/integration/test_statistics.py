"""Statistics: what is maintained is what a count of all messages gives, whatever happens."""

import asyncio
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert, text

from receiver.domain import times
from receiver.domain.catalogue.catalogue import Catalogue
from receiver.domain.inputs import Arrival, Send, StatusReport
from receiver.domain.messages.durations import BOUNDS, CLOCK_AHEAD, NO_CLASS
from receiver.domain.messages.state import State
from receiver.domain.projection import (
    Event,
    Policy,
    Projection,
    ReportArrived,
    SendRegistered,
    keys_of,
)
from receiver.domain.reclassification import reclassify
from receiver.domain.silence import Rhythm, SilenceOptions
from receiver.domain.statistics import AGES, DAY, HOUR, Deltas, Summary, cell_of
from receiver.pacing import Pacer
from receiver.store import projector, reclassification, silence, statistics_queries
from receiver.store.database.bulk import add_rows, insert_rows
from receiver.store.database.upgrade import upgrade
from receiver.store.quarantine import QuarantineLimits
from receiver.store.schema import messages, metadata, statistics
from receiver.store.statistics import rebuild
from receiver.store.statistics_queries import Interval, Question
from receiver.store.store import Store
from tests.integration.store.test_store import an_engine, go_back
from tests.support.catalogues import row
from tests.support.parts import NOW, a_store, policy, read_rows, rows_of

S = times.SECOND
MINUTE = 60 * S
TODAY = NOW // DAY * DAY  # NOW is 22:13:20 of it
THIS_HOUR = NOW // HOUR * HOUR
LIMITS = QuarantineLimits()
OTHERS = Policy(
    Catalogue([row("X", "routing"), row("EXPIRED", "handset-unreachable")]),
    late_delivered="ignored",
)
MESSAGE: dict[str, Any] = {
    "application": "default",
    "registered": True,
    "registered_at": NOW,
    "state": "delivered",
    "final": True,
    "conflict": False,
    "category": "delivered",
    "code": "DELIVRD",
    "country": "CN",
    "template_id": "t",
    "from_number": "1069",
    "total": 1,
    "sent_at": NOW,
    "occurred_at": NOW,
    "delivered_at": NOW + 5 * S,
    "last_report_at": NOW + 6 * S,
    "trust": "open",
}


def no_rest() -> int:
    """Leave no time to others."""
    return 0


BREATHE = Pacer(1.0, no_rest).maybe_yield


# --- one message --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({}, {}, id="usual"),
        pytest.param({"occurred_at": NOW + HOUR}, {0: THIS_HOUR + HOUR}, id="the next hour"),
        pytest.param({"occurred_at": -1}, {0: -HOUR}, id="just before the epoch"),
        pytest.param({"occurred_at": -HOUR}, {0: -HOUR}, id="an hour before it"),
        pytest.param(
            dict.fromkeys(("category", "code", "country", "template_id", "from_number")),
            dict.fromkeys(range(4, 9), ""),
            id="nothing known",
        ),
        pytest.param(
            {"template_id": "名" * 65, "code": "c" * 64},
            {7: "名" * 64, 5: "c" * 64},
            id="long texts are clipped",
        ),
        pytest.param({"delivered_at": NOW - 1}, {9: NO_CLASS}, id="delivered before it was sent"),
        pytest.param({"sent_at": None}, {9: NO_CLASS}, id="not known when it was sent"),
    ],
)
def test_a_message_is_counted_in_one_cell(
    changes: Mapping[str, Any], expected: Mapping[int, Any]
) -> None:
    """Its hour, what it is told apart by, and the class of its delivery time."""
    usual = (THIS_HOUR, "default", True, "delivered", "delivered", "DELIVRD", "CN", "t", "1069", 5)
    cell = cell_of({**MESSAGE, **changes})
    assert cell == tuple(expected.get(place, value) for place, value in enumerate(usual))


def test_what_does_not_move_is_not_written() -> None:
    """A change that leaves a message in its cell, and one that is undone, give no rows."""
    deltas = Deltas()
    deltas.move(MESSAGE, {**MESSAGE, "delivered_at": NOW + 4 * S, "total": 2})
    failed = {**MESSAGE, "state": "failed"}
    deltas.move(MESSAGE, failed)
    deltas.move(failed, MESSAGE)
    assert deltas.rows() == []


def test_a_change_moves_a_message() -> None:
    """One less where it was and one more where it is, of the hour and of the day."""
    deltas = Deltas()
    deltas.move(MESSAGE, {**MESSAGE, "state": "failed"})
    deltas.move(None, {**MESSAGE, "occurred_at": NOW - 2 * HOUR})
    moved = [(hours, cell[0], cell[3], number) for hours, cell, number in deltas.rows()]
    assert moved == [
        (1, THIS_HOUR - 2 * HOUR, "delivered", 1),
        (1, THIS_HOUR, "delivered", -1),
        (1, THIS_HOUR, "failed", 1),
        (24, TODAY, "failed", 1),  # of the delivered ones as many came as went
    ]


def test_a_share_is_of_what_is_final() -> None:
    """What is pending, accepted, unknown or overdue is neither delivered nor not."""
    assert Summary().delivered_share is None
    summary = Summary()
    for state in State:
        summary.add(state.value, NO_CLASS, 10)
    assert summary.delivered_share == 0.25  # of delivered, failed, partial, refused
    assert summary.messages == 80
    assert summary.timed == 0


# --- what is maintained is what would be counted -------------------------------------------------

NAMES = ("a", "b", "c", "d")
TEXTS = (None, "x", "名" * 100, "\U0001f600" * 65)
MOMENTS = (-3 * HOUR, NOW - 40 * DAY, NOW - 100, NOW, NOW + 3, NOW + 2 * HOUR)
_SOME_TEXT = st.sampled_from(TEXTS)
_SOME_TIME = st.sampled_from((None, *MOMENTS))
_NAMES = st.sampled_from(NAMES)
_REPORTS = st.builds(
    lambda name, status, sequence, at, received_at, application: ReportArrived(
        Arrival(application, received_at),
        StatusReport(name, status, sequence, total=2, updated_at=at, update_time=str(at)),
    ),
    _NAMES,
    st.sampled_from(("DELIVRD", "ACCEPTD", "UNKNOWN", "EXPIRED", "X", "?" * 90)),
    st.integers(1, 2),
    _SOME_TIME,
    st.sampled_from(MOMENTS[1:]),
    st.sampled_from(("default", "other")),
)
_SENDS = st.builds(
    lambda name, status, texts, sent_at: SendRegistered(
        Arrival("default", NOW),
        Send(
            name, status, country=texts[0], template_id=texts[1], sender=texts[2], sent_at=sent_at
        ),
    ),
    _NAMES,
    st.sampled_from((None, "000000", "E200033")),
    st.tuples(_SOME_TEXT, _SOME_TEXT, _SOME_TEXT),
    _SOME_TIME,
)
# A transaction of events; a mark of what is overdue at a time; or a reclassification.
_STEPS = st.lists(
    st.lists(_REPORTS | _SENDS, max_size=12)
    | st.sampled_from((NOW - DAY, NOW + DAY))
    | st.sampled_from((OTHERS, policy())),
    min_size=1,
    max_size=12,
)
Step = Sequence[Event] | int | Policy


async def take(store: Store, step: Step) -> None:
    """Do one step to the store, as the projector, the watchdog and the reclassifier do."""
    async with store.writing() as connection:
        if isinstance(step, int):
            await projector.mark_overdue(connection, heard_before=step, limit=3)
        elif isinstance(step, Policy):
            found = await reclassification.read_slice(connection, 0, 1000, None)
            changed = [
                one for one in (reclassify(m, step) for m in found) if one.before != one.after
            ]
            await reclassification.write_outcomes(connection, [one.decided for one in changed])
        else:
            projection = Projection(await projector.load(connection, *keys_of(step)))
            for event in step:
                projection.apply(event)
            for message in projection.touched():
                projection.decide(message, policy())
            await projector.save(connection, projection.finish(), LIMITS, BREATHE)


async def counted(store: Store) -> Counter[tuple[Any, ...]]:
    """Return the statistics as they stand."""
    rows = await rows_of(store, statistics)
    assert all(row["messages"] > 0 for row in rows)
    return Counter({tuple(row.values())[:-1]: row["messages"] for row in rows})


async def recounted(store: Store) -> Counter[tuple[Any, ...]]:
    """Return the statistics as a count of all messages gives them."""
    async with store.writing() as connection:
        await rebuild(connection)
    return await counted(store)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=_STEPS)
def test_what_is_maintained_is_what_would_be_counted(store_url: str, steps: list[Step]) -> None:
    """Sends, reports, redeliveries, marks and reclassifications in any order keep the counts."""

    async def run() -> None:
        async with a_store(store_url) as store:
            async with store.writing() as connection:
                for table in reversed(metadata.sorted_tables):
                    await connection.execute(delete(table))
            for step in steps:
                await take(store, step)
            maintained = await counted(store)
            assert maintained == await recounted(store)
            total = len(await rows_of(store, messages))
            for hours in (1, 24):
                of_these = [n for cell, n in maintained.items() if cell[0] == hours]
                assert sum(of_these) == total

    asyncio.run(run())


async def test_rows_are_added_to(store_url: str) -> None:
    """A row that is there is added to, another one is made; also many at once and none."""
    names = [column.name for column in statistics.c]
    keys = [
        (1, hour * HOUR, "default", hour % 2 == 0, "failed", "", code, "", "", "", -1)
        for hour in range(700)
        for code in ("", "x")
    ]
    rows = [dict(zip(names, (*key, 2), strict=True)) for key in keys]
    async with a_store(store_url) as store:
        async with store.writing() as connection:
            await add_rows(connection, statistics, "messages", rows[:900])
            await add_rows(connection, statistics, "messages", rows[500:])
            await add_rows(connection, statistics, "messages", [])
        stored = await counted(store)
    assert [stored[key] for key in keys] == [2] * 500 + [4] * 400 + [2] * 500


# --- stores of the version before ----------------------------------------------------------------


def old_messages() -> list[dict[str, Any]]:
    """Return messages of all kinds, one at each bound of the delivery times and one below it."""
    durations = [bound - less for bound in BOUNDS for less in (1, 0)]
    changes: list[dict[str, Any]] = [
        {"delivered_at": NOW + duration, "last_report_at": NOW + duration} for duration in durations
    ]
    changes += [
        {"registered": False, "sent_at": None, "template_id": None, "country": None},
        {"occurred_at": -1, "sent_at": -1, "delivered_at": 5},
        {"occurred_at": -DAY, "code": "名" * 100, "application": "other"},
        {"delivered_at": NOW - 1},
        {"delivered_at": NOW + CLOCK_AHEAD, "last_report_at": NOW},
        {"delivered_at": NOW + CLOCK_AHEAD + 1, "last_report_at": NOW},
        {"state": "pending", "category": None, "delivered_at": None, "last_report_at": None},
        *({"occurred_at": NOW + hour * HOUR} for hour in range(30)),
    ]
    return [
        {**MESSAGE, **change, "id": number, "sms_msg_id": f"m{number}"}
        for number, change in enumerate(changes, 1)
    ]


async def test_a_store_of_the_version_before_is_counted(store_url: str) -> None:
    """What stood in a store before there were statistics is in them after the upgrade."""
    old = old_messages()
    with an_engine(store_url) as engine:
        upgrade(engine)
        go_back(engine, "0002")
        with engine.begin() as connection:
            connection.execute(insert(messages), old)
    expected: Counter[tuple[Any, ...]] = Counter()
    for message in old:
        cell = cell_of(message)
        expected[1, *cell] += 1
        expected[24, cell[0] // DAY * DAY, *cell[1:]] += 1
    async with a_store(store_url) as store:
        assert await counted(store) == expected
        assert await recounted(store) == expected


# --- questions -----------------------------------------------------------------------------------


async def fill(store: Store, *changes: Mapping[str, Any]) -> None:
    """Store messages that differ from the usual one, and count them."""
    rows = [
        {**MESSAGE, **change, "id": number, "sms_msg_id": f"m{number}"}
        for number, change in enumerate(changes, 1)
    ]
    async with store.writing() as connection:
        await insert_rows(connection, messages, rows)
        await rebuild(connection)


def scattered(count: int) -> list[dict[str, Any]]:
    """Return messages of five days and several groups."""
    dice = random.Random(5)  # noqa: S311 - no secret
    return [
        {
            "occurred_at": NOW - dice.randrange(5 * DAY),
            "application": dice.choice(("default", "other")),
            "registered": dice.random() < 0.9,
            "state": dice.choice(("delivered", "failed", "overdue")),
            "code": dice.choice(("DELIVRD", "MK:0001", None)),
            "template_id": f"t{int(dice.expovariate(0.3))}",
            "delivered_at": NOW + dice.randrange(60) * S,
            "last_report_at": NOW + MINUTE,
        }
        for _ in range(count)
    ]


QUESTIONS = [
    pytest.param(Question(NOW - 6 * DAY, NOW + HOUR), id="all"),
    pytest.param(Question(NOW - 6 * DAY, NOW - 2 * DAY, ("application",)), id="by application"),
    pytest.param(Question(NOW - 4 * DAY, NOW, ("template_id",), limit=3), id="the largest"),
    pytest.param(
        Question(NOW - 4 * DAY, NOW, ("state", "code"), {"state": ["failed", "overdue"]}),
        id="of two states, by state and code",
    ),
    pytest.param(
        Question(NOW - 4 * DAY, NOW, ("registered",), {"application": ["other"]}), id="registered"
    ),
    pytest.param(Question(NOW - 5 * HOUR, NOW - HOUR, ("code",)), id="hours of one day"),
    pytest.param(Question(NOW - 30 * HOUR, NOW, ("code",)), id="over one midnight"),
    pytest.param(
        Question(NOW - 2 * DAY, NOW, ("template_id",), limit=2, interval=Interval.HOUR),
        id="hour by hour",
    ),
    pytest.param(Question(NOW - 3 * DAY, NOW, interval=Interval.DAY), id="day by day"),
    pytest.param(Question(NOW + DAY, NOW + 2 * DAY, ("code",)), id="nothing there"),
]


def aligned(question: Question) -> Question:
    """Round a period outwards to full steps."""
    step = question.interval.us if question.interval else HOUR
    since, until = question.since // step * step, -(-question.until // step) * step
    return replace(question, since=since, until=until)


def value(message: Mapping[str, Any], name: str) -> Any:
    """Return a column of a message as the statistics have it."""
    return "" if message[name] is None else message[name]


def select(question: Question, found: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Choose the messages that a question is about."""
    return [
        one
        for one in found
        if question.since <= one["occurred_at"] < question.until
        and all(value(one, name) in values for name, values in question.only.items())
    ]


@pytest.mark.parametrize("question", QUESTIONS)
async def test_a_question_is_answered_as_by_counting(store_url: str, question: Question) -> None:
    """Groups, states, classes and steps are those of the messages themselves, the largest first."""
    question = aligned(question)
    async with a_store(store_url) as store:
        await fill(store, *scattered(600))
        stored = await rows_of(store, messages)
        async with store.reading() as connection:
            answer = await statistics_queries.count(connection, question, BREATHE)
    meant = select(question, stored)
    assert answer.total.whole.messages == len(meant)
    assert answer.total.whole.states == Counter(one["state"] for one in meant)
    sizes = Counter(tuple(value(one, name) for name in question.by) for one in meant)
    if question.by:
        largest = sorted(sizes, key=lambda group: (-sizes[group], group))[: question.limit]
        assert list(answer.groups) == largest
        assert answer.groups_found == len(sizes)
        assert answer.omitted == sum(sizes.values()) - sum(sizes[group] for group in largest)
    for group, tally in [*answer.groups.items(), (None, answer.total)]:
        of_group = [
            one
            for one in meant
            if group is None or group == tuple(value(one, name) for name in question.by)
        ]
        classes = Counter(cell_of(one)[-1] for one in of_group)
        del classes[NO_CLASS]
        assert tally.whole.delivery_classes == classes
        step = question.interval.us if question.interval else None
        steps = Counter(one["occurred_at"] // step * step for one in of_group) if step else {}
        assert {start: one.messages for start, one in tally.series.items()} == steps


async def test_a_question_reads_a_range_of_the_key(tmp_path: Path) -> None:
    """Each stretch of a period is found by the primary key, and messages are not looked at."""
    url = f"sqlite:///{tmp_path / 'store.sqlite3'}"
    question = aligned(Question(NOW - 30 * DAY, NOW, ("template_id",)))
    async with a_store(url) as store, store.reading() as connection:
        sql = statistics_queries.counting(question).compile(
            connection.sync_connection, compile_kwargs={"literal_binds": True}
        )
        plan = [row[3] for row in await connection.execute(text(f"EXPLAIN QUERY PLAN {sql}"))]
    by_key = "SEARCH statistics USING PRIMARY KEY (hours=? AND start>? AND start<?)"
    assert plan.count(by_key) == 3
    assert not [step for step in plan if "SCAN statistics" in step or "messages" in step]


# --- silence -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        pytest.param(-3 * HOUR, "under_1h", id="from the future"),
        pytest.param(0, "under_1h", id="now"),
        pytest.param(25 * MINUTE, "under_1h", id="minutes"),
        pytest.param(2 * HOUR, "1h_to_6h", id="hours"),
        pytest.param(5 * HOUR, "1h_to_6h", id="less than six"),
        pytest.param(7 * HOUR, "6h_to_24h", id="more than six"),
        pytest.param(23 * HOUR, "6h_to_24h", id="less than a day"),
        pytest.param(25 * HOUR, "24h_to_72h", id="more than a day"),
        pytest.param(71 * HOUR, "24h_to_72h", id="less than three days"),
        pytest.param(73 * HOUR, "over_72h", id="more than three days"),
        pytest.param(20 * DAY, "over_72h", id="weeks"),
        pytest.param(40 * DAY, None, id="too old to be told"),
    ],
)
async def test_silent_messages_are_counted_by_age(
    store_url: str, age: int, expected: str | None
) -> None:
    """At every hour of the day a message is told in the class of its age, give or take a half."""
    async with a_store(store_url) as store:
        for hour in range(24):
            now = TODAY + hour * HOUR + 40 * MINUTE
            async with store.writing() as connection:
                await connection.execute(delete(messages))
            await fill(store, {"occurred_at": now - age, "state": "accepted"})
            async with store.reading() as connection:
                since = now // DAY * DAY - 31 * DAY
                found = await statistics_queries.silent(connection, now, since)
            assert [AGES[one.age].name for one in found] == ([expected] if expected else []), hour


async def test_only_what_is_silent_is_counted(store_url: str) -> None:
    """Of registered messages those without an end, of orphans all, each application by itself."""
    orphan = {"registered": False, "occurred_at": NOW - 30 * HOUR}
    async with a_store(store_url) as store:
        await fill(
            store,
            *({"state": state.value} for state in State),
            {"state": "overdue", "application": "other"},
            orphan,
            {**orphan, "state": "failed"},
        )
        async with store.reading() as connection:
            found = await statistics_queries.silent(connection, NOW, TODAY - 31 * DAY)
            others = await statistics_queries.silent(connection, NOW, TODAY - 31 * DAY, "other")
    silent = sorted((s.application, s.registered, s.state.value, s.age, s.messages) for s in found)
    assert silent == [
        ("default", False, "delivered", 3, 1),
        ("default", False, "failed", 3, 1),
        ("default", True, "accepted", 0, 1),
        ("default", True, "overdue", 0, 1),
        ("default", True, "pending", 0, 1),
        ("default", True, "unknown", 0, 1),
        ("other", True, "overdue", 0, 1),
    ]
    assert [s.application for s in others] == ["other"]


async def test_the_oldest_that_is_waited_for_is_found(store_url: str) -> None:
    """It is the one that was sent first, of the application, the states and the time named."""
    waiting = {"state": "accepted", "category": "accepted"}
    async with a_store(store_url) as store:
        await fill(
            store,
            {},
            {**waiting, "registered": False},
            {**waiting, "application": "other"},
            {**waiting, "state": "overdue"},
            {**waiting, "occurred_at": NOW - 5},
            {**waiting, "state": "pending"},
            {**waiting, "occurred_at": NOW - DAY},
        )
        async with store.reading() as connection:

            async def oldest(application: str, *states: State) -> str | None:
                found = await statistics_queries.oldest_waiting(
                    connection, application, states, since=NOW - HOUR
                )
                return found.sms_msg_id if found else None

            assert await oldest("default", *statistics_queries.WAITED_FOR) == "m5"
            assert await oldest("default", State.PENDING) == "m6"
            assert await oldest("other", *statistics_queries.WAITED_FOR) == "m3"
            assert await oldest("default", State.UNKNOWN) is None
            assert await oldest("nobody", *statistics_queries.WAITED_FOR) is None


async def test_rhythms_are_kept(store_url: str) -> None:
    """Arrivals of several transactions and applications are folded into what is stored."""
    options = SilenceOptions()
    async with a_store(store_url) as store:
        for heard in ({"a": [NOW]}, {}, {"a": [NOW + MINUTE], "b": [NOW, NOW + S]}, {"a": [NOW]}):
            async with store.writing() as connection:
                await silence.hear(connection, heard, NOW + MINUTE, options)
        async with store.reading() as connection:
            found = await silence.read_rhythms(connection)
    day = NOW // DAY
    assert found == {
        "a": Rhythm(3, NOW + MINUTE, {day: MINUTE}),
        "b": Rhythm(2, NOW + S, {day: S}),
    }


def test_the_file_is_a_plain_table(tmp_path: Path) -> None:
    """Whoever looks into the file finds hours and days side by side."""

    async def run() -> None:
        async with a_store(f"sqlite:///{tmp_path / 'store.sqlite3'}") as store:
            await fill(store, {}, {"state": "failed"})

    asyncio.run(run())
    found = read_rows(
        tmp_path / "store.sqlite3", "SELECT hours, start, state, messages FROM statistics"
    )
    assert sorted(found) == [
        (1, THIS_HOUR, "delivered", 1),
        (1, THIS_HOUR, "failed", 1),
        (24, TODAY, "delivered", 1),
        (24, TODAY, "failed", 1),
    ]
