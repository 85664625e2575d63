"""The catalogue: the meaning of status codes, and which row decides for a report."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from receiver.domain.catalogue.codes import Numbered, fold, heads, numbered, twin, with_colon
from receiver.domain.catalogue.entries import (
    FALLBACK_ENTRY,
    PLATFORM,
    SEND_API,
    CatalogueEntry,
    Category,
    LookupRule,
    Match,
    Rank,
    Siblings,
)
from receiver.domain.catalogue.families import Patterns
from receiver.domain.catalogue.version import catalogue_version

MEMO_SIZE = 4096  # strangers choose the codes, so what is remembered of them is bounded
LONGEST_REMEMBERED = 64  # characters; no listed code comes near


_STATES = frozenset({"DELIVRD", "ACCEPTD", "UNKNOWN"})  # say a state, not a reason for failure
# SMPP's other states (SMPP 3.4, 5.2.28), and a failure to route: that it failed, but hardly why.
_SUMMARIES = frozenset({"EXPIRED", "DELETED", "UNDELIV", "REJECTD", "RTE_ERR"})
_LISTED_SAYS = 5  # how much a row says that is listed with a reason; see `_says`
_NO_ORG_CODE = frozenset({"", "000"})  # the network had nothing to add

_SHARED_ORIGINS = ("supplier", "generic")
_CARRIERS = ("carrier-mobile", "carrier-unicom", "carrier-telecom", "carrier-other")
_OWN, _SHARED, _UNFIT = 0, 1, 9
_Fitness = Mapping[str, int]  # origin -> how well it fits; the smaller the better
_FITNESS: Mapping[int, _Fitness] = {
    source: dict.fromkeys(own, _OWN) | dict.fromkeys(_SHARED_ORIGINS, _SHARED)
    for source, own in ((1, (PLATFORM,)), (2, _CARRIERS), (3, (PLATFORM,)))
}


class Catalogue:
    """All rows, indexed. The order of the rows settles what nothing else does."""

    def __init__(self, entries: Iterable[CatalogueEntry], siblings: Siblings | None = None) -> None:
        self.entries = tuple(entries)
        self._siblings = dict(siblings or {})
        self.version = catalogue_version(self.entries, self._siblings)
        self._reports = _Index(entry for entry in self.entries if entry.origin != SEND_API)
        self._sends = _Index(entry for entry in self.entries if entry.origin == SEND_API)
        self._memo = lru_cache(maxsize=MEMO_SIZE)(self._find)

    @property
    def siblings(self) -> Siblings:
        """The families in which the same number says the same."""
        return self._siblings

    def lookup(self, code: str, *, source: int | None = None, org_code: str | None = None) -> Match:
        """Find the row for a status report.

        Args:
            code: the report's status.
            source: who made the report: 1 SMS platform, 2 SMSC, 3 Huawei platform.
            org_code: the network's own code; it decides where it says more than the status.
        """
        fitting = source if source in _FITNESS else None
        match = self._look(code, fitting)
        if not _refines(code, org_code):
            return match
        refined = self._look(org_code or "", fitting)
        return refined if _says(refined) > _says(match) else match

    def lookup_send(self, code: str) -> Match:
        """Find the row for a code in a send response."""
        candidates = self._sends.exact(code)
        if candidates:
            return Match(candidates[0], LookupRule.EXACT, code)
        match = self._look(code, None)
        # No carrier has seen the message: of the reports' rows only the platform's own can apply.
        if match.entry.origin in (PLATFORM, SEND_API) or match.entry.rank is Rank.OVERRIDE:
            return match
        return Match(FALLBACK_ENTRY, LookupRule.FALLBACK, code)

    def lookup_any(
        self, code: str, *, source: int | None = None, org_code: str | None = None
    ) -> Match:
        """Find the row for a code of which nobody says where it stood: a report's first."""
        match = self.lookup(code, source=source, org_code=org_code)
        if source is not None:  # only a report has one
            return match
        of_send = self.lookup_send(code)
        return of_send if of_send.is_listed and not match.is_listed else match

    def may_be_refined(self, code: str) -> bool:
        """Tell whether a code is listed but says so little that the network's own may say more."""
        return _says(self._look(code, None)) < _LISTED_SAYS and fold(code) not in _STATES

    def explain(self, code: str) -> tuple[CatalogueEntry, ...]:
        """Return all rows that could apply: the very code's by rank, then what else it is like."""
        exact = sorted((*self._reports.exact(code), *self._sends.exact(code)), key=_rank_of)
        like = (*self._reports.variants(code), *self._of_siblings(code))
        return tuple(dict.fromkeys((*exact, *like, *self._reports.families(code))))

    def _look(self, code: str, source: int | None) -> Match:
        if len(code) > LONGEST_REMEMBERED:
            return self._find(code, source)
        return self._memo(code, source)

    def _find(self, code: str, source: int | None) -> Match:
        fitness = {} if source is None else _FITNESS[source]
        exact = self._reports.exact(code)
        if exact:
            entry = _best(exact, fitness)
            return Match(
                entry,
                LookupRule.EXACT_SOURCE if entry.origin in fitness else LookupRule.EXACT,
                code,
            )
        variants = self._reports.variants(code)
        if variants:
            return Match(_best(variants, fitness), LookupRule.VARIANT, code)
        families = self._reports.families(code)
        if families and families[0].rank is Rank.OVERRIDE:
            return Match(families[0], LookupRule.FAMILY, code)
        # A sibling that is listed by its name alone explains nothing; the family says more.
        siblings = [e for e in self._of_siblings(code) if e.category is not Category.UNKNOWN]
        if siblings:
            return Match(_best(siblings, fitness), LookupRule.SIBLING, code)
        if families:
            return Match(families[0], LookupRule.FAMILY, code)
        return Match(FALLBACK_ENTRY, LookupRule.FALLBACK, code)

    def _of_siblings(self, code: str) -> list[CatalogueEntry]:
        taken = numbered(code)
        if taken is None:
            return []
        found = [
            self._reports.numbered(Numbered(sibling.family, taken.number))
            for sibling in self._siblings.get(taken.family, ())
            if sibling.lowest <= taken.number <= sibling.highest
        ]
        return sorted((entry for entries in found for entry in entries), key=_rank_of)


