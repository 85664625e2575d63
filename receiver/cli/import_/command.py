"""`receiver import`: registers the sends of a file with a running receiver, row by row."""

import json
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import tzinfo
from io import BufferedReader
from itertools import chain, islice
from pathlib import Path
from typing import Annotated, Protocol
from zoneinfo import ZoneInfo

import typer

from receiver import settings
from receiver.cli.api_client import RunningReceiver
from receiver.cli.import_.preview import SAMPLE, show_sample
from receiver.cli.import_.registrar import Done, ImportRegistrar
from receiver.cli.import_.rejects import Write, writing_rejects
from receiver.cli.import_.report import (
    ImportTally,
    Show,
    print_left_out,
    print_tally,
    progress,
    summary,
)
from receiver.cli.options import ApiKey, ApiUrl, AsJson, Config, Reveal
from receiver.cli.signals import Ending
from receiver.errors import ReceiverError
from receiver.huawei.imports import (
    COLUMN_NAMES,
    Export,
    ExportError,
    Fault,
    How,
    Row,
    SendRow,
    open_export,
    read_offset,
    spooled,
)

_LOOK_EVERY = 500  # rows

app = typer.Typer()


class ImportFailedError(ReceiverError):
    """The file cannot be imported."""


@dataclass(frozen=True, slots=True)
class _Order:
    """What is to be done with a file."""

    file: Path | None  # None: standard input
    how: How
    application: str | None  # of rows that name none; None: the receiver's first
    patience_s: float
    ask: bool  # where a person can answer
    rejects: Path | None
    reveal: bool = False  # numbers in full in the sample


def _read_columns(given: Iterable[str]) -> dict[str, str]:
    """Read the values of `--map`: our name -> column, empty for none.

    Raises:
        typer.BadParameter: one is no such pair.
    """
    columns: dict[str, str] = {}
    needed = COLUMN_NAMES[0]
    for one in given:
        name, sign, column = one.partition("=")
        if not sign or name not in COLUMN_NAMES or (name == needed and not column):
            raise typer.BadParameter(
                "--map requires NAME=COLUMN, where NAME is one of "
                f"{', '.join(COLUMN_NAMES)}. NAME= omits a field, except {needed}."
            )
        columns[name] = column
    return columns


def _read_zone(text: str) -> tzinfo:
    """Read a time zone: a name of the tz database, or an offset.

    Raises:
        typer.BadParameter: it is none.
    """
    try:
        return read_offset(text)
    except ValueError:
        pass
    try:
        return ZoneInfo(text)
    except (KeyError, ValueError, OSError):
        raise typer.BadParameter(
            "--timezone requires a name such as Asia/Shanghai, or an offset such as +08:00."
        ) from None


def _no_directory(file: Path) -> Path:
    """Refuse a directory, which is also what an empty name stands for."""
    if file.is_dir():
        raise typer.BadParameter("This is a directory. Pass a file, or - for standard input.")
    return file


@app.command("import")
def import_file(
    file: Annotated[
        Path,
        typer.Argument(
            help="NDJSON, CSV or XLSX file; - is standard input.", callback=_no_directory
        ),
    ],
    columns: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="NAME=COLUMN",
            help=(
                "Column that holds a field, for example to='Mobile Number'; NAME= omits the field."
            ),
        ),
    ] = None,
    sheet: Annotated[
        str | None, typer.Option(help="Sheet of an XLSX file; default: the first visible one.")
    ] = None,
    encoding: Annotated[
        str | None,
        typer.Option(help="Encoding of a CSV file: gb18030, big5, ...; default: detected."),
    ] = None,
    timezone: Annotated[
        str, typer.Option(help="Zone of times without one: Asia/Shanghai, +08:00, ...")
    ] = "UTC",
    international: Annotated[
        bool,
        typer.Option(
            "--international",
            help="Read numbers without a plus sign as starting with a country code.",
        ),
    ] = False,
    application: Annotated[
        str | None,
        typer.Option(help="Application of the sends; default: the first of the receiver."),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Show the first rows and count all, without registering anything."
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
    rejects: Annotated[
        Path | None, typer.Option(help="Write the unusable rows to this file.")
    ] = None,
    patience: Annotated[
        float, typer.Option(min=0, help="Seconds to wait for an unavailable receiver.")
    ] = 120.0,
    config: Config = None,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
    as_json: AsJson = False,
    reveal: Reveal = False,
) -> None:
    """Register the sends of a file with a running receiver. Repeating it changes nothing."""
    zone = _read_zone(timezone)
    order = _Order(
        file=None if str(file) == "-" else file,
        how=How(_read_columns(columns or ()), sheet, zone, international, encoding),
        application=application,
        patience_s=patience,
        ask=not yes and not as_json,
        rejects=rejects,
        reveal=reveal,
    )
    client = None if dry_run else RunningReceiver.of(settings.load(config), api_url, api_key)
    _import(order, client, as_json=as_json)


