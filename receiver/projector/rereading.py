"""Stored inputs, parsed again from their raw form by the current version.

The store keeps each item as received (`raw`) for a time. Where that is erased, what was read of it
then stays as it is.
"""

import json
from dataclasses import fields, replace
from typing import Any

from receiver.domain.identifiers import clean
from receiver.domain.inputs import Send, StatusReport, Uplink
from receiver.domain.messages.merge import merge_reports
from receiver.domain.messages.state import StoredReport, report_key
from receiver.domain.numbers import normalise
from receiver.domain.projection import Event, MessageBuilder, Quarantined, UplinkRecord
from receiver.domain.steps import finish
from receiver.domain.suppressions.opt_outs import OptOutWords
from receiver.domain.uplinks import digest_of
from receiver.huawei import wire
from receiver.huawei.items import read_report, read_uplink
from receiver.huawei.mojibake import repair
from receiver.journal import Row
from receiver.projector.decoding import decode

_BATCH = wire.PushKind.BATCH.value
_REPLACED = "\ufffd"  # stood for a byte or NUL that could not be stored


def reread_message(message: MessageBuilder) -> MessageBuilder | None:
    """Return a stored message as its items are read today; None where nothing differs.

    Its id may be another one: it then belongs to the message of that id.
    """
    reports: dict[Any, StoredReport] = {}
    for stored in message.reports.values():
        report = _reread_report(stored)
        key = report_key(report.report)
        reports[key] = merge_reports(reports[key], report) if key in reports else report
    again = replace(
        message,
        sms_msg_id=clean(message.sms_msg_id),
        send=_reread_send(message.send) if message.send else None,
        reports=reports,
    )
    is_same = (
        again.sms_msg_id == message.sms_msg_id
        and again.send == message.send
        and again.reports == message.reports
        and normalise(message.stored["to_text"]) == message.stored["to_number"]
    )
    return None if is_same else again


def reread_uplink(
    record: UplinkRecord, number: str | None, words: OptOutWords
) -> UplinkRecord | None:
    """Return a stored uplink as it is read today, by today's words; None where nothing differs.

    Args:
        record: as it is stored.
        number: of its sender, as it is stored; None where it is erased.
        words: in force.
    """
    uplink = _reread_text(record.uplink) if record.uplink.raw else record.uplink
    uplink = replace(
        uplink,
        sms_msg_id=clean(uplink.sms_msg_id),
        sender=clean(uplink.sender),
        to=clean(uplink.to),
    )
    again = replace(
        record,
        uplink=uplink,
        digest=digest_of(uplink) if uplink.raw else record.digest,
        intent=words.asked_by(uplink) or record.intent,
    )
    is_same = _seen(again) == _seen(record) and number in (None, normalise(uplink.sender))
    return None if is_same else again


def _seen(record: UplinkRecord) -> tuple[object, ...]:
    uplink = record.uplink
    texts = (uplink.sms_msg_id, uplink.sender, uplink.to, uplink.body, uplink.original_body)
    return *texts, uplink.created_at, record.digest, record.intent


def _reread_text(uplink: Uplink) -> Uplink:
    """Read an uplink again; a text that the store holds whole stays.

    It may be in a charset that only the headers of its push declared.
    """
    read = read_uplink(uplink.raw)
    if _REPLACED in uplink.body:
        return replace(read, sms_msg_id=uplink.sms_msg_id, sender=uplink.sender, to=uplink.to)
    return replace(
        uplink,
        created_at=read.created_at,
        create_time=read.create_time,
        is_guess=read.is_guess,
        guesses=read.guesses,
        text=read.text if read.body == uplink.body else None,
    )


def reread_quarantined(row: Row) -> list[Event]:
    """Return what a quarantined push or item says; empty where it still cannot be used.

    Args:
        row: as the journal had it, with the whole body.
    """
    if row.kind == _BATCH:
        row = row._replace(body=_as_batch(row.body))
    events = finish(decode(row))
    return [] if any(isinstance(event, Quarantined) for event in events) else events


def _as_batch(body: bytes) -> bytes:
    """Put one item of a batch into a batch of its own."""
    try:
        item = json.loads(body)
    except ValueError:
        return body
    if not isinstance(item, dict) or "statusReportList" in item:
        return body
    return json.dumps({"statusReportList": [item]}).encode()


def _reread_report(stored: StoredReport) -> StoredReport:
    kept = stored.report
    report = replace(
        kept,
        status=clean(kept.status),
        update_time=clean(kept.update_time),
        org_code=_cleaned(kept.org_code),
        extend=_cleaned(kept.extend),
        to=_cleaned(kept.to),
    )
    return replace(stored, report=_reread_fields(report) if kept.raw else report)


def _reread_fields(kept: StatusReport) -> StatusReport:
    """Read a report again; a redelivery may have told more than the arrival whose `raw` is kept."""
    read = read_report(kept.raw)
    return replace(
        kept,
        sequence=read.sequence,
        total=_greater(read.total, kept.total),
        source=_greater(read.source, kept.source),
        updated_at=read.updated_at,
        status_desc=repair(_whole(kept.status_desc, read.status_desc) or "") or None,
        org_code=_whole(kept.org_code, read.org_code),
        extend=_whole(kept.extend, read.extend),
        to=_whole(kept.to, read.to),
    )


def _whole(kept: str | None, read: str | None) -> str | None:
    return read if kept is None or _REPLACED in kept else kept


def _greater(read: int | None, kept: int | None) -> int | None:
    return max((one for one in (read, kept) if one is not None), default=None)


def _cleaned(text: str | None) -> str | None:
    return None if text is None else clean(repair(text)) or None


def _reread_send(send: Send) -> Send:
    given = {field.name: getattr(send, field.name) for field in fields(send)}
    cleaned: dict[str, Any] = {
        name: clean(text) or None for name, text in given.items() if isinstance(text, str)
    }
    return replace(send, **cleaned)
