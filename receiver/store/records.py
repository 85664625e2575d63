"""Rows of the store <-> domain values: the only module that knows the columns' meaning."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields, replace
from typing import Any

from sqlalchemy import Table

from receiver.domain.inputs import Arrival, Conflict, Send, StatusReport, Trust, Uplink
from receiver.domain.messages.durations import delivery_time_us
from receiver.domain.messages.state import State, StoredReport
from receiver.domain.numbers import country_of, normalise
from receiver.domain.projection import DecidedMessage, MessageBuilder, Quarantined, UplinkRecord
from receiver.domain.suppressions.opt_outs import Intent
from receiver.store.database.columns import ReadingContext, unreadable
from receiver.store.schema import messages, reports, uplinks

Values = dict[str, Any]

# What is written comes from JSON or is flat: it has no circles to look for.
_to_json = json.JSONEncoder(check_circular=False).encode
_CONFLICTS = ("conflicts", "conflicts_omitted")  # written only where there are any
_SEND_TYPES: dict[str, Any] = {
    field.name: field.type for field in fields(Send) if field.name not in _CONFLICTS
}


# What reports, and the rules by which they are folded, change of a message.
OUTCOME = (
    "state", "final", "conflict", "code", "org_code", "source", "category", "extend", "total",
    "first_report_at", "last_report_at", "delivered_at", "failed_at", "trust",
)  # fmt: skip


def required(table: Table) -> tuple[str, ...]:
    """Return the names of a table's columns that hold no NULL."""
    return tuple(column.name for column in table.columns if not column.nullable)


_IN_MESSAGES, _IN_REPORTS, _IN_UPLINKS = required(messages), required(reports), required(uplinks)
UPLINK_KEY = ("application", "sms_msg_id", "digest")  # what makes an uplink itself


def outcome_values(decided: DecidedMessage) -> Values:
    """Return the columns of `messages` that are named by `OUTCOME`."""
    folded, category = decided.folded, decided.verdict.category
    return {
        "state": decided.state.value,
        "final": folded.final,
        "conflict": folded.conflict,
        "code": folded.code,
        "org_code": folded.deciding.org_code if folded.deciding else None,
        "source": folded.deciding.source if folded.deciding else None,
        "category": category.value if category else None,
        "extend": folded.extend,
        "total": folded.total,
        "first_report_at": folded.first_report_at,
        "last_report_at": folded.last_report_at,
        "delivered_at": folded.delivered_at,
        "failed_at": folded.failed_at,
        "trust": folded.trust.value,
    }


def message_values(decided: DecidedMessage) -> Values:
    """Return the columns of `messages`."""
    message, folded, send = decided.message, decided.folded, decided.message.send
    sent_at = send.sent_at if send else None
    return {
        "id": message.id,
        "application": message.application,
        "sms_msg_id": message.sms_msg_id,
        "send": dump_send(send) if send else None,
        "registered": send is not None,
        "registered_at": message.registered_at,
        "to_text": folded.to,
        "to_number": normalise(folded.to),
        "from_number": send.sender if send else None,
        "country": (send.country if send else None) or country_of(folded.to),
        "reference": send.reference if send else None,
        "template_id": send.template_id if send else None,
        "retry_of": send.retry_of if send else None,
        "sent_at": sent_at,
        "occurred_at": message.first_heard_at if sent_at is None else sent_at,
        **outcome_values(decided),
    }


def read_message(row: Mapping[str, Any]) -> MessageBuilder:
    """Build a message from its row; its reports are added by `read_report`.

    Raises:
        UnreadableRowError: the row holds what is never written.
    """
    with ReadingContext("messages"):
        check_whole(row, _IN_MESSAGES, "messages")
        return MessageBuilder(
            id=row["id"],
            application=row["application"],
            sms_msg_id=row["sms_msg_id"],
            send=load_send(row["send"]) if row["send"] else None,
            registered_at=row["registered_at"],
            state_before=State(row["state"]),
            delivery_known_before=_delivery_time(row) is not None,
            stored=row,
        )


def check_whole(row: Mapping[Any, Any], names: Iterable[str], table: str) -> None:
    """Refuse a row without a value where there always is one.

    Raises:
        UnreadableRowError: it is such a row.
    """
    for name in names:
        if row.get(name, "") is None:
            raise unreadable(f"{table}.{name}")


def _delivery_time(row: Mapping[str, Any]) -> int | None:
    return delivery_time_us(row["sent_at"], row["delivered_at"], row["last_report_at"])


def report_values(message_id: int, stored: StoredReport) -> Values:
    """Return the columns of `reports`."""
    report = stored.report
    return {
        "message_id": message_id,
        "sequence": report.sequence,
        "status": report.status,
        "update_time": report.update_time,
        "updated_at": report.updated_at,
        "total": report.total,
        "source": report.source,
        "status_desc": report.status_desc,
        "org_code": report.org_code,
        "extend": report.extend,
        "to_text": report.to,
        "trust": stored.trust.value,
        "received_at": stored.received_at,
        "last_received_at": stored.last_received_at,
        "redeliveries": stored.redeliveries,
        "raw": _to_json(report.raw),  # ASCII: also what is not valid Unicode survives
    }


