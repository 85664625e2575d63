"""Request and response bodies for recipients and suppressions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from receiver.api.base import check_application, check_storable
from receiver.api.bodies.parsing import A_NUMBER, bad, read_time, refuse_unknown
from receiver.api.bodies.views import reason_json
from receiver.domain.identifiers import clean
from receiver.domain.numbers import (
    is_number,
    may_stand_for_number,
    normalise,
    normalise_channel,
    seen,
)
from receiver.domain.retries.policy import MessageKind
from receiver.domain.retries.sentences import NoRetry, Suppressed, retry_reason
from receiver.domain.suppressions.suppression import ScopedEntry, Source
from receiver.domain.times import to_rfc3339
from receiver.domain.wording.languages import Language
from receiver.retries.recipients import Inquiry, Recipient

Json = dict[str, Any]

MOST_CHECKED = 1000
LONGEST_REASON = 500
_LONGEST_NAME = 64
_SUPPRESSED_BY = {
    Source.HAND: Suppressed.BY_HAND,
    Source.UPLINK: Suppressed.OPTED_OUT,
    Source.CODE: Suppressed.BY_CODE,
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A manual suppression or its lifting, as requested."""

    channel: str  # empty: every one
    application: str  # empty: every one
    reason: str
    until: int | None = None  # microseconds
    overrides: bool = False


def number_in_path(request: Request) -> str:
    """Return the number that the path names, as E.164.

    Raises:
        ProblemError: it is no number that can be dialled.
    """
    number = normalise(request.path_params["number"]) or ""
    if not is_number(number):
        raise bad(f"The path must contain {A_NUMBER}.")
    return number


def sender_in_path(request: Request) -> str:
    """Return the number that the path names, or what stands in its place, such as a short code.

    A short code can write to us and opt out, so it has an entry, though nothing can be sent to it.

    Raises:
        ProblemError: the path can name no number.
    """
    number = normalise(request.path_params["number"]) or ""
    if not may_stand_for_number(number):
        raise bad(f"The path must contain {A_NUMBER}, or a short code exactly as it was reported.")
    check_storable(number)
    return number


def read_suppression(given: Mapping[str, Any], known: Sequence[str], now: int) -> Wanted:
    """Read what is to be suppressed.

    Raises:
        ProblemError: it cannot be understood.
    """
    refuse_unknown(given, "reason", "channel", "application", "until")
    until = _text(given, "until")
    moment = None if until is None else read_time("until", until)
    if moment is not None and moment <= now:
        raise bad("`until` must be in the future, for example 2030-01-31T08:00:00Z.")
    return Wanted(_channel(given), _application(given, known), _reason(given), until=moment)


def read_lift(given: Mapping[str, Any], known: Sequence[str], now: int) -> Wanted:  # noqa: ARG001 - the same form as its twin
    """Read what is to be lifted.

    Raises:
        ProblemError: it cannot be understood.
    """
    refuse_unknown(given, "reason", "channel", "application", "override_opt_out")
    overrides = given.get("override_opt_out", False)
    if not isinstance(overrides, bool):
        raise bad("`override_opt_out` must be true or false.")
    return Wanted(_channel(given), _application(given, known), _reason(given), overrides=overrides)


def read_check(
    given: Mapping[str, Any], known: Sequence[str], usual: MessageKind
) -> tuple[list[str], Inquiry]:
    """Read which numbers are asked about, and for what.

    Raises:
        ProblemError: it cannot be understood.
    """
    refuse_unknown(given, "numbers", "channel", "application", "kind")
    numbers = given.get("numbers")
    if not isinstance(numbers, list) or not 1 <= len(numbers) <= MOST_CHECKED:
        raise bad(f"`numbers` must be an array of 1 to {MOST_CHECKED} phone numbers.")
    for number in numbers:
        if not isinstance(number, str):
            raise bad("`numbers` must be an array of strings.")
        check_storable(seen(number))
    kind = _text(given, "kind")
    if kind is not None and kind not in set(MessageKind):
        raise bad(f"`kind` must be one of {', '.join(MessageKind)}.")
    inquiry = Inquiry(_channel(given), _application(given, known), MessageKind(kind or usual))
    return numbers, inquiry


def recipient_json(recipient: Recipient, inquiry: Inquiry, language: Language) -> Json:
    """Write whether a number may be sent to, and why not."""
    why: list[Json] = []
    if not recipient.is_number:
        why.append(reason_json(retry_reason(NoRetry.NO_NUMBER), language))
    for one in recipient.holds:
        # The reason of a person or of somebody here is free text, which stands in `reason` alone.
        code = {"code": one.word.reason or ""} if one.word.source is Source.CODE else {}
        said = retry_reason(_SUPPRESSED_BY[one.word.source], **code)
        why.append({**reason_json(said, language), **word_json(one, holds=True)})
    why += [
        {**reason_json(held.said, language), "until": to_rfc3339(held.until)}
        for held in recipient.held
    ]
    return {
        "number": recipient.number,
        "country": recipient.country,
        "channel": inquiry.channel or None,
        "application": inquiry.application or None,
        "kind": inquiry.kind.value,
        "may_send": recipient.may_send,
        "until": None if recipient.until is None else to_rfc3339(recipient.until),
        "why": why,
    }


def word_json(said: ScopedEntry, *, holds: bool) -> Json:
    """Write what somebody, a code or a person said about a number."""
    word, party = said.word, said.party
    return {
        "channel": party.channel or None,
        "application": party.application or None,
        "suppressed": word.suppressed,
        "holds": holds,
        "source": word.source.value,
        "source_id": word.source_id,
        "reason": word.reason,
        "since": to_rfc3339(word.decided_at),
        "until": None if word.until is None else to_rfc3339(word.until),
    }


def _text(given: Mapping[str, Any], name: str, read: Callable[[str], str] = clean) -> str | None:
    value = given.get(name)
    if value is None:
        return None
    text = read(value) if isinstance(value, str) else ""
    if not text:
        raise bad(f"`{name}` must be a non-empty string, or omitted.")
    check_storable(text)
    return text


def _reason(given: Mapping[str, Any]) -> str:
    reason = _text(given, "reason")
    if reason is None or len(reason) > LONGEST_REASON:
        raise bad(f"`reason` is required and must have at most {LONGEST_REASON} characters.")
    return reason


def _channel(given: Mapping[str, Any]) -> str:
    channel = normalise_channel(_text(given, "channel", seen) or "")
    if len(channel) > _LONGEST_NAME:
        raise bad(f"`channel` must have at most {_LONGEST_NAME} characters.")
    return channel


def _application(given: Mapping[str, Any], known: Sequence[str]) -> str:
    return check_application(_text(given, "application"), known) or ""
