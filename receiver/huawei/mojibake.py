"""Texts whose UTF-8 bytes were read as Latin-1 on their way (platform FAQ on garbled uplinks)."""

from collections.abc import Iterator
from itertools import pairwise

# Many programs say Latin-1 and read Windows-1252, which has signs and letters in 27 of the places
# of the control characters. In the other five both have the same.
_PLACES = {
    ord(character): byte
    for byte in range(0x80, 0xA0)
    if (character := bytes([byte]).decode("cp1252", errors="ignore"))
}
_FIRST_OF_FOUR_BYTES = "\U00010000"


def repair(text: str) -> str:
    """Undo one reading of UTF-8 bytes as Latin-1 or Windows-1252 when only that explains the text.

    Every character must be one of a byte, and the bytes together well-formed UTF-8: ordinary
    accented text practically never is, mangled text always is. Where Windows-1252 alone explains
    it that is not enough: in "café…”" an accent stands before punctuation, and the three bytes
    are a Chinese character by accident. Then two characters side by side must come out, or one
    of four bytes.
    """
    if text.isascii():
        return text
    by_latin_1 = _read_as_utf_8(text)
    if by_latin_1 is not None:
        return by_latin_1
    by_windows = _read_as_utf_8(text.translate(_PLACES))
    return by_windows if by_windows is not None and _is_no_accident(by_windows) else text


def bytes_of(text: str) -> Iterator[bytes]:
    """Return the bytes of a text that was read byte by byte, as Latin-1 and as Windows-1252."""
    for one in (text, text.translate(_PLACES)):
        try:
            yield one.encode("latin-1")
        except UnicodeEncodeError:
            continue


def _read_as_utf_8(text: str) -> str | None:
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return None


def _is_no_accident(repaired: str) -> bool:
    return any(character >= _FIRST_OF_FOUR_BYTES for character in repaired) or any(
        not one.isascii() and not other.isascii() for one, other in pairwise(repaired)
    )
