"""Which connections read in a turn of the event loop: floods wait, pushes do not.

A connection that has more to say than one request at a time is not read on at once. It waits for a
turn, of which there are a few in each turn of the event loop; between them everybody else is
served. What it has sent meanwhile stays with the operating system, which slows the sender down.
"""

import asyncio
from typing import Protocol

_MOST_IN_A_TURN = 4  # connections that read on in one turn of the event loop
# Readings in a turn that complete nothing, of all connections together: a part of a head, a byte.
# Anyone who goes on like that waits, and what has come meanwhile is read at once.
_MOST_FRUITLESS = 16


class Waiter(Protocol):
    """A connection that waits for its turn."""

    def take_turn(self) -> None:
        """Read on."""


class Turns:
    """The connections of a listener that wait for a turn; addresses take turns, too."""

    def __init__(self) -> None:
        """Begin without waiters."""
        # By address, and in each in order of arrival: a thousand connections of one address are
        # no faster than one of another address.
        self._waiting: dict[str, dict[Waiter, None]] = {}
        self._is_due = False
        self._fruitless = 0  # readings in this turn

    def spend(self) -> bool:
        """Count a reading that completes nothing; tell whether there were many in this turn."""
        self._fruitless += 1
        if self._fruitless == 1:
            asyncio.get_running_loop().call_soon(self._begin_anew)
        return self._fruitless > _MOST_FRUITLESS

    def _begin_anew(self) -> None:
        self._fruitless = 0

    def wait(self, waiter: Waiter, group: str) -> None:
        """Let a connection read on in a later turn."""
        self._waiting.setdefault(group, {})[waiter] = None
        self._make_due()

    def leave(self, waiter: Waiter, group: str) -> None:
        """Forget a connection that may be waiting."""
        queue = self._waiting.get(group)
        if queue is not None:
            queue.pop(waiter, None)
            if not queue:
                del self._waiting[group]

    def _make_due(self) -> None:
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._give)

    def _give(self) -> None:
        self._is_due = False
        for _ in range(_MOST_IN_A_TURN):
            if not self._waiting:
                return
            group = next(iter(self._waiting))
            queue = self._waiting.pop(group)
            waiter = next(iter(queue))
            del queue[waiter]
            if queue:
                self._waiting[group] = queue  # behind the others
            waiter.take_turn()
        if self._waiting:
            self._make_due()


class ReadHold:
    """Why a connection is not read on: bits, for they are looked at for every request."""

    TURN = 1  # others are served first
    UNREAD = 2  # the client does not read its answers
    UNANSWERED = 4  # enough of its requests are in hand


class Tap:
    """The reading of a connection: it goes on when nobody holds it."""

    __slots__ = ("_transport", "holds")

    def __init__(self, transport: asyncio.ReadTransport) -> None:
        """Begin open."""
        self._transport = transport
        self.holds = 0  # the reasons for which it is not read on

    def is_held(self, why: int) -> bool:
        """Return whether this is one of the reasons for which it is not read on."""
        return bool(self.holds & why)

    def hold(self, why: int) -> None:
        """Read no further for now."""
        if not self.holds and not self._transport.is_closing():
            self._transport.pause_reading()
        self.holds |= why

    def release(self, why: int) -> None:
        """Take back one reason; read on if it was the last."""
        if self.holds & why:
            self.holds &= ~why
            if not self.holds and not self._transport.is_closing():
                self._transport.resume_reading()