def read_report(row: Mapping[str, Any], sms_msg_id: str) -> StoredReport:
    """Build a stored report from its row; `raw` may be left out where nobody will look at it.

    Raises:
        UnreadableRowError: the row holds what is never written.
    """
    check_whole(row, _IN_REPORTS, "reports")
    report = StatusReport(
        sms_msg_id=sms_msg_id,
        status=row["status"],
        sequence=row["sequence"],
        total=row["total"],
        source=row["source"],
        updated_at=row["updated_at"],
        update_time=row["update_time"],
        status_desc=row["status_desc"],
        org_code=row["org_code"],
        extend=row["extend"],
        to=row["to_text"],
        raw=load_raw(row["raw"], "reports.raw") if "raw" in row else {},
    )
    return StoredReport(
        report=report,
        received_at=row["received_at"],
        last_received_at=row["last_received_at"],
        redeliveries=row["redeliveries"],
        trust=Trust(row["trust"]),
    )


def uplink_values(record: UplinkRecord) -> Values:
    """Return the columns of `uplinks`."""
    uplink, arrival = record.uplink, record.arrival
    return {
        "application": arrival.application,
        "sms_msg_id": uplink.sms_msg_id,
        "digest": record.digest,
        "from_text": uplink.sender,
        "from_number": normalise(uplink.sender),
        "to_number": uplink.to,
        "body": uplink.body,
        "original_body": uplink.original_body,
        "created_at": uplink.created_at,
        "trust": arrival.trust.value,
        "received_at": arrival.received_at,
        "last_received_at": record.last_received_at,
        "redeliveries": record.redeliveries,
        "raw": _to_json(uplink.raw),
        "intent": record.intent.value if record.intent else None,
    }


def read_uplink(row: Mapping[str, Any]) -> UplinkRecord:
    """Build an uplink from its row.

    Raises:
        UnreadableRowError: the row holds what is never written.
    """
    check_whole(row, _IN_UPLINKS, "uplinks")
    uplink = Uplink(
        sms_msg_id=row["sms_msg_id"],
        sender=row["from_text"],
        to=row["to_number"],
        body=row["body"],
        original_body=row["original_body"],
        created_at=row["created_at"],
        raw=load_raw(row["raw"], "uplinks.raw"),
    )
    arrival = Arrival(row["application"], row["received_at"], Trust(row["trust"]))
    return UplinkRecord(
        uplink,
        row["digest"],
        arrival,
        row["last_received_at"],
        row["redeliveries"],
        is_new=False,
        intent=Intent(row["intent"]) if row["intent"] else None,
    )


def quarantine_values(quarantined: Quarantined, body_bytes: int) -> Values:
    """Return the columns of `quarantine`; of the body at most `body_bytes`."""
    return {
        "application": quarantined.arrival.application,
        "kind": quarantined.kind,
        "reason": quarantined.reason,
        "peer": quarantined.peer,
        "trust": quarantined.arrival.trust.value,
        "received_at": quarantined.arrival.received_at,
        "headers": quarantined.headers,
        "body": quarantined.body[:body_bytes],
        "size": len(quarantined.body) if quarantined.size is None else quarantined.size,
    }


def dump_send(send: Send) -> str:
    """Write a send as JSON."""
    values = {name: getattr(send, name) for name in _SEND_TYPES}
    if send.conflicts:
        values["conflicts"] = [asdict(one) for one in send.conflicts]
        values["conflicts_omitted"] = send.conflicts_omitted
    return _to_json(values)


def load_send(text: str) -> Send:
    """Read a send from JSON.

    Raises:
        UnreadableRowError: it is none.
    """
    with ReadingContext("messages.send"):
        values = json.loads(text)
        conflicts = tuple(Conflict(**one) for one in values.pop("conflicts", ()))
        send = Send(**values, conflicts=conflicts)
    if all(isinstance(values.get(name), kind) for name, kind in _SEND_TYPES.items()):
        return send
    raise unreadable("messages.send")


def load_raw(text: str, place: str) -> dict[str, Any]:
    """Read an item as received from its JSON.

    Raises:
        UnreadableRowError: it is none.
    """
    with ReadingContext(place):
        raw = json.loads(text)
    if isinstance(raw, dict):
        return raw
    raise unreadable(place)


def erase_recipient(text: str) -> str:
    """Return the JSON of a send that names no recipient; that it was contradicted stays known."""
    send = load_send(text)
    conflicts = tuple(
        replace(one, value=None) if one.field == "to" else one for one in send.conflicts
    )
    return dump_send(replace(send, to=None, conflicts=conflicts))
