"""Push signatures: whether a push is signed by a known key pair, or what differs.

The scheme is the platform's API signing (SDK-HMAC-SHA256) with the push AK and SK of an application
(sms_05_0064; the API signing guide). The request's own list of signed headers is followed, hop by
hop ones too. Only the signature is compared, never the header around it: the platform leaves out
blanks that its own SDKs write.
"""

import hashlib
import hmac
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from urllib.parse import quote, unquote_to_bytes

from receiver.domain.times import SECOND

ALGORITHM = "SDK-HMAC-SHA256"
AUTHORIZATION = b"authorization"
DATE = b"x-sdk-date"
HOST = b"host"
CONTENT_HASH = b"x-sdk-content-sha256"
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"

_AUTHORIZATION = re.compile(
    rf"{ALGORITHM}[ \t]+Access=([^,\s]+),[ \t]*SignedHeaders=([^,\s]+),"
    r"[ \t]*Signature=([0-9a-f]{64})"
)
_DATE = re.compile(r"[0-9]{8}T[0-9]{6}Z")
_DATE_FORMAT = "%Y%m%dT%H%M%SZ"
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NOBODY = b"no secret of anybody"  # an unknown key takes as long as a known one
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Header = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """A request as received."""

    method: bytes
    target: bytes  # path and query, not decoded
    headers: Sequence[Header]  # names in lower case, in their order
    body: bytes


@dataclass(frozen=True, slots=True)
class SigningRules:
    """What a signature must satisfy."""

    keys: Mapping[str, str]  # access key -> secret key; several may be valid at once
    window_us: int = 15 * 60 * SECOND  # between the signature's date and now, either way
    host: str | None = None  # what the platform signed, where a proxy rewrites `Host`
    allow_unsigned_payload: bool = False  # a body that is not covered by the signature


class SignatureOutcome(StrEnum):
    """The result of a verification."""

    VALID = "valid"
    UNSIGNED = "unsigned"  # there is no signature
    MALFORMED = "malformed"  # it cannot be read
    UNKNOWN_KEY = "unknown-key"  # by none of our pairs
    NO_DATE = "no-date"  # the date is missing, not signed, or not a date
    STALE = "stale"  # the date is too far from now
    UNCOVERED = "uncovered"  # it does not cover the host, so it may be meant for another receiver
    BODY = "body"  # the body is not what was signed
    MISMATCH = "mismatch"  # something else is not


@dataclass(frozen=True, slots=True)
class Verification:
    """The outcome, and what an operator needs to find the cause; it holds no secret."""

    outcome: SignatureOutcome
    access_key: str | None = None
    canonical: str = ""  # the canonical request as we read it
    signed_headers: tuple[str, ...] = ()

    @property
    def valid(self) -> bool:
        """Whether the push is the platform's own."""
        return self.outcome is SignatureOutcome.VALID


@dataclass(frozen=True, slots=True)
class _Claim:
    """What the request says about its signature."""

    access_key: str
    names: tuple[str, ...]
    signature: str
    date: str


class _RefusedError(Exception):
    """The request cannot be verified; carries the outcome."""

    def __init__(self, outcome: SignatureOutcome) -> None:
        super().__init__(outcome.value)
        self.outcome = outcome


def verify(request: SignedRequest, rules: SigningRules, now: int) -> Verification:
    """Verify a push.

    A push that was verified once verifies again within the window: the platform may push twice.

    Args:
        request: as received.
        rules: keys and limits.
        now: microseconds since the epoch.
    """
    try:
        claim = _read_claim(request)
    except _RefusedError as error:
        return Verification(error.outcome)
    found = Verification(SignatureOutcome.MISMATCH, claim.access_key, signed_headers=claim.names)
    try:
        _check_date(claim, rules, now)
        body_hash = _body_hash(request, claim, rules)
        canonicals = list(_canonicals(request, claim, rules, body_hash))
    except _RefusedError as error:
        return replace(found, outcome=error.outcome)
    found = replace(found, canonical=canonicals[0])
    secret = rules.keys.get(claim.access_key)
    key = _NOBODY if secret is None else secret.encode()
    matches = [_matches(canonical, claim, key) for canonical in canonicals]
    if secret is None:
        return replace(found, outcome=SignatureOutcome.UNKNOWN_KEY)
    return replace(
        found, outcome=SignatureOutcome.VALID if any(matches) else SignatureOutcome.MISMATCH
    )


