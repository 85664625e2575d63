"""`receiver simulate`."""

import asyncio
import contextlib
import json
import signal
from enum import StrEnum
from typing import get_args

import typer
import uvloop
from rich.console import Console

from receiver.simulator import SimulationOptions, Tally, show_progress, simulate, tally_table
from receiver.simulator.options import Register as RegisterName


class Register(StrEnum):
    """When the simulated sends are registered."""

    FIRST = "first"
    AFTER = "after"
    NEVER = "never"

    @property
    def as_option(self) -> RegisterName:
        """The name that the simulator knows."""
        return next(name for name in get_args(RegisterName) if name == self.value)


def simulate_to(options: SimulationOptions, *, as_json: bool) -> None:
    """Run a simulation, show its progress, print its table; exit 1 when a push was not taken."""

    async def run() -> Tally:
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, stop.set)
        with contextlib.ExitStack() as stack:
            show = stack.enter_context(show_progress(options.count))
            return await simulate(options, on_progress=show, stop=stop)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        tally = runner.run(run())
    if as_json:
        typer.echo(json.dumps(tally.as_dict()))
    else:
        Console().print(tally_table(tally))
    if tally.not_acknowledged or tally.unregistered:
        raise typer.Exit(1)
