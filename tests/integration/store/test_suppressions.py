"""The suppression list: the newest word of each person to each channel, in any order."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete

from receiver.domain import times
from receiver.domain.inputs import Arrival, Trust, Uplink, trust_order
from receiver.domain.projection import Known, Projection, UplinkArrived, keys_of
from receiver.domain.suppressions.opt_outs import OptOutWords
from receiver.domain.suppressions.suppression import Source, SuppressionEntry, last_word, standing
from receiver.store import projector, rereading
from receiver.store.quarantine import QuarantineLimits
from receiver.store.queries import Page
from receiver.store.schema import suppressions, uplinks
from receiver.store.store import Store
from receiver.store.suppressions import entries
from receiver.store.suppressions.entries import SuppressionFilter
from tests.support.parts import HOUR, NOW, a_journal, a_store, entry, form, project, rows_of

PERSON = "+8615500005172"
OPTED_OUT = SuppressionFilter(suppressed=True, now=NOW)
Said = tuple[str, str, int]  # smsMsgId, text, hours ago


def word(suppressed: bool, ago: int = 0, source_id: str = "u") -> SuppressionEntry:
    """Make a word."""
    return SuppressionEntry(suppressed, NOW - ago, Source.UPLINK, source_id)


OUT, IN = True, False


@pytest.mark.parametrize(
    ("one", "other", "holds"),
    [
        pytest.param(word(OUT), word(IN, ago=1), word(OUT), id="newer opt-out"),
        pytest.param(word(OUT, ago=1), word(IN), word(IN), id="newer opt-in"),
        pytest.param(word(OUT, source_id="a"), word(IN, source_id="b"), word(OUT, source_id="a"),
                     id="same moment: the opt-out"),
        pytest.param(word(OUT, source_id="a"), word(OUT, source_id="b"), word(OUT, source_id="b"),
                     id="same moment, same word: the greater id"),
        pytest.param(word(OUT), word(OUT), word(OUT), id="the same again"),
    ],
)  # fmt: skip
def test_the_last_word_holds(
    one: SuppressionEntry, other: SuppressionEntry, holds: SuppressionEntry
) -> None:
    """Of two words the newer one holds, whichever is heard first."""
    assert last_word(one, other) == last_word(other, one) == holds


_WORDS = st.builds(
    SuppressionEntry,
    st.booleans(),
    st.integers(0, 3),
    st.just(Source.UPLINK),
    st.sampled_from("abc"),
    trust=st.sampled_from(Trust),
)


@given(st.lists(_WORDS, min_size=1), st.randoms(use_true_random=False))
def test_any_order_and_repetition_gives_the_same(words: list[SuppressionEntry], dice: Any) -> None:
    """Folding words one by one gives the same in every order, and once more changes nothing."""
    again = [*dice.sample(words, len(words)), *dice.choices(words, k=3)]

    assert _fold(again) == _fold(words)


def _fold(words: Sequence[SuppressionEntry]) -> SuppressionEntry:
    holds = words[0]
    for one in words[1:]:
        holds = last_word(holds, one)
    return holds


def trusted(suppressed: bool, at: int, trust: Trust) -> SuppressionEntry:
    """Make a word that is trusted so far."""
    return replace(word(suppressed), decided_at=at, source_id=f"u{at}", trust=trust)


OPEN, TOKEN, SIGNED = Trust.OPEN, Trust.TOKEN, Trust.SIGNED
STANDING: list[Any] = [
    pytest.param([], [], id="nothing"),
    pytest.param([(OUT, 1, OPEN)], [1], id="anybody opts out"),
    pytest.param([(OUT, 1, TOKEN), (IN, 2, TOKEN)], [2], id="lifted by one trusted as much"),
    pytest.param([(OUT, 1, OPEN), (IN, 2, TOKEN)], [2], id="lifted by one trusted more"),
    pytest.param([(OUT, 1, TOKEN), (IN, 2, OPEN)], [1, 2], id="not lifted by one trusted less"),
    pytest.param([(OUT, 1, TOKEN), (IN, 2, TOKEN), (OUT, 3, OPEN)], [2, 3], id="out once more"),
    pytest.param([(OUT, 1, TOKEN), (IN, 2, TOKEN), (OUT, 3, OPEN), (IN, 4, OPEN)], [2, 4],
                 id="out once more and lifted by one trusted as much"),
    pytest.param([(OUT, 1, SIGNED), (OUT, 2, TOKEN), (IN, 3, TOKEN)], [1, 3],
                 id="each is lifted by itself"),
    pytest.param([(OUT, 1, TOKEN), (OUT, 1, OPEN)], [1], id="the same, redelivered"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "expected"), STANDING)
def test_which_words_count(words: list[tuple[bool, int, Trust]], expected: list[int]) -> None:
    """Of each trust the last word counts that is trusted as much or more."""
    found = standing([trusted(*one) for one in words])
    assert [one.decided_at for one in found] == expected


@given(st.lists(_WORDS, max_size=8), st.data())
def test_an_opt_out_holds_until_one_trusted_as_much_lifts_it(
    words: list[SuppressionEntry], data: st.DataObject
) -> None:
    """Heard in any order and in pieces, words suppress where an opt-out was never lifted."""
    mixed = data.draw(st.permutations(words))
    cut = data.draw(st.integers(0, len(words)))
    counting = standing([*standing(mixed[:cut]), *mixed[cut:]])
    assert counting == standing(words)
    assert any(one.suppressed for one in counting) == any(
        one.suppressed and not any(_takes_back(other, one) for other in words) for one in words
    )


def _takes_back(lift: SuppressionEntry, opt_out: SuppressionEntry) -> bool:
    assert lift.trust is not None
    assert opt_out.trust is not None
    is_later = lift.decided_at > opt_out.decided_at
    as_much = trust_order(lift.trust) >= trust_order(opt_out.trust)
    return not lift.suppressed and is_later and as_much


# --- in the store -------------------------------------------------------------------------------


async def say(
    store: Store, *said: Said, channel: str = "1069", sender: str = PERSON, application: str = "a"
) -> None:
    """Take uplinks of a person in one transaction, as the projector does."""
    events = [
        UplinkArrived(
            Arrival(application, NOW - ago * HOUR), Uplink(sms_msg_id, sender, channel, text)
        )
        for sms_msg_id, text, ago in said
    ]
    async with store.writing() as connection:
        projection = Projection(await projector.load(connection, *keys_of(events)))
        for event in events:
            projection.apply(event)
        await projector.save(connection, projection.finish(), QuarantineLimits(), _no_breath)


async def _no_breath() -> None:
    """Return nothing up."""


async def listed(store: Store, wanted: SuppressionFilter = OPTED_OUT) -> list[str]:
    """Return the ids of the uplinks that rows of the list rest on."""
    async with store.reading() as connection:
        rows, _ = await entries.list_suppressions(connection, wanted, Page(50))
    return [row["source_id"] for row in rows]


async def content(store: Store) -> list[dict[str, Any]]:
    """Return the list without its row ids, in an order of its own."""
    rows = [{**row, "id": 0} for row in await rows_of(store, suppressions)]
    order = ("application", "number", "channel", "trust")
    return sorted(rows, key=lambda row: [row[name] for name in order])


async def test_an_opt_out_becomes_a_row(store_url: str) -> None:
    """It has the person's number, the channel, when it was written and by which uplink."""
    async with a_store(store_url) as store:
        await say(store, ("u1", "R", 2), channel="+1069 07", sender="15500005172")
        assert await content(store) == [
            {
                "id": 0,
                "application": "a",
                "number": PERSON,
                "channel": "106907",
                "suppressed": True,
                "source": "uplink",
                "source_id": "u1",
                "decided_at": NOW - 2 * HOUR,
                "reason": None,
                "until": None,
                "overrides": False,
                "trust": "open",
                "restored_at": None,
            }
        ]
        assert [row["intent"] for row in await rows_of(store, uplinks)] == ["opt-out"]


