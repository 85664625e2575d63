"""The counts of a simulation."""

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from receiver.simulator.pushes import SimulatedPushKind

_GROWTH = math.log(1.02)  # of one latency bucket over the one before: quantiles are 2 % exact
_FINEST_MS = 0.01


@dataclass(slots=True)
class Latencies:
    """Latencies in milliseconds, kept as a histogram: its size does not grow with their number."""

    _buckets: Counter[int] = field(default_factory=Counter)

    def add(self, milliseconds: float) -> None:
        """Count one latency."""
        self._buckets[math.floor(math.log(max(milliseconds, _FINEST_MS)) / _GROWTH)] += 1

    def quantile(self, share: float) -> float | None:
        """Return the latency that `share` of all do not exceed, to 2 %; None: there are none."""
        rank = max(1, math.ceil(share * self._buckets.total()))
        for bucket in sorted(self._buckets):
            rank -= self._buckets[bucket]
            if rank <= 0:
                return math.exp((bucket + 1) * _GROWTH)
        return None


@dataclass(slots=True)
class SimulationTally:
    """The counts of one simulation; they grow while it runs.

    Attributes:
        seed: Repeats this traffic when given as the option.
        messages: Messages begun: heard of in a push, or refused.
        registered: Sends that the API took, the refused ones among them.
        unregistered: Sends that the API did not take, though asked again.
        refused: Messages that the platform refused in its send response: no report comes.
        pushes: Pushes by kind, redeliveries included.
        reports: Status reports in these pushes, those of redeliveries not counted again.
        redelivered: Pushes that had come before, byte for byte.
        acknowledged: Pushes answered 200, by kind.
        not_acknowledged: All others by reason: `HTTP 503` or the class of the error.
        elapsed: Seconds since the first push was due.
        latencies: Of the acknowledged pushes: from the instant a push was due to its answer.
    """

    seed: int
    messages: int = 0
    registered: int = 0
    unregistered: int = 0
    refused: int = 0
    pushes: Counter[SimulatedPushKind] = field(default_factory=Counter)
    reports: int = 0
    redelivered: int = 0
    acknowledged: Counter[SimulatedPushKind] = field(default_factory=Counter)
    not_acknowledged: Counter[str] = field(default_factory=Counter)
    elapsed: float = 0.0
    latencies: Latencies = field(default_factory=Latencies)

    @property
    def p50(self) -> float | None:
        """The median latency in milliseconds; None before the first acknowledgement."""
        return self.latencies.quantile(0.5)

    @property
    def p99(self) -> float | None:
        """The latency in milliseconds that 99 of 100 pushes do not exceed; None as for `p50`."""
        return self.latencies.quantile(0.99)

    @property
    def rate(self) -> float:
        """Pushes per second so far."""
        return self.pushes.total() / self.elapsed if self.elapsed else 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return everything in the types of JSON."""
        return {
            "seed": self.seed,
            "messages": self.messages,
            "registered": self.registered,
            "unregistered": self.unregistered,
            "refused": self.refused,
            "pushes": {kind.value: self.pushes[kind] for kind in SimulatedPushKind},
            "reports": self.reports,
            "redelivered": self.redelivered,
            "acknowledged": {kind.value: self.acknowledged[kind] for kind in SimulatedPushKind},
            "not_acknowledged": dict(self.not_acknowledged),
            "elapsed_seconds": self.elapsed,
            "pushes_per_second": self.rate,
            "latency_ms": {"p50": self.p50, "p99": self.p99},
        }
