"""Erasure of a person from every table and from the journal, with proof.

The store comes first, then the journal, then the files. Ended in the middle it can be asked for
again: the ids by which the journal knows what the store has forgotten are kept until the end.
"""

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import structlog

from receiver.domain.messages.state import Key
from receiver.domain.privacy.number_matcher import Writings
from receiver.errors import (
    DataDirectoryError,
    JournalUnavailableError,
    ReceiverError,
    StoreUnavailableError,
)
from receiver.journal import Journal, Row
from receiver.pacing import Pacer
from receiver.privacy.erasure_checkpoint import Unfinished
from receiver.privacy.journal_redaction import Person, as_written, ids_of, may_be_about, scrub
from receiver.privacy.raw_search import files_below, find_in_files
from receiver.store import erasure
from receiver.store.projector import begin_write
from receiver.store.schema import messages, uplinks
from receiver.store.store import Store

_log = structlog.get_logger(__name__)

_SLICE_S = 0.003
_JOURNAL_ROWS = 500
_JOURNAL_BYTES = 256 * 1024
_ROWS_AT_ONCE = 50  # about others, in one transaction
_MOST_PASSES = 5  # what comes while one runs is found by the next
_TRIES = 30  # to cut off a WAL that somebody reads
_PAUSE_S = 0.1


class AnotherForgettingError(ReceiverError):
    """Another erasure is in progress."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was erased, and where the number still is."""

    erased: dict[str, int]  # rows by table; `journal`: rows of it; `covered`: rows about others
    found_in_files: list[str]  # names of files; of a store on a server nothing is known
    searched_files: int
    store_searched: bool


