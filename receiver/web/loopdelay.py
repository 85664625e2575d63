"""How late the event loop is: whatever holds it keeps every push waiting, and no clock of one."""

import asyncio
import time
from collections import deque
from collections.abc import Callable

_EVERY_S = 0.1
_REMEMBERED = 100  # measurements: ten seconds, or more where the loop was held


class LoopDelay:
    """Measures by a timer how much later than asked for it is heard."""

    def __init__(self, observe: Callable[[float], object]) -> None:
        """Begin without a measurement.

        Args:
            observe: takes each delay, in seconds.
        """
        self._observe = observe
        self._lately: deque[float] = deque([0.0], maxlen=_REMEMBERED)

    @property
    def longest_s(self) -> float:
        """The longest delay of the last ten seconds."""
        return max(self._lately)

    async def run(self) -> None:
        """Measure until cancelled."""
        while True:
            due = time.monotonic() + _EVERY_S
            await asyncio.sleep(_EVERY_S)
            delay = max(0.0, time.monotonic() - due)
            self._observe(delay)
            self._lately.append(delay)
