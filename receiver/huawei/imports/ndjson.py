"""NDJSON: one JSON document per line, an entry or a complete registration."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from io import BufferedReader
from itertools import chain, islice
from typing import Any

from receiver.domain import times
from receiver.domain.identifiers import clean
from receiver.domain.inputs import Send
from receiver.domain.members import RepeatedError, single
from receiver.domain.numbers import normalise
from receiver.huawei.imports.cells import CellError, read_time, with_plus
from receiver.huawei.imports.columns import looks_like_report
from receiver.huawei.imports.doubts import (
    AHEAD,
    LASTING,
    LEARNT_FROM,
    NO_SEND,
    UNLIKE,
    Likeness,
    doubt_of_id,
    doubt_of_send,
    is_of_platform,
    is_total,
)
from receiver.huawei.imports.headers import COLUMN_NAMES, ID, REJECTED
from receiver.huawei.imports.rows import NEVER_REGISTERED, Fault, How, Row, SendRow
from receiver.huawei.registration import FIELDS, RegistrationError, read_registration, read_send
from receiver.huawei.registration_fields import response_status

LONGEST_LINE = 16 * 1024 * 1024  # bytes; a response of 1,000 entries has about 250,000
_WHOLE = ("sends", "response", "result", "code")  # a document with one of these and no id
_REJECT = {*REJECTED, "row"}
_MOST_LEFT_OUT = 50
_LONGEST_NAME = 40
_TELLING = re.compile(r"[0-9]{5}")  # names have none; data may stand in their place
_MARK = b"\xef\xbb\xbf"

Json = dict[str, Any]


class LeftOut:
    """What the lines of a file say and what is not taken; of many kinds the first are kept.

    Attributes:
        names: of fields, in the order of the lines.
        notes: what else was left out, and where first.
    """

    def __init__(self) -> None:
        self.names: dict[str, None] = {}
        self.notes: dict[str, int] = {}

    def see_names(self, names: Iterable[str]) -> None:
        """Take the names of fields that are unknown."""
        for name in sorted(names):
            if len(self.names) < _MOST_LEFT_OUT:
                may_be_data = len(name) > _LONGEST_NAME or _TELLING.search(name)
                self.names["a name that may be data" if may_be_data else name] = None

    def see_note(self, line: int, reason: str) -> None:
        """Take what was left out of a line."""
        if len(self.notes) < _MOST_LEFT_OUT:
            self.notes.setdefault(reason, line)


class Lines:
    """The lines of a file.

    Attributes:
        left_out: what they say and what is not taken, as far as they are read.
    """

    def __init__(self, stream: BufferedReader, how: How) -> None:
        self._stream, self._how = stream, how
        self._names = _names(how.columns)
        self._several = [keys for keys in self._names.values() if len(keys) > 1]
        self._known = frozenset(chain.from_iterable(self._names.values()))
        self.left_out = LeftOut()

    def rows(self) -> Iterator[Row]:
        """Read sends line by line; empty lines are passed over."""
        rows = self._read()
        head = list(islice(rows, LEARNT_FROM))
        ids = Likeness()
        for row in head:
            if isinstance(row, SendRow):
                ids.see(row.line, row.send.sms_msg_id)
        for row in chain(head, rows):
            if isinstance(row, SendRow) and not _is_ours(row.raw) and _is_odd(row.send, ids):
                yield Fault(row.line, UNLIKE, row.raw)
            else:
                yield row

    def _read(self) -> Iterator[Row]:
        number = 0
        while line := self._stream.readline(LONGEST_LINE):
            number += 1
            if number == 1:
                line = line.removeprefix(_MARK)
            if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
                _skip_line(self._stream)
                yield Fault(number, f"The line has more than {LONGEST_LINE:,} bytes.", None)
            elif not line.isspace():
                yield from self._read_line(number, line)

    def _read_line(self, number: int, line: bytes) -> Iterator[Row]:
        said = None
        try:
            document = _load(line)
            if isinstance(document, dict) and document.keys() == _REJECT:
                line, said = _row_of(document), document["reason"]
                document = _load(line)
        except RepeatedError as error:
            yield Fault(number, str(error), _text(line))
            return
        except (ValueError, RecursionError):
            yield Fault(number, "The line is not valid JSON.", _text(line))
            return
        for row in self._read_document(number, line, document):
            if said in LASTING and isinstance(row, SendRow):
                is_good = is_of_platform(row.send.sms_msg_id)
                yield row if is_good else Fault(number, said, row.raw)
            else:
                yield row

    def _read_document(self, number: int, line: bytes, document: Any) -> Iterator[Row]:
        if not isinstance(document, dict):
            yield Fault(number, "The line is not a JSON object.", _text(line))
        elif not any(key in document for key in self._names[ID]) and any(
            key in document for key in _WHOLE
        ):
            yield from self._read_whole(number, line, document)
        else:
            yield self._read_entry(number, document)

    def _read_entry(self, number: int, document: Json) -> Row:
        how, is_ours = self._how, _is_ours(document)
        reason = self._doubt_of(document)
        if reason is not None:
            return Fault(number, reason, document)
        try:
            send = read_send(_entry(document, self._names, how))
        except (CellError, RegistrationError) as error:
            return Fault(number, str(error), document)
        if not is_ours:
            self._see_left_out(number, document)
        application = document.get("application") if is_ours else None
        return _found(number, send, application, document, how)

    def _doubt_of(self, document: Json) -> str | None:
        """Return why a document is no send; None when nothing speaks against it."""
        wanted = self._how.columns.get(ID)
        if wanted is not None and wanted not in document:
            return f"The line has no field {wanted!r} for `{ID}`. Name the field with --map."
        if "answers" in document and "body" in document:
            return "The line is an uplink, not a send."
        if _is_ours(document) and document.get("registered") is False:
            return NEVER_REGISTERED
        if len(_differing(document, self._names[ID])) > 1:
            return f"`{ID}` is given under several names with different values. A send has one id."
        return None

    def _see_left_out(self, number: int, document: Json) -> None:
        self.left_out.see_names(document.keys() - self._known)
        for keys in self._several:
            differing = _differing(document, keys)
            if len(differing) > 1:
                told = ", ".join(f"`{key}`" for key in differing)
                self.left_out.see_note(
                    number,
                    f"{told} are names of the same field but have different values. The "
                    "first one is used.",
                )

    def _read_whole(self, number: int, line: bytes, document: Json) -> Iterator[Row]:
        try:
            registration = read_registration(line, is_new=True)
        except RegistrationError as error:
            yield Fault(number, str(error), document)
            return
        for note in registration.ignored:
            self.left_out.see_note(number, note.reason)
        for send in registration.sends:
            yield _found(number, send, registration.application, document, self._how)
        for rejected in registration.rejected:
            yield Fault(number, f"Entry {rejected.index + 1}: {rejected.reason}", document)


def _load(line: bytes) -> Any:
    return json.loads(line, object_pairs_hook=single)


def _differing(document: Json, keys: Iterable[str]) -> list[str]:
    """Return which names of one field are given, where they say different things."""
    given = [key for key in keys if document.get(key) not in (None, "")]
    if len(given) < 2 or len({normalise(str(document[key])) for key in given}) < 2:  # noqa: PLR2004
        return []
    return given


def _skip_line(stream: BufferedReader) -> None:
    while (line := stream.readline(LONGEST_LINE)) and not line.endswith(b"\n"):
        pass


def _names(columns: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Return the keys that may carry each field, by our name for it."""
    names: dict[str, tuple[str, ...]] = {}
    for name in COLUMN_NAMES:
        own = columns.get(name)
        names[name] = FIELDS[name] if own is None else (own,) if own else ()
    return names


