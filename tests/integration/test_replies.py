"""Which message an uplink answers: the rule, and its look-up in the store."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, text

from receiver.domain import times
from receiver.domain.inputs import written_at
from receiver.domain.replies import (
    MOST_CANDIDATES,
    MatchRule,
    ReplyMatch,
    SentMessage,
    find_answered,
)
from receiver.pacing import Pacer
from receiver.store import replies
from receiver.store.schema import messages
from tests.support.parts import HOUR, NOW, a_store

MINUTE = 60 * times.SECOND
WEEK = 168 * HOUR
CHANNEL = "1069031221280000001"


def sent(sms_msg_id: str, channel: str | None = CHANNEL, ago: int = HOUR) -> SentMessage:
    """Make a message that was sent some time before the uplink."""
    return SentMessage(sms_msg_id, channel, NOW - ago)


def found(
    to: str, *candidates: SentMessage, within: int = WEEK
) -> tuple[str, str, bool, list[str]] | None:
    """Return what an uplink of now answers: id, rule, whether ambiguous, candidates."""
    answer = find_answered(to, NOW, candidates, within)
    if answer is None:
        return None
    return answer.message.sms_msg_id, answer.rule, answer.ambiguous, list(answer.candidates)


def channel(sms_msg_id: str, *others: str) -> tuple[str, str, bool, list[str]]:
    """Write an answer by the channel number."""
    return sms_msg_id, "channel", bool(others), [sms_msg_id, *others]


def number(sms_msg_id: str, *others: str) -> tuple[str, str, bool, list[str]]:
    """Write an answer by the person's number alone."""
    return sms_msg_id, "number", bool(others), [sms_msg_id, *others]


@pytest.mark.parametrize(
    ("to", "candidates", "expected"),
    [
        pytest.param(CHANNEL, [sent("a")], channel("a"), id="the same channel number"),
        pytest.param(CHANNEL + "07", [sent("a")], channel("a"), id="with an extension"),
        pytest.param(f"+{CHANNEL[:4]} {CHANNEL[4:]}", [sent("a")], channel("a"), id="in writing"),
        pytest.param(CHANNEL, [sent("a", f"+{CHANNEL} ")], channel("a"), id="sent in writing"),
        pytest.param("1070", [sent("a")], None, id="another channel number"),
        pytest.param(CHANNEL[:-1], [sent("a")], None, id="the message's number is longer"),
        pytest.param(
            CHANNEL + "07",
            [sent("a", ago=MINUTE), sent("b", CHANNEL + "0"), sent("c", CHANNEL + "07", 2 * HOUR)],
            channel("c"),
            id="longest prefix before newest",
        ),
        pytest.param(
            CHANNEL,
            [sent("old", ago=3 * HOUR), sent("new"), sent("middle", ago=2 * HOUR)],
            channel("new", "middle", "old"),
            id="newest of several, which is said",
        ),
        pytest.param(CHANNEL, [sent("a"), sent("b")], channel("b", "a"), id="the same moment"),
        pytest.param(CHANNEL, [sent("a", ago=-1)], None, id="sent after it"),
        pytest.param(CHANNEL, [sent("a", ago=0)], channel("a"), id="sent at the same moment"),
        pytest.param(CHANNEL, [sent("a", ago=WEEK)], channel("a"), id="at the window's edge"),
        pytest.param(CHANNEL, [sent("a", ago=WEEK + 1)], None, id="before the window"),
        pytest.param(
            CHANNEL,
            [sent("a"), sent("b", ago=WEEK + 1), sent("c", ago=-1)],
            channel("a"),
            id="what is outside the window makes nothing ambiguous",
        ),
        pytest.param(CHANNEL, [sent("a", "csms12345678")], number("a"), id="an alias"),
        pytest.param("csms1", [sent("a", "csms1")], channel("a"), id="the alias itself"),
        pytest.param("csms1", [sent("a", "csms2")], None, id="another alias"),
        pytest.param(CHANNEL, [sent("a", None)], number("a"), id="an orphan"),
        pytest.param(CHANNEL, [sent("a", "")], number("a"), id="no channel number"),
        pytest.param(
            CHANNEL,
            [sent("a", None), sent("b", "x1", ago=MINUTE)],
            number("b", "a"),
            id="several by number alone",
        ),
        pytest.param(
            CHANNEL,
            [sent("a", ago=2 * HOUR), sent("b", None)],
            channel("a"),
            id="a channel number that fits before one that is unknown",
        ),
        pytest.param(
            CHANNEL, [sent("a", "1070"), sent("b", None)], number("b"), id="no other channel"
        ),
        pytest.param(CHANNEL, [], None, id="no message"),
    ],
)
def test_what_an_uplink_answers(
    to: str, candidates: Sequence[SentMessage], expected: tuple[str, str, bool, list[str]] | None
) -> None:
    """Longest channel number, then the newest before it; what fits as well is named."""
    assert found(to, *candidates) == expected


