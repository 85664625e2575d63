"""The journal: the append-only durable log that the 200 waits for."""

from receiver.journal.damage import DamageFinding
from receiver.journal.entries import (
    Commit,
    EntryKind,
    JournalEntry,
    JournalLimits,
    Row,
    note_refusal,
    read_refusal,
)
from receiver.journal.file import FILE_NAME
from receiver.journal.journal import Journal, Settle

__all__ = [
    "FILE_NAME",
    "Commit",
    "DamageFinding",
    "EntryKind",
    "Journal",
    "JournalEntry",
    "JournalLimits",
    "Row",
    "Settle",
    "note_refusal",
    "read_refusal",
]