@pytest.mark.parametrize(
    ("said", "suppressed", "by"),
    [
        pytest.param([("o", "R", 2), ("i", "START", 1)], False, "i", id="lifted"),
        pytest.param([("i", "START", 2), ("o", "R", 1)], True, "o", id="opted out again"),
        pytest.param([("i", "START", 2)], False, "i", id="an opt-in alone"),
        pytest.param([("o", "R", 1), ("p", "TD", 1)], True, "p", id="twice at one moment"),
        pytest.param([("o", "R", 2), ("x", "ok", 1)], True, "o", id="an ordinary answer after it"),
    ],
)
@pytest.mark.parametrize("together", [True, False], ids=["one batch", "one by one"])
@pytest.mark.parametrize("backwards", [False, True], ids=["in order", "backwards"])
async def test_the_newest_word_holds(
    store_url: str, said: list[Said], suppressed: bool, by: str, together: bool, backwards: bool
) -> None:
    """Whatever order words arrive in, and however they are cut into batches."""
    arriving = said[::-1] if backwards else said
    async with a_store(store_url) as store:
        for batch in [arriving] if together else [[one] for one in arriving]:
            await say(store, *batch)
        await say(store, *arriving)  # redelivered
        assert [(r["suppressed"], r["source_id"]) for r in await content(store)] == [
            (suppressed, by)
        ]


