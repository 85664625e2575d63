"""The commands and their options; the work is done by the modules beside this one."""

import json
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from receiver import __version__, logs, settings
from receiver.cli import (
    checking,
    demonstrating,
    exporting,
    importing,
    keys,
    looking,
    privacy,
    reclassifying,
    retrying,
    serving,
    simulating,
    suppressing,
    verifying,
)
from receiver.cli import codes as codes_command
from receiver.cli.client import Client
from receiver.cli.options import ApiKey, ApiUrl, AsJson, Config, Lang, Reveal
from receiver.domain import times
from receiver.domain.entries import Category, RetryClass
from receiver.domain.languages import FALLBACK, Language, speaks
from receiver.huawei.exports import How
from receiver.policies import make_catalogue
from receiver.simulator import SimulationOptions
from receiver.store.queueing import ItemState

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # a pretty trace prints local variables, numbers and texts
    help="A durable receiver for the pushes of Huawei Cloud Message & SMS.",
)
app.add_typer(suppressing.app, name="suppressions")
app.add_typer(keys.app, name="key")
app.command("export")(exporting.export)


class Seen(StrEnum):
    """Which of the codes that came."""

    UNKNOWN = "unknown"  # nothing explains them
    UNLISTED = "unlisted"  # they have no row of their own


def _language(tag: str | None, loaded: settings.Settings) -> Language:
    return loaded.language if tag is None else speaks(tag) or FALLBACK


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
    url: Annotated[
        str,
        typer.Option(
            envvar="CALLBACK_URL",
            show_envvar=True,
            help="The callback URL; in the environment the list of processes does not show it.",
        ),
    ],
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
    config: Config = None,
    lang: Lang = None,
    as_json: AsJson = False,
) -> None:
    """Say what a status code means and what to do."""
    loaded = settings.load(config)
    codes_command.explain(
        make_catalogue(loaded),
        code,
        source=source,
        org_code=org_code,
        language=_language(lang, loaded),
        as_json=as_json,
    )


@app.command()
def codes(
    category: Annotated[Category | None, typer.Option(help="Only codes of this category.")] = None,
    retry: Annotated[RetryClass | None, typer.Option(help="Only codes of this class.")] = None,
    seen: Annotated[
        Seen | None,
        typer.Option(help="Ask a running receiver which codes came and are not in its catalogue."),
    ] = None,
    config: Config = None,
    lang: Lang = None,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Print all fields as CSV, as `catalogue_file` takes it.")
    ] = False,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """List the catalogue in force, or the codes that it lacks."""
    loaded = settings.load(config)
    if seen is not None and (category or retry or as_csv):
        raise typer.BadParameter("--seen goes with --json alone: these codes have no row.")
    if as_csv and as_json:
        raise typer.BadParameter("Choose one of --csv and --json.")
    if seen is not None:
        client = Client.of(loaded, api_url, api_key)
        codes_command.show_seen(client, seen.value, as_json=as_json)
        return
    catalogue, language = make_catalogue(loaded), _language(lang, loaded)
    entries = codes_command.select(catalogue, category, retry)
    if as_csv:
        codes_command.write_csv(entries)
    elif as_json:
        codes_command.write_json(catalogue, entries, language)
    else:
        codes_command.show(entries, language)


