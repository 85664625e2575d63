"""The catalogue: the rows that come with the package, and which of them decides."""

import csv
import re
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from importlib.resources import files

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from receiver.domain.catalogue import (
    FALLBACK_ENTRY,
    MEMO_SIZE,
    SEND_API,
    Catalogue,
    Category,
    Entry,
    Match,
    Rank,
    RetryClass,
    Rule,
)
from receiver.huawei.catalogue import LONGEST_TEXT, load_catalogue, read_entries

CATALOGUE = load_catalogue()
HEADER = "code,origin,scope,category,retry,retry_after_s,meaning,cause,suggestion,source"
ROW = "MK:1,supplier,mainland,routing,retry-later,60,Meaning,Cause.,Suggest this.,sms_05_0051"


def entry(code: str, origin: str = "supplier", rank: Rank = Rank.OFFICIAL) -> Entry:
    """Make a row of which only the identity matters."""
    return Entry(
        code=code,
        origin=origin,
        scope="both",
        category=Category.ROUTING,
        retry=RetryClass.RETRY_LATER,
        retry_after_s=None,
        meaning=f"{code} of {origin}",
        cause="Cause.",
        suggestion="Suggest this.",
        source="test",
        rank=rank,
    )


def found(match: Match) -> tuple[str, str, Rank, Rule]:
    """Give what the look-up tables below state."""
    return match.entry.code, match.entry.origin, match.entry.rank, match.rule


# --- the rows that come with the package

# The digests were computed from the lists that the rows were taken from, not from these files.
SHIPPED = [
    pytest.param(
        "codes.csv",
        185,
        "8f0e9ef1b1144236516031fcb4783927153149d73ac1e9ac4eaaf736ad9d163f",
        id="status-codes",
    ),
    pytest.param(
        "related_codes.csv",
        236,
        "2cdbf482253b16604c15e1d46fcb1f5463fb8c1a56446314fb3c9051bd529eb9",
        id="related-codes",
    ),
    pytest.param(
        "send_codes.csv",
        35,
        "206b654ac7c45a77cd22f5b07b20c74570318b84edfbda65ce9cfb80ef8d68b2",
        id="send-response-codes",
    ),
]
DECIDING = ("code", "origin", "scope", "category", "retry", "retry_after_s")


@pytest.mark.parametrize(("name", "count", "digest"), SHIPPED)
def test_every_row_of_the_source_lists_is_shipped(name: str, count: int, digest: str) -> None:
    """Each file holds all rows of its list, with the same code, origin, category and retry."""
    text = files("receiver.huawei").joinpath(name).read_text(encoding="utf-8")
    rows = [tuple(row[column] for column in DECIDING) for row in csv.DictReader(text.splitlines())]
    assert len(rows) == count
    assert sha256("\n".join(",".join(row) for row in rows).encode()).hexdigest() == digest


def test_the_catalogue_holds_all_files() -> None:
    """The loaded catalogue has every row of the three files, each with its file's rank."""
    ranks = [shipped.rank for shipped in CATALOGUE.entries]
    assert len(ranks) == 185 + 236 + 35
    assert ranks.count(Rank.OFFICIAL) == 185 + 35
    assert ranks.count(Rank.RELATED) == 236


NOTES_TO_SELF = re.compile(
    r"not seen|row seen|fragment|\bsee\b|text cut|\bcut\)|unknown in|not fully|"
    r"no (?:cause|suggestion)|given in the enum|\bn/a\b|\btodo\b|huaweicloud\.com|https?:",
    re.IGNORECASE,
)


@pytest.mark.parametrize("field", ["meaning", "cause", "suggestion", "source"])
def test_texts_are_short_whole_and_for_readers(field: str) -> None:
    """No text is empty, longer than 160 characters or a note that somebody left for himself."""
    bad = [
        (shipped.code, text)
        for shipped in (*CATALOGUE.entries, FALLBACK_ENTRY)
        for text in [str(getattr(shipped, field))]
        if not 4 <= len(text) <= LONGEST_TEXT or NOTES_TO_SELF.search(text) or text != text.strip()
    ]
    assert bad == []


def test_texts_say_different_things() -> None:
    """A cause adds to its meaning, and sentences end with a full stop where titles do not."""
    bad = [
        shipped.code
        for shipped in (*CATALOGUE.entries, FALLBACK_ENTRY)
        if shipped.cause.rstrip(".").casefold() == shipped.meaning.casefold()
        or not (shipped.cause.endswith(".") and shipped.suggestion.endswith("."))
        or shipped.meaning.endswith(".")
    ]
    assert bad == []


