"""Claimers that share a retry queue, and are killed: `python -m tests.support.claimers`.

Every claimer writes what it was given and what it did into a file of its own before and after each
step, so that also the files of killed ones can be judged. Exit status 1: an item was held by two at
a time, a delivered message was handed out, or one was lost.
"""

import json
import multiprocessing
import os
import random
import signal
import sqlite3
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from itertools import count, pairwise
from pathlib import Path
from typing import Annotated, Any, TextIO

import httpx
import typer

from receiver.domain import times
from tests.support.server import KEY, Server, http_client

_BATCH = 50
_REGISTERED_AT_ONCE = 5000
_CLAIMED_AT_ONCE = 20
_LEASE_S = 2
_SETTINGS = {
    "RECEIVER_RETRY__BUDGET__FLOOR": "1000000000",
    "RECEIVER_RETRY__BREAKER__FAILURES": "1000000000",  # all of them fail alike
}
_PATIENCE_S = 120.0
_DRAIN_S = 900.0
_LEAST_KILLS = 4  # of claimers
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Plan:
    """How much there is to do."""

    items: int = 20_000
    claimers: int = 8
    seconds: float = 30.0


@dataclass(slots=True)
class Findings:
    """What the files say."""

    claims: int = 0
    completed: int = 0
    killed_claimers: int = 0
    killed_servers: int = 0
    delivered: int = 0
    twice: list[str] = field(default_factory=list)  # held by two at a time
    handed_out_late: list[str] = field(default_factory=list)  # after their delivery was told
    lost: list[str] = field(default_factory=list)
    left: Mapping[str, int] = field(default_factory=dict)  # what became of the items

    @property
    def good(self) -> bool:
        """Whether all held."""
        return not (self.twice or self.handed_out_late or self.lost) and self.claims > 0


def run(plan: Plan, directory: Path) -> Findings:
    """Fill a queue, let claimers at it, kill some of everything, and judge."""
    server = Server(directory / "data", _SETTINGS)
    told: dict[str, float] = {}  # id -> when its delivery had been acknowledged
    findings = Findings()
    context = multiprocessing.get_context("spawn")
    numbers = count()

    def begin() -> Any:
        file = directory / f"claimer-{next(numbers)}"
        process = context.Process(target=_claimer, args=(server.api_url, str(file), KEY))
        process.start()
        return process

    try:
        server.start()
        server.ready()
        _fill(server, plan.items)
        _work(server, plan, begin, told, findings)
        _drain(server, plan.claimers, begin)
        server.stop()
    finally:
        server.close()
    _judge(plan, directory, server.store_file, told, findings)
    return findings


def _fill(server: Server, items: int) -> None:
    now = time.time_ns() // 1000
    sent, failed = (times.to_rfc3339(now - minutes * 60_000_000) for minutes in (120, 115))
    for start in range(0, items, _REGISTERED_AT_ONCE):
        some = range(start, min(items, start + _REGISTERED_AT_ONCE))
        server.api.register(
            {
                "sends": [
                    {"sms_msg_id": f"m{n}", "to": f"+86139{n:08}", "sent_at": sent} for n in some
                ]
            }
        )
    for start in range(0, items, _BATCH):
        reports = [
            {"smsMsgId": f"m{n}", "status": "UNDELIV", "source": "2", "updateTime": failed}
            for n in range(start, min(items, start + _BATCH))
        ]
        answer = server.push(json.dumps({"statusReportList": reports}).encode())
        assert answer.status_code == 200, answer.text
    server.caught_up(_PATIENCE_S)


def _work(
    server: Server,
    plan: Plan,
    begin: Callable[[], Any],
    told: dict[str, float],
    findings: Findings,
) -> None:
    running = [begin() for _ in range(plan.claimers)]
    stop = threading.Event()
    delivering = threading.Thread(target=_deliver, args=(server, plan.items, told, stop))
    delivering.start()
    draw = random.Random(7)  # noqa: S311 - no secret
    began = time.monotonic()
    server_kills = [plan.seconds / 3, 2 * plan.seconds / 3]
    try:
        while (
            (passed := time.monotonic() - began) < plan.seconds
            or server_kills
            or findings.killed_claimers < _LEAST_KILLS
        ):
            time.sleep(min(1.0, plan.seconds / 10))
            place = draw.randrange(plan.claimers)
            os.kill(running[place].pid, signal.SIGKILL)
            running[place].join()
            findings.killed_claimers += 1
            running[place] = begin()
            if server_kills and passed >= server_kills[0]:
                server_kills.pop(0)
                server.kill(all_of_it=True)
                findings.killed_servers += 1
                server.start()
    finally:
        stop.set()
        delivering.join()
        for process in running:
            process.kill()
            process.join()
    server.ready()


def _deliver(server: Server, items: int, told: dict[str, float], stop: threading.Event) -> None:
    """Push late deliveries while the claimers work."""
    draw = random.Random(11)  # noqa: S311 - no secret
    while not stop.is_set():
        name = f"m{draw.randrange(items)}"
        body = f"smsMsgId={name}&status=DELIVRD&source=2&updateTime=2030-01-01T00%3A00%3A00Z"
        with suppress(httpx.HTTPError):  # the server was killed
            if server.push(body.encode()).status_code == httpx.codes.OK:
                told.setdefault(name, time.time())
        stop.wait(0.02)


def _claimer(url: str, path: str, key: str) -> None:
    """Claim, send and settle until killed."""
    draw = random.Random(path)  # noqa: S311 - no secret
    with Path(path).open("w", buffering=1) as log, http_client(url, key) as api:
        while True:
            with suppress(httpx.HTTPError):  # the server was killed; claim again
                if not _turn(api, log, draw, path):
                    time.sleep(0.1)


