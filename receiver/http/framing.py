"""How a request says where its body ends: as strict as nginx, and stricter than the parser.

A request that two programs read in two ways lets a stranger hide another one in it. The parser
refuses most of them; what it lets through is refused here.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address
from typing import NamedTuple
from urllib.parse import unquote

from receiver.http.responses import Header

_VERSIONS = frozenset({"1.0", "1.1"})
_FRAMING = frozenset({b"host", b"content-length", b"transfer-encoding", b"expect"})  # once each
# A name or an address and a port (RFC 3986), without a comma: nothing that two hosts could hide in.
_LABEL = rb"(?:[\w~!$&'()*+;=-]|%[0-9A-Fa-f]{2})+"
_AUTHORITY = re.compile(
    rb"(?:\[([0-9A-Fa-f:.]+)\]|%b(?:\.%b)*\.?)(?::([0-9]{0,5}))?" % (_LABEL, _LABEL)
)
_LAST_PORT = 65535
# `scheme://authority`, then the path and the query of a target that is a whole URL.
_ABSOLUTE = re.compile(rb"https?://([^/?]*)([^?]*).*", re.IGNORECASE | re.DOTALL)
_OTHER_PROTOCOLS = (b"RTSP/", b"ICE/")  # that the parser takes for HTTP


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
    # A client of HTTP/1.0 cannot read `100 Continue` (RFC 9110 10.1.1).
    asks_first = expected is not None and expected.lower() == b"100-continue" and version != "1.0"
    return Framing(int(length or 0), asks_first)


def _is_ambiguous(headers: Sequence[Header]) -> bool:
    names = [name for name, _ in headers if name in _FRAMING]
    return len(names) != len(set(names))


@lru_cache(maxsize=16)  # nearly every request names the same one
def _is_host(host: bytes | None, version: str) -> bool:
    if host is None:
        return version == "1.0"  # which has none
    match = _AUTHORITY.fullmatch(host)
    if match is None or int(match[2] or 0) > _LAST_PORT:
        return False
    return match[1] is None or _is_ipv6(match[1].decode())


def _is_ipv6(text: str) -> bool:
    try:
        IPv6Address(text)
    except AddressValueError:
        return False
    return True


@lru_cache(maxsize=16)  # nearly every request has the same one
def read_path(method: bytes, target: bytes) -> str | None:
    """Return the path of a request target, percent-encoding undone; None: it is not to be taken.

    A target is a path, or a whole URL of HTTP whose authority could stand in `Host`, or of OPTIONS
    an asterisk.
    """
    if not target.startswith(b"/"):
        if target == b"*" and method == b"OPTIONS":
            return "*"
        absolute = read_absolute(target)
        if absolute is None:
            return None
        target = absolute[1]
    path = target.partition(b"?")[0].decode("latin-1")
    return unquote(path) if "%" in path else path


def read_absolute(target: bytes) -> tuple[bytes, bytes] | None:
    """Return authority and path of a target that is a whole URL of HTTP; None: it is none."""
    match = _ABSOLUTE.fullmatch(target)
    if match is None or not _is_host(match[1], ""):
        return None
    return match[1], match[2] or b"/"


def names_http(target: bytes, raw: bytes, *, is_behind: bool) -> bool:
    """Return whether it is HTTP that a request names behind its target; the parser keeps that back.

    Args:
        target: as received.
        raw: bytes that hold the request line.
        is_behind: whether other requests may stand ahead of it there. Then every place where the
            target stands must be followed by HTTP: which one it is cannot be told.
    """
    behind = raw.split(target + b" ", -1 if is_behind else 1)[1:]
    return not any(part.lstrip(b" ").startswith(_OTHER_PROTOCOLS) for part in behind)
