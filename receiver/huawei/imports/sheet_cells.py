"""Properties of the cells of an XLSX sheet other than their values.

A formula that no spreadsheet program has calculated, and an error, come out of the reader as empty
cells; what is hidden comes out as what is not. The part of the sheet is read once more for them.
"""

import re
import zipfile
from collections.abc import Iterator, Mapping
from io import BufferedReader
from types import MappingProxyType
from typing import Any
from xml.parsers import expat

from receiver.huawei.imports.cells import Spoilt
from receiver.huawei.imports.rows import ExportError

_CHUNK = 1 << 20
_HINTS = (b"<f", b":f", b't="e"', b"t='e'")  # one of them stands in each sheet with such cells
_HIDDEN = re.compile(rb"<(?:\w+:)?row\s[^>]*\bhidden=[\"'](?:1|true)[\"']")
_REFERENCE = re.compile(r"([A-Z]{1,3})[0-9]+")
_NOTHING: Mapping[int, Spoilt] = MappingProxyType({})
_UNKNOWN = (
    "Formulas without results, errors and hidden rows cannot be detected in this "
    "workbook. If there are any, save it again as XLSX in a spreadsheet program."
)


class Beneath:
    """What stands beneath the values of one sheet.

    Attributes:
        notes: what a person should know before the sheet is read.
    """

    def __init__(self, file: BufferedReader, sheet: str) -> None:
        self.notes: list[str] = []
        self._cells: Iterator[tuple[int, int, Spoilt]] = iter(())
        self._next: tuple[int, int, Spoilt] | None = None
        try:
            archive = zipfile.ZipFile(file)
            part = _part_of(archive, sheet)
            hinted, hidden = _scan(archive, part)
        except (zipfile.BadZipFile, KeyError, expat.ExpatError, NotImplementedError):
            self.notes.append(_UNKNOWN)
            return
        if hidden:
            self.notes.append(f"Hidden rows are included: {hidden:,}.")
        if hinted:
            self._cells = _spoilt_cells(archive, part)
            self._next = next(self._cells, None)

    def spoilt(self, row: int) -> Mapping[int, Spoilt]:
        """Return the columns of a row whose cells hold no value, and why; rows come in order."""
        if self._next is None or self._next[0] > row:
            return _NOTHING
        found = {}
        while self._next is not None and self._next[0] <= row:
            at, column, why = self._next
            if at == row:
                found[column] = why
            self._next = next(self._cells, None)
        return found

    def rest(self) -> Iterator[tuple[int, Mapping[int, Spoilt]]]:
        """Yield the rows behind those that were asked for: they have no value at all."""
        while self._next is not None:
            row = self._next[0]
            yield row, self.spoilt(row)


def _scan(archive: zipfile.ZipFile, part: str) -> tuple[bool, int]:
    """Return whether there may be cells to look for, and how many rows are hidden."""
    hinted, hidden, rest = False, 0, b""
    with archive.open(part) as file:
        while chunk := file.read(_CHUNK):
            whole, _, rest = (rest + chunk).rpartition(b">")
            hinted = hinted or any(hint in whole for hint in _HINTS)
            if b"hidden=" in whole:
                hidden += len(_HIDDEN.findall(whole))
    return hinted, hidden


def _part_of(archive: zipfile.ZipFile, sheet: str) -> str:
    """Find the part of a sheet.

    Raises:
        KeyError: it is not where the format has it.
    """
    places = [
        value
        for name, attributes in _elements(archive, "xl/workbook.xml")
        if name == "sheet" and attributes.get("name") == sheet
        for key, value in attributes.items()
        if key.endswith(":id")
    ]
    targets = {
        attributes["Id"]: attributes["Target"]
        for name, attributes in _elements(archive, "xl/_rels/workbook.xml.rels")
        if name == "Relationship"
    }
    if not places:
        raise KeyError(sheet)
    target = targets[places[0]]
    return target.removeprefix("/") if target.startswith("/") else f"xl/{target}"


def _elements(archive: zipfile.ZipFile, part: str) -> list[tuple[str, dict[str, str]]]:
    found: list[tuple[str, dict[str, str]]] = []
    parser = expat.ParserCreate()
    parser.StartElementHandler = lambda name, attributes: found.append(
        (name.rpartition(":")[2], attributes)
    )
    with archive.open(part) as file:
        parser.ParseFile(file)
    return found


def _spoilt_cells(archive: zipfile.ZipFile, part: str) -> Iterator[tuple[int, int, Spoilt]]:
    """Find the cells without a value, in the order of the sheet: row from 1, column from 0."""
    finder = _Finder()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = finder.start
    parser.EndElementHandler = finder.end
    parser.CharacterDataHandler = finder.text
    try:
        with archive.open(part) as file:
            while chunk := file.read(_CHUNK):
                parser.Parse(chunk)
                yield from finder.take()
    except (expat.ExpatError, zipfile.BadZipFile) as error:
        raise ExportError(
            f"The rest of the sheet cannot be read: {error}. Save it as XLSX again."
        ) from None


class _Finder:
    """Follows the elements of a sheet."""

    def __init__(self) -> None:
        self._found: list[tuple[int, int, Spoilt]] = []
        self._row, self._column = 0, -1
        self._kind = ""
        self._has_formula = self._has_value = self._in_value = False

    def take(self) -> list[tuple[int, int, Spoilt]]:
        found, self._found = self._found, []
        return found

    def start(self, name: str, attributes: dict[str, Any]) -> None:
        plain = name.rpartition(":")[2]
        if plain == "row":
            self._row = int(attributes.get("r") or self._row + 1)
            self._column = -1
        elif plain == "c":
            self._column = _column(attributes.get("r", ""), self._column + 1)
            self._kind = attributes.get("t", "")
            self._has_formula = self._has_value = False
        elif plain == "f":
            self._has_formula = True
        elif plain == "v":
            self._in_value = True

    def text(self, _: str) -> None:
        self._has_value = self._has_value or self._in_value

    def end(self, name: str) -> None:
        plain = name.rpartition(":")[2]
        if plain == "v":
            self._in_value = False
        elif plain == "c":
            if self._kind == "e":
                self._found.append((self._row, self._column, Spoilt.ERROR))
            elif self._has_formula and not self._has_value and self._kind != "str":
                self._found.append((self._row, self._column, Spoilt.FORMULA))


def _column(reference: str, otherwise: int) -> int:
    found = _REFERENCE.fullmatch(reference)
    if found is None:
        return otherwise
    column = 0
    for letter in found[1]:
        column = 26 * column + ord(letter) - ord("A") + 1
    return column - 1