def deciding_rows(entries: Iterable[CatalogueEntry]) -> dict[tuple[str, str], CatalogueEntry]:
    """Return the rows that decide, by folded code and origin: of several the first."""
    rows: dict[tuple[str, str], CatalogueEntry] = {}
    for entry in entries:
        rows.setdefault((fold(entry.code), entry.origin), entry)
    return rows


class _Index:
    """Rows by code, in each of its writings, and by family."""

    def __init__(self, entries: Iterable[CatalogueEntry]) -> None:
        self._exact: dict[str, list[CatalogueEntry]] = {}
        self._folded: dict[str, list[CatalogueEntry]] = {}
        self._numbered: dict[Numbered, list[CatalogueEntry]] = {}
        families = []
        for entry in sorted(entries, key=_rank_of):
            if entry.is_family:
                families.append(entry)
                continue
            self._exact.setdefault(entry.code, []).append(entry)
            self._folded.setdefault(fold(entry.code), []).append(entry)
            taken = numbered(entry.code)
            if taken is not None:
                self._numbered.setdefault(taken, []).append(entry)
        # A family in a user's own file may mean any text; those that we ship mean numbers.
        self._families = Patterns(
            (entry.code, entry.rank is not Rank.OVERRIDE, entry) for entry in families
        )
        self._family_names = {fold(e.code).rstrip("*").rstrip(":.") for e in families}

    def exact(self, code: str) -> list[CatalogueEntry]:
        """Return the rows of the very code by rank; as written first, else in any case."""
        return self._exact.get(code) or self._folded.get(fold(code), [])

    def numbered(self, code: Numbered) -> list[CatalogueEntry]:
        """Return the rows of a family's number by rank."""
        return self._numbered.get(code, [])

    def variants(self, code: str) -> list[CatalogueEntry]:
        """Return the rows of the same code in another writing, without those of the very code."""
        return self._as_number(code) or self._as_head(code)

    def families(self, code: str) -> list[CatalogueEntry]:
        """Return the family rows that cover the code: overrides first, then the closest pattern."""
        found = self._families.covering(fold(code))
        if not found:
            found = self._families.covering(with_colon(code) or "")
        return sorted(found, key=lambda entry: entry.rank is not Rank.OVERRIDE)

    def _as_number(self, code: str) -> list[CatalogueEntry]:
        taken = numbered(code)
        if taken is None:
            return []
        other = twin(taken)
        found = self._numbered.get(taken) or (self._numbered.get(other, []) if other else [])
        return [entry for entry in found if fold(entry.code) != fold(code)]

    def _as_head(self, code: str) -> list[CatalogueEntry]:
        for head in heads(code):
            if head in self._family_names:  # "MK" of "MK:9999" says less than its family does
                continue
            found = self._folded.get(head, [])
            # What says that a message lives cannot explain a code that counts as a failure.
            if found and head not in _STATES:
                return found
        return []


def _best(entries: Sequence[CatalogueEntry], fitness: _Fitness) -> CatalogueEntry:
    """Choose among the rows of one code: the user's own, else whose origin made the report."""

    def place(row: CatalogueEntry) -> tuple[bool, bool, Rank, int]:
        fits = fitness.get(row.origin, _UNFIT)
        return row.rank is not Rank.OVERRIDE, fits != _OWN, row.rank, fits

    return min(entries, key=place)


def _rank_of(entry: CatalogueEntry) -> Rank:
    return entry.rank


def _refines(code: str, org_code: str | None) -> bool:
    if org_code is None or fold(org_code) in _NO_ORG_CODE | _STATES:
        return False
    taken = numbered(org_code)
    # Bare numbers are listed for carriers of the mainland, where no report has an own code.
    if taken is not None and taken.family == "":
        return False
    return fold(code) not in _STATES


def _says(match: Match) -> int:
    """Return how much a match says about the reason of a failure; the greater the more."""
    if match.rule is LookupRule.FALLBACK:
        return 0
    if match.entry.category is Category.UNKNOWN:
        return 1  # listed by its name alone
    if match.rule is LookupRule.FAMILY:
        return 2
    if fold(match.entry.code) in _SUMMARIES:
        return 3
    return _LISTED_SAYS - 1 if match.rule is LookupRule.SIBLING else _LISTED_SAYS
