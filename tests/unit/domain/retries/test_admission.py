"""Whether a retry that is due goes now, later or never. Each row's id shows the arithmetic."""

from dataclasses import replace
from typing import Any

import pytest

from receiver.domain.retries.admission import (
    Admission,
    AdmissionOutcome,
    Context,
    Watched,
    admit,
)
from receiver.domain.retries.breaker import Breaker, Position
from receiver.domain.retries.planning import RetryCandidate, plan
from receiver.domain.retries.policy import Budget, MessageKind, Override, RetryPolicy, Terms
from receiver.domain.retries.recipient_limits import RecipientSend
from receiver.domain.retries.sentences import HoldReason, Went
from receiver.domain.retries.windows import Hours
from receiver.domain.times import SECOND
from tests.support.retries import DAY, HOUR, MINUTE, NOON, a_failure, at

NOW = NOON + HOUR * SECOND
POLICY = RetryPolicy(
    overrides=(
        Override(
            "codes", template_id="login", kind=MessageKind.CODE, terms=Terms(max_age_s=2 * HOUR)
        ),
        Override("sales", reference_prefix="sale-", kind=MessageKind.PROMOTIONAL),
        Override("day", template_id="day", terms=Terms(quiet_hours=Hours(22 * 60, 8 * 60))),
    )
)
CODE, SALE = {"template_id": "login"}, {"reference": "sale-1"}


def ago(*seconds: float, kind: MessageKind | None = None) -> tuple[RecipientSend, ...]:
    """Make sends to the number so many seconds before now."""
    return tuple(RecipientSend(NOW - round(one * SECOND), kind) for one in seconds)


def sends_ago(*seconds: int) -> tuple[int, ...]:
    """Make the times of a chain's sends so many seconds before now."""
    return tuple(NOW - one * SECOND for one in seconds)


def judge(
    context: Context,
    changes: dict[str, Any] | None = None,
    policy: RetryPolicy = POLICY,
    now: int = NOW,
) -> Admission:
    """Judge a message that failed at noon, an hour ago."""
    failure = a_failure(**(changes or {}))
    planned = plan(failure, policy, 0.0)
    assert planned.due_at is not None
    return admit(failure, planned, context, policy, now)


FULL_DAY = ago(*(DAY - n for n in range(1, 51)))  # 50 sends; the oldest leaves in a second

