"""Whether the deciding fields of a row are consistent."""

import re
from collections.abc import Iterator, Mapping

from receiver.domain.catalogue.catalogue import Catalogue
from receiver.domain.catalogue.codes import numbered, twin
from receiver.domain.catalogue.entries import (
    PLATFORM,
    SEND_API,
    CatalogueEntry,
    Category,
    Rank,
    RetryClass,
)
from receiver.domain.lint.periods import wait_s
from receiver.domain.lint.problem import RETRIED, RowProblem, is_retried
from receiver.domain.verdict import is_hopeless

_SOON_S = 900  # seconds; a wait as long as this is none of `retry-soon`
_NEXT_DAY_S = 43_200  # seconds; half a day at least lies before the next

_NONE = frozenset({RetryClass.NONE})
_BY_HAND = frozenset({RetryClass.AFTER_FIX, RetryClass.NEVER})
_PASSING = RETRIED | {RetryClass.AFTER_FIX}  # of what ends by itself
_ANY = RETRIED | _BY_HAND
# Text, request and account stay as they are until somebody changes them: sent again unchanged,
# the message fails again. A number that is lost or blocked does not come back by itself either.
_CLASSES: Mapping[Category, frozenset[RetryClass]] = {
    Category.DELIVERED: _NONE,
    Category.ACCEPTED: _NONE,
    Category.INVALID_NUMBER: _BY_HAND,
    Category.BLOCKED_RECIPIENT: _BY_HAND,
    Category.CONTENT_REJECTED: _BY_HAND,
    Category.CONFIGURATION: _BY_HAND,
    Category.ACCOUNT: _BY_HAND,
    Category.TIMEOUT: _PASSING,
    Category.HANDSET_UNREACHABLE: _PASSING,
    Category.RATE_LIMITED: _PASSING,
    Category.UNKNOWN: _ANY | _NONE,  # is never retried, whatever the row says
}

_UNCHANGED_FAULT = re.compile(
    r"\b(?:not|un)\s?(?:supported|accepted|allowed|permitted)\b|\bbadly formed\b"
    r"|(?<!waited )\btoo long\b|\bis barred\b"
    r"|不支持|不被接受|未获允许|格式错误|格式有误|过长|被限制",
    re.IGNORECASE,
)
# What is no fault of the number: the phone's state, the text, its place, who pays for it.
_OTHER_CAUSE = re.compile(
    r"\b(?:switched off|off|out of coverage|signal|busy|inactive|keywords?|province|charged|"
    r"another carrier|allowlist|phone|handset)\b"
    r"|关机|停机|不在服务区|信号|忙|未激活|关键词|外?省|计费号码|被计费|计费用户|异网|白名单|手机|终端",
    re.IGNORECASE,
)
_BARE_NUMBER = re.compile("[0-9]+", re.ASCII)
_NO_PROOF = (
    "a number without a family has a different meaning in every network, so it proves "
    "nothing about the recipient"
)


def lint_decision(entry: CatalogueEntry) -> Iterator[RowProblem]:
    """Find what does not fit among category, retry class, wait, suppression and billing."""
    yield from _lint_class(entry)
    yield from _lint_wait(entry)
    yield from _lint_unchanged(entry)
    yield from _lint_suppression(entry)
    yield from _lint_billing(entry)


def lint_bare_numbers(catalogue: Catalogue) -> Iterator[RowProblem]:
    """Find rows that suppress and are found by their bare number too, as `SGIP:16` by `16`."""
    for entry in catalogue.entries:
        taken = numbered(entry.code)
        other = None if taken is None else twin(taken)
        if other is None or other.family or not suppresses(entry):
            continue
        if catalogue.lookup(str(other.number)).entry is entry:
            yield RowProblem(entry, "code", f"{_NO_PROOF}; add a row {other.number} with after-fix")


def suppresses(entry: CatalogueEntry) -> bool:
    """Return whether one report with this row puts its number on the suppression list."""
    return is_hopeless(entry) and not entry.is_family


def _lint_class(entry: CatalogueEntry) -> Iterator[RowProblem]:
    allowed = _CLASSES.get(entry.category, _ANY)
    if entry.retry in allowed:
        return
    names = ", ".join(one.value for one in RetryClass if one in allowed)
    yield RowProblem(
        entry, "retry", f"{entry.retry} does not fit {entry.category}; use one of {names}"
    )


def _lint_wait(entry: CatalogueEntry) -> Iterator[RowProblem]:
    if entry.retry is RetryClass.AFTER_FIX:
        yield from _lint_correction(entry)
        return
    if not is_retried(entry):
        if entry.retry_after_s is not None:
            yield RowProblem(
                entry, "retry_after_s", f"{entry.retry} is never sent again; leave the wait empty"
            )
        return
    wait = wait_s(entry)
    if entry.retry is RetryClass.RETRY_SOON and wait >= _SOON_S:
        yield RowProblem(entry, "retry", f"{wait} s is not soon; use retry-later")
    if entry.retry is RetryClass.NEXT_DAY and wait < _NEXT_DAY_S:
        yield RowProblem(entry, "retry_after_s", f"{wait} s end before the next day; use 86400")


def _lint_correction(entry: CatalogueEntry) -> Iterator[RowProblem]:
    if entry.retry_after_s is None:
        return
    minutes = str(entry.retry_after_s // 60)
    if minutes not in entry.en.suggestion.split():
        yield RowProblem(
            entry,
            "retry_after_s",
            "after-fix waits for a correction, not for a time; leave the wait empty, or name "
            f"{minutes} minutes in `suggestion`",
        )


def _lint_unchanged(entry: CatalogueEntry) -> Iterator[RowProblem]:
    found = _UNCHANGED_FAULT.search(f"{entry.en.meaning} {entry.zh.meaning}")
    if found and is_retried(entry) and not entry.reason:
        yield RowProblem(
            entry,
            "retry",
            f"{found[0]!r} also applies to the next attempt if nothing is changed; use "
            "after-fix, or state in `reason` why the next attempt differs",
        )


def _lint_suppression(entry: CatalogueEntry) -> Iterator[RowProblem]:
    if not suppresses(entry):
        return
    if _BARE_NUMBER.fullmatch(entry.code) and entry.rank > Rank.OFFICIAL:
        yield RowProblem(
            entry,
            "retry",
            f"{_NO_PROOF}; use after-fix",
        )
    texts = (entry.en.meaning, entry.en.cause, entry.zh.meaning, entry.zh.cause)
    found = _OTHER_CAUSE.search("\n".join(texts))
    if found and not entry.reason:
        yield RowProblem(
            entry,
            "retry",
            f"one report suppresses the number, but {found[0]!r} is not caused by the "
            "number; use after-fix, or state in `reason` why one report proves it",
        )


def _lint_billing(entry: CatalogueEntry) -> Iterator[RowProblem]:
    if entry.category is Category.DELIVERED and entry.billable is False:
        yield RowProblem(entry, "billable", "a delivered message is billed; use yes")
    if entry.billable and entry.origin in (PLATFORM, SEND_API):
        yield RowProblem(
            entry, "billable", "no carrier has accepted the message, so it is not billed; use no"
        )
