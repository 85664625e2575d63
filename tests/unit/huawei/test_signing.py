"""Push signatures: the published vector, the SDK's own signer, and every change of a request."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.sdk_request import SdkRequest
from huaweicloudsdkcore.signer.signer import Signer

from receiver.domain import times
from receiver.huawei.signing import SignatureOutcome, SignedRequest, SigningRules, verify
from tests.support.signer import sign

ACCESS_KEY, SECRET_KEY = "push-ak-1", "push-sk-1-0123456789"
RULES = SigningRules({ACCESS_KEY: SECRET_KEY, "push-ak-2": "push-sk-2-0123456789"})
NOW_TEXT = "20260131T080000Z"


def at(text: str) -> int:
    """Read a date of a signature."""
    moment = datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    return int(moment.timestamp()) * times.SECOND


NOW = at(NOW_TEXT)

# The example of the API signing guide.
GUIDE = SignedRequest(
    b"GET",
    b"/v1/77b6a44cba5143ab91d13ab9a8ff44fd/vpcs"
    b"?limit=2&marker=13551d6b-755d-4757-b956-536f674975c0",
    (
        (b"content-type", b"application/json"),
        (b"host", b"service.region.example.com"),
        (b"x-sdk-date", b"20191115T033655Z"),
        (
            b"authorization",
            (
                b"SDK-HMAC-SHA256 Access=QTWAOYTTINDUT2QVKYUC, "
                b"SignedHeaders=content-type;host;x-sdk-date, "
                b"Signature=7be6668032f70418fcc22abc52071e57aff61b84a1d2381bb430d6870f4f6ebe"
            ),
        ),
    ),
    b"",
)
GUIDE_RULES = SigningRules({"QTWAOYTTINDUT2QVKYUC": "MFyfvK41ba2giqM7Uio6PznpdUKGpownRZlmVmHc"})


def test_the_published_vector_verifies() -> None:
    """The signing guide's own example is valid at its time, and nothing else of it is kept."""
    found = verify(GUIDE, GUIDE_RULES, at("20191115T033655Z"))
    assert found.outcome is SignatureOutcome.VALID
    assert found.access_key == "QTWAOYTTINDUT2QVKYUC"
    assert "MFyfvK41" not in repr(found)


def signed(
    *,
    method: str = "POST",
    path: str = "/callbacks/token",
    query: list[tuple[str, str]] | None = None,
    headers: dict[str, str] | None = None,
    body: bytes = b'{"statusReportList":[]}',
    keys: tuple[str, str] = (ACCESS_KEY, SECRET_KEY),
    date: str = NOW_TEXT,
) -> SignedRequest:
    """Let the official SDK sign a request, and give it as it would come over the wire."""
    given = {"Content-Type": "application/json", "X-Sdk-Date": date, **(headers or {})}
    request = SdkRequest(
        method=method,
        schema="https",
        host="receiver.example.com",
        resource_path=path,
        query_params=query or [],
        header_params=given,
        body=body,
    )
    Signer(BasicCredentials(*keys)).sign(request)
    return SignedRequest(
        method.encode(),
        request.uri.encode(),
        tuple(
            (name.lower().encode(), value.encode("latin-1"))
            for name, value in request.header_params.items()
        ),
        body,
    )


def with_header(request: SignedRequest, name: bytes, value: bytes | None) -> SignedRequest:
    """Return the request with another value of a header; None leaves it out."""
    headers = [(known, text) for known, text in request.headers if known != name]
    if value is not None:
        headers.append((name, value))
    return replace(request, headers=tuple(headers))


def header(request: SignedRequest, name: bytes) -> bytes:
    """Return a header's value."""
    return dict(request.headers)[name]


# --- what the official signer signs, and each change of it ---------------------------------------

LETTERS = "abcXYZ019-_.~"
ANY = LETTERS + " +&=/%?#;,:@!$'()*äß短信😀\t"


def texts(draw: random.Random, letters: str, most: int) -> str:
    """Draw a text that is not empty."""
    return "".join(draw.choice(letters) for _ in range(draw.randint(1, most)))


