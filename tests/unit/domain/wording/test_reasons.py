"""What a verdict says to people: why it is what it is, and our own texts, in both languages."""

from collections.abc import Mapping

import pytest

from receiver.domain.catalogue.catalogue import Catalogue
from receiver.domain.catalogue.entries import FALLBACK_ENTRY, EntryTexts, LookupRule, Rank
from receiver.domain.messages.state import State
from receiver.domain.verdict import Subject, Verdict, decide
from receiver.domain.wording.languages import Language
from receiver.huawei.catalogue import load_catalogue
from receiver.huawei.catalogue_rows import LONGEST_TEXT
from tests.support.catalogues import is_chinese, is_english, row, shared

SHIPPED = load_catalogue()
MADE = Catalogue(
    [
        row("LISTED", origin="platform"),
        row("MK:0013", origin="carrier-mobile"),
        row("UNDELIV"),
        row("KIN", rank=Rank.RELATED),
        row("PUB", rank=Rank.PROTOCOL, source="SMPP 3.4"),
        row("OWN", rank=Rank.OVERRIDE),
        row("F:*"),
        row("G:*", rank=Rank.PROTOCOL, source="family of codes"),
    ],
    siblings={"MN": shared("MK")},
)


def judge(
    state: str, code: str | None, language: Language, catalogue: Catalogue = MADE, **others: object
) -> Verdict:
    """Decide about a message of which only the codes matter."""
    given = {"source": None, "org_code": None} | others
    subject = Subject(state, code, **given)  # type: ignore[arg-type]  # as named
    return decide(subject, catalogue, language=language)


def texts(verdict: Verdict) -> Mapping[str, str]:
    """Return all that a verdict says to people."""
    return {
        "meaning": verdict.meaning,
        "cause": verdict.cause,
        "suggestion": verdict.suggestion,
        "why": verdict.why["text"],
    }


REASONS = [
    # status, source, orgCode, rule, row, the sentence in English and in Chinese
    pytest.param(
        *("LISTED", None, None, "exact", "LISTED"),
        "status LISTED is listed",
        "状态码LISTED已收录",
        id="exact",
    ),
    pytest.param(
        *("LISTED", 1, None, "exact-source", "LISTED"),
        "status LISTED is listed, and its origin platform matches the source of the report",
        "状态码LISTED已收录，且其来源platform与状态报告的source相符",
        id="exact-source",
    ),
    pytest.param(
        *("mk13", None, None, "variant", "MK:0013"),
        "status mk13 is another notation of MK:0013, which is listed",
        "状态码mk13是已收录的MK:0013的另一种写法",
        id="variant",
    ),
    pytest.param(
        *("MN:0013", None, None, "sibling", "MK:0013"),
        "status MN:0013 is not listed; MK:0013 of a sibling family has the same number, and equal "
        "numbers usually have the same cause there",
        "状态码MN:0013未收录；同类状态码族中的MK:0013编号相同，相同编号的原因通常相同",
        id="sibling",
    ),
    pytest.param(
        *("F:9", 2, None, "family", "F:*"),
        "status F:9 is not listed; its family F:* decides",
        "状态码F:9未收录；由其所属的状态码族F:*判定",
        id="family",
    ),
    pytest.param(
        *("nonsense", None, "000", "fallback", "*"),
        "neither status nonsense nor its family is listed",
        "状态码nonsense及其所属的状态码族均未收录",
        id="fallback",
    ),
    pytest.param(
        *("OWN", None, None, "exact", "OWN"),
        "status OWN is listed; the row is from your own catalogue file",
        "状态码OWN已收录；该行来自您自己的目录文件",
        id="override",
    ),
    pytest.param(
        *("KIN", None, None, "exact", "KIN"),
        "status KIN is listed; the row is not from the platform's own list but from a related one",
        "状态码KIN已收录；该行不在平台自身的列表中，而来自相关列表",
        id="related",
    ),
    pytest.param(
        *("PUB", None, None, "exact", "PUB"),
        "status PUB is listed; the row is not from a list of the platform but from: SMPP 3.4",
        "状态码PUB已收录；该行不在平台的列表中，依据公开的协议和运营商资料",
        id="protocol",
    ),
    pytest.param(
        *("UNDELIV", None, "MK:0013", "exact", "MK:0013"),
        "the network's own code MK:0013 is more specific than UNDELIV: MK:0013 is listed",
        "网络自身的代码MK:0013比UNDELIV更具体：MK:0013已收录",
        id="org-code",
    ),
    pytest.param(
        *("RTE_ERR", None, "F:9", "family", "F:*"),
        "the network's own code F:9 is more specific than RTE_ERR: F:9 is not listed; "
        "its family F:* decides",
        "网络自身的代码F:9比RTE_ERR更具体：F:9未收录；由其所属的状态码族F:*判定",
        id="org-code-family",
    ),
    pytest.param(
        *("x" * 60, None, "LISTED", "exact", "LISTED"),
        f"the network's own code LISTED is more specific than {'x' * 39}…: LISTED is listed",
        f"网络自身的代码LISTED比{'x' * 39}…更具体：LISTED已收录",
        id="org-code-over-a-long-status",
    ),
    pytest.param(
        *("", None, "KIN", "exact", "KIN"),
        "the network's own code KIN is more specific than '': KIN is listed; the row is "
        "not from the platform's own list but from a related one",
        "网络自身的代码KIN比''更具体：KIN已收录；该行不在平台自身的列表中，而来自相关列表",
        id="org-code-alone",
    ),
    pytest.param(
        *("{0}{status}%s", None, None, "fallback", "*"),
        "neither status {0}{status}%s nor its family is listed",
        "状态码{0}{status}%s及其所属的状态码族均未收录",
        id="what-looks-like-a-gap-to-fill",
    ),
    pytest.param(
        *("x" * 60, None, None, "fallback", "*"),
        f"neither status {'x' * 39}… nor its family is listed",
        f"状态码{'x' * 39}…及其所属的状态码族均未收录",
        id="long-code-is-cut",
    ),
    pytest.param(
        *(None, None, None, "fallback", "*"),
        "no status code was given",
        "没有给出状态码",
        id="no-code",
    ),
]


