"""CSV files: the separator, and records with their line numbers."""

import csv
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence

from receiver.huawei.imports.cells import unsure
from receiver.huawei.imports.columns import Numbered, find_columns
from receiver.huawei.imports.encodings import ends_in_character
from receiver.huawei.imports.rows import ExportError, Fault

SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab"}
_CUT = "The file ends in the middle of this row."
_NOT_READ = (
    "The row cannot be read: its quotation marks are unbalanced, or a cell has more "
    f"than {csv.field_size_limit():,} characters."
)


class _Lines(Iterator[str]):
    """The lines of a file, of which some can be given back."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self._again: deque[str] = deque()
        self.taken: list[str] = []  # since this was last emptied

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._lines)
        self.taken.append(line)
        return line

    def give_back_all_but_first(self) -> None:
        self._again.extendleft(reversed(self.taken[1:]))
        del self.taken[1:]


def records(lines: Iterable[str], separator: str) -> Iterator[Numbered | Fault]:
    """Read records that are not empty, each with the number of its first line.

    A quotation mark that is never closed costs its own line and not the rest of the file: reading
    goes on at the line after it.
    """
    source = _Lines(lines)
    reader = csv.reader(source, delimiter=separator, strict=True)
    number, width = 1, 0
    while True:
        source.taken.clear()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            source.give_back_all_but_first()
            yield Fault(number, _NOT_READ, [source.taken[0].rstrip("\r\n")])
        else:
            if _is_cut(source.taken[-1], is_short=len(cells) < width):
                yield Fault(number, _CUT, _marked(cells, width))
            elif any(cells):
                width = len(cells)
                yield number, cells
        number += len(source.taken)


def _marked(cells: list[str], width: int) -> list[str]:
    """Mark where a row was cut, so that among the rejects the rest of it is not taken for whole."""
    missing = [unsure(None)] * (width - len(cells))
    return [*cells[:-1], unsure(cells[-1]), *missing]


def _is_cut(line: str, *, is_short: bool) -> bool:
    """Return whether the file ends within a row, or within its last character."""
    return not line.endswith(("\n", "\r")) and (is_short or ends_in_character(line))


def separator_of(head: Sequence[str], wanted: Mapping[str, str]) -> str:
    """Find the separator by which the header names the most columns that we know."""

    def known(separator: str) -> int:
        rows = (row for row in records(head, separator) if not isinstance(row, Fault))
        try:
            found = find_columns(rows, wanted)
        except ExportError:
            return 1  # a header all the same
        return len(found.used) if found else 0

    return max(SEPARATORS, key=known)
