"""Rows that stand where sends stand and are none, and cells whose value has to be guessed."""

import csv
import io
import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from receiver.cli.import_.rejects import writing_rejects
from receiver.domain import times
from receiver.huawei.imports import (
    Export,
    ExportError,
    Fault,
    How,
    Likeness,
    Row,
    SendRow,
    open_export,
)
from receiver.huawei.imports.cells import CellError, moment_of, text_of
from tests.support.layouts import LAYOUTS, NUMBERS, WITHOUT_IDS, WRITERS, as_csv, ids, table
from tests.support.workbooks import Formula, Rows, Value, xlsx

CHINA = ZoneInfo("Asia/Shanghai")
OF_PLATFORM = [f"2ea20735-f856-4376-afbf-570bd70a46ee_{11840135 + n}" for n in range(4)]
OF_OTHERS = [f"job_{n}" for n in range(4)]


def opened(content: bytes | str, how: How | None = None) -> Export:
    """Open a file with this content."""
    data = content.encode() if isinstance(content, str) else content
    return open_export(io.BufferedReader(io.BytesIO(data)), how or How())


def rows_of(content: bytes | str, how: How | None = None) -> list[Row]:
    """Read a file with this content."""
    return list(opened(content, how).rows())


def ids_of(rows: Sequence[Row]) -> list[str]:
    """Return the ids of the good rows."""
    return [row.send.sms_msg_id for row in rows if isinstance(row, SendRow)]


def faults_of(rows: Sequence[Row]) -> list[tuple[int, str]]:
    """Return line and reason of the bad rows."""
    return [(row.line, row.reason) for row in rows if isinstance(row, Fault)]


def as_text(names: Sequence[str], *more: str) -> str:
    """Write a table of sends, and rows behind the second one."""
    header = "smsMsgId,to,sent_at,reference"
    sends = [f"{name},1380000000{n},2026-01-31 16:00:00,o{n}" for n, name in enumerate(names)]
    return "\n".join([header, *sends[:2], *more, *sends[2:], ""])


# --- rows ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "names", [OF_PLATFORM, OF_OTHERS], ids=["ids of the platform", "other ids"]
)
@pytest.mark.parametrize(
    ("row", "said"),
    [
        pytest.param("合计,5", "a total", id="a total"),
        pytest.param("合計：,5,,", "a total", id="in traditional characters"),
        pytest.param("总计(条),5", "a total", id="with its unit"),
        pytest.param("小计,5,,o", "a total", id="a subtotal"),
        pytest.param("共 5 条,,,", "a total", id="in words"),
        pytest.param("Total,5,,", "a total", id="in English"),
        pytest.param("Grand Total: 5,,,", "a total", id="with a colon"),
        pytest.param("SUBTOTAL,,2026-01-31 16:00:00,o", "a total", id="with cells of a send"),
        pytest.param("5 rows,,,", "a total", id="a count"),
        pytest.param(",合计,,5", "a total", id="behind an empty cell"),
        pytest.param("5,,,", "does not have the form|a total or a note", id="a stray figure"),
        pytest.param("checked,,,", "does not have the form|a total or a note", id="a stray word"),
        pytest.param(",,,checked", "is missing", id="a stray cell elsewhere"),
        pytest.param(
            "导出时间：2026-01-31,,,", "characters that are invalid in an id", id="a footer"
        ),
        pytest.param("Page 1 of 3,,,", "characters that are invalid in an id", id="a page"),
        pytest.param("-,-,-,-", "is not a date|placeholder", id="dashes"),
        pytest.param("N/A,1,,o", "placeholder", id="a placeholder"),
        pytest.param("#N/A,1,,o", "a spreadsheet error", id="an error"),
        pytest.param("=B2,1,,o", "a formula", id="a formula"),
        pytest.param("a_1;a_2,1,,o", "several values", id="two ids"),
        pytest.param("a_1 a_2,1,,o", "several values", id="two ids with a blank"),
        pytest.param('"a_1\na_2",1,,o', "several values", id="two ids in two lines"),
        pytest.param("11840135.0,1,,o", "a fraction", id="an id that was counted"),
        pytest.param("1.184e+10,1,,o", "shortened", id="an id that was shortened"),
        pytest.param("smsMsgId,to,sent_at,reference", "repeats the header", id="a header"),
        pytest.param("SMS MSG ID,To,Sent At,Reference,,", "repeats the header", id="written anew"),
        pytest.param("MsgId,,,", "repeats the header", id="the id's header in another word"),
        pytest.param("(text),(text),(date),(text)", "is not a date", id="units"),
    ],
)
def test_what_is_no_send_is_a_bad_row(names: list[str], row: str, said: str) -> None:
    """Totals, notes, units, placeholders and headers between sends become no message."""
    rows = rows_of(as_text(names, row))

    assert ids_of(rows) == names
    ((line, reason),) = faults_of(rows)
    assert line == 4
    assert any(one in reason for one in said.split("|")), reason


