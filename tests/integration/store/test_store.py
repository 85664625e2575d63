"""The store: one schema however it was made, whole transactions, and errors without values."""

import json
import shutil
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Engine, create_engine, event, insert, inspect, make_url, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

import receiver.store
from receiver.domain.inputs import Send
from receiver.domain.messages.merge import merge_sends
from receiver.domain.uplinks import content_digest
from receiver.errors import SettingsError, StoreRejectedError, StoreUnavailableError
from receiver.store.database.bulk import insert_rows, update_rows
from receiver.store.database.upgrade import run_migrations, upgrade
from receiver.store.database.urls import FILE_NAME, check_url, default_url, lock_of
from receiver.store.records import dump_send
from receiver.store.schema import (
    checkpoints,
    messages,
    metadata,
    quarantine,
    reclassifications,
    reports,
)
from receiver.store.store import Store
from tests.support.parts import NOW, a_store, counts_of, read_rows, rows_of, write_lock

PERSON = "+8613912345678"
PERSONS_ID = "b9d9b4fe-ad0e-4a2a-a2c7-445505b674ac"
MESSAGE: dict[str, Any] = {
    "id": 1,
    "application": "default",
    "sms_msg_id": "m1",
    "registered": False,
    "state": "accepted",
    "final": False,
    "conflict": False,
    "to_text": PERSON,
    "to_number": PERSON,
    "total": 1,
    "occurred_at": NOW,
    "trust": "open",
}
REPORT: dict[str, Any] = {
    "status": "DELIVRD",
    "update_time": "",
    "trust": "open",
    "received_at": NOW,
    "last_received_at": NOW,
    "redeliveries": 0,
    "raw": "{}",
}
OTHERS = {"alembic_version"}
MEGABYTE = 1024 * 1024


@contextmanager
def an_engine(url: str) -> Iterator[Engine]:
    """Open the database past the store, as a migration does."""
    drivers = {"sqlite": "sqlite+pysqlite", "postgresql": "postgresql+psycopg"}
    parsed = make_url(url)
    engine = create_engine(
        parsed.set(drivername=drivers[parsed.get_backend_name()]), poolclass=NullPool
    )
    try:
        yield engine
    finally:
        engine.dispose()


def describe_index(index: Any) -> str:
    """Return all that a database says of an index, conditions as text."""
    options = {name: str(value) for name, value in index["dialect_options"].items()}
    return str(sorted({**index, "dialect_options": options}.items()))


def describe(engine: Engine) -> dict[str, Any]:
    """Return all that a database says of its tables."""
    with engine.connect() as connection:
        seen = inspect(connection)
        return {
            table: {
                "columns": [
                    {**column, "type": str(column["type"])} for column in seen.get_columns(table)
                ],
                "key": seen.get_pk_constraint(table),
                "foreign keys": seen.get_foreign_keys(table),
                "indexes": sorted(describe_index(index) for index in seen.get_indexes(table)),
            }
            for table in seen.get_table_names()
            if table not in OTHERS
        }


def differences(engine: Engine) -> list[Any]:
    """Return what a new migration would have to change."""
    options = {"compare_type": True, "compare_server_default": True}
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts=options)
        found: list[Any] = compare_metadata(context, metadata)
    return found


def version_of(engine: Engine) -> str:
    """Return the newest migration that a database has seen."""
    with engine.connect() as connection:
        found = connection.execute(text("SELECT version_num FROM alembic_version"))
        return str(found.scalar_one())


def empty(engine: Engine) -> None:
    """Drop all that there is."""
    with engine.begin() as connection:
        metadata.drop_all(connection)
        connection.execute(text("DROP TABLE IF EXISTS alembic_version"))


def go_back(engine: Engine, revision: str) -> None:
    """Undo the migrations after a revision; `base` undoes all."""
    config = Config()
    directory = Path(receiver.store.__file__).with_name("migrations")
    config.set_main_option("script_location", str(directory))
    config.set_main_option("path_separator", "os")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, revision)


# --- schema -------------------------------------------------------------------------------------


