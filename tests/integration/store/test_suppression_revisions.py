"""Suppressions by codes that today's rules lift or make: why, the trail, and its undo."""

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
from receiver.domain.effects import Effects, Review, SuppressionEffect, Undo
from receiver.domain.projection import Policy
from receiver.domain.reclassification import Run
from receiver.domain.suppressions.manual import write_word
from receiver.domain.suppressions.revisions import (
    Noted,
    Proof,
    Revision,
    explain,
    is_kept,
    taken_back,
)
from receiver.domain.suppressions.suppression import (
    ScopedEntry,
    Source,
    SuppressionEntry,
    SuppressionScope,
)
from receiver.huawei.catalogue import load_catalogue
from receiver.journal import Journal, JournalEntry
from receiver.projector.reclassifier import AnotherRunError, Reclassifier, RunPhase
from receiver.projector.rehearsal import rehearse
from receiver.store.database.urls import default_url
from receiver.store.schema import retries, suppression_changes, suppressions
from receiver.store.store import Store
from tests.support.parts import (
    HOUR,
    NOW,
    PATIENCE_S,
    a_journal,
    a_store,
    batch,
    entry,
    finished,
    form,
    policy,
    project,
    rows_of,
)
from tests.support.server import at_length

PERSON = "+8615500005172"
PARTY = SuppressionScope(PERSON, "", "default")
FAILURE = SuppressionEntry(
    suppressed=True,
    decided_at=NOW - 2 * HOUR,
    source=Source.CODE,
    source_id="a",
    reason="ZQ:0001",
    until=NOW + HOUR,
)
LATER = replace(FAILURE, decided_at=NOW - HOUR, source_id="b")
PINNED = replace(FAILURE, restored_at=NOW)
PINNED_LIFT = replace(PINNED, suppressed=False)

# --- why ------------------------------------------------------------------------------------------

LIFTED = Revision(PARTY, FAILURE, None)
MADE = Revision(PARTY, None, FAILURE)
PROOF = Proof(PERSON, "blocked-recipient", "ZQ:*", suppresses=True, is_believed=True)
RULED_OUT = replace(PROOF, suppresses=False)


