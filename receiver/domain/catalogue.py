"""The catalogue: what a status code means, and which row decides for one report."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass
from enum import IntEnum, StrEnum
from functools import lru_cache
from hashlib import sha256

PLATFORM = "platform"
SEND_API = "send-api"  # rows for send responses; a report with the same code means something else
FAMILY_MARK = "*"  # ends the code of a row that speaks for all codes with its prefix
MEMO_SIZE = 4096  # strangers choose the codes, so what is remembered of them is bounded
LONGEST_REMEMBERED = 64  # characters; no listed code comes near


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
    INVESTIGATE = "investigate"  # the fallback's own: nobody knows yet


class Rank(IntEnum):
    """Where a row comes from; the smaller decides."""

    OVERRIDE = 0  # the user's own rows
    OFFICIAL = 1  # the platform's lists
    RELATED = 2  # lists of the same carriers or protocols
    FALLBACK = 9


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the catalogue."""

    code: str  # as listed; a trailing `*` makes the row a family
    origin: str  # who issues the code: platform, supplier, generic, carrier-..., send-api
    scope: str  # mainland, international or both
    category: Category
    retry: RetryClass
    retry_after_s: int | None  # seconds; None: the wait of the retry class
    meaning: str
    cause: str
    suggestion: str
    source: str  # the list that the row was taken from
    rank: Rank

    @property
    def family(self) -> str | None:
        """The prefix that a family row stands for; None for any other row and for a bare `*`."""
        if not self.code.endswith(FAMILY_MARK):
            return None
        return self.code.removesuffix(FAMILY_MARK) or None


class Rule(StrEnum):
    """How a row was found."""

    EXACT_SOURCE = "exact-source"  # the very code, and the row's origin fits the report's source
    EXACT = "exact"
    FAMILY = "family"
    FALLBACK = "fallback"


@dataclass(frozen=True, slots=True)
class Match:
    """The row that decides, how it was found and the code that led to it."""

    entry: Entry
    rule: Rule
    code: str  # as it was asked for: the status, or the network's own code where that says more


FALLBACK_ENTRY = Entry(
    code="*",
    origin="generic",
    scope="both",
    category=Category.UNKNOWN,
    retry=RetryClass.INVESTIGATE,
    retry_after_s=None,
    meaning="Code that the catalogue does not know",
    cause="Neither this code nor a family of codes that it belongs to is listed.",
    suggestion="Record the code and ask customer service what it means.",
    source="built in",
    rank=Rank.FALLBACK,
)

_STATES = frozenset({"DELIVRD", "ACCEPTD", "UNKNOWN"})  # say a state, not a reason for failure
_NO_ORG_CODE = frozenset({"", "000"})  # the network had nothing to add
_PRECISION = {Rule.EXACT_SOURCE: 2, Rule.EXACT: 2, Rule.FAMILY: 1, Rule.FALLBACK: 0}

_SHARED_ORIGINS = ("supplier", "generic")
_CARRIERS = ("carrier-mobile", "carrier-unicom", "carrier-telecom", "carrier-other")
_UNFIT = 9
_Fitness = Mapping[str, int]  # origin -> how well it fits; the smaller the better
_FITNESS: Mapping[int, _Fitness] = {
    source: dict.fromkeys(own, 0) | dict.fromkeys(_SHARED_ORIGINS, 1)
    for source, own in ((1, (PLATFORM,)), (2, _CARRIERS), (3, (PLATFORM,)))
}


class Catalogue:
    """All rows, indexed. The order of the rows settles what nothing else does."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.entries = tuple(entries)
        self.version = _digest(self.entries)
        self._reports = _Index(entry for entry in self.entries if entry.origin != SEND_API)
        self._sends = _Index(entry for entry in self.entries if entry.origin == SEND_API)
        self._memo = lru_cache(maxsize=MEMO_SIZE)(self._find)

    @property
    def remembered(self) -> int:
        """How many look-ups are kept for the next time; at most `MEMO_SIZE`."""
        return self._memo.cache_info().currsize

    def lookup(self, code: str, *, source: int | None = None, org_code: str | None = None) -> Match:
        """Find the row for a status report.

        Args:
            code: the report's status.
            source: who made the report: 1 SMS platform, 2 SMSC, 3 Huawei platform.
            org_code: the network's own code; it decides where it leads to a more specific row.
        """
        fitting = source if source in _FITNESS else None
        match = self._look(code, fitting)
        if _PRECISION[match.rule] == _PRECISION[Rule.EXACT] or not _refines(code, org_code):
            return match
        refined = self._look(org_code or "", fitting)
        return refined if _PRECISION[refined.rule] > _PRECISION[match.rule] else match

    def lookup_send(self, code: str) -> Match:
        """Find the row for a code in a send response."""
        candidates = self._sends.exact(code)
        if candidates:
            return Match(candidates[0], Rule.EXACT, code)
        return self._look(code, None)

    def explain(self, code: str) -> tuple[Entry, ...]:
        """Give all rows that could apply: those of the very code by rank, then its families."""
        exact = (*self._reports.exact(code), *self._sends.exact(code))
        return (*sorted(exact, key=_rank_of), *self._reports.families(code))

    def _look(self, code: str, source: int | None) -> Match:
        if len(code) > LONGEST_REMEMBERED:
            return self._find(code, source)
        return self._memo(code, source)

    def _find(self, code: str, source: int | None) -> Match:
        fitness = {} if source is None else _FITNESS[source]
        exact = self._reports.exact(code)
        if exact:
            entry = min(exact, key=lambda row: (row.rank, fitness.get(row.origin, _UNFIT)))
            return Match(entry, Rule.EXACT_SOURCE if entry.origin in fitness else Rule.EXACT, code)
        families = self._reports.families(code)
        if families:
            return Match(families[0], Rule.FAMILY, code)
        return Match(FALLBACK_ENTRY, Rule.FALLBACK, code)


class _Index:
    """Rows by code, by code without regard to case, and by the prefix of their family."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._exact: dict[str, list[Entry]] = {}
        self._folded: dict[str, list[Entry]] = {}
        self._families: dict[str, list[Entry]] = {}
        for entry in sorted(entries, key=_rank_of):
            if entry.family is not None:
                self._families.setdefault(_fold(entry.family), []).append(entry)
            elif entry.code != FAMILY_MARK:
                self._exact.setdefault(entry.code, []).append(entry)
                self._folded.setdefault(_fold(entry.code), []).append(entry)
        self._lengths = sorted({len(prefix) for prefix in self._families}, reverse=True)

    def exact(self, code: str) -> list[Entry]:
        """Give the rows of the very code by rank; as written first, else in any case."""
        return self._exact.get(code) or self._folded.get(_fold(code), [])

    def families(self, code: str) -> list[Entry]:
        """Give the family rows that cover the code: by rank, the longest prefix first."""
        folded = _fold(code)
        prefixes = (folded[:length] for length in self._lengths if length <= len(folded))
        found = [entry for prefix in prefixes for entry in self._families.get(prefix, ())]
        return sorted(found, key=_rank_of)


def _rank_of(entry: Entry) -> Rank:
    return entry.rank


def _fold(code: str) -> str:
    return code.strip().upper()


def _refines(code: str, org_code: str | None) -> bool:
    if org_code is None or _fold(org_code) in _NO_ORG_CODE | _STATES:
        return False
    return _fold(code) not in _STATES


def _digest(entries: tuple[Entry, ...]) -> str:
    rows = json.dumps([astuple(entry) for entry in entries], ensure_ascii=True)
    return sha256(rows.encode()).hexdigest()[:12]
