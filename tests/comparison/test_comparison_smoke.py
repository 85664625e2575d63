"""The comparison finds what differs, and its table is the changelog's."""

import re
import time

import pytest

from tests.support.server import ROOT

from .traffic import make_traffic
from .values import (
    TABLE,
    Answers,
    Change,
    Rewording,
    Table,
    compare,
    read_csv,
    read_json,
    read_metrics,
    read_text,
)

_TITLE = Change(
    "Changed", "why", where="> title$", texts=(("old words", "new words"),),
    patterns=((r"(\d+) item\(s\)", r"\1 items"),),
)  # fmt: skip
_PLACES = Change(
    "Added", "why", added=("> new$",), removed=("> old$",), changed=("> version$",)
)  # fmt: skip
_KNOWN = Table((_TITLE, _PLACES), ("> random$",))
_SAME: dict[str, tuple[Answers, Answers]] = {
    "the same": ({"a > b": 1}, {"a > b": 1}),
    "a text that was changed": ({"a > title": "so old words"}, {"a > title": "so new words"}),
    "a pattern that was changed": ({"a > title": "3 item(s)"}, {"a > title": "3 items"}),
    "a time somewhat later": (
        {"a > at": "until 2026-01-31T08:00:00Z"},
        {"a > at": "until 2026-01-31T08:01:02.5Z"},
    ),
    "a random value": ({"a > random": "x"}, {"a > random": "y"}),
    "lines with times": (
        {"a > text": ["x", "2026-01-31 08:00"]},
        {"a > text": ["x", "2026-01-31 08:02"]},
    ),
}
_UNLIKE: dict[str, tuple[Answers, Answers]] = {
    "another value": ({"a > b": 1}, {"a > b": 2}),
    "another type": ({"a > b": 1}, {"a > b": True}),
    "a value that is gone": ({"a > b": 1}, {}),
    "a value that is new": ({}, {"a > b": None}),
    "a changed text elsewhere": ({"a > b": "old words"}, {"a > b": "new words"}),
    "a time of another day": (
        {"a > at": "2026-01-31T08:00:00Z"},
        {"a > at": "2026-02-01T08:00:00Z"},
    ),
    "a random value that is gone": ({"a > random": "x"}, {}),
    "one more line": ({"a > text": ["x", "z"]}, {"a > text": ["x", "y", "z"]}),
    "another status, of which the rest follows": (
        {"a > status": 200, "a > b": 1},
        {"a > status": 400, "a > c": 1},
    ),
}


@pytest.mark.parametrize("name", _SAME)
def test_what_is_intended_is_no_difference(name: str) -> None:
    """What the table names, and what two runs differ in, is not reported."""
    assert compare(*_SAME[name], _KNOWN) == []


@pytest.mark.parametrize("name", _UNLIKE)
def test_every_other_difference_is_found(name: str) -> None:
    """Any other difference is reported, once."""
    assert len(compare(*_UNLIKE[name], _KNOWN)) == 1


def test_places_that_came_and_went() -> None:
    """A place may be new, gone or of any value where the table says so."""
    before: Answers = {"a > old": 1, "a > version": "1"}
    after: Answers = {"a > new": 1, "a > version": "2"}
    assert compare(before, after, _KNOWN) == []
    assert _PLACES in _KNOWN.used
    assert len(compare(after, before, _KNOWN)) == 2


@pytest.mark.parametrize(
    ("before", "after", "text", "reworded"),
    [
        ("old {words}.", "new.", "Say: old {words}.", "Say: new."),
        ("{1} of {2} old", "{2} new, {1}", "a of b old", "b new, a"),
        ("{1} is {1}", "{1}", "a is a", "a"),
        ("`{1}` old.", r"`{1}` \n.", "x `a`, `b` old.", r"x `a`, `b` \n."),
        ("old {1}.", "new {1}.", "other a.", "other a."),
    ],
)
def test_placeholders_are_carried_over(before: str, after: str, text: str, reworded: str) -> None:
    """A row of the texts matches a part of a text, whatever stands for its placeholders."""
    one = Rewording.make(before, after)
    assert one.pattern.sub(one.after, text) == reworded


def test_items_of_a_list_are_told_by_their_ids() -> None:
    """One more item of a list is that item, and the places of the others stay."""
    one = read_json("a", {"messages": [{"sms_msg_id": "x", "n": 1}]})
    two = read_json("a", {"messages": [{"sms_msg_id": "w", "n": 1}, {"sms_msg_id": "x", "n": 1}]})
    found = {difference.where for difference in compare(one, two, Table())}
    assert found == {"a > messages[]", "a > messages[w].sms_msg_id", "a > messages[w].n"}


@pytest.mark.parametrize(
    ("read", "text", "place", "value"),
    [
        (read_text, '{"a": [1, {"b": null}]}', "x > a[1].b", None),
        (read_text, '{"a": 1}\n{"a": 2}\n', "x > [1].a", 2),
        (read_text, "╭────────╮\n a   b \n\n", "x", ["╭─╮", "a b"]),
        (read_csv, "\ufeffid,n\nx,1\n", "x > [x].n", "1"),
        (read_metrics, '# HELP m Some help.\nm{a="b"} 3\n', 'x > m{a="b"}', 3.0),
        (read_metrics, '# HELP m Some help.\nm{a="b"} 3\n', "x > HELP m", "Some help."),
    ],
)
def test_answers_are_read(read: object, text: str, place: str, value: object) -> None:
    """Each kind of answer becomes places and values."""
    assert callable(read)
    assert read("x", text)[place] == value


def test_traffic_is_the_same_for_all() -> None:
    """The same number of messages at the same time is the same bytes."""
    now = time.time_ns() // 1000
    assert make_traffic(40, now) == make_traffic(40, now)


def test_the_changelog_has_the_intended_differences() -> None:
    """Each reason of the table stands in the changelog under its heading, once."""
    text = (ROOT / ".github" / "CHANGELOG.md").read_text()
    unreleased = text.split("\n## ")[1]
    listed = {
        (heading, " ".join(entry.split()))
        for heading, entries in re.findall(r"### (\w+)\n(.*?)(?=\n### |\Z)", unreleased, re.DOTALL)
        for entry in re.findall(r"^- (.*?)(?=^- |\Z)", entries, re.DOTALL | re.MULTILINE)
    }
    table = {(change.kind, change.why) for change in Table.load().changes}
    assert TABLE.exists()
    assert table <= listed, table - listed
