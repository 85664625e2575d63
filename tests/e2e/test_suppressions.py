"""Suppressions: what was answered 200 survives SIGKILL, and the queue keeps to it."""

import json
import subprocess
import time
from urllib.parse import quote

from receiver.domain import times
from tests.e2e.pushes import form
from tests.support.server import KEY, MakeServer, Server, at_length, run

ROUNDS = at_length(2, 5)
PERSON = "+8615500005172"
PATH = f"/v1/suppressions/{quote(PERSON, safe='')}"


def suppressions(server: Server, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command against a running receiver."""
    return run(
        "suppressions", *arguments, "--api-url", server.api_url, "--api-key", KEY, timeout_s=30
    )


def may_send(server: Server, **asked: str) -> bool:
    """Ask whether the person may be sent to."""
    found = server.api.get(f"/v1/recipients/{quote(PERSON, safe='')}", **asked)
    return bool(found["may_send"])


def ago(seconds: float) -> str:
    """Write a time that lies so far back."""
    return times.to_rfc3339(round((time.time() - seconds) * times.SECOND))


def test_what_was_answered_survives_a_kill(make_server: MakeServer) -> None:
    """Set and killed, lifted and killed: each 200 holds after the start that follows."""
    server = make_server().start()
    server.caught_up()
    for place in range(ROUNDS):
        answer = server.api.http.put(PATH, json={"reason": f"time {place}"})
        assert answer.status_code == 200, answer.text
        server.kill()
        server.start().caught_up()
        assert not may_send(server)
        lifted = server.api.http.request("DELETE", PATH, json={"reason": "enough"})
        assert lifted.status_code == 200, lifted.text
        server.kill()
        server.start().caught_up()
        assert may_send(server)
    assert len(server.api.get(f"{PATH}/history")["changes"]) == 2 * ROUNDS


def test_a_lost_store_gets_it_back_from_the_journal(make_server: MakeServer) -> None:
    """What was set by hand is in the journal, with its history, and each change only once."""
    server = make_server().start()
    server.caught_up()
    assert server.api.http.put(PATH, json={"reason": "asked"}).status_code == 200
    server.kill()
    for file in server.store_file.parent.glob(f"{server.store_file.name}*"):
        file.unlink()
    server.start().caught_up()
    assert not may_send(server)
    assert [one["reason"] for one in server.api.get(f"{PATH}/history")["changes"]] == ["asked"]


def test_the_queue_keeps_to_it(make_server: MakeServer) -> None:
    """A failed message is not handed out while its number is suppressed, whoever suppressed it."""
    server = make_server().start()
    sent = {"to": PERSON, "from": "1069", "sent_at": ago(7230)}
    server.api.register({"sends": [{"sms_msg_id": "m1", **sent}, {"sms_msg_id": "m2", **sent}]})
    failed = form(smsMsgId="m1", status="UNDELIV", source="2", updateTime=ago(7200))
    assert server.push(failed).status_code == 200
    assert server.api.http.put(PATH, json={"reason": "asked"}).status_code == 200
    claimed = server.api.http.post("/v1/retries/claim", json={"limit": 10}).json()
    assert claimed["retries"] == []
    (ended,) = server.api.get("/v1/retries", state="ended")["retries"]
    assert (ended["sms_msg_id"], ended["reason"]) == ("m1", "suppressed")


def test_the_command_sets_lists_and_lifts(shared_server: Server) -> None:
    """People do it all by the command, numbers are shown by their end only."""
    added = suppressions(
        shared_server, "add", "155 0000 5999", "--reason", "asked by phone", "--channel", "1069"
    )
    assert added.returncode == 0, added.stderr
    assert "no" in added.stdout
    assert "manually" in added.stdout
    listed = suppressions(shared_server, "list", "--number", "15500005999")
    assert "…5999" in listed.stdout
    assert "asked by phone" in listed.stdout
    assert "15500005999" not in listed.stdout
    for options, number in ((), "…5999"), (("--reveal",), "+8615500005999"):
        told = suppressions(shared_server, "list", "--json", "--source", "hand", *options)
        assert number in [one["number"] for one in json.loads(told.stdout)["suppressions"]]
    lifted = suppressions(
        shared_server, "lift", "15500005999", "--reason", "a mistake", "--channel", "1069"
    )
    assert lifted.returncode == 0, lifted.stderr
    history = suppressions(shared_server, "history", "15500005999")
    for word in ("suppressed", "lifted", "asked by phone", "a mistake"):
        assert word in history.stdout
    again = suppressions(shared_server, "lift", "15500005999", "--reason", "a mistake")
    assert again.returncode == 1
    assert "is not suppressed" in again.stderr


def test_the_command_says_that_somebody_opted_out(shared_server: Server) -> None:
    """A lift of an opt-out is refused with what to do, and done when that is said."""
    number = "+8615500005888"
    body = form(from_=number, to="1069", body="R", smsMsgId="opt-out-1", createTime=ago(60))
    assert shared_server.push(body).status_code == 200
    shared_server.caught_up()
    refused = suppressions(shared_server, "lift", number, "--reason", "he called")
    assert refused.returncode != 0
    assert "--override-opt-out." in refused.stderr
    done = suppressions(
        shared_server, "lift", number, "--reason", "he called", "--override-opt-out"
    )
    assert done.returncode == 0, done.stderr
    assert "yes" in done.stdout
