"""Journal rows without the data of one person; data of others stays."""

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from receiver.domain.compact_json import write_json
from receiver.domain.inputs import Send
from receiver.domain.messages.state import Key
from receiver.domain.privacy.number_matcher import Writings
from receiver.huawei import charsets, wire
from receiver.huawei.items import id_of
from receiver.huawei.registration import RegistrationError, read_registration, write_registration
from receiver.journal import EntryKind, Row


@dataclass(frozen=True, slots=True)
class Person:
    """The person to erase: the number, and the ids of the person's messages and uplinks.

    Reports about messages to others that name the person stay, without the number.
    """

    writings: Writings
    ids: Collection[Key] = field(default_factory=frozenset)
    others: Collection[Key] = field(default_factory=frozenset)
    keeps_suppression: bool = False  # what was set manually stays in the journal too


# Digits may stand escaped, though hardly anybody writes them so; a look into the body then tells.
# Digits of UTF-16 stand beside NULs; the last two are the full-width ones of GBK.
_ESCAPED = re.compile(rb"%3[0-9]|\\u(?:003|[fF][fF]1)[0-9]|\0|%00|\xa3[\xb0-\xb9]|%[aA]3%[bB][0-9]")
_ODD_ID = re.compile(rb"[^A-Za-z0-9_.~-]")  # escaped, or surrounded by what is not seen
_IDS = re.compile(rb'smsMsgId(?:"\s*:\s*"|=)([^"&]+)|sms_msg_id"\s*:\s*"([^"]+)')


def as_written(ids: Iterable[Key]) -> set[bytes]:
    """Return ids as they stand in bodies."""
    plain = {sms_msg_id for _, sms_msg_id in ids}
    escaped = {quote(sms_msg_id, safe="") for sms_msg_id in plain}
    return {one.encode(errors="surrogateescape") for one in plain | escaped}


def may_be_about(row: Row, person: Person, written: Collection[bytes]) -> bool:
    """Tell cheaply whether a row may have to be changed.

    Args:
        row: of the journal.
        person: the person to erase.
        written: the person's ids, as written in bodies.
    """
    if row.kind == EntryKind.FORGOTTEN or (
        row.kind == EntryKind.SUPPRESSION and person.keeps_suppression
    ):
        return False
    if person.writings.in_bytes(row.body) or person.writings.in_text(row.headers):
        return True
    for found in _IDS.findall(row.body) if written else ():
        sms_msg_id = found[0] or found[1]
        if sms_msg_id in written or _ODD_ID.search(sms_msg_id):
            return True
    return _ESCAPED.search(row.body) is not None


def scrub(row: Row, person: Person) -> Row | None:
    """Return a row without the person, of the same size where it can be; None: it may stay.

    The row must be in the store: what cannot be written without the person is blanked.
    """
    body = _scrub_body(row, person)
    headers = person.writings.cover(row.headers)
    if body is None or (body != row.body and _still_holds(row.kind, body, person)):
        # Of the same size, so that SQLite writes it in its place and moves no other row.
        size = max(0, len(row.body) + len(row.kind) - len(EntryKind.FORGOTTEN))
        return row._replace(kind=EntryKind.FORGOTTEN, headers=headers, body=b" " * size)
    if body == row.body and headers == row.headers:
        return None
    return row._replace(headers=headers, body=body)


def _scrub_body(row: Row, person: Person) -> bytes | None:
    """Return the body without the person; None when nothing is left of it."""
    try:
        match row.kind:
            case EntryKind.SENDS:
                return _scrub_sends(row, person)
            case EntryKind.SUPPRESSION:
                return _scrub_word(row, person)
            case EntryKind.UNUSABLE:
                return _scrub_unread(row, person)
            case _:
                return _scrub_push(row, person)
    except (wire.UnusableError, RegistrationError, ValueError, RecursionError):
        return _scrub_unread(row, person)


def _scrub_unread(row: Row, person: Person) -> bytes | None:
    """Blank what nobody can read and what holds the number; it was never acknowledged."""
    return None if person.writings.in_unread(row.body) else row.body


def _still_holds(kind: str, body: bytes, person: Person) -> bool:
    """Return whether the number is left in a body that was rewritten."""
    writings = person.writings
    if kind == EntryKind.UNUSABLE:
        return writings.in_unread(body)
    try:
        if body.lstrip()[:1] == b"{":
            return writings.in_value(wire.load_json(body))
        return _in_fields(body, writings)
    except (ValueError, RecursionError):
        return writings.in_unread(body)


def ids_of(row: Row, person: Person) -> set[Key]:
    """Return the ids by which a row knows messages to the person, and uplinks from them.

    The store may have forgotten them already, when forgetting was ended in the middle.
    """
    try:
        if row.kind == EntryKind.SENDS:
            sends = read_registration(row.body).sends
            return {
                (row.application, send.sms_msg_id)
                for send in sends
                if person.writings.is_it(send.to)
            }
        if row.kind in (EntryKind.SUPPRESSION, EntryKind.UNUSABLE, EntryKind.FORGOTTEN):
            return set()
        _, items = _read_push(row)
    except (wire.UnusableError, RegistrationError, ValueError, RecursionError):
        return set()
    return {
        (row.application, id_of(item))
        for item in items
        if "smsMsgId" in item and _mentions_subject(item, person)
    }