def test_the_migrations_lead_to_the_schema(store_url: str) -> None:
    """A database from all migrations and one from the schema do not differ in anything."""
    with an_engine(store_url) as engine:
        upgrade(engine)
        by_schema, version = describe(engine), version_of(engine)
        assert differences(engine) == []
        empty(engine)
        with engine.begin() as connection:
            run_migrations(connection)
        assert differences(engine) == []
        assert (describe(engine), version_of(engine)) == (by_schema, version)
    assert set(by_schema) == set(metadata.tables)


def test_the_migrations_can_be_undone(store_url: str) -> None:
    """Down to nothing and up again leads to the same tables."""
    with an_engine(store_url) as engine:
        upgrade(engine)
        before = describe(engine)
        go_back(engine, "base")
        assert describe(engine) == {}
        upgrade(engine)
        assert describe(engine) == before
        assert differences(engine) == []


async def test_preparing_keeps_what_is_there(store_url: str) -> None:
    """A store that is prepared again, by this process or the next, keeps its rows."""
    async with a_store(store_url) as store:
        async with store.writing() as connection:
            await connection.execute(insert(messages), [MESSAGE])
        await store.prepare()
    async with a_store(store_url) as store:
        assert await counts_of(store) == {"messages": 1}


async def test_a_store_of_an_older_version_is_brought_up_to_date(store_url: str) -> None:
    """What the first version wrote is kept, and what it did not have is there."""
    with an_engine(store_url) as engine:
        upgrade(engine)
        go_back(engine, "0001")
        with engine.begin() as connection:
            connection.execute(insert(messages), [MESSAGE])
        assert reclassifications.name not in describe(engine)
    async with a_store(store_url) as store:
        assert await counts_of(store) == {"messages": 1}
        assert await rows_of(store, reclassifications) == []


async def test_uplinks_of_an_older_version_are_known_by_their_content(store_url: str) -> None:
    """A redelivery of an uplink that an older version stored is told by what is stored."""
    raw = {"smsMsgId": "u", "from": "1", "to": "2", "body": "R", "createTime": "t"}
    known = {
        "application": "shop", "sms_msg_id": "u", "from_text": "1", "to_number": "2",
        "body": "退订", "trust": "token", "received_at": 1, "last_received_at": 1,
        "redeliveries": 0, "raw": json.dumps(raw),
    }  # fmt: skip
    columns = ", ".join(known)
    values = ", ".join(f":{name}" for name in known)
    insertion = text(f"INSERT INTO uplinks ({columns}) VALUES ({values})")  # noqa: S608 - our own
    with an_engine(store_url) as engine:
        upgrade(engine)
        go_back(engine, "0006")
        with engine.begin() as connection:
            connection.execute(insertion, [known, {**known, "sms_msg_id": "v", "raw": "{}"}])
        upgrade(engine)
        with engine.connect() as connection:
            query = text("SELECT id, digest FROM uplinks ORDER BY sms_msg_id")
            (_, digest), (erased_id, erased) = connection.execute(query).all()
    assert digest == content_digest("1", "2", "退订", "t", None)
    assert erased == f"erased {erased_id}"


async def test_words_of_an_older_version_are_trusted_as_their_uplinks(store_url: str) -> None:
    """The best trust that an uplink came with; of one that is gone, that of a safe token."""
    word = (
        "INSERT INTO suppressions (application, number, channel, suppressed, source, source_id, "
        "decided_at) VALUES ('shop', '+861', :channel, true, :source, :of, 1)"
    )
    uplink = (
        "INSERT INTO uplinks (application, sms_msg_id, from_text, from_number, to_number, body, "
        "trust, received_at, last_received_at, redeliveries, raw, digest) "
        "VALUES ('shop', :of, '1', :number, '2', 'R', :trust, 1, 1, 0, '{}', :trust)"
    )
    words = [
        {"channel": str(place), "source": source, "of": of}
        for place, (source, of) in enumerate(
            [("uplink", "u"), ("uplink", "v"), ("uplink", "gone"), ("hand", "u"), ("code", "m")]
        )
    ]
    came = [
        {"of": "u", "number": "+861", "trust": "open"},
        {"of": "u", "number": "+861", "trust": "signed"},
        {"of": "v", "number": "+861", "trust": "open"},
        {"of": "v", "number": "+862", "trust": "signed"},
    ]
    with an_engine(store_url) as engine:
        upgrade(engine)
        go_back(engine, "0011")
        with engine.begin() as connection:
            connection.execute(text(word), words)
            connection.execute(text(uplink), came)
        upgrade(engine)
        with engine.connect() as connection:
            query = text("SELECT trust FROM suppressions ORDER BY channel")
            assert list(connection.execute(query).scalars()) == ["signed", "open", "token", "", ""]


