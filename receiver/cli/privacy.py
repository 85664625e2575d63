"""`receiver purge` and `receiver forget`: run by a running receiver."""

import json
import time
from typing import Annotated

import typer

from receiver import settings
from receiver.cli.api_client import Json, NotAnsweredError, RunningReceiver
from receiver.cli.options import ApiKey, ApiUrl, AsJson, Config, not_empty
from receiver.cli.output import facts_table, make_console

_LOOK_EVERY_S = 0.3
_LONGEST_S = 3600.0  # all texts and files are searched
_RUNNING = "running"


app = typer.Typer()


@app.command()
def purge(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count what would be deleted, without deleting it.")
    ] = False,
    config: Config = None,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Delete data beyond its retention period now, in a running receiver."""
    client = RunningReceiver.of(settings.load(config), api_url, api_key)
    done = client.ask("POST", "/v1/purge", document={"dry_run": dry_run})
    while done is not None and done["phase"] == _RUNNING:
        time.sleep(_LOOK_EVERY_S)
        done = client.get("/v1/purge")
    if done is None:
        raise NotAnsweredError(
            "The receiver was restarted during the purge, or has another version. Run the "
            "command again."
        )
    if as_json:
        typer.echo(json.dumps(done))
    else:
        _show_purge(done, dry_run=dry_run)
    if done["phase"] != "finished":
        raise typer.Exit(1)


def _show_purge(done: Json, *, dry_run: bool) -> None:
    console = make_console()
    console.print("Would be deleted:" if dry_run else f"The purge has {done['phase']}. Deleted:")
    console.print(facts_table({name: f"{count:,}" for name, count in done["counts"].items()}))


@app.command()
def forget(
    number: Annotated[
        str,
        typer.Argument(metavar="NUMBER", help="Phone number, in any notation.", callback=not_empty),
    ],
    keep_suppression: Annotated[
        bool,
        typer.Option("--keep-suppression", help="Keep the suppression of the number."),
    ] = False,
    config: Config = None,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Erase the data of a phone number in a running receiver, and verify it."""
    client = RunningReceiver.of(settings.load(config), api_url, api_key)
    wanted = {"number": number, "keep_suppression": keep_suppression}
    done = client.ask("POST", "/v1/forget", document=wanted, timeout_s=_LONGEST_S)
    if done is None:
        raise NotAnsweredError("The receiver is older than this command. Update and restart it.")
    if as_json:
        typer.echo(json.dumps(done))
    else:
        _show_forgotten(done)
    if done["found_in_files"] and not keep_suppression:
        raise typer.Exit(1)


def _show_forgotten(done: Json) -> None:
    console = make_console()
    erased: dict[str, str | None] = {name: f"{count:,}" for name, count in done["erased"].items()}
    console.print(facts_table(erased) if erased else "No data of this number was found.")
    if done["found_in_files"]:
        names = ", ".join(done["found_in_files"])
        console.print(f"The number is still contained in: {names}", markup=False)
    else:
        console.print(f"The number is not contained in any of {done['searched_files']} files.")
    if not done["store_searched"]:
        console.print("The files of the database server were not searched.")
