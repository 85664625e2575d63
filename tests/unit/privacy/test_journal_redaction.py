"""Journal rows without one person: decoded they tell of others exactly what they told before."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.domain.inputs import StatusReport, Trust
from receiver.domain.privacy.number_matcher import Writings
from receiver.domain.projection import Quarantined, ReportArrived, SendRegistered, UplinkArrived
from receiver.domain.steps import finish
from receiver.journal import EntryKind, Row
from receiver.privacy.journal_redaction import Person, as_written, may_be_about, scrub
from receiver.projector.decoding import decode
from tests.support.parts import NOW, batch, form

PERSON = "+8615500005172"
OTHER = "+8615500005173"
HIS_ID = ("default", "his/1")


def row(body: bytes, kind: str = "status", headers: str = "content-type: x") -> Row:
    """Make a row as it stands in the journal."""
    return Row(7, kind, "default", NOW, "192.0.2.1", Trust.OPEN.value, headers, body)


def person(*, keeps_suppression: bool = False) -> Person:
    """Return the person, of whom one id is known."""
    return Person(Writings(PERSON), frozenset({HIS_ID}), keeps_suppression=keeps_suppression)


def scrubbed(one: Row, **how: bool) -> Row | None:
    """Do as is done with each row of the journal; None: it stays."""
    he = person(**how)
    return scrub(one, he) if may_be_about(one, he, as_written(he.ids)) else None


def report(sms_msg_id: str, to: Any, **more: Any) -> dict[str, Any]:
    """Make an item of a batch."""
    return {"smsMsgId": sms_msg_id, "status": "DELIVRD", "to": to, **more}


def told(one: Row) -> list[Any]:
    """Return what a row tells, item by item."""
    found: list[Any] = []
    for event in finish(decode(one)):
        match event:
            case ReportArrived():
                found.append(event.report)
            case SendRegistered():
                found.append(event.send)
            case UplinkArrived():
                found.append(event.uplink)
            case Quarantined():
                found.append(event.body)
            case _:
                found.append(event)
    return found


SENDS = {"sms_msg_id": "o", "to": OTHER, "reference": "r", "sent_at": "2026-01-31T08:00:00.5Z"}


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        pytest.param("status", form(smsMsgId="a", status="DELIVRD", to=PERSON), id="report"),
        pytest.param("status", form(smsMsgId="his/1", status="DELIVRD"), id="report by its id"),
        pytest.param("uplink", form(smsMsgId="a", from_=PERSON, to="1", body="x"), id="uplink"),
        pytest.param("batch", batch([report("a", PERSON), report("his/1", "")]), id="batch"),
        pytest.param("batch", batch([report("a", 15500005172)]), id="as a whole number"),
        pytest.param("unusable", b"to=" + PERSON[1:].encode(), id="junk"),
        pytest.param("status", b"\xff\xfe" + PERSON.encode(), id="not to be read"),
        pytest.param("sends", json.dumps({"sends": [{"sms_msg_id": "a", "to": PERSON}]}).encode(),
                     id="send"),
        pytest.param("sends", b'{"sends": ["' + PERSON.encode() + b'"', id="a broken send"),
        pytest.param("suppression", b'{"number": "' + PERSON.encode() + b'"}', id="by hand"),
    ],
)  # fmt: skip
def test_a_row_of_the_person_alone_is_blanked(kind: str, body: bytes) -> None:
    """What is only his tells nothing any more, at its place and of its size."""
    blank = scrubbed(row(body, kind))
    assert blank is not None
    assert (blank.position, blank.kind, blank.body.strip()) == (7, EntryKind.FORGOTTEN, b"")
    assert len(blank.kind) + len(blank.body) == len(kind) + len(body)
    assert finish(decode(blank)) == []
    assert scrubbed(blank) is None


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        pytest.param("status", form(smsMsgId="a", status="DELIVRD", to=OTHER), id="report"),
        pytest.param("status", form(smsMsgId="his/12", status="DELIVRD"), id="a longer id"),
        pytest.param("batch", batch([report("a", OTHER), report("b", None)]), id="batch"),
        pytest.param("unusable", b"to=%31%35&" + OTHER[1:].encode(), id="junk"),
        pytest.param("sends", json.dumps({"sends": [SENDS]}).encode(), id="send"),
        pytest.param("suppression", b'{"number": "' + OTHER.encode() + b'"}', id="by hand"),
        pytest.param("uplink", form(smsMsgId="a", from_=OTHER, to="1", body="115500005172"),
                     id="a longer number"),
    ],
)  # fmt: skip
def test_rows_about_others_stay(kind: str, body: bytes) -> None:
    """What does not speak of him is not touched."""
    assert scrubbed(row(body, kind)) is None


def test_another_application_has_its_own_ids() -> None:
    """The same id of another application is another message."""
    body = form(smsMsgId="his/1", status="DELIVRD")
    assert scrubbed(row(body)._replace(application="shop")) is None


def test_what_was_set_by_hand_can_be_kept() -> None:
    """Where the suppression is to stay, so does its row."""
    by_hand = row(b'{"number": "' + PERSON.encode() + b'"}', EntryKind.SUPPRESSION)
    assert scrubbed(by_hand, keeps_suppression=True) is None


@pytest.mark.parametrize(
    ("fields", "covered"),
    [
        pytest.param({"body": f"ask {PERSON}"}, f"ask {'*' * 14}", id="plus"),
        pytest.param({"body": "ask 155 0000 5172?"}, f"ask {'*' * 13}?", id="groups"),
    ],
)
def test_the_number_in_an_uplink_of_another(fields: dict[str, str], covered: str) -> None:
    """His SMS stays, without the number."""
    uplink = form(smsMsgId="u", from_=OTHER, to="1069", **fields)
    became = scrubbed(row(uplink, "uplink"))
    assert became is not None
    (read,) = told(became)
    assert (read.sms_msg_id, read.sender, read.to) == ("u", OTHER, "1069")
    assert "5172" not in read.body
    assert read.body.replace("*", "") == covered.replace("*", "")


@given(st.lists(st.booleans(), min_size=1, max_size=12), st.sampled_from([None, "é", "\ud800"]))
def test_of_a_batch_the_others_stay(whose: list[bool], text: str | None) -> None:
    """Of a batch his items go, the others decode to the same reports, bad ones too."""
    items: list[Any] = [
        report(f"m{n}", PERSON if is_his else OTHER, statusDesc=text, price=1.5)
        for n, is_his in enumerate(whose)
    ]
    items.append({"status": "no id", "to": OTHER})
    one = row(batch(items), "batch")
    others = [told for told in told(one) if PERSON.encode() not in _bytes(told)]
    became = scrubbed(one)
    if not any(whose):
        assert became is None
        return
    assert became is not None
    assert b"5172" not in became.body
    if all(whose):
        assert not any(isinstance(left, StatusReport) for left in told(became))
    else:
        assert told(became) == others
        assert len(became.body) == len(one.body)


def _bytes(told: Any) -> bytes:
    return told if isinstance(told, bytes) else repr(told).encode(errors="replace")


@pytest.mark.parametrize(
    ("kind", "before", "after"),
    [
        pytest.param("batch", '{"statusReportList":[%s]}', '{"statusReportList":[%s]}', id="batch"),
        pytest.param("sends", '{"sends":[%s]}', '{"sends":[%s]}', id="sends"),
    ],
)
def test_of_a_member_given_twice_nothing_stays(kind: str, before: str, after: str) -> None:
    """What a member said goes too where another value of it follows, which counts."""
    item = '{"smsMsgId":"m","status":"A","extend":%s"x"}'
    became = scrubbed(row((before % item % f'"{PERSON}","extend":').encode(), kind))
    assert became is not None
    assert PERSON[-4:].encode() not in became.body
    assert told(became) == told(row((after % item % "").encode(), kind))


@given(st.lists(st.booleans(), min_size=1, max_size=12))
def test_of_a_registration_the_others_stay(whose: list[bool]) -> None:
    """Sends of others decode to the same, whatever form they came in."""
    result = [
        {
            "smsMsgId": f"m{n}",
            "originTo": PERSON if is_his else OTHER,
            "status": "000000",
            "createTime": "2026-01-31T08:00:00Z",
            "total": 2,
            "countryId": "CN",
        }
        for n, is_his in enumerate(whose)
    ]
    document = {
        "response": json.dumps({"code": "000000", "result": result}),
        "request": {"from": "1069", "to": [PERSON, OTHER], "extend": "e"},
        "references": {OTHER: "order 1", PERSON: "order 2"},
        "text_length": 70,
        "retry_of": "first",
    }
    one = row(json.dumps(document).encode(), EntryKind.SENDS)
    others = [send for send in told(one) if send.to != PERSON]
    became = scrubbed(one)
    assert became is not None
    assert b"5172" not in became.body
    assert told(became) == others
