"""A catalogue file of the user's own: adds rows to the catalogue, or corrects single fields.

CSV with a header, or TOML with a table `[[codes]]` for each row; the names of the fields are those
of the files that come with the package. Only `code` is needed where the row is known already:
what is left out, or is empty, stays as it is. All problems are found in one reading.
"""

import csv
import io
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from receiver.domain.catalogue.codes import fold
from receiver.domain.catalogue.entries import CatalogueEntry, Category, Rank, RetryClass
from receiver.domain.spreadsheets import restored
from receiver.huawei.catalogue_rows import (
    FIELDS,
    TEXTS,
    FieldError,
    Values,
    make_entry,
    read_field,
    values_of,
    write_field,
)
from receiver.huawei.toml_lines import field_lines

LARGEST_FILE = 16 * 1024 * 1024  # bytes; the whole catalogue has less than a fiftieth of it
_MOST_PROBLEMS = 50
_NEEDED_IN_NEW_ROWS = ("category", "retry")
_ALIVE = (Category.DELIVERED, Category.ACCEPTED)
_STATES = ("DELIVRD", "ACCEPTD", "UNKNOWN")
_NO_CAUSE = ("Defined by your own catalogue file.", "依据您自己的目录文件。")
_SUGGESTIONS = {
    RetryClass.NONE: ("No action is required.", "无需处理。"),
    RetryClass.RETRY_SOON: ("Send again after a minute.", "一分钟后重新发送。"),
    RetryClass.RETRY_LATER: ("Send again later.", "稍后重新发送。"),
    RetryClass.NEXT_DAY: ("Send again the next day.", "次日重新发送。"),
    RetryClass.AFTER_FIX: ("Correct the cause, then send again.", "消除原因后重新发送。"),
    RetryClass.NEVER: ("Stop sending this message.", "停止发送该短信。"),
}


@dataclass(frozen=True, slots=True)
class _Given:
    """One row of the file, as it is written."""

    line: int
    fields: Mapping[str, str | None]  # None: no text, number or truth value
    lines: Mapping[str, int] = field(default_factory=dict)  # of single fields, where they differ

    def line_of(self, name: str) -> int:
        return self.lines.get(name, self.line)


@dataclass(frozen=True, slots=True)
class Corrected:
    """The rows of a catalogue as a file of the user's own corrects them."""

    entries: list[CatalogueEntry]
    lines: Mapping[tuple[str, str], int]  # of the file's rows, by folded code and origin
    problems: Sequence[str]  # of rows that cannot be used: file, line, field and reason of each


def correct(entries: Iterable[CatalogueEntry], file: Path) -> list[CatalogueEntry]:
    """Return the rows as a file of the user's own adds to and corrects them.

    Raises:
        ValueError: rows cannot be used; a line of text for each problem names file, line, field
            and reason.
    """
    corrected = correct_usable(entries, file)
    if corrected.problems:
        more = len(corrected.problems) - _MOST_PROBLEMS
        rest = [f"{file}: and {more} more problems"] if more > 0 else []
        raise ValueError("\n".join([*corrected.problems[:_MOST_PROBLEMS], *rest]))
    return corrected.entries


def correct_usable(entries: Iterable[CatalogueEntry], file: Path) -> Corrected:
    """Do as `correct` with the rows of the file that can be used, and name the others.

    Raises:
        ValueError: the file as a whole cannot be used.
    """
    corrected = _CorrectedRows(entries)
    problems: list[str] = []
    seen: dict[tuple[str, str], int] = {}
    for given in _read(file):
        try:
            values = _values(given)
            _refuse_twin(seen, values, given.line)
            corrected.apply(values, file.name, given.line)
        except FieldError as error:
            problems.append(f"{file}, line {given.line_of(error.field)}, {error}")
    return Corrected(corrected.entries, corrected.lines, problems)


def _read(file: Path) -> list[_Given]:
    text = read_text(file)
    try:
        if file.suffix.lower() == ".toml":
            return list(_read_toml(text, file))
        return list(_read_csv(text, file))
    except RecursionError:
        raise ValueError(f"{file}: nested too deeply") from None


def read_text(file: Path) -> str:
    """Read a catalogue file as text.

    Raises:
        ValueError: it cannot be read, is too large or no UTF-8; the text names the file.
    """
    try:
        with file.open("rb") as opened:
            content = opened.read(LARGEST_FILE + 1)
    except OSError as error:
        raise ValueError(f"{file}: cannot be read: {error.strerror}") from None
    if len(content) > LARGEST_FILE:
        raise ValueError(f"{file}: larger than {LARGEST_FILE} bytes")
    try:
        return content.decode("utf-8-sig")  # spreadsheets write a byte order mark
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(f"{file}, line {line}: not UTF-8 text; save it as UTF-8") from None


def _read_csv(text: str, file: Path) -> Iterator[_Given]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        columns = reader.fieldnames or ()
        _check_columns(columns, file)
        for row in reader:
            if None in row:
                yield _Given(reader.line_num, {"row": None})
            elif any(row.values()):  # spreadsheets leave empty rows behind
                cells = {name: restored(row[name] or "") for name in columns}
                yield _Given(reader.line_num, cells)
    except csv.Error as error:
        raise ValueError(f"{file}, line {reader.line_num + 1}, row: {error}") from None


