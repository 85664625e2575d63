"""Temporary reasons not to send to a number: its local time, the platform's limits."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from receiver.domain.retries.limits import Limit, free_from
from receiver.domain.retries.policy import MessageKind, RetryPolicy
from receiver.domain.retries.sentences import HoldReason, retry_reason
from receiver.domain.retries.windows import Hours, first_free, wall_clock
from receiver.domain.retries.zones import zones_of
from receiver.domain.wording.sentences import Reason


@dataclass(frozen=True, slots=True)
class RecipientSend:
    """A send to the number."""

    at: int  # microseconds
    kind: MessageKind | None = None  # None: not known, it counts for every kind


@dataclass(frozen=True, slots=True)
class RecipientHold:
    """One thing that holds a send back."""

    hold: HoldReason
    until: int  # microseconds
    said: Reason


def held_by_hours(
    number: str | None, blocked: tuple[Hours, ...], policy: RetryPolicy, now: int
) -> Iterator[RecipientHold]:
    """Tell whether the hour, where the recipient is, is one in which nothing is sent.

    Where several zones are possible, the first that says so stands for all.
    """
    for zone in zones_of(number, policy.zone):
        free_at = first_free(now, blocked, (zone,))
        if free_at != now:
            said = retry_reason(
                HoldReason.HOURS,
                wall=wall_clock(now, zone),
                zone=zone.key,
                hours=", ".join(str(one) for one in blocked),
            )
            yield RecipientHold(HoldReason.HOURS, now if free_at is None else free_at, said)
            return


def held_by_limits(
    limits: Iterable[Limit], sent_at: Iterable[int], now: int
) -> Iterator[RecipientHold]:
    """Tell which limits one more send would break; times are microseconds."""
    moments = tuple(sent_at)
    for limit in limits:
        free_at = free_from(limit, moments, now)
        if free_at > now:
            said = retry_reason(
                HoldReason.NUMBER_LIMIT,
                limit=limit.name,
                sends=limit.sends,
                within_s=limit.within_s,
            )
            yield RecipientHold(HoldReason.NUMBER_LIMIT, free_at, said)


def sent_of_kind(sent: Iterable[RecipientSend], kind: MessageKind) -> list[int]:
    """Return when sends were that count for a kind, microseconds."""
    return [one.at for one in sent if one.kind in (None, kind)]
