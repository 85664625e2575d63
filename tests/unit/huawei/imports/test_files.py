"""Files of sends: what they are, what their columns mean, and what of their rows can be used."""

import csv
import errno
import io
import json
import os
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.domain import times
from receiver.domain.inputs import Send
from receiver.huawei.imports import (
    Export,
    ExportError,
    Fault,
    How,
    Row,
    SendRow,
    open_export,
    spooled,
)
from receiver.huawei.imports.cells import Cell, CellError, moment_of, number_of, text_of
from tests.support.workbooks import Rows, xlsx, zipped

ID = "2ea20735-f856-4376-afbf-570bd70a46ee_11840135"
AT = times.parse("2026-01-31T08:00:00Z")
CHINA = ZoneInfo("Asia/Shanghai")


def opened(content: bytes, how: How | None = None) -> Export:
    """Open a file with this content."""
    return open_export(reader(io.BytesIO(content)), how or How())


def reader(content: Any) -> io.BufferedReader:
    """Give the reader of a file or a pipe."""
    return io.BufferedReader(content)


def rows_of(content: bytes | str, how: How | None = None) -> list[Row]:
    """Read a file with this content."""
    data = content.encode() if isinstance(content, str) else content
    return list(opened(data, how).rows())


def sends_of(content: bytes | str, how: How | None = None) -> list[Send]:
    """Read a file of which every row must be good."""
    rows = rows_of(content, how)
    assert not [row for row in rows if isinstance(row, Fault)]
    return [row.send for row in rows if isinstance(row, SendRow)]


# What our own export says besides, in a table and as a document.
OWN = [
    "sms_msg_id,application,send_status,registered,to\n{id},shop,000000,{registered},+1\n",
    '{{"sms_msg_id": "{id}", "application": "shop", "verdict": 1, "registered": {registered}}}\n',
]


@pytest.mark.parametrize("content", OWN, ids=["table", "documents"])
def test_our_own_export_registers_what_was_registered(content: str) -> None:
    """A message goes back to its application; an orphan, of which no send is known, does not."""
    (row,) = rows_of(content.format(id=ID, registered="true"))
    assert isinstance(row, SendRow)
    assert (row.send.sms_msg_id, row.application) == (ID, "shop")
    (fault,) = rows_of(content.format(id=ID, registered="false"))
    assert isinstance(fault, Fault)
    assert "never registered" in fault.reason


def faults_of(content: bytes | str, how: How | None = None) -> list[Any]:
    """Give line and reason of the bad rows."""
    rows = rows_of(content, how)
    return [(row.line, row.reason) for row in rows if isinstance(row, Fault)]


def lines_of(content: str) -> list[tuple[int, str]]:
    """Give line and id of the good rows."""
    rows = rows_of(content)
    return [(row.line, row.send.sms_msg_id) for row in rows if isinstance(row, SendRow)]


# --- columns ------------------------------------------------------------------------------------


OURS = "sms_msg_id,status,to,from,sent_at,total,country,extend,reference,template_id,text_length"
FULL = f"{ID},000000,+8615500005678,1069,2026-01-31T08:00:00Z,2,CN,mine,order-1,tpl,20"
WHOLE_SEND = Send(ID, "000000", "+8615500005678", "1069", AT, 2, "CN", "mine", "order-1", "tpl", 20)


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(OURS, id="our own names"),
        pytest.param(
            "smsMsgId,status,originTo,from,createTime,total,countryId,extend,reference,"
            "templateId,textLength",
            id="the platform's names",
        ),
        pytest.param(
            "Message ID,Status,Mobile Number,Channel Number,Sending Time,Segments,Country Code,"
            "Extend,Reference,Template ID,Text Length",
            id="words of a console in English",
        ),
        pytest.param(
            "短信ID,status,手机号码,通道号,发送时间,拆分条数,国家码,扩展字段,业务编号,模板ID,"
            "短信字数",
            id="words of a console in Chinese",
        ),
        pytest.param(
            "SMS-msg\u3000ID,STATUS,Phone  number, Sender ID,sent_at,Parts,COUNTRY,extend,"
            "reference,template-id,text length",
            id="other case, width, blanks and signs",
        ),
    ],
)
def test_columns_are_recognised_by_their_headers(header: str) -> None:
    """All fields are found by name, in whatever writing."""
    assert sends_of(f"{header}\n{FULL}\n") == [WHOLE_SEND]


