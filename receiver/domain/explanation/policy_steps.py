"""The steps of the policy, explained: late deliveries, the action, the horizon."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from receiver.domain.catalogue.catalogue import Catalogue
from receiver.domain.catalogue.entries import Category, Match
from receiver.domain.catalogue.terms import RETRY_WORDS
from receiver.domain.inputs import Send
from receiver.domain.messages.state import FINAL_STATES, Folded, LateDelivered, State, StoredReport
from receiver.domain.times import HOUR, to_rfc3339
from receiver.domain.verdict import Subject, Verdict, action_of, decide
from receiver.domain.wording.languages import Spoken
from receiver.domain.wording.sentences import (
    SENTENCES,
    PolicyRule,
    Reason,
    reason,
)


@dataclass(frozen=True, slots=True)
class ExplainedMessage:
    """What is known of the message that is explained."""

    send: Send | None
    reports: Sequence[StoredReport]
    registered_at: int | None  # microseconds
    overdue: bool  # the watchdog has marked it


@dataclass(frozen=True, slots=True)
class PolicyRules:
    """The effective rules."""

    catalogue: Catalogue
    late_delivered: LateDelivered
    overdue_after_us: int


def policy_steps(
    case: ExplainedMessage,
    folded: Folded,
    subject: Subject,
    match: Match | None,
    rules: PolicyRules,
) -> Iterator[Reason]:
    """Yield the steps that lead from state and row to the action and the horizon, in order."""
    if any(part.conflict for part in folded.parts):
        wins = rules.late_delivered == "wins"
        yield reason(PolicyRule.LATE_DELIVERED_WINS if wins else PolicyRule.LATE_DELIVERED_IGNORED)
    yield _action_reason(subject, match, decide(subject, rules.catalogue))
    if not folded.final:
        yield _overdue_reason(case, folded, rules.overdue_after_us)


def _action_reason(subject: Subject, match: Match | None, verdict: Verdict) -> Reason:
    action = verdict.action.value
    failed = subject.state in FINAL_STATES and subject.state != State.DELIVERED
    if match is None or not failed:
        return reason(PolicyRule.ACTION_OF_STATE, state=str(subject.state), action=action)
    entry = match.entry
    if entry.category is Category.UNKNOWN:
        return reason(PolicyRule.ACTION_OF_NO_ROW, action=action_of(entry).value)
    facts: dict[str, str | int] = {"retry": entry.retry.value, "action": action}
    meaning = RETRY_WORDS[entry.retry]
    said = SENTENCES[PolicyRule.ACTION_OF_ROW]
    words = Spoken(
        said.en.format(**facts, meaning=meaning.en), said.zh.format(**facts, meaning=meaning.zh)
    )
    return Reason(PolicyRule.ACTION_OF_ROW, words, facts)


def _overdue_reason(case: ExplainedMessage, folded: Folded, overdue_after_us: int) -> Reason:
    if case.send is None:
        return reason(PolicyRule.NEVER_OVERDUE)
    # A send that is registered late has not waited less for its reports.
    begun = case.registered_at if case.send.sent_at is None else case.send.sent_at
    known = (begun, folded.last_report_at)
    heard_at = max(moment for moment in known if moment is not None)
    facts: dict[str, str | int] = {
        "heard_at": to_rfc3339(heard_at),
        "hours": f"{overdue_after_us / HOUR:g}",
        "overdue_at": to_rfc3339(heard_at + overdue_after_us),
    }
    return reason(PolicyRule.OVERDUE_MARKED if case.overdue else PolicyRule.OVERDUE_AT, **facts)
