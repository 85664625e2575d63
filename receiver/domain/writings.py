"""A person's number in texts of any kind: found in every usual writing, and made unreadable."""

import re
import unicodedata
from typing import Any
from urllib.parse import unquote

import phonenumbers

from receiver.domain.numbers import HOME_REGION, is_mainland_mobile, is_number, normalise

# Between two digits, as people and forms write them: blanks, hyphens, dots, slashes, brackets.
_BETWEEN = r"(?:[ \t()./+-]|%2[089DdEeFf]){0,3}"
# What stands before is no digit of the number itself, but may end with one where it is escaped.
_BEFORE = r"(?:(?<![0-9])|(?<=%[0-9A-Fa-f][0-9])|(?<=\\u[0-9A-Fa-f]{3}[0-9]))"
_SIGN = r"(?:\+|00|%2[Bb])"
_HOME_CODE = phonenumbers.country_code_for_region(HOME_REGION)
_COVER = "*"
_JSON_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")


class Writings:
    """All usual writings of one number.

    What the receiver takes for the number counts: with a plus sign, with 00, escaped for a form,
    without any sign, in groups of digits; without a country code only where the platform adds it.
    """

    def __init__(self, number: str) -> None:
        """Take a number.

        Args:
            number: as E.164.

        Raises:
            ValueError: it is none that can be dialled.
        """
        if not is_number(number):
            raise ValueError("not a phone number")
        parsed = phonenumbers.parse(number)
        national = phonenumbers.national_significant_number(parsed)
        is_home = parsed.country_code == _HOME_CODE
        code = str(parsed.country_code)
        # Eleven digits that begin like a mainland mobile number are that one, unless they say so.
        sign = _SIGN if is_mainland_mobile(code + national) else f"{_SIGN}?"
        prefix = f"{sign}{_BETWEEN}{_spaced(code)}{_BETWEEN}"
        pattern = f"{_BEFORE}{f'(?:{prefix})?' if is_home else prefix}{_spaced(national)}(?![0-9])"
        self.number = number
        self.ending = national[-4:]  # for a first, cheap look
        self._in_text = re.compile(pattern)
        self._in_bytes = re.compile(pattern.encode())
        # In a database's file values stand side by side: whatever is around counts for nothing.
        digits = _spaced(national if is_home else code + national)
        self.digits = re.compile(digits.encode())
        self._digits = re.compile(digits)  # found in a fraction of the time of the whole

    def is_it(self, text: str | None) -> bool:
        """Tell whether a text that should be a number is this one."""
        return text is not None and (normalise(text) == self.number or self.in_text(text))

    def in_text(self, text: str | None) -> bool:
        """Tell whether a text holds the number."""
        if not text:
            return False
        plain = _plain(text)
        return bool(self._digits.search(plain)) and self._in_text.search(plain) is not None

    def in_bytes(self, data: bytes) -> bool:
        """Tell whether bytes of any kind hold the number."""
        if self.digits.search(data) and self._in_bytes.search(data):
            return True
        return not data.isascii() and self.in_text(data.decode(errors="replace"))

    def in_unread(self, data: bytes) -> bool:
        """Tell whether bytes hold the number also where digits stand escaped."""
        if self.in_bytes(data):
            return True
        text = data.decode(errors="replace")
        return any(map(self.in_text, (unquote(text), _JSON_ESCAPE.sub(_unescaped, text))))

    def in_value(self, value: Any) -> bool:
        """Tell whether a JSON value holds the number anywhere."""
        if isinstance(value, dict):
            return any(self.in_text(str(key)) or self.in_value(one) for key, one in value.items())
        if isinstance(value, list):
            return any(map(self.in_value, value))
        return isinstance(value, (str, int)) and self.in_text(str(value))

    def cover(self, text: str) -> str:
        """Make the number unreadable in a text; all else stays."""
        if not self.in_text(text):
            return text
        return self._in_text.sub(_covered, _plain(text))

    def cover_bytes(self, data: bytes) -> bytes:
        """Make the number unreadable in bytes, of the same length."""
        return self._in_bytes.sub(lambda found: _COVER.encode() * len(found[0]), data)

    def cover_value(self, value: Any) -> Any:
        """Make the number unreadable in a JSON value."""
        if isinstance(value, dict):
            return {self.cover(str(key)): self.cover_value(one) for key, one in value.items()}
        if isinstance(value, list):
            return [self.cover_value(one) for one in value]
        if isinstance(value, str):
            return self.cover(value)
        is_it = isinstance(value, int) and not isinstance(value, bool) and self.in_text(str(value))
        return self.cover(str(value)) if is_it else value


def _spaced(digits: str) -> str:
    return _BETWEEN.join(digits)


def _plain(text: str) -> str:
    return text if text.isascii() else unicodedata.normalize("NFKC", text)


def _unescaped(found: re.Match[str]) -> str:
    return chr(int(found[1], 16))


def _covered(found: re.Match[str]) -> str:
    return _COVER * len(found[0])