@pytest.mark.parametrize(
    ("revision", "proof", "others", "is_on", "said"),
    [
        pytest.param(MADE, PROOF, [], True, "catalogue row ZQ:* suppresses", id="made"),
        pytest.param(MADE, None, [], True, "the message has finally failed", id="made, no message"),
        pytest.param(LIFTED, RULED_OUT, [], True, "catalogue row ZQ:* no longer suppresses",
                     id="another row"),
        pytest.param(LIFTED, replace(RULED_OUT, row=None), [], True, "the message has not failed",
                     id="no row"),
        pytest.param(LIFTED, replace(PROOF, is_believed=False), [], True,
                     "the report is not trusted enough", id="not believed"),
        pytest.param(LIFTED, replace(PROOF, number="+861"), [], True,
                     "the message was sent to another number", id="another number"),
        pytest.param(LIFTED, PROOF, [replace(MADE, party=replace(PARTY, channel="1069"))], True,
                     "it applies to another channel", id="another channel"),
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


# --- undo, as pure values -------------------------------------------------------------------------


def noted(effect: SuppressionEffect) -> Noted:
    """Make what a run noted about the person."""
    return Noted(PARTY, NOW, Review(effect, "ZQ:0001", None, ""), FAILURE)


def said_by(source: Source, at: int, *, suppressed: bool = False, channel: str = "") -> ScopedEntry:
    """Let a person, or somebody here, speak of the number."""
    return ScopedEntry(
        replace(PARTY, channel=channel), SuppressionEntry(suppressed, at, source, "somebody")
    )


RESTORED = replace(FAILURE, restored_at=NOW + 9)
TAKEN = replace(RESTORED, suppressed=False)
LIFT, MAKE = SuppressionEffect.LIFTED, SuppressionEffect.MADE


@pytest.mark.parametrize(
    ("effect", "said", "expected"),
    [
        pytest.param(LIFT, [], RESTORED, id="lifted"),
        pytest.param(LIFT, [ScopedEntry(PARTY, LATER)], None, id="lifted, failed again since"),
        pytest.param(LIFT, [ScopedEntry(PARTY, PINNED_LIFT)], RESTORED, id="lifted, an older undo"),
        pytest.param(LIFT, [said_by(Source.HAND, NOW + 1)], None, id="lifted, then manually"),
        pytest.param(LIFT, [said_by(Source.HAND, NOW - 1)], RESTORED, id="a manual lift before"),
        pytest.param(LIFT, [said_by(Source.HAND, NOW + 1, suppressed=True)], None,
                     id="lifted, then suppressed manually"),
        pytest.param(LIFT, [said_by(Source.UPLINK, NOW + 1)], None, id="lifted, then an opt-in"),
        pytest.param(LIFT, [said_by(Source.UPLINK, NOW + 1, suppressed=True, channel="1069")],
                     None, id="lifted, then an opt-out of a channel"),
        pytest.param(MAKE, [ScopedEntry(PARTY, FAILURE)], TAKEN, id="made"),
        pytest.param(MAKE, [], None, id="made, gone since"),
        pytest.param(MAKE, [ScopedEntry(PARTY, LATER)], None, id="made, failed again since"),
        pytest.param(MAKE, [ScopedEntry(PARTY, FAILURE), said_by(Source.UPLINK, NOW + 1,
            suppressed=True)],
                     None, id="made, then an opt-out"),
        pytest.param(MAKE, [ScopedEntry(replace(PARTY, channel="1"), FAILURE)], None,
                     id="another channel's"),
    ],
)  # fmt: skip
def test_an_undo_overrides_nothing_newer(
    effect: SuppressionEffect, said: list[ScopedEntry], expected: SuppressionEntry | None
) -> None:
    """What was lifted is restored and what was made is lifted, unless something newer was said."""
    assert taken_back(noted(effect), said, NOW + 9) == expected


@pytest.mark.parametrize(
    ("restored", "wanted", "delivered_at", "kept"),
    [
        pytest.param(PINNED, None, None, True, id="nothing proves it"),
        pytest.param(PINNED, None, NOW - 1, True, id="a delivery that was known"),
        pytest.param(PINNED, None, NOW + 1, False, id="a delivery since"),
        pytest.param(PINNED, FAILURE, None, True, id="the same failure"),
        pytest.param(PINNED, LATER, None, False, id="another failure"),
        pytest.param(PINNED_LIFT, FAILURE, None, True, id="lifted, the same failure"),
        pytest.param(PINNED_LIFT, LATER, None, False, id="lifted, another failure"),
        pytest.param(PINNED_LIFT, None, NOW + 1, True, id="lifted, a delivery since"),
    ],
)
def test_what_an_undo_put_back_stands_until_something_newer(
    restored: SuppressionEntry,
    wanted: SuppressionEntry | None,
    delivered_at: int | None,
    kept: bool,
) -> None:
    """An ordinary report decides over it only by what it brings that is new."""
    assert is_kept(restored, wanted, delivered_at) == kept


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
    """Return the rules before and after a correction, and with another wait."""
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


def pushed(
    sends: Sequence[dict[str, Any]], reports: Sequence[dict[str, str]]
) -> list[JournalEntry]:
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

    async def take(self, entries: Iterable[JournalEntry], rules: Policy) -> None:
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
        return await finished(reclassifier)

    async def undo(self) -> Undo:
        """Take the last run back."""
        newest = await self.reclassifier().undo()
        assert newest is not None
        assert newest[0].effects.undo is not None
        return newest[0].effects.undo

    def reclassifier(self, yield_factor: int = 0) -> Reclassifier:
        """Return another reclassifier, which pauses where it yields to others."""
        return Reclassifier(self.store, None, clock=self.clock, yield_factor=lambda: yield_factor)

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


async def test_another_wait_alone_replans_retries(tmp_path: Path, rules: dict[str, Policy]) -> None:
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


async def test_an_undo_restores_and_says_so(
    store_url: str, tmp_path: Path, rules: dict[str, Policy]
) -> None:
    """Both sides are taken back once; reports change nothing of it, the next run does again."""
    async with a_desk(store_url, tmp_path) as desk:
        await desk.take(STORY, rules["wrong"])
        await desk.run(rules["right"])
        undo = await desk.undo()
        assert (undo.restored, undo.lifted, undo.kept) == (1, 1, 0)
        stood = {PERSON: ("a", True), OTHER: ("b", False)}
        assert await desk.words() == stood
        trail = await desk.history()
        assert {one[2].partition(" begun")[0] for one in trail[2:]} == {
            "restored: undo of the reclassification",
            "lifted: undo of the reclassification",
        }
        assert await desk.undo() == undo
        assert await desk.history() == trail
        more = [(name, to) for name, to in (("c", PERSON), ("d", OTHER))]
        news = pushed(
            [sent(name, 1, to) for name, to in more],
            [came(name, "UNDELIV", 0.5) for name, _ in more],
        )
        again = [entry(batch([came("a", "ZQ:0001", 2)]), "batch", trust="token")]
        await desk.take([*news, *again], rules["right"])
        assert await desk.words() == stood
        run = await desk.run(rules["right"])
        assert [line[0] for line in suppressions_of(run)] == ["lifted", "made"]
        assert await desk.words() == CORRECTED
        assert len(await desk.history()) == 6


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        pytest.param("DELIVRD", {OTHER: ("b", False)}, id="a delivery lifts what was restored"),
        pytest.param(
            "ZQ:0002", {PERSON: ("c", True), OTHER: ("d", True)}, id="a failure suppresses again"
        ),
    ],
)
async def test_what_is_new_counts_after_an_undo(
    tmp_path: Path, rules: dict[str, Policy], status: str, expected: dict[str, tuple[str, bool]]
) -> None:
    """A delivery or failure after the undo decides as it always does."""
    async with a_desk(default_url(tmp_path), tmp_path) as desk:
        await desk.take(STORY, rules["wrong"])
        await desk.run(rules["right"])
        await desk.undo()
        later = [came(name, status, -1) for name in "cd"]
        sends = [sent("c", 0, PERSON), sent("d", 0, OTHER)]
        arrived = [one._replace(received_at=NOW + 2 * HOUR) for one in pushed(sends, later)]
        await desk.take(arrived, rules["right"])
        found = await desk.words()
        assert {number: found[number] for number in expected} == expected
        assert len(found) == len(expected)


