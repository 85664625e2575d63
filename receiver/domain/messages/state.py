"""A message's state: a pure function of its send and the set of its reports.

Nothing here depends on the order in which reports came, how often they came or how pushes were
cut into batches. Ties that the platform's own times leave open are settled by content.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

from receiver.domain.inputs import UNREADABLE_SEQUENCE, Send, StatusReport, Trust, trust_order
from receiver.domain.messages.precedence import FAILURES, Place, Weight, precedence, weigh

LateDelivered = Literal["wins", "ignored"]
Key = tuple[str, str]  # application, smsMsgId
MOST_PARTS = 255  # GSM 03.40: one octet counts the segments of a long SMS


class State(StrEnum):
    """The state of one sent SMS."""

    PENDING = "pending"  # registered, no report yet
    ACCEPTED = "accepted"  # on its way; or some parts are final, others not yet
    DELIVERED = "delivered"
    FAILED = "failed"
    PARTIAL = "partial"  # long SMS: all parts are final, but they differ
    REFUSED = "refused"  # the send response's own entry was a refusal
    UNKNOWN = "unknown"  # the network could not tell
    OVERDUE = "overdue"  # nothing final within the horizon; set by the watchdog


FAILED_STATES = frozenset({State.FAILED, State.PARTIAL, State.REFUSED})
FINAL_STATES = FAILED_STATES | {State.DELIVERED}
OPEN_STATES = frozenset({State.PENDING, State.ACCEPTED, State.UNKNOWN})  # a report may yet come
_STATE_OF_WEIGHT = {
    Weight.UNKNOWN: State.UNKNOWN,
    Weight.ACCEPTED: State.ACCEPTED,
    Weight.PLATFORM_FAILURE: State.FAILED,
    Weight.CARRIER_FAILURE: State.FAILED,
    Weight.DELIVERED: State.DELIVERED,
}


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

    sequence: int  # from 1; below: unknown
    state: State
    report: StatusReport | None = None
    conflict: bool = False
    extra: bool = False  # its number is none of those that are expected


@dataclass(frozen=True, slots=True)
class Folded:
    """The result of folding one message."""

    state: State
    final: bool
    conflict: bool
    parts: tuple[Part, ...]
    deciding: StatusReport | None  # the report whose code stands for the message
    code: str | None
    to: str | None
    extend: str | None
    total: int  # parts that are expected
    first_report_at: int | None  # arrivals, microseconds
    last_report_at: int | None
    delivered_at: int | None  # the platform's time of the last delivered part
    failed_at: int | None  # the platform's time of the deciding failure
    trust: Trust


def report_key(report: StatusReport) -> tuple[int, str, str]:
    """Identify a report within its message: part, status, the platform's time as received."""
    return report.sequence, report.status, report.update_time


def fold(
    send: Send | None,
    reports: Sequence[StoredReport],
    *,
    late_delivered: LateDelivered = "wins",
) -> Folded:
    """Derive a message's state from its send (None: not registered) and all its reports."""
    total = count_parts(send, reports)
    parts = _fold_parts(total, reports, late_delivered)
    refused = send is not None and send.refused
    state = _state_of(parts, refused=refused, guessed=is_guess(send, reports))
    if state is State.REFUSED:
        parts = tuple(_refuse_part(part) for part in parts)
    deciding = _deciding(parts)
    return Folded(
        state=state,
        final=state in FINAL_STATES,
        conflict=any(part.conflict for part in parts)
        or (send is not None and send.refused and (state is not State.REFUSED or send.disputed)),
        parts=parts,
        deciding=deciding,
        code=_code_of(state, deciding, send),
        to=(send.to if send else None) or _most([s.report.to for s in reports]),
        extend=(send.extend if send else None) or _most([s.report.extend for s in reports]),
        total=total,
        first_report_at=min([s.received_at for s in reports], default=None),
        last_report_at=max([s.last_received_at for s in reports], default=None),
        delivered_at=_delivered_at(state, parts),
        failed_at=_failed_at(deciding, send, reports) if state in FAILED_STATES else None,
        trust=min([s.trust for s in reports], key=trust_order, default=Trust.OPEN),
    )


def failed_by(folded: Folded, reports: Iterable[StoredReport], heard_at: int) -> int:
    """Return by when a message had failed: as it is told, but not later than we heard of it.

    What is told may be a local time written as UTC.

    Args:
        folded: the reports that count.
        reports: all of them.
        heard_at: microseconds: what stands for the arrival where no report decides.
    """
    came = (one.received_at for one in reports if one.report is folded.deciding)
    heard = min(came, default=heard_at)
    return heard if folded.failed_at is None else min(folded.failed_at, heard)


