"""Why a message is what it is: over the API and on the command line, in two languages."""

import json
import time
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from receiver.domain import times
from tests.e2e.pushes import batch
from tests.support.catalogues import is_chinese, is_english
from tests.support.server import (
    KEY,
    OVERDUE_AFTER_HOURS,
    READER,
    MakeServer,
    Server,
    http_client,
    run,
)

Json = dict[str, Any]
SENT = "2026-01-31T08:00:00Z"


def ago(seconds: float) -> str:
    """Write a time that lies so far back."""
    return times.to_rfc3339(round((time.time() - seconds) * times.SECOND))


def a_contradictory_message(server: Server) -> str:
    """Let a server know a message of two parts, one of which failed before it arrived."""
    sms_msg_id = f"{uuid4()}_1"
    common = {"smsMsgId": sms_msg_id, "total": "2", "source": "2", "to": "+8613800000001"}
    reports = [
        {"sequence": "1", "status": "DELIVRD", "updateTime": "2026-01-31T08:00:40Z"},
        {"sequence": "1", "status": "MK:0001", "updateTime": "2026-01-31T08:00:10Z"},
        {"sequence": "2", "status": "EXPIRED", "updateTime": "2026-01-31T08:01:00Z"},
        {"sequence": "2", "status": "UNDELIV", "updateTime": "2026-01-31T08:01:00Z"},
    ]
    assert server.push(batch(common | report for report in reports)).status_code == 200
    send = {"sms_msg_id": sms_msg_id, "to": "13800000001", "sent_at": SENT, "total": 2}
    server.api.register({"sends": [send]})
    server.caught_up()
    return sms_msg_id


def explanation_of(server: Server, sms_msg_id: str, **parameters: str) -> Json:
    """Get the explanation of a message."""
    found: Json = server.api.get(f"/v1/messages/{quote(sms_msg_id, safe='')}/explain", **parameters)
    return found


def texts_in(value: Any) -> list[str]:
    """Return all sentences of an answer, on every level."""
    if isinstance(value, dict):
        own = [text for name, text in value.items() if name == "text"]
        return own + [text for inner in value.values() for text in texts_in(inner)]
    return [text for inner in value for text in texts_in(inner)] if isinstance(value, list) else []


def test_every_step_is_told(shared_server: Server) -> None:
    """Reports by precedence, parts, state, code, rows, policy and oddities: all with their rule."""
    sms_msg_id = a_contradictory_message(shared_server)
    message = shared_server.api.message(sms_msg_id)

    told = explanation_of(shared_server, sms_msg_id)

    names = ("part", "place", "status", "outcome", "rule")
    assert [tuple(report[name] for name in names) for report in told["reports"]] == [
        (1, 1, "DELIVRD", "wins", "delivered-over-failure"),
        (1, 2, "MK:0001", "outranked", "delivered-over-failure"),
        (2, 1, "UNDELIV", "wins", "content-order"),
        (2, 2, "EXPIRED", "outranked", "content-order"),
    ]
    assert (told["parts"]["expected"], told["parts"]["rule"]) == (2, "told-by-send-and-reports")
    assert (told["parts"]["missing"], told["parts"]["extra"]) == ([], [])
    assert (told["state"]["state"], told["state"]["rule"]) == ("partial", "parts-differ")
    assert told["state"]["final"] is True
    assert told["code"] == {
        "code": "UNDELIV",
        "part": 2,
        "rule": "worst-part",
        "text": told["code"]["text"],
    }
    assert told["verdict"] == message["verdict"]
    assert told["catalogue"]["version"] == message["verdict"]["catalogue"]
    assert told["catalogue"]["why"] == message["verdict"]["why"]
    (row,) = [row for row in told["catalogue"]["rows"] if row["decides"]]
    assert (row["code"], row["category"]) == ("UNDELIV", message["verdict"]["category"])
    rules = [step["rule"] for step in told["policy"]]
    assert rules[:2] == ["late-delivered-wins", "action-of-row"]
    assert {anomaly["name"] for anomaly in told["anomalies"]} == set(message["anomalies"])
    assert "contradiction" in message["anomalies"]
    assert (message["state"], message["code"]) == ("partial", "UNDELIV")


def test_the_arithmetic_of_a_retry_is_told(shared_server: Server) -> None:
    """`not_before` of the verdict is the sum that the steps of the retry show."""
    sms_msg_id = f"{uuid4()}_1"
    sent = {"sms_msg_id": sms_msg_id, "to": "+8615500005172", "sent_at": ago(3600)}
    shared_server.api.register({"sends": [sent]})
    report = {"smsMsgId": sms_msg_id, "status": "EXPIRED", "updateTime": ago(3590), "source": "2"}
    assert shared_server.push(batch([report])).status_code == 200
    shared_server.caught_up()
    message = shared_server.api.message(sms_msg_id)
    explained = explanation_of(shared_server, sms_msg_id)
    steps = {step["rule"]: step for step in explained["retry"].pop("steps")}
    assert (explained["verdict"], explained["retry"]) == (message["verdict"], message["retry"])
    assert steps["retry-due"]["due_at"] == message["verdict"]["not_before"]
    assert str(steps["retry-due"]["wait_s"]) in steps["retry-due"]["text"]


