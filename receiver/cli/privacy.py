"""`receiver purge` and `receiver forget`: asked of a running receiver."""

import json
import time

import typer

from receiver.cli.client import Client, Json, NotAnsweredError
from receiver.cli.output import facts_table, make_console

_LOOK_EVERY_S = 0.3
_LONGEST_S = 3600.0  # all texts and files are searched
_RUNNING = "running"


def purge(client: Client, *, dry_run: bool, as_json: bool) -> None:
    """Let the receiver purge, wait for the end and show what went.

    Raises:
        NotAnsweredError: it does not answer or refuses.
    """
    done = client.ask("POST", "/v1/purge", document={"dry_run": dry_run})
    while done is not None and done["phase"] == _RUNNING:
        time.sleep(_LOOK_EVERY_S)
        done = client.get("/v1/purge")
    if done is None:
        raise NotAnsweredError("The receiver was restarted meanwhile, or is of another version.")
    if as_json:
        typer.echo(json.dumps(done))
    else:
        _show_purge(done, dry_run=dry_run)
    if done["phase"] != "finished":
        raise typer.Exit(1)


def _show_purge(done: Json, *, dry_run: bool) -> None:
    console = make_console()
    console.print("Would go:" if dry_run else f"The purge has {done['phase']}. Gone:")
    console.print(facts_table({name: f"{count:,}" for name, count in done["counts"].items()}))


def forget(client: Client, number: str, *, keep_suppression: bool, as_json: bool) -> None:
    """Let the receiver forget a person, and show the proof.

    Raises:
        NotAnsweredError: it does not answer or refuses.
    """
    wanted = {"number": number, "keep_suppression": keep_suppression}
    done = client.ask("POST", "/v1/forget", document=wanted, timeout_s=_LONGEST_S)
    if done is None:
        raise NotAnsweredError("The receiver is older than this command; update and restart it.")
    if as_json:
        typer.echo(json.dumps(done))
    else:
        _show_forgotten(done)
    if done["found_in_files"] and not keep_suppression:
        raise typer.Exit(1)


def _show_forgotten(done: Json) -> None:
    console = make_console()
    erased: dict[str, str | None] = {name: f"{count:,}" for name, count in done["erased"].items()}
    console.print(facts_table(erased) if erased else "There was nothing to erase.")
    if done["found_in_files"]:
        names = ", ".join(done["found_in_files"])
        console.print(f"The number still stands in: {names}", markup=False)
    else:
        console.print(f"The number is in none of {done['searched_files']} files.")
    if not done["store_searched"]:
        console.print("The database server's own files were not searched.")
