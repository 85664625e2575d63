"""The state at the time of a claim: recent sends, budgets, suppressions, breakers."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncConnection

from receiver.domain.messages.state import Key
from receiver.domain.projection import Policy
from receiver.domain.retries.admission import Context, Watched, admit
from receiver.domain.retries.breaker import Position, probe_sent
from receiver.domain.retries.candidates import Chain
from receiver.domain.retries.planning import RetryCandidate, plan_for
from receiver.domain.retries.policy import RetryPolicy
from receiver.domain.retries.recipient_limits import RecipientSend
from receiver.domain.suppressions.suppression import ScopedEntry, SuppressionScope, until_when
from receiver.domain.times import SECOND
from receiver.retries.breakers import watch
from receiver.retries.chains import find_chains
from receiver.retries.judge import JudgedRetry, View, candidate_for, party_of, see
from receiver.store.queries import StoredMessage, load_messages
from receiver.store.retries import history, leases
from receiver.store.retries.history import BreakerKey, StoredBreaker
from receiver.store.retries.leases import Item
from receiver.store.suppressions import entries

_DAY = 24 * 3600 * SECOND


@dataclass(slots=True)
class ClaimSnapshot:
    """What is known while a claim is judged, including what it has handed out."""

    connection: AsyncConnection
    policy: Policy
    now: int
    views: Mapping[int, View]  # by the id of the message's row
    chains: Mapping[Key, Chain]
    recent: dict[str, list[RecipientSend]]
    suppressed: Mapping[SuppressionScope, Sequence[ScopedEntry]]
    sends_today: Mapping[str, int]
    retries_today: dict[str, int]
    breakers: dict[BreakerKey, StoredBreaker]
    changed: set[BreakerKey] = field(default_factory=set)

    def judge(self, message_id: int) -> JudgedRetry:
        """Judge one message."""
        view = self.views[message_id]
        chain = self.chains.get((view.case.application, view.case.sms_msg_id))
        candidate = candidate_for(view.case, self.policy, chain)
        planned = plan_for(candidate, self.policy.retry)
        if planned.due_at is None or planned.due_at > self.now:
            return JudgedRetry(view.stored, candidate, view.shown.verdict, planned)
        context = self._context(view, candidate, chain)
        admission = admit(candidate, planned, context, self.policy.retry, self.now)
        return JudgedRetry(view.stored, candidate, view.shown.verdict, planned, admission)

    def went(self, judged: JudgedRetry) -> None:
        """Note that a message is being sent."""
        candidate = judged.candidate
        sent = RecipientSend(self.now, judged.planned.kind)
        self.recent.setdefault(candidate.number or "", []).append(sent)
        application = candidate.application
        self.retries_today[application] = self.retries_today.get(application, 0) + 1
        if judged.admission is not None and judged.admission.probe:
            for key in breaker_keys(judged.stored, candidate):
                stored = self.breakers[key]
                if stored.state.position is not Position.CLOSED:
                    state = probe_sent(stored.state, self.policy.retry.breaker, self.now)
                    self.breakers[key] = StoredBreaker(state, judged.stored.row_id)
                    self.changed.add(key)

    async def save_breakers(self) -> None:
        """Write the breakers that have changed."""
        for key in sorted(self.changed, key=lambda one: (one.application, one.code, one.scope)):
            await history.save_breaker(self.connection, key, self.breakers[key])
        self.changed.clear()

    def _watched(self, stored: StoredMessage, candidate: RetryCandidate) -> Iterable[Watched]:
        for key in breaker_keys(stored, candidate):
            yield Watched(key.scope, self.breakers[key].state)

    def _context(self, view: View, candidate: RetryCandidate, chain: Chain | None) -> Context:
        holds = self.suppressed.get(party_of(view.case), ())
        return Context(
            suppressed=holds[0].word.source.value if holds else None,
            suppressed_until=until_when(holds),
            recent=tuple(self.recent.get(candidate.number or "", ())),
            chain=tuple(one.sent_at for one in chain.attempts) if chain else (),
            sends_today=self.sends_today.get(candidate.application, 0),
            retries_today=self.retries_today.get(candidate.application, 0),
            breakers=tuple(self._watched(view.stored, candidate)),
        )


async def look(
    connection: AsyncConnection, due: Sequence[Item], policy: Policy, now: int
) -> ClaimSnapshot:
    """Read what the judgement of some items needs."""
    stored = await load_messages(connection, [item.message_id for item in due])
    found = list(stored.values())
    views = {one.row_id: see(one, policy) for one in found}
    alone = {row_id: candidate_for(view.case, policy) for row_id, view in views.items()}
    numbers = {one.number for one in alone.values() if one.number is not None}
    keys = [(one.message.application, one.message.sms_msg_id) for one in found]
    applications = sorted({item.application for item in due})
    midnight = now // _DAY * _DAY
    suppressed = await entries.suppressed_among(
        connection, [party_of(view.case) for view in views.values()], now
    )
    moment = ClaimSnapshot(
        connection=connection,
        policy=policy,
        now=now,
        views=views,
        chains=await find_chains(connection, keys, policy),
        recent=await recent_sends(connection, numbers, policy.retry, now),
        suppressed=suppressed,
        sends_today={
            one: await history.sent_since(connection, one, midnight) for one in applications
        },
        retries_today={
            one: await leases.retried_since(connection, one, midnight) for one in applications
        },
        breakers={},
    )
    watched = {key for one in found for key in breaker_keys(one, alone[one.row_id])}
    before = await history.read_breakers(connection)
    moment.breakers = await watch(connection, watched, before, policy, now)
    moment.changed = {
        key for key, one in moment.breakers.items() if one != before.get(key, StoredBreaker())
    }
    return moment


async def recent_sends(
    connection: AsyncConnection, numbers: Iterable[str], policy: RetryPolicy, now: int
) -> dict[str, list[RecipientSend]]:
    """Return the sends to each number within a day, those that are under way included."""
    wanted = list(numbers)
    recent = {
        number: [
            RecipientSend(one.at, policy.kind_of(one.template_id, one.reference)) for one in sends
        ]
        for number, sends in (await history.recent_sends(connection, wanted, now - _DAY)).items()
    }
    for number, at in await leases.claimed_numbers(connection, wanted, now):
        recent.setdefault(number, []).append(RecipientSend(at))
    return recent


def breaker_keys(stored: StoredMessage, candidate: RetryCandidate) -> list[BreakerKey]:
    """Name the breakers that a message has to do with."""
    send = stored.message.send
    scopes = history.scopes_of(send.sender if send else None, candidate.country)
    code = candidate.code or ""
    return [BreakerKey(candidate.application, code, scope) for scope in scopes]
