"""Bytes of a push: what is understood, what is refused, and why."""

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from receiver.domain.inputs import UNREADABLE_SEQUENCE, UNREADABLE_TOTAL, StatusReport, Uplink
from receiver.domain.messages.merge import merge_reports
from receiver.domain.messages.state import StoredReport
from receiver.huawei.items import read_report, read_uplink
from receiver.huawei.wire import (
    LONGEST_ID,
    LONGEST_STATUS,
    MOST_FIELDS,
    ParsedPush,
    PushKind,
    UnusableError,
    is_json,
    kind_of_form,
    sift,
)

BOM = b"\xef\xbb\xbf"
DELIVERED = 1_523_601_106_000_000  # 2018-04-13T06:31:46Z
WANTED_FORM = (
    "The form has neither `status` (status report) nor `body` (uplink SMS). Send one of them."
)
NO_LIST = "The JSON has no array `statusReportList`. Send an object that contains it."
NOT_JSON = "The body starts like JSON but is not valid JSON. Send valid JSON, or a form."
NINES = 4000 * "9"
TOO_DEEP = "The JSON is nested too deeply. An item may have 16 levels."
NO_ITEM = "No item of `statusReportList` is usable. The first one: "


def batch(*items: Any) -> bytes:
    """Write a batch push."""
    return json.dumps({"statusReportList": items}).encode()


def batch_of(item: str) -> bytes:
    """Write a batch push around the JSON text of one item."""
    return b'{"statusReportList":[%s]}' % item.encode()


def form(**fields: str) -> bytes:
    """Write a form push."""
    return urlencode(fields).encode()


def report_of(push: ParsedPush) -> StatusReport:
    """Return the only report of a push."""
    (item,) = push.items
    return read_report(item)


# --- documented pushes ----------------------------------------------------------------------

DOCUMENTED_STATUS = (
    b"sequence=1&total=1&orgCode=000&updateTime=2018-04-13T06%3A31%3A46Z&source=2"
    b"&smsMsgId=b9d9b4fe-ad0e-4a2a-a2c7-445505b674ac_6&status=DELIVRD"
)
DOCUMENTED_FAILURE = (
    b"sequence=1&total=1&updateTime=2018-10-31T08%3A43%3A41Z&source=2"
    b"&smsMsgId=2ea20735-f856-4376-afbf-570bd70a46ee_11840135&status=E200027"
)
DOCUMENTED_UPLINK = (
    b"from=%2B86155****5172&to=201804131431201234&body=********"
    b"&smsMsgId=9692b5be-c427-4525-8e73-cf4a6ac5b3f7"
)
BATCH = (
    b'{"statusReportList":[{"smsMsgId":"b9d9b4fe-ad0e-4a2a-a2c7-445505b674ac_6","total":"1",'
    b'"sequence":"1","status":"DELIVRD","source":"2","updateTime":"2018-04-13T06:31:46Z"}]}'
)


def test_single_status_report_of_the_documentation() -> None:
    """Every field of the documented single report arrives in the event."""
    push = sift(DOCUMENTED_STATUS)

    assert (push.kind, push.bad) == (PushKind.STATUS, [])
    assert report_of(push) == StatusReport(
        sms_msg_id="b9d9b4fe-ad0e-4a2a-a2c7-445505b674ac_6",
        status="DELIVRD",
        sequence=1,
        total=1,
        source=2,
        updated_at=DELIVERED,
        update_time="2018-04-13T06:31:46Z",
        org_code="000",
        raw={
            "sequence": "1",
            "total": "1",
            "orgCode": "000",
            "updateTime": "2018-04-13T06:31:46Z",
            "source": "2",
            "smsMsgId": "b9d9b4fe-ad0e-4a2a-a2c7-445505b674ac_6",
            "status": "DELIVRD",
        },
    )


def test_failed_status_report_of_the_documentation() -> None:
    """A failure code longer than nothing else knows is taken as it came."""
    report = report_of(sift(DOCUMENTED_FAILURE))

    assert (report.status, report.update_time) == ("E200027", "2018-10-31T08:43:41Z")
    assert report.sms_msg_id == "2ea20735-f856-4376-afbf-570bd70a46ee_11840135"


