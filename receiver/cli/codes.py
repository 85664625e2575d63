"""`receiver explain` and `receiver codes`."""

import csv
import json
import sys
from collections.abc import Iterable, Sequence

import typer
from rich.table import Table

from receiver.cli.client import Client, Json
from receiver.cli.output import facts_table, make_console, plain
from receiver.domain.catalogue import Catalogue
from receiver.domain.codes import fold
from receiver.domain.entries import Category, Entry, RetryClass
from receiver.domain.languages import Language
from receiver.huawei.rows import FIELDS, values_of, write_field
from receiver.web.views import entry_json, match_json

_MOST_SEEN = 1000


def explain(
    catalogue: Catalogue,
    code: str,
    *,
    source: int | None,
    org_code: str | None,
    language: Language,
    as_json: bool,
) -> None:
    """Print what a status code means, listed or not."""
    match = catalogue.lookup_any(code, source=source, org_code=org_code)
    found = match_json(match, code, language)
    others = [entry for entry in catalogue.explain(code) if entry != match.entry]
    if as_json:
        document = {
            "code": code,
            "version": catalogue.version,
            "match": found,
            "entries": [entry_json(entry, language) for entry in catalogue.explain(code)],
        }
        typer.echo(json.dumps(document, ensure_ascii=False))
        return
    names = ("category", "action", "retry", "meaning", "cause", "suggestion", "why", "source")
    console = make_console()
    facts = {"code": code} | {name: found[name] for name in names}
    if found["retry_after_s"] is not None:
        facts["retry"] += f", after {found['retry_after_s']} s"
    console.print(facts_table(facts))
    for other in others:
        words = other.words(language)
        console.print(plain(f"{other.code} ({other.origin}): {words.meaning}"))


def select(
    catalogue: Catalogue, category: Category | None, retry: RetryClass | None
) -> list[Entry]:
    """Give the rows of a category and a retry class; None stands for all."""
    return [
        entry
        for entry in catalogue.entries
        if category in (None, entry.category) and retry in (None, entry.retry)
    ]


def show(entries: Sequence[Entry], language: Language) -> None:
    """Print rows as a table for people."""
    table = Table("code", "origin", "category", "retry", "meaning", "suggestion")
    for entry in entries:
        words = entry.words(language)
        cells = (entry.code, entry.origin, entry.category, entry.retry)
        table.add_row(*map(plain, (*cells, words.meaning, words.suggestion)))
    make_console().print(table)


def write_json(catalogue: Catalogue, entries: Iterable[Entry], language: Language) -> None:
    """Print rows as JSON."""
    codes = [entry_json(entry, language) for entry in entries]
    typer.echo(json.dumps({"version": catalogue.version, "codes": codes}, ensure_ascii=False))


def write_csv(entries: Iterable[Entry]) -> None:
    """Print rows as CSV, all fields in both languages: what `catalogue_file` takes.

    Of rows for one code and origin, as several lists have them, the first one decides.
    """
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(FIELDS)
    deciding: dict[tuple[str, str], Entry] = {}
    for entry in entries:
        deciding.setdefault((fold(entry.code), entry.origin), entry)
    for entry in deciding.values():
        values = values_of(entry)
        writer.writerow([write_field(values[name]) for name in FIELDS])


def show_seen(client: Client, seen: str, *, as_json: bool) -> None:
    """Print the codes that came and that the catalogue of a running receiver does not list."""
    found = client.get("/v1/codes", {"seen": seen, "limit": str(_MOST_SEEN)}) or {}
    codes: list[Json] = found.get("codes", [])
    if as_json:
        typer.echo(json.dumps(codes, ensure_ascii=False))
        return
    if not codes:
        typer.echo("No such code has come.")
        return
    table = Table("code", "org code", "messages", "first", "last", "example")
    for code in codes:
        example = code["example"]["sms_msg_id"]
        cells = (code["code"], code["org_code"] or "", code["messages"])
        table.add_row(*map(plain, (*cells, code["first_at"], code["last_at"], example)))
    make_console().print(table)
