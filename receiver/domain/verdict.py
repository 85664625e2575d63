"""The verdict: what one message's state and code mean for those who sent it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from typing import Any

from receiver.domain.catalogue import (
    LONGEST_REMEMBERED,
    PLATFORM,
    Catalogue,
    Category,
    Entry,
    Match,
    Rank,
    RetryClass,
    Rule,
)
from receiver.domain.messages import State
from receiver.domain.times import SECOND


class Action(StrEnum):
    """What to do about a message."""

    NONE = "none"
    WAIT = "wait"
    RETRY = "retry"
    FIX = "fix"  # correct the cause, then send again
    STOP = "stop"  # do not send this again
    INVESTIGATE = "investigate"


@dataclass(frozen=True, slots=True)
class RetryWaits:
    """How long to wait before a retry where the row names no time of its own, in seconds."""

    soon_s: int = 60
    later_s: int = 1800
    next_day_s: int = 86_400


@dataclass(frozen=True, slots=True)
class Subject:
    """What a verdict needs to know of a message."""

    state: str  # a value of `State`
    code: str | None
    source: int | None
    org_code: str | None
    failed_at: int | None  # microseconds
    conflict: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do, why, and what to tell people."""

    action: Action
    category: Category | None  # None while nothing has been heard
    meaning: str
    cause: str
    suggestion: str
    retryable: bool
    not_before: int | None  # microseconds; the earliest time for a retry
    suppress_recipient: bool  # sending to this number again cannot help or is not wanted
    billable: bool | None  # None: it cannot be told
    duplicate_risk: bool  # the message may have arrived, so a second copy may be one too many
    why: Mapping[str, Any]
    catalogue: str  # the version of the catalogue that decided


@dataclass(frozen=True, slots=True)
class _Words:
    """Our own texts for a state that no row of the catalogue explains."""

    meaning: str
    cause: str
    suggestion: str
    why: str


_WORDS = {
    State.PENDING: _Words(
        "No report yet",
        "The platform has not reported on this message; reports may take up to 72 hours.",
        "Wait for the report.",
        "the send is registered and no report has come",
    ),
    State.ACCEPTED: _Words(
        "On its way",
        "Part of the reports are still missing.",
        "Wait for the missing reports.",
        "some parts of the message have no final report yet",
    ),
    State.DELIVERED: _Words(
        "Delivered",
        "The recipient's phone has received the message.",
        "Nothing to do.",
        "all parts of the message were delivered",
    ),
    State.UNKNOWN: _Words(
        "State of the message is unknown",
        "The network cannot tell whether the message arrived.",
        "Wait for a final report; if none comes, ask customer service to trace the message.",
        "the network reported that it does not know the state",
    ),
    State.OVERDUE: _Words(
        "No final report in time",
        "The platform reports within 72 hours; this report is lost, or was never pushed to us.",
        "Look the message up in the platform's console and check that its pushes reach you.",
        "no final report came within the time in which the platform reports",
    ),
}
_OUTCOMES: Mapping[State, tuple[Action, Category | None]] = {
    State.PENDING: (Action.WAIT, None),
    State.ACCEPTED: (Action.WAIT, Category.ACCEPTED),
    State.DELIVERED: (Action.NONE, Category.DELIVERED),
    State.UNKNOWN: (Action.WAIT, Category.UNKNOWN),
    State.OVERDUE: (Action.INVESTIGATE, Category.TIMEOUT),
}
_SPOKEN_BY_CATALOGUE = frozenset({State.ACCEPTED, State.DELIVERED, State.UNKNOWN})

_ACTIONS = {
    RetryClass.NONE: Action.NONE,
    RetryClass.RETRY_SOON: Action.RETRY,
    RetryClass.RETRY_LATER: Action.RETRY,
    RetryClass.NEXT_DAY: Action.RETRY,
    RetryClass.AFTER_FIX: Action.FIX,
    RetryClass.NEVER: Action.STOP,
    RetryClass.INVESTIGATE: Action.INVESTIGATE,
}
_HOPELESS = frozenset({Category.BLOCKED_RECIPIENT, Category.INVALID_NUMBER})
_MAY_HAVE_ARRIVED = frozenset({State.PARTIAL, State.UNKNOWN, State.OVERDUE})
_LONGEST_QUOTED = 40  # characters of a code in a sentence
_CASES_REMEMBERED = 1024  # a day's messages share a few hundred

DEFAULT_WAITS = RetryWaits()


def decide(subject: Subject, catalogue: Catalogue, waits: RetryWaits = DEFAULT_WAITS) -> Verdict:
    """Say what a message's state and code mean and what to do.

    Raises:
        ValueError: the subject's state is none of `State`.
    """
    short = len(subject.code or "") + len(subject.org_code or "") <= LONGEST_REMEMBERED
    verdict, retried = (_judge_remembered if short else _judge)(
        subject.state, subject.code, subject.source, subject.org_code, subject.conflict, catalogue
    )
    if retried is None or subject.failed_at is None:
        return verdict
    return replace(verdict, not_before=subject.failed_at + _wait_s(retried, waits) * SECOND)


