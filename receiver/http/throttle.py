"""Throttles guesses of secrets: after several wrong ones an address waits for the next minute.

Anyone who is over the limit is not told whether a secret is right, or guessing would go on at full
speed. Whoever lately used a right one is not kept from it by what others at the address do.
"""

from collections.abc import Callable
from dataclasses import dataclass

from receiver.domain.times import SECOND

_MINUTE_US = 60 * SECOND


@dataclass(frozen=True, slots=True)
class GuessLimits:
    """How much guessing is allowed. Addresses are groups of `peers.group_of`."""

    per_minute: int  # wrong secrets of one address
    remembered: int  # addresses with wrong secrets, and right uses, each
    right_us: int  # how long a right use counts


class Guesses:
    """Wrong and right secrets by address, as far as they matter now. Times are microseconds."""

    def __init__(self, limits: GuessLimits, on_evicted: Callable[[], None]) -> None:
        """Begin with nothing.

        Args:
            limits: how much is allowed and remembered.
            on_evicted: called for each address that is forgotten before its minute is over.
        """
        self._limits = limits
        self._on_evicted = on_evicted
        # Since when, how many. Who is over the limit is kept apart, so that no flood of other
        # addresses washes the record out: it would take as many wrong secrets from each of them.
        self._few: dict[str, tuple[int, int]] = {}
        self._over: dict[str, tuple[int, int]] = {}
        self._right: dict[tuple[str, bytes], int] = {}  # last use; the longest ago stands first

    def wait_s(self, group: str, now: int) -> int:
        """Return how many seconds an address must wait; 0: it may try a secret."""
        since, _ = self._over.get(group, (now - _MINUTE_US, 0))
        left = since + _MINUTE_US - now
        if left <= 0 or left > _MINUTE_US:  # over, or the clock was set back
            self._over.pop(group, None)
            return 0
        return max(1, -(-left // SECOND))

    def note_wrong(self, group: str, now: int) -> None:
        """Count a wrong secret."""
        since, count = self._few.pop(group, (now, 0))
        if not 0 <= now - since < _MINUTE_US:
            since, count = now, 0
        fits = count + 1 < self._limits.per_minute
        (self._few if fits else self._over)[group] = since, count + 1
        if len(self._few) + len(self._over) > self._limits.remembered:
            self._evict(now)

    def _evict(self, now: int) -> None:
        """Forget the address that came first of those with the fewest wrong secrets."""
        records = self._few or self._over
        since, _ = records.pop(next(iter(records)))
        if now - since < _MINUTE_US:
            self._on_evicted()

    def note_right(self, group: str, digest: bytes, now: int) -> None:
        """Note that an address used a right secret; those used longest ago are forgotten."""
        right, user = self._right, (group, digest)
        right.pop(user, None)
        right[user] = now
        if len(right) > self._limits.remembered:
            del right[next(iter(right))]

    def was_right(self, group: str, digest: bytes, now: int) -> bool:
        """Return whether an address lately used this secret, and it was right then."""
        used = self._right.get((group, digest))
        return used is not None and now - used < self._limits.right_us