def _turn(api: httpx.Client, log: TextIO, draw: random.Random, path: str) -> bool:
    asked = time.time()
    body = {"limit": _CLAIMED_AT_ONCE, "lease_seconds": _LEASE_S}
    answer = api.post("/v1/retries/claim", json=body)
    if answer.status_code != httpx.codes.OK:
        return False
    items = answer.json()["retries"]
    until = times.parse(answer.json()["lease_until"]) or 0
    for item in items:
        _note(log, "claim", item["sms_msg_id"], asked, time.time(), until / 1e6)
    for item in items:
        _settle(api, log, item, draw, path)
    return bool(items)


def _settle(api: httpx.Client, log: TextIO, item: Json, draw: random.Random, path: str) -> None:
    name, lease = item["sms_msg_id"], item["lease"]
    chance = draw.random()
    if chance < 0.05:
        return  # it crashes here, as far as this item goes
    body: Json = {"lease": lease}
    how = "complete"
    if chance < 0.15:
        how = "release"
    elif chance < 0.2:
        how, body = "abandon", {**body, "reason": "a test"}
    else:
        sent = f"{name}-{Path(path).name}-{item['attempt']}-{draw.randrange(10**9)}"
        entry = {"smsMsgId": sent, "originTo": item["to"], "status": "000000"}
        body["response"] = {"code": "000000", "result": [entry]}
    asked = time.time()
    _note(log, f"asks to {how}", name, asked, asked, 0)  # it may be killed before the answer
    answer = api.post(f"/v1/retries/{item['id']}/{how}", json=body)
    _note(log, f"{how} {answer.status_code}", name, asked, time.time(), 0)


def _note(log: TextIO, what: str, name: str, asked: float, at: float, until: float) -> None:
    log.write(json.dumps([what, name, asked, at, until]) + "\n")


def _drain(server: Server, claimers: int, begin: Callable[[], Any]) -> None:
    """Let claimers settle what the killed ones left, until nothing is open any more."""
    running = [begin() for _ in range(claimers)]
    until = time.monotonic() + _DRAIN_S
    try:
        while time.monotonic() < until:
            queue = server.api.get("/v1/retries", limit="1")
            if queue["due"] == queue["claimed"] == 0:
                return
            time.sleep(0.5)
    finally:
        for process in running:
            process.kill()
            process.join()


# --- judging --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Line:
    what: str
    asked: float
    at: float
    until: float
    claimer: str


def _judge(
    plan: Plan, directory: Path, store: Path, told: Mapping[str, float], findings: Findings
) -> None:
    lines: defaultdict[str, list[_Line]] = defaultdict(list)
    for file in sorted(directory.glob("claimer-*")):
        for name, line in _read(file):
            lines[name].append(line)
    for name, of_item in lines.items():
        claims = sorted((one for one in of_item if one.what == "claim"), key=lambda one: one.at)
        findings.claims += len(claims)
        findings.completed += sum(one.what == "complete 200" for one in of_item)
        for claim, following in pairwise(claims):
            if following.at < _released_at(claim, of_item):
                findings.twice.append(name)
        if name in told and any(claim.asked > told[name] for claim in claims):
            findings.handed_out_late.append(name)
    findings.delivered = len(told)
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection:
        rows = connection.execute(
            "SELECT m.sms_msg_id, m.state, r.state FROM messages m LEFT JOIN retries r"
            " ON r.message_id = m.id WHERE m.retry_of IS NULL"
        ).fetchall()
    known = {name: (state, item) for name, state, item in rows}
    left: defaultdict[str, int] = defaultdict(int)
    for n in range(plan.items):
        state, item = known.get(f"m{n}", (None, None))
        left[f"{state}, {item or 'not queued'}"] += 1
        if state != "delivered" and item not in ("completed", "abandoned", "ended"):
            findings.lost.append(f"m{n}")
    findings.left = dict(left)


def _read(file: Path) -> Iterator[tuple[str, _Line]]:
    for text in file.read_text().splitlines():
        with suppress(ValueError):  # the last line of a killed one may be cut
            what, name, asked, at, until = json.loads(text)
            yield name, _Line(what, asked, at, until, file.name)


def _released_at(claim: _Line, of_item: list[_Line]) -> float:
    """Return the time up to which a claimer held an item: until its lease or its settling."""
    settled = [
        one.asked
        for one in of_item
        if one.what.startswith("asks") and one.claimer == claim.claimer and one.asked >= claim.at
    ]
    return min([claim.until, *settled])


def main(
    *,
    items: Annotated[int, typer.Option(min=1)] = 20_000,
    claimers: Annotated[int, typer.Option(min=1)] = 8,
    seconds: Annotated[float, typer.Option(min=1)] = 30.0,
) -> None:
    """Let claimers share a queue while reports arrive and processes are killed."""
    with tempfile.TemporaryDirectory(prefix="receiver-claimers-") as made:
        found = run(Plan(items, claimers, seconds), Path(made))
    typer.echo(
        f"{items:,} items, {claimers} claimers, {seconds:g} s: {found.claims:,} claims, "
        f"{found.completed:,} completed; SIGKILL of {found.killed_claimers} claimers and "
        f"{found.killed_servers} servers; {found.delivered:,} late deliveries"
    )
    typer.echo(
        f"held by two at a time {len(found.twice)}, handed out after their delivery "
        f"{len(found.handed_out_late)}, lost {len(found.lost)}"
    )
    for what, number in sorted(found.left.items()):
        typer.echo(f"  {what}: {number:,}")
    sys.exit(0 if found.good else 1)


if __name__ == "__main__":
    typer.run(main)
