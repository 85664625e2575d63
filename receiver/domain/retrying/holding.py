"""What keeps a number from being sent to at the moment: the hour there, the platform's limits."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from receiver.domain.retrying.limits import Limit, free_from
from receiver.domain.retrying.policy import Kind, RetryPolicy
from receiver.domain.retrying.sentences import Hold, retry_reason
from receiver.domain.retrying.windows import Hours, first_free, wall_clock
from receiver.domain.retrying.zones import zones_of
from receiver.domain.sentences import Reason


@dataclass(frozen=True, slots=True)
class Sent:
    """A send to the number."""

    at: int  # microseconds
    kind: Kind | None = None  # None: not known, it counts for every kind


@dataclass(frozen=True, slots=True)
class Held:
    """One thing that holds a send back."""

    hold: Hold
    until: int  # microseconds
    said: Reason


def held_by_hours(
    number: str | None, blocked: tuple[Hours, ...], policy: RetryPolicy, now: int
) -> Iterator[Held]:
    """Tell whether the hour, where the recipient is, is one in which nothing is sent.

    Where several zones are possible, the first that says so stands for all.
    """
    for zone in zones_of(number, policy.zone):
        free_at = first_free(now, blocked, (zone,))
        if free_at != now:
            said = retry_reason(
                Hold.HOURS,
                wall=wall_clock(now, zone),
                zone=zone.key,
                hours=", ".join(str(one) for one in blocked),
            )
            yield Held(Hold.HOURS, now if free_at is None else free_at, said)
            return


def held_by_limits(limits: Iterable[Limit], sent_at: Iterable[int], now: int) -> Iterator[Held]:
    """Tell which limits one more send would break; times are microseconds."""
    moments = tuple(sent_at)
    for limit in limits:
        free_at = free_from(limit, moments, now)
        if free_at > now:
            said = retry_reason(
                Hold.NUMBER_LIMIT, limit=limit.name, sends=limit.sends, within_s=limit.within_s
            )
            yield Held(Hold.NUMBER_LIMIT, free_at, said)


def sent_of_kind(sent: Iterable[Sent], kind: Kind) -> list[int]:
    """Give when sends were that count for a kind, microseconds."""
    return [one.at for one in sent if one.kind in (None, kind)]
