"""The reason of a verdict as text, and texts for states that no row explains."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from receiver.domain.catalogue.entries import EntryTexts, LookupRule, Match, Rank
from receiver.domain.messages.state import State
from receiver.domain.wording.languages import Language, Spoken

_LONGEST_QUOTED = 40  # characters of a code in a sentence


@dataclass(frozen=True, slots=True)
class _State:
    """Our own texts for a state, and how it came about."""

    en: EntryTexts
    zh: EntryTexts
    why: Spoken


_STATES = {
    State.PENDING: _State(
        EntryTexts(
            "No report yet",
            "The platform has not reported on this message; reports may take up to 72 hours.",
            "Wait for the report.",
        ),
        EntryTexts(
            "尚无状态报告",
            "平台还没有上报该短信的状态；状态报告最长可能需要72小时。",
            "等待状态报告。",
        ),
        Spoken("the send is registered and no report has arrived", "发送已登记，尚未收到状态报告"),
    ),
    State.ACCEPTED: _State(
        EntryTexts(
            "On its way", "Some reports are still missing.", "Wait for the missing reports."
        ),
        EntryTexts("发送中", "部分状态报告尚未收到。", "等待其余的状态报告。"),
        Spoken(
            "some parts of the message have no final report yet",
            "该短信的部分分段还没有最终状态报告",
        ),
    ),
    State.DELIVERED: _State(
        EntryTexts(
            "Delivered",
            "The recipient's phone has received the message.",
            "No action is required.",
        ),
        EntryTexts("已送达", "接收方的手机已收到短信。", "无需处理。"),
        Spoken("all parts of the message were delivered", "该短信的所有分段均已送达"),
    ),
    State.UNKNOWN: _State(
        EntryTexts(
            "State of the message is unknown",
            "The network cannot tell whether the message arrived.",
            "Wait for a final report; if none comes, ask your account manager to trace it.",
        ),
        EntryTexts(
            "短信状态未知",
            "网络无法确定短信是否已送达。",
            "等待最终状态报告；如一直没有，联系客户经理追查该短信。",
        ),
        Spoken("the network reported that it does not know the state", "网络上报状态未知"),
    ),
    State.OVERDUE: _State(
        EntryTexts(
            "No final report in time",
            "The platform reports within 72 hours; this report was lost or never pushed.",
            "Look up the message in the platform's console and check that its pushes "
            "reach the receiver.",
        ),
        EntryTexts(
            "未按时收到最终状态报告",
            "平台应在72小时内上报；该状态报告已丢失，或从未推送给我们。",
            "在平台控制台查询该短信，并检查平台的推送能否到达本服务。",
        ),
        Spoken(
            "no final report arrived within the time in which the platform reports",
            "在平台上报的期限内没有收到最终状态报告",
        ),
    ),
}

_STATUS = Spoken("status {status}", "状态码{status}")
_NO_STATUS = Spoken("no status code was given", "没有给出状态码")
_OWN_CODE = Spoken(
    "the network's own code {code} is more specific than {status}: ",
    "网络自身的代码{code}比{status}更具体：",
)
_BECAUSE: Mapping[LookupRule, Spoken] = {
    LookupRule.EXACT: Spoken("{asked} is listed", "{asked}已收录"),
    LookupRule.EXACT_SOURCE: Spoken(
        "{asked} is listed, and its origin {origin} matches the source of the report",
        "{asked}已收录，且其来源{origin}与状态报告的source相符",
    ),
    LookupRule.VARIANT: Spoken(
        "{asked} is another notation of {row}, which is listed",
        "{asked}是已收录的{row}的另一种写法",
    ),
    LookupRule.SIBLING: Spoken(
        "{asked} is not listed; {row} of a sibling family has the same number, and equal numbers "
        "usually have the same cause there",
        "{asked}未收录；同类状态码族中的{row}编号相同，相同编号的原因通常相同",
    ),
    LookupRule.FAMILY: Spoken(
        "{asked} is not listed; its family {row} decides",
        "{asked}未收录；由其所属的状态码族{row}判定",
    ),
    LookupRule.FALLBACK: Spoken(
        "neither {asked} nor its family is listed", "{asked}及其所属的状态码族均未收录"
    ),
}
_BY_RANK: Mapping[Rank, Spoken] = {
    Rank.OVERRIDE: Spoken(
        "; the row is from your own catalogue file", "；该行来自您自己的目录文件"
    ),
    Rank.RELATED: Spoken(
        "; the row is not from the platform's own list but from a related one",
        "；该行不在平台自身的列表中，而来自相关列表",
    ),
    Rank.PROTOCOL: Spoken(
        "; the row is not from a list of the platform but from: {source}",
        "；该行不在平台的列表中，依据公开的协议和运营商资料",
    ),
}


def words_of(state: State, language: Language) -> EntryTexts:
    """Return our own texts for a state that speaks for itself."""
    known = _STATES[state]
    return known.zh if language is Language.ZH else known.en


def explain_state(state: State, language: Language) -> dict[str, Any]:
    """Return why a state decides that no row of the catalogue explains."""
    return {"rule": "state", "text": _STATES[state].why.in_(language)}


def explain_match(match: Match, status: str, language: Language) -> dict[str, Any]:
    """Return why a row decides.

    Args:
        match: the row and how it was found.
        status: the report's status; the match may have been led to by the network's own code.
        language: of the sentence.
    """
    entry = match.entry
    return {
        "rule": match.rule.value,
        "code": entry.code,
        "looked_up": match.code,
        "origin": entry.origin,
        "rank": entry.rank.name.lower(),
        "source": entry.source,
        "text": _sentence(match, status, language),
    }


def _sentence(match: Match, status: str, language: Language) -> str:
    entry = match.entry
    if not match.code:
        return _NO_STATUS.in_(language)
    led_by_status = match.code == status
    asked = _STATUS.in_(language).format(status=_quote(status)) if led_by_status else ""
    because = _BECAUSE[match.rule].in_(language)
    guessed = (
        match.rule is LookupRule.FAMILY and entry.rank is not Rank.OVERRIDE
    )  # in no list at all
    if entry.rank in _BY_RANK and not guessed:
        because += _BY_RANK[entry.rank].in_(language)
    opening = "" if led_by_status else _OWN_CODE.in_(language)
    return opening.format(code=_quote(match.code), status=_quote(status) or "''") + because.format(
        asked=asked or _quote(match.code),
        row=entry.code,
        origin=entry.origin,
        source=entry.source,
    )


def _quote(code: str) -> str:
    return code if len(code) <= _LONGEST_QUOTED else code[: _LONGEST_QUOTED - 1] + "…"
