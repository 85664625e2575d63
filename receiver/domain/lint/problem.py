"""What is wrong with a row of the catalogue."""

from dataclasses import dataclass

from receiver.domain.catalogue.entries import CatalogueEntry
from receiver.domain.retries.policy import CLASSES

RETRIED = frozenset(CLASSES)


@dataclass(frozen=True, slots=True)
class RowProblem:
    """A row that contradicts itself or a row that is like it."""

    entry: CatalogueEntry
    field: str  # of the row's file; where to correct it
    text: str  # what is wrong and what to do about it


def is_retried(entry: CatalogueEntry) -> bool:
    """Return whether a message that fails with this row is sent again as it is."""
    return entry.retry in RETRIED