@pytest.mark.parametrize(
    ("status", "source", "org_code", "rule", "decides", "english", "chinese"), REASONS
)
def test_every_verdict_says_which_row_decided(
    status: str | None,
    source: int | None,
    org_code: str | None,
    rule: str,
    decides: str,
    english: str,
    chinese: str,
) -> None:
    """`why` names the rule and the row with its origin, rank and source, and says it in words."""
    deciding = next((entry for entry in MADE.entries if entry.code == decides), FALLBACK_ENTRY)
    for language, sentence in ((Language.EN, english), (Language.ZH, chinese)):
        verdict = judge("failed", status, language, source=source, org_code=org_code)
        assert verdict.why == {
            "rule": rule,
            "code": decides,
            "looked_up": org_code if "own code" in english else status or "",
            "origin": deciding.origin,
            "rank": deciding.rank.name.lower(),
            "source": deciding.source,
            "text": sentence,
        }
        assert EntryTexts(verdict.meaning, verdict.cause, verdict.suggestion) == deciding.words(
            language
        )
        assert verdict.catalogue == MADE.version


def test_every_rule_and_every_rank_has_its_sentence() -> None:
    """No way to find a row, and no kind of row, is missing among the reasons above."""
    rules, ranks = set(), set()
    for case in REASONS:
        status, source, org_code, *_ = case.values
        code = status if isinstance(status, str) else None
        why = judge("failed", code, Language.EN, source=source, org_code=org_code).why
        rules.add(why["rule"])
        ranks.add(why["rank"])
    assert rules == {rule.value for rule in LookupRule}
    assert ranks == {rank.name.lower() for rank in Rank}


STATE_TEXTS = [
    # state, code, rule, a piece of the cause in English and in Chinese
    pytest.param("accepted", "ACCEPTD", "exact", "passing state", "中间状态", id="accepted-row"),
    pytest.param("accepted", "DELIVRD", "state", "still missing", "尚未收到", id="parts-missing"),
    pytest.param("accepted", None, "state", "still missing", "尚未收到", id="accepted-no-code"),
    pytest.param("delivered", "DELIVRD", "exact", "has received", "收到", id="delivered-row"),
    pytest.param("delivered", "MK:0015", "state", "has received", "收到", id="delivered-late"),
    pytest.param("unknown", "UNKNOWN", "exact", "cannot tell", "无法", id="unknown-row"),
    pytest.param("unknown", "nonsense", "state", "cannot tell", "无法", id="unknown-other-code"),
    pytest.param("pending", None, "state", "72 hours", "72小时", id="pending"),
    pytest.param("overdue", "ACCEPTD", "state", "72 hours", "72小时", id="overdue"),
]


@pytest.mark.parametrize(("state", "code", "rule", "english", "chinese"), STATE_TEXTS)
def test_a_row_lends_its_texts_where_it_fits_the_state(
    state: str, code: str | None, rule: str, english: str, chinese: str
) -> None:
    """The texts are the row's where code and state say the same, otherwise the state's own."""
    for language, piece in ((Language.EN, english), (Language.ZH, chinese)):
        verdict = judge(state, code, language, SHIPPED)
        assert verdict.why["rule"] == rule
        assert piece in verdict.cause


@pytest.mark.parametrize("code", [None, "DELIVRD", "ACCEPTD", "UNKNOWN", "MK:0015", "xyzzy"])
@pytest.mark.parametrize("state", State)
def test_every_state_speaks_both_languages(state: State, code: str | None) -> None:
    """Nothing that is said about any state is empty, long or in the wrong language."""
    english = texts(judge(state, code, Language.EN, SHIPPED))
    chinese = texts(judge(state, code, Language.ZH, SHIPPED))
    assert [text for text in english.values() if not is_english(text)] == []
    assert [text for text in chinese.values() if not is_chinese(text)] == []
    assert all(2 <= len(text) <= LONGEST_TEXT for text in (*english.values(), *chinese.values()))


def test_every_shipped_row_speaks_chinese() -> None:
    """A verdict in Chinese has no English in it, whichever row decides, but for names."""
    for entry in SHIPPED.entries:
        code = entry.code.strip("*").replace("?", "7")
        for state in ("failed", "refused"):
            verdict = judge(state, code, Language.ZH, SHIPPED, source=2)
            said = dict(texts(verdict))
            for name in (verdict.why["source"], verdict.why["code"], code):
                said["why"] = said["why"].replace(name, "")
            assert [text for text in said.values() if not is_chinese(text)] == []
