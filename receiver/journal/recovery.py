"""Examines a journal before SQLite opens it, because SQLite does not report what it omits.

It forgets what stands behind a damaged frame of the log, takes a log with a damaged head for empty,
deletes one beside an empty file, and does not miss one that was cut off or removed.

All functions block; the caller holds the writer's lock.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from receiver.durable import replace_file, sync_file
from receiver.journal.damage import doubtful, keep_copy, name_aside
from receiver.journal.entries import Row
from receiver.journal.pages import read_rows
from receiver.journal.wal import Log, read_log
from receiver.journal.wal_index import LogIndex, read_index


@dataclass(frozen=True, slots=True)
class LogDamage:
    """A write-ahead log from which SQLite would not read all that was committed.

    Attributes:
        kept: name of the file in which it stays, or the index of one that is gone; "" when there
            was no space.
        corrected: wrong bits that were put right.
        is_gone: it is missing or empty.
        has_head: its head could be read, corrected or rebuilt.
        is_rebuilt: its head was made from its frames.
        is_alone: the journal's file is missing or empty.
        frames: damaged ones and all behind them, which SQLite would not have read.
        commits: whole transactions among those.
        missing: frames that were committed and are not there.
        was_synced: another transaction began after the damaged one, so that one was on disk and
            may have been acknowledged. Otherwise it may be the last one before a loss of power,
            which nobody was told of.
        rows: found in good frames behind the damaged ones, or proven by their checksums.
        doubtful: found in damaged frames only.
    """

    kept: str
    corrected: int
    is_gone: bool
    has_head: bool
    is_rebuilt: bool
    is_alone: bool
    frames: int
    commits: int
    missing: int
    was_synced: bool
    rows: list[Row] = field(default_factory=list)
    doubtful: list[Row] = field(default_factory=list)

    def describe(self) -> str:
        """Return what was found."""
        what: list[str] = []
        frames = f"{self.frames} frames with {self.commits} transactions"
        if self.is_gone:
            what.append("it is missing or empty")
        elif not self.has_head:
            what.append("its header cannot be read, and it contains no frame")
        if self.is_rebuilt:
            what.append("its header was damaged and has been rebuilt from its frames")
        if self.corrected:
            what.append(f"{self.corrected} wrong bits in it were corrected")
        if self.is_alone:
            what.append(f"its {frames} belong to a journal file that is missing or empty")
        elif self.frames:
            torn = (
                "" if self.was_synced else ", which may be the last commit before a power failure"
            )
            what.append(f"{frames} are at or behind damaged or missing ones{torn}")
        text = f"The journal's write-ahead log is damaged: {'; '.join(what)}"
        if self.missing:
            text += (
                f"{'; ' if what else ''}{self.missing} committed frames are missing at "
                "its end, so acknowledged pushes may be lost: compare the messages "
                "without a final report with the platform's console"
            )
        return f"{text}. Kept in: {self.kept or '-'}."


def examine_log(path: Path) -> LogDamage | None:
    """Correct what can be corrected of a journal's log, and take rows from what cannot.

    Args:
        path: of the journal.

    Returns:
        None when it is sound, or torn at its end as a loss of power leaves it.
    """
    file, shared = (path.with_name(f"{path.name}{end}") for end in ("-wal", "-shm"))
    size = _size(file)
    log = read_log(file.read_bytes() if size else b"")
    missing = _count_missing(log, read_index(shared))
    is_alone = size > 0 and not _size(path)
    taken = 0 if is_alone else log.applied
    is_sound = (log.has_head or not size) and not (log.corrected or log.is_rebuilt)
    if is_sound and not is_alone and not missing and taken == log.end:
        return None
    good, doubtful_rows = _rows_behind(path, log, taken) if taken < log.end else ({}, {})
    if not size:
        kept = keep_copy(shared)
    elif is_alone or not log.end:
        kept = _move_aside(file)
    else:
        kept = keep_copy(file)
        if not is_sound:
            _write(file, log.data)
    return LogDamage(
        kept=kept,
        corrected=log.corrected,
        is_gone=not size,
        has_head=log.has_head,
        is_rebuilt=log.is_rebuilt,
        is_alone=is_alone,
        frames=log.end - taken,
        commits=sum(one >= taken for one in log.commits),
        missing=missing,
        was_synced=is_alone or log.was_synced,
        rows=sorted(good.values()),
        doubtful=sorted(doubtful(r) for p, r in doubtful_rows.items() if p not in good),
    )


def _count_missing(log: Log, index: LogIndex | None) -> int:
    """Return how many committed frames are not there, and note in the log which are committed."""
    if index is None or (log.has_head and index.salts != log.salts):  # of another generation
        return 0
    log.synced = min(index.frames, log.count)
    return max(0, index.frames - max(log.end, index.copied))


def _rows_behind(path: Path, log: Log, taken: int) -> tuple[dict[int, Row], dict[int, Row]]:
    """Return the rows in frames from a number on: good ones, and doubtful ones."""
    fetch = page_reader(path, log.pages(), log.page_size)
    good = {
        found.row.position: found.row
        for page in log.pages(taken).values()
        for found in read_rows(page, fetch)
    }
    proven: dict[int, Row] = {}
    bad: dict[int, Row] = {}
    for page in log.damaged_pages():
        for found in read_rows(page, fetch):
            (proven if found.is_proven else bad)[found.row.position] = found.row
    return {**proven, **good}, bad


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


def _move_aside(file: Path) -> str:
    kept = name_aside(file)
    replace_file(file, kept)
    return kept.name


def page_reader(
    path: Path, newer: dict[int, bytes], page_size: int
) -> Callable[[int], bytes | None]:
    """Return what reads a page by its number, from the log or else from the file."""

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
        sync_file(writing)
