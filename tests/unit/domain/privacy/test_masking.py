"""What is shown of people: ends of numbers, no codes; what stays as it was."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.domain.privacy.masking import hidden, masked, redacted

NUMBER = "+8615500005172"


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (NUMBER, "…5172"),
        ("15500005172", "…5172"),
        ("+86155****5172", "…5172"),
        ("12345", "…45"),
        ("1", "…"),
        ("", "…"),
        (None, ""),
    ],
)
def test_a_number_is_shown_by_its_end(number: str | None, shown: str) -> None:
    """Four digits at most, and never more than half of what there is."""
    assert masked(number) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("Your code is 123456.", "Your code is ••••.", id="six digits"),
        pytest.param("1234", "••••", id="four"),
        pytest.param("12345678", "••••", id="eight"),
        pytest.param("G-765432 is it", "G-•••• is it", id="behind a sign"),
        pytest.param("验证码123456，请勿泄露", "验证码••••，请勿泄露", id="in Chinese"),
        pytest.param("\uff11\uff12\uff13\uff14\uff15\uff16", "••••", id="full-width digits"),
        pytest.param("call 15500005172", "call …5172", id="a number"),
        pytest.param("call +8615500005172!", "call …5172!", id="a number with its country"),
        pytest.param("R", "R", id="a word"),
        pytest.param("room 12, 100 people", "room 12, 100 people", id="small numbers"),
        pytest.param("", "", id="empty"),
    ],
)
def test_codes_in_a_text_are_redacted(text: str, shown: str) -> None:
    """Four to eight digits by themselves are taken for a code, more for a number."""
    assert redacted(text) == shown


@given(st.text(alphabet="0123456789 a+.", max_size=60))
def test_no_code_is_left(text: str) -> None:
    """Whatever the text: a second look finds nothing more to redact but ends of numbers."""
    shown = redacted(text).replace("…", "")
    assert not any(
        len(run) > 4 for run in "".join(c if c.isdigit() else " " for c in shown).split()
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("008615500005172", "…5172", id="with 00"),
        pytest.param("155-0000-5172", "…5172", id="in groups"),
        pytest.param("+86 (155) 0000 5172, ok", "…5172, ok", id="in brackets"),
        pytest.param("2026-01-31 15500005172", "2026-01-31 …5172", id="behind a date"),
        pytest.param("15500005172 15500005172", "…5172 …5172", id="twice"),
        pytest.param("15500005173", "15500005173", id="another"),
        pytest.param("2026-01-31T08:00:00Z", "2026-01-31T08:00:00Z", id="a time"),
    ],
)
def test_a_known_number_is_masked_in_any_writing(text: str, shown: str) -> None:
    """Once it stands under a key it is known, as a JSON number too."""
    document = {"to": NUMBER, "raw": {"to": 15500005172}, "reference": text}
    assert hidden(document, ("to",)) == {
        "to": "…5172",
        "raw": {"to": "…5172"},
        "reference": shown,
    }


def test_numbers_are_masked_wherever_they_stand() -> None:
    """Under the keys named, however deep, and in other texts in any plain writing."""
    document = {
        "to": NUMBER,
        "from": "1069031221280000001",
        "reference": "15500005172",
        "said": "no route to 8615500005172, id 15500005173",
        "reports": [{"to": "+8615500005172", "raw": {"to": "15500005172", "sequence": 1}}],
        "more": [None, True, 1.5, ["+8615500005172"]],
    }
    before = json.dumps(document)
    assert hidden(document, ("to",)) == {
        "to": "…5172",
        "from": "1069031221280000001",
        "reference": "…5172",
        "said": "no route to …5172, id 15500005173",
        "reports": [{"to": "…5172", "raw": {"to": "…5172", "sequence": 1}}],
        "more": [None, True, 1.5, ["…5172"]],
    }
    assert json.dumps(document) == before


def test_texts_are_redacted_under_their_keys_alone() -> None:
    """What stands under another key, an id for example, is no text of a person."""
    document = {"sms_msg_id": "m_123456", "body": "code 123456", "original_body": None}
    assert hidden(document, ("from",), ("body", "original_body")) == {
        "sms_msg_id": "m_123456",
        "body": "code ••••",
        "original_body": None,
    }
