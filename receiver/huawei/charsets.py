"""The charset of a push, also if it is not UTF-8.

A text as received holds its bytes as `surrogateescape` reads them: U+DC80 to U+DCFF are the bytes
80 to FF that are no UTF-8. Nothing here replaces a byte: what cannot be read stays as received.
"""

import codecs
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from receiver.domain.storable import is_storable, storable
from receiver.huawei.mojibake import bytes_of

# Declared charset -> the codec that reads it. Only what writes texts: a name from outside must not
# choose among all codecs of Python, some of which are no charsets or make ASCII another text.
_GB = "gb18030"
_WESTERN = "cp1252"
_CODECS: Mapping[str, str] = {
    **dict.fromkeys(("gb2312", "gbk", "gb18030", "cp936", "windows-936", "x-gbk", "euc-cn"), _GB),
    **dict.fromkeys(("big5", "big5-hkscs", "x-x-big5"), "big5hkscs"),
    "cp950": "cp950",
    **dict.fromkeys(("utf-16", "unicode", "ucs-2", "utf-16be", "utf-16-be"), "utf-16-be"),
    **dict.fromkeys(("utf-16le", "utf-16-le"), "utf-16-le"),
    **dict.fromkeys(("shift_jis", "shift-jis", "sjis", "windows-31j", "cp932"), "cp932"),
    "euc-jp": "euc_jp",
    "euc-kr": "cp949",
    **dict.fromkeys(("windows-1251", "cp1251"), "cp1251"),
    "koi8-r": "koi8_r",
    **dict.fromkeys(("iso-8859-1", "iso8859-1", "iso_8859-1", "latin1"), _WESTERN),
    **dict.fromkeys(("latin-1", "windows-1252", "cp1252"), _WESTERN),
    "iso-8859-15": "iso8859_15",
}
_UTF_16 = ("utf-16-be", "utf-16-le")
_IN_JSON = (_GB, "big5hkscs", "cp932")  # their characters may end with the byte of a backslash
_CHARSET = re.compile(r"(?im)^content-type:.*?;\s*charset\s*=\s*[\"']?([\w.:-]+)")

_BYTE_ORDER_MARKS = (codecs.BOM_UTF16_BE, codecs.BOM_UTF16_LE)
_FIRST_OF_THREE_BYTES = "\u0800"  # of UTF-8
# Surrogate pairs as two times three bytes (CESU-8), and the half of one at the end.
_PAIR = re.compile(rb"\xed[\xa0-\xaf][\x80-\xbf]\xed[\xb0-\xbf][\x80-\xbf]")
_HALF_PAIR = re.compile(rb"\xed[\xa0-\xaf](?:[\x80-\xbf](?:\xed[\xb0-\xbf]?)?)?\Z")
# An astral character, nearly always an emoji, of which the end is missing.
_CUT_ASTRAL = re.compile(rb"(?:\xf0[\x90-\xbf]?[\x80-\xbf]?|\xed[\xa0-\xaf].{0,3})\Z", re.DOTALL)
_NO_TEXT = frozenset({"Cc", "Cn", "Co", "Cs"})  # categories
_LAYOUT = "\t\n\r"


class Writing(NamedTuple):
    """How the client that made a push writes its texts."""

    declared: str | None = None  # the codec of its declared charset
    is_gb: bool = False  # texts that could be UTF-8 as well are GB 2312
    is_plain: bool = False  # all of them are ASCII without NUL


_PLAIN = Writing(is_plain=True)
_UNDECLARED = Writing()


@dataclass(frozen=True, slots=True)
class DecodedText:
    """A text, and whether its charset was guessed."""

    text: str
    is_guess: bool = False


def declared_in(headers: str) -> str | None:
    """Return the codec for the charset that headers (a `name: value` line each) declare.

    None: none is declared, it is UTF-8, or it is no charset of texts.
    """
    found = _CHARSET.search(headers)
    return _CODECS.get(found[1].lower()) if found else None


def writing_of(items: Iterable[Mapping[str, Any]], headers: str = "") -> Writing:
    """Return how a push is written: one client writes all its texts in one charset.

    Args:
        items: of the push, texts as received.
        headers: of the push, a `name: value` line each.
    """
    texts = [
        text
        for item in items
        for text in item.values()
        if isinstance(text, str) and not (text.isascii() and "\0" not in text)
    ]
    if not texts:
        return _PLAIN
    declared = declared_in(headers)
    pieces = [data for text in texts if (data := _bytes(text)) is not None]
    is_gb = (declared == _GB or any(_is_gb_alone(data) for data in pieces)) and not any(
        _is_plainly_utf_8(data) for data in pieces
    )
    return Writing(declared, is_gb)


