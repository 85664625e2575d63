"""XLSX files: one sheet of a workbook, row by row."""

from collections.abc import Iterator
from datetime import date, datetime
from io import BufferedReader

from python_calamine import CalamineError, CalamineWorkbook

from receiver.huawei.exports.cells import Cell
from receiver.huawei.exports.columns import Numbered
from receiver.huawei.exports.rows import ExportError

_EXACT_FLOAT = 2**53


class Workbook:
    """An open workbook and one sheet of it, which stands in memory: about 1 KB a row."""

    def __init__(self, file: BufferedReader, sheet: str | None) -> None:
        try:
            book = CalamineWorkbook.from_filelike(file)
            self.sheet = _choose(book.sheet_names, sheet)
            self._rows = book.get_sheet_by_name(self.sheet)
        except (CalamineError, OSError, ValueError) as error:
            if isinstance(error, ExportError):
                raise
            raise ExportError(
                "The workbook is damaged, encrypted or no XLSX; open it in a spreadsheet program "
                "and save it as XLSX or CSV."
            ) from None
        self._at = 0

    def share(self) -> float:
        """Tell how much of the sheet was read, 0 to 1."""
        return self._at / self._rows.height if self._rows.height else 1.0

    def rows(self) -> Iterator[Numbered]:
        """Read the rows that are not empty, each with its number in the sheet."""
        first_row, first_column = self._rows.start or (0, 0)
        for cells in self._rows.iter_rows():
            self._at += 1
            read = [_cell(cell) for cell in cells]
            if any(cell is not None for cell in read):
                yield first_row + self._at, [None] * first_column + read


def _cell(value: object) -> Cell:
    """Give what a cell holds; None where it is empty or shows an error such as `#N/A`."""
    if isinstance(value, float):
        exact = value.is_integer() and abs(value) < _EXACT_FLOAT
        return int(value) if exact else value
    if isinstance(value, date) and not isinstance(value, datetime):
        # Midnight, or a day without a time of day: in a sheet they are the same number.
        return datetime(value.year, value.month, value.day)  # noqa: DTZ001 - it knows no zones
    if isinstance(value, str | bool | int | datetime):
        return None if value == "" else value
    return str(value)  # a time of day, or a time taken: no moment


def _choose(names: list[str], wanted: str | None) -> str:
    if not names:
        raise ExportError("The workbook has no sheet with cells.")
    if wanted is None:
        return names[0]
    if wanted not in names:
        raise ExportError(f"There is no sheet {wanted!r}. The sheets are: {', '.join(names)}.")
    return wanted