async def test_of_several_words_an_older_version_has_the_opt_out(store_url: str) -> None:
    """Going back leaves one word of each source about a channel, which never is a lift too many."""
    word = (
        "INSERT INTO suppressions (application, number, channel, suppressed, source, source_id, "
        "decided_at, trust) VALUES ('shop', '+861', '2', :suppressed, 'uplink', :of, 1, :trust)"
    )
    words = [
        {"suppressed": False, "of": "lift", "trust": "signed"},
        {"suppressed": True, "of": "out", "trust": "token"},
        {"suppressed": True, "of": "again", "trust": "open"},
    ]
    with an_engine(store_url) as engine:
        upgrade(engine)
        with engine.begin() as connection:
            connection.execute(text(word), words)
        go_back(engine, "0011")
        with engine.connect() as connection:
            query = text("SELECT source_id FROM suppressions")
            assert list(connection.execute(query).scalars()) == ["again"]


async def test_an_older_version_has_no_conflicts(store_url: str) -> None:
    """Going back drops what registrations told otherwise, which that version cannot read."""
    send = Send("m", to="1", reference="order 7")
    contradicted = merge_sends(send, Send("m", reference="order 8"), 1)
    with an_engine(store_url) as engine:
        upgrade(engine)
        with engine.begin() as connection:
            values = {**MESSAGE, "send": dump_send(contradicted)}
            connection.execute(insert(messages), [values])
        go_back(engine, "0012")
        with engine.connect() as connection:
            assert connection.execute(select(messages.c.send)).scalar_one() == dump_send(send)


async def test_a_store_of_a_newer_version_is_refused(store_url: str) -> None:
    """A revision that this version does not know gets advice and changes nothing."""
    async with a_store(store_url) as store:
        async with store.writing() as connection:
            await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        with pytest.raises(StoreUnavailableError, match="newer version"):
            await store.prepare()
        async with store.reading() as connection:
            found = await connection.execute(text("SELECT version_num FROM alembic_version"))
            assert found.scalar_one() == "9999"


# --- transactions -------------------------------------------------------------------------------


async def write_twice(store: Store) -> None:
    """Write a message, then the same again, which the database refuses."""
    async with store.writing() as connection:
        await connection.execute(insert(messages), [MESSAGE])
        await connection.execute(insert(messages), [MESSAGE])


async def write_and_fail(store: Store) -> None:
    """Write a message, then fail without the database."""
    async with store.writing() as connection:
        await connection.execute(insert(messages), [MESSAGE])
        _ = 1 // 0


async def test_a_transaction_is_all_or_nothing(store_url: str) -> None:
    """What was written before a failure is gone, whoever failed; then writing works again."""
    async with a_store(store_url) as store:
        with pytest.raises(StoreRejectedError):
            await write_twice(store)
        with pytest.raises(ZeroDivisionError):
            await write_and_fail(store)
        assert await counts_of(store) == {}
        async with store.writing() as connection:
            await connection.execute(insert(messages), [MESSAGE])
        assert await counts_of(store) == {"messages": 1}


async def test_readers_see_only_what_is_committed(store_url: str) -> None:
    """A reader sees one state from its first to its last statement, whatever is written."""
    async with a_store(store_url) as store:
        async with store.writing() as writing:
            await writing.execute(insert(messages), [MESSAGE])
            async with store.reading() as reading:
                assert (await reading.execute(select(messages))).all() == []
        assert await counts_of(store) == {"messages": 1}


