"""The platform's own samples, byte for byte, from the push to the look-up."""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.server import Server

SAMPLES = Path(__file__).parents[1] / "samples"
ACCEPTED = b'{"returnCode":0,"returnCodeDesc":"Success"}'
PUSHES = ("status_delivered.form", "status_failed.form", "status_batch.json", "uplink.form")
RESPONSES = ("send_response.json", "send_response_refused.json")
DELIVERED = "b9d9b4fe-ad0e-4a2a-a2c7-445505b674ac_6"
FAILED = "2ea20735-f856-4376-afbf-570bd70a46ee_11840135"
LONG = "d6e3cdd0-522b-4692-8304-a07553cdf591_8539659"
REFUSED = "06e4b966-ad87-479f-8b74-f57fb7aafb60_304613461"


@dataclass(frozen=True, slots=True)
class Sampled:
    """A server that was given every sample once."""

    server: Server
    pushed: dict[str, httpx.Response]
    registered: dict[str, dict[str, Any]]


def sample(name: str) -> bytes:
    """Return the bytes of a sample as they are on the wire: without an editor's last newline."""
    return (SAMPLES / name).read_bytes().rstrip(b"\n")


@pytest.fixture(scope="module", params=["raw", "wrapped"])
def sampled(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Sampled]:
    """Return a server all samples, the send responses bare or as `response`."""
    wrapped = request.param == "wrapped"
    with closing(Server(tmp_path_factory.mktemp("samples") / "data").start()) as server:
        pushed = {name: server.push(sample(name)) for name in PUSHES}
        registered = {
            name: server.api.register(
                {"response": json.loads(sample(name))} if wrapped else sample(name)
            )
            for name in RESPONSES
        }
        server.caught_up()
        yield Sampled(server, pushed, registered)


@pytest.mark.parametrize("name", PUSHES)
def test_every_push_is_answered_with_the_platforms_own_body(sampled: Sampled, name: str) -> None:
    """A push of the samples gets 200 with the 43 bytes that the platform's sample shows."""
    answer = sampled.pushed[name]
    assert (answer.status_code, answer.content) == (200, ACCEPTED)
    assert len(answer.content) == 43
    assert answer.headers["content-length"] == "43"
    assert answer.headers["content-type"] == "application/json;charset=UTF-8"


@pytest.mark.parametrize("name", RESPONSES)
def test_both_send_responses_are_registered_as_they_came(sampled: Sampled, name: str) -> None:
    """A send response is taken with 202, and its message is known as registered."""
    taken = sampled.registered[name]
    assert (taken["registered"], taken["rejected"]) == (1, [])
    (entry,) = json.loads(sample(name))["result"]
    message = sampled.server.api.message(entry["smsMsgId"])
    assert message["registered"] is True
    assert message["sent_at"] == entry["createTime"]
    assert message["to"].endswith(entry["originTo"])


def test_a_delivered_sample_is_shown_as_delivered(sampled: Sampled) -> None:
    """The delivered form and the batch with the same report make one delivered message."""
    message = sampled.server.api.message(DELIVERED)
    assert (message["state"], message["code"], message["final"]) == ("delivered", "DELIVRD", True)
    assert message["verdict"]["category"] == "delivered"
    assert message["verdict"]["action"] == "none"
    assert [part["state"] for part in message["parts"]] == ["delivered"]
    assert [report["redeliveries"] for report in message["reports"]] == [1]
    assert timeline(message) == [("2018-04-13T06:31:46Z", "report", "DELIVRD")]
    assert message["registered"] is False


def test_a_failed_sample_says_what_to_do(sampled: Sampled) -> None:
    """The failed form makes a failed message with its code explained."""
    message = sampled.server.api.message(FAILED)
    assert (message["state"], message["code"], message["final"]) == ("failed", "E200027", True)
    assert_advice(message)
    assert [(part["state"], part["code"]) for part in message["parts"]] == [("failed", "E200027")]
    assert timeline(message) == [("2018-10-31T08:43:41Z", "report", "E200027")]


def test_a_registered_sample_waits_for_its_parts(sampled: Sampled) -> None:
    """The long send without any report is pending with two parts."""
    message = sampled.server.api.message(LONG)
    assert (message["state"], message["code"], message["final"]) == ("pending", None, False)
    assert message["to"] == "+8615500005678"
    assert message["from"] == "1069000000000012"
    assert message["country"] == "CN"
    assert message["total"] == 2
    assert [part["state"] for part in message["parts"]] == ["pending", "pending"]
    assert timeline(message) == [("2018-05-25T16:34:34Z", "sent", "000000")]
    assert message["verdict"]["action"] in ("none", "wait")


def test_a_refused_sample_is_final_and_says_what_to_do(sampled: Sampled) -> None:
    """The send that the platform refused is final at once, with a suggestion."""
    message = sampled.server.api.message(REFUSED)
    assert (message["state"], message["code"], message["final"]) == ("refused", "E200033", True)
    assert message["to"] == "+8617300005478"
    assert_advice(message)
    assert timeline(message) == [("2024-08-18T11:32:20Z", "refused", "E200033")]


def test_the_uplink_sample_is_listed(sampled: Sampled) -> None:
    """The uplink is found with its sender, its text and the number that was answered."""
    (uplink,) = sampled.server.api.get("/v1/uplinks", **{"from": "+8615500005172"})["uplinks"]
    assert uplink["sms_msg_id"] == "9692b5be-c427-4525-8e73-cf4a6ac5b3f7"
    assert uplink["from"] == "+8615500005172"
    assert (uplink["to"], uplink["body"]) == ("201804131431201234", "R")


def timeline(message: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return the timeline in short."""
    return [(event["at"], event["event"], event["code"]) for event in message["timeline"]]


def assert_advice(message: dict[str, Any]) -> None:
    """Assert that a message that failed has a verdict that somebody can act on."""
    verdict = message["verdict"]
    assert verdict["action"] in ("retry", "fix", "stop", "investigate")
    assert verdict["category"] not in (None, "delivered", "accepted", "unknown")
    assert verdict["meaning"]
    assert verdict["suggestion"]
    assert message["code"] in verdict["why"]["text"]
