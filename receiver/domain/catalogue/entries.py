"""The rows of the catalogue, and how a row was found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from receiver.domain.catalogue.families import is_pattern
from receiver.domain.wording.languages import Language

PLATFORM = "platform"
SEND_API = "send-api"  # rows for send responses; a report with the same code means something else


class Category(StrEnum):
    """What kind of thing happened to a message."""

    DELIVERED = "delivered"
    ACCEPTED = "accepted"
    HANDSET_UNREACHABLE = "handset-unreachable"
    INVALID_NUMBER = "invalid-number"
    BLOCKED_RECIPIENT = "blocked-recipient"
    CONTENT_REJECTED = "content-rejected"
    RATE_LIMITED = "rate-limited"
    QUOTA_EXHAUSTED = "quota-exhausted"
    ROUTING = "routing"
    CONFIGURATION = "configuration"
    ACCOUNT = "account"
    CARRIER_FAILURE = "carrier-failure"
    PLATFORM_FAILURE = "platform-failure"
    TIMEOUT = "timeout"
    UNKNOWN = "unknown"


class RetryClass(StrEnum):
    """Whether, and how soon, sending again can help."""

    NONE = "none"  # there is nothing to send again
    RETRY_SOON = "retry-soon"
    RETRY_LATER = "retry-later"
    NEXT_DAY = "next-day"
    AFTER_FIX = "after-fix"  # only when somebody has corrected the cause
    NEVER = "never"
    INVESTIGATE = "investigate"  # the fallback's own: unknown so far


class Rank(IntEnum):
    """Where a row comes from; the smaller decides."""

    OVERRIDE = 0  # the user's own rows
    OFFICIAL = 1  # the platform's lists
    RELATED = 2  # lists of the same carriers, seen through a sister product
    PROTOCOL = 3  # the protocols' own lists, and what is publicly known of carriers
    FALLBACK = 9


@dataclass(frozen=True, slots=True)
class EntryTexts:
    """The texts of a row in one language."""

    meaning: str
    cause: str
    suggestion: str


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """One row of the catalogue."""

    code: str  # as listed; with `*` at an end or `?` inside, the row is a family
    origin: str  # who issues the code: platform, supplier, generic, carrier-..., send-api
    scope: str  # mainland, international or both
    category: Category
    retry: RetryClass
    retry_after_s: int | None  # seconds; None: the wait of the retry class
    billable: bool | None  # None: it depends on more than the code
    en: EntryTexts
    zh: EntryTexts
    source: str  # the list that the row was taken from
    rank: Rank
    # Why it decides otherwise than a row that is like it, which it names; empty: it does not.
    reason: str = ""

    @property
    def decision(self) -> str:
        """What it decides, in short: `rate-limited, retry-later after 90 s`."""
        wait = "" if self.retry_after_s is None else f" after {self.retry_after_s} s"
        return f"{self.category}, {self.retry}{wait}"

    @property
    def is_family(self) -> bool:
        """Whether the row speaks for all codes that fit its pattern."""
        return is_pattern(self.code)

    def words(self, language: Language) -> EntryTexts:
        """Return the texts in a language."""
        return self.zh if language is Language.ZH else self.en


@dataclass(frozen=True, slots=True)
class Sibling:
    """A family in which the same number says the same, within bounds."""

    family: str
    lowest: int
    highest: int


Siblings = Mapping[str, Sequence[Sibling]]  # by family


class LookupRule(StrEnum):
    """How a row was found; each is less sure than the one before."""

    EXACT_SOURCE = "exact-source"  # the very code, and the row's origin fits the report's source
    EXACT = "exact"
    VARIANT = "variant"  # the same code in another writing
    SIBLING = "sibling"  # the same number in a family that shares its numbers
    FAMILY = "family"
    FALLBACK = "fallback"


@dataclass(frozen=True, slots=True)
class Match:
    """The row that decides, how it was found and the code that led to it."""

    entry: CatalogueEntry
    rule: LookupRule
    code: str  # as it was asked for: the status, or the network's own code where that says more

    @property
    def is_listed(self) -> bool:
        """Whether the catalogue has a row for this very code, in whatever writing."""
        return self.rule in _LISTED

    @property
    def is_unknown(self) -> bool:
        """Whether neither a row nor a family explains the code."""
        return self.rule is LookupRule.FALLBACK


FALLBACK_ENTRY = CatalogueEntry(
    code="*",
    origin="generic",
    scope="both",
    category=Category.UNKNOWN,
    retry=RetryClass.INVESTIGATE,
    retry_after_s=None,
    billable=None,
    en=EntryTexts(
        "Code that the catalogue does not contain",
        "Neither this code nor its code family is listed.",
        "Record the code and ask your account manager what it means.",
    ),
    zh=EntryTexts(
        "目录中没有的状态码",
        "该状态码及其所属的状态码族均未收录。",
        "记录该状态码，并向客户经理询问其含义。",
    ),
    source="built in",
    rank=Rank.FALLBACK,
)

_LISTED = frozenset({LookupRule.EXACT_SOURCE, LookupRule.EXACT, LookupRule.VARIANT})
