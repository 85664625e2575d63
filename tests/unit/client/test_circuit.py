"""What threads know in common of a receiver that is away: one asks it, the others do not wait."""

import asyncio
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from time import monotonic

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.client import AsyncClient, Client, Registered, registrations
from receiver.client.circuit import PROBE_S, Admitted, Circuit
from tests.support.scripted import KINDS, RESPONSE, Reply, kept, nobody, scripted
from tests.support.server import KEY, free_port
from tests.support.slow_receivers import BEHAVIOURS, receiver_away, slow_receiver

REST_S = 5.0
NOT_TRIED = "The receiver did not answer a recent request; not tried."
STEPS = st.lists(st.tuples(st.floats(0.0, 8.0), st.sampled_from(["fails", "finds", "hangs"])))


# --- the rules ------------------------------------------------------------------------------------


@given(STEPS, st.floats(0.1, 60.0))
def test_one_asks_at_a_time(steps: list[tuple[float, str]], longest_s: float) -> None:
    """Between two probes lies their rest, none takes more than a tenth of the time; one ends it."""
    circuit, now, idle_since = Circuit(REST_S, longest_s), 100.0, 100.0
    circuit.missed(object(), now)
    for pause_s, what in steps:
        now += pause_s
        probe_s = circuit.probe_s
        assert 0 < probe_s <= longest_s
        admitted = circuit.admit(now)
        if admitted is Admitted.NOT_NOW:
            assert now < idle_since + max(REST_S, 10 * longest_s)
            continue
        assert admitted is Admitted.AS_PROBE
        assert now >= idle_since + REST_S
        assert circuit.admit(now + probe_s) is Admitted.NOT_NOW
        if what == "finds":
            circuit.found()
            assert circuit.admit(now) is Admitted.FREELY
            circuit.missed(object(), now)
            idle_since = now
            continue
        took_s = probe_s if what == "hangs" else 0.0
        now = idle_since = now + took_s
        circuit.missed(object(), now, took_s)
        assert circuit.admit(now + 10 * took_s - 0.001) is Admitted.NOT_NOW
        assert circuit.probe_s == (min(2 * probe_s, longest_s) if took_s else probe_s)


def test_a_probe_that_never_ends_is_followed_by_another() -> None:
    """A probe whose thread was stopped holds its place for a while only."""
    circuit = Circuit(REST_S, 5.0)
    circuit.missed(object(), 0.0)
    assert circuit.admit(10.0) is Admitted.AS_PROBE
    assert circuit.admit(10.0 + PROBE_S) is Admitted.NOT_NOW
    assert circuit.admit(16.0) is Admitted.AS_PROBE


def test_threads_that_ask_at_once() -> None:
    """Of many threads one is the probe, and of many that failed one goes on."""
    circuit, start = Circuit(REST_S, 5.0), threading.Barrier(16)

    def claim(name: int) -> bool:
        start.wait()
        return circuit.claim(name, 10.0)

    def admit(_: int) -> Admitted:
        start.wait()
        return circuit.admit(100.0)

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(claim, range(16))) == 1
        admitted = list(pool.map(admit, range(16)))
    assert admitted.count(Admitted.AS_PROBE) == 1
    assert admitted.count(Admitted.NOT_NOW) == 15


def test_stragglers_change_nothing() -> None:
    """Calls that began before the receiver was away neither end nor prolong what is known."""
    circuit, finder = Circuit(REST_S, 5.0), object()
    assert circuit.claim(finder, 10.0)
    circuit.missed(object(), 9.0)
    assert circuit.claim(finder, 10.0)
    assert not circuit.claim(object(), 10.0)
    circuit.missed(finder, 10.0)
    circuit.missed(object(), 14.0)
    assert circuit.admit(15.0) is Admitted.AS_PROBE


# --- clients --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_an_absent_receiver_is_not_waited_for_at_each_send(kind: str, tmp_path: Path) -> None:
    """After one failure the others go to the spool at once, none is lost, and few ask again."""
    with slow_receiver(BEHAVIOURS["hangs"]) as slow:
        began = monotonic()
        first, *others = register_at_once(kind, slow.url, tmp_path)
        took_s = monotonic() - began

        assert first.error is not None
        assert first.error.startswith("The receiver does not answer (")
        assert all(one.spooled for one in [first, *others])
        assert len(kept(tmp_path)) == 81
        # One that found it out, and a probe for each rest: a busy machine may take several.
        assert slow.connections <= 2 + took_s / REST_S
        assert sum(one.error != NOT_TRIED for one in others) <= slow.connections