def test_candidates_are_bounded() -> None:
    """Of many messages that fit the newest ten are named."""
    answer = found(CHANNEL, *(sent(f"m{n:02}", ago=n * MINUTE) for n in range(30)))

    assert answer == channel(*(f"m{n:02}" for n in range(MOST_CANDIDATES)))


_CHANNELS = st.sampled_from([None, "csms1", "10690", "1069012", "106901", "2"])
_SENT = st.builds(
    SentMessage, st.text("abc", min_size=1), _CHANNELS, st.integers(NOW - 3 * HOUR, NOW + HOUR)
)


@given(st.lists(_SENT, max_size=12), st.randoms(use_true_random=False))
def test_order_does_not_matter(candidates: list[SentMessage], dice: Any) -> None:
    """Whatever order messages come in, the answer is the same, and it is one that fits."""
    shuffled = dice.sample(candidates, len(candidates))
    answer = find_answered("10690123", NOW, candidates, 2 * HOUR)

    again = find_answered("10690123", NOW, shuffled, 2 * HOUR)
    assert _seen(again) == _seen(answer)
    if answer is not None:
        assert NOW - 2 * HOUR <= answer.message.at <= NOW
        assert answer.candidates[0] == answer.message.sms_msg_id
        by_channel = answer.rule is MatchRule.CHANNEL
        assert by_channel == (answer.message.channel in ("10690", "1069012", "106901"))


def _seen(answer: ReplyMatch | None) -> object:
    return answer and (answer.message.at, answer.rule, answer.ambiguous, answer.candidates)


@pytest.mark.parametrize(
    ("created_at", "moment"),
    [
        pytest.param(None, NOW, id="unknown"),
        pytest.param(NOW - HOUR, NOW - HOUR, id="before it arrived"),
        pytest.param(NOW + HOUR, NOW, id="a clock that is ahead"),
    ],
)
def test_when_an_uplink_was_written(created_at: int | None, moment: int) -> None:
    """The platform's time holds, but nobody writes after it has arrived."""
    assert written_at(created_at, NOW) == moment


# --- in the store -------------------------------------------------------------------------------

PERSON = "+8615500005172"


def message(row_id: int, sms_msg_id: str, **changes: Any) -> dict[str, Any]:
    """Make a row of `messages`: sent an hour ago to the usual person."""
    at = changes.get("sent_at", NOW - HOUR)
    usual = {
        "id": row_id,
        "application": "default",
        "sms_msg_id": sms_msg_id,
        "registered": True,
        "state": "delivered",
        "final": True,
        "conflict": False,
        "to_number": PERSON,
        "from_number": CHANNEL,
        "reference": None,
        "extend": None,
        "total": 1,
        "sent_at": at,
        "occurred_at": at,
        "delivered_at": None,
        "trust": "open",
    }
    return {**usual, **changes}


def uplink(**changes: Any) -> dict[str, Any]:
    """Make a row of `uplinks` as far as it is looked at: written now."""
    usual = {
        "application": "default",
        "from_number": PERSON,
        "to_number": CHANNEL,
        "created_at": None,
        "received_at": NOW,
    }
    return {**usual, **changes}


