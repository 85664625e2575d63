"""Delivery durations: which pairs of times give one, and percentiles from classes.

The bounds of the classes go up by a half and by a third in turns: 1, 1.5, 2, 3, 4, 6, 8 seconds
and so on up to 30 days. A percentile is estimated within the class in which it lies, so it is off
by less than the class is wide: at most half of itself, below two seconds at most a second. The
platform's times are whole seconds, and for such durations up to 3 seconds it is exact.
"""

from bisect import bisect_right
from collections.abc import Mapping
from math import ceil

from receiver.domain import times

# By how much the platform's clock may be ahead of this host's.
CLOCK_AHEAD = 10 * 60 * times.SECOND

NO_CLASS = -1  # of what has no delivery time
_LONGEST = 30 * 24 * 3600 * times.SECOND

# Where the classes 1, 2, 3, ... begin, microseconds; class 0 begins at 0. What takes longer than
# the last bound is of the last class.
BOUNDS = (
    *(bound for power in range(22) for bound in (2**power * times.SECOND, 3 * 2**power * 500_000)
      if bound < _LONGEST),
    _LONGEST,
)  # fmt: skip


def delivery_time_us(
    sent_at: int | None, delivered_at: int | None, last_report_at: int | None
) -> int | None:
    """Return the time from sending to delivery in microseconds, None where the times are not sane.

    Args:
        sent_at: when the SMS was sent.
        delivered_at: the platform's time of the last delivered part.
        last_report_at: when a report was last heard here; a delivery cannot come much after it.
    """
    if sent_at is None or delivered_at is None or last_report_at is None:
        return None
    if not sent_at <= delivered_at <= last_report_at + CLOCK_AHEAD:
        return None
    return delivered_at - sent_at


def class_of(duration: int | None) -> int:
    """Return the class of a duration in microseconds; `NO_CLASS` where there is none."""
    return NO_CLASS if duration is None else bisect_right(BOUNDS, duration)


def percentile_us(counts: Mapping[int, int], percent: int) -> float | None:
    """Estimate a percentile (nearest rank) of durations that were counted by class.

    Within a class the durations are taken to lie evenly, from its beginning to its last whole
    second. Of the last class, which has no end, the beginning is given.

    Args:
        counts: how many durations of each class; `NO_CLASS` is left aside.
        percent: 1 to 100.

    Returns:
        Microseconds; None where nothing was counted.
    """
    known = sorted((number, count) for number, count in counts.items() if number != NO_CLASS)
    rank = ceil(sum(count for _, count in known) * percent / 100)
    for number, count in known:
        if rank <= count:
            return _within(number, (rank - 0.5) / count)
        rank -= count
    return None


def _within(number: int, share: float) -> float:
    """Return the duration at a share of the way through a class."""
    lower = BOUNDS[number - 1] if number else 0
    upper = BOUNDS[number] - times.SECOND if number < len(BOUNDS) else lower
    return lower + max(0, upper - lower) * share
