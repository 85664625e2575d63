"""Inputs as a platform might send them, through a whole node: what is stored, shown and refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.parts import Served, a_node, batch, check_problem, form

NUMBER = "+8615500010001"
UPLINK = {"to": "1069031221280000001", "body": "hello"}


async def _message(served: Served, *reports: dict[str, Any]) -> dict[str, Any]:
    for report in reports:
        answer = await served.push(batch([{"smsMsgId": "m", "status": "DELIVRD", **report}]))
        assert answer.status_code == 200, answer.text
    found: dict[str, Any] = await served.get("/v1/messages/m")
    return found


@pytest.mark.parametrize("total", ["two", 2.5, True, [], 0, -1, 256, "1e0", "9" * 5000])
async def test_a_total_that_cannot_be_read(tmp_path: Path, total: Any) -> None:
    """The report is taken and marked, the message is not final, and `raw` shows what came."""
    async with a_node(tmp_path) as served:
        message = await _message(served, {"total": total, "sequence": 1})
        why = await served.get("/v1/messages/m/explain")
        later = await _message(served, {"total": "1", "sequence": 1, "updateTime": "later"})
    assert (message["state"], message["final"]) == ("accepted", False)
    assert "total_unreadable" in message["anomalies"]
    assert message["reports"][0]["total"] is None
    assert json.dumps(message["reports"][0]["raw"]["total"]) == json.dumps(total)
    assert (why["parts"]["rule"], why["state"]["final"]) == ("parts-unreadable", False)
    assert (later["state"], later["final"]) == ("delivered", True)


@pytest.mark.parametrize("total", [2.0, "2.0", "02", " 2 ", "\uff12"])
async def test_a_total_in_another_writing(tmp_path: Path, total: Any) -> None:
    """Half a long SMS is not delivered, whatever way its number of parts is written."""
    async with a_node(tmp_path) as served:
        half = await _message(served, {"total": total, "sequence": "1"})
        whole = await _message(served, {"total": total, "sequence": "2.0"})
    assert (half["state"], half["total"]) == ("accepted", 2)
    assert (whole["state"], whole["anomalies"]) == ("delivered", ["time_missing"])


async def test_parts_counted_from_0(tmp_path: Path) -> None:
    """Part 0 is a part of its own, and no repetition of part 1."""
    async with a_node(tmp_path) as served:
        reports = [
            {"total": 2, "sequence": n, "updateTime": "2026-01-31T08:00:00Z"} for n in (1, 0)
        ]
        half = await _message(served, reports[0])
        whole = await _message(served, reports[1])
    assert (half["state"], whole["state"]) == ("accepted", "delivered")
    assert [part["sequence"] for part in whole["parts"]] == [1, 2]
    assert whole["anomalies"] == ["sequence_from_zero"]


async def test_a_part_whose_number_cannot_be_read(tmp_path: Path) -> None:
    """It is shown without a number, and does not complete a long SMS."""
    async with a_node(tmp_path) as served:
        message = await _message(served, {"total": 2, "sequence": 1}, {"total": 2, "sequence": "x"})
    assert (message["state"], message["final"]) == ("accepted", False)
    assert [part["sequence"] for part in message["parts"]] == [1, 2, None]
    assert "sequence_unreadable" in message["anomalies"]


@pytest.mark.parametrize("time", ["2026-11-30", "20261130", "2026-W49-1", "2026-11-30T08"])
async def test_no_time_is_made_up(tmp_path: Path, time: str) -> None:
    """A date without the time of day gives no time; `raw` keeps it, and it is marked."""
    async with a_node(tmp_path) as served:
        message = await _message(served, {"updateTime": time})
        await served.push(form(smsMsgId="u", from_=NUMBER, createTime=time, **UPLINK))
        uplink = await served.get("/v1/uplinks/u")
    assert (message["delivered_at"], message["anomalies"]) == (None, ["time_missing"])
    assert message["reports"][0]["raw"]["updateTime"] == time
    assert uplink["created_at"] is None


@pytest.mark.parametrize(
    ("sender", "shown"),
    [
        pytest.param("68849", "68849", id="a short code"),
        pytest.param("10086", "10086", id="another"),
        pytest.param("%2B8615500010001", NUMBER, id="escaped twice"),
        pytest.param("\ufeff+86 155 0001 0001 ", NUMBER, id="padded"),
        pytest.param("+86155****0001", "+86155****0001", id="masked"),
    ],
)
async def test_who_wrote(tmp_path: Path, sender: str, shown: str) -> None:
    """A sender is shown as a number in full or as written, is found so, and can opt out and in."""
    async with a_node(tmp_path) as served:
        body = form(smsMsgId="u", from_=sender, to=UPLINK["to"], body="R")
        assert (await served.push(body)).status_code == 200
        (uplink,) = (await served.get("/v1/uplinks", **{"from": sender}))["uplinks"]
        (listed,) = (await served.get("/v1/suppressions", number=shown))["suppressions"]
        recipient = await served.get(f"/v1/recipients/{shown}", channel=UPLINK["to"])
        lifted = await served.api.request(
            "DELETE", f"/v1/suppressions/{shown}",
            json={"reason": "asked again", "override_opt_out": True, "channel": UPLINK["to"]},
        )  # fmt: skip
    assert (uplink["from"], listed["number"]) == (shown, shown)
    assert (recipient["number"], recipient["may_send"]) == (shown, False)
    assert lifted.status_code == 200, lifted.text


@pytest.mark.parametrize(
    "path",
    [
        "/v1/messages?to=abc",
        "/v1/messages?to=order-4711",
        "/v1/messages?to=%2B86",
        "/v1/uplinks?from=abc",
        "/v1/uplinks?to=a,b",
        "/v1/suppressions?number=nobody",
        "/v1/recipients/abc",
        "/v1/suppressions/abc/history",
        "/v1/messages/%20%E2%80%8B",
        "/v1/messages/%EF%BB%BF/explain",
        "/v1/uplinks/%20",
        "/v1/codes/%20",
        "/v1/messages?extend=%E2%80%8B",
    ],
)
async def test_questions_that_mean_nothing(tmp_path: Path, path: str) -> None:
    """What can be no number, and an id that cannot be seen, get a problem and no empty list."""
    async with a_node(tmp_path) as served:
        problem = check_problem(await served.api.get(path), 400)
    if "abc" in path:
        assert "+8613800000000" in problem["detail"]
