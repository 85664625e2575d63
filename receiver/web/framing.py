"""How a request says where its body ends: as strict as nginx, and stricter than the parser.

A request that two programs read in two ways lets a stranger hide another one in it. The parser
refuses most of them; what it lets through is refused here.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from receiver.web.answers import Header

_VERSIONS = frozenset({"1.0", "1.1"})
_FRAMING = frozenset({b"host", b"content-length", b"transfer-encoding", b"expect"})  # once each
# A name or an address and a port: nothing that ends the authority of a URL, or begins it.
_HOST = re.compile(rb"[^\x00-\x20\x7f/\\?#@,]+")


class Framing(NamedTuple):
    """What the headers say about the body.

    Attributes:
        length: bytes that will come; 0 also where it comes in chunks.
        asks_first: whether the client waits for `100 Continue` before it sends the body.
    """

    length: int
    asks_first: bool


def read_framing(version: str, headers: Sequence[Header]) -> Framing | None:
    """Read the headers that frame a request; None: it is not to be taken.

    Args:
        version: of HTTP, `major.minor`.
        headers: names in lower case; the parser has made sure that a length is a number.
    """
    if version not in _VERSIONS:
        return None
    told = dict(headers)
    if len(told) != len(headers) and _is_ambiguous(headers):
        return None
    if not _is_host(told.get(b"host"), version):
        return None
    coding, length = told.get(b"transfer-encoding"), told.get(b"content-length")
    if coding is not None and (
        coding.lower() != b"chunked" or length is not None or version == "1.0"
    ):
        return None
    expected = told.get(b"expect")
    asks_first = expected is not None and expected.lower() == b"100-continue"
    return Framing(int(length or 0), asks_first)


def _is_ambiguous(headers: Sequence[Header]) -> bool:
    names = [name for name, _ in headers if name in _FRAMING]
    return len(names) != len(set(names))


@lru_cache(maxsize=16)  # nearly every request names the same one
def _is_host(host: bytes | None, version: str) -> bool:
    if host is None:
        return version == "1.0"  # which has none
    return _HOST.fullmatch(host) is not None
