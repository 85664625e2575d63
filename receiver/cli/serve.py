"""`receiver serve`."""

import asyncio

import typer
import uvloop

from receiver import __version__, logs, settings
from receiver.app.serve import Running
from receiver.app.serve import serve as serve_until_signalled
from receiver.cli import check
from receiver.cli.options import Config
from receiver.settings import Settings

app = typer.Typer()


@app.command()
def serve(config: Config = None) -> None:
    """Run the receiver until SIGTERM or Ctrl-C."""
    loaded = settings.load(config)
    logs.configure(loaded.log_level)
    check.warn(loaded, config)

    def announce(node: Running) -> None:
        typer.echo(_announcement(loaded, node))

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        raise typer.Exit(runner.run(serve_until_signalled(loaded, announce)))


def _announcement(loaded: Settings, node: Running) -> str:
    """Return the addresses as text. A secret from the settings is not repeated in a log."""
    callback_url, key = node.callback_url, node.api_key
    if loaded.callback_token is not None or not loaded.has_default_application:
        callback_url = callback_url.rpartition("/")[0] + "/<your token>"
    if loaded.api_key is not None:
        key = "<from the settings>"
    return (
        f"receiver {__version__} is ready; data directory: "
        f"{loaded.data_dir.absolute()}\n  Callback URL: {callback_url}\n  API address:  "
        f"{node.api_url}\n  API key:      {key}\nConfigure the callback URL on the "
        "platform, with your public host name in it."
    )
