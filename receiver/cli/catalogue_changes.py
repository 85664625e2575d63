"""How `receiver codes --diff` prints what changed between two versions of the catalogue."""

import json
from collections.abc import Iterator
from typing import Any

import typer
from rich.table import Table

from receiver.cli.output import make_console, plain
from receiver.domain.catalogue.entries import CatalogueEntry
from receiver.domain.wording.languages import Language
from receiver.huawei.catalogue_changes import CatalogueChanges
from receiver.huawei.catalogue_rows import FIELDS, values_of, write_field

_Line = tuple[str, str, str, str, str, str]


def write_json(changes: CatalogueChanges, version: str) -> None:
    """Print the rows that differ as JSON, with all their fields in both languages.

    Args:
        changes: what changed.
        version: of the effective catalogue, which has what is new.
    """
    document = {
        "version": version,
        "added": [_row(entry) for entry in changes.added],
        "removed": [_row(entry) for entry in changes.removed],
        "changed": [
            {
                "code": row.new.code,
                "origin": row.new.origin,
                "fields": {
                    name: {"old": old, "new": new} for name, (old, new) in row.fields.items()
                },
            }
            for row in changes.changed
        ],
    }
    typer.echo(json.dumps(document, ensure_ascii=False))


def show(changes: CatalogueChanges, spoken: Language) -> None:
    """Print the rows that differ as a table for people: a line for each field that changed."""
    counts = (len(changes.added), len(changes.removed), len(changes.changed))
    if any(counts):
        table = Table("change", "code", "origin", "field", "old", "new")
        for line in _lines(changes, spoken):
            table.add_row(*map(plain, line))
        make_console().print(table)
    typer.echo("Rows added: {}, removed: {}, changed: {}.".format(*counts))


def _lines(changes: CatalogueChanges, spoken: Language) -> Iterator[_Line]:
    for entry in changes.added:
        yield "added", entry.code, entry.origin, "", "", _summary(entry, spoken)
    for entry in changes.removed:
        yield "removed", entry.code, entry.origin, "", _summary(entry, spoken), ""
    for row in changes.changed:
        for name, (old, new) in row.fields.items():
            values = (write_field(old), write_field(new))
            yield "changed", row.new.code, row.new.origin, name, *values


def _summary(entry: CatalogueEntry, spoken: Language) -> str:
    return f"{entry.decision}: {entry.words(spoken).meaning}"


def _row(entry: CatalogueEntry) -> dict[str, Any]:
    values = values_of(entry)
    return {name: values[name] for name in FIELDS}
