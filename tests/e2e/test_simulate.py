"""`receiver simulate` and `receiver demo` against a real receiver."""

import json
import re
import signal
import subprocess
import sys
from typing import Any

import pytest

from tests.support.server import KEY, ROOT, Server, clean_environment, free_port, run

COUNT = 200


def simulate(server: Server, *more: str) -> dict[str, Any]:
    """Simulate against a server; return the tally."""
    done = run(
        "simulate",
        *("--api-url", server.api_url),
        *("--count", str(COUNT), "--rate", "0", "--json"),
        *more,
        env={"CALLBACK_URL": server.url + server.callback_path, "RECEIVER_API_KEY": KEY},
    )
    assert done.returncode == 0, done.stderr
    tally: dict[str, Any] = json.loads(done.stdout)
    return tally


def count(server: Server, sql: str) -> int:
    """Return a number of the store."""
    ((number,),) = server.rows(sql)
    return int(number)


@pytest.mark.parametrize("register", ["first", "after"])
def test_the_store_matches_the_tally(server: Server, register: str) -> None:
    """Everything simulated is acknowledged and stored, and every message has its send."""
    tally = simulate(server, "--register", register, "--seed", "7")
    assert tally["not_acknowledged"] == {}
    assert tally["acknowledged"] == tally["pushes"]
    assert tally["messages"] == tally["registered"] == COUNT
    assert tally["unregistered"] == 0
    assert tally["redelivered"] > 0
    server.caught_up()
    assert count(server, "SELECT count(*) FROM messages") == COUNT
    assert (
        count(server, "SELECT count(*) FROM messages WHERE state = 'refused'") == (tally["refused"])
    )
    assert count(server, "SELECT count(*) FROM reports") == tally["reports"]
    assert (
        count(server, "SELECT count(*) + sum(redeliveries) FROM uplinks")
        == (tally["pushes"]["uplink"])
    )
    assert count(server, "SELECT count(*) FROM quarantine") == 0
    assert count(server, "SELECT count(*) FROM messages WHERE NOT registered") == 0
    assert server.api.metric("receiver_orphans") == 0
    assert count(server, "SELECT count(*) FROM messages WHERE NOT final") == 0


def test_without_registration_all_are_orphans(server: Server) -> None:
    """`--register never` leaves messages that only their reports tell of."""
    tally = simulate(server, "--register", "never")
    assert tally["not_acknowledged"] == {}
    server.caught_up()
    assert count(server, "SELECT count(*) FROM messages WHERE registered") == 0
    orphans = count(server, "SELECT count(*) FROM messages")
    assert server.api.metric("receiver_orphans") == orphans == COUNT - tally["refused"]


def test_a_simulation_against_nothing_says_so() -> None:
    """Without a receiver the simulation ends with status 1 and plain words."""
    port = free_port()
    done = run("simulate", "--url", f"http://127.0.0.1:{port}/callbacks/x", "--count", "1")
    assert done.returncode == 1
    assert str(port) in done.stderr
    assert "Traceback" not in done.stderr


def test_the_demo_shows_growing_counters_and_ends() -> None:
    """The demo prints its addresses and counters that grow, and ends by itself with status 0."""
    done = run("demo", "--seconds", "6")
    assert done.returncode == 0, done.stderr
    assert re.search(r"API address: +http://127\.0\.0\.1:\d+", done.stdout)
    assert re.search(r"Callback URL: +http://127\.0\.0\.1:\d+/callbacks/\S+", done.stdout)
    accepted = [int(number) for number in re.findall(r"pushes accepted: (\d+)", done.stdout)]
    stored = [int(number) for number in re.findall(r"reports stored: (\d+)", done.stdout)]
    assert len(accepted) >= 3
    assert accepted == sorted(accepted)
    assert accepted[-1] > accepted[0]
    assert stored[-1] > 0


def test_the_demo_ends_on_a_signal() -> None:
    """SIGTERM ends a demo soon and with status 0."""
    process = subprocess.Popen(
        [sys.executable, "-m", "receiver", "demo"],
        env=clean_environment({"PYTHONUNBUFFERED": "1"}),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    with process:
        try:
            assert process.stdout is not None
            announced = [process.stdout.readline() for _ in range(3)]
            assert b"Callback URL" in b"".join(announced)
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        finally:
            process.kill()
