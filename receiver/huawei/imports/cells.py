"""Cells of tables: undoes or rejects what spreadsheets do to numbers, ids and times."""

import re
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from enum import Enum

from receiver.domain import times
from receiver.domain.identifiers import clean
from receiver.domain.spreadsheets import restored

MOST_DIGITS = 15  # a spreadsheet keeps that many of a number and writes zeros for the rest


class Spoilt(Enum):
    """What a cell of a sheet has in place of a value."""

    FORMULA = (
        "is a formula without a stored result; open and save the file once in a spreadsheet program"
    )
    ERROR = "shows a spreadsheet error, such as #N/A; correct its formula"
    MERGED = (
        "is merged with another cell that holds the value; unmerge the cells and fill each of them"
    )
    UNSURE = "is uncertain; correct the value after #CHECK! and remove that mark"


Cell = str | int | float | bool | date | Spoilt | None


class CellError(ValueError):
    """A cell cannot be used; the text says why, without its value."""


_AS_TEXT = re.compile(r'="(.*)"', re.DOTALL)  # how CSV files keep spreadsheets from counting
_NO_CHARACTER = re.compile(r"[\ud800-\udfff]")  # bytes that could not be decoded
_SCIENTIFIC = re.compile(
    r"[+-]?[0-9](?:[.,][0-9]+)?[Ee]\+[0-9]{1,3}|[+-]?[0-9][.,][0-9]+[Ee][0-9]{1,3}"
)
# What `marked` writes for a cell without a usable value, so that it is refused until corrected.
_MARKS = {
    Spoilt.ERROR: "#N/A",
    Spoilt.FORMULA: "#FORMULA!",
    Spoilt.MERGED: "#MERGED!",
    Spoilt.UNSURE: "#CHECK!",
}
_MARKED = {mark: why for why, mark in _MARKS.items()}
_ERROR = re.compile(r"#(?:N/A|NV|REF!|NAME\?|VALUE!|DIV/0!|NUM!|NULL!|SPILL!|CALC!)|Err:[0-9]{3}")
_BARE_NUMBER = re.compile(r"[0-9]+(?:[.,][0-9]+)?")
_DECIMAL = re.compile(r"(\+?[0-9]+)\.0")
_ADVICE = "format the column as text, then fill it again from the source"


def text_of(cell: Cell, name: str) -> str | None:
    """Return the text that a cell was meant to hold, None for an empty one.

    Raises:
        CellError: it does not hold it any more.
    """
    if cell is None:
        return None
    if isinstance(cell, str):
        return _text(cell, name) or None
    if isinstance(cell, Spoilt):
        raise _spoilt(name, cell)
    if isinstance(cell, bool):
        raise CellError(f"`{name}` is true or false.")
    if isinstance(cell, date):
        raise CellError(f"`{name}` is a date; {_ADVICE}.")
    if isinstance(cell, int) and abs(cell) < 10**MOST_DIGITS:
        return str(cell)
    if isinstance(cell, float) and abs(cell) < 10**MOST_DIGITS:
        raise CellError(f"`{name}` is a number with a fraction; {_ADVICE}.")
    raise CellError(
        f"`{name}` is a number of more than {MOST_DIGITS} digits, and spreadsheets lose "
        f"the digits beyond that; {_ADVICE}."
    )


def spoilt_in(cell: Cell) -> Spoilt | None:
    """Return why a cell has no value, also where only its mark is left of it."""
    if not isinstance(cell, str):
        return cell if isinstance(cell, Spoilt) else None
    text = unwrapped(cell)
    if _ERROR.fullmatch(text):
        return Spoilt.ERROR
    return _MARKED.get(text.split(maxsplit=1)[0]) if text.startswith("#") else None


def marked(cell: Cell, *, as_text: bool) -> Cell:
    """Return what a table without types holds for a cell, so that it is refused there as well.

    Args:
        cell: of any table.
        as_text: it is read by `text_of`: a value of another type would pass as its digits.
    """
    if isinstance(cell, Spoilt):
        return _MARKS[cell]
    if as_text and cell is not None and not isinstance(cell, str):
        try:
            text_of(cell, "")
        except CellError:
            return unsure(cell)
    return cell


def unsure(cell: Cell) -> str:
    """Mark a cell that has to be looked at before it is read."""
    return f"{_MARKS[Spoilt.UNSURE]} {'' if cell is None else cell}".rstrip()


def _spoilt(name: str, why: Spoilt) -> CellError:
    return CellError(f"`{name}` {why.value}.")


def unwrapped(cell: str) -> str:
    """Take away what keeps a spreadsheet from reading more into a cell than text."""
    text = clean(cell)
    wrapped = _AS_TEXT.fullmatch(text) if text.startswith("=") else None
    if wrapped:
        return clean(wrapped[1])
    plain = restored(text)
    if not text.startswith("''"):
        plain = plain.removeprefix("'")  # people put one before anything
    return clean(plain)


def _text(cell: str, name: str) -> str:
    text = unwrapped(cell)
    why = spoilt_in(text) if text.startswith(("#", "Err:")) else None
    if why is not None:
        raise _spoilt(name, why)
    if not text.isascii() and _NO_CHARACTER.search(text):
        raise CellError(
            f"`{name}` contains bytes that are invalid in this encoding. Pass the right "
            "one with --encoding, or correct the bytes."
        )
    if _SCIENTIFIC.fullmatch(text):
        raise CellError(
            f"`{name}` is a number shortened by a spreadsheet (such as 1.38E+10); {_ADVICE}."
        )
    return text