def _read_claim(request: SignedRequest) -> _Claim:
    text = _only(request, AUTHORIZATION)
    if text is None:
        raise _RefusedError(SignatureOutcome.UNSIGNED)
    match = _AUTHORIZATION.fullmatch(text.strip())
    if match is None:
        raise _RefusedError(SignatureOutcome.MALFORMED)
    names = tuple(match[2].lower().split(";"))
    if len(names) != len(set(names)) or not all(map(_NAME.fullmatch, names)):
        raise _RefusedError(SignatureOutcome.MALFORMED)
    date = _only(request, DATE)
    if date is None or DATE.decode() not in names:
        raise _RefusedError(SignatureOutcome.NO_DATE)
    if HOST.decode() not in names:
        raise _RefusedError(SignatureOutcome.UNCOVERED)
    return _Claim(match[1], names, match[3], date.strip())


def _only(request: SignedRequest, name: bytes) -> str | None:
    """Return the value of a header that may stand once.

    Raises:
        _RefusedError: it stands several times, so that nobody knows which one was meant.
    """
    values = [value for known, value in request.headers if known == name]
    if len(values) > 1:
        raise _RefusedError(SignatureOutcome.MALFORMED)
    return values[0].decode("latin-1") if values else None


def _check_date(claim: _Claim, rules: SigningRules, now: int) -> None:
    if _DATE.fullmatch(claim.date) is None:
        raise _RefusedError(SignatureOutcome.NO_DATE)
    try:
        signed = datetime.strptime(claim.date, _DATE_FORMAT).replace(tzinfo=UTC)
    except ValueError:
        raise _RefusedError(SignatureOutcome.NO_DATE) from None
    signed_at = int((signed - _EPOCH).total_seconds()) * SECOND
    if abs(now - signed_at) > rules.window_us:
        raise _RefusedError(SignatureOutcome.STALE)


def _body_hash(request: SignedRequest, claim: _Claim, rules: SigningRules) -> str:
    """Return what stands for the body in what was signed."""
    actual = hashlib.sha256(request.body).hexdigest()
    if CONTENT_HASH.decode() not in claim.names or not request.body:
        return actual  # a header that is not signed is anybody's
    told = (_only(request, CONTENT_HASH) or "").strip()
    if told == UNSIGNED_PAYLOAD and rules.allow_unsigned_payload:
        return told
    if not hmac.compare_digest(told.encode(), actual.encode()):
        raise _RefusedError(SignatureOutcome.BODY)
    return actual


def _canonicals(
    request: SignedRequest, claim: _Claim, rules: SigningRules, body_hash: str
) -> Iterator[str]:
    """Return the canonical request; twice where signers disagree about the order of the query."""
    path, _, query = request.target.partition(b"?")
    headers = "".join(f"{name}:{_value_of(request, name, rules)}\n" for name in claim.names)
    rest = (headers, ";".join(claim.names), body_hash)
    queries = dict.fromkeys(_canonical_queries(query))
    for one in queries:
        method = request.method.decode("latin-1")
        yield "\n".join((method, _canonical_path(path), one, *rest))


def _value_of(request: SignedRequest, name: str, rules: SigningRules) -> str:
    if name == "host" and rules.host is not None:
        return rules.host
    value = _only(request, name.encode())
    if value is None:
        raise _RefusedError(SignatureOutcome.MISMATCH)
    # Signers hash text as UTF-8, and write the same bytes into the header.
    return value.strip(" \t").encode("latin-1").decode(errors="surrogateescape")


def _canonical_path(path: bytes) -> str:
    segments = unquote_to_bytes(path).split(b"/")
    written = "/".join(quote(segment, safe="~") for segment in segments)
    return written if written.endswith("/") else written + "/"


def _canonical_queries(query: bytes) -> Iterator[str]:
    if not query:
        yield ""
        return
    pairs = []
    for parameter in query.split(b"&"):
        name, _, value = parameter.partition(b"=")
        pairs.append((unquote_to_bytes(name), unquote_to_bytes(value)))
    written = [(quote(name, safe="~"), quote(value, safe="~")) for name, value in sorted(pairs)]
    yield "&".join("=".join(pair) for pair in written)
    yield "&".join("=".join(pair) for pair in sorted(written))


def _matches(canonical: str, claim: _Claim, key: bytes) -> bool:
    hashed = hashlib.sha256(canonical.encode(errors="surrogateescape")).hexdigest()
    signed = f"{ALGORITHM}\n{claim.date}\n{hashed}".encode("latin-1")
    expected = hmac.new(key, signed, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected.encode(), claim.signature.encode())
