"""The process that writes the journal may die alone; nothing that was acknowledged goes with it."""

import os
import signal
import time
from functools import partial

from tests.e2e.ledger import assert_kept
from tests.e2e.load import Load
from tests.e2e.outside import check_integrity, is_running
from tests.server import Server, eventually

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
                timeout_s=5,
            )
    assert {attempt.status for attempt in load.attempts} <= {200, 503}
    assert max(attempt.seconds for attempt in load.attempts) < 5
    server.caught_up()
    assert_kept(server, load.acknowledged)
    assert server.stop() == 0
    check_integrity(server)


def test_a_killed_server_leaves_no_process_behind(server: Server) -> None:
    """What the server started ends soon after the server was killed."""
    children = server.children()
    assert children
    server.kill()
    eventually(
        lambda: not [pid for pid in children if is_running(pid)],
        "the helpers have ended",
        timeout_s=5,
    )
