"""Which requests may still reach an unavailable receiver; no I/O."""

import threading
from enum import Enum

PROBE_S = 0.5  # of the first probe; a receiver on the same network answers in milliseconds
_REST_PER_PROBE = 10  # a probe costs its caller at most a tenth of the time


class Admitted(Enum):
    """How a registration may ask the receiver."""

    FREELY = "freely"
    AS_PROBE = "as probe"  # once, and with the probe's time-out
    NOT_NOW = "not now"


class Circuit:
    """What the threads of a process know about the state of a receiver.

    While the receiver is away one of them at a time asks it, and the others do not wait. A probe
    holds its place by time and not by a lock: whatever becomes of it, another follows.

    Args:
        rest_s: for how long at least a receiver that is unavailable is left alone.
        longest_probe_s: to which the time-out of probes grows, so that a receiver that is only slow
            is found again.
    """

    def __init__(self, rest_s: float, longest_probe_s: float) -> None:
        self._rest_s = rest_s
        self._longest_probe_s = longest_probe_s
        self._lock = threading.RLock()  # a signal handler may send, too
        self._is_open = False
        self._finder: object | None = None
        self._next_probe = 0.0
        self._probe_s = min(PROBE_S, longest_probe_s)

    @property
    def probe_s(self) -> float:
        """The time-out of the next probe."""
        return self._probe_s

    def admit(self, now: float) -> Admitted:
        """Return how a new registration may ask."""
        with self._lock:
            if not self._is_open:
                return Admitted.FREELY
            if now < self._next_probe:
                return Admitted.NOT_NOW
            self._next_probe = now + self._probe_s + max(self._rest_s, self._probe_s)
            return Admitted.AS_PROBE

    def claim(self, finder: object, until: float) -> bool:
        """Return whether one that failed may try again: only the first that finds nobody may.

        Args:
            finder: the one that failed.
            until: when it gives up.
        """
        with self._lock:
            if not self._is_open:
                self._is_open, self._finder = True, finder
                self._next_probe = until + self._rest_s
            return self._finder is finder

    def found(self) -> None:
        """Note that the receiver has answered."""
        if self._is_open:
            with self._lock:
                self._reset()

    def missed(self, who: object, now: float, probed_s: float | None = None) -> None:
        """Note that the receiver is unavailable.

        Args:
            who: the one that gives up; those that began before this was known change nothing.
            now: when it does.
            probed_s: how long its probe took; None: it was no probe.
        """
        with self._lock:
            if self._is_open and probed_s is None and who is not self._finder:
                return
            self._is_open, self._finder = True, None
            rest_s = self._rest_s
            if probed_s is not None:
                rest_s = max(rest_s, _REST_PER_PROBE * probed_s)
                if probed_s >= self._probe_s:
                    self._probe_s = min(2 * self._probe_s, self._longest_probe_s)
            self._next_probe = now + rest_s

    def _reset(self) -> None:
        self._is_open, self._finder = False, None
        self._probe_s = min(PROBE_S, self._longest_probe_s)
