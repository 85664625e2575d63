"""`receiver explain` and `receiver codes`."""

import csv
import json
import sys
from collections.abc import Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from receiver import settings
from receiver.api.bodies.code_views import entry_json, match_json
from receiver.app.policies import make_catalogue
from receiver.cli import catalogue_changes
from receiver.cli.api_client import Json, RunningReceiver
from receiver.cli.options import ApiKey, ApiUrl, AsJson, Config, Lang, language, not_empty
from receiver.cli.output import facts_table, make_console, plain
from receiver.domain.catalogue.catalogue import Catalogue
from receiver.domain.catalogue.codes import fold
from receiver.domain.catalogue.entries import CatalogueEntry, Category, RetryClass
from receiver.domain.spreadsheets import defused
from receiver.domain.wording.languages import Language
from receiver.huawei.catalogue_changes import CatalogueChanges, Version, compare, read_version
from receiver.huawei.catalogue_rows import FIELDS, values_of, write_field

_MOST_SEEN = 1000

app = typer.Typer()


class Seen(StrEnum):
    """Which of the codes that came."""

    UNKNOWN = "unknown"  # nothing explains them
    UNLISTED = "unlisted"  # they have no row of their own


# Codes such as -8437 are no options.
@app.command(context_settings={"ignore_unknown_options": True})
def explain(
    code: Annotated[
        str, typer.Argument(help="Status code, whether listed or not.", callback=not_empty)
    ],
    source: Annotated[
        int | None, typer.Option(min=1, max=3, help="Value of `source` in the report.")
    ] = None,
    org_code: Annotated[str | None, typer.Option(help="Value of `orgCode` in the report.")] = None,
    config: Config = None,
    lang: Lang = None,
    as_json: AsJson = False,
) -> None:
    """Explain a status code and what to do."""
    loaded = settings.load(config)
    catalogue, spoken = make_catalogue(loaded), language(lang, loaded)
    match = catalogue.lookup_any(code, source=source, org_code=org_code)
    found = match_json(match, code, spoken)
    others = [entry for entry in catalogue.explain(code) if entry != match.entry]
    if as_json:
        document = {
            "code": code,
            "version": catalogue.version,
            "match": found,
            "entries": [entry_json(entry, spoken) for entry in catalogue.explain(code)],
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
        words = other.words(spoken)
        console.print(plain(f"{other.code} ({other.origin}): {words.meaning}"))


@app.command()
def codes(
    category: Annotated[
        Category | None, typer.Option(help="List only codes of this category.")
    ] = None,
    retry: Annotated[
        RetryClass | None, typer.Option(help="List only codes of this retry class.")
    ] = None,
    seen: Annotated[
        Seen | None,
        typer.Option(
            help=(
                "List the codes that a running receiver has received and its catalogue does not "
                "contain."
            )
        ),
    ] = None,
    config: Config = None,
    lang: Lang = None,
    as_csv: Annotated[
        bool,
        typer.Option("--csv", help="Print all fields as CSV, in the format of `catalogue_file`."),
    ] = False,
    diff: Annotated[
        list[Path] | None,
        typer.Option(
            help=(
                "Show the changes since another version, given as a file written with "
                "`--csv`. Several files are merged into one version."
            ),
        ),
    ] = None,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """List the catalogue, its changes, or the received codes that it lacks."""
    loaded = settings.load(config)
    if seen is not None and (category or retry or as_csv):
        raise typer.BadParameter("--seen can be combined only with --json.")
    if as_csv and as_json:
        raise typer.BadParameter("--csv and --json cannot be combined. Use one of them.")
    if diff and (seen is not None or as_csv):
        raise typer.BadParameter("--diff cannot be combined with --seen or --csv.")
    if seen is not None:
        _show_seen(RunningReceiver.of(loaded, api_url, api_key), seen, as_json=as_json)
        return
    catalogue, spoken = make_catalogue(loaded), language(lang, loaded)
    if diff:
        found = _changes_since(diff, catalogue, category, retry)
        if as_json:
            catalogue_changes.write_json(found, catalogue.version)
        else:
            catalogue_changes.show(found, spoken)
        return
    entries = _select(catalogue, category, retry)
    if as_csv:
        _write_csv(entries)
    elif as_json:
        _write_json(catalogue, entries, spoken)
    else:
        _show(entries, spoken)


def _select(
    catalogue: Catalogue, category: Category | None, retry: RetryClass | None
) -> list[CatalogueEntry]:
    """Return the rows of a category and a retry class; None stands for all."""
    return [entry for entry in catalogue.entries if _is_of(entry, category, retry)]


def _is_of(entry: CatalogueEntry, category: Category | None, retry: RetryClass | None) -> bool:
    return category in (None, entry.category) and retry in (None, entry.retry)


def _changes_since(
    files: Iterable[Path],
    catalogue: Catalogue,
    category: Category | None,
    retry: RetryClass | None,
) -> CatalogueChanges:
    """Compare with another version; a row counts that is of the category and class in either.

    Raises:
        typer.BadParameter: a file cannot be used.
    """
    try:
        old = read_version(files)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--diff") from None
    found = compare(old, Version(catalogue.entries))
    return CatalogueChanges(
        added=[entry for entry in found.added if _is_of(entry, category, retry)],
        removed=[entry for entry in found.removed if _is_of(entry, category, retry)],
        changed=[
            row
            for row in found.changed
            if _is_of(row.old, category, retry) or _is_of(row.new, category, retry)
        ],
    )


def _show(entries: Sequence[CatalogueEntry], spoken: Language) -> None:
    """Print rows as a table for people."""
    table = Table("code", "origin", "category", "retry", "meaning", "suggestion")
    for entry in entries:
        words = entry.words(spoken)
        cells = (entry.code, entry.origin, entry.category, entry.retry)
        table.add_row(*map(plain, (*cells, words.meaning, words.suggestion)))
    make_console().print(table)


def _write_json(catalogue: Catalogue, entries: Iterable[CatalogueEntry], spoken: Language) -> None:
    """Print rows as JSON."""
    rows = [entry_json(entry, spoken) for entry in entries]
    typer.echo(json.dumps({"version": catalogue.version, "codes": rows}, ensure_ascii=False))


def _write_csv(entries: Iterable[CatalogueEntry]) -> None:
    """Print rows as CSV, all fields in both languages: what `catalogue_file` takes.

    A spreadsheet keeps every field: codes such as 000000 have an apostrophe in front.

    Of rows for one code and origin, as several lists have them, the first one decides.
    """
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(FIELDS)
    deciding: dict[tuple[str, str], CatalogueEntry] = {}
    for entry in entries:
        deciding.setdefault((fold(entry.code), entry.origin), entry)
    for entry in deciding.values():
        values = values_of(entry)
        writer.writerow([defused(write_field(values[name])) for name in FIELDS])


def _show_seen(client: RunningReceiver, seen: Seen, *, as_json: bool) -> None:
    """Print the codes that came and that the catalogue of a running receiver does not list."""
    found = client.get("/v1/codes", {"seen": seen.value, "limit": str(_MOST_SEEN)}) or {}
    came: list[Json] = found.get("codes", [])
    if as_json:
        typer.echo(json.dumps(came, ensure_ascii=False))
        return
    if not came:
        typer.echo("No unlisted code has been received.")
        return
    table = Table("code", "org code", "messages", "first", "last", "example")
    for code in came:
        example = code["example"]["sms_msg_id"]
        cells = (code["code"], code["org_code"] or "", code["messages"])
        table.add_row(*map(plain, (*cells, code["first_at"], code["last_at"], example)))
    make_console().print(table)
