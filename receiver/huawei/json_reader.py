"""The text of a JSON push in any charset, and what stands in it as Python's values."""

import contextlib
import json
import math
from typing import Any

from receiver.huawei import charsets
from receiver.huawei.unused import Unused


def load(body: bytes, headers: str, unused: Unused | None) -> Any:
    """Read a JSON; numbers that no float holds become texts.

    Args:
        body: without a byte order mark.
        headers: of the push.
        unused: where to note members that are given more than once.

    Raises:
        ValueError: it is none.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return _load_no_utf_8(body, headers, unused)
    return _loads(text, unused)


def text_of(body: bytes, headers: str) -> str:
    """Return the text of a JSON: as UTF-8, or else in the charset that is likeliest."""
    try:
        return body.decode()
    except UnicodeDecodeError:
        return next(charsets.texts_of_json(body, headers))


def _loads(text: str, unused: Unused | None) -> Any:
    if unused:
        return decoder_of(unused).decode(text)
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError:
        raise
    except ValueError:  # more digits than Python reads: of one item, which costs no other
        return _LENIENT_DECODER.decode(text)


def _load_no_utf_8(body: bytes, headers: str, unused: Unused | None) -> Any:
    for text in charsets.texts_of_json(body, headers):
        with contextlib.suppress(ValueError):
            return _loads(text, unused)
    raise ValueError("not JSON in any supported charset")


def _finite(text: str) -> float | str:
    """Keep a number that no float holds as its text: it must survive into JSON again."""
    number = float(text)
    return number if math.isfinite(number) else text


def _countable(text: str) -> int | str:
    """Keep a whole number of more digits than Python reads as its text."""
    try:
        return int(text)
    except ValueError:
        return text


_DECODER = json.JSONDecoder(parse_float=_finite, parse_constant=str)
_LENIENT_DECODER = json.JSONDecoder(parse_float=_finite, parse_constant=str, parse_int=_countable)


def decoder_of(unused: Unused | None) -> json.JSONDecoder:
    """Return what reads one value after the other, numbers of any length among them."""
    if unused is None:
        return _LENIENT_DECODER
    return json.JSONDecoder(
        object_pairs_hook=unused.object,
        parse_float=_finite,
        parse_constant=str,
        parse_int=_countable,
    )
