"""The journal: the append-only durable log that the 200 waits for."""

from receiver.journal.damage import Finding
from receiver.journal.entries import (
    Commit,
    Entry,
    Kind,
    Limits,
    Row,
    note_refusal,
    read_refusal,
)
from receiver.journal.file import FILE_NAME
from receiver.journal.journal import Journal, Settle

__all__ = [
    "FILE_NAME",
    "Commit",
    "Entry",
    "Finding",
    "Journal",
    "Kind",
    "Limits",
    "Row",
    "Settle",
    "note_refusal",
    "read_refusal",
]
