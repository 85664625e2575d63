"""Journal rows -> events. A row that cannot be processed becomes a quarantine event."""

import json
from dataclasses import replace

from receiver.domain import times
from receiver.domain.inputs import Arrival, Trust
from receiver.domain.projection import (
    Event,
    Quarantined,
    ReportArrived,
    SendRegistered,
    SetByHand,
    UplinkArrived,
)
from receiver.domain.steps import Steps
from receiver.domain.suppressions.manual import read_word
from receiver.huawei import charsets, wire
from receiver.huawei.items import read_report, read_uplink
from receiver.huawei.registration import RegistrationError, read_registration
from receiver.huawei.unused import Unused
from receiver.journal import EntryKind, Row, read_refusal

_TRUSTS = frozenset(Trust)
_KEPT = "The push is kept unchanged, or its beginning if `truncated` is true."


def decode(row: Row, most_bad: int = wire.MOST_BAD) -> Steps[list[Event]]:
    """Return the events of a row; never raises, for one row must not stop all that follow.

    Args:
        row: of the journal.
        most_bad: how many items of a push are set aside one by one; one event reports the others.
    """
    try:
        match row.kind:
            case EntryKind.SENDS:
                return _decode_sends(row)
            case EntryKind.SUPPRESSION:
                return [SetByHand(read_word(row.body, _received_at(row)))]
            case EntryKind.FORGOTTEN:
                return []
            case _:
                return (yield from _decode_push(row, most_bad))
    except (wire.UnusableError, RegistrationError) as error:
        return [_unusable(row, str(error))]
    except Exception as error:  # noqa: BLE001 - whatever it is, it is about this row alone
        return [_unusable(row, f"The receiver failed to process it: {type(error).__name__}.")]


def _unusable(row: Row, reason: str) -> Quarantined:
    if row.kind == EntryKind.UNUSABLE:
        return set_aside(row, reason)
    # It was read before it was acknowledged: either its bytes have changed or the reader has.
    reason = f"The push was acknowledged, but contains nothing usable. {reason}"
    return replace(set_aside(row, reason), lost_at=row.position)


def set_aside(row: Row, reason: str, body: bytes | None = None, items: int = 1) -> Quarantined:
    """Return the event that puts a row, or one item of it (`body`), into the quarantine."""
    return Quarantined(
        arrival=Arrival(row.application, _received_at(row), _trust_of(row)),
        kind=row.kind,
        reason=reason,
        peer=row.peer,
        headers=row.headers,
        body=row.body if body is None else body,
        items=items,
    )


def _decode_sends(row: Row) -> list[Event]:
    arrival = _arrival(row)
    return [SendRegistered(arrival, send) for send in read_registration(row.body).sends]


def _decode_push(row: Row, most_bad: int) -> Steps[list[Event]]:
    if row.kind == EntryKind.DAMAGED:
        return [set_aside(row, row.headers.partition("\n")[0])]
    if row.kind == EntryKind.UNUSABLE and (refused := read_refusal(row.headers)):
        reason, whole_bytes = refused
        return [replace(set_aside(row, reason), size=whole_bytes)]
    unused = Unused()
    push = yield from wire.sift_in_steps(row.body, row.headers, most_bad, unused)
    left_out = unused.tell()
    told = [set_aside(row, f"{left_out} {_KEPT}")] if left_out else []
    writing = charsets.writing_of(push.items, row.headers)
    arrival = _arrival(row)
    if push.kind is wire.PushKind.UPLINK:
        uplinks = (read_uplink(item, writing) for item in push.items)
        return [*(UplinkArrived(arrival, uplink) for uplink in uplinks), *told]
    events: list[Event] = []
    for item in push.items:
        events.append(ReportArrived(arrival, read_report(item, writing)))
        yield
    for bad in push.bad:
        events.append(set_aside(row, bad.reason, json.dumps(bad.raw).encode()))
        yield
    if push.more_bad:
        reason = f"{push.more_bad} more items of this push are unusable. {_KEPT}"
        events.append(set_aside(row, reason, items=push.more_bad))
    return [*events, *told]


def _arrival(row: Row) -> Arrival:
    return Arrival(row.application, _received_at(row), Trust(row.trust))


def _trust_of(row: Row) -> Trust:
    """Return the row's trust, the least where that is what cannot be read."""
    return Trust(row.trust) if row.trust in _TRUSTS else Trust.OPEN


def _received_at(row: Row) -> int:
    """Return the arrival, brought to what can be written as a time."""
    return min(max(row.received_at, 0), times.LAST)
