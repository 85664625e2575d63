"""Parses stored raw inputs again, so that a corrected parser applies to them.

It works in slices, in the transactions of the run that it is part of. A message that reads as
another one becomes part of that one, an uplink that turns out to be an opt-out suppresses its
sender, and what could not be used before leaves the quarantine.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter

from sqlalchemy.ext.asyncio import AsyncConnection

from receiver.domain.inputs import Send
from receiver.domain.messages.merge import merge_reports, merge_sends
from receiver.domain.projection import (
    Event,
    Known,
    MessageBuilder,
    Policy,
    ProjectedChanges,
    Projection,
    UplinkArrived,
    keys_of,
    refold,
)
from receiver.domain.reclassification import Refolded, Rereading, compare
from receiver.domain.steps import finish
from receiver.domain.suppressions.opt_outs import Intent
from receiver.huawei import wire
from receiver.journal import Journal, Row
from receiver.projector.decoding import decode
from receiver.projector.rereading import reread_message, reread_quarantined, reread_uplink
from receiver.store import projector, rereading
from receiver.store.erasure import last_id
from receiver.store.quarantine import QuarantineLimits
from receiver.store.records import Values
from receiver.store.schema import quarantine, uplinks
from receiver.store.suppressions import by_code

_SLICE_UPLINKS = 200
_SLICE_QUARANTINE = 20  # each may have a large body
_SLICE_JOURNAL = 200
_SLICE_JOURNAL_BYTES = 4 * 1024 * 1024
_NO_LIMITS = QuarantineLimits()  # nothing is put into the quarantine here

MaybeYield = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class RereadContext:
    """Where and by which rules a stretch is read again."""

    connection: AsyncConnection  # in a transaction that no other one writes beside
    policy: Policy  # the effective rules
    maybe_yield: MaybeYield  # awaited between items
    apply: bool  # whether to write what is found


class Rereader:
    """Reads again what other stores than the messages hold; see `messages_again` for those."""

    def __init__(self, journal: Journal | None) -> None:
        """Make one.

        Args:
            journal: whose uplinks are looked for in the store; None: they are left out.
        """
        self._journal = journal

    async def begin(self, connection: AsyncConnection, *, apply: bool) -> Rereading:
        """Return where a run begins and ends; suppressions set manually are renumbered here."""
        upto = 0
        if self._journal is not None:
            upto = (await projector.read_checkpoints(connection)).get(self._journal.identity, 0)
        return Rereading(
            uplinks_upto=await last_id(connection, uplinks),
            quarantine_upto=await last_id(connection, quarantine),
            journal_upto=upto,
            suppressions=await rereading.renumber(connection, apply=apply),
        )

    async def slice(self, context: RereadContext, so_far: Rereading) -> Rereading:
        """Read the next stretch again; return how far it has come then."""
        if so_far.uplinks_position < so_far.uplinks_upto:
            return await _reread_uplinks(context, so_far)
        if so_far.quarantine_position < so_far.quarantine_upto:
            return await _reread_quarantine(context, so_far)
        return await self._find_hidden(context, so_far)

    async def _find_hidden(self, context: RereadContext, so_far: Rereading) -> Rereading:
        """Find uplinks of the journal that the store does not have."""
        rows: list[Row] = []
        if self._journal is not None:
            rows = await self._journal.read_after(
                so_far.journal_position, rows=_SLICE_JOURNAL, max_bytes=_SLICE_JOURNAL_BYTES
            )
        rows = [row for row in rows if row.position <= so_far.journal_upto]
        if not rows:
            return replace(so_far, journal_position=so_far.journal_upto)
        events = [
            event
            for row in rows
            if row.kind == wire.PushKind.UPLINK
            for event in finish(decode(row))
            if isinstance(event, UplinkArrived)
        ]
        known = await projector.load(context.connection, *keys_of(events))
        hidden = [event for event in events if not _is_known(event, known)]
        if context.apply:
            await _project(context, hidden)
        return replace(
            so_far,
            journal_position=rows[-1].position,
            recovered=so_far.recovered + len(hidden),
        )


def _is_known(event: Event, known: Known) -> bool:
    (key,) = keys_of([event])[1]
    return key in known.uplinks or key[:2] in known.erased_uplinks


async def _reread_uplinks(context: RereadContext, so_far: Rereading) -> Rereading:
    connection, position = context.connection, so_far.uplinks_position
    found = await rereading.read_uplinks(connection, position, so_far.uplinks_upto, _SLICE_UPLINKS)
    changed = opt_outs = 0
    unchanged = []
    for stored in found:
        again = reread_uplink(stored.record, stored.number, context.policy.words)
        if again is None:
            unchanged.append(stored)
        else:
            changed += 1
            opt_outs += stored.record.intent != Intent.OPT_OUT == again.intent
            if context.apply:
                await rereading.replace_uplink(connection, stored, again)
        await context.maybe_yield()
    if context.apply:
        await rereading.hear_again(connection, unchanged)
    return replace(
        so_far,
        uplinks_position=found[-1].row_id if found else so_far.uplinks_upto,
        uplinks=so_far.uplinks + changed,
        opt_outs=so_far.opt_outs + opt_outs,
    )


async def _reread_quarantine(context: RereadContext, so_far: Rereading) -> Rereading:
    connection = context.connection
    position, upto = so_far.quarantine_position, so_far.quarantine_upto
    found = await rereading.read_quarantine(connection, position, upto, _SLICE_QUARANTINE)
    usable: dict[int, list[Event]] = {}
    for row in found:
        whole = _as_it_came(row)
        events = reread_quarantined(whole) if whole is not None else []
        if events:
            usable[row["id"]] = events
        await context.maybe_yield()
    if context.apply and usable:
        await _project(context, [event for some in usable.values() for event in some])
        await rereading.release(connection, list(usable))
    return replace(
        so_far,
        quarantine_position=found[-1]["id"] if found else upto,
        recovered=so_far.recovered + sum(map(len, usable.values())),
    )


def _as_it_came(row: Values) -> Row | None:
    """Return a row of the quarantine as the journal had it; None: its body is cut."""
    body = bytes(row["body"])
    if len(body) != row["size"]:
        return None
    return Row(
        position=0,
        kind=row["kind"],
        application=row["application"],
        received_at=row["received_at"],
        peer=row["peer"],
        trust=row["trust"],
        headers=row["headers"],
        body=body,
    )


async def _project(context: RereadContext, events: Sequence[Event]) -> None:
    """Apply events as the projector does; their rows of the journal are behind its checkpoint."""
    connection, policy = context.connection, context.policy
    known = await projector.load(connection, *keys_of(events))
    projection = Projection(known, policy.words)
    for event in events:
        projection.apply(event)
    for message in projection.touched():
        projection.decide(message, policy)
    changes = projection.finish()
    await projector.save(connection, changes, _NO_LIMITS, context.maybe_yield)
    await by_code.update_from_results(connection, changes.messages, policy)


async def replace_messages(
    connection: AsyncConnection,
    pairs: Sequence[tuple[MessageBuilder, MessageBuilder]],
    policy: Policy,
    maybe_yield: MaybeYield,
) -> list[Refolded]:
    """Write messages as they are read now; one that reads as another becomes part of that.

    Args:
        connection: in a transaction that no other one writes beside.
        pairs: messages as they are stored, and as they are read now.
        policy: the effective rules.
        maybe_yield: awaited between messages.

    Returns:
        What becomes of them, by the messages that stay.
    """
    moved = {again.key for message, again in pairs if again.key != message.key}
    known = await projector.load(connection, moved, set()) if moved else None
    staying = dict(known.messages) if known else {}
    stored = {message.id: message for message in staying.values()}
    joined = set()
    gone: list[tuple[MessageBuilder, int]] = []
    for message, again in pairs:
        stored.setdefault(message.id, message)
        other = staying.get(again.key)
        if other is None or (other.id == message.id and again.key not in joined):
            staying[again.key] = again
        elif other.id != message.id:
            gone.append((message, other.id))
            first = other if again.key in joined else reread_message(other) or other
            staying[again.key] = _joined(first, again)
        joined.add(again.key)
        await maybe_yield()
    decided = [refold(message, policy) for key, message in staying.items() if key in joined]
    await rereading.remove_messages(connection, gone)
    await rereading.clear_reports(connection, [one.message.id for one in decided])
    for one in decided:
        one.message.new_reports = set(one.message.reports)
    await projector.save(connection, ProjectedChanges(messages=decided), _NO_LIMITS, maybe_yield)
    return [compare(stored[one.message.id].stored, one) for one in decided]


def _joined(other: MessageBuilder, again: MessageBuilder) -> MessageBuilder:
    reports = dict(other.reports)
    for key, stored in again.reports.items():
        reports[key] = merge_reports(reports[key], stored) if key in reports else stored
    registrations = [at for at in (again.registered_at, other.registered_at) if at is not None]
    return replace(
        other,
        reports=reports,
        send=_joined_send(other, again),
        registered_at=min(registrations, default=None),
        new_reports=set(again.reports) - set(other.reports),
    )


def _joined_send(other: MessageBuilder, again: MessageBuilder) -> Send | None:
    """Return one send of two messages that are the same: the earlier registration stands."""
    registered = [
        (one.registered_at or 0, one.send) for one in (other, again) if one.send is not None
    ]
    match sorted(registered, key=itemgetter(0)):
        case [(_, earlier), (at, later)]:
            return merge_sends(earlier, later, at)
        case [(_, only)]:
            return only
        case _:
            return None
