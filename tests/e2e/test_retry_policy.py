"""The rules of retries as an operator sets them, seen through the queue of a running receiver."""

import json
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from receiver.domain import times
from tests.e2e.pushes import form
from tests.support.server import Server

Json = dict[str, Any]
MINUTE = 60
CODE, NIGHTLY, SALE = "template-of-codes", "template-of-the-night", "sale-"


def ago(seconds: float) -> str:
    """Write a time that lies so far back."""
    return times.to_rfc3339(round((time.time() - seconds) * times.SECOND))


def in_china(hours: float) -> str:
    """Write the time of day in China, so many hours from now."""
    moment = datetime.now(UTC) + timedelta(hours=hours)
    return moment.astimezone(ZoneInfo("Asia/Shanghai")).strftime("%H:%M")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return a ready server with rules of its own."""
    rules = {
        "overrides": [
            {"template_id": CODE, "kind": "code"},
            {"template_id": NIGHTLY, "quiet_hours": f"{in_china(-2)}-{in_china(2)}"},
            {"reference_prefix": SALE, "attempts": 1},
        ]
    }
    one = Server(tmp_path_factory.mktemp("rules") / "data", {"RECEIVER_RETRY": json.dumps(rules)})
    with closing(one.start()):
        one.ready()
        yield one


def fail(
    server: Server, sms_msg_id: str, *, code: str = "UNDELIV", seconds_ago: float = 2 * 3600,
    to: str = "+8615500005172", **send: str,
) -> Json:  # fmt: skip
    """Send a message that fails five seconds later; return how its retry is explained."""
    sent = {"sms_msg_id": sms_msg_id, "to": to, "sent_at": ago(seconds_ago + 5), **send}
    server.api.register({"sends": [sent]})
    report = {"source": "2", "updateTime": ago(seconds_ago)}
    assert server.push(form(smsMsgId=sms_msg_id, status=code, **report)).status_code == 200
    server.caught_up()
    explained: Json = server.api.get(f"/v1/messages/{sms_msg_id}/explain")["retry"]
    return explained


def claimed(server: Server) -> list[str]:
    """Claim all that is due; return the ids."""
    answer = server.api.http.post("/v1/retries/claim", json={"limit": 500})
    assert answer.status_code == 200, answer.text
    return [item["sms_msg_id"] for item in answer.json()["retries"]]


def last_rule(explained: Json) -> str:
    """Return the rule that said the last word."""
    rule: str = explained["steps"][-1]["rule"]
    return rule


def test_a_code_is_sent_again_at_once_or_not_at_all(server: Server) -> None:
    """It is due a minute after the failure, worth nothing after five, and never sent twice."""
    soon = fail(server, "code-1", seconds_ago=2 * MINUTE, template_id=CODE)
    late = fail(server, "code-2", seconds_ago=10 * MINUTE, template_id=CODE)
    risky = fail(server, "code-3", code="EXPIRED", seconds_ago=2 * MINUTE, template_id=CODE)
    other = fail(server, "other-3", code="EXPIRED", seconds_ago=3 * 3600)

    assert (risky["not_before"], last_rule(risky)) == (None, "duplicate-risk")
    assert soon["not_before"] < ago(0) < soon["deadline"]
    assert (late["not_before"], late["reason"]) == (None, "deadline")
    assert other["decision"] == "retry"
    assert {"code-1", "other-3"} == set(claimed(server))


def test_quiet_hours_put_it_off(server: Server) -> None:
    """What would be due at night by the recipient's clock is due when the night is over."""
    explained = fail(server, "night-1", template_id=NIGHTLY)
    fail(server, "day-1", template_id=NIGHTLY, to="+14165550123")  # half a world away

    assert "retry-hours" in [step["rule"] for step in explained["steps"]]
    not_before = times.parse(explained["not_before"])
    assert not_before is not None
    assert 1.9 * 3600 < not_before / times.SECOND - time.time() < 2.1 * 3600
    assert claimed(server) == ["day-1"]


def test_the_attempts_of_an_override(server: Server) -> None:
    """Of a sale there is one send and no more."""
    assert last_rule(fail(server, "sale-1", reference="sale-7")) == "attempts-used-up"
    assert claimed(server) == []


def test_a_retry_keeps_the_limits_of_the_number(server: Server) -> None:
    """Where the number just got as much as the platform allows, the retry waits."""
    number = "+8615500007777"
    fail(server, "limited-1", to=number)
    sends = [
        {"sms_msg_id": f"recent-{place}", "to": number, "sent_at": ago(place)}
        for place in range(10)
    ]
    server.api.register({"sends": sends})

    assert claimed(server) == []

    (waiting,) = server.api.get("/v1/retries", state="waiting", due_before=ago(-120))["retries"]
    assert (waiting["sms_msg_id"], waiting["reason"]) == ("limited-1", "number-limit")
