"""What the edge says of a push by its bytes alone: whether anything in it can be used."""

from typing import NamedTuple

from receiver.domain.steps import Steps
from receiver.huawei import wire
from receiver.web.answers import Answer, refusal
from receiver.web.exchanges import Exchange
from receiver.web.problems import Problem

UNKNOWN = "unknown"  # the kind of what cannot be used


class Verdict(NamedTuple):
    """What becomes of a push once it is durable."""

    kind: str
    outcome: str
    items: int = 0
    refusal: Answer | None = None  # None: it is accepted


def judge(body: bytes) -> Steps[Verdict]:
    """Tell whether anything in a push can be used, item by item."""
    try:
        push = yield from wire.sift_in_steps(body, most_bad=1)
    except wire.UnusableError as error:
        return Verdict(UNKNOWN, "unusable", refusal=refusal(Problem.UNUSABLE_PUSH, str(error)))
    return Verdict(push.kind.value, "accepted", len(push.items))


def carries_fields(exchange: Exchange) -> bool:
    """Tell by its head whether a request has a query, or a body to come."""
    return bool(query_of(exchange)) or any(
        name == b"transfer-encoding" or (name == b"content-length" and value.strip(b"0"))
        for name, value in exchange.headers
    )


def query_of(exchange: Exchange) -> bytes:
    """Give the query of a request as it came."""
    return exchange.target.partition(b"?")[2]