def test_columns_may_stand_in_any_order_among_others() -> None:
    """Columns that mean nothing to us are passed over, and named."""
    export = opened(f"SMS Content,to,Result,Message ID\nhi,10086,0,{ID}\n".encode())

    assert export.columns is not None
    assert export.columns.unused == ["SMS Content", "Result"]
    assert [row.send for row in export.rows() if isinstance(row, SendRow)] == [Send(ID, to="10086")]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        pytest.param({"sms_msg_id": "Nr"}, Send("n", to="10086", reference="r"), id="the id"),
        pytest.param(
            {"sms_msg_id": "Nr", "to": "Other Phone"},
            Send("n", to="10010", reference="r"),
            id="instead of what would be taken",
        ),
        pytest.param(
            {"sms_msg_id": "nr.", "to": "", "reference": ""}, Send("n"), id="fields left out"
        ),
    ],
)
def test_columns_can_be_named(columns: dict[str, str], expected: Send) -> None:
    """What is given by name goes before what is recognised, and an empty name takes nothing."""
    content = "Nr,Phone,Other Phone,reference\nn,10086,10010,r\n"

    assert sends_of(content, How(columns)) == [expected]


def test_a_header_below_a_title_is_found() -> None:
    """Lines above the header, as reports have them, are passed over."""
    content = f"Sending details\nfrom 2026-01-01 to 2026-01-31,,\n\nMessage ID,to\n{ID},10086\n"

    assert lines_of(content) == [(5, ID)]


@pytest.mark.parametrize(
    ("content", "columns", "said"),
    [
        pytest.param("Phone,Text\n1,hi\n", {}, "The columns are: Phone, Text. ", id="no id"),
        pytest.param("15500005678,hello\n", {}, "The first row is not a header", id="no header"),
        pytest.param("smsMsgId\nx\n", {"to": "Phone"}, "no column 'Phone' for `to`", id="unknown"),
        pytest.param("smsMsgId,to,TO\nx,1,2\n", {}, "Several columns are named 'to'", id="twice"),
        pytest.param(
            "smsMsgId,N,N\nx,1,2\n", {"to": "N"}, "Several columns are named 'N'", id="named twice"
        ),
    ],
)
def test_a_header_that_leaves_doubts_is_explained(
    content: str, columns: dict[str, str], said: str
) -> None:
    """What is missing or ambiguous is named, and the option that helps; data is never shown."""
    with pytest.raises(ExportError, match=said) as error:
        opened(content.encode(), How(columns))
    assert "15500005678" not in str(error.value)


def test_columns_of_one_name_do_not_matter_where_they_are_not_needed() -> None:
    """Only a column that is taken must be the only one of its name."""
    assert sends_of("Note,smsMsgId,Note\na,x,b\n") == [Send("x")]
    assert sends_of("to,smsMsgId,to\na,x,b\n", How({"to": ""})) == [Send("x")]


# --- the status of a send -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "statuses"),
    [
        pytest.param("status\n000000\nE200033\n", ["000000", "E200033"], id="of send responses"),
        pytest.param("status\n0\nE200033\n", ["000000", "E200033"], id="zeros that were counted"),
        pytest.param("status\n000000\n''\n", ["000000", None], id="empty is not told"),
        pytest.param("status\nDELIVRD\nE200027\n", [None] * 2, id="of reports"),
        pytest.param("status\nE200027\nE200028\n", [None] * 2, id="failures alone"),
        pytest.param("status\n1\n0\n", [None] * 2, id="numbers of another meaning"),
        pytest.param("Status Code\n000000\nE200033\n", [None] * 2, id="a report's by its name"),
        pytest.param("状态\n000000\nE200033\n", [None] * 2, id="a state"),
    ],
)
def test_only_a_send_responses_status_counts(content: str, statuses: list[str | None]) -> None:
    """A column of reports' codes never makes a sent message a refused one."""
    header, *values = content.splitlines()
    lines = [f"{header},smsMsgId", *(f"{v.strip(chr(39))},x{n}" for n, v in enumerate(values))]

    assert [send.status for send in sends_of("\n".join(lines) + "\n")] == statuses


