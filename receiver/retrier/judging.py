"""Stored messages as the policy sees them now."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy.ext.asyncio import AsyncConnection

from receiver.domain.events import Send, Trust
from receiver.domain.languages import Language
from receiver.domain.messages import FAILED_STATES, Folded, Key, State, fold
from receiver.domain.numbers import normalise, normalise_channel
from receiver.domain.retrying.candidates import Case, Chain, candidate_of
from receiver.domain.retrying.claiming import Admission
from receiver.domain.retrying.deciding import Facts, Retry, decide_retry, settle
from receiver.domain.retrying.planning import Candidate, Plan
from receiver.domain.suppression import Party, Said, until_when
from receiver.domain.verdict import Verdict, decide, subject_of
from receiver.projection import Policy, believe, case_of
from receiver.retrier.chains import find_chains
from receiver.store import leasing, suppressing
from receiver.store.leasing import Item
from receiver.store.queries import StoredMessage


@dataclass(frozen=True, slots=True)
class Judged:
    """A message that is due and what the policy says of it now."""

    stored: StoredMessage
    candidate: Candidate
    verdict: Verdict
    planned: Plan
    admission: Admission | None = None  # None: nothing is planned


@dataclass(frozen=True, slots=True)
class Decided:
    """A message and the one decision about it, which every answer tells."""

    stored: StoredMessage
    folded: Folded  # all its reports, as they are shown
    verdict: Verdict
    retry: Retry
    planned: Plan
    chain: Chain | None  # None: it is the only attempt


@dataclass(frozen=True, slots=True)
class View:
    """A message by all its reports, as it is shown, and by those that count."""

    stored: StoredMessage
    case: Case  # by what counts
    shown: Case  # by all reports; the same one where all of them count

    @property
    def is_of_chain(self) -> bool:
        """Whether other attempts may bear on it."""
        send = self.case.send
        follows = send is not None and send.retry_of is not None
        return follows or self.stored.next_id is not None or self.case.folded.state in FAILED_STATES


@dataclass(frozen=True, slots=True)
class _Around:
    """What is known of some messages besides themselves."""

    chains: Mapping[Key, Chain]
    items: Mapping[int, Item]  # by the id of the message's row
    suppressed: Mapping[Party, Sequence[Said]]
    now: int


async def decide_messages(
    connection: AsyncConnection,
    found: Sequence[StoredMessage],
    policy: Policy,
    now: int,
    language: Language,
    breathe: Callable[[], Awaitable[None]],
) -> list[Decided]:
    """Decide about messages, each by its chain, the queue and the suppression list.

    Args:
        connection: to the store.
        found: the messages.
        policy: the rules in force.
        now: microseconds.
        language: of the verdict's texts.
        breathe: awaited between pieces of the work, so that it holds nobody up.
    """
    views = []
    for stored in found:
        views.append(see(stored, policy, language))
        await breathe()
    failed = [view for view in views if view.case.folded.state in FAILED_STATES]
    chained = [view for view in views if view.is_of_chain]
    around = _Around(
        chains=await find_chains(connection, [_key(view.stored) for view in chained], policy),
        items=await leasing.find_items(connection, [view.stored.row_id for view in failed]),
        suppressed=await suppressing.suppressed_among(
            connection, [party_of(view.case) for view in failed], now
        ),
        now=now,
    )
    decided = []
    for view in views:
        decided.append(_decide(view, policy, around))
        await breathe()
    return decided


def _decide(view: View, policy: Policy, around: _Around) -> Decided:
    stored, case = view.stored, view.case
    chain = around.chains.get(_key(stored))
    candidate = candidate_for(case, policy, chain)
    item = around.items.get(stored.row_id)
    holds = around.suppressed.get(party_of(case))
    facts = Facts(
        now=around.now,
        item=item.state_at(around.now) if item else None,
        put_off_to=item.due_at if item else 0,
        item_reason=item.reason if item else None,
        suppressed=holds[0].word.source.value if holds else None,
        suppressed_until=until_when(holds or ()),
    )
    retry, planned = decide_retry(candidate, policy.retry, facts)
    if view.shown is not case and retry.is_by_code:
        # What counts does not call for another send: what is shown may still advise it.
        candidate = replace(candidate_for(view.shown, policy, chain), trust=Trust.OPEN)
        retry, planned = decide_retry(candidate, policy.retry, facts)
    verdict = settle(view.shown.verdict, view.shown.folded.state, retry)
    return Decided(stored, view.shown.folded, verdict, retry, planned, chain)


def see(stored: StoredMessage, policy: Policy, language: Language = Language.EN) -> View:
    """Fold a stored message: all its reports, and those by which something may be done."""
    message = stored.message
    reports = list(message.reports.values())
    folded = fold(message.send, reports, late_delivered=policy.late_delivered)
    subject = subject_of(folded, overdue=stored.state is State.OVERDUE)
    meaning = decide(subject, policy.catalogue, language)
    shown = case_of(message, folded, meaning)
    counting = believe(message, policy)
    case = shown if counting is None else case_of(message, *counting)
    return View(stored, case, shown)


def candidate_for(case: Case, policy: Policy, chain: Chain | None = None) -> Candidate:
    """Put together what the policy asks of a message, by the rules in force."""
    return candidate_of(case, policy.catalogue, chain, policy.retry.trust_open)


def decide_refused(
    send: Send, application: str, policy: Policy, now: int, language: Language
) -> tuple[Verdict, Retry]:
    """Decide about a send that the platform refused, by itself: it may be in no store yet."""
    folded = fold(send, [], late_delivered=policy.late_delivered)
    verdict = decide(subject_of(folded), policy.catalogue, language)
    case = Case(application, send.sms_msg_id, send, [], folded, verdict, now)
    candidate = candidate_for(case, policy)
    retry, _ = decide_retry(candidate, policy.retry, Facts(now))
    return settle(verdict, folded.state, retry), retry


def party_of(case: Case) -> Party:
    """Return whom a message goes to, and by which channel."""
    sender = case.send.sender if case.send else None
    channel = normalise_channel(sender) if sender else ""
    return Party(normalise(case.folded.to) or "", channel, case.application)


def _key(stored: StoredMessage) -> Key:
    return stored.message.application, stored.message.sms_msg_id
