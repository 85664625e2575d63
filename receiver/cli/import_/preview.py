"""The first rows of a file as interpreted, shown before anything is registered."""

from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from receiver.cli.output import make_console, plain
from receiver.domain.inputs import ACCEPTED_BY_PLATFORM
from receiver.huawei.imports import COLUMN_NAMES, Export, Fault, How, Row, SendRow
from receiver.huawei.registration import entry_of

SAMPLE = 3  # rows
_MASKED = slice(-8, -4)  # of a phone number
_STATUS_LEFT_OUT = (
    "`status` is ignored: its column contains codes of reports, or only failures. Use "
    "it with --map status=COLUMN."
)


def show_sample(
    file: Path | None, how: How, export: Export, head: Sequence[Row], *, reveal: bool = False
) -> None:
    """Show on standard error which columns are taken, and how the first rows are read."""
    console = make_console(stderr=True)

    def say(text: str) -> None:
        console.print(plain(text), soft_wrap=True)

    say(f"{file or 'standard input'}: {export.form}, {export.detail}")
    for note in export.notes:
        say(note)
    found = [row for row in head if isinstance(row, SendRow)]
    if found:
        console.print(_table(export, found, reveal=reveal))
    for row in head:
        if isinstance(row, Fault):
            say(f"line {row.line}: {row.reason}")
    columns = export.columns
    if export.unused:
        say(f"Ignored: {', '.join(export.unused)}")
        if (
            columns is not None
            and "status" in map(str.lower, export.unused)
            and "status" not in how.columns
        ):
            say(_STATUS_LEFT_OUT)
    if columns is None or "sent_at" in columns.used:
        named = None if columns is None else columns.zone
        zone, by = (how.zone, "--timezone") if named is None else (named, "from the header")
        say(f"Times without a zone are read as {zone} ({by}) and shown here in UTC.")


def _table(export: Export, found: Sequence[SendRow], *, reveal: bool) -> Table:
    columns = export.columns
    used = {} if columns is None else {n: columns.header[i] for n, i in columns.used.items()}
    shown = [_values(row, reveal=reveal) for row in found]
    lines = [f"line {row.line}" for row in found]
    table = Table("field", "column", *lines) if used else Table("field", *lines)
    for name in COLUMN_NAMES:
        values = [one.get(name, "") for one in shown]
        if used and name in used:
            table.add_row(*map(plain, (name, used[name], *values)))
        elif not used and any(values):
            table.add_row(*map(plain, (name, *values)))
    return table


def _values(found: SendRow, *, reveal: bool) -> dict[str, str]:
    values = {name: str(value) for name, value in entry_of(found.send).items()}
    if "to" in values and not reveal:
        values["to"] = _mask(values["to"])
    return {"status": ACCEPTED_BY_PLATFORM, **values}


def _mask(number: str) -> str:
    hidden = number[_MASKED]
    return number[: -4 - len(hidden)] + "*" * len(hidden) + number[-4:]
