"""Chains of attempts, restricted to trusted reports."""

from collections.abc import Iterable
from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncConnection

from receiver.domain.messages.state import Key, State
from receiver.domain.projection import Policy, reckon
from receiver.domain.retries.candidates import Chain
from receiver.store import queries
from receiver.store.retries import chains


async def find_chains(
    connection: AsyncConnection, keys: Iterable[Key], policy: Policy
) -> dict[Key, Chain]:
    """Return the chain of each message that there is, each attempt judged by what counts."""
    found = await chains.find_chains(connection, keys)
    doubted = {one.key for chain in found.values() for one in chain.attempts if one.vouched is None}
    if not doubted:
        return found
    delivered = await _delivered_among(connection, doubted, policy)
    return {
        key: Chain(
            [
                replace(one, vouched=one.key in delivered) if one.key in doubted else one
                for one in chain.attempts
            ]
        )
        for key, chain in found.items()
    }


async def _delivered_among(
    connection: AsyncConnection, doubted: set[Key], policy: Policy
) -> set[Key]:
    """Return those that were delivered by their reports that count."""
    ids = sorted({sms_msg_id for _, sms_msg_id in doubted})
    named = await queries.find_messages(connection, ids)
    found = [stored.message for stored in named if stored.message.key in doubted]
    return {one.key for one in found if reckon(one, policy)[0].state is State.DELIVERED}
