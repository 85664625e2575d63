"""Registrations: the sends of an application, in all accepted forms.

The platform's own response to `batchSendSms` or `batchSendDiffSms` is taken as received
(sms_05_0001, sms_05_0002), bare or wrapped in `response`, in the platform's spelling or in that of
its Python SDK; or a list `sends` in our own words.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from receiver.domain import times
from receiver.domain.compact_json import write_json
from receiver.domain.identifiers import clean
from receiver.domain.inputs import ACCEPTED_BY_PLATFORM, Send
from receiver.domain.members import Pairs, RepeatedError, single
from receiver.domain.storable import is_storable, storable
from receiver.huawei.registration_context import (
    LATER_FIELDS,
    NO_TIME_OF_DAY,
    Beside,
    Note,
    lacks_time,
    read_later,
)
from receiver.huawei.registration_fields import (
    LONGEST_TEXT,
    RegistrationError,
    first_of,
    read_clean,
    read_status,
    read_text,
    read_time,
    read_total,
)

__all__ = [
    "FIELDS",
    "Note",
    "Registration",
    "RegistrationError",
    "Rejected",
    "read_registration",
    "read_send",
    "write_registration",
]
MOST_ENTRIES = 10_000  # a response of the platform has up to 1,000

# our name -> the names under which an entry may carry the field, ours first
_FIELDS = {
    "sms_msg_id": ("sms_msg_id", "smsMsgId"),
    "status": ("status",),
    "to": ("to", "originTo"),
    "from": ("from",),
    "sent_at": ("sent_at", "createTime"),
    "total": ("total",),
    "country": ("country", "countryId"),
    "extend": ("extend",),
    "reference": ("reference",),
    "template_id": ("template_id", "templateId"),
}
_LATER = {name: names for name, names, _ in LATER_FIELDS.values()}
FIELDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {name: (*_FIELDS.get(name, ()), *_LATER.get(name, ())) for name in (_FIELDS | _LATER)}
)
_COMMON = ("extend", "reference", "template_id")  # may stand once, beside `response` or `sends`
_NOTHING_IN_COMMON: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Rejected:
    """An entry of a registration that cannot be used."""

    index: int
    reason: str


@dataclass(frozen=True, slots=True)
class Registration:
    """The sends of one registration."""

    application: str | None  # None: the caller did not say
    refusal: str | None  # the code of a request that the platform refused as a whole
    sends: list[Send]
    rejected: list[Rejected]
    ignored: list[Note] = field(default_factory=list)  # parts of what was taken nevertheless


def read_registration(body: bytes, *, is_new: bool = False) -> Registration:
    """Read a registration.

    Args:
        body: as received.
        is_new: it is not taken yet: a member that is given more than once is refused. In one that
            is taken the last counts, as it did then.

    Raises:
        RegistrationError: the document as a whole cannot be used.
    """
    document = _load(body, single if is_new else None)
    entries = _entries(document)
    if len(entries) > MOST_ENTRIES:
        raise RegistrationError(
            f"At most {MOST_ENTRIES} sends can be registered at once. Split them into "
            "several requests."
        )
    common = {name: document.get(name) for name in _COMMON}
    application = read_text("application", document.get("application"))
    beside = Beside(document, FIELDS)
    sends, rejected = [], []
    for index, entry in enumerate(entries):
        try:
            sends.append(beside.complete(_read_entry(entry, common), index, entry))
        except RegistrationError as error:
            rejected.append(Rejected(index, str(error)))
    return Registration(application, _refusal(document), sends, rejected, beside.finish())


def _load(body: bytes, make: Callable[[Pairs], Any] | None) -> dict[str, Any]:
    try:
        document = json.loads(body, object_pairs_hook=make)
        if isinstance(document, dict) and isinstance(document.get("response"), str):
            document["response"] = json.loads(document["response"], object_pairs_hook=make)
    except RepeatedError as error:
        raise RegistrationError(str(error)) from None
    except (ValueError, RecursionError):
        raise RegistrationError(
            "The body is not valid JSON. Send a JSON object in UTF-8."
        ) from None
    if not isinstance(document, dict):
        raise RegistrationError("The body is not a JSON object. Send one.")
    return document


def _entries(document: Mapping[str, Any]) -> list[Any]:
    """Return the entries of all lists that a document has."""
    responses = _responses(document)
    if "sends" not in document and not responses:
        raise RegistrationError(
            "The body must contain `response` (the send response of the platform, with "
            "`code` and `result`), or `sends`, an array of objects."
        )
    entries = _list(document.get("sends", []), "`sends` must be an array of objects.")
    for response in responses:
        # A request that failed as a whole has no `result`: nothing was sent, nothing to register.
        wrong = "`result` of the send response must be an array, as the platform returns it."
        entries = entries + _list(response.get("result") or [], wrong)
    return entries


def _responses(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the platform's responses that a document holds, or is."""
    both: tuple[Any, ...] = (document.get("response"), document)
    return [one for one in both if isinstance(one, dict) and ("code" in one or "result" in one)]


