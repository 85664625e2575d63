"""Maintenance of the journal file; none of it delays an append for longer than a slice."""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

import structlog

from receiver.errors import JournalDamagedError, JournalUnavailableError
from receiver.journal.damage import DamageFinding, fits, name_aside
from receiver.journal.entries import Row
from receiver.journal.file import JournalFile
from receiver.journal.opening import describe, new_file
from receiver.journal.process import WriterError
from receiver.journal.rebuild import Rebuild
from receiver.journal.soundness import is_damage

_T = TypeVar("_T")

_log = structlog.get_logger(__name__)

_DELETED_ROWS = 200  # in one transaction
_DELETED_BYTES = 256 * 1024  # the same: what is deleted is overwritten
_SWITCH_TRIES = 50  # while somebody reads
_SWITCH_PAUSE_S = 0.1
_HELD_OPEN = "another process keeps the journal open for reading; end that process."
_MEND_AGAIN_S = 60.0


class TakeTurn(Protocol):
    """Runs something while no commit runs."""

    async def __call__(self, ask: Callable[[], Coroutine[None, None, _T]]) -> _T:
        """Run it; return what it gives."""


class Upkeep:
    """Deletes, replaces and rewrites."""

    def __init__(
        self,
        file: JournalFile,
        take_turn: TakeTurn,
        *,
        newest: Callable[[], int],
        note_failure: Callable[[Exception], None],
        on_finding: Callable[[DamageFinding], None],
    ) -> None:
        """Make the upkeep of an open file.

        Args:
            file: the journal's.
            take_turn: as above.
            newest: gives the last position that is on disk.
            note_failure: told why a request failed.
            on_finding: told of damage that was mended.
        """
        self._file = file
        self._take_turn = take_turn
        self._newest = newest
        self._note_failure = note_failure
        self._on_finding = on_finding
        self._rewriting = asyncio.Lock()
        self._mend_from = time.monotonic()
        self.obstacle = ""  # why damage cannot be mended now

    async def ask(self, ask: Callable[[], Coroutine[None, None, _T]]) -> _T:
        """Let the writer do something.

        Raises:
            JournalUnavailableError: it could not.
        """
        try:
            return await self._take_turn(ask)
        except (WriterError, OSError) as error:
            self._note_failure(error)
            raise JournalUnavailableError("The journal could not be written.") from error

    async def prune(self, *, up_to: int, arrived_before: int) -> int:
        """Delete rows that are both old and at or before a position; return how many went."""
        deleted = after = 0
        while not self._rewriting.locked():  # its copy would bring them back
            rows = await self._file.ages_after(after, _DELETED_ROWS)
            old = [
                (at, size)
                for at, arrived, size in rows
                if arrived < arrived_before and at <= min(up_to, self._newest() - 1)
            ]
            if not old:  # arrivals rise, but for a clock that was set
                break
            some = [at for at, _ in _first_of_size(old, _DELETED_BYTES)]
            await self.ask(partial(self._file.delete, some))
            deleted += len(some)
            after = rows[-1][0] if len(some) == len(old) else some[-1]
        return deleted

    async def replace(self, rows: Sequence[Row]) -> None:
        """Put another kind, headers and body in place of those of rows."""
        async with self._rewriting:
            await self.ask(lambda: self._file.replace(rows))

    async def compact(self) -> None:
        """Go on in a new file that holds nothing but the rows of today.

        Raises:
            JournalUnavailableError: there is no space, or somebody reads the file without an end;
                all stays as it was.
        """
        async with self._rewriting:
            try:
                await self._rewrite(None)
            except sqlite3.Error as error:
                kind = JournalDamagedError if is_damage(error) else JournalUnavailableError
                raise kind(f"The journal could not be rewritten: {_name(error)}.") from error

    async def mend(self, *, surely: bool = False) -> bool:
        """Go on in a new file that holds all rows which can be read; tell whether that was done.

        Args:
            surely: the damage hinders writing, so it may be where no row stands.
        """
        before = self._mend_from
        async with self._rewriting:
            if self._mend_from != before:  # somebody else has just done it
                return not self.obstacle
            if time.monotonic() < self._mend_from:
                return False
            self._mend_from = time.monotonic() + _MEND_AGAIN_S
            kept = name_aside(self._file.path)
            _log.error("journal file is damaged; rewriting it from the readable rows")
            try:
                made = await self._rewrite(kept, surely=surely)
            except (sqlite3.Error, OSError, JournalUnavailableError, WriterError) as error:
                self.obstacle = (
                    f"The journal file is damaged and cannot be repaired: {_name(error)}"
                )
                _log.error(self.obstacle)
                return False
            self.obstacle = ""
            if made is not None:
                self._on_finding(describe(made, kept.name))
            return True

    # --- rewriting --------------------------------------------------------------------------

    async def _rewrite(self, kept: Path | None, *, surely: bool = False) -> Rebuild | None:
        """Copy the journal and go on in the copy; None: there was nothing to mend."""
        path = self._file.path
        if not fits(path.parent, path.stat().st_size):
            raise JournalUnavailableError(
                "the disk has no space for a second copy of the journal; free some space."
            )
        target = new_file(path)
        made = await asyncio.to_thread(Rebuild, path, target, mends=kept is not None)
        try:
            position = await self._copy(made, 0)
            if kept is not None:
                await asyncio.to_thread(made.mend, kept.name, position)
                if not (made.found_damage or surely):
                    return None
            for _ in range(_SWITCH_TRIES):
                position = await self._copy(made, position)
                switch = partial(self._switch, made, position, target, kept)
                if await self._take_turn(switch):
                    return made
                await asyncio.sleep(_SWITCH_PAUSE_S)
            raise JournalUnavailableError(_HELD_OPEN)
        finally:
            made.close()
            target.unlink(missing_ok=True)

    async def _copy(self, made: Rebuild, position: int) -> int:
        """Copy what there is by now, at half speed: appends need the disk too."""
        while position < (upto := self._newest()):
            began = time.monotonic()
            position = await asyncio.to_thread(made.copy, position, upto)
            await asyncio.sleep(time.monotonic() - began)
        return position

    async def _switch(self, made: Rebuild, position: int, target: Path, kept: Path | None) -> bool:
        if not await self._file.checkpoint(empty_wal=True):
            return False
        while position < (upto := self._newest()):
            position = await asyncio.to_thread(made.copy, position, upto)
        await asyncio.to_thread(made.finish)
        if not await self._file.switch(target, kept):
            raise JournalUnavailableError(_HELD_OPEN)
        return True


def _first_of_size(rows: list[tuple[int, int]], most: int) -> list[tuple[int, int]]:
    """Return the first of some rows whose sizes add up to no more than so much; at least one."""
    for count, (_, size) in enumerate(rows):
        most -= size
        if most < 0 and count:
            return rows[:count]
    return rows


def _name(error: Exception) -> str:
    """Name an error in words that hold no value of a row."""
    if isinstance(error, JournalUnavailableError):
        return str(error)
    if isinstance(error, WriterError):
        return error.name
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return str(getattr(error, "sqlite_errorname", type(error).__name__))
