"""CSV for spreadsheets: cells are texts, and whoever reads them takes one apostrophe away."""

import csv
import io
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.huawei.exports.cells import text_of
from receiver.web.delimited import BYTE_ORDER_MARK, defused, header_line, item_line

FORMULAS = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "\ttab",
    "\rreturn",
    "\nline",
    "  =1",
    "\u00a0=1",
    "\u3000\uff1d1",
    "\u200b=1",
    "\ufeff=1",
    "\uff1d1+1",
    "\uff0b1",
    "\uff0d1",
    "\uff20SUM(A1)",
    "\ufe621",
    "\u22121",
    "=cmd|' /C calc'!A0",
    '=HYPERLINK("http://x","y")',
    "+8615500005172",
]


SIGNS = frozenset("=+-@\uff1d\uff0b\uff0d\uff20")


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_is_a_text(text: str) -> None:
    """An apostrophe stands before whatever a spreadsheet could take for one."""
    assert defused(text) == "'" + text


@pytest.mark.parametrize(
    ("text", "written"),
    [
        pytest.param("000", "'000", id="leading zeros"),
        pytest.param("000000", "'000000", id="a status"),
        pytest.param("15500005172", "15500005172", id="eleven digits are shown in full"),
        pytest.param("123456789012", "'123456789012", id="twelve are not"),
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
        pytest.param("hello;=1+1", "hello;'=1+1", id="semicolon"),
        pytest.param("hello; \t\uff1d1", "hello; \t'\uff1d1", id="and blanks"),
        pytest.param("hello\n-1", "hello\n'-1", id="line end"),
        pytest.param("a - b = c", "a - b = c", id="signs in a text"),
        pytest.param("a-b@example.org", "a-b@example.org", id="an address"),
        pytest.param("a; b", "a; b", id="no formula behind it"),
    ],
)
def test_separators_of_other_countries_part_no_formula_off(text: str, written: str) -> None:
    """What comes to begin a cell where semicolons part cells is a text too."""
    assert defused(text) == written


@pytest.mark.parametrize("text", ["'quoted'", "''", "'=1"])
def test_an_apostrophe_of_its_own_is_kept(text: str) -> None:
    """It gets another one, so that one can always be taken away."""
    assert defused(text) == "'" + text


@pytest.mark.parametrize("text", ["", "plain", "退订", "2023-11-01T00:00:00Z", "a,b", 'say "x"'])
def test_what_is_harmless_stays_as_it_is(text: str) -> None:
    """Words, times and what needs quotation marks alone get no apostrophe."""
    assert defused(text) == text


@given(st.text(max_size=40))
def test_no_cell_begins_a_formula(text: str) -> None:
    """Whatever a stranger writes: the first character that is no blank begins none."""
    written = defused(text)
    assert written.strip()[:1] not in SIGNS
    for cell in written.replace("\r", "\n").replace("\n", ";").split(";")[1:]:
        assert cell.strip()[:1] not in SIGNS


@given(st.text(alphabet="=+-@'0123456789 a\uff58\uff1d", max_size=20))
def test_the_import_reads_what_was_meant(text: str) -> None:
    """`receiver import` takes the apostrophe away again; it ignores blanks at both ends."""
    if text.strip().startswith("'") or '="' in text:
        return  # blanks before an apostrophe of its own
    assert text_of(defused(text), "reference") == (text.strip() or None)


@pytest.mark.parametrize("text", ["\t" * 65_000, ";" * 65_000 + "x", " " * 65_000, "; " * 32_000])
def test_hostile_texts_take_no_time(text: str) -> None:
    """A body full of separators is no more work than any other."""
    started = time.perf_counter()
    defused(text)
    assert time.perf_counter() - started < 0.5


def test_a_line_is_read_back_as_it_was() -> None:
    """RFC 4180: commas, quotation marks and line ends within cells, CRLF between lines."""
    item = {"a": 'x,"y"\nz', "b": True, "c": None, "d": 1.5, "e": ["late", "total_changed"]}
    columns = {name: (lambda item, name=name: item[name]) for name in item}
    text = header_line(columns) + item_line(columns, item)
    assert text.startswith(BYTE_ORDER_MARK)
    assert text.count("\r\n") == 2
    header, row = csv.reader(io.StringIO(text.removeprefix(BYTE_ORDER_MARK), newline=""))
    assert header == list("abcde")
    assert row == ['x,"y"\nz', "true", "", "1.5", "late total_changed"]
