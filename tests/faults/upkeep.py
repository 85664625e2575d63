"""Upkeep of a large journal while entries arrive: how long an append waits at most."""

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

from receiver.journal import FILE_NAME, Journal, JournalEntry
from tests.faults.experiment import Bench, Experiment, Outcome
from tests.faults.shown import Shown

_LONGEST_S = 0.2
_EVERY_S = 0.01
_BODY = bytes(range(256)) * 8  # 2 KiB
_FILLED_AT_ONCE = 500
_OLD, _NEW = 1, 2_000_000_000_000_000  # arrivals, microseconds
_QUIET_S = 2.0
_REPLACED_BYTES = 256 * 1024

_Work = Callable[[], Awaitable[object]]


def keep_up(bench: Bench) -> Outcome:
    """Append a hundred entries a second beside each kind of upkeep."""
    megabytes = bench.rounds(400, 40)
    path = bench.directory / FILE_NAME
    shown = Shown({"journal_mb": megabytes})
    asyncio.run(_measure(bench, path, megabytes, shown))
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        began = time.monotonic()
        connection.execute("VACUUM")  # what appends would wait for
        shown.figures["vacuum_s"] = round(time.monotonic() - began, 2)
        found = connection.execute("PRAGMA integrity_check").fetchall()
    shown.require(found == [("ok",)], f"integrity: {found[:1]}")
    return shown.outcome()


async def _measure(bench: Bench, path: Path, megabytes: int, shown: Shown) -> None:
    journal = await Journal.open(path)
    try:
        bench.say("fill")
        rows = megabytes * 1024 * 1024 // len(_BODY)
        for _ in range(0, rows, _FILLED_AT_ONCE):
            await asyncio.gather(*(journal.append(_entry(_OLD)) for _ in range(_FILLED_AT_ONCE)))
        kinds: dict[str, _Work] = {
            "nothing": lambda: asyncio.sleep(_QUIET_S),
            "replace": lambda: _replace(journal, rows // 4),
            "compact": journal.compact,
            "empty_wal": journal.empty_wal,
            "prune": lambda: journal.prune(up_to=rows // 2, arrived_before=_NEW),
        }
        usual = 0.0  # of a busy machine, without upkeep
        for name, work in kinds.items():
            bench.say(name)
            began = time.monotonic()
            waited = await _append_beside(journal, asyncio.ensure_future(work()))
            shown.figures[f"{name}_s"] = round(time.monotonic() - began, 1)
            shown.figures[f"{name}_longest_ms"] = round(waited * 1000, 1)
            usual = waited if name == "nothing" else usual
            if not bench.quick:  # a machine that does something else would judge itself
                shown.require(
                    waited < _LONGEST_S + usual, f"beside {name} an append waited {waited:.2f} s"
                )
    finally:
        await journal.close()


async def _append_beside(journal: Journal, work: asyncio.Future[object]) -> float:
    """Append until some work has ended; return the longest wait of an append (seconds)."""
    longest = 0.0

    async def append() -> None:
        nonlocal longest
        began = time.monotonic()
        await journal.append(_entry(_NEW))
        longest = max(longest, time.monotonic() - began)

    appends = []
    while not work.done():
        appends.append(asyncio.ensure_future(append()))
        await asyncio.sleep(_EVERY_S)
    await asyncio.gather(*appends)
    await work
    return longest


async def _replace(journal: Journal, upto: int) -> None:
    """Blank rows as forgetting does."""
    position = 0
    while position < upto:
        rows = await journal.read_after(position, rows=_FILLED_AT_ONCE, max_bytes=_REPLACED_BYTES)
        await journal.replace([row._replace(body=b"") for row in rows])
        position = rows[-1].position


def _entry(received_at: int) -> JournalEntry:
    return JournalEntry("status", "default", received_at, "192.0.2.1", "open", "", _BODY)


EXPERIMENTS = (
    Experiment(
        name="journal-upkeep",
        how="100 appends/s beside redaction, rewriting, pruning of a journal of 400 MB",
        must_hold="no append waits 200 ms longer than without it (not with --quick)",
        run=keep_up,
    ),
)
