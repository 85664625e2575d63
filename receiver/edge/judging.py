"""What the edge says of a push by its bytes alone: whether anything in it can be used."""

import re
from typing import NamedTuple

from receiver.domain.steps import Steps
from receiver.edge.exchanges import Exchange
from receiver.http.problems import Problem
from receiver.http.responses import PreparedResponse, refusal
from receiver.huawei import wire

_FIELDS = re.compile(
    rb"(?:^|&)(?:smsMsgId|status|statusDesc|sequence|total|source|updateTime|orgCode|extend|from|to"
    rb"|body|createTime)="
)
_GZIP = b"\x1f\x8b"  # how each such body begins
UNKNOWN = "unknown"  # the kind of what cannot be used
_ACCEPTED = "accepted"


class PushVerdict(NamedTuple):
    """What becomes of a push once it is durable."""

    kind: str
    outcome: str
    items: int = 0
    refusal: PreparedResponse | None = None  # None: it is accepted


_ONE_ACCEPTED = {kind: PushVerdict(kind.value, _ACCEPTED, 1) for kind in wire.PushKind}


def judge(body: bytes) -> PushVerdict:
    """Return whether anything in a push can be used."""
    try:
        if wire.is_json(body):
            return _accept(wire.sift(body))
        return _ONE_ACCEPTED[wire.kind_of_form(body)]
    except wire.UnusableError as error:
        return _refuse(error)


def judge_in_steps(body: bytes) -> Steps[PushVerdict]:
    """Do as `judge`, item by item."""
    try:
        return _accept((yield from wire.sift_in_steps(body, most_bad=1)))
    except wire.UnusableError as error:
        return _refuse(error)


def _accept(push: wire.ParsedPush) -> PushVerdict:
    return PushVerdict(push.kind.value, _ACCEPTED, len(push.items))


def _refuse(error: wire.UnusableError) -> PushVerdict:
    return PushVerdict(UNKNOWN, "unusable", refusal=refusal(Problem.UNUSABLE_PUSH, str(error)))


def is_compressed(exchange: Exchange) -> bool:
    """Return whether a request says, or its body shows, that the body is compressed."""
    said = (
        name == b"content-encoding" and value.strip().lower() not in (b"", b"identity")
        for name, value in exchange.headers
    )
    return exchange.body.startswith(_GZIP) or any(said)


def carries_fields(exchange: Exchange) -> bool:
    """Return whether a request, by its head, has a query, or a body to come."""
    return bool(query_of(exchange)) or any(
        name == b"transfer-encoding" or (name == b"content-length" and value.strip(b"0"))
        for name, value in exchange.headers
    )


def loses_fields(exchange: Exchange) -> bool:
    """Return whether a query beside a body has fields of a push, which is not read there."""
    return _FIELDS.search(query_of(exchange)) is not None


def query_of(exchange: Exchange) -> bytes:
    """Return the query of a request as received."""
    return exchange.target.partition(b"?")[2]
