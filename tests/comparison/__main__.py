"""Do two builds answer alike? `python -m tests.comparison --before REVISION`.

Exit status 1: there is a difference that the table of intended ones does not name.
"""

import json
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import typer

from receiver.domain import times

from . import kept
from .asking import ask, reclassify, settle
from .builds import Build, check_out, make_build
from .commands import run_offline, run_online, run_stopped, write_files
from .questions import changing, reading, refused
from .traffic import SETTINGS, Request, Traffic, make_traffic
from .values import Answers, Difference, Table, compare

_MESSAGES, _SAMPLE = 2500, 60
_FEW_MESSAGES, _SMALL_SAMPLE = 300, 6
Step = Callable[[Build], Answers]


def main(
    before: Annotated[str, typer.Option(help="the earlier revision")] = "",
    after: Annotated[str, typer.Option(help="the later revision")] = "HEAD",
    data_of: Annotated[
        str, typer.Option(help="open what this revision wrote with the later one")
    ] = "",
    *,
    quick: Annotated[bool, typer.Option("--quick", help="fewer messages and commands")] = False,
    messages: Annotated[
        int, typer.Option(help="of the simulated platform; 0: the usual", min=0)
    ] = 0,
    killed: Annotated[bool, typer.Option("--killed", help="end that revision by SIGKILL")] = False,
    keep: Annotated[Path | None, typer.Option(help="keep that directory and its answers")] = None,
    json_path: Annotated[
        Path | None, typer.Option("--json", help="the differences as JSON")
    ] = None,
) -> None:
    """Compare the answers of two builds."""
    if bool(before) == bool(data_of):
        raise typer.BadParameter("give one of them", param_hint="--before, --data-of")
    if before and (killed or keep):
        raise typer.BadParameter("give them with --data-of", param_hint="--killed, --keep")
    # By an exception, so that the servers are ended on the way.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    messages = messages or (_FEW_MESSAGES if quick else _MESSAGES)
    table = Table.load(before or data_of)
    with tempfile.TemporaryDirectory(prefix="comparison-") as made, ExitStack() as stack:
        # Of the same length, so that tables of the commands have the same columns.
        first, second = Path(made) / "a", Path(made) / "b"
        trees = check_out(before or data_of, first / "tree"), check_out(after, second / "tree")
        if data_of:
            found = _compare_data(trees, table, messages=messages, killed=killed, keep=keep)
        else:
            found = _compare_builds(stack, trees, table, messages, quick=quick)
    if json_path:
        rows = [[one.where, one.before, one.after] for one in found]
        json_path.write_text(json.dumps(rows, ensure_ascii=False, indent=0))
    for one in found:
        typer.echo(f"{one.where}\n  - {one.before}\n  + {one.after}")
    unseen = [change.why for change in table.changes if change not in table.used]
    typer.echo(f"{len(found)} differences that are not intended; not seen: {unseen}")
    raise typer.Exit(1 if found else 0)


def _steps(traffic: Traffic, *, quick: bool) -> Iterator[tuple[str, Step]]:
    sample = _SMALL_SAMPLE if quick else _SAMPLE
    every = [Request(f"GET {path}", "GET", path) for path in ("/v1/reclassify", "/v1/purge")]
    yield "nothing yet", lambda build: ask(build, every)
    yield "fill", lambda build: _fill(build, traffic)
    yield "read", lambda build: ask(build, reading(traffic, sample=sample))
    yield "refuse", lambda build: ask(build, refused())
    yield "change", lambda build: ask(build, changing()) | settle(build)
    yield "reclassify", lambda build: reclassify(build) | reclassify(build, undo=True)
    yield "commands", lambda build: run_online(build, traffic, quick=quick)
    yield "read again", lambda build: _read_again(build, traffic, sample)
    yield "measure", lambda build: ask(build, [Request("GET /metrics", "GET", "/metrics")])
    yield "commands without it", lambda build: _stop(build) | run_offline(build, quick=quick)
    yield "files", lambda build: build.written()


def _fill(build: Build, traffic: Traffic) -> Answers:
    answers = ask(build, traffic.requests)
    build.server.caught_up(300)
    return answers


def _read_again(build: Build, traffic: Traffic, sample: int) -> Answers:
    build.server.caught_up(300)
    return ask(build, reading(traffic, sample=sample))


def _stop(build: Build) -> Answers:
    answers: Answers = {"serve > status": build.server.stop()}
    logged = [
        json.loads(line) for line in build.server.log.read_text().splitlines() if line[:1] == "{"
    ]
    events = sorted(
        {f"{line.get('level')}: {build.neutral(str(line.get('event')))}" for line in logged}
    )
    answers["serve > printed"] = build.neutral(build.server.out.read_text()).splitlines()
    return {**answers, "serve > log": events, **run_stopped(build)}


def _compare_builds(
    stack: ExitStack, trees: tuple[Path, Path], table: Table, messages: int, *, quick: bool
) -> list[Difference]:
    traffic = make_traffic(messages, _now())
    builds = [make_build(tree, tree.parent, SETTINGS) for tree in trees]
    for build in builds:
        write_files(build.files)
        stack.enter_context(_running(build))
    found: list[Difference] = []
    with ThreadPoolExecutor(2) as both:
        for name, step in _steps(traffic, quick=quick):
            begun = time.monotonic()
            one, other = both.map(step, builds)
            differences = compare(
                {f"{name}: {where}": value for where, value in one.items()},
                {f"{name}: {where}": value for where, value in other.items()},
                table,
            )
            found += differences
            typer.echo(
                f"{name}: {len(one)} values, {len(differences)} differences"
                f" ({time.monotonic() - begun:.0f} s)", err=True,
            )  # fmt: skip
    return found


@contextmanager
def _running(build: Build) -> Iterator[Build]:
    build.server.start()
    try:
        build.server.ready()
        yield build
    finally:
        build.server.close()


def _compare_data(
    trees: tuple[Path, Path], table: Table, *, messages: int, killed: bool, keep: Path | None
) -> list[Difference]:
    settings = {"RECEIVER_APPLICATIONS": SETTINGS["RECEIVER_APPLICATIONS"], **kept.SETTINGS}
    first, second = (
        make_build(tree, tree.parent, settings, trees[0].parent / "data") for tree in trees
    )
    with _running(first):
        said = kept.record(first, make_traffic(messages, _now()))
        first.server.kill(all_of_it=True) if killed else first.server.stop()
    if keep:
        kept.pack(keep, first.server.directory, said)
    with _running(second):
        found = kept.differences(second, said, table)
    typer.echo(f"{len(said.requests)} requests, {len(said.answers)} values", err=True)
    return found


def _now() -> int:
    return time.time_ns() // 1000 // times.SECOND * times.SECOND


if __name__ == "__main__":
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(main)
    app()
