"""The effect of a slice of the journal on the store, as pure values.

The events, the messages that they change and the decision about a message stand in one module: they
are the terms in which the projector and all that decides again speak to the store.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from receiver.domain.catalogue.catalogue import Catalogue
from receiver.domain.inputs import Arrival, Send, StatusReport, Uplink
from receiver.domain.messages.conflicts import COMPARED
from receiver.domain.messages.merge import greater_trust, merge_reports, merge_sends
from receiver.domain.messages.state import (
    OPEN_STATES,
    Folded,
    Key,
    LateDelivered,
    State,
    StoredReport,
    fold,
    report_key,
)
from receiver.domain.messages.trust import believed, is_trusted
from receiver.domain.numbers import normalise
from receiver.domain.retries.candidates import RetryCase, candidate_of
from receiver.domain.retries.planning import plan_for
from receiver.domain.retries.policy import RetryPolicy
from receiver.domain.suppressions.opt_outs import USUAL_WORDS, Intent, OptOutWords
from receiver.domain.suppressions.suppression import ScopedEntry
from receiver.domain.times import SECOND
from receiver.domain.uplinks import digest_of
from receiver.domain.verdict import Verdict, decide, subject_of

ReportKey = tuple[int, str, str]
UplinkKey = tuple[str, str, str]  # application, smsMsgId, digest of the content


@dataclass(frozen=True, slots=True)
class ReportArrived:
    """A status report arrived."""

    arrival: Arrival
    report: StatusReport


@dataclass(frozen=True, slots=True)
class SendRegistered:
    """The application registered a send."""

    arrival: Arrival
    send: Send


@dataclass(frozen=True, slots=True)
class UplinkArrived:
    """An uplink arrived."""

    arrival: Arrival
    uplink: Uplink


@dataclass(frozen=True, slots=True)
class SetByHand:
    """A number was suppressed manually, or the suppression was lifted."""

    said: ScopedEntry


@dataclass(frozen=True, slots=True)
class Quarantined:
    """An input that could not be parsed."""

    arrival: Arrival
    kind: str
    reason: str
    peer: str
    headers: str
    body: bytes
    items: int = 1  # for how many it stands
    size: int | None = None  # bytes of what the body is the beginning of; None: the body is all
    lost_at: int | None = None  # position of a row that was acknowledged and cannot be used


Event = ReportArrived | SendRegistered | UplinkArrived | SetByHand | Quarantined


@dataclass(slots=True)
class MessageBuilder:
    """One message while events are applied to it."""

    id: int
    application: str
    sms_msg_id: str
    send: Send | None = None
    registered_at: int | None = None
    reports: dict[ReportKey, StoredReport] = field(default_factory=dict)
    state_before: State | None = None  # None: not in the store yet
    delivery_known_before: bool = False
    stored: Mapping[str, Any] = field(default_factory=dict)  # its columns as the store has them
    new_reports: set[ReportKey] = field(default_factory=set)
    changed_reports: set[ReportKey] = field(default_factory=set)

    @property
    def key(self) -> Key:
        """What it is found by."""
        return self.application, self.sms_msg_id

    @property
    def is_new(self) -> bool:
        """Whether the store has not seen it yet."""
        return self.state_before is None

    @property
    def first_heard_at(self) -> int:
        """The first arrival of anything about it, microseconds."""
        arrivals = [stored.received_at for stored in self.reports.values()]
        if self.registered_at is not None:
            arrivals.append(self.registered_at)
        return min(arrivals)


@dataclass(slots=True)
class UplinkRecord:
    """One uplink while events are applied to it."""

    uplink: Uplink
    digest: str  # of the content
    arrival: Arrival
    last_received_at: int
    redeliveries: int
    is_new: bool
    intent: Intent | None = None
    asks_anew: bool = False  # its intent is not known to the store yet
    trusted_anew: bool = False  # the store knows it as less trusted


@dataclass(slots=True)
class Known:
    """What the store holds of everything that a slice of the journal mentions."""

    messages: dict[Key, MessageBuilder]
    uplinks: dict[UplinkKey, UplinkRecord]
    next_message_id: int
    # Whose content is erased: what comes under such an id counts as a redelivery of it.
    erased_uplinks: dict[Key, UplinkRecord] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DecidedMessage:
    """A message that changed, with its new state and verdict."""

    message: MessageBuilder
    folded: Folded
    verdict: Verdict
    overdue: bool = False  # stays so, whatever the fold says
    retry_at: int | None = None  # microseconds: not to be sent again before; None: not at all
    suppresses: bool = False  # it proves that sending to the number is no use
    is_doubted: bool = False  # some of its reports do not count

    @property
    def state(self) -> State:
        """What is stored as its state."""
        return State.OVERDUE if self.overdue else self.folded.state


@dataclass(slots=True)
class ProjectedChanges:
    """Everything that one transaction writes, and what is counted."""

    messages: list[DecidedMessage] = field(default_factory=list)
    uplinks: list[UplinkRecord] = field(default_factory=list)
    by_hand: list[SetByHand] = field(default_factory=list)
    quarantined: list[Quarantined] = field(default_factory=list)
    reports: list[StatusReport] = field(default_factory=list)  # new ones, redeliveries aside
    redeliveries: int = 0
    sends: int = 0
    orphans_found: int = 0
    orphans_bound: int = 0
    conflicts: Counter[str] = field(default_factory=Counter)  # of registrations, by field
    heard: dict[str, list[int]] = field(default_factory=dict)  # when reports came, by application


@dataclass(frozen=True, slots=True)
class Policy:
    """The decision rules."""

    catalogue: Catalogue
    late_delivered: LateDelivered = "wins"
    words: OptOutWords = USUAL_WORDS
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    suppressed_us: int = 90 * 86_400 * SECOND  # for how long by a code; 0: not at all

    @property
    def name(self) -> str:
        """Names the rules by which a state and a category come about."""
        return f"catalogue {self.catalogue.version}, late_delivered {self.late_delivered}"


def keys_of(events: Iterable[Event]) -> tuple[set[Key], set[UplinkKey]]:
    """Return the keys of the messages and of the uplinks that events speak of."""
    messages: set[Key] = set()
    uplinks: set[UplinkKey] = set()
    for event in events:
        match event:
            case ReportArrived(arrival, report):
                messages.add((arrival.application, report.sms_msg_id))
            case SendRegistered(arrival, send):
                messages.add((arrival.application, send.sms_msg_id))
            case UplinkArrived(arrival, uplink):
                uplinks.add((arrival.application, uplink.sms_msg_id, digest_of(uplink)))
            case SetByHand() | Quarantined():
                pass
    return messages, uplinks


class Projection:
    """Applies events to what is known and collects the changes."""

    def __init__(self, known: Known, words: OptOutWords = USUAL_WORDS) -> None:
        self.changes = ProjectedChanges()
        self._known = known
        self._words = words
        self._touched: dict[Key, MessageBuilder] = {}
        self._touched_uplinks: dict[UplinkKey, UplinkRecord] = {}

    def apply(self, event: Event) -> None:
        """Apply one event."""
        match event:
            case ReportArrived(arrival, report):
                self._report(arrival, report)
            case SendRegistered(arrival, send):
                self._send(arrival, send)
            case UplinkArrived(arrival, uplink):
                self._uplink(arrival, uplink)
            case SetByHand():
                self.changes.by_hand.append(event)
            case Quarantined():
                self.changes.quarantined.append(event)

    def touched(self) -> Iterable[MessageBuilder]:
        """Return the messages that events have changed."""
        return self._touched.values()

    def decide(self, message: MessageBuilder, policy: Policy) -> None:
        """Fold one touched message and note the result as a change."""
        self.changes.messages.append(refold(message, policy))

    def finish(self) -> ProjectedChanges:
        """Return all changes; call it when every touched message has been decided."""
        self.changes.uplinks = list(self._touched_uplinks.values())
        return self.changes

    def _report(self, arrival: Arrival, report: StatusReport) -> None:
        self.changes.heard.setdefault(arrival.application, []).append(arrival.received_at)
        message = self._message(arrival, report.sms_msg_id)
        if message.is_new and message.send is None and not message.reports:
            self.changes.orphans_found += 1
        came = StoredReport(report, arrival.received_at, arrival.received_at, trust=arrival.trust)
        key = report_key(report)
        stored = message.reports.get(key)
        if stored is None:
            message.reports[key] = came
            message.new_reports.add(key)
            self.changes.reports.append(report)
            return
        message.reports[key] = merge_reports(stored, came)
        message.changed_reports.add(key)
        self.changes.redeliveries += 1

    def _send(self, arrival: Arrival, send: Send) -> None:
        message = self._message(arrival, send.sms_msg_id)
        if message.send is None and message.reports:
            self.changes.orphans_bound += 1
        if message.send is None:
            message.send = send
        else:
            before = message.send
            message.send = merge_sends(
                before, send, arrival.received_at, reported_to=_reported_to(message)
            )
            new = message.send.conflicts[len(before.conflicts) :]
            self.changes.conflicts.update(COMPARED[one.field] for one in new)
        known, came = message.registered_at, arrival.received_at
        message.registered_at = came if known is None else min(known, came)
        self.changes.sends += 1

    def _message(self, arrival: Arrival, sms_msg_id: str) -> MessageBuilder:
        key = (arrival.application, sms_msg_id)
        message = self._known.messages.get(key)
        if message is None:
            message = MessageBuilder(self._known.next_message_id, arrival.application, sms_msg_id)
            self._known.next_message_id += 1
            self._known.messages[key] = message
        self._touched[key] = message
        return message

    def _uplink(self, arrival: Arrival, uplink: Uplink) -> None:
        key = (arrival.application, uplink.sms_msg_id, digest_of(uplink))
        came = arrival.received_at
        intent = self._words.asked_by(uplink)
        record = self._known.uplinks.get(key) or self._known.erased_uplinks.get(key[:2])
        if record is None:
            record = UplinkRecord(
                uplink, key[2], arrival, came, 0, is_new=True, intent=intent, asks_anew=True
            )
            self._known.uplinks[key] = record
        else:
            record.redeliveries += 1
            record.last_received_at = max(record.last_received_at, came)
            trust = greater_trust(record.arrival.trust, arrival.trust)
            if not record.is_new and trust is not record.arrival.trust:
                record.trusted_anew = True
            record.arrival = replace(
                record.arrival, received_at=min(record.arrival.received_at, came), trust=trust
            )
            if record.intent is None and intent is not None:
                # The same text in a charset that was declared this time may lift an opt-out.
                record.intent, record.asks_anew = intent, True
            self.changes.redeliveries += 1
        self._touched_uplinks[key] = record


def _reported_to(message: MessageBuilder) -> str | None:
    """Return the recipient that reports name, where no registration has told one."""
    if message.send is None or message.send.to:
        return None
    return fold(message.send, list(message.reports.values())).to


def refold(message: MessageBuilder, policy: Policy) -> DecidedMessage:
    """Derive a message's state and verdict from all that is known of it.

    That a message is overdue does not follow from its reports: what the watchdog has set stays
    until a new report comes. Another registration of its send, or a report that comes again, tells
    nothing new.
    """
    reports = list(message.reports.values())
    folded = fold(message.send, reports, late_delivered=policy.late_delivered)
    overdue = (
        message.state_before is State.OVERDUE
        and not message.new_reports
        and folded.state in OPEN_STATES
    )
    verdict = decide(subject_of(folded, overdue=overdue), policy.catalogue)
    counting = believe(message, policy)
    basis, advice = counting or (folded, verdict)
    return DecidedMessage(
        message,
        folded,
        verdict,
        overdue,
        retry_at=_retry_at(message, basis, advice, policy) if advice.retryable else None,
        suppresses=proves_lost(basis, advice, policy, folded.to),
        is_doubted=counting is not None,
    )


def believe(message: MessageBuilder, policy: Policy) -> tuple[Folded, Verdict] | None:
    """Do as `reckon`; None where all reports count, so that what is shown is what counts."""
    reports = list(message.reports.values())
    if believed(message.send, reports, policy.retry.trust_open) is reports:
        return None
    return reckon(message, policy)


def reckon(message: MessageBuilder, policy: Policy) -> tuple[Folded, Verdict]:
    """Fold the reports by which something may be done, and judge the result."""
    counting = believed(message.send, list(message.reports.values()), policy.retry.trust_open)
    folded = fold(message.send, counting, late_delivered=policy.late_delivered)
    return folded, decide(subject_of(folded), policy.catalogue)


def proves_lost(folded: Folded, verdict: Verdict, policy: Policy, number: str | None) -> bool:
    """Return whether a message proves that sending to its number is no use.

    Args:
        folded: by the reports that count.
        verdict: of that.
        policy: the rules.
        number: that is shown; a report that does not count may have told it.
    """
    return (
        verdict.suppress_recipient
        and is_trusted(folded, policy.retry.trust_open)
        and (number == folded.to or normalise(number) == normalise(folded.to))
    )


def case_of(message: MessageBuilder, folded: Folded, verdict: Verdict) -> RetryCase:
    """Return what the retry policy is told of a message.

    Args:
        message: with all its reports.
        folded: those of its reports that count.
        verdict: of that.
    """
    return RetryCase(
        message.application,
        message.sms_msg_id,
        message.send,
        list(message.reports.values()),
        folded,
        verdict,
        message.first_heard_at,
    )


def _retry_at(
    message: MessageBuilder, folded: Folded, verdict: Verdict, policy: Policy
) -> int | None:
    """Plan a message by itself; what its chain changes of that is judged when it is claimed."""
    candidate = candidate_of(case_of(message, folded, verdict), policy.catalogue)
    return plan_for(candidate, policy.retry).due_at
