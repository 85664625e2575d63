"""Batches of many items: read one by one, with the same result as all at once."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.domain.steps import finish
from receiver.huawei import wire
from receiver.huawei.batches import LONGEST_ITEM, NoListError, TooLongError, read_items

SCAN = json.JSONDecoder().raw_decode
GOOD = {"smsMsgId": "m", "status": "A"}
MANY = 30_000

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@given(
    items=st.lists(VALUES, max_size=6),
    beside=st.dictionaries(st.text(max_size=3), VALUES, max_size=3),
    indent=st.sampled_from([None, 0, 2]),
)
def test_items_are_those_of_the_json(items: list[Any], beside: Any, indent: int | None) -> None:
    """Items read one by one are those that are read at once, whatever stands beside them."""
    text = json.dumps({**beside, "statusReportList": items, "z": beside}, indent=indent)
    assert list(read_items(text, SCAN)) == items


LIST = '{"statusReportList":[1,2]'
REFUSED = [
    pytest.param("[]", NoListError, id="no object"),
    pytest.param("{}", ValueError, id="no name"),
    pytest.param('{"a":[1]}', NoListError, id="no list"),
    pytest.param('{"statusReportList":{}}', NoListError, id="another type"),
    pytest.param(LIST + ',"statusReportList":3}', NoListError, id="a list and none"),
    pytest.param(LIST, ValueError, id="cut behind the list"),
    pytest.param(LIST[:-1], ValueError, id="cut in the list"),
    pytest.param('{"statusReportList":[1,', ValueError, id="cut behind a comma"),
    pytest.param('{"statusReportList":[1,]}', ValueError, id="comma at the end"),
    pytest.param('{"statusReportList":[1 2]}', ValueError, id="no comma"),
    pytest.param(LIST + "}x", ValueError, id="more behind"),
    pytest.param('{"statusReportList":["' + LONGEST_ITEM * "x" + '"' + 200_000 * " " + "]}",
                 TooLongError, id="item longer than may be"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "error"), REFUSED)
def test_what_is_no_batch_is_refused(text: str, error: type[ValueError]) -> None:
    """JSON that is cut, wrong or without one list is refused, whatever was read before."""
    with pytest.raises(error):
        list(read_items(text, SCAN))


@pytest.mark.parametrize("blanks", [0, 1, 50, LONGEST_ITEM + 1])
def test_windows_do_not_show(blanks: int) -> None:
    """Items are found wherever they lie, with any blanks between them."""
    items = [*range(500), "x" * (LONGEST_ITEM - 10), 12345, *({"a": str(n)} for n in range(500))]
    texts = [json.dumps(item) for item in items]
    text = f'{{"statusReportList":[{(blanks * " " + ",").join(texts[:3])},{",".join(texts[3:])}]}}'
    assert list(read_items(text, SCAN)) == items


def sifted(*items: Any, most_bad: int = 3) -> wire.ParsedPush:
    """Sift a batch."""
    body = json.dumps({"statusReportList": items}, separators=(",", ":")).encode()
    return finish(wire.sift_in_steps(body, most_bad=most_bad))


def test_a_step_is_one_item() -> None:
    """However many items there are, the work can be interrupted behind each."""
    body = json.dumps({"statusReportList": [GOOD] * MANY}).encode()
    assert wire.is_long_work(body)
    assert sum(1 for _ in wire.sift_in_steps(body)) == MANY


@pytest.mark.parametrize("number", [10, MANY], ids=["read at once", "read one by one"])
def test_bad_items_beyond_the_first_are_counted(number: int) -> None:
    """Of many bad items the first are given, the others are counted; no good one is missing."""
    push = sifted(GOOD, *[{"status": "A"}] * number, GOOD)
    assert (push.items, len(push.bad), push.more_bad) == ([GOOD, GOOD], 3, number - 3)


def test_every_item_of_a_push_is_taken() -> None:
    """However many good items a push has, none is left out."""
    push = sifted(*[GOOD] * MANY)
    assert (len(push.items), push.bad, push.more_bad) == (MANY, [], 0)


def test_an_item_that_is_too_long_ends_the_reading() -> None:
    """What is too long among many values is a bad item; the good ones before it count."""
    long = {"x": [1] * 100_000}
    push = sifted(GOOD, long, GOOD)
    assert push.items == [GOOD]
    assert [bad.reason for bad in push.bad] == [
        ("The item is not valid JSON of at most 65536 characters. Nothing after it was read.")
    ]


def test_the_documented_maximum_is_read_at_once() -> None:
    """A batch of 50 reports with every documented field is no long work."""
    fields = ("smsMsgId", "total", "sequence", "status", "statusDesc", "source", "updateTime",
              "extend", "to", "orgCode")  # fmt: skip
    body = json.dumps({"statusReportList": [dict.fromkeys(fields, "短" * 128)] * 50}).encode()
    assert not wire.is_long_work(body)
