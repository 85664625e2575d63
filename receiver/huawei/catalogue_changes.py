"""What changed between two versions of the catalogue, row by row."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from receiver.domain.catalogue.catalogue import deciding_rows
from receiver.domain.catalogue.entries import CatalogueEntry, Rank
from receiver.huawei.catalogue import read_entries
from receiver.huawei.catalogue_overrides import read_text
from receiver.huawei.catalogue_rows import FIELDS, values_of

_KEY = ("code", "origin")


@dataclass(frozen=True, slots=True)
class Version:
    """The rows of a version of the catalogue, and the fields that it has."""

    entries: Sequence[CatalogueEntry]
    fields: frozenset[str] = frozenset(FIELDS)


@dataclass(frozen=True, slots=True)
class ChangedRow:
    """A row that both versions have."""

    old: CatalogueEntry
    new: CatalogueEntry
    fields: Mapping[str, tuple[Any, Any]]  # what was and what is, as in `Entry`; at least one


@dataclass(frozen=True, slots=True)
class CatalogueChanges:
    """The rows that differ, each list in the order of the version that has them."""

    added: Sequence[CatalogueEntry]
    removed: Sequence[CatalogueEntry]
    changed: Sequence[ChangedRow]


def read_version(files: Iterable[Path]) -> Version:
    """Read a version from what `receiver codes --csv` wrote, or from the package's own files.

    Raises:
        ValueError: a file cannot be used; the text names file, line, field and reason.
    """
    entries: list[CatalogueEntry] = []
    fields = frozenset(FIELDS)
    for file in files:
        text = read_text(file)
        entries += read_entries(text, Rank.OFFICIAL, str(file), exported=True)
        fields &= frozenset(next(csv.reader(io.StringIO(text, newline=""))))
    return Version(entries, fields)


def compare(old: Version, new: Version) -> CatalogueChanges:
    """Find the rows that decide or speak otherwise; a field that one version lacks is left out.

    Of several rows for one code and origin, as several lists have them, the first one decides.
    """
    before, after = deciding_rows(old.entries), deciding_rows(new.entries)
    names = [name for name in FIELDS if name in old.fields & new.fields and name not in _KEY]
    changed = []
    for key, entry in after.items():
        fields = _differences(before[key], entry, names) if key in before else {}
        if fields:
            changed.append(ChangedRow(before[key], entry, fields))
    return CatalogueChanges(
        added=[entry for key, entry in after.items() if key not in before],
        removed=[entry for key, entry in before.items() if key not in after],
        changed=changed,
    )


def _differences(
    old: CatalogueEntry, new: CatalogueEntry, names: Iterable[str]
) -> dict[str, tuple[Any, Any]]:
    before, after = values_of(old), values_of(new)
    return {name: (before[name], after[name]) for name in names if before[name] != after[name]}
