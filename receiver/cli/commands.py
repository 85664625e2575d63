"""The commands and their options; the work is done by the modules beside this one."""

import json
from pathlib import Path
from typing import Annotated

import typer

from receiver import __version__, logs, settings
from receiver.cli import checking, demonstrating, looking, serving, simulating
from receiver.simulator import SimulationOptions

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # a pretty trace prints local variables, numbers and texts
    help="A durable receiver for the pushes of Huawei Cloud Message & SMS.",
)

Config = Annotated[
    Path | None,
    typer.Option("--config", help="TOML file; RECEIVER_* in the environment wins over it."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
ApiUrl = Annotated[
    str | None, typer.Option("--api-url", help="The private API; default: from the settings.")
]
ApiKey = Annotated[
    str | None,
    typer.Option(
        "--api-key",
        envvar="RECEIVER_API_KEY",
        show_envvar=True,
        help="Its key; default: from the settings or the data directory.",
    ),
]


@app.callback(invoke_without_command=True)
def root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Take the options before the command."""
    if version:
        typer.echo(__version__)
        raise typer.Exit


@app.command()
def serve(config: Config = None) -> None:
    """Accept pushes and answer look-ups until SIGTERM or Ctrl-C."""
    loaded = settings.load(config)
    logs.configure(loaded.log_level)
    checking.warn(loaded)
    raise typer.Exit(serving.serve(loaded))


@app.command()
def demo(
    rate: Annotated[float, typer.Option(min=0.1, help="Pushes per second.")] = 20.0,
    seconds: Annotated[
        float | None, typer.Option(min=1, help="End by itself after this time.")
    ] = None,
) -> None:
    """Run a receiver on a temporary directory with a simulated platform pushing into it."""
    logs.configure("warning")
    demonstrating.demo(rate, seconds)


@app.command()
def simulate(
    url: Annotated[str, typer.Option(help="The callback URL.")],
    count: Annotated[int, typer.Option(min=1, help="Messages to send.")] = 1000,
    rate: Annotated[
        float, typer.Option(min=0, help="Pushes per second; 0 is as fast as it goes.")
    ] = 50.0,
    register: Annotated[
        simulating.Register | None,
        typer.Option(help="When the sends are registered; default: first, given an --api-url."),
    ] = None,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
    seed: Annotated[int | None, typer.Option(help="The same seed, the same traffic.")] = None,
    as_json: AsJson = False,
) -> None:
    """Behave like the platform: push reports and uplinks to a callback URL."""
    usual = simulating.Register.FIRST if api_url else simulating.Register.NEVER
    options = SimulationOptions(
        url=url,
        count=count,
        rate=rate,
        register=(register or usual).as_option,
        api_url=api_url,
        api_key=api_key,
        seed=seed,
    )
    simulating.simulate_to(options, as_json=as_json)


@app.command()
def explain(
    code: Annotated[str, typer.Argument(help="A status code, listed or not.")],
    source: Annotated[int | None, typer.Option(min=1, max=3, help="The report's `source`.")] = None,
    org_code: Annotated[str | None, typer.Option(help="The report's `orgCode`.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say what a status code means and what to do."""
    looking.explain(code, source=source, org_code=org_code, as_json=as_json)


@app.command()
def lookup(
    what: Annotated[str, typer.Argument(metavar="ID-OR-NUMBER", help="smsMsgId or phone number.")],
    config: Config = None,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Messages of a number.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Ask a running receiver for a message by its id, or for the messages to a number."""
    loaded = settings.load(config)
    client = looking.Client.of(loaded, api_url, api_key)
    looking.lookup(client, what, limit=limit, as_json=as_json)


@app.command()
def check(config: Config = None, as_json: AsJson = False) -> None:
    """Explain every bad setting at once, or show the settings in force."""
    findings = checking.check(config)
    if as_json:
        typer.echo(json.dumps(findings.as_json()))
    else:
        checking.show(findings)
    raise typer.Exit(0 if findings.usable else 1)
