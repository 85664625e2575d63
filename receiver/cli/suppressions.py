"""`receiver suppressions`: the suppressions of a running receiver."""

import json
from collections.abc import Iterable, Sequence
from typing import Annotated
from urllib.parse import quote

import typer
from rich.table import Table

from receiver import settings
from receiver.cli.api_client import Json, RunningReceiver
from receiver.cli.options import (
    ApiKey,
    ApiUrl,
    AsJson,
    Config,
    Reveal,
    given,
    instant_text,
    not_empty,
)
from receiver.cli.output import facts_table, list_table, make_console
from receiver.domain.privacy.masking import hidden
from receiver.domain.suppressions.suppression import Source

app = typer.Typer(
    name="suppressions", no_args_is_help=True, help="List, set and lift suppressions."
)

_Number = Annotated[
    str,
    typer.Argument(metavar="NUMBER", help="Phone number, in any notation.", callback=not_empty),
]
_Reason = Annotated[str, typer.Option(help="Reason; kept in the history.")]
_Channel = Annotated[str | None, typer.Option(help="Only this channel number; default: all.")]
_Application = Annotated[str | None, typer.Option(help="Only this application; default: all.")]


@app.command("list")
def list_(
    number: Annotated[str | None, typer.Option(help="Phone number, in any notation.")] = None,
    channel: Annotated[
        str | None, typer.Option(help="Only this channel number, including its extensions.")
    ] = None,
    application: Annotated[str | None, typer.Option(help="Only this application.")] = None,
    source: Annotated[Source | None, typer.Option(help="Only this source.")] = None,
    lifted: Annotated[
        bool, typer.Option("--lifted", help="List lifted suppressions instead.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
    config: Config = None,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
    as_json: AsJson = False,
    reveal: Reveal = False,
) -> None:
    """List suppressions, newest first."""
    wanted = {
        "suppressed": "false" if lifted else "true",
        "number": number,
        "channel": channel,
        "application": application,
        "source": source,
        "limit": limit,
    }
    client = RunningReceiver.of(settings.load(config), api_url, api_key)
    found = _shown(client.get("/v1/suppressions", given(wanted)), reveal=reveal)
    if as_json:
        typer.echo(json.dumps(found))
        return
    names = ("number", "channel", "application", "source", "reason", "since", "until", "holds")
    make_console().print(_table(names, found["suppressions"]))


@app.command()
def add(
    number: _Number,
    reason: _Reason,
    channel: _Channel = None,
    application: _Application = None,
    until: Annotated[str | None, typer.Option(help="Expiry (RFC 3339); default: never.")] = None,
    config: Config = None,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
    as_json: AsJson = False,
    reveal: Reveal = False,
) -> None:
    """Suppress a number manually."""
    ends = instant_text("--until", until)
    wanted = {"reason": reason, "channel": channel, "application": application, "until": ends}
    client = RunningReceiver.of(settings.load(config), api_url, api_key)
    found = client.ask("PUT", _path(number), document=dict(given(wanted)))
    _show_standing(_shown(found, reveal=reveal), as_json=as_json)


@app.command()
def lift(
    number: _Number,
    reason: _Reason,
    channel: _Channel = None,
    application: _Application = None,
    override_opt_out: Annotated[
        bool,
        typer.Option(
            "--override-opt-out",
            help="Lift the suppression even if the recipient opted out by SMS.",
        ),
    ] = False,
    config: Config = None,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
    as_json: AsJson = False,
    reveal: Reveal = False,
) -> None:
    """Lift the suppressions of a number."""
    wanted = {"reason": reason, "channel": channel, "application": application}
    document: Json = {**given(wanted), "override_opt_out": override_opt_out}
    client = RunningReceiver.of(settings.load(config), api_url, api_key)
    found = client.ask("DELETE", _path(number), document=document)
    if found is None:
        typer.echo("The number is not suppressed.", err=True)
        raise typer.Exit(1)
    _show_standing(_shown(found, reveal=reveal), as_json=as_json)


@app.command()
def history(
    number: _Number,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
    config: Config = None,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
    as_json: AsJson = False,
    reveal: Reveal = False,
) -> None:
    """Show the suppressions of a number and their history."""
    client = RunningReceiver.of(settings.load(config), api_url, api_key)
    answer = client.get(f"{_path(number)}/history", {"limit": str(limit)})
    found = _shown(answer, reveal=reveal)
    if as_json:
        typer.echo(json.dumps(found))
        return
    console = make_console()
    names = ("at", "action", "source", "by", "reason", "channel", "application", "until")
    console.print(_table(names, found["changes"]))
    words = ("source", "suppressed", "holds", "channel", "application", "reason", "since", "until")
    console.print(_table(words, found["words"]))


def _path(number: str) -> str:
    return f"/v1/suppressions/{quote(number, safe='')}"


def _shown(answer: Json | None, *, reveal: bool) -> Json:
    found: Json = answer or {}
    return found if reveal else hidden(found, ("number", "to"))


def _show_standing(found: Json, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(found))
        return
    facts = {
        "number": found["number"],
        "may be sent to": "yes" if found["may_send"] else "no",
        "why": "\n".join(why["text"] for why in found["why"]),
        "until": found["until"],
    }
    make_console().print(facts_table(facts))


def _table(names: Sequence[str], rows: Iterable[Json]) -> Table:
    return list_table(names, ([row[name] for name in names] for row in rows))