def _scrub_word(row: Row, person: Person) -> bytes | None:
    word = json.loads(row.body)
    if person.writings.is_it(word["number"]):
        return None
    if not person.writings.in_value(word):
        return row.body
    return _padded(write_json(person.writings.cover_value(word)), row.body)


def _scrub_sends(row: Row, person: Person) -> bytes | None:
    sends = read_registration(row.body).sends
    kept = [
        _covered(send, person.writings)
        for send in sends
        if not (_is_theirs(row, send.sms_msg_id, person) or person.writings.is_it(send.to))
    ]
    if kept == sends and not _is_in_json(row, wire.load_json(row.body), person):
        return row.body
    return _padded(write_registration(kept), row.body) if kept else None


def _covered(send: Send, writings: Writings) -> Send:
    return replace(
        send,
        reference=_cover(send.reference, writings),
        extend=_cover(send.extend, writings),
        template_id=_cover(send.template_id, writings),
        sender=_cover(send.sender, writings),
        retry_of=_cover(send.retry_of, writings),
    )


def _cover(text: str | None, writings: Writings) -> str | None:
    return None if text is None else writings.cover(text)


def _scrub_push(row: Row, person: Person) -> bytes | None:
    kind, items = _read_push(row)
    if kind is wire.PushKind.BATCH:
        return _scrub_batch(row, person)
    (item,) = items
    if _belongs_to_subject(row, item, person):
        return None
    writings = person.writings
    if not _in_fields(row.body, writings):
        # In another charset than UTF-8 the number cannot be made unreadable: nothing stays.
        return None if any(writings.in_text(str(text)) for text in item.values()) else row.body
    covered = writings.cover_bytes(row.body)
    if not _in_fields(covered, writings):
        return covered
    fields = [(writings.cover(name), writings.cover(value)) for name, value in _fields(row.body)]
    written = urlencode(fields)
    return written.encode(errors="surrogateescape")


def _read_push(row: Row) -> tuple[wire.PushKind, list[Mapping[str, Any]]]:
    """Return the usable items of a push, their texts read."""
    push = wire.sift(row.body, row.headers)
    writing = charsets.writing_of(push.items, row.headers)
    return push.kind, [charsets.readable(item, writing) for item in push.items]


def _fields(form: bytes) -> list[tuple[str, str]]:
    """Return the names and values of a form, those given twice too."""
    text = form.decode(errors="surrogateescape")
    return parse_qsl(text, keep_blank_values=True)


def _in_fields(form: bytes, writings: Writings) -> bool:
    return any(writings.in_text(text) for field in _fields(form) for text in field)


def _scrub_batch(row: Row, person: Person) -> bytes | None:
    document = wire.load_json(row.body, row.headers)
    items = document["statusReportList"]
    writing = charsets.writing_of(filter(_is_object, items), row.headers)
    kept = [
        person.writings.cover_value(item)
        for item in items
        if not (
            _is_object(item) and _belongs_to_subject(row, charsets.readable(item, writing), person)
        )
    ]
    if kept == items and not _is_in_json(row, document, person):
        return row.body
    if not kept:
        return None
    beside = {name: value for name, value in document.items() if name != "statusReportList"}
    whole = {**person.writings.cover_value(beside), "statusReportList": kept}
    return _padded(write_json(whole), row.body)


def _is_in_json(row: Row, document: Any, person: Person) -> bool:
    """Tell whether a row's JSON holds the number, in a member that is given again behind it too."""
    return person.writings.in_value(document) or person.writings.in_unread(row.body)


def _is_object(item: Any) -> bool:
    return isinstance(item, dict)


def _belongs_to_subject(row: Row, item: Mapping[str, Any], person: Person) -> bool:
    """Return whether a push's item is about a message to the person, or an uplink from them."""
    sms_msg_id = id_of(item) if "smsMsgId" in item else ""
    if row.kind == wire.PushKind.UPLINK:  # others may have written under the same id
        return person.writings.in_text(sms_msg_id) or _mentions_subject(item, person)
    if _is_theirs(row, sms_msg_id, person):
        return True
    return (row.application, sms_msg_id) not in person.others and _mentions_subject(item, person)


def _mentions_subject(item: Mapping[str, Any], person: Person) -> bool:
    return any(person.writings.is_it(str(item[name])) for name in ("to", "from") if name in item)


def _is_theirs(row: Row, sms_msg_id: str, person: Person) -> bool:
    return (row.application, sms_msg_id) in person.ids or person.writings.in_text(sms_msg_id)


def _padded(body: bytes, was: bytes) -> bytes:
    """Return JSON of the former size, blanks behind it."""
    return body.ljust(len(was))
