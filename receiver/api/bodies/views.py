"""Domain values -> the JSON of the private API."""

import base64
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from receiver.domain.effects import Effects
from receiver.domain.inputs import ACCEPTED_BY_PLATFORM, Send
from receiver.domain.messages.anomalies import anomalies
from receiver.domain.messages.conflicts import COMPARED
from receiver.domain.messages.durations import delivery_time_us
from receiver.domain.messages.state import Folded, Part, StoredReport, by_part
from receiver.domain.numbers import normalise
from receiver.domain.reclassification import Run
from receiver.domain.retries.decision import Retry
from receiver.domain.storable import storable_value
from receiver.domain.times import SECOND, to_rfc3339
from receiver.domain.verdict import Verdict
from receiver.domain.wording.languages import Language
from receiver.domain.wording.sentences import Reason
from receiver.huawei.registration import Note
from receiver.projector.reclassifier import RunPhase
from receiver.retries.judge import MessageDecision
from receiver.store.queries import Row, StoredMessage
from receiver.store.seen_codes import SeenCode

Json = dict[str, Any]
MOST_SHOWN = 100  # entries of each list about a registration


def message_json(decided: MessageDecision, language: Language) -> Json:
    """Write one message with its parts, reports, timeline and what is decided about it."""
    stored, folded = decided.stored, decided.folded
    message, send = stored.message, stored.message.send
    reports = sorted(message.reports.values(), key=_report_order)
    deciding = folded.deciding
    return {
        "sms_msg_id": message.sms_msg_id,
        "application": message.application,
        "state": stored.state.value,
        "final": folded.final,
        "conflict": folded.conflict,
        "code": folded.code,
        "org_code": deciding.org_code if deciding else None,
        "status_desc": deciding.status_desc if deciding else None,
        "to": normalise(folded.to),
        "from": send.sender if send else None,
        "country": stored.country,
        "extend": folded.extend,
        "reference": send.reference if send else None,
        "template_id": send.template_id if send else None,
        "text_length": send.text_length if send else None,
        "registered": send is not None,
        "sent_at": _time(send.sent_at) if send else None,
        "delivered_at": _time(folded.delivered_at),
        "delivery_seconds": _delivery_seconds(stored, folded),
        "first_report_at": _time(folded.first_report_at),
        "last_report_at": _time(folded.last_report_at),
        "total": folded.total,
        "parts": _parts_json(folded, reports),
        "anomalies": [anomaly.value for anomaly in anomalies(send, reports)],
        "registration_conflicts": _conflicts_json(send),
        "registration_conflicts_omitted": send is not None and send.conflicts_omitted,
        "reports": [_report_json(report) for report in reports],
        "timeline": _timeline(stored, folded, reports),
        "verdict": verdict_json(decided.verdict),
        "retry": retry_json(decided.retry, language),
        "attempts": _attempts_json(decided),
        "trust": folded.trust.value,
    }


def verdict_json(verdict: Verdict) -> Json:
    """Write a verdict."""
    return {
        "action": verdict.action.value,
        "category": verdict.category.value if verdict.category else None,
        "meaning": verdict.meaning,
        "cause": verdict.cause,
        "suggestion": verdict.suggestion,
        "retryable": verdict.retryable,
        "not_before": _time(verdict.not_before),
        "suppress_recipient": verdict.suppress_recipient,
        "billable": verdict.billable,
        "duplicate_risk": verdict.duplicate_risk,
        "why": verdict.why,
        "catalogue": verdict.catalogue,
    }


def retry_json(retry: Retry, language: Language) -> Json:
    """Write whether a message is sent again."""
    why = retry.reason
    return {
        "decision": retry.decision.value,
        "reason": None if why is None else why.rule.value,
        "text": None if why is None else why.words.in_(language),
        "not_before": _time(retry.not_before),
        "deadline": _time(retry.deadline),
        "next_attempt": retry.next_attempt,
    }


def _attempts_json(decided: MessageDecision) -> Json:
    send, chain = decided.stored.message.send, decided.chain
    return {
        "previous": send.retry_of if send else None,
        "next": decided.stored.next_id,
        "count": len(chain.attempts) if chain else 1,
        "outcome": (chain.outcome if chain else decided.stored.state).value,
    }


def _conflicts_json(send: Send | None) -> list[Json]:
    """List what later registrations said otherwise, by the registrations that said it first.

    Each value stands under its own name, so that numbers are found where numbers stand.
    """
    registrations: list[Json] = []
    for one in send.conflicts if send else ():
        name, at = COMPARED[one.field], _time(one.registered_at)
        value = _SHOWN.get(one.field, _as_it_is)(one.value)
        for known in registrations:
            if known["registered_at"] == at and name not in known:
                known[name] = value
                break
        else:
            registrations.append({"registered_at": at, name: value})
    return registrations


def ignored_json(notes: Sequence[Note]) -> list[Json]:
    """Write what was left out of a registration, or beside it."""
    return [{"index": note.index, "reason": note.reason} for note in notes[:MOST_SHOWN]]


def quarantine_json(row: Row) -> Json:
    """Write one quarantined push or item; its bytes as text where they are text."""
    raw = bytes(row["body"])
    try:
        body: Json = {"body": raw.decode()}
    except UnicodeDecodeError:
        body = {"body_base64": base64.b64encode(raw).decode()}
    return {
        "id": row["id"],
        "application": row["application"],
        "kind": row["kind"],
        "reason": row["reason"],
        "received_at": _time(row["received_at"]),
        "peer": row["peer"],
        "trust": row["trust"],
        "size": row["size"],
        "truncated": row["size"] > len(raw),
        **body,
    }


