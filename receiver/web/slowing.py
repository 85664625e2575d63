"""Slowing whoever tries keys: after some wrong ones an address waits for the minute to end."""

from receiver.domain.times import SECOND

_MINUTE_US = 60 * SECOND
_MOST_PEERS = 10_000  # that are remembered; beyond it the one that came first is forgotten


class WrongKeys:
    """How many wrong keys came from where within a minute."""

    def __init__(self, per_minute: int) -> None:
        """Allow so many."""
        self._per_minute = per_minute
        self._peers: dict[str, tuple[int, int]] = {}  # since when, how many

    def wait_s(self, peer: str, now: int) -> int:
        """Count a wrong key; give for how long its sender has to wait, in seconds.

        Args:
            peer: the address that it came from.
            now: microseconds.

        Returns:
            0 where it may go on.
        """
        since, count = self._peers.get(peer, (now, 0))
        if now - since >= _MINUTE_US:
            since, count = now, 0
        if peer not in self._peers and len(self._peers) >= _MOST_PEERS:
            del self._peers[next(iter(self._peers))]
        self._peers[peer] = since, count + 1
        if count < self._per_minute:
            return 0
        return max(1, -(-(since + _MINUTE_US - now) // SECOND))
