"""A stored row that cannot be read is the store's damage, never the fault of what came."""

import asyncio
import json
import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Column, insert

from receiver.domain.inputs import Send
from receiver.errors import StoreDamagedError
from receiver.store import records
from receiver.store.database.columns import (
    StoredFlag,
    StoredInstant,
    StoredTerm,
    StoredText,
    UnreadableRowError,
)
from receiver.store.database.urls import FILE_NAME, default_url
from receiver.store.schema import metadata
from receiver.store.store import Store
from tests.integration.store.test_store import MESSAGE, REPORT
from tests.integration.store.test_store_damage import move_aside
from tests.support.parts import (
    PATIENCE_S,
    Served,
    a_node,
    a_store,
    batch,
    check_problem,
    form,
    read_rows,
    rows_of,
    until_answered,
)

NUMBER = "+8615500005172"
VICTIM = "victim"
SENT = "2023-11-14T22:00:00Z"
COLUMNS = [
    pytest.param(column, id=f"{table}.{column.name}")
    for table in metadata.sorted_tables
    for column in table.columns
    if hasattr(column.type, "place")
]


def change(directory: Path, statement: str, *values: Any) -> None:
    """Change rows of the store past the receiver."""
    file = directory / FILE_NAME
    with closing(sqlite3.connect(file, timeout=60, isolation_level=None)) as connection:
        assert connection.execute(statement, values).rowcount > 0


def a_value(column: Column[Any]) -> Any:
    """Return what may stand in a column."""
    if isinstance(column.type, StoredTerm):
        return next(iter(column.type.terms)).value
    if isinstance(column.type, StoredText):
        return "x"
    return b"" if column.name == "body" else 1


