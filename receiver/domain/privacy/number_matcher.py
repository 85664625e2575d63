"""One person's number in texts: found in every usual notation, and redacted."""

import json
import re
import unicodedata
from typing import Any
from urllib.parse import unquote, unquote_plus

import phonenumbers

from receiver.domain.numbers import HOME_REGION, is_mainland_mobile, is_number, normalise
from receiver.domain.storable import ESCAPED_NUL

# Between two digits, as people and forms write them: blanks, hyphens, dots, slashes, brackets; also
# dashes and what nobody sees.
_SIGNS = r" \t()./+"
_UNSEEN = (
    r"\u0080-\u00a0\u00ad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f\u2000-\u200f"
    r"\u2028-\u202f\u205f-\u206f\u2800\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb"
    r"\U000e0001\U000e0020-\U000e01ef"
)
_ESCAPED_SIGN = "%(?:2[089DdEeFf]|00)"
_BETWEEN_TEXT = (
    rf"(?:[{_SIGNS}\x00-\x08\x0e-\x1f\x7f{_UNSEEN}\u2010-\u2015\u2212-]|{_ESCAPED_SIGN}"
    rf"|{re.escape(ESCAPED_NUL)}){{0,3}}"
)
# The usual ones of them in bytes: as UTF-8, escaped for a form and escaped in JSON.
_UNSEEN_BYTES = (
    r"\xc2[\xa0\xad]|\xe2[\x80\x81][\x80-\xaf]|\xef\xbb\xbf"
    r"|%[Cc]2%[Aa][0Dd]|%[Ee]2%8[01]%[89Aa][0-9A-Fa-f]|%[Ee][Ff]%[Bb][Bb]%[Bb][Ff]"
    r"|\\u(?:00[Aa][0Dd]|0000|20[0126][0-9A-Fa-f]|[Ff][Ee][Ff][Ff])"
)
_BETWEEN = rf"(?:[{_SIGNS}-]|{_ESCAPED_SIGN}|{_UNSEEN_BYTES}){{0,3}}"
# What stands before is no digit of the number itself, but may end with one where it is escaped.
_BEFORE = r"(?:(?<![0-9])|(?<=%[0-9A-Fa-f][0-9])|(?<=\\u[0-9A-Fa-f]{3}[0-9]))"
_SIGN = r"(?:\+|00|%2[Bb])"
# In front of digits without a sign of their own: they go on with a number of another country.
_OF_ANOTHER = re.compile(rf"(?:\+|%2[Bb]|(?<![0-9A-Za-z])00)[0-9]{{0,3}}{_BETWEEN_TEXT}$")
_LOOK_BACK = 20  # characters
_HOME_CODE = phonenumbers.country_code_for_region(HOME_REGION)
_COVER = "*"
_JSON_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")


