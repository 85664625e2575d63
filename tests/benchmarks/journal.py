"""Where should the journal's writing connection live? `python -m tests.benchmarks.journal`.

For each writer and batch size, batches are committed one after another while the event loop is
kept busy with other small work, so that what a writer takes from the loop (the GIL) shows as well
as what it delivers.
"""

import asyncio
import dataclasses
import json
import sqlite3
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Annotated
from uuid import uuid4

import typer
import uvloop
from rich.console import Console
from rich.table import Table

from .machine import inspect
from .percentiles import percentile
from .work import Load, Work
from .writers import WRITERS, Append, Row, prepare

SIZES = (1, 8, 64, 256)
_POOL = 2048


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run measures: windows of `seconds` under a load of `tasks`."""

    rounds: int
    seconds: float
    load: Load
    tasks: int
    directory: Path


@dataclass(frozen=True, slots=True)
class Window:
    """What happened while one writer committed batches of one size; latencies in seconds."""

    writer: str
    size: int
    seconds: float
    latencies: list[float]
    work: int


@dataclass(frozen=True, slots=True)
class Result:
    """All windows of one writer and batch size together.

    Totals and not medians of the windows: a starved writer stands still for whole windows.
    """

    writer: str
    size: int
    rows_per_s: float
    batch_p50_ms: float
    batch_p99_ms: float
    batch_worst_ms: float
    work_per_s: float


def make_rows(count: int) -> list[Row]:
    """Make rows of the receiver's shape: headers of about 100 bytes, bodies of about 140."""
    headers = (
        b'{"content-type":"application/x-www-form-urlencoded","x-sdk-date":"20241212T070653Z"}'
    )
    return [
        (
            "push",
            "default",
            1_700_000_000_000_000 + number,
            "192.0.2.7",
            "open",
            headers,
            b"sequence=1&total=1&orgCode=000&updateTime=2018-04-13T06%3A31%3A46Z&source=2"
            b"&smsMsgId=" + str(uuid4()).encode() + b"_6&status=DELIVRD",
        )
        for number in range(count)
    ]


async def measure(name: str, size: int, plan: Plan) -> Window:
    """Commit batches for a while and check that every row is in the file afterwards."""
    path = plan.directory / f"{uuid4()}.sqlite3"
    await asyncio.to_thread(prepare, path)
    async with WRITERS[name](path) as append:
        await append(make_rows(1))  # the writer has started
        with Work(plan.load, plan.tasks, plan.seconds) as work:
            latencies = await _drive(append, size, work)
    acknowledged = 1 + len(latencies) * size
    stored = await asyncio.to_thread(count_rows, path)
    if stored != acknowledged:
        raise RuntimeError(f"{name} acknowledged {acknowledged} rows but stored {stored}.")
    return Window(name, size, work.elapsed, latencies, work.done)


async def _drive(append: Append, size: int, work: Work) -> list[float]:
    """Return each batch's seconds; the last one ends after the work, so it is never starved."""
    latencies = []
    pool = cycle(make_rows(_POOL))
    while work.going:
        batch = list(islice(pool, size))
        sent = time.perf_counter()
        await append(batch)
        latencies.append(time.perf_counter() - sent)
    return latencies


def count_rows(path: Path) -> int:
    """Count the journal's rows with a connection of our own that cannot write."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        (count,) = connection.execute("SELECT count(*) FROM journal").fetchone()
    finally:
        connection.close()
    return int(count)


async def measure_idle(plan: Plan) -> float:
    """Return the loop's work per second while nothing is written."""
    with Work(plan.load, plan.tasks, plan.seconds) as work:
        await asyncio.sleep(plan.seconds + 0.05)
    return work.done / work.elapsed


def summarise(windows: Sequence[Window]) -> list[Result]:
    """Join the rounds, by size and then by writer."""
    groups: dict[tuple[int, str], list[Window]] = {}
    for window in windows:
        groups.setdefault((window.size, window.writer), []).append(window)
    return [_join(group) for group in groups.values()]


def _join(windows: Sequence[Window]) -> Result:
    seconds = sum(one.seconds for one in windows)
    latencies = [latency for one in windows for latency in one.latencies]
    in_time = len(latencies) - len(windows)  # each window's last batch ends after its work
    return Result(
        writer=windows[0].writer,
        size=windows[0].size,
        rows_per_s=in_time * windows[0].size / seconds,
        batch_p50_ms=percentile(latencies, 50) * 1e3,
        batch_p99_ms=percentile(latencies, 99) * 1e3,
        batch_worst_ms=max(latencies) * 1e3,
        work_per_s=sum(one.work for one in windows) / seconds,
    )


def tabulate(results: Sequence[Result], idle: float, title: str) -> Table:
    """Lay out the results with their ratios to the first writer at the same size."""
    table = Table(title=title)
    table.add_column("rows")
    table.add_column("writer")
    for heading in (
        "rows/s",
        "x",
        "batch p50 ms",
        "p99 ms",
        "worst ms",
        "loop work/s",
        "x",
        "of idle",
    ):
        table.add_column(heading, justify="right")
    base = results[0]
    for one in results:
        if one.size != base.size:
            base = one
            table.add_section()
        table.add_row(
            str(one.size),
            one.writer,
            f"{one.rows_per_s:,.0f}",
            _ratio(one.rows_per_s, base.rows_per_s),
            f"{one.batch_p50_ms:.2f}",
            f"{one.batch_p99_ms:.2f}",
            f"{one.batch_worst_ms:.0f}",
            f"{one.work_per_s:,.0f}",
            _ratio(one.work_per_s, base.work_per_s),
            _ratio(one.work_per_s, idle),
        )
    return table


def _ratio(value: float, base: float) -> str:
    return f"{value / base:.2f}" if base else "-"


async def run(plan: Plan) -> tuple[list[Window], float]:
    """Measure every writer at every size, interleaved in each round, and the work without any."""
    windows, idle = [], []
    for _ in range(plan.rounds):
        idle.append(await measure_idle(plan))
        windows += [await measure(name, size, plan) for size in SIZES for name in WRITERS]
    return windows, sum(idle) / len(idle)


def main(
    *,
    rounds: Annotated[int, typer.Option(min=1)] = 3,
    seconds: Annotated[float, typer.Option(min=0.05, help="of each window")] = 0.7,
    load: Annotated[Load, typer.Option(help="what keeps the loop busy")] = Load.CHAIN,
    tasks: Annotated[int, typer.Option(min=1, help="how many tasks or socket pairs")] = 200,
    switch_interval: Annotated[float, typer.Option(help="of the GIL, seconds")] = 0.005,
    json_path: Annotated[Path | None, typer.Option("--json")] = None,
    directory: Annotated[Path | None, typer.Option(help="where the files are made")] = None,
) -> None:
    """Measure where the journal's commit costs time."""
    console = Console(width=120)
    sys.setswitchinterval(switch_interval)
    with tempfile.TemporaryDirectory(prefix="journal-benchmark-", dir=directory) as made:
        plan = Plan(rounds, seconds, load, tasks, Path(made))
        machine = inspect(plan.directory)
        console.print(machine.describe(), highlight=False, soft_wrap=True)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            windows, idle = runner.run(run(plan))
    results = summarise(windows)
    console.print(tabulate(results, idle, f"Journal commits, loop busy with {tasks} x {load}"))
    if json_path is not None:
        document = {
            "machine": dataclasses.asdict(machine),
            "load": load,
            "tasks": tasks,
            "switch_interval": switch_interval,
            "idle_work_per_s": idle,
            "results": [dataclasses.asdict(one) for one in results],
        }
        json_path.write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
