"""A day is simulated: the policy delivers nearly what an oracle could, with few sends more."""

import pytest

from tests.simulated_day.__main__ import lines, simulate
from tests.simulated_day.day import Figures

SEEDS = (101, 102, 103, 104)
MESSAGES = 2500


@pytest.fixture(scope="module", params=SEEDS)
def day(request: pytest.FixtureRequest) -> dict[str, Figures]:
    """Return what each strategy achieves on one day."""
    return simulate(request.param, MESSAGES)


def test_the_policy_does_nearly_what_can_be_done(day: dict[str, Figures]) -> None:
    """It delivers at least 95 % of what the oracle does, with at most 1.3 times its sends."""
    policy, oracle = day["policy"], day["oracle"]

    assert policy.delivered >= 0.95 * oracle.delivered
    assert policy.attempts <= 1.3 * oracle.attempts
    assert policy.delivered <= oracle.delivered


def test_nothing_goes_to_whom_nothing_is_to_be_sent(day: dict[str, Figures]) -> None:
    """No retry goes to somebody who opted out, or to a number that a code has shown to be lost."""
    assert day["policy"].to_suppressed == 0
    assert day["fixed"].to_suppressed > 0  # there are such people


def test_the_policy_is_better_than_the_baselines(day: dict[str, Figures]) -> None:
    """It delivers more than who never retries and who retries all at once, with fewer sends."""
    policy, never, fixed = day["policy"], day["never"], day["fixed"]

    assert policy.delivered > max(never.delivered, fixed.delivered)
    assert never.attempts < policy.attempts < fixed.attempts
    # More than half of what only a retry can deliver: most of a day arrives without any.
    assert policy.delivered - never.delivered > (day["oracle"].delivered - never.delivered) / 2


def test_a_day_is_the_same_each_time() -> None:
    """The same seed gives the same figures, another seed others."""
    first = simulate(7, 400)

    assert simulate(7, 400) == first
    assert simulate(8, 400) != first
    assert len(list(lines(first))) == 1 + len(first)
