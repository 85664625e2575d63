"""`receiver lookup`."""

import json
from urllib.parse import quote

import typer
from rich.table import Table

from receiver.cli.client import Client, Json
from receiver.cli.output import facts_table, make_console, plain
from receiver.domain.languages import Language


def lookup(client: Client, what: str, *, limit: int, language: Language, as_json: bool) -> None:
    """Print the message with an id, or the messages to a number."""
    message = client.get(f"/v1/messages/{quote(what, safe='')}", {"lang": language.value})
    if message is not None:
        if as_json:
            typer.echo(json.dumps(message, ensure_ascii=False))
        else:
            _show_message(message)
        return
    found = (
        client.get("/v1/messages", {"to": what, "limit": str(limit), "lang": language.value}) or {}
    )
    messages: list[Json] = found.get("messages", [])
    if as_json:
        typer.echo(json.dumps(messages, ensure_ascii=False))
    elif messages:
        _show_messages(messages)
    if not messages:
        typer.echo("No message has this id, and none went to this number.", err=True)
        raise typer.Exit(1)


def _show_message(message: Json) -> None:
    verdict = message["verdict"]
    facts = facts_table(
        {
            "message": message["sms_msg_id"],
            "state": message["state"] + (" (final)" if message["final"] else ""),
            "code": message["code"],
            "to": message["to"],
            "platform says": message["status_desc"],
            "reference": message["reference"],
            "sent": message["sent_at"],
            "action": verdict["action"],
            "not before": verdict["not_before"],
            "meaning": verdict["meaning"],
            "cause": verdict["cause"],
            "suggestion": verdict["suggestion"],
            "why": verdict["why"]["text"],
        }
    )
    timeline = Table("at", "event", "part", "code", box=None)
    for event in message["timeline"]:
        cells = (
            event["at"] or "(no time)",
            event["event"],
            event.get("sequence", ""),
            event["code"],
        )
        timeline.add_row(*map(plain, cells))
    console = make_console()
    console.print(facts)
    console.print(timeline)


def _show_messages(messages: list[Json]) -> None:
    table = Table("message", "state", "code", "action", "sent", "suggestion")
    for message in messages:
        verdict = message["verdict"]
        cells = (
            message["sms_msg_id"],
            message["state"],
            message["code"] or "",
            verdict["action"],
            message["sent_at"] or "",
            verdict["suggestion"],
        )
        table.add_row(*map(plain, cells))
    make_console().print(table)