class Writings:
    """All usual notations of one number.

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
        sign = f"(?P<sign>{_SIGN}){'' if is_mainland_mobile(code + national) else '?'}"

        def pattern(between: str) -> str:
            prefix = f"{sign}{between}{between.join(code)}{between}"
            shown = f"(?:{prefix})?" if is_home else prefix
            return f"{_BEFORE}{shown}{between.join(national)}(?![0-9])"

        self.number = number
        self.plain = national if is_home else code + national  # the digits, for a first, cheap look
        self._in_text = re.compile(pattern(_BETWEEN_TEXT))
        self._in_bytes = re.compile(pattern(_BETWEEN).encode())
        self._digits = re.compile(_BETWEEN_TEXT.join(self.plain))  # a fraction of the whole's time
        # In a file: each pattern begins with bytes that stand fast, which makes it quick.
        between = _BETWEEN.encode()
        self._raw = tuple(
            re.compile(between.join(write(digit) for digit in self.plain))
            for write in (_narrow, _wide, _escaped)
        )
        signed = rf"(?:\+|%2[Bb]|(?<![0-9])00){_BETWEEN}{_BETWEEN.join(code)}{_BETWEEN}"
        unsigned = rf"(?<![0-9+])(?<!%2[Bb])(?:{_BETWEEN.join(code)}{_BETWEEN})?"
        before = f"(?:{signed}|{unsigned})" if is_home else signed
        self._apart = re.compile(f"{before}{_BETWEEN.join(national)}(?![0-9])".encode())

    def is_it(self, text: str | None) -> bool:
        """Return whether a text that should be a number is this one."""
        if text is None:
            return False
        written = normalise(text) or ""
        return written == self.number if is_number(written) else self.in_text(text)

    def in_text(self, text: str | None) -> bool:
        """Return whether a text holds the number."""
        if not text:
            return False
        plain = _plain(text)
        if not self._digits.search(plain):
            return False
        return any(map(_is_whole, self._in_text.finditer(plain)))

    def in_bytes(self, data: bytes) -> bool:
        """Return whether bytes may hold the number; those that are another one's may count too."""
        if self._raw[0].search(data) and self._in_bytes.search(data):
            return True
        return not data.isascii() and self.in_text(data.decode(errors="replace"))

    def in_raw(self, data: bytes, *, apart: bool = False) -> bool:
        """Return whether the bytes of a file hold the digits, in full width and escaped too.

        Args:
            data: values may stand side by side in it: whatever is around counts for nothing.
            apart: what is around counts: where it makes another number of them, they do not.
        """
        if not apart:
            return any(pattern.search(data) for pattern in self._raw)
        narrow, *others = self._raw
        return any(
            self._apart.search(data, max(0, found.start() - _LOOK_BACK), found.end() + 1)
            for found in narrow.finditer(data)
        ) or any(pattern.search(data) for pattern in others)

    def in_unread(self, data: bytes) -> bool:
        """Tell whether bytes that nobody understands hold the number, also where it is escaped."""
        text = data.decode(errors="replace")
        unescaped = _JSON_ESCAPE.sub(_unescaped, text)
        as_form = unquote(text) if text.lstrip().startswith(("{", "[")) else unquote_plus(text)
        return any(map(self.in_text, (text, as_form, unescaped)))

    def in_value(self, value: Any) -> bool:
        """Return whether a JSON value holds the number anywhere."""
        if isinstance(value, dict):
            return any(self.in_text(str(key)) or self.in_value(one) for key, one in value.items())
        if isinstance(value, list):
            return any(map(self.in_value, value))
        return isinstance(value, (str, int)) and self.in_text(str(value))

    def cover(self, text: str) -> str:
        """Return a text with the number redacted."""
        if not self.in_text(text):
            return text
        return self._in_text.sub(_covered, _plain(text))

    def in_json(self, text: str | None) -> bool:
        """Return whether the text of a JSON value holds the number, however it is escaped."""
        return bool(text) and (self.in_text(text) or self.in_value(json.loads(text or "null")))

    def cover_bytes(self, data: bytes) -> bytes:
        """Return bytes of the same length with the number redacted."""
        return self._in_bytes.sub(lambda found: _COVER.encode() * len(found[0]), data)

    def cover_value(self, value: Any) -> Any:
        """Return a JSON value with the number redacted."""
        if isinstance(value, dict):
            return {self.cover(str(key)): self.cover_value(one) for key, one in value.items()}
        if isinstance(value, list):
            return [self.cover_value(one) for one in value]
        if isinstance(value, str):
            return self.cover(value)
        is_it = isinstance(value, int) and not isinstance(value, bool) and self.in_text(str(value))
        return self.cover(str(value)) if is_it else value


def _plain(text: str) -> str:
    return text if text.isascii() else unicodedata.normalize("NFKC", text)


def _narrow(digit: str) -> bytes:
    return digit.encode()


def _wide(digit: str) -> bytes:
    return chr(0xFF10 + int(digit)).encode()


def _escaped(digit: str) -> bytes:
    return rb"\\u[fF][fF]1" + digit.encode()


def _unescaped(found: re.Match[str]) -> str:
    return chr(int(found[1], 16))


def _is_whole(found: re.Match[str]) -> bool:
    """Return whether digits that were found are a number of their own."""
    if found["sign"]:
        return True
    start = found.start()
    return _OF_ANOTHER.search(found.string, max(0, start - _LOOK_BACK), start) is None


def _covered(found: re.Match[str]) -> str:
    return _COVER * len(found[0]) if _is_whole(found) else found[0]
