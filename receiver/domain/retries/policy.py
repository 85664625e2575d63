"""The policy of retries: rules by retry class, category, kind and template, and the limits.

A rule is put together field by field. The layers, each overriding the one before where it says
something: the policy's own `base`, the retry class, the category, the kind of SMS, the first
override that fits the template or the reference.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any, Literal

from receiver.domain.catalogue.entries import Category, RetryClass
from receiver.domain.retries.breaker import BreakerOptions
from receiver.domain.retries.limits import Limit
from receiver.domain.retries.windows import Hours

TrustOpen = Literal["advise", "queue"]
HOUR_S = 3600
DAY_S = 24 * HOUR_S


class MessageKind(StrEnum):
    """What an SMS is for; the platform's limits and sending hours depend on it."""

    CODE = "code"  # a verification code
    NOTIFICATION = "notification"
    PROMOTIONAL = "promotional"


@dataclass(frozen=True, slots=True)
class RetryRule:
    """How soon, how often and how long a message is sent again."""

    delay_s: int  # from the failure to the first retry
    factor: float = 2.0  # each further delay is that many times the one before
    jitter: float = 0.1  # up to this share of the delay comes on top
    cap_s: int = 6 * HOUR_S  # no delay grows beyond it; what comes on top aside
    attempts: int = 3  # sends in all, the first included
    window_s: int = DAY_S  # from the first send; no retry after it


@dataclass(frozen=True, slots=True)
class Values:
    """The values of a rule that one layer sets; None: not set."""

    delay_s: int | None = None
    factor: float | None = None
    jitter: float | None = None
    cap_s: int | None = None
    attempts: int | None = None
    window_s: int | None = None

    def told(self) -> Iterator[tuple[str, Any]]:
        """Return the names and values of what is said."""
        for one in fields(Values):
            value = getattr(self, one.name)
            if value is not None:
                yield one.name, value


NOTHING = Values()


@dataclass(frozen=True, slots=True)
class Terms:
    """The values that a message kind or an override sets besides the rule; None: not set."""

    max_age_s: int | None = None  # from the first send: later it is worth nothing
    retry_duplicates: bool | None = None  # also where the message may have arrived
    send_window: Hours | None = None  # only then, in the recipient's time zone
    quiet_hours: Hours | None = None  # not then, in the recipient's time zone


@dataclass(frozen=True, slots=True)
class KindRules:
    """The rules of a message kind."""

    values: Values = NOTHING
    terms: Terms = field(default_factory=Terms)
    limits: tuple[Limit, ...] = ()  # of sends of this kind to one number


@dataclass(frozen=True, slots=True)
class Override:
    """The rules of a template or of a reference prefix; exactly one of the two is set."""

    name: str  # how explanations call it
    template_id: str | None = None
    reference_prefix: str | None = None
    kind: MessageKind | None = None
    values: Values = NOTHING
    terms: Terms = field(default_factory=Terms)

    def fits(self, template_id: str | None, reference: str | None) -> bool:
        """Return whether it speaks of a message."""
        if self.template_id is not None and self.template_id != template_id:
            return False
        prefix = self.reference_prefix
        return prefix is None or (reference is not None and reference.startswith(prefix))


@dataclass(frozen=True, slots=True)
class Budget:
    """How many retries a day an application may have (a day of UTC)."""

    share: float = 0.5  # of its sends of the day, retries included
    floor: int = 100  # and so many in any case
    pause_s: int = 900  # a retry that finds none left asks again after so long

    def allowed(self, sends: int) -> int:
        """Return how many retries a day may have that had so many sends."""
        return max(self.floor, int(self.share * sends))


_SOON_S, _LATER_S = 60, 1800
_BASE = RetryRule(_LATER_S)

# What a policy says of retry classes, categories and kinds where the settings say nothing else.
CLASSES: Mapping[RetryClass, Values] = {
    RetryClass.RETRY_SOON: Values(delay_s=_SOON_S),
    RetryClass.RETRY_LATER: Values(delay_s=_LATER_S),
    # The limits of a day lift after a day, when a window of a day is over.
    RetryClass.NEXT_DAY: Values(delay_s=DAY_S, factor=1.0, cap_s=2 * DAY_S, window_s=3 * DAY_S),
}
CATEGORIES: Mapping[Category, Values] = {
    # A phone comes back within minutes, hours or the night: after 0.5, 2 and 6.5 hours by these.
    Category.HANDSET_UNREACHABLE: Values(factor=3.0, attempts=4),
}
KINDS: Mapping[MessageKind, KindRules] = {
    MessageKind.CODE: KindRules(
        Values(delay_s=60),  # a person is waiting
        Terms(max_age_s=300, retry_duplicates=False),
        (
            Limit("retry.kinds.code.per_minute", 60, 2),
            Limit("retry.kinds.code.per_day", DAY_S, 50),
        ),
    ),
    MessageKind.NOTIFICATION: KindRules(
        NOTHING,
        Terms(retry_duplicates=True),
        (
            Limit("retry.kinds.notification.per_minute", 60, 10),
            Limit("retry.kinds.notification.per_day", DAY_S, 50),
        ),
    ),
    MessageKind.PROMOTIONAL: KindRules(
        NOTHING,
        Terms(retry_duplicates=True, send_window=Hours(8 * 60, 22 * 60)),
        (
            Limit("retry.kinds.promotional.per_hour", HOUR_S, 4),
            Limit("retry.kinds.promotional.per_day", DAY_S, 10),
        ),
    ),
}
# The same text to the same number, as a retry is: 2 in 59 seconds, 5 in 59 minutes.
IDENTICAL = (
    Limit("retry.identical_per_minute", 60, 2),
    Limit("retry.identical_per_hour", HOUR_S, 5),
)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The rules of retries, as the settings have them."""

    base: RetryRule = _BASE
    classes: Mapping[RetryClass, Values] = field(default_factory=lambda: CLASSES)
    categories: Mapping[Category, Values] = field(default_factory=lambda: CATEGORIES)
    kinds: Mapping[MessageKind, KindRules] = field(default_factory=lambda: KINDS)
    overrides: tuple[Override, ...] = ()  # the first that fits counts
    kind: MessageKind = MessageKind.NOTIFICATION  # where no override says another
    identical: tuple[Limit, ...] = IDENTICAL  # of sends of one chain
    limited_countries: frozenset[str] = frozenset({"CN"})  # where the limits of numbers hold
    zone: str = "Asia/Shanghai"  # of recipients whose own is not known
    budget: Budget = field(default_factory=Budget)
    breaker: BreakerOptions = field(default_factory=BreakerOptions)
    trust_open: TrustOpen = "advise"

    def override_for(self, template_id: str | None, reference: str | None) -> Override | None:
        """Find the override that counts for a message."""
        fitting = (one for one in self.overrides if one.fits(template_id, reference))
        return next(fitting, None)

    def kind_of(self, template_id: str | None, reference: str | None) -> MessageKind:
        """Return what kind of SMS a message is."""
        override = self.override_for(template_id, reference)
        return self.kind if override is None or override.kind is None else override.kind
