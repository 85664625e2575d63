"""The verdict: what the state and code of a message mean for the sender."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

from receiver.domain.catalogue.catalogue import LONGEST_REMEMBERED, Catalogue
from receiver.domain.catalogue.codes import fold
from receiver.domain.catalogue.entries import (
    CatalogueEntry,
    Category,
    LookupRule,
    Match,
    RetryClass,
)
from receiver.domain.messages.state import Folded, State
from receiver.domain.wording.languages import Language
from receiver.domain.wording.reasons import explain_match, explain_state, words_of


class Action(StrEnum):
    """What to do about a message."""

    NONE = "none"
    WAIT = "wait"
    RETRY = "retry"
    FIX = "fix"  # correct the cause, then send again
    STOP = "stop"  # do not send this again
    INVESTIGATE = "investigate"


@dataclass(frozen=True, slots=True)
class Subject:
    """What a verdict needs to know of a message."""

    state: str  # a value of `State`
    code: str | None
    source: int | None
    org_code: str | None
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
    not_before: int | None  # microseconds; when it is sent again, if the retry policy says so
    suppress_recipient: bool  # sending to this number again cannot help or is not wanted
    billable: bool | None  # None: it cannot be told
    duplicate_risk: bool  # the message may have arrived, so a second copy may be one too many
    why: Mapping[str, Any]
    catalogue: str  # the version of the catalogue that decided


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
_PROVING = frozenset({LookupRule.EXACT_SOURCE, LookupRule.EXACT, LookupRule.VARIANT})
HOPELESS = frozenset({Category.BLOCKED_RECIPIENT, Category.INVALID_NUMBER})
_MAY_HAVE_ARRIVED = frozenset({State.PARTIAL, State.UNKNOWN, State.OVERDUE})
_CASES_REMEMBERED = 1024  # a day's messages share a few hundred


def subject_of(folded: Folded, *, overdue: bool = False) -> Subject:
    """Return what a verdict needs to know of a message."""
    deciding = folded.deciding
    return Subject(
        state=State.OVERDUE if overdue else folded.state,
        code=folded.code,
        source=deciding.source if deciding else None,
        org_code=deciding.org_code if deciding else None,
        # Of what was refused nothing should be heard.
        conflict=folded.conflict
        or (folded.state is State.REFUSED and folded.last_report_at is not None),
    )


def decide(
    subject: Subject,
    catalogue: Catalogue,
    language: Language = Language.EN,
) -> Verdict:
    """Return what a message's state and code mean and what to do, in one language.

    Whether and when this very message is sent again, the retry policy says.

    Raises:
        ValueError: the subject's state is none of `State`.
    """
    short = len(subject.code or "") + len(subject.org_code or "") <= LONGEST_REMEMBERED
    return (_judge_remembered if short else _judge)(
        subject.state,
        subject.code,
        subject.source,
        subject.org_code,
        subject.conflict,
        catalogue,
        language,
    )


def action_of(entry: CatalogueEntry) -> Action:
    """Return what to do where a row decides; a row that explains nothing is never a retry."""
    if entry.category is Category.UNKNOWN:
        return Action.INVESTIGATE
    return _ACTIONS[entry.retry]


def match_for(subject: Subject, catalogue: Catalogue) -> Match | None:
    """Find the row that explains a subject; None where its state speaks for itself.

    Raises:
        ValueError: the subject's state is none of `State`.
    """
    state = State(subject.state)
    if state in _OUTCOMES:
        return _speaking_match(state, subject, catalogue)
    return _match(state, subject, catalogue)


def _judge(
    state: str,
    code: str | None,
    source: int | None,
    org_code: str | None,
    conflict: bool,
    catalogue: Catalogue,
    language: Language,
) -> Verdict:
    known = State(state)
    subject = Subject(known, code, source, org_code, conflict)
    match = match_for(subject, catalogue)
    if known in _OUTCOMES or match is None:
        return _of_state(known, subject, match, catalogue, language)
    return _of_failure(known, subject, match, catalogue, language)


_judge_remembered = lru_cache(maxsize=_CASES_REMEMBERED)(_judge)


def _of_state(
    state: State, subject: Subject, match: Match | None, catalogue: Catalogue, language: Language
) -> Verdict:
    """Judge a state that speaks for itself; a fitting row of the catalogue lends its texts."""
    action, category = _OUTCOMES[state]
    words = words_of(state, language) if match is None else match.entry.words(language)
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
            explain_state(state, language)
            if match is None
            else explain_match(match, subject.code or "", language)
        ),
        catalogue=catalogue.version,
    )


def _speaking_match(state: State, subject: Subject, catalogue: Catalogue) -> Match | None:
    if state not in _SPOKEN_BY_CATALOGUE or subject.code is None:
        return None
    match = catalogue.lookup(subject.code, source=subject.source)
    return match if match.is_listed and match.entry.category == _OUTCOMES[state][1] else None


def _of_failure(
    state: State, subject: Subject, match: Match, catalogue: Catalogue, language: Language
) -> Verdict:
    entry, words = match.entry, match.entry.words(language)
    action = action_of(entry)
    return Verdict(
        action=action,
        category=entry.category,
        meaning=words.meaning,
        cause=words.cause,
        suggestion=words.suggestion,
        retryable=action is Action.RETRY,
        not_before=None,
        # Where a part of a long SMS arrived, so will another message.
        # What a family or a sibling says is a guess.
        suppress_recipient=is_hopeless(entry)
        and match.rule in _PROVING
        and state is not State.PARTIAL,
        billable=_billable(state, match),
        duplicate_risk=_duplicate_risk(state, subject, entry.category),
        why=explain_match(match, subject.code or "", language),
        catalogue=catalogue.version,
    )


def is_hopeless(entry: CatalogueEntry) -> bool:
    """Return whether a row says that the number is lost for good."""
    return entry.category in HOPELESS and entry.retry is RetryClass.NEVER


def _match(state: State, subject: Subject, catalogue: Catalogue) -> Match:
    code = subject.code or ""
    if state is State.REFUSED:
        return catalogue.lookup_send(code)
    return catalogue.lookup(code, source=subject.source, org_code=subject.org_code)


def _billable(state: State, match: Match) -> bool | None:
    """Return whether a message that did not fully arrive costs money (billing overview)."""
    if state is State.REFUSED:
        return False
    if state is State.PARTIAL:
        return None  # parts are charged one by one
    return match.entry.billable


def _duplicate_risk(state: State, subject: Subject, category: Category | None) -> bool:
    return (
        subject.conflict
        or state in _MAY_HAVE_ARRIVED
        or category is Category.TIMEOUT
        or fold(subject.code or "") == "EXPIRED"
    )
