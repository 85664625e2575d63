"""The changes that would make a push signature valid.

A signature says only yes or no. So what proxies and misunderstandings usually change is put back,
one change or two at a time, until the signature verifies: that names the header that differs.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import combinations

from receiver.huawei.signing import (
    DATE,
    HOST,
    SignatureOutcome,
    SignedRequest,
    SigningRules,
    Verification,
    verify,
)

_FOREVER_US = 2**62
_PORT = re.compile(rb":[0-9]{1,5}$")
_USUAL_PORTS = (b":443", b":80", b":8080", b":8443")
_FORWARDED_HOSTS = (b"x-forwarded-host", b"x-original-host", b"x-forwarded-server")
_FORWARDED_TARGETS = (b"x-original-uri", b"x-original-url", b"x-forwarded-uri")
_CONNECTIONS = (b"close", b"keep-alive", b"Keep-Alive", b"Close")
_TYPES = (
    b"application/x-www-form-urlencoded",
    b"application/x-www-form-urlencoded; charset=UTF-8",
    b"application/x-www-form-urlencoded;charset=UTF-8",
    b"application/json",
    b"application/json; charset=UTF-8",
    b"application/json;charset=UTF-8",
)


@dataclass(frozen=True, slots=True)
class Repair:
    """One thing put back, in words, and what it makes of the request."""

    words: str
    request: SignedRequest


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The verification of a request as it is, and the changes by which it would be valid."""

    found: Verification
    stale: bool  # the date is beside the window; all else is judged as if it were not
    remedies: tuple[str, ...] = ()  # empty: valid, or nothing that is usual helps


def diagnose(
    request: SignedRequest, rules: SigningRules, now: int, hosts: Iterable[str] = ()
) -> Diagnosis:
    """Return why a push is not verified.

    Args:
        request: as received.
        rules: keys and limits.
        now: microseconds since the epoch.
        hosts: names under which the receiver is known outside, with their ports if any.
    """
    found = verify(request, rules, now)
    stale = found.outcome is SignatureOutcome.STALE
    patient = replace(rules, window_us=_FOREVER_US)
    if stale:
        found = verify(request, patient, now)
    if found.outcome not in (SignatureOutcome.MISMATCH, SignatureOutcome.BODY):
        return Diagnosis(found, stale)
    changes = list(_changes(request, rules, hosts))
    for change in changes:
        if verify(change.request, patient, now).valid:
            return Diagnosis(found, stale, (change.words,))
    for one, other in combinations(changes, 2):
        both = _both(request, one.request, other.request)
        if both is not None and verify(both, patient, now).valid:
            return Diagnosis(found, stale, (one.words, other.words))
    return Diagnosis(found, stale)


def _changes(request: SignedRequest, rules: SigningRules, hosts: Iterable[str]) -> Iterator[Repair]:
    yield from _of_host(request, rules, hosts)
    for name, values in (
        (b"connection", _CONNECTIONS),
        (b"content-type", _TYPES),
        (b"content-length", (str(len(request.body)).encode(),)),
    ):
        for value in values:
            yield _with_header(request, name, value)
    for name in _FORWARDED_TARGETS:
        for value in _values(request, name):
            words = f"the path and query are {name.decode()}"
            yield Repair(words, replace(request, target=value))
    for body, words in (
        (request.body.rstrip(b"\r\n"), "the body has no trailing line break"),
        (request.body + b"\n", "the body has a trailing line break"),
        (request.body.replace(b"\r\n", b"\n"), "line breaks of the body are LF, not CR LF"),
        (b"", "the body is empty"),
    ):
        if body != request.body:
            yield Repair(words, replace(request, body=body))


def _of_host(request: SignedRequest, rules: SigningRules, hosts: Iterable[str]) -> Iterator[Repair]:
    if rules.host is not None:
        return  # whatever the header says, this counts
    told = [value for name in _FORWARDED_HOSTS for value in _values(request, name)]
    told += [host.encode("latin-1", "replace") for host in hosts]
    told += _values(request, HOST)
    plain = [_PORT.sub(b"", host) for host in told]
    for host in dict.fromkeys(
        [*told, *plain, *(one + port for one in plain for port in _USUAL_PORTS)]
    ):
        yield _with_header(request, HOST, host)


def _with_header(request: SignedRequest, name: bytes, value: bytes) -> Repair:
    others = [header for header in request.headers if header[0] != name]
    words = f"the header {name.decode()} is {value.decode('latin-1')!r}"
    return Repair(words, replace(request, headers=[*others, (name, value)]))


def _both(request: SignedRequest, one: SignedRequest, other: SignedRequest) -> SignedRequest | None:
    """Make both changes; None where they are about the same thing."""
    names = {name for name, _ in {*one.headers} ^ {*request.headers}}
    others = {name for name, _ in {*other.headers} ^ {*request.headers}}
    if names & others or request.body not in (one.body, other.body):
        return None
    headers = [header for header in one.headers if header[0] not in others]
    headers += [header for header in other.headers if header[0] in others]
    return replace(
        request,
        target=one.target if one.target != request.target else other.target,
        headers=headers,
        body=one.body if one.body != request.body else other.body,
    )


def _values(request: SignedRequest, name: bytes) -> list[bytes]:
    return [value for known, value in request.headers if known == name]


def read_request(text: bytes) -> SignedRequest:
    """Read a request as it went over the wire, or as people save it with plain line ends.

    Raises:
        ValueError: it is none.
    """
    head, gap, body = _split(text)
    lines = head.replace(b"\r\n", b"\n").split(b"\n")
    words = lines[0].split(b" ")
    if len(words) != len((b"POST", b"/", b"HTTP/1.1")) or not words[2].startswith(b"HTTP/"):
        raise ValueError("The first line must have the form `POST /callbacks/… HTTP/1.1`.")
    headers = []
    for line in lines[1:]:
        name, colon, value = line.partition(b":")
        if not colon or not name.strip():
            raise ValueError("A line of the head is not a header.")
        headers.append((name.strip().lower(), value.strip(b" \t")))
    if not gap:
        raise ValueError("The empty line between head and body is missing.")
    return SignedRequest(words[0], words[1], headers, body)


def _split(text: bytes) -> tuple[bytes, bytes, bytes]:
    ends = [(at, gap) for gap in (b"\r\n\r\n", b"\n\n") if (at := text.find(gap)) >= 0]
    if not ends:
        return text.rstrip(b"\r\n"), b"", b""
    at, gap = min(ends)
    return text[:at], gap, text[at + len(gap) :]


def signed_date(request: SignedRequest) -> str | None:
    """Return the date that a request carries, as it stands there."""
    return next((value.decode("latin-1") for value in _values(request, DATE)), None)
