"""Texts in CSV cells: no spreadsheet calculates them, and each of them can be read back."""

import csv
import io
import re
import time
import unicodedata
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from receiver.domain.identifiers import clean
from receiver.domain.spreadsheets import defused, restored
from receiver.huawei.imports.cells import text_of

FORMULAS = [
    pytest.param("=1+1", "'=1+1", id="equals"),
    pytest.param("+1", "'+1", id="plus"),
    pytest.param("-1", "'-1", id="minus"),
    pytest.param("@SUM(A1)", "'@SUM(A1)", id="at"),
    pytest.param("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0", id="DDE"),
    pytest.param('=HYPERLINK("http://x","y")', '\'=HYPERLINK("http://x","y")', id="a link"),
    pytest.param("+8615500005172", "'+8615500005172", id="a phone number"),
    pytest.param("\ttab", "'\ttab", id="tab in front"),
    pytest.param("\rreturn", "'\rreturn", id="carriage return in front"),
    pytest.param("\nline", "'\nline", id="line feed in front"),
    pytest.param("\t=1", "'\t'=1", id="tab and formula"),
    pytest.param("  =1", "'  =1", id="blanks"),
    pytest.param("\u00a0=1", "'\u00a0=1", id="no-break space"),
    pytest.param("\u3000\uff1d1", "'\u3000\uff1d1", id="wide blank, wide sign"),
    pytest.param("\u200b=1", "'\u200b=1", id="zero-width space"),
    pytest.param("\u2066=1", "'\u2066=1", id="direction mark"),
    pytest.param("\u00ad=1", "'\u00ad=1", id="soft hyphen"),
    pytest.param("\ufeff=1", "'\ufeff=1", id="byte order mark"),
    pytest.param("\x00=1", "'\x00=1", id="NUL"),
    pytest.param("\x1b\x7f=1", "'\x1b\x7f=1", id="control characters"),
    pytest.param('"=1', "'\"=1", id="quotation mark"),
    pytest.param('" "=1', '\'" "=1', id="quotation marks and blank"),
    pytest.param("\udc80=1", "'\udc80=1", id="a byte that is no text"),
    pytest.param("\uff0b1", "'\uff0b1", id="wide plus"),
    pytest.param("\uff0d1", "'\uff0d1", id="wide minus"),
    pytest.param("\uff20SUM(A1)", "'\uff20SUM(A1)", id="wide at"),
    pytest.param("\ufe621", "'\ufe621", id="small plus"),
    pytest.param("\u22121", "'\u22121", id="minus sign"),
    pytest.param(";=1", ";'=1", id="semicolon in front"),
    pytest.param(" ;=1", " ;'=1", id="blank and semicolon"),
    pytest.param(";;@SUM(1)", ";;'@SUM(1)", id="semicolons"),
    pytest.param(";\t=1", ";\t'=1", id="semicolon and tab"),
    pytest.param(';"=1', ";'\"=1", id="semicolon and quotation mark"),
    pytest.param("hello;=1+1", "hello;'=1+1", id="semicolon within"),
    pytest.param("hello; \t\uff1d1", "hello; \t'\uff1d1", id="and blanks"),
    pytest.param("hello,=1", "hello,'=1", id="comma"),
    pytest.param("hello|=1", "hello|'=1", id="bar"),
    pytest.param("a;=1;b;=2", "a;'=1;b;'=2", id="several"),
    pytest.param("hello\n-1", "hello\n'-1", id="line feed"),
    pytest.param("hello\r\n-1", "hello\r\n'-1", id="line end"),
    pytest.param("hello\u2028-1", "hello\u2028'-1", id="line separator"),
    pytest.param("hello\x1e-1", "hello\x1e'-1", id="record separator"),
]


@pytest.mark.parametrize(("text", "written"), FORMULAS)
def test_a_formula_is_a_text(text: str, written: str) -> None:
    """An apostrophe stands before whatever a spreadsheet could take for one."""
    assert defused(text) == written


