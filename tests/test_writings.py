"""One number in texts: every usual writing is found, and no other number."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.domain.writings import Writings

HOME = "+8615500005172"
ABROAD = "+14155552671"  # without its plus it is a mainland number


@pytest.mark.parametrize(
    ("number", "text", "found"),
    [
        pytest.param(HOME, "15500005172", True, id="bare"),
        pytest.param(HOME, "+8615500005172", True, id="E.164"),
        pytest.param(HOME, "8615500005172", True, id="with its code"),
        pytest.param(HOME, "008615500005172", True, id="with 00"),
        pytest.param(HOME, "to=%2B8615500005172&a=b", True, id="escaped plus"),
        pytest.param(HOME, "%2215500005172%22", True, id="behind an escaped quote"),
        pytest.param(HOME, "%2015500005172", True, id="behind an escaped blank"),
        pytest.param(HOME, r"\u000015500005172", True, id="behind an escaped character"),
        pytest.param(HOME, "155 0000 5172", True, id="in groups"),
        pytest.param(HOME, "+86 (155) 0000-5172", True, id="in brackets"),
        pytest.param(HOME, "155+0000+5172", True, id="blanks of a form"),
        pytest.param(HOME, "155%200000%205172", True, id="escaped blanks"),
        pytest.param(
            HOME, "".join(chr(0xFF10 + int(d)) for d in "15500005172"), True, id="full width"
        ),
        pytest.param(HOME, "call 15500005172!", True, id="in a sentence"),
        pytest.param(HOME, "115500005172", False, id="part of a longer one"),
        pytest.param(HOME, "155000051720", False, id="the beginning of a longer one"),
        pytest.param(HOME, "+8615500005173", False, id="another"),
        pytest.param(HOME, "", False, id="nothing"),
        pytest.param(ABROAD, "+14155552671", True, id="abroad"),
        pytest.param(ABROAD, "0014155552671", True, id="abroad with 00"),
        pytest.param(ABROAD, "+1 415-555-2671", True, id="abroad in groups"),
        pytest.param(ABROAD, "14155552671", False, id="a mainland number"),
        pytest.param(ABROAD, "4155552671", False, id="abroad without its code"),
        pytest.param("+4915112345678", "4915112345678", True, id="abroad without a sign"),
    ],
)
def test_writings_are_found(number: str, text: str, found: bool) -> None:
    """A text holds the number exactly where people would read it so; covered it does not."""
    writings = Writings(number)
    assert writings.in_text(text) is found
    assert writings.in_bytes(text.encode()) is found
    covered = writings.cover(text)
    assert not writings.in_text(covered)
    assert (covered == text) is not found


@pytest.mark.parametrize("text", ["csms12345678", "155****5172", "15500005172", ""])
def test_what_is_no_number_is_refused(text: str) -> None:
    """Only E.164 names a person."""
    with pytest.raises(ValueError, match="not a phone number"):
        Writings(text)


def test_escaped_digits_are_found() -> None:
    """Digits that stand escaped are found where a body is read as a whole."""
    writings = Writings(HOME)
    assert writings.in_unread(b"to=%31%35%35%30%30%30%30%35%31%37%32")
    assert writings.in_unread(rb'{"to": "\u0031\u00355\u00300005172"')
    assert not writings.in_unread(b"to=%31%35%35%30%30%30%30%35%31%37%33")


def test_a_value_is_covered_wherever_the_number_stands() -> None:
    """Keys, texts, whole numbers and lists lose the number; all else stays."""
    writings = Writings(HOME)
    value = {"a": [HOME, 15500005172, 1, True, None, 2.5], HOME: {"b": "15500005172 and more"}}
    assert writings.in_value(value)
    covered = writings.cover_value(value)
    assert not writings.in_value(covered)
    assert covered["a"][2:] == [1, True, None, 2.5]
    assert "5172" not in json.dumps(covered)


@given(st.text(alphabet="0123456789+-() %2B", max_size=40), st.text(max_size=5))
def test_covering_leaves_nothing(before: str, after: str) -> None:
    """Whatever stands around, a covered text no longer holds the number, also as bytes."""
    writings = Writings(HOME)
    covered = writings.cover(f"{before}{HOME}{after}")
    assert not writings.in_text(covered)
    data = f"{before}15500005172{after}".encode(errors="replace")
    assert not writings.in_bytes(writings.cover_bytes(data)) or not data.isascii()
    assert len(writings.cover_bytes(data)) == len(data)
