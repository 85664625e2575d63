"""Refusals of the public listener: each says what happened and what to do."""

import json

import pytest

from receiver.edge import refusals
from receiver.edge.exchanges import RequestError, RequestLimits
from receiver.http.responses import PreparedResponse

LIMITS = RequestLimits(max_body_bytes=1000, max_head_bytes=2000, request_s=7, max_headers=50)

# the answer, its status, what the sender or the operator reads there
TABLE = [
    (refusals.NOT_DURABLE, 503, ("Push it again", "/readyz")),
    (refusals.UNKNOWN_TOKEN, 404, ("callback address is unknown", "receiver serve")),
    (refusals.WRONG_ADDRESS, 403, ("this address", "allow_from", "trusted_proxies")),
    (refusals.NOT_SIGNED, 401, ("no valid signature", "receiver verify")),
    (refusals.NOT_A_POST, 405, ("use POST", "in its body")),
    (refusals.NOT_A_POST_WITH_FIELDS, 405, ("use POST", "in its body")),
    (refusals.NOTHING_HERE, 404, ("nothing at this path", "callback URL", "api_listen")),
    (refusals.NOT_A_GET, 405, ("GET and HEAD",)),
    (refusals.rate_limited(7), 429, ("wrong callback addresses", "wait")),
    (refusals.give_up(RequestError.MALFORMED, LIMITS), 400, ("HTTP/1.1", "Host", "Content-Length")),
    (refusals.give_up(RequestError.HEAD_TOO_LARGE, LIMITS), 431, ("50", "2000", "max_head_bytes")),
    (
        refusals.give_up(RequestError.BODY_TOO_LARGE, LIMITS),
        413,
        ("1000", "max_body_bytes", "several"),
    ),
    (
        refusals.give_up(RequestError.TOO_SLOW, LIMITS),
        408,
        ("7 seconds", "request_seconds", "again"),
    ),
    (
        refusals.give_up(RequestError.NO_ROOM, LIMITS),
        503,
        ("max_inflight_body_bytes", "Push again"),
    ),
    (refusals.give_up(RequestError.OVERLOADED, LIMITS), 503, ("max_connections", "Push again")),
    (refusals.give_up(RequestError.DEFECT, LIMITS), 500, ("not accepted", "Push it again", "log")),
]


@pytest.mark.parametrize(("answer", "status", "words"), TABLE)
def test_a_refusal_says_what_to_do(
    answer: PreparedResponse, status: int, words: tuple[str, ...]
) -> None:
    """One sentence or two name what happened and the remedy; 503 says when to come again."""
    problem = json.loads(answer.body)
    assert (answer.status, problem["status"]) == (status, status)
    assert [word for word in words if word not in problem["detail"]] == []
    assert problem["detail"].endswith(".")
    assert problem["detail"].count(". ") < 2
    assert (b"retry-after: " in answer.head) is (status in (429, 503))


def test_every_trouble_has_an_answer() -> None:
    """No way of giving a request up is without an outcome and a text."""
    assert set(refusals.OUTCOMES) == set(RequestError)
    assert all(refusals.give_up(trouble, LIMITS).body for trouble in RequestError)