@pytest.mark.parametrize(
    ("rows", "good"),
    [
        pytest.param(["job_9"], ["job_9"], id="only an id that is written as the others"),
        pytest.param(["other-9,10086,,o"], ["other-9"], id="another id with all that a send has"),
        pytest.param(["job_9,10086,,Total"], ["job_9"], id="a word of totals as a reference"),
        pytest.param(["x,10086,,msgId"], ["x"], id="a word of headers as a reference"),
    ],
)
def test_a_send_that_is_only_unusual_is_taken(rows: list[str], good: list[str]) -> None:
    """What may be a send is no bad row."""
    found = rows_of(as_text(OF_OTHERS, *rows))

    assert not faults_of(found)
    assert ids_of(found) == [*OF_OTHERS[:2], *good, *OF_OTHERS[2:]]


def test_a_row_with_another_id_can_be_imported_by_itself() -> None:
    """An id that is not the platform's is refused among the platform's, and taken among its own."""
    odd = "0815,10086,2026-01-31 16:00:00,o"
    for written in (OF_PLATFORM, [f"'{name}" for name in OF_PLATFORM]):
        ((line, reason),) = faults_of(rows_of(as_text(written, odd)))
        assert (line, "a separate file" in reason) == (4, True)
    assert ids_of(rows_of(f"smsMsgId,to,sent_at,reference\n{odd}\n")) == ["0815"]


def test_another_header_further_down_ends_it_there() -> None:
    """Columns in another order are not read as the first ones; the line is named."""
    content = as_text(OF_OTHERS, "to,smsMsgId,sent_at,reference", "1,x,,")
    read: list[Row] = []

    with pytest.raises(ExportError, match="Line 4: Another header"):
        read.extend(opened(content).rows())
    rows = opened(content).rows()
    assert ids_of([next(rows), next(rows)]) == OF_OTHERS[:2]


def test_rows_of_our_own_exports_are_taken_as_they_are() -> None:
    """What the receiver has told of its messages, it takes again, however odd it is."""
    odd = "一 二,000000,true,nobody,2126-01-31T08:00:00Z"
    rows = rows_of(f"sms_msg_id,send_status,registered,to,sent_at\n{odd}\n")

    assert ids_of(rows) == ["一 二"]


@pytest.mark.parametrize(
    ("names", "count", "lines"),
    [
        pytest.param(["job_1", "job_2", "17", "job_3", "x"], 2, [3, 5], id="two others"),
        pytest.param([*OF_PLATFORM, "job_1"], 1, [5], id="one that is not the platform's"),
        pytest.param([OF_PLATFORM[0], "5"], 1, [2], id="one of two that is not"),
        pytest.param(["a1", "a-1", "a_1", "a.1"], 0, [], id="no form prevails"),
        pytest.param(["10000001", "10000002", "5"], 1, [3], id="much shorter"),
        pytest.param([*["job_1"] * 300, *["17"] * 50], 50, [*range(301, 321)], id="far down"),
        pytest.param([], 0, [], id="none"),
    ],
)
def test_ids_unlike_the_others_are_counted(names: list[str], count: int, lines: list[int]) -> None:
    """Most ids of a file show how its ids are written; the first lines of others are kept."""
    likeness = Likeness()
    for line, name in enumerate(names, 1):
        likeness.see(line, name)

    assert (likeness.count, likeness.lines) == (count, lines)


# --- cells --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "said"),
    [
        ("13800000001,13800000002", "several numbers"),
        ("13800000001;13800000002", "several numbers"),
        ("13800000001、13800000002", "several numbers"),
        ("13800000001/13800000002", "several numbers"),
        ("13800000001 13800000002", "several numbers"),
        ("+8613800000001\n+8613800000002", "several numbers"),
        ("138****0001 138****0002", "several numbers"),
        ("13800138000 10086", "several numbers"),
        ("10086 13800138000", "several numbers"),
        ("15500010005 (2)", "or a note"),
        ("10086 (2)", "or a note"),
        ("10086（2）", "or a note"),
        ("138001380001380013800", "is not a phone number"),
        ("1380013800013800138000", "is not a phone number"),
        ("6", "is not a phone number"),
        ("N/A", "is not a phone number"),
        ("张三", "is not a phone number"),
        ("-", "is not a phone number"),
        ("+86 138 0000 0001", None),
        ("010-12345678", None),
        ("0086 13800000001", None),
        ("(+86) 13800000001", None),
        ("+86-138-0000-0001", None),
        ("+1 (415) 555-2671", None),
        ("+44 (0) 7911123456", None),
        ("07700 900123", None),
        ("001 4155552671", None),
        ("106550", None),
        ("138****0001", None),
        ("10086", None),
        ("", None),
    ],
)
@pytest.mark.parametrize("form", ["CSV", "NDJSON"])
def test_a_send_goes_to_one_number(number: str, said: str | None, form: str) -> None:
    """Two numbers, or what is none, are no recipient; writings of one are."""
    lines = {
        "CSV": f'smsMsgId,to\nx,"{number}"\n',
        "NDJSON": json.dumps({"smsMsgId": "x", "to": number}),
    }
    (row,) = rows_of(lines[form])

    assert isinstance(row, Fault if said else SendRow)
    assert said is None or said in getattr(row, "reason", "")