def drawn(draw: random.Random) -> SignedRequest:
    """Draw a request that the SDK signs."""
    segments = [texts(draw, LETTERS + "ä 短", 8) for _ in range(draw.randint(1, 4))]
    names = [f"X-{texts(draw, 'abcdef', 5)}-{place}" for place in range(draw.randint(0, 3))]
    headers = {name: texts(draw, LETTERS + " ,;=/ä短", 12).strip() or "x" for name in names}
    query = [(texts(draw, ANY, 6), texts(draw, ANY, 8)) for _ in range(draw.randint(0, 4))]
    return signed(
        method=draw.choice(["POST", "POST", "GET", "PUT", "DELETE"]),
        path=quote("/" + "/".join(segments), safe="/~"),
        query=query,
        headers=headers,
        body=draw.randbytes(draw.randint(0, 300)),
    )


def changed_byte(draw: random.Random, text: bytes, allowed: bytes | None = None) -> bytes:
    """Change one byte of a text to another one."""
    place = draw.randrange(len(text))
    others = [byte for byte in (allowed or range(256)) if byte != text[place]]
    return text[:place] + bytes([draw.choice(others)]) + text[place + 1 :]


PLAIN = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~"


def changes(draw: random.Random, request: SignedRequest) -> Iterator[tuple[str, SignedRequest]]:
    """Return the request with one byte changed, in each place that the signature covers."""
    yield "method", replace(request, method=changed_byte(draw, request.method, PLAIN))
    path, mark, query = request.target.partition(b"?")
    plain = [place for place, byte in enumerate(path) if byte in PLAIN and b"%" not in path]
    if plain:
        place = draw.choice(plain)
        other = changed_byte(draw, path[place : place + 1], PLAIN)
        yield (
            "path",
            replace(request, target=path[:place] + other + path[place + 1 :] + mark + query),
        )
    if query:
        names = query.replace(b"%", b"").replace(b"&", b"").replace(b"=", b"")
        place = query.index(names[draw.randrange(len(names))].to_bytes())
        if query[max(0, place - 2) : place].count(b"%") == 0:
            other = changed_byte(draw, query[place : place + 1], PLAIN)
            yield (
                "query",
                replace(request, target=path + b"?" + query[:place] + other + query[place + 1 :]),
            )
        yield "query left out", replace(request, target=path)
    if request.body:
        yield "body", replace(request, body=changed_byte(draw, request.body))
    yield "body longer", replace(request, body=request.body + b" ")
    for name, value in request.headers:
        if name != b"authorization" and value:
            other = changed_byte(draw, value, PLAIN)
            yield f"header {name.decode()}", with_header(request, name, other)
            yield f"no header {name.decode()}", with_header(request, name, None)
    authorization = header(request, b"authorization")
    start = authorization.index(b"Signature=") + len(b"Signature=")
    other = changed_byte(draw, authorization[start:], b"0123456789abcdef")
    yield "signature", with_header(request, b"authorization", authorization[:start] + other)


def test_the_sdk_s_signatures_verify_and_no_change_of_a_byte_does() -> None:
    """1,000 random requests of the official signer are valid; 10,000 changes of them are not."""
    draw = random.Random(20)  # noqa: S311 - no secret
    refused = 0
    for _ in range(1000):
        request = drawn(draw)
        assert verify(request, RULES, NOW).outcome is SignatureOutcome.VALID, request
        for what, other in changes(draw, request):
            outcome = verify(other, RULES, NOW).outcome
            assert outcome is not SignatureOutcome.VALID, (what, request, other)
            refused += 1
    assert refused > 10_000


# --- forms and rules -----------------------------------------------------------------------------

GOOD = signed()


def authorized(old: bytes, new: bytes) -> SignedRequest:
    """Return the good request with another text in its Authorization header."""
    value = header(GOOD, b"authorization")
    assert old in value
    return with_header(GOOD, b"authorization", value.replace(old, new))


