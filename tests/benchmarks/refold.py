"""History folded again beside live traffic, and killed half-way."""

import json
import sqlite3
import time
import urllib.request
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from . import openloop, processes
from .backlog import STORE
from .figures import Figure
from .growth import Stores
from .servers import CATALOGUE_FILE, KEY, Name, Server, ServerError, end, serving
from .trial import Setting, trial

RATE = 200
MESSAGES = 1_000_000
_QUICK_MESSAGES = 50_000
_WINDOW_S = 10
_QUICK_WINDOW_S = 1
_PATIENCE_S = 1200.0
# One of the common codes becomes something else, and back: a twentieth of all messages change.
_CORRECTED = "code,category,retry\nUNDELIV,routing,after-fix\n"
_AS_SHIPPED = "code,category,retry\nUNDELIV,handset-unreachable,retry-later\n"

Counts = Mapping[str, int]


def measure(setting: Setting, stores: Stores) -> Figure:
    """Fold the messages again under load; then again, with the receiver killed half-way."""
    size = _QUICK_MESSAGES if setting.quick else MESSAGES
    directory = stores.get(size)
    catalogue = directory / CATALOGUE_FILE
    catalogue.write_text(_AS_SHIPPED)
    before = _counts(directory)
    answers: list[openloop.Answers] = []
    memory: list[float] = []
    with trial(setting, "reclassify", directory) as running:
        server = running.server
        catalogue.write_text(_CORRECTED)
        began = time.monotonic()
        run = _ask(server, "POST")
        while run["phase"] == "running":
            window = _QUICK_WINDOW_S if setting.quick else _WINDOW_S
            answers.append(
                openloop.push(
                    server,
                    RATE,
                    window,
                    seed=len(answers) + 1,
                    sample=lambda: memory.append(processes.usage(server.process.pid).rss_mb),
                )
            )
            running.count("reclassify", answers[-1])
            run = _ask(server, "GET")
            setting.say(f"reclassify: {100 * run['share']:.0f} %")
            if time.monotonic() - began > _PATIENCE_S:
                raise ServerError("The reclassification did not end in time.")
        seconds = _seconds(run)
    _judge(setting, run, before)
    killed = _killed_half_way(setting, directory, catalogue)
    catalogue.unlink()
    return Figure(
        "reclassify",
        {
            "seconds": seconds,
            "rss_mb": max(memory),
            "p99_ms": max(one.p99_ms for one in answers),
        },
        (
            (
                f"{run['examined']:,} messages, {run['changed']:,} changed, "
                f"{run['examined'] / seconds:,.0f}/s beside {RATE} pushes/s; slowest "
                f"acknowledgement {max(one.worst_ms for one in answers):.0f} ms"
            ),
            (
                f"killed (SIGKILL) at {100 * killed['share']:.0f} % and asked for again: "
                f"{killed['changed']:,} changed, {killed['differing']} messages differ from an "
                "undisturbed run"
            ),
        ),
        {"run": run, "killed": killed, "answers": [asdict(one) for one in answers]},
        judged=not setting.quick,
    )


def _killed_half_way(setting: Setting, directory: Path, catalogue: Path) -> dict[str, Any]:
    """Undo the correction with a kill in the middle; the counts must be those of before."""
    with serving(Name.RECEIVER, directory) as server:
        catalogue.write_text(_AS_SHIPPED)
        run = _ask(server, "POST")
        while run["phase"] == "running" and run["share"] < 0.5:
            time.sleep(0.05)
            run = _ask(server, "GET")
        share = run["share"]
        server.process.kill()
        server.process.wait()
        end(server)
    with serving(Name.RECEIVER, directory) as server:
        resumed_from = _ask(server, "POST")["share"]
        while (run := _ask(server, "GET"))["phase"] == "running":
            time.sleep(0.1)
    differing = _differing(directory)
    if differing or run["phase"] != "finished" or resumed_from + 0.05 < share:
        setting.troubles.append(
            f"reclassify, killed: went on from {resumed_from:.2f} after {share:.2f}, ended "
            f"{run['phase']}, {differing} messages differ"
        )
    return {"share": share, "changed": run["changed"], "differing": differing}


def _judge(setting: Setting, run: Mapping[str, Any], before: Counts) -> None:
    """See that exactly the corrected code's messages have changed."""
    if run["phase"] != "finished" or run["changed"] < before["corrected"]:
        setting.troubles.append(f"reclassify: {run['phase']}, {run['changed']} changed")


def _counts(directory: Path) -> Counts:
    with closing(sqlite3.connect(f"file:{directory / STORE}?mode=ro", uri=True)) as connection:
        ((corrected,),) = connection.execute(
            "SELECT count(*) FROM messages WHERE code = 'UNDELIV' AND state = 'failed'"
        ).fetchall()
    return {"corrected": corrected}


def _differing(directory: Path) -> int:
    """Count the messages of the corrected code that are not as the package has them."""
    with closing(sqlite3.connect(f"file:{directory / STORE}?mode=ro", uri=True)) as connection:
        ((count,),) = connection.execute(
            "SELECT count(*) FROM messages WHERE (code = 'UNDELIV' AND state = 'failed')"
            " <> (category IS 'handset-unreachable' AND code = 'UNDELIV')"
        ).fetchall()
    return int(count)


def _seconds(run: Mapping[str, Any]) -> float:
    began, ended = (datetime.fromisoformat(run[name]) for name in ("started_at", "finished_at"))
    return (ended - began).total_seconds()


def _ask(server: Server, method: str) -> dict[str, Any]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.private_port}/v1/reclassify",
        headers={"authorization": f"Bearer {KEY}"},
        method=method,
    )
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - our own
        found: dict[str, Any] = json.loads(answer.read())
        return found
