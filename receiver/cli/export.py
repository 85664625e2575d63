"""`receiver export`: messages or uplinks of a running receiver, written to a file."""

import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, BinaryIO

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
)

from receiver import settings
from receiver.cli.api_client import NotAnsweredError, RunningReceiver
from receiver.cli.options import ApiKey, ApiUrl, Config, given, instant_text
from receiver.cli.signals import Ending
from receiver.domain.catalogue.entries import Category
from receiver.domain.messages.state import State
from receiver.durable import sync_file
from receiver.errors import ReceiverError
from receiver.pacing import at_intervals

_LINE_EVERY_S = 5.0
_PART = 1000  # items; one that does not come is asked for again
_STANDARD_OUTPUT = "-"

app = typer.Typer()


class What(StrEnum):
    """What is exported."""

    MESSAGES = "messages"
    UPLINKS = "uplinks"


class OutputFormat(StrEnum):
    """How it is written."""

    NDJSON = "ndjson"  # all that is known
    CSV = "csv"  # for spreadsheets

    @property
    def media_type(self) -> str:
        """As the receiver calls it."""
        return {OutputFormat.NDJSON: "application/x-ndjson", OutputFormat.CSV: "text/csv"}[self]


class ExportNotWrittenError(ReceiverError):
    """The file cannot be written."""


@app.command()
def export(
    what: Annotated[What, typer.Argument(help="What to export.")] = What.MESSAGES,
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Output file; - is standard output.")
    ],
    form: Annotated[
        OutputFormat | None,
        typer.Option("--format", help="Output format; default: csv for *.csv, else ndjson."),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            help=(
                "Only entries sent (uplinks: received) at or after this time, for example "
                "2026-01-31; UTC if it has no zone."
            )
        ),
    ] = None,
    until: Annotated[str | None, typer.Option(help="Only entries before this time.")] = None,
    application: Annotated[str | None, typer.Option(help="Only this application.")] = None,
    to: Annotated[str | None, typer.Option(help="Only entries to this number.")] = None,
    sender: Annotated[
        str | None, typer.Option("--from", help="Only uplinks from this number.")
    ] = None,
    state: Annotated[State | None, typer.Option(help="Only messages in this state.")] = None,
    code: Annotated[str | None, typer.Option(help="Only messages with this code.")] = None,
    category: Annotated[
        Category | None, typer.Option(help="Only messages of this category.")
    ] = None,
    extend: Annotated[str | None, typer.Option(help="Only messages with this `extend`.")] = None,
    reference: Annotated[
        str | None, typer.Option(help="Only messages with this `reference`.")
    ] = None,
    registered: Annotated[
        bool | None,
        typer.Option(
            "--registered/--orphans", help="Only messages whose send is registered, or is not."
        ),
    ] = None,
    retry_for: Annotated[
        float,
        typer.Option(min=0, help="Seconds to wait for an unavailable receiver."),
    ] = 60.0,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
    config: Config = None,
    lang: Annotated[
        str | None,
        typer.Option(
            "--lang", help="Language of the texts, en or zh; default: that of the receiver."
        ),
    ] = None,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Export messages or uplinks to a file, with full phone numbers and texts."""
    of_messages = {
        "state": state,
        "code": code,
        "category": category,
        "extend": extend,
        "reference": reference,
        "registered": None if registered is None else str(registered).lower(),
        "lang": lang,
    }
    of_uplinks = {"from": sender}
    own, others = of_messages, of_uplinks
    if what is What.UPLINKS:
        own, others = others, own
    if any(value is not None for value in others.values()):
        wrong = [f"--{name}" for name, value in others.items() if value is not None]
        raise typer.BadParameter(f"{', '.join(wrong)} cannot be used with {what.value}.")
    wanted = {
        "since": instant_text("--since", since),
        "until": instant_text("--until", until),
        "application": application,
        "to": to,
        **own,
    }
    form = form or (OutputFormat.CSV if output.suffix.lower() == ".csv" else OutputFormat.NDJSON)
    parameters = given(wanted)
    client = RunningReceiver.of(settings.load(config), api_url, api_key)
    target = None if str(output) == _STANDARD_OUTPUT else output
    parameters |= {"format": form.value, "limit": str(_PART)}
    path = f"/v1/export/{what.value}"
    with _ended_by_signals(), _opened(target, force=force) as file, _progress() as show:
        written, total = 0, ""
        while True:
            try:
                part = client.part(path, parameters, form.media_type, retry_for)
            except NotAnsweredError as error:
                raise _broken_off(error, written, total) from None
            file.write(part.content)
            written += int(part.headers["item-count"])
            total = at_least(total or part.headers["total-count"], written)
            show(written, total)
            if "next-cursor" not in part.headers:
                break
            parameters["cursor"] = part.headers["next-cursor"]
    where = "" if target is None else f" to {target}"
    typer.echo(f"{written:,} {what.value} written{where}.", err=True)


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let every signal that asks to end do so as Ctrl-C does: what is half written goes."""
    with Ending() as ending:
        try:
            yield
        except KeyboardInterrupt:
            if ending.status == 128 + signal.SIGINT:
                raise
            raise typer.Exit(ending.status) from None