VERBS = re.compile(
    "Activate|Add|Ask|Begin|Buy|Change|Check|Correct|Drop|Look|Nothing|Record|Remove|Send|Set|"
    "Stop|Top|Use|Wait"
)


def test_suggestions_begin_with_what_to_do() -> None:
    """A suggestion's first word is a verb in the imperative (or "Nothing to do")."""
    words = {shipped.suggestion.split()[0] for shipped in CATALOGUE.entries}
    assert [word for word in words if not VERBS.fullmatch(word)] == []


RETRIED = {RetryClass.RETRY_SOON, RetryClass.RETRY_LATER, RetryClass.NEXT_DAY}


def advises_what_its_class_says(shipped: Entry) -> bool:
    """Tell whether the suggestion and the retry class of a row agree."""
    text = shipped.suggestion
    if shipped.category is Category.UNKNOWN or shipped.retry in (RetryClass.NEVER, RetryClass.NONE):
        return "send again" not in text.lower()
    if shipped.retry in RETRIED:
        return text.startswith("Send again")
    return "send again" in text and not text.startswith("Send again")


def test_suggestions_agree_with_the_retry_class() -> None:
    """A row that is retried says so first, one to be fixed says it last, any other never."""
    bad = [
        shipped.code for shipped in CATALOGUE.entries if not advises_what_its_class_says(shipped)
    ]
    assert bad == []


# --- which row decides

PRECEDENCE = [
    # code, source, expected row and rule
    pytest.param("DELIVRD", 2, ("DELIVRD", "generic", Rule.EXACT_SOURCE), id="shared-origin-fits"),
    pytest.param("DELIVRD", None, ("DELIVRD", "generic", Rule.EXACT), id="no-source"),
    pytest.param("LIMIT", 2, ("LIMIT", "carrier-mobile", Rule.EXACT_SOURCE), id="smsc-carrier"),
    pytest.param("LIMIT", 1, ("LIMIT", "supplier", Rule.EXACT_SOURCE), id="platform-supplier"),
    pytest.param("LIMIT", None, ("LIMIT", "supplier", Rule.EXACT), id="no-source-file-order"),
    pytest.param("LIMIT", 7, ("LIMIT", "supplier", Rule.EXACT), id="odd-source-file-order"),
    pytest.param("SC:0003", 3, ("SC:0003", "platform", Rule.EXACT_SOURCE), id="platform"),
    pytest.param("SC:0003", 2, ("SC:0003", "platform", Rule.EXACT), id="source-does-not-fit"),
    pytest.param("MOBFAIL", 1, ("MOBFAIL", "carrier-mobile", Rule.EXACT), id="carrier-unfit"),
    pytest.param("E000503", None, ("E000503", "platform", Rule.EXACT), id="never-send-api"),
    pytest.param("MI:0042", 2, ("MI:0042", "carrier-mobile", Rule.EXACT_SOURCE), id="related"),
    pytest.param("MI:NNNN", 2, ("MI:NNNN", "carrier-mobile", Rule.EXACT_SOURCE), id="letters"),
    pytest.param("MK:0099", 2, ("MK:*", "supplier", Rule.FAMILY), id="family"),
    pytest.param("10044", None, ("10*", "supplier", Rule.FAMILY), id="family-without-colon"),
    pytest.param("10", None, ("10*", "supplier", Rule.FAMILY), id="family-nothing-after"),
    pytest.param("DB:01829", None, ("DB:0182*", "carrier-mobile", Rule.FAMILY), id="long-prefix"),
    pytest.param("DB:0999", None, ("DB:*", "carrier-mobile", Rule.FAMILY), id="short-prefix"),
    pytest.param("MI:0001", None, ("MI:*", "carrier-mobile", Rule.FAMILY), id="related-family"),
    pytest.param("REJECTD*704", None, ("REJECTD*704", "supplier", Rule.EXACT), id="inner-star"),
    pytest.param("REJECTD*705", None, ("*", "generic", Rule.FALLBACK), id="inner-star-no-family"),
    pytest.param(" mk:0015 ", None, ("MK:0015", "supplier", Rule.EXACT), id="case-and-space"),
    pytest.param("mk:0099", None, ("MK:*", "supplier", Rule.FAMILY), id="family-case"),
    pytest.param("MKX", None, ("*", "generic", Rule.FALLBACK), id="unlisted"),
    pytest.param("", None, ("*", "generic", Rule.FALLBACK), id="empty"),
    pytest.param("*", None, ("*", "generic", Rule.FALLBACK), id="star"),
    pytest.param("E200028", None, ("*", "generic", Rule.FALLBACK), id="send-code-in-a-report"),
]


