"""The user's own catalogue file: what it changes, and how its faults are told."""

import re
from pathlib import Path

import pytest

from receiver.app.policies import make_catalogue
from receiver.domain.catalogue.catalogue import Catalogue
from receiver.domain.catalogue.entries import (
    SEND_API,
    CatalogueEntry,
    EntryTexts,
    LookupRule,
    Rank,
    RetryClass,
)
from receiver.domain.verdict import Action, Subject, decide
from receiver.errors import SettingsError
from receiver.huawei.catalogue import load_catalogue
from receiver.huawei.catalogue_overrides import LARGEST_FILE
from receiver.settings import Settings

SHIPPED = load_catalogue()


def load(directory: Path, content: str | bytes, name: str = "own.csv") -> Catalogue:
    """Load the catalogue as corrected by a file of this content."""
    file = directory / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return load_catalogue(file)


def changed(catalogue: Catalogue) -> list[CatalogueEntry]:
    """Return the rows that are not as shipped."""
    return [entry for entry in catalogue.entries if entry.rank is Rank.OVERRIDE]


def shipped(code: str) -> CatalogueEntry:
    """Return the first shipped row of a code."""
    return next(entry for entry in SHIPPED.entries if entry.code == code)


# --- what a file changes; each the same in CSV and in TOML

NEW = [
    pytest.param(
        "own.csv",
        "code,category,retry,retry_after_s,billable,meaning,cause_zh,origin\n"
        "XQ:1,timeout,retry-soon,90,yes,Lost on the way,途中丢失。,carrier-other\n",
        id="csv",
    ),
    pytest.param(
        "own.TOML",
        '[[codes]]\ncode = "XQ:1"\ncategory = "timeout"\nretry = "retry-soon"\nretry_after_s = 90\n'
        'billable = true\nmeaning = "Lost on the way"\ncause_zh = "途中丢失。"\n'
        'origin = "carrier-other"\n',
        id="toml",
    ),
]


@pytest.mark.parametrize(("name", "content"), NEW)
def test_a_new_row_is_added(tmp_path: Path, name: str, content: str) -> None:
    """A row for an unlisted code needs little; the rest is filled in, in both languages."""
    catalogue = load(tmp_path, content, name)
    (made,) = changed(catalogue)
    assert len(catalogue.entries) == len(SHIPPED.entries) + 1
    assert made.retry is RetryClass.RETRY_SOON
    assert (made.code, made.origin, made.scope) == ("XQ:1", "carrier-other", "both")
    assert (made.category, made.retry_after_s, made.billable) == ("timeout", 90, True)
    assert made.en == EntryTexts("Lost on the way", "途中丢失。", "Send again after a minute.")
    assert made.zh == EntryTexts("Lost on the way", "途中丢失。", "一分钟后重新发送。")
    assert made.source == name
    assert catalogue.lookup("xq:01").entry is made
    assert catalogue.lookup("XQ:1", source=2).rule is LookupRule.EXACT_SOURCE


