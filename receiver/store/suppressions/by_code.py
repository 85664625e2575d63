"""Suppression by codes: updated from the results of messages.

It follows from the stored messages alone: read again, in any order, they give the same. Of each
number the newest failures are read with their reports; what was delivered to it is one time for
each channel, however many messages there are.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

from sqlalchemy import TextClause, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from receiver.domain.catalogue.entries import Category
from receiver.domain.inputs import ACCEPTED_BY_PLATFORM, Trust
from receiver.domain.messages.state import State, failed_by
from receiver.domain.numbers import is_number, normalise, normalise_channel
from receiver.domain.projection import DecidedMessage, MessageBuilder, Policy, proves_lost, reckon
from receiver.domain.suppressions.revisions import Proof, Revision, is_kept
from receiver.domain.suppressions.suppression import (
    DeliveryEvidence,
    Source,
    SuppressionEntry,
    SuppressionScope,
    by_codes,
    last_delivery,
)
from receiver.domain.verdict import HOPELESS
from receiver.store import records
from receiver.store.paging import pieces, unindexed
from receiver.store.schema import messages, reports, suppressions
from receiver.store.suppressions.entries import Key, read_words, replace_words

_LOOKED_AT = 100  # of a number's failures, the newest ones
_NUMBERS_AT_ONCE = 25  # in one statement, each with a walk of its own to its messages

Number = tuple[str, str]  # E.164, application

_CATEGORIES = ", ".join(f"'{category}'" for category in sorted(HOPELESS))
_LOST = f"state IN ('{State.FAILED}', '{State.REFUSED}') AND category IN ({_CATEGORIES})"
# An application is compared so that its index, which leads to most messages, does not serve.
# What a refused send says we were told ourselves. Where some reports of a message count and others
# do not, or none takes a refusal back, its row says nothing about what it proves.
_LOST_AND_TRUSTED = f"""
({_LOST} AND (trust <> '{Trust.OPEN}' OR state = '{State.REFUSED}')
OR trust = '{Trust.OPEN}' AND last_report_at IS NOT NULL AND (
    EXISTS (
        SELECT 1 FROM reports
        WHERE reports.message_id = messages.id AND reports.trust <> '{Trust.OPEN}'
    )
    OR registered AND conflict AND send NOT LIKE '%"status": null%'
        AND send NOT LIKE '%"status": "{ACCEPTED_BY_PLATFORM}"%'
))
"""  # noqa: S608 - values of our own
_NEWEST_LOST = f"""
SELECT * FROM (
    SELECT * FROM messages
    WHERE to_number = :number_{{0}} AND coalesce(application, '') = :application_{{0}} AND {{1}}
    ORDER BY coalesce(failed_at, last_report_at, registered_at) DESC, sms_msg_id DESC
    LIMIT {_LOOKED_AT}
) AS of_{{0}}
"""  # noqa: S608 - values of our own
# That a report says so is enough, whatever happened to the other parts. Nothing is delivered after
# we have heard of it.
_LAST_DELIVERED = """
SELECT to_number, application, from_number, max(CASE
    WHEN updated_at IS NULL OR updated_at > received_at THEN received_at ELSE updated_at
END) AS delivered_at
FROM messages JOIN reports ON reports.message_id = messages.id
WHERE to_number = :number_{0} AND coalesce(application, '') = :application_{0}
    AND upper(reports.status) = 'DELIVRD' AND {1}
