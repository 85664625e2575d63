"""`receiver retries`: the retry queue of a running receiver."""

import json
from typing import Annotated

import typer
from rich.table import Table

from receiver import settings
from receiver.cli.api_client import Json, RunningReceiver
from receiver.cli.options import ApiKey, ApiUrl, AsJson, Config, Reveal, given
from receiver.cli.output import list_table, make_console
from receiver.domain.privacy.masking import hidden
from receiver.domain.retries.items import ItemState

app = typer.Typer()


@app.command()
def retries(
    state: Annotated[
        ItemState | None, typer.Option(help="Only items in this state; default: open items.")
    ] = None,
    application: Annotated[str | None, typer.Option(help="Only this application.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
    config: Config = None,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
    as_json: AsJson = False,
    reveal: Reveal = False,
) -> None:
    """List the retry queue: what may be sent again, and when."""
    client = RunningReceiver.of(settings.load(config), api_url, api_key)
    wanted = {"limit": limit, "state": state, "application": application}
    found = client.get("/v1/retries", given(wanted)) or {}
    if not reveal:
        found = hidden(found, ("to",))
    if as_json:
        typer.echo(json.dumps(found))
        return
    console = make_console()
    console.print(
        f"{found['due']:,} due of {found['waiting']:,} waiting, {found['claimed']:,} "
        f"claimed, {found['expired']:,} of these with an expired lease"
    )
    console.print(_table(found["retries"]))


def _table(rows: list[Json]) -> Table:
    columns = ("due", "state", "id", "application", "to", "code", "claims", "why", "decided now")
    cells = (
        (
            row["due_at"],
            row["state"],
            row["sms_msg_id"],
            row["application"],
            row["to"],
            row["code"],
            row["claims"],
            row["reason"],
            ": ".join(filter(None, (row["retry"]["decision"], row["retry"]["reason"]))),
        )
        for row in rows
    )
    return list_table(columns, cells)
