"""`receiver simulate`."""

import asyncio
import contextlib
import json
import signal
from enum import StrEnum
from typing import Annotated, get_args

import typer
import uvloop
from rich.console import Console

from receiver.cli.options import ApiKey, ApiUrl, AsJson
from receiver.simulator import (
    SimulationOptions,
    SimulationTally,
    show_progress,
    simulate,
    tally_table,
)
from receiver.simulator.options import Register as RegisterName

app = typer.Typer()


class Register(StrEnum):
    """When the simulated sends are registered."""

    FIRST = "first"
    AFTER = "after"
    NEVER = "never"

    @property
    def as_option(self) -> RegisterName:
        """The name that the simulator knows."""
        return next(name for name in get_args(RegisterName) if name == self.value)


@app.command("simulate")
def simulate_command(
    url: Annotated[
        str,
        typer.Option(
            envvar="CALLBACK_URL",
            show_envvar=True,
            help=(
                "Callback URL; set in the environment, it is not visible in the list of processes."
            ),
        ),
    ],
    count: Annotated[int, typer.Option(min=1, help="Number of messages to send.")] = 1000,
    rate: Annotated[
        float, typer.Option(min=0, help="Pushes per second; 0: as fast as possible.")
    ] = 50.0,
    register: Annotated[
        Register | None,
        typer.Option(help="When to register the sends; default: first, if --api-url is given."),
    ] = None,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
    seed: Annotated[
        int | None,
        typer.Option(help="Seed of the random numbers: the same seed gives the same traffic."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Simulate the platform: push reports and uplinks to a callback URL."""
    usual = Register.FIRST if api_url else Register.NEVER
    options = SimulationOptions(
        url=url,
        count=count,
        rate=rate,
        register=(register or usual).as_option,
        api_url=api_url,
        api_key=api_key,
        seed=seed,
    )

    async def run() -> SimulationTally:
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