@pytest.mark.parametrize(
    ("sender", "said"),
    [
        ("1069 1070", "several values"),
        ("1069/1070", "several values"),
        ("1069-1070", "several values"),
        ("1069 / 1070", "several values"),
        ("10690001,10690002", "several values"),
        ("合计", "is not a channel number"),
        ("-", "is not a channel number"),
        ("1069031221280000001", None),
        ("1069 0312 2128", None),
        ("csms12345678", None),
        ("My Shop 24/7", None),
        ("My Shop", None),
        ("+44 7911 123456", None),
        ("", None),
    ],
)
@pytest.mark.parametrize("form", ["CSV", "NDJSON"])
def test_a_send_comes_from_one_sender(sender: str, said: str | None, form: str) -> None:
    """Two channel numbers in one cell are none; a name and a number in groups are one."""
    lines = {
        "CSV": f'smsMsgId,from\nx,"{sender}"\n',
        "NDJSON": json.dumps({"smsMsgId": "x", "from": sender}),
    }
    (row,) = rows_of(lines[form])

    assert isinstance(row, Fault if said else SendRow)
    assert said is None or said in getattr(row, "reason", "")


@pytest.mark.parametrize(
    ("time", "said"),
    [
        ("2126-01-31 16:00:00", "in the future"),
        ("2026-06-01 08:15:01", "in the future"),
        ("2026-06-01 08:15:00", None),
        ("2009-12-31 23:59:59", "before 2010"),
        ("1970-01-01 00:00:00", "before 2010"),
        ("1899-12-30 00:00:00", "before 2010"),
        ("2010-01-01 00:00:00", None),
    ],
)
@pytest.mark.parametrize(
    "form",
    [
        "smsMsgId,sent_at\nx,{}\n",
        '{{"smsMsgId": "x", "createTime": "{}"}}',
        '{{"result": [{{"smsMsgId": "x", "createTime": "{}"}}]}}',
    ],
    ids=["CSV", "NDJSON", "a response"],
)
def test_a_send_lies_neither_in_the_future_nor_before_the_platform(
    time: str, said: str | None, form: str
) -> None:
    """A time that no send can have, as of a wrong zone or a clock at zero, is a bad row."""
    now = times.parse("2026-06-01T08:00:00Z")
    assert now is not None
    (row,) = rows_of(form.format(time), How(now=now))

    assert isinstance(row, Fault if said else SendRow)
    assert said is None or said in getattr(row, "reason", "")


BERLIN, NEW_YORK, LORD_HOWE = map(
    ZoneInfo, ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe")
)


@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        ("2026-03-29 02:30:00", BERLIN, "never"),
        ("2026-03-29 01:59:59", BERLIN, "2026-03-29T00:59:59Z"),
        ("2026-03-29 03:00:00", BERLIN, "2026-03-29T01:00:00Z"),
        ("2025-10-26 02:30:00", BERLIN, "twice"),
        ("2025-10-26 03:00:00", BERLIN, "2025-10-26T02:00:00Z"),
        ("2026-03-08 02:00:00", NEW_YORK, "never"),
        ("2025-11-02 01:00:00", NEW_YORK, "twice"),
        ("2025-10-05 02:15:00", LORD_HOWE, "never"),
        ("2026-04-05 01:45:00", LORD_HOWE, "twice"),
        ("2026-01-31 16:00:00", CHINA, "2026-01-31T08:00:00Z"),
        ("2026-03-29 02:30:00", UTC, "2026-03-29T02:30:00Z"),
    ],
)
@pytest.mark.parametrize("form", ["text", "date"])
def test_a_local_time_that_is_no_one_moment_is_refused(
    text: str, zone: tzinfo, expected: str, form: str
) -> None:
    """What a change of clocks skips or doubles is told, in texts as in cells of dates."""
    cell = text if form == "text" else datetime.fromisoformat(text)

    if expected.endswith("Z"):
        moment = moment_of(cell, "sent_at", zone)
        assert moment is not None
        assert times.to_rfc3339(moment) == expected
    else:
        with pytest.raises(CellError, match=expected):
            moment_of(cell, "sent_at", zone)


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        pytest.param(
            date(2026, 1, 31), "without a time of day, or midnight", id="a date of a sheet"
        ),
        pytest.param(46053, "a bare number", id="a serial number"),
        pytest.param(46053.6667, "a bare number", id="with a part of the day"),
        pytest.param("46053.6667", "a bare number", id="as text"),
        pytest.param("46053,6667", "a bare number", id="with a comma"),
        pytest.param("1769846400", "a bare number", id="seconds as text"),
        pytest.param("#VALUE!", "a spreadsheet error", id="an error"),
    ],
)
def test_a_time_is_no_number_and_no_date_alone(cell: Any, said: str) -> None:
    """Serial numbers, and dates of which nobody knows the hour, are told for what they are."""
    with pytest.raises(CellError, match=said):
        moment_of(cell, "sent_at", UTC)


