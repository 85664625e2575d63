"""The README is true: what exists stands in it, and what stands in it exists."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import typer.main
from pydantic import BaseModel
from starlette.routing import Route

from receiver.api.bodies.export_csv import MESSAGES, UPLINKS, Columns
from receiver.cli.commands import app
from receiver.metrics import Metrics
from receiver.settings import PREFIX, Settings
from receiver.settings.retry import KindsSettings
from tests.support.parts import ROOT, a_node
from tests.support.readme_figures import publish, render, with_sections

README = (ROOT / "README.md").read_text()
PUBLIC_ROUTES = {"POST /callbacks/{token}", "GET /healthz"}


# --- what exists --------------------------------------------------------------------------------


def setting_names(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Return the dotted names of all settings; those of a table in a list after the list's name."""
    for name, field in model.model_fields.items():
        nested = [
            one
            for one in (field.annotation, *get_args(field.annotation))
            if isinstance(one, type) and issubclass(one, BaseModel)
        ]
        if nested:
            yield from setting_names(nested[0], f"{prefix}{name}.")
        else:
            yield prefix + name


def plain_defaults(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Return the defaults that are a number, a word, true or false, as people write them."""
    for name, field in model.model_fields.items():
        default = field.default
        if isinstance(default, BaseModel):
            yield from plain_defaults(type(default), f"{prefix}{name}.")
        elif isinstance(default, bool):
            yield prefix + name, str(default).lower()
        elif isinstance(default, int | float):
            yield prefix + name, f"{default:g}" if default % 1 else f"{default:.0f}"
        elif isinstance(default, str | Path):
            yield prefix + name, str(default)


def collections(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Return the dotted names of the settings that hold tables, as many as one likes."""
    for name, field in model.model_fields.items():
        if isinstance(field.default, BaseModel):
            yield from collections(type(field.default), f"{prefix}{name}.")
        elif isinstance(field.default, list | dict):
            yield prefix + name


# What holds for each kind of SMS stands in one row, the kinds' defaults beside each other.
KINDS = tuple(KindsSettings.model_fields)
KIND = re.compile(rf"^retry\.kinds\.({'|'.join(KINDS)})\.")
SETTINGS = sorted(setting_names(Settings))
LISTS = set(collections(Settings))
DEFAULTS = dict(plain_defaults(Settings))
_GROUP = typer.main.get_group(app)
COMMANDS = sorted(_GROUP.list_commands(typer.Context(_GROUP)))
METRICS = sorted(Metrics("1.0").names())


async def api_routes(directory: Path) -> set[str]:
    """Return the routes of the private API as `METHOD /path`."""
    async with a_node(directory) as served:
        router: Any = served.node.private.app
        routes = [route for route in router.routes if isinstance(route, Route)]
    return {
        f"{method} {re.sub(r':[a-z]+}', '}', route.path)}"
        for route in routes
        for method in route.methods or ()
        if method != "HEAD"
    }


# --- what the README says ------------------------------------------------------------------------


def code_blocks() -> str:
    """Return the content of all fenced code blocks."""
    return "\n".join(re.findall(r"^```[^\n]*\n(.*?)^```", README, re.MULTILINE | re.DOTALL))


def code_spans() -> list[str]:
    """Return the content of all code spans in the running text."""
    prose = re.sub(r"^```.*?^```", "", README, flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"`([^`\n]+)`", prose)


# --- what exists stands in it -------------------------------------------------------------------


def setting_row(name: str) -> list[str]:
    """Return the cells of a setting's row in the README's table: name, default, meaning."""
    kind = KIND.match(name)
    if kind:
        _, defaults, *rest = setting_row(KIND.sub("retry.kinds.KIND.", name))
        default = defaults.split(" / ")[KINDS.index(kind[1])]
        return [name, "" if default == "none" else default, *rest]
    found = re.findall(rf"^\| `{re.escape(name)}` \|(.*)\|$", README, re.MULTILINE)
    assert len(found) == 1, f"{name} stands in {len(found)} rows of the table"
    return [name, *(cell.strip() for cell in found[0].split("|"))]


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_is_documented(name: str) -> None:
    """Each setting has a row of its own, or is named in the row of the list that it belongs to.

    What an application has as the default application has stands in the latter's row.
    """
    table, _, field = name.rpartition(".")
    table = table.removeprefix("applications.")
    if table in LISTS:
        assert f"`{field}`" in setting_row(table)[2]
    else:
        assert setting_row(name)[2]


@pytest.mark.parametrize(("name", "default"), DEFAULTS.items(), ids=DEFAULTS)
def test_every_default_is_documented(name: str, default: str) -> None:
    """The default of each setting that has a plain one stands in its row."""
    assert setting_row(name)[1].strip("`").replace(",", "") == default


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_documented(name: str) -> None:
    """Each command stands in the README as `receiver NAME`, with or without more behind it."""
    assert re.search(rf"\breceiver {re.escape(name)}\b", "\n".join([*code_spans(), code_blocks()]))


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_is_documented(name: str) -> None:
    """Each metric stands in the README as a code span with the name that a scraper sees."""
    assert name in code_spans()


async def test_every_route_is_documented(tmp_path: Path) -> None:
    """Each route of both listeners stands in the README as `METHOD /path`."""
    missing = (await api_routes(tmp_path) | PUBLIC_ROUTES) - set(code_spans())
    assert missing == set()


@pytest.mark.parametrize("columns", [MESSAGES, UPLINKS], ids=["messages", "uplinks"])
def test_every_column_of_exports_is_documented(columns: Columns) -> None:
    """Each column of CSV stands in the README, those of an answer by their last word."""
    missing = {name.removeprefix("answers_") for name in columns} - set(code_spans())
    assert missing == set()


# --- what stands in it exists -------------------------------------------------------------------


def test_the_readme_says_something() -> None:
    """The checks below have something to check."""
    assert len(README) > 1000


def test_every_variable_in_it_exists() -> None:
    """Each RECEIVER_ variable in the README sets something (or is one of the tests' own)."""
    known = {PREFIX + name.upper().replace(".", "__") for name in SETTINGS}
    known |= {PREFIX + name.upper() for name in Settings.model_fields}
    known.add("RECEIVER_NAME")  # how the README speaks of all of them
    for file in (ROOT / "tests").rglob("*.py"):
        known |= set(re.findall(r"\bRECEIVER_TEST_[A-Z_]+", file.read_text()))
    found = set(re.findall(r"\bRECEIVER_[A-Z][A-Z0-9_]*", README))
    assert found - known == set()


def test_every_metric_in_it_exists() -> None:
    """Each receiver_ word in the README is a metric, or a part of a histogram."""
    parts = {name + end for name in METRICS for end in ("", "_bucket", "_sum", "_count")}
    found = set(re.findall(r"\breceiver_[a-z][a-z_]*", README))
    assert found - parts == set()


async def test_every_route_in_it_exists(tmp_path: Path) -> None:
    """Each `METHOD /path` and each address below /v1 or /callbacks leads somewhere."""
    routes = await api_routes(tmp_path) | PUBLIC_ROUTES
    methods = set(re.findall(r"\b((?:GET|POST|PUT|PATCH|DELETE) /[^\s`'\"?|),;]*)", README))
    unknown = {one for one in methods if not any(leads(one, route) for route in routes)}
    assert unknown == set()
    paths = set(re.findall(r"(/(?:v1|callbacks)/[^\s`'\"?|),;]*)", README))
    known = [route.partition(" ")[2] for route in routes]
    lost = {one for one in paths if not any(leads(one, path) for path in known)}
    assert lost == set()


def leads(written: str, route: str) -> bool:
    """Tell whether what is written fits a route, whose {parameter} stands for anything."""
    pattern = re.sub(r"\\\{[a-z_]+\\\}", ".+", re.escape(route))
    return re.fullmatch(pattern, written.rstrip(".:")) is not None


def test_every_command_in_it_exists() -> None:
    """Each `receiver WORD` in code of the README is a command."""
    start = r"^\s*(?:\$ )?(?:[A-Z_]+=\S+ )*(?:python -m |\S*/)?receiver ([a-z][a-z-]*)"
    found = set(re.findall(start, code_blocks(), re.MULTILINE))
    found |= {match[1] for span in code_spans() if (match := re.match(start, span))}
    assert found - set(COMMANDS) == set()


def test_every_setting_in_it_exists() -> None:
    """Each dotted name in a code span of the README that begins like a setting is one."""
    tables = {name.partition(".")[0] for name in SETTINGS if "." in name}
    dotted = re.compile(r"([a-z_]+)(\.[a-z_]+)+")
    found = {s for s in code_spans() if (m := dotted.fullmatch(s)) and m[1] in tables}
    assert found - set(SETTINGS) - LISTS == set()


def test_measured_sections_hold_what_was_measured() -> None:
    """The guarantees' and the performance's figures are those of the harnesses, unedited."""
    assert with_sections(README) == README


# --- what is published of a run ------------------------------------------------------------------


def result_of(*names: str, **changes: Any) -> dict[str, Any]:
    """Write a result of the experiments as the harness does, with a figure for each."""
    told = {"how": "h", "must_hold": "m", "result": "ok", "seconds": 1.5, "note": ""}
    experiments = [
        {"name": name, "figures": {"of": changes.get("commit")}, **told} for name in names
    ]
    return {"commit": None, "machine": {}, "quick": False, "experiments": experiments, **changes}


def published_names(summary: dict[str, list[dict[str, Any]]]) -> list[list[str]]:
    """Return the names in each published run of the experiments, with the commit behind them."""
    return [
        [f"{one['name']}@{one['figures']['of']}" for one in run["experiments"]]
        for run in summary["faults"]
    ]


@pytest.mark.parametrize(
    ("second", "left"),
    [
        ("a b", [["a@2", "b@2"]]),
        ("b", [["a@1"], ["b@2"]]),
        ("c", [["a@1", "b@1"], ["c@2"]]),
    ],
)
def test_the_newest_figures_are_published(second: str, left: list[list[str]]) -> None:
    """A result takes the place of earlier ones of the same names, and of no others."""
    summary: dict[str, list[dict[str, Any]]] = {"faults": [], "benchmarks": []}
    publish(summary, result_of("a", "b", commit="1"))
    publish(summary, result_of(*second.split(), commit="2"))
    assert published_names(summary) == left
    assert summary["benchmarks"] == []


def test_only_what_is_published_is_kept() -> None:
    """Of a result the summary has the table's columns, of a figure not what it was made from."""
    summary: dict[str, list[dict[str, Any]]] = {"faults": [], "benchmarks": []}
    figure = {"name": "ack", "title": "t", "bounds": [], "notes": []}
    raw = {"numbers": {"a": 1}, "raw": {"b": [2]}}
    document = {"commit": "1", "quick": False, "machine": {}, "troubles": [], "windows": []}
    publish(summary, {**document, "figures": [figure | raw]})
    assert summary["benchmarks"] == [{"commit": "1", "machine": {}, "figures": [figure]}]


@pytest.mark.parametrize("unfit", [{}, result_of("a", quick=True)], ids=["other", "quick"])
def test_what_cannot_be_judged_is_not_published(unfit: dict[str, Any]) -> None:
    """What no harness wrote, and what a quick run found, is refused."""
    with pytest.raises(ValueError, match="no result of a whole run"):
        publish({"faults": [], "benchmarks": []}, unfit)


def test_the_summary_is_json_with_a_line_for_each_record() -> None:
    """What is written can be read again, and what holds nothing nested takes one line."""
    value = {"a": [{"b": 1, "c": "µ"}, {"d": None}], "e": [], "f": {"g": ["h", "i"]}}
    text = render(value)
    assert json.loads(text) == value
    assert '    {"b": 1, "c": "µ"},\n' in text
