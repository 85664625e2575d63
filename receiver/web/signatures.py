"""Judges pushes by their signatures: whose it is, or why it is refused."""

from collections.abc import Callable, Mapping

import structlog

from receiver.huawei.signing import Outcome, Rules, SignedRequest, verify
from receiver.metrics import Metrics
from receiver.web.http1 import Exchange

_log = structlog.get_logger(__name__)

_SAY_EVERY_US = 60_000_000  # of each application; strangers must not fill the log


class Signatures:
    """The key pairs of the applications whose pushes must be signed."""

    def __init__(
        self, rules: Mapping[str, Rules], metrics: Metrics, clock: Callable[[], int]
    ) -> None:
        """Keep the rules.

        Args:
            rules: application -> its keys; one that has none is not in it.
            metrics: where to count.
            clock: the time, microseconds since the epoch.
        """
        self._rules = rules
        self._clock = clock
        self._said: dict[str, int] = {}
        self._counters = {
            (application, outcome): metrics.signatures.labels(application, outcome.value)
            for application in rules
            for outcome in Outcome
        }

    def are_needed(self, application: str) -> bool:
        """Tell whether pushes of an application must be signed."""
        return application in self._rules

    def is_good(self, exchange: Exchange) -> bool:
        """Verify a whole push of an application whose pushes must be signed."""
        now = self._clock()
        application = exchange.application
        request = SignedRequest(exchange.method, exchange.target, exchange.headers, exchange.body)
        found = verify(request, self._rules[application], now)
        self._counters[application, found.outcome].inc()
        if not found.valid:
            self._say(application, found.outcome, now)
        return found.valid

    def _say(self, application: str, outcome: Outcome, now: int) -> None:
        if now - self._said.get(application, 0) >= _SAY_EVERY_US:
            self._said[application] = now
            _log.warning(
                "a push was refused for its signature; `receiver verify` shows what differs",
                application=application,
                outcome=outcome.value,
            )
