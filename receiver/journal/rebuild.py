"""Copies the journal into a new file, slice by slice, without delaying appends.

The new file has only the rows of today, in whole pages: nothing is left between them of what was
deleted. Of a damaged file it gets all rows that can be read: by SQLite, and where a page is in the
way, from the raw pages.
"""

import contextlib
import os
import sqlite3
import time
from itertools import pairwise
from pathlib import Path
from typing import Self

from receiver.journal.damage import Lost, doubtful, marker
from receiver.journal.entries import FoundRow, read_row, read_text, read_time
from receiver.journal.pages import scan
from receiver.journal.soundness import check_order, is_damage, out_of_order, reach
from receiver.journal.wal import read_log
from receiver.journal.writer import (
    CHECKED_FROM,
    COLUMNS,
    LAYOUT,
    SCHEMA,
    UNCHECKED_LAYOUT,
    add_meta,
    checksum,
)

_SLICE_ROWS = 2000
_SLICE_BYTES = 2 * 1024 * 1024
_FEWER = 8  # times, where a slice meets damage
_SCANNED_S = 0.005  # of scanning at a time; the same time is left to others
NO_END = 2**62  # no position is known to be the last
_PLACES = ", ".join("?" * 9)

Range = tuple[int, int]


class Rebuild:
    """A new file that is being filled (blocking). Close it in any case."""

    def __init__(self, source: Path, target: Path, *, mends: bool) -> None:
        """Begin.

        Args:
            source: the journal; only read.
            target: the new file; what stood there goes.
            mends: step over what is damaged; otherwise it raises.
        """
        self._source, self._target, self._mends = source, target, mends
        self.missing: list[Range] = []  # positions that SQLite cannot read
        self.lost: list[Lost] = []  # those that the raw pages do not hold either
        self.found = 0  # rows from the raw pages
        self.spoiled: list[Lost] = []  # rows that do not fit their checksums, kept as doubtful
        self._spoiled: list[int] = []  # their positions
        self._checked_from = NO_END  # not known
        self._columns = COLUMNS
        self._descriptor = os.open(
            target, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600
        )
        self._to = sqlite3.connect(
            target.absolute().as_uri(), uri=True, isolation_level=None, check_same_thread=False
        )
        for pragma in ("journal_mode = MEMORY", "synchronous = OFF"):
            self._to.execute(f"PRAGMA main.{pragma}")
        self._to.executescript(SCHEMA)
        self._to.text_factory = read_text
        self._is_readable = True
        try:
            self._to.execute("ATTACH ? AS old", (f"{source.absolute().as_uri()}?mode=ro",))
            self._to.execute("SELECT position FROM old.journal LIMIT 0")
            self._columns = self._columns_of_old()
        except sqlite3.DatabaseError:
            if not mends:
                raise
            self._is_readable = False  # the raw pages may hold rows all the same
        self._checked_from = int(dict(self._meta()).get(CHECKED_FROM, NO_END))

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Close both files; the new one is durable only after `finish`."""
        with contextlib.suppress(sqlite3.Error):
            self._to.close()
        os.close(self._descriptor)

    def _columns_of_old(self) -> str:
        """Return what to select: a file of an older version has no checksums."""
        names = [name for _, name, *_ in self._to.execute("PRAGMA old.table_info(journal)")]
        return COLUMNS if "checksum" in names else COLUMNS.replace("checksum", "NULL")

    def _meta(self) -> list[tuple[str, str]]:
        """Return what the old file says of itself, but for what cannot be read.

        Without its identity the new file gets another one: every row counts as unread then, which
        doubles nothing.
        """
        try:
            found = self._to.execute("SELECT name, value FROM old.meta").fetchall()
        except sqlite3.DatabaseError:
            if not self._mends:
                raise
            return []
        return [
            (name, LAYOUT if (name, value) == ("layout", UNCHECKED_LAYOUT) else value)
            for name, value in found
            if name != CHECKED_FROM or str(value).isdecimal()
        ]

    # --- copying ----------------------------------------------------------------------------

    def copy(self, after: int, upto: int) -> int:
        """Copy the next slice behind a position; return the last position that is done.

        Raises:
            sqlite3.Error: the source is damaged and this mends nothing, or the disk is full.
        """
        if not self._is_readable:
            self.missing.append((after + 1, upto))
            return upto
        limit = _SLICE_ROWS
        while True:
            try:
                last = self._copy_slice(after, upto, limit)
            except sqlite3.DatabaseError as error:
                # The same position twice is damage too.
                if not self._mends or not (
                    is_damage(error) or isinstance(error, sqlite3.IntegrityError)
                ):
                    raise
                if limit == 1:
                    return self._step_over(after, upto)
                limit = max(1, limit // _FEWER)
            else:
                os.fdatasync(self._descriptor)  # little by little: a late flood holds appends up
                return last

    def _copy_slice(self, after: int, upto: int, limit: int) -> int:
        sizes = self._to.execute(
            "SELECT position, length(body) FROM old.journal WHERE position > ?"
            " ORDER BY position LIMIT ?",
            (after, limit + 1),
        ).fetchall()
        for (before, _), (behind, _) in pairwise(sizes):
            check_order(before, behind)
        last, left, rows = after, _SLICE_BYTES, 0
        for position, size in sizes[:limit]:
            if position > upto or (rows and size > left):
                break
            check_order(last, position)
            last, left, rows = position, left - size, rows + 1
        if not rows:
            if upto == NO_END and not sizes:
                return upto
            raise out_of_order()  # the newest row is never deleted
        copied = self._to.execute(
            f"INSERT INTO main.journal ({COLUMNS}) SELECT {self._columns} FROM old.journal"  # noqa: S608 - constants only
            " WHERE position > ? AND position <= ?",
            (after, last),
        ).rowcount
        if copied != rows:
            self._to.execute("DELETE FROM main.journal WHERE position > ?", (after,))
            raise out_of_order()
        if self._mends:
            self._check(after, last)
        return last

    def _check(self, after: int, last: int) -> None:
        """Keep rows that do not fit their checksums, but not as what was taken."""
        copied = self._to.execute(
            f"SELECT {COLUMNS} FROM main.journal WHERE position > ? AND position <= ?",  # noqa: S608 - constants only
            (after, last),
        ).fetchall()
        for found in (read_row(*values) for values in copied):
            if not found.is_sound(self._checked_from):
                self._to.execute(
                    "DELETE FROM main.journal WHERE position = ?", (found.row.position,)
                )
                self._put(found)

    def _step_over(self, after: int, upto: int) -> int:
        """Note the positions that cannot be read; return the last of them."""
        reached = reach(self._first_after, after, upto)
        last = upto if reached is None else max(reached - 1, after + 1)
        self.missing.append((after + 1, last))
        return last

    def _first_after(self, position: int) -> int | None:
        found = self._to.execute(
            "SELECT position FROM old.journal WHERE position > ? ORDER BY position LIMIT 1",
            (position,),
        ).fetchone()
        if found is None:
            return None
        check_order(position, found[0])
        return int(found[0])

    # --- mending ----------------------------------------------------------------------------

    def mend(self, kept: str, upto: int) -> None:
        """Fill what is missing from the raw pages; note what is lost in its place.

        Args:
            kept: name of the file in which the damaged bytes stay.
            upto: the newest position that was given out; `NO_END`: not known.
        """
        wanted = [*self.missing, *self._gaps()]
        newer = read_log(_read(self._source.with_name(f"{self._source.name}-wal"))).pages()
        spoiled: list[FoundRow] = []
        for found in scan(self._source, newer, _Breath()):
            position = found.row.position
            if position > upto or not any(one <= position <= end for one, end in wanted):
                continue
            if found.is_sound(self._checked_from):
                self.found += self._put(found)
            else:
                spoiled.append(found)
        self.found += sum(self._put(found) for found in spoiled)  # where no sound one was found
        oldest, newest = self._ends()
        ranges = self._gaps()
        if self.missing and self.missing[0][0] == 1 and oldest > 1:
            ranges.insert(0, (1, oldest - 1))
        if newest < upto < NO_END:
            ranges.append((newest + 1, upto))
        for first, last in ranges:
            lost = self._lose(first, last)
            self.lost.append(lost)
            stands_for = marker(lost, kept)
            self._put(FoundRow(stands_for, checksum(stands_for)))

    def _lose(self, first: int, last: int) -> Lost:
        return Lost(first, last, self._arrival(first, "<"), self._arrival(last, ">"))

    def _put(self, found: FoundRow) -> int:
        """Put a row where there is none, as doubtful if it does not fit its checksum.

        Returns:
            how many were put: 1 or 0.
        """
        row, kept_sum = found
        is_sound = found.is_sound(self._checked_from)
        if not is_sound:
            row = doubtful(row)
            kept_sum = checksum(row)
        done = self._to.execute(
            f"INSERT OR IGNORE INTO main.journal ({COLUMNS}) VALUES ({_PLACES})",  # noqa: S608 - constants only
            (*row, kept_sum),
        ).rowcount
        if done and not is_sound:
            self._spoiled.append(row.position)
        return done

    @property
    def found_damage(self) -> bool:
        """Whether anything of the old file was not as it was written."""
        return bool(self.missing or self.lost or self._spoiled)

    def _gaps(self) -> list[Range]:
        """Return the stretches between the rows of the new file."""
        found = self._to.execute(
            "SELECT earlier + 1, position - 1 FROM (SELECT position,"
            " lag(position) OVER (ORDER BY position) AS earlier FROM main.journal)"
            " WHERE position > earlier + 1 ORDER BY position"
        )
        return [(int(first), int(last)) for first, last in found]

    def _ends(self) -> Range:
        ((oldest, newest),) = self._to.execute(
            "SELECT coalesce(min(position), 0), coalesce(max(position), 0) FROM main.journal"
        )
        return int(oldest), int(newest)

    @property
    def is_empty(self) -> bool:
        """Whether no row at all was found."""
        return self._ends() == (0, 0)

    def _arrival(self, position: int, side: str) -> int | None:
        order = "DESC" if side == "<" else "ASC"
        found = self._to.execute(
            f"SELECT received_at FROM main.journal WHERE position {side} ?"  # noqa: S608 - constants only
            f" ORDER BY position {order} LIMIT 1",
            (position,),
        ).fetchone()
        return None if found is None else read_time(found[0])

    # --- ending -----------------------------------------------------------------------------

    def finish(self) -> None:
        """Take over the identity, and make the new file durable and complete."""
        self.spoiled = [self._lose(position, position) for position in sorted(self._spoiled)]
        add_meta(self._to)
        self._to.executemany("INSERT OR REPLACE INTO main.meta VALUES (?, ?)", self._meta())
        os.fsync(self._descriptor)
        self._to.close()


def rebuild_whole(source: Path, target: Path, kept: str) -> Rebuild | None:
    """Save what can be read of a journal that nobody has open; None: it holds no row of ours."""
    with Rebuild(source, target, mends=True) as made:
        position = 0
        while position < NO_END:
            position = made.copy(position, NO_END)
        made.mend(kept, NO_END)
        if made.is_empty:
            return None
        made.finish()
    return made


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return b""


class _Breath:
    """Leaves others as much time as it took, every few milliseconds."""

    def __init__(self) -> None:
        self._since = time.perf_counter()

    def __call__(self) -> None:
        taken = time.perf_counter() - self._since
        if taken > _SCANNED_S:
            time.sleep(taken)
            self._since = time.perf_counter()
