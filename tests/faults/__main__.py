"""What becomes of acknowledged pushes when things break? `python -m tests.faults`.

One line for each experiment when it ends. Exit status 1: something did not hold, or could not be
tried here. Linux only; some experiments need root (they mount file systems of their own). With
everything: `apt-get install strace e2fsprogs mount libfaketime`.
"""

import dataclasses
import json
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from tests.benchmarks.machine import Machine, commit, inspect

from . import (
    clocks,
    disk,
    floods,
    framings,
    hoards,
    killed,
    poison,
    power,
    sending,
    slow,
    stores,
    tools,
    twice,
    upkeep,
)
from .experiment import Bench, Experiment, Figures, Outcome

EXPERIMENTS: tuple[Experiment, ...] = (
    *killed.EXPERIMENTS,
    *power.EXPERIMENTS,
    *disk.EXPERIMENTS,
    *slow.EXPERIMENTS,
    *stores.EXPERIMENTS,
    *poison.EXPERIMENTS,
    *clocks.EXPERIMENTS,
    *twice.EXPERIMENTS,
    *framings.EXPERIMENTS,
    *floods.EXPERIMENTS,
    *hoards.EXPERIMENTS,
    *upkeep.EXPERIMENTS,
    *sending.EXPERIMENTS,
)
_RESULT = Path("build/faults/faults.json")
_OK, _FAILED, _NOT_RUN = "ok", "FAILED", "NOT RUN"
_COLOURS = {_OK: "green", _FAILED: "red", _NOT_RUN: "yellow"}


@dataclasses.dataclass(frozen=True, slots=True)
class Line:
    """One line of the result."""

    name: str
    result: str
    seconds: float
    figures: Figures
    note: str
    how: str
    must_hold: str

    def describe(self) -> str:
        """Write it for people."""
        figures = ", ".join(f"{name} {_short(value)}" for name, value in self.figures.items())
        parts = [part for part in (figures, self.note) if part]
        colour = _COLOURS[self.result]
        head = f"[{colour}]{self.result:7}[/{colour}] {self.name:14} {self.seconds:6.1f} s"
        return f"{head}  {_plain(' - '.join(parts))}"


def _short(value: float | str) -> str:
    return f"{value:,}" if isinstance(value, int | float) else value


def _plain(text: str) -> str:
    """Keep what looks like markup from being taken for it."""
    return text.replace("[", r"\[")


def main(
    *,
    quick: Annotated[bool, typer.Option("--quick", help="few rounds, short times")] = False,
    only: Annotated[list[str] | None, typer.Option(help="only these, by name")] = None,
    skip_missing: Annotated[
        bool, typer.Option("--skip-missing", help="what cannot run here is no failure")
    ] = False,
    json_path: Annotated[Path, typer.Option("--json", help="the lines as JSON")] = _RESULT,
    show: Annotated[bool, typer.Option("--list", help="name the experiments and end")] = False,
) -> None:
    """Break the receiver's surroundings and audit what it kept."""
    console = Console(highlight=False, soft_wrap=True)
    if show:
        console.print(_tabulate())
        return
    chosen = _choose(only)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end_in_order)
    with tempfile.TemporaryDirectory(prefix="receiver-faults-") as made:
        machine = inspect(Path(made))
        console.print(machine.describe())
        lines = []
        for experiment in chosen:
            lines.append(_run(experiment, Path(made), console, quick=quick))
            console.print(lines[-1].describe())
            # Each time: a run that is cut short has shown something too.
            _write(json_path, machine, lines, quick=quick)
    console.print(f"figures: {json_path}")
    bad = {_FAILED} if skip_missing else {_FAILED, _NOT_RUN}
    raise typer.Exit(1 if any(line.result in bad for line in lines) else 0)


def _choose(names: list[str] | None) -> list[Experiment]:
    known = {experiment.name for experiment in EXPERIMENTS}
    unknown = set(names or ()) - known
    if unknown:
        raise typer.BadParameter(
            f"there is no {', '.join(sorted(unknown))}; there are {', '.join(sorted(known))}",
            param_hint="--only",
        )
    return [one for one in EXPERIMENTS if not names or one.name in names]


def _end_in_order(number: int, _: FrameType | None) -> None:
    """End by an exception, so that servers, mounts and tracers are taken down on the way."""
    for other in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(other, signal.SIG_IGN)  # once asked is enough: let the taking down finish
    sys.exit(128 + number)


def _run(experiment: Experiment, made: Path, console: Console, *, quick: bool) -> Line:
    lacking = tools.missing(experiment.needs)
    began = time.monotonic()
    if lacking:
        needs = "; ".join(f"{name}: {remedy}" for name, remedy in lacking.items())
        result, outcome = _NOT_RUN, Outcome(held=False, figures={}, note=f"needs {needs}")
    else:
        directory = made / experiment.name
        directory.mkdir()
        with console.status(experiment.name) as status:
            bench = Bench(
                directory, quick, lambda text: status.update(f"{experiment.name}: {_plain(text)}")
            )
            outcome = _try(experiment, bench)
        result = _OK if outcome.held else _FAILED
    return Line(
        name=experiment.name,
        result=result,
        seconds=round(time.monotonic() - began, 1),
        figures=outcome.figures,
        note=outcome.note,
        how=experiment.how,
        must_hold=experiment.must_hold,
    )


def _try(experiment: Experiment, bench: Bench) -> Outcome:
    """Run an experiment; one that breaks down has not held, and the others go on."""
    try:
        return experiment.run(bench)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is this experiment's result
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(place.filename).name}:{place.lineno}"
        return Outcome(held=False, figures={}, note=f"{type(error).__name__} at {where}: {error}")


def _tabulate() -> Table:
    table = Table("name", "how", "must hold", "needs")
    for one in EXPERIMENTS:
        table.add_row(one.name, one.how, one.must_hold, ", ".join(one.needs))
    return table


def _write(path: Path, machine: Machine, lines: list[Line], *, quick: bool) -> None:
    document = {
        "commit": commit(),
        "machine": dataclasses.asdict(machine),
        "quick": quick,
        "experiments": [dataclasses.asdict(line) for line in lines],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
