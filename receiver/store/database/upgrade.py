"""Upgrades a database to the schema of this version."""

from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.engine import URL

from receiver.errors import StoreUnavailableError
from receiver.store.database.engines import migrating_engine
from receiver.store.schema import metadata

_MIGRATIONS = Path(__file__).parents[1] / "migrations"
_VERSIONS = "alembic_version"  # Alembic's own table


def migrate(url: URL) -> None:
    """Bring the schema to this version's (blocking).

    Raises:
        StoreUnavailableError: the database was made by a newer version, or by something else.
    """
    engine = migrating_engine(url)
    try:
        upgrade(engine)
    finally:
        engine.dispose()


def upgrade(engine: Engine) -> None:
    """Make the tables of an empty database, or run the migrations that it has not seen.

    Raises:
        StoreUnavailableError: as `migrate`.
    """
    with engine.begin() as connection:
        tables = inspect(connection).get_table_names()
        if not tables:
            _create(connection)
        elif _VERSIONS not in tables or _version_of(connection) != _newest():
            run_migrations(connection)


def run_migrations(connection: Connection) -> None:
    """Run the migrations that a database has not seen.

    Raises:
        StoreUnavailableError: as `migrate`.
    """
    # A tenth of a second that only the first start after an update needs.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.util.exc import CommandError  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise StoreUnavailableError(
            "The store was written by a newer version of the receiver, or is not a "
            "receiver's store. Install that version, or set store_url to another "
            "database."
        ) from error


def _create(connection: Connection) -> None:
    metadata.create_all(connection)
    column, key = "version_num VARCHAR(32) NOT NULL", "PRIMARY KEY (version_num)"
    connection.execute(
        text(f"CREATE TABLE {_VERSIONS} ({column}, CONSTRAINT {_VERSIONS}_pkc {key})")
    )
    stamp = text(f"INSERT INTO {_VERSIONS} VALUES (:newest)")  # noqa: S608 - a constant
    connection.execute(stamp, {"newest": _newest()})


def _version_of(connection: Connection) -> str | None:
    query = text(f"SELECT version_num FROM {_VERSIONS}")  # noqa: S608 - a constant
    return connection.execute(query).scalar()


def _newest() -> str:
    """Return the number of the newest migration, with which its file's name begins."""
    return max(file.name.partition("_")[0] for file in (_MIGRATIONS / "versions").glob("0*.py"))
