"""May I send to this number? Suppression by hand, opt-outs, codes and limits over the API."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from receiver.app.credentials import now
from receiver.domain import times
from tests.support.parts import Served, a_node, check_problem, form

PERSON = "+8615500005172"
OTHER = "+8615500005173"
CHANNEL = "1069000000000012"
Json = dict[str, Any]
WHY = {"reason": "asked by phone"}


def ago(seconds: float) -> str:
    """Write a time that lies so far back."""
    return times.to_rfc3339(now() - round(seconds * times.SECOND))


async def suppress(served: Served, number: str = PERSON, **given: Any) -> httpx.Response:
    """Suppress a number by hand."""
    path = f"/v1/suppressions/{quote(number, safe='')}"
    return await served.api.put(path, json={**WHY, **given})


async def lift(served: Served, number: str = PERSON, **given: Any) -> httpx.Response:
    """Lift it."""
    path = f"/v1/suppressions/{quote(number, safe='')}"
    return await served.api.request("DELETE", path, json={**WHY, **given})


async def recipient(served: Served, number: str = PERSON, **asked: str) -> Json:
    """Ask about a number."""
    found: Json = await served.get(f"/v1/recipients/{quote(number, safe='')}", **asked)
    return found


async def opt_out(served: Served, *, channel: str = CHANNEL, text: str = "R") -> None:
    """Let the person write."""
    body = form(from_=PERSON, to=channel, body=text, smsMsgId=f"u-{now()}", createTime=ago(60))
    assert (await served.push(body)).status_code == 200


async def fail(served: Served, sms_msg_id: str, code: str, *, seconds_ago: float = 3600) -> None:
    """Send something to the person that fails."""
    sent = {"to": PERSON, "from": CHANNEL, "sent_at": ago(seconds_ago + 5)}
    await served.register(sends=[{"sms_msg_id": sms_msg_id, **sent}])
    report = {"source": "2", "updateTime": ago(seconds_ago)}
    pushed = await served.push(form(smsMsgId=sms_msg_id, status=code, **report))
    assert pushed.status_code == 200


def rules(found: Json) -> list[str]:
    """Return the rules by which a number may not be sent to."""
    return [why["rule"] for why in found["why"]]


async def test_a_number_of_which_nothing_is_known(tmp_path: Path) -> None:
    """It may be sent to; its limits are unused and nothing went there."""
    async with a_node(tmp_path) as served:
        found = await recipient(served)
    assert found == {
        "number": PERSON, "country": "CN", "channel": None, "application": None,
        "kind": "notification", "may_send": True, "until": None, "why": [],
        "limits": [
            {"limit": "retry.kinds.notification.per_minute", "within_seconds": 60,
             "allowed": 10, "sent": 0},
            {"limit": "retry.kinds.notification.per_day", "within_seconds": 86_400,
             "allowed": 50, "sent": 0},
        ],
        "words": [], "messages": [],
    }  # fmt: skip


@pytest.mark.parametrize("written", ["15500005172", "+8615500005172", "0086 155 0000 5172"])
async def test_suppressed_by_hand_and_lifted(tmp_path: Path, written: str) -> None:
    """In any writing of the number; what holds is known when the answer is there."""
    async with a_node(tmp_path, ack="journal") as served:
        answer = await suppress(served, written)
        assert answer.status_code == 200, answer.text
        assert (answer.json()["may_send"], rules(answer.json())) == (False, ["suppressed-by-hand"])
        found = await recipient(served)
        assert (found["may_send"], found["until"]) == (False, None)
        why = {name: found["why"][0][name] for name in ("source", "source_id", "reason", "channel")}
        assert why == {
            "source": "hand", "source_id": "default", "reason": "asked by phone", "channel": None
        }  # fmt: skip
        again = await suppress(served, written, reason="asked again")
        assert again.json()["why"][0]["reason"] == "asked again"
        lifted = await lift(served, written, reason="a mistake")
        assert (lifted.status_code, lifted.json()["may_send"]) == (200, True)
        check_problem(await lift(served, written), 404)
        told = await served.get(f"/v1/suppressions/{quote(written)}/history")
    assert [(one["action"], one["by"], one["reason"]) for one in told["changes"]] == [
        ("lifted", "default", "a mistake"),
        ("suppressed", "default", "asked again"),
        ("suppressed", "default", "asked by phone"),
    ]
    assert [(one["suppressed"], one["holds"]) for one in told["words"]] == [(False, False)]


async def test_for_a_channel_and_for_a_while(tmp_path: Path) -> None:
    """A word about one channel leaves the others alone, and its end is told."""
    soon = times.to_rfc3339(now() + 3600 * times.SECOND)
    async with a_node(tmp_path) as served:
        await suppress(served, channel=CHANNEL, until=soon)
        assert (await recipient(served, channel="1070"))["may_send"]
        for asked in ({"channel": CHANNEL}, {"channel": f"+{CHANNEL}"}, {}):
            found = await recipient(served, **asked)
            assert (found["may_send"], found["until"]) == (False, soon), asked


async def test_an_opt_out_is_lifted_only_where_that_is_said(tmp_path: Path) -> None:
    """A lift of the person's own word needs `override_opt_out`; a newer opt-out holds again."""
    async with a_node(tmp_path) as served:
        await opt_out(served)
        assert rules(await recipient(served)) == ["opted-out"]
        problem = check_problem(await lift(served), 409)
        assert problem["type"] == "urn:receiver:problem:opted-out"
        history = await served.get(f"/v1/suppressions/{quote(PERSON)}/history")
        assert history["changes"] == []
        assert (await lift(served, override_opt_out=True)).json()["may_send"]
        (listed,) = (await served.get("/v1/suppressions", number=PERSON))["suppressions"]
        assert (listed["source"], listed["holds"]) == ("uplink", False)
        body = form(from_=PERSON, to=CHANNEL, body="R", smsMsgId="later", createTime=ago(-1))
        assert (await served.push(body)).status_code == 200
        # What is written in the future counts from when it came.
        assert rules(await recipient(served)) == ["opted-out"]


