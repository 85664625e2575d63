"""Delivery from the spool: an item that cannot be delivered does not block the others."""

import logging
import math
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

from receiver.client.attempts import AttemptOutcome, Attempts, Patience
from receiver.client.interruptions import let_through
from receiver.client.spool import Spool
from receiver.client.spool_files import UnusableFileError

_DRAIN_S = 1.0  # how long a registration may go on to deliver what is in the spool
_LEAST_S = 0.05  # no delivery in passing begins with less time
_SCAN_SHARE = 20  # of the time at most a twentieth goes into looking through the spool in passing
_MOST_FAILURES = 5  # in a row, after which a receiver that answers counts as away
_STRANDED_S = 3600.0  # after which what only others deliver is worth a word

_log = logging.getLogger("receiver.client")

Drain = Generator[tuple[bytes, Attempts], AttemptOutcome, int]


class Draining:
    """Decides what is delivered out of a spool; its caller delivers it.

    Args:
        spool: where it is; None: there is nothing.
        patience: how long a delivery may take that nobody's send waits for.
        note: is told what happened to each delivery.
    """

    def __init__(
        self,
        spool: Spool | None,
        patience: Patience,
        note: Callable[[Attempts, AttemptOutcome], None],
    ) -> None:
        self._spool = spool
        self._patience = patience
        self._note = note
        self._next_scan = 0.0  # in passing

    def patiently(self) -> Drain:
        """Deliver what is in the spool while nobody's send waits; return how many are left."""
        self.tell_of_stranded()
        # A receiver may take its time while nobody waits.
        timeout_s = self._patience.timeout_s
        patience = Patience(timeout_s, max(self._patience.total_s, timeout_s))
        return self._drain(lambda: Attempts(patience, monotonic()))

    def in_passing(self) -> Drain | None:
        """Deliver out of the spool while somebody's send waits; None: it is too early for that."""
        now = monotonic()
        if self._spool is None or now < self._next_scan:
            return None
        until = now + _DRAIN_S

        def attempts() -> Attempts:
            now = monotonic()
            timeout_s = min(self._patience.timeout_s, max(until - now, 0.0))
            return Attempts(Patience(timeout_s, timeout_s), now, single=True)

        return self._drain(attempts, until)

    def _drain(self, attempts: Callable[[], Attempts], until: float = math.inf) -> Drain:
        """Deliver out of the spool, the oldest first.

        Yields:
            A registration, and the attempts that it has; what happened to it is sent back.

        Returns:
            How many are left.
        """
        spool, in_passing = self._spool, until < math.inf
        if spool is None:
            return 0
        began = monotonic()
        # What could not be dealt with a moment ago comes last.
        waiting = sorted(spool.waiting(), key=spool.is_put_off)
        now = monotonic()
        self._next_scan = now + _SCAN_SHARE * (now - began)
        done = failures = 0
        for done, file in enumerate(waiting):  # noqa: B007 - after a break: how many were seen to
            if monotonic() + _LEAST_S > until:
                break
            if in_passing and spool.is_put_off(file):
                continue  # as all behind it
            line = self._read(spool, file)
            if line is None:
                continue
            tries = attempts()
            outcome = yield line, tries
            if not (outcome.away and in_passing):  # with little time: no word on the receiver
                self._note(tries, outcome)
            if outcome.concerns_all:
                break
            with _left_in_place(spool, file):
                self._settle_kept(spool, file, outcome)
            failures = failures + 1 if outcome.away else 0
            # One that fails may be at fault itself, as long as the receiver answers.
            if failures == _MOST_FAILURES or (outcome.away and outcome.status is None):
                break
        else:
            done = len(waiting)
        return len(waiting) - done + sum(map(spool.is_put_off, waiting[:done]))

    def _read(self, spool: Spool, file: Path) -> bytes | None:
        with _left_in_place(spool, file):
            try:
                return spool.read(file)
            except UnusableFileError as error:
                spool.set_aside(file)
                _log.error(
                    "%s It was moved to `refused` in the spool and is not sent again.", error
                )
        return None

    def _settle_kept(self, spool: Spool, file: Path, outcome: AttemptOutcome) -> None:
        if outcome.away:
            (spool.put_off if outcome.status is None else spool.put_behind)(file)
            return
        if outcome.worth_keeping:
            _log.warning("A registration stays in the spool. %s", outcome.result.error)
            spool.put_behind(file)
            return
        tell(outcome)
        if outcome.is_refused:
            spool.set_aside(file)
        else:
            spool.remove(file)

    def tell_of_stranded(self) -> None:
        """Mention what lies there for long since only clients made otherwise deliver it."""
        others = self._spool.count_others(_STRANDED_S) if self._spool else 0
        if others:
            _log.warning(
                "%d registrations for another key, application or address have been in "
                "the spool for more than an hour. Only clients with these arguments "
                "deliver them; after a change of the key or the application, call "
                "adopt().",
                others,
            )


@contextmanager
def _left_in_place(spool: Spool, file: Path) -> Iterator[None]:
    """Leave a file in the spool that cannot be dealt with; the others go on."""
    try:
        yield
    except OSError as error:
        let_through(error)
        _log.warning(
            "A file of the spool cannot be read, removed or moved (%s).", type(error).__name__
        )
        spool.put_off(file)


def tell(outcome: AttemptOutcome) -> None:
    """Log what the receiver has not taken; its own words stay out of the log."""
    result = outcome.result
    if result.error is not None and not result.registered:
        _log.error(
            "The receiver refused a registration (HTTP %s). It is not sent again. Correct "
            "the cause and register the sends again.",
            outcome.status,
        )
    elif result.rejected:
        _log.error("The receiver could not use %d entries.", len(result.rejected))
    if result.ignored:
        _log.warning("The receiver ignored %d details.", len(result.ignored))