def readable(item: Mapping[str, Any], writing: Writing) -> Mapping[str, Any]:
    """Return an item of a push with its texts read; what cannot be stored is yet to be escaped."""
    if writing.is_plain:
        return item
    return {
        name: value if _is_plain(value) else read(value, writing).text
        for name, value in item.items()
    }


def read(came: str, writing: Writing = _UNDECLARED) -> DecodedText:
    """Read a text as received: bytes in UTF-8, else in the declared charset, else by a guess."""
    if came.isascii() and "\0" not in came:
        return DecodedText(came)
    data = _bytes(came)
    if data is None:
        return DecodedText(_joined_surrogates(came))
    wide = _read_utf_16(data, writing.declared)
    if wide is not None:
        return wide
    data = _join_pairs(data)
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return _read_no_utf_8(data, writing)
    if writing.is_gb and not text.isascii() and max(text) < _FIRST_OF_THREE_BYTES:
        in_gb = _read_gb_2312(data)
        if in_gb is not None:
            return DecodedText(in_gb, writing.declared != _GB)
    return DecodedText(text)


def guesses(came: str) -> list[str]:
    """Return what else a text may say, whose bytes are in an undeclared charset.

    Nothing is sure about any of them.
    """
    data = _bytes(came)
    if came.isascii() or data is None:
        return []
    found = []
    if is_storable(came):  # UTF-8: perhaps GB 2312 that was read byte by byte
        found = [_read_gb_2312(mangled) for mangled in bytes_of(came)]
    else:
        cut = _CUT_ASTRAL.sub(b"", data)
        found = [_strictly(data, codec) for codec in (_GB, "big5hkscs", _WESTERN, *_UTF_16)]
        found.append(_strictly(cut, "utf-8"))
    return [text for text in found if text is not None]


def written(text: str) -> str:
    r"""Write a text so that it can be stored and shown; bytes that cannot be read as `\xNN`.

    Few letters between such bytes are UTF-8 by accident: they are written as bytes too.
    """
    if is_storable(text):
        return text
    data = _bytes(text)
    is_by_accident = data is not None and not any(map(_is_no_accident, text))
    return storable(data.decode("ascii", "surrogateescape") if data and is_by_accident else text)


def narrow(body: bytes) -> bytes:
    """Return a body as UTF-8 that is UTF-16 or UTF-32 as a whole: by its mark, or by its NULs."""
    if b"\0" not in body[:4] and body[:2] not in _BYTE_ORDER_MARKS:
        return body
    text = _strictly(body, json.detect_encoding(body))
    return body if text is None else text.removeprefix("\ufeff").encode()


def texts_of_json(body: bytes, headers: str) -> Iterator[str]:
    """Return what JSON that is not UTF-8 may say, the likeliest first."""
    declared = declared_in(headers)
    if declared in _IN_JSON:
        text = _strictly(body, declared)
        if text is not None:
            yield text
    yield body.decode(errors="surrogateescape")
    for codec in _IN_JSON:
        text = _strictly(body, codec)
        if text is not None:
            yield text


# --- one text -------------------------------------------------------------------------------


def _read_no_utf_8(data: bytes, writing: Writing) -> DecodedText:
    as_came = DecodedText(data.decode(errors="surrogateescape"))
    start = _where_cut(data)
    if start is not None and not data[:start].isascii():
        return as_came
    if writing.declared not in (None, _WESTERN):
        text = _read_declared(data, writing.declared)
        if text is not None:
            return DecodedText(text)
    if start is None or writing.is_gb:
        text = _read_gb_2312(data)
        if text is not None:
            return DecodedText(text, is_guess=True)
    # Servers declare this charset by default; it reads anything, so it comes last.
    if writing.declared == _WESTERN:
        text = _strictly(data, _WESTERN)
        return DecodedText(data.decode("latin-1") if text is None else text)
    return as_came


