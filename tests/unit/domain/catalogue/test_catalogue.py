"""Which row of the catalogue decides for a code, and how it was found."""

import re
from dataclasses import replace

import pytest

from receiver.domain.catalogue.catalogue import MEMO_SIZE, Catalogue
from receiver.domain.catalogue.entries import SEND_API, Category, LookupRule, Match, Rank, Sibling
from receiver.huawei.catalogue import load_catalogue
from tests.support.catalogues import row, shared

SHIPPED = load_catalogue()


def found(match: Match) -> tuple[str, str, LookupRule]:
    """Return what most tables below state: the row's code and origin, and the rule."""
    return match.entry.code, match.entry.origin, match.rule


# --- the very code: the report's source chooses among its rows, after their ranks

MADE = Catalogue(
    [
        row("ALL", origin="supplier"),
        row("ALL", origin="carrier-mobile"),
        row("ALL", origin="platform"),
        row("TWO", origin="carrier-unicom"),
        row("TWO", origin="platform"),
        row("NET", origin="carrier-telecom"),
        row("NET", origin="generic"),
        row("PLAT", origin="platform"),
        row("RANK", origin="carrier-mobile", rank=Rank.RELATED),
        row("RANK", origin="platform", rank=Rank.OFFICIAL),
        row("OWN", origin="carrier-other", rank=Rank.OFFICIAL),
        row("OWN", origin="platform", rank=Rank.OVERRIDE),
        row("PUB", origin="carrier-mobile", rank=Rank.PROTOCOL),
        row("PUB", origin="platform", rank=Rank.RELATED),
        row("d", origin="carrier-other"),
        row("D"),
        row("UNDELIV", origin="generic"),
        row("REJECTD", origin="generic", category="unknown", retry="never"),
        row("DELIVRD", origin="generic", category="delivered", retry="none"),
        row("NAME", category="unknown"),
        row("MK:0013"),
        row("MA:0049"),
        row("MA:0050"),
        row("MK:0014", category="unknown"),
        row("MN:0042"),
        row("F:*"),
        row("F:12*"),
        row("F:123*", rank=Rank.RELATED),
        row("F:12?"),
        row("F:129", rank=Rank.RELATED),
        row("F:4*", rank=Rank.OVERRIDE),
        row("F:45*"),
        row("SGIP:*"),
        row("SGIP:7"),
        row("MN:*"),
        row("NAME*", category="unknown"),
        row("ALL", origin=SEND_API),
        row("SEND", origin=SEND_API),
    ],
    siblings={"MI": shared("MK", "MN"), "MN": shared("MK", "MI"), "IA": (Sibling("MA", 50, 79),)},
)

SOURCES = [
    # code, the origin that decides with source 1, 2, 3, without and with one that does not exist
    pytest.param("ALL", "platform carrier-mobile platform supplier supplier", id="three-origins"),
    pytest.param("TWO", "platform carrier-unicom platform carrier-unicom carrier-unicom", id="two"),
    pytest.param(
        "NET", "generic carrier-telecom generic carrier-telecom carrier-telecom", id="shared-fits"
    ),
    pytest.param("PLAT", "platform platform platform platform platform", id="only-one"),
    pytest.param(
        "RANK", "platform carrier-mobile platform platform platform", id="source-before-rank"
    ),
    pytest.param("OWN", "platform platform platform platform platform", id="override-first"),
    pytest.param(
        "PUB", "platform carrier-mobile platform platform platform", id="source-before-list"
    ),
]
FITTING = {
    1: {"platform", "supplier", "generic"},
    2: {"carrier-mobile", "carrier-unicom", "carrier-telecom", "supplier", "generic"},
    3: {"platform", "supplier", "generic"},
    None: set[str](),
    7: set[str](),
}


@pytest.mark.parametrize("org_code", [None, "", "000", "PUB", "SGIP:9", "nonsense"])
@pytest.mark.parametrize(("code", "origins"), SOURCES)
def test_the_source_selects_among_rows_of_one_code(
    code: str, origins: str, org_code: str | None
) -> None:
    """Own row, then the origin that made the report, then rank; no orgCode changes a reason."""
    for source, origin in zip((1, 2, 3, None, 7), origins.split(), strict=True):
        rule = LookupRule.EXACT_SOURCE if origin in FITTING[source] else LookupRule.EXACT
        match = MADE.lookup(code, source=source, org_code=org_code)
        assert found(match) == (code, origin, rule)
        assert match.code == code


