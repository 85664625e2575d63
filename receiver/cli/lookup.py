"""`receiver lookup`."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, TypeVar
from urllib.parse import quote

import typer
from rich.table import Table

from receiver import settings
from receiver.cli.api_client import Json, RunningReceiver
from receiver.cli.options import ApiKey, ApiUrl, AsJson, Config, Lang, Reveal, language, not_empty
from receiver.cli.output import facts_table, list_table, make_console, plain
from receiver.domain.numbers import may_stand_for_number
from receiver.domain.privacy.masking import hidden
from receiver.domain.retries.sentences import BY_CODE
from receiver.domain.wording.languages import Language

app = typer.Typer()
_Found = TypeVar("_Found")

_ARGUMENT = "ID-OR-NUMBER"


@dataclass(frozen=True, slots=True)
class _Question:
    """What is looked up."""

    what: str  # an id or a number
    application: str | None
    limit: int  # messages of a number
    language: Language
    reveal: bool = False  # numbers and codes in full

    def get(self, client: RunningReceiver, last_word: str = "") -> Json | None:
        """Ask for the message with the id, or for something about it."""
        path = f"/v1/messages/{quote(self.what, safe='')}{last_word}"
        found = client.get(path, {"lang": self.language.value, **self._narrowed()})
        return found and self._shown(found, _OF_MESSAGES)

    def get_uplinks_by_id(self, client: RunningReceiver) -> list[Json]:
        """Ask for the uplinks with the id: different texts may have the same."""
        return self._uplinks(client, {"sms_msg_id": self.what})

    def get_messages(self, client: RunningReceiver) -> list[Json]:
        """Ask for the messages to the number."""
        lang = self.language.value
        wanted = {"to": self.what, "limit": str(self.limit), "lang": lang, **self._narrowed()}
        answer = client.get("/v1/messages", wanted, {"to": _ARGUMENT}) or {}
        found: list[Json] = answer.get("messages", [])
        return [self._shown(one, _OF_MESSAGES) for one in found]

    def get_uplinks(self, client: RunningReceiver) -> list[Json]:
        """Ask for the uplinks from the number."""
        return self._uplinks(client, {"from": self.what})

    def _uplinks(self, client: RunningReceiver, wanted: dict[str, str]) -> list[Json]:
        wanted = {**wanted, "limit": str(self.limit), **self._narrowed()}
        answer = client.get("/v1/uplinks", wanted, {"from": _ARGUMENT}) or {}
        found: list[Json] = answer.get("uplinks", [])
        return [self._shown(one, _OF_UPLINKS) for one in found]

    def _narrowed(self) -> dict[str, str]:
        return {} if self.application is None else {"application": self.application}

    def _shown(self, found: Json, keys: "_Keys") -> Json:
        shown: Json = found if self.reveal else hidden(found, keys.numbers, keys.texts)
        return shown


@dataclass(frozen=True, slots=True)
class _Keys:
    """Where people stand in an answer."""

    numbers: tuple[str, ...]
    texts: tuple[str, ...] = ()


_OF_MESSAGES = _Keys(("to",))
_OF_UPLINKS = _Keys(("from",), ("body", "original_body"))


@app.command()
def lookup(
    what: Annotated[
        str,
        typer.Argument(metavar=_ARGUMENT, help="smsMsgId or phone number.", callback=not_empty),
    ],
    config: Config = None,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
    limit: Annotated[
        int, typer.Option(min=1, max=1000, help="Number of messages to show for a phone number.")
    ] = 20,
    why: Annotated[
        bool,
        typer.Option(
            "--why", help="Explain the state of a message: which report decided, and by which rule."
        ),
    ] = False,
    application: Annotated[
        str | None, typer.Option(help="Application of the message, if several have the id.")
    ] = None,
    lang: Lang = None,
    as_json: AsJson = False,
    reveal: Reveal = False,
) -> None:
    """Look up a message or an uplink by its id, or those of a phone number."""
    loaded = settings.load(config)
    question = _Question(what, application, limit, language(lang, loaded), reveal)
    client = RunningReceiver.of(loaded, api_url, api_key)
    (_explain if why else _lookup)(client, question, as_json=as_json)


def _lookup(client: RunningReceiver, question: _Question, *, as_json: bool) -> None:
    """Print the message or uplink with an id, or the messages and uplinks of a number."""
    message = question.get(client)
    if message is not None:
        _print(message, _show_message, as_json=as_json)
        return
    same = question.get_uplinks_by_id(client)
    if len(same) == 1:
        _print(same[0], _show_uplink, as_json=as_json)
        return
    if same:
        _print(same, _show_uplinks, as_json=as_json)
        return
    may_be_number = may_stand_for_number(question.what)
    messages = question.get_messages(client) if may_be_number else []
    if as_json:
        typer.echo(json.dumps(messages, ensure_ascii=False))
    uplinks = question.get_uplinks(client) if may_be_number and not as_json else []
    if messages and not as_json:
        _show_messages(messages)
    if uplinks:
        _show_uplinks(uplinks)
    if not messages and not uplinks:
        typer.echo("No message has this id or was sent to this number.", err=True)
        raise typer.Exit(1)


def _print(found: _Found, show: Callable[[_Found], None], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))
    else:
        show(found)


def _explain(client: RunningReceiver, question: _Question, *, as_json: bool) -> None:
    """Print why the message with an id is what it is."""
    explanation = question.get(client, "/explain")
    if explanation is None:
        typer.echo("No message has this id. `--why` requires the id of a message.", err=True)
        raise typer.Exit(1)
    if as_json:
        typer.echo(json.dumps(explanation, ensure_ascii=False))
    else:
        _show_explanation(explanation)


def _show_message(message: Json) -> None:
    verdict = message["verdict"]
    facts = facts_table(
        {
            "message": message["sms_msg_id"],
            "state": message["state"] + (" (final)" if message["final"] else ""),
            "code": message["code"],
            "to": message["to"],
            "platform description": message["status_desc"],
            "reference": message["reference"],
            "sent": message["sent_at"],
            "delivered after": _seconds(message["delivery_seconds"]),
            "anomalies": ", ".join(message["anomalies"]),
            "conflicting registration": _conflicts_of(message),
            "action": verdict["action"],
            **_retry_facts(message["retry"]),
            "attempts": _attempts_of(message["attempts"]),
            "meaning": verdict["meaning"],
            "cause": verdict["cause"],
            "suggestion": verdict["suggestion"],
            "why": verdict["why"]["text"],
        }
    )
    timeline = list_table(
        ("at", "event", "part", "code"),
        (
            (event["at"] or "(no time)", event["event"], _part_of(event), event["code"])
            for event in message["timeline"]
        ),
    )
    console = make_console()
    console.print(facts)
    console.print(timeline)


def _retry_facts(retry: Json) -> Json:
    """Return whether a message is sent again, and why not."""
    said = retry["decision"] if retry["text"] is None else f"{retry['decision']}: {retry['text']}"
    return {"retry": said, "not before": retry["not_before"], "not after": retry["deadline"]}


def _attempts_of(attempts: Json) -> str | None:
    """Name the attempts before and after a message, and what happened to all."""
    if attempts["previous"] is None and attempts["next"] is None:
        return None
    named = [f"{name} {attempts[name]}" for name in ("previous", "next") if attempts[name]]
    return ", ".join([*named, f"{attempts['count']} in total: {attempts['outcome']}"])


def _conflicts_of(message: Json) -> str:
    """Name the values of later registrations that contradict what stands."""
    said = [
        f"{name} {'(erased)' if value is None else value}"
        for registration in message["registration_conflicts"]
        for name, value in registration.items()
        if name != "registered_at"
    ]
    return ", ".join([*said, "…"] if message["registration_conflicts_omitted"] else said)


def _part_of(event: Json) -> str | int:
    """Return what stands in the column of the part; `?` for a number that could not be read."""
    number: str | int | None = event.get("sequence", "")
    return "?" if number is None else number


def _show_messages(messages: list[Json]) -> None:
    table = Table("message", "state", "code", "action", "sent", "explanation or remedy")
    for message in messages:
        verdict = message["verdict"]
        cells = (
            message["sms_msg_id"],
            message["state"],
            message["code"] or "",
            verdict["action"],
            message["sent_at"] or "",
            # The suggestion is about the code: where this message goes no more, it misleads.
            _why_not(message) or verdict["suggestion"],
        )
        table.add_row(*map(plain, cells))
    make_console().print(table)


def _why_not(message: Json) -> str | None:
    """Return why a message is not resent although its code allows it."""
    retry = message["retry"]
    is_overruled = retry["decision"] == "no" and retry["reason"] not in BY_CODE
    return retry["text"] if is_overruled else None


def _show_uplink(uplink: Json) -> None:
    answers = uplink["answers"] or {}
    facts = {
        "uplink": uplink["sms_msg_id"],
        "from": uplink["from"],
        "to": uplink["to"],
        "text": uplink["body"],
        "means": uplink["intent"],
        "written": uplink["created_at"],
        "came": uplink["received_at"],
        "answers": answers.get("sms_msg_id"),
        "reference": answers.get("reference"),
    }
    make_console().print(facts_table(facts))


def _show_uplinks(uplinks: list[Json]) -> None:
    table = Table("uplink", "to", "text", "means", "came", "answers")
    for uplink in uplinks:
        cells = (
            uplink["sms_msg_id"],
            uplink["to"],
            uplink["body"],
            uplink["intent"] or "",
            uplink["received_at"],
            (uplink["answers"] or {}).get("sms_msg_id", ""),
        )
        table.add_row(*map(plain, cells))
    make_console().print(table)


def _seconds(value: float | None) -> str | None:
    return None if value is None else f"{value:g} s"


def _show_explanation(explanation: Json) -> None:
    """Show the steps in their order: reports, parts, state, code, catalogue, policy, oddities."""
    console = make_console()
    state, parts, code = explanation["state"], explanation["parts"], explanation["code"]
    catalogue = explanation["catalogue"]
    console.print(
        facts_table(
            {
                "message": explanation["sms_msg_id"],
                "state": f"{state['state']}: {state['text']}",
                "parts": parts["text"],
                "missing": ", ".join(map(str, parts["missing"])),
                "outside the parts": ", ".join(map(str, parts["extra"])),
                "code": f"{code['code']}: {code['text']}" if code else None,
                "catalogue": catalogue["why"]["text"],
                "action": explanation["verdict"]["action"],
                **_retry_facts(explanation["retry"]),
            }
        )
    )
    if explanation["reports"]:
        console.print(_reports_table(explanation["reports"]))
    if catalogue["rows"]:
        console.print(_rows_table(catalogue["rows"]))
    said = [("policy", step["text"]) for step in explanation["policy"]]
    said += [("retry", step["text"]) for step in explanation["retry"]["steps"]]
    said += [("anomalies", anomaly["text"]) for anomaly in explanation["anomalies"]]
    told = Table(box=None, show_header=False)
    for name, text in said:
        told.add_row(plain(name), plain(text))
    console.print(told)


def _reports_table(reports: list[Json]) -> Table:
    rows = (
        (
            "?" if report["part"] is None else report["part"],
            report["status"],
            report["source"],
            report["updated_at"] or "(no time)",
            report["outcome"],
            report["text"],
        )
        for report in reports
    )
    return list_table(("part", "report", "source", "at", "outcome", "because"), rows)


def _rows_table(rows: list[Json]) -> Table:
    columns = ("row", "origin", "from", "decides", "category", "retry", "meaning")
    cells = (
        (
            row["code"],
            row["origin"],
            row["rank"],
            "yes" if row["decides"] else "",
            row["category"],
            row["retry"],
            row["meaning"],
        )
        for row in rows
    )
    return list_table(columns, cells)