def test_uplink_of_the_documentation() -> None:
    """The documented uplink is told by its `body`; its numbers stay as they came."""
    push = sift(DOCUMENTED_UPLINK)
    (item,) = push.items

    assert (push.kind, push.bad) == (PushKind.UPLINK, [])
    assert read_uplink(item) == Uplink(
        sms_msg_id="9692b5be-c427-4525-8e73-cf4a6ac5b3f7",
        sender="+86155****5172",
        to="201804131431201234",
        body="********",
        raw={
            "from": "+86155****5172",
            "to": "201804131431201234",
            "body": "********",
            "smsMsgId": "9692b5be-c427-4525-8e73-cf4a6ac5b3f7",
        },
    )


def test_batch_of_the_documentation() -> None:
    """A batch item has the fields of a single report."""
    push = sift(BATCH)

    assert (push.kind, push.bad) == (PushKind.BATCH, [])
    report = report_of(push)
    assert (report.status, report.total, report.sequence, report.source) == ("DELIVRD", 1, 1, 2)
    assert report.updated_at == DELIVERED


def test_all_optional_fields() -> None:
    """Description, extend, recipient and the network's own code arrive in the event."""
    report = report_of(
        sift(
            form(
                smsMsgId="m",
                status="RTE_ERR",
                statusDesc="路由错误",
                extend="order 7",
                to="+8615500005172",
                orgCode="E200027",
                total="3",
                sequence="2",
                source="1",
            )
        )
    )

    assert (report.status_desc, report.extend, report.to) == (
        "路由错误",
        "order 7",
        "+8615500005172",
    )
    assert (report.org_code, report.total, report.sequence) == ("E200027", 3, 2)
    assert (report.source, report.update_time, report.updated_at) == (1, "", None)


@given(st.permutations(DOCUMENTED_STATUS.split(b"&")))
def test_field_order_means_nothing(fields: list[bytes]) -> None:
    """The order of the fields on the wire changes nothing."""
    assert report_of(sift(b"&".join(fields))) == report_of(sift(DOCUMENTED_STATUS))


# --- variations that are understood ---------------------------------------------------------