@pytest.mark.parametrize("text", ["1.38e+10", "1,38E+10", "1E+10", "1.38E10", "1.38e10"])
def test_shortened_numbers_are_told_in_every_writing(text: str) -> None:
    """Programs write the exponent in either case, and with or without a sign."""
    with pytest.raises(CellError, match="shortened"):
        text_of(text, "to")


# --- sheets -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        pytest.param(Formula(), "a formula without a stored result", id="no result"),
        pytest.param(
            Formula(empty="<v></v>"), "a formula without a stored result", id="an empty one"
        ),
        pytest.param(
            Formula(empty="<v/>"), "a formula without a stored result", id="an empty element"
        ),
        pytest.param("#N/A", "a spreadsheet error", id="an error"),
        pytest.param(None, "is missing", id="nothing"),
    ],
)
@pytest.mark.parametrize("way", [{}, {"prefix": "x"}, {"references": False}], ids=str)
def test_a_cell_without_a_value_says_why(cell: Value, said: str, way: dict[str, Any]) -> None:
    """A formula that was never calculated is not called missing, wherever it stands."""
    content = xlsx([["smsMsgId", "reference"], ["a", "1"], [cell, "1"], ["b", "1"]], **way)
    rows = rows_of(content)

    assert ids_of(rows) == ["a", "b"]
    ((line, reason),) = faults_of(rows)
    assert line == 3
    assert any(one in reason for one in said.split("|")), reason


def test_a_field_that_is_a_formula_without_a_result_is_no_empty_one() -> None:
    """Also where only a reference is lost, and in rows that hold nothing else."""
    table: Rows = [["smsMsgId", "reference"], ["a", Formula()], [Formula(), Formula()]]
    reasons = [reason for _, reason in faults_of(rows_of(xlsx(table)))]

    assert ["reference" in reasons[0], "sms_msg_id" in reasons[1]] == [True, True]
    assert all("a formula" in reason for reason in reasons)


def rejects_of(content: bytes | str, path: Path) -> bytes:
    """Return what `--rejects` writes for a file."""
    export = opened(content)
    with writing_rejects(path, None, export) as write:
        for row in export.rows():
            if isinstance(row, Fault):
                write(row)
    return path.read_bytes()


SENT = datetime(2026, 1, 31, 16, 0, 0)  # noqa: DTZ001 - as cells
MIDNIGHT = datetime(2026, 1, 31)  # noqa: DTZ001


@pytest.mark.parametrize(
    ("row", "written"),
    [
        pytest.param(["a", "#N/A", SENT, "r"], "#N/A", id="an error"),
        pytest.param(["a", Formula(), SENT, "r"], "#FORMULA!", id="no result"),
        pytest.param(["a", "13800000001", "#VALUE!", "r"], "#N/A", id="an error as the time"),
        pytest.param(["a", "13800000001", Formula(), "r"], "#FORMULA!", id="no time"),
        pytest.param(["a", "13800000001", MIDNIGHT, "r"], "2026-01-31", id="midnight"),
        pytest.param(["a", "13800000001", 46053.5, "r"], "46053.5", id="a number as the time"),
        pytest.param(["a", "13800000001", SENT, "#REF!"], "#N/A", id="an error as reference"),
        pytest.param(["a", "13800000001", SENT, 1.5], "#CHECK! 1.5", id="a fraction"),
        pytest.param(["a", "13800000001", SENT, True], "#CHECK! True", id="a truth"),
        pytest.param(["a", "13800000001", SENT, SENT], "#CHECK! 2026-01-31 16:00:00", id="a date"),
        pytest.param(
            ["a", 1_069_031_221_280_000, SENT, "r"], "#CHECK! 1069031221280000", id="digits lost"
        ),
        pytest.param(["#N/A", "13800000001", SENT, "r"], "#N/A", id="an error as id"),
    ],
)
def test_rejects_that_nobody_corrected_stay_bad(
    row: Sequence[Value], written: str, tmp_path: Path
) -> None:
    """What a cell lost of its type is marked, so that the same row is refused again."""
    header = ["smsMsgId", "to", "sent_at", "reference"]
    rejects = rejects_of(xlsx([header, row]), tmp_path / "bad.csv")

    assert written in next(csv.reader(rejects.decode().splitlines()[1:]))[2:]
    assert [line for line, _ in faults_of(rows_of(rejects))] == [2]


