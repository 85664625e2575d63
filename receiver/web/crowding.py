"""Which connection goes when there are too many: of whoever keeps most waiting, the oldest one.

Genuine pushes are over in milliseconds, so it is hardly ever theirs. Connections to which we owe
an answer are never chosen.
"""

from collections import Counter, defaultdict
from collections.abc import Container
from typing import Generic, TypeVar

_C = TypeVar("_C")


class Crowd(Generic[_C]):
    """The connections of a listener, and since when they wait for their clients, in that order."""

    def __init__(self, most: int, most_of_a_peer: int, exempt: Container[str] = ()) -> None:
        """Make an empty crowd.

        Args:
            most: connections in all.
            most_of_a_peer: of them from one address.
            exempt: addresses that speak for many clients, such as our own proxies.
        """
        self._most = most
        self._most_of_a_peer = most_of_a_peer
        self._exempt = exempt
        self._all: Counter[str] = Counter()
        self._number = 0
        # By peer. Dictionaries keep the order: who waits longest stands first.
        self._waiting: defaultdict[str, dict[_C, None]] = defaultdict(dict)

    def come(self, connection: _C, peer: str) -> bool:
        """Take a new connection in; tell whether there is one too many."""
        self._number += 1
        self._all[peer] += 1
        self.wait(connection, peer)
        return self._number > self._most or self._is_peer_full(peer)

    def leave(self, connection: _C, peer: str) -> None:
        """Forget a connection."""
        self.work(connection, peer)
        self._number -= 1
        self._all[peer] -= 1
        if not self._all[peer]:
            del self._all[peer]
            self._waiting.pop(peer, None)

    def wait(self, connection: _C, peer: str) -> None:
        """Note that a connection begins to wait for its client."""
        self._waiting[peer][connection] = None

    def work(self, connection: _C, peer: str) -> None:
        """Note that it is our turn."""
        self._waiting[peer].pop(connection, None)

    def longest(self, peer: str) -> _C | None:
        """Give the connection that goes so that one of a peer may stay; None: all are at work."""
        if not self._is_peer_full(peer):
            peer = max(self._waiting, key=lambda one: len(self._waiting[one]))
        return next(iter(self._waiting[peer]), None)

    def _is_peer_full(self, peer: str) -> bool:
        return self._all[peer] > self._most_of_a_peer and peer not in self._exempt
