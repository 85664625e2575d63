"""Chains of attempts with what counts of them, where some reports do not."""

from collections.abc import Iterable
from dataclasses import replace

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from receiver.domain.messages import Key, State
from receiver.domain.retrying.candidates import Attempt, Chain
from receiver.projection import Policy, reckon
from receiver.store import chains, queries
from receiver.store.schema import messages


async def find_chains(
    connection: AsyncConnection, keys: Iterable[Key], policy: Policy
) -> dict[Key, Chain]:
    """Return the chain of each message that there is, each attempt judged by what counts."""
    found = await chains.find_chains(connection, keys)
    doubted = {_key(one) for chain in found.values() for one in chain.attempts if _is_doubted(one)}
    if not doubted:
        return found
    delivered = await _delivered_among(connection, doubted, policy)
    return {
        key: Chain(
            [
                replace(one, vouched=_key(one) in delivered) if _is_doubted(one) else one
                for one in chain.attempts
            ]
        )
        for key, chain in found.items()
    }


async def _delivered_among(
    connection: AsyncConnection, doubted: set[Key], policy: Policy
) -> set[Key]:
    """Return those that were delivered by their reports that count."""
    named = select(messages.c.id, messages.c.application, messages.c.sms_msg_id).where(
        messages.c.sms_msg_id.in_({sms_msg_id for _, sms_msg_id in doubted})
    )
    ids = [
        row_id
        for row_id, application, sms_msg_id in await connection.execute(named)
        if (application, sms_msg_id) in doubted
    ]
    loaded = (await queries.load_messages(connection, ids)).values()
    folded = ((stored.message.key, reckon(stored.message, policy)[0]) for stored in loaded)
    return {key for key, one in folded if one.state is State.DELIVERED}


def _is_doubted(attempt: Attempt) -> bool:
    return attempt.vouched is None


def _key(attempt: Attempt) -> Key:
    return attempt.application, attempt.sms_msg_id
