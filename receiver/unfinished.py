"""What a forgetting that is going on must not lose: the ids of messages and uplinks that were his.

The journal knows reports by these ids alone. When the process ends between the store and the
journal, nothing else leads to them any more.
"""

import json
import os
from pathlib import Path

Key = tuple[str, str]  # application, smsMsgId

_NAME = "forgetting"


class Unfinished:
    """A file in the data directory, there only while somebody is being forgotten."""

    def __init__(self, directory: Path) -> None:
        """Name the file; it need not be there."""
        self._file = directory / _NAME
        self._next = directory / f"{_NAME}.new"

    def read(self) -> set[Key]:
        """Give the ids that an earlier forgetting left, of whomever: they are to go as well."""
        try:
            return {(application, one) for application, one in json.loads(self._file.read_bytes())}
        except FileNotFoundError:
            return set()

    def write(self, ids: set[Key]) -> None:
        """Keep ids; returns when they are durable (blocking).

        Raises:
            OSError: they cannot be kept.
        """
        if not ids:
            return
        descriptor = os.open(self._next, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            json.dump(sorted(ids), file)
            file.flush()
            os.fsync(file.fileno())
        self._next.replace(self._file)
        descriptor = os.open(self._file.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def clear(self) -> None:
        """Forget them: all is done."""
        self._file.unlink(missing_ok=True)
        self._next.unlink(missing_ok=True)
