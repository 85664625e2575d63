"""The output of a simulation: progress while it runs, a table at its end."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from receiver.pacing import at_intervals
from receiver.simulator.pushes import SimulatedPushKind
from receiver.simulator.tally import SimulationTally

_SECONDS_BETWEEN_LINES = 5.0
_KIND_NAMES = {
    SimulatedPushKind.STATUS: "status reports",
    SimulatedPushKind.BATCH: "batches",
    SimulatedPushKind.UPLINK: "uplinks",
}


@contextmanager
def show_progress(
    count: int, console: Console | None = None, clock: Callable[[], float] = time.monotonic
) -> Iterator[Callable[[SimulationTally], None]]:
    """Return the `on_progress` that shows a simulation of `count` messages.

    On a terminal it is a bar, elsewhere a line every few seconds. It goes to stderr unless a
    console is given, so that stdout stays the result's. `clock` gives seconds.
    """
    console = console or Console(stderr=True)
    if not console.is_terminal:
        yield at_intervals(partial(_print_line, console, count), _SECONDS_BETWEEN_LINES, clock)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("messages  {task.fields[summary]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("Pushing", total=count, summary="")

        def show(tally: SimulationTally) -> None:
            bar.update(task, completed=tally.messages, summary=_summary(tally))

        yield show


def _print_line(console: Console, count: int, tally: SimulationTally) -> None:
    console.print(f"{tally.messages}/{count} messages  {_summary(tally)}", soft_wrap=True)


def _summary(tally: SimulationTally) -> str:
    lost = tally.not_acknowledged.total()
    return f"{tally.rate:,.0f} pushes/s  {tally.acknowledged.total():,} acknowledged  {lost:,} lost"


def tally_table(tally: SimulationTally) -> Table:
    """Return the table of a simulation's result."""
    table = Table(title="Simulation", show_header=False)
    table.add_column("what")
    table.add_column("value", justify="right")
    for name, value in _rows(tally):
        table.add_row(name, value)
    return table


def _rows(tally: SimulationTally) -> Iterator[tuple[str, str]]:
    yield "messages", f"{tally.messages:,}"
    yield "  refused by the platform", f"{tally.refused:,}"
    yield "sends registered", f"{tally.registered:,}"
    if tally.unregistered:
        yield "[red]sends not registered[/red]", f"{tally.unregistered:,}"
    yield "status reports", f"{tally.reports:,}"
    yield "pushes", f"{tally.pushes.total():,}"
    yield "  redelivered", f"{tally.redelivered:,}"
    yield "acknowledged", f"{tally.acknowledged.total():,}"
    for kind, name in _KIND_NAMES.items():
        yield f"  {name}", f"{tally.acknowledged[kind]:,} of {tally.pushes[kind]:,}"
    lost = tally.not_acknowledged.total()
    yield ("[red]not acknowledged[/red]" if lost else "not acknowledged"), f"{lost:,}"
    for reason, times_seen in tally.not_acknowledged.most_common():
        yield f"  {reason}", f"{times_seen:,}"
    yield "seconds", f"{tally.elapsed:,.1f}"
    yield "pushes per second", f"{tally.rate:,.1f}"
    yield "latency p50", _milliseconds(tally.p50)
    yield "latency p99", _milliseconds(tally.p99)
    yield "seed", str(tally.seed)


def _milliseconds(value: float | None) -> str:
    return "-" if value is None else f"{value:,.1f} ms"
