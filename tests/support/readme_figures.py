"""The README's generated sections: what the two harnesses measured, and what the catalogue has.

`python -m tests.faults --json deploy/figures/faults.json` and
`python -m tests.benchmarks --json deploy/figures/benchmarks.json` measure;
`python -m tests.support.readme_figures` puts the results into the README. A test compares the two.
Parts that were measured apart stand in files of their own (`faults-2.json`) and in tables of their
own.
"""

import json
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
RESULTS = ROOT / "deploy" / "figures"

_YES_NO = {True: "yes", False: "**no**", None: "not judged"}


def faults_table(document: Mapping[str, Any]) -> str:
    """Write the experiments as Markdown.

    Args:
        document: what `python -m tests.faults --json` wrote.
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
        document: what `python -m tests.benchmarks --json` wrote.
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
    for name, write in SECTIONS.items():
        files = sorted(RESULTS.glob(f"{name}*.json"), key=lambda file: file.stem)
        documents = [json.loads(file.read_text()) for file in files]
        yield name, "\n\n".join(write(document) for document in documents)
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
    README.write_text(with_sections(README.read_text()))
