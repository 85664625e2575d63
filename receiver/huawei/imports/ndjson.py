"""NDJSON: one JSON document a line, an entry or a whole registration."""

import json
from collections.abc import Iterator, Mapping
from io import BufferedReader
from typing import Any

from receiver.domain import times
from receiver.domain.identifiers import clean
from receiver.domain.inputs import Send
from receiver.huawei.imports.cells import CellError, read_time, with_plus
from receiver.huawei.imports.columns import looks_like_report
from receiver.huawei.imports.doubts import AHEAD, doubt_of_send
from receiver.huawei.imports.headers import COLUMN_NAMES, ID, REJECTED
from receiver.huawei.imports.rows import NEVER_REGISTERED, Fault, How, Row, SendRow
from receiver.huawei.registration import FIELDS, RegistrationError, read_registration, read_send
from receiver.huawei.registration_fields import response_status

LONGEST_LINE = 16 * 1024 * 1024  # bytes; a response of 1,000 entries has about 250,000
_WHOLE = ("sends", "response", "result", "code")  # a document with one of these and no id
_REJECT = {*REJECTED, "row"}
_MARK = b"\xef\xbb\xbf"

Json = dict[str, Any]


def read_lines(stream: BufferedReader, how: How) -> Iterator[Row]:
    """Read sends line by line; empty lines are passed over."""
    names = _names(how.columns)
    number = 0
    while line := stream.readline(LONGEST_LINE):
        number += 1
        if number == 1:
            line = line.removeprefix(_MARK)
        if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
            _skip_line(stream)
            yield Fault(number, f"The line has more than {LONGEST_LINE:,} bytes.", None)
        elif not line.isspace():
            yield from _read_line(number, line, names, how)


def _skip_line(stream: BufferedReader) -> None:
    while (line := stream.readline(LONGEST_LINE)) and not line.endswith(b"\n"):
        pass


def _names(columns: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Give our name -> the keys that may carry the field."""
    names: dict[str, tuple[str, ...]] = {}
    for name in COLUMN_NAMES:
        own = columns.get(name)
        names[name] = FIELDS[name] if own is None else (own,) if own else ()
    return names


def _read_line(
    number: int, line: bytes, names: Mapping[str, tuple[str, ...]], how: How
) -> Iterator[Row]:
    try:
        document = json.loads(line)
        if isinstance(document, dict) and document.keys() == _REJECT:
            line = _row_of(document)
            document = json.loads(line)
    except (ValueError, RecursionError):
        yield Fault(number, "The line is not valid JSON.", _text(line))
        return
    if not isinstance(document, dict):
        yield Fault(number, "The line is no JSON object.", _text(line))
    elif not any(key in document for key in names[ID]) and any(k in document for k in _WHOLE):
        yield from _read_whole(number, line, document, how)
    elif ID in how.columns and how.columns[ID] not in document:
        yield Fault(number, f"The line has no field {how.columns[ID]!r} for `{ID}`.", document)
    elif "answers" in document and "body" in document:
        yield Fault(number, "This is an uplink, and no send.", document)
    elif _is_ours(document) and document.get("registered") is False:
        yield Fault(number, NEVER_REGISTERED, document)
    else:
        try:
            send = read_send(_entry(document, names, how))
            application = document.get("application") if _is_ours(document) else None
            yield _found(number, send, application, document, how)
        except (CellError, RegistrationError) as error:
            yield Fault(number, str(error), document)


def _row_of(reject: Json) -> bytes:
    """Return the line that a reject holds: of one that was no JSON its text, to be corrected."""
    row = reject["row"]
    return (row if isinstance(row, str) else json.dumps(row)).encode(errors="replace")


def _found(number: int, send: Send, application: str | None, document: Json, how: How) -> Row:
    doubt = None if _is_ours(document) else doubt_of_send(send, how.now + AHEAD)
    return (
        SendRow(number, send, application, document)
        if doubt is None
        else Fault(number, doubt, document)
    )


def _is_ours(document: Json) -> bool:
    """Tell whether it is a message as the receiver itself shows it."""
    return "verdict" in document


def _entry(document: Json, names: Mapping[str, tuple[str, ...]], how: How) -> Json:
    entry = {
        name: next((document[key] for key in keys if document.get(key) not in (None, "")), None)
        for name, keys in names.items()
    }
    sent_at, to, status = entry["sent_at"], entry["to"], entry["status"]
    if isinstance(sent_at, str):
        moment = read_time(clean(sent_at), "sent_at", how.zone)
        entry["sent_at"] = sent_at if moment is None else times.to_rfc3339(moment)
    if how.international and isinstance(to, str):
        entry["to"] = with_plus(clean(to))
    if _is_ours(document):
        status = document.get("code") if document.get("state") == "refused" else None
        entry["status"] = None if status is None else response_status(clean(str(status)))
        attempts = document.get("attempts")
        entry["retry_of"] = attempts.get("previous") if isinstance(attempts, dict) else None
        return entry
    # A report says what became of a message that was sent; its code is no refusal.
    if status is not None:
        entry["status"] = (
            None if looks_like_report(document) else response_status(clean(str(status)))
        )
    return entry


def _read_whole(number: int, line: bytes, document: Json, how: How) -> Iterator[Row]:
    try:
        registration = read_registration(line)
    except RegistrationError as error:
        yield Fault(number, str(error), document)
        return
    for send in registration.sends:
        yield _found(number, send, registration.application, document, how)
    for rejected in registration.rejected:
        yield Fault(number, f"Entry {rejected.index + 1}: {rejected.reason}", document)


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace").rstrip("\r\n")