@pytest.mark.parametrize(("code", "source", "expected"), PRECEDENCE)
def test_the_shipped_row_that_decides(
    code: str, source: int | None, expected: tuple[str, str, Rule]
) -> None:
    """A status and the report's source lead to the expected row by the expected rule."""
    match = CATALOGUE.lookup(code, source=source)
    assert (match.entry.code, match.entry.origin, match.rule) == expected
    assert match.code == code


MADE = Catalogue(
    [
        entry("A", "carrier-mobile", Rank.RELATED),
        entry("A", "platform", Rank.RELATED),
        entry("B", "platform", Rank.RELATED),
        entry("B", "carrier-mobile", Rank.OFFICIAL),
        entry("C", "supplier", Rank.OFFICIAL),
        entry("C", "supplier", Rank.OVERRIDE),
        entry("D", "supplier", Rank.OFFICIAL),
        entry("d", "carrier-other", Rank.OFFICIAL),
        entry("F:*", "supplier", Rank.OFFICIAL),
        entry("F:12*", "supplier", Rank.OFFICIAL),
        entry("F:123*", "supplier", Rank.RELATED),
        entry("F:129", "supplier", Rank.RELATED),
        entry("*", "supplier", Rank.OVERRIDE),
        entry("A", SEND_API, Rank.OFFICIAL),
    ]
)
CRAFTED = [
    pytest.param("A", 2, ("A", "carrier-mobile", Rank.RELATED), id="related-source-carrier"),
    pytest.param("A", 1, ("A", "platform", Rank.RELATED), id="related-source-platform"),
    pytest.param("A", None, ("A", "carrier-mobile", Rank.RELATED), id="related-file-order"),
    pytest.param("B", 1, ("B", "carrier-mobile", Rank.OFFICIAL), id="official-over-fitting"),
    pytest.param("C", 1, ("C", "supplier", Rank.OVERRIDE), id="override-over-official"),
    pytest.param("D", 2, ("D", "supplier", Rank.OFFICIAL), id="as-written-first-upper"),
    pytest.param("d", 1, ("d", "carrier-other", Rank.OFFICIAL), id="as-written-first-lower"),
    pytest.param("F:9", None, ("F:*", "supplier", Rank.OFFICIAL), id="family"),
    pytest.param("F:12", None, ("F:12*", "supplier", Rank.OFFICIAL), id="longest-prefix"),
    pytest.param("F:1234", None, ("F:12*", "supplier", Rank.OFFICIAL), id="official-family-first"),
    pytest.param("F:129", None, ("F:129", "supplier", Rank.RELATED), id="exact-over-family"),
    pytest.param("Z", None, ("*", "generic", Rank.FALLBACK), id="bare-star-never-matches"),
    pytest.param("*", None, ("*", "generic", Rank.FALLBACK), id="not-even-itself"),
]


@pytest.mark.parametrize(("code", "source", "expected"), CRAFTED)
def test_precedence_of_ranks_and_origins(
    code: str, source: int | None, expected: tuple[str, str, Rank]
) -> None:
    """Rank goes before the fit of the origin, the very code before families, length last."""
    assert found(MADE.lookup(code, source=source))[:3] == expected


ORG_CODES = [
    # status, orgCode, deciding code, rule
    pytest.param("RTE_ERR", "E200027", "E200027", Rule.EXACT, id="exact-over-fallback"),
    pytest.param("RTE_ERR", "MK:0099", "MK:0099", Rule.FAMILY, id="family-over-fallback"),
    pytest.param("MK:0099", "MK:0015", "MK:0015", Rule.EXACT, id="exact-over-family"),
    pytest.param("MK:0099", "MN:0099", "MK:0099", Rule.FAMILY, id="family-no-better"),
    pytest.param("MK:0015", "E200027", "MK:0015", Rule.EXACT, id="exact-stays"),
    pytest.param("RTE_ERR", "000", "RTE_ERR", Rule.FALLBACK, id="zeros-say-nothing"),
    pytest.param("RTE_ERR", "", "RTE_ERR", Rule.FALLBACK, id="empty"),
    pytest.param("RTE_ERR", None, "RTE_ERR", Rule.FALLBACK, id="absent"),
    pytest.param("RTE_ERR", "nonsense", "RTE_ERR", Rule.FALLBACK, id="both-unlisted"),
    pytest.param("RTE_ERR", "DELIVRD", "RTE_ERR", Rule.FALLBACK, id="a-state-explains-no-failure"),
    pytest.param("UNDELIV", "E200027", "UNDELIV", Rule.EXACT, id="undeliv-is-listed"),
]


