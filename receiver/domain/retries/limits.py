"""Limits of sends to one number within a sliding window."""

from collections.abc import Iterable
from dataclasses import dataclass

from receiver.domain.times import SECOND


@dataclass(frozen=True, slots=True)
class Limit:
    """A maximum number of sends within any window of a given length."""

    name: str  # of its setting
    within_s: int
    sends: int


def free_from(limit: Limit, sent_at: Iterable[int], now: int) -> int:
    """Return the first moment, now or later, at which one more send keeps a limit.

    A send no longer counts when the limit's stretch has passed since. Sends of the future, by a
    clock that is ahead, count too.

    Args:
        limit: what is to be kept.
        sent_at: when sends were, microseconds, in any order.
        now: microseconds.
    """
    stretch = limit.within_s * SECOND
    counting = sorted((moment for moment in sent_at if moment > now - stretch), reverse=True)
    if len(counting) < limit.sends:
        return now
    return counting[limit.sends - 1] + stretch
