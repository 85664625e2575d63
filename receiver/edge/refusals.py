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
    "The push could not be made durable and was not accepted; push it again. `/readyz` and the log "
    "say why.",
    _RETRY_AFTER,
)
UNKNOWN_TOKEN = refusal(
    Problem.NOT_FOUND,
    "There is no such callback address. Enter at the platform the one that `receiver serve` or "
    "`receiver key` printed.",
)
WRONG_ADDRESS = refusal(
    Problem.WRONG_ADDRESS,
    "Pushes of this application are not taken from this address. If it is the platform's, add it "
    "to `allow_from`; if it is a proxy of yours, to `trusted_proxies`.",
)
NOT_SIGNED = refusal(
    Problem.UNSIGNED_PUSH,
    "The push has no valid signature. Sign it with a push AK/SK pair that this receiver knows; "
    "`receiver verify` shows what differs.",
    (b"www-authenticate", b"SDK-HMAC-SHA256"),
)
NOT_A_POST = refusal(
    Problem.METHOD_NOT_ALLOWED,
    "Pushes come by POST; send one with its fields in the body.",
    _ALLOW_POST,
)
SEND_UNCOMPRESSED = (
    "The body is compressed: send it as it is, a form or JSON, without `Content-Encoding`."
)
COMPRESSED = refusal(Problem.UNUSABLE_PUSH, SEND_UNCOMPRESSED, (b"accept-encoding", b"identity"))
MISPLACED_ELSEWHERE = "Pushes come by POST; send the fields in its body, as a form."
MISPLACED_BY_POST = "The body is empty; send the fields in it, as a form, not in the query."
FIELDS_BESIDE_A_BODY = (
    "The fields in the query of this push were not read, because it has a body: send all fields "
    "in the body."
)
NOT_A_POST_WITH_FIELDS = refusal(Problem.METHOD_NOT_ALLOWED, MISPLACED_ELSEWHERE, _ALLOW_POST)
NOTHING_HERE = refusal(
    Problem.NOT_FOUND,
    "There is nothing at this path. Push to the whole path of the callback address; the API has an "
    "address of its own (`api_listen`).",
)
NOT_A_GET = refusal(
    Problem.METHOD_NOT_ALLOWED,
    "The health is told to GET and HEAD; ask by one of them.",
    _ALLOW_GET,
)
FORM_TOO_LARGE = (
    "A form may have up to {0.max_form_bytes} bytes (`max_form_bytes`); send less, or push JSON."
)
PUSH_TOO_LARGE = (
    "A push may have up to {0.max_body_bytes} bytes (`max_body_bytes`); send it in several."
)

# A request that never was whole: its outcome in the metrics.
OUTCOMES: Mapping[RequestError, str] = {
    RequestError.MALFORMED: "malformed",
    RequestError.HEAD_TOO_LARGE: "too_large",
    RequestError.BODY_TOO_LARGE: "too_large",
    RequestError.TOO_SLOW: "too_slow",
    RequestError.NO_ROOM: "unavailable",
    RequestError.CROWDED: "crowded",
    RequestError.DEFECT: "failed",
}
_TROUBLES: Mapping[RequestError, tuple[Problem, str]] = {
    RequestError.MALFORMED: (
        Problem.BAD_REQUEST,
        (
            "This request is damaged, or its framing is not plain. Send HTTP/1.1 with a path, one "
            "valid Host, one Content-Length or chunked, and no upgrade."
        ),
    ),
    RequestError.HEAD_TOO_LARGE: (
        Problem.HEAD_TOO_LARGE,
        (
            "A request may have up to {0.max_headers} headers (`max_headers`), and with the target "
            "{0.max_head_bytes} bytes of them (`max_head_bytes`); send fewer."
        ),
    ),
    RequestError.BODY_TOO_LARGE: (Problem.TOO_LARGE, PUSH_TOO_LARGE),
    RequestError.TOO_SLOW: (
        Problem.TOO_SLOW,
        (
            "A whole request must come within {0.request_s:g} seconds (`request_seconds`), and the "
            "rest of this one did not; push again."
        ),
    ),
    RequestError.NO_ROOM: (
        Problem.UNAVAILABLE,
        (
            "All unfinished requests together are too large (`max_inflight_body_bytes`), and this "
            "one is the largest; push again."
        ),
    ),
    RequestError.CROWDED: (
        Problem.UNAVAILABLE,
        (
            "There are too many connections (`max_connections`, `max_connections_per_peer`), and "
            "this one was waiting longest; push again."
        ),
    ),
    RequestError.DEFECT: (
        Problem.INTERNAL,
        "The push was not accepted; push it again. What failed stands in the receiver's log.",
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
def slowed(wait_s: int) -> PreparedResponse:
    """Return the answer to somebody who has to wait: there are sixty of them at most."""
    return refusal(
        Problem.SLOWED,
        "Too many wrong callback addresses were tried from here; correct the address and wait.",
        (b"retry-after", b"%d" % wait_s),
    )