def _judge(
    state: str,
    code: str | None,
    source: int | None,
    org_code: str | None,
    conflict: bool,
    catalogue: Catalogue,
) -> tuple[Verdict, Entry | None]:
    """Give the verdict but for its time, and the row whose wait counts if a retry may help."""
    known = State(state)
    subject = Subject(known, code, source, org_code, failed_at=None, conflict=conflict)
    if known in _OUTCOMES:
        return _of_state(known, subject, catalogue), None
    match = _match(known, subject, catalogue)
    verdict = _of_failure(known, subject, match, catalogue)
    return verdict, match.entry if verdict.retryable else None


_judge_remembered = lru_cache(maxsize=_CASES_REMEMBERED)(_judge)


def _of_state(state: State, subject: Subject, catalogue: Catalogue) -> Verdict:
    """Judge a state that speaks for itself; a fitting row of the catalogue lends its texts."""
    action, category = _OUTCOMES[state]
    match = _speaking_match(state, subject, catalogue)
    words = _WORDS[state] if match is None else match.entry
    return Verdict(
        action=action,
        category=category,
        meaning=words.meaning,
        cause=words.cause,
        suggestion=words.suggestion,
        retryable=False,
        not_before=None,
        suppress_recipient=False,
        billable=True if state is State.DELIVERED else None,
        duplicate_risk=_duplicate_risk(state, subject, category),
        why=(
            {"rule": "state", "text": _WORDS[state].why}
            if match is None
            else _explain_match(match, subject)
        ),
        catalogue=catalogue.version,
    )


def _speaking_match(state: State, subject: Subject, catalogue: Catalogue) -> Match | None:
    if state not in _SPOKEN_BY_CATALOGUE or subject.code is None:
        return None
    match = catalogue.lookup(subject.code, source=subject.source)
    listed = match.rule in (Rule.EXACT, Rule.EXACT_SOURCE)
    return match if listed and match.entry.category == _OUTCOMES[state][1] else None


def _of_failure(state: State, subject: Subject, match: Match, catalogue: Catalogue) -> Verdict:
    entry = match.entry
    unknown = entry.category is Category.UNKNOWN
    action = Action.INVESTIGATE if unknown else _ACTIONS[entry.retry]
    return Verdict(
        action=action,
        category=entry.category,
        meaning=entry.meaning,
        cause=entry.cause,
        suggestion=entry.suggestion,
        retryable=action is Action.RETRY,
        not_before=None,
        suppress_recipient=entry.category in _HOPELESS and entry.retry is RetryClass.NEVER,
        billable=_billable(state, match),
        duplicate_risk=_duplicate_risk(state, subject, entry.category),
        why=_explain_match(match, subject),
        catalogue=catalogue.version,
    )


def _match(state: State, subject: Subject, catalogue: Catalogue) -> Match:
    code = subject.code or ""
    if state is State.REFUSED:
        return catalogue.lookup_send(code)
    return catalogue.lookup(code, source=subject.source, org_code=subject.org_code)


def _wait_s(entry: Entry, waits: RetryWaits) -> int:
    if entry.retry_after_s is not None:
        return entry.retry_after_s
    return {
        RetryClass.RETRY_SOON: waits.soon_s,
        RetryClass.RETRY_LATER: waits.later_s,
        RetryClass.NEXT_DAY: waits.next_day_s,
    }[entry.retry]


def _billable(state: State, match: Match) -> bool | None:
    """Tell whether a message that did not fully arrive costs money (billing overview)."""
    if state is State.REFUSED:
        return False
    if state is State.PARTIAL:
        return None  # parts are charged one by one
    not_charged = match.entry.origin == PLATFORM or match.entry.scope == "mainland"
    return False if not_charged else None


def _duplicate_risk(state: State, subject: Subject, category: Category | None) -> bool:
    return (
        subject.conflict
        or state in _MAY_HAVE_ARRIVED
        or category is Category.TIMEOUT
        or (subject.code or "").strip().upper() == "EXPIRED"
    )


def _explain_match(match: Match, subject: Subject) -> dict[str, Any]:
    entry = match.entry
    return {
        "rule": match.rule.value,
        "code": entry.code,
        "looked_up": match.code,
        "origin": entry.origin,
        "rank": entry.rank.name.lower(),
        "source": entry.source,
        "text": _sentence(match, subject.code or ""),
    }


def _sentence(match: Match, status: str) -> str:
    asked = f"status {_quote(status)}" if status else "no status code"
    code, family = _quote(match.code), match.entry.code
    if match.rule is Rule.FALLBACK:
        return f"{asked} is not listed, nor is its family" if status else f"{asked} was given"
    if match.code != status:
        decides = f"the network's own code {code}"
        if match.rule is Rule.FAMILY:
            decides = f"the family {family} of {decides}"
        return f"{asked} is not listed; {decides} decides"
    if match.rule is Rule.FAMILY:
        return f"{asked} is not listed; its family {family} decides"
    if match.entry.rank is Rank.RELATED:
        return f"{asked} is not in the platform's own list; a related list explains it"
    if match.rule is Rule.EXACT_SOURCE:
        return f"{asked} is listed, and its origin {match.entry.origin} fits the report's source"
    return f"{asked} is listed"


def _quote(code: str) -> str:
    return code if len(code) <= _LONGEST_QUOTED else code[: _LONGEST_QUOTED - 1] + "…"
