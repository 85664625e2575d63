"""What anybody could have pushed neither does nor undoes anything: retries."""

from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete

from receiver.domain import times
from receiver.domain.retries.policy import RetryPolicy
from receiver.journal import JournalEntry
from receiver.retries.claims import Order, claim
from receiver.store.schema import messages, reports, retries, statistics, suppressions
from receiver.store.store import Store
from tests.support.parts import HOUR, NOW, a_journal, a_store, entry, form, policy, project, rows_of

PERSON = "+8615500005172"
QUEUE = replace(policy(), retry=RetryPolicy(trust_open="queue"))


def sent(sms_msg_id: str = "m", **more: str) -> JournalEntry:
    """Register a send of three hours ago."""
    given = {"to": PERSON, "from": "1069", "sent_at": times.to_rfc3339(NOW - 3 * HOUR), **more}
    fields = ", ".join(f'"{name}": "{value}"' for name, value in given.items())
    return entry(f'{{"sends": [{{"sms_msg_id": "{sms_msg_id}", {fields}}}]}}'.encode(), "sends")


def came(
    status: str, trust: str, sms_msg_id: str = "m", *, ago: float = 2, **more: str
) -> JournalEntry:
    """Report on it."""
    at = times.to_rfc3339(NOW - round(ago * HOUR))
    report = {"smsMsgId": sms_msg_id, "status": status, "source": "2", "updateTime": at, **more}
    return entry(form(**report), trust=trust)


FAILED = came("MK:0041", "token")
PARTIAL = [
    sent(),
    came("DELIVRD", "token", sequence="1", total="2"),
    came("MK:0041", "token", sequence="2", total="2"),
]
RETRIED: list[Any] = [
    pytest.param([sent(), FAILED], ["m"], ["m"], id="a trusted failure"),
    pytest.param([sent(), came("MK:0041", "open")], [], ["m"], id="an open failure"),
    pytest.param([sent(), FAILED, came("DELIVRD", "token", ago=1)], [], [], id="delivered"),
    pytest.param([sent(), FAILED, came("DELIVRD", "open", ago=1)], ["m"], [],
                 id="an open delivery takes no retry away"),
    pytest.param([sent(), FAILED, came("MK:0001", "open", ago=1)], ["m"], [],
                 id="an open failure that is never retried"),
    pytest.param([sent(), FAILED, came("ACCEPTD", "open", ago=1)], ["m"], ["m"],
                 id="an open acceptance makes nothing unqueueable"),
    pytest.param([sent(), FAILED, came("ACCEPTD", "open", ago=1, sequence="2", total="2")], ["m"],
                 [], id="an open report of a part that nobody waits for"),
    pytest.param([sent(), FAILED, came("MK:0041", "open", orgCode="MK:0001")], ["m"], ["m"],
                 id="an open repetition with a code that is never retried"),
    pytest.param([sent(), FAILED, came("MK:0041", "open", total="2")], ["m"], ["m"],
                 id="an open repetition that speaks of two parts"),
    pytest.param([sent(), came("DELIVRD", "token"), came("MK:0041", "open", ago=1)], [], [],
                 id="an open failure of what was delivered"),
    pytest.param([sent(), came("DELIVRD", "open", ago=1), FAILED, came("DELIVRD", "signed")], [],
                 [], id="delivered, first by an open report"),
    pytest.param([sent(status="E200034"), came("DELIVRD", "open")], ["m"], [],
                 id="an open delivery of what the platform refused"),
    pytest.param([sent(), FAILED, sent("n", retry_of="m"), came("DELIVRD", "token", "n")], ["m"],
                 ["m"], id="already been sent again"),
]  # fmt: skip


@pytest.mark.parametrize(("story", "advise", "queue"), RETRIED)
@pytest.mark.parametrize("all_count", [False, True], ids=["advise", "queue"])
async def test_open_reports_neither_queue_nor_settle(
    store_url: str,
    tmp_path: Path,
    story: list[JournalEntry],
    advise: list[str],
    queue: list[str],
    all_count: bool,
) -> None:
    """In each order of arrival, entry by entry or at once, with everything once more at the end."""
    rules = QUEUE if all_count else policy()
    async with a_journal(tmp_path) as journal, a_store(store_url) as store:
        for place, order in enumerate(permutations(story)):
            await _empty(store)
            for one in (*order, *order):
                await journal.append(one)
            await project(journal, store, rules=rules, batch_rows=1 + place % 3)
            assert await _queued(store) == (queue if all_count else advise), order


async def _empty(store: Store) -> None:
    async with store.writing() as connection:
        for table in (reports, retries, messages, suppressions, statistics):
            await connection.execute(delete(table))


async def _queued(store: Store) -> list[str]:
    ids = {row["id"]: row["sms_msg_id"] for row in await rows_of(store, messages)}
    return [ids[row["message_id"]] for row in await rows_of(store, retries)]


@pytest.mark.parametrize(
    ("story", "given"),
    [
        pytest.param([sent(), FAILED], ["m"], id="a trusted failure"),
        pytest.param([sent(), FAILED, came("DELIVRD", "open", ago=1)], ["m"], id="open delivery"),
        pytest.param(
            [sent(), FAILED, came("ACCEPTD", "open", sequence="2", total="2")],
            ["m"],
            id="an open report of a part that nobody waits for",
        ),
        pytest.param(
            [*PARTIAL, came("ACCEPTD", "open", ago=1, sequence="1", total="2")],
            ["m"],
            id="an open report on one of two parts",
        ),
        pytest.param(
            [
                *PARTIAL, came("ACCEPTD", "open", ago=1, sequence="1", total="2"),
                sent("n", retry_of="m"), came("MK:0041", "token", "n"),
            ],
            ["n"],
            id="an open report on a part of the attempt before",
        ),
        pytest.param(
            [sent("l"), came("DELIVRD", "open", "l"), sent(retry_of="l"), FAILED],
            ["m"],
            id="an open delivery of the attempt before",
        ),
        pytest.param(
            [sent("l"), came("DELIVRD", "token", "l"), sent(retry_of="l"), FAILED],
            [],
            id="a trusted delivery of the attempt before",
        ),
        pytest.param(
            [
                sent("l"), came("DELIVRD", "token", "l"), came("ACCEPTD", "open", "l", ago=1),
                sent(retry_of="l"), FAILED,
            ],
            [],
            id="a trusted delivery of the attempt before, beside an open report",
        ),
    ],
)  # fmt: skip
async def test_open_reports_hold_no_claim_back(
    store_url: str, tmp_path: Path, story: list[JournalEntry], given: list[str]
) -> None:
    """What is due is handed out by the reports that are trusted, of the whole chain."""
    async with a_journal(tmp_path) as journal, a_store(store_url) as store:
        for one in story:
            await journal.append(one)
        await project(journal, store)
        async with store.writing() as connection:
            claimed = await claim(connection, Order(10, HOUR), policy(), NOW)
        assert [judged.stored.message.sms_msg_id for judged in claimed.items] == given
