"""`ack = "store"`: the 200 means that the API already shows it."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e.pushes import batch, form
from tests.support.parts import write_lock
from tests.support.server import MakeServer, Server

PUSHES = 100


@pytest.fixture
def server(make_server: MakeServer) -> Server:
    """Return a server that answers when the store has it."""
    settings = {"RECEIVER_ACK": "store", "RECEIVER_JOURNAL__TIMEOUT_SECONDS": "1"}
    return make_server(settings).start()


def test_what_was_acknowledged_is_shown_at_once(server: Server) -> None:
    """After the 200 of a push, and the 202 of a registration, a look-up finds it."""
    for number in range(PUSHES):
        sms_msg_id = f"shown-{number}_1"
        server.api.register({"sends": [{"sms_msg_id": sms_msg_id}]})
        assert server.api.message(sms_msg_id)["state"] == "pending"
        report = {"smsMsgId": sms_msg_id, "status": "DELIVRD"}
        push = batch([report]) if number % 2 else form(**report)
        assert server.push(push).status_code == 200
        assert server.api.message(sms_msg_id)["state"] == "delivered"


def test_many_at_once_are_all_shown(server: Server) -> None:
    """Pushes that wait for the store together are each shown when they are answered."""

    def push_and_look(number: int) -> str:
        sms_msg_id = f"together-{number}_1"
        push = form(smsMsgId=sms_msg_id, status="EXPIRED")
        assert server.push(push).status_code == 200
        state: str = server.api.message(sms_msg_id)["state"]
        return state

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(push_and_look, range(PUSHES))) == {"failed"}


def test_a_store_that_does_not_take_it_means_503(server: Server) -> None:
    """With the store locked nothing is acknowledged; with the lock gone pushes go on."""
    with write_lock(server.store_file):
        answer = server.push(b"smsMsgId=late_1&status=DELIVRD")
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    server.caught_up()
    assert server.push(b"smsMsgId=late_1&status=DELIVRD").status_code == 200
    assert server.api.message("late_1")["state"] == "delivered"