def test_the_mark_of_a_cell_is_taken_away_to_correct_it(tmp_path: Path) -> None:
    """What stood in the cell is behind the mark, and taken without it."""
    rejects = rejects_of(xlsx([["smsMsgId", "reference"], ["a", 1.5]]), tmp_path / "bad.csv")

    (row,) = rows_of(rejects.replace(b"#CHECK! ", b""))
    assert isinstance(row, SendRow)
    assert row.send.reference == "1.5"


NOTES = ["smsMsgId,to,sent_at,reference", "5,,,", "合计,5", ",合计,,5", "合计,,,checked"]


@pytest.mark.parametrize(
    "names", [OF_PLATFORM, OF_OTHERS * 3], ids=["ids of the platform", "other ids"]
)
def test_notes_and_headers_among_the_rejects_are_bad_rows_again(
    names: list[str], tmp_path: Path
) -> None:
    """Headers and totals are known behind line and reason; other notes by the reason itself."""
    bad = f"{names[0]}9,N/A,2026-01-31 16:00:00,o"
    rejects = rejects_of(as_text(names, *NOTES, bad), tmp_path / "bad.csv")
    for _ in range(2):
        assert [line for line, _ in faults_of(rows_of(rejects))] == [*range(2, 8)]
        rejects = rejects_of(rejects, tmp_path / "again.csv")

    corrected = rejects.replace(b"N/A", b"13800000009")
    assert ids_of(rows_of(corrected)) == [f"{names[0]}9"]


@pytest.mark.parametrize("form", ["CSV", "NDJSON"])
def test_a_reject_without_its_reason_is_judged_anew(form: str, tmp_path: Path) -> None:
    """An id unlike the platform's stays bad, until somebody says by that that it is one."""
    lines = {
        "CSV": "\n".join(["smsMsgId", *OF_PLATFORM, "job_1", ""]),
        "NDJSON": "\n".join(json.dumps({"smsMsgId": one}) for one in [*OF_PLATFORM, "job_1"]),
    }
    rejects = rejects_of(lines[form], tmp_path / "bad").decode()
    ((_, reason),) = faults_of(rows_of(rejects))

    assert "clear its `reason`" in reason
    written = {"CSV": f'"{reason}"', "NDJSON": reason}
    assert ids_of(rows_of(rejects.replace(written[form], ""))) == ["job_1"]


@pytest.mark.parametrize(
    ("line", "corrected", "expected"),
    [
        pytest.param({"originTo": "13800000001"}, {"smsMsgId": "a"}, ["a"], id="an entry"),
        pytest.param('{"smsMsgId": "a"', '{"smsMsgId": "a"}', ["a"], id="no JSON"),
        pytest.param([1], {"smsMsgId": "a"}, ["a"], id="no object"),
        pytest.param(
            {"result": [{"smsMsgId": "a"}, {}]},
            {"result": [{"smsMsgId": "a"}, {"smsMsgId": "b"}]},
            ["a", "b"],
            id="a response",
        ),
    ],
)
def test_rejects_of_json_are_read_as_what_they_hold(
    line: Any, corrected: Any, expected: list[str], tmp_path: Path
) -> None:
    """Line and reason stand beside the row; the same row is bad again, a corrected one good."""
    text = line if isinstance(line, str) else json.dumps(line)
    rejects = rejects_of(f'{{"smsMsgId": "z"}}\n{text}\n', tmp_path / "bad.ndjson")
    document = json.loads(rejects)
    assert faults_of(rows_of(rejects)) == [(1, document["reason"])]
    again = json.loads(rejects_of(rejects, tmp_path / "again.ndjson"))
    assert again == {**document, "line": 1}

    good = json.dumps({**document, "row": corrected})
    assert ids_of(rows_of(good)) == expected


