"""What SQLite silently leaves out of a damaged write-ahead log is saved, or at least named."""

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from receiver.journal import FILE_NAME, DamageFinding, EntryKind, Journal, JournalEntry, Row
from receiver.journal.recovery import examine_log
from receiver.journal.wal import read_log
from receiver.journal.writer import Writer
from tests.support.parts import entry

PAGE = 4096
IN_FILE, ROWS = 40, 90  # rows that a checkpoint copied into the file, and all
ENDS = ("", "-wal", "-shm")
EVERYTHING = 2**40


def body(position: int) -> bytes:
    """Make the body of a row, every tenth of several pages."""
    noise = random.Random(position)  # noqa: S311 - no secret
    return noise.randbytes(9000 if position % 10 == 0 else noise.randrange(600))


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return copies of what a killed writer leaves: with all rows in the log, and with some."""
    made = tmp_path_factory.mktemp("killed")
    for name, in_file in (("all", 0), ("some", IN_FILE)):
        path = tmp_path_factory.mktemp("open") / FILE_NAME
        writer = Writer(str(path))
        for position in range(1, ROWS + 1):
            writer.append(1, [position, *entry(body(position))])
            if position == in_file:
                writer.checkpoint("PASSIVE")  # the next commit restarts the log
        (made / name).mkdir()
        for end in ENDS:
            shutil.copy(f"{path}{end}", made / name / f"{FILE_NAME}{end}")
        writer.close()
        os.close(writer._lock)  # noqa: SLF001 - it ends with its process otherwise
    return made


def copy_of(killed: Path, name: str, directory: Path, *, with_index: bool) -> Path:
    """Copy a killed journal; return the path of its file."""
    for end in ENDS if with_index else ENDS[:2]:
        shutil.copy(killed / name / f"{FILE_NAME}{end}", directory)
    return directory / FILE_NAME


def log_of(path: Path) -> Path:
    """Name the log of a journal."""
    return path.with_name(f"{path.name}-wal")


def fill(at: int, data: bytes) -> Callable[[Path], None]:
    """Overwrite bytes of the log."""

    def damage(path: Path) -> None:
        with log_of(path).open("r+b") as file:
            file.seek(at)
            file.write(data)

    return damage


def flip_two_salts(path: Path) -> None:
    """Flip a bit in each salt of the head."""
    data = bytearray(log_of(path).read_bytes())
    data[17] ^= 4
    data[22] ^= 64
    log_of(path).write_bytes(data)


def cut_to(share: float, more: int = 0) -> Callable[[Path], None]:
    """Cut the log off after a share of its frames and some bytes."""

    def damage(path: Path) -> None:
        frames = (log_of(path).stat().st_size - 32) // (24 + PAGE)
        os.truncate(log_of(path), 32 + round(frames * share) * (24 + PAGE) + more)

    return damage


def cut_to_31(path: Path) -> None:
    """Leave less than a head."""
    os.truncate(log_of(path), 31)


def make_noise(path: Path) -> None:
    """Fill the log with random bytes."""
    noise = random.Random(1)  # noqa: S311 - no secret
    log_of(path).write_bytes(noise.randbytes(log_of(path).stat().st_size))


def remove_log(path: Path) -> None:
    """Delete the log."""
    log_of(path).unlink()


def empty_log(path: Path) -> None:
    """Leave a log of no bytes."""
    os.truncate(log_of(path), 0)


def remove_file(path: Path) -> None:
    """Delete the journal's file and leave its log."""
    path.unlink()


def empty_file(path: Path) -> None:
    """Leave the log beside a journal's file of no bytes."""
    os.truncate(path, 0)


def empty_file_with_damaged_head(path: Path) -> None:
    """Leave a log with a damaged head beside a journal's file of no bytes."""
    empty_file(path)
    fill(0, bytes(32))(path)