def test_a_status_beside_fields_of_reports_is_a_reports() -> None:
    """Where `updateTime` stands beside it, even 000000 and E200027 are no send's."""
    content = "smsMsgId,status,updateTime\na,000000,\nb,E200027,2026-01-31T08:00:00Z\n"

    assert [send.status for send in sends_of(content)] == [None, None]


def test_a_status_that_is_asked_for_must_be_one() -> None:
    """With `--map status=` failures alone are taken, and a report's code is a bad row."""
    content = "smsMsgId,Result\na,E200033\nb,DELIVRD\n"
    rows = rows_of(content, How({"status": "Result"}))

    assert [row.send.refused for row in rows if isinstance(row, SendRow)] == [True]
    assert [row.line for row in rows if isinstance(row, Fault)] == [3]


def test_a_reports_code_far_down_is_a_bad_row() -> None:
    """A column that looked like a send's and is none refuses nothing by mistake."""
    lines = ["smsMsgId,status", *(f"x{n},000000" for n in range(500)), "late,MK:0001", ""]

    ((line, reason),) = faults_of("\n".join(lines))
    assert line == 502
    assert "--map status=" in reason


@pytest.mark.parametrize(
    ("countries", "columns", "expected"),
    [
        pytest.param(["CN", "FRA"], {}, ["CN", "FRA"], id="codes"),
        pytest.param(["CN", "France"], {}, [None, None], id="names"),
        pytest.param(["中国", ""], {}, [None, None], id="Chinese names"),
        pytest.param(["CN", "France"], {"country": "country"}, ["CN", "France"], id="asked for"),
    ],
)
def test_only_codes_of_countries_are_taken(
    countries: list[str], columns: dict[str, str], expected: list[str | None]
) -> None:
    """A column of names is left out, unless it is asked for."""
    lines = ["smsMsgId,country", *(f"x,{country}" for country in countries)]
    sends = sends_of("\n".join(lines) + "\n", How(columns))

    assert [send.country for send in sends] == expected


# --- CSV ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-32", "utf-16-le", "utf-16-be"]
)
def test_encodings_and_separators_are_found(encoding: str, separator: str) -> None:
    """Chinese text comes out the same in every encoding, behind every separator."""
    lines = [["短信ID", "业务编号", "备注; , 、"], [ID, "订单一", "无"]]
    text = "\n".join(
        separator.join(f'"{cell}"' if separator in cell else cell for cell in line)
        for line in lines
    )

    assert sends_of(text.encode(encoding)) == [Send(ID, reference="订单一")]


@pytest.mark.parametrize(
    ("encoding", "without"),
    [
        pytest.param("utf-16", 1, id="UTF-16, within the last line end"),
        pytest.param("utf-16", 3, id="UTF-16, within a character"),
        pytest.param("utf-16", 6, id="UTF-16, within a pair"),
        pytest.param("utf-16", 7, id="UTF-16, within half a pair"),
        pytest.param("utf-16-le", 3, id="UTF-16 without a mark"),
        pytest.param("utf-32", 5, id="UTF-32"),
        pytest.param("utf-8", 3, id="UTF-8"),
    ],
)
def test_a_file_that_ends_within_a_character_is_told(encoding: str, without: int) -> None:
    """The rows before it are read, and the last one is told for what it is."""
    content = f"smsMsgId,reference\n{ID},r\nlast,😀订\n".encode(encoding)[:-without]
    first, last = rows_of(content)

    assert isinstance(first, SendRow)
    assert isinstance(last, Fault)
    assert (last.line, last.reason) == (3, "The file ends in the middle of this row.")


def test_a_spoilt_character_of_utf_16_is_a_bad_row() -> None:
    """Half of a pair is no character; the rows around it are read."""
    content = "smsMsgId,reference\na,@\nb,r\n".encode("utf-16-le").replace(b"@\0", b"\0\xd8")
    rows = rows_of(content, How(encoding="utf-16-le"))

    assert [row.line for row in rows if isinstance(row, Fault)] == [2]
    assert [row.line for row in rows if isinstance(row, SendRow)] == [3]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(
            "短訊編號,啲喺嗰\nx,1\n".encode("big5hkscs"), "--encoding", id="without an id"
        ),
        pytest.param("No,Phone\nx,é\n".encode("cp1252"), "--encoding", id="in no encoding"),
    ],
)
def test_a_header_of_a_doubtful_encoding_points_to_the_option(content: bytes, said: str) -> None:
    """Where no column is recognised the encoding may be why."""
    with pytest.raises(ExportError, match=said):
        opened(content)


