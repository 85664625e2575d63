"""A file of sends in any format: its kind and its rows."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from io import BufferedReader
from itertools import chain, islice
from types import MappingProxyType
from typing import Protocol

from receiver.huawei.imports.cells import CellError
from receiver.huawei.imports.columns import (
    Columns,
    Numbered,
    find_columns,
    has_merged_header,
    judge,
    no_header,
)
from receiver.huawei.imports.csv_reader import SEPARATORS, records, separator_of
from receiver.huawei.imports.doubts import LEARNT_FROM
from receiver.huawei.imports.encodings import decoded
from receiver.huawei.imports.headers import APPLICATION, REGISTERED
from receiver.huawei.imports.ndjson import Lines
from receiver.huawei.imports.rows import NEVER_REGISTERED, ExportError, Fault, How, Row, SendRow
from receiver.huawei.imports.table_doubts import RowDoubts, is_blank
from receiver.huawei.imports.xlsx import Workbook
from receiver.huawei.registration import RegistrationError

_ARCHIVE = b"PK\x03\x04"
_CHUNK = 1 << 20
_MARK = b"\xef\xbb\xbf"
_NOT_READ = {
    b"\xd0\xcf\x11\xe0": "This is an XLS file or a protected workbook. Save it as XLSX or CSV.",
    b"\x1f\x8b": "The file is compressed. Decompress it first.",
    b"[": (
        "The file is a single JSON array. Write one entry per line, for example with `jq -c '.[]'`."
    ),
}
_MERGED_HEADER = (
    "Header cells are merged: headers below them are not read, and columns next to them "
    "have none. Unmerge them and write the header of each column in one row."
)
_PRETTY = (
    "A JSON document spans several lines. Write one document per line, for example with `jq -c .`."
)
_NOTHING: Mapping[str, int] = MappingProxyType({})


class Export(Protocol):
    """An open file of sends."""

    @property
    def form(self) -> str:
        """What the file is: `NDJSON`, `CSV` or `XLSX`."""

    @property
    def detail(self) -> str:
        """How it is read: encoding and separator, or the sheet."""

    @property
    def notes(self) -> Sequence[str]:
        """What a person should know before it is read."""

    @property
    def columns(self) -> Columns | None:
        """Which columns are taken; None where there are none."""

    @property
    def unused(self) -> Sequence[str]:
        """The columns or fields of which nothing is taken; of NDJSON those seen so far."""

    @property
    def left_out(self) -> Mapping[str, int]:
        """What of the values was left out so far, and in which line first."""

    def rows(self) -> Iterator[Row]:
        """Read the file, once.

        Raises:
            ExportError: the rest of it cannot be read.
        """

    def share(self) -> float | None:
        """How much of it was read, 0 to 1; None where its size is not known."""


@contextmanager
def spooled(stream: BufferedReader, how: How) -> Iterator[BufferedReader]:
    """Yield a file whose encoding can be detected: a pipe is copied to an unnamed temporary file.

    The last character of a table may decide. The temporary file is removed at the end.

    Raises:
        ExportError: there is no room for it.
    """
    start = stream.peek(4).removeprefix(_MARK).lstrip()
    if how.encoding is not None or stream.seekable() or start.startswith((b"{", _ARCHIVE)):
        yield stream
        return
    with ExitStack() as stack:
        try:
            file = stack.enter_context(tempfile.TemporaryFile())
            shutil.copyfileobj(stream, file, _CHUNK)
            file.seek(0)
        except OSError as error:
            raise ExportError(
                f"The pipe cannot be stored in a temporary file: {error.strerror}. "
                "Import a file, or pass the encoding with --encoding."
            ) from None
        yield stack.enter_context(os.fdopen(os.dup(file.fileno()), "rb"))


def open_export(stream: BufferedReader, how: How) -> Export:
    """See what a file is, and which of its columns hold what; a pipe goes through `spooled`.

    Raises:
        ExportError: it cannot be read.
    """
    start = stream.peek(4)
    if not start:
        raise ExportError("The file is empty.")
    if start.startswith(_ARCHIVE):
        if not stream.seekable():
            raise ExportError("An XLSX file cannot be read from a pipe. Pass the file itself.")
        return _Book(stream, how)
    text = start.removeprefix(_MARK).lstrip()
    for beginning, problem in _NOT_READ.items():
        if text.startswith(beginning):
            raise ExportError(problem)
    if how.sheet is not None:
        raise ExportError("--sheet can be used only with an XLSX file.")
    if not text.startswith(b"{"):
        return _Csv(stream, how)
    if text.splitlines()[0].strip() == b"{":
        raise ExportError(_PRETTY)
    return _Ndjson(stream, how)


class _Ndjson:
    form = "NDJSON"
    detail = "utf-8"
    notes: Sequence[str] = ()
    columns = None

    def __init__(self, stream: BufferedReader, how: How) -> None:
        self.share = _share_of(stream)
        self._lines = Lines(stream, how)
        self.rows = self._lines.rows
        self.left_out: Mapping[str, int] = self._lines.left_out.notes

    @property
    def unused(self) -> Sequence[str]:
        return list(self._lines.left_out.names)


class _Csv:
    form = "CSV"
    left_out: Mapping[str, int] = _NOTHING

    def __init__(self, stream: BufferedReader, how: How) -> None:
        self.share = _share_of(stream)
        # Kept: its end would close the stream.
        text, self.notes = self._text, _ = decoded(stream, how.encoding)
        lines = list(islice(text, LEARNT_FROM))
        separator = separator_of(lines, how.columns)
        self.detail = f"{text.encoding}, {SEPARATORS[separator]}"
        try:
            self._table = _Table(records(chain(lines, text), separator), how)
        except ExportError as error:  # in another encoding the header may be one
            raise ExportError(" ".join((str(error), *self.notes))) from None
        self.columns = self._table.columns
        self.unused = self.columns.unused
        self.rows = self._table.rows


class _Book:
    form = "XLSX"
    left_out: Mapping[str, int] = _NOTHING

    def __init__(self, stream: BufferedReader, how: How) -> None:
        book = Workbook(stream, how.sheet)
        self.detail = f"sheet {book.sheet}"
        self.share = book.share
        self._table = _Table(book.rows(), how)
        self.notes = [*book.notes, *self._table.notes]
        self.columns = self._table.columns
        self.unused = self.columns.unused
        self.rows = self._table.rows


class _Table:
    """Rows of cells under a header."""

    def __init__(self, source: Iterable[Numbered | Fault], how: How) -> None:
        rest = iter(source)
        head = list(islice(rest, LEARNT_FROM))
        rows = [row for row in head if not isinstance(row, Fault)]
        found = find_columns(rows, how.columns)
        if found is None:
            raise no_header(rows, how.columns)
        data = [row[1] for row in rows if row[0] > found.row]
        self.columns = judge(found, data, how.columns)
        self.notes = [_MERGED_HEADER] if has_merged_header(found, rows) else []
        self._source = chain((row for row in head if row[0] > found.row), rest)
        self._how = how
        self._doubts = RowDoubts(self.columns, data, how)

    def rows(self) -> Iterator[Row]:
        columns, how = self.columns, self._how
        for row in self._source:
            if isinstance(row, Fault):
                yield row
                continue
            line, cells = row
            registered = columns.own(REGISTERED, cells)
            if registered == "false":
                yield Fault(line, NEVER_REGISTERED, cells)
                continue
            send, reason = None, None
            try:
                send = columns.send_of(cells, how)
            except (CellError, RegistrationError) as error:
                if is_blank(cells):
                    continue
                reason = str(error)
            if registered is None:
                reason = self._doubts.of(line, cells, send) or reason
            if send is None or reason is not None:
                yield Fault(line, reason or "", cells)
            else:
                yield SendRow(line, send, columns.own(APPLICATION, cells), cells)


def _share_of(stream: BufferedReader) -> Callable[[], float | None]:
    if not stream.seekable():
        return lambda: None
    size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    return lambda: stream.tell() / size
