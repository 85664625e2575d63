"""Lists: any filter is answered along an index, a bounded number of rows at a time."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from receiver.domain.messages.state import State
from receiver.store import queries
from receiver.store.database.engines import READERS
from receiver.store.database.urls import default_url
from receiver.store.paging import Page
from receiver.store.queries import MessageFilter, QuarantineFilter, UplinkFilter
from receiver.store.schema import messages, quarantine, suppressions, uplinks
from receiver.store.store import Store
from receiver.store.suppressions import entries
from tests.integration.api.test_retries import ago, report, send
from tests.support.parts import Served, a_node, a_store, check_problem

Row = dict[str, Any]
MESSAGE: Row = {
    "sms_msg_id": "", "application": "", "registered": True, "state": "pending", "final": False,
    "conflict": False, "code": None, "category": None, "to_number": None, "extend": None,
    "reference": None, "total": 1, "occurred_at": 0, "trust": "token",
}  # fmt: skip
OUTCOMES = (
    ("delivered", "DELIVRD", "delivered"),
    ("failed", "UNDELIV", "carrier-failure"),
    ("failed", "Undeliv", "carrier-failure"),
    ("failed", "EXPIRED", "timeout"),
    ("pending", None, None),
)
ROWS: list[Row] = [
    {
        **MESSAGE, "id": number, "sms_msg_id": f"m{number}", "application": application,
        "registered": registered, "state": state, "code": code, "category": category,
        "to_number": to, "extend": extend, "occurred_at": 1000 - number // 2 * 10,
    }
    for number, (application, registered, (state, code, category), to, extend) in enumerate(
        product(("a", "b"), (True, False), OUTCOMES, ("+8615500005172", "1069"), (None, "x"))
    )
]  # fmt: skip

UPLINK: Row = {
    "application": "a", "from_text": "1", "from_number": "1", "to_number": "1069", "body": "hi",
    "trust": "token", "received_at": 1000, "last_received_at": 1000, "redeliveries": 0, "raw": "{}",
}  # fmt: skip
QUARANTINED: Row = {
    "application": "a", "kind": "batch", "reason": "", "peer": "", "trust": "token",
    "received_at": 1000, "headers": "", "body": b"", "size": 0,
}  # fmt: skip
WORD: Row = {
    "application": "a", "channel": "10690", "suppressed": True, "source": "hand",
    "source_id": "", "decided_at": 1000,
}  # fmt: skip
OWN: dict[str, list[Row]] = {
    "uplinks": [{"sms_msg_id": f"u{number}"} for number in range(5)],
    "quarantine": [{} for _ in range(5)],
    "suppressions": [{"number": f"+{number}"} for number in range(5)],
}

FILTERS = [
    pytest.param(MessageFilter(), id="all"),
    pytest.param(MessageFilter(application="a"), id="application"),
    pytest.param(MessageFilter(application="nobody"), id="unknown application"),
    pytest.param(MessageFilter(application="nobody", state=State.FAILED), id="its failures"),
    pytest.param(MessageFilter(application="b", code="EXPIRED"), id="application and code"),
    pytest.param(MessageFilter(application="b", state=State.DELIVERED), id="its deliveries"),
    pytest.param(MessageFilter(code="expired"), id="code in lower case"),
    pytest.param(MessageFilter(code="undeliv"), id="code of several spellings"),
    pytest.param(MessageFilter(code="nothing"), id="unknown code"),
    pytest.param(MessageFilter(code="delivrd"), id="delivered code in lower case"),
    pytest.param(MessageFilter(state=State.DELIVERED, extend="x"), id="delivered of an extend"),
    pytest.param(MessageFilter(state=State.DELIVERED, code="EXPIRED"), id="never together"),
    pytest.param(MessageFilter(state=State.REFUSED), id="no such state"),
    pytest.param(MessageFilter(category="delivered", registered=False), id="delivered orphans"),
    pytest.param(MessageFilter(registered=True), id="registered"),
    pytest.param(MessageFilter(registered=False, application="a"), id="orphans of one"),
    pytest.param(MessageFilter(to="15500005172", application="b"), id="number and application"),
    pytest.param(MessageFilter(since=2000), id="after all of them"),
    pytest.param(MessageFilter(until=0), id="before all of them"),
    pytest.param(MessageFilter(since=700, until=900, category="timeout"), id="category of a time"),
]


@asynccontextmanager
async def filled(url: str) -> AsyncIterator[AsyncConnection]:
    """Return a reader of a store with messages of every kind."""
    async with a_store(url) as store:
        async with store.writing() as connection:
            await connection.execute(insert(messages), ROWS)
            for table, row in ((uplinks, UPLINK), (quarantine, QUARANTINED), (suppressions, WORD)):
                await connection.execute(insert(table), [row | own for own in OWN[table.name]])
        async with store.reading() as connection:
            yield connection


def fits(row: Row, wanted: MessageFilter) -> bool:
    """Tell whether a filter names a message."""
    conditions: dict[str, Callable[[Any], bool]] = {
        "to": lambda to: row["to_number"] == "+86" + to,
        "code": lambda code: (row["code"] or "").upper() == code.upper(),
        "since": lambda since: row["occurred_at"] >= since,
        "until": lambda until: row["occurred_at"] < until,
    }
    return all(
        conditions.get(name, lambda value, name=name: row[name] == value)(value)
        for name, value in asdict(wanted).items()
        if value is not None
    )


@pytest.mark.parametrize("wanted", FILTERS)
async def test_pages_give_every_message_once(store_url: str, wanted: MessageFilter) -> None:
    """However few rows a page may look at, the pages together are the list."""
    expected = [
        row["sms_msg_id"]
        for row in sorted(ROWS, key=lambda row: (-row["occurred_at"], -row["id"]))
        if fits(row, wanted)
    ]
    async with filled(store_url) as connection:
        for limit, most_walked in ((1000, 1000), (2, 3), (3, 2), (5, 1)):
            found, page = list[str](), Page(limit, most_walked=most_walked)
            for _ in range(2 * len(ROWS)):
                part = await queries.list_messages(connection, wanted, page)
                assert len(part.messages) <= limit
                found += [stored.message.sms_msg_id for stored in part.messages]
                if part.next is None:
                    break
                page = replace(page, before=part.next)
            assert found == expected


@pytest.mark.parametrize("seed", range(6))
async def test_a_walk_gives_each_message_once(tmp_path: Path, seed: int) -> None:
    """Whatever is registered and reported while a list is walked, what was there is given once."""
    dice = random.Random(seed)  # noqa: S311 - no secret
    there = [f"m{number}" for number in range(24)]
    unheard, unregistered = list(there), list(there)

    async def happen(served: Served, count: int) -> None:
        for _ in range(count):
            which = dice.choice((unheard, unregistered))
            one = which.pop(dice.randrange(len(which))) if which else f"new{dice.random()}"
            if which is unheard:
                await served.push(report(one, dice.choice(("DELIVRD", "UNDELIV"))))
            else:
                sent_at = ago(dice.uniform(-7200, 7200))  # by clocks of all kinds
                await served.register(sends=[send(one, sent_at=dice.choice((sent_at, None)))])

    async with a_node(tmp_path) as served:
        for one in there:  # half of it is heard of by its report
            which = unheard if dice.random() < 0.5 else unregistered
            which.remove(one)
            if which is unheard:
                await served.push(report(one))
            else:
                await served.register(sends=[send(one, sent_at=None)])
        given, cursor = list[str](), dict[str, str]()
        while True:
            page = await served.get("/v1/messages", limit=str(dice.randint(1, 5)), **cursor)
            given += [message["sms_msg_id"] for message in page["messages"]]
            if page["next"] is None:
                break
            cursor = {"cursor": page["next"]}
            await happen(served, 4)
    assert len(given) == len(set(given))
    assert set(there) <= set(given)


async def test_a_walk_that_has_missed_moves_begins_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the old places of messages are no longer kept, an old cursor is an error."""
    monkeypatch.setattr("receiver.store.moves.MOST_KEPT", 2)
    ids = [f"m{number}" for number in range(6)]
    async with a_node(tmp_path) as served:
        for one in ids:
            await served.push(report(one))
        page = await served.get("/v1/messages", limit="2")
        for count, one in enumerate(ids, 1):
            await served.register(sends=[send(one)])
            answer = await served.api.get("/v1/messages", params={"cursor": page["next"]})
            assert answer.status_code == (200 if count <= 2 else 410), count
        assert "Start the list again" in check_problem(answer, 410)["detail"]


