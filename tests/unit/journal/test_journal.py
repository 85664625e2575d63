"""The journal: what it acknowledged is on disk, and nothing that fails leaves anybody waiting."""

import asyncio
import os
import resource
import signal
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from receiver.errors import DataDirectoryError, JournalUnavailableError
from receiver.journal import FILE_NAME, Commit, Journal, JournalEntry, Row
from receiver.journal.writer import COLUMNS, checksum
from receiver.privacy.raw_search import files_below, find_in_files
from tests.support.parts import (
    NOW,
    PATIENCE_S,
    a_journal,
    break_journal,
    entry,
    mend_journal,
    read_rows,
    write_lock,
)
from tests.support.server import at_length

EVERYTHING = 2**40  # bytes


async def read_all(journal: Journal) -> list[Row]:
    """Return all rows."""
    return await journal.read_after(0, rows=10_000, max_bytes=EVERYTHING)


async def bodies(journal: Journal) -> list[bytes]:
    """Return the bodies of all rows in order."""
    return [row.body for row in await read_all(journal)]


async def positions(journal: Journal) -> list[int]:
    """Return the positions of all rows in order."""
    return [row.position for row in await read_all(journal)]


def writer_of(directory: Path) -> int:
    """Return the process id of the one child of this process that writes the journal."""
    children = Path("/proc/self/task").glob("*/children")
    found = [
        int(pid)
        for file in children
        for pid in file.read_text().split()
        if str(directory / FILE_NAME).encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    (pid,) = found
    return pid


@contextmanager
def stalled(directory: Path) -> Iterator[None]:
    """Let the writer stand still, as when the disk does not answer."""
    pid = writer_of(directory)
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


@contextmanager
def full_disk(directory: Path) -> Iterator[None]:
    """Let no file of the writer grow, as on a full disk."""
    pid = writer_of(directory)
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


# --- appending ----------------------------------------------------------------------------------


async def test_positions_rise_by_one(tmp_path: Path) -> None:
    """Entries get the positions 1, 2, 3, and the journal knows the last one."""
    async with a_journal(tmp_path) as journal:
        assert journal.last_position == 0
        assert [await journal.append(entry(b"%d" % n)) for n in range(3)] == [1, 2, 3]
        assert journal.last_position == 3


async def test_an_entry_is_on_disk_before_its_awaitable_returns(tmp_path: Path) -> None:
    """Another connection sees the whole row as soon as the append has returned."""
    given = JournalEntry(
        "batch", "shop", 12_345, "2001:db8::1", "signed", "a: b\nc: d", b"\x00\xff body"
    )
    async with a_journal(tmp_path) as journal:
        position = await journal.append(given)
        assert read_rows(tmp_path / FILE_NAME, f"SELECT {COLUMNS} FROM journal") == [  # noqa: S608
            (position, *given, checksum((position, *given)))
        ]


async def test_many_appends_are_few_commits_in_order(tmp_path: Path) -> None:
    """A thousand appends at once keep their order and share a handful of transactions."""
    commits: list[Commit] = []
    async with a_journal(tmp_path, commits=commits) as journal:
        given = await asyncio.gather(*(journal.append(entry(b"%d" % n)) for n in range(1000)))
        assert given == list(range(1, 1001))
        assert await bodies(journal) == [b"%d" % n for n in range(1000)]
    assert sum(commit.entries for commit in commits) == 1000
    assert len(commits) <= 4  # 1000 rows, up to 512 in one statement
    assert all(commit.seconds > 0 for commit in commits)


async def test_one_caller_that_goes_away_does_not_disturb_the_others(tmp_path: Path) -> None:
    """An append whose caller was cancelled is written all the same, as is the rest of its group."""
    async with a_journal(tmp_path) as journal:
        first, gone, last = (
            asyncio.ensure_future(journal.append(entry(b))) for b in (b"1", b"2", b"3")
        )
        gone.cancel()
        assert await first < await last
        kept = await bodies(journal)
    assert kept == [b"1", b"2", b"3"]


@pytest.mark.parametrize(
    ("limits", "body", "fitting"),
    [
        pytest.param({"max_waiting": 3}, b"", 3, id="entries"),
        pytest.param({"max_waiting_bytes": 1000}, b"x" * 400, 3, id="bytes"),
    ],
)
async def test_what_does_not_fit_is_refused_at_once(
    tmp_path: Path, limits: dict[str, Any], body: bytes, fitting: int
) -> None:
    """A full queue refuses without waiting, keeps what it took, and takes more afterwards."""
    async with a_journal(tmp_path, **limits) as journal:
        taken = [journal.append(entry(body)) for _ in range(fitting)]
        with pytest.raises(JournalUnavailableError):
            journal.append(entry(body))
        assert journal.waiting == fitting
        assert [await one for one in taken] == list(range(1, fitting + 1))
        assert await journal.append(entry(body)) == fitting + 1


# --- failing ------------------------------------------------------------------------------------


async def test_a_locked_file_gives_up_in_time_and_recovers(tmp_path: Path) -> None:
    """While another holds the lock appends fail after the timeout; then they work again."""
    async with a_journal(tmp_path, timeout_s=0.3) as journal:
        with write_lock(tmp_path / FILE_NAME):
            waiting = [journal.append(entry(b"given up")) for _ in range(3)]
            async with asyncio.timeout(PATIENCE_S):
                results = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(result) for result in results] == [JournalUnavailableError] * 3
        assert journal.last_position == 0, "a position was given out that is not on disk"
        async with asyncio.timeout(10):
            position = await journal.append(entry(b"after"))
        found = {row.position: row.body for row in await read_all(journal)}
        assert found[position] == b"after"
        # What was given up may stand in the file (nobody was told so), but never twice.
        assert len(found) == position