class Forgetter:
    """Forgets one person at a time."""

    def __init__(
        self,
        journal: Journal,
        store: Store,
        directory: Path,
        *,
        caught_up: Callable[[], Awaitable[None]],
        yield_factor: Callable[[], int],
        on_orphans_gone: Callable[[int], None],
    ) -> None:
        """Make one.

        Args:
            journal: of the same node as the store.
            store: as above.
            directory: the data directory; all its files are searched.
            caught_up: returns when the store has all that the journal has.
            yield_factor: how much time is left to others for each unit taken.
            on_orphans_gone: told how many messages without a send went.
        """
        self._journal = journal
        self._store = store
        self._directory = directory
        self._caught_up = caught_up
        self._yield_factor = yield_factor
        self._on_orphans_gone = on_orphans_gone
        self._turn = asyncio.Lock()
        self._unfinished = Unfinished(directory)

    async def forget(self, number: str, *, keep_suppression: bool) -> Forgotten:
        """Forget a person.

        Args:
            number: as E.164.
            keep_suppression: what keeps the number from being sent to stays.

        Raises:
            AnotherForgettingError: one is going on.
            JournalUnavailableError: the journal cannot be written; try again.
            StoreUnavailableError: the same of the store.
            ValueError: it is no number that can be dialled.
        """
        writings = Writings(number)
        if self._turn.locked():
            raise AnotherForgettingError("Another number is being erased. Try again later.")
        async with self._turn:
            return await self._forget(writings, keep_suppression=keep_suppression)

    async def _forget(self, writings: Writings, *, keep_suppression: bool) -> Forgotten:
        pacer = Pacer(_SLICE_S, self._yield_factor)
        erased: Counter[str] = Counter()
        ids = self._unfinished.read()
        others: set[Key] = set()  # of messages to others whose reports name the person
        searched = 0  # position of the journal
        for _ in range(_MOST_PASSES):
            await self._caught_up()
            upto = self._journal.last_position
            found = await self._find(writings, pacer, keep_suppression=keep_suppression)
            person = Person(writings, keeps_suppression=keep_suppression)
            named = await self._named_in_journal(searched, upto, person, pacer)
            async with self._store.reading() as connection:
                others |= await erasure.find_others(connection, named - found.ids, writings)
            new_ids = (found.ids | named) - others - ids
            ids |= new_ids
            await self._keep(ids)
            erased += await self._erase(found, writings, pacer)
            if not await self._store.make_durable():
                raise StoreUnavailableError("The store could not be made durable. Try again.")
            # An id that was not known before may stand in rows that were searched before.
            person = replace(person, ids=ids, others=others)
            scrubbed = await self._scrub(0 if new_ids else searched, upto, person, pacer)
            erased["journal"] += scrubbed
            searched = upto
            if found.is_empty and not scrubbed:
                break
        self._unfinished.clear()
        return await self._prove(writings, erased, keep_suppression=keep_suppression)

    async def _keep(self, ids: set[Key]) -> None:
        try:
            await asyncio.to_thread(self._unfinished.write, ids)
        except DataDirectoryError as error:
            raise StoreUnavailableError(f"{error} Try again.") from None

    # --- the store --------------------------------------------------------------------------

    async def _find(
        self, writings: Writings, pacer: Pacer, *, keep_suppression: bool
    ) -> erasure.SubjectRows:
        found = erasure.SubjectRows()
        async with self._store.reading() as connection:
            await erasure.find_by_number(
                connection, writings.number, found, keep_suppression=keep_suppression
            )
            found.answers = await erasure.find_answers(connection, writings)
            found.groups = await erasure.find_groups(connection, writings)
        for table, stretch in erasure.tables(keep_suppression=keep_suppression):
            async with self._store.reading() as connection:
                last = await erasure.last_id(connection, table)
            for after in range(0, last, stretch):
                async with self._store.reading() as connection:
                    rows = await erasure.look_through(
                        connection, table, after, after + stretch, writings
                    )
                erasure.take(found, table, rows, writings)
                await pacer.yield_now()
        async with self._store.reading() as connection:
            await erasure.complete(connection, found)
        found.covered = [
            one
            for one in found.covered
            if not (one[0] is messages and one[1] in found.messages)
            and not (one[0] is uplinks and one[1] in found.rows.get(uplinks, ()))
        ]
        return found

    async def _erase(
        self, found: erasure.SubjectRows, writings: Writings, pacer: Pacer
    ) -> Counter[str]:
        erased: Counter[str] = Counter()
        for some in erasure.pieces(sorted(found.messages)):
            async with self._store.writing() as connection:
                await begin_write(connection)
                erased += await erasure.delete_messages(connection, some)
            await pacer.yield_now()
        self._on_orphans_gone(erased.pop("orphans", 0))
        for table, ids in found.rows.items():
            for some in erasure.pieces(sorted(ids)):
                async with self._store.writing() as connection:
                    await begin_write(connection)
                    erased[table.name] += await erasure.delete_rows(connection, table, some)
                await pacer.yield_now()
        covered, found.covered = found.covered, []
        answers, found.answers = found.answers, []
        for start in range(0, max(len(covered), len(answers)), _ROWS_AT_ONCE):
            end = start + _ROWS_AT_ONCE
            some_rows = erasure.SubjectRows(covered=covered[start:end], answers=answers[start:end])
            async with self._store.writing() as connection:
                await begin_write(connection)
                erased += await erasure.cover(connection, some_rows)
            await pacer.yield_now()
        found.covered, found.answers = covered, answers
        if found.groups:
            async with self._store.writing() as connection:
                await begin_write(connection)
                await erasure.cover_groups(connection, found.groups, writings)
        return erased

    # --- the journal ------------------------------------------------------------------------

    async def _scrub(self, after: int, upto: int, person: Person, pacer: Pacer) -> int:
        """Rewrite the rows up to a position that the store has; return how many."""
        count = 0
        async for rows in self._rows_about(after, upto, person, pacer):
            changed = [scrubbed for row in rows if (scrubbed := scrub(row, person))]
            if changed:
                await self._journal.replace(changed)
                count += len(changed)
        return count

    async def _named_in_journal(
        self, after: int, upto: int, person: Person, pacer: Pacer
    ) -> set[Key]:
        """Return the ids in rows up to a position that name the person."""
        ids: set[Key] = set()
        async for rows in self._rows_about(after, upto, person, pacer):
            for row in rows:
                ids |= ids_of(row, person)
        return ids

    async def _rows_about(
        self, after: int, upto: int, person: Person, pacer: Pacer
    ) -> AsyncIterator[list[Row]]:
        """Return the rows of a stretch of the journal that may be about the person."""
        written = as_written(person.ids)
        position = after
        while position < upto:
            rows = await self._journal.read_after(
                position, rows=_JOURNAL_ROWS, max_bytes=_JOURNAL_BYTES
            )
            if not rows:
                break
            position = rows[-1].position
            about: list[Row] = []
            for row in rows:
                if row.position > upto:
                    break
                if may_be_about(row, person, written):
                    about.append(row)
                await pacer.maybe_yield()
            if about:
                yield about
            await pacer.yield_now()

    # --- the proof --------------------------------------------------------------------------

    async def _prove(
        self, writings: Writings, erased: Counter[str], *, keep_suppression: bool
    ) -> Forgotten:
        await self._empty_wals()
        files, found = await self._search(writings.in_raw)
        if found and not keep_suppression:
            # Copies of rows that SQLite moved within its pages lie between the rows of today.
            compacted = await self._compact({path.name for path in found})
            await self._empty_wals()
            files, found = await self._search(writings.in_raw)
            # In them there are only the rows of today, and those were looked through: where digits
            # around make another number of what is found, it is one.
            again = [path for path in found if path.name in compacted]
            _, left = await self._search(partial(writings.in_raw, apart=True), again)
            found = [path for path in found if path not in again or path in left]
        return Forgotten(
            erased={name: count for name, count in sorted(erased.items()) if count},
            found_in_files=[self._name(path) for path in found],
            searched_files=len(files),
            store_searched=bool(self._store.files),
        )

    async def _compact(self, names: set[str]) -> set[str]:
        """Compact databases of which a file is named; return the names of their files."""
        compacted: set[str] = set()
        store, journal = self._store.files, self._journal.files
        if any(path.name in names for path in store):
            await self._store.compact()
            compacted.update(path.name for path in store)
        if any(path.name in names for path in journal):
            try:
                await self._journal.compact()
            except JournalUnavailableError as error:  # the names in the answer say the rest
                _log.warning("journal was not rewritten", reason=str(error))
            else:
                compacted.update(path.name for path in journal)
        return compacted

    async def _empty_wals(self) -> None:
        for empty in (self._store.empty_wal, self._journal.empty_wal):
            for _ in range(_TRIES):
                if await empty():
                    break
                await asyncio.sleep(_PAUSE_S)
            else:
                raise StoreUnavailableError(
                    "Another process keeps the files open for reading, so deleted data "
                    "cannot be removed from them. End it and repeat the request."
                )

    async def _search(
        self, holds: Callable[[bytes], bool], files: list[Path] | None = None
    ) -> tuple[list[Path], list[Path]]:
        """Return the files, all where none are named, and those of them that hold the number."""
        if files is None:
            below = await asyncio.to_thread(files_below, self._directory)
            # An index holds no row; to close it would drop the locks that SQLite has on it.
            files = sorted(
                path
                for path in {*(path.absolute() for path in below), *self._store.files}
                if not path.name.endswith("-shm")
            )
        given_up = threading.Event()  # an end of the process must not wait for the thread
        try:
            found = await asyncio.to_thread(find_in_files, files, holds, given_up.is_set)
        finally:
            given_up.set()
        return files, found

    def _name(self, path: Path) -> str:
        base = self._directory.absolute()
        return str(path.relative_to(base)) if path.is_relative_to(base) else str(path)
