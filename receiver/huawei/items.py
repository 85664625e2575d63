"""Usable items of a push -> events: what each documented field means (callbacks.md)."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from receiver.domain import times, whole_numbers
from receiver.domain.identifiers import clean
from receiver.domain.inputs import UNREADABLE_SEQUENCE, UNREADABLE_TOTAL, StatusReport, Uplink
from receiver.domain.messages.state import MOST_PARTS
from receiver.domain.storable import is_storable
from receiver.huawei import charsets
from receiver.huawei.charsets import Writing
from receiver.huawei.mojibake import repair

LONGEST_TEXT = 255  # characters that are kept of other fields; documented: up to 128
LONGEST_DESCRIPTION = 2000  # documented: 500
_MOST_SOURCES = 3  # 1 SMS platform, 2 SMSC, 3 Huawei platform


def read_report(item: Mapping[str, Any], writing: Writing | None = None) -> StatusReport:
    """Turn a usable item of a status push into an event (field table of sms_05_0003).

    Args:
        item: as `sift` or a stored `raw` gives it.
        writing: how its push is written; None: as the item itself shows it.
    """
    raw, item = dict(item), _readable(item, writing)
    update_time = _identifier(item.get("updateTime")) or ""
    sequence = read_number(item.get("sequence"), 0, MOST_PARTS, UNREADABLE_SEQUENCE)
    return StatusReport(
        sms_msg_id=id_of(item),
        status=_status(item),
        sequence=1 if sequence is None else sequence,
        total=read_number(item.get("total"), 1, MOST_PARTS, UNREADABLE_TOTAL),
        source=read_number(item.get("source"), 1, _MOST_SOURCES, None),
        updated_at=read_time(update_time),
        update_time=update_time,
        status_desc=_text(item.get("statusDesc"), LONGEST_DESCRIPTION),
        org_code=_identifier(item.get("orgCode")),
        extend=_identifier(item.get("extend")),
        to=_identifier(item.get("to")),
        raw=raw,
    )


def read_uplink(item: Mapping[str, Any], writing: Writing | None = None) -> Uplink:
    """Turn a usable uplink form into an event (field table of sms_05_0004).

    Args:
        item: as `sift` or a stored `raw` gives it.
        writing: how its push is written; None: as the item itself shows it.
    """
    came, raw, item = str(item["body"]), dict(item), _readable(item, writing)
    reading = charsets.read(came, writing or charsets.writing_of([raw]))
    text = repair(reading.text)
    body, guesses = charsets.written(text), charsets.guesses(came)
    create_time = _identifier(item.get("createTime")) or ""
    return Uplink(
        sms_msg_id=id_of(item),
        sender=_needed(item, "from"),
        to=_needed(item, "to"),
        body=body,
        original_body=charsets.written(came) if body != came else None,
        created_at=read_time(create_time),
        create_time=create_time,
        text=None if is_storable(text) else text,
        is_guess=reading.is_guess,
        guesses=(*([text] if reading.is_guess else []), *guesses, *_unescaped(text)),
        raw=raw,
    )


def _unescaped(text: str) -> list[str]:
    """Return what a text says if it was escaped for a form more often than needed."""
    if "%" not in text:
        return []
    once = unquote(text.replace("+", " "))
    return [once, unquote(once.replace("+", " "))]


def _readable(item: Mapping[str, Any], writing: Writing | None) -> Mapping[str, Any]:
    return charsets.readable(item, writing or charsets.writing_of([item]))


def _status(item: Mapping[str, Any]) -> str:
    """Read the code, which has no percent sign of its own: one was escaped more than needed."""
    status = _needed(item, "status")
    return clean(unquote(status)) or status if "%" in status else status


def id_of(item: Mapping[str, Any]) -> str:
    """Return the id of the message or uplink that an item is about, its texts read."""
    return _needed(item, "smsMsgId")


def _needed(item: Mapping[str, Any], name: str) -> str:
    return charsets.written(clean(repair(str(item[name]))))


def read_time(text: str) -> int | None:
    """Read the platform's `yyyy-MM-dd'T'HH:mm:ss'Z'`, escaped once more than needed too.

    None when it is absent, no time, or lacks the time of day: none is made up. A time without a
    zone is UTC, which is what the platform documents for these fields (sms_05_0003).
    """
    if not text:
        return None
    return times.parse_moment(unquote(text) if "%" in text else text)


def _identifier(value: Any) -> str | None:
    """Read an optional field that is compared with others: surrounded by nothing invisible."""
    if isinstance(value, str):
        # Repaired first: what cleaning takes away may be half of a character then.
        value = clean(repair(value))
    return _text(value)


def _text(value: Any, longest: int = LONGEST_TEXT) -> str | None:
    """Read an optional field of whatever type; empty counts as absent, `raw` keeps all of it."""
    if value is None or value == "":
        return None
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    # ASCII texts, nearly all of them, can at most hold a NUL.
    if not text.isascii() or "\x00" in text:
        text = charsets.written(repair(text))
    return text[:longest]


def read_number(value: Any, lowest: int, highest: int, unreadable: int | None) -> int | None:
    """Read an optional whole number.

    Args:
        value: the field, of whatever type.
        lowest: the least that it can be.
        highest: the most.
        unreadable: what a value stands for that is there and is no such number.

    Returns:
        The number, None when the field is absent or empty, else `unreadable`.
    """
    if value is None:
        return None
    if isinstance(value, str):
        value = repair(value)
    number = whole_numbers.read(value, lowest, highest)
    if number is not None:
        return number
    return unreadable if whole_numbers.is_given(value) else None