async def test_what_was_given_up_in_the_queue_is_not_written(tmp_path: Path) -> None:
    """Entries that were given up before their turn came do not reach the file."""
    async with a_journal(tmp_path, timeout_s=0.3) as journal:
        with write_lock(tmp_path / FILE_NAME):
            in_flight = asyncio.ensure_future(journal.append(entry(b"in flight")))
            await asyncio.sleep(0.05)
            queued = asyncio.ensure_future(journal.append(entry(b"queued")))
            results = await asyncio.gather(in_flight, queued, return_exceptions=True)
        assert [type(result) for result in results] == [JournalUnavailableError] * 2
        async with asyncio.timeout(10):
            await journal.append(entry(b"after"))
        assert b"queued" not in await bodies(journal)


async def test_a_full_disk_fails_every_waiter_and_recovers(tmp_path: Path) -> None:
    """A write that fails tells all waiters quickly; with space again the journal goes on."""
    async with a_journal(tmp_path) as journal:
        await journal.append(entry(b"before"))
        with full_disk(tmp_path):
            waiting = [journal.append(entry(b"x" * 100_000)) for _ in range(3)]
            async with asyncio.timeout(PATIENCE_S):
                results = await asyncio.gather(*waiting, return_exceptions=True)
            assert [type(result) for result in results] == [JournalUnavailableError] * 3
            assert journal.last_position == 1
        async with asyncio.timeout(10):
            assert await journal.append(entry(b"after")) == 2
        assert await journal.is_writable()
        assert await bodies(journal) == [b"before", b"after"]


async def test_a_stalled_disk_gives_up_in_time_and_recovers(tmp_path: Path) -> None:
    """While the disk does not answer nothing is acknowledged; what comes later is."""
    async with a_journal(tmp_path, timeout_s=0.3) as journal:
        await journal.append(entry(b"before"))
        with stalled(tmp_path):
            waiting = [journal.append(entry(b"given up")) for _ in range(3)]
            async with asyncio.timeout(PATIENCE_S):
                results = await asyncio.gather(*waiting, return_exceptions=True)
            assert [type(result) for result in results] == [JournalUnavailableError] * 3
        position = await journal.append(entry(b"after"))
        assert {row.position: row.body for row in await read_all(journal)}[position] == b"after"


async def test_a_writer_that_dies_fails_its_waiters_and_is_replaced(tmp_path: Path) -> None:
    """Appends in the hands of a dead writer fail; the next ones go to another writer."""
    async with a_journal(tmp_path) as journal:
        await journal.append(entry(b"before"))
        pid = writer_of(tmp_path)
        with stalled(tmp_path):
            waiting = asyncio.ensure_future(journal.append(entry(b"in its hands")))
            await asyncio.sleep(0.1)
            os.kill(pid, signal.SIGKILL)
            with pytest.raises(JournalUnavailableError):
                await waiting
        async with asyncio.timeout(10):
            position = await journal.append(entry(b"after"))
        assert writer_of(tmp_path) != pid
        found = {row.position: row.body for row in await read_all(journal)}
        assert (found[1], found[position]) == (b"before", b"after")


