"""Merges repeated reports and registrations; nothing is erased."""

from dataclasses import replace
from typing import Any, TypeVar

from receiver.domain.inputs import (
    ACCEPTED_BY_PLATFORM,
    Conflict,
    Send,
    StatusReport,
    Trust,
    trust_order,
)
from receiver.domain.messages.conflicts import (
    COMPARED,
    add_conflicts,
    agree,
    is_unknown,
    tells_more,
)
from receiver.domain.messages.state import StoredReport

_Text = TypeVar("_Text", str, int)
ALSO = "_also"  # in `raw`: what the same report came as besides
MOST_BESIDE = 7


def merge_reports(one: StoredReport, other: StoredReport) -> StoredReport:
    """Join two arrivals of the same report: associative, commutative, and no field is erased.

    What anybody could have sent adds nothing to what is trusted, also when that is read again.
    """
    return StoredReport(
        report=_join_reports(one, other),
        received_at=min(one.received_at, other.received_at),
        last_received_at=max(one.last_received_at, other.last_received_at),
        redeliveries=one.redeliveries + other.redeliveries + 1,
        trust=greater_trust(one.trust, other.trust),
    )


def _join_reports(one: StoredReport, other: StoredReport) -> StatusReport:
    a, b = one.report, other.report
    if Trust.OPEN in (one.trust, other.trust) and one.trust is not other.trust:
        return b if one.trust is Trust.OPEN else a
    return replace(
        a,
        total=_greater(a.total, b.total),
        source=_greater(a.source, b.source),
        status_desc=_greater(a.status_desc, b.status_desc),
        org_code=_greater(a.org_code, b.org_code),
        extend=_greater(a.extend, b.extend),
        to=_greater(a.to, b.to),
        raw=_join_raw(a.raw, b.raw),
    )


def merge_sends(
    earlier: Send, later: Send, later_at: int | None = None, *, reported_to: str | None = None
) -> Send:
    """Join two registrations of one SMS: what was unknown is added, and what is known stays.

    A value that contradicts what is known is kept once in `conflicts`, see `agree`. A send whose
    status was not told counts as accepted: a refusal contradicts that.

    Args:
        earlier: what is known.
        later: another registration of the same id.
        later_at: when that came, microseconds.
        reported_to: the recipient as reports name it. It is known too where no registration has
            told one: what may be sent again must not go to somebody else all at once.
    """
    standing: dict[str, Any] = {}
    found = []
    beliefs = {"to": reported_to, "status": ACCEPTED_BY_PLATFORM}
    for name in COMPARED:
        known, told = getattr(earlier, name), getattr(later, name)
        believed = beliefs.get(name) if is_unknown(known) else known
        if is_unknown(told):
            continue
        if not is_unknown(believed) and not agree(name, believed, told):
            found.append(Conflict(name, told, later_at))
        elif is_unknown(known) or tells_more(name, known, told):
            standing[name] = told
    joined = replace(earlier, **standing) if standing else earlier
    return add_conflicts(joined, [*found, *later.conflicts], omitted=later.conflicts_omitted)


def greater_trust(one: Trust, other: Trust) -> Trust:
    """Return the better of two arrivals' trust: the same content was vouched for once."""
    return max(one, other, key=trust_order)


def _join_raw(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Return the raw forms of both: the fuller, with what the other has of its own in `_also`."""
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
