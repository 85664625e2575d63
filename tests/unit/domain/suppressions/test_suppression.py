"""Which words keep a number from being sent to: sources, channels, applications, lifts, time."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.domain.catalogue.entries import Category
from receiver.domain.replies import SentMessage, find_answered
from receiver.domain.suppressions.manual import read_word, write_word
from receiver.domain.suppressions.suppression import (
    DeliveryEvidence,
    ScopedEntry,
    Source,
    SuppressionEntry,
    SuppressionScope,
    by_codes,
    holding,
    until_when,
)

PERSON = "+8615500005172"
NOW = 1_000
DAYS = 500  # what a code suppresses for in these tests, in the same unit as all times here
HAND, UPLINK, CODE = Source.HAND, Source.UPLINK, Source.CODE


def out(source: Source, at: int = 0, channel: str = "", app: str = "", **more: Any) -> ScopedEntry:
    """Say that the person is not to be sent to."""
    word = SuppressionEntry(
        suppressed=True, decided_at=at, source=source, source_id=f"{source}-{at}", **more
    )
    return ScopedEntry(SuppressionScope(PERSON, channel, app), word)


def lift(at: int, channel: str = "", app: str = "", *, overrides: bool = False) -> ScopedEntry:
    """Lift by hand."""
    said = out(HAND, at, channel, app, overrides=overrides)
    return ScopedEntry(said.party, replace(said.word, suppressed=False))


def opt_in(at: int, channel: str = "1069", app: str = "a") -> ScopedEntry:
    """Let the person agree again."""
    said = out(UPLINK, at, channel, app)
    return ScopedEntry(said.party, replace(said.word, suppressed=False))


HOLDING: list[Any] = [
    pytest.param([], "1069", "a", [], id="nothing is said"),
    pytest.param([out(HAND)], "1069", "a", ["hand-0"], id="by hand, everywhere"),
    pytest.param([out(HAND)], "", "", ["hand-0"], id="by hand, everywhere, asked of any"),
    pytest.param([out(HAND, channel="1069")], "1069", "a", ["hand-0"], id="its channel"),
    pytest.param([out(HAND, channel="1069")], "1070", "a", [], id="another channel"),
    pytest.param([out(HAND, channel="1069")], "", "a", ["hand-0"], id="asked of any channel"),
    pytest.param([out(UPLINK, channel="106901", app="a")], "1069", "a", ["uplink-0"],
                 id="answered with an extension"),
    pytest.param([out(UPLINK, channel="1069", app="a")], "106901", "a", ["uplink-0"],
                 id="sent from a number longer than the one written to"),
    pytest.param([out(UPLINK, channel="1069", app="a")], "x8824060312575", "a", ["uplink-0"],
                 id="sent from an alias"),
    pytest.param([out(UPLINK, channel="1069", app="a")], "csms1", "b", [],
                 id="sent from an alias of another application"),
    pytest.param([out(HAND, channel="csms1")], "1069", "a", ["hand-0"],
                 id="set for an alias, asked of a number that may be behind it"),
    pytest.param([out(CODE, channel="csms1")], "csms2", "a", [], id="another alias"),
    pytest.param([out(CODE, channel="csms1")], "csms12", "a", [],
                 id="an alias is not the beginning of another"),
    pytest.param([out(UPLINK, channel="1069"), opt_in(6, "106901")], "106901", "a", ["uplink-0"],
                 id="an opt-in to one extension leaves the opt-out to all"),
    pytest.param([out(HAND, app="a")], "1069", "b", [], id="another application"),
    pytest.param([out(HAND, app="a")], "1069", "", ["hand-0"], id="asked of any application"),
    pytest.param([opt_in(0)], "1069", "a", [], id="an opt-in"),
    pytest.param([out(HAND, until=NOW)], "1069", "a", [], id="over just now"),
    pytest.param([out(HAND, until=NOW + 1)], "1069", "a", ["hand-0"], id="over in a moment"),
    pytest.param([out(CODE, 3), out(UPLINK, 2, "1069", "a"), out(HAND, 1)], "1069", "a",
                 ["hand-1", "uplink-2", "code-3"], id="all three, what binds most first"),
    pytest.param([out(CODE, 3, app="a"), out(CODE, 4, "1069", "a")], "1069", "a",
                 ["code-4", "code-3"], id="two of a kind, the newer first"),
    # Lifts.
    pytest.param([out(CODE, 5), lift(6)], "1069", "a", [], id="a code, lifted"),
    pytest.param([out(CODE, 6), lift(6)], "1069", "a", [], id="a code, lifted at once"),
    pytest.param([out(CODE, 7), lift(6)], "1069", "a", ["code-7"], id="another failure after it"),
    pytest.param([out(UPLINK, 5, "1069", "a"), lift(6)], "1069", "a", ["uplink-5"],
                 id="an opt-out is not lifted by the way"),
    pytest.param([out(UPLINK, 5, "1069", "a"), lift(6, overrides=True)], "1069", "a", [],
                 id="an opt-out, overridden"),
    pytest.param([out(UPLINK, 7, "1069", "a"), lift(6, overrides=True)], "1069", "a",
                 ["uplink-7"], id="opted out again after it"),
    pytest.param([out(UPLINK, 5, "106907", "a"), lift(6, "1069", overrides=True)], "1069", "a",
                 [], id="an opt-out by an extension of the lifted channel"),
    pytest.param([out(UPLINK, 5, "106907", "a"), lift(6, "1069", overrides=True)], "106907", "a",
                 [], id="the same, asked of the extension"),
    pytest.param([out(UPLINK, 5, "1069", "a"), lift(6, "csms1", overrides=True)], "csms1", "a", [],
                 id="an opt-out, overridden for the alias that is asked"),
    pytest.param([out(UPLINK, 5, "1069", "a"), lift(6, "csms1", overrides=True)], "1069", "a",
                 ["uplink-5"], id="an opt-out, overridden for an alias only"),
    pytest.param([out(UPLINK, 5, "1069", "a"), lift(6, "1069", overrides=True)], "csms1", "a", [],
                 id="an opt-out, overridden for its number, asked of an alias"),
    pytest.param([out(UPLINK, 5, "1069", "a"), lift(6, "106907", overrides=True)], "106907", "a",
                 [], id="an opt-out, overridden for the extension that is asked"),
    pytest.param([out(UPLINK, 5, "1069", "a"), lift(6, "106907", overrides=True)], "106908", "a",
                 ["uplink-5"], id="an opt-out, overridden for another extension"),
    pytest.param([out(HAND, 5, "csms12"), lift(6, "csms1")], "csms12", "a", ["hand-5"],
                 id="a lift of an alias that begins alike"),
    pytest.param([out(HAND, 5), opt_in(6)], "1069", "a", ["hand-5"],
                 id="an opt-in does not lift what was set by hand"),
    pytest.param([out(CODE, 5, app="a"), opt_in(6)], "1069", "a", ["code-5"],
                 id="an opt-in does not make a number exist"),
    pytest.param([out(HAND, 5), lift(6, "1069")], "1069", "a", [], id="lifted for this channel"),
    pytest.param([out(HAND, 5), lift(6, "1069")], "1070", "a", ["hand-5"],
                 id="lifted for another channel"),
    pytest.param([out(HAND, 5), lift(6, "1069")], "", "a", ["hand-5"],
                 id="lifted for one channel, asked of any"),
    pytest.param([out(HAND, 5), lift(6, app="a")], "1069", "a", [],
                 id="lifted for this application"),
    pytest.param([out(HAND, 5), lift(6, app="a")], "1069", "b", ["hand-5"],
                 id="lifted for another application"),
    pytest.param([out(HAND, 5), lift(6, app="a")], "1069", "", ["hand-5"],
                 id="lifted for one application, asked of any"),
    pytest.param([out(CODE, 5, "1069", "a"), lift(6, app="a")], "1069", "a", [],
                 id="a code of one channel, lifted for the application"),
    pytest.param([out(HAND, 5, "1069"), lift(6, "1070")], "1069", "a", ["hand-5"],
                 id="a lift of another channel"),
    pytest.param([out(HAND, 7), lift(6, "1069")], "1069", "a", ["hand-7"],
                 id="set for all after it was lifted for one"),
]  # fmt: skip


@pytest.mark.parametrize(("said", "channel", "application", "expected"), HOLDING)
def test_what_holds(
    said: list[ScopedEntry], channel: str, application: str, expected: list[str]
) -> None:
    """Of all that is said about a number, what keeps a party from being sent to, in its order."""
    party = SuppressionScope(PERSON, channel, application)
    assert [one.word.source_id for one in holding(said, party, NOW)] == expected


_CHANNELS = st.sampled_from(("", "1", "12", "2", "x1", "x12"))
_SAID = st.builds(
    ScopedEntry,
    st.builds(SuppressionScope, st.just(PERSON), _CHANNELS, st.sampled_from(("", "a"))),
    st.builds(
        SuppressionEntry,
        st.booleans(),
        st.integers(0, 3),
        st.sampled_from(Source),
        st.sampled_from("xy"),
        until=st.none() | st.integers(NOW - 1, NOW + 1),
        overrides=st.booleans(),
    ),
)
_PARTY = st.builds(SuppressionScope, st.just(PERSON), _CHANNELS, st.sampled_from(("", "a", "b")))


@given(st.lists(_SAID, max_size=6, unique=True), _PARTY, st.randoms(use_true_random=False))
def test_the_order_of_words_does_not_matter(
    said: list[ScopedEntry], party: SuppressionScope, dice: Any
) -> None:
    """The same words in another order hold the same."""
    mixed = dice.sample(said, len(said))
    assert set(holding(mixed, party, NOW)) == set(holding(said, party, NOW))


@given(st.lists(_SAID, max_size=6, unique=True), _PARTY)
def test_whoever_leaves_something_open_is_told_at_least_as_much(
    said: list[ScopedEntry], party: SuppressionScope
) -> None:
    """What holds for one channel and application holds for whoever asks about any."""
    anywhere = SuppressionScope(PERSON, "", "")
    assert set(holding(said, party, NOW)) <= set(holding(said, anywhere, NOW))


@given(st.lists(_SAID, max_size=6, unique=True), _PARTY)
def test_a_lift_of_what_is_asked_covers_all_that_is_in_the_way(
    said: list[ScopedEntry], party: SuppressionScope
) -> None:
    """Whoever lifts what keeps a party from being sent to may then send to that party."""
    covers_all = lift(NOW, party.channel, party.application, overrides=True)
    assert holding([*said, covers_all], party, NOW) == ()


@given(_CHANNELS, _CHANNELS, st.sampled_from(("a", "b")))
def test_whoever_answers_a_message_is_not_sent_it_again(
    sent_from: str, written_to: str, application: str
) -> None:
    """Wherever an opt-out answers a message, it keeps that message's channel from being used."""
    answer = find_answered(written_to, NOW, [SentMessage("m", sent_from, NOW)], 0)
    opted_out = out(UPLINK, NOW, written_to, application)
    holds = holding([opted_out], SuppressionScope(PERSON, sent_from, application), NOW)
    assert holds or answer is None


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        pytest.param([5], 5, id="one end"),
        pytest.param([5, 9, 7], 9, id="the last of several"),
        pytest.param([5, None], None, id="one is for ever"),
        pytest.param([], None, id="nothing holds"),
    ],
)
def test_until_when(ends: list[int | None], expected: int | None) -> None:
    """It is over when the last word is."""
    assert until_when([out(HAND, until=end) for end in ends]) == expected


