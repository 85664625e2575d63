"""One number in texts: every usual writing is found, and no other number."""

import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.domain.privacy.number_matcher import Writings
from tests.support.doors import INVISIBLE

HOME = "+8615500005172"
WIDE = "".join(chr(0xFF10 + int(digit)) for digit in "15500005172")
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


@pytest.mark.parametrize(
    "sign", [*(one for one in INVISIBLE if one not in "\r\n\f\v"), "\u2212"], ids=ascii
)
def test_what_nobody_sees_hides_nothing(sign: str) -> None:
    """The number is found and covered whatever stands unseen between its digits."""
    text = f"from +86155{sign}0000{sign}5172 to"
    writings = Writings(HOME)
    assert writings.in_text(text)
    assert writings.in_value(json.loads(json.dumps({"a": text})))
    assert not writings.in_text(writings.cover(text))


@pytest.mark.parametrize("sign", "\u200b\u200e\u202a\u2060\ufeff\xad\xa0\u2013", ids=ascii)
def test_what_nobody_sees_hides_nothing_in_bytes(sign: str) -> None:
    """So it is in files: as UTF-8, escaped for a form, and escaped in JSON."""
    text = f"155{sign}0000{sign}5172"
    writings = Writings(HOME)
    for data in (text.encode(), quote(text).encode(), json.dumps(text).encode()):
        assert writings.in_raw(data)
        assert writings.in_raw(data, apart=True)
        assert writings.in_bytes(data)
        assert not writings.in_bytes(writings.cover_bytes(data))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("+14155552671", False, id="a number abroad that goes on alike"),
        pytest.param("to=%2B14155552671", False, id="the same, escaped"),
        pytest.param("+49 14155552671", False, id="another country's code"),
        pytest.param("0049-14155552671", False, id="another country's code with 00"),
        pytest.param("call +4414155552671", False, id="no digit between"),
        pytest.param("+86 14155552671", True, id="its own code"),
        pytest.param("0086-14155552671", True, id="its own code with 00"),
        pytest.param("(+86) 14155552671", True, id="its own code in brackets"),
        pytest.param("49: 14155552671", True, id="no code"),
        pytest.param("tel 14155552671", True, id="bare"),
        pytest.param("14155\u00a0552671", True, id="a blank that does not break"),
        pytest.param("141\t5555\t2671", True, id="tabs"),
        pytest.param("141\u20135555\u20132671", True, id="dashes"),
        pytest.param("141\u200b5555\u200b2671", True, id="blanks without width"),
        pytest.param("141 55 55 26 71", True, id="in twos"),
    ],
)
def test_numbers_of_other_countries_are_others(text: str, found: bool) -> None:
    """Digits behind a plus sign or a country's code are a number of that country."""
    writings = Writings("+8614155552671")
    assert writings.in_text(text) is found
    assert writings.is_it(text) is found
    assert (writings.cover(text) != text) is found


@pytest.mark.parametrize(
    ("data", "beside", "apart"),
    [
        pytest.param(b"15500005172", True, True, id="alone"),
        pytest.param(b"+8615500005172", True, True, id="with its code"),
        pytest.param(b"app1+8615500005172", True, True, id="behind another value"),
        pytest.param(b"9915500005172", True, False, id="within a longer one"),
        pytest.param(b'"sent_at": 1550000517200000', True, False, id="within a time"),
        pytest.param(b"+15500005172", True, False, id="abroad"),
        pytest.param(WIDE.encode(), True, True, id="full width"),
        pytest.param(rb"\uff11\uff15\uff15\uff10\uff10\uff10\uff10\uff15\uff11\uff17\uff12", True,
                     True, id="full width, escaped"),
        pytest.param(b"155-0000-5172", True, True, id="in groups"),
        pytest.param(b"15500005173", False, False, id="another"),
    ],
)  # fmt: skip
def test_bytes_of_files(data: bytes, beside: bool, apart: bool) -> None:
    """Side by side any digits count; apart only those that are a number of their own."""
    writings = Writings(HOME)
    assert writings.in_raw(data) is beside
    assert writings.in_raw(data, apart=True) is apart


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
