"""What messages prove about numbers: suppression by codes, kept up to date with every message.

It follows from the stored messages alone: read again, in any order, they give the same.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import islice

from sqlalchemy import RowMapping, TextClause, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from receiver.domain.events import Trust
from receiver.domain.messages import State
from receiver.domain.numbers import is_number, normalise, normalise_channel
from receiver.domain.suppression import Ended, Party, Source, Word, by_codes
from receiver.domain.verdict import HOPELESS, Subject, decide
from receiver.projection import Decided, Policy
from receiver.store.schema import suppressions
from receiver.store.suppressing import Key, read_words, replace_words

_LOOKED_AT = 100  # of a number's messages that prove something, the newest ones
_IN_ONE_LOOKUP = 500  # numbers; each is one statement parameter
_NUMBERS_AT_ONCE = 25  # in one statement, each with a walk of its own to its newest messages
_COLUMNS = (
    "to_number, application, sms_msg_id, from_number, state, code, source, org_code, occurred_at, "
    "failed_at, last_report_at, registered_at"
)

Number = tuple[str, str]  # E.164, application


async def learn(connection: AsyncConnection, changed: Iterable[Decided], policy: Policy) -> None:
    """Bring suppression by codes up to date with messages that have changed and are written.

    Args:
        connection: in the transaction that wrote them, and that no other one writes beside.
        changed: messages as they are now.
        policy: the rules in force.
    """
    touched: set[Number] = set()
    delivered: set[Number] = set()
    for decided in changed:
        (touched if _may_suppress(decided) else delivered).update(_numbers_of(decided))
    touched |= await _suppressed_by_code(connection, delivered - touched)
    known = await read_words(connection, (number for number, _ in touched), source=Source.CODE)
    standing = {
        key: row for key, row in known.items() if (key[0].number, key[0].application) in touched
    }
    wanted: dict[Key, Word] = {}
    if policy.suppressed_us:
        for (number, application), ended in (await _ended(connection, touched, policy)).items():
            for channel, word in by_codes(ended, policy.suppressed_us).items():
                wanted[Party(number, channel, application), Source.CODE] = word
    await replace_words(connection, standing, wanted)


def _may_suppress(decided: Decided) -> bool:
    """Tell whether a message says, said or no longer disproves that its number is lost."""
    stored = decided.message.stored
    was_delivered = decided.message.state_before is State.DELIVERED
    return (
        decided.verdict.suppress_recipient
        or stored.get("category") in HOPELESS
        or (was_delivered and decided.state is not State.DELIVERED)
    )


def _numbers_of(decided: Decided) -> Iterator[Number]:
    """Give the numbers that a message went to, as it is told now and as it was before."""
    application = decided.message.application
    for number in {normalise(decided.folded.to), decided.message.stored.get("to_number")}:
        if number is not None and is_number(number):
            yield number, application


async def _suppressed_by_code(
    connection: AsyncConnection, numbers: Iterable[Number]
) -> set[Number]:
    """Give those of some numbers that a code suppresses: what is delivered may disprove it."""
    found: set[Number] = set()
    of_application: defaultdict[str, list[str]] = defaultdict(list)
    for number, application in numbers:
        of_application[application].append(number)
    for application, some in of_application.items():
        walk = iter(sorted(some))
        while piece := list(islice(walk, _IN_ONE_LOOKUP)):
            query = select(suppressions.c.number).where(
                suppressions.c.number.in_(piece),
                suppressions.c.application == application,
                suppressions.c.source == Source.CODE,
            )
            found |= {(number, application) for (number,) in await connection.execute(query)}
    return found


async def _ended(
    connection: AsyncConnection, numbers: Iterable[Number], policy: Policy
) -> dict[Number, list[Ended]]:
    """Give the newest messages to some numbers that prove something."""
    found: defaultdict[Number, list[Ended]] = defaultdict(list)
    walk = iter(sorted(numbers))
    while some := list(islice(walk, _NUMBERS_AT_ONCE)):
        query = _newest_of_each(len(some), trusted=policy.retry.trust_open == "advise")
        given = {f"number_{place}": number for place, (number, _) in enumerate(some)}
        given |= {f"application_{place}": name for place, (_, name) in enumerate(some)}
        for row in (await connection.execute(query, given)).mappings():
            one = _read(row, policy)
            if one is not None:
                found[row["to_number"], row["application"]].append(one)
    return found


@lru_cache(maxsize=2 * _NUMBERS_AT_ONCE)
def _newest_of_each(numbers: int, *, trusted: bool) -> TextClause:
    """Write the query for the newest messages to each of so many numbers."""
    lost = ", ".join(f"'{category}'" for category in sorted(HOPELESS))
    said = f"(state = '{State.DELIVERED}' OR category IN ({lost}))"
    if trusted:
        # What a refused send says we were told ourselves.
        said += f" AND (trust <> '{Trust.OPEN}' OR state = '{State.REFUSED}')"
    return text(
        " UNION ALL ".join(
            f"SELECT * FROM (SELECT {_COLUMNS} FROM messages "  # noqa: S608 - words of our own
            f"WHERE to_number = :number_{place} AND application = :application_{place} AND {said} "
            f"ORDER BY occurred_at DESC, id DESC LIMIT {_LOOKED_AT}) AS of_{place}"
            for place in range(numbers)
        )
    )


def _read(row: RowMapping, policy: Policy) -> Ended | None:
    """Read what a message proves; None: nothing."""
    hopeless = None
    if row["state"] != State.DELIVERED:
        subject = Subject(row["state"], row["code"], row["source"], row["org_code"])
        verdict = decide(subject, policy.catalogue)
        if not verdict.suppress_recipient:
            return None
        hopeless = verdict.category
    return Ended(
        channel=normalise_channel(row["from_number"] or ""),
        sms_msg_id=row["sms_msg_id"],
        sent_at=row["occurred_at"],
        ended_at=_ended_at(row),
        hopeless=hopeless,
        code=row["code"],
    )


def _ended_at(row: RowMapping) -> int:
    """Give when a message came to its end: as it is told, but not later than we heard of it."""
    heard_at = (row["last_report_at"], row["registered_at"])
    heard: int = next(at for at in heard_at if at is not None)
    failed_at: int | None = row["failed_at"]
    return heard if failed_at is None else min(failed_at, heard)
