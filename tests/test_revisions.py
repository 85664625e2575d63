"""Suppressions by codes that today's rules lift or make: why, and the trail."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from receiver.domain import times
from receiver.domain.effects import Effects, SuppressionEffect
from receiver.domain.revisions import Proof, Revision, explain
from receiver.domain.suppression import Party, Source, Word
from receiver.huawei.catalogue import load_catalogue
from receiver.journal import Entry as Pushed
from receiver.journal import Journal
from receiver.projection import Policy
from receiver.reclassification import Run
from receiver.reclassifier import Phase, Reclassifier, rehearse
from receiver.store.schema import retries, suppression_changes, suppressions
from receiver.store.store import Store
from receiver.store.urls import default_url
from tests.conftest import (
    HOUR,
    NOW,
    PATIENCE_S,
    a_journal,
    a_store,
    batch,
    entry,
    policy,
    project,
    rows_of,
)
from tests.server import at_length

PERSON = "+8615500005172"
PARTY = Party(PERSON, "", "default")
FAILURE = Word(
    suppressed=True,
    decided_at=NOW - 2 * HOUR,
    source=Source.CODE,
    source_id="a",
    reason="ZQ:0001",
    until=NOW + HOUR,
)

# --- why ------------------------------------------------------------------------------------------

LIFTED = Revision(PARTY, FAILURE, None)
MADE = Revision(PARTY, None, FAILURE)
PROOF = Proof(PERSON, "blocked-recipient", "ZQ:*", suppresses=True, is_believed=True)
RULED_OUT = replace(PROOF, suppresses=False)


@pytest.mark.parametrize(
    ("revision", "proof", "others", "is_on", "said"),
    [
        pytest.param(MADE, PROOF, [], True, "catalogue row ZQ:* suppresses", id="made"),
        pytest.param(MADE, None, [], True, "the message failed for good", id="made, no message"),
        pytest.param(LIFTED, RULED_OUT, [], True, "catalogue row ZQ:* no longer suppresses",
                     id="another row"),
        pytest.param(LIFTED, replace(RULED_OUT, row=None), [], True, "the message has not failed",
                     id="no row"),
        pytest.param(LIFTED, replace(PROOF, is_believed=False), [], True,
                     "the report is not trusted enough", id="not believed"),
        pytest.param(LIFTED, replace(PROOF, number="+861"), [], True,
                     "the message went to another number", id="another number"),
        pytest.param(LIFTED, PROOF, [replace(MADE, party=replace(PARTY, channel="1069"))], True,
                     "it holds for another channel", id="another channel"),
        pytest.param(LIFTED, PROOF, [], True, "a later delivery disproves it", id="delivered"),
        pytest.param(LIFTED, None, [], True, "a later delivery disproves it", id="no message"),
        pytest.param(LIFTED, PROOF, [], False, "suppression by codes is switched off", id="off"),
    ],
)  # fmt: skip
def test_a_revision_says_why(
    revision: Revision, proof: Proof | None, others: list[Revision], is_on: bool, said: str
) -> None:
    """The reason names what decides: the row, the trust, the number, the channel, a delivery."""
    assert explain(revision, proof, [revision, *others], is_on=is_on) == said


# --- in a store -----------------------------------------------------------------------------------

HEADER = "code,category,retry,meaning\n"
WRONG = HEADER + "ZQ:0001,blocked-recipient,never,Blocked\nZQ:0002,routing,retry-later,No way\n"
RIGHT = HEADER + (
    "ZQ:0001,routing,retry-later,No way\nZQ:0002,invalid-number,never,No number\n"
    "ZQ:0003,invalid-number,never,No number\nZQ:0004,blocked-recipient,never,Blocked\n"
)
SOON = HEADER + "ZQ:0001,blocked-recipient,never,Blocked\nZQ:0002,routing,retry-soon,No way\n"


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Policy]:
    """Give the rules before and after a correction, and with another wait."""
    directory = tmp_path_factory.mktemp("catalogues")
    made = {}
    for name, text in {"wrong": WRONG, "right": RIGHT, "soon": SOON}.items():
        file = directory / f"{name}.csv"
        file.write_text(text)
        made[name] = Policy(load_catalogue(file))
    return made


def sent(name: str, hours_ago: float, to: str = PERSON) -> dict[str, Any]:
    """Make a send."""
    at = times.to_rfc3339(NOW - round(hours_ago * HOUR))
    return {"sms_msg_id": name, "to": to, "from": "1069", "sent_at": at}


def came(name: str, status: str, hours_ago: float) -> dict[str, str]:
    """Make a report."""
    at = times.to_rfc3339(NOW - round(hours_ago * HOUR))
    return {"smsMsgId": name, "status": status, "source": "2", "updateTime": at}


def pushed(sends: Sequence[dict[str, Any]], reports: Sequence[dict[str, str]]) -> list[Pushed]:
    """Make entries of the journal."""
    registered = entry(json.dumps({"sends": list(sends)}).encode(), "sends")
    return [registered, entry(batch(list(reports)), "batch", trust="token")]


@dataclass
class Clock:
    """A clock that moves on with each look."""

    at: int = NOW

    def __call__(self) -> int:
        """Return the time, one second later each time."""
        self.at += times.SECOND
        return self.at


@dataclass
class Desk:
    """A store whose history is judged by changing rules."""

    store: Store
    journal: Journal
    clock: Callable[[], int]

    async def take(self, entries: Iterable[Pushed], rules: Policy) -> None:
        """Project further entries."""
        for one in entries:
            await self.journal.append(one)
        await project(self.journal, self.store, rules=rules)

    async def rehearse(self, rules: Policy) -> Run:
        """Tell what would change."""
        return await rehearse(
            self.store, rules, None, clock=self.clock, on_progress=lambda _run: None
        )

    async def run(self, rules: Policy) -> Run:
        """Reclassify to the end."""
        reclassifier = self.reclassifier()
        await reclassifier.start(rules, None)
        async with asyncio.timeout(PATIENCE_S):
            while (newest := await reclassifier.progress()) and newest[1] is Phase.RUNNING:  # noqa: ASYNC110 - as a client has to
                await asyncio.sleep(0.002)
        assert newest is not None
        assert newest[1] is Phase.FINISHED
        return newest[0]

    def reclassifier(self) -> Reclassifier:
        """Make one of its own."""
        return Reclassifier(self.store, None, clock=self.clock, give_way=lambda: 0)

    async def words(self) -> dict[str, tuple[str, bool]]:
        """Return what stands about each number: the message and whether it suppresses."""
        rows = await rows_of(self.store, suppressions)
        return {row["number"]: (row["source_id"], row["suppressed"]) for row in rows}

    async def history(self) -> list[tuple[bool, str, str]]:
        """Return the trail: suppressed or not, by whom, why."""
        rows = await rows_of(self.store, suppression_changes)
        return [(row["suppressed"], row["by"], row["reason"]) for row in rows]


@asynccontextmanager
async def a_desk(url: str, directory: Path) -> AsyncIterator[Desk]:
    """Open an empty store and journal."""
    async with a_journal(directory) as journal, a_store(url) as store:
        yield Desk(store, journal, Clock())


OTHER = "+8615500005173"
STORY = pushed(
    [sent("a", 3), sent("b", 3, OTHER)], [came("a", "ZQ:0001", 2), came("b", "ZQ:0002", 2)]
)
CORRECTED = {OTHER: ("b", True)}
LIFTED_WHY = "reclassified: catalogue row ZQ:0001 no longer suppresses"
MADE_WHY = "reclassified: catalogue row ZQ:0002 suppresses"


def retries_of(run: Run) -> list[tuple[str, str, int, tuple[str, ...]]]:
    """Return what a run tells of retries."""
    return [(one.effect, one.reason, one.messages, one.examples) for one in run.effects.retries]


def suppressions_of(run: Run) -> list[tuple[str, str | None, str | None, int, int]]:
    """Return what a run tells of suppressions."""
    return [
        (one.review.effect, one.review.code, one.review.category, one.numbers, one.in_force)
        for one in run.effects.suppressions
    ]


async def test_a_run_tells_and_notes_what_was_wrong(
    store_url: str, tmp_path: Path, rules: dict[str, Policy]
) -> None:
    """A dry run says the same and changes nothing; each lift stands in the history with why."""
    async with a_desk(store_url, tmp_path) as desk:
        await desk.take(STORY, rules["wrong"])
        assert await desk.words() == {PERSON: ("a", True)}
        told = await desk.rehearse(rules["right"])
        assert await desk.words() == {PERSON: ("a", True)}
        assert await desk.history() == []
        run = await desk.run(rules["right"])
        assert run.effects == told.effects
        assert retries_of(run) == [
            ("queued", "routing", 1, ("a",)),
            ("withdrawn", "invalid-number", 1, ("b",)),
        ]
        assert suppressions_of(run) == [
            ("lifted", "ZQ:0001", "routing", 1, 1),
            ("made", "ZQ:0002", "invalid-number", 1, 1),
        ]
        assert await desk.words() == CORRECTED
        assert sorted(await desk.history()) == [
            (False, "reclassify", LIFTED_WHY),
            (True, "reclassify", MADE_WHY),
        ]
        assert (await desk.run(rules["right"])).effects == Effects()
        assert len(await desk.history()) == 2


async def test_another_wait_alone_plans_retries_anew(
    tmp_path: Path, rules: dict[str, Policy]
) -> None:
    """Where category and state stay, the queue follows nonetheless, and the run says so."""
    async with a_desk(default_url(tmp_path), tmp_path) as desk:
        await desk.take(STORY, rules["wrong"])
        (before,) = await rows_of(desk.store, retries)
        told = await desk.rehearse(rules["soon"])
        run = await desk.run(rules["soon"])
        (after,) = await rows_of(desk.store, retries)
        assert (run.changed, retries_of(run)) == (0, [("replanned", "routing", 1, ("b",))])
        assert after["planned_for"] < before["planned_for"]
        assert told.effects == run.effects


async def rows_by_party(store: Store) -> list[dict[str, Any]]:
    """Return the suppressions in an order that does not depend on when each was written."""
    rows = [{**row, "id": 0} for row in await rows_of(store, suppressions)]
    return sorted(rows, key=lambda row: (row["number"], row["channel"]))


@pytest.mark.parametrize("seed", range(at_length(1, 20)))
async def test_a_dry_run_counts_what_a_run_does(
    tmp_path: Path, rules: dict[str, Policy], seed: int
) -> None:
    """Whatever lies in which slice; and the store is then as if it had always had the rules."""
    random = Random(seed)  # noqa: S311 - no secret
    codes = [f"ZQ:000{number}" for number in range(1, 5)]
    codes += ["MK:0001", "DELIVRD", "EXPIRED", "UNDELIV"]
    numbers = [f"+8615500005{number:03}" for number in range(150)]
    sends = [sent(f"m{place}", 90, random.choice(numbers)) for place in range(700)]
    reports = [
        came(f"m{place}", random.choice(codes), random.uniform(1, 80)) for place in range(700)
    ]
    reports += [came(f"m{random.randrange(700)}", random.choice(codes), 0.5) for _ in range(60)]
    story = pushed(sends, reports)
    (tmp_path / "fresh").mkdir()
    async with a_desk(default_url(tmp_path), tmp_path) as desk:
        await desk.take(story, rules["wrong"])
        told = await desk.rehearse(rules["right"])
        run = await desk.run(rules["right"])
        assert told.effects == run.effects
        assert {line.review.effect for line in run.effects.suppressions} == set(SuppressionEffect)
        async with a_desk(default_url(tmp_path / "fresh"), tmp_path / "fresh") as fresh:
            await fresh.take(story, rules["right"])
            assert await rows_by_party(desk.store) == await rows_by_party(fresh.store)
            assert await rows_of(desk.store, retries) == await rows_of(fresh.store, retries)
        counted = sum(line.numbers for line in run.effects.suppressions)
        assert counted == len(await desk.history())


async def test_codes_may_be_switched_off(tmp_path: Path, rules: dict[str, Policy]) -> None:
    """Where codes do not suppress any more, every suppression by one is lifted and says so."""
    async with a_desk(default_url(tmp_path), tmp_path) as desk:
        await desk.take(STORY, rules["wrong"])
        off = replace(rules["wrong"], suppressed_us=0)
        told, run = await desk.rehearse(off), await desk.run(off)
        (line,) = run.effects.suppressions
        assert told.effects == run.effects
        assert line.review.reason == "suppression by codes is switched off"
        assert await desk.words() == {}
        assert (await desk.run(policy())).effects.suppressions == ()
