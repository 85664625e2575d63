"""What is shown of people by default: the end of a number, and no codes."""

import re
from collections.abc import Iterable
from typing import Any

from receiver.domain.numbers import normalise

_SHOWN_DIGITS = 4  # of a number, at its end
_LONGEST_CODE = 8  # digits; more are a number
_HOME = "+86"
_DIGITS = re.compile(r"(?<!\d)\+?\d{4,}(?!\d)")
_NUMBER = re.compile(r"\+?\d{7,}")
_REDACTED = "••••"


def masked(number: str | None) -> str:
    """Show a phone number's end only, and never more than its half."""
    if number is None:
        return ""
    shown = min(_SHOWN_DIGITS, len(number) // 2)
    return f"…{number[len(number) - shown :]}"


def redacted(text: str) -> str:
    """Show a person's text without what looks like a code, its numbers masked."""
    return _DIGITS.sub(_redact, text)


def _redact(found: re.Match[str]) -> str:
    digits = found[0].removeprefix("+")
    return _REDACTED if len(digits) <= _LONGEST_CODE else masked(digits)


def hidden(document: Any, numbers: Iterable[str], texts: Iterable[str] = ()) -> Any:
    """Give a JSON document in which people are masked.

    Args:
        document: any JSON value; it stays as it is.
        numbers: the keys under which numbers of people stand. What stands there is masked, and
            the same numbers wherever else they stand.
        texts: the keys under which texts of people stand.
    """
    keys, spoken = frozenset(numbers), frozenset(texts)
    known: dict[str, str] = {}
    for number in _values(document, keys):
        known |= dict.fromkeys(_writings(number), masked(number))

    def mask(found: re.Match[str]) -> str:
        return known.get(found[0], found[0])

    def hide(value: Any, key: str | None) -> Any:
        if isinstance(value, dict):
            return {name: hide(one, name) for name, one in value.items()}
        if isinstance(value, list):
            return [hide(one, key) for one in value]
        if not isinstance(value, str):
            return value
        if key in keys:
            return masked(value)
        if key in spoken:
            return redacted(value)
        return _NUMBER.sub(mask, value)

    return hide(document, None)


def _values(document: Any, keys: frozenset[str]) -> Iterable[str]:
    """Give the texts that stand under some keys, however deep."""
    if isinstance(document, list):
        for one in document:
            yield from _values(one, keys)
    elif isinstance(document, dict):
        for name, value in document.items():
            if isinstance(value, str) and name in keys:
                yield value
            else:
                yield from _values(value, keys)


def _writings(number: str) -> Iterable[str]:
    """Give the ways in which a number may stand in other fields."""
    written = normalise(number) or ""
    if written.startswith("+"):
        yield written
        yield written.removeprefix("+")
        if written.startswith(_HOME):
            yield written.removeprefix(_HOME)
