"""Whether a number may be sent to now: suppressions, local time, limits."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from receiver.domain.numbers import country_of, is_number
from receiver.domain.retries.limits import Limit
from receiver.domain.retries.policy import KindRules, MessageKind, RetryPolicy
from receiver.domain.retries.recipient_limits import (
    RecipientHold,
    held_by_hours,
    held_by_limits,
    sent_of_kind,
)
from receiver.domain.retries.windows import Hours, blocked_hours, first_free
from receiver.domain.retries.zones import zones_of
from receiver.domain.suppressions.suppression import (
    ScopedEntry,
    SuppressionScope,
    holding,
    until_when,
)
from receiver.domain.times import SECOND
from receiver.retries.snapshot import recent_sends
from receiver.store.suppressions import entries


@dataclass(frozen=True, slots=True)
class Inquiry:
    """For what somebody asks whether numbers may be sent to."""

    channel: str = ""  # empty: any
    application: str = ""  # empty: any
    kind: MessageKind = MessageKind.NOTIFICATION


@dataclass(frozen=True, slots=True)
class Used:
    """How much of a limit is used up."""

    limit: Limit
    sent: int  # within its stretch


@dataclass(frozen=True, slots=True)
class Recipient:
    """One number at one moment."""

    number: str  # E.164 where it is a number
    country: str | None
    holds: tuple[ScopedEntry, ...]  # words that keep it from being sent to
    held: tuple[RecipientHold, ...]  # what keeps it for a while
    used: tuple[Used, ...]
    said: tuple[ScopedEntry, ...]  # all words about it, lifted and over ones too
    until: int | None  # microseconds: it may be sent to again; None: now, or nobody knows

    @property
    def is_number(self) -> bool:
        """Whether it can be dialled at all."""
        return is_number(self.number)

    @property
    def may_send(self) -> bool:
        """Whether it may be sent to now."""
        return self.is_number and not self.holds and not self.held


async def inquire(
    connection: AsyncConnection,
    numbers: Sequence[str],
    inquiry: Inquiry,
    policy: RetryPolicy,
    now: int,
) -> list[Recipient]:
    """Judge numbers, each in the place where it was asked for.

    Args:
        connection: to the store.
        numbers: as `domain.numbers.normalise` gives them.
        inquiry: for what.
        policy: the effective rules.
        now: microseconds.
    """
    said = await entries.all_said(connection, numbers)
    recent = await recent_sends(connection, set(numbers), policy, now)
    rules = policy.kinds.get(inquiry.kind, KindRules())
    blocked = blocked_hours(rules.terms.send_window, rules.terms.quiet_hours)
    found = []
    for number in numbers:
        of_number = tuple(said.get(number, ()))
        holds = holding(
            of_number, SuppressionScope(number, inquiry.channel, inquiry.application), now
        )
        country = country_of(number)
        limits = rules.limits if country in policy.limited_countries else ()
        sent = sent_of_kind(recent.get(number, ()), inquiry.kind)
        held = (
            *held_by_hours(number, blocked, policy, now),
            *held_by_limits(limits, sent, now),
        )
        found.append(
            Recipient(
                number=number,
                country=country,
                holds=holds,
                held=held,
                used=_used(limits, sent, now),
                said=of_number,
                until=_until(number, holds, held, blocked, policy),
            )
        )
    return found


def _used(limits: Iterable[Limit], sent: Sequence[int], now: int) -> tuple[Used, ...]:
    return tuple(
        Used(limit, sum(at > now - limit.within_s * SECOND for at in sent)) for limit in limits
    )


def _until(
    number: str,
    holds: Sequence[ScopedEntry],
    held: Sequence[RecipientHold],
    blocked: Sequence[Hours],
    policy: RetryPolicy,
) -> int | None:
    """Return when all that is in the way is over, and the hour is one in which is sent."""
    over = [one.until for one in held]
    if holds:
        end = until_when(holds)
        if end is None:
            return None
        over.append(end)
    return first_free(max(over), blocked, zones_of(number, policy.zone)) if over else None
