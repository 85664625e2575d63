"""A journal that cannot be written: a quick 503, and recovery without a restart."""

import time

import pytest

from tests.e2e.ledger import assert_kept
from tests.e2e.load import Load
from tests.support.parts import write_lock
from tests.support.server import MakeServer, Server, eventually

LOCKED_S = 6.0
TIMEOUT_S = 1.0
CASES: dict[str, dict[str, str]] = {
    "the disk does not answer": {},
    "too much waits": {"RECEIVER_JOURNAL__MAX_WAITING": "1"},
}


@pytest.fixture(params=CASES)
def saturated(request: pytest.FixtureRequest, make_server: MakeServer) -> Server:
    """Return a server whose journal gives up soon."""
    timeout = {"RECEIVER_JOURNAL__TIMEOUT_SECONDS": str(TIMEOUT_S)}
    return make_server({**timeout, **CASES[request.param]}).start()


def test_a_locked_journal_refuses_quickly_and_recovers(saturated: Server) -> None:
    """While the journal is locked pushes get 503 soon, afterwards 200; every 200 is kept."""
    server = saturated
    with Load(server, "saturated") as load:
        time.sleep(0.5)
        with write_lock(server.journal_file):
            locked_at = time.monotonic()
            time.sleep(LOCKED_S)
            released_at = time.monotonic()
        eventually(
            lambda: any(a.status == 200 and a.sent_at > released_at for a in load.attempts),
            "pushes are accepted again",
        )
        time.sleep(0.5)
    during = [a for a in load.attempts if locked_at < a.sent_at < released_at - TIMEOUT_S - 1]
    assert during
    assert {attempt.status for attempt in during} == {503}
    assert max(attempt.seconds for attempt in load.attempts) < LOCKED_S
    assert {attempt.status for attempt in load.attempts} == {200, 503}
    server.caught_up()
    assert_kept(server, load.acknowledged)


def test_a_refusal_says_when_to_come_again(make_server: MakeServer) -> None:
    """A push that was not made durable gets 503, `Retry-After` and a problem document."""
    server = make_server({"RECEIVER_JOURNAL__TIMEOUT_SECONDS": str(TIMEOUT_S)}).start()
    with write_lock(server.journal_file):
        refused = server.push(b"smsMsgId=late_1&status=DELIVRD")
        registering = server.api.http.post("/v1/sends", json={"sends": [{"sms_msg_id": "late_1"}]})
        not_ready = server.api.http.get("/readyz")
    for answer in (refused, registering):
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) >= 1
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == 503
    assert not_ready.status_code in (200, 503)
    accepted = eventually(
        lambda: server.push(b"smsMsgId=late_1&status=DELIVRD").status_code == 200,
        "pushes are accepted again",
    )
    assert accepted
    server.caught_up()
    assert server.api.message("late_1")["state"] == "delivered"