def test_an_encoding_is_judged_by_the_whole_file() -> None:
    """A file whose first Chinese character comes late is read rightly all the same."""
    rows = (f"x{n},{'r' * 100}" for n in range(25_000))
    lines = ["smsMsgId,reference", *rows, "last,订单", ""]
    sends = sends_of("\n".join(lines).encode("gb18030"))

    assert sends[-1] == Send("last", reference="订单")


@pytest.mark.parametrize("encoding", ["gb18030", "big5", "utf-8", "utf-16"])
def test_a_pipe_is_judged_as_a_whole_too(encoding: str) -> None:
    """The character that tells the encoding may come behind all that is read at first."""
    lines = ["smsMsgId,reference", *(f"x{n},r{n}" for n in range(3000)), "last,訂單編號", ""]
    content = "\n".join(lines).encode(encoding)
    with spooled(reader(_Pipe(content)), How()) as kept:
        export = open_export(kept, How())
        rows = list(export.rows())

    assert isinstance(rows[-1], SendRow)
    assert rows[-1].send == Send("last", reference="訂單編號")


def test_a_pipe_of_a_named_encoding_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only to tell the encoding it is written to a file, for which there may be no room."""

    def fail(**_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", fail)
    content = "smsMsgId,reference\na,订单\n".encode("gb18030")

    how = How(encoding="gb18030")
    with spooled(reader(_Pipe(content)), how) as pipe:
        (row,) = open_export(pipe, how).rows()
    assert isinstance(row, SendRow)
    assert row.send.reference == "订单"
    with pytest.raises(ExportError, match="No space left"), spooled(reader(_Pipe(content)), How()):
        pass
    with pytest.raises(ExportError, match="--encoding"):
        open_export(reader(_Pipe(content)), How())


@pytest.mark.parametrize("encoding", [None, "utf-8"])
def test_bytes_of_no_encoding_are_never_taken(encoding: str | None) -> None:
    """A field that they spoil makes a bad row; where nothing is taken they do no harm."""
    content = b"smsMsgId,reference,note\na,\xff\xffz,\nb\xff\xff,r,\nc,r,\xff\xff\n"
    rows = rows_of(content, How(encoding=encoding))

    assert [row.line for row in rows if isinstance(row, Fault)] == [2, 3]
    assert [row.send.sms_msg_id for row in rows if isinstance(row, SendRow)] == ["c"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param('smsMsgId,t\na,"x\ny\n\nz"\nb,\n', [(2, "a"), (6, "b")], id="quoted newlines"),
        pytest.param("smsMsgId\r\na\r\n\r\nb\r\n", [(2, "a"), (4, "b")], id="CRLF, an empty line"),
        pytest.param("smsMsgId\ra\rb", [(2, "a"), (3, "b")], id="CR alone"),
        pytest.param("smsMsgId,t\na,1\n,\n, ,,\nb,2\n", [(2, "a"), (5, "b")], id="empty rows"),
        pytest.param("smsMsgId,t\na\nb,\n", [(2, "a"), (3, "b")], id="cells left out at the end"),
        pytest.param("smsMsgId,t\na,,,\n", [(2, "a")], id="separators at the end"),
        pytest.param('smsMsgId,t\na,5" pipe\nb,\n', [(2, "a"), (3, "b")], id="a mark in a text"),
        pytest.param("smsMsgId,t\na,\0\n", [(2, "a")], id="a NUL where nothing is taken"),
        pytest.param("sep=;\nsmsMsgId;t\na;1\n", [(3, "a")], id="a spreadsheet's first line"),
    ],
)
def test_line_numbers_are_those_of_the_file(content: str, expected: list[tuple[int, str]]) -> None:
    """Whatever stands between, a row is named by the line where it begins."""
    assert lines_of(content) == expected


@pytest.mark.parametrize(
    ("content", "bad", "good"),
    [
        pytest.param('smsMsgId,t\na,"x\nb,\nc,\n', [2], [(3, "b"), (4, "c")], id="never closed"),
        pytest.param('smsMsgId,t\na,"x"y\nb,\n', [2], [(3, "b")], id="more behind it"),
        pytest.param('smsMsgId,t\na,"x\nb,"y"\nc,\n', [2], [(3, "b"), (4, "c")], id="closed late"),
        pytest.param("smsMsgId,t\na,x,y\nb,\n", [2], [(3, "b")], id="shifted by a comma"),
        pytest.param("smsMsgId,t\n,x\nb,\n", [2], [(3, "b")], id="no id"),
        pytest.param("smsMsgId,t\n\0,x\nb,\n", [2], [(3, "b")], id="a NUL in the id"),
        pytest.param("smsMsgId,t\nb,y\n2ea2073", [3], [(2, "b")], id="the file was cut"),
        pytest.param(
            f'smsMsgId,t\na,"{"x" * 200_000}"\nb,\n', [2], [(3, "b")], id="an endless cell"
        ),
    ],
)
def test_a_bad_row_costs_itself_alone(
    content: str, bad: list[int], good: list[tuple[int, str]]
) -> None:
    """A row that cannot be read is named with its line, and the rows behind it are read."""
    assert [line for line, _ in faults_of(content)] == bad
    assert lines_of(content) == good


@given(
    st.lists(
        st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=4).map(
            lambda cells: ["x", *cells]
        ),
        max_size=20,
    ),
    st.sampled_from([",", ";", "\t"]),
    st.sampled_from(["\n", "\r\n"]),
)
def test_whatever_the_texts_every_row_is_found(
    rows: list[list[str]], separator: str, end: str
) -> None:
    """A CSV file that is written by the rules gives each of its rows, with the right line."""
    file = io.StringIO()
    writer = csv.writer(file, delimiter=separator, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerow(["smsMsgId", "a", "b", "c", "d"])
    lines = []
    for row in rows:
        lines.append(_line(file))
        writer.writerow(row)
    how = How({"reference": "a"}, encoding="utf-8")

    found = list(open_export(reader(_Pipe(file.getvalue().encode())), how).rows())
    assert [row.line for row in found] == lines


def _line(file: io.StringIO) -> int:
    text = file.getvalue().replace("\r\n", "\n").replace("\r", "\n")
    return text.count("\n") + 1


class _Pipe(io.RawIOBase):
    """Bytes that can be read once."""

    def __init__(self, content: bytes) -> None:
        self._rest = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._rest.readinto(buffer)


# --- cells --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (" 13800000001\t", "13800000001"),
        ("'13800000001", "13800000001"),
        ('="13800000001"', "13800000001"),
        ("\u00a0x\u3000\ufeff", "x"),
        (13800000001, "13800000001"),
        (999_999_999_999_999, "999999999999999"),
        ("1069031221280000001", "1069031221280000001"),
        ("12E3", "12E3"),
        ("it's", "it's"),
        ("'", None),
        ("  ", None),
        (None, None),
    ],
    ids=repr,
)
def test_what_a_cell_was_meant_to_hold(cell: Cell, text: str | None) -> None:
    """Blanks, apostrophes and formulas around a text, and counted digits, are undone."""
    assert text_of(cell, "reference") == text


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        pytest.param(1_069_031_221_280_000_000, "more than 15 digits", id="digits lost"),
        pytest.param(1.0690312212800001e18, "more than 15 digits", id="digits lost, as a fraction"),
        pytest.param("2.47E+10", "shortened", id="scientific"),
        pytest.param("1,06903E+18", "shortened", id="scientific with a comma"),
        pytest.param(1.5, "fraction", id="a fraction"),
        pytest.param(True, "is true or false", id="a truth"),
        pytest.param(datetime(2026, 1, 31), "is a date", id="a date"),  # noqa: DTZ001 - as cells
    ],
)
def test_what_a_spreadsheet_has_spoilt_is_refused(cell: Cell, said: str) -> None:
    """Digits that are gone are not made up: the row is refused, and the value not repeated."""
    with pytest.raises(CellError, match=said) as error:
        text_of(cell, "to")
    assert str(cell) not in str(error.value)


@pytest.mark.parametrize(
    ("cell", "international", "number"),
    [
        ("2412000000", True, "+2412000000"),
        (2412000000, True, "+2412000000"),
        ("+2412000000", True, "+2412000000"),
        ("138****0001", True, "138****0001"),
        ("2412000000", False, "2412000000"),
        ("13800000001.0", False, "13800000001"),
    ],
)
def test_international_numbers_get_their_plus_back(
    cell: Cell, *, international: bool, number: str
) -> None:
    """A console leaves the plus sign out; only who asks for it has it put back."""
    assert number_of(cell, "to", international=international) == number


@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        ("2026-01-31 16:00:00", CHINA, "2026-01-31T08:00:00Z"),
        ("2026/1/31 16:00", CHINA, "2026-01-31T08:00:00Z"),
        ("2026.01.31T16:00:00.250", CHINA, "2026-01-31T08:00:00.250000Z"),
        ("2026年1月31日 16:00:00", CHINA, "2026-01-31T08:00:00Z"),
        ("2026年1月31日16:00", CHINA, "2026-01-31T08:00:00Z"),
        ("2026/01/31 16:00:00 GMT+08:00", UTC, "2026-01-31T08:00:00Z"),
        ("Jan 31, 2026 16:00:00 GMT+08:00", UTC, "2026-01-31T08:00:00Z"),
        ("January 31 2026 8:00:00", UTC, "2026-01-31T08:00:00Z"),
        ("2026-01-31T08:00:00Z", CHINA, "2026-01-31T08:00:00Z"),
        ("2025-10-26 02:30:00 +02:00", ZoneInfo("Europe/Berlin"), "2025-10-26T00:30:00Z"),
        ("2026-01-31 03:30:00 UTC-4:30", CHINA, "2026-01-31T08:00:00Z"),
        ("'2026-01-31 08:00:00", timezone(timedelta(0)), "2026-01-31T08:00:00Z"),
    ],
)
def test_times_are_read_as_consoles_and_spreadsheets_write_them(
    text: str, zone: Any, expected: str
) -> None:
    """A time without a zone is taken for the zone that was named, any other for its own."""
    moment = moment_of(text, "sent_at", zone)

    assert moment is not None
    assert times.to_rfc3339(moment) == expected


@pytest.mark.parametrize(
    "cell",
    [
        pytest.param("31/01/2026 16:00:00", id="day first"),
        pytest.param("01/02/2026 16:00:00", id="day or month first"),
        pytest.param("2026-01-31", id="no time of day"),
        pytest.param("2026-13-31 16:00:00", id="a month 13"),
        pytest.param("2026-01-31 4:00:00 PM", id="half a clock"),
        pytest.param("2026-01-3116:00:00", id="no gap"),
        pytest.param("Foo 31, 2026 16:00:00", id="no month"),
        pytest.param("2026-01-31 16:00:00 GMT+99:00", id="no zone"),
        pytest.param("0001-01-01 00:00:00 GMT+08:00", id="before the year 1"),
        pytest.param("yesterday", id="words"),
        pytest.param(46053.6667, id="a bare number of days"),
        pytest.param(1769846400, id="seconds"),
    ],
)
def test_what_is_no_time_for_certain_is_refused(cell: Cell) -> None:
    """A time that can be read in two ways, or has no hour, is a bad row."""
    with pytest.raises(CellError, match="sent_at"):
        moment_of(cell, "sent_at", CHINA)


# --- XLSX ---------------------------------------------------------------------------------------


TABLE: Rows = [
    ["Message ID", "Mobile Number", "Sending Time", "total", "reference"],
    ["a", 13800000001, datetime(2026, 1, 31, 16, 0, 0), 2, "订单 <1> & 2"],  # noqa: DTZ001 - as cells
    [],
    ["b", "13800000002", datetime(2026, 1, 31, 16, 0, 0, 250_000), None, "r"],  # noqa: DTZ001
    [None, "", None],
]


@pytest.mark.parametrize(
    "way",
    [
        pytest.param({}, id="shared texts"),
        pytest.param({"shared": False}, id="texts in the cells"),
        pytest.param({"date_style": 2}, id="a date format of its own"),
        pytest.param({"since_1904": True}, id="dates since 1904"),
        pytest.param({"prefix": "x"}, id="prefixed names"),
        pytest.param({"references": False}, id="cells without references"),
    ],
)
def test_workbooks_of_all_writers_are_read(way: dict[str, Any]) -> None:
    """Texts, numbers and dates are the same however a program writes them; empty rows count."""
    rows = rows_of(xlsx(TABLE, **way), How(zone=CHINA))

    assert AT is not None
    expected = [
        (2, Send("a", to="13800000001", sent_at=AT, total=2, reference="订单 <1> & 2")),
        (4, Send("b", to="13800000002", sent_at=AT + 250_000, reference="r")),
    ]
    assert [(row.line, row.send) for row in rows if isinstance(row, SendRow)] == expected
    assert len(rows) == 2


def test_bad_cells_of_a_workbook_are_named_by_their_row() -> None:
    """Digits that are lost, errors, and dates that are shown as numbers are bad rows."""
    table: Rows = [
        ["smsMsgId", "to", "sent_at"],
        ["a", 1_069_031_221_280_000_001, None],
        ["#N/A", "1", None],
        ["c", 1.5, None],
        ["d", "1", 46053.5],
        [20_260_131_000_000_001, "1", None],
        ["e", "10086", None],
    ]
    content = xlsx(table)

    assert [line for line, _ in faults_of(content)] == [2, 3, 4, 5, 6]
    assert [r.line for r in rows_of(content) if isinstance(r, SendRow)] == [7]


def test_a_date_in_a_format_of_numbers_is_a_number() -> None:
    """`0.00"days"` in red makes no date."""
    ((line, reason), _) = faults_of(xlsx(TABLE, date_style=3))

    assert line == 2
    assert "bare number" in reason


def test_a_sheet_is_chosen_by_name() -> None:
    """The first sheet is read unless another is named; a name that is none is explained."""
    content = xlsx(TABLE, more_sheets={"März & 三月": [["smsMsgId"], ["other"]]})

    assert len(sends_of(content)) == 2
    assert sends_of(content, How(sheet="März & 三月")) == [Send("other")]
    with pytest.raises(ExportError, match="The sheets are: Details, März & 三月"):
        opened(content, How(sheet="Mai"))


BOMB = '<!DOCTYPE a [<!ENTITY b "bbbbbbbb">]><Relationships>&b;</Relationships>'


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(xlsx(TABLE)[:200], id="cut"),
        pytest.param(b"PK\x03\x04 no archive", id="no archive"),
        pytest.param(zipped({"word/document.xml": "<w/>"}), id="another document"),
        pytest.param(zipped({"_rels/.rels": "<a><b></a>"}), id="no XML"),
        pytest.param(zipped({"_rels/.rels": BOMB}), id="entities of its own"),
        pytest.param(b"\xd0\xcf\x11\xe0 an old one", id="XLS"),
        pytest.param(b"\x1f\x8b compressed", id="gzip"),
        pytest.param(b"[\n{}]", id="a JSON list"),
        pytest.param(b'{\n "smsMsgId": "x"\n}', id="JSON over several lines"),
        pytest.param(b"", id="empty"),
    ],
)
def test_a_file_that_is_none_is_explained(content: bytes) -> None:
    """What cannot be read at all is told at once, with a way out."""
    with pytest.raises(ExportError, match=r"\.$"):
        opened(content)


def test_a_workbook_damaged_further_down_is_explained() -> None:
    """No row is given of a sheet that cannot be read to its end."""
    many: Rows = [["smsMsgId"], *(["x" + os.urandom(8).hex()] for _ in range(50_000))]
    content = bytearray(xlsx(many, shared=False))
    middle = len(content) // 2
    content[middle : middle + 64] = os.urandom(64)

    with pytest.raises(ExportError, match="damaged"):
        opened(bytes(content))


# --- NDJSON -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        pytest.param(
            {"sms_msg_id": "x", "to": "10086", "sent_at": "2026-01-31T08:00:00Z", "total": 2},
            [Send("x", to="10086", sent_at=AT, total=2)],
            id="our entry",
        ),
        pytest.param(
            {
                "smsMsgId": "x",
                "originTo": "10086",
                "from": "10690",
                "createTime": "2026-01-31T08:00:00Z",
                "status": "E200033",
                "countryId": "CN",
                "total": 1,
            },
            [Send("x", "E200033", "10086", "10690", AT, 1, "CN")],
            id="the platform's entry",
        ),
        pytest.param(
            {"code": "000000", "result": [{"smsMsgId": "x"}, {"smsMsgId": "y"}]},
            [Send("x"), Send("y")],
            id="a send response",
        ),
        pytest.param(
            {"response": {"result": [{"smsMsgId": "x"}]}, "reference": "r"},
            [Send("x", reference="r")],
            id="a response with what belongs to it",
        ),
        pytest.param(
            {"sends": [{"sms_msg_id": "x"}], "extend": "e"},
            [Send("x", extend="e")],
            id="a registration",
        ),
        pytest.param({"code": "E000102", "description": "no"}, [], id="a refused request"),
        pytest.param(
            {"smsMsgId": "x", "status": "E200027", "updateTime": "2026-01-31T08:00:00Z"},
            [Send("x")],
            id="a report is no refusal",
        ),
        pytest.param({"smsMsgId": "x", "status": "DELIVRD"}, [Send("x")], id="nor is its code"),
        pytest.param(
            {
                "sms_msg_id": "x",
                "verdict": {},
                "registered": True,
                "state": "pending",
                "attempts": {"previous": "before", "next": None, "count": 2},
            },
            [Send("x", retry_of="before")],
            id="another attempt, in our own export",
        ),
        pytest.param(
            {"smsMsgId": "x", "createTime": "2026-01-31 16:00:00"},
            [Send("x", sent_at=AT)],
            id="a local time",
        ),
    ],
)
def test_a_line_of_json_may_have_every_form(document: dict[str, Any], expected: list[Send]) -> None:
    """An entry in our words or the platform's, a response, a registration: a line is any."""
    line = json.dumps(document)

    assert sends_of(f"{line}\n", How(zone=CHINA)) == expected