ALL, IN_THE_LOG, MOST_IN_THE_LOG, SOME, ONLY_IN_THE_FILE = range(5)
WAYS = [
    pytest.param(fill(0, bytes(32)), ALL, id="the head is zeros"),
    pytest.param(fill(0, b"\xa5" * 32), ALL, id="the head is noise"),
    pytest.param(flip_two_salts, ALL, id="two bits in the salts"),
    pytest.param(fill(0, bytes(PAGE)), ALL, id="the first page is zeros"),
    pytest.param(remove_file, IN_THE_LOG, id="no file"),
    pytest.param(empty_file, IN_THE_LOG, id="an empty file"),
    pytest.param(empty_file_with_damaged_head, IN_THE_LOG, id="an empty file, and no head"),
    pytest.param(cut_to_31, ONLY_IN_THE_FILE, id="less than a head"),
    pytest.param(make_noise, ONLY_IN_THE_FILE, id="noise"),
]  # fmt: skip
WAYS_THAT_THE_INDEX_TELLS = [
    pytest.param(cut_to(0.5), SOME, id="half of it"),
    pytest.param(cut_to(0.5, PAGE // 2), SOME, id="half of it, within a frame"),
    pytest.param(cut_to(0.0), ONLY_IN_THE_FILE, id="the head alone"),
    pytest.param(remove_log, ONLY_IN_THE_FILE, id="no log"),
    pytest.param(empty_log, ONLY_IN_THE_FILE, id="an empty log"),
]


async def read_all(path: Path) -> tuple[dict[int, Row], list[DamageFinding], list[str]]:
    """Open a journal; return its rows, what was found, and what readiness says."""
    findings: list[DamageFinding] = []
    journal = await Journal.open(path, on_finding=findings.append)
    try:
        rows: dict[int, Row] = {}
        while some := await journal.read_after(max(rows, default=0), rows=50, max_bytes=EVERYTHING):
            rows.update((row.position, row) for row in some)
        return rows, findings, journal.problems
    finally:
        await journal.close()


def check_rows(rows: dict[int, Row], in_file: int, saved: int) -> None:
    """Check that the rows are those that were written, and that none is lacking that is kept."""
    good = {at: JournalEntry(*row[1:]) for at, row in rows.items() if row.kind != EntryKind.DAMAGED}
    expected = {at: entry(body(at)) for at in range(1, ROWS + 1)}
    assert {at: one for at, one in good.items() if expected.get(at) != one} == {}
    if saved == ALL:
        assert set(good) == set(expected)
    elif saved == IN_THE_LOG:
        assert set(good) >= set(range(in_file + 1, ROWS + 1))
    elif saved == SOME:
        assert in_file + 10 < len(good) < ROWS
    else:
        assert set(good) == set(range(1, in_file + 1))


@pytest.mark.parametrize("name", ["all", "some"])
@pytest.mark.parametrize("with_index", [True, False], ids=["index", "no index"])
@pytest.mark.parametrize(("damage", "saved"), WAYS)
async def test_a_log_that_sqlite_takes_for_empty_is_kept_and_read(
    killed: Path,
    tmp_path: Path,
    damage: Callable[[Path], None],
    saved: int,
    with_index: bool,
    name: str,
) -> None:
    """Rows in sound frames are there, the log is kept as it was, and it is named at each start."""
    path = copy_of(killed, name, tmp_path, with_index=with_index)
    damage(path)
    damaged = log_of(path).read_bytes()
    rows, findings, problems = await read_all(path)
    check_rows(rows, IN_FILE if name == "some" else 0, saved)
    (finding,) = findings
    assert finding.kept.startswith(f"{FILE_NAME}-wal.damaged-")
    assert (tmp_path / finding.kept).read_bytes() == damaged
    assert any(finding.kept in problem for problem in problems)
    again, findings, problems = await read_all(path)
    assert (again, findings) == (rows, [])
    assert len(problems) == 1


@pytest.mark.parametrize("name", ["all", "some"])
@pytest.mark.parametrize(("damage", "saved"), WAYS_THAT_THE_INDEX_TELLS)
async def test_frames_that_are_missing_are_named(
    killed: Path, tmp_path: Path, damage: Callable[[Path], None], saved: int, name: str
) -> None:
    """Where the index says that more was committed, the loss is told, with the number of frames."""
    path = copy_of(killed, name, tmp_path, with_index=True)
    whole = read_log(log_of(path).read_bytes()).count
    damage(path)
    there = read_log(log_of(path).read_bytes()).count if log_of(path).exists() else 0
    rows, findings, problems = await read_all(path)
    check_rows(rows, IN_FILE if name == "some" else 0, saved)
    (finding,) = findings
    assert f"{whole - there} committed frames are missing" in finding.text
    assert "may be lost" in finding.text
    assert any(finding.kept in problem for problem in problems)


@pytest.mark.parametrize("name", ["all", "some"])
def test_rows_of_a_commit_that_was_cut_off_are_taken_from_its_first_frames(
    killed: Path, tmp_path: Path, name: str
) -> None:
    """What the index proves to be committed counts, although its last frame is missing."""
    path = copy_of(killed, name, tmp_path, with_index=True)
    whole = log_of(path).read_bytes()
    log = read_log(whole)
    torn = next(
        one
        for one, after in zip(log.commits[20:], log.commits[21:], strict=False)
        if after > one + 3
    )
    os.truncate(log_of(path), log.frame_at(torn + 3))
    found = examine_log(path)
    assert found is not None
    assert found.frames == 2
    assert {JournalEntry(*row[1:]) for row in found.rows} <= {
        entry(body(position)) for position in range(1, ROWS + 1)
    }


def test_a_log_whose_frames_stand_in_the_file_is_not_missed(tmp_path: Path) -> None:
    """After a checkpoint nothing is lost with the log, so nothing is said."""
    path = tmp_path / FILE_NAME
    writer = Writer(str(path))
    writer.append(1, [1, *entry(b"one")])
    writer.checkpoint("PASSIVE")
    copy = tmp_path / "copy"
    copy.mkdir()
    for end in ("", "-shm"):
        shutil.copy(f"{path}{end}", copy)
    assert examine_log(copy / FILE_NAME) is None
    writer.close()
    os.close(writer._lock)  # noqa: SLF001 - it ends with its process otherwise


@pytest.mark.parametrize("steps", range(1, 8))
def test_what_a_killed_writer_leaves_is_never_damage(tmp_path: Path, steps: int) -> None:
    """Log and index agree after each commit and each kind of checkpoint."""
    path = tmp_path / FILE_NAME
    writer = Writer(str(path))
    for position in range(1, 5 * steps):
        writer.append(1, [position, *entry(body(position))])
        if position % 4 == 0:
            writer.checkpoint("PASSIVE" if position % 3 else "TRUNCATE")
        assert examine_log(path) is None
    writer.close()
    os.close(writer._lock)  # noqa: SLF001 - it ends with its process otherwise


@pytest.mark.parametrize("name", ["all", "some"])
def test_a_rebuilt_head_is_the_one_that_was_there(killed: Path, name: str) -> None:
    """The first frame tells every byte of the head, after any number of checkpoints."""
    whole = log_of(killed / name / FILE_NAME).read_bytes()
    log = read_log(bytes(32) + whole[32:])
    assert log.is_rebuilt
    assert bytes(log.data) == whole


@pytest.mark.parametrize("data", [b"", bytes(31), bytes(100_000), b"\1" * 100_000])
def test_no_head_is_made_where_there_are_no_frames(data: bytes) -> None:
    """Zeros and what repeats itself are no frames, although their sums may agree."""
    log = read_log(data)
    assert (log.has_head, log.count, bytes(log.data)) == (False, 0, data)
