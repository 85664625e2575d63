"""Uplinks and suppressions over the private API of a real node without ports."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.support.parts import Served, a_node, check_problem, form

OTHER_TOKEN = "token-of-the-second-application"  # noqa: S105 - of no service
SECOND = {"name": "second", "tokens": [OTHER_TOKEN]}
PERSON = "+8615500005172"
CHANNEL = "1069031221280000001"
WRITTEN = "2023-11-14T12:00:00Z"


def uplink(sms_msg_id: str, body: str = "ok", **fields: str) -> bytes:
    """Write an uplink of the usual person to the usual channel number."""
    usual = {"from": PERSON, "to": CHANNEL, "createTime": WRITTEN}
    return form(smsMsgId=sms_msg_id, body=body, **{**usual, **fields})


def send(sms_msg_id: str, hour: int, **fields: str) -> dict[str, str]:
    """Describe a send to the usual person from the usual channel number, that day."""
    sent_at = f"2023-11-14T{hour:02}:00:00Z"
    return {
        "sms_msg_id": sms_msg_id,
        "to": PERSON,
        "from": CHANNEL,
        "sent_at": sent_at,
        **fields,
    }


async def answer_of(served: Served, sms_msg_id: str) -> Any:
    """Return what an uplink answers; the list and the single look-up must agree."""
    one = await served.get(f"/v1/uplinks/{quote(sms_msg_id, safe='')}")
    listed = (await served.get("/v1/uplinks"))["uplinks"]
    assert one in listed
    return one["answers"]


async def test_an_uplink_is_shown_with_the_message_it_answers(tmp_path: Path) -> None:
    """Its id, reference and extend, by which rule, and what else it might have been."""
    async with a_node(tmp_path) as served:
        await served.register(
            sends=[
                send("m1", 9),
                send("m2", 11, reference="order 7", extend="shop"),
                send("m3", 13),
                send("m4", 10, to="15500005173"),
            ]
        )
        await served.push(uplink("u/1", to=CHANNEL + "07"))
        assert await answer_of(served, "u/1") == {
            "sms_msg_id": "m2",
            "reference": "order 7",
            "extend": "shop",
            "rule": "channel",
            "ambiguous": True,
            "candidates": ["m2", "m1"],
        }


async def test_a_send_that_is_registered_later_counts(tmp_path: Path) -> None:
    """What is answered is found when it is asked for, whatever came first."""
    async with a_node(tmp_path) as served:
        await served.push(uplink("u1"))
        assert await answer_of(served, "u1") is None
        delivered = form(
            smsMsgId="m1",
            status="DELIVRD",
            updateTime="2023-11-14T11:00:03Z",
            extend="shop",
            to=PERSON,
        )
        await served.push(delivered)
        orphan = await answer_of(served, "u1")
        assert (orphan["sms_msg_id"], orphan["rule"], orphan["extend"]) == ("m1", "number", "shop")
        await served.register(sends=[send("m1", 11, reference="order 7")])
        bound = await answer_of(served, "u1")
        assert (bound["sms_msg_id"], bound["rule"]) == ("m1", "channel")
        assert (bound["reference"], bound["ambiguous"]) == ("order 7", False)
        await served.register(sends=[send("m2", 11, **{"from": "1070"})])
        assert await answer_of(served, "u1") == bound


async def test_the_window_is_a_setting(tmp_path: Path) -> None:
    """A message before the window is not answered."""
    async with a_node(tmp_path, uplinks={"answer_within_hours": 2}) as served:
        await served.register(sends=[send("m1", 9)])
        await served.push(uplink("u1"))
        assert await answer_of(served, "u1") is None
        await served.register(sends=[send("m2", 10)])
        answer = await answer_of(served, "u1")
        assert (answer["sms_msg_id"], answer["candidates"]) == ("m2", ["m2"])


async def test_an_uplink_of_two_applications(tmp_path: Path) -> None:
    """An id that two applications know needs the application; each answers its own messages."""
    async with a_node(tmp_path, applications=[SECOND]) as served:
        await served.register(sends=[send("m1", 11)], application="second")
        await served.push(uplink("u1"))
        await served.push(uplink("u1"), OTHER_TOKEN)
        problem = check_problem(await served.api.get("/v1/uplinks/u1"), 409)
        assert problem["applications"] == ["default", "second"]
        default = await served.get("/v1/uplinks/u1", application="default")
        second = await served.get("/v1/uplinks/u1", application="second")
        assert (default["answers"], second["answers"]["sms_msg_id"]) == (None, "m1")
        missing = await served.api.get("/v1/uplinks/u2")
        check_problem(missing, 404)


async def test_opt_outs_are_listed(tmp_path: Path) -> None:
    """Each has number, channel, application, its uplink and when it was written."""
    async with a_node(tmp_path) as served:
        await served.push(uplink("u1", "\uff32", to="+1069 07"))
        await served.push(uplink("u2", "退订吗", to="1070"))
        await served.push(uplink("u3", "start", to="1071"))
        found = await served.get("/v1/suppressions")
        assert found == {
            "suppressions": [
                {
                    "number": PERSON,
                    "channel": "106907",
                    "application": "default",
                    "suppressed": True,
                    "holds": True,
                    "source": "uplink",
                    "source_id": "u1",
                    "reason": None,
                    "since": WRITTEN,
                    "until": None,
                }
            ],
            "next": None,
        }
        lifted = (await served.get("/v1/suppressions", suppressed="false"))["suppressions"]
        assert [(row["source_id"], row["suppressed"]) for row in lifted] == [("u3", False)]
        listed = (await served.get("/v1/uplinks"))["uplinks"]
        assert [(one["sms_msg_id"], one["intent"]) for one in listed] == [
            ("u3", "opt-in"), ("u2", None), ("u1", "opt-out"),
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        pytest.param({}, ["u4", "u3", "u2", "u1"], id="all"),
        pytest.param({"number": "155 0000 5172"}, ["u3", "u2", "u1"], id="number in writing"),
        pytest.param({"number": " 8615500005172"}, ["u3", "u2", "u1"], id="plus not escaped"),
        pytest.param({"channel": "1069"}, ["u4", "u2", "u1"], id="channel and extensions"),
        pytest.param({"application": "second"}, ["u3"], id="application"),
        pytest.param({"number": PERSON, "channel": "106907"}, ["u2"], id="both"),
        pytest.param({"suppressed": "true", "limit": "2"}, ["u4", "u3"], id="limit"),
        pytest.param({"suppressed": "false"}, [], id="lifted ones"),
    ],
)
async def test_suppressions_are_found_by_every_filter(
    tmp_path: Path, wanted: Mapping[str, str], expected: list[str]
) -> None:
    """By number in any writing, channel, application; the latest change first."""
    async with a_node(tmp_path, applications=[SECOND]) as served:
        await served.push(uplink("u1", "R", to="1069"))
        await served.push(uplink("u2", "R", to="106907"))
        await served.push(uplink("u3", "R", to="1070"), OTHER_TOKEN)
        await served.push(form(smsMsgId="u4", from_="15500005173", to="1069", body="TD"))
        found = (await served.get("/v1/suppressions", **wanted))["suppressions"]
    assert [row["source_id"] for row in found] == expected


async def test_the_cursor_walks_the_whole_list(tmp_path: Path) -> None:
    """Following `next` gives every row that was there once, though people opt out meanwhile."""
    async with a_node(tmp_path) as served:
        for n in range(7):
            await served.push(uplink(f"u{n}", "R", to=f"1069{n}"))
        seen: list[str] = []
        parameters = {"limit": "3"}
        ends = []
        for page in range(3):
            found = await served.get("/v1/suppressions", **parameters)
            seen += [row["source_id"] for row in found["suppressions"]]
            parameters["cursor"] = found["next"]
            ends.append(found["next"] is None)
            await served.push(uplink(f"new {page}", "R", to=f"1070{page}"))
    assert ends == [False, False, True]
    assert seen == [f"u{n}" for n in range(6, -1, -1)]


async def test_opt_outs_are_counted_once(tmp_path: Path) -> None:
    """The metric counts new uplinks by what they ask for; redeliveries aside."""
    async with a_node(tmp_path) as served:
        for sms_msg_id, body in (("u1", "R"), ("u2", "退订"), ("u1", "R"), ("u3", "START")):
            await served.push(uplink(sms_msg_id, body))
        await served.push(uplink("u4", "thanks"))
        lines = (await served.api.get("/metrics")).text.splitlines()
    assert 'receiver_opt_outs_total{intent="opt-out"} 2.0' in lines
    assert 'receiver_opt_outs_total{intent="opt-in"} 1.0' in lines


# --- several texts under one id -----------------------------------------------------------------


async def test_another_text_under_an_id_is_another_uplink(tmp_path: Path) -> None:
    """Both are listed, the second opts out, and the same again is a redelivery of its own."""
    async with a_node(tmp_path) as served:
        for body in ("Hello", "R", "Hello"):
            await served.push(uplink("same", body))

        listed = (await served.get("/v1/uplinks?sms_msg_id=same"))["uplinks"]
        told = [(one["body"], one["intent"], one["redeliveries"]) for one in listed]
        assert told == [("R", "opt-out", 0), ("Hello", None, 1)]
        assert len((await served.get("/v1/suppressions"))["suppressions"]) == 1
        problem = check_problem(await served.api.get("/v1/uplinks/same"), 409)
        assert "sms_msg_id" in problem["detail"]