@pytest.mark.parametrize(
    ("sent_from", "may_send"),
    [
        pytest.param("x8824060312575", False, id="an alias"),
        pytest.param(CHANNEL + "07", False, id="a number longer than the one written to"),
        pytest.param(CHANNEL, False, id="the number written to"),
        pytest.param("1070", True, id="another number"),
    ],
)
async def test_an_opt_out_reaches_whatever_it_may_answer(
    tmp_path: Path, sent_from: str, may_send: bool
) -> None:
    """Who answers R to a message is not sent it again, whatever the message was sent from."""
    sent = {"to": PERSON, "from": sent_from, "sent_at": ago(3600)}
    async with a_node(tmp_path) as served:
        await served.register(sends=[{"sms_msg_id": "m", **sent}])
        report = {"source": "2", "updateTime": ago(3500)}
        assert (
            await served.push(form(smsMsgId="m", status="MK:0041", **report))
        ).status_code == 200
        await opt_out(served)
        assert (await recipient(served, channel=sent_from))["may_send"] is may_send
        answer = await served.api.post("/v1/retries/claim", json={"limit": 10})
        assert [one["sms_msg_id"] for one in answer.json()["retries"]] == ["m"] * may_send
        lifted = await lift(served, channel=sent_from, override_opt_out=True)
        assert lifted.status_code == (404 if may_send else 200)
        assert (await recipient(served, channel=sent_from))["may_send"]


async def test_a_code_suppresses_and_a_delivery_disproves_it(tmp_path: Path) -> None:
    """A number that does not exist is not to be sent to, until a message arrives there."""
    async with a_node(tmp_path) as served:
        await fail(served, "m1", "MK:0001")
        found = await recipient(served, lang="zh")
        assert rules(found) == ["suppressed-by-code"]
        assert "MK:0001" in found["why"][0]["text"]
        assert found["why"][0]["source_id"] == "m1"
        assert found["until"] is not None
        assert [one["sms_msg_id"] for one in found["messages"]] == ["m1"]
        (listed,) = (await served.get("/v1/suppressions", source="code"))["suppressions"]
        assert (listed["number"], listed["reason"], listed["holds"]) == (PERSON, "MK:0001", True)
        metrics = (await served.api.get("/metrics")).text
        assert 'receiver_suppressed{source="code"} 1.0' in metrics
        assert 'receiver_suppressed{source="hand"} 0.0' in metrics
        await fail(served, "m2", "DELIVRD", seconds_ago=60)
        assert (await recipient(served))["may_send"]
        assert (await served.get("/v1/suppressions"))["suppressions"] == []


