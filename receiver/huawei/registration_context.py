"""What accompanies the entries of a registration: references and request fields.

None of it is needed to find a message again, so none of it costs an entry: what cannot be used is
left out and named.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from types import MappingProxyType
from typing import Any

from receiver.domain.identifiers import clean
from receiver.domain.inputs import Send
from receiver.domain.members import is_plain
from receiver.domain.numbers import normalise
from receiver.domain.times import names_zone
from receiver.domain.whole_numbers import is_given
from receiver.huawei.registration_fields import (
    RegistrationError,
    first_of,
    read_clean,
    read_text_length,
    read_time,
)

_TEMPLATE = ("template_id", "templateId")
_SENDER = ("from", "_from")
_TEXT_LENGTH = ("text_length", "textLength")
_CONTENTS = ("smsContent", "sms_content")
_SENT_AT = ("sent_at", "createTime", "create_time")
_NAMES_BESIDE = (
    "application", "extend", "reference", *_TEMPLATE, *_TEXT_LENGTH, "retry_of",
)  # fmt: skip
_DOCUMENT = frozenset(
    (*_NAMES_BESIDE, "sends", "response", "request", "references", "code", "description", "result")
)
# Of the platform's request and response, in its spelling and in that of its SDK.
_REQUEST = frozenset(
    (
        *_TEMPLATE, *_SENDER, *_CONTENTS, "to", "extend", "signature", "templateParas",
        "template_paras", "statusCallback", "status_callback",
    )
)  # fmt: skip
_RESPONSE = frozenset(("code", "description", "result"))
_PADDING = "blanks or invisible characters"
NO_TIME_OF_DAY = "`sent_at` (or `createTime`) is a date without the time of day."

Reader = Callable[[str, Any], Any]
_Names = tuple[str, ...]

# Names that an entry may use too since the first registrations were kept in journals: an entry that
# was taken then, with anything under such a name, must be taken again. Attribute of a send -> its
# name for people, the names in an entry, how to read it.
LATER_FIELDS: Mapping[str, tuple[str, _Names, Reader]] = MappingProxyType(
    {
        "to": ("to", ("origin_to",), read_clean),
        "sender": ("from", ("_from",), read_clean),
        "sent_at": ("sent_at", ("create_time",), read_time),
        "country": ("country", ("country_id",), read_clean),
        "text_length": ("text_length", _TEXT_LENGTH, read_text_length),
        "retry_of": ("retry_of", ("retry_of",), read_clean),
    }
)


_LATER_NAMES = frozenset(name for _, names, _ in LATER_FIELDS.values() for name in names)


@dataclass(frozen=True, slots=True)
class Note:
    """Something in a registration that was ignored or interpreted."""

    index: int | None  # of the entry; None: it stands beside all of them
    reason: str


class Beside:
    """The fields beside the entries of one registration.

    Attributes:
        notes: what was left out so far.
    """

    def __init__(self, document: Mapping[str, Any], fields: Mapping[str, _Names]) -> None:
        """Read them.

        Args:
            document: the registration.
            fields: of an entry, each with the names that it may have there.
        """
        self.notes: list[Note] = []
        self._index: int | None = None
        self._names = tuple(dict.fromkeys(chain.from_iterable(fields.values())))
        self._several = [names for names in fields.values() if len(names) > 1]
        request = self._object("request", document.get("request"))
        if isinstance(request.get("body"), dict):  # the SDK's request objects hold it so
            request = request["body"]
        said = {
            "template_id": self._read("template_id", document.get("templateId")),
            "text_length": self._read(
                "text_length", first_of(document, _TEXT_LENGTH), read_text_length
            ),
            "retry_of": self._read("retry_of", document.get("retry_of")),
        }
        requested = {
            "template_id": self._read("template_id", first_of(request, _TEMPLATE)),
            "extend": self._read("extend", request.get("extend")),
            "sender": self._read("from", first_of(request, _SENDER)),
        }
        self._is_ours = "sends" in document
        self._told: set[str] = set()  # unknown fields of the entries of a response
        self._note_padding(document, _NAMES_BESIDE)
        self._note_unknown(document, _DOCUMENT)
        response = document.get("response")
        self._note_unknown(response if isinstance(response, dict) else {}, _RESPONSE)
        self._note_unknown(request, _REQUEST)
        self._note_padding(request, (*_TEMPLATE, "extend", *_SENDER))
        self._said, self._requested = _given(said), _given(requested)
        self._templates = self._read_templates(first_of(request, _CONTENTS))
        given = self._object("references", document.get("references"))
        self._by_key = {clean(key): value for key, value in given.items() if is_given(value)}
        self._by_number = {normalise(key): key for key in self._by_key}
        self._unused = set(self._by_key)
        self._note_references(given)

    def complete(self, send: Send, index: int, entry: Mapping[str, Any]) -> Send:
        """Fill in what an entry leaves open; `index` is its place, for the notes."""
        self._index = index
        self._note_padding(entry, self._names)
        if self._is_ours:
            self._note_unknown(entry, self._names)
        else:  # the platform may add a field, which then stands in each of its entries
            self._note_unknown(entry, self._told.union(self._names))
            self._told.update(entry)
        self._note_differing(entry)
        found = read_later(send, entry, self._read)
        self._note_guesses(send, entry, is_dated=send.sent_at is not None or "sent_at" in found)
        to = send.to or found.get("to")
        if self._by_key and not is_given(entry.get("reference")):
            reference = self._reference_of(send.sms_msg_id, to)
            if reference is not None:  # it takes precedence over the reference for all
                found["reference"] = reference
        template = self._templates.get(normalise(to)) if self._templates else None
        for beside in (self._said, _given({"template_id": template}), self._requested):
            for name, value in beside.items():
                if name not in found and getattr(send, name) is None:
                    found[name] = value
        if found.get("retry_of") == send.sms_msg_id:
            self._note("`retry_of` is the id of the message itself and was ignored.")
            del found["retry_of"]
        return replace(send, **found) if found else send

    def _note_guesses(self, send: Send, entry: Mapping[str, Any], *, is_dated: bool) -> None:
        """Note what an entry says and what cannot be taken as it stands."""
        if send.status is None and is_given(entry.get("status")):
            self._note(
                "`status` is not a status of a send response (000000, or E and six "
                "digits). It was ignored, and the send counts as accepted."
            )
        written = first_of(entry, _SENT_AT)
        if is_dated and isinstance(written, str) and not names_zone(clean(written)):
            self._note("`sent_at` has no zone and is read as UTC. Add Z or an offset.")
        if not is_dated and lacks_time(send, entry):
            self._note(f"{NO_TIME_OF_DAY} It was ignored.")

    def finish(self) -> list[Note]:
        """Return all that was left out, once every entry has been completed."""
        seen_one, self._index = self._index is not None, None
        if self._unused and seen_one:
            self._note(f"{len(self._unused)} keys of `references` match no entry.")
        return self.notes

    def _reference_of(self, sms_msg_id: str, to: str | None) -> str | None:
        """Find the reference of an entry: by its id, its number as written, its number."""
        number = self._by_number.get(normalise(to)) if to else None
        for key in (sms_msg_id, to, number):
            if key is not None and key in self._by_key:
                self._unused.discard(key)
                reference: str | None = self._read("reference", self._by_key[key])
                return reference
        return None

    def _note_padding(self, fields: Mapping[str, Any], names: Iterable[str]) -> None:
        """Note what `clean` takes away of texts."""
        for name in names:
            value = fields.get(name)
            if not isinstance(value, str) or not value:
                continue
            text = clean(value)
            if not text:
                self._note(f"`{name}` contains only {_PADDING} and counts as absent.")
            elif text != value:
                self._note(f"`{name}` had {_PADDING} at its ends, which were removed.")

    def _note_unknown(self, fields: Mapping[str, Any], known: Collection[str]) -> None:
        for name in sorted(set(fields).difference(known)):
            shown = f"`{name}`" if is_plain(name) else "A field"
            self._note(f"{shown} is not a field of a registration and was ignored.")

    def _note_differing(self, entry: Mapping[str, Any]) -> None:
        """Note fields that an entry has under several names with different values."""
        for names in self._several:
            present = [name for name in names if is_given(entry.get(name))]
            if len(present) > 1 and len({normalise(str(entry[name])) for name in present}) > 1:
                told = ", ".join(f"`{name}`" for name in present)
                self._note(
                    f"{told} are names of the same field but have different values. The "
                    "first one is used."
                )

    def _note_references(self, given: Mapping[str, Any]) -> None:
        texts = [text for pair in given.items() for text in pair if isinstance(text, str)]
        padded = sum(text != clean(text) for text in texts)
        if padded:
            self._note(
                f"{padded} strings in `references` had {_PADDING} at their ends, which were "
                "removed."
            )
        numbers: dict[str | None, set[str]] = {}
        for key, value in given.items():
            if is_given(value):
                numbers.setdefault(normalise(key), set()).add(str(value))
        several = sum(len(values) > 1 for values in numbers.values())
        if several:
            self._note(
                f"{several} numbers occur under several keys of `references` with "
                "different values. The key that is written like `to` is used, otherwise "
                "the last one."
            )

    def _read_templates(self, contents: Any) -> dict[str | None, str]:
        """Return the template of each number in `batchSendDiffSms`, unless there are several."""
        templates: dict[str | None, set[str]] = {}
        for content in contents if isinstance(contents, list) else ():
            if not isinstance(content, dict) or not isinstance(content.get("to"), list):
                continue
            template = self._read("template_id", first_of(content, _TEMPLATE))
            for number in content["to"]:
                if template is not None and isinstance(number, str):
                    templates.setdefault(normalise(number), set()).add(template)
        return {number: next(iter(of)) for number, of in templates.items() if len(of) == 1}

    def _object(self, name: str, value: Any) -> Mapping[str, Any]:
        if isinstance(value, dict):
            return value
        if is_given(value):
            self._note(f"`{name}` is not an object.")
        return {}

    def _read(self, name: str, value: Any, read: Reader = read_clean) -> Any:
        try:
            return read(name, value)
        except RegistrationError as error:
            self._note(str(error))
            return None

    def _note(self, reason: str) -> None:
        self.notes.append(Note(self._index, reason))


def lacks_time(send: Send, entry: Mapping[str, Any]) -> bool:
    """Return whether an entry names the time of its sending without the time of day."""
    return send.sent_at is None and first_of(entry, _SENT_AT) is not None


def read_later(send: Send, entry: Mapping[str, Any], read: Callable[..., Any]) -> dict[str, Any]:
    """Read those of `LATER_FIELDS` that a send lacks and its entry has."""
    if _LATER_NAMES.isdisjoint(entry):  # as in the platform's own spelling
        return {}
    return _given(
        {
            attribute: read(name, first_of(entry, names), reader)
            for attribute, (name, names, reader) in LATER_FIELDS.items()
            if getattr(send, attribute) is None
        }
    )


def _given(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
