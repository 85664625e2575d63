"""A file of a million sends registered by `receiver import`, in each form; then the same again."""

import csv
import hashlib
import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.support.workbooks import xlsx

from . import private, processes
from .backlog import STORE
from .figures import Figure
from .servers import KEY, ROOT, Server, ServerError
from .trial import Setting, trial

ROWS = 1_000_000
_QUICK_ROWS = 2000
_PATIENCE_S = 1800.0
_LOOK_EVERY_S = 0.5
_HEADER = ["smsMsgId", "Mobile Number", "from", "createTime", "total", "reference"]
_SINCE = datetime(2026, 1, 1, tzinfo=UTC)

_Row = list[str]


def measure(setting: Setting) -> Figure:
    """Import a file of each form into a store of its own; the first one twice."""
    rows = _QUICK_ROWS if setting.quick else ROWS
    numbers: dict[str, float] = {}
    notes: list[str] = []
    for form, write in _FORMS.items():
        setting.say(f"import: writing {form}")
        file = setting.directory / f"sends.{form}"
        write(file, rows)
        again = not numbers
        with trial(setting, "import", setting.fresh("import")) as running:
            server = running.server
            seconds, rss_mb = _import(setting, server, file)
            stored_s = seconds + _catch_up(server)
            before = _content(server)
            if before[0] != rows:
                setting.troubles.append(f"import: {form}: {before[0]} of {rows} stored")
            numbers |= {f"{form}_s": seconds, f"{form}_mb": rss_mb}
            note = f"{form}: {rows:,} rows, {rows / seconds:,.0f}/s; in the store {stored_s:.0f} s"
            if again:
                note += f"; the same file again {_import(setting, server, file)[0]:.0f} s"
                _catch_up(server)
                if _content(server) != before:
                    setting.troubles.append(f"import: {form}: the same file again changed messages")
            notes.append(note)
        file.unlink()
    return Figure("import", numbers, notes, judged=not setting.quick)


def _rows(count: int) -> Iterator[_Row]:
    """Make rows as an export of sending details has them."""
    for number in range(count):
        sent = _SINCE + timedelta(seconds=number // 10)
        yield [
            f"c9e3cdd0-522b-4692-8304-{number:012x}_{number % 997}",
            f"+86139{number % 100_000_000:08}",
            "8824110605001",
            sent.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "1",
            f"order-{number}",
        ]


def _write_ndjson(file: Path, rows: int) -> None:
    names = ["smsMsgId", "originTo", *_HEADER[2:]]
    with file.open("w") as out:
        for row in _rows(rows):
            out.write(json.dumps(dict(zip(names, row, strict=True))) + "\n")


def _write_csv(file: Path, rows: int) -> None:
    with file.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(_HEADER)
        writer.writerows(_rows(rows))


def _write_xlsx(file: Path, rows: int) -> None:
    file.write_bytes(xlsx([_HEADER, *_rows(rows)]))


_FORMS: dict[str, Callable[[Path, int], None]] = {
    "csv": _write_csv,
    "ndjson": _write_ndjson,
    "xlsx": _write_xlsx,
}


def _import(setting: Setting, server: Server, file: Path) -> tuple[float, float]:
    """Run the command; return its seconds and the most memory that it was seen to take, MB.

    Raises:
        ServerError: it did not take every row.
    """
    setting.say(f"import: {file.name}")
    url = f"http://127.0.0.1:{server.private_port}"
    command = ["import", str(file), "--yes", "--json", "--api-url", url, "--api-key", KEY]
    began, most = time.monotonic(), 0.0
    running = subprocess.Popen(
        [sys.executable, "-m", "receiver", *command],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        while running.poll() is None:
            most = max(most, processes.usage(running.pid).rss_mb)
            if time.monotonic() - began > _PATIENCE_S:
                raise ServerError("The import did not end in time.")
            time.sleep(_LOOK_EVERY_S)
    finally:
        running.kill()
        printed, _ = running.communicate()
    if running.returncode != 0:
        raise ServerError(f"The import ended with {running.returncode}: {printed[-500:]!r}")
    return time.monotonic() - began, most


def _catch_up(server: Server) -> float:
    began = time.monotonic()
    if not private.catch_up(server, _PATIENCE_S):
        raise ServerError("The store did not catch up in time.")
    return time.monotonic() - began


def _content(server: Server) -> tuple[int, str]:
    """Return how many messages the store has, and a digest of what it says of them."""
    digest = hashlib.sha256()
    count = 0
    with closing(sqlite3.connect(f"file:{server.directory / STORE}?mode=ro", uri=True)) as store:
        for row in store.execute("SELECT * FROM messages ORDER BY id"):
            digest.update(repr(row).encode())
            count += 1
    return count, digest.hexdigest()