@pytest.mark.parametrize(("status", "org_code", "decides", "rule"), ORG_CODES)
def test_the_networks_own_code_refines(
    status: str, org_code: str | None, decides: str, rule: Rule
) -> None:
    """The orgCode decides where it leads to a more specific row than the status does."""
    match = CATALOGUE.lookup(status, org_code=org_code)
    assert (match.code, match.rule) == (decides, rule)


@pytest.mark.parametrize("status", ["DELIVRD", "ACCEPTD", "UNKNOWN", " delivrd"])
@pytest.mark.parametrize("catalogue", [CATALOGUE, MADE], ids=["listed", "unlisted"])
def test_a_status_that_says_a_state_is_never_refined(catalogue: Catalogue, status: str) -> None:
    """No orgCode can turn a delivered, accepted or unknown message into a failure."""
    assert catalogue.lookup(status, org_code="C").code == status


SEND_CODES = [
    pytest.param("E000503", ("E000503", SEND_API, Rule.EXACT), id="both-lists-send-api-first"),
    pytest.param("e200033", ("E200033", SEND_API, Rule.EXACT), id="case"),
    pytest.param("E200027", ("E200027", "platform", Rule.EXACT), id="listed-for-reports-only"),
    pytest.param("MK:0099", ("MK:*", "supplier", Rule.FAMILY), id="family"),
    pytest.param("E999999", ("*", "generic", Rule.FALLBACK), id="unlisted"),
]


@pytest.mark.parametrize(("code", "expected"), SEND_CODES)
def test_the_row_for_a_send_response(code: str, expected: tuple[str, str, Rule]) -> None:
    """A code of a send response is looked up among the send codes first, then as a status."""
    match = CATALOGUE.lookup_send(code)
    assert (match.entry.code, match.entry.origin, match.rule) == expected


EXPLAINED = [
    pytest.param("E000503", [("E000503", "platform"), ("E000503", SEND_API)], id="both-lists"),
    pytest.param(
        "DB:0115",
        [("DB:0115", "carrier-mobile"), ("DB:0115", "carrier-mobile"), ("DB:*", "carrier-mobile")],
        id="listed-twice-and-family",
    ),
    pytest.param(
        "908", [("908", "supplier"), ("908", "carrier-other")], id="official-before-related"
    ),
    pytest.param(
        "DB:01821", [("DB:0182*", "carrier-mobile"), ("DB:*", "carrier-mobile")], id="families"
    ),
    pytest.param("nonsense", [], id="unlisted"),
]


@pytest.mark.parametrize(("code", "expected"), EXPLAINED)
def test_explain_gives_all_rows_that_could_apply(
    code: str, expected: list[tuple[str, str]]
) -> None:
    """All rows for a code are given, the very code's by rank and then its families."""
    assert [(row.code, row.origin) for row in CATALOGUE.explain(code)] == expected


def test_explain_orders_by_rank_across_the_lists() -> None:
    """An official row for send responses comes before related rows for reports."""
    origins = [row.origin for row in MADE.explain("A")]
    assert origins == [SEND_API, "carrier-mobile", "platform"]


# --- the catalogue as a value


def test_what_strangers_ask_for_is_not_remembered_for_ever() -> None:
    """The memo of look-ups has an upper bound, and very long codes do not enter it."""
    catalogue = Catalogue([entry("A")])
    for number in range(MEMO_SIZE + 500):
        catalogue.lookup(f"stranger-{number}")
    assert catalogue.remembered == MEMO_SIZE
    catalogue = Catalogue([entry("A")])
    assert catalogue.lookup("A" * 10_000).rule is Rule.FALLBACK
    assert catalogue.remembered == 0