def count_parts(send: Send | None, reports: Sequence[StoredReport]) -> int:
    """Return how many parts are expected: the largest total that was told, by whomever."""
    told = _told(send, reports)
    if not told:
        first = first_sequence(reports)
        told = [1, *(_place(stored, first) for stored in reports)]
    return min(max(told), MOST_PARTS)


def _told(send: Send | None, reports: Sequence[StoredReport]) -> list[int]:
    """Return the numbers of parts that can be read (`UNREADABLE_TOTAL` is 0)."""
    told = [stored.report.total for stored in reports if stored.report.total]
    if send is not None and send.total:
        told.append(send.total)
    return told


def is_guess(send: Send | None, reports: Sequence[StoredReport]) -> bool:
    """Return whether a number that cannot be read leaves open how many parts there are."""
    if _told(send, reports):
        return False
    return any(
        stored.report.total is not None or stored.report.sequence == UNREADABLE_SEQUENCE
        for stored in reports
    )


def first_sequence(reports: Sequence[StoredReport]) -> int:
    """Return the number of the first part: 0 when any report has it, else 1."""
    return 0 if any(stored.report.sequence == 0 for stored in reports) else 1


def _place(stored: StoredReport, first: int) -> int:
    """Return the part that a report counts for, from 1; one that tells none counts for part 1."""
    report = stored.report
    return report.sequence - first + 1 if first or report.tells_sequence else 1


def by_part(reports: Sequence[StoredReport], total: int) -> Mapping[int, Sequence[StoredReport]]:
    """Group reports by the part that they speak of, from 1, given how many parts are expected.

    Parts may be counted from 0. Each report whose part cannot be read stands alone, under a number
    below 0. Of a message of one part every report speaks of that one: a sequence means something
    only where there are several parts (sms_05_0003).
    """
    if total == 1:  # nearly all messages; there is nothing to sort
        return {1: reports} if reports else {}
    grouped: dict[int, list[StoredReport]] = {}
    first = first_sequence(reports)
    unplaced: list[StoredReport] = []
    for stored in reports:
        if stored.report.sequence == UNREADABLE_SEQUENCE:
            unplaced.append(stored)
        else:
            grouped.setdefault(_place(stored, first), []).append(stored)
    unplaced.sort(key=lambda stored: stored.key)
    return grouped | {-place: [stored] for place, stored in enumerate(unplaced, 1)}


def _fold_parts(
    total: int, reports: Sequence[StoredReport], late_delivered: LateDelivered
) -> tuple[Part, ...]:
    """Fold the parts that are expected, and beyond them those that were heard of all the same."""
    if total == 1:
        return (_fold_part(1, reports, late_delivered),)
    heard = by_part(reports, total)
    parts = [_fold_part(n, heard.get(n, ()), late_delivered) for n in range(1, total + 1)]
    parts += (
        replace(_fold_part(n, heard[n], late_delivered), extra=True)
        for n in sorted(heard, key=lambda part: (part < 1, part))
        if not 1 <= n <= total
    )
    return tuple(parts)


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
    winner = max(eligible(reports, late_delivered), key=_precedence)
    state = _STATE_OF_WEIGHT[weigh(winner.report)]
    return Part(sequence, state, winner.report, contradict(reports))


def _precedence(stored: StoredReport) -> Place:
    return precedence(stored.report)


def eligible(
    reports: Sequence[StoredReport], late_delivered: LateDelivered
) -> Sequence[StoredReport]:
    """Return those of the reports about one part that may decide it."""
    if late_delivered == "ignored" and contradict(reports):
        return _without_late_delivered(reports)
    return reports


def contradict(reports: Sequence[StoredReport]) -> bool:
    """Return whether reports about one part say that it arrived, and that it failed."""
    weights = {weigh(stored.report) for stored in reports}
    return Weight.DELIVERED in weights and not FAILURES.isdisjoint(weights)


def _without_late_delivered(reports: Sequence[StoredReport]) -> Sequence[StoredReport]:
    """Drop deliveries that came after the first failure, by the platform's times.

    Where either tells no time, nothing shows that the delivery was late.
    """
    failures = (stored.report.updated_at for stored in reports if weigh(stored.report) in FAILURES)
    first_failure = min((at for at in failures if at is not None), default=None)
    if first_failure is None:
        return reports
    return [
        stored
        for stored in reports
        if weigh(stored.report) is not Weight.DELIVERED
        or (at := stored.report.updated_at) is None
        or at < first_failure
    ]


def _state_of(parts: Sequence[Part], *, refused: bool, guessed: bool) -> State:
    """Derive the state from those of the parts; what is guessed is never final."""
    states = {part.state for part in parts}
    finals = states & {State.DELIVERED, State.FAILED}
    if refused and not finals:
        return State.REFUSED
    # Whatever part it is about, a report that says what all others say changes nothing.
    is_known = len(states) == 1 or parts[-1].sequence >= 1
    if finals == states and is_known and not guessed:
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
