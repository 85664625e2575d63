"""The process that writes the journal may die alone; nothing that was acknowledged goes with it."""

import os
import signal
import time
from functools import partial

import pytest

from tests.e2e.ledger import assert_kept
from tests.e2e.load import Load
from tests.e2e.outside import check_integrity, is_running
from tests.e2e.test_damage import errors
from tests.support.server import Server, eventually

ROUNDS = 5


def accepted_since(load: Load, since: float) -> bool:
    """Tell whether a push that was sent after a moment got its 200."""
    return any(a.status == 200 and a.sent_at > since for a in load.attempts)


def test_a_killed_writer_costs_no_acknowledged_push(server: Server) -> None:
    """With its helpers killed again and again the server refuses for a moment and goes on."""
    with Load(server, "writer") as load:
        for number in range(ROUNDS):
            time.sleep(0.3)
            helpers = server.children()
            assert helpers
            for pid in helpers:
                os.kill(pid, signal.SIGKILL)
            killed_at = time.monotonic()
            eventually(
                partial(accepted_since, load, killed_at),
                f"pushes are accepted again (round {number})",
            )
    ended = [line for line in errors(server) if "writer exited" in line["event"]]
    assert [line["how"] for line in ended] == ROUNDS * ["killed by SIGKILL"]
    assert {attempt.status for attempt in load.attempts} <= {200, 503}
    assert max(attempt.seconds for attempt in load.attempts) < 30
    server.caught_up()
    assert_kept(server, load.acknowledged)
    assert server.stop() == 0
    check_integrity(server)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_the_end_of_an_idle_writer_is_told(server: Server, number: signal.Signals) -> None:
    """The log says which process ended and how, and another one is there before a push comes."""
    (pid,) = server.children()
    os.kill(pid, number)
    (another,) = eventually(lambda: set(server.children()) - {pid}, "another writer is there")
    (line,) = (line for line in errors(server) if "writer exited" in line["event"])
    assert (line["writer"], line["how"]) == (pid, f"killed by {number.name}")
    assert f'"writer": {another}' in eventually(
        lambda: "".join(x for x in server.log.read_text().splitlines() if "restarted" in x),
        "the log names it",
    )
    assert server.push(b"smsMsgId=after&status=DELIVRD").status_code == 200
    assert server.children() == [another]
    assert server.stop() == 0
    assert len([line for line in errors(server) if "writer exited" in line["event"]]) == 1


def test_a_killed_server_leaves_no_process_behind(server: Server) -> None:
    """What the server started ends soon after the server was killed."""
    children = server.children()
    assert children
    server.kill()
    eventually(
        lambda: not [pid for pid in children if is_running(pid)],
        "the helpers have ended",
    )
