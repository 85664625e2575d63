"""Identifiers as they are compared: without surrounding and invisible characters."""

import unicodedata

_ASCII = "".join(map(chr, [*range(33), 127]))  # blanks and control characters
# Blanks, separators, control and format characters: byte order mark, zero-width and bidi marks.
_CATEGORIES = frozenset({"Zs", "Zl", "Zp", "Cc", "Cf"})
# Invisible too, though Unicode counts them as letters, marks or symbols: fillers, variation
# selectors, the grapheme joiner, the empty braille pattern.
_OTHERS = frozenset(
    map(
        chr,
        [
            0x034F,
            *(0x115F, 0x1160, 0x3164, 0xFFA0),
            *(0x17B4, 0x17B5),
            *(0x180B, 0x180C, 0x180D, 0x180F),
            0x2800,
            *range(0xFE00, 0xFE10),
            *range(0xE0100, 0xE01F0),
        ],
    )
)


def clean(text: str) -> str:
    """Return an identifier without surrounding whitespace and invisible characters.

    Nothing else changes: an identifier is opaque, so case and everything inside it stay. A text
    of invisible characters alone becomes empty.
    """
    if "!" <= text[:1] <= "~" and "!" <= text[-1:] <= "~":  # nearly always, on the hot path too
        return text
    if text.isascii():
        return text.strip(_ASCII)
    start, end = 0, len(text)
    while start < end and _is_invisible(text[start]):
        start += 1
    while end > start and _is_invisible(text[end - 1]):
        end -= 1
    return text[start:end]


def visible(text: str) -> str:
    """Return a text without its invisible characters, those in its middle too; blanks stay.

    For what is no opaque identifier: nobody who reads a phone number sees them.
    """
    if text.isascii() and text.isprintable():  # nearly always
        return text
    return "".join(one for one in text if one.isspace() or not _is_invisible(one))


def _is_invisible(character: str) -> bool:
    return unicodedata.category(character) in _CATEGORIES or character in _OTHERS
