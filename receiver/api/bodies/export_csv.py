"""CSV for spreadsheets: its columns, and cells that no spreadsheet can execute."""

import csv
import io
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from receiver.domain.spreadsheets import defused

Json = Mapping[str, Any]
Columns = Mapping[str, Callable[[Json], Any]]  # header -> the value in an item

# Without it spreadsheets take the file for one in a local encoding.
BYTE_ORDER_MARK = "\ufeff"
_ACCEPTED = "000000"


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
    """Return what the platform answered to the send, as in its response."""
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
    "retry_decision": _at("retry", "decision"),
    "retry_reason": _at("retry", "reason"),
    "retry_deadline": _at("retry", "deadline"),
    "anomalies": _at("anomalies"),
    "previous_attempt": _at("attempts", "previous"),
    "next_attempt": _at("attempts", "next"),
    "attempts": _at("attempts", "count"),
    "attempts_outcome": _at("attempts", "outcome"),
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