async def test_closing_ends_even_if_the_disk_does_not_answer(tmp_path: Path) -> None:
    """A writer that stands still for ever does not keep the process from ending."""
    async with a_journal(tmp_path, timeout_s=0.3) as journal:
        with stalled(tmp_path):
            with pytest.raises(JournalUnavailableError):
                await journal.append(entry())
            async with asyncio.timeout(15):
                await journal.close()


async def test_a_long_reader_holds_up_no_append(tmp_path: Path) -> None:
    """While somebody copies the file, checkpoints wait for them and appends do not."""
    async with a_journal(tmp_path, checkpoint_every_s=0, wal_cap_bytes=0) as journal:
        await journal.append(entry(b"before"))
        with closing(sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT * FROM journal").fetchall()
            async with asyncio.timeout(4):  # a checkpoint that waited would take 5 s alone
                for number in range(5):
                    await journal.append(entry(b"%d" % number))
        assert len(await bodies(journal)) == 6


async def test_a_caller_that_goes_away_acknowledges_nothing_to_others(tmp_path: Path) -> None:
    """The answer to a request that was cancelled is not taken for the answer to an append."""
    async with a_journal(tmp_path, timeout_s=30) as journal:
        await journal.append(entry(b"before"))
        with stalled(tmp_path):
            pruning = asyncio.create_task(journal.prune(up_to=1, arrived_before=NOW))
            await asyncio.sleep(0.1)
            pruning.cancel()
            await asyncio.wait({pruning})
        await asyncio.sleep(0.2)  # its answer has come
        with stalled(tmp_path):
            appending = asyncio.ensure_future(journal.append(entry(b"after")))
            done, _ = await asyncio.wait({appending}, timeout=0.3)
            assert not done, "an append was acknowledged while the writer stood still"
        assert await appending == 2
        assert await bodies(journal) == [b"before", b"after"]


async def test_it_tells_whether_it_can_be_written(tmp_path: Path) -> None:
    """It is writable from the start, not after a failure while the cause stays, then again."""
    async with a_journal(tmp_path) as journal:
        assert await journal.is_writable()
        break_journal(tmp_path)
        with pytest.raises(JournalUnavailableError):
            await journal.append(entry())
        assert not await journal.is_writable()
        mend_journal(tmp_path)
        assert await journal.is_writable()
        assert await journal.append(entry()) == 1
    assert not await journal.is_writable(), "a closed journal takes nothing"


# --- reading ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("after", "rows", "max_bytes", "expected"),
    [
        pytest.param(0, 100, EVERYTHING, [1, 2, 3, 4, 5], id="all"),
        pytest.param(2, 100, EVERYTHING, [3, 4, 5], id="after a position"),
        pytest.param(5, 100, EVERYTHING, [], id="nothing more"),
        pytest.param(99, 100, EVERYTHING, [], id="beyond the end"),
        pytest.param(1, 2, EVERYTHING, [2, 3], id="so many rows"),
        pytest.param(0, 100, 250, [1, 2], id="so many bytes: 100 + 100 <= 250 < 300"),
        pytest.param(0, 100, 300, [1, 2, 3], id="exactly so many bytes"),
        pytest.param(3, 100, 1, [4], id="one row even if it is too large"),
    ],
)
async def test_reading_stops_at_its_limits(
    tmp_path: Path, after: int, rows: int, max_bytes: int, expected: list[int]
) -> None:
    """Reading gives rows in order up to a number and about a size, at least one."""
    async with a_journal(tmp_path) as journal:
        for _ in range(5):
            await journal.append(entry(b"x" * 100))
        found = await journal.read_after(after, rows=rows, max_bytes=max_bytes)
        assert [row.position for row in found] == expected


