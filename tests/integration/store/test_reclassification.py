"""The reclassification's side of the store: slices are read as they stand, outcomes written."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sqlalchemy import delete

from receiver.domain.inputs import Trust
from receiver.domain.projection import MessageBuilder
from receiver.domain.reclassification import CountedChange, Run, Standing, reclassify
from receiver.store import projector, reclassification
from receiver.store.schema import messages, reclassifications
from receiver.store.store import Store
from tests.support.parts import (
    NOW,
    a_journal,
    a_store,
    batch,
    counts_of,
    entry,
    form,
    policy,
    project,
    rows_of,
)

UPDATED = "2023-11-14T22:10:00Z"
RUN = Run("rules", None, upto=4, started_at=NOW, updated_at=NOW)
REPORTS = [
    {"smsMsgId": "a", "status": "EXPIRED", "source": "2", "updateTime": UPDATED, "orgCode": "7"},
    {"smsMsgId": "a", "status": "DELIVRD", "sequence": "2", "total": "2", "to": "15500005172"},
    {"smsMsgId": "b", "status": "E200027", "source": "1", "statusDesc": "no", "extend": "shop"},
    {"smsMsgId": "c", "status": "odd one"},
]
SENDS = {"sends": [{"sms_msg_id": "d", "status": "E200033", "reference": "r"}]}


async def fill(directory: Path, store: Store) -> None:
    """Let the store have four messages: of two reports, of one, of an odd one, and refused."""
    async with a_journal(directory) as journal:
        await journal.append(entry(batch(REPORTS), "batch", trust="signed"))
        await journal.append(entry(form(**REPORTS[2]), received_at=NOW + 5))
        await journal.append(entry(json.dumps(SENDS).encode(), "sends", received_at=NOW + 7))
        await project(journal, store)


async def slice_of(
    store: Store, after: int, upto: int, since: int | None = None
) -> list[MessageBuilder]:
    """Read a stretch of ids."""
    async with store.reading() as connection:
        return await reclassification.read_slice(connection, after, upto, since)


def names(found: Sequence[MessageBuilder]) -> list[str]:
    """Return the ids of messages in order."""
    return [message.sms_msg_id for message in found]


async def test_a_slice_has_what_the_projector_would_fold(store_url: str, tmp_path: Path) -> None:
    """A message of a slice is the one that the projector reads."""
    async with a_store(store_url) as store:
        await fill(tmp_path, store)
        found = await slice_of(store, 0, 100)
        keys = {("default", name) for name in "abcd"}
        async with store.writing() as connection:
            known = await projector.load(connection, keys, set())
    assert names(found) == ["a", "b", "c", "d"]
    for message in found:
        assert message == known.messages["default", message.sms_msg_id]
    assert found[0].reports[1, "EXPIRED", UPDATED].trust is Trust.SIGNED


async def test_a_slice_ends_where_it_shall(store_url: str, tmp_path: Path) -> None:
    """A stretch begins behind one id and ends with another; what came before a time is left out."""
    async with a_store(store_url) as store:
        await fill(tmp_path, store)
        for after, upto, expected in (
            (0, 4, "abcd"),
            (0, 1, "a"),
            (1, 3, "bc"),
            (3, 4, "d"),
            (4, 900, ""),
            (2, 2, ""),
        ):
            assert names(await slice_of(store, after, upto)) == list(expected)
        assert names(await slice_of(store, 0, 4, NOW)) == ["a", "b", "c", "d"]
        assert names(await slice_of(store, 0, 4, NOW + 1)) == ["d"]
        assert names(await slice_of(store, 0, 4, NOW + 8)) == []
        (only,) = await slice_of(store, 1, 2)
        assert len(only.reports) == 1


async def test_outcomes_are_written_and_nothing_else(store_url: str, tmp_path: Path) -> None:
    """What the fold decides is put right from whatever stood there; all else stays."""
    wrong = {"state": "pending", "final": False, "code": "?", "category": None, "total": 9}
    async with a_store(store_url) as store:
        await fill(tmp_path, store)
        right = await rows_of(store, messages)
        async with store.writing() as connection:
            await connection.execute(messages.update().values(wrong))
        found = await slice_of(store, 0, 3)
        async with store.writing() as connection:
            await reclassification.write_outcomes(
                connection, [reclassify(message, policy()).decided for message in found]
            )
            await reclassification.write_outcomes(connection, [])
        written = await rows_of(store, messages)
        counts = await counts_of(store)
    assert written == [*right[:3], {**right[3], **wrong}]
    assert counts == {"checkpoints": 1, "messages": 4, "reports": 4}


async def test_the_last_message_is_known(store_url: str, tmp_path: Path) -> None:
    """The end of a walk is the highest id, 0 where there is none."""
    async with a_store(store_url) as store:
        async with store.reading() as connection:
            assert await reclassification.last_message(connection) == 0
        await fill(tmp_path, store)
        async with store.reading() as connection:
            assert await reclassification.last_message(connection) == 4


async def test_a_run_is_kept_with_all_it_says(store_url: str) -> None:
    """The newest run is given as it was written, its table and ids of any characters too."""
    changes = (
        CountedChange(
            Standing("pending", None), Standing("failed", "routing"), 7, ("a'b", "名 \U0001f600")
        ),
        CountedChange(Standing("failed", "routing"), Standing("delivered", "delivered"), 2**40, ()),
    )
    later = replace(RUN, policy="others", since=NOW, upto=2**40)
    gone_on = replace(
        later, position=2**39, examined=2**39, changed=9, changes=changes, updated_at=NOW + 1
    )
    ended = replace(gone_on, position=2**40, finished_at=NOW + 2)
    async with a_store(store_url) as store:
        async with store.writing() as connection:
            assert await reclassification.newest_run(connection) is None
            first = await reclassification.begin_run(connection, RUN)
            assert await reclassification.newest_run(connection) == (first, RUN)
            second = await reclassification.begin_run(connection, later)
            assert second > first
        for run in (gone_on, ended):
            async with store.writing() as connection:
                assert await reclassification.save_run(connection, second, run)
            async with store.reading() as connection:
                assert await reclassification.newest_run(connection) == (second, run)
        assert [row["position"] for row in await rows_of(store, reclassifications)] == [0, 2**40]


async def test_a_run_that_is_not_known_is_told(store_url: str) -> None:
    """To save a run that the store has lost says so, and makes no new one."""
    async with a_store(store_url) as store:
        async with store.writing() as connection:
            number = await reclassification.begin_run(connection, RUN)
            await connection.execute(delete(reclassifications))
            assert not await reclassification.save_run(connection, number, RUN)
        assert await rows_of(store, reclassifications) == []