def number_of(cell: Cell, name: str, *, international: bool) -> str | None:
    """Return a phone number, as `text_of`; international ones get their plus sign back."""
    text = text_of(cell, name)
    if text is None:
        return None
    if text.endswith(".0"):
        text = _DECIMAL.sub(r"\1", text)
    return with_plus(text) if international else text


def with_plus(number: str) -> str:
    """Put the plus sign in front of a number that consists of its country code and digits."""
    return f"+{number}" if number.isascii() and number.isdigit() else number


# --- times ---------------------------------------------------------------------------------------

_ZONE = r"\s*(?P<zone>Z|UTC|GMT|(?:UTC|GMT)?\s*[+-][0-9]{1,2}(?::?[0-9]{2})?)?"
_CLOCK = (
    r"(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})"
    r"(?::(?P<second>[0-9]{2})(?:[.,](?P<part>[0-9]{1,9}))?)?"
)
_YEAR_FIRST = re.compile(
    r"(?P<year>[0-9]{4})\s*[-/.年]\s*(?P<month>[0-9]{1,2})\s*[-/.月]\s*(?P<day>[0-9]{1,2})\s*日?"
    rf"[ T\u3000]*(?<![0-9]){_CLOCK}{_ZONE}",
    re.ASCII | re.IGNORECASE,
)
_MONTH_BY_NAME = re.compile(
    r"(?P<name>[A-Za-z]{3})[a-z]*\.?\s+(?P<day>[0-9]{1,2}),?\s+(?P<year>[0-9]{4}),?\s+"
    rf"{_CLOCK}{_ZONE}",
    re.ASCII,
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_ZERO = timedelta(0)
_OFFSET = re.compile(r"([+-])([0-9]{1,2}):?([0-9]{2})?", re.ASCII)


def moment_of(cell: Cell, name: str, zone: tzinfo) -> int | None:
    """Return a time (microseconds), None for an empty cell; `zone` holds for times that name none.

    Raises:
        CellError: the cell holds no time, or one that can be read in two ways.
    """
    is_number = isinstance(cell, int | float) and not isinstance(cell, bool)
    if is_number or (isinstance(cell, str) and _BARE_NUMBER.fullmatch(cell.strip())):
        raise CellError(f"`{name}` is a bare number; format the column as date and time.")
    if isinstance(cell, date) and not isinstance(cell, datetime):
        raise CellError(
            f"`{name}` is a date without a time of day, or midnight (a sheet cannot tell "
            "them apart); write it as text, such as 2026-01-31 00:00:00."
        )
    if isinstance(cell, datetime):
        moment = _instant(cell, name, zone)
    else:
        text = text_of(cell, name)
        if text is None:
            return None
        moment = read_time(text, name, zone)
    if moment is None:
        raise CellError(f"`{name}` is not a date with a time of day, such as 2026-01-31 16:00:00.")
    return moment


def read_time(text: str, name: str, zone: tzinfo) -> int | None:
    """Read a time of day on a date, as consoles and spreadsheets write it; None when it is none.

    Day and month in figures are read only behind the year: elsewhere they can be taken for each
    other.

    Raises:
        CellError: clocks showed it twice, or never.
    """
    found = _YEAR_FIRST.fullmatch(text) or _MONTH_BY_NAME.fullmatch(text)
    if found is None:
        return None
    fields = found.groupdict()
    try:
        moment = datetime(  # noqa: DTZ001 - the zone is put to it below
            int(fields["year"]),
            int(fields.get("month") or _month(fields["name"])),
            int(fields["day"]),
            int(fields["hour"]),
            int(fields["minute"]),
            int(fields["second"] or 0),
            int((fields["part"] or "0")[:6].ljust(6, "0")),
        )
        where = read_offset(fields["zone"]) if fields["zone"] else zone
    except ValueError:
        return None
    return _instant(moment, name, where)


def _month(name: str) -> int:
    return _MONTHS.index(name.lower()) + 1  # a ValueError like that of a month 13


def read_offset(text: str) -> tzinfo:
    """Read `Z`, `UTC`, `GMT` or an offset from them, such as `+08:00` or `GMT+8`.

    Raises:
        ValueError: it is none.
    """
    plain = text.strip().upper().removeprefix("UTC").removeprefix("GMT").strip()
    if plain in ("", "Z"):
        return UTC
    found = _OFFSET.fullmatch(plain)
    if found is None:
        raise ValueError(text)
    ahead = timedelta(hours=int(found[2]), minutes=int(found[3] or 0))
    return timezone(-ahead if found[1] == "-" else ahead)


def _instant(moment: datetime, name: str, zone: tzinfo) -> int | None:
    placed = moment.replace(tzinfo=zone)
    earlier, later = placed.utcoffset(), placed.replace(fold=1).utcoffset()
    if earlier != later:
        shown = "twice" if (earlier or _ZERO) > (later or _ZERO) else "never"
        raise CellError(
            f"`{name}` is a local time that occurred {shown} because of a clock change; "
            "write it with its offset or in UTC."
        )
    return times.parse(placed.isoformat())
