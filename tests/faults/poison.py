"""Rows that nobody should have written stand in the journal, with good ones between them."""

import random
import sqlite3
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

import httpx

from tests.e2e.load import STATES
from tests.e2e.pushes import form
from tests.faults.experiment import Bench, Experiment, Outcome
from tests.faults.oracle import audit
from tests.faults.poisons import RECIPES, Poison
from tests.faults.shown import Shown
from tests.support.server import KEY, Server, eventually, http_client

_SEED = 20_180_413
_GOOD_EVERY = 3  # rows
_PUSHES_AFTER = 20
_PAGE = 1000
_NOW = 1_700_000_000_000_000  # microseconds
_EXAMPLES = 5
_KEEP_ALL = {"RECEIVER_RETENTION__QUARANTINE_ROWS": "1000000"}
_INSERT = (
    "INSERT INTO journal (kind, application, received_at, peer, trust, headers, body)"
    " VALUES (?, ?, ?, ?, ?, ?, ?)"
)
_GOOD = "INSERT INTO journal VALUES (?, 'status', 'default', ?, 'good', 'open', '', ?, NULL)"


# --- any bytes ------------------------------------------------------------------------------------


def poison_bytes(bench: Bench) -> Outcome:
    """Write rows of every recipe, and compare what became of each with what is right."""
    shown = Shown()
    chance = random.Random(_SEED)  # noqa: S311 - the same rows each time, no secret
    count = bench.rounds(5000, 500)
    names = [list(RECIPES)[number % len(RECIPES)] for number in range(count)]
    poisons = [RECIPES[name](chance, f"poison-{n}_1") for n, name in enumerate(names)]
    with closing(Server(bench.directory / "data", _KEEP_ALL)) as server:
        _make_journal(server)
        good: dict[str, str] = {}
        with closing(sqlite3.connect(server.journal_file)) as journal, journal:
            for number, poison in enumerate(poisons):
                journal.execute(_INSERT, _columns(poison, number))
                if number % _GOOD_EVERY == 0:
                    good |= _write_good(journal, chance, number)
        _digest(server, good, shown, bench.seconds(60, 30))
        _compare(server, names, poisons, shown)
    shown.figures = {
        "seed": _SEED,
        "poison_rows": count,
        "recipes": len(RECIPES),
        "quarantined": sum(poison.quarantined for poison in poisons),
        "understood": sum(len(poison.understood) for poison in poisons),
        **shown.figures,
    }
    return shown.outcome()


def _columns(poison: Poison, number: int) -> tuple[object, ...]:
    return (
        poison.kind,
        poison.application,
        poison.received_at,
        _peer(number),  # by which its entries of the quarantine are known
        poison.trust,
        poison.headers,
        poison.body,
    )


def _peer(number: int) -> str:
    return f"poison {number}"


def _compare(server: Server, names: Sequence[str], poisons: Sequence[Poison], shown: Shown) -> None:
    """Look for each row in the quarantine and in the store."""
    entries = dict(server.rows("SELECT peer, count(*) FROM quarantine GROUP BY peer"))
    stored = set(server.rows("SELECT application, sms_msg_id FROM messages"))
    stored |= set(server.rows("SELECT application, sms_msg_id FROM uplinks"))
    wrong: Counter[str] = Counter()
    for number, (name, poison) in enumerate(zip(names, poisons, strict=True)):
        is_set_aside = entries.get(_peer(number), 0) == poison.quarantined
        is_there = all((poison.application, one) in stored for one in poison.understood)
        wrong[name] += not (is_set_aside and is_there)
    astray = [f"{count} of {name!r}" for name, count in wrong.most_common(_EXAMPLES) if count]
    shown.require(not astray, f"{wrong.total()} rows went astray: {', '.join(astray)}")


# --- columns of other types -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Column:
    """A value that SQLite takes although the column is of another type.

    Attributes:
        name: of the column.
        value: an SQL expression; `{mark}` is what the row is known by, in the column `body`.
    """

    name: str
    value: str


_NO_TEXT = ("X''", "X'00ff'", "CAST(X'ff' AS TEXT)", "CAST(X'6100ff' AS TEXT)")
_NO_TIME = ("'soon'", "''", "X'00'", "CAST(X'ff' AS TEXT)", "1.5", "1e300", "-9e999")
_FAR_TIMES = ("0", "-1", "9223372036854775807", "-9223372036854775808")
COLUMNS = (
    Column("body", "'smsMsgId={mark}&status=DELIVRD'"),
    Column("body", "'neither {mark} nor anything'"),
    Column("body", "CAST(X'ff00fe' || ' {mark}' AS TEXT)"),
    Column("body", "{mark}"),
    Column("body", "{mark}.5"),
    *(
        Column(name, value)
        for name in ("kind", "application", "peer", "trust", "headers")
        for value in _NO_TEXT
    ),
    *(Column("received_at", value) for value in (*_NO_TIME, *_FAR_TIMES)),
)
_USUAL = {
    "kind": "'status'",
    "application": "'default'",
    "received_at": str(_NOW),
    "peer": "'poison'",
    "trust": "'open'",
    "headers": "''",
    "body": "CAST('smsMsgId={mark}&status=DELIVRD' AS BLOB)",
}