# --- what codes prove ---------------------------------------------------------------------------


def ended(
    sms_msg_id: str, ended_at: int, hopeless: Category | None = None, channel: str = "1069"
) -> DeliveryEvidence:
    """Make a message that failed, or was delivered, at a time."""
    return DeliveryEvidence(
        channel, sms_msg_id, ended_at, hopeless, "MK:0001" if hopeless else None
    )


INVALID, BLOCKED = Category.INVALID_NUMBER, Category.BLOCKED_RECIPIENT
PROVEN: list[Any] = [
    pytest.param([], {}, id="nothing"),
    pytest.param([ended("d", 1)], {}, id="delivered"),
    pytest.param([ended("i", 1, INVALID)], {"": "i"}, id="no such number: every channel"),
    pytest.param([ended("b", 1, BLOCKED)], {"1069": "b"}, id="blocked: its channel"),
    pytest.param([ended("b", 1, BLOCKED, "")], {"": "b"}, id="blocked, channel unknown: every one"),
    pytest.param([ended("i", 1, INVALID), ended("d", 2)], {}, id="delivered after it"),
    pytest.param([ended("i", 2, INVALID), ended("d", 1)], {"": "i"}, id="delivered before it"),
    pytest.param([ended("i", 2, INVALID), ended("d", 2)], {"": "i"}, id="delivered with it"),
    pytest.param([ended("d", 1), ended("i", 2, INVALID), ended("e", 3)], {},
                 id="delivered before it and after it"),
    pytest.param([ended("i", 1, INVALID), ended("d", 2, channel="1070")], {},
                 id="delivered by another channel: the number exists"),
    pytest.param([ended("i", 1, INVALID), ended("d", 2, channel="")], {},
                 id="delivered by a channel that is not known: the number exists"),
    pytest.param([ended("b", 1, BLOCKED), ended("d", 2, channel="1070")], {"1069": "b"},
                 id="delivered by another channel: blocked all the same"),
    pytest.param([ended("b", 1, BLOCKED), ended("d", 2, channel="")], {"1069": "b"},
                 id="delivered by a channel that is not known: blocked all the same"),
    pytest.param([ended("b", 1, BLOCKED, ""), ended("d", 2)], {},
                 id="blocked, channel unknown, delivered after it"),
    pytest.param([ended("i", 1, INVALID), ended("j", 3, INVALID)], {"": "j"}, id="the newer one"),
    pytest.param([ended("i", 1, INVALID), ended("d", 2), ended("j", 3, INVALID)], {"": "j"},
                 id="failed again after a delivery"),
    pytest.param([ended("i", 1, INVALID), ended("j", 1, INVALID)], {"": "j"},
                 id="at the same moment: the greater id"),
    pytest.param([ended("b", 1, BLOCKED), ended("i", 2, INVALID)], {"1069": "b", "": "i"},
                 id="both"),
    pytest.param([ended("b", 1, BLOCKED), ended("c", 1, BLOCKED, "1070")],
                 {"1069": "b", "1070": "c"}, id="by two channels"),
]  # fmt: skip


