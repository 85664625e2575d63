"""Programs that send while their receiver, their disk or they themselves break down."""

import json
import logging
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from receiver.client import Client
from tests.benchmarks.percentiles import percentile
from tests.faults.experiment import Bench, Experiment, Outcome
from tests.faults.mounts import tmpfs
from tests.faults.shown import Shown
from tests.support.scripted import Reply, scripted
from tests.support.server import ROOT, clean_environment, eventually, free_port
from tests.support.slow_receivers import BEHAVIOURS, slow_receiver

_OWNERS = (("key-a", ""), ("key-b", ""), ("key-b", "shop"))
_PROCESSES = 2  # of each owner; each of them forks
_THREADS = 3  # of each process
_TMPFS_BYTES = 1024 * 1024
_SENDERS = 16  # threads
_CALLERS = 8  # threads
_SEND_S = 0.01
_TIMEOUT_S = 2.0
_NOT_TRIED = "The receiver did not answer a recent request; not tried."
_PHASES = 12
_MOST_GROWTH_MIB = 8


def send(name: str) -> dict[str, Any]:
    """Write a registration of one send."""
    return {"sends": [{"sms_msg_id": name}]}


# --- processes that are killed --------------------------------------------------------------------


class _Receiver:
    """Answers as its mood is, and remembers who registered what."""

    def __init__(self) -> None:
        self.mood = "up"
        self.taken: dict[str, set[tuple[str, str]]] = {}

    def decide(self, key: str, document: Any) -> Reply:
        """Answer one registration."""
        if self.mood == "busy":
            return Reply(503, {})
        if self.mood == "hanging":
            return Reply(drop=True, after_s=1.0)
        if self.mood == "dropping":
            return Reply(drop=True)
        name = document["sends"][0]["sms_msg_id"]
        self.taken.setdefault(name, set()).add((key, document.get("application", "")))
        return Reply()