UNDERSTOOD: list[Any] = [
    pytest.param(
        DOCUMENTED_STATUS.replace(b"%3A", b"%3a"),
        {"update_time": "2018-04-13T06:31:46Z", "updated_at": DELIVERED},
        id="lower-case escape",
    ),
    pytest.param(
        b"smsMsgId=m&status=DELIVRD&updateTime=2018-04-13T06:31:46Z",
        {"updated_at": DELIVERED},
        id="colon not escaped",
    ),
    pytest.param(
        b"smsMsgId=m&status=X&brandNew=a%26b",
        {"raw": {"smsMsgId": "m", "status": "X", "brandNew": "a&b"}},
        id="unknown field kept in raw",
    ),
    pytest.param(
        b"smsMsgId=m&status=REJECTD*704&statusDesc=" + 600 * b"x",
        {"status": "REJECTD*704", "status_desc": 600 * "x"},
        id="code and text longer than documented",
    ),
    pytest.param(
        b"smsMsgId=" + LONGEST_ID * b"m" + b"&status=" + LONGEST_STATUS * b"X",
        {"sms_msg_id": LONGEST_ID * "m", "status": LONGEST_STATUS * "X"},
        id="longest id and code",
    ),
    pytest.param(
        b"smsMsgId=first&status=A&status=B&smsMsgId=second",
        {"sms_msg_id": "second", "status": "B"},
        id="of a field given twice the last counts",
    ),
    pytest.param(
        b"smsMsgId=+%EF%BB%BFm%E2%80%8B%0D%0A&status=%09A%C2%A0&extend=+e%00&to=+1&updateTime=+x",
        {"sms_msg_id": "m", "status": "A", "extend": "e", "to": "1", "update_time": "x"},
        id="what surrounds an id unseen is no part of it",
    ),
    pytest.param(
        b"smsMsgId=M+%E2%80%8B1&status=a&extend=%252520",
        {"sms_msg_id": "M \u200b1", "status": "a", "extend": "%2520"},
        id="what stands inside an id stays, and its case",
    ),
    pytest.param(
        b"smsMsgId=m&status=A&total=&sequence=&source=&updateTime=&extend=&to=&orgCode=",
        {
            "total": None,
            "sequence": 1,
            "source": None,
            "update_time": "",
            "updated_at": None,
            "extend": None,
            "to": None,
            "org_code": None,
        },
        id="empty counts as absent",
    ),
    pytest.param(
        b"smsMsgId=m&status=A&total=many&sequence=0&source=9&updateTime=yesterday",
        {
            "total": UNREADABLE_TOTAL,
            "sequence": 0,
            "source": None,
            "update_time": "yesterday",
            "updated_at": None,
        },
        id="odd values are no numbers and no time",
    ),
    pytest.param(
        b"smsMsgId=m&status=A&total=256&sequence=9999999999999",
        {"total": UNREADABLE_TOTAL, "sequence": UNREADABLE_SEQUENCE},
        id="no SMS has that many parts",
    ),
    pytest.param(
        b"smsMsgId=m&status=A&statusDesc=a%00b&extend=%FF",
        {"status_desc": r"a\x00b", "extend": r"\xff"},
        id="unstorable text is escaped",
    ),
    pytest.param(b"\r\n\t " + BATCH + b"\r\n", {"status": "DELIVRD"}, id="whitespace around JSON"),
    pytest.param(BOM + BATCH, {"status": "DELIVRD"}, id="byte order mark before JSON"),
    pytest.param(
        b"\r\nsmsMsgId=m&status=A\r\n",
        {"sms_msg_id": "m", "status": "A"},
        id="line ends around a form",
    ),
    pytest.param(
        BOM + b"smsMsgId=m&status=A",
        {"sms_msg_id": "m", "status": "A"},
        id="byte order mark before a form",
    ),
    pytest.param(
        b"&&smsMsgId=m&&status=A&",
        {"sms_msg_id": "m", "status": "A"},
        id="idle ampersands",
    ),
    pytest.param(
        b"smsMsgId=m&status=A&body=hello",
        {"status": "A"},
        id="a form with status is a report even with a body",
    ),
    pytest.param(
        batch({"smsMsgId": 12, "status": 0, "total": 2, "sequence": 2, "source": 2}),
        {"sms_msg_id": "12", "status": "0", "total": 2, "sequence": 2, "source": 2},
        id="JSON numbers unquoted",
    ),
    pytest.param(
        batch_of('{"smsMsgId":"m","status":"A","to":1e999,"extend":NaN,"orgCode":-Infinity}'),
        {"to": "1e999", "extend": "NaN", "org_code": "-Infinity"},
        id="JSON numbers that no float holds",
    ),
    pytest.param(
        batch_of(f'{{"smsMsgId":"m","status":"A","sequence":{NINES},"to":{NINES[:40]}}}'),
        {"sequence": UNREADABLE_SEQUENCE, "to": 40 * "9"},
        id="huge JSON integers",
    ),
    pytest.param(
        batch_of(f'{{"smsMsgId":"m","status":"A","total":{2 * NINES}}}'),
        {"total": UNREADABLE_TOTAL},
        id="a JSON integer of 8,000 digits costs no item",
    ),
    pytest.param(
        batch(
            {"smsMsgId": "m", "status": "A", "total": 2.0, "sequence": "2.0", "source": "\uff12"}
        ),
        {"total": 2, "sequence": 2, "source": 2},
        id="whole numbers in other writings",
    ),
    pytest.param(
        batch({"smsMsgId": "m", "status": "A", "extend": {"a": [1]}, "to": True}),
        {"extend": '{"a": [1]}', "to": "true"},
        id="optional fields of another type become text",
    ),
    pytest.param(
        batch({"smsMsgId": "m", "status": "A", "statusDesc": "\ud800x\x00"}),
        {"status_desc": r"\ud800x\x00"},
        id="lone surrogate and NUL of JSON are escaped",
    ),
    pytest.param(
        batch({"smsMsgId": "m", "status": "A", "statusDesc": None, "total": None}),
        {"status_desc": None, "total": None},
        id="JSON null counts as absent",
    ),
]


