"""What is shown of personal data by default: the end of a number, and no codes."""

import re
from collections.abc import Iterable
from typing import Any

from receiver.domain.numbers import normalise

_SHOWN_DIGITS = 4  # of a number, at its end
_LONGEST_CODE = 8  # digits; more are a number
_HOME_CODE = "86"
_DIGITS = re.compile(r"(?<!\d)\+?\d{4,}(?!\d)")
# Digits that may be a number, in groups too; and without groups, where they run into one another.
_GROUPS = re.compile(r"\+?\d(?:[ \t()./-]{0,3}\d){6,}")
_RUN = re.compile(r"\+?\d{7,}")
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
    """Return a JSON document in which people are masked.

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

    def mask_run(found: re.Match[str]) -> str:
        return known.get(_digits_of(found[0]), found[0])

    def mask(found: re.Match[str]) -> str:
        return known.get(_digits_of(found[0])) or _RUN.sub(mask_run, found[0])

    def hide(value: Any, key: str | None) -> Any:
        if isinstance(value, dict):
            return {name: hide(one, name) for name, one in value.items()}
        if isinstance(value, list):
            return [hide(one, key) for one in value]
        if key in keys and isinstance(value, (str, int)):
            return masked(str(value))
        if not isinstance(value, str):
            return value
        return redacted(value) if key in spoken else _GROUPS.sub(mask, value)

    return hide(document, None)


def _values(document: Any, keys: frozenset[str]) -> Iterable[str]:
    """Return the texts that stand under some keys, however deep."""
    if isinstance(document, list):
        for one in document:
            yield from _values(one, keys)
    elif isinstance(document, dict):
        for name, value in document.items():
            if isinstance(value, (str, int)) and name in keys:
                yield str(value)
            else:
                yield from _values(value, keys)


def _writings(number: str) -> Iterable[str]:
    """Return the digits by which a number may stand in other fields."""
    written = normalise(number) or ""
    if written.startswith("+"):
        digits = written.removeprefix("+")
        yield digits
        if digits.startswith(_HOME_CODE):
            yield digits.removeprefix(_HOME_CODE)


def _digits_of(text: str) -> str:
    """Return the digits of a number, without the zeros that stand for its plus sign."""
    return "".join(char for char in text if char.isdigit()).removeprefix("00")
