"""The invariants of the catalogue: the shipped rows keep them, and each finds what breaks it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from receiver.domain.catalogue.catalogue import Catalogue
from receiver.domain.catalogue.entries import CatalogueEntry, EntryTexts, Rank
from receiver.domain.lint import lint_catalogue
from receiver.huawei.catalogue import lint_overrides, load_catalogue
from tests.support.catalogues import row, shared
from tests.support.parts import ROOT


def problems_of(*entries: CatalogueEntry) -> list[tuple[str, str, str]]:
    """Return code, field and text of what is wrong with rows, of which MI and MK are siblings."""
    siblings = {"MI": shared("MK"), "MK": shared("MI")}
    found = lint_catalogue(Catalogue(entries, siblings))
    return [(problem.entry.code, problem.field, problem.text) for problem in found]


def test_the_shipped_rows_keep_all_invariants() -> None:
    """No row that comes with the package contradicts itself or one that is like it."""
    found = lint_catalogue(load_catalogue())
    assert [(problem.entry.code, problem.field, problem.text) for problem in found] == []


def words(meaning: str, meaning_zh: str, **changes: object) -> dict[str, Any]:
    """Make the texts of a row in both languages."""
    return {
        "en": EntryTexts(meaning, "Cause.", "Suggest this."),
        "zh": EntryTexts(meaning_zh, "原因。", "建议。"),
        **changes,
    }


def advice(en: str, zh: str) -> dict[str, Any]:
    """Make texts of which the suggestion counts."""
    return {"en": EntryTexts("Meaning", "Cause.", en), "zh": EntryTexts("含义", "原因。", zh)}


DAY, WEEK, MONTH = 86_400, 604_800, 2_592_000

BROKEN = [
    *(
        pytest.param(row("X", category, "retry-later"), "retry", f"not fit {category}", id=category)
        for category in (
            "content-rejected", "configuration", "account", "invalid-number", "blocked-recipient",
        )
    ),
    pytest.param(row("X", "delivered", "never"), "retry", "not fit delivered", id="delivered"),
    pytest.param(row("X", "routing", "none"), "retry", "not fit routing", id="nothing to do"),
    pytest.param(row("X", "timeout", "never"), "retry", "not fit timeout", id="never in time"),
    pytest.param(
        row("X", "handset-unreachable", "never"), "retry", "not fit handset", id="never reachable"
    ),
    pytest.param(row("X", "rate-limited", "never"), "retry", "not fit rate", id="never below"),
    pytest.param(row("X", retry="never", retry_after_s=60), "retry_after_s", "never", id="wait"),
    pytest.param(
        row("X", "configuration", "after-fix", retry_after_s=600),
        "retry_after_s", "name 10 minutes", id="a correction by time",
    ),
    pytest.param(row("X", retry="retry-soon", retry_after_s=900), "retry", "not soon", id="soon"),
    pytest.param(row("X", retry="next-day", retry_after_s=60), "retry_after_s", "86400", id="day"),
    pytest.param(
        row("X", "rate-limited", **words("Daily limit reached", "已达每日发送上限")),
        "retry_after_s", "lasts 86400 s", id="limit of a day",
    ),
    pytest.param(
        row("X", "rate-limited", "next-day", **words("Weekly limit reached", "已达每周发送上限")),
        "retry_after_s", "retry-later with 604800", id="limit of a week",
    ),
    pytest.param(
        row("X", "rate-limited", retry_after_s=WEEK, **words("Two-week limit", "已达两周上限")),
        "retry_after_s", "lasts 1209600 s", id="limit of two weeks",
    ),
    pytest.param(
        row("X", "handset-unreachable", **words("Monthly fee limit reached", "超过包月费用上限")),
        "retry_after_s", "lasts 2592000 s", id="limit of a month, of money",
    ),
    pytest.param(
        row("X", "quota-exhausted", **words("Used up", "已用完, 24 小时", en=EntryTexts(
            "Used up", "No more than 10 within 24 hours.", "Wait."), zh=EntryTexts(
            "已用完", "24 小时内最多 10 条。", "等待。"))),
        "retry_after_s", "use next-day", id="limit of hours",
    ),
    pytest.param(
        row("X", "carrier-failure", **words("Character coding not supported", "不支持该编码")),
        "retry", "also applies to the next attempt", id="unchanged fault",
    ),
    pytest.param(
        row("X", "carrier-failure", **words("Message is badly formed", "短信异常")),
        "retry", "also applies to the next attempt", id="unchanged fault in one language",
    ),
    pytest.param(
        row("X", "handset-unreachable", **words("Number is barred", "号码异常")),
        "retry", "also applies to the next attempt", id="unchanged account",
    ),
    pytest.param(
        row("640", "invalid-number", "never", rank=Rank.PROTOCOL), "retry", "without a family",
        id="bare number",
    ),
    pytest.param(
        row("X", "invalid-number", "never", **words("Number is off or not in use", "关机或空号")),
        "retry", "not caused by the number", id="suppression without proof",
    ),
    pytest.param(
        row("X", "blocked-recipient", "never", **words("Blocked", "关键词或黑名单")),
        "retry", "关键词", id="suppression for the text",
    ),
    pytest.param(row("X", "delivered", "none", billable=False), "billable", "yes", id="free"),
    pytest.param(
        row("X", "configuration", "never", origin="send-api", billable=True), "billable", "no",
        id="refused but paid",
    ),
    pytest.param(
        row("X", retry="never", **advice("Stop.", "停止，之后重新发送。")),
        "suggestion_zh", "never", id="advice against never",
    ),
    pytest.param(
        row("X", retry="after-fix", **advice("Send again now.", "更正后重新发送。")),
        "suggestion", "first what must be corrected", id="advice without the fix",
    ),
    pytest.param(
        row("X", **advice("Send again later.", "停止发送，不再重新发送。")),
        "suggestion_zh", "sends again", id="advice to stop",
    ),
    pytest.param(
        row("X", **advice("Send again later.", "稍后再试。")),
        "suggestion_zh", "only one language", id="advice in one language",
    ),
    pytest.param(
        row("X", **words("More than 50 waited", "等待的短信超过 60 条")),
        "meaning_zh", "50, 60", id="numbers",
    ),
    pytest.param(
        row("X", **words("Wrong `from`", "`to` 错误")), "meaning_zh", "from, to", id="names"
    ),
    pytest.param(
        row("X", "rate-limited", retry_after_s=MONTH, **words("Monthly limit", "已达每周上限")),
        "cause_zh", "different periods", id="periods",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("broken", "field", "text"), BROKEN)
def test_what_breaks_an_invariant_is_found(broken: CatalogueEntry, field: str, text: str) -> None:
    """One row breaks one invariant: it is named with the field and what to do."""
    found = problems_of(broken)
    assert {(code, name) for code, name, _ in found} == {(broken.code, field)}
    assert text in found[0][2]


SOUND = [
    pytest.param(
        row(
            "X",
            "quota-exhausted",
            "next-day",
            en=EntryTexts("Daily limit", "As you say.", "Wait."),
            zh=EntryTexts("Daily limit", "依据您的文件。", "等待。"),
        ),
        id="one language speaks for both",
    ),
    pytest.param(row("X", "content-rejected", "after-fix"), id="fix"),
    pytest.param(
        row(
            "X",
            "configuration",
            "after-fix",
            retry_after_s=600,
            **advice("Correct it; send again after 10 minutes.", "更正，10 分钟后重新发送。"),
        ),
        id="fix takes time",
    ),
    pytest.param(
        row("X", "rate-limited", "next-day", **words("Daily limit reached", "已达每日发送上限")),
        id="the next day",
    ),
    pytest.param(
        row("X", "rate-limited", retry_after_s=MONTH, **words("Monthly limit", "已达每月上限")),
        id="the next month",
    ),
    pytest.param(
        row("X", "rate-limited", "retry-soon", **words("Limit of a minute", "已达每分钟上限")),
        id="a minute",
    ),
    pytest.param(row("X", **words("Weekly maintenance", "每周维护")), id="no limit"),
    pytest.param(
        row("X", reason="The next one has an id of its own.", **words("Id not accepted", "错误")),
        id="the next attempt differs",
    ),
    pytest.param(row("640", "invalid-number", "after-fix", rank=Rank.PROTOCOL), id="bare number"),
    pytest.param(row("702", "blocked-recipient", "never"), id="the platform's own number"),
    pytest.param(
        row("X:*", "blocked-recipient", "never", **words("Blocked or off", "黑名单或关机")),
        id="a family suppresses nobody",
    ),
    pytest.param(
        row(
            "X",
            en=EntryTexts("50 `a`", "C.", "Send again."),
            zh=EntryTexts("50 `a`", "C.", "Send again."),
        ),
        id="one language for both",
    ),
]


@pytest.mark.parametrize("sound", SOUND)
def test_what_keeps_the_invariants_is_left_alone(sound: CatalogueEntry) -> None:
    """A row that looks like a broken one but is right is not complained about."""
    assert problems_of(sound) == []


SGIP = row("SGIP:16", "invalid-number", "never")


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param([SGIP], [("SGIP:16", "code")], id="found by 16"),
        pytest.param([SGIP, row("16", "invalid-number", "after-fix")], [], id="16 has a row"),
        pytest.param([replace(SGIP, code="SMGP:16")], [], id="no other writing"),
        pytest.param([replace(SGIP, code="SGIP:256")], [], id="more than an octet"),
        pytest.param([row("SGIP:16")], [], id="suppresses nobody"),
    ],
)
def test_a_bare_number_leads_to_no_suppression(
    rows: list[CatalogueEntry], expected: list[tuple[str, str]]
) -> None:
    """A row that suppresses is not reached by its number alone, which is of any network."""
    assert [(code, field) for code, field, _ in problems_of(*rows)] == expected


LATER, FIX = row("MI:0128"), row("MK:0128", "carrier-failure", "after-fix", rank=Rank.PROTOCOL)
ALIKE = row("Y:2", retry="after-fix", en=row("X:1").en)

PAIRS = [
    pytest.param(LATER, FIX, ["MK:0128"], id="the row of less rank explains itself"),
    pytest.param(LATER, replace(FIX, reason="Unlike MI:0128."), [], id="it does"),
    pytest.param(replace(LATER, reason="Unlike MK:0128."), FIX, [], id="or the other one does"),
    pytest.param(LATER, replace(FIX, reason="Unlike MI:01280."), ["MK:0128"], id="of another"),
    pytest.param(LATER, replace(FIX, code="MK:0129"), [], id="another number"),
    pytest.param(LATER, replace(FIX, code="CB:0128"), [], id="another family"),
    pytest.param(
        LATER, replace(FIX, category=row("X", "unknown").category), [], id="nothing is known"
    ),
    pytest.param(replace(LATER, rank=Rank.OVERRIDE), FIX, ["MI:0128"], id="the user's own"),
    pytest.param(
        replace(LATER, rank=Rank.OVERRIDE, reason="Our channel."), FIX, [], id="with a reason"
    ),
    pytest.param(row("X:1"), ALIKE, ["Y:2"], id="the same words"),
    pytest.param(row("X:1"), replace(ALIKE, rank=Rank.OVERRIDE), [], id="words that the user left"),
    pytest.param(
        row("X", origin="generic"), row("X", retry="after-fix"), ["X"], id="of another origin"
    ),
]


@pytest.mark.parametrize(("first", "second", "expected"), PAIRS)
def test_rows_that_are_alike_decide_alike_or_say_why(
    first: CatalogueEntry, second: CatalogueEntry, expected: list[str]
) -> None:
    """Siblings and rows of the same words differ only with a reason that names the other."""
    found = [(code, field) for code, field, _ in problems_of(first, second)]
    assert found == [(code, "reason") for code in expected]


def test_many_that_are_alike_make_one_problem() -> None:
    """A row that differs from many is named once, with the first of them and their number."""
    texts: dict[str, Any] = {"en": row("X").en, "zh": row("X").zh}
    many = [row(f"Y:{number}", **texts) for number in range(5)]
    own = row("Z", retry="after-fix", rank=Rank.PROTOCOL, **texts)
    ((code, _, text),) = problems_of(*many, own)
    assert code == "Z"
    assert "Y:2" in text
    assert "Y:3" not in text
    assert "and 2 more" in text


FILE = """code,category,retry,retry_after_s,meaning,reason
-8437,,retry-later,3600,,
MK:0012,,,7200,,
XY:*,carrier-failure,retry-later,,Our second supplier failed,
MK:0143,,retry-later,,,Our carrier corrects it overnight.
"""
TABLES = """[[codes]]
code = "XY:1"
category = "content-rejected"
retry = "retry-soon"
meaning = "Stopped"
"""


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        pytest.param(
            "own.csv",
            FILE,
            [
                ("line 2, -8437, retry_after_s: ", "2592000"),
                ("line 3, MK:0012, reason: ", "MI:0012"),
            ],
            id="csv",
        ),
        pytest.param(
            "own.csv",
            FILE + "ZZ:1,lost,never,,,\n",
            [
                ("line 2, -8437, retry_after_s: ", "2592000"),
                ("line 3, MK:0012, reason: ", "MI:0012"),
            ],
            id="beside a row that cannot be used",
        ),
        pytest.param("own.toml", TABLES, [("line 1, XY:1, retry: ", "after-fix")], id="toml"),
    ],
)
def test_rows_of_the_user_are_checked(
    tmp_path: Path, name: str, text: str, expected: list[tuple[str, str]]
) -> None:
    """Each problem names file, line, code and field; a reason that is given settles it."""
    file = tmp_path / name
    file.write_text(text)
    found = lint_overrides(file)
    assert len(found) == len(expected)
    for line, (start, remedy) in zip(sorted(found), expected, strict=True):
        assert line.startswith(f"{file}, {start}")
        assert remedy in line


def test_an_export_of_the_catalogue_has_no_problem(tmp_path: Path) -> None:
    """The rows as they come with the package stay sound when they are the user's own words."""
    file = tmp_path / "own.csv"
    codes = sorted({entry.code for entry in load_catalogue().entries if "," not in entry.code})
    file.write_text("code\n" + "".join(f"{code}\n" for code in codes))
    assert lint_overrides(file) == []


@pytest.mark.parametrize("kind", ["csv", "toml"])
def test_the_rows_that_the_readme_shows_have_no_problem(tmp_path: Path, kind: str) -> None:
    """What the README gives as an example of rows of one's own is sound."""
    text = (ROOT / "README.md").read_text().partition("**Correct it.**")[2]
    file = tmp_path / f"mine.{kind}"
    file.write_text(text.partition(f"```{kind}\n")[2].partition("```")[0])
    assert lint_overrides(file) == []
