"""Phone numbers: every way of writing one leads to the same person."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from receiver.domain.numbers import (
    country_of,
    is_number,
    may_stand_for_number,
    normalise,
    normalise_channel,
    without_home_code,
)
from tests.support.doors import INVISIBLE

PERSON = "+8615500005172"


@pytest.mark.parametrize(
    "text",
    [
        "+8615500005172",
        "8615500005172",
        "15500005172",
        "008615500005172",
        "+86 155 0000 5172",
        "86 155 0000 5172",
        "155 0000 5172",
        "0086 155-0000-5172",
        "+86-155-0000-5172",
        "155.0000.5172",
        "(+86) 155 0000 5172",
        "+86 (155) 0000-5172",
        "  15500005172\r\n",
        "155\u00a00000\u00a05172",
        "\uff11\uff15\uff15\uff10\uff10\uff10\uff10\uff15\uff11\uff17\uff12",
        "%2B8615500005172",
        "%252B8615500005172",
        "%2B86%20155%200000%205172",
        "\ufeff15500005172\u200b",
        "\u202a+86 155 0000 5172\u202c",
        "\uff0b\uff18\uff16\uff11\uff15\uff15\uff10\uff10\uff10\uff10\uff15\uff11\uff17\uff12",
    ],
)
def test_every_writing_of_a_mainland_number(text: str) -> None:
    """However a mainland number is written, it is the same person in the same country."""
    assert normalise(text) == PERSON
    assert country_of(text) == "CN"


@pytest.mark.parametrize("sign", [*INVISIBLE, "\u2212", "%E2%80%8B"], ids=ascii)
@pytest.mark.parametrize("number", ["+8615500005172", "15500005172", "+14155552671"])
def test_nothing_unseen_makes_another_number(number: str, sign: str) -> None:
    """What nobody sees, or what separates groups of digits, leads to the same person anywhere."""
    for place in range(1, len(number)):
        written = f"{number[:place]}{sign}{number[place:]}"
        assert normalise(written) == normalise(number)
        assert country_of(written) == country_of(number)


@pytest.mark.parametrize("sign", [one for one in INVISIBLE if not one.isspace()], ids=ascii)
def test_nothing_unseen_is_part_of_a_code(sign: str) -> None:
    """Short codes, masked numbers and channels lose what nobody sees and stay as written."""
    for text in ("10086", "155****5172", "csms12345678", "106-903"):
        written = f"{text[:3]}{sign}{text[3:]}"
        assert normalise(written) == text
        assert normalise_channel(written) == text


@given(st.integers(0, 10**9 - 1), st.integers(3, 9))
def test_every_mainland_mobile_number(rest: int, second: int) -> None:
    """The four writings of any mobile number lead to one person."""
    number = f"1{second}{rest:09}"

    assert {normalise(prefix + number) for prefix in ("", "86", "+86", "0086")} == {"+86" + number}


@pytest.mark.parametrize(
    "text",
    [
        "+86155****5172",
        "155****5172",
        "1069***2019",
        "x8824060312575",
        "csms12345678",
        "201804131431201234",
        "1069031221280000001",
        "tel:+8615500005172",
        "+8615500005172;ext=1",
        "15500005172,15500005173",
        "68849",
        "10086",
        "95588",
        "12306",
        "110",
        "10690312",
        "1069031221",
        "106903122128",
        "4008123456",
        "8610086",
        "+8668849",
        "008668849",
        "85261234567",
        "447911123456",
        "20260131",
        "01-31-2026",
        "%2B68849",
        "%2B86155****5172",
        "12",
        "+",
        "()",
        "++8615500005172x",
        "41 chars of digits " + 22 * "1",
        100_000 * "1",
    ],
)
def test_what_is_no_number_stays_as_written(text: str) -> None:
    """Masked numbers, channel numbers, aliases and typing errors stay findable as written."""
    assert normalise(text) == text
    assert normalise(f" {text}\n") == text
    assert country_of(text) is None


@pytest.mark.parametrize("text", [None, "", " ", "\t\r\n"])
def test_nothing_is_nobody(text: str | None) -> None:
    """An absent or blank number is None."""
    assert normalise(text) is None
    assert country_of(text) is None


@pytest.mark.parametrize(
    ("text", "number", "country"),
    [
        ("+14155552671", "+14155552671", "US"),
        ("0014155552671", "+14155552671", "US"),
        ("+1 (415) 555-2671", "+14155552671", "US"),
        ("+44 20 7946 0958", "+442079460958", "GB"),
        ("+852 6123 4567", "+85261234567", "HK"),
        ("+853 6612 3456", "+85366123456", "MO"),
        ("+886 912 345 678", "+886912345678", "TW"),
        ("+49 151 23456789", "+4915123456789", "DE"),
        ("+39 06 4890 0000", "+390648900000", "IT"),
        ("010 6552 9988", "+861065529988", "CN"),
        ("(0755) 2345-6789", "+8675523456789", "CN"),
        ("861065529988", "+861065529988", "CN"),
        ("+864008123456", "+864008123456", "CN"),
        ("0085261234567", "+85261234567", "HK"),
        ("%2B14155552671", "+14155552671", "US"),
    ],
)
def test_other_numbers(text: str, number: str, country: str) -> None:
    """International numbers and mainland landlines have their E.164 form and their country."""
    assert normalise(text) == number
    assert country_of(text) == country


_TEXTS = (
    st.text(st.characters(codec=None, exclude_categories=()), max_size=50)
    | st.text("+0123456789()./- \u00a0\uff10\uff11\uff0b", max_size=45)
    | st.from_regex(r"\A\+?[0-9]{5,16}\Z")
)


@given(_TEXTS)
@example("+5491112345678")
@example("+541115123456")
@example("+525512345678")
@example("+5215512345678")
@example("00861069")
def test_normalise_is_idempotent(text: str) -> None:
    """Any text is normalised without an error, and what is normalised stays as it is."""
    once = normalise(text)

    assert normalise(once) == once


@given(_TEXTS)
def test_country_is_a_country(text: str) -> None:
    """Any text has two capital letters for a country, the same as its normal form, or None."""
    country = country_of(text)

    assert country is None or re.fullmatch("[A-Z]{2}", country)
    assert country == country_of(normalise(text))


@pytest.mark.parametrize("text", ["+80012345678", "+870773111632", "+8835100123456"])
def test_number_of_no_country(text: str) -> None:
    """A freephone, satellite or network number that belongs to no country has none."""
    assert normalise(text) == text
    assert country_of(text) is None


@pytest.mark.parametrize(
    "text",
    [PERSON, "155 0000 5172", "+86155****5172", "68849", "110", "1069031221280000001",
     "csms12345678", "+8668849", " 10086 ", "%2B8615500005172"],
)  # fmt: skip
def test_what_can_stand_for_a_number(text: str) -> None:
    """Numbers in full, short codes, channel numbers, masked numbers and aliases can."""
    assert may_stand_for_number(text)


@pytest.mark.parametrize(
    "text",
    ["", " ", "abc", "nobody", "order-4711", "12", "+86", "+", "a@b.example",
     "2026-01-31T08:00:00Z", "tel:+8615500005172", "1,2,3", 41 * "1", "****"],
)  # fmt: skip
def test_what_cannot_stand_for_a_number(text: str) -> None:
    """Words, pieces of two digits and lists cannot: whoever asks for one is mistaken."""
    assert not may_stand_for_number(text)


@pytest.mark.parametrize(
    ("stored", "written"),
    [("+8668849", "68849"), ("+8610086", "10086"), (PERSON, PERSON), ("+44123", "+44123"),
     ("68849", "68849"), ("abc", "abc")],
)  # fmt: skip
def test_stored_short_codes(stored: str, written: str) -> None:
    """A short code that was stored with the home country code is found as it was written."""
    assert without_home_code(stored) == written
    assert is_number(stored) == (stored == PERSON)
