"""The shared memory of a write-ahead log: how many frames were committed.

SQLite keeps it in the file `-shm` and raises the count after a commit was synced, so a process that
was killed leaves there what the log has to hold. It must be read before SQLite opens the journal,
which rebuilds it from the log.

The format: https://www.sqlite.org/walformat.html#the_wal_index_file_format.
"""

import struct
from pathlib import Path
from typing import NamedTuple

from receiver.journal.wal_sums import add_sums

_VERSION = 3_007_000
_HEAD = 48  # bytes; it stands there twice
_SUMMED = struct.Struct("=10I")  # in the order of bytes of the machine
_FIELDS = struct.Struct("=IIIBBHII8s8s2I")
_COPIED = struct.Struct("=I")  # behind both heads


class LogIndex(NamedTuple):
    """What a log has to hold."""

    frames: int  # that were committed
    copied: int  # of those, the first ones: they stand in the journal's file too
    salts: bytes  # of the log's head


def read_index(file: Path) -> LogIndex | None:
    """Read the file; None when there is none, or nothing in it can be relied on."""
    try:
        with file.open("rb") as reading:
            data = reading.read(2 * _HEAD + _COPIED.size)
    except FileNotFoundError:
        return None
    if len(data) < 2 * _HEAD + _COPIED.size:
        return None
    for at in (0, _HEAD):
        version, _, _, is_set, _, _, frames, _, _, salts, *sums = _FIELDS.unpack_from(data, at)
        if (
            version == _VERSION
            and is_set
            and add_sums(_SUMMED.unpack_from(data, at), (0, 0)) == tuple(sums)
        ):
            (copied,) = _COPIED.unpack_from(data, 2 * _HEAD)
            return LogIndex(frames, copied if copied <= frames else 0, salts)
    return None
