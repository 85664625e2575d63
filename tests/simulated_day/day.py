"""Running a day: first sends as they come, and what a strategy sends again."""

from collections import defaultdict
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Protocol

from receiver.domain.messages.state import State
from receiver.domain.retries.policy import MessageKind
from receiver.domain.verdict import Subject, Verdict, decide
from receiver.huawei.catalogue import load_catalogue
from tests.simulated_day.network import End, Network
from tests.simulated_day.world import Sms, World

CATALOGUE = load_catalogue()
WORTH_US = {MessageKind.CODE: 300_000_000}  # a code that comes later is worth nothing


@dataclass(slots=True)
class Chain:
    """A message and its sends so far."""

    sms: Sms
    sends: list[int] = field(default_factory=list)
    ends: list[End] = field(default_factory=list)

    @property
    def in_time(self) -> bool:
        """Whether it arrived while it was worth something."""
        worth = WORTH_US.get(self.sms.kind, 1 << 62)
        arrivals = (end.arrived_at for end in self.ends if end.arrived_at is not None)
        return any(at <= self.sms.at + worth for at in arrivals)

    @property
    def copies(self) -> int:
        """How often it arrived."""
        return sum(end.arrived_at is not None for end in self.ends)


@dataclass(slots=True)
class Figures:
    """What a strategy achieved."""

    messages: int = 0
    delivered: int = 0
    attempts: int = 0
    duplicates: int = 0
    to_suppressed: int = 0

    @property
    def retries(self) -> int:
        """The sends that were no first ones."""
        return self.attempts - self.messages


def subject_of(end: End) -> Subject:
    """Return what a verdict needs to know of an end."""
    return Subject(end.state, end.code, end.source, org_code=None)


def verdict_of(end: End) -> Verdict:
    """Return the catalogue's verdict on an end."""
    return decide(subject_of(end), CATALOGUE)


class Strategy(Protocol):
    """Decides what is sent again; `Run` asks it."""

    def ended(self, chain: Chain, end: End, run: "Run") -> None:
        """Take note of what became of a send."""

    def due(self, chain: Chain, run: "Run") -> bool:
        """Say whether what was scheduled goes now."""


class Run:
    """One strategy's day, in the order of time."""

    def __init__(self, world: World, strategy: Strategy) -> None:
        self.now = 0
        self.network = Network(world)
        self.suppressed: set[str] = set()  # numbers that codes have shown to be lost
        self.sent_to: dict[str, list[tuple[int, MessageKind]]] = defaultdict(list)
        self._strategy = strategy
        self._chains = [Chain(sms) for sms in world.messages]
        self._events: list[tuple[int, int, str, Chain, End | None]] = []
        self._number = 0
        self._figures = Figures(len(self._chains))
        for chain in self._chains:
            self._push(chain.sms.at, "first", chain)

    def finish(self) -> Figures:
        """Run to the end."""
        while self._events:
            self.now, _, what, chain, end = heappop(self._events)
            if end is not None:
                self._learn(chain, end)
                self._strategy.ended(chain, end, self)
            elif what == "first" or self._strategy.due(chain, self):
                self._send(chain)
        self._figures.delivered = sum(chain.in_time for chain in self._chains)
        self._figures.duplicates = sum(max(0, chain.copies - 1) for chain in self._chains)
        return self._figures

    def schedule(self, chain: Chain, at: int) -> None:
        """Ask the strategy again at a moment."""
        self._push(max(at, self.now), "due", chain)

    def is_suppressed(self, sms: Sms) -> str | None:
        """Return why a number is not to be sent to now."""
        opted_out_at = sms.person.opted_out_at
        if opted_out_at is not None and opted_out_at <= self.now:
            return "opt-out"
        return "code" if sms.person.number in self.suppressed else None

    def _learn(self, chain: Chain, end: End) -> None:
        """Note numbers that a code shows to be lost; a delivery proves that one is not."""
        if end.state is State.DELIVERED:
            self.suppressed.discard(chain.sms.person.number)
        elif verdict_of(end).suppress_recipient:
            self.suppressed.add(chain.sms.person.number)

    def _send(self, chain: Chain) -> None:
        if chain.sends and self.is_suppressed(chain.sms) is not None:
            self._figures.to_suppressed += 1
        end = self.network.send(chain.sms, self.now)
        chain.sends.append(self.now)
        chain.ends.append(end)
        self.sent_to[chain.sms.person.number].append((self.now, chain.sms.kind))
        self._figures.attempts += 1
        self._push(end.heard_at, "end", chain, end)

    def _push(self, at: int, what: str, chain: Chain, end: End | None = None) -> None:
        self._number += 1
        heappush(self._events, (at, self._number, what, chain, end))
