"""A message's state: a pure function of its send and the set of its reports.

Nothing here depends on the order in which reports came, how often they came or how pushes were
cut into batches. Ties that the platform's own times leave open are settled by content. The one
exception: with `late_delivered = "ignored"`, a report without a time counts from its arrival.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum
from typing import Any, Literal, TypeVar

from receiver.domain.events import Send, StatusReport, Trust

LateDelivered = Literal["wins", "ignored"]
MOST_PARTS = 255  # GSM 03.40: one octet counts the segments of a long SMS


class State(StrEnum):
    """Where one sent SMS stands."""

    PENDING = "pending"  # registered, nothing heard
    ACCEPTED = "accepted"  # on its way; or some parts are final, others not yet
    DELIVERED = "delivered"
    FAILED = "failed"
    PARTIAL = "partial"  # long SMS: all parts are final, but they differ
    REFUSED = "refused"  # the send response's own entry was a refusal
    UNKNOWN = "unknown"  # the network could not tell
    OVERDUE = "overdue"  # nothing final within the horizon; set by the watchdog


_FAILURES = frozenset({State.FAILED, State.PARTIAL, State.REFUSED})
FINAL_STATES = frozenset({State.DELIVERED, State.FAILED, State.PARTIAL, State.REFUSED})


class Weight(IntEnum):
    """Which report about a part is believed; the greater wins."""

    UNKNOWN = 0
    ACCEPTED = 1
    PLATFORM_FAILURE = 2  # the platform made the report itself
    CARRIER_FAILURE = 3
    DELIVERED = 4


_STATE_OF_WEIGHT = {
    Weight.UNKNOWN: State.UNKNOWN,
    Weight.ACCEPTED: State.ACCEPTED,
    Weight.PLATFORM_FAILURE: State.FAILED,
    Weight.CARRIER_FAILURE: State.FAILED,
    Weight.DELIVERED: State.DELIVERED,
}
_NAMED = {"DELIVRD": Weight.DELIVERED, "ACCEPTD": Weight.ACCEPTED, "UNKNOWN": Weight.UNKNOWN}
_MADE_BY_PLATFORM = (1, 3)  # `source` of reports that no SMSC sent


@dataclass(frozen=True, slots=True)
class StoredReport:
    """A report with what we know of its arrivals."""

    report: StatusReport
    received_at: int  # first arrival, microseconds
    last_received_at: int
    redeliveries: int = 0
    trust: Trust = Trust.OPEN

    @property
    def key(self) -> tuple[int, str, str]:
        """What makes a later report of the same message a redelivery."""
        return report_key(self.report)


@dataclass(frozen=True, slots=True)
class Part:
    """One segment of a message and the report that decides it."""

    sequence: int
    state: State
    report: StatusReport | None = None
    conflict: bool = False


@dataclass(frozen=True, slots=True)
class Folded:
    """What the fold says about one message."""

    state: State
    final: bool
    conflict: bool
    parts: tuple[Part, ...]
    deciding: StatusReport | None  # the report whose code stands for the message
    code: str | None
    to: str | None
    extend: str | None
    total: int
    first_report_at: int | None  # arrivals, microseconds
    last_report_at: int | None
    delivered_at: int | None  # the platform's time of the last delivered part
    failed_at: int | None  # the platform's time of the deciding failure
    trust: Trust


def report_key(report: StatusReport) -> tuple[int, str, str]:
    """Identify a report within its message: part, status, the platform's time as it came."""
    return report.sequence, report.status, report.update_time


def weigh(report: StatusReport) -> Weight:
    """Rank one report; every code but the named ones counts as a failure (platform rule)."""
    named = _NAMED.get(report.status) or _NAMED.get(report.status.strip().upper())
    if named is not None:
        return named
    if report.updated_at is None or report.source in _MADE_BY_PLATFORM:
        return Weight.PLATFORM_FAILURE
    return Weight.CARRIER_FAILURE


_Text = TypeVar("_Text", str, int)


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
        raw=max(a.raw, b.raw, key=_raw_order),
    )
    return StoredReport(
        report=joined,
        received_at=min(one.received_at, other.received_at),
        last_received_at=max(one.last_received_at, other.last_received_at),
        redeliveries=one.redeliveries + other.redeliveries + 1,
        trust=greater_trust(one.trust, other.trust),
    )


_TRUST_ORDER = (Trust.OPEN, Trust.SIGNED)


def greater_trust(one: Trust, other: Trust) -> Trust:
    """Give the better of two arrivals' trust: the same content was vouched for once."""
    return max(one, other, key=_TRUST_ORDER.index)


def _raw_order(raw: dict[str, Any]) -> tuple[int, str, str]:
    return len(raw), repr(sorted(raw.items(), key=repr)), repr(raw)


def _greater(a: _Text | None, b: _Text | None) -> _Text | None:
    if a is None or b is None:
        return b if a is None else a
    return max(a, b)


def merge_sends(earlier: Send, later: Send) -> Send:
    """Join two registrations of one SMS: the later one speaks, but erases nothing."""
    return Send(
        sms_msg_id=later.sms_msg_id,
        status=later.status,
        to=later.to or earlier.to,
        sender=later.sender or earlier.sender,
        sent_at=earlier.sent_at if later.sent_at is None else later.sent_at,
        total=later.total or earlier.total,
        country=later.country or earlier.country,
        extend=later.extend or earlier.extend,
        reference=later.reference or earlier.reference,
        template_id=later.template_id or earlier.template_id,
    )


