"""Imports run one way only, from the command line down to the domain."""

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

import receiver

PACKAGE = Path(receiver.__file__).parent


@dataclass(frozen=True, slots=True)
class Layer:
    """Modules, and what of ours they may import besides what stands in their own name."""

    name: str
    may_import: tuple[str, ...] = ()


_GROUND = ("receiver.domain", "receiver.errors")
_PLATFORM_AND_TOOLS = (
    "receiver.huawei",
    "receiver.journal",
    "receiver.datadir",
    "receiver.exposure",
    "receiver.logs",
    "receiver.metrics",
    "receiver.keyring",
)
_BELOW_PROJECTOR = (
    *_GROUND,
    *_PLATFORM_AND_TOOLS,
    "receiver.pacing",
    "receiver.projection",
    "receiver.store",
    "receiver.settings",
    "receiver.decoding",
)
_BELOW_WEB = (
    *_BELOW_PROJECTOR,
    "receiver.policies",
    "receiver.projector",
    "receiver.forgetter",
    "receiver.purger",
    "receiver.reclassification",
    "receiver.reclassifier",
    "receiver.rereader",
    "receiver.rereading",
    "receiver.retrier",
    "receiver.statistics",
)

# From the ground up; a name stands for the module and all below it, the longest name decides.
LAYERS = (
    Layer("receiver"),
    Layer("receiver.errors"),
    Layer("receiver.domain"),
    Layer("receiver.huawei", ("receiver.domain",)),
    Layer("receiver.journal", _GROUND),
    Layer("receiver.datadir", _GROUND),
    Layer("receiver.exposure"),
    Layer("receiver.logs", _GROUND),
    Layer("receiver.histograms"),
    Layer("receiver.metrics", (*_GROUND, "receiver.histograms")),
    Layer("receiver.keyring", (*_GROUND, "receiver.datadir")),
    Layer("receiver.pacing"),
    Layer("receiver.projection", ("receiver.domain",)),
    Layer("receiver.reclassification", ("receiver.domain", "receiver.projection")),
    Layer("receiver.statistics", ("receiver.domain",)),
    Layer(
        "receiver.store",
        (
            *_GROUND,
            "receiver.projection",
            "receiver.reclassification",
            "receiver.statistics",
        ),
    ),
    Layer("receiver.settings", (*_GROUND, "receiver.store", "receiver.datadir")),
    Layer(
        "receiver.policies",
        (*_GROUND, "receiver.huawei", "receiver.projection", "receiver.settings"),
    ),
    Layer(
        "receiver.decoding",
        ("receiver.domain", "receiver.huawei", "receiver.journal", "receiver.projection"),
    ),
    Layer("receiver.mismatch", ("receiver.domain",)),
    Layer(
        "receiver.projector_options",
        ("receiver.domain", "receiver.projection", "receiver.store"),
    ),
    Layer(
        "receiver.projector",
        (*_BELOW_PROJECTOR, "receiver.mismatch", "receiver.projector_options"),
    ),
    Layer(
        "receiver.rereading",
        (
            "receiver.decoding",
            "receiver.domain",
            "receiver.huawei",
            "receiver.journal",
            "receiver.projection",
        ),
    ),
    Layer(
        "receiver.rereader",
        (
            "receiver.decoding",
            "receiver.domain",
            "receiver.huawei",
            "receiver.journal",
            "receiver.projection",
            "receiver.reclassification",
            "receiver.rereading",
            "receiver.store",
        ),
    ),
    Layer(
        "receiver.reclassifier",
        (
            "receiver.domain",
            "receiver.errors",
            "receiver.journal",
            "receiver.pacing",
            "receiver.projection",
            "receiver.reclassification",
            "receiver.rereader",
            "receiver.rereading",
            "receiver.store",
        ),
    ),
    Layer("receiver.purger", ("receiver.errors", "receiver.pacing", "receiver.store")),
    Layer("receiver.proof"),
    Layer("receiver.unfinished", (*_GROUND, "receiver.datadir")),
    Layer("receiver.scrubbing", ("receiver.domain", "receiver.huawei", "receiver.journal")),
    Layer(
        "receiver.forgetter",
        (
            *_GROUND,
            "receiver.journal",
            "receiver.pacing",
            "receiver.proof",
            "receiver.scrubbing",
            "receiver.store",
            "receiver.unfinished",
        ),
    ),
    Layer("receiver.retrier", ("receiver.domain", "receiver.projection", "receiver.store")),
    Layer("receiver.web", _BELOW_WEB),
    Layer("receiver.simulator", ("receiver.domain.times", "receiver.errors")),
    Layer("receiver.client", ("receiver.errors",)),
    Layer("receiver.cli", (*_BELOW_WEB, "receiver.web", "receiver.simulator", "receiver.client")),
    Layer("receiver.__main__", ("receiver.cli",)),
)