@app.command()
def reclassify(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only tell what would change.")
    ] = False,
    since: Annotated[
        str | None, typer.Option(help="Only messages sent at or after, for example 2026-01-31.")
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Fold history again with today's catalogue and policy; can be stopped and goes on later."""
    if dry_run and api_url:
        raise typer.BadParameter("--dry-run reads the store itself: run it where the store is.")
    moment = None if since is None else times.parse(since)
    if since is not None and moment is None:
        raise typer.BadParameter("--since must be a date or an RFC 3339 time.")
    loaded = settings.load(config)
    client = Client.of(loaded, api_url, api_key) if api_url else None
    reclassifying.reclassify(
        loaded, client, api_key=api_key, since=moment, dry_run=dry_run, as_json=as_json
    )


@app.command()
def purge(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would go.")] = False,
    config: Config = None,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Let a running receiver erase now what `retention` no longer lets it keep."""
    client = Client.of(settings.load(config), api_url, api_key)
    privacy.purge(client, dry_run=dry_run, as_json=as_json)


@app.command()
def forget(
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="In any writing.")],
    keep_suppression: Annotated[
        bool,
        typer.Option("--keep-suppression", help="Keep that the number is not to be sent to."),
    ] = False,
    config: Config = None,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Let a running receiver erase a person, and prove it."""
    client = Client.of(settings.load(config), api_url, api_key)
    privacy.forget(client, number, keep_suppression=keep_suppression, as_json=as_json)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="NDJSON, CSV or XLSX; - is standard input.")],
    columns: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="NAME=COLUMN",
            help="Which column holds what, for example to='Mobile Number'; NAME= takes none.",
        ),
    ] = None,
    sheet: Annotated[str | None, typer.Option(help="Of an XLSX file; default: the first.")] = None,
    timezone: Annotated[
        str, typer.Option(help="Of times that name none: Asia/Shanghai, +08:00, ...")
    ] = "UTC",
    international: Annotated[
        bool,
        typer.Option(
            "--international", help="Numbers without a plus sign carry their country code."
        ),
    ] = False,
    application: Annotated[
        str | None, typer.Option(help="Whose sends these are; default: the receiver's first.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show the first rows and count all.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing.")] = False,
    rejects: Annotated[
        Path | None, typer.Option(help="Write the rows that cannot be used to this file.")
    ] = None,
    patience: Annotated[
        float, typer.Option(min=0, help="Seconds to wait for a receiver that is away.")
    ] = 120.0,
    config: Config = None,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
    as_json: AsJson = False,
    reveal: Reveal = False,
) -> None:
    """Register the sends of a file with a running receiver; to repeat it changes nothing."""
    zone = importing.read_zone(timezone)
    order = importing.Order(
        file=None if str(file) == "-" else file,
        how=How(importing.read_columns(columns or ()), sheet, zone, international),
        application=application,
        patience_s=patience,
        ask=not yes and not as_json,
        rejects=rejects,
        reveal=reveal,
    )
    client = None if dry_run else Client.of(settings.load(config), api_url, api_key)
    importing.import_file(order, client, as_json=as_json)


@app.command()
def retries(
    state: Annotated[
        ItemState | None, typer.Option(help="Only items in this state; default: the open ones.")
    ] = None,
    application: Annotated[str | None, typer.Option(help="Only of this application.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
    config: Config = None,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
    as_json: AsJson = False,
    reveal: Reveal = False,
) -> None:
    """Show what may be sent again, and when."""
    client = Client.of(settings.load(config), api_url, api_key)
    retrying.show_retries(
        client,
        state=state.value if state else None,
        application=application,
        limit=limit,
        as_json=as_json,
        reveal=reveal,
    )


@app.command()
def lookup(
    what: Annotated[str, typer.Argument(metavar="ID-OR-NUMBER", help="smsMsgId or phone number.")],
    config: Config = None,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Messages of a number.")] = 20,
    why: Annotated[
        bool, typer.Option("--why", help="Explain a message: which report won, by which rule.")
    ] = False,
    application: Annotated[
        str | None, typer.Option(help="Where several applications know the id.")
    ] = None,
    lang: Lang = None,
    as_json: AsJson = False,
    reveal: Reveal = False,
) -> None:
    """Ask a running receiver for a message or an uplink by its id, or for those of a number."""
    loaded = settings.load(config)
    question = looking.Question(what, application, limit, _language(lang, loaded), reveal)
    client = Client.of(loaded, api_url, api_key)
    (looking.explain if why else looking.lookup)(client, question, as_json=as_json)


@app.command()
def verify(
    request: Annotated[Path, typer.Option(help="A push as it came: head, empty line, body.")],
    application: Annotated[str, typer.Option(help="Whose keys.")] = settings.DEFAULT_APPLICATION,
    at: Annotated[str | None, typer.Option(help="When it came, RFC 3339; default: now.")] = None,
    host: Annotated[
        list[str] | None,
        typer.Option(help="A name under which the platform knows this receiver."),
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Say whether a push is signed as it should be, and if not, what differs."""
    moment = times.parse(at) if at is not None else time.time_ns() // 1000
    if moment is None:
        raise typer.BadParameter("--at must be an RFC 3339 time.")
    loaded = settings.load(config)
    valid = verifying.verify(loaded, request, application, moment, host or [], as_json=as_json)
    raise typer.Exit(0 if valid else 1)


@app.command()
def check(config: Config = None, as_json: AsJson = False) -> None:
    """Explain every bad setting at once, or show the settings in force."""
    findings = checking.check(config)
    if as_json:
        typer.echo(json.dumps(findings.as_json()))
    else:
        checking.show(findings)
    raise typer.Exit(0 if findings.usable else 1)
