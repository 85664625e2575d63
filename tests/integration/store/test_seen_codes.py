"""Which codes came: counts, times and examples of those that somebody wants to see."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from receiver.store.database.bulk import insert_rows
from receiver.store.schema import messages
from receiver.store.seen_codes import SeenCode, find_seen_codes
from receiver.store.store import Store
from tests.support.parts import NOW, a_journal, a_store, entry, form, project, rows_of
from tests.support.server import at_length

SECOND = 1_000_000


def everything(_: object) -> bool:
    """Want each code."""
    return True


async def push(
    directory: Path, store: Store, *items: dict[str, str], application: str = "default"
) -> None:
    """Let reports come, a second after each other."""
    async with a_journal(directory) as journal:
        for item in items:
            at = NOW + (journal.last_position + 1) * SECOND
            await journal.append(entry(form(**item), application=application, received_at=at))
        await project(journal, store)


def report(sms_msg_id: str, status: str, **fields: str) -> dict[str, str]:
    """Make a status report."""
    return {"smsMsgId": sms_msg_id, "status": status, **fields}


async def seen(
    store: Store,
    may_be: Callable[[str], bool] = everything,
    wanted: Callable[[SeenCode], bool] = everything,
    limit: int = 100,
) -> list[SeenCode]:
    """Ask for codes."""
    async with store.reading() as connection:
        return await find_seen_codes(connection, may_be, wanted, limit)


async def test_codes_come_with_counts_times_and_an_example(store_url: str, tmp_path: Path) -> None:
    """The most frequent code is first; each has first and last time and its newest message."""
    async with a_store(store_url) as store:
        await push(
            tmp_path,
            store,
            report("m1", "RARE"),
            report("m2", "OFTEN"),
            report("m3", "OFTEN"),
            report("m2", "OFTEN"),  # again: a redelivery
            report("m4", "DELIVRD"),
            report("m5", "OFTEN", orgCode="7"),
        )
        found = await seen(store)
    at = NOW
    assert found == [
        SeenCode("OFTEN", None, None, refused=False, messages=2, first_at=at + 2 * SECOND,
                 last_at=at + 4 * SECOND, example="m3", application="default"),
        SeenCode("OFTEN", "7", None, refused=False, messages=1, first_at=at + 6 * SECOND,
                 last_at=at + 6 * SECOND, example="m5", application="default"),
        SeenCode("RARE", None, None, refused=False, messages=1, first_at=at + 1 * SECOND,
                 last_at=at + 1 * SECOND, example="m1", application="default"),
    ]  # fmt: skip


async def test_only_the_deciding_code_of_what_is_not_delivered_counts(
    store_url: str, tmp_path: Path
) -> None:
    """A code that another report overruled has harmed nobody."""
    async with a_store(store_url) as store:
        await push(
            tmp_path,
            store,
            report("m1", "FAILED", updateTime="2023-11-14T22:10:00Z"),
            report("m1", "DELIVRD", updateTime="2023-11-14T22:11:00Z"),
            report("m2", "ACCEPTD"),
        )
        assert [code.code for code in await seen(store)] == ["ACCEPTD"]


async def test_sources_are_joined_and_shown_to_who_decides(store_url: str, tmp_path: Path) -> None:
    """What differs in its source alone is one line, but each source is asked about by itself."""
    asked: list[int | None] = []

    def not_of_the_platform(code: SeenCode) -> bool:
        asked.append(code.source)
        return code.source != 1

    async with a_store(store_url) as store:
        await push(
            tmp_path,
            store,
            report("m1", "X", source="1"),
            report("m2", "X", source="2"),
            report("m3", "X", source="3"),
            report("m4", "X", source="2"),
        )
        (joined,) = await seen(store)
        (some,) = await seen(store, wanted=not_of_the_platform)
    assert (joined.messages, joined.example, joined.source) == (4, "m4", None)
    assert (joined.first_at, joined.last_at) == (NOW + SECOND, NOW + 4 * SECOND)
    assert sorted(source or 0 for source in asked) == [1, 2, 3]
    assert (some.messages, some.first_at) == (3, NOW + 2 * SECOND)


async def test_refused_sends_stand_apart(store_url: str, tmp_path: Path) -> None:
    """The same code in a send response and in a report is two things."""
    refused = {"sms_msg_id": "r", "status": "E999999", "sent_at": "2023-11-14T22:00:00Z"}
    async with a_store(store_url) as store:
        async with a_journal(tmp_path) as journal:
            await journal.append(entry(json.dumps({"sends": [refused]}).encode(), "sends"))
            await project(journal, store)
        await push(tmp_path, store, report("m", "E999999"))
        found = {code.refused: code for code in await seen(store)}
    assert (found[True].example, found[False].example) == ("r", "m")
    assert found[True].first_at == found[True].last_at == NOW - 800 * SECOND  # the sending


async def test_an_example_names_its_application(store_url: str, tmp_path: Path) -> None:
    """Ids are known within their application only, so the example's is told."""
    async with a_store(store_url) as store:
        await push(tmp_path, store, report("m", "X"), application="shop")
        await push(tmp_path, store, report("m", "X"), application="bank")
        (code,) = await seen(store)
    assert (code.messages, code.example, code.application) == (2, "m", "bank")


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        pytest.param(1, ["C2"], id="one"),
        pytest.param(2, ["C2", "C1"], id="two"),
        pytest.param(9, ["C2", "C1", "C0"], id="all there are"),
    ],
)
async def test_unwanted_codes_leave_their_place_to_others(
    store_url: str, tmp_path: Path, limit: int, expected: list[str]
) -> None:
    """The limit counts what is wanted, however much more often unwanted codes came."""
    items = [
        report(f"{code} {number}", code)
        for place, code in enumerate(["C0", "C1", "C2", "U3", "U4"])
        for number in range(place + 1)
    ]
    async with a_store(store_url) as store:
        await push(tmp_path, store, *items)
        by_code = await seen(store, may_be=lambda code: code.startswith("C"), limit=limit)
        by_all = await seen(store, wanted=lambda code: code.code.startswith("C"), limit=limit)
    assert [code.code for code in by_code] == expected
    assert by_all == by_code


async def test_strangers_may_choose_as_many_codes_as_they_like(
    store_url: str, tmp_path: Path
) -> None:
    """More kinds than one statement has parameters are counted all the same."""
    # A statement of SQLite has 32,766 parameters, one of PostgreSQL 65,535.
    many = 33_000 if store_url.startswith("sqlite") else at_length(1_100, 66_000)
    async with a_store(store_url) as store:
        await push(tmp_path, store, report("m", "X"))
        (row,) = await rows_of(store, messages)
        copies = [
            {**row, "id": number, "sms_msg_id": f"m{number}", "org_code": f"o{number}"}
            for number in range(2, many + 2)
        ]
        async with store.writing() as connection:
            await insert_rows(connection, messages, copies)
        found = await seen(store, limit=1000)
    assert len(found) == 1000


async def test_nothing_came(store_url: str) -> None:
    """An empty store has seen no code."""
    async with a_store(store_url) as store:
        assert await seen(store) == []
