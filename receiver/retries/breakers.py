"""Updates breakers from the results of other messages and of their probes."""

from collections.abc import Iterable, Mapping

from sqlalchemy.ext.asyncio import AsyncConnection

from receiver.domain.messages.state import OPEN_STATES, State
from receiver.domain.projection import Policy
from receiver.domain.retries.breaker import Position, Result, observe, probe_ended
from receiver.domain.retries.items import ItemState
from receiver.domain.retries.sentences import HoldReason
from receiver.domain.times import HOUR, SECOND
from receiver.retries.chains import find_chains
from receiver.store.retries import history, leases
from receiver.store.retries.history import BreakerKey, StoredBreaker


async def watch(
    connection: AsyncConnection,
    keys: Iterable[BreakerKey],
    before: Mapping[BreakerKey, StoredBreaker],
    policy: Policy,
    now: int,
) -> dict[BreakerKey, StoredBreaker]:
    """Return the breakers as they stand now.

    The statistics count by hours, so what is recent begins at the start of an hour; what is usual
    ends there.

    Args:
        connection: to the store.
        keys: which ones.
        before: as they were stored; what is missing is closed.
        policy: when they open, and which reports count.
        now: microseconds.
    """
    options = policy.retry.breaker
    wanted = set(keys)
    recent_since = now - options.recent_s * SECOND
    recent_since -= recent_since % HOUR
    baseline_since = recent_since - options.baseline_s * SECOND
    found: dict[BreakerKey, StoredBreaker] = {}
    for application in sorted({key.application for key in wanted}):
        recent = await history.ended_between(connection, application, recent_since, now + 1)
        usual = await history.ended_between(connection, application, baseline_since, recent_since)
        for key in wanted:
            if key.application != application:
                continue
            stored = before.get(key, StoredBreaker())
            state, probe = stored.state, stored.probe
            result = None if probe is None else await _result(connection, probe, key.code, policy)
            if result is not None:
                state, probe = probe_ended(state, result, options, now), None
            counts = history.counts_of(recent, key), history.counts_of(usual, key)
            state = observe(state, *counts, options, now)
            found[key] = StoredBreaker(state, None if state.position is Position.CLOSED else probe)
    return found


async def close_after_probes(connection: AsyncConnection, policy: Policy, now: int) -> None:
    """Close the breakers whose probes arrived, and let what waits for them be due.

    Args:
        connection: in a transaction that no other one writes beside.
        policy: when breakers open, and which reports count.
        now: microseconds.
    """
    before = await history.read_breakers(connection)
    for key, stored in (await watch(connection, before, before, policy, now)).items():
        if stored == before[key]:
            continue
        await history.save_breaker(connection, key, stored)
        if stored.state.position is Position.CLOSED:
            await leases.release_held(
                connection, key.application, key.code, HoldReason.BREAKER.value
            )


async def _result(
    connection: AsyncConnection, probe: int, code: str, policy: Policy
) -> Result | None:
    """Return what happened to a message that went first; None: nothing yet."""
    item = await leases.find_item(connection, probe)
    if item is not None and item.state is ItemState.CLAIMED:
        return None
    if item is None or item.state is not ItemState.COMPLETED or item.next_id is None:
        return Result.OTHER
    key = (item.application, item.next_id)
    chain = (await find_chains(connection, [key], policy)).get(key)
    attempts = chain.attempts if chain else ()
    sent = next((one for one in attempts if one.sms_msg_id == item.next_id), None)
    if sent is None or sent.state in OPEN_STATES:
        return None
    if sent.state is State.DELIVERED:
        return Result.DELIVERED if sent.counts_as_delivered(policy.retry.trust_open) else None
    return Result.FAILED if sent.code == code else Result.OTHER