@pytest.mark.parametrize(
    ("end", "written"),
    [
        pytest.param("b,1380", "b,#CHECK! 1380,#CHECK!", id="in the number"),
        pytest.param("b,13800000001,", None, id="in the last cell"),
        pytest.param("b", "#CHECK! b,#CHECK!,#CHECK!", id="in the id"),
        pytest.param("b,13800000001", "b,#CHECK! 13800000001,#CHECK!", id="before the last cell"),
    ],
)
def test_a_row_that_was_cut_stays_bad_among_the_rejects(
    end: str, written: str | None, tmp_path: Path
) -> None:
    """What is left of a number or an id is not taken for all of it, nor what is gone for empty."""
    content = f"smsMsgId,to,reference\na,13800000001,r\n{end}"
    rejects = rejects_of(content, tmp_path / "bad.csv")

    assert len(faults_of(rows_of(rejects))) == bool(written)
    assert (written or "").encode() in rejects


def test_cells_under_merged_ones_stay_bad_among_the_rejects(tmp_path: Path) -> None:
    """The value that only the first of them has does not get lost on the way."""
    table: Rows = [["smsMsgId", "to"], ["a", "13800000001"], ["b", None]]
    rejects = rejects_of(xlsx(table, merged=["B2:B3"]), tmp_path / "bad.csv")

    assert [line for line, _ in faults_of(rows_of(rejects))] == [2]


def test_merged_cells_have_one_value_for_one_row() -> None:
    """A cell that lies under a merged one is not empty: the row is told, a title is not."""
    table: Rows = [["Details"], ["smsMsgId", "reference"], ["a", "r"], ["b", None], [None, "r"]]
    rows = rows_of(xlsx(table, merged=["A1:B1", "B3:B4", "A4:A5"]))

    assert ids_of(rows) == ["a"]
    assert [(line, "is merged" in reason) for line, reason in faults_of(rows)] == [
        (4, True),
        (5, True),
    ]


UNDER_ONE: Rows = [["短信ID", "发送", None], [None, "手机号码", "时间"], ["a", "10086", "x"]]
BESIDE: Rows = [["短信ID", "手机号码", None], ["a", "10086", "x"]]


@pytest.mark.parametrize(
    ("table", "merged", "unused", "is_told"),
    [
        pytest.param(
            UNDER_ONE, ["A1:A2", "B1:C1"], ["发送", "column 3 (C, without a header)"], True,
            id="headers below",
        ),
        pytest.param(
            BESIDE, ["B1:C1"], ["column 3 (C, without a header)"], True, id="one over two columns"
        ),
        pytest.param(BESIDE, [], ["column 3 (C, without a header)"], False, id="none"),
        pytest.param(
            [["Details"], ["短信ID", "手机号码"], ["a", "10086"]], ["A1:B1"], [], False,
            id="a title",
        ),
        pytest.param(
            [["短信ID", "手机号码"], ["a", "10086"], ["b", None]], ["B2:B3"], [], False, id="data"
        ),
    ],
)  # fmt: skip
def test_headers_that_are_merged_or_missing_are_told(
    table: Rows, merged: list[str], unused: list[str], *, is_told: bool
) -> None:
    """A column that loses its header is named by its place, and merged headers are noted."""
    export = opened(xlsx(table, merged=merged))

    assert list(export.unused) == unused
    assert any("Header cells are merged" in note for note in export.notes) is is_told
    assert "a" in ids_of(list(export.rows()))


@pytest.mark.parametrize(
    ("content", "unused"),
    [
        pytest.param("smsMsgId,,to\na,x,10086\n", ["column 2 (B, without a header)"], id="data"),
        pytest.param("smsMsgId,,to,\na,,10086,\n", [], id="no data"),
        pytest.param(
            f"smsMsgId{',' * 27}\na{',' * 27}x\n", ["column 28 (AB, without a header)"], id="far"
        ),
    ],
)
def test_a_column_with_data_and_no_header_is_named_by_its_place(
    content: str, unused: list[str]
) -> None:
    """Nothing is dropped unmentioned; empty columns at the end are no news."""
    assert list(opened(content).unused) == unused


@pytest.mark.parametrize(
    ("hidden", "sheet", "read", "said"),
    [
        pytest.param([], None, "first", ["not read", "März"], id="others"),
        pytest.param(["Details"], None, "other", ["Details (hidden)"], id="the first is hidden"),
        pytest.param(["Details"], "Details", "first", ["Details is hidden"], id="it is asked for"),
        pytest.param(["März"], None, "first", ["März (hidden)"], id="another is hidden"),
    ],
)
def test_sheets_that_nobody_sees_are_told(
    hidden: list[str], sheet: str | None, read: str, said: list[str]
) -> None:
    """The first sheet that a person sees is read, and every other one named."""
    more: dict[str, Rows] = {"März": [["smsMsgId"], ["other"]]}
    export = opened(
        xlsx([["smsMsgId"], ["first"]], more_sheets=more, hidden=hidden), How(sheet=sheet)
    )

    assert ids_of(list(export.rows())) == [read]
    notes = " ".join(export.notes)
    assert [one for one in said if one not in notes] == []