async def test_a_suppression_that_changes_keeps_its_place(tmp_path: Path) -> None:
    """A number that is suppressed throughout is given once, also where its reason changes."""
    numbers = [f"+861550000517{digit}" for digit in range(6)]
    async with a_node(tmp_path) as served:
        for number in numbers:
            await served.api.put(f"/v1/suppressions/{number}", json={"reason": "asked"})
        first = await served.get("/v1/suppressions", limit="2")
        for number in numbers:
            await served.api.put(f"/v1/suppressions/{number}", json={"reason": "asked again"})
        rest = await served.get("/v1/suppressions", cursor=first["next"])
    given = [one["number"] for one in (*first["suppressions"], *rest["suppressions"])]
    assert given == numbers[::-1]


Ask = Callable[[AsyncConnection, Page], Any]
LISTS: list[tuple[str, Ask]] = [
    *(
        (str(row.id), lambda c, p, w=row.values[0]: queries.list_messages(c, w, p))
        for row in FILTERS
    ),
    *(
        (f"uplinks {wanted}", lambda c, p, w=wanted: queries.list_uplinks(c, w, p))
        for wanted in (
            UplinkFilter(application="nobody"),
            UplinkFilter(since=2000),
            UplinkFilter(until=0),
            UplinkFilter(sender="15500005172", application="nobody"),
            UplinkFilter(sender="15500005172", to="1069"),
            UplinkFilter(to="1069", until=0),
        )
    ),
    *(
        (f"quarantine {wanted}", lambda c, p, w=wanted: queries.list_quarantine(c, w, p))
        for wanted in (
            QuarantineFilter(application="nobody"),
            QuarantineFilter(kind="nothing"),
            QuarantineFilter(since=2000),
        )
    ),
    *(
        (f"suppressions {more}", lambda c, p, w=more: entries.list_suppressions(
            c, entries.SuppressionFilter(**{"suppressed": True, "now": 0, **w}), p))
        for more in ({}, {"application": "nobody"}, {"channel": "1069"}, {"number": "1069"})
    ),
]  # fmt: skip


