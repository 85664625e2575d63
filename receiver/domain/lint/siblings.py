"""Similar rows: the same code, the same number in a sibling family, the same texts."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator
from itertools import combinations

from receiver.domain.catalogue.catalogue import deciding_rows
from receiver.domain.catalogue.codes import fold, numbered
from receiver.domain.catalogue.entries import CatalogueEntry, Category, Rank, Siblings
from receiver.domain.lint.problem import RowProblem

_MOST_NAMED = 3  # codes in one text


def lint_siblings(entries: Iterable[CatalogueEntry], siblings: Siblings) -> Iterator[RowProblem]:
    """Find rows that are alike, decide otherwise and do not say why.

    The reason may stand in either row, and names the other's code.
    """
    deciding = list(deciding_rows(entries).values())
    contradicted: dict[CatalogueEntry, list[CatalogueEntry]] = defaultdict(list)
    for group in (*_of_number(deciding, siblings), *_of_words(deciding)):
        for first, second in combinations(group, 2):
            if _contradict(first, second):
                # The row of less rank explains itself, one of the user's own before all.
                other, one = sorted((first, second), key=_duty)
                if other not in contradicted[one]:
                    contradicted[one].append(other)
    for one, others in contradicted.items():
        yield RowProblem(one, "reason", _text(one, others))


def _of_number(
    entries: Iterable[CatalogueEntry], siblings: Siblings
) -> Iterator[list[CatalogueEntry]]:
    groups: dict[Hashable, list[CatalogueEntry]] = defaultdict(list)
    for entry in entries:
        taken = None if entry.is_family else numbered(entry.code)
        if taken is None:
            groups[fold(entry.code)].append(entry)
            continue
        others = [
            sibling.family
            for sibling in siblings.get(taken.family, ())
            if sibling.lowest <= taken.number <= sibling.highest
        ]
        groups[frozenset((taken.family, *others)), taken.number].append(entry)
    return iter(groups.values())


def _of_words(entries: Iterable[CatalogueEntry]) -> Iterator[list[CatalogueEntry]]:
    groups: dict[Hashable, list[CatalogueEntry]] = defaultdict(list)
    for entry in entries:
        # A row that the user corrected has words that were written for another decision.
        is_own = entry.rank is Rank.OVERRIDE
        groups[entry.en.meaning, entry.en.cause, is_own].append(entry)
    return iter(groups.values())


def _contradict(first: CatalogueEntry, second: CatalogueEntry) -> bool:
    if Category.UNKNOWN in (first.category, second.category):
        return False  # says nothing that another row could contradict
    return (
        first.decision != second.decision
        and not _explains(first, second)
        and not _explains(second, first)
    )


def _explains(one: CatalogueEntry, other: CatalogueEntry) -> bool:
    """Return whether a row's reason names another row's code, or is the user's own."""
    if one.rank is Rank.OVERRIDE:
        return bool(one.reason)
    return other.code in (word.strip(".,;()") for word in one.reason.split())


def _text(one: CatalogueEntry, others: list[CatalogueEntry]) -> str:
    named = ", ".join(
        f"{other.code} ({other.origin}: {other.decision})" for other in others[:_MOST_NAMED]
    )
    more = f" and {len(others) - _MOST_NAMED} more" if len(others) > _MOST_NAMED else ""
    return (
        f"{one.decision} differs from {named}{more}, which it resembles; decide alike, "
        "or state the difference in `reason` and name the codes"
    )


def _duty(entry: CatalogueEntry) -> tuple[bool, Rank]:
    """Order two rows by which has to explain itself, the one that has to last."""
    return entry.rank is Rank.OVERRIDE, entry.rank