WAIT_ROWS = [
    # the moment, changes of the failure, what holds it back (None: it goes), seconds to wait
    pytest.param(Context(), {}, None, 0, id="nothing prevents it"),
    pytest.param(Context(recent=ago(*range(9))), {}, None, 0, id="notification: 9 of 10 a minute"),
    pytest.param(Context(recent=ago(*range(10))), {}, HoldReason.NUMBER_LIMIT, 51,
                 id="notification: 10 a minute, the oldest 9 s ago: 60 - 9 = 51"),
    pytest.param(Context(recent=ago(*range(12))), {}, HoldReason.NUMBER_LIMIT, 51,
                 id="two beyond the limit: the tenth newest, 9 s ago, has to leave"),
    pytest.param(Context(recent=ago(60, 60, 59.999999)), CODE, None, 0,
                 id="code: sends of 60 s ago no longer count"),
    pytest.param(Context(recent=ago(10, 50)), CODE, HoldReason.NUMBER_LIMIT, 10,
                 id="code: 2 a minute, 60 - 50 = 10"),
    pytest.param(Context(recent=ago(10, 50, kind=MessageKind.CODE)), {}, None, 0,
                 id="codes do not count for a notification"),
    pytest.param(Context(recent=ago(10, 50, kind=MessageKind.NOTIFICATION)), CODE, None, 0,
                 id="notifications do not count for a code"),
    pytest.param(Context(recent=ago(1, 2, 3, 3590)), SALE, HoldReason.NUMBER_LIMIT, 10,
                 id="promotional: 4 an hour, 3600 - 3590 = 10"),
    pytest.param(Context(recent=ago(*range(4000, 4009))), SALE, None, 0,
                 id="promotional: 9 of 10 a day"),
    pytest.param(Context(recent=ago(*range(4000, 4009), DAY - 60)), SALE, HoldReason.NUMBER_LIMIT,
        60,
                 id="promotional: 10 a day, the oldest leaves in 60 s"),
    pytest.param(Context(recent=FULL_DAY), {}, HoldReason.NUMBER_LIMIT, 1,
                 id="notification: 50 in 24 hours, 1 s left"),
    pytest.param(Context(recent=FULL_DAY[1:]), {}, None, 0, id="notification: 49 in 24 hours"),
    pytest.param(Context(recent=(*FULL_DAY, *ago(*range(10)))), {}, HoldReason.NUMBER_LIMIT, 51,
                 id="two limits: the longer wait counts, max(51, 11)"),
    pytest.param(Context(recent=FULL_DAY), {"country": "US", "number": "+12125550123"}, None, 0,
                 id="no limit of numbers abroad"),
    pytest.param(Context(recent=ago(-5, -5)), CODE, HoldReason.NUMBER_LIMIT, 65,
                 id="sends of a clock that is ahead count: 60 + 5"),
    pytest.param(Context(chain=sends_ago(58, 20)), {}, HoldReason.NUMBER_LIMIT, 2,
                 id="the same text: 2 a minute, 60 - 58 = 2"),
    pytest.param(Context(chain=sends_ago(3500, 3000, 2000, 1000, 100)), {},
        HoldReason.NUMBER_LIMIT, 100,
                 id="the same text: 5 an hour, 3600 - 3500 = 100"),
    pytest.param(Context(sends_today=100, retries_today=99), {}, None, 0,
                 id="budget: 99 of max(100, 0.5 x 100) = 100"),
    pytest.param(Context(sends_today=100, retries_today=100), {}, HoldReason.BUDGET, 15 * MINUTE,
                 id="budget: the floor of 100 is used up, ask again in 15 min"),
    pytest.param(Context(sends_today=1001, retries_today=499), {}, None, 0,
                 id="budget: 499 of 0.5 x 1001 = 500"),
    pytest.param(Context(sends_today=1001, retries_today=500), {}, HoldReason.BUDGET, 15 * MINUTE,
                 id="budget: 500 of 0.5 x 1001 = 500"),
    pytest.param(
        Context(breakers=(Watched("1069", Breaker(Position.OPEN, 300, NOW + 90 * SECOND)),)),
        {}, HoldReason.BREAKER, 90, id="an open breaker: until its pause is over"),
    pytest.param(
        Context(breakers=(Watched("1069", Breaker(Position.HALF_OPEN, 300, NOW + 9 * SECOND)),)),
        {}, HoldReason.BREAKER, 9, id="a probe is out: until it is given up"),
    pytest.param(
        Context(breakers=(Watched("1069", Breaker(Position.OPEN, 300, NOW + 90 * SECOND)),
                          Watched("CN", Breaker(Position.OPEN, 300, NOW + 70 * SECOND)))),
        {}, HoldReason.BREAKER, 90, id="two breakers: max(90, 70)"),
    pytest.param(
        Context(recent=ago(*range(10)), retries_today=100,
                breakers=(Watched("1069", Breaker(Position.OPEN, 300, NOW + 9 * SECOND)),)),
        {}, HoldReason.NUMBER_LIMIT, 15 * MINUTE,
        id="all at once: the first is named, the longest counts, max(51, 900, 9)"),
]  # fmt: skip


@pytest.mark.parametrize(("context", "changes", "hold", "seconds"), WAIT_ROWS)
def test_wait(
    context: Context, changes: dict[str, Any], hold: HoldReason | None, seconds: int
) -> None:
    """A retry goes unless limits, budget or a breaker hold it back, and then no longer than so."""
    found = judge(context, changes)

    assert found.reason is hold
    if hold is None:
        assert (found.decision, found.until, found.probe) == (AdmissionOutcome.GO, None, False)
    else:
        assert (found.decision, found.until) == (AdmissionOutcome.LATER, NOW + seconds * SECOND)


@pytest.mark.parametrize(
    ("now", "until"),
    [
        pytest.param("2026-03-10T21:59:59+08:00", None, id="a second before the night: goes"),
        pytest.param("2026-03-10T22:00:00+08:00", "2026-03-11T08:00:00+08:00", id="22:00 to 08:00"),
        pytest.param("2026-03-11T00:00:00+08:00", "2026-03-11T08:00:00+08:00", id="midnight"),
        pytest.param("2026-03-11T08:00:00+08:00", None, id="08:00: goes"),
    ],
)
def test_night(now: str, until: str | None) -> None:
    """A retry that is claimed in quiet hours waits until they are over."""
    found = judge(Context(), {"template_id": "day"}, now=at(now))

    assert found.until == (until and at(until))
    assert found.reason is (HoldReason.HOURS if until else None)


def test_a_wait_that_ends_in_the_night_lasts_until_the_morning() -> None:
    """21:59:30 + 51 s = 22:00:21, when nothing is sent, so 08:00."""
    now = at("2026-03-10T21:59:30+08:00")
    recent = tuple(RecipientSend(now - n * SECOND) for n in range(10))

    found = judge(Context(recent=recent), {"template_id": "day"}, now=now)

    assert (found.reason, found.until) == (HoldReason.NUMBER_LIMIT, at("2026-03-11T08:00:00+08:00"))


def test_the_budget_begins_anew_at_midnight_utc() -> None:
    """23:50 + 15 min would be past midnight, when there is a new budget, so it is 10 min."""
    now = at("2026-03-10T23:50:00Z")

    found = judge(Context(retries_today=100), now=now)

    assert found.until == at("2026-03-11T00:00:00Z")


