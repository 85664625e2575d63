"""The process is killed, or asked to end, at any moment under load."""

import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field

from tests.e2e.load import post
from tests.e2e.outside import is_running
from tests.e2e.pushes import FORM, batch, form
from tests.faults.client import Client
from tests.faults.experiment import Bench, Experiment, Outcome
from tests.faults.lookups import LARGEST_PAGE, Lookups, SlowDownload
from tests.faults.rounds import again_and_again
from tests.faults.shown import Shown
from tests.support.server import Server, eventually

_END_WITHIN_S = 10.0
_BATCH = 50  # reports in a push
_PATHS = ("/v1/messages?limit=50", "/metrics", "/v1/messages/large-1_1")


# --- SIGKILL --------------------------------------------------------------------------------------


def kill_again_and_again(bench: Bench) -> Outcome:
    """Kill the process alone, then with all its processes, in turn."""
    rounds = bench.rounds(200, 3)
    with closing(Server(bench.directory / "data")) as server:

        def strike(number: int, _: Client) -> None:
            server.kill(all_of_it=number % 2 == 1)

        found = again_and_again(bench, server, rounds, strike)
    return Outcome(found.holds, {"rounds": rounds, **found.figures()}, found.complaint())


# --- SIGTERM --------------------------------------------------------------------------------------


@dataclass
class Endings:
    """What the rounds of SIGTERM have shown, beside the complaints.

    Attributes:
        seconds: from the signal to the end, of each round.
        lookups: answered ones.
        downloads: those that were under way when the signal came.
        to_be_answered: whose pushes, sent between which moments (monotonic seconds), had to get
            their 200 because they were sent before the signal.
        ended_at: when the server of the round before was gone.
    """

    seconds: list[float] = field(default_factory=list)
    lookups: int = 0
    downloads: int = 0
    to_be_answered: list[tuple[Client, float, float]] = field(default_factory=list)
    ended_at: float = 0.0

    def unanswered(self) -> int:
        """Count the pushes that came in time and have no 200."""
        return sum(
            attempt.status != 200
            for client, since, until in self.to_be_answered
            for attempt in client.sent_between(since, until)
        )


def end_again_and_again(bench: Bench) -> Outcome:
    """Ask the process to end while pushes, look-ups and slow downloads are open."""
    rounds = bench.rounds(50, 2)
    endings, shown = Endings(), Shown({"rounds": rounds})
    with closing(Server(bench.directory / "data")) as server:
        _fill(server)

        def strike(number: int, client: Client) -> None:
            _end_once(server, client, number, endings, shown)

        found = again_and_again(bench, server, rounds, strike)
    unanswered = endings.unanswered()
    shown.figures |= {
        "slowest_end_s": round(max(endings.seconds), 2),
        "lookups": endings.lookups,
        "downloads": endings.downloads,
        "unanswered": unanswered,
    }
    shown.require(not unanswered, f"{unanswered} pushes sent before the signal had no 200")
    shown.require(
        endings.downloads == len(endings.seconds), "not every download was slow: proves nothing"
    )
    shown.take(found)
    return shown.outcome()


def _fill(server: Server) -> None:
    """Return the store enough for an answer that no socket buffer takes at once."""
    server.start()
    for first in range(0, LARGEST_PAGE, _BATCH):
        numbers = range(first, first + _BATCH)
        items = [{"smsMsgId": f"large-{number}_1", "status": "DELIVRD"} for number in numbers]
        assert server.push(batch(items)).status_code == 200
    server.caught_up()
    assert server.stop() == 0


def _end_once(server: Server, client: Client, number: int, endings: Endings, shown: Shown) -> None:
    server.ready()
    helpers = server.children()
    with ExitStack() as stack:
        stack.enter_context(_half_a_push(server))
        download = stack.enter_context(SlowDownload(server))
        lookups = stack.enter_context(Lookups(server, _PATHS))
        eventually(lambda: lookups.answered >= len(_PATHS), "look-ups are answered")
        endings.downloads += download.is_under_way()
        lookups.may_fail = True
        asked = time.monotonic()
        (server.signal_all if number % 2 else server.send_signal)(signal.SIGTERM)
        status = server.wait(2 * _END_WITHIN_S)
        took = time.monotonic() - asked
    left = [pid for pid in helpers if is_running(pid)]
    endings.seconds.append(took)
    endings.lookups += lookups.answered
    endings.to_be_answered.append((client, endings.ended_at, asked))
    endings.ended_at = time.monotonic()
    shown.complaints += lookups.complaints
    shown.require(
        status == 0 and took < _END_WITHIN_S and not left,
        f"round {number}: status {status} after {took:.1f} s, {len(left)} processes left",
    )


@contextmanager
def _half_a_push(server: Server) -> Iterator[None]:
    whole = post(server.callback_path, form(smsMsgId="half_1", status="DELIVRD"), FORM)
    with socket.create_connection(("127.0.0.1", server.port), 10) as connection:
        connection.sendall(whole[:-5])
        yield


EXPERIMENTS = (
    Experiment(
        name="sigkill",
        how="SIGKILL after 0.5-2 s under 20 clients, in turn the process alone and all of it",
        must_hold="0 lost, 0 doubled, 0 misfolded, files sound",
        run=kill_again_and_again,
    ),
    Experiment(
        name="sigterm",
        how="SIGTERM under load with look-ups, a slow download and half a push open",
        must_hold="0 lost, status 0 within 10 s, every push sent before answered 200",
        run=end_again_and_again,
    ),
)
