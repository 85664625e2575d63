"""Registrations: what the application tells us of its sends, in the forms it has them.

The platform's own response to `batchSendSms` or `batchSendDiffSms` is taken as it came
(sms_05_0001, sms_05_0002), bare or wrapped in `response`; or a list `sends` in our own words.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from receiver.domain import times
from receiver.domain.events import ACCEPTED_BY_PLATFORM, Send
from receiver.domain.messages import MOST_PARTS
from receiver.domain.texts import is_storable, storable
from receiver.huawei.wire import LONGEST_ID

MOST_ENTRIES = 10_000  # a response of the platform has up to 1,000
_LONGEST_TEXT = 512  # characters; PostgreSQL indexes up to 2,700 bytes

# our name -> the names under which an entry may carry the field, ours first
_FIELDS = {
    "sms_msg_id": ("sms_msg_id", "smsMsgId"),
    "status": ("status",),
    "to": ("to", "originTo"),
    "sender": ("from",),
    "sent_at": ("sent_at", "createTime"),
    "total": ("total",),
    "country": ("country", "countryId"),
    "extend": ("extend",),
    "reference": ("reference",),
    "template_id": ("template_id", "templateId"),
}
_COMMON = ("extend", "reference", "template_id")  # may stand once, beside `response` or `sends`
_LONGEST = {"sms_msg_id": LONGEST_ID, "status": 64, "country": 8}


class RegistrationError(ValueError):
    """The document is no registration; the text says what was expected."""


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


def read_registration(body: bytes) -> Registration:
    """Read a registration.

    Raises:
        RegistrationError: the document as a whole cannot be used.
    """
    document = _load(body)
    entries = _entries(document)
    if len(entries) > MOST_ENTRIES:
        raise RegistrationError(f"Up to {MOST_ENTRIES} sends can be registered at once.")
    common = {name: document.get(name) for name in _COMMON}
    registration = Registration(_text(document, "application"), _refusal(document), [], [])
    for index, entry in enumerate(entries):
        try:
            registration.sends.append(_read_send(entry, common))
        except RegistrationError as error:
            registration.rejected.append(Rejected(index, str(error)))
    return registration


def _load(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
        if isinstance(document, dict) and isinstance(document.get("response"), str):
            document["response"] = json.loads(document["response"])
    except (ValueError, RecursionError):
        raise RegistrationError("The body is not valid JSON.") from None
    if not isinstance(document, dict):
        raise RegistrationError("The body is not a JSON object.")
    return document


def _entries(document: Mapping[str, Any]) -> list[Any]:
    if "sends" in document:
        entries = document["sends"]
        if not isinstance(entries, list):
            raise RegistrationError("`sends` is not a list.")
        return entries
    response = document.get("response", document)
    if not isinstance(response, dict) or not ("code" in response or "result" in response):
        raise RegistrationError(
            "Expected the platform's send response (with `code` and `result`), bare or as "
            "`response`, or a list `sends`."
        )
    # A request that failed as a whole has no `result`: nothing was sent, nothing to register.
    entries = response.get("result") or []
    if not isinstance(entries, list):
        raise RegistrationError("`result` of the send response is not a list.")
    return entries


def _refusal(document: Mapping[str, Any]) -> str | None:
    """Give the code of the response itself, unless it says that all went well."""
    response = document if "sends" in document else document.get("response", document)
    code = response.get("code") if isinstance(response, dict) else None
    if isinstance(code, bool) or not isinstance(code, (str, int)):
        return None
    text = str(code)[:_LONGEST_TEXT]
    return storable(text) if text not in ("", ACCEPTED_BY_PLATFORM) else None


def _read_send(entry: Any, common: Mapping[str, Any]) -> Send:
    if not isinstance(entry, dict):
        raise RegistrationError("The entry is not an object.")
    given = {
        name: next((entry[n] for n in names if entry.get(n) not in (None, "")), common.get(name))
        for name, names in _FIELDS.items()
    }
    identifier = _text(given, "sms_msg_id")
    if identifier is None or not identifier.strip():
        raise RegistrationError("`sms_msg_id` (or `smsMsgId`) is missing.")
    if not is_storable(identifier):
        raise RegistrationError("`sms_msg_id` holds a NUL or is not valid Unicode.")
    return Send(
        sms_msg_id=identifier,
        status=_clean(given, "status") or ACCEPTED_BY_PLATFORM,
        to=_clean(given, "to"),
        sender=_clean(given, "sender"),
        sent_at=_time(given["sent_at"]),
        total=_total(given["total"]),
        country=_clean(given, "country"),
        extend=_clean(given, "extend"),
        reference=_clean(given, "reference"),
        template_id=_clean(given, "template_id"),
    )


def _clean(given: Mapping[str, Any], name: str) -> str | None:
    text = _text(given, name)
    return None if text is None else storable(text)


def _text(given: Mapping[str, Any], name: str) -> str | None:
    value = given.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise RegistrationError(f"`{name}` is neither text nor a whole number.")
    text = str(value)
    longest = _LONGEST.get(name, _LONGEST_TEXT)
    if len(text) > longest:
        raise RegistrationError(f"`{name}` is longer than {longest} characters.")
    return text


def _time(value: Any) -> int | None:
    if value is None:
        return None
    moment = times.parse(value.strip()) if isinstance(value, str) else None
    if moment is None:
        raise RegistrationError("`sent_at` (or `createTime`) is no RFC 3339 time.")
    return moment


def _total(value: Any) -> int | None:
    if value is None:
        return None
    text = str(value).strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 3 and 1 <= int(text) <= MOST_PARTS):  # noqa: PLR2004 - three digits hold every possible part count
        raise RegistrationError(f"`total` is no whole number from 1 to {MOST_PARTS}.")
    return int(text)
