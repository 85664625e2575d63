"""The catalogue of Huawei Cloud Message & SMS: reads the rows that come with the package."""

import csv
import io
from collections.abc import Collection, Iterator, Mapping
from importlib.resources import files

from receiver.domain.catalogue import (
    FAMILY_MARK,
    PLATFORM,
    SEND_API,
    Catalogue,
    Category,
    Entry,
    Rank,
    RetryClass,
)

LONGEST_TEXT = 160  # characters; a text is read at a glance
_FILES = (
    ("codes.csv", Rank.OFFICIAL),
    ("send_codes.csv", Rank.OFFICIAL),
    ("related_codes.csv", Rank.RELATED),
)
_COLUMNS = (
    "code",
    "origin",
    "scope",
    "category",
    "retry",
    "retry_after_s",
    "meaning",
    "cause",
    "suggestion",
    "source",
)
_ORIGINS = (
    PLATFORM,
    "supplier",
    "generic",
    "carrier-mobile",
    "carrier-unicom",
    "carrier-telecom",
    "carrier-other",
    SEND_API,
)
_SCOPES = ("mainland", "international", "both")
_CATEGORIES = tuple(Category)
# "investigate" says that no row was found, so no row can say it
_RETRY_CLASSES = tuple(retry for retry in RetryClass if retry is not RetryClass.INVESTIGATE)

_Row = Mapping[str | None, str | None]


def load_catalogue() -> Catalogue:
    """Read the catalogue that comes with the package.

    Raises:
        ValueError: a row cannot be used; the text names file, line, field and reason.
    """
    folder = files("receiver.huawei")
    return Catalogue(
        entry
        for name, rank in _FILES
        for entry in read_entries(folder.joinpath(name).read_text(encoding="utf-8"), rank, name)
    )


def read_entries(text: str, rank: Rank, file: str) -> Iterator[Entry]:
    """Read catalogue rows from CSV with a header; columns that are not needed are ignored.

    Args:
        text: the whole file.
        rank: the rank that the rows get.
        file: its name, for complaints.

    Raises:
        ValueError: a row cannot be used; the text names file, line, field and reason.
    """
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        _check_header(reader.fieldnames or ())
        for row in reader:
            yield _read_entry(row, rank)
    except csv.Error as error:  # raised before the line is counted
        raise ValueError(f"{file}, line {reader.line_num + 1}, row: {error}") from error
    except ValueError as error:
        raise ValueError(f"{file}, line {reader.line_num}, {error}") from error


def _check_header(columns: Collection[str]) -> None:
    for column in _COLUMNS:
        if column not in columns:
            raise ValueError(f"{column}: the column is missing")


def _read_entry(row: _Row, rank: Rank) -> Entry:
    if None in row:
        raise ValueError("row: more fields than columns")
    return Entry(
        code=_code(row),
        origin=_one_of(row, "origin", _ORIGINS),
        scope=_one_of(row, "scope", _SCOPES),
        category=Category(_one_of(row, "category", _CATEGORIES)),
        retry=RetryClass(_one_of(row, "retry", _RETRY_CLASSES)),
        retry_after_s=_seconds(row, "retry_after_s"),
        meaning=_sentence(row, "meaning"),
        cause=_sentence(row, "cause"),
        suggestion=_sentence(row, "suggestion"),
        source=_text(row, "source"),
        rank=rank,
    )


def _text(row: _Row, field: str) -> str:
    value = row[field]
    if not value:
        raise ValueError(f"{field}: the field is empty")
    if value != value.strip():
        raise ValueError(f"{field}: the text begins or ends with white space")
    return value


def _code(row: _Row) -> str:
    code = _text(row, "code")
    if code == FAMILY_MARK:
        raise ValueError(f"code: a bare {FAMILY_MARK!r} would stand for every code")
    return code


def _one_of(row: _Row, field: str, allowed: tuple[str, ...]) -> str:
    value = _text(row, field)
    if value not in allowed:
        raise ValueError(f"{field}: {value!r} is none of {', '.join(allowed)}")
    return value


def _seconds(row: _Row, field: str) -> int | None:
    value = row[field]
    if value is None:
        raise ValueError(f"{field}: the field is missing")
    if value == "":
        return None
    if not (value.isascii() and value.isdecimal() and int(value) > 0):
        raise ValueError(f"{field}: {value!r} is no whole number of seconds above 0")
    return int(value)


def _sentence(row: _Row, field: str) -> str:
    text = _text(row, field)
    if len(text) > LONGEST_TEXT:
        raise ValueError(f"{field}: longer than {LONGEST_TEXT} characters")
    return text
