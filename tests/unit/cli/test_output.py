"""Tables that the commands print, and the options that they pass on."""

import io
from typing import Any

import pytest
from rich.console import Console

from receiver.cli.options import given
from receiver.cli.output import list_table
from receiver.domain.messages.state import State


@pytest.mark.parametrize(
    ("row", "cells"),
    [
        (("m-1", 2), ["m-1", "2"]),
        pytest.param(("m-1", None), ["m-1"], id="nothing"),
        pytest.param(("m-1", "\x1b[2J"), ["m-1", "\ufffd[2J"], id="a terminal's command"),
    ],
)
def test_list_table(row: tuple[object, ...], cells: list[str]) -> None:
    """A table has a line for each row; nothing is an empty cell, and no cell is a command."""
    out = io.StringIO()
    Console(file=out, width=80).print(list_table(("id", "n"), [row]))
    heading, line = out.getvalue().splitlines()
    assert heading.split() == ["id", "n"]
    assert line.split() == cells


@pytest.mark.parametrize(
    ("options", "texts"),
    [
        ({"limit": 50, "state": State.FAILED}, {"limit": "50", "state": "failed"}),
        pytest.param({"to": None, "code": ""}, {"code": ""}, id="nothing is left out"),
    ],
)
def test_given(options: dict[str, Any], texts: dict[str, str]) -> None:
    """What was given is passed on as text."""
    assert given(options) == texts