async def test_it_knows_when_the_next_entry_arrived(tmp_path: Path) -> None:
    """The arrival after a position is that of the oldest entry behind it."""
    async with a_journal(tmp_path) as journal:
        for n in range(3):
            await journal.append(entry(received_at=NOW + n))
        assert [await journal.arrival_after(p) for p in range(4)] == [NOW, NOW + 1, NOW + 2, None]


async def test_growth_ends_the_wait(tmp_path: Path) -> None:
    """Waiting ends at once when there is more, soon when more comes, else by the timeout."""
    async with a_journal(tmp_path) as journal:
        started = time.monotonic()
        await journal.wait_for_growth(0, 0.1)
        assert time.monotonic() - started >= 0.09
        waiting = asyncio.create_task(journal.wait_for_growth(0, 60))
        await asyncio.sleep(0)
        await journal.append(entry())
        async with asyncio.timeout(5):
            await waiting
            await journal.wait_for_growth(0, 60)


# --- keeping ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("up_to", "older_than", "kept"),
    [
        pytest.param(3, 10, [4, 5], id="what is projected goes"),
        pytest.param(0, 10, [1, 2, 3, 4, 5], id="nothing is projected"),
        pytest.param(3, 2, [3, 4, 5], id="young rows stay: rows 1 and 2 arrived at 0 and 1"),
        pytest.param(5, 10, [5], id="the newest row stays"),
        pytest.param(99, 10, [5], id="beyond the end"),
    ],
)
async def test_pruning_keeps_what_is_needed(
    tmp_path: Path, up_to: int, older_than: int, kept: list[int]
) -> None:
    """Only old and projected rows go, never the newest one."""
    async with a_journal(tmp_path) as journal:
        for n in range(5):
            await journal.append(entry(received_at=NOW + n))
        gone = await journal.prune(up_to=up_to, arrived_before=NOW + older_than)
        assert await positions(journal) == kept
        assert gone == 5 - len(kept)


async def test_pruning_is_complete_beyond_one_slice(tmp_path: Path) -> None:
    """More rows than one statement deletes go in one call, while appends go on."""
    async with a_journal(tmp_path) as journal:
        await asyncio.gather(*(journal.append(entry()) for _ in range(1200)))
        pruning = asyncio.create_task(journal.prune(up_to=1200, arrived_before=NOW + 1))
        assert await journal.append(entry(received_at=NOW + 5)) == 1201
        assert await pruning in (1199, 1200)
        assert len(await positions(journal)) <= 2


async def test_positions_never_start_again(tmp_path: Path) -> None:
    """After pruning all that may go, and opening again, positions go on rising."""
    async with a_journal(tmp_path) as journal:
        for _ in range(5):
            await journal.append(entry())
        await journal.prune(up_to=5, arrived_before=NOW + 1)
    async with a_journal(tmp_path) as journal:
        assert journal.last_position == 5
        assert await journal.append(entry()) == 6


async def test_opening_again_goes_on(tmp_path: Path) -> None:
    """A journal keeps its rows and its identity over a restart."""
    async with a_journal(tmp_path) as journal:
        identity = journal.identity
        await journal.append(entry(b"one"))
    async with a_journal(tmp_path) as journal:
        assert journal.identity == identity
        assert await journal.append(entry(b"two")) == 2
        assert await bodies(journal) == [b"one", b"two"]


async def test_beginning_anew_changes_the_identity_alone(tmp_path: Path) -> None:
    """A new identity lasts over a restart; rows and positions stay."""
    async with a_journal(tmp_path) as journal:
        before = journal.identity
        await journal.append(entry(b"one"))
        await journal.begin_anew()
        after = journal.identity
    async with a_journal(tmp_path) as journal:
        assert journal.identity == after != before
        assert await bodies(journal) == [b"one"]
        assert journal.last_position == 1


async def test_closing_finishes_what_waits(tmp_path: Path) -> None:
    """Whatever was taken before the end is on disk after it; later appends are refused."""
    async with a_journal(tmp_path) as journal:
        waiting = [asyncio.ensure_future(journal.append(entry(b"%d" % n))) for n in range(700)]
        await journal.close()
        assert [one.result() for one in waiting] == list(range(1, 701))
        with pytest.raises(JournalUnavailableError):
            journal.append(entry())
    found = read_rows(tmp_path / FILE_NAME, "SELECT body FROM journal ORDER BY position")
    assert found == [(b"%d" % n,) for n in range(700)]