@pytest.mark.parametrize(("body", "expected"), UNDERSTOOD)
def test_understood(body: bytes, expected: dict[str, Any]) -> None:
    """A push that departs from the documentation is still read where its meaning is plain."""
    report = report_of(sift(body))

    assert {name: getattr(report, name) for name in expected} == expected


# --- pushes that cannot be used -------------------------------------------------------------

UNUSABLE: list[Any] = [
    pytest.param(b"", "The body is empty. Send a form or a JSON object.", id="empty"),
    pytest.param(b" \r\n", "The body is empty. Send a form or a JSON object.", id="blank"),
    pytest.param(b"&&&", WANTED_FORM, id="no fields"),
    pytest.param(b"\x00\xff\xfe", WANTED_FORM, id="binary"),
    pytest.param(b"hello", WANTED_FORM, id="prose"),
    pytest.param(b"smsMsgId=m&STATUS=A", WANTED_FORM, id="field names are case-sensitive"),
    pytest.param(b"status=A", "`smsMsgId` is missing.", id="no id"),
    pytest.param(b"smsMsgId=&status=A", "`smsMsgId` is empty.", id="empty id"),
    pytest.param(b"smsMsgId=%20&status=A", "`smsMsgId` is empty.", id="blank id"),
    pytest.param(
        b"smsMsgId=" + (LONGEST_ID + 1) * b"m" + b"&status=A",
        f"`smsMsgId` must have at most {LONGEST_ID} characters.",
        id="over-long id",
    ),
    pytest.param(
        b"smsMsgId=a%00b&status=A",
        "`smsMsgId` contains NUL or unpaired surrogates.",
        id="NUL in the id",
    ),
    pytest.param(
        b"smsMsgId=%E9&status=A",
        "`smsMsgId` contains NUL or unpaired surrogates.",
        id="id that is not UTF-8",
    ),
    pytest.param(b"smsMsgId=m&status=", "`status` is empty.", id="empty status"),
    pytest.param(
        b"smsMsgId=m&status=" + (LONGEST_STATUS + 1) * b"X",
        f"`status` must have at most {LONGEST_STATUS} characters.",
        id="over-long status",
    ),
    pytest.param(b"body=hi&from=1&to=2", "`smsMsgId` is missing.", id="uplink without id"),
    pytest.param(b"smsMsgId=m&body=hi&to=2", "`from` is missing.", id="uplink without sender"),
    pytest.param(b"smsMsgId=m&body=hi&from=1", "`to` is missing.", id="uplink without receiver"),
    pytest.param(b"[]", NO_LIST, id="JSON array"),
    pytest.param(b"{}", NO_LIST, id="JSON without list"),
    pytest.param(b'{"smsMsgId":"m","status":"A"}', NO_LIST, id="a single report as JSON"),
    pytest.param(b'{"statusReportList":{"smsMsgId":"m"}}', NO_LIST, id="JSON whose list is none"),
    pytest.param(b'{"statusReportList":null}', NO_LIST, id="JSON null for the list"),
    pytest.param(
        b'{"statusReportList":[]}',
        "The array `statusReportList` is empty. Send at least one report in it.",
        id="empty list",
    ),
    pytest.param(b"{", NOT_JSON, id="cut short"),
    pytest.param(BATCH[:-2], NOT_JSON, id="batch cut short"),
    pytest.param(BATCH + b"\x00", NOT_JSON, id="NUL after the JSON"),
    pytest.param(
        batch_of(f'{{"smsMsgId":{2 * NINES}}}'),
        NO_ITEM + f"`smsMsgId` must have at most {LONGEST_ID} characters.",
        id="id of 8,000 digits",
    ),
    pytest.param(
        b"smsMsgId=%E2%80%8B+%C2%A0&status=A", "`smsMsgId` is empty.", id="id that cannot be seen"
    ),
    pytest.param(b"smsMsgId=m&status=%EF%BB%BF", "`status` is empty.", id="unseen status"),
    pytest.param(
        b'{"a":"\xff"}',
        "The JSON has no array `statusReportList`. Send an object that contains it.",
        id="JSON that is not UTF-8",
    ),
    pytest.param(4_000 * b"[", TOO_DEEP, id="nested 4,000 levels, never closed"),
    pytest.param(4_000 * b"[" + 4_000 * b"]", TOO_DEEP, id="nested 4,000 levels"),
    pytest.param(10_000 * b"[", NO_LIST, id="no object, nested 10,000 levels"),
    pytest.param(
        batch_of('{"smsMsgId":"m","status":"A","x":' + 10_000 * '{"a":' + "1" + 10_001 * "}"),
        TOO_DEEP,
        id="item nested 10,000 levels",
    ),
    pytest.param(
        batch("text", {"smsMsgId": "m"}),
        NO_ITEM + "The item is not an object.",
        id="no usable item: the first one's reason",
    ),
    pytest.param(
        batch({"smsMsgId": True, "status": "A"}),
        NO_ITEM + "`smsMsgId` must be a string or an integer.",
        id="truth value for an id",
    ),
    pytest.param(
        batch({"smsMsgId": 1.5, "status": "A"}),
        NO_ITEM + "`smsMsgId` must be a string or an integer.",
        id="fraction for an id",
    ),
    pytest.param(
        batch({"smsMsgId": "\ud800", "status": "A"}),
        NO_ITEM + "`smsMsgId` contains NUL or unpaired surrogates.",
        id="lone surrogate in an id",
    ),
]