@pytest.mark.parametrize(
    ("retry", "action", "begins"),
    [
        ("none", Action.NONE, ("No action", "无需处理")),
        ("retry-soon", Action.RETRY, ("Send again", "一分钟后重新发送")),
        ("retry-later", Action.RETRY, ("Send again", "稍后重新发送")),
        ("next-day", Action.RETRY, ("Send again the next day", "次日重新发送")),
        ("after-fix", Action.FIX, ("Correct", "消除原因后重新发送")),
        ("never", Action.STOP, ("Stop sending", "停止发送")),
    ],
)
def test_a_new_row_decides(
    tmp_path: Path, retry: str, action: Action, begins: tuple[str, str]
) -> None:
    """A message that failed with the new code gets its action and a fitting suggestion."""
    catalogue = load(tmp_path, f"code,category,retry,meaning\nXQ1,routing,{retry},Own words\n")
    verdict = decide(Subject("failed", "XQ1", 1, None), catalogue)
    assert verdict.action is action
    assert verdict.why["rank"] == "override"
    assert "your own catalogue file" in verdict.why["text"]
    (made,) = changed(catalogue)
    assert made.en.suggestion.startswith(begins[0])
    assert made.zh.suggestion.startswith(begins[1])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("own.csv", "code,origin,meaning,category,retry_after_s\nmk:0015,,,timeout,7\n"),
        ("own.toml", '[[codes]]\ncode = "mk:0015"\ncategory = "timeout"\nretry_after_s = 7\n'),
    ],
    ids=["csv", "toml"],
)
def test_single_fields_are_corrected(tmp_path: Path, name: str, content: str) -> None:
    """What is given replaces the row's field; what is left out or empty stays as it is."""
    catalogue = load(tmp_path, content, name)
    assert len(catalogue.entries) == len(SHIPPED.entries)
    (made,), old = changed(catalogue), shipped("MK:0015")
    assert (made.category, made.retry_after_s) == ("timeout", 7)
    assert (old.category, old.retry_after_s) != (made.category, made.retry_after_s)
    assert (made.code, made.origin, made.scope, made.retry, made.billable, made.en, made.zh) == (
        *(old.code, old.origin, old.scope, old.retry, old.billable, old.en, old.zh),
    )
    assert made.source == f"{old.source}; corrected by {name}"
    assert catalogue.entries.index(made) == SHIPPED.entries.index(old)


TEXTS = [
    # columns, fields, the words in English and Chinese afterwards; None: as shipped
    pytest.param("meaning", "Mine", ("Mine", "Mine"), id="english-speaks-for-both"),
    pytest.param("meaning_zh", "我的", ("我的", "我的"), id="chinese-speaks-for-both"),
    pytest.param("meaning,meaning_zh", "Mine,我的", ("Mine", "我的"), id="each-its-own"),
    pytest.param("meaning,meaning_zh", "Mine,", ("Mine", "Mine"), id="an-empty-one-is-none"),
    pytest.param("cause", "Mine.", None, id="another-text"),
]


@pytest.mark.parametrize(("columns", "fields", "meanings"), TEXTS)
def test_a_text_in_one_language_speaks_for_both(
    tmp_path: Path, columns: str, fields: str, meanings: tuple[str, str] | None
) -> None:
    """No old text in the other language is left to contradict a corrected one."""
    catalogue = load(tmp_path, f"code,{columns}\nMK:0015,{fields}\n")
    (made,), old = changed(catalogue), shipped("MK:0015")
    assert (made.en.meaning, made.zh.meaning) == (meanings or (old.en.meaning, old.zh.meaning))
    assert (made.en.suggestion, made.zh.suggestion) == (old.en.suggestion, old.zh.suggestion)


def test_all_rows_of_a_code_are_corrected_unless_one_is_named(tmp_path: Path) -> None:
    """Without an origin every row of the code is meant, with one only the row of that origin."""
    listed = [entry for entry in SHIPPED.entries if entry.code == "LIMIT"]
    assert len(listed) == 2
    both = changed(load(tmp_path, "code,retry\nLIMIT,never\n"))
    assert [(e.origin, e.retry) for e in both] == [(e.origin, "never") for e in listed]
    one = changed(load(tmp_path, "code,origin,retry\nLIMIT,carrier-mobile,never\n"))
    assert [(e.origin, e.retry) for e in one] == [("carrier-mobile", "never")]
    new = load(tmp_path, "code,origin,category,retry,meaning\nLIMIT,platform,routing,never,Own\n")
    assert new.lookup("LIMIT", source=1).entry is changed(new)[0]


