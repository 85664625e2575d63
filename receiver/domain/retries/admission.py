"""Whether a due retry may be sent now: conditions that change, checked when it is claimed."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from receiver.domain.retries.breaker import CLOSED, Breaker, Position, at, waits_until
from receiver.domain.retries.planning import Plan, RetryCandidate, resolved_for
from receiver.domain.retries.policy import RetryPolicy
from receiver.domain.retries.recipient_limits import (
    RecipientHold,
    RecipientSend,
    held_by_hours,
    held_by_limits,
    sent_of_kind,
)
from receiver.domain.retries.rule_layers import Resolved
from receiver.domain.retries.sentences import HoldReason, Went, retry_reason
from receiver.domain.retries.windows import first_free
from receiver.domain.retries.zones import zones_of
from receiver.domain.times import SECOND, to_rfc3339
from receiver.domain.wording.sentences import Reason

DAY = 24 * 3600 * SECOND


class AdmissionOutcome(StrEnum):
    """The result for a retry that is due."""

    GO = "go"
    LATER = "later"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Watched:
    """A breaker that concerns a retry."""

    scope: str  # what it watches besides the code: a channel or a country
    breaker: Breaker = CLOSED


@dataclass(frozen=True, slots=True)
class Context:
    """The conditions of one retry at the time of the claim."""

    suppressed: str | None = None  # why the number is not to be sent to; None: it is not
    suppressed_until: int | None = None  # microseconds; None: for good
    recent: tuple[RecipientSend, ...] = ()  # to the number in the last 24 hours, claimed ones too
    chain: tuple[int, ...] = ()  # when the chain's sends were, microseconds
    sends_today: int = 0  # of the application since midnight UTC, retries included
    retries_today: int = 0  # of these, and those that are claimed now
    breakers: tuple[Watched, ...] = ()  # of the code with the channel, and with the country


@dataclass(frozen=True, slots=True)
class Admission:
    """Whether a retry may be sent now."""

    decision: AdmissionOutcome
    until: int | None = None  # microseconds, with LATER: put it back with this as `due_at`
    reason: HoldReason | None = None  # the first thing that holds it back
    steps: tuple[Reason, ...] = ()
    probe: bool = False  # it goes as the probe of each breaker that is not closed


def admit(
    candidate: RetryCandidate, planned: Plan, context: Context, policy: RetryPolicy, now: int
) -> Admission:
    """Judge a retry that is due.

    The checks in their order: suppressed, deadline, hours, limits of the number, budget, breakers.
    It waits until the last of what holds it back is over, and until an allowed hour after that;
    where that is past the deadline it never goes.

    Args:
        candidate: the facts as they are now.
        planned: what `plan` makes of them now; one that has no `due_at` must not come here.
        context: what the moment says.
        policy: the rules.
        now: microseconds.

    Raises:
        ValueError: nothing is planned.
    """
    if planned.due_at is None or planned.deadline is None:
        raise ValueError("nothing is planned")
    if context.suppressed is not None and context.suppressed_until is None:
        said = retry_reason(HoldReason.SUPPRESSED, why=context.suppressed)
        return Admission(AdmissionOutcome.NEVER, reason=HoldReason.SUPPRESSED, steps=(said,))
    over = retry_reason(HoldReason.DEADLINE, deadline=to_rfc3339(planned.deadline))
    if now > planned.deadline:
        return Admission(AdmissionOutcome.NEVER, reason=HoldReason.DEADLINE, steps=(over,))
    resolved = resolved_for(candidate, policy)
    held = list(_holds(candidate, context, policy, resolved, now))
    if not held:
        return _go(context, now)
    zones = zones_of(candidate.number, policy.zone)
    until = first_free(max(one.until for one in held), resolved.blocked, zones)
    steps = tuple(one.said for one in held)
    if until is None or until > planned.deadline:
        return Admission(AdmissionOutcome.NEVER, reason=held[0].hold, steps=(*steps, over))
    return Admission(AdmissionOutcome.LATER, until, held[0].hold, steps)


def _go(context: Context, now: int) -> Admission:
    probing = any(at(one.breaker, now).position is not Position.CLOSED for one in context.breakers)
    said = retry_reason(Went.PROBE if probing else Went.ADMITTED)
    return Admission(AdmissionOutcome.GO, steps=(said,), probe=probing)


def _holds(
    candidate: RetryCandidate, context: Context, policy: RetryPolicy, resolved: Resolved, now: int
) -> Iterator[RecipientHold]:
    if context.suppressed is not None and context.suppressed_until is not None:
        said = retry_reason(HoldReason.SUPPRESSED, why=context.suppressed)
        yield RecipientHold(HoldReason.SUPPRESSED, context.suppressed_until, said)
    yield from held_by_hours(candidate.number, resolved.blocked, policy, now)
    if candidate.country in policy.limited_countries:
        of_kind = sent_of_kind(context.recent, resolved.kind)
        yield from held_by_limits(resolved.limits, of_kind, now)
        yield from held_by_limits(policy.identical, context.chain, now)
    yield from _over_budget(context, policy, now)
    for watched in context.breakers:
        until = waits_until(watched.breaker, now)
        if until is not None:
            said = retry_reason(HoldReason.BREAKER, code=candidate.code or "", scope=watched.scope)
            yield RecipientHold(HoldReason.BREAKER, until, said)


def _over_budget(context: Context, policy: RetryPolicy, now: int) -> Iterator[RecipientHold]:
    budget = policy.budget
    allowed = budget.allowed(context.sends_today)
    if context.retries_today >= allowed:
        midnight = now - now % DAY + DAY
        said = retry_reason(
            HoldReason.BUDGET,
            retries=context.retries_today,
            allowed=allowed,
            sends=context.sends_today,
        )
        yield RecipientHold(HoldReason.BUDGET, min(midnight, now + budget.pause_s * SECOND), said)