def _check_columns(columns: Iterable[str], file: Path) -> None:
    names = list(columns)
    if len(names) == 1 and any(mark in names[0] for mark in ";\t"):
        raise ValueError(f"{file}, line 1, row: write commas between the fields")
    for name in names:
        if name not in FIELDS:
            raise ValueError(
                f"{file}, line 1, {name}: unknown field; the fields are {', '.join(FIELDS)}"
            )
        if names.count(name) > 1:
            raise ValueError(f"{file}, line 1, {name}: the column is given more than once")
    if "code" not in names:
        raise ValueError(f"{file}, line 1, code: the column is missing; add it")


def _read_toml(text: str, file: Path) -> Iterator[_Given]:
    try:
        document = tomllib.loads(text)
    except ValueError as error:  # a number of too many digits among them
        raise ValueError(f"{file}: not valid TOML: {error}") from None
    tables = document.get("codes", [])
    others = sorted(set(document) - {"codes"})
    lines = field_lines(text, "codes")
    is_list = isinstance(tables, list) and len(tables) == len(lines)
    if others or not is_list:
        name = others[0] if others else "codes"
        raise ValueError(f"{file}, {name}: write each row as a table [[codes]]")
    for (start, of_fields), table in zip(lines, tables, strict=True):
        yield _Given(start, {name: _as_text(value) for name, value in table.items()}, of_fields)


def _as_text(value: Any) -> str | None:
    """Write a value as CSV has it; None: it is of a kind that no field takes."""
    # A truth value is an int too.
    return write_field(value) if isinstance(value, (str, int)) else None


def _values(given: _Given) -> Values:
    """Read the fields of a row; what is empty says nothing."""
    if "row" in given.fields:
        raise FieldError("row", "more fields than columns")
    for name, text in given.fields.items():
        if name not in FIELDS:
            raise FieldError(name, f"unknown field; the fields are {', '.join(FIELDS)}")
        if text is None:
            raise FieldError(name, "must be a string, an integer, true or false")
    if not given.fields.get("code"):
        raise FieldError("code", "the field is empty")
    values = {name: read_field(name, text) for name, text in given.fields.items() if text}
    # A text that was corrected in one language would contradict the other: it speaks for both.
    for name in TEXTS:
        here, there = name in values, f"{name}_zh" in values
        if here != there:
            values[name] = values[f"{name}_zh"] = values.get(name, values.get(f"{name}_zh"))
    return values


def _refuse_twin(seen: dict[tuple[str, str], int], values: Values, line: int) -> None:
    key = (fold(values["code"]), values.get("origin", ""))
    if key in seen:
        raise FieldError(
            "code", f"the row is given more than once, first in line {seen[key]}; remove one"
        )
    seen[key] = line


class _CorrectedRows:
    """The rows while they are corrected."""

    def __init__(self, entries: Iterable[CatalogueEntry]) -> None:
        self.entries = list(entries)
        self.lines: dict[tuple[str, str], int] = {}
        self._places: dict[str, list[int]] = {}
        for place, entry in enumerate(self.entries):
            self._places.setdefault(fold(entry.code), []).append(place)

    def apply(self, values: Values, name: str, line: int) -> None:
        """Correct the rows that are meant, or add one."""
        places = self._places.setdefault(fold(values["code"]), [])
        meant = [p for p in places if values.get("origin") in (None, self.entries[p].origin)]
        for place in meant:
            self.entries[place] = _corrected(self.entries[place], values, name)
        if not meant:
            meant = [len(self.entries)]
            places += meant
            self.entries.append(_new_entry(values, name))
        for place in meant:
            self.lines[fold(self.entries[place].code), self.entries[place].origin] = line


def _corrected(entry: CatalogueEntry, values: Values, name: str) -> CatalogueEntry:
    _refuse_to_revive(values, entry.category)
    if entry.code in _STATES and values.get("retry", entry.retry) is not entry.retry:
        raise FieldError(
            "retry",
            f"{entry.code} reports a state, so there is nothing to send again; use another "
            "retry class",
        )
    source = values.get("source", f"{entry.source}; corrected by {name}")
    own = _of_another_class(entry, values) | values
    merged = values_of(entry) | own | {"code": entry.code, "source": source}
    return make_entry(merged, Rank.OVERRIDE)


def _refuse_to_revive(values: Values, before: Category | None) -> None:
    if values.get("category") in _ALIVE and values["category"] is not before:
        raise FieldError(
            "category",
            "only the platform's own state codes can mean that a message is on its way; use "
            "another category",
        )


def _of_another_class(entry: CatalogueEntry, values: Values) -> Values:
    """Return what no longer fits a row whose retry class was corrected, as its new class has it."""
    retry = values.get("retry", entry.retry)
    if retry is entry.retry:
        return {}
    suggestion, suggestion_zh = _SUGGESTIONS[retry]
    return {
        "retry_after_s": None,
        "suggestion": suggestion,
        "suggestion_zh": suggestion_zh,
        "reason": "",  # was one for the old class
    }


def _new_entry(values: Values, name: str) -> CatalogueEntry:
    for needed in _NEEDED_IN_NEW_ROWS:
        if needed not in values:
            raise FieldError(needed, "required for a code that is not in the catalogue")
    if "meaning" not in values:
        raise FieldError("meaning", "required for a code that is not in the catalogue")
    _refuse_to_revive(values, None)
    suggestion, suggestion_zh = _SUGGESTIONS[values["retry"]]
    usual = {
        "origin": "supplier",
        "scope": "both",
        "retry_after_s": None,
        "billable": None,
        "cause": _NO_CAUSE[0],
        "cause_zh": _NO_CAUSE[1],
        "suggestion": suggestion,
        "suggestion_zh": suggestion_zh,
        "source": name,
        "reason": "",
    }
    return make_entry(usual | values, Rank.OVERRIDE)
