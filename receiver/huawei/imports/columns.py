"""Maps the columns of a table to fields, and a row to a send."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import tzinfo
from itertools import islice

from receiver.domain import times
from receiver.domain.identifiers import clean
from receiver.domain.inputs import ACCEPTED_BY_PLATFORM, Send
from receiver.huawei.imports.cells import (
    Cell,
    CellError,
    Spoilt,
    moment_of,
    number_of,
    spoilt_in,
    text_of,
)
from receiver.huawei.imports.headers import (
    COUNTRY,
    HEADERS,
    ID,
    OF_UPLINKS,
    REJECTED,
    SEND_STATUS,
    STATUS,
    folded,
    zone_in,
)
from receiver.huawei.imports.rows import ExportError, How
from receiver.huawei.registration import read_send
from receiver.huawei.registration_fields import response_status

Cells = Sequence[Cell]
Numbered = tuple[int, Cells]  # where the row begins, and its cells

# Where one of these stands, `status` is that of a report and not that of the send's response.
_OF_REPORTS = frozenset(("updatetime", "statusdesc", "sequence", "source", "orgcode"))
_MOST_ROWS_BEFORE_HEADER = 20
_MOST_SHOWN = 12
_LONGEST_COUNTRY = 3  # characters of the platform's `countryId`
_TELLING = re.compile(r"[0-9]{5}")  # a header has none; a first row of data may be a number


def looks_like_report(names: Iterable[str]) -> bool:
    """Return whether fields or columns are those of status reports."""
    return not _OF_REPORTS.isdisjoint(map(folded, names))


@dataclass(frozen=True, slots=True)
class Columns:
    """What stands where in a table."""

    header: tuple[str, ...]
    used: Mapping[str, int]  # our name -> index of the column
    row: int  # where the header stands
    zone: tzinfo | None = None  # of the times, where the header names it
    nameless: tuple[int, ...] = ()  # columns with data under no header

    def own(self, name: str, cells: Cells) -> str | None:
        """Return what a row of our own exports says in one of its columns; None in other files."""
        if SEND_STATUS not in self.header or name not in self.header:
            return None
        index = self.header.index(name)
        return text_of(cells[index], name) if index < len(cells) else None

    @property
    def unused(self) -> list[str]:
        """The headers of columns of which nothing is taken, or where those stand that have none."""
        taken = set(self.used.values())
        return [
            name or _place(index)
            for index, name in enumerate(self.header)
            if index not in taken and (name or index in self.nameless)
        ]

    @property
    def lead(self) -> int:
        """How many columns `--rejects` has put in front, also more than once."""
        count = 0
        while self.header[count : count + len(REJECTED)] == REJECTED:
            count += len(REJECTED)
        return count

    def without(self, name: str) -> "Columns":
        """Return the same, one field not taken."""
        used = {ours: index for ours, index in self.used.items() if ours != name}
        return replace(self, used=used)

    def is_repeated_by(self, cells: Cells) -> bool:
        """Return whether a row is the header once more.

        Raises:
            ExportError: it is another header, by which the rows behind it would be read wrongly.
        """
        again = [folded(name) for name in _header_of(cells)]
        header = [folded(name) for name in self.header]
        if _trimmed(again[self.lead :]) == _trimmed(header[self.lead :]):
            return True
        # A send may have such a word as its reference; a header has one in place of the id too.
        words = {folded(self.header[at]) for at in self.used.values()}.union(*HEADERS.values())
        place = again[self.used[ID]] if self.used[ID] < len(again) else ""
        said = words.intersection(again)
        if (place and place not in words) or said.isdisjoint((header[self.used[ID]], *HEADERS[ID])):
            return False
        if len(said) == 1:
            return bool(place)
        raise ExportError(
            "Another header begins here. Import the rows from here on as a separate file."
        )

    def send_of(self, cells: Cells, how: How) -> Send:
        """Read a row.

        Raises:
            CellError: a cell cannot be used.
            RegistrationError: as a registration the row cannot be used.
        """
        width = len(cells)
        if width > len(self.header) and any(c not in (None, "") for c in cells[len(self.header) :]):
            raise CellError(
                "The row has more cells than the header: a separator or a quotation mark in a "
                "text has shifted them."
            )
        entry: dict[str, str | None] = {}
        for name, index in self.used.items():
            if index >= width:
                continue
            cell = cells[index]
            if name == "sent_at":
                moment = moment_of(cell, name, self.zone or how.zone)
                entry[name] = None if moment is None else times.to_rfc3339(moment)
            elif name in _NUMBERS:
                international = how.international and name == "to"
                entry[name] = number_of(cell, name, international=international)
            elif name == STATUS:
                entry[name] = _status(text_of(cell, name))
            else:
                entry[name] = text_of(cell, name)
        return read_send(entry)


_NUMBERS = ("to", "from", "total", "text_length")


def _status(text: str | None) -> str | None:
    if text is None:
        return None
    status = response_status(text)
    if status is None:
        raise CellError(
            "`status` is not the status of a send response (000000, or E and six "
            "digits). Codes of reports do not belong here; omit the column with `--map "
            "status=`."
        )
    return status


def _place(index: int) -> str:
    """Name a column as a spreadsheet does, and by its number."""
    letters, rest = "", index + 1
    while rest:
        rest, letter = divmod(rest - 1, 26)
        letters = chr(ord("A") + letter) + letters
    return f"column {index + 1} ({letters}, without a header)"


def find_columns(rows: Iterable[Numbered], wanted: Mapping[str, str]) -> Columns | None:
    """Find the header among the first rows; None when no row can be it.

    Raises:
        ExportError: the header leaves open which column is meant, or lacks one that is wanted.
    """
    for number, cells in islice(rows, _MOST_ROWS_BEFORE_HEADER):
        header = _header_of(cells)
        if OF_UPLINKS in header:
            raise ExportError(
                "The file contains uplinks (received SMSs). Import an export of sent messages."
            )
        if _is_header(header, wanted):
            used = {name: _find(name, header, wanted) for name in HEADERS}
            found = {name: index for name, index in used.items() if index is not None}
            zone = zone_in(header[found["sent_at"]])[1] if "sent_at" in found else None
            return Columns(header, found, number, zone)
    return None


def no_header(rows: Sequence[Numbered], wanted: Mapping[str, str]) -> ExportError:
    """Return what is missing where no row is the header, and which columns there are."""
    headers = [_header_of(cells) for _, cells in rows[:_MOST_ROWS_BEFORE_HEADER]]
    header = max(headers, key=_known_in, default=())
    if wanted.get(ID):
        return ExportError(f"There is no column {wanted[ID]!r} for `{ID}`. {shown(header)}")
    return ExportError(
        "No column is recognised as the message id, which is required to match reports. "
        f"{shown(header)} Name it with --map {ID}=COLUMN."
    )


def _known_in(header: Sequence[str]) -> int:
    said = set(map(folded, header))
    return sum(not said.isdisjoint(names) for names in HEADERS.values())


def _header_of(cells: Cells) -> tuple[str, ...]:
    return tuple(
        "" if cell is None or isinstance(cell, Spoilt) else clean(str(cell)) for cell in cells
    )


def _trimmed(names: list[str]) -> list[str]:
    while names and not names[-1]:
        names.pop()
    return names


def _is_header(header: Sequence[str], wanted: Mapping[str, str]) -> bool:
    said = {folded(name) for name in header}
    if wanted.get(ID):
        return folded(wanted[ID]) in said
    return not said.isdisjoint(HEADERS[ID])


def _find(name: str, header: Sequence[str], wanted: Mapping[str, str]) -> int | None:
    if name in wanted:
        return _named(name, header, wanted[name]) if wanted[name] else None
    said = [folded(zone_in(column)[0] if name == "sent_at" else column) for column in header]
    for known in HEADERS[name]:
        places = [index for index, column in enumerate(said) if column == known]
        if len(places) > 1:
            raise _ambiguous(name, header[places[0]])
        if places:
            return places[0]
    return None


def _named(name: str, header: Sequence[str], column: str) -> int:
    for write in (str, folded):  # the very name takes precedence over what reads the same
        places = [index for index, one in enumerate(header) if write(one) == write(column)]
        if len(places) > 1:
            raise _ambiguous(name, column)
        if places:
            return places[0]
    raise ExportError(f"There is no column {column!r} for `{name}`. {shown(header)}")


def _ambiguous(name: str, column: str) -> ExportError:
    return ExportError(
        f"Several columns are named {column!r}. Rename the one for `{name}`, or choose "
        f"another with --map {name}=COLUMN (--map {name}= omits the field)."
    )


def shown(header: Iterable[str]) -> str:
    """Name the columns for people; what could be data instead of a header stays out of sight."""
    names = [name for name in header if name]
    if any(_TELLING.search(name) for name in names) or not names:
        return "The first row is not a header. Add one."
    more = ", …" if len(names) > _MOST_SHOWN else ""
    return f"The columns are: {', '.join(names[:_MOST_SHOWN])}{more}."


def judge(columns: Columns, rows: Sequence[Cells], wanted: Mapping[str, str]) -> Columns:
    """Leave out columns whose values are not what their header says, unless they were asked for.

    Those that have values and no header are noted.

    `status` is kept only where it is plainly that of the send's response: a report's code there
    would make a sent message a refused one. `country` is kept where it has codes and not names.
    """
    for name, fits in ((STATUS, _are_of_responses), (COUNTRY, _are_country_codes)):
        index = columns.used.get(name)
        if index is None or columns.header[index] == SEND_STATUS:
            continue
        if name not in wanted:
            cells = {row[index] for row in rows if index < len(row)}
            values = {clean(str(cell)).strip("'") for cell in cells if spoilt_in(cell) is None}
            if not fits(columns.header, values - {"", "None"}):
                columns = columns.without(name)
    return replace(columns, nameless=_nameless(columns.header, rows))


def _nameless(header: Sequence[str], rows: Sequence[Cells]) -> tuple[int, ...]:
    """Find the columns that have data but no header, as under a merged one."""
    empty = [index for index, name in enumerate(header) if not name]
    return tuple(
        index for index in empty if any(index < len(row) and _has_data(row[index]) for row in rows)
    )


def _has_data(cell: Cell) -> bool:
    return cell is not None and cell is not Spoilt.MERGED and bool(clean(str(cell)))


def has_merged_header(columns: Columns, rows: Sequence[Numbered]) -> bool:
    """Return whether header cells are merged, with each other or with those beneath them."""
    for number, cells in rows:
        if number == columns.row and any(cell is Spoilt.MERGED for cell in cells):
            return True
        if number == columns.row + 1:
            merged = [at for at, cell in enumerate(cells) if cell is Spoilt.MERGED]
            return any(columns.header[at] for at in merged if at < len(columns.header))
    return False


def _are_of_responses(header: Sequence[str], values: set[str]) -> bool:
    known = set(map(response_status, values))
    return ACCEPTED_BY_PLATFORM in known and None not in known and not looks_like_report(header)


def _are_country_codes(_: Sequence[str], values: set[str]) -> bool:
    return all(len(value) <= _LONGEST_COUNTRY and value.isascii() for value in values)
