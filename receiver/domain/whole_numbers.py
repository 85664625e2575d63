"""Integers as programs write them: `2`, `02`, `2.0` and full-width digits are equal."""

import re
from typing import Any

from receiver.domain.identifiers import clean

_MOST_DIGITS = 18
_LONGEST = 64  # characters; zeros may stand in front and behind
# Digits of any script, full-width ones too; no superscripts and the like.
_WHOLE = re.compile(rf"\+?0*(\d{{1,{_MOST_DIGITS}}})(?:\.0*)?")


def is_given(value: Any) -> bool:
    """Return whether a field says something; one of invisible characters alone does not."""
    return value is not None and not (isinstance(value, str) and not clean(value))


def read(value: Any, lowest: int, highest: int) -> int | None:
    """Read a whole number within bounds; None when it is none, or can be read in several ways."""
    if type(value) is str:
        number = _read_text(value)
    elif isinstance(value, float):
        number = int(value) if value.is_integer() else None
    else:
        number = value if type(value) is int else None
    return number if number is not None and lowest <= number <= highest else None


def _read_text(text: str) -> int | None:
    if len(text) <= _MOST_DIGITS and text.isascii() and text.isdigit():  # nearly always
        return int(text)
    plain = clean(text)
    if len(plain) > _LONGEST:
        return None
    found = _WHOLE.fullmatch(plain)
    return int(found[1]) if found else None
