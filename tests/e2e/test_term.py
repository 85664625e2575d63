"""A receiver that is asked to end does so soon, and breaks no promise and no answer."""

import random
import signal
import socket
import time
from contextlib import ExitStack

from tests.e2e.ledger import assert_kept
from tests.e2e.load import Load, post, read_answer
from tests.e2e.outside import check_integrity, is_running
from tests.e2e.pushes import FORM, form
from tests.support.parts import write_lock
from tests.support.server import MakeServer, Server, at_length

ROUNDS = at_length(2, 20)
END_WITHIN_S = 10.0
LOCKED_S = 2.0


def end_under_load(server: Server, load: Load, *, to_all: bool) -> None:
    """Send SIGTERM while pushes arrive, and assert a gentle end of all processes."""
    children = server.children()
    with load:
        time.sleep(random.uniform(0.2, 0.6))  # noqa: S311 - no secret
        ending_at = time.monotonic()
        (server.signal_all if to_all else server.send_signal)(signal.SIGTERM)
        assert server.wait() == 0
        assert time.monotonic() - ending_at < END_WITHIN_S
    assert not [pid for pid in children if is_running(pid)]
    in_time = [attempt for attempt in load.attempts if attempt.sent_at < ending_at]
    assert in_time
    broken = [attempt for attempt in in_time if attempt.status != 200]
    assert not broken, f"{len(broken)} of {len(in_time)} sent before the end: {broken[:3]}"


def test_ended_under_load_again_and_again(make_server: MakeServer) -> None:
    """Each SIGTERM under load ends with status 0, complete answers and nothing lost.

    Every other time all processes of the service get the signal, as from most supervisors.
    """
    server = make_server()
    acknowledged: dict[str, str] = {}
    for number in range(ROUNDS):
        load = Load(server.start(), f"term-{number}")
        end_under_load(server, load, to_all=number % 2 == 1)
        acknowledged |= load.acknowledged
    server.start()
    server.caught_up()
    assert_kept(server, acknowledged)
    assert server.stop() == 0
    check_integrity(server)


def test_what_waits_for_the_disk_is_still_answered(server: Server) -> None:
    """Pushes that wait for the journal when the signal comes get their 200 and are kept."""
    ids = [f"waiting-{number}_1" for number in range(20)]
    with ExitStack() as stack:
        waiting = [
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port), 10))
            for _ in ids
        ]
        with write_lock(server.journal_file):
            for connection, sms_msg_id in zip(waiting, ids, strict=True):
                push = form(smsMsgId=sms_msg_id, status="DELIVRD")
                connection.sendall(post(server.callback_path, push, FORM))
            server.send_signal(signal.SIGTERM)
            time.sleep(LOCKED_S)
        assert {read_answer(connection)[0] for connection in waiting} == {200}
    assert server.wait() == 0
    server.start()
    server.caught_up()
    assert_kept(server, dict.fromkeys(ids, "DELIVRD"))


def test_a_push_that_never_ends_does_not_hold_up_the_end(server: Server) -> None:
    """With a half-sent push open the process still ends in time and with status 0."""
    whole = post(server.callback_path, b"smsMsgId=half_1&status=DELIVRD", FORM)
    with socket.create_connection(("127.0.0.1", server.port), 10) as connection:
        connection.sendall(whole[:-5])
        time.sleep(0.3)
        ending_at = time.monotonic()
        assert server.stop() == 0
    assert time.monotonic() - ending_at < END_WITHIN_S


def test_a_locked_store_does_not_hold_up_the_end(server: Server) -> None:
    """What the store could not take before the end is there after the next start."""
    with write_lock(server.store_file):
        assert server.push(b"smsMsgId=late_1&status=DELIVRD").status_code == 200
        ending_at = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - ending_at < END_WITHIN_S
    server.start()
    server.caught_up()
    assert server.api.message("late_1")["state"] == "delivered"
