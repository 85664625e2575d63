"""Stored messages as the policy sees them now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from receiver.domain.events import Send
from receiver.domain.languages import Language
from receiver.domain.messages import Folded, Key, State, fold
from receiver.domain.numbers import normalise_channel
from receiver.domain.retrying.candidates import Case, Chain, candidate_of
from receiver.domain.retrying.claiming import Admission
from receiver.domain.retrying.deciding import Facts, Retry, decide_retry, settle
from receiver.domain.retrying.planning import FAILED, Candidate, Plan, fraction_of, plan
from receiver.domain.suppression import Party, Said
from receiver.domain.verdict import Verdict, decide, subject_of
from receiver.projection import Policy, believe
from receiver.store import leasing, suppressing
from receiver.store.chains import find_chains
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
    language: Language = Language.EN,
) -> list[Decided]:
    """Decide about messages, each by its chain, the queue and the suppression list.

    Args:
        connection: to the store.
        found: the messages.
        policy: the rules in force.
        now: microseconds.
        language: of the verdict's texts.
    """
    cases = [(stored, case_of(stored, policy)) for stored in found]
    failed = [(stored, case) for stored, case in cases if case.folded.state in FAILED]
    chained = [
        stored
        for stored, case in cases
        if case.folded.state in FAILED or stored.next_id or (case.send and case.send.retry_of)
    ]
    around = _Around(
        chains=await find_chains(connection, [_key(stored) for stored in chained]),
        items=await leasing.find_items(connection, [stored.row_id for stored, _ in failed]),
        suppressed=await suppressing.suppressed_among(
            connection,
            (party_of(stored, candidate_for(case, policy)) for stored, case in failed),
            now,
        ),
        now=now,
    )
    return [_decide(stored, case, policy, around, language) for stored, case in cases]


def _decide(
    stored: StoredMessage, case: Case, policy: Policy, around: _Around, language: Language
) -> Decided:
    chain = around.chains.get(_key(stored))
    candidate = candidate_for(case, policy, chain)
    item = around.items.get(stored.row_id)
    holds = around.suppressed.get(party_of(stored, candidate))
    facts = Facts(
        now=around.now,
        item=item.state_at(around.now) if item else None,
        put_off_to=item.due_at if item else 0,
        item_reason=item.reason if item else None,
        suppressed=holds[0].word.source.value if holds else None,
    )
    retry, planned = decide_retry(candidate, policy.retry, facts)
    folded, meaning = shown_of(stored, policy, language)
    return Decided(stored, folded, settle(meaning, candidate, retry), retry, planned, chain)


def shown_of(
    stored: StoredMessage, policy: Policy, language: Language = Language.EN
) -> tuple[Folded, Verdict]:
    """Fold all reports of a stored message, and say what its code means."""
    message = stored.message
    reports = list(message.reports.values())
    folded = fold(message.send, reports, late_delivered=policy.late_delivered)
    subject = subject_of(folded, overdue=stored.state is State.OVERDUE)
    return folded, decide(subject, policy.catalogue, language)


def case_of(stored: StoredMessage, policy: Policy) -> Case:
    """Put together what the policy goes by: the reports by which something may be done."""
    message = stored.message
    folded, verdict = believe(message, policy) or shown_of(stored, policy)
    return Case(
        message.application,
        message.sms_msg_id,
        message.send,
        list(message.reports.values()),
        folded,
        verdict,
        message.first_heard_at,
    )


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
    return settle(verdict, candidate, retry), retry


def plan_for(candidate: Candidate, policy: Policy) -> Plan:
    """Plan a message; the same one always gets the same jitter."""
    fraction = fraction_of(candidate.application, candidate.sms_msg_id, candidate.attempts)
    return plan(candidate, policy.retry, fraction)


def party_of(stored: StoredMessage, candidate: Candidate) -> Party:
    """Give whom a message goes to, and by which channel."""
    send = stored.message.send
    sender = send.sender if send else None
    channel = normalise_channel(sender) if sender else ""
    return Party(candidate.number or "", channel, candidate.application)


def _key(stored: StoredMessage) -> Key:
    return stored.message.application, stored.message.sms_msg_id
