"""Journal rows written while no server runs, and what stands in a stopped server's files."""

import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path

from receiver.journal.writer import Writer

from .reports import Report, make_reports
from .servers import ROOT

_ROWS_A_COMMIT = 500
_HEADERS = (
    "content-type: application/x-www-form-urlencoded\n"
    "x-sdk-date: 20241212T070653Z\n"
    "ompsid: 7f540777fe4b40dfb3c21d10f48781e3\n"
    "tracehandle: DMZ_818405"
)
JOURNAL, STORE = "journal.sqlite3", "store.sqlite3"


def fill(directory: Path, rows: int) -> None:
    """Append single form reports to the journal of a receiver that does not run.

    In a process of its own, for the journal's writer holds its lock until its process ends.
    """
    command = [sys.executable, "-m", f"{__package__}.backlog", str(directory), str(rows)]
    subprocess.run(command, cwd=ROOT, check=True)


def main(directory: Path, rows: int) -> None:
    """Append the rows."""
    directory.mkdir(exist_ok=True)
    position = last_position(directory)
    writer = Writer(str(directory / JOURNAL))
    for some in _chunks(make_reports(rows)):
        values: list[object] = []
        for report in some:
            position += 1
            now = time.time_ns() // 1000
            values += (position, "status", "default", now, "127.0.0.1", "open", _HEADERS)
            values.append(report.form)
        writer.append(len(some), values)
    writer.checkpoint("TRUNCATE")
    writer.close()


def top_up(directory: Path, rows: int) -> int:
    """Append until so many rows are not projected; return how many are."""
    missing = rows - unprojected(directory)
    if missing > 0:
        fill(directory, missing)
    return unprojected(directory)


def unprojected(directory: Path) -> int:
    """Count the rows of the journal that the store of a stopped receiver does not have."""
    last = last_position(directory)
    if last == 0 or not (directory / STORE).exists():
        return last
    ((identity,),) = _read(
        directory / JOURNAL, "SELECT value FROM meta WHERE name = 'identity'", ()
    )
    found = _read(
        directory / STORE, "SELECT position FROM checkpoints WHERE journal = ?", (str(identity),)
    )
    return last - (int(found[0][0]) if found else 0)


def last_position(directory: Path) -> int:
    """Return the journal's newest position, 0 where there is none; positions have no gaps."""
    if not (directory / JOURNAL).exists():
        return 0
    ((last,),) = _read(directory / JOURNAL, "SELECT coalesce(max(position), 0) FROM journal", ())
    return int(last)


def _read(path: Path, sql: str, values: Iterable[str]) -> list[tuple[str | int, ...]]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return connection.execute(sql, tuple(values)).fetchall()


def _chunks(reports: Iterator[Report]) -> Iterator[list[Report]]:
    while some := list(islice(reports, _ROWS_A_COMMIT)):
        yield some


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
