"""Too many connections: who waits longest for its client goes, whoever we owe an answer stays."""

import sys
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from receiver.http.connection_limits import ConnectionLimits

MOST, MOST_OF_A_PEER = 6, 3
PEERS = "abc"


def test_the_longest_waiting_of_a_full_peer_goes() -> None:
    """A peer with too many loses its own oldest, not somebody else's."""
    connections: ConnectionLimits[str] = ConnectionLimits(10, 2)
    assert not connections.add("other", "b")
    assert not connections.add("first", "a")
    assert not connections.add("second", "a")
    assert connections.add("third", "a")
    assert connections.oldest_idle("a") == "first"


def test_whoever_keeps_most_waiting_loses_one() -> None:
    """Where all together are too many, the oldest of the busiest peer goes."""
    connections: ConnectionLimits[str] = ConnectionLimits(3, 3)
    connections.add("lonely", "a")
    connections.add("first", "b")
    connections.add("second", "b")
    assert connections.add("new", "c")
    assert connections.oldest_idle("c") == "first"


def test_whoever_works_stays() -> None:
    """A connection to which we owe an answer is not chosen; when all work, none is."""
    connections: ConnectionLimits[str] = ConnectionLimits(2, 2)
    connections.add("first", "a")
    connections.add("second", "b")
    connections.mark_busy("first", "a")
    assert connections.add("third", "c")
    assert connections.oldest_idle("c") == "second"
    connections.mark_busy("second", "b")
    connections.mark_busy("third", "c")
    assert connections.oldest_idle("c") is None
    connections.mark_idle("first", "a")
    assert connections.oldest_idle("c") == "first"


def test_a_proxy_of_ours_may_have_as_many_as_it_likes() -> None:
    """An exempt address is bounded by the whole alone."""
    connections: ConnectionLimits[int] = ConnectionLimits(3, 1, {"proxy"})
    assert [connections.add(number, "proxy") for number in range(4)] == [False, False, False, True]


def _count_calls(connections: ConnectionLimits[int], numbers: range, addresses: int) -> int:
    """Let more come than may be, in turn from so many addresses; return how many calls it took."""
    calls = count()

    def note(_frame: object, event: str, _argument: object) -> None:
        if event in ("call", "c_call"):
            next(calls)

    sys.setprofile(note)
    try:
        for number in numbers:
            if connections.add(number, str(number % addresses)):
                oldest = connections.oldest_idle(str(number % addresses))
                assert oldest is not None
                connections.remove(oldest, str(oldest % addresses))
    finally:
        sys.setprofile(None)
    return next(calls)


def test_many_addresses_cost_no_more_than_few() -> None:
    """Who has to go is found without a look at every address, however many send the flood."""
    most, more = 2000, 4000
    calls = {}
    for addresses in (10, 1000, 10**9):
        connections: ConnectionLimits[int] = ConnectionLimits(most, most)
        _count_calls(connections, range(most), addresses)
        calls[addresses] = _count_calls(connections, range(most, most + more), addresses) / more
    assert max(calls.values()) < 3 * calls[10], calls


@dataclass
class _Model:
    """The same in the plainest way: connections in the order in which they began to wait."""

    peers: dict[int, str] = field(default_factory=dict)
    waiting: list[int] = field(default_factory=list)


class CrowdMachine(RuleBasedStateMachine):
    """Any order of coming, working, waiting and leaving."""

    def __init__(self) -> None:
        super().__init__()
        self.connections: ConnectionLimits[int] = ConnectionLimits(MOST, MOST_OF_A_PEER)
        self.model = _Model()
        self.next = 0

    @rule(peer=st.sampled_from(PEERS))
    def come(self, peer: str) -> None:
        """Connect; where it is one too many, somebody leaves or the new one does."""
        number, self.next = self.next, self.next + 1
        model = self.model
        model.peers[number] = peer
        model.waiting.append(number)
        of_peer = list(model.peers.values()).count(peer)
        crowded = len(model.peers) > MOST or of_peer > MOST_OF_A_PEER
        assert self.connections.add(number, peer) is crowded
        if crowded:
            waiting = {one: [n for n in model.waiting if model.peers[n] == one] for one in PEERS}
            most = max(len(numbers) for numbers in waiting.values())
            busiest = [one for one in PEERS if len(waiting[one]) == most]
            losers = [peer] if of_peer > MOST_OF_A_PEER else busiest
            chosen = self.connections.oldest_idle(peer)
            assert chosen in [waiting[one][0] if waiting[one] else None for one in losers]
            self._leave(number if chosen is None else chosen)

    @rule(data=st.data())
    def work(self, data: Any) -> None:
        """A client sends its request."""
        if self.model.peers:
            number = data.draw(st.sampled_from(sorted(self.model.peers)))
            self.connections.mark_busy(number, self.model.peers[number])
            if number in self.model.waiting:
                self.model.waiting.remove(number)

    @rule(data=st.data())
    def wait(self, data: Any) -> None:
        """A request is answered."""
        working = sorted(set(self.model.peers) - set(self.model.waiting))
        if working:
            number = data.draw(st.sampled_from(working))
            self.connections.mark_idle(number, self.model.peers[number])
            self.model.waiting.append(number)

    @rule(data=st.data())
    def leave(self, data: Any) -> None:
        """A client goes."""
        if self.model.peers:
            self._leave(data.draw(st.sampled_from(sorted(self.model.peers))))

    @invariant()
    def keeps_its_bounds(self) -> None:
        """There are never more than may be."""
        peers = list(self.model.peers.values())
        assert len(peers) <= MOST
        assert all(peers.count(peer) <= MOST_OF_A_PEER for peer in PEERS)

    def _leave(self, number: int) -> None:
        self.connections.remove(number, self.model.peers.pop(number))
        if number in self.model.waiting:
            self.model.waiting.remove(number)


TestAnyOrder = CrowdMachine.TestCase