async def test_limits_and_hours_hold_for_a_while(tmp_path: Path) -> None:
    """Whoever was sent as much as the platform allows may be sent to when that is over."""
    async with a_node(tmp_path) as served:
        sends = [
            {"sms_msg_id": f"m{place}", "to": PERSON, "from": CHANNEL, "sent_at": ago(place)}
            for place in range(10)
        ]
        await served.register(sends=sends)
        found = await recipient(served)
        assert (found["may_send"], rules(found)) == (False, ["number-limit"])
        assert found["limits"][0]["sent"] == 10
        assert now() < (times.parse(found["until"]) or 0) <= now() + 60 * times.SECOND
        assert len(found["messages"]) == 10
        assert (await recipient(served, OTHER))["may_send"]
        assert (await recipient(served, kind="code"))["limits"][0]["sent"] == 0


async def test_promotional_texts_have_their_hours(tmp_path: Path) -> None:
    """By the clock of the recipient; the next hour in which is sent is told."""
    retry = {"kinds": {"promotional": {"send_window": "10:00-10:01", "quiet_hours": ""}}}
    async with a_node(tmp_path, retry=retry) as served:
        found = await recipient(served, kind="promotional")
        if not found["may_send"]:  # it is not 10:00 in China
            assert rules(found) == ["hours"]
            assert found["until"].endswith("T02:00:00Z")
        assert (await recipient(served, kind="notification"))["may_send"]


async def test_many_numbers_at_once(tmp_path: Path) -> None:
    """Each is judged in its place, in any writing, also what is no number."""
    async with a_node(tmp_path) as served:
        await suppress(served)
        await opt_out(served)
        numbers = ["15500005172", OTHER, "nobody", PERSON]
        answer = await served.api.post("/v1/recipients/check", json={"numbers": numbers})
        found = answer.json()
        assert (found["may_send"], found["refused"]) == (1, 3)
        assert [(one["asked"], one["may_send"], rules(one)) for one in found["recipients"]] == [
            ("15500005172", False, ["suppressed-by-hand", "opted-out"]),
            (OTHER, True, []),
            ("nobody", False, ["no-number"]),
            (PERSON, False, ["suppressed-by-hand", "opted-out"]),
        ]
        many = [f"+86139{place:08}" for place in range(1000)]
        answer = await served.api.post("/v1/recipients/check", json={"numbers": many})
        assert answer.json()["may_send"] == 1000
        check_problem(
            await served.api.post("/v1/recipients/check", json={"numbers": [*many, PERSON]}), 400
        )


BAD: list[Any] = [
    pytest.param("PUT", f"/v1/suppressions/{PERSON}", {}, id="no reason"),
    pytest.param("PUT", f"/v1/suppressions/{PERSON}", {"reason": " "}, id="an empty reason"),
    pytest.param("PUT", f"/v1/suppressions/{PERSON}", {"reason": "x" * 501}, id="a long reason"),
    pytest.param("PUT", f"/v1/suppressions/{PERSON}", {"reason": 1}, id="a number for a reason"),
    pytest.param("PUT", f"/v1/suppressions/{PERSON}", {"reason": "\ud800"}, id="no text"),
    pytest.param("PUT", "/v1/suppressions/nobody", WHY, id="no number"),
    pytest.param("PUT", "/v1/suppressions/1550000****", WHY, id="a masked number"),
    pytest.param("PUT", f"/v1/suppressions/{PERSON}", {**WHY, "until": ago(1)}, id="over already"),
    pytest.param("PUT", f"/v1/suppressions/{PERSON}", {**WHY, "until": "soon"}, id="no time"),
    pytest.param("PUT", f"/v1/suppressions/{PERSON}", {**WHY, "override_opt_out": True},
                 id="a field of the other method"),
    pytest.param("PUT", f"/v1/suppressions/{PERSON}", {**WHY, "application": "who"},
                 id="no such application"),
    pytest.param("PUT", f"/v1/suppressions/{PERSON}", {**WHY, "channel": "1" * 65},
                 id="no channel number"),
    pytest.param("PUT", f"/v1/suppressions/{PERSON}?x=1", WHY, id="an unknown parameter"),
    pytest.param("PUT", f"/v1/suppressions/{PERSON}", [], id="a list"),
    pytest.param("DELETE", f"/v1/suppressions/{PERSON}", {}, id="a lift without a reason"),
    pytest.param("DELETE", f"/v1/suppressions/{PERSON}", {**WHY, "override_opt_out": "yes"},
                 id="override is text"),
    pytest.param("POST", "/v1/recipients/check", {}, id="no numbers"),
    pytest.param("POST", "/v1/recipients/check", {"numbers": []}, id="an empty list"),
    pytest.param("POST", "/v1/recipients/check", {"numbers": [1]}, id="a number as such"),
    pytest.param("POST", "/v1/recipients/check", {"numbers": ["\ud800"]}, id="a number of no text"),
    pytest.param("POST", "/v1/recipients/check", {"numbers": [PERSON], "kind": "spam"},
                 id="an unknown kind"),
    pytest.param("GET", "/v1/recipients/nobody", None, id="asking about no number"),
    pytest.param("GET", f"/v1/recipients/{quote(PERSON)}?kind=spam", None, id="no such kind"),
    pytest.param("GET", f"/v1/recipients/{quote(PERSON)}?application=who", None, id="whose?"),
    pytest.param("GET", "/v1/suppressions/nobody/history", None, id="history of nobody"),
    pytest.param("GET", "/v1/suppressions?source=moon", None, id="an unknown source"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "body"), BAD)