async def test_it_knows_its_size(tmp_path: Path) -> None:
    """The size on disk grows with what is appended."""
    async with a_journal(tmp_path) as journal:
        before = journal.total_bytes()
        await journal.append(entry(b"x" * 1_000_000))
        assert journal.total_bytes() - before >= 1_000_000


# --- opening ------------------------------------------------------------------------------------


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    """A file of something else is refused with its name, and stays as it is."""
    file = tmp_path / FILE_NAME
    file.write_bytes(b"this is a diary, not a database\n" * 100)
    with pytest.raises(DataDirectoryError, match=FILE_NAME):
        await Journal.open(file)
    assert file.read_bytes() == b"this is a diary, not a database\n" * 100


async def test_a_missing_directory_is_refused(tmp_path: Path) -> None:
    """A journal in a directory that does not exist is refused with its path."""
    with pytest.raises(DataDirectoryError, match="nowhere"):
        await Journal.open(tmp_path / "nowhere" / FILE_NAME)


async def test_a_newer_layout_is_refused(tmp_path: Path) -> None:
    """A journal written by a newer version is refused with advice."""
    async with a_journal(tmp_path):
        pass
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as connection:
        connection.execute("UPDATE meta SET value = '3' WHERE name = 'layout'")
        connection.commit()
    with pytest.raises(DataDirectoryError, match="newer version"):
        await Journal.open(tmp_path / FILE_NAME)


# --- any bytes ----------------------------------------------------------------------------------

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
ENTRIES = st.builds(
    JournalEntry,
    kind=TEXT,
    application=TEXT,
    received_at=st.integers(-(2**63), 2**63 - 1),
    peer=TEXT,
    trust=TEXT,
    headers=TEXT,
    body=st.binary(max_size=200),
)


@settings(max_examples=at_length(12, 60), deadline=None)
@given(groups=st.lists(st.lists(ENTRIES, max_size=8), max_size=4))
def test_whatever_was_appended_reads_back_unchanged(groups: list[list[JournalEntry]]) -> None:
    """Any entries, appended in any groups with restarts between them, come back as they were."""

    async def append_all(directory: Path) -> list[Row]:
        for group in groups:
            async with a_journal(directory) as journal:
                await asyncio.gather(*(journal.append(one) for one in group))
        async with a_journal(directory) as journal:
            return await read_all(journal)

    with tempfile.TemporaryDirectory() as directory:
        found = asyncio.run(append_all(Path(directory)))
    expected = [one for group in groups for one in group]
    assert found == [Row(at, *one) for at, one in enumerate(expected, 1)]


async def test_rows_are_replaced_in_their_places(tmp_path: Path) -> None:
    """Kind, headers and body become others, positions go on, and the old bytes are gone."""
    async with a_journal(tmp_path) as journal:
        for body in (b"first secret", b"second", b"third secret"):
            await journal.append(entry(body))
        rows = await journal.read_after(0, rows=10, max_bytes=1000)
        await journal.replace(
            [row._replace(kind="other", body=b"gone") for row in rows if b"secret" in row.body]
        )
        assert await journal.empty_wal()
        after = await journal.read_after(0, rows=10, max_bytes=1000)
        assert [(row.position, row.kind, row.body) for row in after] == [
            (1, "other", b"gone"),
            (2, "status", b"second"),
            (3, "other", b"gone"),
        ]
        assert not find_in_files(files_below(tmp_path), lambda data: b"secret" in data)
        assert await journal.append(entry(b"fourth")) == 4
    async with a_journal(tmp_path) as journal:
        assert await journal.append(entry(b"fifth")) == 5


async def test_a_journal_is_written_anew_while_it_is_used(tmp_path: Path) -> None:
    """To compact it loses nothing, and appends go on behind it."""
    async with a_journal(tmp_path) as journal:
        for number in range(50):
            await journal.append(entry(b"%d" % number))
        appends = [asyncio.ensure_future(journal.append(entry(b"x"))) for _ in range(20)]
        await journal.compact()
        assert await asyncio.gather(*appends) == list(range(51, 71))
        assert len(await journal.read_after(0, rows=100, max_bytes=10_000)) == 70


