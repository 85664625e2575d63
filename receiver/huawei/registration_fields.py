"""The fields of a registration: valid values, and the texts for invalid ones.

The reasons name fields and limits, never a value: a value may be a phone number.
"""

import re
from collections.abc import Mapping
from typing import Any

from receiver.domain import times, whole_numbers
from receiver.domain.identifiers import clean
from receiver.domain.inputs import ACCEPTED_BY_PLATFORM
from receiver.domain.messages.state import MOST_PARTS
from receiver.domain.storable import storable
from receiver.domain.whole_numbers import is_given
from receiver.huawei.wire import LONGEST_ID

LONGEST_TEXT = 512  # characters; PostgreSQL indexes up to 2,700 bytes
MOST_CHARACTERS = 100_000  # more than the segments of the longest SMS hold
_OF_A_RESPONSE = re.compile(r"0{1,6}|[Ee][0-9]{6}")
_LONGEST = {"sms_msg_id": LONGEST_ID, "status": 64, "country": 8}


class RegistrationError(ValueError):
    """A document, an entry or a field is unusable; the text states what was expected."""


def first_of(fields: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    """Return the first field that says something, None when none does."""
    for name in names:
        value = fields.get(name)
        if value is not None and is_given(value):
            return value
    return None


def read_text(name: str, value: Any) -> str | None:
    """Read a text, cleaned as identifiers are; whole numbers are taken as their digits.

    Raises:
        RegistrationError: it is of another type, or too long.
    """
    if not is_given(value):
        return None
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise RegistrationError(f"`{name}` must be a string or an integer.")
    text = clean(str(value))
    longest = _LONGEST.get(name, LONGEST_TEXT)
    if len(text) > longest:
        raise RegistrationError(f"`{name}` must have at most {longest} characters.")
    return text


def read_clean(name: str, value: Any) -> str | None:
    """Read a text, made storable."""
    text = read_text(name, value)
    return None if text is None else storable(text)


def response_status(text: str) -> str | None:
    """Return the status of a send response; None when it cannot be one, but that of a report."""
    if _OF_A_RESPONSE.fullmatch(text) is None:
        return None
    return ACCEPTED_BY_PLATFORM if text.strip("0") == "" else text.upper()


def read_status(name: str, value: Any) -> str | None:
    """Read the status of a send response; None where it is none of one.

    Raises:
        RegistrationError: it is neither text nor a whole number, or too long.
    """
    text = read_clean(name, value)
    return None if text is None else response_status(text)


def read_time(name: str, value: Any) -> int | None:
    """Read a time, microseconds since the epoch; None for a date without the time of day."""
    if not is_given(value):
        return None
    text = clean(value) if isinstance(value, str) else ""
    if times.parse(text) is None:
        raise RegistrationError(f"`{name}` (or `createTime`) must be an RFC 3339 time.")
    return times.parse_moment(text)


def read_total(name: str, value: Any) -> int | None:
    """Read how many parts an SMS has."""
    return _read_whole(name, value, 1, MOST_PARTS)


def read_text_length(name: str, value: Any) -> int | None:
    """Read how many characters a text has."""
    return _read_whole(name, value, 0, MOST_CHARACTERS)


def _read_whole(name: str, value: Any, lowest: int, highest: int) -> int | None:
    if not is_given(value):
        return None
    number = whole_numbers.read(value, lowest, highest)
    if number is None:
        raise RegistrationError(f"`{name}` must be an integer from {lowest} to {highest}.")
    return number