ORG_CODES = [
    # status, orgCode, the row that decides with source 1, 2, 3 and without, the code that led to it
    pytest.param("RTE", "TWO", "TWO platform", "TWO", id="listed-over-unknown"),
    pytest.param("UNDELIV", "TWO", "TWO platform", "TWO", id="listed-over-a-summary"),
    pytest.param("REJECTD", "TWO", "TWO platform", "TWO", id="listed-over-unknown-meaning"),
    pytest.param("F:9", "TWO", "TWO platform", "TWO", id="listed-over-family"),
    pytest.param("MN:0013", "TWO", "TWO platform", "TWO", id="listed-over-sibling"),
    pytest.param("UNDELIV", "MN:0013", "MK:0013 supplier", "MN:0013", id="sibling-over-a-summary"),
    pytest.param("UNDELIV", "F:9", "UNDELIV generic", "UNDELIV", id="a-summary-over-family"),
    pytest.param("F:9", "UNDELIV", "UNDELIV generic", "UNDELIV", id="org-summary-over-family"),
    pytest.param("RTE", "F:9", "F:* supplier", "F:9", id="family-over-unknown"),
    pytest.param("NAME", "F:9", "F:* supplier", "F:9", id="family-over-a-name-alone"),
    pytest.param("RTE", "NAME", "NAME supplier", "NAME", id="a-name-over-nothing"),
    pytest.param("F:9", "SGIP:9", "F:* supplier", "F:9", id="family-against-family"),
    pytest.param("F:9", "NAME", "F:* supplier", "F:9", id="family-over-name"),
    pytest.param("MN:0013", "UNDELIV", "MK:0013 supplier", "MN:0013", id="a-summary-adds-nothing"),
    pytest.param("RTE", "000", "* generic", "RTE", id="zeros-say-nothing"),
    pytest.param("RTE", " ", "* generic", "RTE", id="blank"),
    pytest.param("RTE", "", "* generic", "RTE", id="empty"),
    pytest.param("RTE", None, "* generic", "RTE", id="absent"),
    pytest.param("RTE", "DELIVRD", "* generic", "RTE", id="a-state-explains-no-failure"),
    pytest.param("RTE", "nonsense", "* generic", "RTE", id="both-unlisted"),
    pytest.param("DELIVRD", "TWO", "DELIVRD generic", "DELIVRD", id="delivered"),
    pytest.param(" delivrd", "TWO", "DELIVRD generic", " delivrd", id="delivered-in-other-letters"),
    pytest.param("UNKNOWN", "TWO", "* generic", "UNKNOWN", id="unknown-is-a-state"),
    pytest.param("ACCEPTD", "TWO", "* generic", "ACCEPTD", id="accepted-is-a-state"),
]


@pytest.mark.parametrize("source", [1, 2, 3, None])
@pytest.mark.parametrize(("status", "org_code", "decides", "led_by"), ORG_CODES)
def test_the_networks_own_code_decides_where_it_says_more(
    status: str, org_code: str | None, decides: str, led_by: str, source: int | None
) -> None:
    """The more specific of status and orgCode decides; a state is never made a failure."""
    code, origin = decides.split()
    if code == "TWO" and source in (2, None):  # as for the code by itself
        origin = "carrier-unicom"
    match = MADE.lookup(status, source=source, org_code=org_code)
    assert (match.entry.code, match.entry.origin, match.code) == (code, origin, led_by)