def test_families_can_be_corrected_and_added(tmp_path: Path) -> None:
    """A pattern is a row like any other; one of the user's own goes before closer ones."""
    text = "code,category,retry,meaning\n{}:*,timeout,retry-soon,Own words\nXQ:*,account,never,Own"
    catalogue = load(tmp_path, text.format("MK"))
    assert {entry.code for entry in changed(catalogue)} == {"MK:*", "XQ:*"}
    for code, family in (("MK:9876", "MK:*"), ("xq:77", "XQ:*"), ("XQ:any text", "XQ:*")):
        match = catalogue.lookup(code)
        assert (match.entry.code, match.rule) == (family, LookupRule.FAMILY)
    assert catalogue.lookup("MK:0015").entry == shipped("MK:0015")
    assert SHIPPED.lookup("DB:01829").entry.code == "DB:0182*"
    assert load(tmp_path, text.format("DB")).lookup("DB:01829").entry.code == "DB:*"


def test_an_own_family_decides_before_a_sibling(tmp_path: Path) -> None:
    """What the user says of a family counts more than what a sibling's number suggests."""
    sibling = SHIPPED.lookup("MN:0013")
    assert sibling.rule is LookupRule.SIBLING
    own = load(tmp_path, "code,category\nMN:*,routing\n").lookup("MN:0013")
    assert (own.rule, own.entry.code, own.entry.category) == (LookupRule.FAMILY, "MN:*", "routing")


def test_another_retry_class_takes_its_wait_and_advice_along(tmp_path: Path) -> None:
    """A corrected retry class drops the wait and the suggestion of the old one."""
    assert shipped("LIMIT").retry_after_s == 86_400
    catalogue = load(tmp_path, "code,origin,retry\nLIMIT,supplier,retry-soon\n")
    (made,) = changed(catalogue)
    assert (made.retry, made.retry_after_s) == (RetryClass.RETRY_SOON, None)
    assert made.en.suggestion == "Send again after a minute."
    assert made.zh.suggestion == "一分钟后重新发送。"
    assert made.en.cause == shipped("LIMIT").en.cause


def test_the_same_retry_class_leaves_the_wait(tmp_path: Path) -> None:
    """A retry class that is only repeated changes neither wait nor suggestion."""
    catalogue = load(tmp_path, "code,origin,retry\nLIMIT,supplier,next-day\n")
    (made,) = changed(catalogue)
    assert made.retry_after_s == 86_400
    assert made.en == shipped("LIMIT").en


def test_send_codes_can_be_corrected_and_added(tmp_path: Path) -> None:
    """A row of origin send-api speaks of refusals only."""
    catalogue = load(
        tmp_path,
        "code,origin,category,retry,meaning\n"
        "E000503,send-api,,never,\nE000999,send-api,account,never,Own words\n",
    )
    assert [(e.code, e.origin) for e in changed(catalogue)] == [
        ("E000503", SEND_API),
        ("E000999", SEND_API),
    ]
    refused = decide(Subject("refused", "E000999", None, None), catalogue)
    assert (refused.category, refused.action) == ("account", Action.STOP)
    failed = decide(Subject("failed", "E000999", None, None), catalogue)
    assert failed.action is Action.INVESTIGATE
    assert catalogue.lookup("E000503").entry == SHIPPED.lookup("E000503").entry


def test_every_change_is_another_version(tmp_path: Path) -> None:
    """The version follows the file's rows: none, one, another text, another file name."""
    row = "code,cause\nMK:0015,{}\n"
    versions = [
        SHIPPED.version,
        load(tmp_path, row.format("One.")).version,
        load(tmp_path, row.format("Two.")).version,
        load(tmp_path, row.format("Two."), "other.csv").version,
        load(tmp_path, row.format("Two.") + "MK:0001,Two.\n").version,
    ]
    assert len(set(versions)) == len(versions)
    assert load(tmp_path, row.format("One.")).version == versions[1]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("own.csv", "code,retry\n", id="csv-without-rows"),
        pytest.param("own.csv", "\ufeffcode,retry\r\n\r\n", id="csv-mark-and-blank-line"),
        pytest.param("own.toml", "", id="toml-empty"),
        pytest.param("own.toml", "\ufeff# nothing\r\ncodes = []\r\n", id="toml-mark-and-no-rows"),
    ],
)
def test_a_file_without_rows_changes_nothing(tmp_path: Path, name: str, content: str) -> None:
    """The catalogue is the one that comes with the package."""
    assert load(tmp_path, content, name).version == SHIPPED.version


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    """What a spreadsheet writes is read, its mark and its line ends with it."""
    catalogue = load(tmp_path, "\ufeffcode,retry\r\nMK:0015,never\r\n")
    assert [entry.retry for entry in changed(catalogue)] == ["never"]


