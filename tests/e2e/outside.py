"""What a test does to a server from outside: to its files, and to what is left of it."""

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.support.server import Server


def check_integrity(server: Server) -> None:
    """Assert that both files of a stopped server are sound."""
    assert server.process is None
    for file in (server.journal_file, server.store_file):
        with closing(sqlite3.connect(file)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)], file.name


def is_running(pid: int) -> bool:
    """Tell whether a process exists and is no zombie."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"
