"""Which pushes an application accepts: from which addresses, and signed by which keys."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import structlog

from receiver.domain.inputs import Trust
from receiver.edge.exchanges import Exchange
from receiver.http.peers import FORWARDED_FOR, Networks, client_of
from receiver.huawei.signing import SignatureOutcome, SignedRequest, SigningRules, verify
from receiver.metrics import Metrics

_log = structlog.get_logger(__name__)

_SAY_EVERY_US = 60_000_000  # of each application; strangers must not fill the log


@dataclass(frozen=True, slots=True)
class Gate:
    """What the pushes of one application must satisfy besides the token."""

    allow_from: Networks = field(default_factory=Networks)  # empty: from anywhere
    signing: SigningRules | None = None  # None: they need not be signed


class Gates:
    """The gates of all applications."""

    def __init__(
        self,
        gates: Mapping[str, Gate],
        trusted_proxies: Networks,
        metrics: Metrics,
        clock: Callable[[], int],
    ) -> None:
        """Keep the gates.

        Args:
            gates: by application; one that is not in it lets all through.
            trusted_proxies: whose X-Forwarded-For is believed.
            metrics: where to count.
            clock: the time, microseconds since the epoch.
        """
        self._gates = gates
        self._trusted_proxies = trusted_proxies
        self._has_proxies = bool(trusted_proxies)
        self._clock = clock
        self._said: dict[str, int] = {}
        self._counters = {
            (application, outcome): metrics.signatures.labels(application, outcome.value)
            for application, gate in gates.items()
            if gate.signing is not None
            for outcome in SignatureOutcome
        }

    def identify(self, exchange: Exchange) -> None:
        """Note the client's own address, where one of our proxies tells it."""
        if self._has_proxies:
            forwarded = [value for name, value in exchange.headers if name == FORWARDED_FOR]
            exchange.peer = client_of(exchange.peer, forwarded, self._trusted_proxies)

    def knows(self, peer: str) -> bool:
        """Return whether an address is one of our proxies, or one from which pushes may come."""
        return peer in self._trusted_proxies or any(
            peer in gate.allow_from for gate in self._gates.values()
        )

    def admits(self, exchange: Exchange) -> bool:
        """Return whether the address may push, and note how far it is believed."""
        gate = self._gates.get(exchange.application)
        if gate is None or not gate.allow_from:
            return True
        if exchange.peer not in gate.allow_from:
            return False
        exchange.trust = Trust.ALLOWLISTED.value
        return True

    def believes(self, exchange: Exchange) -> bool:
        """Return whether a whole push is signed, where it has to be, and note that it is."""
        gate = self._gates.get(exchange.application)
        if gate is None or gate.signing is None:
            return True
        now = self._clock()
        request = SignedRequest(exchange.method, exchange.target, exchange.headers, exchange.body)
        found = verify(request, gate.signing, now)
        self._counters[exchange.application, found.outcome].inc()
        if not found.valid:
            self._say(exchange.application, found.outcome, now)
            return False
        exchange.trust = Trust.SIGNED.value
        return True

    def _say(self, application: str, outcome: SignatureOutcome, now: int) -> None:
        if now - self._said.get(application, 0) >= _SAY_EVERY_US:
            self._said[application] = now
            _log.warning(
                "push rejected: invalid signature; run `receiver verify` to see what differs",
                application=application,
                outcome=outcome.value,
            )
