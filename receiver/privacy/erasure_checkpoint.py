"""The state of an erasure in progress: the ids of the person's messages and uplinks.

The journal knows reports by these ids alone. When the process ends between the store and the
journal, nothing else leads to them any more.
"""

import json
from pathlib import Path

from receiver.datadir import write_whole
from receiver.domain.messages.state import Key

_NAME = "forgetting"


class Unfinished:
    """A file in the data directory that exists only during an erasure."""

    def __init__(self, directory: Path) -> None:
        """Name the file; it need not be there."""
        self._file = directory / _NAME

    def read(self) -> set[Key]:
        """Return the ids that an earlier forgetting left, of whomever: they are to go as well."""
        try:
            return {(application, one) for application, one in json.loads(self._file.read_bytes())}
        except FileNotFoundError:
            return set()

    def write(self, ids: set[Key]) -> None:
        """Keep ids; returns when they are durable (blocking).

        Raises:
            DataDirectoryError: they cannot be kept.
        """
        if ids:
            write_whole(self._file, json.dumps(sorted(ids)).encode())

    def clear(self) -> None:
        """Forget them: all is done."""
        self._file.unlink(missing_ok=True)
