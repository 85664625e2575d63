"""A row of the journal that is not what was taken is found out, however little of it changed."""

import os
import shutil
import sqlite3
import struct
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from receiver.journal import FILE_NAME, DamageFinding, EntryKind, Journal, JournalEntry, Row
from receiver.journal.entries import FoundRow, read_row, read_text
from receiver.journal.rebuild import rebuild_whole
from receiver.journal.writer import COLUMNS, LAYOUT, Writer
from tests.support.parts import NOW, entry, read_rows

PAGE = 4096
LEAF = 13
VICTIM = 7  # position of the row that is damaged
OTHER = 10  # of one of the same size, the checksum too
LARGE = 9  # of one that runs over several pages
EVERY_BIT = 5  # so many bits are left out between two that are flipped
_OLD_SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE journal (
    position INTEGER PRIMARY KEY, kind TEXT NOT NULL, application TEXT NOT NULL,
    received_at INTEGER NOT NULL, peer TEXT NOT NULL, trust TEXT NOT NULL, headers TEXT NOT NULL,
    body BLOB NOT NULL
);
INSERT INTO meta VALUES ('layout', '1'), ('identity', 'old');
"""


def body_of(position: int) -> bytes:
    """Return the body of a row."""
    body = b"smsMsgId=victim-%02d&status=DELIVRD" % position
    return body + b"&more=" + b"x" * 9000 if position == LARGE else body


def taken() -> dict[int, JournalEntry]:
    """Return what was appended, by position."""
    return {at: entry(body_of(at), received_at=NOW + at) for at in range(1, 21)}


@contextmanager
def a_writer(path: Path) -> Iterator[Writer]:
    """Write a journal without a process of its own."""
    writer = Writer(str(path))
    try:
        yield writer
    finally:
        writer.checkpoint("TRUNCATE")
        writer.close()
        os.close(writer._lock)  # noqa: SLF001 - it ends with its process otherwise


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a sound journal that was closed in order."""
    path = tmp_path_factory.mktemp("sound") / FILE_NAME
    with a_writer(path) as writer:
        for position, one in taken().items():
            writer.append(1, [position, *one])
    return path


def read_found(path: Path) -> list[FoundRow]:
    """Return the rows of a file, with their checksums."""
    with closing(sqlite3.connect(path)) as connection:
        connection.text_factory = read_text
        rows = connection.execute(f"SELECT {COLUMNS} FROM journal").fetchall()  # noqa: S608
    return [read_row(*row) for row in rows]


# --- where things stand in the file ---------------------------------------------------------------


class Cell(NamedTuple):
    """A row in a leaf page: places in the file."""

    size: int  # of the payload, a varint
    position: int  # a varint
    header: int  # the size of the record's header, a byte
    types: int  # one for each column; position, kind, application, received_at, peer, ...
    values: int
    end: int


def find_cell(data: bytes | bytearray, position: int) -> Cell:
    """Find the row of a position, none of whose values is so large that its type is two bytes."""
    for page in range(PAGE, len(data), PAGE):
        if data[page] != LEAF:
            continue
        (cells,) = struct.unpack_from(">H", data, page + 3)
        for number in range(cells):
            (at,) = struct.unpack_from(">H", data, page + 8 + 2 * number)
            size = page + at
            after = size
            while data[after] & 0x80:
                after += 1
            header = after + 2
            if data[after + 1] == position and data.find(body_of(position)[:19], header) > 0:
                values = header + data[header]
                length = data[size] if after == size else PAGE
                return Cell(size, after + 1, header, header + 1, values, header + length)
    raise AssertionError("the row was not found")


def flip(place: Callable[[bytes, Cell], int], bit: int = 0) -> Callable[[Path], None]:
    """Return what flips a bit of a byte of the row."""

    def damage(path: Path) -> None:
        data = bytearray(path.read_bytes())
        data[place(path.read_bytes(), find_cell(data, VICTIM))] ^= 1 << bit
        path.write_bytes(data)

    return damage


def value(text: bytes, behind: int = 0) -> Callable[[bytes, Cell], int]:
    """Return what finds a text among the values of the row."""
    return lambda data, cell: data.index(text, cell.values) + behind


def swap(path: Path) -> None:
    """Let two rows of the same size stand in each other's place."""
    data = bytearray(path.read_bytes())
    one, other = find_cell(data, VICTIM), find_cell(data, OTHER)
    first, second = data[one.header : one.end], data[other.header : other.end]
    data[one.header : one.end], data[other.header : other.end] = second, first
    path.write_bytes(data)