@pytest.mark.parametrize(
    ("text", "written"),
    [
        pytest.param("000", "'000", id="leading zeros"),
        pytest.param("000000", "'000000", id="a status"),
        pytest.param("15500005172", "15500005172", id="eleven digits are shown in full"),
        pytest.param("123456789012", "'123456789012", id="twelve are not"),
        pytest.param("123456789012 ", "'123456789012 ", id="nor before a blank"),
        pytest.param("1069031221280000001", "'1069031221280000001", id="a channel number"),
        pytest.param("12E5", "'12E5", id="an exponent"),
        pytest.param("0", "0", id="zero"),
        pytest.param("E200027", "E200027", id="a code"),
        pytest.param("MK:0012", "MK:0012", id="another"),
    ],
)
def test_digits_stay_what_they_are(text: str, written: str) -> None:
    """What a spreadsheet would count, shorten or cut stands there as text."""
    assert defused(text) == written


@pytest.mark.parametrize(
    ("text", "written"),
    [
        pytest.param("'quoted'", "''quoted'", id="in front"),
        pytest.param("''", "'''", id="alone"),
        pytest.param("'=1", "''=1", id="before a formula"),
        pytest.param(" 'x", "' 'x", id="behind a blank"),
        pytest.param("a;'=b", "a;''=b", id="within, before a formula"),
        pytest.param("'a', 'b'", "''a', 'b'", id="within, before a word"),
    ],
)
def test_an_apostrophe_of_its_own_is_kept(text: str, written: str) -> None:
    """It gets another one where one may have been put, so that one can always be taken away."""
    assert defused(text) == written


@pytest.mark.parametrize(
    "text",
    [
        *("", "plain", "退订", "2023-11-01T00:00:00Z", "a,b", 'say "x"', "a; b"),
        *("a - b = c", "a-b@example.org", "it's", "a, 'b'", "one\r\ntwo", "one,\r\n\r\ntwo"),
    ],
)
def test_what_is_harmless_stays_as_it_is(text: str) -> None:
    """Words, times, signs within a text and what needs quotation marks alone get no apostrophe."""
    assert defused(text) == text


# Few characters, so that those which matter meet; with all others in between.
HOSTILE = st.text(
    st.one_of(
        st.sampled_from(";,|\t\r\n \"'=+-@\uff1d\uff0b\u200b\x00\u2028\x1ca1"), st.characters()
    ),
    max_size=40,
)
SEPARATORS = re.compile("[,;|\t\r\n\v\f\x1c\x1d\x1e\x85\u2028\u2029]")
WIDE_SIGNS = "\u2212"  # is no plain sign by any normal form


def begins_formula(piece: str) -> bool:
    """Tell whether a cell would be calculated, whatever stands unseen before its first sign."""
    for letter in piece:
        if letter == '"' or letter.isspace() or unicodedata.category(letter) in ("Cc", "Cf", "Cs"):
            continue
        return letter in WIDE_SIGNS or unicodedata.normalize("NFKC", letter)[0] in "=+-@"
    return False


def pieces(line: str) -> Iterator[str]:
    """Cut a line of a file as any locale's spreadsheet may, with and without quotation marks."""
    yield from SEPARATORS.split(line)
    for separator in ",;\t|":
        for row in csv.reader(io.StringIO(line, newline=""), delimiter=separator):
            yield from row


@given(st.lists(HOSTILE, min_size=1, max_size=3))
@example([";=1"])
@example(['";=1'])
@example(['x";"=1'])
def test_no_cell_of_any_locale_begins_a_formula(texts: list[str]) -> None:
    """Whatever separates cells and rows, and whatever stranger wrote the texts."""
    line = io.StringIO(newline="")
    csv.writer(line).writerow(map(defused, texts))
    assert not [piece for piece in pieces(line.getvalue()) if begins_formula(piece)]


@given(HOSTILE)
@example("'\tx")
@example("a;'=1")
@example("''")
def test_every_text_can_be_read_back(text: str) -> None:
    """What was put in is taken out again, exactly."""
    assert restored(defused(text)) == text


@given(HOSTILE)
@example(" '000")
def test_the_import_reads_what_was_meant(text: str) -> None:
    """`receiver import` takes the same apostrophes away; it ignores blanks at both ends."""
    assert text_of(defused(text), "reference") == (clean(text) or None)


@pytest.mark.parametrize(
    "text", ["\t" * 65_000, ";" * 65_000 + "x", " " * 65_000, "; " * 32_000, "1" * 65_000 + "x"]
)
def test_hostile_texts_take_no_time(text: str) -> None:
    """A body full of separators is no more work than any other."""
    started = time.process_time()
    defused(text)
    restored(text)
    assert time.process_time() - started < 0.5