async def test_an_undo_leaves_what_people_decided_since(
    tmp_path: Path, rules: dict[str, Policy]
) -> None:
    """A manual lift and an opt-out after the run stand; what they concern is left as it is."""
    word = replace(said_by(Source.HAND, NOW + HOUR).word, reason="asked")
    lift = ScopedEntry(SuppressionScope(PERSON, "", ""), word)
    stop = form(from_=OTHER, to="1069", smsMsgId="u", body="R")
    async with a_desk(default_url(tmp_path), tmp_path) as desk:
        await desk.take(STORY, rules["wrong"])
        await desk.run(rules["right"])
        await desk.take(
            [
                entry(write_word(lift), "suppression", received_at=NOW + HOUR),
                entry(stop, "uplink", received_at=NOW + HOUR, trust="token"),
            ],
            rules["right"],
        )
        before = await rows_of(desk.store, suppressions)
        undo = await desk.undo()
        assert (undo.restored, undo.lifted, undo.kept) == (0, 0, 2)
        assert await rows_of(desk.store, suppressions) == before


async def test_only_the_last_run_is_undone(tmp_path: Path, rules: dict[str, Policy]) -> None:
    """A run that finds nothing leaves nothing to undo; without any run there is none."""
    async with a_desk(default_url(tmp_path), tmp_path) as desk:
        assert await desk.reclassifier().undo() is None
        await desk.take(STORY, rules["wrong"])
        await desk.run(rules["right"])
        await desk.run(rules["right"])
        undo = await desk.undo()
        assert (undo.restored, undo.lifted, undo.kept) == (0, 0, 0)
        assert await desk.words() == CORRECTED


async def test_a_stopped_run_that_was_undone_starts_again(
    tmp_path: Path, rules: dict[str, Policy]
) -> None:
    """It would otherwise leave out what was taken back."""
    sends = [sent(f"m{number}", 3, f"+86155{number:08}") for number in range(900)]
    reports = [came(send["sms_msg_id"], "ZQ:0001", 2) for send in sends]
    async with a_desk(default_url(tmp_path), tmp_path) as desk:
        await desk.take(pushed(sends, reports), rules["wrong"])
        reclassifier = desk.reclassifier(yield_factor=4)
        await reclassifier.start(rules["right"], None)
        async with asyncio.timeout(PATIENCE_S):
            while (newest := await reclassifier.progress()) and newest[0].position == 0:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.002)
        with pytest.raises(AnotherRunError):
            await reclassifier.undo()
        await reclassifier.stop()
        newest = await reclassifier.progress()
        assert newest is not None
        stopped, phase = newest
        assert (phase, 0 < stopped.position < 900) == (RunPhase.STOPPED, True)
        lifted = 900 - len(await desk.words())
        assert [line[3] for line in suppressions_of(stopped)] == [lifted]
        assert (await desk.undo()).restored == lifted
        run = await desk.run(rules["right"])
        assert (run.examined, run.effects.suppressions[0].numbers) == (900, 900)
        assert await desk.words() == {}


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
        assert {line.review.effect for line in run.effects.suppressions} == {LIFT, MAKE}
        async with a_desk(default_url(tmp_path / "fresh"), tmp_path / "fresh") as fresh:
            await fresh.take(story, rules["right"])
            assert await rows_by_party(desk.store) == await rows_by_party(fresh.store)
            assert await rows_of(desk.store, retries) == await rows_of(fresh.store, retries)
        counted = sum(line.numbers for line in run.effects.suppressions)
        assert counted == len(await desk.history())
        undo = await desk.undo()
        assert (undo.restored + undo.lifted, undo.kept) == (counted, 0)


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
