"""Journal rows -> events. A row that cannot be digested becomes an event of its own."""

import json

import structlog

from receiver.domain import times
from receiver.domain.byhand import read_word
from receiver.domain.events import Arrival, Trust
from receiver.huawei import wire
from receiver.huawei.registration import RegistrationError, read_registration
from receiver.journal import Kind, Row
from receiver.projection import (
    Event,
    Quarantined,
    ReportArrived,
    SendRegistered,
    SetByHand,
    UplinkArrived,
)

_log = structlog.get_logger(__name__)


def decode(row: Row) -> list[Event]:
    """Give the events of a row; never raises, for one row must not stop all that follow."""
    try:
        match row.kind:
            case Kind.SENDS:
                return _decode_sends(row)
            case Kind.SUPPRESSION:
                return [SetByHand(read_word(row.body, _received_at(row)))]
            case Kind.FORGOTTEN:
                return []
            case _:
                return _decode_push(row)
    except (wire.UnusableError, RegistrationError) as error:
        return [set_aside(row, str(error))]
    except Exception as error:  # noqa: BLE001 - whatever it is, it is about this row alone
        _log.error("row cannot be read", position=row.position, error=type(error).__name__)
        return [set_aside(row, f"The receiver failed on it: {type(error).__name__}.")]


def set_aside(row: Row, reason: str, body: bytes | None = None) -> Quarantined:
    """Make the event that puts a row, or one item of it (`body`), into the quarantine."""
    return Quarantined(
        # Not the row's own trust, which may be what cannot be read.
        arrival=Arrival(row.application, _received_at(row), Trust.OPEN),
        kind=row.kind,
        reason=reason,
        peer=row.peer,
        headers=row.headers,
        body=row.body if body is None else body,
    )


def _decode_sends(row: Row) -> list[Event]:
    arrival = _arrival(row)
    return [SendRegistered(arrival, send) for send in read_registration(row.body).sends]


def _decode_push(row: Row) -> list[Event]:
    if row.kind == Kind.DAMAGED:
        return [set_aside(row, row.headers.partition("\n")[0])]
    push = wire.sift(row.body)
    arrival = _arrival(row)
    if push.kind is wire.Kind.UPLINK:
        return [UplinkArrived(arrival, wire.read_uplink(item)) for item in push.items]
    events: list[Event] = [ReportArrived(arrival, wire.read_report(item)) for item in push.items]
    events += [set_aside(row, bad.reason, json.dumps(bad.raw).encode()) for bad in push.bad]
    return events


def _arrival(row: Row) -> Arrival:
    return Arrival(row.application, _received_at(row), Trust(row.trust))


def _received_at(row: Row) -> int:
    """Give the arrival, brought to what can be written as a time."""
    return min(max(row.received_at, 0), times.LAST)