OTHER_WAYS = [
    # code, the row that decides and the rule
    pytest.param("d", ("d", "carrier-other", LookupRule.EXACT), id="as-written-lower"),
    pytest.param("D", ("D", "supplier", LookupRule.EXACT), id="as-written-upper"),
    pytest.param(" mk:0013\t", ("MK:0013", "supplier", LookupRule.EXACT), id="case-and-blanks"),
    pytest.param("MK:13", ("MK:0013", "supplier", LookupRule.VARIANT), id="no-padding"),
    pytest.param("MK:000013", ("MK:0013", "supplier", LookupRule.VARIANT), id="more-padding"),
    pytest.param("mk0013", ("MK:0013", "supplier", LookupRule.VARIANT), id="missing-colon"),
    pytest.param(
        "MK13", ("MK:0013", "supplier", LookupRule.VARIANT), id="missing-colon-and-padding"
    ),
    pytest.param("MK: 0013", ("MK:0013", "supplier", LookupRule.VARIANT), id="a-blank-inside"),
    pytest.param("MK:0013,IMSI DETACHED", ("MK:0013", "supplier", LookupRule.VARIANT), id="longer"),
    pytest.param(
        "UNDELIV:001", ("UNDELIV", "generic", LookupRule.VARIANT), id="longer-by-a-number"
    ),
    pytest.param(
        "undeliv(27)", ("UNDELIV", "generic", LookupRule.VARIANT), id="longer-by-a-bracket"
    ),
    pytest.param("7", ("SGIP:7", "supplier", LookupRule.VARIANT), id="sgip-as-a-number"),
    pytest.param("007", ("SGIP:7", "supplier", LookupRule.VARIANT), id="sgip-padded"),
    pytest.param("sgip:07", ("SGIP:7", "supplier", LookupRule.VARIANT), id="sgip-with-its-name"),
    pytest.param("MN:0013", ("MK:0013", "supplier", LookupRule.SIBLING), id="sibling"),
    pytest.param("MI:13", ("MK:0013", "supplier", LookupRule.SIBLING), id="sibling-unpadded"),
    pytest.param("MI:0042", ("MN:0042", "supplier", LookupRule.SIBLING), id="second-sibling"),
    pytest.param("MK:0042", ("*", "generic", LookupRule.FALLBACK), id="siblings-of-another-only"),
    pytest.param(
        "IA:0050", ("MA:0050", "supplier", LookupRule.SIBLING), id="sibling-within-bounds"
    ),
    pytest.param("IA:0049", ("*", "generic", LookupRule.FALLBACK), id="sibling-out-of-bounds"),
    pytest.param(
        "MN:0014", ("MN:*", "supplier", LookupRule.FAMILY), id="family-over-nameless-sibling"
    ),
    pytest.param("F:9", ("F:*", "supplier", LookupRule.FAMILY), id="family"),
    pytest.param("F:9, no answer", ("F:*", "supplier", LookupRule.FAMILY), id="family-longer"),
    pytest.param("F:", ("*", "generic", LookupRule.FALLBACK), id="a-family-without-number"),
    pytest.param("f", ("*", "generic", LookupRule.FALLBACK), id="the-name-of-a-family"),
    pytest.param("F:0", ("*", "generic", LookupRule.FALLBACK), id="zero-says-no-error"),
    pytest.param(
        "F:-9", ("*", "generic", LookupRule.FALLBACK), id="a-family-has-no-negative-numbers"
    ),
    pytest.param("F:9pm", ("*", "generic", LookupRule.FALLBACK), id="a-number-and-letters"),
    pytest.param("F:words", ("*", "generic", LookupRule.FALLBACK), id="words-are-no-number"),
    pytest.param("F:4words", ("F:4*", "supplier", LookupRule.FAMILY), id="own-family-of-any-text"),
    pytest.param("F:12", ("F:12*", "supplier", LookupRule.FAMILY), id="closest-family"),
    pytest.param("F:125", ("F:12?", "supplier", LookupRule.FAMILY), id="one-place-is-closer"),
    pytest.param("F:1234", ("F:123*", "supplier", LookupRule.FAMILY), id="closest-of-any-rank"),
    pytest.param("F:129", ("F:129", "supplier", LookupRule.EXACT), id="the-very-code-over-family"),
    pytest.param("F:456", ("F:4*", "supplier", LookupRule.FAMILY), id="own-family-over-closer"),
    pytest.param("99", ("*", "generic", LookupRule.FALLBACK), id="a-number-alone-has-no-family"),
    pytest.param("MN0099", ("MN:*", "supplier", LookupRule.FAMILY), id="family-missing-colon"),
    pytest.param("mn：0099", ("MN:*", "supplier", LookupRule.FAMILY), id="family-wide-colon"),
    pytest.param("256", ("*", "generic", LookupRule.FALLBACK), id="sgip-has-one-octet"),
    pytest.param(
        "DELIVRD:000", ("*", "generic", LookupRule.FALLBACK), id="a-state-explains-nothing"
    ),
    pytest.param("SEND", ("*", "generic", LookupRule.FALLBACK), id="send-code-in-a-report"),
    pytest.param("DX", ("*", "generic", LookupRule.FALLBACK), id="no-prefix-of-a-code"),
    pytest.param("*", ("*", "generic", LookupRule.FALLBACK), id="star"),
]


