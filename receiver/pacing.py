"""Sharing the event loop: long work is done in slices, and pushes go first."""

import asyncio
import time
from collections.abc import Callable
from typing import ParamSpec

# While pushes crowd before the disk, this much time is left to them for each unit taken, and less
# when the store has fallen far behind. A push that is turned away is lost, a store that lags is
# not: even then most of the time is theirs.
_CROWD = 3  # pushes waiting
_YIELD_FACTOR = 15
_FAR_BEHIND_ROWS = 200_000
_YIELD_FACTOR_FAR_BEHIND = 7
_LONGEST_BREATH_S = 0.5

_P = ParamSpec("_P")


def yield_factor(*, waiting: int, behind: int) -> int:
    """Return how much time is left to pushes for each unit taken.

    Args:
        waiting: pushes that wait for the disk.
        behind: rows of the journal that the store does not have.
    """
    if waiting < _CROWD:
        return 0
    return _YIELD_FACTOR if behind < _FAR_BEHIND_ROWS else _YIELD_FACTOR_FAR_BEHIND


class Pacer:
    """Shares the time: lets everything else run after each slice, and longer while pushes crowd."""

    def __init__(
        self,
        slice_s: float,
        yield_factor: Callable[[], int],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Start to count.

        Args:
            slice_s: how long the event loop may be held.
            yield_factor: how much time is left to others for each unit taken; 0 if they need none.
            clock: returns seconds.
        """
        self._slice_s = slice_s
        self._yield_factor = yield_factor
        self._clock = clock
        self._since = clock()

    async def maybe_yield(self) -> None:
        """Yield if the slice is used up."""
        if self._clock() - self._since >= self._slice_s:
            await self.yield_now()

    async def yield_now(self) -> None:
        """Yield for the time taken since the last yield, that of the store's thread included."""
        taken = self._clock() - self._since
        await asyncio.sleep(0)  # who came meanwhile is not seen to wait before this
        left = self._yield_factor() * taken
        if left:
            await asyncio.sleep(min(left, _LONGEST_BREATH_S))
        self._since = self._clock()


def at_intervals(
    call: Callable[_P, object],
    interval_s: float,
    clock: Callable[[], float] = time.monotonic,
    *,
    is_due: bool = False,
) -> Callable[_P, None]:
    """Return a function that passes a call on only if none was for an interval.

    Args:
        call: what is called.
        interval_s: the interval.
        clock: returns seconds.
        is_due: whether the first call is passed on; it begins an interval otherwise.
    """
    due = clock() + (0 if is_due else interval_s)

    def call_if_due(*args: _P.args, **kwargs: _P.kwargs) -> None:
        nonlocal due
        now = clock()
        if now >= due:
            due = now + interval_s
            call(*args, **kwargs)

    return call_if_due
