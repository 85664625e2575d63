"""Long SMS: parts that come in any order, are missing, differ, or fit nothing that was said."""

from typing import Any
from uuid import uuid4

import pytest

from tests.e2e.pushes import batch, form
from tests.support.server import Server

Report = dict[str, str]


def part(sequence: int | None, status: str = "DELIVRD", total: int | None = 3) -> Report:
    """Write a report about a part; what is None is left out."""
    given = {"sequence": sequence, "total": total}
    return {
        "status": status,
        "source": "2",
        "updateTime": f"2026-01-31T08:00:1{sequence or 0}Z",
        **{name: str(value) for name, value in given.items() if value is not None},
    }


CASES: list[Any] = [
    pytest.param(3, [part(2), part(3), part(1)], "delivered", 3, [1, 1, 1], [], id="all arrived"),
    pytest.param(
        3, [part(3), part(1, "MK:0001"), part(2)], "partial", 3, [1, 1, 1], [], id="one failed"
    ),
    pytest.param(
        3, [part(n, "MK:0001") for n in (1, 2, 3)], "failed", 3, [1, 1, 1], [], id="all failed"
    ),
    pytest.param(3, [part(1), part(3)], "accepted", 3, [1, 0, 1], [], id="one missing"),
    pytest.param(
        None, [part(1), part(3)], "accepted", 3, [1, 0, 1], [], id="only the reports tell the total"
    ),
    pytest.param(
        3, [part(n, total=None) for n in (1, 2, 3)], "delivered", 3, [1, 1, 1], [],
        id="only the send tells the total",
    ),
    pytest.param(
        2, [part(1), part(2)], "accepted", 3, [1, 1, 0], ["total_changed"], id="total changes"
    ),
    pytest.param(
        2, [part(1, total=2), part(2, total=2), part(5, total=2)], "delivered", 2, [1, 1, 1],
        ["sequence_beyond_total"], id="a part beyond the total",
    ),
    pytest.param(
        2, [part(1, total=2), part(2, total=2), part(5, "MK:0001", total=2)], "partial", 2,
        [1, 1, 1], ["sequence_beyond_total"], id="a part beyond the total that failed",
    ),
    pytest.param(
        1, [part(4, total=1)], "delivered", 1, [1], ["sequence_beyond_total"],
        id="of one part a sequence means nothing",
    ),
    pytest.param(
        3, [part(1), part(2), part(None)], "accepted", 3, [2, 1, 0], ["sequence_missing"],
        id="sequence missing",
    ),
]  # fmt: skip


@pytest.mark.parametrize("at_once", [True, False], ids=["one batch", "singly"])
@pytest.mark.parametrize(("sent", "reports", "state", "total", "counts", "anomalies"), CASES)
def test_parts_make_the_message(
    shared_server: Server,
    sent: int | None,
    reports: list[Report],
    state: str,
    total: int,
    counts: list[int],
    anomalies: list[str],
    at_once: bool,
) -> None:
    """State, parts and oddities follow from what came, and a missing part keeps it open."""
    sms_msg_id = f"{uuid4()}_1"
    items = [{"smsMsgId": sms_msg_id, **report} for report in reports]
    for push in [batch(items)] if at_once else [form(**item) for item in items]:
        assert shared_server.push(push).status_code == 200
    if sent is not None:
        shared_server.api.register({"sends": [{"sms_msg_id": sms_msg_id, "total": sent}]})
    shared_server.caught_up()
    message = shared_server.api.message(sms_msg_id)
    assert (message["state"], message["total"]) == (state, total)
    assert message["final"] == (state != "accepted")
    assert [part["reports"] for part in message["parts"]] == counts
    assert [part["sequence"] for part in message["parts"] if part["expected"]] == [
        *range(1, total + 1)
    ]
    assert message["anomalies"] == anomalies


def test_each_part_has_its_own_times(shared_server: Server) -> None:
    """A part shows its reports' count and when the first and the last of them came."""
    sms_msg_id = f"{uuid4()}_1"
    for report in (part(1, "ACCEPTD"), part(2), part(1), part(1)):
        assert shared_server.push(form(smsMsgId=sms_msg_id, **report)).status_code == 200
    shared_server.caught_up()
    message = shared_server.api.message(sms_msg_id)
    one, two, three = message["parts"]
    came = {(report["sequence"], report["status"]): report for report in message["reports"]}
    assert [part["reports"] for part in (one, two, three)] == [2, 1, 0]
    assert one["first_report_at"] == came[1, "ACCEPTD"]["received_at"]
    assert one["last_report_at"] == came[1, "DELIVRD"]["last_received_at"]
    assert one["first_report_at"] < two["first_report_at"] < one["last_report_at"]
    assert (three["first_report_at"], three["state"]) == (None, "pending")
