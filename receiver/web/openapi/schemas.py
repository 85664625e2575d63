"""What stands in the bodies: JSON schemas, put together from the domain's own words."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

from receiver.domain.entries import Category, RetryClass
from receiver.domain.events import Trust
from receiver.domain.messages import State
from receiver.domain.retrying.policy import Kind
from receiver.domain.suppression import Source
from receiver.domain.verdict import Action
from receiver.store.queueing import ItemState

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
WHOLE: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}
TRUTH: Schema = {"type": "boolean"}
ANYTHING: Schema = {"type": "object"}
TIME: Schema = {"type": "string", "format": "date-time"}


def one_of(words: Iterable[StrEnum] | Iterable[str]) -> Schema:
    """Give the schema of one of some words."""
    return {"type": "string", "enum": [str(word) for word in words]}


def maybe(schema: Schema) -> Schema:
    """Give the schema of a value that may be null."""
    if "type" not in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    kinds = schema["type"]
    listed = [*(kinds if isinstance(kinds, list) else [kinds]), "null"]
    enum = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
    return {**schema, "type": listed, **enum}


def many(schema: Schema) -> Schema:
    """Give the schema of a list."""
    return {"type": "array", "items": schema}


def ref(name: str) -> Schema:
    """Refer to one of the named schemas."""
    return {"$ref": f"#/components/schemas/{name}"}


def always(**members: Schema) -> Schema:
    """Give the schema of an object whose members are all there; others may come."""
    named = {name.rstrip("_"): schema for name, schema in members.items()}
    return {"type": "object", "required": list(named), "properties": named}


def some(required: Iterable[str] = (), **members: Schema) -> Schema:
    """Give the schema of an object that is sent, with members that may be left out."""
    named = {name.rstrip("_"): schema for name, schema in members.items()}
    told = list(required)
    return {"type": "object", "properties": named, **({"required": told} if told else {})}


def page(name: str, item: Schema, **beside: Schema) -> Schema:
    """Give the schema of a stretch of a list."""
    return always(**beside, **{name: many(item), "next": maybe(TEXT)})


_REASON = some(["rule", "text"], rule=TEXT, text=TEXT)
_TALLY = {
    "messages": WHOLE, "states": ANYTHING, "delivered_share": maybe(NUMBER),
    "delivery_seconds": ANYTHING,
}  # fmt: skip

NAMED: dict[str, Schema] = {
    "Problem": always(type=TEXT, title=TEXT, status=WHOLE, detail=TEXT),
    "Verdict": always(
        action=one_of(Action), category=maybe(one_of(Category)), meaning=TEXT, cause=TEXT,
        suggestion=TEXT, retryable=TRUTH, not_before=maybe(TIME), suppress_recipient=TRUTH,
        billable=maybe(TRUTH), duplicate_risk=TRUTH, why=ANYTHING, catalogue=TEXT,
    ),
    "Message": always(
        sms_msg_id=TEXT, application=TEXT, state=one_of(State), final=TRUTH, conflict=TRUTH,
        code=maybe(TEXT), org_code=maybe(TEXT), status_desc=maybe(TEXT), to=maybe(TEXT),
        from_=maybe(TEXT), country=maybe(TEXT), extend=maybe(TEXT), reference=maybe(TEXT),
        template_id=maybe(TEXT), text_length=maybe(WHOLE), registered=TRUTH, sent_at=maybe(TIME),
        delivered_at=maybe(TIME), delivery_seconds=maybe(NUMBER), first_report_at=maybe(TIME),
        last_report_at=maybe(TIME), total=WHOLE, parts=many(ANYTHING), anomalies=many(TEXT),
        reports=many(ANYTHING), timeline=many(ANYTHING), verdict=ref("Verdict"),
        attempts=always(previous=maybe(TEXT), next=maybe(TEXT)), trust=one_of(Trust),
    ),
    "Uplink": always(sms_msg_id=TEXT, application=TEXT, from_=TEXT, to=TEXT, body=TEXT),
    "Explanation": always(
        sms_msg_id=TEXT, application=TEXT, registered=TRUTH, reports=many(_REASON), parts=_REASON,
        state=_REASON, code=maybe(_REASON), catalogue=ANYTHING, policy=many(_REASON),
        retry=ANYTHING, verdict=ref("Verdict"), anomalies=many(ANYTHING),
    ),
    "Attempts": always(application=TEXT, outcome=one_of(State), attempts=many(ANYTHING)),
    "Entry": always(
        code=TEXT, origin=TEXT, scope=TEXT, category=one_of(Category), retry=one_of(RetryClass),
        retry_after_s=maybe(WHOLE), billable=maybe(TRUTH), meaning=TEXT, cause=TEXT,
        suggestion=TEXT, source=TEXT, rank=TEXT,
    ),
    "RetryItem": always(
        id=WHOLE, sms_msg_id=TEXT, application=TEXT, state=one_of(ItemState), due_at=TIME,
        to=maybe(TEXT), code=maybe(TEXT), reason=maybe(TEXT), claims=WHOLE,
        lease_until=maybe(TIME), next=maybe(TEXT),
    ),
    "Claimed": always(
        id=WHOLE, lease=TEXT, lease_until=TIME, sms_msg_id=TEXT, application=TEXT, to=maybe(TEXT),
        kind=one_of(Kind), attempt=WHOLE, deadline=TIME, verdict=ref("Verdict"),
    ),
    "Word": always(
        channel=maybe(TEXT), application=maybe(TEXT), suppressed=TRUTH, holds=TRUTH,
        source=one_of(Source), source_id=TEXT, reason=maybe(TEXT), since=TIME, until=maybe(TIME),
    ),
    "Recipient": always(
        number=TEXT, country=maybe(TEXT), channel=maybe(TEXT), application=maybe(TEXT),
        kind=one_of(Kind), may_send=TRUTH, until=maybe(TIME), why=many(_REASON),
    ),
    "Quarantined": always(
        id=WHOLE, application=TEXT, kind=TEXT, reason=TEXT, received_at=TIME, peer=TEXT,
        trust=one_of(Trust), size=WHOLE, truncated=TRUTH,
    ),
    "Run": always(phase=TEXT),
    "Purge": always(
        phase=TEXT, dry_run=TRUTH, before=ANYTHING, counts=ANYTHING, started_at=TIME,
        updated_at=TIME, finished_at=maybe(TIME),
    ),
    "Tally": always(**_TALLY),
    "Statistics": always(
        since=TIME, until=TIME, by=many(TEXT), interval=maybe(TEXT), **_TALLY,
        groups=many(ref("Tally")), omitted=always(groups=WHOLE, messages=WHOLE),
    ),
}  # fmt: skip