async def test_rows_are_replaced_all_or_none(tmp_path: Path) -> None:
    """What the disk does not take is refused, nothing is replaced, and the writer goes on."""
    async with a_journal(tmp_path) as journal:
        for body in (b"a", b"b"):
            await journal.append(entry(body))
        rows = await journal.read_after(0, rows=10, max_bytes=1000)
        broken = [rows[0]._replace(body=b"x"), rows[1]._replace(body=None)]  # type: ignore[arg-type]
        with pytest.raises(JournalUnavailableError):
            await journal.replace(broken)
        assert await journal.read_after(0, rows=10, max_bytes=1000) == rows
        assert await journal.append(entry(b"c")) == 3


async def test_large_entries_are_committed_a_few_at_a_time(tmp_path: Path) -> None:
    """A small entry waits for a few megabytes before it, never for all that may wait."""
    commits: list[Commit] = []
    large = entry(b"x" * 1024 * 1024)
    async with a_journal(tmp_path, commits=commits) as journal:
        await asyncio.gather(*(journal.append(large) for _ in range(20)))
        assert journal.last_position == 20
    assert max(commit.entries for commit in commits) == 8


# --- replacing the writer -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "limits",
    [
        pytest.param({"stopped_s": 0.3}, id="one that a signal has stopped"),
        pytest.param({"stopped_s": 60, "writer_timeout_s": 0.3}, id="one that does not answer"),
    ],
)
async def test_a_silent_writer_is_replaced(tmp_path: Path, limits: dict[str, Any]) -> None:
    """It is killed, another one takes its place, and what was acknowledged is there."""
    async with a_journal(tmp_path, **limits) as journal:
        await journal.append(entry(b"before"))
        pid = writer_of(tmp_path)
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(JournalUnavailableError):
            await journal.append(entry(b"in its hands"))
        async with asyncio.timeout(20):
            position = await journal.append(entry(b"after"))
        assert writer_of(tmp_path) != pid
        found = {row.position: row.body for row in await read_all(journal)}
        assert (found[1], found[position]) == (b"before", b"after")


# --- upkeep beside appends ----------------------------------------------------------------------


async def test_pruning_goes_by_size_too(tmp_path: Path) -> None:
    """Large bodies go in several steps, and all of them go."""
    async with a_journal(tmp_path) as journal:
        for _ in range(6):
            await journal.append(entry(b"x" * 200_000))
        assert await journal.prune(up_to=6, arrived_before=NOW + 1) == 5
        assert await positions(journal) == [6]


async def test_a_journal_written_anew_gives_space_back_and_keeps_its_identity(
    tmp_path: Path,
) -> None:
    """What was deleted takes no room in the new file; identity, rows and positions stay."""
    async with a_journal(tmp_path) as journal:
        identity = journal.identity
        for _ in range(20):
            await journal.append(entry(b"x" * 100_000))
        await journal.prune(up_to=18, arrived_before=NOW + 1)
        await journal.compact()
        assert (tmp_path / FILE_NAME).stat().st_size < 500_000
        assert await positions(journal) == [19, 20]
        assert await journal.append(entry(b"after")) == 21
    async with a_journal(tmp_path) as journal:
        assert journal.identity == identity
        assert await positions(journal) == [19, 20, 21]
    assert {path.name for path in files_below(tmp_path)} == {FILE_NAME, f"{FILE_NAME}.lock"}


async def test_a_half_written_new_file_is_removed(tmp_path: Path) -> None:
    """What a killed process left of a rewrite is gone after the next start."""
    left = tmp_path / f"{FILE_NAME}.new"
    left.write_bytes(b"a number")
    async with a_journal(tmp_path):
        assert not left.exists()


async def test_who_reads_without_an_end_hinders_writing_anew_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rewriting gives up, appends go on, and no file is left over."""
    monkeypatch.setattr("receiver.journal.upkeep._SWITCH_TRIES", 2)
    async with a_journal(tmp_path) as journal:
        await journal.append(entry(b"before"))
        with closing(sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT * FROM journal").fetchall()
            await journal.append(entry(b"behind the reader"))
            with pytest.raises(JournalUnavailableError, match="open for reading"):
                await journal.compact()
            await journal.append(entry(b"after"))
        assert not (tmp_path / f"{FILE_NAME}.new").exists()
        await journal.compact()
        assert len(await positions(journal)) == 3
