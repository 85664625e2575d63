"""The rows that come with the package, and how whole rows are read."""

import csv
import re
from collections.abc import Callable
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

import pytest

from receiver.domain.catalogue.entries import (
    FALLBACK_ENTRY,
    SEND_API,
    CatalogueEntry,
    Category,
    Rank,
    RetryClass,
)
from receiver.domain.catalogue.families import is_pattern, is_too_wide
from receiver.domain.wording.languages import Language
from receiver.huawei.catalogue import load_catalogue, read_entries
from receiver.huawei.catalogue_rows import FIELDS, LONGEST_TEXT, TEXTS
from tests.support.catalogues import is_chinese, is_english, row

CATALOGUE = load_catalogue()
SHIPPED = (*CATALOGUE.entries, FALLBACK_ENTRY)
SOURCE_LISTS = Path(__file__).parents[4] / "shared" / "platform"

# --- every row of the lists that were taken over

# The digests were computed from the lists that the rows were taken from, not from these files.
LISTS = [
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

# Rows that decide otherwise than their list, with what the list says (category, retry, wait): it
# sends again within a limit or with an unchanged fault, or suppresses where a cause is not sure.
CORRECTED = {
    ("codes.csv", "UNDELIVE", "carrier-mobile"): ("rate-limited", "retry-later", "90"),
    ("codes.csv", "REJECTD", "supplier"): ("blocked-recipient", "never", ""),
    ("codes.csv", "SMGPERR:54", "carrier-telecom"): ("invalid-number", "retry-later", ""),
    ("codes.csv", "SMGPERR:20", "carrier-telecom"): ("carrier-failure", "retry-later", ""),
    ("codes.csv", "SMGPERR:21", "carrier-telecom"): ("carrier-failure", "retry-later", ""),
    ("codes.csv", "SMGPERR:22", "carrier-telecom"): ("carrier-failure", "retry-later", ""),
    ("codes.csv", "9", "supplier"): ("invalid-number", "never", ""),
    ("codes.csv", "LIMIT", "carrier-mobile"): ("rate-limited", "retry-later", ""),
    ("codes.csv", "SGIP:186", "carrier-unicom"): ("carrier-failure", "retry-later", ""),
    ("related_codes.csv", "MI:0094", "carrier-mobile"): ("handset-unreachable", "retry-later", ""),
    ("related_codes.csv", "MI:0129", "carrier-mobile"): ("carrier-failure", "retry-later", ""),
    ("related_codes.csv", "MI:0130", "carrier-mobile"): ("carrier-failure", "retry-later", ""),
    ("related_codes.csv", "MI:0143", "carrier-mobile"): ("carrier-failure", "retry-later", ""),
    ("related_codes.csv", "MI:0144", "carrier-mobile"): ("carrier-failure", "retry-later", ""),
    ("related_codes.csv", "MI:0145", "carrier-mobile"): ("carrier-failure", "retry-later", ""),
    ("related_codes.csv", "MI:0175", "carrier-mobile"): ("carrier-failure", "retry-later", ""),
    ("related_codes.csv", "MI:0176", "carrier-mobile"): ("carrier-failure", "retry-later", ""),
    ("related_codes.csv", "MI:0193", "carrier-mobile"): ("carrier-failure", "retry-later", ""),
    ("related_codes.csv", "MK:0193", "carrier-mobile"): ("carrier-failure", "retry-later", ""),
    ("related_codes.csv", "MI:0195", "carrier-mobile"): ("invalid-number", "never", ""),
    ("related_codes.csv", "MK:0195", "carrier-mobile"): ("invalid-number", "never", ""),
    ("related_codes.csv", "CB:0001", "carrier-mobile"): ("invalid-number", "never", ""),
    ("related_codes.csv", "CB:0047", "carrier-mobile"): ("invalid-number", "never", ""),
    ("related_codes.csv", "SGIP:109", "carrier-unicom"): ("invalid-number", "never", ""),
    ("related_codes.csv", "SGIP:110", "carrier-unicom"): ("blocked-recipient", "never", ""),
    ("related_codes.csv", "-20403", "supplier"): ("rate-limited", "retry-later", ""),
    ("related_codes.csv", "-8439", "supplier"): ("rate-limited", "retry-later", ""),
    ("related_codes.csv", "-8437", "supplier"): ("rate-limited", "retry-later", ""),
    ("related_codes.csv", "DB:0110", "carrier-mobile"): ("blocked-recipient", "never", ""),
    ("related_codes.csv", "DB:0111", "carrier-mobile"): ("blocked-recipient", "never", ""),
}


def as_listed(name: str, shipped: dict[str, str]) -> dict[str, str]:
    """Return a row as its list has it, without our correction."""
    listed = CORRECTED.get((name, shipped["code"], shipped["origin"]))
    if listed is None:
        return shipped
    return shipped | dict(zip(("category", "retry", "retry_after_s"), listed, strict=True))


def shipped_rows(name: str) -> list[dict[str, str]]:
    """Read a file of the package as it is written."""
    text = files("receiver.huawei").joinpath(name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


@pytest.mark.parametrize(("name", "count", "digest"), LISTS)
def test_every_row_of_the_source_lists_is_shipped(name: str, count: int, digest: str) -> None:
    """Each file holds all rows of its list, and decides as it but for the rows of `CORRECTED`."""
    rows = [
        tuple(as_listed(name, shipped)[column] for column in DECIDING)
        for shipped in shipped_rows(name)
    ]
    assert len(rows) == count
    assert sha256("\n".join(",".join(taken) for taken in rows).encode()).hexdigest() == digest


@pytest.mark.skipif(not SOURCE_LISTS.is_dir(), reason="the lists are not beside this checkout")
@pytest.mark.parametrize(
    ("listed", "name"),
    [
        pytest.param("status_codes.csv", "codes.csv", id="status-codes"),
        pytest.param("status_codes_related.csv", "related_codes.csv", id="related-codes"),
        pytest.param("api_error_codes.csv", "send_codes.csv", id="send-response-codes"),
    ],
)
def test_the_rows_decide_as_the_lists_say(listed: str, name: str) -> None:
    """Row by row, every deciding field that a list has is the same, corrections taken back."""
    with (SOURCE_LISTS / listed).open(encoding="utf-8", newline="") as opened:
        taken = list(csv.DictReader(opened))
    columns = [column for column in DECIDING if column in taken[0]]
    assert {"code", "category", "retry"} <= set(columns)
    ours = [as_listed(name, shipped) for shipped in shipped_rows(name)]
    assert [{column: one[column] for column in columns} for one in ours] == [
        {column: source[column] for column in columns} for source in taken
    ]


def test_every_correction_changes_a_row() -> None:
    """No correction is of a row that is gone or that decides as its list after all."""
    changed = {
        (name, shipped["code"], shipped["origin"])
        for name in ("codes.csv", "related_codes.csv")
        for shipped in shipped_rows(name)
        if as_listed(name, shipped) != shipped
    }
    assert changed == set(CORRECTED)


def test_the_catalogue_holds_all_files() -> None:
    """The loaded catalogue has every row of every file, each with its file's rank."""
    ranks = [shipped.rank for shipped in CATALOGUE.entries]
    assert ranks.count(Rank.OFFICIAL) == 185 + 35
    assert ranks.count(Rank.RELATED) == 236
    own = shipped_rows("protocol_codes.csv") + shipped_rows("families.csv")
    assert ranks.count(Rank.PROTOCOL) == len(own)
    assert len(ranks) == 185 + 35 + 236 + len(own)


def test_rows_of_our_own_say_something() -> None:
    """No row that we added is repeated, is as wide as every code, or is known to be unsure."""
    own = [shipped for shipped in CATALOGUE.entries if shipped.rank is Rank.PROTOCOL]
    keys = [(shipped.code.upper(), shipped.origin) for shipped in own]
    assert sorted(set(keys)) == sorted(keys)
    assert [shipped.code for shipped in own if is_too_wide(shipped.code)] == []
    families = [shipped["code"] for shipped in shipped_rows("families.csv")]
    assert [code for code in families if not is_pattern(code)] == []


# --- their texts, in both languages

NOTES_TO_SELF = re.compile(
    r"not seen|row seen|fragment|\bsee\b|text cut|\bcut\)|unknown in|not fully|"
    r"no (?:cause|suggestion)|given in the enum|\bn/a\b|\btodo\b|huaweicloud\.com|https?:|"
    r"customer service|待补充|待确认|未见|截断",
    re.IGNORECASE,
)


@pytest.mark.parametrize("field", TEXTS)
@pytest.mark.parametrize("language", Language)
def test_texts_are_short_whole_and_for_readers(language: Language, field: str) -> None:
    """No text is empty, longer than 160 characters or a note that somebody left for himself."""
    bad = [
        (shipped.code, text)
        for shipped in SHIPPED
        for text in [getattr(shipped.words(language), field)]
        if not 2 <= len(text) <= LONGEST_TEXT or NOTES_TO_SELF.search(text) or text != text.strip()
    ]
    assert bad == []
    assert LONGEST_TEXT == 160


@pytest.mark.parametrize("field", TEXTS)
@pytest.mark.parametrize(("language", "is_of"), [("en", is_english), ("zh", is_chinese)])
def test_every_text_is_in_its_language(
    language: str, is_of: Callable[[str], bool], field: str
) -> None:
    """No Chinese stands in an English field, and no English in a Chinese one."""
    texts = [
        (shipped.code, getattr(shipped.words(Language(language)), field)) for shipped in SHIPPED
    ]
    assert [(code, text) for code, text in texts if not is_of(text)] == []


@pytest.mark.parametrize(("language", "stop"), [("en", "."), ("zh", "。")])
def test_texts_say_different_things(language: str, stop: str) -> None:
    """A cause adds to its meaning, and sentences end with a full stop where titles do not."""
    bad = [
        (shipped.code, words)
        for shipped in SHIPPED
        for words in [shipped.words(Language(language))]
        if words.cause.rstrip(stop).casefold() == words.meaning.casefold()
        or not (words.cause.endswith(stop) and words.suggestion.endswith(stop))
        or words.meaning.endswith(stop)
    ]
    assert bad == []


# An imperative speaks to you; of others it is said whom you must ask.
VERBS = {
    "en": re.compile(
        r"(?:Activate|Add|Begin|Buy|Change|Check|Correct|Drop|Look|Record|Remove|Send|Set|Stop|"
        r"Top|Use|Wait|Do nothing: nobody|Ask (?:the recipient|your account manager))\b"
    ),
    "zh": re.compile(
        # When, where or with what comes before the verb in Chinese.
        r"(?:(?:稍后|尽快|酌情|次日(?:（或次月）)?|下周|下月|缴费满一天后|在.+?内|"
        r"(?:至少 )?[0-9一二两三四五六七八九十半几 ]+(?:秒|分钟|小时|天|周|个月)后)重新发送"
        r"|(?:在|从|将|对照).+?(?:添加|加入|删除|移除|改为|设为|检查|启用)"
        r"|联系(?:客户经理|接收方)"
        r"|使用|停止|充值|删除|换用|更正|查看|校准|核实|检查|添加|确认|等待|记录|购买|修改|无需)"
    ),
}


@pytest.mark.parametrize("language", Language)
def test_suggestions_begin_with_what_to_do_and_say_who_must(language: Language) -> None:
    """A suggestion begins with a verb: an order to the reader, or whom the reader must ask."""
    suggestions = {shipped.words(language).suggestion for shipped in SHIPPED}
    assert [text for text in suggestions if not VERBS[language].match(text)] == []


SEND_AGAIN = {"en": "send again", "zh": "重新发送"}
RETRIED = {RetryClass.RETRY_SOON, RetryClass.RETRY_LATER, RetryClass.NEXT_DAY}


def advises_what_its_class_says(shipped: CatalogueEntry, language: Language) -> bool:
    """Tell whether the suggestion and the retry class of a row agree."""
    text, again = shipped.words(language).suggestion.lower(), SEND_AGAIN[language]
    if shipped.category is Category.UNKNOWN or shipped.retry in (RetryClass.NEVER, RetryClass.NONE):
        return again not in text
    first = re.split("[,，;；。]", text)[0]
    if shipped.retry in RETRIED:  # how long to wait stands before it in Chinese
        return text.startswith(again) if language is Language.EN else again in first
    return again in text and not text.startswith((again, f"稍后{again}"))


@pytest.mark.parametrize("language", Language)
def test_suggestions_agree_with_the_retry_class(language: Language) -> None:
    """A row that is retried says so first, one to be fixed says it last, any other never."""
    bad = [
        (shipped.code, shipped.retry.value, shipped.words(language).suggestion)
        for shipped in CATALOGUE.entries
        if not advises_what_its_class_says(shipped, language)
    ]
    assert bad == []


# --- a file of whole rows

GOOD = {
    "code": "MK:1",
    "origin": "supplier",
    "scope": "mainland",
    "category": "routing",
    "retry": "retry-later",
    "retry_after_s": "60",
    "billable": "no",
    "meaning": "Meaning of MK:1",
    "cause": "Cause.",
    "suggestion": "Suggest this.",
    "meaning_zh": "MK:1的含义",
    "cause_zh": "原因。",
    "suggestion_zh": "建议。",
    "source": "sms_05_0051",
    "reason": "Unlike MK:2.",
}
HEADER = ",".join(GOOD)
ROW = ",".join(GOOD.values())


def test_a_good_row_is_read() -> None:
    """Every field of a row reaches its entry; columns that are not needed are ignored."""
    assert tuple(GOOD) == FIELDS
    (read,) = read_entries(f"{HEADER},remark\n{ROW},text\n", Rank.OVERRIDE, "own.csv")
    assert read == row(
        "MK:1",
        scope="mainland",
        retry_after_s=60,
        billable=False,
        source="sms_05_0051",
        rank=Rank.OVERRIDE,
        reason="Unlike MK:2.",
    )


FAULTS = [
    pytest.param("code", "", "code: the field is empty", id="no-code"),
    pytest.param("code", " MK:1", "code: the text begins or ends", id="space"),
    pytest.param("code", "*", "code: '*' would match every code", id="bare-star"),
    pytest.param("code", "?*", "code: '?*' would match every code", id="only-wild"),
    pytest.param("code", "x" * 65, "code: longer than 64 characters", id="long-code"),
    pytest.param("code", "A\x00B", "code: the text contains a line break or another", id="nul"),
    pytest.param("origin", "vendor", "origin: 'vendor' is not one of platform,", id="origin"),
    pytest.param("scope", "home", "scope: 'home' is not one of mainland,", id="scope"),
    pytest.param("category", "lost", "category: 'lost' is not one of delivered,", id="category"),
    pytest.param("category", "", "category: the field is empty", id="no-category"),
    pytest.param("retry", "maybe", "retry: 'maybe' is not one of none,", id="retry"),
    pytest.param("retry", "investigate", "retry: 'investigate' is not one of", id="own-class"),
    pytest.param("retry_after_s", "0", "retry_after_s: '0' is not an integer", id="zero"),
    pytest.param("retry_after_s", "soon", "retry_after_s: 'soon' is not an integer", id="word"),
    pytest.param("retry_after_s", "-6", "retry_after_s: '-6' is not an integer", id="negative"),
    pytest.param("retry_after_s", "6.5", "retry_after_s: '6.5' is not an integer", id="half"),
    pytest.param("retry_after_s", "٣", "retry_after_s: '٣' is not an integer", id="digits"),
    pytest.param("retry_after_s", "31536001", "retry_after_s: '31536001' is no", id="too-far"),
    pytest.param("retry_after_s", "0315360001", "retry_after_s: '0315360001' is", id="zero-first"),
    pytest.param("billable", "maybe", "billable: 'maybe' is not yes or no", id="billable"),
    pytest.param("meaning", "", "meaning: the field is empty", id="no-meaning"),
    pytest.param("cause", "x" * 161, "cause: longer than 160 characters", id="long"),
    pytest.param("cause_zh", "字" * 161, "cause_zh: longer than 160", id="long-chinese"),
    pytest.param("suggestion", "", "suggestion: the field is empty", id="no-suggestion"),
    pytest.param("suggestion_zh", "", "suggestion_zh: the field is empty", id="no-chinese"),
    pytest.param(
        "meaning", '"two\nlines"', "meaning: the text contains a line break", id="line-end"
    ),
    pytest.param("source", "", "source: the field is empty", id="no-source"),
    pytest.param("source", "a,more", "row: more fields than columns", id="too-many-fields"),
    pytest.param("meaning", '"Mean"ing', "row: ", id="quotes"),
]


@pytest.mark.parametrize(("field", "text", "complaint"), FAULTS)
def test_a_bad_row_is_refused(field: str, text: str, complaint: str) -> None:
    """A bad row raises a ValueError that names file, line, field and reason."""
    bad = ",".join((GOOD | {field: text}).values())
    line = 3 + text.count("\n")  # a row ends where its last line does
    with pytest.raises(ValueError, match=f"^own.csv, line {line}, {re.escape(complaint)}"):
        list(read_entries(f"{HEADER}\n{ROW}\n{bad}\n", Rank.OVERRIDE, "own.csv"))


def test_a_file_may_lack_the_reasons() -> None:
    """Where no row decides otherwise than its siblings, the column is not needed."""
    header, line = (text.rsplit(",", 1)[0] for text in (HEADER, ROW))
    (read,) = read_entries(f"{header}\n{line}\n", Rank.OVERRIDE, "own.csv")
    assert read.reason == ""


@pytest.mark.parametrize("column", [name for name in FIELDS if name != "reason"])
def test_a_missing_column_is_refused(column: str) -> None:
    """A file without one of the columns is refused as a whole, but for the reasons."""
    text = ",".join(name for name in FIELDS if name != column)
    with pytest.raises(ValueError, match=f"^own\\.csv, line 1, {column}: the column is missing$"):
        list(read_entries(f"{text}\n{ROW}\n", Rank.OVERRIDE, "own.csv"))


def test_send_codes_are_told_by_their_origin() -> None:
    """Every row of the send API's list, and no other of ours, has the origin of send responses."""
    sends = [shipped for shipped in CATALOGUE.entries if shipped.origin == SEND_API]
    assert len(sends) == 35
    assert {shipped.rank for shipped in sends} == {Rank.OFFICIAL}
