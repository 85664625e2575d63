"""Files that survive a crash of the machine, with what was written and by their new name."""

import os
from pathlib import Path
from typing import IO


def sync_file(file: IO[bytes]) -> None:
    """Make durable what was written to a file.

    Raises:
        OSError: the disk did not take it.
    """
    file.flush()
    os.fsync(file.fileno())


def replace_file(written: Path, file: Path) -> None:
    """Put a file, whose content is durable, in place of another one or of none.

    Raises:
        OSError: it has its old name, or the new one is not durable.
    """
    written.replace(file)
    sync_directory(file.parent)


def sync_directory(directory: Path) -> None:
    """Make durable which names the files of a directory have.

    Raises:
        OSError: the disk did not take it.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