def poison_columns(bench: Bench) -> Outcome:
    """Write rows whose values are of other types than the columns, as the file allows."""
    shown = Shown()
    chance = random.Random(_SEED)  # noqa: S311 - the same rows each time, no secret
    with closing(Server(bench.directory / "data", _KEEP_ALL)) as server:
        _make_journal(server)
        good: dict[str, str] = {}
        with closing(sqlite3.connect(server.journal_file)) as journal, journal:
            for number, column in enumerate(COLUMNS):
                values = {**_USUAL, column.name: column.value}
                written = ", ".join(values.values()).replace("{mark}", _mark(number))
                journal.execute(f"INSERT INTO journal ({', '.join(values)}) VALUES ({written})")  # noqa: S608 - our own
                good |= _write_good(journal, chance, number)
        _digest(server, good, shown, 15)
        astray = [
            f"{column.name} = {column.value} (kept {found} times)"
            for number, column in enumerate(COLUMNS)
            if (found := _occurrences(server, _mark(number))) != 1
        ]
    shown.require(
        not astray,
        f"{len(astray)} of {len(COLUMNS)} rows went astray: {'; '.join(astray[:_EXAMPLES])}",
    )
    shown.figures = {"poison_rows": len(COLUMNS), **shown.figures}
    return shown.outcome()


def _mark(number: int) -> str:
    return str(10**12 + number)


def _occurrences(server: Server, mark: str) -> int:
    """Count where a row is kept: in the quarantine, or understood."""
    ((quarantined,),) = server.rows(
        "SELECT count(*) FROM quarantine WHERE instr(CAST(body AS BLOB), CAST(? AS BLOB))", mark
    )
    ((understood,),) = server.rows("SELECT count(*) FROM messages WHERE sms_msg_id = ?", mark)
    return int(quarantined) + int(understood)


# --- what they share ------------------------------------------------------------------------------


def _make_journal(server: Server) -> None:
    """Make a journal whose rows need no checksums, as those of older versions."""
    server.start()
    assert server.stop() == 0
    with closing(sqlite3.connect(server.journal_file)) as journal, journal:
        journal.execute("UPDATE meta SET value = ? WHERE name = 'checked_from'", (str(2**62),))


def _write_good(journal: sqlite3.Connection, chance: random.Random, number: int) -> dict[str, str]:
    """Write a row as the public edge does; return its id and code."""
    sms_msg_id, code = f"good-{number}_1", chance.choice(list(STATES))
    body = form(smsMsgId=sms_msg_id, status=code)
    journal.execute(_GOOD, (None, _NOW + number, body))
    return {sms_msg_id: code}


def _digest(server: Server, good: dict[str, str], shown: Shown, patience_s: float) -> None:
    """Let a server project its journal, look at everything through its API, stop and audit it."""
    server.start()
    began = time.monotonic()
    for number in range(_PUSHES_AFTER):
        sms_msg_id = f"pushed-{number}_1"
        answer = server.push(form(smsMsgId=sms_msg_id, status="DELIVRD"))
        assert answer.status_code == 200, f"a push among poison: {answer.status_code}"
        good[sms_msg_id] = "DELIVRD"
    try:
        eventually(lambda: _lag(server) == 0, "all rows are projected", timeout_s=patience_s)
    except AssertionError:
        behind = _lag(server)
        stuck = (
            f"metrics do not answer ({behind})" if behind is None else f"{behind:.0f} rows behind"
        )
        shown.complaints.append(f"after {patience_s:.0f} s the projector is {stuck}")
    shown.figures["projected_s"] = round(time.monotonic() - began, 2)
    shown.complaints += _read_all(server)
    server.stop()
    try:
        shown.take(audit(server, good))
    except Exception as error:  # noqa: BLE001 - what was stored cannot even be read
        shown.complaints.append(f"what was stored cannot be read: {type(error).__name__}")


def _lag(server: Server) -> float | None:
    """Return how far the store is behind, None while metrics do not answer or it is not open."""
    with closing(http_client(server.api_url, KEY)) as http:
        try:
            if http.get("/readyz").status_code != 200:
                return None
            text = http.get("/metrics").text
        except httpx.TransportError:
            return None
    lines = [line for line in text.splitlines() if line.startswith("receiver_projector_lag_rows ")]
    return float(lines[0].split()[1]) if lines else None


def _read_all(server: Server) -> list[str]:
    """Read all lists to their ends; complain of what cannot be read."""
    complaints = []
    for name in ("messages", "uplinks", "quarantine"):
        with closing(http_client(server.api_url, KEY)) as http:
            path: str | None = f"/v1/{name}?limit={_PAGE}"
            while path:
                try:
                    answer = http.get(path)
                except httpx.TransportError as error:
                    complaints.append(f"GET /v1/{name}: {type(error).__name__}")
                    break
                if answer.status_code != 200:
                    complaints.append(f"GET /v1/{name}: {answer.status_code}")
                    break
                cursor = answer.json()["next"]
                path = f"/v1/{name}?limit={_PAGE}&cursor={cursor}" if cursor else None
    return complaints


EXPERIMENTS = (
    Experiment(
        name="poison-bytes",
        how=f"5,000 journal rows of {len(RECIPES)} recipes, seed {_SEED}, good rows between them",
        must_hold="each in the quarantine or rightly understood, the projector goes on, 0 lost",
        run=poison_bytes,
    ),
    Experiment(
        name="poison-columns",
        how=f"{len(COLUMNS)} journal rows with values of other types than the columns",
        must_hold="each in the quarantine or rightly understood, the projector goes on, 0 lost",
        run=poison_columns,
    ),
)