def kill_senders(bench: Bench) -> Outcome:
    """Kill processes that share a spool under a receiver that comes and goes."""
    seconds = bench.seconds(120, 8)
    shown = Shown({"seconds": int(seconds)})
    receiver, spool, port = _Receiver(), bench.directory / "spool", free_port()
    record = bench.directory / "record"
    kills = 0
    with ExitStack() as all_:
        url = f"http://127.0.0.1:{port}"
        all_.enter_context(scripted(port=port, decide=receiver.decide))
        senders = [
            all_.enter_context(_sender(url, owner, spool, record))
            for owner in _OWNERS
            for _ in range(_PROCESSES)
        ]
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(random.uniform(0.2, 1.0))  # noqa: S311 - no secret
            receiver.mood = random.choice(["up", "up", "busy", "hanging", "dropping"])  # noqa: S311
            victim = random.choice(senders)  # noqa: S311
            os.killpg(victim.pid, signal.SIGKILL)
            victim.wait()
            kills += 1
            n = senders.index(victim)
            owner = _OWNERS[n // _PROCESSES]
            senders[n] = all_.enter_context(_sender(url, owner, spool, record))
            bench.say(f"{kills} kills")
        for sender in senders:
            assert sender.stdin is not None
            sender.stdin.close()
        for sender in senders:
            sender.wait(60)
        receiver.mood = "up"
        for file in spool.glob("*.tmp"):  # what was not finished is dealt with when it is old
            os.utime(file, (1, 1))
        left = 0
        for key, application in _OWNERS:
            with _quiet(), Client(url, key, application=application or None, spool=spool) as client:
                left += client.flush()
    lines = [json.loads(line) for line in record.read_bytes().splitlines()]
    promised = [name for name, kept in lines if kept]
    missing = [name for name in promised if name not in receiver.taken]
    wrong = [
        name for name, by in receiver.taken.items() if any(not _belongs(name, *one) for one in by)
    ]
    shown.figures |= {
        "kills": kills,
        "registered": len(lines),
        "not_kept": len(lines) - len(promised),
        "missing": len(missing),
        "under_another": len(wrong),
        "left": left,
    }
    shown.require(not missing, f"{len(missing)} missing, such as {missing[:1]}")
    shown.require(not wrong, f"{len(wrong)} under another key, such as {wrong[:1]}")
    shown.require(len(lines) == len(promised), "some were neither delivered nor kept")
    shown.require(left == 0, f"{left} are left in the spool")
    return shown.outcome()


def _belongs(name: str, key: str, application: str) -> bool:
    return name.startswith(f"{key}-{application}-")


@contextmanager
def _sender(
    url: str, owner: tuple[str, str], spool: Path, record: Path
) -> Iterator[subprocess.Popen[bytes]]:
    arguments = (url, *owner, spool, record, _THREADS)
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.senders", *map(str, arguments)],
        env=clean_environment({}),
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert process.stdin is not None
        process.stdin.close()


# --- a full disk ----------------------------------------------------------------------------------


def fill_spool(bench: Bench) -> Outcome:
    """Fill the disk of a spool, make room, and see what was kept."""
    shown = Shown()
    place, port = bench.directory / "disk", free_port()
    url = f"http://127.0.0.1:{port}"
    with tmpfs(place, _TMPFS_BYTES), _quiet():
        with Client(url, "key", spool=place / "spool", patience_s=0.1) as client:
            results = {f"m_{n}": client.register(send(f"m_{n}")) for n in range(600)}
            kept = {name for name, result in results.items() if result.spooled}
            (oldest, *_) = sorted((place / "spool").glob("*.ndjson"))
            oldest.unlink()
            room = client.register(send("m_0"))
            with scripted(port=port) as server:
                left = client.flush()
        torn = len(list((place / "spool").glob("*.tmp")))
    delivered = {document["sends"][0]["sms_msg_id"] for document in server.documents}
    shown.figures |= {
        "registered": len(results),
        "kept": len(kept),
        "told_lost": len(results) - len(kept),
        "delivered": len(delivered),
        "left": left,
    }
    shown.require(0 < len(kept) < len(results), "the disk was not full")
    shown.require(kept <= delivered, f"{len(kept - delivered)} that were kept are missing")
    shown.require(room.spooled, "nothing was kept when there was room again")
    shown.require(not torn and not left, f"{torn} torn files, {left} left")
    return shown.outcome()


# --- a receiver that hangs ------------------------------------------------------------------------


def hang(bench: Bench) -> Outcome:
    """Let threads send while the receiver hangs, then drips, and see how long they wait for it."""
    seconds = bench.seconds(60, 8)
    shown = Shown({"seconds_each": int(seconds), "threads": _SENDERS})
    for behaviour in ("hangs", "drips its answer"):
        spool = bench.directory / behaviour
        with slow_receiver(BEHAVIOURS[behaviour]) as slow, _quiet():
            with Client(
                slow.url, "key", spool=spool, timeout_s=_TIMEOUT_S, patience_s=_TIMEOUT_S
            ) as client:
                client.register(send("first"))
                until = time.monotonic() + seconds
                with ThreadPoolExecutor(_SENDERS) as pool:
                    each = pool.map(_send_until, _SENDERS * [client], _SENDERS * [until])
                    calls = [call for calls in each for call in calls]
            asked = slow.connections
        probes = sorted((one.began, one.ended) for one in calls if one.asked)
        probed_s = sum(ended - began for began, ended in probes)
        at_once = sum(later[0] < earlier[1] for earlier, later in pairwise(probes))
        waits = [one.ended - one.began for one in calls if not one.asked]
        word = behaviour.split()[0]
        shown.figures |= {
            f"{word}_sends": len(calls),
            f"{word}_probes": len(probes),
            f"{word}_probed_s": round(probed_s, 1),
            f"{word}_others_p50_ms": round(1000 * percentile(waits, 50), 1),
            f"{word}_others_p99_ms": round(1000 * percentile(waits, 99), 1),
        }
        # A tenth of the time, and the probe that is under way at the end.
        shown.require(probed_s < 0.1 * seconds + _TIMEOUT_S, f"{behaviour}: {probed_s:.1f} s asked")
        shown.require(not at_once, f"{behaviour}: {at_once} asked while another did")
        shown.require(asked <= 2 + seconds / 5, f"{behaviour}: it was asked {asked} times")
    return shown.outcome()


@dataclass(frozen=True, slots=True)
class _Call:
    began: float
    ended: float
    asked: bool  # the receiver


def _send_until(client: Client, until: float) -> list[_Call]:
    calls = []
    while time.monotonic() < until:
        time.sleep(_SEND_S)  # the send itself
        began = time.monotonic()
        result = client.register(send("m"))
        calls.append(_Call(began, time.monotonic(), result.error != _NOT_TRIED))
    return calls


# --- growth ---------------------------------------------------------------------------------------


def grow(bench: Bench) -> Outcome:
    """Call `register` many times, from threads, with a receiver that comes and goes."""
    calls = bench.rounds(20_000, 2_000)
    shown = Shown({"calls": calls})
    port, counts = free_port(), Counter[str]()
    memory_mib, most = list[int](), 0
    with ExitStack() as all_:
        all_.enter_context(_quiet())
        pool = all_.enter_context(ThreadPoolExecutor(_CALLERS))
        before, threads = (_usage()[name] for name in ("descriptors", "threads"))
        url, spool = f"http://127.0.0.1:{port}", bench.directory / "spool"
        client = all_.enter_context(Client(url, "key", spool=spool, timeout_s=1.0, patience_s=0.2))
        for phase in range(_PHASES):
            documents = [send(f"m_{n}") for n in range(calls // _PHASES)]
            kind = phase % 3  # there, away, there and closing its connections
            reply = Reply(drop=kind == 1)
            with scripted(reply, port=port, close=kind == 2) as server:
                server.asked, server.connections = _Nothing(), set()
                if kind != 1:
                    client.flush()
                for result in pool.map(client.register, documents):
                    counts["kept" if result.spooled else "delivered"] += 1
            memory_mib.append(_usage()["memory_mib"])
            most = max(most, _usage()["descriptors"])
            bench.say(f"{sum(counts.values()):,} calls")
        with scripted(port=port) as server:
            left = client.flush()
        client.close()
        # The servers, in this process too, end the threads of their connections in a moment.
        few = _CALLERS + threads
        eventually(lambda: _usage()["threads"] <= few, f"no more than {few} threads")
        eventually(lambda: _usage()["descriptors"] <= before, f"{before} open descriptors")
    grown_mib = memory_mib[-1] - memory_mib[2]
    shown.figures |= {**counts, "grown_memory_mib": grown_mib, "most_descriptors": most}
    shown.require(grown_mib <= _MOST_GROWTH_MIB, "memory grows")
    shown.require(most <= before + 4 * _CALLERS, "descriptors gather")
    shown.require(left == 0, f"{left} are left in the spool")
    return shown.outcome()


class _Nothing(list[Any]):
    """A list that keeps nothing, so that the server's memory does not grow."""

    def append(self, _: Any) -> None:
        """Take no notice."""


def _usage() -> dict[str, int]:
    status = Path("/proc/self/status").read_text()
    (resident,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
    return {
        "memory_mib": int(resident.split()[1]) // 1024,
        "descriptors": len(os.listdir("/proc/self/fd")),  # noqa: PTH208 - names are enough
        "threads": threading.active_count(),
    }


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the client's log, which tells of each registration, out of the way."""
    log = logging.getLogger("receiver.client")
    log.addHandler(logging.NullHandler())
    log.propagate, before = False, log.propagate
    try:
        yield
    finally:
        log.propagate = before


EXPERIMENTS = (
    Experiment(
        name="client-kill",
        how="SIGKILL of processes with threads and forks that share a spool; 503, hang, drop",
        must_hold="0 missing, 0 under another's key or application, 0 left",
        run=kill_senders,
    ),
    Experiment(
        name="client-disk-full",
        how="the spool on a tmpfs of 1 MiB is filled, then has room again",
        must_hold="what does not fit is told to be lost; all else is delivered; no torn file",
        run=fill_spool,
        needs=("root",),
    ),
    Experiment(
        name="client-hang",
        how="16 threads register while the receiver hangs, then drips",
        must_hold="of one thread's time a tenth is spent waiting, of the others' none",
        run=hang,
    ),
    Experiment(
        name="client-growth",
        how="20,000 registrations of 8 threads while the receiver comes and goes",
        must_hold="no growth of memory, descriptors, threads",
        run=grow,
    ),
)
