"""Writes the unusable rows of a file to another file, to be corrected."""

import csv
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from receiver.domain.spreadsheets import defused
from receiver.errors import ReceiverError
from receiver.huawei.imports import REJECTED, Columns, Export, Fault
from receiver.huawei.imports.cells import Cell, marked, unwrapped

Write = Callable[[Fault], None]


class RejectsNotWrittenError(ReceiverError):
    """The file of bad rows cannot be written."""


@contextmanager
def writing_rejects(path: Path | None, source: Path | None, export: Export) -> Iterator[Write]:
    """Return a writer of bad rows: CSV under the header of the table, or lines of JSON.

    Args:
        path: None writes nothing.
        source: the file that is read; it is not overwritten.
        export: what it holds.

    Raises:
        NotWrittenError: the file cannot be written.
    """
    if path is None:
        yield lambda _: None
        return
    try:
        if source is not None and path.exists() and path.samefile(source):
            raise RejectsNotWrittenError("--rejects is the file to import. Pass another file.")
        # The rows have phone numbers in them.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        file = os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape", newline="")
    except OSError as error:
        raise RejectsNotWrittenError(f"{path} cannot be written: {error.strerror}.") from None
    with file:
        write = _table_writer(file, export.columns) if export.columns else _line_writer(file)

        def write_named(fault: Fault) -> None:
            try:
                write(fault)
            except OSError as error:
                raise RejectsNotWrittenError(
                    f"{path} cannot be written: {error.strerror}."
                ) from None

        yield write_named


def _table_writer(file: IO[str], columns: Columns) -> Write:
    file.write("\ufeff")  # without it spreadsheets take the file for one in a local encoding
    writer = csv.writer(file)
    writer.writerow([*REJECTED, *map(_safe, columns.header)])
    # Times are refused by their form alone, in a text as in a typed cell.
    texts = {index for name, index in columns.used.items() if name != "sent_at"}

    def write(fault: Fault) -> None:
        cells = fault.raw if isinstance(fault.raw, list) else []
        kept = [_safe(marked(cell, as_text=at in texts)) for at, cell in enumerate(cells)]
        writer.writerow([fault.line, fault.reason, *kept])

    return write


def _safe(value: Cell) -> Cell:
    """Write a cell so that a spreadsheet takes it for text, and the import for what it was."""
    return defused(unwrapped(value)) if isinstance(value, str) else value


def _line_writer(file: IO[str]) -> Write:
    def write(fault: Fault) -> None:
        row = {**dict(zip(REJECTED, (fault.line, fault.reason), strict=True)), "row": fault.raw}
        file.write(json.dumps(row) + "\n")

    return write
