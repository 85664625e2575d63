"""Arguments of the command line that a script has lost."""

import pytest
from typer.testing import CliRunner

from receiver.cli.commands import app
from tests.support.server import run

COMMANDS = (
    ["explain"],
    ["lookup"],
    ["forget"],
    ["suppressions", "history"],
    ["suppressions", "add", "--reason", "x"],
    ["suppressions", "lift", "--reason", "x"],
)


@pytest.mark.parametrize("argument", ["", " ", "\t\u200b\ufeff"], ids=["empty", "blank", "unseen"])
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_an_empty_argument_is_refused(command: list[str], argument: str) -> None:
    """It is said that something is missing, and the exit code tells it too."""
    done = CliRunner().invoke(app, [*command, argument])

    assert done.exit_code == 2
    assert "The argument is empty" in done.output


def test_explain_of_nothing_as_a_process() -> None:
    """The process itself fails with a text."""
    done = run("explain", "")

    assert done.returncode == 2
    assert "The argument is empty" in done.stderr
    assert done.stdout == ""
