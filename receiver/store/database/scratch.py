"""An in-memory store with copies of some rows, in which a dry run writes."""

import contextlib
from collections.abc import AsyncIterator, Iterable
from typing import Any

from sqlalchemy import Select, and_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from receiver.domain.messages.state import Key
from receiver.domain.suppressions.suppression import Source
from receiver.store.database import bulk
from receiver.store.database.engines import memory_engine
from receiver.store.paging import pieces
from receiver.store.schema import messages, metadata, reports, retries, suppressions

_KEYS_AT_ONCE = 200  # each is two parameters

Row = dict[str, Any]


class Scratch:
    """Copies rows of a store; what is written beside them is gone at the end of each use."""

    def __init__(self) -> None:
        """Make an empty one."""
        self._engine = memory_engine()

    async def open(self) -> None:
        """Make its tables."""
        async with self._engine.begin() as connection:
            await connection.run_sync(metadata.create_all)

    async def close(self) -> None:
        """Release its memory."""
        await self._engine.dispose()

    @contextlib.asynccontextmanager
    async def of_slice(
        self, origin: AsyncConnection, after: int, upto: int, keys: set[Key]
    ) -> AsyncIterator[AsyncConnection]:
        """Yield a connection to copies of what is written over when a stretch is folded again.

        Of most messages only columns change, which have no effect where there is no row.

        Args:
            origin: of the store.
            after: the id behind which the stretch begins.
            upto: the id with which it ends.
            keys: messages that are written as a whole.
        """
        async with self._emptied() as connection:
            here = (retries.c.message_id > after, retries.c.message_id <= upto)
            items = await _read(origin, select(retries).where(*here))
            found = await _of_keys(origin, keys)
            for some in pieces(row["id"] for row in found):
                others = retries.c.message_id.in_(some) & ~and_(*here)
                items += await _read(origin, select(retries).where(others))
            await bulk.insert_rows(connection, retries, items)
            await _copy(origin, connection, found)
            yield connection

    @contextlib.asynccontextmanager
    async def of_numbers(
        self, origin: AsyncConnection, numbers: Iterable[str]
    ) -> AsyncIterator[AsyncConnection]:
        """Yield a connection to copies of all messages to numbers and of what codes say of them."""
        async with self._emptied() as connection:
            found: list[Row] = []
            for some in pieces(sorted(set(numbers))):
                found += await _read(origin, select(messages).where(messages.c.to_number.in_(some)))
                said = select(suppressions).where(
                    suppressions.c.number.in_(some), suppressions.c.source == Source.CODE
                )
                words = await _read(origin, said)
                await bulk.insert_rows(connection, suppressions, words)
                found += await _of_keys(
                    origin, {(word["application"], word["source_id"]) for word in words}
                )
            await _copy(origin, connection, found)
            yield connection

    @contextlib.asynccontextmanager
    async def _emptied(self) -> AsyncIterator[AsyncConnection]:
        async with self._engine.connect() as connection:
            await connection.begin()
            try:
                yield connection
            finally:
                await connection.rollback()


async def _read(origin: AsyncConnection, query: Select[Any]) -> list[Row]:
    return [dict(row) for row in (await origin.execute(query)).mappings()]


async def _of_keys(origin: AsyncConnection, keys: set[Key]) -> list[Row]:
    found: list[Row] = []
    for some in pieces(sorted(keys), _KEYS_AT_ONCE):
        query = select(messages).where(
            tuple_(messages.c.sms_msg_id, messages.c.application).in_(
                [(sms_msg_id, application) for application, sms_msg_id in some]
            )
        )
        found += await _read(origin, query)
    return found


async def _copy(origin: AsyncConnection, connection: AsyncConnection, found: Iterable[Row]) -> None:
    """Copy messages and their reports."""
    rows = {row["id"]: row for row in found}
    await bulk.insert_rows(connection, messages, list(rows.values()))
    for some in pieces(sorted(rows)):
        query = select(reports).where(reports.c.message_id.in_(some))
        await bulk.insert_rows(connection, reports, await _read(origin, query))