def _list(entries: Any, otherwise: str) -> list[Any]:
    if not isinstance(entries, list):
        raise RegistrationError(otherwise)
    return entries


def _refusal(document: Mapping[str, Any]) -> str | None:
    """Return the code of a response itself, unless it says that all went well."""
    for response in _responses(document):
        code = response.get("code")
        if isinstance(code, bool) or not isinstance(code, (str, int)):
            continue
        text = clean(str(code))[:LONGEST_TEXT]
        if text not in ("", ACCEPTED_BY_PLATFORM):
            return storable(text)
    return None


def read_send(entry: Any) -> Send:
    """Read an entry that stands alone.

    Raises:
        RegistrationError: the entry cannot be used.
    """
    send = _read_entry(entry, _NOTHING_IN_COMMON)
    later = read_later(send, entry, lambda name, value, read: read(name, value))
    whole = replace(send, **later) if later else send
    if lacks_time(whole, entry):
        raise RegistrationError(NO_TIME_OF_DAY)
    return whole


def write_registration(sends: Iterable[Send]) -> bytes:
    """Write sends so that `read_registration` gives them again."""
    return write_json({"sends": [entry_of(send) for send in sends]})


def entry_of(send: Send) -> dict[str, str | int]:
    """Write a send as an entry of a registration; what it does not have is left out."""
    fields = {
        "sms_msg_id": send.sms_msg_id,
        "status": send.status,
        "to": send.to,
        "from": send.sender,
        "sent_at": None if send.sent_at is None else times.to_rfc3339(send.sent_at),
        "total": send.total,
        "country": send.country,
        "extend": send.extend,
        "reference": send.reference,
        "template_id": send.template_id,
        "text_length": send.text_length,
        "retry_of": send.retry_of,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _read_entry(entry: Any, common: Mapping[str, Any]) -> Send:
    """Read one entry; `common` has what stands once for all entries beside it."""
    if not isinstance(entry, dict):
        raise RegistrationError("The entry must be an object.")
    given = {name: first_of(entry, names) for name, names in _FIELDS.items()}
    for name, value in common.items():
        if given[name] is None:
            given[name] = value
    identifier = read_text("sms_msg_id", given["sms_msg_id"])
    if identifier is None:
        raise RegistrationError("`sms_msg_id` (or `smsMsgId`) is missing.")
    if not is_storable(identifier):
        raise RegistrationError("`sms_msg_id` contains NUL or unpaired surrogates.")
    return Send(
        sms_msg_id=identifier,
        status=read_status("status", given["status"]),
        to=read_clean("to", given["to"]),
        sender=read_clean("from", given["from"]),
        sent_at=read_time("sent_at", given["sent_at"]),
        total=read_total("total", given["total"]),
        country=read_clean("country", given["country"]),
        extend=read_clean("extend", given["extend"]),
        reference=read_clean("reference", given["reference"]),
        template_id=read_clean("template_id", given["template_id"]),
    )