Heard = tuple[str, str, int, str]  # smsMsgId, text, hours ago, trust
ROWS: list[Any] = [
    pytest.param([("o", "R", 2, "token"), ("i", "START", 1, "open")], ["o"],
                 id="an open opt-in lifts no trusted opt-out"),
    pytest.param([("o", "R", 2, "open"), ("i", "START", 1, "open")], [], id="both open"),
    pytest.param([("o", "R", 2, "token"), ("i", "START", 1, "signed")], [], id="trusted more"),
    pytest.param([("o", "R", 2, "open"), ("o", "R", 2, "signed"), ("i", "START", 1, "token")],
                 ["o"], id="an opt-out that came again, signed"),
    pytest.param([("o", "R", 2, "token"), ("i", "START", 1, "open"), ("i", "START", 1, "token")],
                 [], id="an opt-in that came again, trusted as much"),
    pytest.param([("o", "R", 3, "token"), ("i", "START", 2, "token"), ("p", "R", 1, "open")],
                 ["p"], id="anybody may opt out"),
]  # fmt: skip


@pytest.mark.parametrize(("heard", "expected"), ROWS)
async def test_an_opt_in_lifts_what_is_trusted_no_more(
    store_url: str, tmp_path: Path, heard: list[Heard], expected: list[str]
) -> None:
    """In each order of arrival, and when a reclassification reads all again."""
    for place, order in enumerate(permutations(heard)):
        directory = tmp_path / str(place)
        directory.mkdir()
        async with a_journal(directory) as journal, a_store(store_url) as store:
            async with store.writing() as connection:
                for table in (uplinks, suppressions):
                    await connection.execute(delete(table))
            for sms_msg_id, text, ago, trust in order:
                created = times.to_rfc3339(NOW - ago * HOUR)
                given = {"from_": PERSON, "to": "1069", "body": text, "smsMsgId": sms_msg_id}
                body = form(**given, createTime=created)
                await journal.append(entry(body, "uplink", trust=trust))
            await project(journal, store, batch_rows=1 + place % 3)
            assert await listed(store) == expected, order
            before = await content(store)
            async with store.writing() as connection:
                await connection.execute(delete(suppressions))
                found = await rereading.read_uplinks(connection, 0, 100, 100)
                await rereading.hear_again(connection, found)
            assert await content(store) == before


async def test_channels_applications_and_people_stand_apart(store_url: str) -> None:
    """An opt-in lifts only the channel that it was written to."""
    async with a_store(store_url) as store:
        await say(store, ("u1", "R", 5), channel="1069")
        await say(store, ("u2", "R", 5), channel="1070")
        await say(store, ("u3", "R", 5), application="b")
        await say(store, ("u4", "R", 5), sender="+8615500005173")
        await say(store, ("u5", "START", 1), channel="1069")
        assert await listed(store) == ["u4", "u3", "u2"]
        assert await listed(store, SuppressionFilter(suppressed=False, now=NOW)) == ["u5"]


