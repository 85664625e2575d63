"""The URL of the store: supported values, and the default."""

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from receiver.errors import SettingsError

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

# ruff: noqa: PLC0415 - the settings of every command come by here, and most commands open no store:
# without SQLAlchemy they start in half the time.

FILE_NAME = "store.sqlite3"

ASYNC_DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+psycopg"}


def default_url(data_dir: Path) -> str:
    """Return the URL of the embedded store in a data directory."""
    from sqlalchemy.engine import URL

    file = data_dir.absolute() / FILE_NAME
    return URL.create("sqlite", database=str(file)).render_as_string()


def check_url(url: str) -> "URL":
    """Check a store URL.

    Raises:
        SettingsError: it is no URL, or of a database that is not supported.
    """
    from sqlalchemy import exc, make_url

    try:
        parsed = make_url(url)
    except (exc.ArgumentError, ValueError):
        raise SettingsError(
            "store_url is not a URL. Use sqlite:////path/to/file or "
            "postgresql://user:password@host/database (percent-encode special "
            "characters)."
        ) from None
    backend = parsed.get_backend_name()
    if backend not in ASYNC_DRIVERS:
        raise SettingsError(f"store_url names {backend!r}. Use sqlite or postgresql.")
    if backend == "postgresql" and importlib.util.find_spec("psycopg") is None:
        raise SettingsError(
            "store_url uses postgresql, but its driver is not installed. Run: pip "
            "install 'receiver[postgres]'"
        )
    if backend == "sqlite" and (not parsed.database or ":memory:" in parsed.database):
        raise SettingsError(
            "store_url names no file. A store in memory would lose all data; use "
            "sqlite:////path/to/file."
        )
    if backend == "postgresql":
        _check_server(parsed)
    return parsed


def _check_server(url: "URL") -> None:
    """Refuse what cannot be an address, and what may be the end of a password.

    Raises:
        SettingsError: it is; the text shows nothing of it.
    """
    if any("@" in part for part in (url.host or "", url.database or "", *url.query)):
        raise SettingsError(
            "store_url contains more than one @. Percent-encode special characters of "
            "the password, for example %40 for @."
        )
    try:
        (url.host or "").encode("idna")
    except UnicodeError:
        raise SettingsError("store_url contains an invalid host.") from None


def lock_of(url: str) -> Path | None:
    """Name the file whose lock keeps a SQLite store for one process; None for a server."""
    parsed = check_url(url)
    if parsed.get_backend_name() != "sqlite":
        return None
    return Path(f"{parsed.database}.lock").absolute()
