"""A store that any statement found damaged is named, is not written to, and can be replaced."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import insert, select, text

from receiver.errors import StoreDamagedError
from receiver.store.database.urls import FILE_NAME, default_url
from receiver.store.schema import messages
from receiver.store.store import Store
from tests.integration.store.test_store import MESSAGE, write_twice
from tests.support.parts import a_store
from tests.support.postgresql import empty

PAGE = 4096
ROWS = 300
TABLE_LEAF = 13
UNIQUE = "uq_messages_sms_msg_id_application"


async def fill(url: str) -> None:
    """Make a store of many messages."""
    rows = [{**MESSAGE, "id": n, "sms_msg_id": f"victim-{n}"} for n in range(1, ROWS + 1)]
    async with a_store(url) as store, store.writing() as connection:
        await connection.execute(insert(messages), rows)


def run_sql(path: Path, *statements: str) -> list[tuple[int, ...]]:
    """Run statements while nobody has the store open; return the rows of the last one."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        rows = [connection.execute(statement).fetchall() for statement in statements]
    return rows[-1]


def ruin(path: Path, page: int) -> None:
    """Overwrite a page with what is no page."""
    with path.open("r+b") as file:
        file.seek((page - 1) * PAGE)
        file.write(b"\xee" * PAGE)


def ruin_leaf(path: Path) -> None:
    """Damage a page of messages."""
    data = path.read_bytes()
    starts = range(0, len(data), PAGE)
    leaves = [at for at in starts if data[at] == TABLE_LEAF and b"victim-" in data[at : at + PAGE]]
    ruin(path, leaves[len(leaves) // 2] // PAGE + 1)


def ruin_index(path: Path) -> None:
    """Damage an index alone."""
    ((root,),) = run_sql(path, f"SELECT rootpage FROM sqlite_schema WHERE name = '{UNIQUE}'")  # noqa: S608
    ruin(path, root)


def ruin_freelist(path: Path) -> None:
    """Damage the list of free pages."""
    junk = "INSERT INTO junk VALUES (zeroblob(1000000))"
    run_sql(path, "CREATE TABLE junk (a)", junk, "DROP TABLE junk")
    trunk = int.from_bytes(path.read_bytes()[32:36], "big")
    assert trunk > 0
    ruin(path, trunk)


def cut_off(path: Path) -> None:
    """Let the end of the file be missing."""
    os.truncate(path, path.stat().st_size // 2 // PAGE * PAGE)


def spoil_text(path: Path) -> None:
    """Flip a bit so that a text is none, which SQLite itself does not notice."""
    data = bytearray(path.read_bytes())
    while (at := data.find(b"victim-150")) >= 0:  # in the table and in its index
        data[at] ^= 0x80
    path.write_bytes(data)


def zero_head(path: Path) -> None:
    """Let the file be no database."""
    with path.open("r+b") as file:
        file.write(bytes(100))


def move_aside(directory: Path) -> None:
    """Take the store away as an operator does."""
    for end in ("", "-wal", "-shm"):
        file = directory / f"{FILE_NAME}{end}"
        if file.exists():
            file.rename(directory / f"aside-{file.name}")


def is_marked(directory: Path) -> bool:
    """Tell whether the next process is told of damage."""
    return bool(list(directory.glob("*.damaged")))


DAMAGES = [
    pytest.param(ruin_leaf, id="a page of a table"),
    pytest.param(ruin_index, id="an index"),
    pytest.param(ruin_freelist, id="the list of free pages"),
    pytest.param(cut_off, id="cut off"),
    pytest.param(spoil_text, id="a bit of a text"),
    pytest.param(zero_head, id="the head of the file"),
]


async def use(store: Store) -> None:
    """Read and write, as look-ups and the projector do."""
    await store.prepare()
    async with store.reading() as connection:
        await connection.execute(select(messages))
        await connection.execute(select(messages).where(messages.c.sms_msg_id == "victim-7"))
    async with store.writing() as connection:
        large = [{**MESSAGE, "id": n, "sms_msg_id": f"{n}" * 500} for n in range(5000, 5200)]
        await connection.execute(insert(messages), large)


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_damaged_store_is_not_written_to(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    """One statement is enough: no other one writes, in this process and the next, until mended."""
    url, path = default_url(tmp_path), tmp_path / FILE_NAME
    await fill(url)
    sound = path.read_bytes()
    damage(path)
    told: list[None] = []
    store = Store(url, lambda: told.append(None))
    with pytest.raises(StoreDamagedError, match="rebuilt from the rows still in the journal"):
        await use(store)
    assert told
    assert "move the file" in store.damage
    kept = path.read_bytes()
    for writing in (store.prepare, store.settle, store.make_durable, store.compact):
        with pytest.raises(StoreDamagedError):
            await writing()
    with pytest.raises(StoreDamagedError):
        await write_twice(store)
    with pytest.raises(StoreDamagedError):
        store.check_in_place()
    assert path.read_bytes() == kept
    await store.close()
    store = Store(url)  # of the next process
    with pytest.raises(StoreDamagedError):
        await store.prepare()
    await store.close()
    move_aside(tmp_path)
    path.write_bytes(sound)  # a backup
    async with a_store(url) as restored:
        await use(restored)
        assert restored.damage == ""
    assert not is_marked(tmp_path)


async def test_a_damaged_store_that_is_taken_away_is_made_anew(tmp_path: Path) -> None:
    """Where the file is moved aside the running process goes on in a new one."""
    url, path = default_url(tmp_path), tmp_path / FILE_NAME
    await fill(url)
    ruin_leaf(path)
    async with a_store(url) as store:
        with pytest.raises(StoreDamagedError):
            await use(store)
        move_aside(tmp_path)
        await store.prepare()
        await use(store)
        assert store.damage == ""
    assert not is_marked(tmp_path)


@pytest.mark.parametrize("state", ["XX001", "XX002"])
async def test_a_server_that_finds_damage_is_named(postgresql_url: str, state: str) -> None:
    """PostgreSQL's own codes of damage end the writing too; its text says what is damaged."""
    empty(postgresql_url)
    raising = f"DO $$ BEGIN RAISE EXCEPTION 'invalid page' USING ERRCODE = '{state}'; END $$"
    async with a_store(postgresql_url) as store:
        with pytest.raises(StoreDamagedError, match=r"invalid page.*REINDEX"):
            async with store.reading() as connection:
                await connection.execute(text(raising))
        with pytest.raises(StoreDamagedError):
            await write_twice(store)