def test_a_workbook_of_hidden_sheets_asks_which() -> None:
    """Nothing is read that nobody sees unless it is named; hidden rows of a sheet are told."""
    table: Rows = [["smsMsgId"], ["a"], ["b"]]

    with pytest.raises(ExportError, match="All sheets are hidden"):
        opened(xlsx(table, hidden=["Details"]))
    export = opened(xlsx(table, hidden_rows=[3]))
    assert "Hidden rows are included: 1." in export.notes
    assert ids_of(list(export.rows())) == ["a", "b"]


# --- lines of JSON ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "said"),
    [
        pytest.param('{"smsMsgId": "a", "to": "10086", "to": "10010"}', "`to` is given", id="to"),
        pytest.param(
            '{"result": [{"smsMsgId": "a", "smsMsgId": "b"}]}', "`smsMsgId` is", id="deep"
        ),
        pytest.param('{"smsMsgId": "a", "sms_msg_id": "b"}', "several names", id="two messages"),
        pytest.param('{"smsMsgId": "合计", "to": "10086"}', "a total", id="a total"),
        pytest.param('{"smsMsgId": "a_1,a_2"}', "several values", id="two ids"),
        pytest.param('{"smsMsgId": "N/A"}', "placeholder", id="a placeholder"),
        pytest.param('{"result": [{"smsMsgId": "a_1;a_2"}]}', "several values", id="in a response"),
        pytest.param('{"smsMsgId": "a", "sms_msg_id": "a"}', None, id="the same id twice"),
        pytest.param('{"smsMsgId": "a", "smsMsgId": "a"}', None, id="the same member twice"),
    ],
)
def test_a_line_of_json_is_judged_as_a_row(line: str, said: str | None) -> None:
    """What the API or a table refuses is a bad line, and does not become a message."""
    (row,) = rows_of(line)

    assert isinstance(row, Fault if said else SendRow)
    assert said is None or said in getattr(row, "reason", "")


def test_an_id_unlike_those_of_the_platform_is_a_bad_line() -> None:
    """The first lines show how ids are written, whichever of them comes first."""
    rows = rows_of("\n".join(json.dumps({"smsMsgId": name}) for name in ["odd", *OF_PLATFORM]))

    assert ids_of(rows) == OF_PLATFORM
    ((line, reason),) = faults_of(rows)
    assert (line, "a separate file" in reason) == (1, True)


@pytest.mark.parametrize(
    ("line", "names", "note"),
    [
        pytest.param({"smsMsgId": "a", "mobile_number": "1"}, ["mobile_number"], "", id="a field"),
        pytest.param({"smsMsgId": "a", "application": "x"}, ["application"], "", id="application"),
        pytest.param(
            {"smsMsgId": "a", "13800000001": 1}, ["a name that may be data"], "", id="data"
        ),
        pytest.param(
            {"smsMsgId": "a", "to": "10086", "originTo": "10010"}, [], "differ", id="two names"
        ),
        pytest.param(
            {"sends": [{"sms_msg_id": "a", "referense": "r"}]}, [], "`referense`", id="the API's"
        ),
        pytest.param({"smsMsgId": "a", "originTo": "10086"}, [], "", id="nothing"),
        pytest.param({"sms_msg_id": "a", "verdict": {}, "state": "pending"}, [], "", id="our own"),
    ],
)
def test_what_is_not_taken_of_a_line_is_told(
    line: dict[str, Any], names: list[str], note: str
) -> None:
    """Unknown fields beside known ones are named, as columns are."""
    export = opened(json.dumps(line))

    assert ids_of(list(export.rows())) == ["a"]
    assert list(export.unused) == names
    assert [at for reason, at in export.left_out.items() if note in reason] == [1] * bool(note)


# --- headers and encodings ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "columns", "said"),
    [
        pytest.param(
            "Task,Phone\nx,1\n", {"sms_msg_id": "Nope"}, "'Nope' .* Task, Phone", id="of the id"
        ),
        pytest.param(
            "Details,,\n\nTask,Phone,Sender\nx,1,\n", {"sms_msg_id": "Nope"},
            "'Nope' .* Task, Phone, Sender", id="under a title",
        ),
        pytest.param(
            "smsMsgId,Phone\nx,1\n", {"to": "Nope"}, "'Nope' .* smsMsgId, Phone", id="another one"
        ),
    ],
)  # fmt: skip
def test_a_column_that_is_not_there_is_named(
    content: str, columns: dict[str, str], said: str
) -> None:
    """`--map` of a column that does not exist says so, and which ones there are."""
    with pytest.raises(ExportError, match=said):
        opened(content, How(columns))


def test_a_field_of_json_that_is_not_there_is_named() -> None:
    """The same for lines of JSON, each of which may have other fields."""
    ((_, reason),) = faults_of(rows_of('{"smsMsgId": "x"}', How({"sms_msg_id": "Nope"})))

    assert "no field 'Nope'" in reason


