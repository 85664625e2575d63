"""What holds for every policy and every failure."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from receiver.domain.catalogue.entries import Category, RetryClass
from receiver.domain.messages.state import State
from receiver.domain.retries.admission import AdmissionOutcome, Context, Watched, admit
from receiver.domain.retries.breaker import Breaker, Position
from receiver.domain.retries.limits import Limit, free_from
from receiver.domain.retries.planning import RetryCandidate, plan
from receiver.domain.retries.policy import (
    KindRules,
    MessageKind,
    Override,
    RetryPolicy,
    RetryRule,
    Terms,
    Values,
)
from receiver.domain.retries.recipient_limits import RecipientSend
from receiver.domain.retries.windows import Hours, blocked_hours, is_blocked
from receiver.domain.retries.zones import zones_of
from receiver.domain.times import SECOND
from tests.support.retries import A_FAILURE, DAY, NOON

RETRIED = (RetryClass.RETRY_SOON, RetryClass.RETRY_LATER, RetryClass.NEXT_DAY)
NUMBERS = ("+8613800000001", "+12125550123", "+442071234567", "+61291234567", "+79161234567")
_seconds = st.integers(1, 5 * DAY)
_fractions = st.floats(0, 1, exclude_max=True)
_hours = st.builds(Hours, st.integers(0, 1439), st.integers(0, 1439)).filter(
    lambda hours: hours.start != hours.end
)
_values = st.builds(
    Values,
    delay_s=st.none() | _seconds,
    factor=st.none() | st.floats(1, 100),
    jitter=st.none() | st.floats(0, 1),
    cap_s=st.none() | _seconds,
    attempts=st.none() | st.integers(1, 50),
    window_s=st.none() | _seconds,
)
_terms = st.builds(
    Terms,
    max_age_s=st.none() | _seconds,
    retry_duplicates=st.booleans(),
    send_window=st.none() | _hours,
    quiet_hours=st.none() | _hours,
)
_policies = st.builds(
    RetryPolicy,
    base=st.builds(
        RetryRule,
        delay_s=_seconds,
        factor=st.floats(1, 100),
        jitter=st.floats(0, 1),
        cap_s=_seconds,
        attempts=st.integers(1, 50),
        window_s=_seconds,
    ),
    classes=st.dictionaries(st.sampled_from(RETRIED), _values),
    categories=st.dictionaries(st.sampled_from(Category), _values),
    kinds=st.dictionaries(st.sampled_from(MessageKind), st.builds(KindRules, _values, _terms)),
    overrides=st.just(())
    | st.tuples(st.builds(Override, st.just("o"), template_id=st.just("t"), values=_values,
                          terms=_terms, kind=st.none() | st.sampled_from(MessageKind))),
    kind=st.sampled_from(MessageKind),
)  # fmt: skip
_failures = st.builds(
    replace,
    st.just(A_FAILURE),
    state=st.sampled_from([State.FAILED, State.PARTIAL, State.REFUSED]),
    category=st.sampled_from(Category),
    retry=st.sampled_from(RETRIED),
    retry_after_s=st.none() | st.integers(0, 2 * DAY),
    failed_at=st.integers(NOON, NOON + 2 * DAY * SECOND),
    attempts=st.integers(1, 50),
    number=st.sampled_from(NUMBERS),
    template_id=st.sampled_from([None, "t"]),
    duplicate_risk=st.booleans(),
)


def blocked_for(failure: RetryCandidate, policy: RetryPolicy) -> tuple[Hours, ...]:
    """Return the hours in which nothing may go to somebody, by the policy's own words."""
    terms = policy.kinds.get(policy.kind_of(failure.template_id, None), KindRules()).terms
    override = policy.override_for(failure.template_id, None)
    own = Terms() if override is None else override.terms
    return blocked_hours(own.send_window or terms.send_window, own.quiet_hours or terms.quiet_hours)


