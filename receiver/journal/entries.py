"""Entries of the journal, its rows, and the limits of what may wait."""

from dataclasses import dataclass
from typing import NamedTuple

from receiver.journal.writer import checksum


class EntryKind:
    """What a row holds; the kinds of pushes are those of `huawei.wire.Kind`."""

    UNUSABLE = "unusable"  # a push that was refused with 400, kept for the quarantine
    SENDS = "sends"  # a registration
    SUPPRESSION = "suppression"  # set or lifted manually
    DAMAGED = "damaged"  # stands for rows that a damaged file lost; the body names them
    FORGOTTEN = "forgotten"  # what held only a person who was forgotten; the body is blank


# Lines that the receiver itself writes among the headers of an unusable push.
_REFUSED = "refused: "  # why, where the body does not say
_WHOLE_BYTES = "whole-bytes: "  # of the push, of which the body is the beginning


def note_refusal(headers: str, reason: str, whole_bytes: int | None = None) -> str:
    """Write why a push was refused beside its headers, and how large it was if it was cut off."""
    size = [] if whole_bytes is None else [f"{_WHOLE_BYTES}{whole_bytes}"]
    return "\n".join([*([headers] if headers else []), *size, _REFUSED + reason])


def read_refusal(headers: str) -> tuple[str, int | None] | None:
    """Read what `note_refusal` wrote; None when it wrote nothing."""
    lines = headers.split("\n")
    if not lines[-1].startswith(_REFUSED):
        return None
    size = lines[-2].removeprefix(_WHOLE_BYTES) if len(lines) > 1 else ""
    return lines[-1].removeprefix(_REFUSED), int(size) if size.isdecimal() else None


class JournalEntry(NamedTuple):
    """One accepted request, bytes untouched.

    Only exact `str`, `int` and `bytes`: the writer's frames hold no subclasses such as enums.
    """

    kind: str
    application: str
    received_at: int  # microseconds since the epoch, UTC
    peer: str
    trust: str
    headers: str  # the ones worth keeping, a `name: value` line each
    body: bytes


class Row(NamedTuple):
    """An entry at its place in the journal."""

    position: int
    kind: str
    application: str
    received_at: int
    peer: str
    trust: str
    headers: str
    body: bytes


class FoundRow(NamedTuple):
    """A row as a file holds it, and the checksum that is kept beside it."""

    row: Row
    checksum: object  # None: there is none, as in rows of older versions

    @property
    def is_proven(self) -> bool:
        """Whether the checksum says that this is what was taken."""
        return self.checksum == checksum(self.row)

    def is_sound(self, checked_from: int) -> bool:
        """Return whether nothing speaks against the row.

        Args:
            checked_from: the position from which on every row has a checksum.
        """
        if self.checksum is None:
            return self.row.position < checked_from
        return self.is_proven


# SQLite keeps values of any type in any column. Nothing of ours writes others than the right ones,
# but a file that was damaged or edited may hold them: one row must not stop all behind it.
def read_row(position: int, *values: object) -> FoundRow:
    """Return a row of a position and the other columns, whatever types they have.

    Args:
        position: of the row.
        values: of the other seven columns, and the checksum where there is one.
    """
    kind, application, received_at, peer, trust, headers, body, *sums = values
    row = Row(
        position,
        read_text(kind),
        read_text(application),
        read_time(received_at),
        read_text(peer),
        read_text(trust),
        read_text(headers),
        body if isinstance(body, bytes) else str(body).encode(),
    )
    return FoundRow(row, sums[0] if sums else None)


def read_text(value: object) -> str:
    """Read a text; bytes that are not UTF-8 are replaced."""
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def read_time(value: object) -> int:
    """Read a time; what is none counts as the epoch."""
    return value if isinstance(value, int) else 0


@dataclass(frozen=True, slots=True)
class JournalLimits:
    """How much may wait for the disk, and how long."""

    max_waiting: int = 10_000  # entries
    max_waiting_bytes: int = 64 * 1024 * 1024
    timeout_s: float = 5.0  # an append that is not durable by then has failed
    checkpoint_every_s: float = 1.0  # how often the WAL is copied into the file
    writer_timeout_s: float = 10.0  # a writer that has not answered by then is replaced
    stopped_s: float = 1.0  # the same of one that a signal has stopped
    wal_cap_bytes: int = 48 * 1024 * 1024  # beyond it the WAL is emptied despite readers


@dataclass(frozen=True, slots=True)
class Commit:
    """What one group commit did, for observers."""

    entries: int
    seconds: float