def _read_declared(data: bytes, codec: str | None) -> str | None:
    if codec is None:
        return None
    whole = _strictly(data, codec)
    if whole is not None or codec in _UTF_16:
        return whole if whole is not None and _is_text(whole) else None
    # The last character of a field that is cut at some bytes may be incomplete.
    head = _strictly(data[:-1], codec)
    return None if head is None else head + data[-1:].decode(errors="surrogateescape")


def _read_gb_2312(data: bytes) -> str | None:
    """Read bytes that are GB 2312, of the last character perhaps only the first one."""
    if _strictly(data, "gb2312") is not None:
        return data.decode(_GB)
    head = data[:-1]
    if data[-1:] < b"\xa1" or head.isascii() or _strictly(head, "gb2312") is None:
        return None
    return head.decode(_GB) + data[-1:].decode(errors="surrogateescape")


def _read_utf_16(data: bytes, declared: str | None) -> DecodedText | None:
    """Read bytes that a mark or NULs show to be UTF-16."""
    if data[:2] in _BYTE_ORDER_MARKS:
        marked = _strictly(data, "utf-16")
        return DecodedText(marked) if marked is not None and _is_text(marked) else None
    if b"\0" not in data or len(data) % 2 or _is_padded(data):
        return None
    is_guess = declared not in _UTF_16
    even, odd = data[::2], data[1::2]
    for high, low in ((even, odd), (odd, even)):
        if not any(high) and low.isascii() and b"\0" not in low:
            return DecodedText(low.decode(), is_guess)
    if _strictly(data, "utf-8") is not None:
        return None
    codecs_tried = (declared,) if declared in _UTF_16 else _UTF_16
    found = [_strictly(data, codec) for codec in codecs_tried if codec]
    texts = [text for text in found if text is not None and _is_text(text)]
    return DecodedText(texts[0], is_guess) if len(texts) == 1 else None


def _is_padded(data: bytes) -> bool:
    """Return whether the NULs of a text only stand behind it."""
    text = data.rstrip(b"\0")
    is_readable = _strictly(text, "utf-8") is not None or _strictly(text, "gb2312") is not None
    return b"\0" not in text and is_readable


def _is_text(text: str) -> bool:
    return not any(unicodedata.category(c) in _NO_TEXT and c not in _LAYOUT for c in text)


def _join_pairs(data: bytes) -> bytes:
    """Make one character of four bytes of each surrogate pair, where all the rest is UTF-8."""
    if b"\xed" not in data:
        return data
    joined = _PAIR.sub(lambda pair: _joined_surrogates(_passed(pair[0])).encode(), data)
    is_utf_8 = _strictly(joined, "utf-8") is not None or _where_cut(joined) is not None
    return joined if is_utf_8 else data


def _passed(data: bytes) -> str:
    return data.decode(errors="surrogatepass")


def _joined_surrogates(text: str) -> str:
    """Make one character of each surrogate pair; lone ones stay."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def _where_cut(data: bytes) -> int | None:
    """Tell where the last character of UTF-8 begins, when its end is missing."""
    half = _HALF_PAIR.search(data)
    if half is not None and _strictly(data[: half.start()], "utf-8") is not None:
        return half.start()
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return error.start if error.reason == "unexpected end of data" else None
    return None


def _is_gb_alone(data: bytes) -> bool:
    """Return whether bytes are GB 2312 and no UTF-8."""
    data = _join_pairs(data)
    if _strictly(data, "utf-8") is not None or _where_cut(data) is not None:
        return False
    return _read_gb_2312(data) is not None


def _is_plainly_utf_8(data: bytes) -> bool:
    """Return whether bytes are UTF-8 that hardly is by accident."""
    data = _join_pairs(data)
    text = _strictly(data[: _where_cut(data)], "utf-8")
    return text is not None and text != "" and max(text) >= _FIRST_OF_THREE_BYTES


def _is_no_accident(character: str) -> bool:
    return character >= _FIRST_OF_THREE_BYTES and not "\ud800" <= character <= "\udfff"


def _is_plain(value: Any) -> bool:
    return not isinstance(value, str) or (value.isascii() and "\0" not in value)


def _bytes(text: str) -> bytes | None:
    """Return the bytes as which a text came; None: it came in JSON, with lone surrogates."""
    try:
        return text.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        return None


def _strictly(data: bytes, codec: str) -> str | None:
    try:
        return data.decode(codec)
    except UnicodeDecodeError:
        return None
