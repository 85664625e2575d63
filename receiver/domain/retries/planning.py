"""When a failed message may be sent again, or why not; planned when its failure is known.

The checks, the first that says no decides: delivered, chain delivered, sent again already, no
failure, reported as delivered too, no retry by the catalogue, orphan, open trust, no number,
duplicate risk, attempts used up, too old, window over, no allowed hour before the deadline.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256

from receiver.domain.catalogue.entries import Category, RetryClass
from receiver.domain.inputs import Trust
from receiver.domain.messages.state import FAILED_STATES, State
from receiver.domain.numbers import is_number
from receiver.domain.retries.policy import MessageKind, RetryPolicy
from receiver.domain.retries.rule_layers import Resolved, resolve
from receiver.domain.retries.sentences import NoRetry, RetryStep, retry_reason
from receiver.domain.retries.windows import first_free, wall_clock
from receiver.domain.retries.zones import zones_of
from receiver.domain.times import SECOND, to_rfc3339
from receiver.domain.verdict import Action
from receiver.domain.wording.sentences import Reason

_BITS = 53  # of a float's fraction


@dataclass(frozen=True, slots=True)
class RetryCandidate:
    """The facts of one failed message and its chain. Times are microseconds."""

    application: str
    sms_msg_id: str
    number: str | None  # E.164
    country: str | None  # ISO 3166 alpha-2
    template_id: str | None
    reference: str | None
    state: State
    category: Category | None
    retry: RetryClass | None  # of the row that decided
    code: str | None
    failed_at: int | None
    first_sent_at: int | None  # of the chain, or what is known earlier; None: the failure's counts
    attempts: int  # sends so far in the chain, at least 1
    retry_after_s: int | None  # the row's own
    action: Action
    duplicate_risk: bool
    registered: bool
    trust: Trust  # of what decided: its report, or the registration of a refused send
    extend: str | None = None
    arrived: bool = False  # as some report says; others say that it failed
    chain_delivered: bool = False
    superseded: bool = False  # the chain has a later send than this


@dataclass(frozen=True, slots=True)
class Plan:
    """When to send again, or why not."""

    kind: MessageKind
    attempt: int  # the number of the send that is planned: 2 is the first retry
    due_at: int | None  # microseconds; None: never
    deadline: int | None  # the last moment to send, where there is a `due_at`
    reason: NoRetry | None  # None: it is planned
    steps: tuple[Reason, ...]  # how that came about, with the arithmetic


@dataclass(frozen=True, slots=True)
class _Waited:
    """The arithmetic of the delay, in microseconds."""

    delay: int  # before the jitter
    jitter: int


def fraction_of(application: str, sms_msg_id: str, attempt: int) -> float:
    """Draw the jitter of a retry, from 0 to just below 1: for the same retry always the same."""
    drawn = sha256(f"{application}\0{sms_msg_id}\0{attempt}".encode()).digest()
    return (int.from_bytes(drawn[:8]) >> (64 - _BITS)) / (1 << _BITS)


def plan(candidate: RetryCandidate, policy: RetryPolicy, fraction: float) -> Plan:
    """Plan the next send of a chain.

    Args:
        candidate: the facts.
        policy: the rules.
        fraction: the draw of the jitter, from 0 to just below 1; see `fraction_of`.
    """
    resolved = resolved_for(candidate, policy)
    refused = _refusal(candidate, policy, resolved)
    if refused is not None:
        return _never(candidate, resolved, refused)
    return _timed(candidate, policy, resolved, fraction)


def plan_for(candidate: RetryCandidate, policy: RetryPolicy) -> Plan:
    """Plan the next send of a chain; the same one always gets the same jitter."""
    fraction = fraction_of(candidate.application, candidate.sms_msg_id, candidate.attempts)
    return plan(candidate, policy, fraction)


def resolved_for(candidate: RetryCandidate, policy: RetryPolicy) -> Resolved:
    """Put together what the policy says about a candidate."""
    return resolve(
        candidate.template_id,
        candidate.reference,
        candidate.category,
        candidate.retry,
        candidate.retry_after_s,
        policy,
    )


def _refusal(candidate: RetryCandidate, policy: RetryPolicy, resolved: Resolved) -> Reason | None:
    """Return why a message is not sent again, whatever the time."""
    checks: tuple[tuple[bool, NoRetry, dict[str, str | int]], ...] = (
        (candidate.state is State.DELIVERED, NoRetry.DELIVERED, {}),
        (candidate.chain_delivered, NoRetry.CHAIN_DELIVERED, {}),
        (candidate.superseded, NoRetry.SUPERSEDED, {}),
        (
            candidate.state not in FAILED_STATES or candidate.failed_at is None,
            NoRetry.NO_FAILURE,
            {"state": candidate.state.value},
        ),
        (candidate.arrived, NoRetry.ARRIVED, {}),
        (
            candidate.action is not Action.RETRY,
            NoRetry.NOT_RETRYABLE,
            {"action": candidate.action.value},
        ),
        (not candidate.registered, NoRetry.ORPHAN, {}),
        (
            candidate.trust is Trust.OPEN and policy.trust_open == "advise",
            NoRetry.OPEN_TRUST,
            {},
        ),
        (
            candidate.number is None or not is_number(candidate.number),
            NoRetry.NO_NUMBER,
            {},
        ),
        (
            candidate.duplicate_risk and not resolved.retry_duplicates,
            NoRetry.DUPLICATE_RISK,
            {"kind": resolved.kind.value, "code": candidate.code or ""},
        ),
        (
            candidate.attempts >= resolved.rule.attempts,
            NoRetry.ATTEMPTS_USED_UP,
            {"sends": candidate.attempts, "attempts": resolved.rule.attempts},
        ),
    )
    return next((retry_reason(rule, **facts) for fails, rule, facts in checks if fails), None)


def _timed(
    candidate: RetryCandidate, policy: RetryPolicy, resolved: Resolved, fraction: float
) -> Plan:
    failed_at, begun = candidate.failed_at or 0, _begun(candidate) or 0
    waited = _wait(candidate, resolved, fraction)
    raw = failed_at + waited.delay + waited.jitter
    deadline = begun + resolved.life_s * SECOND
    zones = zones_of(candidate.number, policy.zone)
    due_at = first_free(raw, resolved.blocked, zones)
    steps = [
        *resolved.steps,
        *_steps_of_wait(candidate, resolved, waited, raw),
        _step_of_deadline(begun, deadline, resolved),
    ]
    if raw > deadline:
        too_old = resolved.max_age_s is not None and resolved.max_age_s < resolved.rule.window_s
        rule = NoRetry.TOO_OLD if too_old else NoRetry.WINDOW_OVER
        last = retry_reason(rule, due_at=to_rfc3339(raw), deadline=to_rfc3339(deadline))
        return _never(candidate, resolved, last, steps)
    if due_at is None or due_at > deadline:
        last = retry_reason(
            NoRetry.NO_HOUR,
            hours=", ".join(str(one) for one in resolved.blocked),
            zone=zones[0].key,
            deadline=to_rfc3339(deadline),
        )
        return _never(candidate, resolved, last, steps)
    if due_at > raw:
        zone = max(zones, key=lambda one: first_free(raw, resolved.blocked, (one,)) or 0)
        steps.append(
            retry_reason(
                RetryStep.HOURS,
                due_at=to_rfc3339(raw),
                zone=zone.key,
                wall=wall_clock(raw, zone),
                hours=", ".join(str(one) for one in resolved.blocked),
                free_at=to_rfc3339(due_at),
            )
        )
    return Plan(resolved.kind, candidate.attempts + 1, due_at, deadline, None, tuple(steps))


def _wait(candidate: RetryCandidate, resolved: Resolved, fraction: float) -> _Waited:
    """Reckon the delay: grown by the attempts, capped, never less than the row's own wait."""
    grown = int(resolved.grown_s(candidate.attempts) * SECOND)
    delay = max(grown, resolved.least_s * SECOND)
    return _Waited(delay, int(delay * resolved.rule.jitter * fraction))


