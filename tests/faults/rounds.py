"""The same fault again and again under load, and the audit at the end."""

import random
import time
from collections.abc import Callable

from tests.faults.client import Client
from tests.faults.experiment import Bench
from tests.faults.oracle import Audit, audit
from tests.support.server import Server

_AUDIT_EVERY = 50  # rounds; a finding ends the experiment
_UNDER_LOAD_S = (0.5, 2.0)
_QUICK_UNDER_LOAD_S = (0.2, 0.8)
_CATCH_UP_S = 180.0

Strike = Callable[[int, Client], None]


def again_and_again(bench: Bench, server: Server, rounds: int, strike: Strike) -> Audit:
    """Start a server, load it for a while, strike it, and so on; audit what it kept.

    Args:
        bench: where the clients' records go.
        server: on one directory all the time; stopped before, between and after the rounds.
        rounds: how many.
        strike: ends the server in round n while the client pushes.
    """
    acknowledged: dict[str, str] = {}
    shortest, longest = _QUICK_UNDER_LOAD_S if bench.quick else _UNDER_LOAD_S
    for first in range(0, rounds, _AUDIT_EVERY):
        last = min(first + _AUDIT_EVERY, rounds)
        with Client(server, f"client-{first}", bench.directory) as client:
            for number in range(first, last):
                bench.say(f"round {number + 1} of {rounds}")
                started = time.monotonic()
                server.start()
                client.wait_for_acknowledgement(started)
                time.sleep(random.uniform(shortest, longest))  # noqa: S311 - no secret
                strike(number, client)
        acknowledged |= client.acknowledged
        bench.say(f"audit after round {last} of {rounds}")
        found = settle(server, acknowledged)
        if not found.holds:
            break
    return found


def settle(server: Server, acknowledged: dict[str, str]) -> Audit:
    """Let a server that is stopped catch up, stop it again and audit it."""
    server.start()
    return stop_and_audit(server, acknowledged)


def stop_and_audit(server: Server, acknowledged: dict[str, str]) -> Audit:
    """Let a server that runs catch up, stop it and audit it."""
    server.caught_up(_CATCH_UP_S)
    status = server.stop()
    assert status == 0, f"the server ended with status {status} when asked to"
    return audit(server, acknowledged)