@pytest.mark.parametrize(("body", "reason"), UNUSABLE)
def test_unusable(body: bytes, reason: str) -> None:
    """A push without anything usable is refused with what is wrong."""
    with pytest.raises(UnusableError) as refused:
        sift(body)

    assert str(refused.value) == reason


@pytest.mark.parametrize(("idle", "usable"), [(MOST_FIELDS - 2, True), (MOST_FIELDS - 1, False)])
def test_number_of_fields_is_bounded(idle: int, usable: bool) -> None:
    """A form may have 64 fields, not 65: `smsMsgId`, `status` and 62 or 63 others."""
    body = b"smsMsgId=m&status=A" + b"".join(b"&f%d=" % number for number in range(idle))

    if usable:
        assert len(sift(body).items[0]) == MOST_FIELDS
    else:
        with pytest.raises(UnusableError, match="more than 64 fields"):
            sift(body)


def test_batch_is_judged_item_by_item() -> None:
    """Good items count; each bad one is kept as it came, with its reason."""
    good, other = {"smsMsgId": "a", "status": "A"}, {"smsMsgId": "b", "status": "B"}

    push = sift(batch(good, {"status": "A"}, "text", other, {"smsMsgId": "c", "status": ""}))

    assert push.items == [good, other]
    assert [(bad.reason, bad.raw) for bad in push.bad] == [
        ("`smsMsgId` is missing.", {"status": "A"}),
        ("The item is not an object.", "text"),
        ("`status` is empty.", {"smsMsgId": "c", "status": ""}),
    ]


def test_batch_larger_than_documented() -> None:
    """The documented maximum of 50 reports is the platform's, not ours."""
    items = [{"smsMsgId": f"m-{number}", "status": "DELIVRD"} for number in range(120)]

    assert sift(batch(*items)).items == items


# --- properties -----------------------------------------------------------------------------

_NAMES = [
    "smsMsgId",
    "status",
    "body",
    "from",
    "to",
    "total",
    "sequence",
    "source",
    "updateTime",
    "createTime",
    "statusDesc",
    "extend",
    "orgCode",
    "statusReportList",
    "other",
]
_names = st.sampled_from(_NAMES)
_texts = st.one_of(
    st.text(st.characters(codec=None, exclude_categories=()), max_size=20),
    st.sampled_from(
        ["1", "2", "0", "DELIVRD", "", "2018-04-13T06:31:46Z", "0001-01-01T00:00:00+01:00"]
    ),
)
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_names | _texts, inner, max_size=3),
    max_leaves=5,
)
_items = st.dictionaries(_names, _values, max_size=12) | _values
_json_bodies = st.lists(_items, max_size=4).map(lambda items: batch(*items)) | _values.map(
    lambda value: json.dumps(value).encode()
)
_form_bodies = st.lists(st.tuples(_names, _texts | st.binary(max_size=8)), max_size=12).map(
    lambda pairs: urlencode(pairs, errors="surrogatepass").encode()
)
_bodies = st.one_of(st.binary(), _form_bodies, _json_bodies)