@pytest.mark.parametrize(("code", "expected"), OTHER_WAYS)
def test_how_a_code_is_found(code: str, expected: tuple[str, str, LookupRule]) -> None:
    """The very code, another writing, a sibling and a family are tried in this order."""
    match = MADE.lookup(code)
    assert found(match) == expected
    assert match.is_listed == (match.rule in (LookupRule.EXACT, LookupRule.VARIANT))
    assert match.is_unknown == (match.rule is LookupRule.FALLBACK)


@pytest.mark.parametrize(
    ("code", "source", "expected"),
    [
        pytest.param("LIMIT", 2, ("LIMIT", "carrier-mobile", LookupRule.EXACT_SOURCE), id="smsc"),
        pytest.param("LIMIT", 1, ("LIMIT", "supplier", LookupRule.EXACT_SOURCE), id="sms-platform"),
        pytest.param(
            "LIMIT", 3, ("LIMIT", "supplier", LookupRule.EXACT_SOURCE), id="huawei-platform"
        ),
        pytest.param("LIMIT", None, ("LIMIT", "supplier", LookupRule.EXACT), id="no-source"),
        pytest.param(
            "908", 2, ("908", "carrier-other", LookupRule.EXACT_SOURCE), id="related-carrier"
        ),
        pytest.param(
            "908", None, ("908", "supplier", LookupRule.EXACT), id="official-where-none-says"
        ),
        pytest.param("SC:0003", 3, ("SC:0003", "platform", LookupRule.EXACT_SOURCE), id="platform"),
        pytest.param("SC:0003", 2, ("SC:0003", "platform", LookupRule.EXACT), id="does-not-fit"),
        pytest.param(
            "E000503", None, ("E000503", "platform", LookupRule.EXACT), id="never-send-api"
        ),
        pytest.param("sc3", None, ("SC:0003", "platform", LookupRule.VARIANT), id="other-writing"),
        pytest.param(
            "REJECTD*704", None, ("REJECTD*704", "supplier", LookupRule.EXACT), id="inner-star"
        ),
        pytest.param("ID:9999", None, ("ID:*", "supplier", LookupRule.FAMILY), id="family"),
        pytest.param(
            "SA:0007", None, ("SA:*", "supplier", LookupRule.FAMILY), id="supplier-is-silent"
        ),
        pytest.param("SB:0007", None, ("SB:*", "supplier", LookupRule.FAMILY), id="supplier-fails"),
        pytest.param("RTE_ERR", 3, ("RTE_ERR", "generic", LookupRule.EXACT_SOURCE), id="no-route"),
    ],
)
def test_shipped_rows_decide(
    code: str, source: int | None, expected: tuple[str, str, LookupRule]
) -> None:
    """The rows that come with the package are found in the same ways."""
    assert found(SHIPPED.lookup(code, source=source)) == expected


@pytest.mark.parametrize(("org_code", "code"), [("E200027", "E200027"), ("000", "RTE_ERR")])
def test_the_network_says_why_there_was_no_route(org_code: str, code: str) -> None:
    """RTE_ERR only sums up: a listed code of the network says more, none says nothing."""
    assert SHIPPED.lookup("RTE_ERR", source=3, org_code=org_code).entry.code == code


def test_every_listed_code_finds_a_row_of_its_own() -> None:
    """A listed code leads to a row of that very code with the best rank there is, exactly."""
    for entry in SHIPPED.entries:
        if entry.is_family:
            continue
        send = entry.origin == SEND_API
        match = SHIPPED.lookup_send(entry.code) if send else SHIPPED.lookup(entry.code)
        ranks = [e.rank for e in SHIPPED.entries if e.code == entry.code and e.origin != SEND_API]
        assert match.rule is LookupRule.EXACT
        assert match.entry.code == entry.code
        assert match.entry.rank is (entry.rank if send else min(ranks))