def _row_of(reject: Json) -> bytes:
    """Return the line that a reject holds: of one that was no JSON its text, to be corrected."""
    row = reject["row"]
    return (row if isinstance(row, str) else json.dumps(row)).encode(errors="replace")


def _found(number: int, send: Send, application: str | None, document: Json, how: How) -> Row:
    doubt = (
        None if _is_ours(document) else _doubt_of_id(send) or doubt_of_send(send, how.now + AHEAD)
    )
    return (
        SendRow(number, send, application, document)
        if doubt is None
        else Fault(number, doubt, document)
    )


def _is_odd(send: Send, ids: Likeness) -> bool:
    """Return whether an id is not the platform's where most are."""
    return ids.is_platform and not ids.fits(send.sms_msg_id)


def _doubt_of_id(send: Send) -> str | None:
    text = send.sms_msg_id
    if is_of_platform(text):
        return None
    return NO_SEND if is_total(text) else doubt_of_id(text)


def _is_ours(document: object) -> bool:
    """Return whether it is a message as the receiver itself shows it."""
    return isinstance(document, dict) and "verdict" in document


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
    # A report says what happened to a message that was sent; its code is no refusal.
    if status is not None:
        entry["status"] = (
            None if looks_like_report(document) else response_status(clean(str(status)))
        )
    return entry


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace").rstrip("\r\n")
