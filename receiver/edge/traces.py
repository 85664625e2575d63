"""Traces of pushes that were cut off: so many a minute, and the others are counted.

A trace takes room on the disk, and nothing of the push was judged but its token: without a bound
anyone who knows the token could fill the disk with the beginnings of endless pushes.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import structlog

_log = structlog.get_logger(__name__)

_MINUTE_US = 60_000_000


@dataclass(slots=True)
class _Minute:
    since: int  # microseconds
    left: int  # traces
    untraced: int = 0  # since the last trace


class Traces:
    """How many traces each application may still leave in this minute."""

    def __init__(self, per_minute: int, clock: Callable[[], int]) -> None:
        """Begin with all of them.

        Args:
            per_minute: traces of one application.
            clock: the time, microseconds since the epoch.
        """
        self._per_minute = per_minute
        self._clock = clock
        self._minutes: dict[str, _Minute] = {}

    def leave(self, application: str) -> int | None:
        """Take one; return how many pushes left none before it, or None if this one leaves none."""
        now = self._clock()
        minute = self._minutes.setdefault(application, _Minute(now, self._per_minute))
        if not 0 <= now - minute.since < _MINUTE_US:
            minute.since, minute.left = now, self._per_minute
        if minute.left == 0:
            if not minute.untraced:
                _log.warning(
                    "oversized pushes were rejected and not all of them are "
                    "quarantined; receiver_pushes_cut_off_total counts them",
                    application=application,
                )
            minute.untraced += 1
            return None
        minute.left -= 1
        untraced, minute.untraced = minute.untraced, 0
        return untraced


def describe(body: bytes, claimed: int, untraced: int) -> str:
    """Return one line about a push that was rejected before its end.

    Args:
        body: what was received.
        claimed: how many bytes the push was to have; 0: it did not say.
        untraced: how many pushes left no trace before this one.
    """
    told = f"{claimed} bytes were announced; " if claimed else ""
    text = f"{told}{len(body)} bytes arrived, with the SHA-256 {hashlib.sha256(body).hexdigest()}."
    return f"{text} {untraced} earlier pushes were rejected without a record." if untraced else text
