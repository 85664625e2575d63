"""Output of the commands for people."""

import unicodedata
from collections.abc import Iterable

from rich.console import Console
from rich.table import Table
from rich.text import Text

_WIDTH_IN_A_FILE = 160  # columns; there is no terminal's edge to fold at


def make_console(*, stderr: bool = False) -> Console:
    """Return the console for the result of a command, or for its messages on standard error."""
    console = Console(stderr=stderr)
    return console if console.is_terminal else Console(width=_WIDTH_IN_A_FILE, stderr=stderr)


def facts_table(facts: dict[str, str | None]) -> Table:
    """Return a table of named facts; those that are empty are left out."""
    table = Table(box=None, show_header=False)
    for name, value in facts.items():
        if value:
            table.add_row(Text(name, style="bold"), plain(value))
    return table


def list_table(names: Iterable[str], rows: Iterable[Iterable[object]]) -> Table:
    """Return a table of a list; what is None becomes an empty cell."""
    table = Table(*names, box=None)
    for row in rows:
        table.add_row(*(plain("" if value is None else value) for value in row))
    return table


def plain(value: object) -> Text:
    """Show a value as it stands: strangers choose some, and none may drive the terminal."""
    shown = "".join("\ufffd" if unicodedata.category(c) == "Cc" else c for c in str(value))
    return Text(shown, overflow="fold")  # Chinese has no blanks to wrap at
