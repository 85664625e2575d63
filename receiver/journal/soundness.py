"""Where a journal is sound: whether an error is damage, and what can be read behind it."""

import sqlite3
from collections.abc import Callable
from functools import partial

_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_LEAP = 1_000_000  # positions; further apart they are damaged


def is_damage(error: sqlite3.Error) -> bool:
    """Return whether SQLite found a file damaged."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED


def reach(first_after: Callable[[int], int | None], after: int, upto: int) -> int | None:
    """Find the first row behind damaged pages; None when none can be reached.

    Args:
        first_after: gives the first position behind another one; raises where a page is damaged.
        after: where the damage begins.
        upto: the last position there can be.
    """
    is_sound = partial(works, first_after)
    low, high, step = after, after, 1
    while not is_sound(high):
        if high >= upto:
            return None
        low, high, step = high, min(upto, high + step), 2 * step
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_sound(middle) else (middle, high)
    return first_after(high)


def works(first_after: Callable[[int], int | None], position: int) -> bool:
    """Return whether what follows a position can be found."""
    try:
        first_after(position)
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
        return False
    return True


def check_order(before: int, position: int) -> None:
    """Raise what SQLite raises for damage where a position cannot follow another one."""
    if not before < position or (before and position - before > _LEAP):
        raise out_of_order()


def out_of_order() -> sqlite3.DatabaseError:
    """Return the error of positions that cannot follow each other, as SQLite reports damage."""
    error = sqlite3.DatabaseError("positions out of order")
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error
