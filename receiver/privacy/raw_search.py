"""Searches raw bytes of files for a number, including data that SQLite calls deleted."""

from collections.abc import Callable, Iterable
from pathlib import Path

_READ_BYTES = 256 * 1024
_LONGEST = 256  # bytes of one writing: it may lie across two reads


def _never() -> bool:
    """Stand in where nothing is cancelled."""
    return False


def files_below(directory: Path) -> list[Path]:
    """Return all regular files of a directory, those of the directories in it too."""
    return sorted(path for path in directory.rglob("*") if path.is_file())


class GivenUpError(Exception):
    """The result is no longer needed."""


def find_in_files(
    files: Iterable[Path], holds: Callable[[bytes], bool], is_given_up: Callable[[], bool] = _never
) -> list[Path]:
    """Return those of some files that hold a number anywhere (blocking).

    Args:
        files: to be read.
        holds: tells whether some bytes contain it.
        is_given_up: tells whether nobody waits for the result any more.

    Raises:
        GivenUpError: it was given up.
        OSError: a file cannot be read; one that is gone meanwhile holds nothing.
    """
    return [path for path in files if _holds(path, holds, is_given_up)]


def _holds(path: Path, holds: Callable[[bytes], bool], is_given_up: Callable[[], bool]) -> bool:
    try:
        with path.open("rb") as file:
            tail = b""
            while data := file.read(_READ_BYTES):
                if is_given_up():
                    raise GivenUpError
                if holds(tail + data):
                    return True
                tail = data[-_LONGEST:]
    except FileNotFoundError:
        return False
    return False
