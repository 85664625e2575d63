"""Stored messages as the policy sees them now."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy.ext.asyncio import AsyncConnection

from receiver.domain.inputs import Send, Trust
from receiver.domain.messages.state import FAILED_STATES, Folded, Key, State, fold
from receiver.domain.numbers import normalise, normalise_channel
from receiver.domain.projection import Policy, believe, case_of
from receiver.domain.retries.admission import Admission
from receiver.domain.retries.candidates import Chain, RetryCase, candidate_of
from receiver.domain.retries.decision import Facts, Retry, decide_retry, settle
from receiver.domain.retries.planning import Plan, RetryCandidate
from receiver.domain.suppressions.suppression import ScopedEntry, SuppressionScope, until_when
from receiver.domain.verdict import Verdict, decide, subject_of
from receiver.domain.wording.languages import Language
from receiver.retries.chains import find_chains
from receiver.store.queries import StoredMessage
from receiver.store.retries import leases
from receiver.store.retries.leases import Item
from receiver.store.suppressions import entries


@dataclass(frozen=True, slots=True)
class JudgedRetry:
    """A message that is due and what the policy says of it now."""

    stored: StoredMessage
    candidate: RetryCandidate
    verdict: Verdict
    planned: Plan
    admission: Admission | None = None  # None: nothing is planned


@dataclass(frozen=True, slots=True)
class MessageDecision:
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
    case: RetryCase  # by what counts
    shown: RetryCase  # by all reports; the same one where all of them count

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
    suppressed: Mapping[SuppressionScope, Sequence[ScopedEntry]]
    now: int


async def decide_messages(
    connection: AsyncConnection,
    found: Sequence[StoredMessage],
    policy: Policy,
    now: int,
    language: Language,
    maybe_yield: Callable[[], Awaitable[None]],
) -> list[MessageDecision]:
    """Decide about messages, each by its chain, the queue and the suppression list.

    Args:
        connection: to the store.
        found: the messages.
        policy: the effective rules.
        now: microseconds.
        language: of the verdict's texts.
        maybe_yield: awaited between pieces of the work, so that it does not delay other work.
    """
    views = []
    for stored in found:
        views.append(see(stored, policy, language))
        await maybe_yield()
    failed = [view for view in views if view.case.folded.state in FAILED_STATES]
    chained = [view for view in views if view.is_of_chain]
    around = _Around(
        chains=await find_chains(connection, [_key(view.stored) for view in chained], policy),
        items=await leases.find_items(connection, [view.stored.row_id for view in failed]),
        suppressed=await entries.suppressed_among(
            connection, [party_of(view.case) for view in failed], now
        ),
        now=now,
    )
    decided = []
    for view in views:
        decided.append(_decide(view, policy, around))
        await maybe_yield()
    return decided


def _decide(view: View, policy: Policy, around: _Around) -> MessageDecision:
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
    return MessageDecision(stored, view.shown.folded, verdict, retry, planned, chain)


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


def candidate_for(case: RetryCase, policy: Policy, chain: Chain | None = None) -> RetryCandidate:
    """Put together what the policy asks of a message, by the effective rules."""
    return candidate_of(case, policy.catalogue, chain, policy.retry.trust_open)


def decide_refused(
    send: Send, application: str, policy: Policy, now: int, language: Language
) -> tuple[Verdict, Retry]:
    """Decide about a send that the platform refused, by itself: it may be in no store yet."""
    folded = fold(send, [], late_delivered=policy.late_delivered)
    verdict = decide(subject_of(folded), policy.catalogue, language)
    case = RetryCase(application, send.sms_msg_id, send, [], folded, verdict, now)
    candidate = candidate_for(case, policy)
    retry, _ = decide_retry(candidate, policy.retry, Facts(now))
    return settle(verdict, folded.state, retry), retry


def party_of(case: RetryCase) -> SuppressionScope:
    """Return the recipient of a message, and by which channel."""
    sender = case.send.sender if case.send else None
    channel = normalise_channel(sender) if sender else ""
    return SuppressionScope(normalise(case.folded.to) or "", channel, case.application)


def _key(stored: StoredMessage) -> Key:
    return stored.message.application, stored.message.sms_msg_id