@pytest.mark.parametrize(
    ("budget", "retries", "goes"),
    [
        pytest.param(Budget(share=0.0, floor=0), 0, False, id="no budget at all"),
        pytest.param(Budget(share=0.0, floor=1), 0, True, id="0 of 1"),
        pytest.param(Budget(share=1.0, floor=0), 999, True, id="999 of 1.0 x 1000"),
        pytest.param(Budget(share=0.001, floor=0), 1, False, id="1 of 0.001 x 1000"),
    ],
)
def test_budget(budget: Budget, retries: int, goes: bool) -> None:
    """The larger of share and floor is what a day has."""
    context = Context(sends_today=1000, retries_today=retries)

    found = judge(context, policy=replace(POLICY, budget=budget))

    assert (found.decision is AdmissionOutcome.GO) is goes


LATE_ROWS = [
    # the moment, seconds from noon (the deadline is a day later), decision, reason
    pytest.param(Context(), DAY, AdmissionOutcome.GO, None, id="at the deadline itself"),
    pytest.param(Context(), DAY + 1, AdmissionOutcome.NEVER, HoldReason.DEADLINE,
        id="a second after it"),
    pytest.param(
        Context(retries_today=100), DAY - 900, AdmissionOutcome.LATER, HoldReason.BUDGET,
        id="the wait of 900 s ends at the deadline",
    ),
    pytest.param(
        Context(retries_today=100), DAY - 899, AdmissionOutcome.NEVER, HoldReason.BUDGET,
        id="the wait of 900 s ends a second after the deadline",
    ),
    pytest.param(
        Context(suppressed="opt-out"), HOUR, AdmissionOutcome.NEVER, HoldReason.SUPPRESSED,
        id="suppressed"
    ),
    pytest.param(
        Context(suppressed="opt-out", retries_today=100), DAY + 1, AdmissionOutcome.NEVER,
        HoldReason.SUPPRESSED,
        id="suppressed comes before all else",
    ),
    pytest.param(
        Context(suppressed="hand", suppressed_until=NOON + DAY * SECOND), HOUR,
        AdmissionOutcome.LATER,
        HoldReason.SUPPRESSED, id="suppressed up to the deadline",
    ),
    pytest.param(
        Context(suppressed="hand", suppressed_until=NOON + DAY * SECOND + 1), HOUR,
        AdmissionOutcome.NEVER,
        HoldReason.SUPPRESSED, id="suppressed beyond the deadline",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("context", "seconds", "decision", "reason"), LATE_ROWS)
def test_never(
    context: Context, seconds: int, decision: AdmissionOutcome, reason: HoldReason | None
) -> None:
    """Nothing goes to whom nothing is to be sent, and nothing goes after its deadline."""
    found = judge(context, now=NOON + seconds * SECOND)

    assert (found.decision, found.reason) == (decision, reason)
    assert (found.until is None) is (decision is not AdmissionOutcome.LATER)


@pytest.mark.parametrize(
    "breaker",
    [
        pytest.param(Breaker(Position.OPEN, 300, NOW), id="open, the pause is over"),
        pytest.param(Breaker(Position.HALF_OPEN, 300), id="half-open, no probe out"),
        pytest.param(Breaker(Position.HALF_OPEN, 300, NOW), id="half-open, the probe given up"),
    ],
)
def test_one_goes_as_the_probe(breaker: Breaker) -> None:
    """When a breaker's pause is over, the next retry goes as its probe, and says so."""
    found = judge(Context(breakers=(Watched("1069", breaker), Watched("CN"))))

    assert (found.decision, found.probe) == (AdmissionOutcome.GO, True)
    assert found.steps[0].rule is Went.PROBE


def test_what_is_not_planned_is_not_judged() -> None:
    """Whoever asks about a message without a plan has made a mistake."""
    failure: RetryCandidate = a_failure(attempts=3)

    with pytest.raises(ValueError, match="nothing is planned"):
        admit(failure, plan(failure, POLICY, 0.0), Context(), POLICY, NOW)


def test_all_that_holds_it_back_is_told() -> None:
    """Each thing that holds a retry back is a sentence with its numbers."""
    open_one = Breaker(Position.OPEN, 300, NOW + SECOND)
    context = Context(recent=ago(*range(10)), retries_today=100, sends_today=120,
                      breakers=(Watched("1069", open_one),))  # fmt: skip

    assert "\n".join(step.words.en for step in judge(context).steps) == (
        "`retry.kinds.notification.per_minute` allows 10 sends to the number within 60 "
        "s, and that many were sent\n100 of the 100 retries allowed for today's 120 "
        "sends were used\nfailures with `MK:0041` have increased sharply (1069); "
        "retries wait until one probe has been sent"
    )
