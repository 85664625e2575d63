"""Limits per day, week or month: found in the texts of a row and compared with its wait."""

import re
from collections.abc import Iterator

from receiver.domain.catalogue.entries import CatalogueEntry, Category, EntryTexts
from receiver.domain.lint.problem import RowProblem, is_retried
from receiver.domain.retries.policy import CLASSES
from receiver.domain.wording.languages import Language

_HOUR_S, _DAY_S = 3600, 86_400
_WEEK_S, _MONTH_S = 7 * _DAY_S, 30 * _DAY_S
_NUMBERS = {"one": 1, "two": 2, "three": 3, "一": 1, "两": 2, "三": 3}
_COUNT_EN, _COUNT_ZH = "(?P<count>[0-9]+|one|two|three)", "(?P<count>[0-9]+|[一两三])"
_PERIODS = {
    Language.EN: (
        (r"\b(?:daily|(?:a|per|each|this|on the same) day)\b", _DAY_S),
        (r"\b(?:weekly|(?:a|per|each|this) week)\b", _WEEK_S),
        (r"\b(?:monthly|(?:a|per|each|this) month)\b", _MONTH_S),
        (rf"\b{_COUNT_EN}[ -]hours?\b", _HOUR_S),
        (rf"\b{_COUNT_EN}[ -]days?\b", _DAY_S),
        (rf"\b{_COUNT_EN}[ -]weeks?\b", _WEEK_S),
        (rf"\b{_COUNT_EN}[ -]months?\b", _MONTH_S),
    ),
    Language.ZH: (
        ("每日|每天|当日|当天|单日|日发送", _DAY_S),
        ("每周|本周", _WEEK_S),
        ("每月|本月|当月|包月|月消费", _MONTH_S),
        (rf"{_COUNT_ZH} ?(?:个)?小时", _HOUR_S),
        (rf"{_COUNT_ZH} ?天", _DAY_S),
        (rf"{_COUNT_ZH} ?周", _WEEK_S),
        (rf"{_COUNT_ZH} ?个月", _MONTH_S),
    ),
}
_COMPILED = {
    language: tuple((re.compile(text, re.IGNORECASE), seconds) for text, seconds in patterns)
    for language, patterns in _PERIODS.items()
}
_LIMITED = frozenset({Category.RATE_LIMITED, Category.QUOTA_EXHAUSTED})
_LIMIT = re.compile(r"\blimit|上限|限额|超额", re.IGNORECASE)


def period_s(words: EntryTexts, language: Language) -> int | None:
    """Return the longest period of a day or more that meaning and cause name, in seconds."""
    found = [
        seconds * _count(match)
        for pattern, seconds in _COMPILED[language]
        for match in pattern.finditer(f"{words.meaning}\n{words.cause}")
    ]
    longest = max(found, default=0)
    return longest if longest >= _DAY_S else None


def speaks_of_limit(entry: CatalogueEntry) -> bool:
    """Return whether a row says that a number of messages, or of money, was used up."""
    return entry.category in _LIMITED or bool(
        _LIMIT.search(f"{entry.en.meaning} {entry.zh.meaning}")
    )


def lint_period(entry: CatalogueEntry) -> Iterator[RowProblem]:
    """Find a retry before the period of its limit is over."""
    if not (speaks_of_limit(entry) and is_retried(entry)):
        return
    periods = (period_s(entry.en, Language.EN), period_s(entry.zh, Language.ZH))
    period = max((one for one in periods if one is not None), default=0)
    wait = wait_s(entry)
    if wait < period:
        yield RowProblem(
            entry,
            "retry_after_s",
            f"the limit lasts {period} s, but the message is sent again after {wait} s; "
            f"use {'next-day' if period == _DAY_S else f'retry-later with {period}'}",
        )


def wait_s(entry: CatalogueEntry) -> int:
    """Return the wait before a retry, in seconds: the row's own, else that of its retry class."""
    if entry.retry_after_s is not None:
        return entry.retry_after_s
    return CLASSES[entry.retry].delay_s or 0


def _count(match: re.Match[str]) -> int:
    written = match.groupdict().get("count")
    if written is None:
        return 1
    return _NUMBERS.get(written.lower()) or int(written)