def test_the_version_follows_the_content() -> None:
    """The same rows have the same version; a change of one text, or another order, a new one."""
    rows = [entry("A"), entry("B")]
    version = Catalogue(rows).version
    assert re.fullmatch(r"[0-9a-f]{12}", version)
    assert Catalogue(list(rows)).version == version
    assert Catalogue([replace(rows[0], cause="Else."), rows[1]]).version != version
    assert Catalogue(rows[::-1]).version != version


@given(code=st.text(), org_code=st.none() | st.text(), source=st.none() | st.integers())
@example(code="ß:*", org_code="\ud800", source=2)
def test_any_text_finds_a_row(code: str, org_code: str | None, source: int | None) -> None:
    """A look-up never raises, and what no row covers falls back to the unknown."""
    match = CATALOGUE.lookup(code, source=source, org_code=org_code)
    assert match.code in (code, org_code)
    assert (match.rule is Rule.FALLBACK) == (match.entry is FALLBACK_ENTRY)
    assert CATALOGUE.lookup_send(code).code == code


# --- a file with a fault


def test_a_good_row_is_read() -> None:
    """Every field of a row reaches its entry; columns that are not needed are ignored."""
    (row,) = read_entries(f"{HEADER},meaning_zh\n{ROW},text\n", Rank.OVERRIDE, "own.csv")
    assert row == Entry(
        code="MK:1",
        origin="supplier",
        scope="mainland",
        category=Category.ROUTING,
        retry=RetryClass.RETRY_LATER,
        retry_after_s=60,
        meaning="Meaning",
        cause="Cause.",
        suggestion="Suggest this.",
        source="sms_05_0051",
        rank=Rank.OVERRIDE,
    )


def swap(old: str, new: str) -> Callable[[str], str]:
    """Make an edit of the good row."""
    return lambda row: row.replace(old, new, 1)


FAULTS = [
    pytest.param(swap("MK:1", ""), "code: the field is empty", id="no-code"),
    pytest.param(swap("MK:1", " MK:1"), "code: the text begins or ends", id="space"),
    pytest.param(swap("MK:1", "*"), "code: a bare '*'", id="bare-star"),
    pytest.param(swap("supplier", "vendor"), "origin: 'vendor' is none of platform,", id="origin"),
    pytest.param(swap("mainland", "home"), "scope: 'home' is none of mainland,", id="scope"),
    pytest.param(swap("routing", "lost"), "category: 'lost' is none of delivered,", id="category"),
    pytest.param(swap("retry-later", "maybe"), "retry: 'maybe' is none of none,", id="retry"),
    pytest.param(swap("retry-later", "investigate"), "retry: 'investigate'", id="own-class"),
    pytest.param(swap(",60,", ",0,"), "retry_after_s: '0' is no whole number", id="zero"),
    pytest.param(swap(",60,", ",soon,"), "retry_after_s: 'soon' is no whole number", id="word"),
    pytest.param(swap(",60,", ",-6,"), "retry_after_s: '-6' is no whole number", id="negative"),
    pytest.param(swap("Meaning", ""), "meaning: the field is empty", id="no-meaning"),
    pytest.param(swap("Cause.", "x" * 161), "cause: longer than 160 characters", id="long"),
    pytest.param(swap("Suggest this.", ""), "suggestion: the field is empty", id="no-suggestion"),
    pytest.param(swap(",sms_05_0051", ""), "source: the field is empty", id="too-few-fields"),
    pytest.param(swap("0051", "0051,more"), "row: more fields than columns", id="too-many-fields"),
    pytest.param(swap("Meaning", '"Mean"ing'), "row: ", id="quotes"),
]


@pytest.mark.parametrize(("spoil", "complaint"), FAULTS)
def test_a_bad_row_is_refused(spoil: Callable[[str], str], complaint: str) -> None:
    """A bad row raises a ValueError that names file, line, field and reason."""
    text = f"{HEADER}\n{ROW}\n{spoil(ROW)}\n"
    with pytest.raises(ValueError, match=f"^own.csv, line 3, {re.escape(complaint)}"):
        list(read_entries(text, Rank.OVERRIDE, "own.csv"))


@pytest.mark.parametrize(
    "text", ["", f"{HEADER.replace(',cause', '')}\n"], ids=["empty", "no-cause"]
)
def test_a_missing_column_is_refused(text: str) -> None:
    """A file without one of the columns is refused as a whole."""
    with pytest.raises(ValueError, match=r"^own\.csv, line \d, \w+: the column is missing$"):
        list(read_entries(text, Rank.OVERRIDE, "own.csv"))
