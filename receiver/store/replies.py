"""Which messages uplinks answer, looked up on read, so the order of arrival is irrelevant."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import lru_cache

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from receiver.domain.inputs import written_at
from receiver.domain.messages.state import State
from receiver.domain.replies import ReplyMatch, SentMessage, find_answered
from receiver.store.paging import pieces
from receiver.store.queries import Row

# Newest messages to a number among which an answered one is looked for, so that a lookup costs
# the same whatever the size of the store. The platform sends a number up to 110 SMSs a day: in
# the usual window of a week that is 770.
LOOKED_AT = 1000
_IN_ONE_LOOKUP = 50  # numbers; SQLite joins up to 500 selects

# What was refused never left the platform. A time of delivery counts only where no time of
# sending is known.
_OF_ONE_NUMBER = f"""
SELECT to_number, application, sms_msg_id, from_number, sent_at, occurred_at, delivered_at,
    reference, extend
FROM (
    SELECT * FROM messages WHERE to_number = :number_{{0}}
    ORDER BY occurred_at DESC, id DESC LIMIT {LOOKED_AT}
) AS newest_{{0}}
WHERE state <> '{State.REFUSED}' AND occurred_at >= :since_{{0}}
    AND (occurred_at <= :until_{{0}} OR delivered_at <= :until_{{0}})
"""  # noqa: S608 - values of our own

_Recipient = tuple[str, str]  # number, application


async def find_answers(
    connection: AsyncConnection,
    uplinks: Sequence[Row],
    within_us: int,
    maybe_yield: Callable[[], Awaitable[None]],
) -> list[ReplyMatch | None]:
    """Return for each uplink the message that it answers.

    Args:
        connection: to the store.
        uplinks: rows of `uplinks`.
        within_us: how long before an uplink the message may have been sent.
        maybe_yield: awaited between pieces of the work, so that it does not delay other work.
    """
    sent = await _find_sent(connection, uplinks, within_us, maybe_yield)
    answers = []
    for uplink in uplinks:
        to_person = sent.get((uplink["from_number"], uplink["application"]), [])
        answers.append(
            find_answered(uplink["to_number"], _written_at(uplink), to_person, within_us)
        )
        await maybe_yield()
    return answers


async def _find_sent(
    connection: AsyncConnection,
    uplinks: Iterable[Row],
    within_us: int,
    maybe_yield: Callable[[], Awaitable[None]],
) -> dict[_Recipient, list[SentMessage]]:
    """Return the messages to the people who wrote, those about the time of their uplinks."""
    written: defaultdict[str, list[int]] = defaultdict(list)
    for uplink in uplinks:
        written[uplink["from_number"]].append(_written_at(uplink))
    sent: defaultdict[_Recipient, list[SentMessage]] = defaultdict(list)
    for some in pieces(written, _IN_ONE_LOOKUP):
        values: dict[str, str | int] = {}
        for place, number in enumerate(some):
            values[f"number_{place}"] = number
            values[f"since_{place}"] = min(written[number]) - within_us
            values[f"until_{place}"] = max(written[number])
        for row in await connection.execute(looking_up(len(some)), values):
            number, application, *message = tuple(row)
            sent[number, application].append(_read_sent(*message))
            await maybe_yield()
    return sent


@lru_cache(maxsize=_IN_ONE_LOOKUP)
def looking_up(numbers: int) -> TextClause:
    """Write the statement that finds messages to so many numbers; the same on both databases."""
    return text("UNION ALL".join(_OF_ONE_NUMBER.format(place) for place in range(numbers)))


def _read_sent(
    sms_msg_id: str,
    channel: str | None,
    sent_at: int | None,
    occurred_at: int,
    delivered_at: int | None,
    reference: str | None,
    extend: str | None,
) -> SentMessage:
    # A report may come after the answer to its message, but tells an earlier time.
    heard_at = occurred_at if delivered_at is None else min(occurred_at, delivered_at)
    at = heard_at if sent_at is None else sent_at
    return SentMessage(sms_msg_id, channel, at, reference, extend)


def _written_at(uplink: Row) -> int:
    return written_at(uplink["created_at"], uplink["received_at"])
