"""The command line: `receiver COMMAND`."""

import sys

from receiver.cli.commands import app
from receiver.errors import ReceiverError


def main() -> None:
    """Run the command; what an operator can act on is said in plain words, without a trace."""
    try:
        app()
    except ReceiverError as error:
        print(f"receiver: {error}", file=sys.stderr)  # noqa: T201 - a command speaks on stderr
        sys.exit(1)
