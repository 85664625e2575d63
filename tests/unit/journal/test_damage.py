"""A damaged journal gives all that can be read, names the rest, and goes on taking entries."""

import asyncio
import os
import random
import shutil
import sqlite3
import struct
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import pytest

from receiver.errors import DataDirectoryError
from receiver.journal import FILE_NAME, DamageFinding, EntryKind, Journal, JournalEntry, Row
from receiver.journal.recovery import examine_log
from receiver.journal.wal import read_log
from receiver.journal.writer import Writer
from tests.support.parts import entry

ROWS = 600
PAGE = 4096
LEAF, INTERIOR, INDEX_LEAF = 13, 5, 10
EVERYTHING = 2**40


def entries() -> list[JournalEntry]:
    """Make entries of many sizes; every twentieth runs over several pages."""
    sizes = random.Random(7)  # noqa: S311 - no secret
    return [
        entry(b"%d:" % n + sizes.randbytes(12_000 if n % 20 == 0 else sizes.randrange(900)))
        for n in range(1, ROWS + 1)
    ]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a sound journal that was closed in order."""
    path = tmp_path_factory.mktemp("sound") / FILE_NAME

    async def fill() -> None:
        journal = await Journal.open(path)
        await asyncio.gather(*(journal.append(one) for one in entries()))
        await journal.close()

    asyncio.run(fill())
    return path


def pages(path: Path, kind: int) -> list[int]:
    """Return the numbers of the pages of one type, but for the first page."""
    data = path.read_bytes()
    return [n for n in range(2, len(data) // PAGE + 1) if data[(n - 1) * PAGE] == kind]


def write_at(path: Path, at: int, data: bytes) -> None:
    """Overwrite bytes of a file."""
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


def overwrite(kind: int, place: float) -> Callable[[Path], None]:
    """Fill a page of a type with noise: 0.0 is the first of them, 1.0 the last."""

    def damage(path: Path) -> None:
        found = pages(path, kind)
        number = found[round(place * (len(found) - 1))]
        noise = random.Random(3).randbytes(PAGE)  # noqa: S311 - no secret
        write_at(path, (number - 1) * PAGE, noise)

    return damage


def break_chain(path: Path) -> None:
    """Let the overflow pages of the row at position 20 lead nowhere."""
    data = path.read_bytes()
    at = data.index(b"20:" + entries()[19].body[3:20])
    cell_end = data.rindex(entries()[19].body[20:40], 0, at + 400)
    number = at // PAGE + 1
    for offset in range(cell_end, number * PAGE - 3):
        (following,) = struct.unpack_from(">I", data, offset)
        if (
            2 < following <= len(data) // PAGE
            and entries()[19]
            .body[:12_000]
            .find(data[(following - 1) * PAGE + 4 : (following - 1) * PAGE + 40])
            > 0
        ):
            write_at(path, (following - 1) * PAGE, struct.pack(">I", 2**31))
            return
    raise AssertionError("the chain was not found")


def flip_position(path: Path) -> None:
    """Let one row in the middle claim a position far away."""
    data = bytearray(path.read_bytes())
    number = pages(path, LEAF)[5]
    base = (number - 1) * PAGE
    (cell,) = struct.unpack_from(">H", data, base + 8)
    at = base + cell
    while data[at] & 0x80:  # the size
        at += 1
    write_at(path, at + 1, bytes([data[at + 1] ^ 0x40]))


def cut(path: Path) -> None:
    """Cut the file off in its middle."""
    os.truncate(path, path.stat().st_size // 2 // PAGE * PAGE)


def zero_head(path: Path) -> None:
    """Zero the first 100 bytes."""
    write_at(path, 0, bytes(100))


DAMAGES = [
    pytest.param(overwrite(LEAF, 0.5), 30, id="a leaf in the middle"),
    pytest.param(overwrite(LEAF, 0.0), 30, id="the first leaf"),
    pytest.param(overwrite(LEAF, 1.0), 30, id="the last leaf: the newest rows"),
    pytest.param(overwrite(INTERIOR, 0.0), 0, id="the root"),
    pytest.param(overwrite(INDEX_LEAF, 0.0), 0, id="the table of the identity"),
    pytest.param(break_chain, 1, id="the overflow of one row"),
    pytest.param(flip_position, 2, id="a position"),
    pytest.param(cut, ROWS // 2 + 40, id="cut off"),
    pytest.param(zero_head, 0, id="the head of the file"),
]


async def read_all(journal: Journal) -> list[Row]:
    """Read as the projector does."""
    rows: list[Row] = []
    position = 0
    while some := await journal.read_after(position, rows=50, max_bytes=EVERYTHING):
        rows += some
        position = some[-1].position
    return rows


@pytest.mark.parametrize(("damage", "most_lost"), DAMAGES)
async def test_a_damaged_file_gives_all_the_rest(
    sound: Path, tmp_path: Path, damage: Callable[[Path], None], most_lost: int
) -> None:
    """Every other row is read unchanged, what is lost is named and kept, and appends go on."""
    path = tmp_path / FILE_NAME
    shutil.copy(sound, path)
    damage(path)
    damaged = path.read_bytes()
    findings: list[DamageFinding] = []
    journal = await Journal.open(path, on_finding=findings.append)
    try:
        rows = await read_all(journal)
        good = {
            row.position: JournalEntry(*row[1:]) for row in rows if row.kind != EntryKind.DAMAGED
        }
        expected = dict(enumerate(entries(), 1))
        assert {at: one for at, one in good.items() if expected.get(at) != one} == {}
        assert ROWS - len(good) <= most_lost
        assert findings, "nothing was said"
        assert sum(one.lost for one in findings) <= most_lost
        (kept,) = {one.kept for one in findings}
        assert (tmp_path / kept).read_bytes() == damaged
        assert any(kept in problem for problem in journal.problems)
        position = await journal.append(entry(b"after"))
        assert position > max(good)
        assert (await read_all(journal))[-1].body == b"after"
    finally:
        await journal.close()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    (tmp_path / kept).unlink()
    journal = await Journal.open(path)
    assert journal.problems == []
    await journal.close()


async def prune(journal: Journal) -> None:
    """Delete what is old."""
    await journal.prune(up_to=EVERYTHING, arrived_before=0)


@pytest.mark.parametrize("upkeep", [prune, Journal.compact])
async def test_damage_that_upkeep_meets_is_mended(
    sound: Path, tmp_path: Path, upkeep: Callable[[Journal], Awaitable[None]]
) -> None:
    """What only deletes or rewrites tells of damage too, and the file is sound afterwards."""
    path = tmp_path / FILE_NAME
    shutil.copy(sound, path)
    overwrite(LEAF, 0.0)(path)
    findings: list[DamageFinding] = []
    journal = await Journal.open(path, on_finding=findings.append)
    await upkeep(journal)
    assert await journal.append(entry(b"after"))
    await journal.close()
    (finding,) = findings
    assert "arrived between" in finding.text
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


# --- the write-ahead log ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the journal of a writer that was killed: all rows are in the log, one a commit."""
    path = tmp_path_factory.mktemp("killed") / FILE_NAME
    writer = Writer(str(path))
    for position, one in enumerate(entries()[:150], 1):
        writer.append(1, [position, *one])
    copy = tmp_path_factory.mktemp("copy") / FILE_NAME
    for end in ("", "-wal"):
        shutil.copy(f"{path}{end}", f"{copy}{end}")
    writer.close()
    os.close(writer._lock)  # noqa: SLF001 - it ends with its process otherwise
    return copy


