"""How fast are pushes acknowledged durably? `python -m tests.benchmarks`.

Status reports with ids of their own are pushed at servers that run side by side; only one is awake
at a time. Exit status 1: a push was refused, a connection failed, or an acknowledged push is not
in the server's file.
"""

import dataclasses
import json
import signal
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from . import comparison
from .comparison import Durability, Plan
from .load import Generator, Window, default_generator
from .machine import Machine, inspect
from .servers import Name


def main(
    *,
    rounds: Annotated[int, typer.Option(min=1)] = 5,
    seconds: Annotated[int, typer.Option(min=1, help="per server, mode and round")] = 3,
    connections: Annotated[int, typer.Option(min=1)] = 64,
    quick: Annotated[bool, typer.Option("--quick", help="one round of one second")] = False,
    server: Annotated[list[Name] | None, typer.Option(help="only these")] = None,
    generator: Annotated[Generator | None, typer.Option(help="wrk where installed")] = None,
    json_path: Annotated[Path | None, typer.Option("--json", help="also write here")] = None,
) -> None:
    """Compare servers that acknowledge status reports."""
    # Ended from outside, the servers are stopped as well.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda which, _: sys.exit(128 + which))
    plan = Plan(
        servers=tuple(name for name in Name if name in (server or _DEFAULT)),
        rounds=1 if quick else rounds,
        seconds=1 if quick else seconds,
        connections=connections,
        generator=generator or default_generator(),
        warm_up=not quick,
    )
    console = Console(width=100, highlight=False, soft_wrap=True)
    with tempfile.TemporaryDirectory(prefix="receiver-benchmark-") as made:
        machine = inspect(Path(made))
        console.print(machine.describe())
        with console.status("starting the servers") as status:
            windows, kept = comparison.run(
                plan,
                Path(made),
                lambda one: status.update(f"{one.server} {one.mode}: {one.per_second:,.0f}/s"),
            )
    rows = comparison.tally(windows)
    title = f"{plan.rounds} x {plan.seconds} s, {connections} connections, {plan.generator.label}"
    console.print(comparison.tabulate(rows, title))
    troubles = _troubles(windows, kept)
    for one in kept:
        console.print(f"{one.server}: {one.acknowledged:,} acknowledged, {one.stored:,} stored")
    for trouble in troubles:
        console.print(f"[red]{trouble}[/red]")
    if json_path is not None:
        _write(json_path, plan, machine, windows, rows, kept)
    raise typer.Exit(1 if troubles else 0)


_DEFAULT = (Name.BARE, Name.RECEIVER, Name.FASTAPI)


def _troubles(windows: list[Window], kept: list[Durability]) -> list[str]:
    found = [
        f"{one.server} {one.mode} round {one.round}: {one.refused} answers were not 2xx, "
        f"{one.failed} connections failed, {one.accepted} pushes were accepted"
        for one in windows
        if one.refused or one.failed or not one.accepted
    ]
    lost = [f"{one.server} LOST {one.acknowledged - one.stored}" for one in kept if not one.holds]
    return found + lost


def _write(
    path: Path,
    plan: Plan,
    machine: Machine,
    windows: list[Window],
    rows: list[comparison.Row],
    kept: list[Durability],
) -> None:
    document = {
        "machine": dataclasses.asdict(machine),
        "plan": dataclasses.asdict(plan),
        "results": [dataclasses.asdict(row) for row in rows],
        "durability": [dataclasses.asdict(one) for one in kept],
        "windows": [dataclasses.asdict(window) for window in windows],
    }
    path.write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
