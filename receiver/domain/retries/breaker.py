"""The breaker: if the failure rate of a code jumps, its retries wait and one probe is sent."""

from dataclasses import dataclass, replace
from enum import StrEnum

from receiver.domain.times import HOUR, SECOND


@dataclass(frozen=True, slots=True)
class BreakerOptions:
    """When a breaker opens, and how long its retries wait."""

    recent_s: int = 900  # how long messages count as recent
    baseline_s: int = 86_400  # how long before that is the baseline
    failures: int = 20  # fewer recent failures with the code open nothing
    share: float = 0.3  # of the recent messages that came to their end; less opens nothing
    factor: float = 3.0  # and so many times the share of the baseline
    pause_s: int = 300  # before the first probe; each failed probe doubles it
    cap_s: int = 3600
    probe_s: int = 600  # a probe of which nothing is heard for so long is given up


class Position(StrEnum):
    """The position of a breaker."""

    CLOSED = "closed"  # retries go
    OPEN = "open"  # retries wait
    HALF_OPEN = "half-open"  # one probe may go, or has gone


@dataclass(frozen=True, slots=True)
class Counts:
    """Messages that came to their end within a stretch, and those of them that failed so."""

    ended: int = 0
    failures: int = 0  # with the breaker's code


@dataclass(frozen=True, slots=True)
class Breaker:
    """The state of one breaker: of an application's code with one channel or country."""

    position: Position = Position.CLOSED
    pause_s: int = 0  # of the present opening
    # Microseconds. Open until then; half-open: a probe is out until then; closed: a probe has
    # arrived, and what failed before it opens nothing until then.
    until: int = 0


CLOSED = Breaker()


class Result(StrEnum):
    """The result of a probe."""

    DELIVERED = "delivered"
    FAILED = "failed"  # with the breaker's code
    OTHER = "other"  # failed otherwise, or was not sent: it tells nothing


def jumped(recent: Counts, baseline: Counts, options: BreakerOptions) -> bool:
    """Return whether failures are many, and many more than usual."""
    usual = options.factor * baseline.failures * recent.ended
    return (
        recent.failures >= options.failures
        and recent.failures >= options.share * recent.ended
        and recent.failures * baseline.ended >= usual  # of their shares, without a division
    )


def observe(
    state: Breaker, recent: Counts, baseline: Counts, options: BreakerOptions, now: int
) -> Breaker:
    """Return the state after a look at the counts and the clock.

    Closed, it opens when failures jump. Open, its pause ends in half-open. It closes without a
    probe when enough recent messages ended and less than half the share of failures that opens it
    is left: what else is sent tells as much as a probe.
    """
    if state.position is Position.CLOSED:
        if now < state.until:
            return state
        if not jumped(recent, baseline, options):
            return CLOSED
        return _open(options.pause_s, now)
    if recent.ended >= options.failures and 2 * recent.failures < options.share * recent.ended:
        return CLOSED
    return at(state, now)


def at(state: Breaker, now: int) -> Breaker:
    """Return the state as the clock has it: a pause that is over, a probe that was given up."""
    if state.position is Position.CLOSED or now < state.until:
        return state
    return Breaker(Position.HALF_OPEN, state.pause_s)


def waits_until(state: Breaker, now: int) -> int | None:
    """Return until when a retry waits, microseconds; None: it may go (as a probe if not closed)."""
    current = at(state, now)
    if current.position is Position.CLOSED or current.until <= now:
        return None
    return current.until


def probe_sent(state: Breaker, options: BreakerOptions, now: int) -> Breaker:
    """Return the state when a probe has gone: until it is heard of, nothing else goes."""
    return replace(state, position=Position.HALF_OPEN, until=now + options.probe_s * SECOND)


def probe_ended(state: Breaker, result: Result, options: BreakerOptions, now: int) -> Breaker:
    """Return the state when a probe has been heard of."""
    if state.position is Position.CLOSED:
        return state
    match result:
        case Result.DELIVERED:
            # As long as the failures before it may be among the recent ones, which are counted by
            # hours.
            return Breaker(until=now + options.recent_s * SECOND + HOUR)
        case Result.FAILED:
            return _open(min(2 * state.pause_s, options.cap_s), now)
        case Result.OTHER:
            return Breaker(Position.HALF_OPEN, state.pause_s)


def _open(pause_s: int, now: int) -> Breaker:
    return Breaker(Position.OPEN, pause_s, now + pause_s * SECOND)
