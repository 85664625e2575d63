"""The rhythm of each application's reports, stored."""

import json
from collections.abc import Mapping, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from receiver.domain.silence import Rhythm, SilenceOptions
from receiver.store.database import bulk
from receiver.store.database.columns import ReadingContext
from receiver.store.records import Values
from receiver.store.schema import rhythms

_ALL = "SELECT application, heard, last_at, gaps FROM rhythms"


async def read_rhythms(connection: AsyncConnection) -> dict[str, Rhythm]:
    """Return the rhythm of every application of which a report was ever received."""
    # Few rows, read in every transaction of the projector: past SQLAlchemy's own way.
    known = {}
    for row in await connection.exec_driver_sql(_ALL):
        application, heard, last_at, gaps = tuple(row)
        with ReadingContext("rhythms.gaps"):
            longest = {int(day): gap for day, gap in json.loads(gaps).items()}
        known[application] = Rhythm(heard, last_at, longest)
    return known


async def hear(
    connection: AsyncConnection,
    heard: Mapping[str, Sequence[int]],
    now: int,
    options: SilenceOptions,
) -> None:
    """Fold arrivals of reports into the rhythms.

    Args:
        connection: in a transaction that no other one writes beside.
        heard: applications -> arrivals, microseconds.
        now: microseconds.
        options: of these, how many days are kept.
    """
    if not heard:
        return
    known = await read_rhythms(connection)
    new: list[Values] = []
    changed: list[Values] = []
    for application, arrivals in heard.items():
        before = known.get(application)
        after = (before or Rhythm()).after(arrivals, now, options)
        (new if before is None else changed).append(_values(application, after))
    await bulk.insert_rows(connection, rhythms, new)
    await bulk.update_rows(connection, rhythms, ("application",), changed)


def _values(application: str, rhythm: Rhythm) -> Values:
    return {
        "application": application,
        "heard": rhythm.heard,
        "last_at": rhythm.last_at,
        "gaps": json.dumps(rhythm.gaps),
    }
