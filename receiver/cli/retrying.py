"""`receiver retries`: what may be sent again, from a running receiver."""

import json

import typer
from rich.table import Table

from receiver.cli.client import Client, Json
from receiver.cli.output import make_console, plain
from receiver.domain.privacy import hidden


def show_retries(
    client: Client,
    *,
    state: str | None,
    application: str | None,
    limit: int,
    as_json: bool,
    reveal: bool,
) -> None:
    """Print the queue, what is due first at the top."""
    parameters = {"limit": str(limit)}
    if state is not None:
        parameters["state"] = state
    if application is not None:
        parameters["application"] = application
    found = client.get("/v1/retries", parameters) or {}
    if not reveal:
        found = hidden(found, ("to",))
    if as_json:
        typer.echo(json.dumps(found))
        return
    console = make_console()
    console.print(
        f"{found['due']:,} due of {found['waiting']:,} waiting, {found['claimed']:,} claimed, "
        f"{found['expired']:,} of these beyond their lease"
    )
    console.print(_table(found["retries"]))


def _table(rows: list[Json]) -> Table:
    columns = ("due", "state", "id", "application", "to", "code", "claims", "why")
    table = Table(*columns, box=None)
    for row in rows:
        table.add_row(
            *(
                plain("" if value is None else value)
                for value in (
                    row["due_at"],
                    row["state"],
                    row["sms_msg_id"],
                    row["application"],
                    row["to"],
                    row["code"],
                    row["claims"],
                    row["reason"],
                )
            )
        )
    return table