async def answers(
    url: str, rows: Sequence[dict[str, Any]], *uplinks: dict[str, Any]
) -> list[str | None]:
    """Return the ids of the messages that uplinks answer, of a store with these messages."""
    async with a_store(url) as store:
        async with store.writing() as connection:
            await connection.execute(insert(messages), list(rows))
        async with store.reading() as connection:
            maybe_yield = Pacer(1.0, lambda: 0).maybe_yield
            found = await replies.find_answers(connection, uplinks, WEEK, maybe_yield)
    return [None if answer is None else answer.message.sms_msg_id for answer in found]


async def test_each_uplink_of_a_page_is_answered_by_itself(store_url: str) -> None:
    """One look-up serves uplinks of many people, each with its own window and application."""
    rows = [
        message(1, "old", sent_at=NOW - WEEK - HOUR),
        message(2, "first", sent_at=NOW - 3 * HOUR),
        message(3, "second"),
        message(4, "refused", state="refused", sent_at=NOW - MINUTE),
        message(5, "elsewhere", application="second", sent_at=NOW - MINUTE),
        message(6, "other", to_number="+8615500005173"),
        *(message(100 + n, f"m{n}", to_number=f"+86155{n:08}") for n in range(120)),
    ]
    many = [uplink(from_number=f"+86155{n:08}") for n in range(120)]

    assert await answers(
        store_url,
        rows,
        uplink(),
        uplink(created_at=NOW - 2 * HOUR),
        uplink(created_at=NOW - WEEK),
        uplink(created_at=NOW - WEEK - 2 * HOUR),
        uplink(application="second"),
        uplink(from_number="+8615500005173"),
        uplink(from_number="+8615500005174"),
        *many,
    ) == [
        "second",
        "first",
        "old",
        None,
        "elsewhere",
        "other",
        None,
        *(f"m{n}" for n in range(120)),
    ]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({"occurred_at": NOW - 1}, "m", id="heard of before it"),
        pytest.param({"occurred_at": NOW + 1}, None, id="heard of after it"),
        pytest.param(
            {"occurred_at": NOW + MINUTE, "delivered_at": NOW - MINUTE},
            "m",
            id="its report came after it and tells an earlier delivery",
        ),
        pytest.param(
            {"occurred_at": NOW + MINUTE, "delivered_at": NOW + 1}, None, id="delivered after it"
        ),
        pytest.param(
            {"occurred_at": NOW - 1, "delivered_at": NOW + HOUR}, "m", id="a clock that is ahead"
        ),
    ],
)
async def test_a_message_without_a_time_of_sending(
    store_url: str, changes: dict[str, Any], expected: str | None
) -> None:
    """It counts from when it was first heard of, or was delivered if that was before."""
    row = message(1, "m", sent_at=None, from_number=None, registered=False, **changes)

    assert await answers(store_url, [row], uplink()) == [expected]


async def test_only_the_newest_messages_to_a_number_are_looked_at(store_url: str) -> None:
    """A number with very many messages costs no more than so many."""
    rows = [
        message(n, f"m{n}", sent_at=NOW - WEEK + n * times.SECOND)
        for n in range(1, replies.LOOKED_AT + 3)
    ]

    assert await answers(
        store_url,
        rows,
        uplink(),
        uplink(created_at=NOW - WEEK + 3 * times.SECOND),
        uplink(created_at=NOW - WEEK + 2 * times.SECOND),
    ) == [f"m{replies.LOOKED_AT + 2}", "m3", None]


async def test_the_look_up_uses_the_index_of_numbers(tmp_path: Path) -> None:
    """Messages are reached by the index of recipients alone, in the order that is asked for."""
    statement = str(replies.looking_up(3))
    values = dict.fromkeys(re.findall(r":(\w+)", statement), 0)
    url = f"sqlite:///{tmp_path}/store.sqlite3"
    async with a_store(url) as store, store.reading() as connection:
        plan = await connection.execute(text(f"EXPLAIN QUERY PLAN {statement}"), values)
        steps = [str(row[-1]) for row in plan]
    reads = [step for step in steps if "messages" in step]
    assert reads == ["SEARCH messages USING INDEX ix_messages_to_number (to_number=?)"] * 3
    assert not [step for step in steps if "TEMP B-TREE" in step]