def fold(
    send: Send | None,
    reports: Sequence[StoredReport],
    *,
    late_delivered: LateDelivered = "wins",
) -> Folded:
    """Derive a message's state from its send (None: not registered) and all its reports."""
    total = _count_parts(send, reports)
    parts = _fold_parts(total, reports, late_delivered)
    refused = send is not None and send.refused
    state = _state_of(parts, refused=refused)
    if state is State.REFUSED:
        parts = tuple(_refuse_part(part) for part in parts)
    deciding = _deciding(parts)
    return Folded(
        state=state,
        final=state in FINAL_STATES,
        conflict=any(part.conflict for part in parts) or (refused and state is not State.REFUSED),
        parts=parts,
        deciding=deciding,
        code=_code_of(state, deciding, send),
        to=(send.to if send else None) or _most([s.report.to for s in reports]),
        extend=(send.extend if send else None) or _most([s.report.extend for s in reports]),
        total=total,
        first_report_at=min([s.received_at for s in reports], default=None),
        last_report_at=max([s.last_received_at for s in reports], default=None),
        delivered_at=_delivered_at(state, parts),
        failed_at=_failed_at(deciding, send, reports) if state in _FAILURES else None,
        trust=min([s.trust for s in reports], key=_TRUST_ORDER.index, default=Trust.OPEN),
    )


def _count_parts(send: Send | None, reports: Sequence[StoredReport]) -> int:
    heard = [send.total or 1] if send else [1]
    for stored in reports:
        heard.append(stored.report.sequence)
        heard.append(stored.report.total or 1)
    return min(max(heard), MOST_PARTS)


def _fold_parts(
    total: int, reports: Sequence[StoredReport], late_delivered: LateDelivered
) -> tuple[Part, ...]:
    if total == 1:  # nearly all messages; there is nothing to sort
        return (_fold_part(1, reports, late_delivered),)
    by_part: dict[int, list[StoredReport]] = {}
    for stored in reports:
        by_part.setdefault(stored.report.sequence, []).append(stored)
    return tuple(
        _fold_part(sequence, by_part.get(sequence, ()), late_delivered)
        for sequence in range(1, total + 1)
    )


def _refuse_part(part: Part) -> Part:
    return part if part.report else replace(part, state=State.REFUSED)


def _fold_part(
    sequence: int, reports: Sequence[StoredReport], late_delivered: LateDelivered
) -> Part:
    if not reports:
        return Part(sequence, State.PENDING)
    if len(reports) == 1:
        only = reports[0].report
        return Part(sequence, _STATE_OF_WEIGHT[weigh(only)], only)
    weights = {weigh(stored.report) for stored in reports}
    failed = Weight.CARRIER_FAILURE in weights or Weight.PLATFORM_FAILURE in weights
    conflict = failed and Weight.DELIVERED in weights
    if conflict and late_delivered == "ignored":
        reports = _without_late_delivered(reports)
    winner = max(reports, key=_precedence)
    return Part(sequence, _STATE_OF_WEIGHT[weigh(winner.report)], winner.report, conflict)


def _precedence(stored: StoredReport) -> tuple[int, bool, int, str, str]:
    report = stored.report
    known = report.updated_at is not None
    return weigh(report), known, report.updated_at or 0, report.status, report.update_time


def _without_late_delivered(reports: Sequence[StoredReport]) -> Sequence[StoredReport]:
    """Drop deliveries that came after the first failure, by the platform's time where known."""
    failures = (
        _heard_at(stored)
        for stored in reports
        if _STATE_OF_WEIGHT[weigh(stored.report)] is State.FAILED
    )
    first_failure = min(failures)
    return [
        stored
        for stored in reports
        if weigh(stored.report) is not Weight.DELIVERED or _heard_at(stored) < first_failure
    ]


def _heard_at(stored: StoredReport) -> int:
    known = stored.report.updated_at
    return stored.received_at if known is None else known


def _state_of(parts: Sequence[Part], *, refused: bool) -> State:
    states = {part.state for part in parts}
    finals = states & {State.DELIVERED, State.FAILED}
    if refused and not finals:
        return State.REFUSED
    if finals == states:
        return next(iter(finals)) if len(finals) == 1 else State.PARTIAL
    if finals or State.ACCEPTED in states:
        return State.ACCEPTED
    return State.UNKNOWN if State.UNKNOWN in states else State.PENDING


_SPEAKS_FIRST = (State.FAILED, State.UNKNOWN, State.ACCEPTED, State.DELIVERED)


def _deciding(parts: Sequence[Part]) -> StatusReport | None:
    """Choose the report that stands for the message: a failure is never hidden by the rest."""
    heard = [part for part in parts if part.report is not None]
    if len(heard) <= 1:
        return heard[0].report if heard else None
    return min(heard, key=lambda part: (_SPEAKS_FIRST.index(part.state), part.sequence)).report


def _code_of(state: State, deciding: StatusReport | None, send: Send | None) -> str | None:
    if state is State.REFUSED and send is not None:
        return send.status
    return deciding.status if deciding else None


def _delivered_at(state: State, parts: Sequence[Part]) -> int | None:
    if state is not State.DELIVERED:
        return None
    times = [part.report.updated_at for part in parts if part.report]
    known = [time for time in times if time is not None]
    return max(known) if len(known) == len(times) else None


def _failed_at(
    deciding: StatusReport | None, send: Send | None, reports: Sequence[StoredReport]
) -> int | None:
    """When the failure was known: the platform's time, else the sending, else the arrival."""
    if deciding is None:
        return send.sent_at if send else None
    if deciding.updated_at is not None:
        return deciding.updated_at
    if send is not None and send.sent_at is not None:
        return send.sent_at
    return min(stored.received_at for stored in reports)


def _most(texts: Iterable[str | None]) -> str | None:
    return max((text for text in texts if text), default=None)
