"""`receiver serve`."""

import asyncio

import typer
import uvloop

from receiver import __version__
from receiver.settings import Settings
from receiver.web.app import Running
from receiver.web.app import serve as serve_until_signalled


def serve(settings: Settings) -> int:
    """Serve until a signal; give the exit status."""

    def announce(node: Running) -> None:
        typer.echo(_announcement(settings, node))

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(serve_until_signalled(settings, announce))


def _announcement(settings: Settings, node: Running) -> str:
    """Say where it listens. A secret that the operator has set is not repeated into a log."""
    callback_url, key = node.callback_url, node.api_key
    if settings.callback_token is not None or settings.applications:
        callback_url = callback_url.rpartition("/")[0] + "/<your token>"
    if settings.api_key is not None:
        key = "<as set>"
    return (
        f"receiver {__version__} is ready; its data is in {settings.data_dir.absolute()}\n"
        f"  Callback URL: {callback_url}\n"
        f"  API address:  {node.api_url}\n"
        f"  API key:      {key}\n"
        "Give the callback URL to the platform with your public host name in it."
    )
