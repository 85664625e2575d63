"""A receiver that is killed at any moment has lost nothing that it acknowledged."""

import random
import time

from tests.e2e.ledger import assert_kept
from tests.e2e.load import Load
from tests.e2e.outside import check_integrity
from tests.support.server import MakeServer, at_length

ROUNDS = at_length(2, 20)


def test_killed_under_load_again_and_again(make_server: MakeServer) -> None:
    """After each SIGKILL under load every acknowledged report is in the store exactly once.

    Every other time the helpers of the process die with it, as when a container is killed.
    """
    server = make_server()
    acknowledged: dict[str, str] = {}
    for number in range(ROUNDS):
        server.start()
        with Load(server, f"kill-{number}") as load:
            time.sleep(random.uniform(0.3, 1.0))  # noqa: S311 - no secret
            server.kill(all_of_it=number % 2 == 1)
        assert load.acknowledged, f"nothing was acknowledged in round {number}"
        refused = {a.status for a in load.attempts} - {200, None}
        assert not refused, f"round {number}: {refused}"
        acknowledged |= load.acknowledged
    server.start()
    server.caught_up()
    assert_kept(server, acknowledged)
    assert server.stop() == 0
    check_integrity(server)