def test_what_is_waited_for_is_told(shared_server: Server) -> None:
    """An open message says which part is missing and when it will be overdue; an orphan never."""
    sms_msg_id = f"{uuid4()}_1"
    report = {"smsMsgId": sms_msg_id, "status": "DELIVRD", "sequence": "2", "total": "3"}
    assert shared_server.push(batch([report])).status_code == 200
    shared_server.caught_up()
    orphan = explanation_of(shared_server, sms_msg_id)
    assert (orphan["parts"]["missing"], orphan["state"]["rule"]) == ([1, 3], "parts-open")
    assert (orphan["registered"], orphan["policy"][-1]["rule"]) == (False, "never-overdue")
    shared_server.api.register({"sends": [{"sms_msg_id": sms_msg_id}]})
    shared_server.caught_up()
    registered = explanation_of(shared_server, sms_msg_id)
    assert (registered["registered"], registered["policy"][-1]["rule"]) == (True, "overdue-at")
    assert registered["policy"][-1]["hours"] == OVERDUE_AFTER_HOURS


def test_it_speaks_the_language(shared_server: Server) -> None:
    """All sentences come in the language asked for."""
    sms_msg_id = a_contradictory_message(shared_server)
    chinese = texts_in(explanation_of(shared_server, sms_msg_id, lang="zh"))
    english = texts_in(explanation_of(shared_server, sms_msg_id, lang="en"))
    assert len(chinese) == len(english) >= 10
    assert [text for text in chinese if not is_chinese(text)] == []
    assert [text for text in english if not is_english(text)] == []


def test_it_needs_a_key_that_may_read(shared_server: Server) -> None:
    """Without a key it is 401, with one that reads it is answered, and nothing is 404."""
    sms_msg_id = a_contradictory_message(shared_server)
    path = f"/v1/messages/{sms_msg_id}/explain"
    with http_client(shared_server.api_url) as stranger:
        assert stranger.get(path).status_code == 401
    with http_client(shared_server.api_url, READER) as reader:
        assert reader.get(path).status_code == 200
        assert reader.get(path, params={"application": "default"}).status_code == 200
        assert reader.get(path, params={"application": "other"}).status_code == 404
        assert reader.get("/v1/messages/nobody_1/explain").status_code == 404
        assert reader.get(path, params={"because": "1"}).status_code == 400


def test_an_id_that_ends_like_the_route_is_still_an_id(shared_server: Server) -> None:
    """Escaped, a slash belongs to the id: such a message is found, and is explained too."""
    sms_msg_id = f"{uuid4()}/explain"
    report = {"smsMsgId": sms_msg_id, "status": "DELIVRD"}
    assert shared_server.push(batch([report])).status_code == 200
    shared_server.caught_up()
    assert shared_server.api.message(sms_msg_id)["sms_msg_id"] == sms_msg_id
    assert explanation_of(shared_server, sms_msg_id)["sms_msg_id"] == sms_msg_id


def test_lookup_why(shared_server: Server) -> None:
    """`receiver lookup ID --why` prints the same for people and for programs."""
    sms_msg_id = a_contradictory_message(shared_server)
    where = ("--api-url", shared_server.api_url, "--api-key", KEY)
    as_json = run("lookup", sms_msg_id, "--why", "--json", *where)
    assert as_json.returncode == 0, as_json.stderr
    assert json.loads(as_json.stdout) == explanation_of(shared_server, sms_msg_id)
    shown = run("lookup", sms_msg_id, "--why", *where, env={"COLUMNS": "300"})
    assert shown.returncode == 0, shown.stderr
    for text in (
        "a delivery takes precedence over every failure",
        "every part has a final report, but with different results",
        "One report states that a part was delivered",
        "outranked",
        "UNDELIV",
    ):
        assert text in " ".join(shown.stdout.split()), text
    chinese = run("lookup", sms_msg_id, "--why", "--lang", "zh", *where, env={"COLUMNS": "300"})
    assert "送达的报告优先于任何失败的报告" in chinese.stdout
    nothing = run("lookup", "nobody_1", "--why", *where)
    assert (nothing.returncode, "No message has this id" in nothing.stderr) == (1, True)


def test_lookup_of_an_application(shared_server: Server) -> None:
    """`--application` narrows a look-up to one of several applications."""
    sms_msg_id = a_contradictory_message(shared_server)
    where = ("--api-url", shared_server.api_url, "--api-key", KEY, "--json")
    there = run("lookup", sms_msg_id, "--application", "default", *where)
    assert json.loads(there.stdout)["sms_msg_id"] == sms_msg_id
    assert run("lookup", sms_msg_id, "--application", "other", *where).returncode == 1


def test_lookup_names_the_applications_that_know_an_id(make_server: MakeServer) -> None:
    """Where several do, the command says which, and by which option one is chosen."""
    names = ("bank", "shop")
    applications = [{"name": one, "tokens": [f"{one}-token-of-many-letters"]} for one in names]
    server = make_server({"RECEIVER_APPLICATIONS": json.dumps(applications)}).start()
    server.ready()
    for name in names:
        server.api.register({"application": name, "sends": [{"sms_msg_id": "both_1"}]})
    server.caught_up()
    done = run("lookup", "both_1", "--api-url", server.api_url, "--api-key", KEY)
    assert done.returncode == 1
    assert "Choose one with --application.\napplications: bank, shop" in done.stderr
    assert "?application=" not in done.stderr
