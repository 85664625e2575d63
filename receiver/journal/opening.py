"""The checks and repairs of a journal before its writer starts (blocking)."""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from receiver.errors import DataDirectoryError, InUseError
from receiver.journal.damage import DamageFinding, Lost, fits, name_aside
from receiver.journal.rebuild import Rebuild, rebuild_whole
from receiver.journal.recovery import LogDamage, examine_log
from receiver.journal.writer import HeldError, put_in_place, take_lock


def new_file(path: Path) -> Path:
    """Name the file that is filled to take a journal's place."""
    return path.with_name(f"{path.name}.new")


def examine(path: Path) -> LogDamage | None:
    """Look at the log of a journal that nobody has open, and mend what can be mended of it.

    Raises:
        InUseError: the writer of an earlier process still has it.
        DataDirectoryError: the files cannot be read.
    """
    if not path.parent.is_dir():
        raise cannot_open(path, "its directory does not exist")
    try:
        with _locked(path):
            new_file(path).unlink(missing_ok=True)  # of a process that was killed
            return examine_log(path)
    except HeldError:
        raise held_by_another(path) from None
    except OSError as error:
        raise cannot_open(path, error.strerror or type(error).__name__) from error


def rebuild(path: Path, cause: str) -> DamageFinding:
    """Put a new file with all rows that can be read in place of one that cannot be opened.

    Raises:
        DataDirectoryError: no row of ours was found, or there is no space; nothing was changed.
    """
    target, kept = new_file(path), name_aside(path)
    if not fits(path.parent, path.stat().st_size):
        raise cannot_open(
            path, f"it is damaged ({cause}), and there is not enough disk space to rebuild it"
        )
    try:
        with _locked(path):
            made = rebuild_whole(path, target, kept.name)
            if made is None:
                raise cannot_open(path, cause)
            put_in_place(str(path), str(target), str(kept))
    except (OSError, sqlite3.Error) as error:
        raise cannot_open(path, f"it is damaged ({cause}): {type(error).__name__}") from error
    finally:
        target.unlink(missing_ok=True)
    return describe(made, kept.name)


def describe(made: Rebuild, kept: str) -> DamageFinding:
    """Return the finding about a file that was rebuilt."""
    text = "The journal file was damaged and has been rewritten from the readable rows"
    text += (
        f"; {made.found} rows came from pages that SQLite could not reach." if made.found else "."
    )
    if made.lost:
        text += f" Lost, or deleted earlier: {_name(made.lost)}."
    if made.spoiled:
        text += (
            f" Changed, and therefore ignored: {_name(made.spoiled)}. Correct these rows "
            "before you push them again."
        )
    if not (made.lost or made.spoiled):
        text += " No row was lost."
    text += (
        f" Kept in: {kept}. You can push again what you recover from it: whatever is "
        "already known counts as a redelivery."
    )
    lost = sum(one.rows for one in (*made.lost, *made.spoiled))
    return DamageFinding(text, kept, lost, made.found)


def _name(lost: list[Lost]) -> str:
    named = "; ".join(one.describe() for one in lost[:_NAMED])
    more = f"; and {len(lost) - _NAMED} more ranges" if len(lost) > _NAMED else ""
    return f"{named}{more}"


_NAMED = 10


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    lock = take_lock(f"{path}.lock")
    try:
        yield
    finally:
        os.close(lock)


def cannot_open(path: Path, cause: str) -> DataDirectoryError:
    """Return the error for a journal that cannot be opened."""
    return DataDirectoryError(
        f"The journal {path} cannot be opened: {cause}. Check that the disk has free "
        "space, that the file belongs to this user, and that it is a SQLite file."
    )


def held_by_another(path: Path) -> InUseError:
    """Return the error that names the holder, probably the writer of a killed receiver."""
    lock = path.with_name(path.name + ".lock")
    try:
        holder = lock.read_text(errors="replace").strip()
    except OSError:
        holder = ""
    who = f"process {holder}" if holder else f"a process that `fuser {lock}` names"
    return InUseError(
        f"The journal {path} is held by {who}, with the lock {lock}. It is probably the "
        "writer of a receiver that was killed, and is stopped or blocked by its disk "
        f"(check with `ps -o pid,stat,args`). End it with `kill -9 {holder or 'PID'}` "
        "and start the receiver again."
    )
