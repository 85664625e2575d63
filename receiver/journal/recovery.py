"""Looking at a journal before SQLite opens it: SQLite forgets what stands behind a damaged frame.

All of it blocks; whoever calls holds the writer's lock.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from receiver.journal.damage import doubtful, keep_copy
from receiver.journal.entries import Row
from receiver.journal.pages import read_rows
from receiver.journal.wal import Log, read_log


@dataclass(frozen=True, slots=True)
class LogDamage:
    """A damaged write-ahead log.

    Attributes:
        kept: name of its copy; "" when there was no space.
        corrected: wrong bits that were put right.
        frames: damaged ones and all behind them, which SQLite would not have read.
        commits: whole transactions among those.
        was_synced: another transaction began after the damaged one, so that one was on disk and
            may have been acknowledged. Otherwise it may be the last one before a loss of power,
            which nobody was told of.
        rows: found in good frames behind the damaged ones, or proven by their checksums.
        doubtful: found in damaged frames only.
    """

    kept: str
    corrected: int
    frames: int
    commits: int
    was_synced: bool
    rows: list[Row] = field(default_factory=list)
    doubtful: list[Row] = field(default_factory=list)

    def describe(self) -> str:
        """Say what was found."""
        what = f"{self.corrected} wrong bits in it were corrected"
        if self.frames:
            what += (
                f"; {self.frames} frames with {self.commits} transactions stand at or behind "
                "damaged ones"
            )
            if not self.was_synced:
                what += ", which may be the last commit before a loss of power"
        return f"The journal's write-ahead log is damaged: {what}. Kept in: {self.kept or '-'}."


def examine_log(path: Path) -> LogDamage | None:
    """Correct what can be corrected of a journal's log, and take rows from what cannot.

    Args:
        path: of the journal.

    Returns:
        None when it is sound, or torn at its end as a loss of power leaves it.
    """
    file = path.with_name(f"{path.name}-wal")
    try:
        log = read_log(file.read_bytes())
    except FileNotFoundError:
        return None
    behind = log.commits_behind
    if not behind and not log.corrected:
        return None
    kept = keep_copy(file)
    if log.corrected:
        _write(file, log.data)
    good, doubtful_rows = _rows_behind(path, log) if behind else ({}, {})
    return LogDamage(
        kept=kept,
        corrected=log.corrected,
        frames=log.count - log.wrong[0] if behind else 0,
        commits=len(behind),
        was_synced=log.was_synced,
        rows=sorted(good.values()),
        doubtful=sorted(doubtful(r) for p, r in doubtful_rows.items() if p not in good),
    )


def _rows_behind(path: Path, log: Log) -> tuple[dict[int, Row], dict[int, Row]]:
    newest = log.pages()
    fetch = page_reader(path, newest, log.page_size)
    good = {
        found.row.position: found.row
        for page in log.pages(log.wrong[0]).values()
        for found in read_rows(page, fetch)
    }
    proven: dict[int, Row] = {}
    bad: dict[int, Row] = {}
    for page in log.damaged_pages():
        for found in read_rows(page, fetch):
            (proven if found.is_proven else bad)[found.row.position] = found.row
    return {**proven, **good}, bad


def page_reader(
    path: Path, newer: dict[int, bytes], page_size: int
) -> Callable[[int], bytes | None]:
    """Give what reads a page by its number, from the log or else from the file."""

    def fetch(number: int) -> bytes | None:
        if (page := newer.get(number)) is not None:
            return page
        try:
            with path.open("rb") as file:
                file.seek((number - 1) * page_size)
                page = file.read(page_size)
        except OSError:
            return None
        return page if len(page) == page_size else None

    return fetch


def _write(file: Path, data: bytearray) -> None:
    with file.open("r+b") as writing:
        writing.write(data)
        writing.flush()
        os.fsync(writing.fileno())