async def test_every_report_belongs_to_a_message(store_url: str) -> None:
    """A report of a message that does not exist is refused."""
    orphan = {**REPORT, "message_id": 99, "sequence": 1}
    async with a_store(store_url) as store:
        with pytest.raises(StoreRejectedError):
            async with store.writing() as connection:
                await connection.execute(insert(reports), [orphan])


async def test_readers_cannot_write(tmp_path: Path) -> None:
    """SQLite's file is written by the writer alone."""
    async with a_store(default_url(tmp_path)) as store:
        with pytest.raises(StoreUnavailableError):
            async with store.reading() as connection:
                await connection.execute(insert(messages), [MESSAGE])
        assert await counts_of(store) == {}


@pytest.mark.parametrize("count", [0, 1, 3, 24, 1249])
async def test_many_rows_are_written_as_one_by_one(store_url: str, count: int) -> None:
    """Any number of rows is inserted and updated, each with its own values, NULL among them."""
    rows = [
        {**MESSAGE, "id": n, "sms_msg_id": f"m{n}", "code": None if n % 3 else f"c{n}"}
        for n in range(count)
    ]
    changes = [
        {"id": n, "final": n % 2 == 0, "sent_at": NOW + n, "code": None} for n in range(count)
    ]
    async with a_store(store_url) as store:
        async with store.writing() as connection:
            await insert_rows(connection, messages, rows)
        written = await rows_of(store, messages)
        async with store.writing() as connection:
            await update_rows(connection, messages, ("id",), changes[: count // 2])
        changed = await rows_of(store, messages)
    for row, expected in zip(written, rows, strict=True):
        assert {name: row[name] for name in expected} == expected
    for row, before, change in zip(changed, rows, changes, strict=True):
        expected = {**before, **change} if row["id"] < count // 2 else before
        assert {name: row[name] for name in expected} == expected


async def test_rows_are_found_by_all_columns_of_their_key(store_url: str) -> None:
    """An update reaches the row whose whole key fits, and no other."""
    keys = [(1, 1), (1, 2), (2, 1)]
    async with a_store(store_url) as store:
        async with store.writing() as connection:
            await insert_rows(
                connection, messages, [MESSAGE, {**MESSAGE, "id": 2, "sms_msg_id": "m2"}]
            )
            await insert_rows(
                connection, reports, [{**REPORT, "message_id": m, "sequence": s} for m, s in keys]
            )
            await update_rows(
                connection,
                reports,
                ("message_id", "sequence"),
                [{"message_id": 1, "sequence": 2, "redeliveries": 7}],
            )
        found = await rows_of(store, reports)
    assert [row["redeliveries"] for row in found] == [0, 7, 0]


# --- failures -----------------------------------------------------------------------------------


async def test_a_locked_store_is_unavailable_and_then_works(tmp_path: Path) -> None:
    """While another holds the write lock writing fails and reading works; then both work."""
    async with a_store(default_url(tmp_path)) as store:
        with write_lock(tmp_path / FILE_NAME):
            with pytest.raises(StoreUnavailableError, match="SQLITE_BUSY"):
                async with store.writing():
                    pass
            await store.ping()
            assert await counts_of(store) == {}
        async with store.writing() as connection:
            await connection.execute(insert(messages), [MESSAGE])
        assert await counts_of(store) == {"messages": 1}


async def test_a_store_that_is_locked_cannot_be_prepared_and_then_can(tmp_path: Path) -> None:
    """A lock at the start is a passing failure too."""
    async with a_store(default_url(tmp_path), prepared=False) as store:
        (tmp_path / FILE_NAME).touch()
        with write_lock(tmp_path / FILE_NAME), pytest.raises(StoreUnavailableError):
            await store.prepare()
        await store.prepare()
        assert await counts_of(store) == {}


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("sqlite:////nowhere/at/all/store.sqlite3", id="no directory"),
        pytest.param("postgresql://user:hunter2@127.0.0.1:9/none", id="nobody listens"),
    ],
)
async def test_a_store_that_is_away_is_unavailable(url: str) -> None:
    """A database that cannot be reached is unavailable in every way, and names no password."""
    if url.startswith("postgresql"):
        pytest.importorskip("psycopg")
    async with a_store(url, prepared=False) as store:
        for attempt in (store.prepare, store.ping):
            with pytest.raises(StoreUnavailableError) as failure:
                await attempt()
            assert "hunter2" not in "".join(traceback.format_exception(failure.value))


