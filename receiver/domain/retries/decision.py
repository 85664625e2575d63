"""The single decision about a message: whether it is sent again, or what to do instead.

What the code means stays with the catalogue's verdict. What becomes of this message follows from
the plan, the chain of attempts, the queue and the suppression list, and is laid over the verdict
here, so that every answer says the same.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from receiver.domain.inputs import Trust
from receiver.domain.messages.state import FAILED_STATES, State
from receiver.domain.retries.items import ItemState
from receiver.domain.retries.planning import Plan, RetryCandidate, plan_for
from receiver.domain.retries.policy import RetryPolicy
from receiver.domain.retries.sentences import BY_CODE, HoldReason, NoRetry, RetryStep, retry_reason
from receiver.domain.times import to_rfc3339
from receiver.domain.verdict import Action, Verdict
from receiver.domain.wording.sentences import Reason


class Decision(StrEnum):
    """The decision about a message."""

    RETRY = "retry"  # it is handed out when it is due
    CLAIMED = "claimed"  # somebody is sending it again
    ADVISE = "advise"  # it would be handed out if its reports were trusted
    NO = "no"


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known besides the message and its chain. Times are microseconds."""

    now: int
    item: ItemState | None = None  # None: it is not in the queue
    put_off_to: int = 0  # when the item is due
    item_reason: str | None = None  # why the item came to its end
    suppressed: str | None = None  # why the number is not to be sent to; None: it is not
    suppressed_until: int | None = None  # None: for good


@dataclass(frozen=True, slots=True)
class Retry:
    """Whether a message is sent again. Times are microseconds."""

    decision: Decision
    reason: Reason | None  # why not, or why it is advice only; None: it is
    not_before: int | None = None
    deadline: int | None = None
    next_attempt: int | None = None  # the number of the send that would follow; 2: the first retry

    @property
    def may_help(self) -> bool:
        """Whether another send is called for."""
        return self.decision is not Decision.NO

    @property
    def is_by_code(self) -> bool:
        """Whether the state or the code of the message rules out another send."""
        return self.reason is not None and self.reason.rule in BY_CODE


_SETTLED = frozenset({NoRetry.CHAIN_DELIVERED, NoRetry.SUPERSEDED, NoRetry.ARRIVED})


def decide_retry(
    candidate: RetryCandidate, policy: RetryPolicy, facts: Facts
) -> tuple[Retry, Plan]:
    """Decide whether a message is sent again; return the plan with its arithmetic too."""
    planned = plan_for(candidate, policy)
    if planned.reason is not NoRetry.OPEN_TRUST:
        return _decide(planned, facts), _put_off(planned, facts)
    trusted = plan_for(replace(candidate, trust=Trust.SIGNED), policy)
    advice = _decide(trusted, replace(facts, item=None, put_off_to=0))
    if advice.decision is Decision.NO:
        return advice, planned
    return replace(advice, decision=Decision.ADVISE, reason=planned.steps[-1]), trusted


def _put_off(planned: Plan, facts: Facts) -> Plan:
    """Add the step by which the queue has changed the time."""
    if planned.due_at is None or facts.put_off_to <= planned.due_at:
        return planned
    why = "" if facts.item_reason is None else f" ({facts.item_reason})"
    step = retry_reason(RetryStep.PUT_OFF, until=to_rfc3339(facts.put_off_to), why=why)
    return replace(planned, steps=(*planned.steps, step))


def settle(verdict: Verdict, state: State, retry: Retry) -> Verdict:
    """Lay the decision over what the code means.

    Args:
        verdict: of the message as it is shown.
        state: as it is shown.
        retry: the decision.
    """
    return replace(
        verdict,
        action=_action(verdict, state, retry),
        retryable=retry.may_help,
        not_before=retry.not_before,
        # What is to be sent again goes to a number that may be sent to.
        suppress_recipient=verdict.suppress_recipient and not retry.may_help,
    )


def _decide(planned: Plan, facts: Facts) -> Retry:
    if planned.due_at is None or planned.deadline is None:
        return Retry(Decision.NO, planned.steps[-1])
    refused = _refusal(planned.deadline, facts)
    if refused is not None:
        return Retry(Decision.NO, refused)
    return Retry(
        decision=Decision.CLAIMED if facts.item is ItemState.CLAIMED else Decision.RETRY,
        reason=None,
        not_before=max(planned.due_at, facts.put_off_to, facts.suppressed_until or 0),
        deadline=planned.deadline,
        next_attempt=planned.attempt,
    )


def _refusal(deadline: int, facts: Facts) -> Reason | None:
    """Return why what is planned does not come about."""
    if facts.item is ItemState.CLAIMED:
        return None
    checks: tuple[tuple[bool, NoRetry | HoldReason, dict[str, str | int]], ...] = (
        (facts.item is ItemState.COMPLETED, NoRetry.SUPERSEDED, {}),
        (facts.item is ItemState.ABANDONED, NoRetry.ABANDONED, {}),
        (
            # One that ends in time is waited for.
            facts.suppressed is not None
            and (facts.suppressed_until is None or facts.suppressed_until > deadline),
            HoldReason.SUPPRESSED,
            {"why": facts.suppressed or ""},
        ),
        (facts.now > deadline, HoldReason.DEADLINE, {"deadline": to_rfc3339(deadline)}),
        (facts.item is ItemState.ENDED, NoRetry.ENDED, {"reason": facts.item_reason or ""}),
    )
    return next((retry_reason(rule, **said) for fails, rule, said in checks if fails), None)


def _action(verdict: Verdict, state: State, retry: Retry) -> Action:
    if retry.may_help:
        return Action.RETRY
    if state not in FAILED_STATES:
        return verdict.action
    rule = None if retry.reason is None else retry.reason.rule
    if rule in _SETTLED:
        return Action.NONE
    if verdict.action is not Action.RETRY:
        return verdict.action
    return Action.INVESTIGATE if rule is NoRetry.ORPHAN else Action.STOP
