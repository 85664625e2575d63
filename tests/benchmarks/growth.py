"""What a full store costs: latency and drain against an empty one's, and the start-up."""

import os
import shutil
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

from . import backlog, dataset, drain, openloop, private
from .figures import Figure
from .openloop import Answers
from .plot import Point
from .reports import make_reports
from .servers import TOKEN, Name, Server, ServerError, end, spawn
from .trial import Setting, trial

RATE = 500
FULL = 10_000_000  # messages, of the target
UNPROJECTED = 100_000
_QUICK_UNPROJECTED = 5_000
_SIZES = (0, 100_000, 1_000_000)  # below the full one
_SECONDS = 10
_DRAIN_ROUNDS = 3
_SETTLE_S = 1.0
_CATCH_UP_S = 120.0
_STARTS = 3
_STARTED_WITHIN_S = 60.0
_DROP_CACHES = Path("/proc/sys/vm/drop_caches")


class Stores:
    """Data directories by the number of their messages, built when first asked for."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self.built: dict[int, dataset.Built] = {}

    def get(self, messages: int) -> Path:
        """Return the data directory with so many messages; a new, empty one for 0."""
        if messages == 0:
            return self._setting.fresh("empty")
        directory = self._setting.data / f"messages-{messages}"
        if messages not in self.built:
            self.built[messages] = dataset.provide(directory, messages, self._setting.say)
        return directory


def measure(setting: Setting, stores: Stores) -> tuple[Figure, list[Point]]:
    """Measure stores of all sizes in turns; return the figure and the curve over the size."""
    full = setting.messages
    sizes = (0, full) if setting.quick else (*(size for size in _SIZES if size < full), full)
    answers: dict[int, list[Answers]] = {size: [] for size in sizes}
    drains: dict[int, list[drain.Drained]] = {0: [], full: []}
    for number in range(1 if setting.quick else setting.rounds):
        for size in sizes:
            directory = stores.get(size)
            answers[size].append(_push(setting, directory, size, number))
            if size in drains and number < _DRAIN_ROUNDS:
                rows = drain.QUICK_ROWS if setting.quick else drain.ROWS
                drains[size].append(drain.work_off(directory, rows))
                setting.say(f"{size:,} messages: drain {drains[size][-1].per_second:,.0f}/s")
            if size == 0:
                shutil.rmtree(directory)
    built = stores.built[full]
    figure = Figure(
        "growth",
        {
            "p99_ratio": _median_ratio(
                [one.p99_ms for one in answers[full]], [one.p99_ms for one in answers[0]]
            ),
            "drain_ratio": _median_ratio(
                [one.per_second for one in drains[full]], [one.per_second for one in drains[0]]
            ),
        },
        (
            (
                f"{RATE} pushes/s, 0 and {full:,} messages: p99 {_p99(answers[0]):.1f} and "
                f"{_p99(answers[full]):.1f} ms; drain {_rate(drains[0]):,.0f} and "
                f"{_rate(drains[full]):,.0f} reports/s"
            ),
            f"the store: {built.store_bytes / 2**30:.2f} GiB, built in {built.seconds:.0f} s",
        ),
        {
            "answers": {size: [asdict(one) for one in runs] for size, runs in answers.items()},
            "drains": {size: [asdict(one) for one in runs] for size, runs in drains.items()},
        },
        judged=setting.judges and full >= FULL,
    )
    return figure, [Point.of(size, answers[size]) for size in sizes]


def _push(setting: Setting, directory: Path, size: int, seed: int) -> Answers:
    with trial(setting, f"{size:,} messages", directory) as running:
        if not setting.quick:
            running.count(f"{size:,} messages, warm-up", openloop.push(running.server, RATE, 1))
            private.catch_up(running.server, _CATCH_UP_S)
            time.sleep(_SETTLE_S)
        seconds = 1 if setting.quick else _SECONDS
        answers = openloop.push(running.server, RATE, seconds, seed=seed)
        running.count(f"{size:,} messages", answers)
    setting.say(f"{size:,} messages: p99 {answers.p99_ms:.1f} ms")
    return answers


def _median_ratio(own: Sequence[float], other: Sequence[float]) -> float:
    return median(one / base for one, base in zip(own, other, strict=True))


def _p99(runs: Sequence[Answers]) -> float:
    return median(one.p99_ms for one in runs)


def _rate(runs: Sequence[drain.Drained]) -> float:
    return median(one.per_second for one in runs)


def measure_start(setting: Setting, stores: Stores) -> Figure:
    """Measure from the start of the process to the first 200 of a push."""
    directory = stores.get(setting.messages)
    rows = _QUICK_UNPROJECTED if setting.quick else UNPROJECTED
    starts = [_start(directory, rows, cold=False) for _ in range(1 if setting.quick else _STARTS)]
    cold = None
    if not setting.quick and os.access(_DROP_CACHES, os.W_OK):  # only root may, and not everywhere
        cold = _start(directory, rows, cold=True)
    seconds = [one["seconds"] for one in starts]
    waiting = min(one["unprojected"] for one in starts)
    notes = [
        (
            f"{setting.messages:,} messages, ≥ {waiting:,} rows not projected, "
            f"slowest of {len(starts)} starts {max(seconds):.2f} s"
        )
    ]
    if cold is not None:
        notes.append(f"with an empty page cache {cold['seconds']:.2f} s")
    return Figure(
        "start_up",
        {"seconds": median(seconds)},
        notes,
        {"starts": starts, "cold": cold},
        judged=setting.messages >= FULL,
    )


def _start(directory: Path, rows: int, *, cold: bool) -> dict[str, Any]:
    waiting = backlog.top_up(directory, rows)
    if cold:
        _DROP_CACHES.write_text("1")
    body = next(make_reports(1)).form
    began = time.perf_counter()
    server = spawn(Name.RECEIVER, directory)
    try:
        while not _is_acknowledged(server, body):
            if time.perf_counter() - began > _STARTED_WITHIN_S:
                raise ServerError("The receiver did not acknowledge a push after its start.")
            time.sleep(0.005)
        seconds = time.perf_counter() - began
    finally:
        end(server)
    return {"seconds": seconds, "unprojected": waiting}


def _is_acknowledged(server: Server, body: bytes) -> bool:
    head = (
        f"POST /callbacks/{TOKEN} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode()
    with (
        suppress(OSError),
        socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection,
    ):
        connection.sendall(head + body)
        return connection.recv(4096).startswith(b"HTTP/1.1 200")
    return False