def seen_json(code: SeenCode) -> Json:
    """Write a code that came and is not in the catalogue."""
    return {
        "code": code.code,
        "org_code": code.org_code,
        "refused": code.refused,
        "messages": code.messages,
        "first_at": _time(code.first_at),
        "last_at": _time(code.last_at),
        "example": {"sms_msg_id": code.example, "application": code.application},
    }


def run_json(run: Run, phase: RunPhase) -> Json:
    """Write how far a reclassification has come, and what it has changed."""
    return {
        "phase": phase.value,
        "rules": run.policy,
        "since": _time(run.since),
        "started_at": _time(run.started_at),
        "updated_at": _time(run.updated_at),
        "finished_at": _time(run.finished_at),
        "share": round(run.share, 4),
        "examined": run.examined,
        "changed": run.changed,
        "changes": [
            {
                "from": {"state": change.before.state, "category": change.before.category},
                "to": {"state": change.after.state, "category": change.after.category},
                "messages": change.messages,
                "examples": list(change.examples),
            }
            for change in run.changes
        ],
        "reread": {
            "messages": run.rereading.messages,
            "uplinks": run.rereading.uplinks,
            "opt_outs": run.rereading.opt_outs,
            "suppressions": run.rereading.suppressions,
            "recovered": run.rereading.recovered,
        },
        **_effects_json(run.effects),
    }


def _effects_json(effects: Effects) -> Json:
    undo = effects.undo
    return {
        "retries": [
            {
                "effect": line.effect.value,
                "reason": line.reason,
                "messages": line.messages,
                "examples": list(line.examples),
            }
            for line in effects.retries
        ],
        "suppressions": [
            {
                "effect": line.review.effect.value,
                "code": line.review.code,
                "category": line.review.category,
                "reason": line.review.reason,
                "numbers": line.numbers,
                "in_force": line.in_force,
            }
            for line in effects.suppressions
        ],
        "undo": None
        if undo is None
        else {
            "at": _time(undo.at),
            "restored": undo.restored,
            "lifted": undo.lifted,
            "kept": undo.kept,
        },
    }


def reason_json(reason: Reason, language: Language) -> Json:
    """Write a rule that was applied, and to which facts."""
    return {"rule": reason.rule.value, **reason.facts, "text": reason.words.in_(language)}


def part_number(number: int, lowest: int = 1) -> int | None:
    """Write the number of a part; null where it could not be read."""
    return number if number >= lowest else None


def _delivery_seconds(stored: StoredMessage, folded: Folded) -> float | None:
    send = stored.message.send
    sent_at = send.sent_at if send else None
    taken = delivery_time_us(sent_at, folded.delivered_at, folded.last_report_at)
    return None if taken is None else taken / SECOND


def _parts_json(folded: Folded, reports: list[StoredReport]) -> list[Json]:
    heard = by_part(reports, folded.total)
    return [_part_json(part, heard.get(part.sequence, ())) for part in folded.parts]


def _part_json(part: Part, reports: Sequence[StoredReport]) -> Json:
    report = part.report
    return {
        "sequence": part_number(part.sequence),
        "expected": not part.extra,
        "state": part.state.value,
        "code": report.status if report else None,
        "source": report.source if report else None,
        "updated_at": _time(report.updated_at) if report else None,
        "conflict": part.conflict,
        "reports": len(reports),
        "first_report_at": _time(min((s.received_at for s in reports), default=None)),
        "last_report_at": _time(max((s.last_received_at for s in reports), default=None)),
    }


def _report_json(stored: StoredReport) -> Json:
    report = stored.report
    return {
        "sequence": part_number(report.sequence, lowest=0),
        "total": report.total or None,
        "status": report.status,
        "source": report.source,
        "updated_at": _time(report.updated_at),
        "status_desc": report.status_desc,
        "org_code": report.org_code,
        "extend": report.extend,
        "to": normalise(report.to),
        "trust": stored.trust.value,
        "received_at": _time(stored.received_at),
        "last_received_at": _time(stored.last_received_at),
        "redeliveries": stored.redeliveries,
        "raw": storable_value(report.raw),
    }


def _timeline(stored: StoredMessage, folded: Folded, reports: list[StoredReport]) -> list[Json]:
    """List what happened in the order of the platform's own times; what has none comes last."""
    send = stored.message.send
    deciding = {id(part.report) for part in folded.parts}
    events: list[tuple[int | None, Json]] = []
    if send is not None:
        event = "refused" if send.refused else "sent"
        events.append((send.sent_at, {"event": event, "code": send.status or ACCEPTED_BY_PLATFORM}))
    for known in reports:
        report = known.report
        what = {
            "event": "report",
            "sequence": part_number(report.sequence, lowest=0),
            "code": report.status,
            "decides": id(report) in deciding,
        }
        events.append((report.updated_at, what))
    events.sort(key=lambda event: (event[0] is None, event[0] or 0))
    return [{"at": _time(at), **event} for at, event in events]


def _report_order(stored: StoredReport) -> tuple[int, bool, int, str, str]:
    report = stored.report
    return (
        report.sequence,
        report.updated_at is None,
        report.updated_at or 0,
        report.status,
        report.update_time,
    )


def _time(micros: int | None) -> str | None:
    return None if micros is None else to_rfc3339(micros)


def _as_it_is(value: Any) -> Any:
    return value


_SHOWN: Mapping[str, Callable[[Any], Any]] = {"to": normalise, "sent_at": _time}