def copy_of(killed: Path, directory: Path) -> tuple[Path, Path]:
    """Copy a journal with its log; give both files."""
    path, log = directory / FILE_NAME, directory / f"{FILE_NAME}-wal"
    shutil.copy(killed, path)
    shutil.copy(f"{killed}-wal", log)
    return path, log


def bit_of(place: str, data: bytes) -> int:
    """Choose a bit of a log by words."""
    frame = 32 + 40 * (24 + PAGE)
    byte = {
        "the head": 17,
        "the head's sums": 25,
        "a page number": frame + 3,
        "a salt": frame + 9,
        "a frame's sums": frame + 17,
        "a page": frame + 24 + 3000,
        "the first page": 32 + 24 + 100,
        "the last page": len(data) - 500,
    }[place]
    return byte * 8 + 1


@pytest.mark.parametrize(
    "place",
    [
        "the head", "the head's sums", "a page number", "a salt", "a frame's sums", "a page",
        "the first page", "the last page",
    ],
)  # fmt: skip
async def test_a_flipped_bit_in_the_log_costs_nothing(
    killed: Path, tmp_path: Path, place: str
) -> None:
    """Every row is there as it was, the damaged log is kept, and the flip is told."""
    path, log = copy_of(killed, tmp_path)
    data = bytearray(log.read_bytes())
    bit = bit_of(place, bytes(data))
    data[bit // 8] ^= 1 << bit % 8
    log.write_bytes(data)
    findings: list[DamageFinding] = []
    journal = await Journal.open(path, on_finding=findings.append)
    rows = await read_all(journal)
    await journal.close()
    assert [JournalEntry(*row[1:]) for row in rows] == entries()[:150]
    (finding,) = findings
    assert (tmp_path / finding.kept).read_bytes() == data
    assert finding.lost == 0


@pytest.mark.parametrize("seed", range(4))
async def test_damage_in_the_log_costs_only_what_stood_there(
    killed: Path, tmp_path: Path, seed: int
) -> None:
    """Behind overwritten frames everything is taken back; what stood in them is named."""
    path, log = copy_of(killed, tmp_path)
    data = bytearray(log.read_bytes())
    noise = random.Random(seed)  # noqa: S311 - no secret
    at = noise.randrange(32, len(data) * 3 // 4)
    data[at : at + PAGE] = noise.randbytes(PAGE)
    log.write_bytes(data)
    findings: list[DamageFinding] = []
    journal = await Journal.open(path, on_finding=findings.append)
    rows = {row.position: row for row in await read_all(journal)}
    position = await journal.append(entry(b"after"))
    await journal.close()
    (finding,) = findings
    expected = dict(enumerate(entries()[:150], 1))
    good = {at: JournalEntry(*row[1:]) for at, row in rows.items() if row.kind != EntryKind.DAMAGED}
    assert {at: one for at, one in good.items() if expected.get(at) != one} == {}
    assert 150 - len(good) <= 20
    assert set(rows) >= {150}
    assert position == 151
    assert finding.salvaged > 0
    assert finding.kept in finding.text


def test_rows_of_a_damaged_frame_are_known_by_their_checksums(killed: Path, tmp_path: Path) -> None:
    """Of a damaged frame only the row that was hit is doubtful."""
    path, log = copy_of(killed, tmp_path)
    whole = log.read_bytes()
    expected = dict(enumerate(entries()[:150], 1))
    for frame in range(30, 110, 2):
        data = bytearray(whole)
        end = 32 + (frame + 1) * (24 + PAGE)
        for at in range(end - 20, end - 10):  # in the page's oldest row, which earlier frames have
            data[at] ^= 0x55
        log.write_bytes(data)
        found = examine_log(path)
        assert found is not None
        assert len(found.doubtful) <= 1  # the row that was hit
        assert {
            row.position: JournalEntry(*row[1:]) for row in found.rows
        }.items() <= expected.items()


@pytest.mark.parametrize(
    "cut_off",
    [
        pytest.param(1, id="a byte is missing"),
        pytest.param(24 + PAGE, id="the last frame is missing"),
        pytest.param(PAGE // 2, id="half a page is missing"),
    ],
)
async def test_a_torn_end_is_no_damage(killed: Path, tmp_path: Path, cut_off: int) -> None:
    """A log that ends in the middle of a commit, as after a loss of power, raises no alarm."""
    path, log = copy_of(killed, tmp_path)
    os.truncate(log, log.stat().st_size - cut_off)
    findings: list[DamageFinding] = []
    journal = await Journal.open(path, on_finding=findings.append)
    assert len(await read_all(journal)) == 149
    await journal.close()
    assert findings == []


def test_older_frames_behind_the_newest_are_no_damage(tmp_path: Path) -> None:
    """After the log has been started over, what is left of it from before counts for nothing."""
    path = tmp_path / FILE_NAME
    writer = Writer(str(path))
    for position, one in enumerate(entries()[:50], 1):
        writer.append(1, [position, *one])
    writer.checkpoint("PASSIVE")
    for position, one in enumerate(entries()[50:55], 51):
        writer.append(1, [position, *one])
    log = read_log(Path(f"{path}-wal").read_bytes())
    assert (log.wrong, log.corrected) == ([], 0)
    assert 5 <= log.count < 40
    writer.close()
    os.close(writer._lock)  # noqa: SLF001 - it ends with its process otherwise


async def test_a_journal_held_by_an_earlier_writer_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a writer of an earlier process lives, opening says so and touches nothing."""
    monkeypatch.setattr("receiver.journal.writer._LOCK_PATIENCE_S", 0.1)
    path = tmp_path / FILE_NAME
    writer = Writer(str(path))
    with pytest.raises(DataDirectoryError, match="is held by process"):
        await Journal.open(path)
    writer.close()
    os.close(writer._lock)  # noqa: SLF001 - it ends with its process otherwise