async def test_the_list_is_found_by_every_filter(store_url: str) -> None:
    """By number in any writing, channel with its extensions, and application."""
    async with a_store(store_url) as store:
        await say(store, ("u1", "R", 5), channel="1069")
        await say(store, ("u2", "R", 5), channel="106907")
        await say(store, ("u3", "R", 5), channel="1070", application="b")
        await say(store, ("u4", "R", 5), sender="+8615500005173")
        cases = [
            (OPTED_OUT, ["u4", "u3", "u2", "u1"]),
            (replace(OPTED_OUT, number="155 0000 5172"), ["u3", "u2", "u1"]),
            (replace(OPTED_OUT, channel="1069"), ["u4", "u2", "u1"]),
            (replace(OPTED_OUT, channel="+106907"), ["u2"]),
            (replace(OPTED_OUT, channel="10690"), ["u2"]),
            (replace(OPTED_OUT, channel="10_9"), []),
            (replace(OPTED_OUT, application="b"), ["u3"]),
            (replace(OPTED_OUT, number=PERSON, channel="1069", application="a"), ["u2", "u1"]),
        ]
        for wanted, expected in cases:
            assert await listed(store, wanted) == expected, wanted


async def test_what_came_last_stands_first(store_url: str) -> None:
    """A row that changes keeps its place: somebody may be walking along the list."""
    async with a_store(store_url) as store:
        await say(store, ("u1", "R", 5), channel="1")
        await say(store, ("u2", "R", 5), channel="2")
        await say(store, ("u3", "R", 9), channel="1")
        assert await listed(store) == ["u2", "u1"]
        await say(store, ("u4", "R", 3), channel="1")
        assert await listed(store) == ["u2", "u4"]


async def test_a_large_batch_of_opt_outs_is_written(store_url: str) -> None:
    """More people than one look-up takes are noted, and lifted again."""
    people = [f"+86155{number:08}" for number in range(1100)]
    async with a_store(store_url) as store:
        for text, ago in (("R", 2), ("START", 1)):
            events = [
                UplinkArrived(Arrival("a", NOW - ago * HOUR), Uplink(f"{text}{n}", n, "1069", text))
                for n in people
            ]
            projection = Projection(Known({}, {}, 1))
            for event in events:
                projection.apply(event)
            async with store.writing() as connection:
                await entries.record_opt_outs(connection, projection.finish().uplinks)
            rows = await content(store)
            assert [row["number"] for row in rows] == people
            assert {row["suppressed"] for row in rows} == {text == "R"}


async def test_the_words_of_the_rules_decide(store_url: str) -> None:
    """What counts as a word is passed in."""
    words = OptOutWords(frozenset({"quit"}), frozenset())
    projection = Projection(Known({}, {}, 1), words)
    for sms_msg_id, text in (("u1", "QUIT"), ("u2", "R")):
        projection.apply(UplinkArrived(Arrival("a", NOW), Uplink(sms_msg_id, PERSON, "1069", text)))
    async with a_store(store_url) as store:
        async with store.writing() as connection:
            await entries.record_opt_outs(connection, projection.finish().uplinks)
        assert await listed(store) == ["u1"]


async def test_pushes_reach_the_list_through_the_journal(store_url: str, tmp_path: Path) -> None:
    """The projector notes the words; a restart that reads everything again changes nothing."""

    def uplink(sms_msg_id: str, text: str, created: str) -> bytes:
        return form(from_=PERSON, to="1069", body=text, smsMsgId=sms_msg_id, createTime=created)

    pushes = [
        entry(uplink("u1", "\uff32", "2023-11-14T10:00:00Z"), "uplink"),
        entry(uplink("u2", "start", "2023-11-14T12:00:00Z"), "uplink"),
        entry(uplink("u3", "TD", "2023-11-14T11:00:00Z"), "uplink"),
    ]
    seen = []
    async with a_store(store_url) as store:
        for name in ("first", "second"):  # the second journal tells the same once more
            (tmp_path / name).mkdir()
            async with a_journal(tmp_path / name) as journal:
                for push in pushes:
                    await journal.append(push)
                await project(journal, store)
            seen.append(await rows_of(store, suppressions))
    assert [(row["suppressed"], row["source_id"]) for row in seen[0]] == [(False, "u2")]
    assert seen[1] == seen[0]
