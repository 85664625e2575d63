"""The catalogue of Huawei Cloud Message & SMS: the rows that come with the package, as corrected.

What is in which file: `codes.csv` the platform's own list of status codes (sms_05_0051),
`send_codes.csv` that of the send API (sms_05_0050, sms_05_0001), `related_codes.csv` the same
carriers seen through a sister product (iotcom_05_0304 and others), `protocol_codes.csv` the lists
of the protocols and what is publicly known of the carriers, `families.csv` patterns of our own.
"""

import csv
import io
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path

from receiver.domain.catalogue.catalogue import Catalogue
from receiver.domain.catalogue.codes import fold
from receiver.domain.catalogue.entries import CatalogueEntry, Rank, Sibling
from receiver.domain.lint import lint_catalogue
from receiver.domain.spreadsheets import restored
from receiver.huawei import catalogue_overrides
from receiver.huawei.catalogue_rows import FIELDS, OPTIONAL, FieldError, make_entry, read_field

_FILES = (
    ("codes.csv", Rank.OFFICIAL),
    ("send_codes.csv", Rank.OFFICIAL),
    ("related_codes.csv", Rank.RELATED),
    ("protocol_codes.csv", Rank.PROTOCOL),
    ("families.csv", Rank.PROTOCOL),
)
# Families in which the same number says the same. The message centres of China Mobile number
# their reports alike whatever name stands before (MI, MK, MN), and the gateway numbers alike what
# went wrong on its own side of each link (no link 51, no login 52, no answer 54): IA to the next
# gateway, MA to the message centre, CA to the prepaid system, DA to the service platform. What
# that service platform checks (MDSP, 0100 and above), the gateway passes on as DB or as ID.
_MESSAGE_CENTRE, _ONE_LINK, _SERVICE_PLATFORM = (
    ("MK", "MI", "MN"),
    ("IA", "MA", "CA", "DA"),
    ("DB", "ID"),
)
_SIBLINGS = {
    name: tuple(Sibling(other, lowest, highest) for other in families if other != name)
    for families, lowest, highest in (
        (_MESSAGE_CENTRE, 0, 9999),
        (_ONE_LINK, 50, 79),
        (_SERVICE_PLATFORM, 100, 199),
    )
    for name in families
}

_Row = Mapping[str | None, str | None]


def load_catalogue(file: Path | None = None) -> Catalogue:
    """Read the catalogue that comes with the package, corrected by a file of the user's own.

    Raises:
        ValueError: a row cannot be used; the text names file, line, field and reason, a line for
            each problem.
    """
    shipped = _shipped()
    if file is None:
        return shipped
    return Catalogue(catalogue_overrides.correct(shipped.entries, file), _SIBLINGS)


def lint_overrides(file: Path) -> list[str]:
    """Find what is doubtful about the rows of a file of the user's own that can be used.

    Returns:
        a text for each problem, which names file, line, code, field and what to do.

    Raises:
        ValueError: the file as a whole cannot be used.
    """
    corrected = catalogue_overrides.correct_usable(_shipped().entries, file)
    return [
        f"{file}, line {corrected.lines[fold(row.code), row.origin]}, {row.code}, "
        f"{problem.field}: {problem.text}"
        for problem in lint_catalogue(Catalogue(corrected.entries, _SIBLINGS))
        for row in [problem.entry]
        if row.rank is Rank.OVERRIDE
    ]


def read_entries(
    text: str, rank: Rank, file: str, *, exported: bool = False
) -> Iterator[CatalogueEntry]:
    """Read whole rows from CSV with a header; columns that are not needed are ignored.

    Args:
        text: the whole file.
        rank: the rank that the rows get.
        file: its name, for complaints.
        exported: whether its cells are written for spreadsheets, as `receiver codes --csv` does.

    Raises:
        ValueError: a row cannot be used; the text names file, line, field and reason.
    """
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        _check_header(reader.fieldnames or ())
        for row in reader:
            yield _read_entry(_restored(row) if exported else row, rank)
    except csv.Error as error:  # raised before the line is counted
        raise ValueError(f"{file}, line {reader.line_num + 1}, row: {error}") from error
    except ValueError as error:
        raise ValueError(f"{file}, line {reader.line_num}, {error}") from error


@cache
def _shipped() -> Catalogue:
    """Read the rows that come with the package, which stay the same while a process lives."""
    folder = files("receiver.huawei")
    entries = (
        entry
        for name, rank in _FILES
        for entry in read_entries(folder.joinpath(name).read_text(encoding="utf-8"), rank, name)
    )
    return Catalogue(entries, _SIBLINGS)


def _check_header(columns: Collection[str]) -> None:
    for column in FIELDS:
        if column not in columns and column not in OPTIONAL:
            raise FieldError(column, "the column is missing")


def _restored(row: _Row) -> _Row:
    return {name: restored(cell) if isinstance(cell, str) else cell for name, cell in row.items()}


def _read_entry(row: _Row, rank: Rank) -> CatalogueEntry:
    if None in row:
        raise FieldError("row", "more fields than columns")
    return make_entry({name: read_field(name, row.get(name) or "") for name in FIELDS}, rank)
