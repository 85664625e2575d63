"""Reading past the damage in a journal that cannot be rewritten yet."""

import contextlib
import sqlite3
from pathlib import Path

from receiver.journal.damage import Lost, doubtful, marker
from receiver.journal.entries import FoundRow, Row, read_row, read_text
from receiver.journal.soundness import check_order, is_damage, reach, works
from receiver.journal.writer import COLUMNS

_ROWS = 50  # at a time


def read_past(
    source: Path, after: int, upto: int, checked_from: int
) -> tuple[list[Row], list[Lost]]:
    """Read some rows behind a position of a damaged file, however little of it can be read.

    Args:
        source: the journal.
        after: the position.
        upto: the newest position.
        checked_from: the position from which on every row has a checksum.

    Returns:
        rows, with one that stands for each stretch that cannot be read, and doubtful ones where
        they do not fit their checksums; and what does not count of them.
    """
    uri = f"{source.absolute().as_uri()}?mode=ro"
    rows: list[Row] = []
    lost: list[Lost] = []
    with contextlib.closing(sqlite3.connect(uri, uri=True)) as connection:
        connection.text_factory = read_text

        def first_after(position: int) -> int | None:
            found = connection.execute(
                "SELECT position FROM journal WHERE position > ? ORDER BY position LIMIT 1",
                (position,),
            ).fetchone()
            if found is not None:
                check_order(position, found[0])
            return None if found is None else int(found[0])

        while after < upto and len(rows) < _ROWS:
            is_sound = works(first_after, after)
            found = first_after(after) if is_sound else reach(first_after, after, upto)
            one = None if found is None else _read_one(connection, found)
            row = None if one is None else one.row
            if found is None:
                last_lost = after if is_sound else upto
            elif row is None:
                last_lost = found
            else:
                last_lost = after if is_sound else found - 1
            if last_lost > after:
                at = rows[-1].received_at if rows else None
                lost.append(Lost(after + 1, last_lost, at, row.received_at if row else None))
                rows.append(marker(lost[-1], ""))
            if one is not None and not one.is_sound(checked_from):
                at = rows[-1].received_at if rows else None
                lost.append(Lost(one.row.position, one.row.position, at, None))
                row = doubtful(one.row)
            if row is not None:
                rows.append(row)
            if row is None and last_lost == after:
                break
            after = rows[-1].position
    return rows, lost


def _read_one(connection: sqlite3.Connection, position: int) -> FoundRow | None:
    try:
        found = connection.execute(
            f"SELECT {COLUMNS} FROM journal WHERE position = ?",  # noqa: S608 - a constant list of names
            (position,),
        ).fetchone()
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
        return None
    return None if found is None else read_row(*found)
