"""Does the receiver reach its figures? `python -m tests.benchmarks`.

Everything is measured with real processes over real ports and files of a temporary directory. Exit
status 1: a push was refused, a connection failed, or an acknowledged push is not in the server's
file. A target that is missed is printed and is no failure: machines differ.
"""

import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from . import (
    ack,
    batches,
    comparison,
    drain,
    growth,
    idle,
    imports,
    lookups,
    openloops,
    plot,
    refold,
    report,
    steady,
)
from .figures import Family, Figure
from .load import Generator, default_generator
from .machine import inspect
from .report import Result
from .servers import Name, ServerError
from .trial import Setting

_RESULT = Path("build/benchmark/performance.json")
_QUICK_MESSAGES = 50_000
_QUICK_STEADY_S = 5


def main(
    *,
    rounds: Annotated[int, typer.Option(min=1)] = 5,
    seconds: Annotated[int, typer.Option(min=1, help="per server, mode and round")] = 3,
    connections: Annotated[int, typer.Option(min=1)] = 64,
    messages: Annotated[int, typer.Option(min=10_000, help="in the full store")] = 10_000_000,
    steady_seconds: Annotated[int, typer.Option(min=5, help="of steady load")] = 600,
    quick: Annotated[
        bool, typer.Option("--quick", help="a minute: shows the figures, judges none")
    ] = False,
    only: Annotated[list[Family] | None, typer.Option(help="only these figures")] = None,
    server: Annotated[list[Name] | None, typer.Option(help="only compare these servers")] = None,
    generator: Annotated[Generator | None, typer.Option(help="wrk where installed")] = None,
    json_path: Annotated[Path, typer.Option("--json", help="the figures as JSON")] = _RESULT,
    plot_path: Annotated[
        Path | None, typer.Option("--plot", help="the picture; else beside the JSON")
    ] = None,
    keep_data: Annotated[
        Path | None, typer.Option(help="keep the large stores here, or use those that are there")
    ] = None,
) -> None:
    """Measure a receiver and say which of its targets it reaches."""
    # Ended from outside, the servers are stopped as well.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda which, _: sys.exit(128 + which))
    console = Console(width=100, highlight=False, soft_wrap=True)
    with (
        tempfile.TemporaryDirectory(prefix="receiver-benchmark-") as made,
        console.status("beginning") as status,
    ):
        directory = Path(made)
        data = keep_data or directory / "stores"
        data.mkdir(parents=True, exist_ok=True)
        setting = Setting(
            quick=quick,
            rounds=rounds,
            seconds=seconds,
            connections=connections,
            generator=generator or default_generator(),
            messages=_QUICK_MESSAGES if quick else messages,
            steady_seconds=_QUICK_STEADY_S if quick else steady_seconds,
            directory=directory,
            data=data,
            say=status.update,
        )
        families = [Family.ACK] if server else [one for one in Family if one in (only or Family)]
        result = _Run(console, setting).measure(families, server)
    json_path.parent.mkdir(parents=True, exist_ok=True)
    report.write(json_path, result)
    console.rule()
    report.show(console, result.figures)
    if result.curves is not None:
        picture = plot_path or json_path.with_suffix(".svg")
        plot.draw(result.curves, result.machine, picture)
        console.print(f"picture: {picture}")
    console.print(f"figures: {json_path}")
    for trouble in result.troubles:
        console.print(f"[red]{trouble}[/red]")
    raise typer.Exit(1 if result.troubles else 0)


_Measure = Callable[[], None]


class _Run:
    """One run over several families, told to the console as it goes."""

    def __init__(self, console: Console, setting: Setting) -> None:
        self._console = console
        self._setting = setting
        self._stores = growth.Stores(setting)
        self._figures: list[Figure] = []
        self._compared: ack.Compared | None = None
        self._over_load: dict[str, list[plot.Point]] | None = None
        self._over_size: list[plot.Point] | None = None

    def measure(self, families: list[Family], servers: list[Name] | None) -> Result:
        """Measure in the order of the families."""
        machine = inspect(self._setting.directory)
        self._console.print(machine.describe())
        measures: dict[Family, _Measure] = {
            # Both curves together make a picture.
            Family.OPEN_LOOP: lambda: self._measure_open_loop(curve=Family.GROWTH in families),
            Family.BATCHES: self._measure_batches,
            Family.DRAIN: lambda: self._add(drain.measure(self._setting)),
            Family.STEADY: lambda: self._add(steady.measure(self._setting)),
            Family.GROWTH: self._measure_growth,
            Family.START_UP: lambda: self._add(growth.measure_start(self._setting, self._stores)),
            Family.IDLE: lambda: self._add(idle.measure(self._setting)),
            Family.RECLASSIFY: lambda: self._add(refold.measure(self._setting, self._stores)),
            Family.LOOKUP: lambda: self._add(lookups.measure(self._setting, self._stores)),
            Family.IMPORT: lambda: self._add(imports.measure(self._setting)),
        }
        if {Family.ACK, Family.BACKLOG} & set(families):
            self._try(Family.ACK, lambda: self._compare(families, servers))
        for family, measure in measures.items():
            if family in families:
                self._try(family, measure)
        curves = None
        if self._over_load is not None and self._over_size is not None:
            curves = plot.Curves(self._over_load, self._over_size, growth.RATE)
        return Result(
            self._setting.quick,
            machine,
            self._figures,
            self._compared,
            curves,
            self._setting.troubles,
        )

    def _try(self, family: Family, measure: _Measure) -> None:
        """Measure a family; when that fails the others still are worth their time."""
        try:
            measure()
        except (ServerError, OSError, subprocess.SubprocessError) as error:
            self._setting.troubles.append(f"{family} was not measured: {error}")

    def _compare(self, families: list[Family], servers: list[Name] | None) -> None:
        self._compared = compared = ack.measure(self._setting, families, servers)
        plan = compared.plan
        title = f"{plan.rounds} x {plan.seconds} s, {plan.connections} connections, "
        self._console.print(comparison.tabulate(compared.rows, title + plan.generator.label))
        for one in compared.kept:
            self._console.print(
                f"{one.server}: {one.acknowledged:,} acknowledged, {one.stored:,} stored"
            )
        self._add(*compared.figures)

    def _measure_open_loop(self, *, curve: bool) -> None:
        self._add(openloops.measure(self._setting))
        if curve:
            self._over_load = openloops.measure_curve(self._setting)

    def _measure_growth(self) -> None:
        figure, self._over_size = growth.measure(self._setting, self._stores)
        self._add(figure)

    def _measure_batches(self) -> None:
        if self._setting.generator is not Generator.WRK or shutil.which("wrk") is None:
            self._add(Figure("batches", {}, ("needs wrk: apt-get install wrk",), judged=False))
        else:
            self._add(batches.measure(self._setting))

    def _add(self, *figures: Figure) -> None:
        """Keep figures, and show them at once: a run is long."""
        self._figures += figures
        for figure in figures:
            for bound in figure.wanted.bounds:
                if bound.value in figure.numbers:
                    said = bound.reads.format(figure.numbers[bound.value])
                    self._console.print(f"{figure.wanted.title}: {said}")


if __name__ == "__main__":
    typer.run(main)
