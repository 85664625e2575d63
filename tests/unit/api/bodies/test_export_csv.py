"""CSV for spreadsheets: the header, and one line for each item."""

import csv
import io

from receiver.api.bodies.export_csv import BYTE_ORDER_MARK, header_line, item_line


def test_a_line_is_read_back_as_it_was() -> None:
    """RFC 4180: commas, quotation marks and line ends within cells, CRLF between lines."""
    item = {"a": 'x,"y"\nz', "b": True, "c": None, "d": 1.5, "e": ["late", "total_changed"]}
    columns = {name: (lambda item, name=name: item[name]) for name in item}
    text = header_line(columns) + item_line(columns, item)
    assert text.startswith(BYTE_ORDER_MARK)
    assert text.count("\r\n") == 2
    header, row = csv.reader(io.StringIO(text.removeprefix(BYTE_ORDER_MARK), newline=""))
    assert header == list("abcde")
    assert row == ['x,"y"\nz', "true", "", "1.5", "late total_changed"]


def test_texts_are_defused_and_numbers_are_not() -> None:
    """Only texts come from strangers: a number of ours may be negative."""
    columns = {name: (lambda item, name=name: item[name]) for name in ("text", "list", "number")}
    line = item_line(columns, {"text": "-1", "list": ["=1", "b"], "number": -1})
    assert line == "'-1,'=1 b,-1\r\n"
