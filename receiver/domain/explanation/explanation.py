"""Why a message has its state: the role of each report and the rules in order, as text.

Nothing is decided here. Who wins is asked of the functions by which the fold decides, and what a
row means of those by which the verdict does.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from receiver.domain.catalogue.catalogue import Catalogue
from receiver.domain.catalogue.entries import CatalogueEntry, Match
from receiver.domain.explanation.policy_steps import ExplainedMessage, PolicyRules, policy_steps
from receiver.domain.messages.anomalies import Anomaly, anomalies
from receiver.domain.messages.precedence import precedence, rule_between
from receiver.domain.messages.state import (
    FINAL_STATES,
    Folded,
    LateDelivered,
    Part,
    State,
    StoredReport,
    by_part,
    eligible,
    fold,
    is_guess,
)
from receiver.domain.verdict import Subject, match_for, subject_of
from receiver.domain.wording.sentences import (
    CodeRule,
    PartsRule,
    Reason,
    ReportRule,
    StateRule,
    reason,
)


class ReportOutcome(StrEnum):
    """What happened to a report."""

    WINS = "wins"  # it decides its part
    OUTRANKED = "outranked"
    IGNORED = "ignored"  # a setting leaves it out


@dataclass(frozen=True, slots=True)
class JudgedReport:
    """A report, and what happened to it."""

    stored: StoredReport
    part: int  # below 1: unknown
    place: int  # among the reports about its part, from 1
    outcome: ReportOutcome
    reason: Reason


@dataclass(frozen=True, slots=True)
class CandidateRow:
    """A row of the catalogue that could apply."""

    entry: CatalogueEntry
    asked: str  # the status, or the network's own code
    decides: bool


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything that led to the state and verdict of a message, in order of decision."""

    folded: Folded
    reports: tuple[JudgedReport, ...]  # part by part, the winner of each first
    parts: Reason
    state: State
    state_reason: Reason
    code_reason: Reason | None  # None: there is no code yet
    deciding_part: int | None
    match: Match | None
    candidates: tuple[CandidateRow, ...]
    policy: tuple[Reason, ...]
    anomalies: tuple[Anomaly, ...]

    @property
    def missing(self) -> tuple[int, ...]:
        """The parts that are expected and of which nothing was heard."""
        return tuple(part.sequence for part in self.folded.parts if part.report is None)

    @property
    def extra(self) -> tuple[int, ...]:
        """The parts beyond those that are expected, as far as their number is known."""
        return tuple(
            part.sequence for part in self.folded.parts if part.extra and part.sequence >= 1
        )


def explain(case: ExplainedMessage, rules: PolicyRules) -> Explanation:
    """Explain a message by the effective rules."""
    folded = fold(case.send, case.reports, late_delivered=rules.late_delivered)
    state = State.OVERDUE if case.overdue else folded.state
    subject = subject_of(folded, overdue=case.overdue)
    match = match_for(subject, rules.catalogue)
    return Explanation(
        folded=folded,
        reports=tuple(_judge_all(case, folded, rules.late_delivered)),
        parts=_parts_reason(case, folded),
        state=state,
        state_reason=reason(_state_rule(state, folded.parts)),
        code_reason=_code_reason(state, folded),
        deciding_part=_deciding_part(folded),
        match=match,
        candidates=_candidates(subject, match, rules.catalogue),
        policy=tuple(policy_steps(case, folded, subject, match, rules)),
        anomalies=anomalies(case.send, case.reports),
    )


# --- reports ------------------------------------------------------------------------------------


def _judge_all(
    case: ExplainedMessage, folded: Folded, late_delivered: LateDelivered
) -> Iterator[JudgedReport]:
    for part, reports in sorted(by_part(case.reports, folded.total).items()):
        yield from _judge_part(part, reports, late_delivered)