def _broken_off(error: NotAnsweredError, written: int, total: str) -> NotAnsweredError:
    if not written:
        return error
    return NotAnsweredError(
        f"The export was aborted after {written:,} of {_many(total)}; the output is "
        f"incomplete. {error}"
    )


def at_least(total: str, written: int) -> str:
    """Raise a count that was taken at the beginning: sends registered since may be written too."""
    return total if written <= int(total.rstrip("+")) else str(written) + "+" * total.count("+")


def _many(total: str) -> str:
    """Write a number as the receiver counted it; `+` behind it says that there are more."""
    return f"{int(total.rstrip('+')):,}{'+' if total.endswith('+') else ''}"


# --- the file -----------------------------------------------------------------------------------


@contextmanager
def _opened(target: Path | None, *, force: bool) -> Iterator[BinaryIO]:
    """Open what is written to; a file gets its name when all of it is on disk.

    Raises:
        NotWrittenError: it cannot be written, or exists.
    """
    try:
        if target is None:
            with _standard_output() as file:
                yield file
        else:
            with _named_when_complete(target.resolve(), force=force) as file:
                yield file
    except OSError as error:
        raise ExportNotWrittenError(
            f"{target or 'Standard output'} cannot be written: {error.strerror or error}."
        ) from None


@contextmanager
def _standard_output() -> Iterator[BinaryIO]:
    try:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        # Else the interpreter would try once more at its end, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise


@contextmanager
def _named_when_complete(target: Path, *, force: bool) -> Iterator[BinaryIO]:
    _check_free(target, force=force)
    # Of mode 0600: there are phone numbers and texts in it.
    descriptor, name = tempfile.mkstemp(".part", f".{target.name[:100]}.", target.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            sync_file(file)
        _check_free(target, force=force)
        Path(name).replace(target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(name).unlink()
        raise


def _check_free(target: Path, *, force: bool) -> None:
    if target.exists() and not target.is_file():
        raise ExportNotWrittenError(
            f"{target} is not a regular file. Use --output - for standard output."
        )
    if target.exists() and not force:
        raise ExportNotWrittenError(f"{target} exists already. Use --force to overwrite it.")


# --- progress -----------------------------------------------------------------------------------


_Show = Callable[[int, str], None]  # how many are written, of how many


@contextmanager
def _progress() -> Iterator[_Show]:
    """Return what shows progress: a bar on a terminal, elsewhere a line every few seconds."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield at_intervals(partial(_print_line, console), _LINE_EVERY_S)
        return
    columns = (
        TextColumn("Exporting"),
        BarColumn(),
        TextColumn("{task.completed:,} of {task.fields[counted]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("", total=None, counted="")
        yield lambda written, total: bar.update(
            task, completed=written, total=int(total.rstrip("+")), counted=_many(total)
        )


def _print_line(console: Console, written: int, total: str) -> None:
    console.print(f"{written:,} of {_many(total)} written", highlight=False)
