"""The routes of the private API: parameters, request and response bodies."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from receiver.api.access.auth import Scope
from receiver.api.bodies.parsing import MOST_ON_A_PAGE
from receiver.api.bodies.retries import LONGEST_DELAY_S, LONGEST_LEASE_S, MOST_CLAIMED
from receiver.api.bodies.suppressions import LONGEST_REASON, MOST_CHECKED
from receiver.api.openapi.types import (
    ANYTHING,
    TEXT,
    TIME,
    TRUTH,
    WHOLE,
    WORD,
    Schema,
    array,
    counts_of,
    nullable,
    object_,
    one_of,
    page,
    ref,
    request_object,
    strict_object,
)
from receiver.api.statistics import DIMENSIONS
from receiver.domain.catalogue.entries import Category, RetryClass
from receiver.domain.messages.state import State
from receiver.domain.retries.items import ItemState
from receiver.domain.retries.policy import MessageKind
from receiver.domain.suppressions.suppression import Source
from receiver.store.statistics_queries import Interval

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path."""

    method: str
    path: str
    summary: str
    scope: Scope | None = None  # None: it needs no key
    query: Mapping[str, Schema] = field(default_factory=dict)
    body: Schema | None = None
    body_needed: bool = True
    status: int = 200
    answer: Schema | None = None
    media_types: tuple[str, ...] = (JSON,)
    problems: tuple[int, ...] = ()  # besides those that any route may give
    repeatable: bool = False  # takes an Idempotency-Key


READ, WRITE, ADMIN = Scope.READ, Scope.WRITE, Scope.ADMIN

_PARAMETER: Schema = {"type": "string", "minLength": 1, "maxLength": 1024}
_FLAG: Schema = {"type": "string", "enum": ["true", "false", "1", "0"]}
_LIMIT = {"type": "integer", "minimum": 1, "maximum": MOST_ON_A_PAGE}
_LANG = {"lang": _PARAMETER}
_APPLICATION = {"application": _PARAMETER}
_PERIOD = {"since": TIME, "until": TIME}
_PAGE = {"limit": _LIMIT, "cursor": _PARAMETER}
_REASON: Schema = {"type": "string", "minLength": 1, "maxLength": LONGEST_REASON}


def _whole(lowest: int, highest: int) -> Schema:
    return {"type": "integer", "minimum": lowest, "maximum": highest}


_OF_MESSAGES = {
    "to": _PARAMETER, "state": one_of(State), "code": _PARAMETER, "category": one_of(Category),
    **_APPLICATION, "extend": _PARAMETER, "reference": _PARAMETER, "registered": _FLAG, **_PERIOD,
}  # fmt: skip
_OF_UPLINKS = {
    "from": _PARAMETER, "to": _PARAMETER, "sms_msg_id": _PARAMETER, **_APPLICATION, **_PERIOD,
}  # fmt: skip
_FORMAT = {"format": one_of(("ndjson", "csv"))}
_EXPORTED = ("application/x-ndjson", "text/csv; charset=utf-8; header=present")
_SEVERAL = {"type": "array", "items": _PARAMETER}
_COUNTED = {
    "by": array(one_of(DIMENSIONS)), "state": array(one_of(State)),
    "category": array(one_of(Category)), "registered": _FLAG, "channel": _SEVERAL,
    "application": _SEVERAL, "code": _SEVERAL, "country": _SEVERAL, "template": _SEVERAL,
    **_PERIOD, "interval": one_of(Interval), "limit": _LIMIT,
}  # fmt: skip
_SETTLED = {"id": WHOLE, "state": one_of(ItemState)}