def zero_last_overflow(path: Path) -> None:
    """Let the end of a large row be zeros, which SQLite takes for its content."""
    data = bytearray(path.read_bytes())
    pages = [at for at in range(PAGE, len(data), PAGE) if data[at + 4 : at + 204] == b"x" * 200]
    (last,) = (at for at in pages if data[at : at + 4] == bytes(4))
    data[last : last + PAGE] = bytes(PAGE)
    path.write_bytes(data)


DAMAGES = [
    pytest.param(flip(value(b"victim-", 3)), {VICTIM}, id="a bit of an id"),
    pytest.param(flip(value(b"status=", 2), 3), {VICTIM}, id="a bit of the body"),
    pytest.param(flip(value(b"smsMsgId", 0), 7), {VICTIM}, id="a bit that makes it no text"),
    pytest.param(flip(lambda _, cell: cell.values), {VICTIM}, id="a bit of the kind"),
    pytest.param(flip(lambda _, cell: cell.values + 6), {VICTIM}, id="a bit of the application"),
    pytest.param(flip(lambda _, cell: cell.values + 15), {VICTIM}, id="a bit of the arrival"),
    pytest.param(flip(value(b"192.0.2.1", 8)), {VICTIM}, id="a bit of the address"),
    pytest.param(flip(value(b"open")), {VICTIM}, id="a bit of the trust"),
    pytest.param(flip(value(b"content-type"), 2), {VICTIM}, id="a bit of the headers"),
    pytest.param(flip(lambda _, cell: cell.types + 7, 1), {VICTIM}, id="the body's length"),
    pytest.param(flip(lambda _, cell: cell.types + 1, 1), {VICTIM}, id="the kind's length"),
    pytest.param(flip(lambda _, cell: cell.end - 1), {VICTIM}, id="a bit of the checksum"),
    pytest.param(flip(lambda _, cell: cell.types + 8, 2), {VICTIM}, id="the checksum's type"),
    pytest.param(swap, {VICTIM, OTHER}, id="two rows in each other's place"),
    pytest.param(zero_last_overflow, {LARGE}, id="a zeroed page at the end of a row"),
]


async def read_all(journal: Journal) -> dict[int, Row]:
    """Read as the projector does; return the rows by position."""
    rows: dict[int, Row] = {}
    position = 0
    while some := await journal.read_after(position, rows=6, max_bytes=2**40):
        rows |= {row.position: row for row in some}
        position = some[-1].position
    return rows


@pytest.mark.parametrize(("damage", "spoiled"), DAMAGES)
async def test_a_changed_row_is_damage(
    sound: Path, tmp_path: Path, damage: Callable[[Path], None], spoiled: set[int]
) -> None:
    """It is named and kept, it no longer counts as a push, and all others are as they were."""
    path = tmp_path / FILE_NAME
    shutil.copy(sound, path)
    damage(path)
    damaged = path.read_bytes()
    findings: list[DamageFinding] = []
    journal = await Journal.open(path, on_finding=findings.append)
    try:
        rows = await read_all(journal)
        assert {at for at, row in rows.items() if row.kind == EntryKind.DAMAGED} == spoiled
        assert {at: JournalEntry(*row[1:]) for at, row in rows.items() if at not in spoiled} == {
            at: one for at, one in taken().items() if at not in spoiled
        }
        (finding,) = findings
        assert finding.lost == len(spoiled)
        assert all(f"position {at}, arrived between" in finding.text for at in spoiled)
        assert (tmp_path / finding.kept).read_bytes() == damaged
        assert any(finding.kept in problem for problem in journal.problems)
        assert await journal.append(entry(b"after")) == 21
        assert await read_all(journal) == {**rows, 21: Row(21, *entry(b"after"))}
        assert findings == [finding]
    finally:
        await journal.close()


@pytest.mark.parametrize(("damage", "spoiled"), DAMAGES)
async def test_a_changed_row_is_damage_also_where_nothing_can_be_mended(
    sound: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    damage: Callable[[Path], None],
    spoiled: set[int],
) -> None:
    """Without space for a second file the row is named all the same, and does not count."""
    monkeypatch.setattr("receiver.journal.upkeep.fits", lambda *_: False)
    path = tmp_path / FILE_NAME
    shutil.copy(sound, path)
    damage(path)
    findings: list[DamageFinding] = []
    journal = await Journal.open(path, on_finding=findings.append)
    rows = await read_all(journal)
    await journal.close()
    assert {at for at, row in rows.items() if row.kind == EntryKind.DAMAGED} == spoiled
    assert len(rows) == len(taken())
    assert sum(one.lost for one in findings) == len(spoiled)
    assert all(any(f"position {at}," in one.text for one in findings) for at in spoiled)