async def test_a_file_that_is_no_database_is_unavailable(tmp_path: Path) -> None:
    """A file of something else is no refused value: whoever puts it right is not left waiting."""
    (tmp_path / FILE_NAME).write_bytes(b"this is a diary, not a database\n" * 1000)
    async with a_store(default_url(tmp_path), prepared=False) as store:
        with pytest.raises(StoreUnavailableError):
            await store.prepare()
        with pytest.raises(StoreUnavailableError):
            await rows_of(store, messages)
        with pytest.raises(StoreUnavailableError):
            await write_twice(store)


STATEMENTS = [
    pytest.param({"id": 1}, id="a key that stands there already"),
    pytest.param({"id": 2}, id="an id that stands there already"),
    pytest.param({"id": 2, "state": None}, id="a value that is missing"),
    pytest.param({"id": 2**70}, id="a number that is too large"),
    pytest.param({"id": 2, "sms_msg_id": "\ud800" + PERSON}, id="no valid Unicode"),
]


@pytest.mark.parametrize("changes", STATEMENTS)
async def test_an_error_carries_no_values(store_url: str, changes: dict[str, Any]) -> None:
    """Neither the error nor its whole trace holds a phone number or an id of the statement."""
    stored = {**MESSAGE, "sms_msg_id": PERSONS_ID}
    async with a_store(store_url) as store:
        async with store.writing() as connection:
            await connection.execute(insert(messages), [stored])
        with pytest.raises(StoreRejectedError) as failure:
            async with store.writing() as connection:
                await connection.execute(insert(messages), [{**stored, **changes}])
    said = str(failure.value) + "".join(traceback.format_exception(failure.value))
    assert PERSON not in said
    assert PERSONS_ID not in said


async def test_an_error_that_may_pass_keeps_its_cause(tmp_path: Path) -> None:
    """The driver's own error is the cause of ours, for whoever looks into a trace."""
    async with a_store(default_url(tmp_path), prepared=False) as store:
        with pytest.raises(StoreUnavailableError) as failure:
            await write_twice(store)
    assert isinstance(failure.value.__cause__, OperationalError)


async def test_a_statement_that_cannot_run_carries_no_values(tmp_path: Path) -> None:
    """A failing statement of its own kind (a missing table) holds no values either."""
    async with a_store(default_url(tmp_path)) as store:
        async with store.writing() as connection:
            await connection.execute(text("ALTER TABLE messages RENAME TO gone"))
        with pytest.raises(StoreUnavailableError) as failure:
            async with store.writing() as connection:
                await connection.execute(insert(messages), [MESSAGE])
    assert PERSON not in "".join(traceback.format_exception(failure.value))


# --- durability and readiness -------------------------------------------------------------------


async def test_what_was_committed_can_be_made_durable(store_url: str) -> None:
    """After `make_durable` the rows are in the file itself."""
    async with a_store(store_url) as store:
        async with store.writing() as connection:
            await connection.execute(insert(messages), [MESSAGE])
        assert await store.make_durable()


async def test_a_quiet_moment_empties_the_log(tmp_path: Path) -> None:
    """After `settle` the rows are in the file itself, and nothing is left for a commit to copy."""
    async with a_store(default_url(tmp_path)) as store:
        async with store.writing() as connection:
            await connection.execute(insert(messages), [MESSAGE])
        await store.settle()
        shutil.copy(tmp_path / FILE_NAME, tmp_path / "copy")
        assert read_rows(tmp_path / "copy", "SELECT id FROM messages") == [(1,)]


