"""Any text finds a row: what nobody listed is investigated, never sent again."""

from collections.abc import Callable

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from receiver.domain.catalogue.entries import FALLBACK_ENTRY, Category, LookupRule, RetryClass
from receiver.domain.verdict import Action, Subject, decide
from receiver.domain.wording.languages import Language
from receiver.huawei.catalogue import load_catalogue
from tests.support.catalogues import is_chinese

CATALOGUE = load_catalogue()

NONSENSE = [
    "",
    " ",
    " \t\r\n ",
    "\x00",
    "\u200b",
    "\ud800",
    "*",
    "?",
    "***",
    "??????",
    "-",
    "--",
    "...",
    "!?#$%",
    ":",
    "::::",
    ":0001",
    "0001:",
    "/",
    "|",
    "()",
    "{}",
    "[]",
    '""',
    "{{7*7}}",
    "%s%n",
    "%00",
    "${jndi:ldap://x}",
    "' OR '1'='1",
    "'; DROP TABLE reports; --",
    "<script>alert(1)</script>",
    "../../etc/passwd",
    "=HYPERLINK(1)",
    "null",
    "NULL",
    "None",
    "nil",
    "undefined",
    "NaN",
    "true",
    "false",
    "0",
    "000",
    "999999",
    "1234567",
    "99999999999999999999",
    "1e5",
    "0x1F",
    "3.14",
    "\uff11\uff12",
    "٣٤",
    "hello",
    "hello world",
    "lorem ipsum dolor",
    "xyzzy",
    "qwertyuiop",
    "FOOBAR",
    "a" * 65,
    "9" * 5000,
    "MK" * 5000,
    ":" * 5000,
    "E",
    "E: not found",
    "E:\\windows",
    "2:30pm",
    "10a",
    "10.0.0.1",
    "MK:hello world",
    "MK:-12",
    "MI:",
    "DB:DROP TABLE",
    "SGIP:abc",
    "SGIP:-5",
    "SGIP:0",
    "LT:2024-01-01",
    "IB:x",
    "ERR: disk",
    "CA: los angeles",
    "NO LIMIT",
    "blackberry",
    "IA",
    "DB",
    "MC",
    "XX:9999",
    "ZZ:0001",
    "QQQ:1",
    "XY0001",
    "Q-0001",
    "E999999",
    "DELIVERED?",
    "DELIVRD:000",
    "中文",
    "空号",
    "😀",
    "😀:😀",
]


@pytest.mark.parametrize("source", [None, 1, 2, 3], ids=lambda source: f"source-{source}")
@pytest.mark.parametrize("code", NONSENSE, ids=lambda code: ascii(code[:24]))
def test_nonsense_is_unknown(code: str, source: int | None) -> None:
    """No row covers a nonsense string, nor does another one beside it help."""
    match = CATALOGUE.lookup(code, source=source, org_code="xyzzy")
    assert match.entry is FALLBACK_ENTRY
    assert (match.entry.category, match.entry.retry) == (Category.UNKNOWN, RetryClass.INVESTIGATE)
    assert (match.is_unknown, match.is_listed) == (True, False)


@pytest.mark.parametrize("state", ["failed", "partial", "refused"])
@pytest.mark.parametrize("code", NONSENSE, ids=lambda code: ascii(code[:24]))
def test_nonsense_is_investigated(code: str, state: str) -> None:
    """A message that failed with a nonsense string is looked into, whatever else is known."""
    for org_code in (None, "", code, "DELIVRD"):
        for language in Language:
            subject = Subject(state, code, 2, org_code, conflict=True)
            verdict = decide(subject, CATALOGUE, language=language)
            assert (verdict.action, verdict.category) == (Action.INVESTIGATE, Category.UNKNOWN)
            assert (verdict.retryable, verdict.not_before) == (False, None)
            assert not verdict.suppress_recipient
            assert verdict.why["rule"] == "fallback"
            assert is_chinese(verdict.suggestion) == (language is Language.ZH)


def test_there_are_enough_kinds_of_nonsense() -> None:
    """The table above is no handful, and none of it is given more than once."""
    assert len(set(NONSENSE)) == len(NONSENSE) >= 40


LISTED = sorted({entry.code for entry in CATALOGUE.entries if not entry.is_family})
PIECES = st.sampled_from(
    ["MK", "SGIP", "ID", "E2", ":", "-", "*", "?", "0", "012", "9999", " ", ","]
)
CODES = (
    st.text()
    | st.lists(PIECES, max_size=6).map("".join)
    | st.builds(str.__add__, st.sampled_from(LISTED), st.text(max_size=5))
)


@given(code=CODES, org_code=st.none() | CODES, source=st.none() | st.integers())
@example(code="ß:*", org_code="\ud800", source=2)
def test_any_text_finds_a_row(code: str, org_code: str | None, source: int | None) -> None:
    """A look-up never raises, and what no row covers falls back to the unknown."""
    match = CATALOGUE.lookup(code, source=source, org_code=org_code)
    assert match.code in (code, org_code)
    assert (match.rule is LookupRule.FALLBACK) == (match.entry is FALLBACK_ENTRY)
    assert match.entry is FALLBACK_ENTRY or match.entry in CATALOGUE.explain(match.code)
    assert CATALOGUE.lookup_send(code).code == code


@given(
    code=CODES,
    before=st.text(" \t\n", max_size=90),
    behind=st.text(" \t\n", max_size=90),
    write=st.sampled_from([str.lower, str.upper, str.title]),
)
def test_case_and_blanks_never_change_the_category(
    code: str, before: str, behind: str, write: Callable[[str], str]
) -> None:
    """However a code is written, it means the same as in capitals without blanks."""
    plain = code.strip().upper()
    assume(write(plain).upper() == plain)  # a few letters have no way back
    category = CATALOGUE.lookup(plain).entry.category
    assert CATALOGUE.lookup(before + write(plain) + behind).entry.category is category


def test_listed_codes_are_found_in_any_letters() -> None:
    """A listed code in other letters and between blanks leads to the very same row."""
    for code in LISTED:
        row = CATALOGUE.lookup(code).entry
        for written in (code.lower(), f" {code.upper()}\n", code.swapcase()):
            assert CATALOGUE.lookup(written).entry is row


@given(
    code=st.none() | CODES,
    org_code=st.none() | CODES,
    state=st.sampled_from(["failed", "partial", "refused"]),
    language=st.sampled_from(Language),
)
@example(code="~", org_code="DELIVRD", state="failed", language="zh")
def test_no_stranger_can_cause_a_retry_without_a_row(
    code: str | None, org_code: str | None, state: str, language: Language
) -> None:
    """Whatever is written as a code gets a verdict; without a row it is never a retry."""
    subject = Subject(state, code, None, org_code)
    verdict = decide(subject, CATALOGUE, language=language)
    assert verdict.category is not Category.DELIVERED or (code or "").strip().upper() == "DELIVRD"
    if verdict.why["rule"] == "fallback" or verdict.category is Category.UNKNOWN:
        assert verdict.action is Action.INVESTIGATE
        assert not verdict.retryable
        assert verdict.not_before is None