GROUP BY to_number, application, from_number
"""


async def update_from_results(
    connection: AsyncConnection, changed: Iterable[DecidedMessage], policy: Policy
) -> None:
    """Bring suppression by codes up to date with messages that have changed and are written.

    Args:
        connection: in the transaction that wrote them, and that no other one writes beside.
        changed: messages as they are now.
        policy: the effective rules.
    """
    await revise(connection, await concerned(connection, changed, policy), policy)


async def concerned(
    connection: AsyncConnection, changed: Iterable[DecidedMessage], policy: Policy
) -> set[Number]:
    """Return the numbers about which messages that have changed may prove something else."""
    touched: set[Number] = set()
    revised: set[Number] = set()
    others: set[Number] = set()
    for decided in changed:
        _kind_of(decided, touched, revised, others).update(_numbers_of(decided))
    touched |= await _lost_among(connection, revised - touched, policy)
    return touched | await _suppressed_by_code(connection, (revised | others) - touched)


async def revise(
    connection: AsyncConnection,
    numbers: set[Number],
    policy: Policy,
    *,
    override_undo: bool = False,
) -> list[Revision]:
    """Bring suppression by codes up to date with what the messages to numbers prove.

    Args:
        connection: in a transaction that no other one writes beside.
        numbers: whose messages are written.
        policy: the effective rules.
        override_undo: whether to decide again what the undo of a reclassification restored.

    Returns:
        What stands otherwise now.
    """
    known = await read_words(connection, (number for number, _ in numbers), source=Source.CODE)
    standing = {
        key: row for key, row in known.items() if (key[0].number, key[0].application) in numbers
    }
    restored = {
        key: word
        for key, (_, word) in standing.items()
        if word.restored_at is not None and not override_undo
    }
    wanted: dict[Key, SuppressionEntry] = {}
    if policy.suppressed_us:
        ended = await _ended(connection, numbers, policy)
        proving = {
            key: row for key, row in standing.items() if row[1].suppressed and key not in restored
        }
        for party, one in await _outlived(connection, proving):
            ended[party.number, party.application].append(one)
        for (number, application), some in ended.items():
            for channel, word in by_codes(some, policy.suppressed_us).items():
                wanted[SuppressionScope(number, channel, application), Source.CODE, None] = word
        for key, word in restored.items():
            party = key[0]
            delivered_at = last_delivery(ended[party.number, party.application], party.channel)
            if is_kept(word, wanted.get(key), delivered_at):
                wanted[key] = word
    await replace_words(connection, standing, wanted)
    before = {key: word for key, (_, word) in standing.items()}
    return [
        Revision(key[0], before.get(key), wanted.get(key))
        for key in {**before, **wanted}
        if before.get(key) != wanted.get(key)
    ]


async def read_proofs(
    connection: AsyncConnection, words: Iterable[tuple[str, str]], policy: Policy
) -> dict[tuple[str, str], Proof]:
    """Return what the messages of suppressions say today.

    Args:
        connection: to read by.
        words: application and id of each message.
        policy: the effective rules.
    """
    asked = set(words)
    found: list[MessageBuilder] = []
    for some in pieces(sorted({sms_msg_id for _, sms_msg_id in asked})):
        query = select(messages).where(messages.c.sms_msg_id.in_(some))
        rows = (await connection.execute(query)).mappings()
        read = (records.read_message(dict(row)) for row in rows)
        found += [message for message in read if message.key in asked]
    await _add_reports(connection, found)
    return {message.key: _proof(message, policy) for message in found}


def _proof(message: MessageBuilder, policy: Policy) -> Proof:
    folded, verdict = reckon(message, policy)
    return Proof(
        number=message.stored["to_number"],
        category=verdict.category,
        row=verdict.why.get("code"),
        suppresses=verdict.suppress_recipient,
        is_believed=proves_lost(folded, verdict, policy, message.stored["to_number"]),
    )


def _kind_of(
    decided: DecidedMessage, touched: set[Number], revised: set[Number], others: set[Number]
) -> set[Number]:
    """Choose the numbers whose words are looked at: always, where one failed, where there is one.

    A message of which nothing was heard before can only disprove: where no word stands, none will.
    One that was heard of may have proved more than it does now.
    """
    stored = decided.message.stored
    if decided.suppresses or decided.is_doubted or stored.get("category") in HOPELESS:
        return touched
    return others if stored.get("last_report_at") is None else revised


def _numbers_of(decided: DecidedMessage) -> Iterator[Number]:
    """Return the numbers that a message went to, as it is told now and as it was before."""
    application = decided.message.application
    for number in {normalise(decided.folded.to), decided.message.stored.get("to_number")}:
        if number is not None and is_number(number):
            yield number, application


async def _suppressed_by_code(
    connection: AsyncConnection, numbers: Iterable[Number]
) -> set[Number]:
    """Return those of some numbers that a code suppresses: what is delivered may disprove it."""
    found: set[Number] = set()
    for application, some in _by_application(numbers):
        query = select(suppressions.c.number).where(
            suppressions.c.number.in_(some),
            suppressions.c.application == application,
            suppressions.c.source == Source.CODE,
        )
        found |= {(number, application) for (number,) in await connection.execute(query)}
    return found


async def _lost_among(
    connection: AsyncConnection, numbers: Iterable[Number], policy: Policy
) -> set[Number]:
    """Return those of some numbers to which a message failed for good."""
    found: set[Number] = set()
    for application, some in _by_application(numbers):
        query = select(messages.c.to_number).where(
            messages.c.to_number.in_(some),
            unindexed(messages.c.application, application),
            text(_lost(policy)),
        )
        rows = await connection.execute(query.distinct())
        found |= {(number, application) for (number,) in rows}
    return found


def _lost(policy: Policy) -> str:
    return _LOST_AND_TRUSTED if policy.retry.trust_open == "advise" else f"({_LOST})"


def _by_application(numbers: Iterable[Number]) -> Iterator[tuple[str, list[str]]]:
    of_application: defaultdict[str, list[str]] = defaultdict(list)
    for number, application in numbers:
        of_application[application].append(number)
    for application, some in of_application.items():
        for piece in pieces(sorted(some)):
            yield application, piece


async def _ended(
    connection: AsyncConnection, numbers: Iterable[Number], policy: Policy
) -> defaultdict[Number, list[DeliveryEvidence]]:
    """Return what messages to some numbers prove: failures, and the last delivery by a channel."""
    found: defaultdict[Number, list[DeliveryEvidence]] = defaultdict(list)
    failed: list[MessageBuilder] = []
    for some in pieces(sorted(numbers), _NUMBERS_AT_ONCE):
        given = {f"number_{place}": number for place, (number, _) in enumerate(some)}
        given |= {f"application_{place}": name for place, (_, name) in enumerate(some)}
        query = _of_each(_NEWEST_LOST, len(some), _lost(policy))
        rows = (await connection.execute(query, given)).mappings()
        failed += [records.read_message(dict(row)) for row in rows]
        query = _of_each(_LAST_DELIVERED, len(some), _deliveries(policy))
        for number, application, channel, at in await connection.execute(query, given):
            one = DeliveryEvidence(normalise_channel(channel or ""), "", at, None)
            found[number, application].append(one)
    await _add_reports(connection, failed)
    for message in failed:
        proven = _read(message, policy)
        if proven is not None:
            found[message.stored["to_number"], message.application].append(proven)
    return found


def _deliveries(policy: Policy) -> str:
    """Write which deliveries count."""
    conditions = ["true"]
    if policy.retry.trust_open == "advise":
        conditions.append(f"reports.trust <> '{Trust.OPEN}'")
        # A report that does not count may have told the number of what nobody registered.
        conditions.append(
            f"(registered OR messages.trust <> '{Trust.OPEN}' "
            "OR reports.to_text = messages.to_text)"
        )
    return " AND ".join(conditions)


@lru_cache(maxsize=4 * _NUMBERS_AT_ONCE)
def _of_each(query: str, numbers: int, condition: str) -> TextClause:
    """Write a query once for each of so many numbers."""
    return text(" UNION ALL ".join(query.format(place, condition) for place in range(numbers)))


async def _add_reports(connection: AsyncConnection, found: Iterable[MessageBuilder]) -> None:
    by_id = {message.id: message for message in found}
    for some in pieces(by_id):
        query = select(reports).where(reports.c.message_id.in_(some))
        for row in (await connection.execute(query)).mappings():
            message = by_id[row["message_id"]]
            stored = records.read_report(dict(row), message.sms_msg_id)
            message.reports[stored.key] = stored


def _read(message: MessageBuilder, policy: Policy) -> DeliveryEvidence | None:
    """Read what a failed message proves; None: nothing."""
    folded, verdict = reckon(message, policy)
    if not proves_lost(folded, verdict, policy, message.stored["to_number"]):
        return None
    # Where no report decides, the platform has refused a send that was registered.
    registered_at = message.registered_at or message.first_heard_at
    return DeliveryEvidence(
        channel=normalise_channel(message.stored["from_number"] or ""),
        sms_msg_id=message.sms_msg_id,
        ended_at=failed_by(folded, message.reports.values(), registered_at),
        hopeless=verdict.category,
        code=folded.code,
    )


async def _outlived(
    connection: AsyncConnection, standing: Mapping[Key, tuple[int, SuppressionEntry]]
) -> list[tuple[SuppressionScope, DeliveryEvidence]]:
    """Return what words say whose messages are not stored any more, or without their numbers."""
    known: set[tuple[str, str]] = set()
    for some in pieces(sorted({word.source_id for _, word in standing.values()})):
        query = select(messages.c.application, messages.c.sms_msg_id).where(
            messages.c.sms_msg_id.in_(some), messages.c.to_number.is_not(None)
        )
        known |= {(application, one) for application, one in await connection.execute(query)}
    return [
        (party, _outlived_by(party, word))
        for (party, _, _), (_, word) in standing.items()
        if (party.application, word.source_id) not in known
    ]


def _outlived_by(party: SuppressionScope, word: SuppressionEntry) -> DeliveryEvidence:
    everywhere = party.channel == ""
    hopeless = Category.INVALID_NUMBER if everywhere else Category.BLOCKED_RECIPIENT
    return DeliveryEvidence(party.channel, word.source_id, word.decided_at, hopeless, word.reason)
