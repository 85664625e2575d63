"""What a damaged journal lost, how it is reported, and where the damaged bytes are kept."""

import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from receiver.domain import times
from receiver.durable import sync_directory, sync_file
from receiver.journal.entries import EntryKind, Row

_KEPT = ".damaged-"  # in the names of files that are kept aside
_SPARE_BYTES = 64 * 1024 * 1024  # of the disk: never used up by copies
_APPLICATION = "default"
_NAMED = 10  # positions in one text
_DOUBTFUL = "This row was damaged in the journal: it may differ from what was received."


class Lost(NamedTuple):
    """Positions whose rows could not be read, and when their neighbours arrived."""

    first: int
    last: int
    after_us: int | None  # arrival of the row before; None: there is none
    before_us: int | None  # of the row behind

    @property
    def rows(self) -> int:
        """How many rows it may have been."""
        return self.last - self.first + 1

    def describe(self) -> str:
        """Return the positions as text."""
        after, before = (_moment(at) for at in (self.after_us, self.before_us))
        where = f"position {self.first}" if self.rows == 1 else f"{self.first} to {self.last}"
        return f"{where}, arrived between {after} and {before}"


class DamageFinding(NamedTuple):
    """One finding of damage, and what was done about it."""

    text: str  # what happened, where the bytes are, what to do
    kept: str  # name of the file in which the damaged bytes stay; "": none
    lost: int = 0  # rows, at most
    salvaged: int = 0  # rows that SQLite would not have found


def _moment(at: int | None) -> str:
    return "an unknown time" if at is None else times.to_rfc3339(min(max(at, 0), times.LAST))


def marker(lost: Lost, kept: str) -> Row:
    """Return the row that stands for lost ones: the projector puts it into the quarantine."""
    reason = f"Rows of the journal could not be read: {lost.describe()}. Kept in: {kept or '-'}."
    body = json.dumps({"first": lost.first, "last": lost.last, "kept": kept})
    at = next((at for at in (lost.after_us, lost.before_us) if at is not None), 0)
    return Row(lost.last, EntryKind.DAMAGED, _APPLICATION, at, "", "open", reason, body.encode())


def doubtful(row: Row) -> Row:
    """Let a row be kept without being taken for what was pushed."""
    return row._replace(kind=EntryKind.DAMAGED, headers=f"{_DOUBTFUL}\n{row.headers}")


def unusable(positions: Sequence[int]) -> DamageFinding:
    """Return the finding about unusable acknowledged rows of a version without checksums."""
    named = ", ".join(map(str, positions[:_NAMED]))
    more = f" and {len(positions) - _NAMED} more" if len(positions) > _NAMED else ""
    return DamageFinding(
        "Acknowledged rows of the journal contain nothing usable: they are damaged, or "
        f"this version parses them differently. Positions {named}{more}; they are kept "
        "in the quarantine. Run `receiver reclassify` to parse them again.",
        "",
        lost=len(positions),
    )


def gaps(positions: Iterable[int], after: int, upto: int) -> Iterator[tuple[int, int]]:
    """Return the stretches of a range that hold none of the positions, as first and last."""
    for position in (*sorted(one for one in positions if after < one <= upto), upto + 1):
        if position > after + 1:
            yield after + 1, position - 1
        after = position


def name_aside(path: Path) -> Path:
    """Choose the name under which a damaged file is kept beside its place."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    number, chosen = 1, path.with_name(f"{path.name}{_KEPT}{stamp}")
    while chosen.exists():
        number += 1
        chosen = path.with_name(f"{path.name}{_KEPT}{stamp}-{number}")
    return chosen


def kept_aside(directory: Path) -> list[str]:
    """Name the damaged files that are kept in a directory."""
    return sorted(path.name for path in directory.glob(f"*{_KEPT}*"))


def fits(directory: Path, size: int) -> bool:
    """Return whether a file of a size leaves the disk some space."""
    return shutil.disk_usage(directory).free - size > _SPARE_BYTES


def keep_copy(path: Path) -> str:
    """Copy a damaged file aside, durably; return the copy's name, "" when the disk has no space."""
    if not fits(path.parent, path.stat().st_size):
        return ""
    kept = name_aside(path)
    descriptor = os.open(kept, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with path.open("rb") as source, os.fdopen(descriptor, "wb") as target:
        shutil.copyfileobj(source, target)
        sync_file(target)
    sync_directory(kept.parent)
    return kept.name