# --- send responses, and all rows at once

SEND_CODES = [
    pytest.param(
        "E000503", ("E000503", SEND_API, LookupRule.EXACT), id="both-lists-send-api-first"
    ),
    pytest.param(" e200033", ("E200033", SEND_API, LookupRule.EXACT), id="case-and-blank"),
    pytest.param(
        "E200027", ("E200027", "platform", LookupRule.EXACT), id="listed-for-reports-only"
    ),
    pytest.param(
        "E200099", ("E2000??", "platform", LookupRule.FAMILY), id="family-of-the-platform"
    ),
    pytest.param("ID:9999", ("*", "generic", LookupRule.FALLBACK), id="no-carrier-has-seen-it"),
    pytest.param("12", ("*", "generic", LookupRule.FALLBACK), id="no-number-of-a-carrier"),
    pytest.param("E999999", ("*", "generic", LookupRule.FALLBACK), id="unlisted"),
]


@pytest.mark.parametrize(("code", "expected"), SEND_CODES)
def test_the_row_for_a_send_response(code: str, expected: tuple[str, str, LookupRule]) -> None:
    """A code of a send response is looked up among the send codes first, then as a status."""
    assert found(SHIPPED.lookup_send(code)) == expected


EXPLAINED = [
    pytest.param(
        "ALL",
        "ALL/supplier ALL/carrier-mobile ALL/platform ALL/send-api",
        id="reports-and-sends",
    ),
    pytest.param("PUB", "PUB/platform PUB/carrier-mobile", id="by-rank"),
    pytest.param("mn:013", "MK:0013/supplier MN:*/supplier", id="sibling-and-family"),
    pytest.param("mk13", "MK:0013/supplier", id="other-writing"),
    pytest.param(
        "F:129", "F:129/supplier F:12?/supplier F:12*/supplier F:*/supplier", id="closest-first"
    ),
    pytest.param("F:45", "F:4*/supplier F:45*/supplier F:*/supplier", id="own-family-first"),
    pytest.param("nonsense", "", id="unlisted"),
]


@pytest.mark.parametrize(("code", "rows"), EXPLAINED)
def test_explain_gives_all_rows_that_could_apply(code: str, rows: str) -> None:
    """All rows for a code are given, the very code's by rank, then what else it is like."""
    assert [f"{entry.code}/{entry.origin}" for entry in MADE.explain(code)] == rows.split()


# --- the catalogue as a value


def test_what_strangers_ask_for_is_not_remembered_for_ever() -> None:
    """The memo of look-ups has an upper bound, and very long codes do not enter it."""
    catalogue = Catalogue([row("A")])
    first, second = catalogue.lookup("stranger-0"), catalogue.lookup("stranger-1")
    for number in range(2, MEMO_SIZE + 1):
        catalogue.lookup(f"stranger-{number}")
    assert catalogue.lookup("stranger-1") is second
    assert catalogue.lookup("stranger-0") is not first
    long = "A" * 10_000
    assert catalogue.lookup(long).rule is LookupRule.FALLBACK
    assert catalogue.lookup(long) is not catalogue.lookup(long)


def test_the_version_follows_the_content() -> None:
    """The same rows have the same version; any change of a row, or another order, a new one."""
    rows = [row("A"), row("B")]
    version = Catalogue(rows).version
    assert re.fullmatch(r"[0-9a-f]{12}", version)
    assert Catalogue(list(rows)).version == version
    others = [
        Catalogue([replace(rows[0], billable=False), rows[1]]),
        Catalogue([replace(rows[0], category=Category.TIMEOUT), rows[1]]),
        Catalogue([replace(rows[0], zh=replace(rows[0].zh, cause="其他。")), rows[1]]),
        Catalogue([replace(rows[0], rank=Rank.RELATED), rows[1]]),
        Catalogue(rows[::-1]),
        Catalogue(rows[:1]),
        Catalogue(rows, siblings={"A": shared("B")}),
    ]
    assert len({version, *(other.version for other in others)}) == 1 + len(others)
