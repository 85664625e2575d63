"""Files that other users could read or change: modes and owners, with the remedy."""

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

_CHANGE = 0o022  # by the group and by others
_OTHERS_READ, _OTHERS_CHANGE = 0o004, 0o002
_ANY = 0o077


def find_exposed(directory: Path, files: Iterable[Path] = (), *, repair: bool = False) -> list[str]:
    """Return what of a data directory others could read or change.

    Args:
        directory: the data directory.
        files: further files of ours beside those in it.
        repair: take the permissions away where that is ours to do.
    """
    try:
        return [
            *_judge(directory, _CHANGE, repair=repair),
            *_judge_owner(directory),
            *_judge_parents(directory),
            *(
                line
                for file in (*sorted(directory.iterdir()), *files)
                for line in _judge(file, _ANY, repair=repair)
            ),
        ]
    except OSError as error:
        return [f"{directory}: its mode cannot be checked: {error.strerror}"]


def find_readable(file: Path, what: str) -> list[str]:
    """Return whether a file that others wrote for us, and that holds secrets, is open to everybody.

    Args:
        file: the file.
        what: what it holds.
    """
    try:
        mode = file.stat().st_mode
    except OSError:
        return []  # anyone who reads it says so
    if not mode & (_OTHERS_READ | _OTHERS_CHANGE):
        return []
    told = f"{file} contains {what}, and every user of this machine can read or change it"
    return [f"{told} (mode {_written(mode)}): run `chmod o-rwx {file}`"]


def _judge(path: Path, mask: int, *, repair: bool) -> Iterator[str]:
    """Judge one file or directory."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    is_directory = stat.S_ISDIR(found.st_mode)
    if not (stat.S_ISREG(found.st_mode) or (is_directory and mask == _CHANGE)):
        return
    is_ours = os.geteuid() in (0, found.st_uid)
    if not is_ours and is_directory:
        mask = _OTHERS_CHANGE  # it may be by the group that we may write at all
    bits = stat.S_IMODE(found.st_mode) & mask
    if not bits:
        return
    kept = stat.S_IMODE(found.st_mode) & ~bits
    why = (
        "other users can replace its files"
        if is_directory
        else ("other users can read or change it")
    )
    told = f"{path} has mode {_written(found.st_mode)}: {why}"
    if repair and is_ours:
        path.chmod(kept)
        yield (
            f"{told}; its mode has been set to {_written(kept)}. If you do not trust these "
            "users, create new secrets"
        )
    else:
        yield f"{told}; run `chmod {kept:o} {path}`"


def _judge_owner(directory: Path) -> Iterator[str]:
    owner, user = directory.stat().st_uid, os.geteuid()
    if user not in (0, owner) and owner != 0:
        yield (
            f"{directory} belongs to user {owner}, but the receiver runs as user {user}: "
            f"its owner can change everything in it; run `chown -R {user} {directory}`"
        )


def _judge_parents(directory: Path) -> Iterator[str]:
    for parent in directory.absolute().parents:
        mode = parent.stat().st_mode
        if mode & _OTHERS_CHANGE and not mode & stat.S_ISVTX:
            yield (
                f"{parent} has mode {_written(mode)}: every user can replace {directory} "
                f"by another directory; run `chmod o-w {parent}`"
            )


def _written(mode: int) -> str:
    return f"{stat.S_IMODE(mode):04o}"
