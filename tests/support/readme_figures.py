"""The README's generated sections: what the two harnesses measured, and what the catalogue has.

`deploy/figures/summary.json` has what is published of a run; a test compares the README with it.
`python -m tests.support.readme_figures` rewrites the sections. With results that
`python -m tests.faults --json FILE` or `python -m tests.benchmarks --json FILE` wrote as arguments,
it first reduces them to what is published and puts that into the summary; the runs themselves stay
out of the repository.
"""

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from receiver.domain.catalogue.terms import CATEGORY_WORDS
from receiver.huawei.catalogue import load_catalogue
from tests.benchmarks.figures import FIGURES
from tests.benchmarks.machine import Machine

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
SUMMARY = ROOT / "deploy" / "figures" / "summary.json"

_YES_NO = {True: "yes", False: "**no**", None: "not judged"}
# The list of records in the results of each harness, and what is published of a record.
_RECORDS = {
    "faults": ("experiments", ("name", "how", "must_hold", "result", "figures")),
    "benchmarks": ("figures", ("name", "title", "bounds", "notes")),
}


def reduce(result: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the name of the harness that wrote a result, and what is published of it.

    Raises:
        ValueError: no harness wrote it, or a quick run did, by which nothing can be judged.
    """
    for harness, (records, fields) in _RECORDS.items():
        if records in result and not result.get("quick"):
            run: dict[str, Any] = {"commit": result["commit"], "machine": result["machine"]}
            return harness, run | {
                records: [{field: one[field] for field in fields} for one in result[records]]
            }
    raise ValueError("this is no result of a whole run of tests.faults or tests.benchmarks")


def publish(summary: dict[str, list[dict[str, Any]]], result: Mapping[str, Any]) -> None:
    """Put a result into the summary, in place of all earlier records of the same names.

    Args:
        summary: the published runs of each harness; changed in place.
        result: what a harness wrote with `--json`.

    Raises:
        ValueError: as `reduce`.
    """
    harness, run = reduce(result)
    records, _ = _RECORDS[harness]
    measured = {one["name"] for one in run[records]}
    for earlier in summary[harness]:
        earlier[records] = [one for one in earlier[records] if one["name"] not in measured]
    summary[harness] = [*(earlier for earlier in summary[harness] if earlier[records]), run]


def render(value: Any, indent: str = "") -> str:
    """Write JSON for people: what holds nothing nested stands in one line."""
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if not any(isinstance(part, dict | list) for part in parts):
        return json.dumps(value, ensure_ascii=False)
    inner = indent + "  "
    if isinstance(value, dict):
        lines = [f"{json.dumps(key)}: {render(part, inner)}" for key, part in value.items()]
    else:
        lines = [render(part, inner) for part in value]
    first, last = "{}" if isinstance(value, dict) else "[]"
    return f"{first}\n" + ",\n".join(inner + line for line in lines) + f"\n{indent}{last}"


def faults_table(document: Mapping[str, Any]) -> str:
    """Write the experiments as Markdown.

    Args:
        document: a run of the summary.
    """
    lines = [
        "| experiment | what is done | what must hold | held | measured |",
        "|---|---|---|---|---|",
    ]
    for one in document["experiments"]:
        measured = ", ".join(f"{name} {_number(value)}" for name, value in one["figures"].items())
        held = {"ok": "yes", "FAILED": "**no**"}.get(one["result"], "not run")
        cells = (f"`{one['name']}`", one["how"], one["must_hold"], held, measured)
        lines.append(f"| {' | '.join(_cell(cell) for cell in cells)} |")
    return "\n".join([_machine(document), "", *lines])


def benchmarks_table(document: Mapping[str, Any]) -> str:
    """Write the figures as Markdown.

    Args:
        document: a run of the summary.
    """
    lines = ["| figure | measured | target | reached |", "|---|---|---|---|"]
    notes = []
    for figure in document["figures"]:
        title = figure["title"]
        wanted = FIGURES[figure["name"]]
        for bound, known in zip(figure["bounds"], wanted.bounds, strict=True):
            value = bound["measured"]
            measured = "not measured" if value is None else known.reads.format(value)
            cells = (title, measured, bound["target"], _YES_NO[bound["reached"]])
            lines.append(f"| {' | '.join(_cell(cell) for cell in cells)} |")
            title = ""
        notes += [f"- {figure['title']}: {note}" for note in figure["notes"]]
    return "\n".join([_machine(document), "", *lines, "", *notes])


def _machine(document: Mapping[str, Any]) -> str:
    return Machine(**document["machine"]).describe() + "."


def _number(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:,}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


SECTIONS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "faults": faults_table,
    "benchmarks": benchmarks_table,
}


def codes_tables() -> str:
    """Write the categories and the families of the shipped catalogue as Markdown."""
    entries = load_catalogue().entries
    counts = Counter(entry.category for entry in entries)
    lines = [
        f"The catalogue has {len(entries):,} rows:",
        "",
        "| category | rows | says |",
        "|---|---|---|",
    ]
    for category, term in CATEGORY_WORDS.items():
        lines.append(f"| `{category.value}` | {counts[category]} | {term.en} |")
    lines += ["", "<details><summary>The families</summary>", ""]
    lines.append("| family | who speaks, and what it usually means | category | retry |")
    lines.append("|---|---|---|---|")
    for entry in sorted(entries, key=lambda one: one.code):
        if entry.is_family:
            cells = (f"`{entry.code}`", entry.en.cause, entry.category.value, entry.retry.value)
            lines.append(f"| {' | '.join(_cell(cell) for cell in cells)} |")
    lines += ["", "</details>"]
    return "\n".join(lines)


def sections() -> Iterator[tuple[str, str]]:
    """Return the name and the text of each measured section."""
    summary = json.loads(SUMMARY.read_text(encoding="utf-8"))
    for name, write in SECTIONS.items():
        yield name, "\n\n".join(write(run) for run in summary[name])
    yield "codes", codes_tables()


def with_sections(readme: str) -> str:
    """Return a README whose marked sections hold the measured text.

    Raises:
        ValueError: a section's marks are not there exactly once.
    """
    for name, text in sections():
        begin, end = f"<!-- {name}: generated -->", f"<!-- {name}: end -->"
        before, *between = readme.split(begin)
        if len(between) != 1 or between[0].count(end) != 1:
            raise ValueError(f"the README has not exactly one section {begin} ... {end}")
        _, after = between[0].split(end)
        readme = f"{before}{begin}\n{text}\n{end}{after}"
    return readme


if __name__ == "__main__":
    if results := sys.argv[1:]:
        published = json.loads(SUMMARY.read_text(encoding="utf-8"))
        for file in results:
            publish(published, json.loads(Path(file).read_text()))
        SUMMARY.write_text(render(published) + "\n", encoding="utf-8")
    README.write_text(with_sections(README.read_text()))
