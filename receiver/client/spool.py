"""Registrations that could not be delivered, kept on disk until they can.

One file for each, of one line of JSON: written under another name, synced, then renamed. So a file
that is there is whole, several processes can share a directory without locks, and the worst that a
crash leaves is a registration that is delivered twice, which changes nothing.
"""

import os
import secrets
import time
from contextlib import suppress
from pathlib import Path

MOST_KEPT = 100_000  # registrations; a block of the file system each
_KEPT = ".ndjson"
_REFUSED = ".refused"
_UNFINISHED = ".tmp"
_ABANDONED_S = 3600.0


class SpoolFullError(OSError):
    """The spool holds as much as it may."""


class Spool:
    """A directory of registrations; it is made, readable by its owner alone, if need be.

    Raises:
        OSError: it cannot be made or read.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._directory = directory
        self._count = 0
        self._sweep()
        self.waiting()

    def keep(self, line: bytes) -> None:
        """Keep a registration; it is on disk afterwards.

        Raises:
            OSError: it cannot be kept.
        """
        if self._count >= MOST_KEPT:
            raise SpoolFullError(f"The spool holds {MOST_KEPT} registrations.")
        name = f"{time.time_ns():020d}-{os.getpid()}-{secrets.token_hex(4)}"
        unfinished = self._directory / (name + _UNFINISHED)
        try:
            descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(line + b"\n")
                file.flush()
                os.fsync(descriptor)
            unfinished.rename(self._directory / (name + _KEPT))
        except OSError:
            unfinished.unlink(missing_ok=True)
            raise
        self._count += 1
        self._sync()

    def waiting(self) -> list[Path]:
        """Give what is kept, the oldest first."""
        with os.scandir(self._directory) as entries:
            names = sorted(entry.name for entry in entries if entry.name.endswith(_KEPT))
        self._count = len(names)
        return [self._directory / name for name in names]

    def read(self, file: Path) -> bytes | None:
        """Give what is kept in a file; None when another has delivered it."""
        try:
            return file.read_bytes().rstrip(b"\n")
        except FileNotFoundError:
            return None

    def remove(self, file: Path) -> None:
        """Forget what has been delivered."""
        file.unlink(missing_ok=True)

    def set_aside(self, file: Path) -> None:
        """Put away, under a name that is not tried again, what the receiver refuses for good."""
        with suppress(FileNotFoundError):  # another process has seen to it
            file.rename(file.with_suffix(_REFUSED))

    def _sync(self) -> None:
        descriptor = os.open(self._directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _sweep(self) -> None:
        """Remove what a process that ended long ago has begun to write."""
        for file in self._directory.glob(f"*{_UNFINISHED}"):
            with suppress(FileNotFoundError):
                if time.time() - file.stat().st_mtime > _ABANDONED_S:
                    file.unlink()
