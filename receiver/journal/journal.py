"""Group commit: all appends that wait become one transaction; each is answered when it is on disk.

A failing or dying writer never acknowledges and never leaves a waiter hanging. Appending, reading
and keeping the file take turns at one writer, so they stand in one class.
"""

import asyncio
import contextlib
import sqlite3
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeVar

import structlog

from receiver.errors import JournalDamagedError, JournalUnavailableError, ReceiverError
from receiver.journal.damage import DamageFinding, kept_aside, unusable
from receiver.journal.entries import Commit, JournalEntry, JournalLimits, Row
from receiver.journal.file import MOST_ROWS_A_COMMIT, JournalFile
from receiver.journal.guard import WriterGuard
from receiver.journal.past_damage import read_past
from receiver.journal.process import WriterError
from receiver.journal.upkeep import Upkeep

_T = TypeVar("_T")

_log = structlog.get_logger(__name__)

_WATCH_EVERY_S = 0.25
_COMPANY_FROM, _COMPANY_UP_TO = 3, 24  # entries
_LINGER_S = 0.002
_CLOSE_LOOKS_EVERY_S = 0.005
_MOST_BYTES_A_COMMIT = 8 * 1024 * 1024  # of bodies, but for a single one
_CHECKPOINT_BYTES = 8 * 1024 * 1024  # of bodies: the disk takes so much in a fraction of a second
_REPEAT_EVERY_S = 600.0
_FINDINGS_KEPT = 50  # where all is damaged, readiness must not grow without an end
# After a failed fsync the kernel may have dropped the dirty pages, so what the file holds is no
# longer known to this process.
_UNTRUSTWORTHY = frozenset({sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC})


# Told once: the entry's position when it is on disk, or why it could not be made durable.
Settle = Callable[[int | ReceiverError], None]


class _Waiting:
    """An entry that waits for the disk, and who is to be told."""

    __slots__ = ("_settle", "entry", "is_settled", "since")

    def __init__(self, entry: JournalEntry, settle: Settle) -> None:
        self.entry = entry
        self.since = time.monotonic()
        self.is_settled = False
        self._settle = settle

    def settle(self, result: int | ReceiverError) -> None:
        if self.is_settled:  # given up before
            return
        self.is_settled = True
        try:
            self._settle(result)
        except Exception as error:  # noqa: BLE001 - one client's trouble must not touch the others
            _log.error("response callback failed", error=type(error).__name__)


def _ignore(_: object) -> None:
    """Stand in for an observer."""