def register_at_once(kind: str, url: str, directory: Path) -> list[Registered]:
    """Register once, then many times at once, by a client of either kind."""

    async def in_a_loop() -> list[Registered]:
        async with AsyncClient(url, KEY, timeout_s=0.3, patience_s=0.3, spool=directory) as client:
            first = await client.register(RESPONSE)
            others = await asyncio.gather(*(client.register(RESPONSE) for _ in range(80)))
            return [first, *others]

    if kind == "async":
        return asyncio.run(in_a_loop())
    with ExitStack() as all_:
        pool = all_.enter_context(ThreadPoolExecutor(8))
        client = Client(url, KEY, timeout_s=0.3, patience_s=0.3, spool=directory)
        all_.enter_context(client)
        return [client.register(RESPONSE), *pool.map(client.register, 80 * [RESPONSE])]


def test_threads_that_are_under_way_do_not_try_again(tmp_path: Path) -> None:
    """Where several threads meet a failure at once, one goes on trying, the others keep theirs."""
    port = free_port()
    with scripted(Reply(503, {}), port=port) as server, ThreadPoolExecutor(8) as pool:
        with Client(server.url, KEY, spool=tmp_path, patience_s=1.0) as client:
            results = list(pool.map(client.register, 8 * [RESPONSE]))

        assert all(result.spooled for result in results)
        # Each at most once, and one of them until its patience ends: with growing pauses.
        assert len(server.asked) <= 8 + 20


@pytest.mark.parametrize("spooled", [True, False])
def test_a_receiver_that_is_back(
    spooled: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A probe that is answered lets all others through again, and takes the spool along."""
    monkeypatch.setattr("receiver.client.registrations._REST_S", 0.0)
    port = free_port()
    spool = tmp_path if spooled else None
    with Client(f"http://127.0.0.1:{port}", KEY, spool=spool, patience_s=1.0) as client:
        assert client.register(RESPONSE).spooled == spooled
        with scripted(port=port) as server:
            seen = iter(lambda: client.register(RESPONSE).registered, None)
            assert next(n for n, registered in enumerate(seen) if registered == 1) <= 100
            assert client.register(RESPONSE) == Registered(registered=1)
            assert client.flush() == 0
    assert len(server.asked) >= 2 + spooled


def test_without_a_spool_nobody_waits_either() -> None:
    """Where nothing is kept, calls beside the probe of a receiver that is away end at once."""
    with ExitStack() as all_:
        url = all_.enter_context(receiver_away())
        pool = all_.enter_context(ThreadPoolExecutor(8))
        client = all_.enter_context(Client(url, KEY, timeout_s=0.3, patience_s=0.3))
        first = client.register(RESPONSE)
        assert first.error == "The receiver does not answer (ConnectTimeout)."
        began = monotonic()
        results = list(pool.map(client.register, 200 * [RESPONSE]))
        took_s = monotonic() - began

    tried = sum(result.error != NOT_TRIED for result in results)
    assert tried <= 2 + took_s / 3.0  # ten times a probe


def test_a_refusing_receiver_is_asked_again_where_nothing_is_kept() -> None:
    """Without a spool each call by itself asks a receiver that refuses it in no time."""
    with Client(nobody(), KEY, patience_s=0.05) as client:
        errors = {client.register(RESPONSE).error for _ in range(20)}

    assert "The receiver does not answer (ConnectError)." in errors


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_finds_out_by_itself(tmp_path: Path) -> None:
    """What a process knows of the receiver is not what its child knows after a fork."""
    port = free_port()
    with Client(f"http://127.0.0.1:{port}", KEY, spool=tmp_path, patience_s=2.0) as client:
        assert client.register(RESPONSE).spooled
        with scripted(port=port) as server:
            pid = os.fork()
            if pid == 0:
                os._exit(0 if client.register(RESPONSE).registered == 1 else 1)
            assert os.waitpid(pid, 0)[1] == 0
            assert client.register(RESPONSE).error == NOT_TRIED
    assert server.documents[0] == {"response": RESPONSE}


def test_a_caller_of_less_patience_finds_it_out_for_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the caller's own limit ends the wait, the next registration is not tried."""
    monkeypatch.setattr(registrations, "_REST_S", 60.0)

    async def ask(url: str) -> Registered:
        async with AsyncClient(url, KEY, spool=tmp_path, patience_s=30.0) as client:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.register(RESPONSE), 2 * PROBE_S)
            return await client.register(RESPONSE)

    with scripted(Reply(after_s=5.0)) as server:
        assert asyncio.run(ask(server.url)).error == NOT_TRIED
    assert len(kept(tmp_path)) == 2
