"""A message as the retry policy sees it."""

from collections.abc import Sequence
from dataclasses import dataclass

from receiver.domain.catalogue.catalogue import Catalogue
from receiver.domain.inputs import Send, Trust
from receiver.domain.messages.state import (
    FAILED_STATES,
    OPEN_STATES,
    Folded,
    Key,
    State,
    StoredReport,
    failed_by,
)
from receiver.domain.numbers import country_of, normalise
from receiver.domain.retries.planning import RetryCandidate
from receiver.domain.retries.policy import TrustOpen
from receiver.domain.times import HOUR
from receiver.domain.verdict import Verdict, match_for, subject_of

_FURTHEST_AHEAD = 14 * HOUR  # of UTC is a local time (Kiritimati)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One sending of a chain. Times are microseconds."""

    application: str
    sms_msg_id: str
    retry_of: str | None
    state: State
    code: str | None
    sent_at: int  # where no time was told, when it was first reported
    # Whether it was delivered by reports that count; None: others of its reports do not.
    vouched: bool | None = False

    @property
    def key(self) -> Key:
        """What its message is found by."""
        return self.application, self.sms_msg_id

    def counts_as_delivered(self, trust_open: TrustOpen) -> bool:
        """Return whether it was delivered, as far as something may be done by that."""
        return self.state is State.DELIVERED if trust_open == "queue" else bool(self.vouched)


@dataclass(frozen=True, slots=True)
class Chain:
    """The attempts to deliver one message, in order."""

    attempts: Sequence[Attempt]

    @property
    def outcome(self) -> State:
        """What became of it: delivered if one attempt was, else what is open, else the last one's.

        Raises:
            IndexError: it has no attempt.
        """
        states = [one.state for one in self.attempts]
        if State.DELIVERED in states:
            return State.DELIVERED
        return next((state for state in reversed(states) if state in OPEN_STATES), states[-1])

    def arrived_besides(self, sms_msg_id: str, trust_open: TrustOpen) -> bool:
        """Return whether another one arrived, as far as something may be done by it."""
        return any(
            one.sms_msg_id != sms_msg_id and one.counts_as_delivered(trust_open)
            for one in self.attempts
        )

    def follows(self, before: str, after: str) -> bool:
        """Return whether one attempt is known to have followed another."""
        return any((one.retry_of, one.sms_msg_id) == (before, after) for one in self.attempts)

    def is_last(self, sms_msg_id: str) -> bool:
        """Return whether no other attempt followed one."""
        return all(
            one.retry_of != sms_msg_id or one.sms_msg_id == sms_msg_id for one in self.attempts
        )


@dataclass(frozen=True, slots=True)
class RetryCase:
    """What is known of one message by itself."""

    application: str
    sms_msg_id: str
    send: Send | None
    reports: Sequence[StoredReport]
    folded: Folded
    verdict: Verdict
    heard_at: int  # microseconds: when it was first reported


def candidate_of(
    case: RetryCase,
    catalogue: Catalogue,
    chain: Chain | None = None,
    trust_open: TrustOpen = "advise",
) -> RetryCandidate:
    """Put together what the policy asks of a message.

    Args:
        case: the message.
        catalogue: the one that the verdict was made by.
        chain: all its attempts; None: it is taken for the only one.
        trust_open: whether a delivery counts that anybody could have reported.
    """
    send, folded, verdict = case.send, case.folded, case.verdict
    match = match_for(subject_of(folded), catalogue)
    refused = folded.state is State.REFUSED
    attempts = chain.attempts if chain else ()
    has_failed = folded.state in FAILED_STATES
    failed_at = failed_by(folded, case.reports, case.heard_at) if has_failed else None
    return RetryCandidate(
        application=case.application,
        sms_msg_id=case.sms_msg_id,
        number=normalise(folded.to),
        country=(send.country if send else None) or country_of(folded.to),
        template_id=send.template_id if send else None,
        reference=send.reference if send else None,
        state=folded.state,
        category=verdict.category,
        retry=match.entry.retry if match else None,
        code=folded.code,
        failed_at=failed_at,
        first_sent_at=min([_sent_by(case, failed_at), *(one.sent_at for one in attempts)]),
        attempts=max(1, len(attempts)),
        retry_after_s=match.entry.retry_after_s if match else None,
        action=verdict.action,
        duplicate_risk=verdict.duplicate_risk,
        registered=send is not None,
        trust=Trust.SIGNED if refused else folded.trust,  # a refusal is what we were told ourselves
        extend=folded.extend,
        arrived=any(part.conflict and part.state is State.FAILED for part in folded.parts),
        chain_delivered=bool(chain and chain.arrived_besides(case.sms_msg_id, trust_open)),
        superseded=bool(chain and not chain.is_last(case.sms_msg_id)),
    )


def _sent_by(case: RetryCase, failed_at: int | None) -> int:
    """Return by when a message had been sent: by the earliest of what is known about it.

    A sending may be told as a local time written as UTC. A failure that is told for longer before
    it shows nothing but a wrong clock.
    """
    told = case.send.sent_at if case.send else None
    known = [case.heard_at if told is None else min(case.heard_at, told)]
    if failed_at is not None and (told is None or failed_at >= told - _FURTHEST_AHEAD):
        known.append(failed_at)
    return min(known)
