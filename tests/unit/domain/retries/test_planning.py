"""When a failed message is sent again, or why not. Each row's id shows the arithmetic."""

from dataclasses import replace
from typing import Any

import pytest

from receiver.domain.catalogue.entries import Category, RetryClass
from receiver.domain.inputs import Trust
from receiver.domain.messages.state import State
from receiver.domain.retries.planning import fraction_of, plan
from receiver.domain.retries.policy import (
    KindRules,
    MessageKind,
    Override,
    RetryPolicy,
    RetryRule,
    Terms,
    Values,
)
from receiver.domain.retries.sentences import NoRetry, RetryStep
from receiver.domain.retries.windows import Hours
from receiver.domain.times import SECOND
from receiver.domain.verdict import Action
from tests.support.retries import DAY, HOUR, MINUTE, NOON, a_failure, at

JUST_BELOW_1 = 1 - 2**-53
POLICY = RetryPolicy()
SOON, LATER, NEXT_DAY = RetryClass.RETRY_SOON, RetryClass.RETRY_LATER, RetryClass.NEXT_DAY
CODES = Override("codes", template_id="login", kind=MessageKind.CODE)
SALES = Override("sales", reference_prefix="sale-", kind=MessageKind.PROMOTIONAL)
WITH_KINDS = RetryPolicy(overrides=(CODES, SALES))


def based(**values: Any) -> RetryPolicy:
    """Make a policy of nothing but a base; a retry waits 100 s and has no jitter."""
    values = {"delay_s": 100, "factor": 1.0, "jitter": 0.0, **values}
    return RetryPolicy(base=RetryRule(**values), classes={}, categories={}, kinds={})


# --- when -------------------------------------------------------------------------------------