# --- faults of the file as a whole, and of the settings that name it

BROKEN = [
    # name, content, what is said behind the file's name
    pytest.param("own.csv", None, ": cannot be read: No such file", id="missing"),
    pytest.param("own.csv", b"", ", line 1, code: the column is missing", id="empty"),
    pytest.param("own.csv", b"code\nMK:1\n\xff\n", ", line 3: not UTF-8", id="csv-not-utf-8"),
    pytest.param("own.toml", b"\n# \xe9\n", ", line 2: not UTF-8", id="toml-not-utf-8"),
    pytest.param("own.csv", "code".encode("utf-16"), ", line 1: not UTF-8", id="utf-16"),
    pytest.param("own.csv", b"#" * (LARGEST_FILE + 1), ": larger than 16777216", id="too-large"),
    pytest.param("own.csv", b"retry\nnever\n", ", line 1, code: the column is", id="no-code"),
    pytest.param("own.csv", b"code,colour\n", ", line 1, colour: unknown field", id="column"),
    pytest.param("own.csv", b"code;retry\n", ", line 1, row: write commas between", id="semicolon"),
    pytest.param(
        "own.csv", b"code,code\n", ", line 1, code: the column is given more than once", id="twice"
    ),
    pytest.param("own.csv", b"code\nA,B\n", ", line 2, row: more fields than", id="more-fields"),
    pytest.param("own.csv", b'code\nA\n"B"C\n', ", line 3, row: ", id="quotes"),
    pytest.param("own.csv", b"code\n" + b"A" * 140_000, ", line 2, row: field larger", id="field"),
    pytest.param("own.toml", b"[[codes]\n", ": not valid TOML: ", id="toml-syntax"),
    pytest.param("own.toml", b"\n\ncode = \n", ": not valid TOML: .*line 3", id="toml-line"),
    pytest.param("own.toml", b"a = " + b"9" * 5000, ": not valid TOML: ", id="toml-many-digits"),
    pytest.param("own.toml", b"a = " + b"[" * 99_999, ": nested too deeply", id="toml-nested"),
    pytest.param("own.toml", b'code = "A"\n', ", code: write each row as a table", id="no-table"),
    pytest.param("own.toml", b"[codes]\n", ", codes: write each row as a table", id="one-table"),
    pytest.param("own.toml", b"codes = [1]\n", ", codes: write each row as a", id="no-tables"),
    pytest.param("own.toml", b"codes = [{}]\n", ", codes: write each row as a", id="inline"),
]


@pytest.mark.parametrize(("name", "content", "complaint"), BROKEN)
def test_a_file_that_cannot_be_read_is_refused(
    tmp_path: Path, name: str, content: bytes | None, complaint: str
) -> None:
    """The text names the file and, where there is one, the line."""
    file = tmp_path / name
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ValueError, match=f"^{re.escape(str(file))}{complaint}"):
        load_catalogue(file)


def test_settings_with_a_bad_file_are_refused(tmp_path: Path) -> None:
    """The setting is named in front of each problem, so that every line stands by itself."""
    file = tmp_path / "own.csv"
    file.write_text("code,retry\nA,never\nB,maybe\n")
    settings = Settings(catalogue_file=file)
    with pytest.raises(SettingsError) as caught:
        make_catalogue(settings)
    lines = str(caught.value).splitlines()
    assert [line.partition(f"{file}, ")[0] for line in lines] == ["catalogue_file: "] * 2
    file.write_text("code,retry\nMK:0015,never\n")
    assert len(changed(make_catalogue(settings))) == 1
