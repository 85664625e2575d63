"""Registrations of one SMS that contradict each other: what stands, and what is kept beside."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.domain.inputs import Conflict, Send
from receiver.domain.messages.conflicts import COMPARED, MOST_PER_FIELD, agree
from receiver.domain.messages.merge import merge_sends
from receiver.domain.times import SECOND
from receiver.store.records import dump_send, load_send

NOON = 1_700_049_600 * SECOND
AT, LATER = NOON + SECOND, NOON + 2 * SECOND
PERSON, OTHER = "+8615500005172", "+8615500005173"
KNOWN = Send(
    "m", "000000", PERSON, "1069", NOON + 1500, 2, "CN", "spring", "order 7", "t1", 20, "before"
)
OTHERWISE: dict[str, Any] = {
    "status": "E200033",
    "to": OTHER,
    "sender": "1070",
    "sent_at": NOON + 3600 * SECOND,
    "total": 1,
    "country": "GB",
    "extend": "autumn",
    "reference": "order 8",
    "template_id": "t2",
    "text_length": 0,
    "retry_of": "other",
}


@pytest.mark.parametrize(
    ("name", "one", "other", "expected"),
    [
        pytest.param("to", PERSON, "155 0000 5172", True, id="another writing"),
        pytest.param("to", PERSON, OTHER, False, id="another number"),
        pytest.param("to", PERSON, "155****5172", True, id="masked"),
        pytest.param("to", "+86155****5172", "15500005172", True, id="masked first"),
        pytest.param("to", PERSON, "155****5173", False, id="another one masked"),
        pytest.param("to", PERSON, "156****5172", False, id="masked, of another network"),
        pytest.param("to", PERSON, "***********", False, id="nothing is shown"),
        pytest.param("to", "155****5172", "155***5172", False, id="both masked"),
        pytest.param("sender", "+1069", "1069", True, id="channel with a plus sign"),
        pytest.param("sender", "10690", "1069", False, id="another channel"),
        pytest.param("sent_at", NOON, NOON + 59 * SECOND, True, id="to the minute"),
        pytest.param("sent_at", NOON + SECOND, NOON + SECOND + 1, True, id="to the second"),
        pytest.param("sent_at", NOON + SECOND, NOON + 2 * SECOND, False, id="a second later"),
        pytest.param("sent_at", NOON + 1, NOON + 2, False, id="both exact"),
        pytest.param("country", "cn", "CN", True, id="country in lower case"),
        pytest.param("status", "e200033", "E200033", True, id="status in lower case"),
        pytest.param("reference", "Order", "order", False, id="another reference"),
        pytest.param("total", 1, 2, False, id="more parts"),
    ],
)
def test_what_can_both_be_true(name: str, one: Any, other: Any, expected: bool) -> None:
    """Other writings and less exact values are no contradiction, whichever comes first."""
    assert agree(name, one, other) is expected
    assert agree(name, other, one) is expected


@pytest.mark.parametrize("name", COMPARED)
def test_each_field_stands_as_it_was_registered_first(name: str) -> None:
    """What was unknown is added, the same again is none, and a contradiction is kept beside."""
    value, other = getattr(KNOWN, name), OTHERWISE[name]
    unknown: dict[str, Any] = {name: None}

    assert merge_sends(replace(KNOWN, **unknown), Send("m", **{name: value}), AT) == KNOWN
    assert merge_sends(KNOWN, Send("m", **{name: value}), AT) == KNOWN
    contradicted = merge_sends(KNOWN, Send("m", **{name: other}), AT)
    assert contradicted == replace(KNOWN, conflicts=(Conflict(name, other, AT),))
    assert merge_sends(contradicted, Send("m", **{name: other}), LATER) == contradicted
    assert load_send(dump_send(contradicted)) == contradicted


@pytest.mark.parametrize(
    ("earlier", "later", "refused", "kept"),
    [
        pytest.param(None, "E200033", False, ["E200033"], id="a list without statuses, refused"),
        pytest.param("E200033", None, True, [], id="the refusal, then a list without statuses"),
        pytest.param("000000", "E200033", False, ["E200033"], id="accepted, then refused"),
        pytest.param("E200033", "000000", True, ["000000"], id="refused, then accepted"),
        pytest.param("E200033", "E200034", True, ["E200034"], id="refused for another reason"),
        pytest.param("E200033", "e200033", True, [], id="in lower case"),
    ],
)
def test_a_status_stands_as_it_was_told_first(
    earlier: str | None, later: str | None, refused: bool, kept: list[str]
) -> None:
    """What was not told counts as accepted; a contradiction never makes a send refused."""
    joined = merge_sends(Send("m", earlier), Send("m", later), AT)
    assert (joined.refused, [one.value for one in joined.conflicts]) == (refused, kept)


@pytest.mark.parametrize(
    ("known", "reported", "told", "to", "kept"),
    [
        pytest.param("155****5172", None, PERSON, PERSON, [], id="masked, then in full"),
        pytest.param("155****5172", None, OTHER, "155****5172", [OTHER], id="masked, then another"),
        pytest.param(None, PERSON, OTHER, None, [OTHER], id="reports named another"),
        pytest.param(None, PERSON, "15500005172", "15500005172", [], id="reports named the same"),
        pytest.param(PERSON, OTHER, OTHER, PERSON, [OTHER], id="reports change nothing registered"),
    ],
)
def test_the_recipient(
    known: str | None, reported: str | None, told: str, to: str | None, kept: list[str]
) -> None:
    """Digits that were masked are added; nobody else becomes the recipient."""
    joined = merge_sends(Send("m", to=known), Send("m", to=told), AT, reported_to=reported)
    assert (joined.to, [one.value for one in joined.conflicts]) == (to, kept)


def test_what_is_too_much_leaves_a_trace() -> None:
    """Of each field so many values are kept; more are told of, and crowd out no other field."""
    send = KNOWN
    for number in range(MOST_PER_FIELD):
        send = merge_sends(send, Send("m", reference=f"order 8/{number}"), AT)
    assert (len(send.conflicts), send.conflicts_omitted) == (MOST_PER_FIELD, False)
    more = merge_sends(send, Send("m", reference="order 9", to=OTHER), AT)
    assert more.conflicts == (*send.conflicts, Conflict("to", OTHER, AT))
    assert more.conflicts_omitted
    assert merge_sends(more, Send("m", reference="order 9", to=OTHER), AT) is more
    assert load_send(dump_send(more)) == more


def test_conflicts_of_both_sides_are_joined() -> None:
    """Of two messages that turn out to be one nothing is lost, and what stands is no conflict."""
    one = replace(KNOWN, conflicts=(Conflict("total", 1, AT),))
    two = replace(
        KNOWN, to=OTHER, conflicts=(Conflict("total", 1, LATER), Conflict("to", PERSON, LATER))
    )
    kept = (Conflict("total", 1, AT), Conflict("to", OTHER, LATER))
    assert merge_sends(one, two, LATER) == replace(KNOWN, conflicts=kept)


_registrations = st.builds(
    Send,
    st.just("m"),
    st.sampled_from((None, "000000", "E200033")),
    to=st.sampled_from((None, PERSON, OTHER, "15500005172", "155****5172", "****5173")),
    sent_at=st.none() | st.integers(NOON, NOON + 3).map(lambda at: at + at % 2 * SECOND),
    total=st.none() | st.integers(1, 12),
    reference=st.none() | st.sampled_from(("order 7", "order 8")),
)


@given(st.lists(_registrations, min_size=1, max_size=20))
def test_the_same_again_changes_nothing(registrations: list[Send]) -> None:
    """Reading all registrations again ends in the same, and what was told first stands."""
    joined = registrations[0]
    for place, one in enumerate(registrations):
        joined = merge_sends(joined, one, place)
    again = joined
    for place, one in enumerate(registrations):
        again = merge_sends(again, one, place + 100)
    assert again == joined
    assert joined.total == next((one.total for one in registrations if one.total), None)
