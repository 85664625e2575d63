"""How late the event loop is: whatever holds it keeps every push waiting, and no clock of one.

The clock of a push starts with the turn of the event loop in which its first bytes are read. Before
that they wait for the end of the turn before, a new connection also in the queue of the operating
system. How long, the operating system knows; to ask it costs too much for each push, and little now
and then.
"""

import asyncio
import socket
import struct
import time
from collections import deque
from collections.abc import Callable

_EVERY_S = 0.1
# `tcpi_last_data_recv` of Linux' `struct tcp_info`: milliseconds since the last bytes came.
_LAST_DATA_AT = 52
_MILLISECONDS = struct.Struct("@I")
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


def read_wait_s(transport: asyncio.BaseTransport) -> float | None:
    """Return how long ago the last bytes of a connection came that is being read; None: unknown."""
    connection = transport.get_extra_info("socket")
    if connection is None or not hasattr(socket, "TCP_INFO"):
        return None
    end = _LAST_DATA_AT + _MILLISECONDS.size
    try:
        told = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, end)
    except OSError:
        return None
    if len(told) < end:
        return None
    milliseconds: int = _MILLISECONDS.unpack_from(told, _LAST_DATA_AT)[0]
    return milliseconds / 1000