def wrong_values(column: Column[Any]) -> list[Any]:
    """Return values of which none is ever written into a column."""
    if isinstance(column.type, StoredTerm):
        return ["eelivered", b"\xff"]
    if isinstance(column.type, StoredText):
        return [b"\xff"]
    if isinstance(column.type, StoredInstant):
        return ["x", b"\xff", 1.5, -(2**63)]
    return ["x", b"\xff", 1.5, *([2] if isinstance(column.type, StoredFlag) else [])]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store of one row in every table."""
    directory = tmp_path_factory.mktemp("filled")

    async def run() -> None:
        async with a_store(default_url(directory)) as store, store.writing() as connection:
            for table in metadata.sorted_tables:
                row = {column.name: a_value(column) for column in table.columns}
                await connection.execute(insert(table), [row])

    asyncio.run(run())
    return directory / FILE_NAME


@pytest.mark.parametrize("column", COLUMNS)
async def test_every_column_is_checked(tmp_path: Path, filled: Path, column: Column[Any]) -> None:
    """A value that is never written is named by its column where it is read, and is not told."""
    shutil.copy(filled, tmp_path)
    told: list[None] = []
    store = Store(default_url(tmp_path), lambda: told.append(None))
    assert len(await rows_of(store, column.table)) == 1
    for count, wrong in enumerate(wrong_values(column), 1):
        change(tmp_path, f'UPDATE {column.table} SET "{column.name}" = ?', wrong)  # noqa: S608
        place = rf"`{column.table}\.{column.name}`.*move the file"
        with pytest.raises(StoreDamagedError, match=place) as said:
            await rows_of(store, column.table)
        assert "eelivered" not in str(said.value)
        assert len(told) == count
    await store.close()


SEND = json.loads(records.dump_send(Send(VICTIM, to=NUMBER, sent_at=1, total=1)))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("{", id="no JSON"),
        pytest.param("[]", id="no object"),
        pytest.param("7", id="a number"),
        pytest.param("{}", id="without an id"),
        pytest.param("[" * 100_000, id="too deep"),
        pytest.param(json.dumps({**SEND, "uo": None}), id="an unknown field"),
        pytest.param(json.dumps({**SEND, "conflicts": [{"ffield": "to"}]}), id="no conflict"),
        pytest.param(json.dumps({**SEND, "conflicts": 7}), id="no list"),
        *(
            pytest.param(json.dumps({**SEND, name: [7]}), id=f"another type of {name}")
            for name in SEND
        ),
    ],
)
def test_a_send_that_is_none(text: str) -> None:
    """The JSON of a send that was not written so is told from one that was."""
    with pytest.raises(UnreadableRowError, match=r"messages\.send"):
        records.load_send(text)


NULLS: list[Any] = [
    *(
        pytest.param(
            lambda row: records.read_message({**MESSAGE, **row}), name, id=f"messages.{name}"
        )
        for name in ("state", "occurred_at", "application", "total", "trust")
    ),
    *(
        pytest.param(
            lambda row: records.read_report({**REPORT, **row}, VICTIM), name, id=f"reports.{name}"
        )
        for name in ("status", "received_at", "trust", "raw")
    ),
]


@pytest.mark.parametrize(("read", "name"), NULLS)
def test_a_row_without_what_it_needs(read: Callable[[dict[str, Any]], Any], name: str) -> None:
    """NULL where the database lets none in is damage too."""
    with pytest.raises(UnreadableRowError, match=name):
        read({name: None})


def fifty() -> bytes:
    """Write a batch with the message of a damaged row among others."""
    ids = [VICTIM, *(f"other-{number}" for number in range(49))]
    return batch([{"smsMsgId": one, "status": "DELIVRD"} for one in ids])


async def until(served: Served, path: str, status: int) -> httpx.Response:
    """Ask again and again until the answer has a status."""
    async with asyncio.timeout(PATIENCE_S):
        while (answer := await served.api.get(path)).status_code != status:  # noqa: ASYNC110 - as a client has to
            await asyncio.sleep(0.01)
    return answer


async def fill(served: Served) -> None:
    """Register a message that fails, and wait until that is known."""
    await served.register(sends=[{"sms_msg_id": VICTIM, "to": NUMBER, "sent_at": SENT}])
    await served.push(form(smsMsgId=VICTIM, status="MK:0001", source="2", updateTime=SENT))
    async with asyncio.timeout(PATIENCE_S):
        while not (await served.get("/v1/messages", code="MK:0001"))["messages"]:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("table", "column", "wrong"),
    [
        ("messages", "state", "eelivered"),
        ("messages", "category", "unknowm"),
        ("messages", "trust", "tokeo"),
        ("messages", "send", '{"sms_msg_id": "vic'),
        ("messages", "total", "x"),
        ("reports", "trust", "tokeo"),
        ("reports", "raw", "{'"),
        ("reports", "source", b"\x01"),
    ],
)
async def test_a_push_about_an_unreadable_row_waits(
    tmp_path: Path, table: str, column: str, wrong: Any
) -> None:
    """Nothing is set aside for it, every door says what to do, and a new file has everything."""
    async with a_node(tmp_path, ack="journal") as served:
        await fill(served)
        change(tmp_path, f"UPDATE {table} SET {column} = ?", wrong)  # noqa: S608
        assert (await served.push(fifty())).status_code == 200
        (problem,) = (await until(served, "/readyz", 503)).json()["problems"]
        assert f"`{table}" in problem
        assert "move the file" in problem
        for path in ("/v1/messages", "/v1/export/messages", f"/v1/messages/{VICTIM}"):
            said = check_problem(await served.api.get(path), 503)["detail"]
            assert f"`{table}" in said
        assert await served.get("/v1/quarantine") == {"quarantine": [], "next": None}
        counted = re.search(
            r"\nreceiver_store_damages_total (\S+)", (await served.api.get("/metrics")).text
        )
        assert counted
        assert float(counted[1]) >= 1
    move_aside(tmp_path)
    async with a_node(tmp_path) as served:
        await until_answered(served.api, "/v1/messages/other-48")
        assert (await served.get(f"/v1/messages/{VICTIM}"))["state"] == "delivered"
        assert read_rows(tmp_path / FILE_NAME, "SELECT reason FROM quarantine") == []


async def test_a_reclassification_says_why_it_failed(tmp_path: Path) -> None:
    """A run that meets a row that cannot be read ends, and whoever asks is told of the damage."""
    async with a_node(tmp_path) as served:
        await fill(served)
        change(tmp_path, "UPDATE messages SET state = 'eelivered'")
        assert (await served.api.post("/v1/reclassify")).status_code in (202, 503)
        said = check_problem(await until(served, "/v1/reclassify", 503), 503)["detail"]
        assert "`messages.state`" in said
        assert "move the file" in said
