"""`receiver demo`: a receiver in a temporary directory, and a simulated platform."""

import asyncio
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
import uvloop
from rich.console import Console
from rich.live import Live
from rich.table import Table

from receiver import logs
from receiver.app.serve import Running, running
from receiver.pacing import at_intervals
from receiver.settings import Settings
from receiver.simulator import SimulationOptions, SimulationTally, simulate

_USUAL_PORTS = (8080, 8081)
_REFRESH_S = 0.5
_LINE_EVERY_S = 2.0
_ENDLESS = 10**9  # messages; nobody watches for that long

# the metric (only accepted pushes count) -> how it is shown
_COUNTERS = {
    "receiver_sends_total": "sends registered",
    "receiver_pushes_total": "pushes accepted",
    "receiver_reports_total": "reports stored",
    "receiver_redeliveries_total": "redeliveries",
    "receiver_uplinks_total": "uplinks",
    "receiver_orphans": "orphans",
}


app = typer.Typer()


@app.command()
def demo(
    rate: Annotated[float, typer.Option(min=0.1, help="Pushes per second.")] = 20.0,
    seconds: Annotated[float | None, typer.Option(min=1, help="Stop after this time.")] = None,
) -> None:
    """Run a receiver in a temporary directory, with a simulated platform that pushes to it."""
    logs.configure("warning")
    with tempfile.TemporaryDirectory(prefix="receiver-demo-") as directory:
        settings = _settings(Path(directory))
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_run(settings, rate, seconds))


async def _run(settings: Settings, rate: float, seconds: float | None) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    async with running(settings, lambda _: ended.set()) as node:
        typer.echo(_announcement(node))
        options = SimulationOptions(
            url=node.callback_url,
            count=_ENDLESS,
            rate=rate,
            api_url=node.api_url,
            api_key=node.api_key,
        )
        pushing = asyncio.create_task(simulate(options, stop=ended))
        pushing.add_done_callback(lambda _: ended.set())
        with suppress(TimeoutError), _shown(node) as show:
            async with asyncio.timeout(seconds):
                while not ended.is_set():
                    show()
                    with suppress(TimeoutError):
                        await asyncio.wait_for(ended.wait(), _REFRESH_S)
        ended.set()
        tally: SimulationTally = await pushing
    typer.echo(
        f"{tally.acknowledged.total()} pushes were acknowledged. The data of the demo has "
        "been deleted."
    )


def _announcement(node: Running) -> str:
    return (
        "A receiver is running on a temporary directory; a simulated platform pushes into it.\n"
        f"  Callback URL: {node.callback_url}\n"
        f"  API address:  {node.api_url}\n"
        f"  API key:      {node.api_key}\n"
        f"  Metrics:      {node.api_url}/metrics\n"
        "Look at some failed messages, from another terminal:\n"
        f"  curl -H 'Authorization: Bearer {node.api_key}'"
        f" '{node.api_url}/v1/messages?state=failed&limit=3'\n"
        "Ctrl-C ends it.\n"
    )


@contextmanager
def _shown(node: Running) -> Iterator[Callable[[], None]]:
    """Return what shows the counters: a live table on a terminal, else a line now and then."""
    console = Console()
    if not console.is_terminal:
        yield at_intervals(partial(_print_line, node), _LINE_EVERY_S, is_due=True)
        return
    with Live(console=console, auto_refresh=False) as live:
        yield lambda: live.update(_table(_counts(node)), refresh=True)


def _print_line(node: Running) -> None:
    typer.echo("  ".join(f"{name}: {count}" for name, count in _counts(node).items()))


def _table(counts: dict[str, int]) -> Table:
    table = Table(show_header=False)
    for name, count in counts.items():
        table.add_row(name, f"{count:,}")
    return table


def _counts(node: Running) -> dict[str, int]:
    counts = dict.fromkeys(_COUNTERS.values(), 0)
    for family in node.metrics.registry.collect():
        for sample in family.samples:
            shown = _COUNTERS.get(sample.name)
            if shown and sample.labels.get("outcome", "accepted") == "accepted":
                counts[shown] += int(sample.value)
    return counts


def _settings(directory: Path) -> Settings:
    listen, api_listen = (f"127.0.0.1:{_free_port(port)}" for port in _USUAL_PORTS)
    return Settings.model_construct(data_dir=directory, listen=listen, api_listen=api_listen)


def _free_port(usual: int) -> int:
    """Return the usual port, or 0 (any free one) when something else listens there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", usual))
        except OSError:
            return 0
    return usual