# Modules that must not reach these, not even by way of others.
OUT_OF_REACH = {
    "receiver.web.callbacks": (
        "receiver.store",
        "receiver.projection",
        "receiver.domain.catalogue",
        "receiver.domain.entries",
    )
}

# I/O, clocks, randomness and drivers have no place in the domain.
IMPURE = (
    "aiosqlite",
    "asyncio",
    "concurrent",
    "io",
    "logging",
    "multiprocessing",
    "os",
    "pathlib",
    "random",
    "secrets",
    "socket",
    "sqlalchemy",
    "sqlite3",
    "subprocess",
    "tempfile",
    "threading",
    "time",
    "uuid",
)


def module_name(file: Path) -> str:
    """Give the dotted name of a file of the package."""
    return ".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(
        ".__init__"
    )


FILES = {module_name(file): file for file in sorted(PACKAGE.rglob("*.py"))}
MODULES = frozenset(FILES)


def belongs(module: str, names: Iterable[str]) -> bool:
    """Tell whether a module is one of the named ones or stands below one of them."""
    return any(module == name or module.startswith(f"{name}.") for name in names)


def imports_of(module: str, source: str, *, is_package: bool = False) -> set[str]:
    """Give the modules that a module's source imports, wherever in the file it does so."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                steps = module.split(".")
                here = steps[: len(steps) - node.level + is_package]
                base = ".".join([*here, base]).rstrip(".")
            submodules = {f"{base}.{alias.name}" for alias in node.names} & MODULES
            names_beside = len(submodules) < len(node.names)
            found |= submodules | ({base} if names_beside else set())
    return found


def layer_of(module: str) -> Layer | None:
    """Give the layer of a module: the longest name that it belongs to."""
    known = [layer for layer in LAYERS[1:] if belongs(module, (layer.name,))]
    if module == "receiver":
        return LAYERS[0]
    return max(known, key=lambda layer: len(layer.name), default=None)


def violations(module: str, source: str, *, is_package: bool = False) -> list[str]:
    """Name the imports that a module must not have."""
    layer = layer_of(module)
    if layer is None:
        return [f"{module} stands in no layer; add it to the table"]
    imported = imports_of(module, source, is_package=is_package)
    ours = {name for name in imported if belongs(name, ("receiver",))}
    allowed = (*layer.may_import, layer.name)
    wrong = {name for name in ours - {"receiver"} if not belongs(name, allowed)}
    if "receiver" in ours and layer.name in ("receiver.domain", "receiver.errors"):
        wrong.add("receiver")
    if belongs(module, ("receiver.domain",)):
        wrong |= {name for name in imported if belongs(name, IMPURE)}
    return [f"{module} imports {name}" for name in sorted(wrong)]


def reach_of(module: str, graph: Mapping[str, set[str]]) -> set[str]:
    """Give all that a module imports, directly or by way of others, packages included."""
    reached: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in reached:
            continue
        reached.add(name)
        waiting += graph.get(name, ())
        if "." in name:
            waiting.append(name.rpartition(".")[0])
    return reached - {module}


def graph_of_ours() -> dict[str, set[str]]:
    """Give what each module of ours imports."""
    return {
        module: imports_of(module, file.read_text(), is_package=file.name == "__init__.py")
        for module, file in FILES.items()
    }


@pytest.mark.parametrize("module", FILES)
def test_imports_run_one_way(module: str) -> None:
    """Every module imports only its own layer and what the table allows below it."""
    file = FILES[module]

    assert not violations(module, file.read_text(), is_package=file.name == "__init__.py")


@pytest.mark.parametrize(("module", "forbidden"), OUT_OF_REACH.items())
def test_the_edge_reaches_no_store(module: str, forbidden: tuple[str, ...]) -> None:
    """The public edge knows nothing of catalogue, state or store, by no detour either."""
    reached = reach_of(module, graph_of_ours())

    assert not {name for name in reached if belongs(name, forbidden)}


def test_every_layer_exists() -> None:
    """The table names no module that is gone."""
    assert {layer.name for layer in LAYERS} <= MODULES


@pytest.mark.parametrize(
    ("module", "source", "found"),
    [
        pytest.param(
            "receiver.domain.made_up",
            "import asyncio",
            "receiver.domain.made_up imports asyncio",
            id="I/O in the domain",
        ),
        pytest.param(
            "receiver.domain.made_up",
            "def now():\n    import time as clock",
            "receiver.domain.made_up imports time",
            id="inside a function",
        ),
        pytest.param(
            "receiver.domain.made_up",
            "import os.path",
            "receiver.domain.made_up imports os.path",
            id="below a forbidden package",
        ),
        pytest.param(
            "receiver.domain.made_up",
            "from receiver import __version__",
            "receiver.domain.made_up imports receiver",
            id="the package itself",
        ),
        pytest.param(
            "receiver.huawei.made_up",
            "from receiver.store.store import Store",
            "receiver.huawei.made_up imports receiver.store.store",
            id="a layer above",
        ),
        pytest.param(
            "receiver.huawei.made_up",
            "from receiver import errors",
            "receiver.huawei.made_up imports receiver.errors",
            id="a module by way of its package",
        ),
        pytest.param(
            "receiver.huawei.made_up",
            "from ..journal import Journal",
            "receiver.huawei.made_up imports receiver.journal",
            id="relative",
        ),
        pytest.param(
            "receiver.simulator.made_up",
            "from receiver.domain import events, times",
            "receiver.simulator.made_up imports receiver.domain.events",
            id="only one of a package's modules is allowed",
        ),
        pytest.param(
            "receiver.store.made_up",
            "if TYPE_CHECKING:\n    import receiver.settings",
            "receiver.store.made_up imports receiver.settings",
            id="for types alone",
        ),
        pytest.param(
            "receiver.made_up",
            "import json",
            "receiver.made_up stands in no layer; add it to the table",
            id="a module that no layer holds",
        ),
    ],
)
def test_a_violation_is_noticed(module: str, source: str, found: str) -> None:
    """The check finds what must not be, however it is written."""
    assert violations(module, source) == [found]


def test_what_is_allowed_is_not_noticed() -> None:
    """Standard library, packages from elsewhere, one's own layer and lower ones are fine."""
    source = "import asyncio\nimport sqlalchemy\nfrom . import records\nfrom receiver import errors"

    assert violations("receiver.store.made_up", source) == []
    assert violations("receiver.domain.made_up", "from datetime import UTC\nimport re") == []


def test_a_detour_is_noticed() -> None:
    """Reach follows imports through others and through the packages they stand in."""
    graph = {"a.edge": {"a.b.helper"}, "a.b": {"a.store"}, "a.b.helper": set()}

    assert reach_of("a.edge", graph) == {"a", "a.b", "a.b.helper", "a.store"}