LATER_ROWS = [
    # policy, changes of the failure, fraction of the jitter, seconds from the failure
    pytest.param(POLICY, {}, 0.0, 1800, id="retry-later: 1800 + 0 = 1800"),
    pytest.param(POLICY, {"retry": SOON}, 0.0, 60, id="retry-soon: 60"),
    pytest.param(POLICY, {"retry": NEXT_DAY}, 0.0, DAY, id="next-day: 86400, within 3 days"),
    pytest.param(POLICY, {}, 0.5, 1890, id="half of the jitter: 1800 + 1800 x 0.1 x 0.5 = 1890"),
    pytest.param(
        POLICY, {}, JUST_BELOW_1, 1979.999999, id="all but the whole jitter: below 1800 + 180"
    ),
    pytest.param(based(jitter=1.0), {}, 0.25, 125, id="jitter 1: 100 + 100 x 1 x 0.25"),
    pytest.param(based(jitter=0.0), {}, JUST_BELOW_1, 100, id="no jitter: 100 whatever is drawn"),
    pytest.param(POLICY, {"attempts": 2}, 0.0, 3600, id="second retry: 1800 x 2^1"),
    pytest.param(
        based(factor=3.0, attempts=9), {"attempts": 5}, 0.0, 8100, id="fifth: 100 x 3^4 = 8100"
    ),
    pytest.param(
        based(factor=3.0, attempts=9, cap_s=5000), {"attempts": 5}, 0.0, 5000,
        id="capped: min(8100, 5000)",
    ),
    pytest.param(
        based(factor=3.0, attempts=9, cap_s=5000, jitter=0.1), {"attempts": 5}, 0.5, 5250,
        id="jitter on top of the cap: 5000 + 250",
    ),
    pytest.param(
        based(factor=100.0, attempts=999, cap_s=7), {"attempts": 998}, 0.0, 7,
        id="beyond all numbers: 100 x 100^997 is capped to 7",
    ),
    pytest.param(
        POLICY, {"retry": SOON, "retry_after_s": 90}, 0.0, 90, id="the row's own wait: 90 for 60"
    ),
    pytest.param(
        POLICY, {"retry_after_s": 90}, 0.0, 90, id="the row's own wait: 90 for 1800"
    ),
    pytest.param(
        POLICY, {"retry_after_s": 90, "attempts": 2}, 0.0, 180, id="the row's wait grows: 90 x 2"
    ),
    pytest.param(
        WITH_KINDS, {"retry_after_s": 90, "template_id": "login"}, 0.0, 90,
        id="no rule undercuts the row's wait: max(60, 90)",
    ),
    pytest.param(WITH_KINDS, {"template_id": "login"}, 0.0, 60, id="a code: 60 for 1800"),
    pytest.param(
        WITH_KINDS, {"template_id": "login", "attempts": 2, "failed_at": NOON + 70 * SECOND},
        0.0, 120, id="a code again: 60 x 2, 190 s old at most 300",
    ),
    pytest.param(
        POLICY, {"category": Category.HANDSET_UNREACHABLE, "attempts": 2}, 0.0, 5400,
        id="handset: 1800 x 3^1",
    ),
    pytest.param(
        POLICY, {"category": Category.HANDSET_UNREACHABLE, "attempts": 3}, 0.0, 16200,
        id="handset, fourth send: 1800 x 3^2",
    ),
    pytest.param(
        replace(POLICY, categories={Category.CARRIER_FAILURE: Values(delay_s=300)}), {}, 0.0, 300,
        id="a category says more than a class: 300 for 1800",
    ),
    pytest.param(
        replace(WITH_KINDS, overrides=(replace(CODES, values=Values(delay_s=5)),)),
        {"template_id": "login"}, 0.0, 5, id="an override says more than its kind: 5 for 60",
    ),
    pytest.param(
        replace(POLICY, overrides=(Override("a", reference_prefix="x", values=Values(delay_s=7)),
                                   Override("b", reference_prefix="xy", values=Values(delay_s=8)))),
        {"reference": "xyz"}, 0.0, 7, id="the first override that fits: 7, not 8",
    ),
    pytest.param(
        replace(POLICY, overrides=(Override("a", template_id="t", values=Values(delay_s=7)),)),
        {"template_id": "u"}, 0.0, 1800, id="an override for another template says nothing",
    ),
    pytest.param(
        replace(POLICY, overrides=(Override("a", reference_prefix="x", values=Values(delay_s=7)),)),
        {"reference": None}, 0.0, 1800, id="no reference fits no prefix",
    ),
    pytest.param(
        based(window_s=100), {}, 0.0, 100, id="due at the window's very end: 0 + 100 = 100"
    ),
    pytest.param(
        based(window_s=300), {"failed_at": NOON + 200 * SECOND}, 0.0, 100,
        id="the window counts from the first send: 200 + 100 = 300",
    ),
    pytest.param(POLICY, {"state": State.PARTIAL}, 0.0, 1800, id="some parts failed: 1800"),
    pytest.param(POLICY, {"state": State.REFUSED}, 0.0, 1800, id="refused: 1800"),
    pytest.param(
        POLICY, {"duplicate_risk": True}, 0.0, 1800, id="a notification may come twice"
    ),
    pytest.param(
        replace(POLICY, trust_open="queue"), {"trust": Trust.OPEN}, 0.0, 1800,
        id="open trust is enough if the setting says so",
    ),
    pytest.param(
        POLICY, {"first_sent_at": None}, 0.0, 1800, id="sent at no known time: the failure's counts"
    ),
]  # fmt: skip


@pytest.mark.parametrize(("policy", "changes", "fraction", "seconds"), LATER_ROWS)
def test_due(policy: RetryPolicy, changes: dict[str, Any], fraction: float, seconds: float) -> None:
    """A retry is due so long after the failure as class, row, category, kind and override say."""
    failure = a_failure(**changes)

    planned = plan(failure, policy, fraction)

    assert planned.reason is None
    assert failure.failed_at is not None
    assert planned.due_at == failure.failed_at + round(seconds * SECOND)
    assert planned.attempt == failure.attempts + 1


# --- why not ----------------------------------------------------------------------------------

