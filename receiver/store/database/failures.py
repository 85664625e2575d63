"""Driver errors in our own words: what is unavailable and why, never a value."""

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from urllib.parse import quote, quote_plus

from sqlalchemy import exc
from sqlalchemy.engine import URL

from receiver.errors import StoreDamagedError, StoreRejectedError, StoreUnavailableError
from receiver.store.database.columns import UnreadableRowError

_LONGEST_REASON = 400  # characters of what a server says
# Classes of SQLSTATE whose primary message names connections, roles, databases and tables, never a
# value of a row: connection, transaction state, authorization, catalogue, schema, access rule,
# resources, prerequisite, operator, system.
_TELLING = frozenset({"08", "25", "28", "3D", "3F", "42", "53", "55", "57", "58"})
_HINT = "Is the server running"  # what the address says already
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_NO_TEXT = "Could not decode to UTF-8"  # of a text, which SQLite itself does not check
_SERVER_DAMAGED = frozenset({"XX001", "XX002"})  # data_corrupted, index_corrupted
_NOTHING_WRITTEN = "Nothing is written to it; the journal keeps all new entries."
_FILE_DAMAGED = (
    "Stop the receiver, move the file with its -wal and -shm aside, and start again: "
    "the store is rebuilt from the rows still in the journal "
    "(`retention.journal_hours`). To keep older data, restore a backup of the store "
    "first."
)
_DATABASE_DAMAGED = (
    "Repair the database (an index with REINDEX, a table from a backup), then start the "
    "receiver again."
)
_FULL = frozenset({"SQLITE_FULL", "SQLITE_IOERR_SHMSIZE", "SQLITE_IOERR_WRITE"})
_PROGRAM_LIMIT = "54"  # a value that is too large for an index


class Failures:
    """The errors of one database."""

    def __init__(self, url: URL, on_damage: Callable[[StoreDamagedError], None]) -> None:
        """Note what the database is called, and what must not be said.

        Args:
            url: of the database.
            on_damage: told of each statement that found the database damaged.
        """
        self._on_damage = on_damage
        self._where = _name(url) if url.get_backend_name() == "postgresql" else ""
        self._secrets = _secrets(url)

    @contextlib.contextmanager
    def translated(self) -> Iterator[None]:
        """Turn driver errors into ours, once and without any values.

        What is refused loses its cause: drivers quote the row in it, and a trace may reach a log.

        Raises:
            StoreUnavailableError: trying again later may help.
            StoreDamagedError: it is damaged, or holds a row that cannot be read.
            StoreRejectedError: trying again will not help.
        """
        try:
            yield
        except (exc.DataError, exc.IntegrityError) as error:
            raise _rejected(_code(error)) from None
        except (exc.DBAPIError, exc.TimeoutError) as error:
            if _sqlstate(error).startswith(_PROGRAM_LIMIT):
                raise _rejected(_code(error)) from None
            reason = f"{self._where}{self._reason(error)}"
            original = error.orig if isinstance(error, exc.DBAPIError) else error
            raise self._unavailable(original, reason) from error
        except sqlite3.Error as error:  # of what goes past SQLAlchemy
            name = getattr(error, "sqlite_errorname", type(error).__name__)
            raise self._unavailable(error, name) from error
        except UnreadableRowError as error:
            raise self.damaged(str(error)) from None
        except (exc.StatementError, OverflowError, UnicodeError) as error:
            raise _rejected(type(error).__name__) from None

    def _unavailable(self, error: object, reason: str) -> StoreUnavailableError:
        if _is_damage(error):
            return self.damaged(reason)
        hint = " The disk is probably full." if reason in _FULL else ""
        return StoreUnavailableError(f"The store is unavailable: {reason}.{hint}")

    def damaged(self, reason: str) -> StoreDamagedError:
        """Return the error for a database that is damaged, after telling of it."""
        what, advice = ("database", _DATABASE_DAMAGED) if self._where else ("file", _FILE_DAMAGED)
        error = StoreDamagedError(
            f"The store's {what} is damaged ({reason}). {_NOTHING_WRITTEN} {advice}"
        )
        self._on_damage(error)
        return error

    def _reason(self, error: exc.SQLAlchemyError) -> str:
        """Return what the server or the driver says about a connection, else the error's code."""
        original = getattr(error, "orig", None)
        state = _sqlstate(error)
        if not self._where or original is None:
            return _code(error)
        if state[:2] in _TELLING or state in _SERVER_DAMAGED:
            said = str(original.diag.message_primary or "")
        elif not state and isinstance(error, exc.OperationalError | exc.ProgrammingError):
            said = str(original)
        else:
            return _code(error)
        for secret in self._secrets:
            said = said.replace(secret, "***")
        lines = [line.strip() for line in said.splitlines()]
        said = "; ".join(line for line in lines if line and not line.startswith(_HINT))
        return said[:_LONGEST_REASON].rstrip(".") or _code(error)


def _is_damage(error: object) -> bool:
    return (
        getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED
        or getattr(error, "sqlstate", None) in _SERVER_DAMAGED
        or (isinstance(error, sqlite3.OperationalError) and str(error).startswith(_NO_TEXT))
    )


def _name(url: URL) -> str:
    host = url.host or _parameter(url, "host") or "the local socket"
    port = url.port or _parameter(url, "port") or "5432"
    database = url.database or _parameter(url, "dbname") or url.username
    user = url.username or _parameter(url, "user")
    named = (f"host {host}", f"port {port}", f"database {database}", f"user {user}")
    return f"PostgreSQL, {', '.join(named)}: "


def _parameter(url: URL, name: str) -> str | None:
    value = url.query.get(name)
    return value if value is None or isinstance(value, str) else ",".join(value)


def _secrets(url: URL) -> set[str]:
    given = {url.password, _parameter(url, "password"), _parameter(url, "sslpassword")}
    plain = {str(one) for one in given if one}
    return {form for one in plain for form in (one, quote(one, safe=""), quote_plus(one))}


def _sqlstate(error: exc.SQLAlchemyError) -> str:
    return str(getattr(getattr(error, "orig", None), "sqlstate", None) or "")


def _rejected(cause: str) -> StoreRejectedError:
    return StoreRejectedError(f"The store rejected a value: {cause}.")


def _code(error: exc.SQLAlchemyError) -> str:
    """Name the driver's error without its parameters, which hold numbers and texts."""
    original = getattr(error, "orig", None)
    name = getattr(original, "sqlite_errorname", None) or _sqlstate(error)
    return str(name or type(original or error).__name__)