MESSAGES = (
    Operation(
        "POST", "/v1/sends", "Register sends", WRITE, _LANG, status=202,
        body=request_object(
            response=ANYTHING, request=ANYTHING, sends=array(ref("Send")), reference=nullable(TEXT),
            references=ANYTHING, extend=nullable(TEXT), template_id=nullable(TEXT),
            text_length=nullable(WHOLE), retry_of=nullable(TEXT), application=nullable(TEXT),
        ),
        answer=ref("Registered"),
    ),
    Operation("GET", "/v1/messages", "List messages", READ, {**_OF_MESSAGES, **_PAGE, **_LANG},
              answer=page("messages", ref("Message"))),
    Operation(
        "POST", "/v1/messages/lookup", "Look up several messages", READ, _LANG,
        body=request_object(
            ids=nullable(array(TEXT)), references=nullable(array(TEXT)),
            extends=nullable(array(TEXT)),
            application=nullable(TEXT),
        ),
        answer=request_object(
            ["messages", "missing"], messages=array(ref("Message")), missing=array(TEXT),
            **dict.fromkeys(
                ("missing_references", "cut_references", "missing_extends", "cut_extends"),
                array(TEXT),
            ),
        ),
    ),
    Operation("GET", "/v1/messages/{sms_msg_id}", "Get a message", READ, {**_APPLICATION, **_LANG},
              answer=ref("Message"), problems=(404, 409)),
    Operation("GET", "/v1/messages/{sms_msg_id}/explain", "Explain the state of a message", READ,
              {**_APPLICATION, **_LANG}, answer=ref("Explanation"), problems=(404, 409)),
    Operation("GET", "/v1/messages/{sms_msg_id}/attempts",
              "Get the chain of attempts of a message", READ,
              _APPLICATION, answer=ref("Attempts"), problems=(404, 409)),
    Operation("GET", "/v1/export/messages", "Export messages", READ,
              {**_OF_MESSAGES, **_FORMAT, **_PAGE, **_LANG}, media_types=_EXPORTED),
    Operation("GET", "/v1/uplinks", "List uplinks", READ, {**_OF_UPLINKS, **_PAGE},
              answer=page("uplinks", ref("Uplink"))),
    Operation("GET", "/v1/uplinks/{sms_msg_id}", "Get an uplink", READ, _APPLICATION,
              answer=ref("Uplink"), problems=(404, 409)),
    Operation("GET", "/v1/export/uplinks", "Export uplinks", READ,
              {**_OF_UPLINKS, **_FORMAT, **_PAGE}, media_types=_EXPORTED),
    Operation("GET", "/v1/quarantine", "List quarantined pushes and items", READ,
              {**_APPLICATION, "kind": _PARAMETER, **_PERIOD, **_PAGE},
              answer=page("quarantine", ref("Quarantined"))),
    Operation("GET", "/v1/stats", "Count messages", READ, _COUNTED, answer=ref("Statistics")),
    Operation("GET", "/v1/stats/silence", "List silent applications", READ, _APPLICATION,
              answer=ref("Silence")),
)  # fmt: skip

RETRIES = (
    Operation(
        "GET", "/v1/retries", "List the retry queue", READ,
        {"state": one_of(ItemState), **_APPLICATION, "due_before": TIME, **_PAGE, **_LANG},
        answer=page("retries", ref("RetryItem"), waiting=WHOLE, due=WHOLE, claimed=WHOLE,
                    expired=WHOLE),
    ),
    Operation(
        "POST", "/v1/retries/claim", "Claim items that are due", WRITE, _LANG, repeatable=True,
        body=request_object(
            limit=_whole(1, MOST_CLAIMED), lease_seconds=_whole(1, LONGEST_LEASE_S),
            application=nullable(TEXT),
        ),
        body_needed=False, answer=object_(lease_until=TIME, retries=array(ref("Claimed"))),
    ),
    Operation("POST", "/v1/retries/{id}/complete",
              "Complete an item with the send that retried it", WRITE, repeatable=True,
              body=request_object(["lease", "response"], lease=WORD, response=ANYTHING),
              answer=object_(**_SETTLED, sms_msg_id=TEXT, next=TEXT, registered=TRUTH,
                            ignored=array(ref("Ignored"))),
              problems=(404, 409)),
    Operation("POST", "/v1/retries/{id}/release",
              "Return an item to the queue", WRITE, repeatable=True,
              body=request_object(["lease"], lease=WORD, delay_seconds=_whole(0, LONGEST_DELAY_S)),
              answer=object_(**_SETTLED, due_at=TIME), problems=(404, 409)),
    Operation("POST", "/v1/retries/{id}/abandon", "Abandon an item", WRITE, repeatable=True,
              body=request_object(["lease", "reason"], lease=WORD, reason=WORD),
              answer=object_(**_SETTLED),
              problems=(404, 409)),
)  # fmt: skip

