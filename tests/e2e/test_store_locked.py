"""A store that cannot be written for a while harms neither the pushes nor the look-ups."""

import threading
import time

from tests.e2e.ledger import assert_kept
from tests.e2e.load import Load
from tests.support.parts import write_lock
from tests.support.server import Server, at_length

LOCKED_S = at_length(6.0, 30.0)
# Each connection pauses between two pushes: together about 100 pushes per second.
CONNECTIONS, PAUSE_S = 10, 0.1
SLOWEST_S = 1.0


def look_up_until(ended: threading.Event, server: Server, known: str, slowest: list[float]) -> None:
    """Look up a known message twice a second and note how long each answer took."""
    while not ended.wait(0.5):
        started = time.monotonic()
        answer = server.api.http.get(f"/v1/messages/{known}")
        assert answer.status_code == 200
        slowest.append(time.monotonic() - started)


def test_pushes_and_lookups_go_on_while_the_store_is_locked(server: Server) -> None:
    """With the store locked all pushes get a quick 200 and look-ups answer; all is kept."""
    assert server.push(b"smsMsgId=known_1&status=DELIVRD").status_code == 200
    server.caught_up()
    ended = threading.Event()
    lookups: list[float] = []
    asking = threading.Thread(target=look_up_until, args=(ended, server, "known_1", lookups))
    asking.start()
    with (
        write_lock(server.store_file),
        Load(server, "locked", connections=CONNECTIONS, pause_s=PAUSE_S) as load,
    ):
        time.sleep(LOCKED_S)
        lag = server.api.metric("receiver_projector_lag_rows")
    ended.set()
    asking.join()
    assert lag > 0.5 * len(load.attempts), "the store was not locked at all"
    assert len(load.attempts) > 50 * LOCKED_S
    refused = [attempt for attempt in load.attempts if attempt.status != 200]
    assert not refused, f"{len(refused)} of {len(load.attempts)}: {refused[:3]}"
    assert max(attempt.seconds for attempt in load.attempts) < SLOWEST_S
    assert len(lookups) > 1.5 * LOCKED_S
    assert max(lookups) < SLOWEST_S
    server.caught_up()
    assert_kept(server, load.acknowledged)
