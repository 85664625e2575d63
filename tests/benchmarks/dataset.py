"""A store with millions of messages, built in minutes.

A receiver first takes in a thousand messages by itself; these are then multiplied inside SQLite,
each copy with an id, a number and times of its own. So all columns hold what the receiver itself
would have written, and the tables and indexes are its own.
"""

import json
import os
import shutil
import sqlite3
import time
import urllib.request
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

from receiver.store.statistics import REBUILD

from . import private
from .backlog import STORE
from .reports import make_batch, make_reports
from .servers import Name, Server, ServerError, serving

_TEMPLATES = 1_000
_REGISTERED = 900  # of them; the others stay orphans
_CHANNELS = 5
_TEXTS = 20  # templates of the platform
_SLOWEST_S = 40  # from sending to delivery
_BATCH = 50
_CHUNK = 250_000
_BYTES_A_MESSAGE = 2_500  # on disk while the indexes are sorted
_PERIOD_US = 20 * 24 * 3600 * 1_000_000  # over which the messages are spread
_PEOPLE = 10**7
_MOST_GROWTH = 1.2  # each run adds messages to a store that is kept
_NOTE = "dataset.json"
_CATCH_UP_S = 60.0

# Random ids: neighbours in time are strangers in the unique index, as the platform's are.
_FRESH = f"""
    WITH RECURSIVE numbers(n) AS (SELECT ?1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?2)
    INSERT INTO fresh SELECT n,
        lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4a2a-' || hex(randomblob(2))
        || '-' || hex(randomblob(6))) || '_' || (n % 100000000),
        printf('+86138%08d', abs(random() % {_PEOPLE}))
    FROM numbers
"""  # noqa: S608 - constants only


@dataclass(frozen=True, slots=True)
class Built:
    """A store that was built, and what that took."""

    messages: int
    seconds: float
    store_bytes: int
    layout: str  # the statements that make its tables and indexes


def provide(directory: Path, messages: int, say: Callable[[str], None]) -> Built:
    """Build a data directory with so many messages, or take the one that is there.

    Raises:
        ServerError: the template could not be made, or the disk is too small.
    """
    template = directory.with_name(directory.name + ".template")
    _remove(template)
    say("store: a receiver makes the template")
    try:
        layout = _make_template(template)
        kept = _read_note(directory)
        if (
            kept is not None
            and (kept.messages, kept.layout) == (messages, layout)
            and _newest_message(directory) <= _MOST_GROWTH * messages
        ):
            return kept
        free = shutil.disk_usage(directory.parent).free
        if free < messages * _BYTES_A_MESSAGE:
            raise ServerError(f"{messages:,} messages need more than the {free >> 30} GiB free.")
        _remove(directory)
        template.rename(directory)
    finally:
        _remove(template)
    began = time.monotonic()
    with closing(sqlite3.connect(directory / STORE, isolation_level=None)) as connection:
        _multiply(connection, messages, say)
        say(f"store: {messages:,} messages, statistics")
        for statement in REBUILD:
            connection.execute(str(statement))
    _sync(directory / STORE)
    size = (directory / STORE).stat().st_size
    built = Built(messages, time.monotonic() - began, size, layout)
    (directory / _NOTE).write_text(json.dumps(asdict(built), indent=2) + "\n")
    return built


def _newest_message(directory: Path) -> int:
    """Return the newest message's id: they are numbered from 1 without gaps."""
    with closing(sqlite3.connect(directory / STORE)) as connection:
        (newest,) = connection.execute("SELECT max(id) FROM messages").fetchone()
    return int(newest)


def _read_note(directory: Path) -> Built | None:
    path = directory / _NOTE
    return Built(**json.loads(path.read_text())) if path.exists() else None


