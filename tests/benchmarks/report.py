"""The table for people and the document for programs."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from .ack import Compared
from .figures import Bound, Figure
from .machine import Machine, commit
from .plot import Curves


@dataclasses.dataclass(frozen=True, slots=True)
class Result:
    """All that a run found."""

    quick: bool
    machine: Machine
    figures: Sequence[Figure]
    compared: Compared | None
    curves: Curves | None
    troubles: Sequence[str]


def tabulate(figures: Sequence[Figure]) -> Table:
    """Lay out the figures, a line for each bound."""
    table = Table()
    table.add_column("figure")
    table.add_column("measured", justify="right")
    table.add_column("target", justify="right")
    table.add_column("")
    for figure in figures:
        title = figure.wanted.title
        for bound in figure.wanted.bounds:
            value = figure.numbers.get(bound.value)
            measured = "not measured" if value is None else bound.reads.format(value)
            table.add_row(title, measured, bound.target, _judge(figure, bound))
            title = ""
        table.add_section()
    return table


def _judge(figure: Figure, bound: Bound) -> str:
    match is_reached(figure, bound):
        case None:
            return "not judged"
        case True:
            return "[green]reached[/green]"
        case _:
            return "[red]missed[/red]"


def is_reached(figure: Figure, bound: Bound) -> bool | None:
    """Tell whether a value keeps to its bound; None: it cannot be judged."""
    value = figure.numbers.get(bound.value)
    if value is None or not figure.judged:
        return None
    return bound.is_reached(value)


def show(console: Console, figures: Sequence[Figure]) -> None:
    """Print the table and what belongs to the figures."""
    console.print(tabulate(figures))
    for figure in figures:
        for note in figure.notes:
            console.print(f"{figure.wanted.title}: {note}")


def write(path: Path, result: Result) -> None:
    """Write everything as JSON."""
    document: dict[str, Any] = {
        "commit": commit(),
        "quick": result.quick,
        "machine": dataclasses.asdict(result.machine),
        "figures": [_document(figure) for figure in result.figures],
        "troubles": list(result.troubles),
    }
    if result.compared is not None:
        compared = result.compared
        document |= {
            "plan": dataclasses.asdict(compared.plan),
            "results": [dataclasses.asdict(row) for row in compared.rows],
            "durability": [dataclasses.asdict(one) for one in compared.kept],
            "windows": [dataclasses.asdict(window) for window in compared.windows],
        }
    if result.curves is not None:
        document["curves"] = dataclasses.asdict(result.curves)
    path.write_text(json.dumps(document, indent=2) + "\n")


def _document(figure: Figure) -> dict[str, Any]:
    return {
        "name": figure.name,
        "title": figure.wanted.title,
        "bounds": [
            {
                "value": bound.value,
                "measured": figure.numbers.get(bound.value),
                "target": bound.target,
                "reached": is_reached(figure, bound),
            }
            for bound in figure.wanted.bounds
        ],
        "numbers": dict(figure.numbers),
        "notes": list(figure.notes),
        "raw": dict(figure.raw),
    }
