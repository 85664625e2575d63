"""When registrations of one SMS contradict each other, and which contradictions are kept."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from receiver.domain.inputs import Conflict, Send
from receiver.domain.numbers import MASK, may_be_same, normalise_channel
from receiver.domain.times import SECOND

Told = str | int | None

# The fields of a send that registrations may contradict -> their names in answers and metrics.
COMPARED: Mapping[str, str] = MappingProxyType(
    {
        "status": "status",
        "to": "to",
        "sender": "from",
        "sent_at": "sent_at",
        "total": "total",
        "country": "country",
        "extend": "extend",
        "reference": "reference",
        "template_id": "template_id",
        "text_length": "text_length",
        "retry_of": "retry_of",
    }
)
MOST_PER_FIELD = 7  # so that a field that differs each time hides no other one
_MINUTE = 60 * SECOND


def is_unknown(value: Told) -> bool:
    """Return whether a field says nothing."""
    return value is None or value == ""


def agree(name: str, one: Told, other: Told) -> bool:
    """Return whether two values of a field can both be true.

    Numbers agree in every writing, and a masked one with all that it fits; channel numbers with or
    without a plus sign; a status and a country in either case. A time that is told to the second or
    the minute agrees with each one within it. All else, the number of parts too, must be equal.
    """
    if one == other:
        return True
    compare = _COMPARE.get(name)
    return compare is not None and None not in (one, other) and compare(one, other)


def tells_more(name: str, known: Told, told: Told) -> bool:
    """Tell whether a value that agrees with a known one takes its place: a number without mask."""
    return name == "to" and MASK in str(known) and MASK not in str(told)


def add_conflicts(send: Send, found: Iterable[Conflict], *, omitted: bool) -> Send:
    """Return a send with further conflicts; what it agrees with, or has already, adds nothing.

    Args:
        send: with its values as they stand.
        found: conflicts of other registrations.
        omitted: whether those had more of them.
    """
    kept = list(send.conflicts)
    omitted = omitted or send.conflicts_omitted
    for one in found:
        same_field = [other.value for other in kept if other.field == one.field]
        if agree(one.field, getattr(send, one.field), one.value):
            continue
        if any(_covers(one.field, value, one.value) for value in same_field):
            continue
        if len(same_field) < MOST_PER_FIELD:
            kept.append(one)
        else:
            omitted = True
    if len(kept) == len(send.conflicts) and omitted == send.conflicts_omitted:
        return send
    return replace(send, conflicts=tuple(kept), conflicts_omitted=omitted)


def _covers(name: str, kept: Told, told: Told) -> bool:
    return agree(name, kept, told) and not tells_more(name, kept, told)


def _is_same_time(one: int, other: int) -> bool:
    unit = max(_unit(one), _unit(other))
    return one // unit == other // unit


def _unit(moment: int) -> int:
    """Return to what unit a time was told, as far as it shows, microseconds."""
    return next((unit for unit in (_MINUTE, SECOND) if moment % unit == 0), 1)


def _is_same_channel(one: str, other: str) -> bool:
    return normalise_channel(one) == normalise_channel(other) or may_be_same(one, other)


def _is_same_word(one: str, other: str) -> bool:
    return one.casefold() == other.casefold()


# How values are compared that can be written in several ways.
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "status": _is_same_word,
    "to": may_be_same,
    "sender": _is_same_channel,
    "sent_at": _is_same_time,
    "country": _is_same_word,
}
