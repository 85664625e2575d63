"""The progress and the result of an import."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from receiver.cli.api_client import Json
from receiver.huawei.imports import Export, Fault, Likeness
from receiver.pacing import at_intervals

_MOST_SHOWN = 20  # bad rows
_MOST_LISTED = 100  # in JSON
_LINE_EVERY_S = 5.0


@dataclass(slots=True)
class ImportTally:
    """The counts of an import so far."""

    sends: int = 0  # read
    registered: int = 0
    refused: int = 0  # of those registered: the platform had not taken them
    bad: int = 0
    problems: list[Fault] = field(default_factory=list)  # the first of them
    ids: Likeness = field(default_factory=Likeness)
    up_to_line: int = 0  # all rows up to here are registered or bad
    error: str | None = None  # why it ended before the end of the file

    def note(self, fault: Fault) -> None:
        """Count a bad row."""
        self.bad += 1
        if len(self.problems) < _MOST_LISTED:
            self.problems.append(fault)


Show = Callable[[ImportTally, float | None], None]


@contextmanager
def progress() -> Iterator[Show]:
    """Show progress: a bar on a terminal, elsewhere a line every few seconds."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield at_intervals(partial(_print_line, console), _LINE_EVERY_S)
        return
    columns = (
        TextColumn("Importing"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[sends]:,} sends, {task.fields[bad]:,} bad rows"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("", total=None, sends=0, bad=0)

        def show(tally: ImportTally, share: float | None) -> None:
            total = None if share is None else 1.0
            bar.update(task, total=total, completed=share or 0, sends=tally.sends, bad=tally.bad)

        yield show


def _print_line(console: Console, tally: ImportTally, share: float | None) -> None:
    part = "" if share is None else f"{100 * share:.0f} %: "
    console.print(f"{part}{tally.sends:,} sends, {tally.bad:,} bad rows", highlight=False)


def print_tally(tally: ImportTally, *, dry_run: bool) -> None:
    """Print the bad rows (standard error) and the counts for people."""
    for fault in tally.problems[:_MOST_SHOWN]:
        typer.echo(f"line {fault.line}: {fault.reason}", err=True)
    if tally.bad > _MOST_SHOWN:
        more = tally.bad - _MOST_SHOWN
        typer.echo(f"… and {more:,} more. Use --rejects FILE to write all of them.", err=True)
    bad = f"{tally.bad:,} bad rows"
    if tally.ids.count:
        typer.echo(f"warning: {_unlike(tally.ids)}", err=True)
    if dry_run:
        typer.echo(f"{tally.sends:,} sends could be registered; {bad}.")
    else:
        refused = f", {tally.refused:,} of them refused by the platform" if tally.refused else ""
        typer.echo(f"{tally.registered:,} sends registered{refused}; {bad}.")
    if tally.error is not None:
        how_far = "" if dry_run else f" {_how_far(tally)}"
        typer.echo(f"receiver: {tally.error}{how_far}", err=True)


def print_left_out(export: Export, told: Sequence[str]) -> None:
    """Print on standard error what was not taken, but for the names that the sample has told."""
    names = [name for name in export.unused if name not in told]
    if names:
        typer.echo(f"Ignored further down: {', '.join(names)}", err=True)
    for reason, line in export.left_out.items():
        typer.echo(f"warning: line {line}: {reason}", err=True)


def _unlike(ids: Likeness) -> str:
    more = ", …" if ids.count > len(ids.lines) else ""
    return (
        f"{ids.count:,} ids have a different form from the others; check that they are "
        f"message ids: line {', '.join(map(str, ids.lines))}{more}."
    )


def _how_far(tally: ImportTally) -> str:
    if not tally.up_to_line:
        return "No line is known to be registered. You can safely import the file again."
    return (
        f"Up to line {tally.up_to_line} every row is registered or listed as bad. You "
        "can safely import the file again: registered rows do not change."
    )


def summary(tally: ImportTally, file: Path | None, export: Export, *, dry_run: bool) -> Json:
    """Return the same for programs."""
    return {
        "file": None if file is None else str(file),
        "form": export.form,
        "dry_run": dry_run,
        "sends": tally.sends,
        "registered": tally.registered,
        "refused": tally.refused,
        "bad": tally.bad,
        "problems": [{"line": one.line, "reason": one.reason} for one in tally.problems],
        "not_taken": list(export.unused),
        "left_out": [{"line": line, "reason": reason} for reason, line in export.left_out.items()],
        "unlike_ids": {"count": tally.ids.count, "lines": list(tally.ids.lines)},
        "up_to_line": tally.up_to_line,
        "complete": tally.error is None,
        "error": tally.error,
    }
