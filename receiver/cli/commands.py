"""The commands, each with the module that implements it."""

from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from receiver import __version__

_MODULES = {
    "serve": "serve",
    "demo": "demo",
    "simulate": "simulate",
    "lookup": "lookup",
    "explain": "codes",
    "codes": "codes",
    "import": "import_.command",
    "export": "export",
    "retries": "retries",
    "suppressions": "suppressions",
    "reclassify": "reclassify",
    "purge": "privacy",
    "forget": "privacy",
    "key": "key",
    "verify": "verify",
    "check": "check",
}


class _OnDemand(TyperGroup):
    """Imports a command's module when it is asked for: each needs a part of the whole only."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - Typer gives it
        """Name them, in the order of `--help`."""
        return list(_MODULES)

    def get_command(
        self,
        ctx: Any,  # noqa: ARG002 - as above
        cmd_name: str,
    ) -> Any:  # a command of Click, which Typer keeps to itself
        """Return the command or the group of commands with a name."""
        if cmd_name not in _MODULES:
            return None
        module = import_module(f"receiver.cli.{_MODULES[cmd_name]}")
        group = typer.main.get_group(module.app)
        return group.commands.get(cmd_name, group)


app = typer.Typer(
    cls=_OnDemand,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # a pretty trace prints local variables, numbers and texts
    help="A durable receiver for the pushes of Huawei Cloud Message & SMS.",
)


@app.callback(invoke_without_command=True)
def root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Take the options before the command."""
    if version:
        typer.echo(__version__)
        raise typer.Exit