async def test_bad_requests_say_what_to_do(
    tmp_path: Path, method: str, path: str, body: Any
) -> None:
    """What cannot be understood is refused, changes nothing and repeats no number."""
    async with a_node(tmp_path) as served:
        content = None if body is None else json.dumps(body)
        answer = await served.api.request(method, path, content=content)
        problem = check_problem(answer, 400)
        assert "155000" not in problem["detail"]
        assert (await served.get("/v1/suppressions"))["suppressions"] == []


async def test_a_key_that_reads_sets_nothing(tmp_path: Path) -> None:
    """Setting and lifting need the scope `write`, asking the scope `read`."""
    keys = [{"name": "reader", "key": "reader-key-0123456789abcdef", "scopes": ["read"]}]
    async with a_node(tmp_path, api_keys=keys) as served:
        served.api.headers["authorization"] = "Bearer reader-key-0123456789abcdef"
        check_problem(await suppress(served), 403)
        check_problem(await lift(served), 403)
        assert (await recipient(served))["may_send"]


async def test_every_application_or_one(tmp_path: Path) -> None:
    """A word by hand is about all applications unless one is named; lists tell which."""
    applications = [
        {"name": name, "tokens": [f"token-of-{name}-0123456789abcdef"]} for name in ("shop", "bank")
    ]
    async with a_node(tmp_path, callback_token=None, applications=applications) as served:
        await suppress(served, application="shop")
        await suppress(served, OTHER)
        assert not (await recipient(served, application="shop"))["may_send"]
        assert (await recipient(served, application="bank"))["may_send"]
        assert not (await recipient(served))["may_send"]
        assert not (await recipient(served, OTHER, application="bank"))["may_send"]
        listed = (await served.get("/v1/suppressions"))["suppressions"]
        assert [one["application"] for one in listed] == [None, "shop"]
        assert (await lift(served, OTHER, application="bank")).json()["may_send"]
        assert not (await recipient(served, OTHER, application="shop"))["may_send"]


@pytest.mark.parametrize("unseen", ["\0", "\x01", "\x7f", "\u200b"])
async def test_a_number_with_a_control_character_is_the_number(tmp_path: Path, unseen: str) -> None:
    """Every door reads it alike: a registration, a query, a path, a list and a person's reply."""
    number = f"+8615500{unseen}005172"
    async with a_node(tmp_path) as served:
        await served.register(sends=[{"sms_msg_id": "m-1", "to": number, "sent_at": ago(60)}])
        await served.push(form(from_=number, to=f"10{unseen}69", body="R", smsMsgId="u-1"))
        for asked in (number, PERSON):
            (found,) = (await served.get("/v1/messages", to=asked))["messages"]
            assert (found["sms_msg_id"], found["to"]) == ("m-1", PERSON)
            (reply,) = (await served.get("/v1/uplinks", **{"from": asked}))["uplinks"]
            assert reply["sms_msg_id"] == "u-1"
            told = await served.get(f"/v1/recipients/{quote(asked, safe='')}", channel="1069")
            assert told["number"] == PERSON
            assert not told["may_send"]
            answer = await served.api.post("/v1/recipients/check", json={"numbers": [asked]})
            assert answer.json()["recipients"][0]["number"] == PERSON
