"""`receiver reclassify`: run by a running receiver, or in this process if there is none."""

import asyncio
import contextlib
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
import uvloop
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from receiver.api.bodies.views import run_json
from receiver.app.credentials import now
from receiver.app.policies import make_policy
from receiver.cli.api_client import Json, NotAnsweredError, RunningReceiver
from receiver.cli.options import ApiKey, ApiUrl, AsJson, Config, instant
from receiver.cli.output import make_console, plain
from receiver.datadir import DataDirectory, held
from receiver.domain.effects import MOST_EXAMPLES
from receiver.domain.times import to_rfc3339
from receiver.errors import InUseError, StoreUnavailableError
from receiver.journal import FILE_NAME, Journal
from receiver.pacing import at_intervals
from receiver.projector.reclassifier import Reclassifier, RunPhase
from receiver.projector.rehearsal import rehearse
from receiver.settings import Settings, load
from receiver.store.database.urls import check_url, lock_of
from receiver.store.store import Store

_LOOK_EVERY_S = 0.3
_LINE_EVERY_S = 5.0
_NICE = 10  # whatever else runs here matters more

Show = Callable[[Json], None]
_T = TypeVar("_T")


app = typer.Typer()


@app.command()
def reclassify(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would change, without changing it.")
    ] = False,
    since: Annotated[
        str | None,
        typer.Option(help="Only messages sent at or after this time, for example 2026-01-31."),
    ] = None,
    undo: Annotated[
        bool,
        typer.Option("--undo", help="Undo the changes that the last run made to suppressions."),
    ] = False,
    config: Config = None,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Reclassify stored messages with the current catalogue and policy. It can be resumed."""
    if dry_run and api_url:
        raise typer.BadParameter(
            "--dry-run reads the store directly and cannot be combined with --api-url. Run "
            "it on the host of the store."
        )
    if undo and (dry_run or since is not None):
        raise typer.BadParameter(
            "--undo cannot be combined with other options: it undoes the entire last run."
        )
    moment = instant("--since", since)
    loaded = load(config)
    if undo:
        _undo(loaded, api_url, api_key, as_json=as_json)
        return
    with _progress() as show:
        if dry_run:
            done = _by_ourselves(_rehearsed(loaded, moment, show))
        elif api_url:
            done = _by_the_running_one(RunningReceiver.of(loaded, api_url, api_key), moment, show)
        else:
            done = _by_whom_is_here(loaded, api_key, moment, show)
    if as_json:
        typer.echo(json.dumps(done, ensure_ascii=False))
    else:
        _print(done, dry_run=dry_run)
    if done["phase"] != RunPhase.FINISHED:
        raise typer.Exit(1)


def _undo(settings: Settings, api_url: str | None, api_key: str | None, *, as_json: bool) -> None:
    run = _undone(settings, api_url, api_key)
    if run is None:
        typer.echo("No reclassification has run yet.", err=True)
        raise typer.Exit(1)
    if as_json:
        typer.echo(json.dumps(run, ensure_ascii=False))
        return
    undo = run["undo"]
    make_console().print(
        f"The reclassification started at {run['started_at']} has been undone: "
        f"{undo['restored']:,} suppressions restored, {undo['lifted']:,} lifted, "
        f"{undo['kept']:,} unchanged because of a newer decision.",
        highlight=False,
        soft_wrap=True,
    )


def _undone(settings: Settings, api_url: str | None, api_key: str | None) -> Json | None:
    if api_url is None:
        with contextlib.ExitStack() as stack:
            if _hold_store(settings, stack):
                return _by_ourselves(_undone_here(settings))
    return RunningReceiver.of(settings, api_url, api_key).ask("POST", "/v1/reclassify/undo")


def _by_whom_is_here(
    settings: Settings, api_key: str | None, since: int | None, show: Show
) -> Json:
    with contextlib.ExitStack() as stack:
        if _hold_store(settings, stack):
            return _by_ourselves(_done_here(settings, since, show))
    run = _by_the_running_one(RunningReceiver.of(settings, None, api_key), since, show)
    _warn_of_other_rules(settings, run)
    return run


def _hold_store(settings: Settings, stack: contextlib.ExitStack) -> bool:
    """Take the store for ourselves; tell whether no receiver has it."""
    _check_there_is_a_store(settings)
    try:
        stack.enter_context(DataDirectory(settings.data_dir))
        store_lock = lock_of(settings.effective_store_url)
        if store_lock is not None:
            stack.enter_context(held(store_lock, "The store of `store_url`"))
    except InUseError:
        return False
    return True


def _warn_of_other_rules(settings: Settings, run: Json) -> None:
    here = make_policy(settings).name
    if run["rules"] != here:
        typer.echo(
            f"warning: the running receiver uses {run['rules']}, this command {here}. "
            "Set the same catalogue_file and late_delivered for both.",
            err=True,
        )


def _by_the_running_one(client: RunningReceiver, since: int | None, show: Show) -> Json:
    wanted: Json = {} if since is None else {"since": to_rfc3339(since)}
    run = client.ask("POST", "/v1/reclassify", document=wanted)
    try:
        while run is not None and run["phase"] == RunPhase.RUNNING:
            show(run)
            time.sleep(_LOOK_EVERY_S)
            run = client.get("/v1/reclassify")
    except KeyboardInterrupt:
        run = client.ask("DELETE", "/v1/reclassify")
    if run is None:
        raise NotAnsweredError("The receiver is older than this command. Update and restart it.")
    return run


def _by_ourselves(work: Coroutine[Any, Any, _T]) -> _T:
    os.nice(_NICE)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


async def _done_here(settings: Settings, since: int | None, show: Show) -> Json:
    """Do it on a store that no receiver has open; Ctrl-C stops it where it is."""
    async with _reclassifier_here(settings) as reclassifier:
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, reclassifier.stop_soon)
        await reclassifier.start(make_policy(settings), since)
        while (newest := await reclassifier.progress()) and newest[1] is RunPhase.RUNNING:
            show(run_json(*newest))
            await asyncio.sleep(_LOOK_EVERY_S)
        if newest is None:
            raise StoreUnavailableError(
                "The store was recreated during the run. Run the command again."
            )
        return run_json(*newest)


async def _undone_here(settings: Settings) -> Json | None:
    async with _reclassifier_here(settings) as reclassifier:
        newest = await reclassifier.undo()
    return None if newest is None else run_json(*newest)


@contextlib.asynccontextmanager
async def _reclassifier_here(settings: Settings) -> AsyncIterator[Reclassifier]:
    """Yield a reclassifier of a store that no receiver has open."""
    store = Store(settings.effective_store_url)
    journal: Journal | None = None
    try:
        await store.prepare()
        file = Path(settings.data_dir) / FILE_NAME
        journal = await Journal.open(file) if file.exists() else None
        yield Reclassifier(store, journal, clock=now, yield_factor=lambda: 0)
    finally:
        if journal is not None:
            await journal.close()
        await store.close()


async def _rehearsed(settings: Settings, since: int | None, show: Show) -> Json:
    """Read the store while another process writes it."""
    _check_there_is_a_store(settings)
    store = Store(settings.effective_store_url)
    try:
        run = await rehearse(
            store,
            make_policy(settings),
            since,
            clock=now,
            on_progress=lambda run: show(run_json(run, RunPhase.RUNNING)),
        )
    finally:
        await store.close()
    return run_json(run, RunPhase.FINISHED)


def _check_there_is_a_store(settings: Settings) -> None:
    url = check_url(settings.effective_store_url)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").exists():
        raise StoreUnavailableError(
            f"There is no store at {url.database}. Set the data directory of the "
            "receiver with RECEIVER_DATA_DIR or --config, or pass the address of a "
            "running receiver with --api-url."
        )


@contextlib.contextmanager
def _progress() -> Iterator[Show]:
    """Return what shows progress: a bar on a terminal, elsewhere a line every few seconds."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield at_intervals(partial(_print_line, console), _LINE_EVERY_S)
        return
    columns = (
        TextColumn("Reclassifying"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[examined]:,} messages, {task.fields[changed]:,} changed"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("", total=1.0, examined=0, changed=0)

        def show(run: Json) -> None:
            bar.update(
                task, completed=run["share"], examined=run["examined"], changed=run["changed"]
            )

        yield show


def _print_line(console: Console, run: Json) -> None:
    console.print(
        f"{100 * run['share']:.0f} %: {run['examined']:,} messages, {run['changed']:,} changed",
        highlight=False,
    )


def _print(run: Json, *, dry_run: bool) -> None:
    console = make_console()
    if run["changes"]:
        table = Table("from", "to", "messages", "examples")
        for (before, after), changes in _by_standing(run["changes"]).items():
            count = sum(change["messages"] for change in changes)
            examples = [example for change in changes for example in change["examples"]]
            cells = (before, after, f"{count:,}", ", ".join(examples[:MOST_EXAMPLES]))
            table.add_row(*map(plain, cells))
        console.print(table)
    verb = "would change" if dry_run else "changed"
    console.print(
        f"{run['examined']:,} messages reclassified ({run['rules']}): {run['changed']:,} {verb}.",
        highlight=False,
        soft_wrap=True,
    )
    _print_effects(console, run, dry_run=dry_run)
    reread = run["reread"]
    if any(reread.values()):
        console.print(
            f"Parsed again: {reread['messages']:,} messages and {reread['uplinks']:,} "
            f"uplinks {verb}, {reread['opt_outs']:,} opt-outs found, "
            f"{reread['suppressions']:,} suppressions renumbered, "
            f"{reread['recovered']:,} items recovered.",
            highlight=False,
            soft_wrap=True,
        )
    if run["phase"] == RunPhase.STOPPED:
        console.print("Stopped. Run the same command to continue.")
    elif run["phase"] == RunPhase.FAILED:
        console.print(
            "Failed; the log of the receiver names the cause. Run the same command to continue."
        )


def _print_effects(console: Console, run: Json, *, dry_run: bool) -> None:
    """Show what becomes of retries and suppressions; no line names a number."""
    lead = "would be " if dry_run else ""
    if run["retries"]:
        table = Table("retries", "reason", "messages", "examples")
        for line in run["retries"]:
            cells = (line["reason"], f"{line['messages']:,}", ", ".join(line["examples"]))
            table.add_row(lead + line["effect"], *map(plain, cells))
        console.print(table)
    if run["suppressions"]:
        table = Table("suppressions", "code", "category", "reason", "numbers", "in effect")
        for line in run["suppressions"]:
            names = (line["code"] or "", line["category"] or "(none)", line["reason"])
            counts = (f"{line['numbers']:,}", f"{line['in_force']:,}")
            table.add_row(lead + line["effect"], *map(plain, (*names, *counts)))
        console.print(table)


def _by_standing(changes: list[Json]) -> dict[tuple[str, str], list[Json]]:
    """Join what reads the same: a change of category in several states."""
    joined: dict[tuple[str, str], list[Json]] = {}
    for change in changes:
        joined.setdefault(_standings(change["from"], change["to"]), []).append(change)
    return joined


def _standings(before: Json, after: Json) -> tuple[str, str]:
    """Write two standings; the state is named where it changes."""
    same_state = before["state"] == after["state"]
    written = []
    for standing in (before, after):
        category = standing["category"] or "(none)"
        written.append(category if same_state else f"{standing['state']}: {category}")
    return written[0], written[1]
