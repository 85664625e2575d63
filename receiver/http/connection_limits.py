"""Closes connections above the limit: the oldest idle one of the address that keeps the most idle.

Genuine pushes are over in milliseconds, so it is hardly ever theirs. Connections to which we owe
an answer are never chosen.
"""

from collections import Counter, defaultdict
from collections.abc import Container
from heapq import heapify, heappop, heappush, heapreplace
from typing import Generic, TypeVar

_C = TypeVar("_C")

_OUTDATED = 4  # times as many ranks as peers: most are outdated
_FEW = 64  # ranks are too few to look after
_CALM = 8  # one part in so many is free again: no connection has to be closed for now


class ConnectionLimits(Generic[_C]):
    """The connections of a listener, and since when they wait for their clients, in that order."""

    def __init__(self, most: int, most_of_a_peer: int, exempt: Container[str] = ()) -> None:
        """Start without a connection.

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
        # How many each peer keeps waiting, most first, and the rank that counts; others of a peer
        # are outdated, and so is that one when some have left. Thousands of addresses may send a
        # flood, and a look at all of them for each connection would cost more than the connection.
        # Empty until somebody has to go.
        self._ranks: list[tuple[int, str]] = []
        self._rank: dict[str, int] = {}

    def add(self, connection: _C, peer: str) -> bool:
        """Take a new connection in; tell whether there is one too many."""
        self._number += 1
        self._all[peer] += 1
        if self._ranks and self._number < self._most - self._most // _CALM:
            self._forget_ranks()
        self.mark_idle(connection, peer)
        return self._number > self._most or self._is_peer_full(peer)

    def remove(self, connection: _C, peer: str) -> None:
        """Forget a connection."""
        self.mark_busy(connection, peer)
        self._number -= 1
        self._all[peer] -= 1
        if not self._all[peer]:
            del self._all[peer]
            self._waiting.pop(peer, None)

    def mark_idle(self, connection: _C, peer: str) -> None:
        """Note that a connection begins to wait for its client."""
        waiting = self._waiting[peer]
        waiting[connection] = None
        if self._ranks:
            self._raise(peer, len(waiting))

    def mark_busy(self, connection: _C, peer: str) -> None:
        """Note that it is our turn."""
        self._waiting[peer].pop(connection, None)

    def oldest_idle(self, peer: str) -> _C | None:
        """Return the connection that goes so that one of a peer may stay; None: all are at work."""
        if not self._is_peer_full(peer):
            peer = self._find_busiest()
        return next(iter(self._waiting.get(peer, ())), None)

    def _find_busiest(self) -> str:
        """Return who keeps most waiting."""
        ranks, rank = self._ranks, self._rank
        if not ranks:
            rank |= {peer: -len(waiting) for peer, waiting in self._waiting.items()}
            ranks += [(number, peer) for peer, number in rank.items()]
            heapify(ranks)
        while True:
            number, peer = ranks[0]
            actual = -len(self._waiting.get(peer, ()))
            if number != rank[peer]:
                heappop(ranks)
            elif number != actual:
                rank[peer] = actual
                heapreplace(ranks, (actual, peer))
            else:
                return peer

    def _raise(self, peer: str, number: int) -> None:
        """Note that a peer keeps more waiting."""
        if number <= -self._rank.get(peer, 0):
            return
        self._rank[peer] = -number
        heappush(self._ranks, (-number, peer))
        if len(self._ranks) > _OUTDATED * len(self._waiting) + _FEW:
            self._forget_ranks()

    def _forget_ranks(self) -> None:
        self._ranks.clear()
        self._rank.clear()

    def _is_peer_full(self, peer: str) -> bool:
        return self._all[peer] > self._most_of_a_peer and peer not in self._exempt