NEVER_ROWS = [
    # policy, changes of the failure, reason
    pytest.param(POLICY, {"state": State.DELIVERED}, NoRetry.DELIVERED, id="delivered"),
    pytest.param(POLICY, {"chain_delivered": True}, NoRetry.CHAIN_DELIVERED, id="chain delivered"),
    pytest.param(POLICY, {"superseded": True}, NoRetry.SUPERSEDED, id="already been sent again"),
    pytest.param(POLICY, {"state": State.ACCEPTED}, NoRetry.NO_FAILURE, id="on its way"),
    pytest.param(POLICY, {"state": State.OVERDUE}, NoRetry.NO_FAILURE, id="nothing was heard"),
    pytest.param(POLICY, {"failed_at": None}, NoRetry.NO_FAILURE, id="failed at no time"),
    *(
        pytest.param(POLICY, {"action": action}, NoRetry.NOT_RETRYABLE, id=f"action {action}")
        for action in (Action.FIX, Action.STOP, Action.INVESTIGATE)
    ),
    pytest.param(POLICY, {"registered": False}, NoRetry.ORPHAN, id="orphan"),
    pytest.param(POLICY, {"trust": Trust.OPEN}, NoRetry.OPEN_TRUST, id="open trust"),
    pytest.param(POLICY, {"number": None}, NoRetry.NO_NUMBER, id="no number"),
    pytest.param(POLICY, {"number": "138****0001"}, NoRetry.NO_NUMBER, id="masked number"),
    pytest.param(POLICY, {"number": "+8612"}, NoRetry.NO_NUMBER, id="impossible number"),
    pytest.param(
        WITH_KINDS, {"duplicate_risk": True, "template_id": "login"}, NoRetry.DUPLICATE_RISK,
        id="a code that may have arrived",
    ),
    pytest.param(POLICY, {"attempts": 3}, NoRetry.ATTEMPTS_USED_UP, id="3 sends of 3"),
    pytest.param(based(attempts=1), {}, NoRetry.ATTEMPTS_USED_UP, id="1 send of 1"),
    pytest.param(
        POLICY, {"category": Category.HANDSET_UNREACHABLE, "attempts": 4},
        NoRetry.ATTEMPTS_USED_UP, id="handset: 4 sends of 4",
    ),
    pytest.param(
        WITH_KINDS, {"template_id": "login", "failed_at": NOON + 241 * SECOND}, NoRetry.TOO_OLD,
        id="a code: 241 + 60 = 301 > 300",
    ),
    pytest.param(
        WITH_KINDS, {"template_id": "login", "retry": NEXT_DAY}, NoRetry.TOO_OLD,
        id="a code whose limit lifts tomorrow: 86400 > 300",
    ),
    pytest.param(based(window_s=99), {}, NoRetry.WINDOW_OVER, id="0 + 100 = 100 > 99"),
    pytest.param(
        based(window_s=300), {"failed_at": NOON + 201 * SECOND}, NoRetry.WINDOW_OVER,
        id="201 + 100 = 301 > 300",
    ),
    pytest.param(
        POLICY, {"failed_at": NOON + 72 * HOUR * SECOND}, NoRetry.WINDOW_OVER,
        id="EXPIRED by the platform: 72 h + 0.5 h > 24 h",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("policy", "changes", "reason"), NEVER_ROWS)
def test_never(policy: RetryPolicy, changes: dict[str, Any], reason: NoRetry) -> None:
    """What must not or cannot be sent again has no time, and a reason that its last step tells."""
    planned = plan(a_failure(**changes), policy, 0.0)

    assert (planned.reason, planned.due_at, planned.deadline) == (reason, None, None)
    assert planned.steps[-1].rule is reason


IN_ORDER: dict[NoRetry, dict[str, Any]] = {
    NoRetry.DELIVERED: {"state": State.DELIVERED},
    NoRetry.CHAIN_DELIVERED: {"chain_delivered": True},
    NoRetry.SUPERSEDED: {"superseded": True},
    NoRetry.NOT_RETRYABLE: {"action": Action.STOP},
    NoRetry.ORPHAN: {"registered": False},
    NoRetry.OPEN_TRUST: {"trust": Trust.OPEN},
    NoRetry.NO_NUMBER: {"number": None},
    NoRetry.DUPLICATE_RISK: {"duplicate_risk": True},
    NoRetry.ATTEMPTS_USED_UP: {"attempts": 3},
    NoRetry.TOO_OLD: {"failed_at": NOON + HOUR * SECOND},
}


@pytest.mark.parametrize("first", range(len(IN_ORDER)), ids=list(IN_ORDER))
def test_the_first_check_that_says_no_decides(first: int) -> None:
    """Where all is wrong from a check on, that check's reason is told."""
    changes: dict[str, Any] = {"template_id": "login"}
    for wrong in list(IN_ORDER.values())[first:]:
        changes = {**wrong, **changes}

    assert plan(a_failure(**changes), WITH_KINDS, 0.0).reason is list(IN_ORDER)[first]


# --- hours and deadlines ----------------------------------------------------------------------

NIGHT = Override("night", template_id="n", terms=Terms(quiet_hours=Hours(22 * 60, 8 * 60)))
QUIET = RetryPolicy(overrides=(NIGHT, SALES), classes={SOON: Values(delay_s=600, jitter=0.0)})

HOURS_ROWS = [
    # number, failed, due (by the clock there)
    pytest.param("+8613800000001", "2026-03-10T21:49:59+08:00", "2026-03-10T21:59:59+08:00",
                 id="China: 21:49:59 + 10 min is a second before the night"),
    pytest.param("+8613800000001", "2026-03-10T21:50:00+08:00", "2026-03-11T08:00:00+08:00",
                 id="China: 21:50 + 10 min = 22:00, so 08:00"),
    pytest.param("+8613800000001", "2026-03-10T23:55:00+08:00", "2026-03-11T08:00:00+08:00",
                 id="China: 23:55 + 10 min is past midnight, so 08:00 of that day"),
    pytest.param("+8613800000001", "2026-03-11T07:49:59+08:00", "2026-03-11T08:00:00+08:00",
                 id="China: 07:59:59 waits a second"),
    pytest.param("+8613800000001", "2026-03-11T07:50:00+08:00", "2026-03-11T08:00:00+08:00",
                 id="China: 07:50 + 10 min = 08:00 is the morning"),
    pytest.param("+8613800000001", "2026-12-31T23:00:00+08:00", "2027-01-01T08:00:00+08:00",
                 id="China: over the year"),
    pytest.param("+12125550123", "2026-03-07T21:55:00-05:00", "2026-03-08T08:00:00-04:00",
                 id="New York: the night in which an hour is left out"),
    pytest.param("+12125550123", "2026-10-31T22:55:00-04:00", "2026-11-01T08:00:00-05:00",
                 id="New York: the night in which an hour comes twice"),
    pytest.param("+442071234567", "2026-03-28T23:00:00+00:00", "2026-03-29T08:00:00+01:00",
                 id="London: into summer time"),
    pytest.param("+442071234567", "2026-10-24T23:00:00+01:00", "2026-10-25T08:00:00+00:00",
                 id="London: out of summer time"),
    pytest.param("+9779800000001", "2026-03-10T21:55:00+05:45", "2026-03-11T08:00:00+05:45",
                 id="Nepal: a quarter of an hour off"),
    pytest.param("+18005550123", "2026-03-10T07:00:00-04:00", "2026-03-10T18:00:00-04:00",
                 id="toll-free: by day from Puerto Rico to Guam is 18:00 to 22:00"),
    pytest.param("+870773111632", "2026-03-10T21:55:00+08:00", "2026-03-11T08:00:00+08:00",
                 id="Inmarsat has no zone: that of the setting"),
]  # fmt: skip


@pytest.mark.parametrize(("number", "failed", "due"), HOURS_ROWS)
def test_quiet_hours(number: str, failed: str, due: str) -> None:
    """What would be due at night by the recipient's wall clock is due when the night is over."""
    failed_at = at(failed)
    failure = a_failure(
        number=number, template_id="n", retry=SOON, failed_at=failed_at, first_sent_at=failed_at
    )

    planned = plan(failure, QUIET, 0.0)

    assert planned.due_at == at(due)


@pytest.mark.parametrize(
    ("failed", "due"),
    [
        pytest.param("2026-03-10T21:55:00+08:00", "2026-03-11T08:00:00+08:00", id="22:05 to 08:00"),
        pytest.param("2026-03-10T07:45:00+08:00", "2026-03-10T08:00:00+08:00", id="07:55 to 08:00"),
        pytest.param("2026-03-10T12:00:00+08:00", "2026-03-10T12:10:00+08:00", id="by day: 12:10"),
    ],
)
def test_promotional_hours(failed: str, due: str) -> None:
    """Promotional SMSs go from 08:00 to 22:00, as the platform has it."""
    failure = a_failure(
        reference="sale-1", retry=SOON, failed_at=at(failed), first_sent_at=at(failed)
    )

    assert plan(failure, QUIET, 0.0).due_at == at(due)


@pytest.mark.parametrize(
    ("window_s", "due"),
    [
        pytest.param(10 * HOUR, True, id="22:00 + 10 h = 08:00 is the last moment"),
        pytest.param(10 * HOUR - 1, False, id="22:00 + 10 h - 1 s ends in the night"),
    ],
)
def test_a_night_until_the_deadline(window_s: int, due: bool) -> None:
    """Where no allowed hour is left before the deadline, nothing is sent again."""
    night = replace(NIGHT, values=Values(window_s=window_s, delay_s=60))
    failed_at = at("2026-03-10T22:00:00+08:00")
    failure = a_failure(template_id="n", failed_at=failed_at, first_sent_at=failed_at)

    planned = plan(failure, RetryPolicy(overrides=(night,)), 0.0)

    assert planned.reason is (None if due else NoRetry.NO_HOUR)
    assert planned.due_at == (failed_at + 10 * HOUR * SECOND if due else None)


@pytest.mark.parametrize(
    ("policy", "changes", "life_s"),
    [
        pytest.param(POLICY, {}, DAY, id="a day"),
        pytest.param(POLICY, {"retry": NEXT_DAY}, 3 * DAY, id="limits of a day: three days"),
        pytest.param(WITH_KINDS, {"template_id": "login"}, 5 * MINUTE, id="a code: five minutes"),
        pytest.param(
            replace(WITH_KINDS, overrides=(replace(CODES, terms=Terms(max_age_s=120)),)),
            {"template_id": "login"},
            120,
            id="an override's max_age over the kind's",
        ),
    ],
)
def test_deadline(policy: RetryPolicy, changes: dict[str, Any], life_s: int) -> None:
    """The last moment is a window, or the age at which an SMS is worth nothing, after the first."""
    first_sent_at = NOON - 30 * SECOND

    planned = plan(a_failure(first_sent_at=first_sent_at, **changes), policy, 0.0)

    assert planned.deadline == first_sent_at + life_s * SECOND


# --- what is said -----------------------------------------------------------------------------


def test_the_arithmetic_is_shown() -> None:
    """The steps say which rules counted, each product and sum, and what the night changed."""
    failed_at = at("2026-03-10T21:40:00+08:00")
    failure = a_failure(
        category=Category.HANDSET_UNREACHABLE,
        reference="sale-9",
        failed_at=failed_at,
        first_sent_at=failed_at - 60 * SECOND,
    )

    planned = plan(failure, WITH_KINDS, 0.5)

    assert "\n".join(step.words.en for step in planned.steps) == (
        "its kind is `promotional`; its rule is merged from `retry, "
        "retry.classes.retry-later, retry.categories.handset-unreachable`, and later "
        "entries override earlier ones\nsend 2 of at most 4: 1800 s x 3^0, at most "
        "21600 s, make 1800 s\n2026-03-10T13:40:00Z + 1800 s + 90 s (jitter of up to "
        "0.1 of the wait) = 2026-03-10T14:11:30Z\nit was first sent at "
        "2026-03-10T13:39:00Z; 86400 s later, at 2026-03-11T13:39:00Z, its deadline "
        "ends\nat 2026-03-10T14:11:30Z it is 22:11 in Asia/Shanghai, where nothing is "
        "sent at 22:00-08:00; it waits until 2026-03-11T00:00:00Z"
    )
    assert all(step.words.zh != step.words.en for step in planned.steps)


def test_the_least_wait_is_told() -> None:
    """Where a limit lifts later than the rule would send, that is a step of its own."""
    planned = plan(a_failure(template_id="login", retry_after_s=90), WITH_KINDS, 0.0)

    assert RetryStep.LEAST in [step.rule for step in planned.steps]


def test_a_kind_without_rules_has_no_bounds() -> None:
    """A policy that says nothing of a kind retries by its base alone."""
    policy = replace(POLICY, kinds={MessageKind.NOTIFICATION: KindRules()})

    assert plan(a_failure(duplicate_risk=True), policy, 0.0).due_at == NOON + 1800 * SECOND


@pytest.mark.parametrize("attempt", range(1, 4))
def test_the_draw_of_the_jitter_is_always_the_same(attempt: int) -> None:
    """The same retry draws the same, another one something else, all of them from 0 to below 1."""
    drawn = fraction_of("shop", "m-1", attempt)

    assert drawn == fraction_of("shop", "m-1", attempt)
    assert 0 <= drawn < 1
    others = {fraction_of("shop", f"m-{n}", attempt) for n in range(2, 200)}
    assert drawn not in others
    assert 0.4 < sum(others) / len(others) < 0.6