@pytest.mark.parametrize(
    ("header", "zone", "expected"),
    [
        ("Sending Time (UTC+08:00)", UTC, "08"),
        ("发送时间（北京时间）", UTC, "08"),
        ("Sending Time [GMT+8]", UTC, "08"),
        ("sent_at (UTC)", CHINA, "16"),
        ("sent_at", CHINA, "08"),
    ],
)
def test_a_header_may_name_the_zone_of_its_times(header: str, zone: tzinfo, expected: str) -> None:
    """What the table itself says of its times takes precedence over the option."""
    (row,) = rows_of(f"smsMsgId,{header}\nx,2026-01-31 16:00:00\n", How(zone=zone))

    assert isinstance(row, SendRow)
    assert row.send.sent_at == times.parse(f"2026-01-31T{expected}:00:00Z")


TRADITIONAL = "簡訊ID,手機號碼,業務編號,傳送時間\nx,10086,訂單一,2026-01-31 16:00\n"
SIMPLIFIED = "短信ID,手机号码,业务编号,发送时间\nx,10086,订单一,2026-01-31 16:00\n"


@pytest.mark.parametrize(
    ("text", "encoding", "reference"),
    [
        (TRADITIONAL, "big5", "訂單一"),
        (TRADITIONAL, "gb18030", "訂單一"),
        (TRADITIONAL, "utf-8", "訂單一"),
        (SIMPLIFIED, "gb18030", "订单一"),
    ],
)
def test_characters_in_common_use_tell_the_encoding(
    text: str, encoding: str, reference: str
) -> None:
    """Big5 and GB18030 are told apart, and columns are recognised in both ways of writing."""
    content = text.replace("業務編號", "reference").encode(encoding)
    export = opened(content)
    (row,) = export.rows()

    assert export.detail == f"{encoding}, comma"
    assert not export.notes
    assert isinstance(row, SendRow)
    assert (row.send.reference, row.send.to) == (reference, "10086")
    assert row.send.sent_at is not None


@pytest.mark.parametrize(
    ("text", "encoding"),
    [("手機", "big5"), ("订单", "gb18030"), ("déjà vu, été", "cp1252"), ("注文メモ", "shift_jis")],
)
def test_an_encoding_that_is_not_certain_is_told_and_can_be_named(text: str, encoding: str) -> None:
    """Few or foreign characters leave doubts, which `--encoding` settles."""
    content = f'smsMsgId,reference\nx,"{text}"\n'.encode(encoding)

    assert any("--encoding" in note for note in opened(content).notes)
    export = opened(content, How(encoding=encoding))
    (row,) = export.rows()
    assert not export.notes
    assert isinstance(row, SendRow)
    assert row.send.reference == text


def test_an_encoding_that_does_not_exist_is_told() -> None:
    """Its name is repeated, and some that exist are given."""
    with pytest.raises(ExportError, match="encoding 'big-six' is unknown"):
        opened("smsMsgId\nx\n", How(encoding="big-six"))


# --- real layouts -------------------------------------------------------------------------------


@pytest.mark.parametrize("form", WRITERS)
@pytest.mark.parametrize("name", LAYOUTS)
def test_exports_of_the_platform_are_read_without_a_map(name: str, form: str) -> None:
    """Each send is found with its number, channel, template and time; no report refuses one."""
    layout = LAYOUTS[name]
    content = WRITERS[form](table(layout, "2ea20735"))
    export = opened(content, How(zone=CHINA))
    rows = list(export.rows())

    first, second, third = ids("2ea20735")
    assert ids_of(rows) == [first, second, third, third]
    assert [row.send.to for row in rows if isinstance(row, SendRow)] == [*NUMBERS, NUMBERS[-1]]
    (start, *_) = (row.send for row in rows if isinstance(row, SendRow))
    assert start.sent_at == times.parse("2026-01-31T08:00:00Z")
    assert (start.sender, start.template_id, start.status, start.country) == (
        "1069031221280000001",
        "8ff55eac1d0b478ab3c06c3c6a492300",
        None,
        None,
    )
    assert [line for line, _ in faults_of(rows)] == [len(layout.above) + 6] * bool(layout.below)
    assert export.columns is not None
    assert {"状态码", "Status Code"} & set(export.columns.unused)


@pytest.mark.parametrize("rows", WITHOUT_IDS.values(), ids=WITHOUT_IDS)
def test_lists_without_ids_are_explained(rows: list[list[str]]) -> None:
    """Numbers for the assistant and its record of tasks bind nothing, and say so."""
    with pytest.raises(ExportError, match="which is required to match reports"):
        opened(as_csv(rows))