@pytest.mark.parametrize("ask", [pytest.param(ask, id=name) for name, ask in LISTS])
async def test_a_list_is_a_range_of_an_index(tmp_path: Path, ask: Ask) -> None:
    """No filter scans a table: what no index answers is tested within a bounded range of one."""
    for statement, plan in await plans(tmp_path, ask):
        # The first statement of a walk takes rows as they come, so many and no more.
        takes_the_first = "WHERE" not in statement or "OFFSET" in statement
        assert takes_the_first or not [line for line in plan if line.startswith(SCANS)], statement
        # The words about one number are few, and sorted.
        assert "suppressions.number" in statement or "TEMP B-TREE" not in "".join(plan), statement


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        pytest.param(MessageFilter(application="a"), "ix_messages_application", id="application"),
        pytest.param(MessageFilter(code="expired"), "ix_messages_code", id="code"),
        pytest.param(MessageFilter(code="EXPIRED", application="a"), "ix_messages_code", id="both"),
    ],
)
async def test_a_rare_value_is_found_by_its_index(
    tmp_path: Path, wanted: MessageFilter, index: str
) -> None:
    """The page itself is read along the index of the most selective condition."""
    asked = await plans(tmp_path, lambda c, page: queries.list_messages(c, wanted, page))
    pages = [plan for statement, plan in asked if "messages.sms_msg_id" in statement]
    assert f"SEARCH messages USING INDEX {index}" in pages[0][0]


SCANS = tuple(f"SCAN {table.name}" for table in (messages, uplinks, quarantine, suppressions))


async def plans(directory: Path, ask: Ask) -> list[tuple[str, list[str]]]:
    """Ask for a page that may look at two rows, and give each statement with SQLite's plan."""
    statements: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        statements.append((statement, parameters))

    async with filled(default_url(directory)) as connection:
        event.listen(connection.sync_connection, "before_cursor_execute", note)
        await ask(connection, Page(50, most_walked=2))
        asked, explained = list(statements), []
        for statement, parameters in asked:
            found = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            explained.append((statement, [row["detail"] for row in found.mappings()]))
        return explained


async def test_readiness_and_metrics_do_not_wait_for_look_ups(store_url: str) -> None:
    """While look-ups hold every connection of theirs, the store still gives a sign of life."""
    async with a_store(store_url) as store, AsyncExitStack() as stack:
        for connection in await _all_readers(stack, store):
            await connection.exec_driver_sql("SELECT 1")
        async with asyncio.timeout(20):
            await store.ping()
            async with store.watching() as connection:
                await connection.exec_driver_sql("SELECT 1")


async def _all_readers(stack: AsyncExitStack, store: Store) -> Iterable[AsyncConnection]:
    most = READERS if store.files else READERS + 11  # a server's pool may grow by ten
    return [await stack.enter_async_context(store.reading()) for _ in range(most)]
