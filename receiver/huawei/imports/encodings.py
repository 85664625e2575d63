"""Detects the encoding of a CSV file: byte order mark, or the most common characters."""

import codecs
from collections.abc import Sequence
from io import BufferedReader, TextIOWrapper

from receiver.huawei.imports.rows import ExportError

_CHUNK = 1 << 20
_MARKS = {  # those of UTF-32 first: they begin as the others do
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
# Bytes that are valid in one of these are often valid in the other too, and mean something else.
# Encoding -> where the characters in common use stand: a part of it, or one that it takes in.
_GB2312 = ("gb2312", b"\xa1\xa1", b"\xf7\xfe")
_BIG5 = ("big5", b"\xa1\x40", b"\xc6\x7e")  # behind it the less common ones begin
_COMMON = {"gb18030": (_GB2312, _BIG5), "big5": (_BIG5,)}
_LEAST_COMMON = 1 / 3  # of the characters; text in letters of Europe makes almost none
_SURELY_COMMON = 9 / 10
_FEWEST = 4  # characters by which to tell
_ZEROS = 1 / 4  # of the high bytes of UTF-16: those of digits and separators
_ERRORS = "receiver-kept"
_LOST = "\udcff"  # in place of bytes that no surrogate stands for
_OTHER = "If the sample shows wrong characters, pass the encoding with --encoding"


def decoded(stream: BufferedReader, encoding: str | None) -> tuple[TextIOWrapper, Sequence[str]]:
    """Return the text of a file, and what is not certain about it.

    Bytes that are not of the encoding become surrogates.

    Args:
        stream: the file; one that can be read again where the encoding is None.
        encoding: its encoding; None for UTF-8, GB18030, Big5 or UTF-16, as it looks.

    Raises:
        ExportError: there is no such encoding, or it cannot be told.
    """
    notes: Sequence[str] = ()
    if encoding is None:
        encoding, notes = _guessed(stream)
    try:
        return TextIOWrapper(stream, encoding, errors=_ERRORS, newline=""), notes
    except LookupError:
        raise ExportError(
            f"The encoding {encoding!r} is unknown. --encoding accepts names such as "
            "gb18030, big5, cp1252."
        ) from None


def _keep(error: UnicodeError, /) -> tuple[str | bytes, int]:
    """Decode bytes of no character as `surrogateescape` does, and those that it leaves too.

    It takes none below 0x80, of which UTF-16 and UTF-32 have many.
    """
    try:
        return codecs.lookup_error("surrogateescape")(error)
    except UnicodeDecodeError:
        return _LOST, error.end if isinstance(error, UnicodeDecodeError) else 0


codecs.register_error(_ERRORS, _keep)


def ends_in_character(line: str) -> bool:
    """Return whether the last line of a file ends with bytes that are no whole character."""
    return "\udc80" <= line[-1:] <= _LOST


def _guessed(stream: BufferedReader) -> tuple[str, Sequence[str]]:
    start = stream.peek(4)
    for mark, encoding in _MARKS.items():
        if start.startswith(mark):
            return encoding, ()
    unmarked = _unmarked_utf_16(start)
    if unmarked is not None:
        return unmarked, (
            (
                f"Because of its zero bytes, the file is read as {unmarked} without a byte order "
                f"mark. {_OTHER}."
            ),
        )
    return _guessed_by_characters(stream)


def _guessed_by_characters(stream: BufferedReader) -> tuple[str, Sequence[str]]:
    if not stream.seekable():
        raise ExportError("The encoding of a pipe cannot be detected. Pass it with --encoding.")
    if _characters(stream, "utf-8") is not None:
        return "utf-8", ()
    read = {encoding: _characters(stream, encoding) for encoding in _COMMON}
    found = {one: characters for one, characters in read.items() if characters is not None}
    shares = {one: _share_of_common(one, characters) for one, characters in found.items()}
    likely = max(shares, key=shares.__getitem__, default=None)  # of two alike the first
    if likely is None or shares[likely] < _LEAST_COMMON:
        return "utf-8", (f"The encoding is not UTF-8, GB18030 or Big5. {_OTHER}.",)
    others = [one for one, share in shares.items() if one != likely and share >= _SURELY_COMMON]
    if others:
        return likely, (f"The encoding may also be {others[0]}. {_OTHER}={others[0]}.",)
    if shares[likely] < _SURELY_COMMON or len(found[likely]) < _FEWEST:
        return likely, (f"The encoding is uncertain. {_OTHER}.",)
    return likely, ()


def _unmarked_utf_16(start: bytes) -> str | None:
    """Detect UTF-16 by the zero bytes of ASCII characters."""
    fewest = _ZEROS * (len(start) // 2)
    even, odd = start[::2].count(0), start[1::2].count(0)
    if max(even, odd) < max(fewest, _FEWEST) or min(even, odd) > max(even, odd) / 2:
        return None
    return "utf-16-be" if even > odd else "utf-16-le"


def _characters(stream: BufferedReader, encoding: str) -> set[str] | None:
    """Return the characters of a file that are not ASCII; None when it is not in an encoding."""
    decoder = codecs.getincrementaldecoder(encoding)()
    found: set[str] = set()
    try:
        while chunk := stream.read(_CHUNK):
            found.update(decoder.decode(chunk))
    except UnicodeDecodeError:
        return None
    finally:
        stream.seek(0)
    characters = {character for character in found if not character.isascii()}
    return characters if characters or _is_whole(decoder) else None


def _is_whole(decoder: codecs.IncrementalDecoder) -> bool:
    """Tell whether the last character is; in a file that was cut others have told the encoding."""
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _share_of_common(encoding: str, characters: set[str]) -> float:
    common = sum(
        any(_is_in(part, character) for part in _COMMON[encoding]) for character in characters
    )
    return common / len(characters) if characters else 0.0


def _is_in(part: tuple[str, bytes, bytes], character: str) -> bool:
    encoding, first, last = part
    try:
        return first <= character.encode(encoding) <= last
    except UnicodeEncodeError:
        return False