def _make_template(directory: Path) -> str:
    """Let a receiver take in the messages; return the store's layout."""
    reports = list(make_reports(_TEMPLATES))
    with serving(Name.RECEIVER, directory) as server:
        sends = [
            {
                "sms_msg_id": report.sms_msg_id,
                "to": report.to,
                "from": f"10690312212800000{place % _CHANNELS:02d}",
                "sent_at": f"2018-04-13T06:31:{46 - place % _SLOWEST_S:02d}Z",
                "country": "CN",
                "reference": f"order-{report.to}",
                "template_id": f"8ff55eac1d0b478ab3c06c3c6a4923{place // _CHANNELS % _TEXTS:02d}",
            }
            for place, report in enumerate(reports[:_REGISTERED])
        ]
        private.register(server, sends)
        for first in range(0, _TEMPLATES, _BATCH):
            _push(server, make_batch(reports[first : first + _BATCH]))
        if not private.catch_up(server, _CATCH_UP_S):
            raise ServerError("The template's reports were not projected in time.")
    with closing(sqlite3.connect(directory / STORE)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM messages").fetchone()
        if count != _TEMPLATES:
            raise ServerError(f"The template has {count} messages instead of {_TEMPLATES}.")
        made = connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")
        return "\n".join(sorted(str(sql) for (sql,) in made))


def _push(server: Server, body: bytes) -> None:
    request = urllib.request.Request(  # noqa: S310 - the URL is ours
        server.push_url, body, {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10):  # noqa: S310
        pass


def _multiply(connection: sqlite3.Connection, messages: int, say: Callable[[str], None]) -> None:
    for pragma in (
        "journal_mode = OFF",
        "synchronous = OFF",
        "locking_mode = EXCLUSIVE",
        "temp_store = MEMORY",
        "cache_size = -500000",
        "threads = 2",
    ):
        connection.execute(f"PRAGMA {pragma}")
    indexes = connection.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        " AND tbl_name IN ('messages', 'reports') ORDER BY name"
    ).fetchall()
    for name, _ in indexes:
        connection.execute(f'DROP INDEX "{name}"')
    for table in ("messages", "reports"):
        key = "id" if table == "messages" else "message_id"
        connection.execute(
            f"CREATE TEMP TABLE old_{table} AS SELECT old.*, dense - 1 AS k,"  # noqa: S608
            f" m.sms_msg_id AS was_id, m.to_number AS was_number FROM {table} old"
            " JOIN (SELECT *, row_number() OVER (ORDER BY id) AS dense FROM messages) m"
            f" ON m.id = old.{key}"
        )
        connection.execute(f"CREATE INDEX temp.ix_old_{table} ON old_{table}(k)")
    connection.execute(
        "CREATE TEMP TABLE fresh (n INTEGER PRIMARY KEY, id TEXT NOT NULL, number TEXT NOT NULL)"
    )
    copies = [_copy(connection, "messages", "id", messages)]
    copies.append(_copy(connection, "reports", "message_id", messages))
    for first in range(_TEMPLATES + 1, messages + 1, _CHUNK):
        say(f"store: {first:,} of {messages:,} messages")
        connection.execute("DELETE FROM fresh")
        connection.execute(_FRESH, (first, min(first + _CHUNK - 1, messages)))
        for copy in copies:
            connection.execute(copy)
    for name, sql in indexes:
        say(f"store: {messages:,} messages, index {name}")
        connection.execute(sql)


def _copy(connection: sqlite3.Connection, table: str, key: str, messages: int) -> str:
    """Write the statement that copies the template's rows for the numbers in `fresh`."""
    columns = connection.execute(f"PRAGMA table_info({table})").fetchall()
    values = {
        str(name): _value(connection, table, str(name), str(kind), messages)
        for _, name, kind, *_ in columns
    }
    if table == "reports":
        del values["id"]  # numbered by SQLite
    values[key] = "fresh.n"
    return (
        f"INSERT INTO {table} ({', '.join(values)}) SELECT {', '.join(values.values())}"  # noqa: S608
        f" FROM fresh JOIN old_{table} old ON old.k = fresh.n % {_TEMPLATES}"
    )


def _value(
    connection: sqlite3.Connection, table: str, column: str, kind: str, messages: int
) -> str:
    """Write what a copy holds in a column: times shifted, ids and numbers exchanged."""
    value = f"old.{column}"
    if column.endswith("_at"):
        return f"{value} - ({messages} - fresh.n) * {_PERIOD_US // messages}"
    if kind.upper() not in ("TEXT", "JSON"):
        return value
    for was, now in (("was_id", "id"), ("was_number", "number")):
        ((found,),) = connection.execute(
            f"SELECT count(*) FROM old_{table} old WHERE instr(old.{column}, {was}) > 0"  # noqa: S608
        ).fetchall()
        if found:
            value = f"replace({value}, old.{was}, fresh.{now})"
    return value


def _sync(path: Path) -> None:
    """Wait until the file is on disk: its writing must not disturb what is measured next."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _remove(directory: Path) -> None:
    if directory.exists():
        shutil.rmtree(directory)
