"""What of a push is not used leaves a trace, and what says the same twice leaves none."""

import json
from typing import Any

import pytest

from receiver.domain.projection import Event, Quarantined, ReportArrived, UplinkArrived
from receiver.domain.steps import finish
from receiver.huawei import wire
from receiver.journal import Row
from receiver.projector.decoding import decode

KEPT = "The push is kept unchanged, or its beginning if `truncated` is true."
AGAIN = "Given more than once with different values; the last one is used: "
BESIDE = "Ignored because `statusReportList` is given: "
LIST_IN_FORM = (
    "`statusReportList` is given together with the fields of a single report and is "
    "ignored. Send it separately."
)
REPLY = (
    "A status report contains the text of an uplink SMS (`body`), which is ignored. "
    "Send the uplink as a separate push."
)
ITEM = '{"smsMsgId":"m","status":"A"}'
UPLINK = "smsMsgId=m&to=1069&body=R&from="


def decoded(body: bytes, kind: wire.PushKind) -> list[Event]:
    """Decode a push as the projector does."""
    return finish(decode(Row(1, kind.value, "app", 0, "192.0.2.1", "token", "", body)))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        pytest.param("smsMsgId=a&smsMsgId=m&status=A", AGAIN + "`smsMsgId`.", id="id"),
        pytest.param("status=B&smsMsgId=m&status=A", AGAIN + "`status`.", id="status"),
        pytest.param(
            "smsMsgId=m&status=A&x=1&x=2&total=1&total=2",
            AGAIN + "`total`, an undocumented field.",
            id="several, one unknown",
        ),
        pytest.param("smsMsgId=m&smsMsgId=m&status=A", None, id="the same"),
        pytest.param("smsMsgId=m&smsMsgId=%6D+&status=A", None, id="the same in another writing"),
        pytest.param("smsMsgId=m&status=A&&x", None, id="pairs without a value"),
        pytest.param("smsMsgId=m&status=A&from=1&to=2&body=R", REPLY, id="report and reply"),
        pytest.param("smsMsgId=m&status=A&body=", None, id="report and an empty body"),
        pytest.param("smsMsgId=m&status=A&body=x", None, id="report and a body of nobody"),
        pytest.param(
            f"smsMsgId=m&status=A&statusReportList=[{ITEM}]", LIST_IN_FORM, id="list in a form"
        ),
        pytest.param(
            "smsMsgId=m&status=A&statusReportList=1&statusReportList=2",
            f"{AGAIN}`statusReportList`. {LIST_IN_FORM}",
            id="two lists in a form",
        ),
        pytest.param(f"{UPLINK}1&from=2", AGAIN + "`from`.", id="sender of a reply"),
        pytest.param(
            '{"statusReportList":[{"smsMsgId":"a","smsMsgId":"m","status":"A"}]}',
            AGAIN + "`smsMsgId`.",
            id="id in JSON",
        ),
        pytest.param(
            '{"statusReportList":[{"smsMsgId":"m","smsMsgId":"m","status":"A"}]}',
            None,
            id="the same in JSON",
        ),
        pytest.param(
            '{"statusReportList":[{"smsMsgId":"m","status":"A","x":{"y":1,"y":2}}]}',
            AGAIN + "an undocumented field.",
            id="inside an unknown field",
        ),
        pytest.param(
            '{"statusReportList":[{"smsMsgId":"a"}],"statusReportList":[' + ITEM + "]}",
            AGAIN + "`statusReportList`.",
            id="two lists",
        ),
        pytest.param(
            '{"smsMsgId":"a","statusReportList":[' + ITEM + '],"status":"A","requestId":7}',
            BESIDE + "`smsMsgId`, `status`.",
            id="fields beside the list",
        ),
        pytest.param(
            '{"statusReportList":[' + ITEM + '],"requestId":7,"to":""}',
            None,
            id="unknown or empty fields beside the list",
        ),
        pytest.param(
            '{"statusReportList":[{"smsMsgId":"m","status":"A","body":"R","from":"1"}]}',
            REPLY,
            id="reply in an item",
        ),
        pytest.param(
            '{"statusReportList":[' + ITEM + ',{"status":"B","status":"C"}]}',
            AGAIN + "`status`.",
            id="in a bad item",
        ),
    ],
)
@pytest.mark.parametrize("values", [0, wire.MANY_VALUES], ids=["at once", "one by one"])
def test_what_is_not_used_is_told(body: str, said: str | None, values: int) -> None:
    """The last value counts, at the edge as later, and the push is kept for the others."""
    if values and body[0] != "{":
        body = f"{body}&pad={values * ','}"
    elif values:
        body = f'{{"pad":[{"1," * values}1],{body[1:]}'
    pushed = body.encode()
    seen = wire.sift(pushed)
    events = decoded(pushed, seen.kind)
    traces = [one for one in events if isinstance(one, Quarantined) and one.body == pushed]
    assert [one.reason for one in traces] == ([f"{said} {KEPT}"] if said else [])
    taken = [one for one in events if isinstance(one, ReportArrived | UplinkArrived)]
    assert [_id(one) for one in taken] == [item["smsMsgId"].strip() for item in seen.items] == ["m"]


def _id(event: ReportArrived | UplinkArrived) -> str:
    return event.report.sms_msg_id if isinstance(event, ReportArrived) else event.uplink.sms_msg_id


@pytest.mark.parametrize("values", [0, wire.MANY_VALUES], ids=["at once", "one by one"])
def test_the_last_of_two_lists_is_none(values: int) -> None:
    """Where the last `statusReportList` is no list there is none, however long the push is."""
    again: dict[str, Any] = {"pad": [1] * values}
    body = json.dumps(again)[:-1] + f',"statusReportList":[{ITEM}],"statusReportList":1}}'
    with pytest.raises(wire.UnusableError, match="no array"):
        wire.sift(body.encode())
