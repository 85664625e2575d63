"""Delivery times: only from sane pairs of times, and percentiles that keep their bound."""

from collections import Counter
from itertools import pairwise
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.domain import times
from receiver.domain.messages.durations import (
    BOUNDS,
    CLOCK_AHEAD,
    NO_CLASS,
    class_of,
    delivery_time_us,
    percentile_us,
)

S = times.SECOND
SENT = 1_700_000_000 * S
HEARD = SENT + 60 * S
LONGEST = 30 * 24 * 3600 * S


@pytest.mark.parametrize(
    ("sent_at", "delivered_at", "last_report_at", "expected"),
    [
        pytest.param(SENT, SENT + 5 * S, HEARD, 5 * S, id="usual"),
        pytest.param(SENT, SENT, HEARD, 0, id="at once"),
        pytest.param(SENT, SENT - 1, HEARD, None, id="delivered before it was sent"),
        pytest.param(
            SENT, HEARD + CLOCK_AHEAD, HEARD, 60 * S + CLOCK_AHEAD, id="the clock just not too fast"
        ),
        pytest.param(SENT, HEARD + CLOCK_AHEAD + 1, HEARD, None, id="delivered in the future"),
        pytest.param(SENT, SENT + 5 * S, SENT - 1, 5 * S, id="our clock behind both"),
        pytest.param(
            SENT, SENT + 5 * S, SENT + 4 * 86_400 * S, 5 * S, id="reported days after, times sane"
        ),
        pytest.param(None, SENT, HEARD, None, id="never registered"),
        pytest.param(SENT, None, HEARD, None, id="not delivered"),
        pytest.param(SENT, SENT, None, None, id="no report"),
        pytest.param(-5 * S, -2 * S, 0, 3 * S, id="before the epoch"),
    ],
)
def test_a_delivery_time_comes_from_sane_times(
    sent_at: int | None, delivered_at: int | None, last_report_at: int | None, expected: int | None
) -> None:
    """Times that cannot be true together give no delivery time, and none is ever negative."""
    assert delivery_time_us(sent_at, delivered_at, last_report_at) == expected


def test_the_bounds_go_up_evenly() -> None:
    """Each class is at most half as wide as where it begins, up to 30 days."""
    assert BOUNDS[0] == S
    assert BOUNDS[-1] == LONGEST
    for lower, upper in pairwise(BOUNDS):
        assert lower < upper <= 1.5 * lower


@pytest.mark.parametrize(
    ("duration", "expected"),
    [
        pytest.param(None, NO_CLASS, id="none"),
        pytest.param(0, 0, id="nothing"),
        pytest.param(S - 1, 0, id="just below a second"),
        pytest.param(S, 1, id="a second"),
        pytest.param(2 * S, 3, id="two"),
        pytest.param(3 * S, 4, id="three"),
        pytest.param(5 * S, 5, id="five, with four"),
        pytest.param(LONGEST - 1, len(BOUNDS) - 1, id="just below 30 days"),
        pytest.param(LONGEST, len(BOUNDS), id="30 days"),
        pytest.param(2**62, len(BOUNDS), id="for ever"),
    ],
)
def test_a_class_begins_at_its_bound(duration: int | None, expected: int) -> None:
    """A duration is of the class whose bounds it lies between, the lower one included."""
    assert class_of(duration) == expected


@pytest.mark.parametrize(
    ("counts", "percent", "expected_s"),
    [
        pytest.param({}, 50, None, id="nothing"),
        pytest.param({NO_CLASS: 7}, 50, None, id="nothing with a time"),
        pytest.param({0: 1}, 50, 0, id="below a second"),
        pytest.param({4: 5}, 90, 3, id="3 s is the only whole second of its class"),
        pytest.param({5: 1}, 50, 4.5, id="one: the middle of its class, 4 to 5 s"),
        pytest.param({5: 2, NO_CLASS: 9}, 50, 4.25, id="the first of two in a class"),
        pytest.param({5: 2}, 99, 4.75, id="the second of two"),
        pytest.param({0: 99, 7: 1}, 99, 0, id="99 of 100 are in the first class"),
        pytest.param({0: 98, 7: 2}, 99, 8.75, id="the 99th is the first of two in 8 to 11 s"),
        pytest.param({len(BOUNDS): 3}, 50, LONGEST / S, id="30 days or longer"),
    ],
)
def test_a_percentile_is_found_in_its_class(
    counts: dict[int, int], percent: int, expected_s: float | None
) -> None:
    """The rank is counted through the classes, then evenly within one."""
    found = percentile_us(counts, percent)
    assert (None if found is None else found / S) == pytest.approx(expected_s)


@given(
    st.lists(st.integers(0, LONGEST - 1) | st.integers(0, 120 * S), min_size=1, max_size=200),
    st.integers(1, 100),
)
def test_a_percentile_is_off_by_less_than_its_class(durations: list[int], percent: int) -> None:
    """Of any durations below 30 days: at most half of the exact one off, or a second."""
    exact = sorted(durations)[ceil(len(durations) * percent / 100) - 1]
    estimate = percentile_us(Counter(map(class_of, durations)), percent)
    assert estimate is not None
    assert abs(estimate - exact) <= max(exact / 2, S)
    assert class_of(int(estimate)) == class_of(exact)


@given(st.lists(st.integers(0, 3), min_size=1), st.integers(1, 100))
def test_few_whole_seconds_are_exact(seconds: list[int], percent: int) -> None:
    """Of durations as the platform's times give them, up to 3 seconds nothing is lost."""
    exact = sorted(seconds)[ceil(len(seconds) * percent / 100) - 1]
    assert percentile_us(Counter(class_of(one * S) for one in seconds), percent) == exact * S