def _begun(candidate: RetryCandidate) -> int | None:
    known = (candidate.first_sent_at, candidate.failed_at)
    return next((moment for moment in known if moment is not None), None)


def _never(
    candidate: RetryCandidate, resolved: Resolved, last: Reason, steps: list[Reason] | None = None
) -> Plan:
    before = list(resolved.steps) if steps is None else steps
    return Plan(
        resolved.kind,
        candidate.attempts + 1,
        due_at=None,
        deadline=None,
        reason=NoRetry(last.rule),
        steps=(*before, last),
    )


def _steps_of_wait(
    candidate: RetryCandidate, resolved: Resolved, waited: _Waited, raw: int
) -> Iterator[Reason]:
    rule = resolved.rule
    grown_s = resolved.grown_s(candidate.attempts)
    yield retry_reason(
        RetryStep.DELAY,
        attempt=candidate.attempts + 1,
        attempts=rule.attempts,
        delay_s=rule.delay_s,
        factor=f"{rule.factor:g}",
        power=candidate.attempts - 1,
        cap_s=rule.cap_s,
        grown_s=f"{grown_s:g}",
    )
    if resolved.least_s > grown_s:
        yield retry_reason(RetryStep.LEAST, least_s=resolved.least_s)
    yield retry_reason(
        RetryStep.DUE,
        failed_at=to_rfc3339(candidate.failed_at or 0),
        wait_s=f"{waited.delay / SECOND:g}",
        jitter_s=f"{waited.jitter / SECOND:g}",
        jitter=f"{rule.jitter:g}",
        due_at=to_rfc3339(raw),
    )


def _step_of_deadline(begun: int, deadline: int, resolved: Resolved) -> Reason:
    return retry_reason(
        RetryStep.DEADLINE,
        begun=to_rfc3339(begun),
        life_s=resolved.life_s,
        deadline=to_rfc3339(deadline),
    )