def test_fields_of_json_can_be_named() -> None:
    """`--map` names the key of an entry, or none."""
    line = json.dumps({"id": "x", "phone": "2412000000", "total": 2, "code": "E200027"})
    how = How({"sms_msg_id": "id", "to": "phone", "total": ""}, international=True)

    assert sends_of(line, how) == [Send("x", to="+2412000000")]


def test_bad_lines_of_json_are_named() -> None:
    """Each bad line or entry has its number and a reason; the good ones around it are read."""
    lines = [
        '\ufeff{"smsMsgId": "a"}',
        "",
        '{"smsMsgId": "b"',
        "[1]",
        '{"smsMsgId": ""}',
        '{"smsMsgId": "c", "createTime": "soon"}',
        '{"result": [{"smsMsgId": "d"}, {"originTo": "1"}]}',
        '{"sends": 7}',
        '{"smsMsgId": "e"}',
    ]
    rows = rows_of("\n".join(lines))

    assert [row.line for row in rows if isinstance(row, Fault)] == [3, 4, 5, 6, 7, 8]
    good = [(row.line, row.send.sms_msg_id) for row in rows if isinstance(row, SendRow)]
    assert good == [(1, "a"), (7, "d"), (9, "e")]


def test_an_application_is_taken_from_a_registration() -> None:
    """A line that is a whole registration may say whose it is."""
    line = json.dumps({"sends": [{"sms_msg_id": "x"}], "application": "shop"})
    (row,) = rows_of(line)

    assert isinstance(row, SendRow)
    assert row.application == "shop"