@pytest.mark.parametrize(("found", "expected"), PROVEN)
@pytest.mark.parametrize("backwards", [False, True], ids=["in order", "backwards"])
def test_what_codes_prove(
    found: list[DeliveryEvidence], expected: dict[str, str], backwards: bool
) -> None:
    """Of each channel the last failure suppresses that no delivery came after, in any order."""
    words = by_codes(found[::-1] if backwards else found, DAYS)
    assert {channel: word.source_id for channel, word in words.items()} == expected


def test_a_code_suppresses_for_a_while() -> None:
    """It counts from the failure, and the word says which code it was."""
    (word,) = by_codes([ended("i", 10, INVALID)], DAYS).values()
    assert word == SuppressionEntry(
        suppressed=True,
        decided_at=10,
        source=CODE,
        source_id="i",
        reason="MK:0001",
        until=10 + DAYS,
    )


# --- in the journal -----------------------------------------------------------------------------


@given(_SAID, st.text())
def test_a_word_by_hand_survives_the_journal(said: ScopedEntry, reason: str) -> None:
    """What is written is what is read; the time is that of the entry."""
    word = SuppressionEntry(
        said.word.suppressed, 7, HAND, said.word.source_id, reason, said.word.until,
        said.word.overrides,
    )  # fmt: skip
    assert read_word(write_word(ScopedEntry(said.party, word)), 7) == ScopedEntry(said.party, word)


GOOD = {
    "number": PERSON, "channel": "", "application": "", "suppressed": True, "by": "k",
    "reason": "r", "until": None, "overrides": False,
}  # fmt: skip


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"\xff{}", id="no text"),
        *(
            pytest.param(json.dumps({**GOOD, name: [value]}).encode(), id=f"{name} is a list")
            for name, value in GOOD.items()
        ),
        pytest.param(json.dumps({**GOOD, "until": True}).encode(), id="until is true"),
        pytest.param(json.dumps({"number": PERSON}).encode(), id="the rest is missing"),
    ],
)
def test_a_damaged_word_is_refused(body: bytes) -> None:
    """A row that was damaged is told, so that it goes to the quarantine."""
    with pytest.raises(ValueError, match=r".+"):
        read_word(body, 7)