RECIPIENTS = (
    Operation("GET", "/v1/recipients/{number}", "Check whether a number may be sent to", READ,
              {"channel": _PARAMETER, **_APPLICATION, "kind": one_of(MessageKind), **_LANG},
              answer=ref("KnownRecipient")),
    Operation(
        "POST", "/v1/recipients/check", "Check whether several numbers may be sent to", READ, _LANG,
        body=strict_object(
            ["numbers"],
            numbers={"type": "array", "items": WORD, "minItems": 1, "maxItems": MOST_CHECKED},
            channel=nullable(WORD), application=nullable(WORD), kind=one_of(MessageKind),
        ),
        answer=object_(may_send=WHOLE, refused=WHOLE, recipients=array(ref("CheckedRecipient"))),
    ),
    Operation(
        "GET", "/v1/suppressions", "List suppressions", READ,
        {"suppressed": _FLAG, "number": _PARAMETER, "channel": _PARAMETER, **_APPLICATION,
         "source": one_of(Source), **_PAGE},
        answer=page("suppressions", ref("Suppression")),
    ),
    Operation(
        "PUT", "/v1/suppressions/{number}", "Suppress a number manually", WRITE, _LANG,
        body=strict_object(["reason"], reason=_REASON, channel=nullable(WORD),
            application=nullable(WORD),
                  until=TIME),
        answer=ref("Recipient"),
    ),
    Operation(
        "DELETE", "/v1/suppressions/{number}", "Lift the suppressions of a number", WRITE, _LANG,
        body=strict_object(["reason"], reason=_REASON, channel=nullable(WORD),
            application=nullable(WORD),
                  override_opt_out=TRUTH),
        answer=ref("Recipient"), problems=(404, 409),
    ),
    Operation("GET", "/v1/suppressions/{number}/history", "List changes of suppressions", READ,
              {**_APPLICATION, **_PAGE},
              answer=page("changes", ref("Change"), number=TEXT, words=array(ref("Word")))),
)  # fmt: skip

ADMINISTRATION = (
    Operation(
        "GET", "/v1/codes", "List the catalogue", READ,
        {"category": one_of(Category), "retry": one_of(RetryClass), "origin": _PARAMETER,
         "seen": one_of(("unknown", "unlisted")), "limit": _LIMIT, **_LANG},
        answer=object_(
            version=TEXT, codes=array({"anyOf": [ref("Entry"), ref("SeenCode")]})
        ),
    ),
    Operation("GET", "/v1/codes/{code}", "Explain a status code", READ,
              {"source": _whole(1, 3), "org_code": _PARAMETER, **_LANG},
              answer=object_(
                  code=TEXT, version=TEXT, match=ref("Match"), entries=array(ref("Entry")))),
    Operation("GET", "/docs/codes", "Show the catalogue as a page", None, _LANG,
              media_types=("text/html; charset=utf-8",)),
    Operation("POST", "/v1/reclassify", "Reclassify stored messages", ADMIN,
        body=strict_object(since=nullable(TIME)),
              body_needed=False, status=202, answer=ref("Run"), problems=(409,)),
    Operation("GET", "/v1/reclassify",
              "Get the progress of the reclassification", READ, answer=ref("Run"),
              problems=(404,)),
    Operation("DELETE", "/v1/reclassify",
              "Stop the reclassification", ADMIN, answer=ref("Run"), problems=(404,)),
    Operation("POST", "/v1/reclassify/undo",
              "Undo the changes to suppressions of the last reclassification", ADMIN,
              answer=ref("Run"), problems=(404, 409)),
    Operation("POST", "/v1/purge",
              "Purge data beyond its retention period", ADMIN, body=strict_object(dry_run=TRUTH),
              body_needed=False, status=202, answer=ref("Purge"), problems=(409,)),
    Operation("GET", "/v1/purge", "Get the progress of the purge", ADMIN, answer=ref("Purge"),
              problems=(404,)),
    Operation(
        "POST", "/v1/forget", "Erase the data of a phone number", ADMIN,
        body=strict_object(["number"], number=WORD, keep_suppression=TRUTH),
        answer=object_(
            erased=counts_of(), found_in_files=array(TEXT), searched_files=WHOLE,
            store_searched=TRUTH,
        ),
        problems=(409,),
    ),
    Operation("GET", "/metrics", "Metrics in Prometheus format", None,
              media_types=("text/plain; version=0.0.4; charset=utf-8",
                           "text/plain; version=1.0.0; charset=utf-8",
                           "application/openmetrics-text; version=1.0.0; charset=utf-8"),
              problems=(401, 403, 429)),  # with `metrics_need_key`
    Operation("GET", "/healthz", "Liveness: the process answers", None,
        answer=object_(status=one_of(["ok"]))),
    Operation("GET", "/readyz", "Readiness: journal, projector, store and event loop work", None,
              answer=object_(status=one_of(("ready", "not ready")), journal=TRUTH,
                            projector=TRUTH, store=TRUTH, event_loop=TRUTH,
                            problems=array(TEXT))),
    Operation("GET", "/openapi.json", "OpenAPI document", None, answer=ANYTHING),
    Operation("GET", "/docs", "API reference as a page", None,
              media_types=("text/html; charset=utf-8",)),
)  # fmt: skip

OPERATIONS = (*MESSAGES, *RETRIES, *RECIPIENTS, *ADMINISTRATION)