CASES: list[Any] = [
    pytest.param(GOOD, {}, SignatureOutcome.VALID, id="as the SDK writes it"),
    pytest.param(authorized(b", ", b","), {}, SignatureOutcome.VALID,
        id="no blank after the commas"),
    pytest.param(authorized(b", ", b",  "), {}, SignatureOutcome.VALID, id="two blanks"),
    pytest.param(authorized(b"host", b"Host"), {}, SignatureOutcome.VALID,
        id="capitals in the list"),
    pytest.param(
        with_header(GOOD, b"x-other", b"anything"), {}, SignatureOutcome.VALID, id="a header beside"
    ),
    pytest.param(
        with_header(GOOD, b"authorization", None), {}, SignatureOutcome.UNSIGNED, id="no signature"
    ),
    pytest.param(
        with_header(GOOD, b"authorization", b"Bearer x"), {}, SignatureOutcome.MALFORMED,
        id="another scheme"
    ),
    pytest.param(authorized(b"SHA256", b"SM3"), {}, SignatureOutcome.MALFORMED, id="another hash"),
    pytest.param(
        replace(GOOD, headers=(*GOOD.headers, (b"authorization", b"x"))),
        {},
        SignatureOutcome.MALFORMED,
        id="two signatures",
    ),
    pytest.param(
        replace(GOOD, headers=(*GOOD.headers, (b"host", b"evil"))),
        {},
        SignatureOutcome.MALFORMED,
        id="a signed header twice",
    ),
    pytest.param(
        authorized(b"host;x-sdk", b"host;host;x-sdk"), {}, SignatureOutcome.MALFORMED,
        id="a name twice"
    ),
    pytest.param(authorized(b";x-sdk-date", b""), {}, SignatureOutcome.NO_DATE,
        id="the date is not signed"),
    pytest.param(with_header(GOOD, b"x-sdk-date", None), {}, SignatureOutcome.NO_DATE,
        id="no date"),
    pytest.param(
        with_header(GOOD, b"x-sdk-date", b"2026-01-31T08:00:00Z"), {}, SignatureOutcome.NO_DATE,
        id="no form"
    ),
    pytest.param(
        with_header(GOOD, b"x-sdk-date", b"20260231T080000Z"), {}, SignatureOutcome.NO_DATE,
        id="no day"
    ),
    pytest.param(signed(date="20260131T074500Z"), {}, SignatureOutcome.VALID, id="15 minutes ago"),
    pytest.param(signed(date="20260131T074459Z"), {}, SignatureOutcome.STALE,
        id="15 minutes and a second"),
    pytest.param(signed(date="20260131T081500Z"), {}, SignatureOutcome.VALID,
        id="15 minutes ahead"),
    pytest.param(signed(date="20260131T081501Z"), {}, SignatureOutcome.STALE,
        id="more than that ahead"),
    pytest.param(
        signed(keys=("push-ak-2", "push-sk-2-0123456789")), {}, SignatureOutcome.VALID,
        id="the second pair"
    ),
    pytest.param(signed(keys=("push-ak-3", "x")), {}, SignatureOutcome.UNKNOWN_KEY,
        id="a pair of nobody"),
    pytest.param(
        signed(keys=(ACCESS_KEY, "push-sk-2-0123456789")), {}, SignatureOutcome.MISMATCH,
        id="mixed pairs"
    ),
    pytest.param(GOOD, {"keys": {}}, SignatureOutcome.UNKNOWN_KEY, id="a pair that was taken away"),
    pytest.param(
        with_header(GOOD, b"host", b"10.0.0.5:8080"), {}, SignatureOutcome.MISMATCH,
        id="a proxy's host"
    ),
    pytest.param(
        with_header(GOOD, b"host", b"10.0.0.5:8080"),
        {"host": "receiver.example.com"},
        SignatureOutcome.VALID,
        id="a proxy's host, and the setting",
    ),
    pytest.param(
        signed(headers={"Content-Type": "text/plain"}), {}, SignatureOutcome.BODY,
        id="an unsigned body"
    ),
    pytest.param(
        signed(headers={"Content-Type": "text/plain"}),
        {"allow_unsigned_payload": True},
        SignatureOutcome.VALID,
        id="an unsigned body, and the setting",
    ),
    pytest.param(
        replace(
            with_header(GOOD, b"x-sdk-content-sha256", b"UNSIGNED-PAYLOAD"), body=b"something else"
        ),
        {"allow_unsigned_payload": True},
        SignatureOutcome.MISMATCH,
        id="a hash header that is not signed is anybody's",
    ),
    pytest.param(
        signed(
            headers={
                "Connection": "close", "Content-Length": "23",
                "X-Sdk-Content-Sha256":
                    "1c9bd4bc8bbb1df3dfe9e8be42d6c7d3b9ef0bd9f6e7d4e1b9f5a4b8a3b2f1e0",
            }
        ),
        {},
        SignatureOutcome.BODY,
        id="a signed hash of another body",
    ),
    pytest.param(
        signed(headers={"Connection": "close", "Content-Length": "23"}),
        {},
        SignatureOutcome.VALID,
        id="hop-by-hop headers are signed",
    ),
    pytest.param(
        with_header(
            signed(headers={"Connection": "close", "Content-Length": "23"}),
            b"connection",
            b"keep-alive",
        ),
        {},
        SignatureOutcome.MISMATCH,
        id="a hop-by-hop header that a proxy rewrote",
    ),
    pytest.param(signed(body=b""), {}, SignatureOutcome.VALID, id="no body"),
]  # fmt: skip


