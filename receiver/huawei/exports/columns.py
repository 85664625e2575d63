"""Which column of a table holds what, by its header, and what a row then says of a send."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from receiver.domain import times
from receiver.domain.events import ACCEPTED_BY_PLATFORM, Send
from receiver.domain.identifiers import clean
from receiver.huawei.exports.cells import Cell, CellError, moment_of, number_of, text_of
from receiver.huawei.exports.rows import ExportError, How
from receiver.huawei.registration import read_send

Cells = Sequence[Cell]
Numbered = tuple[int, Cells]  # where the row begins, and its cells

ID = "sms_msg_id"
STATUS = "status"
SEND_STATUS = "send_status"  # in our own exports, where it stands beside what reports said
COUNTRY = "country"
# In our own exports alone.
REGISTERED = "registered"
APPLICATION = "application"

# our name -> headers that say it, the surest first, as `_folded` writes them
_HEADERS: dict[str, tuple[str, ...]] = {
    ID: (
        "smsmsgid",
        "msgid",
        "smsid",
        "messageid",
        "smsmessageid",
        "短信id",
        "消息id",
        "短信消息id",
        "短信标识",
        "消息标识",
        "短信唯一标识",
    ),
    STATUS: ("status", "sendstatus"),
    "to": (
        "to",
        "originto",
        "mobilenumber",
        "mobile",
        "phonenumber",
        "phone",
        "recipient",
        "recipientnumber",
        "recipientmobilenumber",
        "手机号码",
        "手机号",
        "接收号码",
        "接收手机号",
        "接收手机号码",
        "接收方号码",
        "被叫号码",
    ),
    "from": (
        "from",
        "sender",
        "senderid",
        "channelnumber",
        "channelno",
        "smschannelnumber",
        "通道号",
        "通道号码",
        "短信通道号",
        "发送方号码",
    ),
    "sent_at": (
        "sentat",
        "createtime",
        "sendingtime",
        "sendtime",
        "senttime",
        "timesent",
        "submittime",
        "submissiontime",
        "发送时间",
        "短信发送时间",
        "提交时间",
        "创建时间",
    ),
    "total": ("total", "totalparts", "parts", "segments", "拆分条数", "分段数"),
    COUNTRY: ("country", "countryid", "countrycode", "国家代码", "国家码"),
    "extend": ("extend", "扩展字段", "扩展参数"),
    "reference": ("reference", "业务编号", "业务流水号"),
    "template_id": ("templateid", "smstemplateid", "模板id", "模板编号", "短信模板id"),
    "text_length": ("textlength", "字数", "短信字数"),
}
COLUMN_NAMES = tuple(_HEADERS)

# Where one of these stands, `status` is that of a report and not that of the send's response.
_OF_REPORTS = frozenset(("updatetime", "statusdesc", "sequence", "source", "orgcode"))
_OF_A_RESPONSE = re.compile(r"0{1,6}|E[0-9]{6}")
_MOST_ROWS_BEFORE_HEADER = 20
_MOST_SHOWN = 12
_LONGEST_COUNTRY = 3  # characters of the platform's `countryId`
_TELLING = re.compile(r"[0-9]{5}")  # a header has none; a first row of data may be a number


def response_status(text: str) -> str | None:
    """Give the status of a send response; None when it cannot be one, but that of a report."""
    if _OF_A_RESPONSE.fullmatch(text) is None:
        return None
    return ACCEPTED_BY_PLATFORM if text.strip("0") == "" else text


def looks_like_report(names: Iterable[str]) -> bool:
    """Tell whether fields or columns are those of status reports."""
    return not _OF_REPORTS.isdisjoint(map(_folded, names))


@dataclass(frozen=True, slots=True)
class Columns:
    """What stands where in a table."""

    header: tuple[str, ...]
    used: Mapping[str, int]  # our name -> index of the column
    row: int  # where the header stands

    def own(self, name: str, cells: Cells) -> str | None:
        """Return what a row of our own exports says in one of its columns; None in other files."""
        if SEND_STATUS not in self.header or name not in self.header:
            return None
        index = self.header.index(name)
        return text_of(cells[index], name) if index < len(cells) else None

    @property
    def unused(self) -> list[str]:
        """The headers of columns of which nothing is taken."""
        taken = set(self.used.values())
        return [name for index, name in enumerate(self.header) if name and index not in taken]

    def without(self, name: str) -> "Columns":
        """Give the same, one field not taken."""
        used = {ours: index for ours, index in self.used.items() if ours != name}
        return Columns(self.header, used, self.row)

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
                moment = moment_of(cell, name, how.zone)
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
            "`status` is no status of a send response (000000 or E and six digits); reports' "
            "codes do not belong here, `--map status=` leaves the column out."
        )
    return status


def find_columns(rows: Iterable[Numbered], wanted: Mapping[str, str]) -> Columns | None:
    """Find the header among the first rows; None when no row can be it.

    Raises:
        ExportError: the header leaves open which column is meant, or lacks one that is wanted.
    """
    for number, cells in islice(rows, _MOST_ROWS_BEFORE_HEADER):
        header = tuple("" if cell is None else clean(str(cell)) for cell in cells)
        if _is_header(header, wanted):
            used = {name: _find(name, header, wanted) for name in _HEADERS}
            found = {name: index for name, index in used.items() if index is not None}
            return Columns(header, found, number)
    return None


def _is_header(header: Sequence[str], wanted: Mapping[str, str]) -> bool:
    folded = {_folded(name) for name in header}
    if wanted.get(ID):
        return _folded(wanted[ID]) in folded
    return not folded.isdisjoint(_HEADERS[ID])


def _find(name: str, header: Sequence[str], wanted: Mapping[str, str]) -> int | None:
    if name in wanted:
        return _named(name, header, wanted[name]) if wanted[name] else None
    folded = [_folded(column) for column in header]
    for known in _HEADERS[name]:
        places = [index for index, column in enumerate(folded) if column == known]
        if len(places) > 1:
            raise _ambiguous(name, header[places[0]])
        if places:
            return places[0]
    return None


def _named(name: str, header: Sequence[str], column: str) -> int:
    for write in (str, _folded):  # the very name goes before what reads the same
        places = [index for index, one in enumerate(header) if write(one) == write(column)]
        if len(places) > 1:
            raise _ambiguous(name, column)
        if places:
            return places[0]
    raise ExportError(f"There is no column {column!r} for `{name}`. {shown(header)}")


def _ambiguous(name: str, column: str) -> ExportError:
    return ExportError(
        f"Several columns are called {column!r}; rename the one for `{name}`, or choose another "
        f"by --map {name}=COLUMN (--map {name}= takes none)."
    )


def shown(header: Iterable[str]) -> str:
    """Name the columns for people; what could be data instead of a header stays out of sight."""
    names = [name for name in header if name]
    if any(_TELLING.search(name) for name in names) or not names:
        return "The first row is no header: put one above it."
    more = ", …" if len(names) > _MOST_SHOWN else ""
    return f"The columns are: {', '.join(names[:_MOST_SHOWN])}{more}."


def judge(columns: Columns, rows: Sequence[Cells], wanted: Mapping[str, str]) -> Columns:
    """Leave out columns whose values are not what their header says, unless they were asked for.

    `status` is kept only where it is plainly that of the send's response: a report's code there
    would make a sent message a refused one. `country` is kept where it has codes and not names.
    """
    for name, fits in ((STATUS, _are_of_responses), (COUNTRY, _are_country_codes)):
        index = columns.used.get(name)
        if index is None or columns.header[index] == SEND_STATUS:
            continue
        if name not in wanted:
            values = {clean(str(row[index])).strip("'") for row in rows if index < len(row)}
            if not fits(columns.header, values - {"", "None"}):
                columns = columns.without(name)
    return columns


def _are_of_responses(header: Sequence[str], values: set[str]) -> bool:
    known = set(map(response_status, values))
    return ACCEPTED_BY_PLATFORM in known and None not in known and not looks_like_report(header)


def _are_country_codes(_: Sequence[str], values: set[str]) -> bool:
    return all(len(value) <= _LONGEST_COUNTRY and value.isascii() for value in values)


def _folded(header: str) -> str:
    """Write a header without what varies: case, blanks, signs, width."""
    plain = unicodedata.normalize("NFKC", header).casefold()
    return "".join(letter for letter in plain if letter.isalnum())