def _import(order: _Order, client: RunningReceiver | None, *, as_json: bool) -> None:
    """Register the sends, and print what happened to them; no client only tells what is there."""
    started = time.monotonic()
    with _opened(order.file, order.how) as stream:
        try:
            export = open_export(stream, order.how)
            rows = export.rows()
            head = list(islice(rows, SAMPLE))
        except ExportError as error:
            raise ImportFailedError(str(error)) from None
        show_sample(order.file, order.how, export, head, reveal=order.reveal)
        told = list(export.unused)
        tally = _Import(order, export).run(client, chain(head, rows))
    if as_json:
        document = summary(tally, order.file, export, dry_run=client is None)
        typer.echo(json.dumps({**document, "seconds": round(time.monotonic() - started, 1)}))
    else:
        print_left_out(export, told)
        print_tally(tally, dry_run=client is None)
    if tally.bad or tally.error is not None:
        raise typer.Exit(1)


@contextmanager
def _opened(file: Path | None, how: How) -> Iterator[BufferedReader]:
    if file is None:
        stdin: BufferedReader = sys.stdin.buffer  # type: ignore[assignment]  # declared as less
        with _spooled(stdin, how) as stream:
            yield stream
        return
    try:
        stream = file.open("rb")
    except OSError as error:
        raise ImportFailedError(f"{file} cannot be read: {error.strerror}.") from None
    with stream, _spooled(stream, how) as readable:
        yield readable


@contextmanager
def _spooled(stream: BufferedReader, how: How) -> Iterator[BufferedReader]:
    with ExitStack() as stack:
        try:
            readable = stack.enter_context(spooled(stream, how))
        except ExportError as error:
            raise ImportFailedError(str(error)) from None
        yield readable


def _is_a_person_there() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


class _Sink(Protocol):
    """Where sends go."""

    def add(self, found: SendRow) -> None:
        """Take one."""

    def finish(self) -> None:
        """Wait until all have arrived."""

    def stop(self) -> None:
        """Take no more, and wait for those under way."""


class _Nowhere:
    def add(self, found: SendRow) -> None:
        pass

    def finish(self) -> None:
        pass

    def stop(self) -> None:
        pass


class _Import:
    """One run over the rows of a file."""

    def __init__(self, order: _Order, export: Export) -> None:
        self._order = order
        self._export = export
        self._tally = ImportTally()
        self._write: Write = lambda _: None
        self._ending = Ending()
        self._counted: Done | None = None

    def run(self, client: RunningReceiver | None, rows: Iterable[Row]) -> ImportTally:
        """Go through the rows.

        Raises:
            ReceiverError: it cannot be begun.
        """
        order = self._order
        with ExitStack() as stack:
            sink: _Sink = _Nowhere()
            if client is not None:
                sink = registrar = stack.enter_context(
                    ImportRegistrar(
                        client,
                        order.application,
                        patience_s=order.patience_s,
                        on_done=self._count,
                    )
                )
                registrar.check()
                if order.ask and order.file is not None and _is_a_person_there():
                    typer.confirm("Register them?", abort=True, err=True)
            self._write = stack.enter_context(
                writing_rejects(order.rejects, order.file, self._export)
            )
            show = stack.enter_context(progress())
            with self._ending:
                self._pass_on(rows, sink, show)
        return self._tally

    def _pass_on(self, rows: Iterable[Row], sink: _Sink, show: Show) -> None:
        tally = self._tally
        try:
            try:
                for found in self._found(rows, show):
                    sink.add(found)
            except ExportError as error:
                tally.error = str(error)
            except OSError as error:
                tally.error = f"The file cannot be read further: {error.strerror}."
            sink.finish()
        except KeyboardInterrupt:
            tally.error = self._ending.reason
            sink.stop()
        except ReceiverError as error:
            tally.error = str(error)
            sink.stop()

    def _found(self, rows: Iterable[Row], show: Show) -> Iterator[SendRow]:
        """Return the sends; bad rows are counted and written, progress is shown."""
        tally = self._tally
        for index, row in enumerate(rows):
            if isinstance(row, Fault):
                self._note(row)
            else:
                tally.sends += 1
                tally.ids.see(row.line, row.send.sms_msg_id)
                yield row
            if index % _LOOK_EVERY == 0:
                show(tally, self._export.share())

    def _count(self, done: Done) -> None:
        """Count a batch: wholly, and once, whenever a signal comes."""
        with self._ending.held():
            if done is not self._counted:
                self._counted = done
                self._count_one(done)

    def _count_one(self, done: Done) -> None:
        tally = self._tally
        tally.registered += len(done.registered)
        tally.refused += sum(found.send.refused for found in done.registered)
        for found, reason in done.rejected:
            self._note(Fault(found.line, reason, found.raw))
        tally.up_to_line = done.up_to_line

    def _note(self, fault: Fault) -> None:
        self._tally.note(fault)
        self._write(fault)