def _judge_part(
    part: int, reports: Sequence[StoredReport], late_delivered: LateDelivered
) -> Iterator[JudgedReport]:
    """Rank the reports about a part; what a setting leaves out comes last."""
    counted = _ranked(eligible(reports, late_delivered))
    keys = {stored.key for stored in counted}
    left_out = _ranked(stored for stored in reports if stored.key not in keys)
    winner, *others = counted
    if others:
        won = reason(rule_between(winner.report, others[0].report))
    else:
        won = reason(ReportRule.LATE_DELIVERY if left_out else ReportRule.ONLY_REPORT)
    yield JudgedReport(winner, part, 1, ReportOutcome.WINS, won)
    for place, stored in enumerate(others, 2):
        lost = reason(rule_between(winner.report, stored.report))
        yield JudgedReport(stored, part, place, ReportOutcome.OUTRANKED, lost)
    for place, stored in enumerate(left_out, 1 + len(counted)):
        yield JudgedReport(
            stored, part, place, ReportOutcome.IGNORED, reason(ReportRule.LATE_DELIVERY)
        )


def _ranked(reports: Iterable[StoredReport]) -> list[StoredReport]:
    return sorted(reports, key=lambda stored: precedence(stored.report), reverse=True)


# --- parts, state and code ----------------------------------------------------------------------


def _parts_reason(case: ExplainedMessage, folded: Folded) -> Reason:
    by_reports = max((stored.report.total or 0 for stored in case.reports), default=0)
    by_send = (case.send.total if case.send else None) or 0
    if by_send and by_send == by_reports:
        rule = PartsRule.TOLD_BY_BOTH
    elif by_send or by_reports:
        rule = PartsRule.TOLD_BY_SEND if by_send > by_reports else PartsRule.TOLD_BY_REPORTS
    elif is_guess(case.send, case.reports):
        rule = PartsRule.UNREADABLE
    else:
        rule = PartsRule.LARGEST_SEQUENCE if folded.total > 1 else PartsRule.ONE_ASSUMED
    return reason(rule, expected=folded.total)


def _state_rule(state: State, parts: Sequence[Part]) -> StateRule:
    if state is State.ACCEPTED:
        some_final = any(part.state in FINAL_STATES for part in parts)
        return StateRule.PARTS_OPEN if some_final else StateRule.ACCEPTED
    return {
        State.PENDING: StateRule.NOTHING_HEARD,
        State.REFUSED: StateRule.SEND_REFUSED,
        State.DELIVERED: StateRule.ALL_DELIVERED,
        State.FAILED: StateRule.ALL_FAILED,
        State.PARTIAL: StateRule.PARTS_DIFFER,
        State.UNKNOWN: StateRule.NETWORK_UNKNOWN,
        State.OVERDUE: StateRule.OVERDUE,
    }[state]


def _code_reason(state: State, folded: Folded) -> Reason | None:
    if state is State.REFUSED:
        return reason(CodeRule.SEND_RESPONSE)
    heard = sum(part.report is not None for part in folded.parts)
    if not heard:
        return None
    return reason(CodeRule.ONLY_PART if heard == 1 else CodeRule.WORST_PART)


def _deciding_part(folded: Folded) -> int | None:
    if folded.state is State.REFUSED:
        return None
    for part in folded.parts:
        if part.report is not None and part.report is folded.deciding:
            return part.sequence
    return None


# --- catalogue ----------------------------------------------------------------------------------


def _candidates(
    subject: Subject, match: Match | None, catalogue: Catalogue
) -> tuple[CandidateRow, ...]:
    """Return the rows of the status and of the network's own code; with the one that decides."""
    rows: dict[CatalogueEntry, str] = {}
    for asked in (subject.code, subject.org_code):
        for entry in catalogue.explain(asked) if asked else ():
            rows.setdefault(entry, asked or "")
    if match is not None:
        rows.setdefault(match.entry, match.code)
    decides = match.entry if match else None
    return tuple(CandidateRow(entry, asked, entry == decides) for entry, asked in rows.items())
