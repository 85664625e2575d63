"""`receiver lookup` and `receiver explain`."""

import json
import unicodedata
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import quote

import httpx
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from receiver.datadir import read_secret
from receiver.errors import ReceiverError
from receiver.huawei.catalogue import load_catalogue
from receiver.settings import Settings, split_address
from receiver.web.app import KEY_FILE
from receiver.web.views import entry_json, match_json

_TIMEOUT_S = 10.0
Json = dict[str, Any]


class LookupFailedError(ReceiverError):
    """The running receiver could not be asked."""


@dataclass(frozen=True, slots=True)
class Client:
    """Where a running receiver answers."""

    url: str
    key: str

    @classmethod
    def of(cls, settings: Settings, url: str | None, key: str | None) -> Self:
        """Take what is given, and the rest from the settings and the data directory.

        Raises:
            LookupFailedError: there is no key to be found.
        """
        if url is None:
            host, port = split_address(settings.api_listen)
            url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        if key is None and settings.api_key is not None:
            key = settings.api_key.get_secret_value()
        key = key or read_secret(settings.data_dir / KEY_FILE)
        if key is None:
            raise LookupFailedError(
                f"There is no API key in {settings.data_dir}. Give one by --api-key, or the data "
                "directory of the running receiver by RECEIVER_DATA_DIR."
            )
        return cls(url.rstrip("/"), key)

    def get(self, path: str, parameters: dict[str, str] | None = None) -> Json | None:
        """Get a document; None when there is none.

        Raises:
            LookupFailedError: the receiver does not answer or refuses.
        """
        try:
            answer = httpx.get(
                self.url + path,
                params=parameters,
                headers={"authorization": f"Bearer {self.key}"},
                timeout=_TIMEOUT_S,
            )
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            raise LookupFailedError(
                f"No receiver answers at {self.url} ({type(error).__name__}). Start it with "
                "`receiver serve`, or give its address by --api-url."
            ) from None
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        if answer.is_error:
            raise LookupFailedError(f"The receiver refused: {_detail(answer)}")
        try:
            document: Json = answer.json()
        except ValueError:
            raise LookupFailedError(f"What answers at {self.url} is no receiver.") from None
        return document


def _detail(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {answer.status_code}"


def lookup(client: Client, what: str, *, limit: int, as_json: bool) -> None:
    """Print the message with an id, or the messages to a number."""
    message = client.get(f"/v1/messages/{quote(what, safe='')}")
    if message is not None:
        if as_json:
            typer.echo(json.dumps(message, ensure_ascii=False))
        else:
            _show_message(message)
        return
    found = client.get("/v1/messages", {"to": what, "limit": str(limit)}) or {}
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
    facts = _facts(
        {
            "message": message["sms_msg_id"],
            "state": message["state"] + (" (final)" if message["final"] else ""),
            "code": message["code"],
            "to": message["to"],
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
        timeline.add_row(*map(_plain, cells))
    console = Console()
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
        table.add_row(*map(_plain, cells))
    Console().print(table)


def explain(code: str, *, source: int | None, org_code: str | None, as_json: bool) -> None:
    """Print what a status code means."""
    catalogue = load_catalogue()
    match = catalogue.lookup(code, source=source, org_code=org_code)
    if as_json:
        others = [entry_json(entry) for entry in catalogue.explain(code)]
        document = {"code": code, "match": match_json(match), "entries": others}
        typer.echo(json.dumps(document, ensure_ascii=False))
        return
    entry = match.entry
    console = Console()
    console.print(
        _facts(
            {
                "code": code,
                "category": entry.category.value,
                "retry": entry.retry.value,
                "meaning": entry.meaning,
                "cause": entry.cause,
                "suggestion": entry.suggestion,
                "decided by": f"{entry.code} ({match.rule.value}, {entry.rank.name.lower()})",
                "source": entry.source,
            }
        )
    )
    for other in catalogue.explain(code):
        if other != entry:
            console.print(_plain(f"Also {other.code} of {other.origin}: {other.meaning}."))


def _facts(facts: dict[str, str | None]) -> Table:
    table = Table(box=None, show_header=False)
    for name, value in facts.items():
        if value:
            table.add_row(Text(name, style="bold"), _plain(value))
    return table


def _plain(value: object) -> Text:
    """Show a value as it stands: strangers choose some, and none may drive the terminal."""
    shown = "".join("\ufffd" if unicodedata.category(c) == "Cc" else c for c in str(value))
    return Text(shown)
