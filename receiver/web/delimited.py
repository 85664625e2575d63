"""CSV for spreadsheets: which columns there are, and cells that nothing can run or calculate."""

import csv
import io
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

Json = Mapping[str, Any]
Columns = Mapping[str, Callable[[Json], Any]]  # header -> the value in an item

# Without it spreadsheets take the file for one in a local encoding.
BYTE_ORDER_MARK = "\ufeff"
_ACCEPTED = "000000"

# What begins a formula; the wide and small forms are read as the plain ones in some languages.
_SIGNS = r"=+\-@\u207a\u207b\u2212\ufe62\ufe63\ufe66\ufe6b\uff0b\uff0d\uff1d\uff20"
_BLANKS = r"\s\u200b\u200c\u200d\u2060\ufeff"
_BEGINS_FORMULA = re.compile(rf"[\t\r\n]|[{_BLANKS}]*[{_SIGNS}]")
# Some spreadsheets part cells at semicolons and tabs, and rows at line ends: what stands behind
# one of them can come to stand at the beginning of a cell.
_AFTER_SEPARATOR = re.compile(rf"(?<![{_BLANKS};])[{_BLANKS};]+(?=[{_SIGNS}])")
_SEPARATORS = frozenset(";\t\r\n\v\f\x85\u2028\u2029")
# A spreadsheet takes these for numbers, of which it shows 12 digits and keeps 15.
_CALCULATED = re.compile(rf"[{_BLANKS}]*(?:0[0-9]+|[0-9]{{12,}}|[0-9]+(?:\.[0-9]+)?[eE][0-9]+)")


def defused(text: str) -> str:
    """Write a cell as text to a spreadsheet: behind an apostrophe where it would be more.

    What begins with an apostrophe gets another, so that whoever reads takes away exactly one.
    """
    text = _AFTER_SEPARATOR.sub(_part, text)
    if text.startswith("'") or _BEGINS_FORMULA.match(text) or _CALCULATED.fullmatch(text):
        return "'" + text
    return text


def _part(found: re.Match[str]) -> str:
    if found.start() == 0 or _SEPARATORS.isdisjoint(found[0]):
        return found[0]
    return found[0] + "'"


def header_line(columns: Columns) -> str:
    """Write the first line."""
    return BYTE_ORDER_MARK + _line(columns)


def item_line(columns: Columns, item: Json) -> str:
    """Write the line of an item."""
    return _line(_cell(value(item)) for value in columns.values())


def _line(cells: Iterable[str]) -> str:
    line = io.StringIO(newline="")
    csv.writer(line).writerow(cells)  # as RFC 4180 has it
    return line.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return defused(" ".join(map(str, value)))
    return defused(value) if isinstance(value, str) else str(value)


def _at(*path: str) -> Callable[[Json], Any]:
    """Take the value at a place in an item; None where somebody on the way is null."""

    def take(item: Json) -> Any:
        value: Any = item
        for name in path:
            value = None if value is None else value[name]
        return value

    return take


def _send_status(message: Json) -> str | None:
    """Give what the platform answered to the send, as in its response."""
    for event in message["timeline"]:
        if event["event"] in ("sent", "refused"):
            return _ACCEPTED if event["event"] == "sent" else event["code"]
    return None


def _named(*names: str) -> Columns:
    return {name: _at(name) for name in names}


MESSAGES: Columns = {
    **_named("sms_msg_id", "application", "state", "final", "conflict"),
    "send_status": _send_status,
    **_named("code", "org_code", "status_desc", "to", "from", "country", "extend", "reference"),
    **_named("template_id", "text_length", "registered", "sent_at", "delivered_at"),
    **_named("delivery_seconds", "first_report_at", "last_report_at", "total"),
    **{
        name: _at("verdict", name)
        for name in (
            *("action", "category", "retryable", "not_before", "suppress_recipient", "billable"),
            *("duplicate_risk", "meaning", "cause", "suggestion"),
        )
    },
    "anomalies": _at("anomalies"),
    "previous_attempt": _at("attempts", "previous"),
    "next_attempt": _at("attempts", "next"),
    "trust": _at("trust"),
}

UPLINKS: Columns = {
    **_named("sms_msg_id", "application", "from", "to", "body", "original_body"),
    **_named("created_at", "received_at", "redeliveries", "trust", "intent"),
    **{
        f"answers_{name}": _at("answers", name)
        for name in ("sms_msg_id", "reference", "extend", "rule", "ambiguous")
    },
}