def assert_storable(text: str | None) -> None:
    """Demand what every database keeps: Unicode without NUL."""
    if text is not None:
        text.encode()
        assert "\x00" not in text


@given(_bodies)
@example(b"{")
@example(b"status&smsMsgId")
def test_any_bytes_are_usable_or_refused(body: bytes) -> None:
    """Any bytes give at least one item that becomes an event, or UnusableError; nothing else."""
    try:
        push = sift(body)
    except UnusableError:
        return

    assert push.items
    for item in push.items:
        event: Any = (read_uplink if push.kind is PushKind.UPLINK else read_report)(item)
        for name in event.__dataclass_fields__:
            value = getattr(event, name)
            if isinstance(value, str):
                assert_storable(value)
        assert json.loads(json.dumps(event.raw)) == event.raw
    for bad in push.bad:
        assert bad.reason
        json.dumps(bad.raw)


@given(_form_bodies | st.binary())
@example(b"smsMsgId=%00&status=DELIVRD")
@example(b"%73tatus=DELIVRD&smsMsgId=1&smsMsgId=")
@example(BOM + b"status=DELIVRD&smsMsgId=1\r\n")
def test_the_edge_judges_a_form_as_it_is_sifted_later(body: bytes) -> None:
    """What the edge says of a form by its needed fields alone is what a whole reading says."""
    if is_json(body):
        return
    try:
        kind = sift(body).kind
    except UnusableError as refused:
        with pytest.raises(UnusableError, match=f"^{re.escape(str(refused))}$"):
            kind_of_form(body)
    else:
        assert kind_of_form(body) == kind


def reasons_of(body: bytes) -> list[str]:
    """Return all that is said about what is wrong with a push."""
    try:
        return [bad.reason for bad in sift(body).bad]
    except UnusableError as refused:
        return [str(refused)]


_NEEDLE = "needle-7315"
_OWN_VALUES = st.one_of(
    st.just(_NEEDLE),
    st.just(_NEEDLE + "\x00"),
    st.just(_NEEDLE + "\udc80"),
    st.just(300 * _NEEDLE),
    st.just([_NEEDLE]),
    st.just({_NEEDLE: _NEEDLE}),
)


@given(st.lists(st.dictionaries(_names, _OWN_VALUES, max_size=4) | _OWN_VALUES, max_size=3))
def test_no_reason_repeats_a_value_of_a_batch(items: list[Any]) -> None:
    """What is said about a bad batch holds no number, text or id out of it."""
    assert _NEEDLE not in "".join(reasons_of(batch(*items)))


@given(
    st.dictionaries(
        _names | st.just(_NEEDLE),
        st.sampled_from([_NEEDLE, _NEEDLE + "\x00", 300 * _NEEDLE, "", " "]),
        max_size=6,
    ),
    st.sampled_from([b"", b"{", b"[", BOM, b"&" * 70]),
)
def test_no_reason_repeats_a_value_of_a_form(fields: dict[str, str], before: bytes) -> None:
    """What is said about a bad form holds no number, text or id out of it."""
    assert _NEEDLE not in "".join(reasons_of(before + form(**fields)))


def handle(item: Mapping[str, Any], frames: int) -> None:
    """Do what becomes of a sifted item, further down the stack."""
    if frames > 0:
        handle(item, frames - 1)
        return
    stored = StoredReport(read_report(item), 0, 0)
    json.dumps(stored.report.raw)
    merge_reports(stored, stored)


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")], ids=["[", "{"])
@pytest.mark.parametrize("name", ["statusDesc", "sequence", "other"])
def test_items_have_sixteen_levels(name: str, opening: str, closing: str) -> None:
    """An item that is taken can be worked with deeper in the stack; no deeper one is taken."""
    for depth in (1, 15, 16, 500, 1_100):
        nested = depth * opening + "1" + depth * closing
        body = batch_of(f'{{"smsMsgId":"m","status":"A","{name}":{nested}}}')
        if depth < 16:  # of 16 levels the item itself is one
            handle(sift(body).items[0], 100)
        else:
            with pytest.raises(UnusableError, match="nested too deeply"):
                sift(body)