def test_a_reason_never_repeats_what_stands_in_the_file() -> None:
    """Neither numbers nor texts of a bad row reach its reason."""
    private = "13812345678"
    table = (
        f"smsMsgId,to,sent_at,total\nx,{private}E+{private[:2]},,\ny,1,{private},\nz,1,,{private}\n"
    )
    bad = f'{{"smsMsgId": ["{private}"]}}\n{{"smsMsgId": "x", "total": "{private}"}}\n{{{private}'

    for content in (table, bad):
        reasons = [reason for _, reason in faults_of(content)]
        assert reasons
        assert not [reason for reason in reasons if private in reason]


def test_how_far_it_is_read_is_told() -> None:
    """The share that was read grows to 1; of a pipe it is not known."""
    lines = [f'{{"smsMsgId": "{n}"}}' for n in range(2000)]
    table = "\n".join(["smsMsgId", *map(str, range(2000))])
    contents = (
        "\n".join(lines).encode(),
        table.encode(),
        xlsx([["smsMsgId"], *([str(n)] for n in range(2000))]),
    )

    for content in contents:
        export = opened(content)
        list(export.rows())
        assert export.share() == 1.0
    pipe = open_export(reader(_Pipe(contents[0])), How())
    assert pipe.share() is None
    assert len(list(pipe.rows())) == 2000