async def test_the_log_is_cut_off_when_readers_let_it_grow(tmp_path: Path) -> None:
    """What grew beyond the cap while somebody read is given back by the next commit."""
    log = tmp_path / f"{FILE_NAME}-wal"
    async with a_store(default_url(tmp_path)) as store:
        await write_much(store, megabytes=1)
        async with store.reading() as reading:
            await reading.execute(select(quarantine.c.id))
            await write_much(store, megabytes=50)
            assert log.stat().st_size > 50 * MEGABYTE
        await write_much(store, megabytes=1)
        assert log.stat().st_size < 2 * MEGABYTE


async def write_much(store: Store, megabytes: int) -> None:
    """Write quarantined bodies of a megabyte each in one transaction."""
    row = {
        "application": "default",
        "kind": "status",
        "reason": "",
        "peer": "",
        "trust": "open",
        "received_at": NOW,
        "headers": "",
        "body": bytes(MEGABYTE),
        "size": MEGABYTE,
    }
    async with store.writing() as connection:
        for _ in range(megabytes):
            await connection.execute(insert(quarantine), [row])


async def test_a_file_that_was_taken_away_is_noticed_and_made_anew(tmp_path: Path) -> None:
    """A file that is deleted, or another in its place, is told; `prepare` opens what is there."""
    async with a_store(default_url(tmp_path)) as store:
        async with store.writing() as connection:
            await connection.execute(insert(messages), [MESSAGE])
        store.check_in_place()
        (tmp_path / FILE_NAME).unlink()
        with pytest.raises(StoreUnavailableError, match="removed or replaced"):
            store.check_in_place()
        assert not await store.make_durable(), "the journal must not forget"
        (tmp_path / FILE_NAME).touch()
        with pytest.raises(StoreUnavailableError, match="removed or replaced"):
            store.check_in_place()
        await store.prepare()
        store.check_in_place()
        assert await counts_of(store) == {}


async def test_durability_is_not_claimed_while_a_reader_holds_it_up(tmp_path: Path) -> None:
    """A checkpoint that cannot be complete is told, so that the journal forgets nothing."""
    url = default_url(tmp_path)
    async with a_store(url) as store:
        async with store.writing() as connection:
            await connection.execute(insert(messages), [MESSAGE])
        async with store.reading() as reading:
            await reading.execute(select(messages))
            async with store.writing() as connection:
                await connection.execute(
                    insert(checkpoints).values(journal="j", position=1, updated_at=NOW)
                )
            assert not await store.make_durable()
        assert await store.make_durable()
        assert len(await rows_of(store, checkpoints)) == 1


@pytest.mark.parametrize(
    "url",
    ["nonsense", "mysql://host/database", "sqlite://", "sqlite:///"],
    ids=["no URL", "another database", "in memory", "no file"],
)
def test_a_url_that_cannot_be_used_is_refused(url: str) -> None:
    """What is no URL of a supported database is refused before anything is opened."""
    with pytest.raises(SettingsError):
        check_url(url)
    with pytest.raises(SettingsError):
        Store(url)


@contextmanager
def failing_at(words: str) -> Iterator[None]:
    """Let every statement with these words fail before it runs, as a full disk would."""

    def fail(*arguments: Any) -> None:
        if words in arguments[2]:
            raise OSError(words)

    event.listen(Engine, "before_cursor_execute", fail)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", fail)


async def test_an_interrupted_migration_leaves_nothing_behind(store_url: str) -> None:
    """The tables come all or not at all, so that the next start finds nothing in its way."""
    async with a_store(store_url, prepared=False) as store:
        with failing_at("CREATE TABLE reports"), pytest.raises(OSError, match="reports"):
            await store.prepare()
        await store.prepare()
        assert await rows_of(store, messages) == []


def test_one_file_of_a_store_has_one_lock(tmp_path: Path) -> None:
    """Two ways to name one SQLite file lead to one lock; a database server needs none."""
    file = tmp_path / "store.sqlite3"
    assert lock_of(f"sqlite:///{file}") == lock_of(default_url(tmp_path))
    assert lock_of("postgresql://user@host/database") is None
