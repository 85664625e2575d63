"""Chains of attempts, followed on request, so the order of arrival is irrelevant."""

from collections import defaultdict
from collections.abc import Iterable

from sqlalchemy import case, exists, false, null, select
from sqlalchemy.ext.asyncio import AsyncConnection

from receiver.domain.inputs import Trust
from receiver.domain.messages.state import Key, State
from receiver.domain.retries.candidates import Attempt, Chain
from receiver.store.paging import pieces
from receiver.store.schema import messages, reports

MOST_ATTEMPTS = 50  # a chain is followed no further
# The trust of a message is the least of its reports': only where that is `open` do they differ.
_IS_TRUSTED = messages.c.trust != Trust.OPEN.value
_IS_MIXED = exists().where(
    reports.c.message_id == messages.c.id, reports.c.trust != Trust.OPEN.value
)
_VOUCHED = case(
    (_IS_TRUSTED, messages.c.state == State.DELIVERED.value),
    (_IS_MIXED, null()),
    else_=false(),
)
_COLUMNS = (
    messages.c.application,
    messages.c.sms_msg_id,
    messages.c.retry_of,
    messages.c.state,
    messages.c.code,
    messages.c.occurred_at,
    _VOUCHED,
)


async def find_next(connection: AsyncConnection, keys: Iterable[Key]) -> dict[Key, str]:
    """Return the attempt that followed each message; the first one where there are several."""
    followed: dict[Key, str] = {}
    wanted = set(keys)
    for attempt in sorted(await _after(connection, wanted), key=_order, reverse=True):
        key = attempt.application, attempt.retry_of or ""
        if key in wanted:
            followed[key] = attempt.sms_msg_id
    return followed


async def find_chains(connection: AsyncConnection, keys: Iterable[Key]) -> dict[Key, Chain]:
    """Return the chain of each message that there is."""
    asked = list(dict.fromkeys(keys))
    known: dict[Key, Attempt] = {}
    wanted = set(asked)
    for _ in range(MOST_ATTEMPTS):
        found = [*await _named(connection, wanted), *await _after(connection, wanted)]
        new = {key: one for one in found if (key := one.key) not in known}
        if not new:
            break
        known |= new
        before = {
            (one.application, one.retry_of) for one in new.values() if one.retry_of is not None
        }
        wanted = (before | set(new)) - set(asked)
        wanted -= {key for key in wanted if key in known and key not in new}
    return {key: _chain(key, known) for key in asked if key in known}


def _chain(key: Key, known: dict[Key, Attempt]) -> Chain:
    """Walk from one attempt to its first, and from there to all that followed."""
    after = defaultdict(list)
    for attempt in known.values():
        if attempt.retry_of is not None:
            after[attempt.application, attempt.retry_of].append(attempt)
    first, seen = key, {key}
    while (before := known[first].retry_of) is not None:
        earlier = (first[0], before)
        if earlier not in known or earlier in seen:
            break  # nobody has told of it, or somebody has told nonsense
        first = earlier
        seen.add(first)
    chain, front = [known[first]], [first]
    reached = {first}
    while front:
        following = [one for at in front for one in after[at] if one.key not in reached]
        reached |= {one.key for one in following}
        chain += sorted(following, key=_order)
        front = [one.key for one in following]
    return Chain(chain)


def _order(attempt: Attempt) -> tuple[int, str]:
    return attempt.sent_at, attempt.sms_msg_id


async def _named(connection: AsyncConnection, keys: Iterable[Key]) -> list[Attempt]:
    return await _read(connection, messages.c.sms_msg_id, keys)


async def _after(connection: AsyncConnection, keys: Iterable[Key]) -> list[Attempt]:
    return await _read(connection, messages.c.retry_of, keys)


async def _read(connection: AsyncConnection, column: object, keys: Iterable[Key]) -> list[Attempt]:
    wanted = set(keys)
    ids = sorted({sms_msg_id for _, sms_msg_id in wanted})
    found = []
    for some in pieces(ids):
        query = select(*_COLUMNS).where(column.in_(some))  # type: ignore[attr-defined]
        for row in await connection.execute(query):
            application, sms_msg_id, retry_of, state, code, occurred_at, vouched = tuple(row)
            named = sms_msg_id if column is messages.c.sms_msg_id else retry_of
            if (application, named) in wanted:
                found.append(
                    Attempt(
                        application,
                        sms_msg_id,
                        retry_of,
                        State(state),
                        code,
                        occurred_at,
                        None if vouched is None else bool(vouched),
                    )
                )
    return found
