"""The reclassifier: history is folded again beside everything else, and any end is no loss."""

import asyncio
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, text

from receiver.domain import times
from receiver.domain.projection import Policy
from receiver.domain.reclassification import Run
from receiver.errors import StoreUnavailableError
from receiver.huawei.catalogue import load_catalogue
from receiver.journal import Journal
from receiver.projector.reclassifier import AnotherRunError, Reclassifier, RunPhase
from receiver.projector.rehearsal import rehearse
from receiver.store.database.urls import FILE_NAME, default_url
from receiver.store.schema import messages, reclassifications, reports
from receiver.store.store import Store
from tests.support.parts import (
    HOUR,
    NOW,
    PATIENCE_S,
    a_journal,
    a_projector,
    a_store,
    a_write_lock,
    batch,
    counts_of,
    ended,
    entry,
    finished,
    form,
    now_of,
    policy,
    project,
    rows_of,
)

# One third each: what the file corrects, what it explains by a family, and what it leaves alone.
CODES = ("ZQ:0001", "ZQ:0002", "EXPIRED")
CORRECTIONS = """\
code,category,retry,meaning
ZQ:0001,blocked-recipient,never,On a blocklist
ZQ:*,routing,retry-later,No way leads there
"""
MANY = 1500


@dataclass
class Brake:
    """Holds a run up, in proportion to the machine's speed, so that tests meet it on its way."""

    on: bool = True
    share: int = 4

    def __call__(self) -> int:
        """Say how much time is left to others for each unit taken."""
        return self.share if self.on else 0


FREE = Brake(on=False)


@pytest.fixture(scope="module")
def corrected(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    """Return the rules with a catalogue file of one's own."""
    file = tmp_path_factory.mktemp("catalogue") / "mine.csv"
    file.write_text(CORRECTIONS)
    return Policy(load_catalogue(file))


def a_reclassifier(store: Store, brake: Brake = FREE) -> Reclassifier:
    """Make a reclassifier."""
    return Reclassifier(store, None, clock=lambda: NOW, yield_factor=brake)


async def fill(journal: Journal, store: Store, count: int = MANY, start: int = 0) -> None:
    """Let the store have messages, each with one report of a failure."""
    for first in range(start, start + count, 500):
        items = [
            {"smsMsgId": f"m{number}", "status": CODES[number % 3], "source": "2"}
            for number in range(first, min(first + 500, start + count))
        ]
        await journal.append(entry(batch(items), "batch", received_at=NOW + first))
    await project(journal, store)


async def refold(store: Store, rules: Policy, since: int | None = None) -> Run:
    """Fold history again without any disturbance."""
    reclassifier = a_reclassifier(store)
    await reclassifier.start(rules, since)
    return await finished(reclassifier)


async def begun(reclassifier: Reclassifier, rules: Policy, beyond: int = 0) -> None:
    """Start a run and wait until it has come beyond a position, but not to its end."""
    await reclassifier.start(rules, None)
    async with asyncio.timeout(PATIENCE_S):
        while (await now_of(reclassifier))[0].position <= beyond:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.002)
    run, phase = await now_of(reclassifier)
    assert phase is RunPhase.RUNNING
    assert beyond < run.position < run.upto


def table_of(run: Run) -> list[tuple[Any, ...]]:
    """Return what a run says has become what."""
    return [
        (run.examined, run.changed),
        *((c.before.category, c.after.category, c.messages, c.examples) for c in run.changes),
    ]


