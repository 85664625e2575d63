"""Refusals of the public listener: each says what happened, and what sender or operator can do."""

from collections.abc import Mapping
from functools import cache

from receiver.edge.exchanges import RequestError, RequestLimits
from receiver.http.problems import RETRY_AFTER_S, Problem
from receiver.http.responses import PreparedResponse, refusal

_ALLOW_POST = (b"allow", b"POST")
_ALLOW_GET = (b"allow", b"GET, HEAD")
_RETRY_AFTER = (b"retry-after", b"%d" % RETRY_AFTER_S)

NOT_DURABLE = refusal(
    Problem.UNAVAILABLE,
    "The push could not be made durable and was not accepted. Push it again; `/readyz` "
    "and the log state the cause.",
    _RETRY_AFTER,
)
UNKNOWN_TOKEN = refusal(
    Problem.NOT_FOUND,
    "The callback address is unknown. Configure the address that `receiver serve` or "
    "`receiver key` printed as the callback URL of the platform.",
)
WRONG_ADDRESS = refusal(
    Problem.WRONG_ADDRESS,
    "The application does not accept pushes from this address. If it is the platform's, "
    "add it to `allow_from`; if it is your own proxy's, add it to `trusted_proxies`.",
)
NOT_SIGNED = refusal(
    Problem.UNSIGNED_PUSH,
    "The push has no valid signature. Sign it with a push AK/SK pair that is set in "
    "`push_keys`; `receiver verify` shows what differs.",
    (b"www-authenticate", b"SDK-HMAC-SHA256"),
)
NOT_A_POST = refusal(
    Problem.METHOD_NOT_ALLOWED,
    "A push must use POST. Send the fields in its body.",
    _ALLOW_POST,
)
SEND_UNCOMPRESSED = (
    "The body is compressed. Send it uncompressed, as a form or JSON, without `Content-Encoding`."
)
COMPRESSED = refusal(Problem.UNUSABLE_PUSH, SEND_UNCOMPRESSED, (b"accept-encoding", b"identity"))
MISPLACED_ELSEWHERE = "A push must use POST. Send the fields in its body, as a form."
MISPLACED_BY_POST = "The body is empty. Send the fields in it, as a form, not in the query."
FIELDS_BESIDE_A_BODY = (
    "The fields in the query were ignored because the push has a body. Send all fields in the body."
)
NOT_A_POST_WITH_FIELDS = refusal(Problem.METHOD_NOT_ALLOWED, MISPLACED_ELSEWHERE, _ALLOW_POST)
NOTHING_HERE = refusal(
    Problem.NOT_FOUND,
    "There is nothing at this path. Push to the complete callback URL; the API listens "
    "on another address (`api_listen`).",
)
NOT_A_GET = refusal(
    Problem.METHOD_NOT_ALLOWED,
    "The health check supports GET and HEAD only. Use one of them.",
    _ALLOW_GET,
)
FORM_TOO_LARGE = (
    "A form may have at most {0.max_form_bytes} bytes (`max_form_bytes`). Send less, or push JSON."
)
PUSH_TOO_LARGE = (
    "A push may have at most {0.max_body_bytes} bytes (`max_body_bytes`). Split it into several."
)

# A request that never was whole: its outcome in the metrics.
OUTCOMES: Mapping[RequestError, str] = {
    RequestError.MALFORMED: "malformed",
    RequestError.HEAD_TOO_LARGE: "too_large",
    RequestError.BODY_TOO_LARGE: "too_large",
    RequestError.TOO_SLOW: "too_slow",
    RequestError.NO_ROOM: "unavailable",
    RequestError.OVERLOADED: "crowded",
    RequestError.DEFECT: "failed",
}
_TROUBLES: Mapping[RequestError, tuple[Problem, str]] = {
    RequestError.MALFORMED: (
        Problem.BAD_REQUEST,
        (
            "The request is malformed or its framing is ambiguous. Send HTTP/1.1 with a "
            "path, one valid Host, either one Content-Length or chunked encoding, and "
            "no upgrade."
        ),
    ),
    RequestError.HEAD_TOO_LARGE: (
        Problem.HEAD_TOO_LARGE,
        (
            "A request may have at most {0.max_headers} headers (`max_headers`) and, "
            "with the target, {0.max_head_bytes} bytes of them (`max_head_bytes`). Send "
            "fewer."
        ),
    ),
    RequestError.BODY_TOO_LARGE: (Problem.TOO_LARGE, PUSH_TOO_LARGE),
    RequestError.TOO_SLOW: (
        Problem.TOO_SLOW,
        (
            "The request was not complete within {0.request_s:g} seconds "
            "(`request_seconds`). Push again."
        ),
    ),
    RequestError.NO_ROOM: (
        Problem.UNAVAILABLE,
        (
            "The incomplete requests together are too large "
            "(`max_inflight_body_bytes`), and this one is the largest. Push again."
        ),
    ),
    RequestError.OVERLOADED: (
        Problem.UNAVAILABLE,
        (
            "Too many connections are open (`max_connections`, "
            "`max_connections_per_peer`), and this one was idle the longest. Push again."
        ),
    ),
    RequestError.DEFECT: (
        Problem.INTERNAL,
        (
            "The push was not accepted because the receiver failed. Push it again; the log "
            "names the error."
        ),
    ),
}


def give_up(trouble: RequestError, limits: RequestLimits) -> PreparedResponse:
    """Return the answer to a request that never was whole.

    Args:
        trouble: why.
        limits: named in it.
    """
    problem, detail = _TROUBLES[trouble]
    is_over_soon = problem is Problem.UNAVAILABLE
    return refusal(problem, detail.format(limits), *([_RETRY_AFTER] if is_over_soon else []))


@cache
def rate_limited(wait_s: int) -> PreparedResponse:
    """Return the answer to somebody who has to wait: there are sixty of them at most."""
    return refusal(
        Problem.RATE_LIMITED,
        "Too many wrong callback addresses were requested from here. Correct the address and wait.",
        (b"retry-after", b"%d" % wait_s),
    )