@given(_failures, _policies, _fractions)
def test_a_plan_keeps_its_bounds(
    failure: RetryCandidate, policy: RetryPolicy, fraction: float
) -> None:
    """Never before the row's own wait, after the deadline, at a blocked hour or once too often."""
    planned = plan(failure, policy, fraction)

    assert (planned.due_at is None) == (planned.reason is not None) == (planned.deadline is None)
    if planned.due_at is None or planned.deadline is None:
        return
    assert failure.failed_at is not None
    assert planned.due_at >= failure.failed_at + (failure.retry_after_s or 0) * SECOND
    assert planned.due_at <= planned.deadline
    assert planned.attempt == failure.attempts + 1 <= 50
    zones = zones_of(failure.number, policy.zone)
    assert not is_blocked(planned.due_at, blocked_for(failure, policy), zones)


@given(_failures, _policies, _fractions)
def test_more_sends_never_make_it_sooner(
    failure: RetryCandidate, policy: RetryPolicy, fraction: float
) -> None:
    """The same failure after one more send is due no sooner, or not at all."""
    before = plan(failure, policy, fraction)
    after = plan(replace(failure, attempts=failure.attempts + 1), policy, fraction)

    if before.due_at is None:
        assert after.due_at is None
    elif after.due_at is not None:
        assert after.due_at >= before.due_at


@given(_failures, _policies, _fractions, _fractions)
def test_jitter_only_delays(
    failure: RetryCandidate, policy: RetryPolicy, one: float, other: float
) -> None:
    """A larger draw is due no sooner, and none is due before the draw of 0."""
    sooner, later = sorted((one, other))
    due = [plan(failure, policy, fraction).due_at for fraction in (0.0, sooner, later)]

    known = [moment for moment in due if moment is not None]
    assert known == sorted(known)
    assert due[: len(known)] == known  # who draws more is rather too late


_sent = st.lists(st.integers(NOON - 2 * DAY * SECOND, NOON + 60 * SECOND), max_size=60)


@given(_sent, st.integers(1, 2 * DAY), st.integers(1, 20))
def test_a_limit_is_kept_and_no_longer_than_needed(
    sent_at: list[int], within_s: int, sends: int
) -> None:
    """At the moment found one more send keeps the limit; a moment earlier it would not."""
    limit = Limit("a", within_s, sends)

    found = free_from(limit, sent_at, NOON)

    def counting(moment: int) -> int:
        return sum(one > moment - within_s * SECOND for one in sent_at)

    assert counting(found) < sends
    assert found == NOON or counting(found - 1) >= sends


_contexts = st.builds(
    Context,
    suppressed=st.none() | st.just("opt-out"),
    recent=_sent.map(lambda moments: tuple(RecipientSend(one) for one in moments)),
    chain=_sent.map(tuple),
    sends_today=st.integers(0, 1000),
    retries_today=st.integers(0, 500),
    breakers=st.just(())
    | st.tuples(st.builds(Watched, st.just("c"), st.builds(
        Breaker, st.sampled_from(Position), st.just(300),
        st.integers(NOON, NOON + DAY * SECOND)))),
)  # fmt: skip


@given(_failures, _policies, _contexts, st.integers(0, 3 * DAY * SECOND))
def test_an_admission_keeps_its_bounds(
    failure: RetryCandidate, policy: RetryPolicy, context: Context, later: int
) -> None:
    """What goes is not suppressed, at an allowed hour, in time; what waits has a later moment."""
    planned = plan(failure, policy, 0.0)
    if planned.due_at is None or planned.deadline is None:
        return
    now = planned.due_at + later

    found = admit(failure, planned, context, policy, now)

    blocked, zones = blocked_for(failure, policy), zones_of(failure.number, policy.zone)
    assert found.steps
    if found.decision is AdmissionOutcome.GO:
        assert context.suppressed is None
        assert now <= planned.deadline
        assert not is_blocked(now, blocked, zones)
    elif found.decision is AdmissionOutcome.LATER:
        assert found.until is not None
        assert now < found.until <= planned.deadline
        assert not is_blocked(found.until, blocked, zones)
    else:
        assert found.until is None
        assert found.reason is not None
