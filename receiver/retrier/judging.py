"""One message of the queue as the policy sees it now."""

from dataclasses import dataclass

from receiver.domain.messages import Folded, State, fold
from receiver.domain.retrying.candidates import Case, Chain, candidate_of
from receiver.domain.retrying.claiming import Admission
from receiver.domain.retrying.planning import Candidate, Plan, fraction_of, plan
from receiver.domain.verdict import Verdict, decide, subject_of
from receiver.projection import Policy, believe
from receiver.store.queries import StoredMessage


@dataclass(frozen=True, slots=True)
class Judged:
    """A message and what the policy says of it now."""

    stored: StoredMessage
    candidate: Candidate
    verdict: Verdict
    planned: Plan
    admission: Admission | None = None  # None: nothing is planned


def candidate_for(
    stored: StoredMessage, policy: Policy, chain: Chain | None
) -> tuple[Candidate, Verdict]:
    """Put together what the policy asks of a stored message, and the verdict by which it goes."""
    message = stored.message
    folded, verdict = believe(message, policy) or _shown(stored, policy)
    case = Case(
        message.application,
        message.sms_msg_id,
        message.send,
        folded,
        verdict,
        message.first_heard_at,
    )
    return candidate_of(case, policy.catalogue, chain, policy.retry.trust_open), verdict


def _shown(stored: StoredMessage, policy: Policy) -> tuple[Folded, Verdict]:
    message = stored.message
    reports = list(message.reports.values())
    folded = fold(message.send, reports, late_delivered=policy.late_delivered)
    overdue = stored.state is State.OVERDUE
    return folded, decide(subject_of(folded, overdue=overdue), policy.catalogue, policy.waits)


def plan_for(candidate: Candidate, policy: Policy) -> Plan:
    """Plan a message; the same one always gets the same jitter."""
    fraction = fraction_of(candidate.application, candidate.sms_msg_id, candidate.attempts)
    return plan(candidate, policy.retry, fraction)
