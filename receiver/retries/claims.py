"""Claims of due items: each message goes to one claimer at a time.

Everything is judged when it is claimed, by the messages as they are then: what has been delivered,
sent again by another way, opted out of or grown too old since it was planned is not handed out.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy.ext.asyncio import AsyncConnection

from receiver.domain.digests import secret_digest
from receiver.domain.projection import Policy
from receiver.domain.retries.admission import AdmissionOutcome
from receiver.domain.retries.decision import Facts, decide_retry, settle
from receiver.domain.retries.items import ItemState
from receiver.retries.breakers import close_after_probes
from receiver.retries.judge import JudgedRetry
from receiver.retries.snapshot import look
from receiver.store.retries import leases
from receiver.store.retries.leases import Item, Lease

_ROUNDS = 5  # of looking for more where items turned out not to go
_LOOKED_AT = 100  # in each round at least: some of what is due may not go


@dataclass(frozen=True, slots=True)
class Order:
    """The request of a claimer."""

    limit: int
    lease_us: int
    application: str | None = None


@dataclass(frozen=True, slots=True)
class Claimed:
    """The result of a claim."""

    secret: str  # proves that the claimer holds the lease
    until: int  # microseconds
    items: Sequence[JudgedRetry]
    expired: int  # of these, how many another claimer has let go stale


def digest(secret: str) -> str:
    """Return what is kept of a lease's secret."""
    return secret_digest(secret).hex()


async def claim(connection: AsyncConnection, order: Order, policy: Policy, now: int) -> Claimed:
    """Hand out items that are due.

    Args:
        connection: in a transaction that no other one writes beside.
        order: how many, and for how long.
        policy: the effective rules.
        now: microseconds.
    """
    await close_after_probes(connection, policy, now)
    secret = secrets.token_urlsafe(24)
    until = now + order.lease_us
    lease = Lease(digest(secret), until)
    given: list[JudgedRetry] = []
    expired = 0
    for _ in range(_ROUNDS):
        looked_at = max(order.limit - len(given), _LOOKED_AT)
        due = await leases.find_due(connection, now, looked_at, order.application)
        moment = await look(connection, due, policy, now)
        going: list[int] = []
        for item in due:
            if len(given) == order.limit:
                break
            judged = moment.judge(item.message_id)
            if judged.admission is None or judged.admission.decision is not AdmissionOutcome.GO:
                await _set_aside(connection, item, judged, now)
                continue
            moment.went(judged)
            going.append(item.message_id)
            expired += item.state is ItemState.CLAIMED
            given.append(_given(judged, item, policy, now))
        await leases.claim(connection, going, lease, now)
        await moment.save_breakers()
        if len(given) == order.limit or len(due) < looked_at:
            break
    return Claimed(secret, until, given, expired)


def _given(judged: JudgedRetry, item: Item, policy: Policy, now: int) -> JudgedRetry:
    """Let the verdict of what is handed out say what the message itself says from now on."""
    facts = Facts(now, ItemState.CLAIMED, item.due_at)
    retry, _ = decide_retry(judged.candidate, policy.retry, facts)
    return replace(judged, verdict=settle(judged.verdict, judged.candidate.state, retry))


async def _set_aside(
    connection: AsyncConnection, item: Item, judged: JudgedRetry, now: int
) -> None:
    """Put an item back, or bring it to its end."""
    planned, admission = judged.planned, judged.admission
    if admission is not None and admission.decision is AdmissionOutcome.LATER:
        reason = admission.reason.value if admission.reason else None
        await leases.put_back(connection, item.message_id, admission.until or now, reason)
    elif admission is None and planned.due_at is not None:
        await leases.put_back(connection, item.message_id, planned.due_at, None)
    else:
        why = planned.reason if admission is None else admission.reason
        reason = why.value if why else None
        await leases.end(connection, item.message_id, ItemState.ENDED, now, reason=reason)