class Journal:
    """Durable append with group commit, and reading after a position.

    Made by `Journal.open`. `append` may be called by any number of tasks of one event loop.
    """

    def __init__(
        self,
        file: JournalFile,
        *,
        identity: str,
        last_position: int,
        limits: JournalLimits,
        on_commit: Callable[[Commit], None],
        on_loss_of_trust: Callable[[str], None],
        on_finding: Callable[[DamageFinding], None],
    ) -> None:
        self.identity = identity
        self.last_position = last_position
        # The newest position that a store can know of: it stood in the file when it was opened, or
        # was read since.
        self.handed_out = last_position
        self._file = file
        self._limits = limits
        self._on_commit = on_commit
        self._on_loss_of_trust = on_loss_of_trust
        self._on_finding = on_finding
        self._findings: list[DamageFinding] = []
        self._findings_left_out = 0
        self._upkeep = Upkeep(
            file,
            self._take_turn,
            newest=lambda: self.last_position,
            note_failure=self._note_failure,
            on_finding=self.note_finding,
        )
        self._guard = WriterGuard(file, limits)
        self._waiting: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._in_flight: list[_Waiting] = []
        self._wake = asyncio.Event()
        self._grown = asyncio.Event()
        self._turn = asyncio.Lock()  # commits, checkpoints and pruning share the connection
        self._turns: set[asyncio.Task[Any]] = set()  # that others than the writer have taken
        self._checkpointed = time.monotonic()
        self._uncopied_bytes = 0  # of bodies, in the WAL and perhaps not yet in the file
        self._failure: str | None = None
        self._position_known = True  # not after a failure: it may have written all the same
        self._closing = False
        self._repeated = time.monotonic()
        self._writer = asyncio.create_task(self._write_groups(), name="journal writer")
        self._writer.add_done_callback(self._note_end)
        self._watcher = asyncio.create_task(self._watch(), name="journal watch")

    @classmethod
    async def open(
        cls,
        path: Path,
        *,
        limits: JournalLimits | None = None,
        on_commit: Callable[[Commit], None] = _ignore,
        on_loss_of_trust: Callable[[str], None] = _ignore,
        on_finding: Callable[[DamageFinding], None] = _ignore,
    ) -> Self:
        """Open or create the journal file and start its writer.

        Args:
            path: the file; its directory must be held by this process alone.
            limits: what may wait.
            on_commit: called after each group commit.
            on_loss_of_trust: called once when the disk failed in a way after which this process
                cannot know what the file holds; the process should end and be started again.
            on_finding: called for each damage of the file that was found.

        Raises:
            DataDirectoryError: the file cannot be opened or is no journal.
        """
        file, findings = await JournalFile.open(path)
        opened = cls(
            file,
            identity=await file.identity(),
            last_position=await file.last_position(),
            limits=limits or JournalLimits(),
            on_commit=on_commit,
            on_loss_of_trust=on_loss_of_trust,
            on_finding=on_finding,
        )
        for finding in findings:
            opened.note_finding(finding)
        return opened

    # --- appending --------------------------------------------------------------------------

    def append(self, entry: JournalEntry) -> Awaitable[int]:
        """Queue an entry; the result is its position, given once it is on disk.

        Raises:
            JournalUnavailableError: at once when too much waits; from the awaitable when the
                entry could not be made durable. Nothing was acknowledged then.
        """
        durable: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def settle(result: int | ReceiverError) -> None:
            if durable.done():  # whoever waited was cancelled
                return
            if isinstance(result, int):
                durable.set_result(result)
            else:
                durable.set_exception(result)

        self.submit(entry, settle)
        return durable

    def submit(self, entry: JournalEntry, settle: Settle) -> None:
        """Queue an entry; `settle` is told once what happened to it. Cheaper than a future each.

        Raises:
            JournalUnavailableError: too much waits; `settle` is not told.
        """
        limits = self._limits
        if self._closing:
            raise JournalUnavailableError("The journal is closed.")
        if (
            len(self._waiting) >= limits.max_waiting
            or self._waiting_bytes >= limits.max_waiting_bytes
        ):
            raise JournalUnavailableError("Too many entries are waiting to be written to disk.")
        self._waiting.append(_Waiting(entry, settle))
        self._waiting_bytes += len(entry.body)
        self._wake.set()

    async def _write_groups(self) -> None:
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._waiting:
                    await self._wait_for_company()
                    async with self._turn:
                        await self._commit_group()
                        await self._checkpoint_when_due()
        finally:
            # However the writer ends, nobody is left waiting for it.
            self._closing = True
            _fail((*self._in_flight, *self._waiting), "The journal writer has exited.")
            self._waiting.clear()

    async def _wait_for_company(self) -> None:
        """Let a middling group grow: fewer commits leave more of the processor to the requests.

        A single append does not wait, and a large group is committed immediately.
        """
        if _COMPANY_FROM <= len(self._waiting) < _COMPANY_UP_TO:
            await asyncio.sleep(_LINGER_S)

    async def _commit_group(self) -> None:
        group = self._in_flight = self._take_group()
        if not group:
            return
        started = time.perf_counter()
        try:
            if not self._position_known:
                self.last_position = await self._file.last_position()
                self._position_known = True
            first = self.last_position + 1
            await self._file.append(first, [waiting.entry for waiting in group])
        except Exception as error:  # noqa: BLE001 - whatever it is, the waiters must hear of it
            _fail(group, "The journal could not be written.")
            self._position_known = False
            self._note_failure(error)
            return
        finally:
            self._in_flight = []
        self._failure = None
        self.last_position += len(group)
        self._uncopied_bytes += sum(len(waiting.entry.body) for waiting in group)
        for position, waiting in enumerate(group, first):
            waiting.settle(position)
        self._grown.set()
        self._on_commit(Commit(len(group), time.perf_counter() - started))

    def _take_group(self) -> list[_Waiting]:
        group: list[_Waiting] = []
        size = 0
        while self._waiting and len(group) < MOST_ROWS_A_COMMIT:
            size += len(self._waiting[0].entry.body)
            if group and size > _MOST_BYTES_A_COMMIT:
                break
            waiting = self._waiting.popleft()
            self._waiting_bytes -= len(waiting.entry.body)
            # An abandoned append has been reported as failed; writing it would only cost time.
            if not waiting.is_settled:
                group.append(waiting)
        return group

    def _note_failure(self, error: Exception) -> None:
        name = error.name if isinstance(error, WriterError) else type(error).__name__
        if self._failure != name:
            _log.error("journal write failed", error=name)
        self._failure = name
        if isinstance(error, WriterError) and error.is_damage:
            self._mend_soon()
        if isinstance(error, WriterError) and error.code in _UNTRUSTWORTHY:
            self._lose_trust(name)

    def _note_end(self, writer: asyncio.Task[None]) -> None:
        """Let the process end when the writer did although nobody closed the journal."""
        if not writer.cancelled() and (error := writer.exception()) is not None:
            self._lose_trust(type(error).__name__)

    def _lose_trust(self, error: str) -> None:
        """Acknowledge nothing from now on, and let the process be restarted."""
        self._closing = True
        _fail(self._waiting, "The fsync of the journal failed.")
        self._on_loss_of_trust(error)

    async def _watch(self) -> None:
        """Give up what waits too long: a stalled disk must not hold the platform's connection."""
        while True:
            await asyncio.sleep(_WATCH_EVERY_S)
            give_up_before = time.monotonic() - self._limits.timeout_s
            late = [w for w in (*self._in_flight, *self._waiting) if w.since < give_up_before]
            if late:
                self._failure = self._failure or "Stalled"
                _fail(late, "The disk did not respond in time.")
            self._guard.look()
            if self._file.note_end():
                self._begin(self._keep_writer())
            self._repeat_findings()
            if not self._file.is_in_place():
                _log.critical("journal file was removed or replaced while in use")
                self._lose_trust("FileTakenAway")
                return

    async def _checkpoint_when_due(self) -> None:
        now = time.monotonic()
        if (
            now - self._checkpointed < self._limits.checkpoint_every_s
            and self._uncopied_bytes < _CHECKPOINT_BYTES  # a large one would hold appends up
        ):
            return
        self._checkpointed = now
        self._uncopied_bytes = 0
        try:
            await self._file.checkpoint(
                empty_wal=self._file.wal_bytes() > self._limits.wal_cap_bytes
            )
        except (WriterError, OSError) as error:
            # Nothing is lost, for the WAL keeps all and the next checkpoint tries again; but a
            # failed sync counts as one here too.
            self._note_failure(error)

    # --- reading ----------------------------------------------------------------------------

    async def read_after(self, position: int, *, rows: int, max_bytes: int) -> list[Row]:
        """Return the next rows in order: at most `rows`, and about `max_bytes` of bodies."""
        ask = partial(self._file.read_after, position, rows=rows, max_bytes=max_bytes)
        try:
            found = await ask()
        except JournalDamagedError:
            found = await self._read_after_mending(position, ask)
        if found:
            self.handed_out = max(self.handed_out, found[-1].position)
        return found

    async def _read_after_mending(
        self, position: int, ask: Callable[[], Coroutine[None, None, list[Row]]]
    ) -> list[Row]:
        if await self._upkeep.mend():
            with contextlib.suppress(JournalDamagedError):
                return await ask()
        rows, lost = await asyncio.to_thread(
            read_past, self._file.path, position, self.last_position, self._file.checked_from
        )
        for one in lost:
            text = (
                "Rows of the journal cannot be read or do not match their checksums, "
                f"and are ignored: {one.describe()}."
            )
            self.note_finding(DamageFinding(text, "", lost=one.rows))
        return rows

    async def arrival_after(self, position: int) -> int | None:
        """Return when the entry after a position arrived (microseconds), None if there is none.

        Also None where the file is damaged: anyone who reads the rows is told.
        """
        try:
            return await self._file.arrival_after(position)
        except JournalDamagedError:
            return None

    async def wait_for_growth(self, position: int, timeout_s: float) -> None:
        """Return when there is something after the position, or after the timeout."""
        if self.last_position > position:
            return
        self._grown.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._grown.wait(), timeout_s)

    # --- keeping ----------------------------------------------------------------------------

    async def prune(self, *, up_to: int, arrived_before: int) -> int:
        """Delete rows that are both old and at or before a position; return how many went.

        The newest row always stays: positions must never start again.
        """
        try:
            return await self._upkeep.prune(up_to=up_to, arrived_before=arrived_before)
        except JournalDamagedError:
            await self._upkeep.mend()
            return 0

    async def replace(self, rows: Sequence[Row]) -> None:
        """Put another kind, headers and body in place of those of rows; positions stay.

        Raises:
            JournalUnavailableError: it could not be written; nothing was replaced.
        """
        await self._upkeep.replace(rows)

    async def empty_wal(self) -> bool:
        """Copy the WAL into the file and cut it off; tell whether it is done.

        Raises:
            JournalUnavailableError: it could not be written.
        """
        return await self._upkeep.ask(lambda: self._file.checkpoint(empty_wal=True))

    async def compact(self) -> None:
        """Go on in a new file that holds nothing but the rows of today; appends go on meanwhile.

        Raises:
            JournalUnavailableError: it could not be written; all stays as it was.
        """
        try:
            await self._upkeep.compact()
        except JournalDamagedError:
            if not await self._upkeep.mend(surely=True):
                raise

    def _mend_soon(self) -> None:
        """Rewrite the file beside the appends, which fail until that is done."""
        self._begin(self._upkeep.mend(surely=True))

    async def _keep_writer(self) -> None:
        """Let a writer be there before the next entry comes."""
        try:
            await self._take_turn(self._file.keep_writer)
        except WriterError as error:
            self._note_failure(error)

    def _begin(self, work: Coroutine[None, None, object]) -> None:
        """Do something beside the appends; the journal is closed when it is done."""
        task = asyncio.create_task(work)
        self._turns.add(task)
        task.add_done_callback(self._turns.discard)

    def note_unusable(self, positions: Sequence[int]) -> None:
        """Report unusable acknowledged rows; those without checksums count as damaged."""
        checked_from = self._file.checked_from
        if checked := [at for at in positions if at >= checked_from]:
            _log.error(
                "acknowledged rows with valid checksums contain nothing usable",
                first=checked[0],
                rows=len(checked),
            )
        if unchecked := [at for at in positions if at < checked_from]:
            self.note_finding(unusable(unchecked))

    def note_finding(self, finding: DamageFinding) -> None:
        """Report damage, repeatedly for as long as its bytes are kept."""
        self._findings.append(finding)
        if len(self._findings) > _FINDINGS_KEPT:
            del self._findings[0]
            self._findings_left_out += 1
        self._repeated = time.monotonic()
        _log.error("journal damaged", finding=finding.text)
        self._on_finding(finding)

    def _repeat_findings(self) -> None:
        if time.monotonic() - self._repeated >= _REPEAT_EVERY_S:
            self._repeated = time.monotonic()
            for problem in self.problems:
                _log.error("journal damaged", finding=problem)

    @property
    def problems(self) -> list[str]:
        """What is or was wrong with the file, as texts; a kept file that is removed ends it."""
        kept = kept_aside(self._file.path.parent)
        known = [one for one in self._findings if not one.kept or one.kept in kept]
        named = {one.kept for one in known}
        return [
            *filter(None, (self._upkeep.obstacle, self._guard.trouble)),
            *(one.text for one in known),
            *self._left_out(),
            *(
                (
                    f"{name} keeps the bytes of damage that was found earlier. Remove it "
                    "when you need nothing more from it."
                )
                for name in kept
                if name not in named
            ),
        ]

    def _left_out(self) -> list[str]:
        count = self._findings_left_out
        return [f"{count} earlier reports of damage are in the log only."] if count else []

    async def begin_anew(self) -> None:
        """Take a new identity, so that every row counts as unread (after a restored backup)."""
        self.identity = await self._take_turn(self._file.renew_identity)

    async def is_writable(self) -> bool:
        """Return whether an append would succeed; tries the disk when the last one failed."""
        if self._closing:
            return False
        if self._failure is None:
            return True
        if self._turn.locked():  # whatever holds it is what failed or stalls
            return False
        try:
            await self._take_turn(self._file.try_writing)
        except WriterError as error:
            self._note_failure(error)
            return False
        self._failure = None
        return True

    async def _take_turn(self, ask: Callable[[], Coroutine[None, None, _T]]) -> _T:
        """Ask the file when no commit runs.

        The turn ends with the answer, also when the caller is cancelled: otherwise the next
        request would take this one's answer for its own.
        """

        async def asking() -> _T:
            async with self._turn:
                return await ask()

        turn = asyncio.create_task(asking())
        self._turns.add(turn)
        turn.add_done_callback(self._turns.discard)
        return await asyncio.shield(turn)

    @property
    def waiting(self) -> int:
        """How many entries wait for the disk now."""
        return len(self._waiting) + len(self._in_flight)

    @property
    def files(self) -> tuple[Path, ...]:
        """The files it is made of, with those that SQLite puts beside."""
        return self._file.files

    def total_bytes(self) -> int:
        """Size of the file and its write-ahead log."""
        return self._file.total_bytes()

    async def close(self, patience_s: float | None = None) -> None:
        """Finish what waits, then close the file; appends fail from now on.

        Args:
            patience_s: the longest wait for the disk; None: as long as an append may take.
        """
        self._closing = True
        if patience_s is None:
            patience_s = self._limits.timeout_s + _WATCH_EVERY_S
        give_up = time.monotonic() + patience_s
        while (self.waiting or self._turns) and time.monotonic() < give_up:
            self._wake.set()
            await asyncio.sleep(_CLOSE_LOOKS_EVERY_S)
        tasks = (self._writer, self._watcher, *self._turns)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._file.close()


def _fail(group: Iterable[_Waiting], reason: str) -> None:
    for waiting in group:
        waiting.settle(JournalUnavailableError(reason))
