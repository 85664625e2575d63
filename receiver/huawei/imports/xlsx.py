"""XLSX files: one sheet of a workbook, row by row."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from io import BufferedReader

from python_calamine import (
    CalamineError,
    CalamineSheet,
    CalamineWorkbook,
    SheetMetadata,
    SheetVisibleEnum,
)

from receiver.huawei.imports.cells import Cell, Spoilt
from receiver.huawei.imports.columns import Numbered
from receiver.huawei.imports.rows import ExportError
from receiver.huawei.imports.sheet_cells import Beneath

_EXACT_FLOAT = 2**53


class Workbook:
    """An open workbook and one sheet of it, which stands in memory: about 1 KB a row.

    Attributes:
        sheet: its name.
        notes: what a person does not see, or expects to be read and is not.
    """

    def __init__(self, file: BufferedReader, sheet: str | None) -> None:
        try:
            book = CalamineWorkbook.from_filelike(file)
            chosen = _choose(book.sheets_metadata, sheet)
            self.sheet = chosen.name
            self._rows = book.get_sheet_by_name(self.sheet)
            self._merged = _covered(self._rows)
            self._beneath = Beneath(file, self.sheet)
        except (CalamineError, OSError, ValueError) as error:
            if isinstance(error, ExportError):
                raise
            raise ExportError(
                "The workbook is damaged, encrypted or not XLSX. Open it in a "
                "spreadsheet program and save it as XLSX or CSV."
            ) from None
        self.notes = [*_unread(book.sheets_metadata, chosen), *self._beneath.notes]
        self._at = 0

    def share(self) -> float:
        """Return how much of the sheet was read, 0 to 1."""
        return self._at / self._rows.height if self._rows.height else 1.0

    def rows(self) -> Iterator[Numbered]:
        """Read the rows that are not empty, each with its number in the sheet."""
        first_row, first_column = self._rows.start or (0, 0)
        for cells in self._rows.iter_rows():
            self._at += 1
            number = first_row + self._at
            read: list[Cell] = [None] * first_column
            read += map(_cell, cells)
            _fill(read, self._beneath.spoilt(number))
            if any(cell is not None for cell in read):
                _fill(read, self._merged.get(number, {}))
                yield number, read
        for number, spoilt in self._beneath.rest():
            read = [None] * (max(spoilt) + 1)
            _fill(read, spoilt)
            yield number, read


def _fill(cells: list[Cell], spoilt: Mapping[int, Spoilt]) -> None:
    for column, why in spoilt.items():
        if column < len(cells) and cells[column] is None:
            cells[column] = why


def _cell(value: object) -> Cell:
    """Return what a cell holds; None where it is empty, or holds no value for another reason."""
    if isinstance(value, float):
        exact = value.is_integer() and abs(value) < _EXACT_FLOAT
        return int(value) if exact else value
    if isinstance(value, str | bool | int | date):
        return None if value == "" else value
    return str(value)  # a time of day, or a time taken: no moment


def _covered(sheet: CalamineSheet) -> dict[int, dict[int, Spoilt]]:
    """Return the cells that merged ranges cover: number of the row -> column -> why it is empty."""
    covered: dict[int, dict[int, Spoilt]] = {}
    last_row, last_column = sheet.end or (-1, -1)
    for (top, left), (bottom, right) in sheet.merged_cell_ranges or ():
        for row in range(top, min(bottom, last_row) + 1):
            for column in range(left, min(right, last_column) + 1):
                if (row, column) != (top, left):
                    covered.setdefault(row + 1, {})[column] = Spoilt.MERGED
    return covered


def _choose(sheets: Sequence[SheetMetadata], wanted: str | None) -> SheetMetadata:
    """Choose a sheet: the one that is wanted, else the first that a person can see."""
    if not sheets:
        raise ExportError("The workbook has no sheet with data.")
    for sheet in sheets:
        if sheet.name == wanted or (wanted is None and _is_visible(sheet)):
            return sheet
    names = ", ".join(sheet.name for sheet in sheets)
    if wanted is None:
        raise ExportError(
            f"All sheets are hidden. Choose one with --sheet. The sheets are: {names}."
        )
    raise ExportError(f"There is no sheet {wanted!r}. The sheets are: {names}.")


def _is_visible(sheet: SheetMetadata) -> bool:
    return sheet.visible == SheetVisibleEnum.Visible


def _unread(sheets: Sequence[SheetMetadata], chosen: SheetMetadata) -> Iterator[str]:
    """Return notes on sheets that are not read or are hidden."""
    if not _is_visible(chosen):
        yield f"The sheet {chosen.name} is hidden."
    others = [
        sheet.name if _is_visible(sheet) else f"{sheet.name} (hidden)"
        for sheet in sheets
        if sheet.name != chosen.name
    ]
    if others:
        yield f"Sheets not read (--sheet reads another): {', '.join(others)}"