def test_no_flipped_bit_of_a_row_passes(sound: Path, tmp_path: Path) -> None:
    """Whatever bit of a row is flipped, what is read is what was taken, or counts as damaged."""
    whole = sound.read_bytes()
    cell = find_cell(whole, VICTIM)
    path, target = tmp_path / FILE_NAME, tmp_path / "new"
    for bit in range(cell.size * 8, cell.end * 8, EVERY_BIT):
        data = bytearray(whole)
        data[bit // 8] ^= 1 << bit % 8
        path.write_bytes(data)
        made = rebuild_whole(path, target, "kept")
        assert made is not None
        rows = [found.row for found in read_found(target)]
        good = {
            row.position: JournalEntry(*row[1:]) for row in rows if row.kind != EntryKind.DAMAGED
        }
        assert {at: one for at, one in good.items() if taken().get(at) != one} == {}, bit
        assert set(taken()) - set(good) <= {VICTIM}, bit
        assert made.found_damage or good == taken(), bit
        named = {one.first for one in (*made.lost, *made.spoiled)}
        assert (VICTIM in good) or named, bit


# --- journals of older versions -------------------------------------------------------------------


def write_old(path: Path) -> None:
    """Write a journal as versions without checksums did."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(_OLD_SCHEMA)
        marks = ", ".join("?" * 8)
        rows = [(at, *one) for at, one in taken().items()]
        connection.executemany(f"INSERT INTO journal VALUES ({marks})", rows)  # noqa: S608


async def test_a_journal_without_checksums_goes_on(tmp_path: Path) -> None:
    """Its rows and its identity are as before; rows that come have checksums."""
    path = tmp_path / FILE_NAME
    write_old(path)
    findings: list[DamageFinding] = []
    for number in range(2):  # it is changed once
        journal = await Journal.open(path, on_finding=findings.append)
        assert journal.identity == "old"
        rows = await read_all(journal)
        assert [JournalEntry(*rows[at][1:]) for at in taken()] == list(taken().values())
        assert await journal.append(entry(b"new")) == 21 + number
        await journal.close()
    assert findings == []
    assert read_rows(path, "SELECT value FROM meta WHERE name = 'layout'") == [(LAYOUT,)]
    sums = "SELECT position FROM journal WHERE checksum IS NULL"
    assert read_rows(path, sums) == [(at,) for at in taken()]


async def test_new_rows_of_an_old_journal_are_checked(tmp_path: Path) -> None:
    """Behind the last row without a checksum none may be without one; before it they are read."""
    path = tmp_path / FILE_NAME
    write_old(path)
    journal = await Journal.open(path)
    await journal.append(entry(b"new"))
    await journal.close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE journal SET checksum = NULL WHERE position = 21")
    journal = await Journal.open(path)
    rows = await read_all(journal)
    await journal.close()
    assert [at for at, row in rows.items() if row.kind == EntryKind.DAMAGED] == [21]


async def test_a_damaged_journal_without_checksums_is_mended(tmp_path: Path) -> None:
    """What can be read of it is read as before, and what comes has checksums."""
    path = tmp_path / FILE_NAME
    write_old(path)
    data = bytearray(path.read_bytes())
    data[:100] = bytes(100)
    path.write_bytes(data)
    journal = await Journal.open(path)
    rows = await read_all(journal)
    assert [JournalEntry(*rows[at][1:]) for at in taken()] == list(taken().values())
    await journal.append(entry(b"new"))
    await journal.close()
    assert [one.row.position for one in read_found(path) if one.is_proven] == [21]


async def test_where_checksums_begin_may_be_damaged_too(tmp_path: Path) -> None:
    """A journal that does not say so is rewritten; its rows and what comes are checked."""
    path = tmp_path / FILE_NAME
    with a_writer(path) as writer:
        for position, one in taken().items():
            writer.append(1, [position, *one])
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE meta SET value = '3x' WHERE name = 'checked_from'")
    flip(value(b"victim-", 3))(path)
    findings: list[DamageFinding] = []
    journal = await Journal.open(path, on_finding=findings.append)
    rows = await read_all(journal)
    assert await journal.append(entry(b"new")) == 21
    await journal.close()
    assert len(findings) == 1
    assert [at for at, row in rows.items() if row.kind == EntryKind.DAMAGED] == [VICTIM]
    assert read_rows(path, "SELECT value FROM meta WHERE name = 'checked_from'") == [("21",)]


def test_rewriting_a_row_renews_its_checksum(tmp_path: Path) -> None:
    """Redacted and restored rows fit the checksums that stand beside them."""
    path = tmp_path / FILE_NAME
    with a_writer(path) as writer:
        for position, one in taken().items():
            writer.append(1, [position, *one])
        writer.replace([[1, *taken()[1]._replace(kind="forgotten", body=b"")]])
        writer.restore([[2, *entry(b"restored")], [30, *entry(b"restored")]], keeps=False)
    found = read_found(path)
    assert len(found) == 21
    assert all(one.is_proven for one in found)
