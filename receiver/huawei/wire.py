"""Bytes of a push <-> inputs: the only module that knows the platform's format.

`sift` is what the public edge needs: which push is this, and which of its items are usable. The
projector later turns the sifted items into events (`items`); an item that passed `sift` never fails
there.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple
from urllib.parse import unquote, unquote_to_bytes

from receiver.domain.identifiers import clean
from receiver.domain.numbers import seen
from receiver.domain.steps import Steps, finish
from receiver.domain.storable import is_storable
from receiver.huawei import batches, charsets, json_reader
from receiver.huawei.unused import LIST, Unused

MOST_FIELDS = 64  # a documented push has 9
DEEPEST_ITEM = 16  # levels; the documented fields have none
LONGEST_ID = 255  # documented: 50
LONGEST_STATUS = 64  # documented: 7; the longest known code has 11
MOST_BAD = 50  # items of a push that are kept one by one; documented: 50 items in all
MANY_VALUES = 4096  # of a JSON; a documented batch has up to 502

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_BEFORE_VALUES = (b",", b"{", b"[")  # with one value or none behind each
_UNREAD = object()  # in place of items that could not be read
_TOO_DEEP = "The item is nested too deeply."
_TOO_LONG = (
    f"The item is not valid JSON of at most {batches.LONGEST_ITEM} characters. Nothing "
    "after it was read."
)
_NOT_WRITABLE = (_TOO_DEEP, _TOO_LONG)  # items of which no JSON can be made again


class PushKind(StrEnum):
    """The three pushes of the platform, told apart by content."""

    STATUS = "status"
    BATCH = "batch"
    UPLINK = "uplink"


# The fields without which an item cannot be used, and how long each may be.
_NEEDED: Mapping[PushKind, Mapping[str, int]] = {
    PushKind.STATUS: {"smsMsgId": LONGEST_ID, "status": LONGEST_STATUS},
    PushKind.UPLINK: {"smsMsgId": LONGEST_ID, "from": LONGEST_ID, "to": LONGEST_ID},
}

_NUMBERS = frozenset({"from", "to"})


@dataclass(frozen=True, slots=True)
class BadItem:
    """An item of a push that cannot be used, and why."""

    reason: str
    raw: Any


class ParsedPush(NamedTuple):
    """A push whose usable items were separated from the bad ones."""

    kind: PushKind
    items: list[dict[str, Any]]
    bad: list[BadItem]  # the first ones
    more_bad: int = 0  # beyond them


class UnusableError(ValueError):
    """A push has no usable item; the text names the fault, never a value."""


def sift(body: bytes, headers: str = "") -> ParsedPush:
    """Return the kind of a push and its usable items, texts as received.

    Args:
        body: of the push.
        headers: of the push; what is usable without them is so with them.

    Raises:
        UnusableError: nothing in the push can be used.
    """
    body = _as_utf_8(body)
    if _begins_json(body):
        return finish(_sift_json(body, headers, MOST_BAD))
    return _sift_form(body)


def is_long_work(body: bytes) -> bool:
    """Return whether a push has so many values that it must be sifted in steps."""
    # A quick count that texts with such signs in them only make higher.
    return len(body) > MANY_VALUES and sum(map(body.count, _BEFORE_VALUES)) > MANY_VALUES


def is_json(body: bytes) -> bool:
    """Return whether a push is read as JSON, not as a form."""
    return not _is_surely_form(body) and _begins_json(_as_utf_8(body))


def _begins_json(body: bytes) -> bool:
    return body.lstrip()[:1] in (b"{", b"[")


def _is_surely_form(body: bytes) -> bool:
    """Return whether the first bytes show a form that needs no decoding, as most pushes are."""
    return body[:2].isalnum()


def _as_utf_8(body: bytes) -> bytes:
    if _is_surely_form(body):
        return body
    return charsets.narrow(body).removeprefix(_BYTE_ORDER_MARK)


def sift_in_steps(
    body: bytes, headers: str = "", most_bad: int = MOST_BAD, unused: Unused | None = None
) -> Steps[ParsedPush]:
    """Do as `sift`, item by item.

    Args:
        body: of the push.
        headers: of the push, a `name: value` line each.
        most_bad: how many of the bad items are kept one by one.
        unused: where to note what is not used.
    """
    body = _as_utf_8(body)
    if _begins_json(body):
        return (yield from _sift_json(body, headers, most_bad, unused))
    push = _sift_form(body)
    if unused:
        if body.count(b"&") >= len(push.items[0]):  # more pairs than fields
            unused.form(_unquoted(body))
        if push.kind is PushKind.STATUS:
            unused.item(push.items[0])
    return push


def kind_of_form(body: bytes) -> PushKind:
    """Return the kind of a form, without reading more of it than `sift` looks at for that.

    Raises:
        UnusableError: it cannot be used.
    """
    return _split_usable(_as_utf_8(body))[0]


def _sift_form(body: bytes) -> ParsedPush:
    kind, item = _split_usable(body)
    for name, value in item.items():
        if "%" in value or "+" in value:
            item[name] = _unquote(value)
    return ParsedPush(kind, [item], [])


def _split_usable(body: bytes) -> tuple[PushKind, dict[str, str]]:
    """Return the kind of a form and its values, still escaped."""
    body = body.strip(b"\r\n")  # never part of a form, but tools like to add one
    if not body.strip():
        raise UnusableError("The body is empty. Send a form or a JSON object.")
    escaped = _split_form(body.decode(errors="surrogateescape"))
    if "status" not in escaped and "body" not in escaped:
        escaped = {charsets.read(name).text: value for name, value in escaped.items()}
    if "status" in escaped:
        kind = PushKind.STATUS
    elif "body" in escaped:
        kind = PushKind.UPLINK
    else:
        raise UnusableError(
            "The form has neither `status` (status report) nor `body` (uplink SMS). "
            "Send one of them."
        )
    needed = {name: _unquote(escaped[name]) for name in _NEEDED[kind] if name in escaped}
    reason = _why_not(needed, kind)
    if reason:
        raise UnusableError(reason)
    return kind, escaped


def _split_form(text: str) -> dict[str, str]:
    """Split a form as `urllib.parse.parse_qsl` does; values stay escaped."""
    pairs = text.split("&")
    if len(pairs) > MOST_FIELDS:
        raise UnusableError(
            f"The form has more than {MOST_FIELDS} fields. Send one report or one uplink "
            "SMS per form."
        )
    escaped: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if equals:  # of a field given more than once the last counts, as in JSON
            escaped[_unquote(name) if "%" in name or "+" in name else name] = value
    return escaped


def _unquoted(body: bytes) -> Iterator[tuple[str, str]]:
    """Yield all fields of a form, repeated ones included."""
    text = body.strip(b"\r\n").decode(errors="surrogateescape")
    for pair in text.split("&"):
        name, equals, value = pair.partition("=")
        if equals:
            yield _unquote(name), _unquote(value)


def _unquote(text: str) -> str:
    text = text.replace("+", " ")
    if "%" not in text:
        return text
    if text.isascii():  # nearly always; what `unquote` does then, without looking for pieces
        return unquote_to_bytes(text).decode(errors="surrogateescape")
    return unquote(text, errors="surrogateescape")


def load_json(body: bytes, headers: str = "", unused: Unused | None = None) -> Any:
    """Read the JSON of a push in any charset; numbers that no float holds become texts.

    Args:
        body: of the push.
        headers: of the push.
        unused: where to note members that are given more than once.

    Raises:
        ValueError: it is none.
    """
    return json_reader.load(_as_utf_8(body), headers, unused)


def _sift_json(
    body: bytes, headers: str, most_bad: int, unused: Unused | None = None
) -> Steps[ParsedPush]:
    items: list[dict[str, Any]] = []
    bad: list[BadItem] = []
    more_bad = 0
    for entry in _entries(body, headers, unused):
        yield
        if entry is batches.ANOTHER_LIST:
            items, bad, more_bad = [], [], 0
            if unused:
                unused.list_again()
            continue
        reason = _why_not_usable(entry)
        if reason is None:
            items.append(entry)
            if unused:
                unused.item(entry)
        elif len(bad) < most_bad:
            bad.append(BadItem(reason, None if reason in _NOT_WRITABLE else entry))
        else:
            more_bad += 1
    if not items and not bad:
        raise UnusableError(f"The array `{LIST}` is empty. Send at least one report in it.")
    if not items:
        raise UnusableError(f"No item of `{LIST}` is usable. The first one: {bad[0].reason}")
    return ParsedPush(PushKind.BATCH, items, bad, more_bad)


def _entries(body: bytes, headers: str, unused: Unused | None) -> Iterable[Any]:
    """Return the items of a batch, of whatever type; what cannot be read is the last one."""
    try:
        if not is_long_work(body):
            document = load_json(body, headers, unused)
            yield from _list_of(document)
            if unused:
                for name, value in document.items():
                    unused.beside(name, value)
            return
        try:
            decoder = json_reader.decoder_of(unused)
            beside = unused.beside if unused else None
            text = json_reader.text_of(body, headers)
            yield from batches.read_items(text, decoder.raw_decode, beside)
        except batches.TooLongError:
            yield _UNREAD
    except batches.NoListError:
        raise UnusableError(
            f"The JSON has no array `{LIST}`. Send an object that contains it."
        ) from None
    except RecursionError:
        raise UnusableError(
            f"The JSON is nested too deeply. An item may have {DEEPEST_ITEM} levels."
        ) from None
    except ValueError:
        raise UnusableError(
            "The body starts like JSON but is not valid JSON. Send valid JSON, or a form."
        ) from None


def _list_of(document: Any) -> list[Any]:
    listed = document.get(LIST) if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise batches.NoListError
    return listed


def _why_not_usable(entry: Any) -> str | None:
    if entry is _UNREAD:
        return _TOO_LONG
    if isinstance(entry, (dict, list)) and _is_deeper(entry, DEEPEST_ITEM):
        return _TOO_DEEP
    return (
        _why_not(entry, PushKind.STATUS)
        if isinstance(entry, dict)
        else "The item is not an object."
    )


def _is_deeper(value: Any, levels: int) -> bool:
    """Return whether lists and objects stand in each other more than so many levels deep."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    nested = [one for one in inner if isinstance(one, (dict, list))]
    return bool(nested) and (levels <= 1 or any(_is_deeper(one, levels - 1) for one in nested))


def _why_not(item: Mapping[str, Any], kind: PushKind) -> str | None:
    """Return why an item cannot be used; None when it can."""
    for name, longest in _NEEDED[kind].items():
        value = item.get(name)
        if (
            type(value) is str
            and 0 < len(value) <= longest
            and value.isascii()
            and value.isprintable()
            and " " not in value
        ):
            continue  # nearly always
        reason = _why_not_value(value, name, longest)
        if reason:
            return reason
    return None


def _why_not_value(value: Any, name: str, longest: int) -> str | None:
    if value is None:
        return f"`{name}` is missing."
    if type(value) is int:
        value = str(value)
    if not isinstance(value, str):
        return f"`{name}` must be a string or an integer."
    if not is_storable(value):
        value = charsets.read(value).text
        value = seen(value) if name in _NUMBERS else value
    value = clean(value)
    if not value:
        return f"`{name}` is empty."
    if len(value) > longest:
        return f"`{name}` must have at most {longest} characters."
    if not is_storable(value):
        return f"`{name}` contains NUL or unpaired surrogates."
    return None
