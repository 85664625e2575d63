"""Joining what came twice: arrivals of one report, registrations of one send. Nothing is erased."""

from dataclasses import replace
from typing import Any, TypeVar

from receiver.domain.events import Send, Trust, trust_order
from receiver.domain.messages import StoredReport

_Text = TypeVar("_Text", str, int)
ALSO = "_also"  # in `raw`: what the same report came as besides
MOST_BESIDE = 7


def merge_reports(one: StoredReport, other: StoredReport) -> StoredReport:
    """Join two arrivals of the same report: associative, commutative, and no field is erased."""
    a, b = one.report, other.report
    joined = replace(
        a,
        total=_greater(a.total, b.total),
        source=_greater(a.source, b.source),
        status_desc=_greater(a.status_desc, b.status_desc),
        org_code=_greater(a.org_code, b.org_code),
        extend=_greater(a.extend, b.extend),
        to=_greater(a.to, b.to),
        raw=_join_raw(a.raw, b.raw),
    )
    return StoredReport(
        report=joined,
        received_at=min(one.received_at, other.received_at),
        last_received_at=max(one.last_received_at, other.last_received_at),
        redeliveries=one.redeliveries + other.redeliveries + 1,
        trust=greater_trust(one.trust, other.trust),
    )


def merge_sends(earlier: Send, later: Send) -> Send:
    """Join two registrations of one SMS: the later one speaks, but erases nothing.

    Nor does it take a refusal back: the platform never accepts an id that it has refused, but a
    list of sends without their status looks as if it had.
    """
    return Send(
        sms_msg_id=later.sms_msg_id,
        status=later.status if later.refused else earlier.status,
        to=later.to or earlier.to,
        sender=later.sender or earlier.sender,
        sent_at=earlier.sent_at if later.sent_at is None else later.sent_at,
        total=later.total or earlier.total,
        country=later.country or earlier.country,
        extend=later.extend or earlier.extend,
        reference=later.reference or earlier.reference,
        template_id=later.template_id or earlier.template_id,
        text_length=earlier.text_length if later.text_length is None else later.text_length,
        retry_of=later.retry_of or earlier.retry_of,
    )


def greater_trust(one: Trust, other: Trust) -> Trust:
    """Give the better of two arrivals' trust: the same content was vouched for once."""
    return max(one, other, key=trust_order)


def _join_raw(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Give what both came as: the fuller one, and beside it in `_also` what differs from it."""
    came: dict[str, dict[str, Any]] = {}  # by content, whatever the order of the fields
    for raw in (one, other):
        also = raw.get(ALSO)
        beside = [each for each in also if isinstance(each, dict)] if isinstance(also, list) else []
        alone = {name: value for name, value in raw.items() if name != ALSO}
        for each in (alone, *beside):
            content = repr(sorted(each.items(), key=repr))
            came[content] = max(came.get(content, each), each, key=_raw_order)
    fullest, *rest = sorted(came.values(), key=_raw_order, reverse=True)[: MOST_BESIDE + 1]
    return {**fullest, ALSO: rest} if rest else fullest


def _raw_order(raw: dict[str, Any]) -> tuple[int, str, str]:
    return len(raw), repr(sorted(raw.items(), key=repr)), repr(raw)


def _greater(a: _Text | None, b: _Text | None) -> _Text | None:
    if a is None or b is None:
        return b if a is None else a
    return max(a, b)
