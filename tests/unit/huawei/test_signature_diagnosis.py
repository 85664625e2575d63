"""Why a push signature is refused: what was changed on the way is named, and nothing is guessed."""

from dataclasses import replace
from typing import Any

import pytest

from receiver.domain.times import SECOND
from receiver.huawei.signature_diagnosis import diagnose, read_request, signed_date
from receiver.huawei.signing import SignatureOutcome, SignedRequest, SigningRules, verify
from tests.support.parts import form
from tests.support.signer import PAIR, sign

PATH, HOST = "/callbacks/some-token", "sms.example.com"
BODY = form(smsMsgId="m1", status="DELIVRD")
AT = 1_700_000_000.0
NOW = round(AT) * SECOND
RULES = SigningRules({PAIR[0]: PAIR[1]})


def came(body: bytes = BODY, path: str = PATH, **changes: str | None) -> SignedRequest:
    """Return a signed push as it arrives, with headers changed on the way; None: taken away."""
    headers: dict[str, str | None] = {**sign(PATH, BODY, host=HOST, at=AT)}
    headers |= {name.replace("_", "-"): value for name, value in changes.items()}
    return SignedRequest(
        b"POST",
        path.encode(),
        [(name.encode(), value.encode()) for name, value in headers.items() if value is not None],
        body,
    )


CHANGED: list[Any] = [
    pytest.param(came(), [], id="nothing"),
    pytest.param(came(host="127.0.0.1:8080", x_forwarded_host=HOST),
                 ["the header host is 'sms.example.com'"], id="host, told by the proxy"),
    pytest.param(came(host=HOST + ":8080"), ["the header host is 'sms.example.com'"],
                 id="a port added"),
    pytest.param(came(connection="keep-alive"), ["the header connection is 'close'"],
                 id="connection"),
    pytest.param(came(connection=None), ["the header connection is 'close'"],
                 id="connection taken away"),
    pytest.param(came(content_length=None), [f"the header content-length is '{len(BODY)}'"],
                 id="length taken away"),
    pytest.param(came(content_type="application/x-www-form-urlencoded; charset=UTF-8"),
                 ["the header content-type is 'application/x-www-form-urlencoded'"], id="type"),
    pytest.param(came(path="/sms" + PATH, x_original_uri=PATH),
                 ["the path and query are x-original-uri"], id="path"),
    pytest.param(came(BODY + b"\n"), ["the body has no trailing line break"], id="a line end"),
    pytest.param(came(host="10.0.0.7", connection="keep-alive", x_forwarded_host=HOST),
                 ["the header host is 'sms.example.com'", "the header connection is 'close'"],
                 id="what nginx does by default"),
    pytest.param(came(BODY.replace(b"m1", b"m2")), [], id="another body"),
    pytest.param(came(path="/callbacks/another"), [], id="another path"),
]  # fmt: skip


@pytest.mark.parametrize(("request_", "remedies"), CHANGED)
def test_the_change_is_named(request_: SignedRequest, remedies: list[str]) -> None:
    """What is put back makes the signature right; what cannot be known is not claimed."""
    found = diagnose(request_, RULES, NOW)
    assert list(found.remedies) == remedies
    assert found.found.valid == verify(request_, RULES, NOW).valid
    assert PAIR[1] not in repr(found)


def test_a_host_that_is_told() -> None:
    """A name that no header tells can be given."""
    found = diagnose(came(host="127.0.0.1:8080"), RULES, NOW, [HOST])
    assert found.remedies == ("the header host is 'sms.example.com'",)


@pytest.mark.parametrize(
    ("request_", "rules", "outcome"),
    [
        pytest.param(came(authorization=None), RULES, SignatureOutcome.UNSIGNED, id="not signed"),
        pytest.param(came(x_sdk_date=None), RULES, SignatureOutcome.NO_DATE, id="no date"),
        pytest.param(
            came(), SigningRules({"another": "x"}), SignatureOutcome.UNKNOWN_KEY, id="unknown key"
        ),
        pytest.param(
            came(), SigningRules({PAIR[0]: "x"}), SignatureOutcome.MISMATCH, id="another secret"
        ),
    ],
)
def test_what_no_change_can_mend(
    request_: SignedRequest, rules: SigningRules, outcome: SignatureOutcome
) -> None:
    """The outcome itself says what to do."""
    found = diagnose(request_, rules, NOW)
    assert (found.found.outcome, found.remedies, found.stale) == (outcome, (), False)


def test_an_old_request_is_judged_as_if_it_were_fresh() -> None:
    """Whoever looks at a push of yesterday learns whether it was right then."""
    found = diagnose(came(), RULES, NOW + 86_400 * SECOND)
    assert (found.stale, found.found.outcome) == (True, SignatureOutcome.VALID)
    changed = diagnose(came(connection="keep-alive"), RULES, NOW + 86_400 * SECOND)
    assert (changed.stale, changed.remedies) == (True, ("the header connection is 'close'",))


# --- reading ------------------------------------------------------------------------------------


def written(request: SignedRequest, end: bytes) -> bytes:
    """Write a request as it is saved."""
    lines = [b" ".join((request.method, request.target, b"HTTP/1.1"))]
    lines += [name.title() + b": " + value for name, value in request.headers]
    return end.join(lines) + 2 * end + request.body


@pytest.mark.parametrize("end", [b"\r\n", b"\n"], ids=["from the wire", "saved as text"])
def test_a_request_is_read(end: bytes) -> None:
    """With the line ends of the wire or with plain ones; the body stays as it is."""
    request = came()
    read = read_request(written(request, end))
    assert read == replace(request, headers=list(request.headers))
    assert signed_date(read) == "20231114T221320Z"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"hello", id="no request"),
        pytest.param(b"POST /x\r\n\r\n", id="no version"),
        pytest.param(b"POST /x HTTP/1.1\r\nnonsense\r\n\r\n", id="no header"),
        pytest.param(b"POST /x HTTP/1.1\r\nhost: a\r\n", id="no end of the head"),
        pytest.param(b"{}", id="a body alone"),
    ],
)
def test_what_is_no_request_is_told(text: bytes) -> None:
    """The error says what is missing."""
    with pytest.raises(ValueError, match=r"line|header"):
        read_request(text)