UNDISTURBED = [
    (MANY, MANY // 3 * 2),
    ("unknown", "blocked-recipient", MANY // 3, ("m0", "m3", "m6")),
    ("unknown", "routing", MANY // 3, ("m1", "m4", "m7")),
]


async def categories(store: Store) -> dict[str, int]:
    """Count the stored messages by category."""
    found = [row["category"] for row in await rows_of(store, messages)]
    return {category: found.count(category) for category in sorted(set(found))}


BEFORE = {"timeout": MANY // 3, "unknown": MANY // 3 * 2}
AFTER = {"blocked-recipient": MANY // 3, "routing": MANY // 3, "timeout": MANY // 3}


# --- without a disturbance ------------------------------------------------------------------------


async def test_history_is_folded_again(store_url: str, tmp_path: Path, corrected: Policy) -> None:
    """Stored state and category follow the rules; ids, numbers and reports stay as they were."""
    async with a_journal(tmp_path) as journal, a_store(store_url) as store:
        await fill(journal, store)
        assert await categories(store) == BEFORE
        old, told = await rows_of(store, messages), await rows_of(store, reports)
        run = await refold(store, corrected)
        assert table_of(run) == UNDISTURBED
        assert await categories(store) == AFTER
        new = await rows_of(store, messages)
        assert [{**row, "category": 0} for row in new] == [{**row, "category": 0} for row in old]
        assert await rows_of(store, reports) == told


async def test_what_was_folded_by_the_rules_is_left_alone(
    store_url: str, tmp_path: Path, corrected: Policy
) -> None:
    """A second run changes nothing, and the old rules lead back to where it began."""
    async with a_journal(tmp_path) as journal, a_store(store_url) as store:
        await fill(journal, store)
        old = await rows_of(store, messages)
        await refold(store, corrected)
        again = await refold(store, corrected)
        assert (again.examined, again.changed, again.changes) == (MANY, 0, ())
        back = await refold(store, policy())
        assert back.changed == MANY // 3 * 2
        assert await rows_of(store, messages) == old


async def test_an_empty_store_is_done_at_once(store_url: str, corrected: Policy) -> None:
    """Without a message a run ends at once, and before any there is none to tell of."""
    async with a_store(store_url) as store:
        reclassifier = a_reclassifier(store)
        assert await reclassifier.progress() is None
        await reclassifier.start(corrected, None)
        run = await finished(reclassifier)
        assert (run.examined, run.changed, run.share) == (0, 0, 1.0)


async def test_only_what_was_sent_since_is_folded(
    store_url: str, tmp_path: Path, corrected: Policy
) -> None:
    """`since` leaves older messages alone: by their sending, else by when they were heard of."""
    sent = [
        {"sms_msg_id": "old", "sent_at": times.to_rfc3339(NOW - HOUR)},
        {"sms_msg_id": "new", "sent_at": times.to_rfc3339(NOW)},
    ]
    async with a_journal(tmp_path) as journal, a_store(store_url) as store:
        await journal.append(entry(json.dumps({"sends": sent}).encode(), "sends"))
        for name, heard_at in (("old", NOW), ("new", NOW), ("heard", NOW), ("long ago", NOW - 1)):
            body = form(smsMsgId=name, status="ZQ:0001")
            await journal.append(entry(body, received_at=heard_at))
        await project(journal, store)
        run = await refold(store, corrected, since=NOW)
        found = {row["sms_msg_id"]: row["category"] for row in await rows_of(store, messages)}
    assert (run.since, run.examined, run.changed) == (NOW, 2, 2)
    assert found == {
        "old": "unknown",
        "new": "blocked-recipient",
        "heard": "blocked-recipient",
        "long ago": "unknown",
    }


async def test_states_follow_the_rules_too(store_url: str, tmp_path: Path) -> None:
    """A delivery after a failure counts or not, as the rules say, with all that hangs on it."""
    item = {"smsMsgId": "m", "source": "2"}
    told = [
        {**item, "status": "EXPIRED", "updateTime": "2023-11-14T22:10:00Z"},
        {**item, "status": "DELIVRD", "updateTime": "2023-11-14T22:11:00Z"},
    ]
    async with a_journal(tmp_path) as journal, a_store(store_url) as store:
        await journal.append(entry(batch(told), "batch"))
        await project(journal, store)
        (before,) = await rows_of(store, messages)
        run = await refold(store, replace(policy(), late_delivered="ignored"))
        (after,) = await rows_of(store, messages)
        await refold(store, policy())
        assert await rows_of(store, messages) == [before]
    assert [(c.before.state, c.after.state) for c in run.changes] == [("delivered", "failed")]
    assert (before["code"], before["failed_at"], after["delivered_at"]) == ("DELIVRD", None, None)
    assert (after["state"], after["code"], after["failed_at"]) == (
        "failed",
        "EXPIRED",
        times.parse("2023-11-14T22:10:00Z"),
    )


async def test_what_is_overdue_stays_so(store_url: str, tmp_path: Path, corrected: Policy) -> None:
    """What the watchdog has marked is not undone, and not counted as changed."""
    async with a_journal(tmp_path) as journal, a_store(store_url) as store:
        await journal.append(entry(b'{"sends": [{"sms_msg_id": "m"}]}', "sends"))
        await project(journal, store)
        async with a_projector(journal, store, clock=lambda: NOW + 74 * HOUR) as projecting:
            await projecting.until(lambda: projecting.overdue, "the watchdog has looked")
        (before,) = await rows_of(store, messages)
        assert before["state"] == "overdue"
        run = await refold(store, corrected)
        assert (run.examined, run.changed) == (1, 0)
        assert await rows_of(store, messages) == [before]


# --- start, stop, go on, join -------------------------------------------------------------------


async def test_a_run_that_was_stopped_goes_on(
    store_url: str, tmp_path: Path, corrected: Policy
) -> None:
    """After a stop the next start goes on from there, and ends as if it had never stopped."""
    async with a_journal(tmp_path) as journal, a_store(store_url) as store:
        await fill(journal, store)
        reclassifier = a_reclassifier(store, Brake())
        await begun(reclassifier, corrected)
        await reclassifier.stop()
        stopped, phase = await now_of(reclassifier)
        assert phase is RunPhase.STOPPED
        assert 0 < stopped.position < stopped.upto
        assert (await categories(store))["unknown"] == BEFORE["unknown"] - stopped.changed
        reclassifier = a_reclassifier(store)
        assert await reclassifier.progress() == (stopped, RunPhase.STOPPED)
        await reclassifier.start(corrected, None)
        assert table_of(await finished(reclassifier)) == UNDISTURBED
        assert await categories(store) == AFTER
        assert (await counts_of(store))["reclassifications"] == 1


async def test_who_asks_for_the_same_joins(
    store_url: str, tmp_path: Path, corrected: Policy
) -> None:
    """The run that is going on is not begun again by another who wants it."""
    async with a_journal(tmp_path) as journal, a_store(store_url) as store:
        await fill(journal, store)
        reclassifier = a_reclassifier(store, Brake())
        await begun(reclassifier, corrected)
        before, _ = await now_of(reclassifier)
        await asyncio.gather(*(reclassifier.start(corrected, None) for _ in range(3)))
        assert (await now_of(reclassifier))[0].position >= before.position
        await reclassifier.stop()
        assert (await counts_of(store))["reclassifications"] == 1


async def test_a_run_over_other_messages_is_refused(
    store_url: str, tmp_path: Path, corrected: Policy
) -> None:
    """While a run goes on nobody can begin one with another `since`; afterwards anybody can."""
    async with a_journal(tmp_path) as journal, a_store(store_url) as store:
        await fill(journal, store)
        reclassifier = a_reclassifier(store, Brake())
        await begun(reclassifier, corrected)
        with pytest.raises(AnotherRunError):
            await reclassifier.start(corrected, NOW)
        run, phase = await now_of(reclassifier)
        assert (run.since, phase) == (None, RunPhase.RUNNING)
        await reclassifier.stop()
        await reclassifier.start(corrected, NOW + 2 * HOUR)
        assert (await now_of(reclassifier))[0].since == NOW + 2 * HOUR
        await reclassifier.stop()
        assert (await counts_of(store))["reclassifications"] == 2


async def test_a_run_that_is_over_is_in_nobodys_way(
    store_url: str, tmp_path: Path, corrected: Policy
) -> None:
    """As soon as a run is told to be finished, one over other messages can begin."""
    async with a_journal(tmp_path) as journal, a_store(store_url) as store:
        await fill(journal, store, count=10)
        reclassifier = a_reclassifier(store, Brake(share=10**9))
        await reclassifier.start(corrected, None)
        await finished(reclassifier)
        await reclassifier.start(corrected, NOW + 2 * HOUR)
        assert (await finished(reclassifier)).since == NOW + 2 * HOUR


async def test_other_rules_begin_anew(store_url: str, tmp_path: Path, corrected: Policy) -> None:
    """A run by rules that are not in force any more is given up for one by the new ones."""
    async with a_journal(tmp_path) as journal, a_store(store_url) as store:
        await fill(journal, store)
        old = await rows_of(store, messages)
        reclassifier = a_reclassifier(store, Brake())
        await begun(reclassifier, corrected)
        await reclassifier.start(policy(), None)
        await reclassifier.stop()
        reclassifier = a_reclassifier(store)
        await reclassifier.start(policy(), None)
        run = await finished(reclassifier)
        assert run.examined == MANY
        assert await rows_of(store, messages) == old
        await refold(store, corrected)
        assert (await counts_of(store))["reclassifications"] == 3
        assert await categories(store) == AFTER


async def test_a_run_does_not_outlive_its_rules(
    store_url: str, tmp_path: Path, corrected: Policy
) -> None:
    """Once messages were folded by other rules, a stopped run starts over.

    What came meanwhile has ids beyond the end of that run, and would keep the other rules' view.
    """
    async with a_journal(tmp_path) as journal, a_store(store_url) as store:
        await fill(journal, store)
        reclassifier = a_reclassifier(store, Brake())
        await begun(reclassifier, corrected)
        await reclassifier.stop()
        await fill(journal, store, count=300, start=MANY)  # a projector by the shipped rules
        run = await refold(store, corrected)
        assert run.examined == MANY + 300
        assert "unknown" not in await categories(store)


async def test_what_is_at_rest_can_be_stopped(store_url: str) -> None:
    """To stop what does not run is no error."""
    async with a_store(store_url) as store:
        reclassifier = a_reclassifier(store)
        await reclassifier.stop()
        assert await reclassifier.progress() is None


# --- disturbances -------------------------------------------------------------------------------


@pytest.mark.parametrize("kills", [1, 2])
async def test_killed_in_the_middle_it_ends_the_same(
    store_url: str, tmp_path: Path, corrected: Policy, kills: int
) -> None:
    """A process that dies anywhere leaves what the next goes on with, to the same end."""
    async with a_journal(tmp_path) as journal, a_store(store_url) as store:
        await fill(journal, store)
        undisturbed = await refold(store, corrected)
        expected = await rows_of(store, messages)
        await refold(store, policy())
    seen = 0
    for _ in range(kills):
        async with a_store(store_url) as store:
            killed = a_reclassifier(store, Brake())
            await begun(killed, corrected, beyond=seen)
            await killed.stop(0)  # cancelled wherever it is
            left, phase = await now_of(a_reclassifier(store))
            assert phase is RunPhase.STOPPED
            seen = left.position
    async with a_store(store_url) as store:
        run = await refold(store, corrected)
        assert table_of(run) == table_of(undisturbed) == UNDISTURBED
        assert await rows_of(store, messages) == expected


async def test_a_slice_that_is_cut_off_leaves_nothing_half_done(
    store_url: str, tmp_path: Path, corrected: Policy
) -> None:
    """What a slice changed and how far it came commit together or not at all."""
    async with a_journal(tmp_path) as journal, a_store(store_url) as store:
        await fill(journal, store)
        for attempt in range(1000):
            reclassifier = a_reclassifier(store)
            await reclassifier.start(corrected, None)
            # Longer and longer, so that a busy machine comes to the end, too.
            await asyncio.sleep(0.003 * (attempt % 10) * (1 + attempt // 20))
            await reclassifier.stop(0)
            run, phase = await now_of(a_reclassifier(store))
            found = await categories(store)
            assert run.changed == found.get("blocked-recipient", 0) + found.get("routing", 0)
            if phase is RunPhase.FINISHED:
                break
        assert attempt > 1, "too fast: nothing was cut off"
        assert table_of(run) == UNDISTURBED


async def test_what_comes_meanwhile_is_folded_by_the_same_rules(
    store_url: str, tmp_path: Path, corrected: Policy
) -> None:
    """Messages that come, and reports of old ones, while history is walked through, are right."""
    late = [
        {
            "smsMsgId": "m0",
            "status": "DELIVRD",
            "source": "2",
            "updateTime": "2023-11-15T00:00:00Z",
        },
        {"smsMsgId": f"m{MANY - 3}", "status": "DELIVRD", "source": "2"},
    ]
    new = [{"smsMsgId": f"new {code}", "status": code, "source": "2"} for code in CODES]
    async with a_journal(tmp_path) as journal, a_store(store_url) as store:
        await fill(journal, store)
        async with a_projector(journal, store, rules=corrected) as projecting:
            brake = Brake()
            reclassifier = a_reclassifier(store, brake)
            await begun(reclassifier, corrected)
            await journal.append(entry(batch(late), "batch"))
            await journal.append(entry(batch(new), "batch"))
            await projecting.caught_up()
            run, _ = await now_of(reclassifier)
            assert run.position < MANY, "too fast: nothing came meanwhile"
            brake.on = False
            assert (await finished(reclassifier)).upto == MANY
        assert (await refold(store, corrected)).changed == 0
        found = await categories(store)
    third = MANY // 3
    assert found == {
        "blocked-recipient": third - 2 + 1,
        "delivered": 2,
        "routing": third + 1,
        "timeout": third + 1,
    }


async def test_a_locked_store_is_waited_for(tmp_path: Path, corrected: Policy) -> None:
    """While others hold the write lock nothing can begin; what has begun waits and ends."""
    async with a_journal(tmp_path) as journal, a_store(default_url(tmp_path)) as store:
        await fill(journal, store)
        brake = Brake()
        reclassifier = a_reclassifier(store, brake)
        await begun(reclassifier, corrected)
        async with a_write_lock(tmp_path / FILE_NAME):
            brake.on = False
            await asyncio.sleep(2.5)  # the store gives up after 2 s
            assert (await now_of(reclassifier))[1] is RunPhase.RUNNING
            with pytest.raises(StoreUnavailableError):
                await a_reclassifier(store).start(corrected, None)
        assert table_of(await finished(reclassifier)) == UNDISTURBED
        assert await categories(store) == AFTER


async def test_a_store_that_was_made_anew_is_no_place_to_go_on(
    store_url: str, tmp_path: Path, corrected: Policy
) -> None:
    """A run that the store has forgotten fails, and says so; another can begin."""
    async with a_journal(tmp_path) as journal, a_store(store_url) as store:
        await fill(journal, store)
        brake = Brake()
        reclassifier = a_reclassifier(store, brake)
        await begun(reclassifier, corrected)
        async with store.writing() as connection:
            await connection.execute(delete(reclassifications))
        brake.on = False
        assert (await ended(reclassifier))[1] is RunPhase.FAILED
        await refold(store, corrected)
        assert await categories(store) == AFTER


async def test_a_row_that_the_store_refuses_ends_the_run(tmp_path: Path, corrected: Policy) -> None:
    """What cannot be written is told as a failure, not tried for ever; the rest can follow."""
    async with a_journal(tmp_path) as journal, a_store(default_url(tmp_path)) as store:
        await fill(journal, store)
        async with store.writing() as connection:
            await connection.execute(
                text(
                    "CREATE TRIGGER refuse BEFORE UPDATE ON messages WHEN NEW.sms_msg_id = 'm900'"
                    " BEGIN SELECT RAISE(ABORT, 'refused'); END"
                )
            )
        reclassifier = a_reclassifier(store)
        await reclassifier.start(corrected, None)
        run, phase = await ended(reclassifier)
        assert phase is RunPhase.FAILED
        assert 0 < run.position < 900
        async with store.writing() as connection:
            await connection.execute(text("DROP TRIGGER refuse"))
        await reclassifier.start(corrected, None)
        assert table_of(await finished(reclassifier)) == UNDISTURBED


# --- a rehearsal ----------------------------------------------------------------------------------


async def test_a_rehearsal_changes_nothing(
    store_url: str, tmp_path: Path, corrected: Policy
) -> None:
    """It tells what a run would tell, shows its progress, and leaves every table as it was."""
    shown: list[Run] = []
    async with a_journal(tmp_path) as journal, a_store(store_url) as store:
        await fill(journal, store)
        old, counts = await rows_of(store, messages), await counts_of(store)

        async def rehearsed(since: int | None) -> Run:
            return await rehearse(
                store, corrected, since, clock=lambda: NOW, on_progress=shown.append
            )

        run = await rehearsed(None)
        some = await rehearsed(NOW + 1000)
        assert await rows_of(store, messages) == old
        assert await counts_of(store) == counts
        done = await refold(store, corrected)
        assert replace(run, started_at=0) == replace(done, started_at=0)
        assert (await refold(store, policy())).changed == run.changed
        assert some.examined == 500
    shares = [one.share for one in shown[: len(shown) // 2]]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert len(shares) > 3
