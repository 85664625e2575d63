"""Reclassification in the store: reads history in slices, writes what changed."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, astuple
from typing import Any

from sqlalchemy import Select, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from receiver.domain.effects import Effects, RetryEffect, RetryLine, SuppressionLine, Undo
from receiver.domain.projection import DecidedMessage, MessageBuilder
from receiver.domain.reclassification import CountedChange, Rereading, Run, Standing
from receiver.domain.statistics import Deltas
from receiver.store import records
from receiver.store.database import bulk
from receiver.store.database.columns import ReadingContext
from receiver.store.schema import messages, reclassifications, reports
from receiver.store.statistics import write_deltas
from receiver.store.suppressions.revisions import close_trail, load_review

_KEY = ("id",)


async def newest_run(connection: AsyncConnection) -> tuple[int, Run] | None:
    """Return the run that was begun last and its number, None when there was none."""
    query = select(reclassifications).order_by(reclassifications.c.id.desc()).limit(1)
    row = (await connection.execute(query)).mappings().first()
    if row is None:
        return None
    values = dict(row)
    number = values.pop("id")
    with ReadingContext("reclassifications"):
        values["changes"] = _load(values["changes"])
        values["rereading"] = Rereading(**json.loads(values["rereading"]))
        values["effects"] = _load_effects(values["effects"])
        return number, Run(**values)


async def last_message(connection: AsyncConnection) -> int:
    """Return the highest id of a message, 0 when there is none."""
    return (await connection.execute(select(func.max(messages.c.id)))).scalar() or 0


async def begin_run(connection: AsyncConnection, run: Run) -> int:
    """Write a new run down and return its number; the runs before cannot be undone any more."""
    await close_trail(connection)
    done = await connection.execute(insert(reclassifications).values(_values(run)))
    (number,) = done.inserted_primary_key or (0,)
    return int(number)


async def save_run(connection: AsyncConnection, number: int, run: Run) -> bool:
    """Write down how far a run has come; tell whether the store still knows it."""
    known = reclassifications.c.id == number
    done = await connection.execute(update(reclassifications).where(known).values(_values(run)))
    return done.rowcount == 1


async def forget_runs(connection: AsyncConnection, but_of: str) -> None:
    """Forget the unfinished runs by other rules than these.

    What is folded by these rules from now on would be missed if such a run went on later.
    """
    unfinished = reclassifications.c.finished_at.is_(None)
    others = delete(reclassifications).where(unfinished, reclassifications.c.policy != but_of)
    await connection.execute(others)


async def read_slice(
    connection: AsyncConnection, after: int, upto: int, since: int | None
) -> list[MessageBuilder]:
    """Return the messages of a stretch of ids, with their reports."""
    query = select(messages).where(messages.c.id > after, messages.c.id <= upto)
    query = query.order_by(messages.c.id)  # the examples of a change are its first messages
    if since is not None:
        query = query.where(messages.c.occurred_at >= since)
    found: dict[int, MessageBuilder] = {}
    for row in await _rows(connection, query):
        found[row["id"]] = records.read_message(row)
    if found:
        of_these = (reports.c.message_id > after, reports.c.message_id <= upto)
        for row in await _rows(connection, select(reports).where(*of_these)):
            message = found.get(row["message_id"])
            if message is not None:
                stored = records.read_report(row, message.sms_msg_id)
                message.reports[stored.key] = stored
    return list(found.values())


async def write_outcomes(connection: AsyncConnection, changed: Iterable[DecidedMessage]) -> None:
    """Write what happened to messages; nothing else is touched."""
    changed = list(changed)
    rows: list[records.Values] = []
    deltas = Deltas()
    for one in changed:
        outcome = records.outcome_values(one)
        rows.append({"id": one.message.id, **outcome})
        deltas.move(one.message.stored, {**one.message.stored, **outcome})
    await bulk.update_rows(connection, messages, _KEY, rows)
    await write_deltas(connection, deltas)


async def _rows(connection: AsyncConnection, query: Select[Any]) -> list[records.Values]:
    """Return rows as plain dictionaries; SQLAlchemy's mappings take twice the time to read."""
    result = await connection.execute(query)
    names = tuple(result.keys())
    return [dict(zip(names, values, strict=True)) for values in result]


def _values(run: Run) -> dict[str, Any]:
    return {
        "policy": run.policy,
        "since": run.since,
        "position": run.position,
        "upto": run.upto,
        "examined": run.examined,
        "changed": run.changed,
        "changes": _dump(run.changes),
        "rereading": json.dumps(asdict(run.rereading)),
        "effects": json.dumps(asdict(run.effects)),
        "started_at": run.started_at,
        "updated_at": run.updated_at,
        "finished_at": run.finished_at,
    }


def _load_effects(text: str) -> Effects:
    given = json.loads(text)
    undo = given.get("undo")
    return Effects(
        tuple(
            RetryLine(
                RetryEffect(line["effect"]),
                line["reason"],
                line["messages"],
                tuple(line["examples"]),
            )
            for line in given.get("retries", ())
        ),
        tuple(
            SuppressionLine(load_review(line["review"]), line["numbers"], line["in_force"])
            for line in given.get("suppressions", ())
        ),
        None if undo is None else Undo(**undo),
    )


def _dump(changes: Sequence[CountedChange]) -> str:
    return json.dumps(
        [[*astuple(c.before), *astuple(c.after), c.messages, *c.examples] for c in changes]
    )


def _load(text: str) -> tuple[CountedChange, ...]:
    return tuple(
        CountedChange(Standing(*row[0:2]), Standing(*row[2:4]), row[4], tuple(row[5:]))
        for row in json.loads(text)
    )