@pytest.mark.parametrize(("request_", "rules", "outcome"), CASES)
def test_a_push_is_judged(request_: SignedRequest, rules: Any, outcome: SignatureOutcome) -> None:
    """Each form, rule and defect has its outcome."""
    assert verify(request_, replace(RULES, **rules), NOW).outcome is outcome


@pytest.mark.parametrize(
    ("names", "outcome"),
    [
        pytest.param(("host", "x-sdk-date"), SignatureOutcome.VALID, id="host and date"),
        pytest.param(("x-sdk-date", "host"), SignatureOutcome.VALID, id="in another order"),
        pytest.param(("x-sdk-date",), SignatureOutcome.UNCOVERED, id="the date alone"),
        pytest.param(
            ("connection", "content-length", "content-type", "x-sdk-date"),
            SignatureOutcome.UNCOVERED,
            id="all but the host",
        ),
        pytest.param(("host",), SignatureOutcome.NO_DATE, id="the host alone"),
        pytest.param(("content-type",), SignatureOutcome.NO_DATE, id="neither"),
        pytest.param(
            ("host", "x-sdk-date", "host"), SignatureOutcome.MALFORMED, id="the host twice"
        ),
    ],
)
@pytest.mark.parametrize("rules", [{}, {"host": "receiver.example.com"}], ids=["plain", "setting"])
def test_a_signature_covers_host_and_date(
    names: Sequence[str], outcome: SignatureOutcome, rules: Any
) -> None:
    """A signature that is right but leaves out the host or the date is refused."""
    body = b'{"statusReportList":[]}'
    moment = at(NOW_TEXT) / times.SECOND
    headers = sign(
        "/callbacks/token", body, host="receiver.example.com", pair=(ACCESS_KEY, SECRET_KEY),
        at=moment, names=names,
    )  # fmt: skip
    came = tuple((name.encode(), value.encode()) for name, value in headers.items())
    request = SignedRequest(b"POST", b"/callbacks/token", came, body)
    assert verify(request, replace(RULES, **rules), NOW).outcome is outcome


def test_the_same_push_again_is_no_error() -> None:
    """A push verifies as often as it comes, for as long as its date is good."""
    assert [verify(GOOD, RULES, NOW + n * times.SECOND).valid for n in range(3)] == [True] * 3


def test_what_is_told_of_a_mismatch_holds_no_secret() -> None:
    """The operator sees what was read, and not with what it was compared."""
    found = verify(with_header(GOOD, b"host", b"elsewhere"), RULES, NOW)
    assert "host:elsewhere\n" in found.canonical
    assert SECRET_KEY not in repr(found)
    assert header(GOOD, b"authorization").decode()[-64:] not in found.canonical
