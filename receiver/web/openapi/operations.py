"""The routes of the private API: what each takes, and what it answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from receiver.domain.entries import Category, RetryClass
from receiver.domain.messages import State
from receiver.domain.retrying.items import ItemState
from receiver.domain.retrying.policy import Kind
from receiver.domain.suppression import Source
from receiver.store.counting import Interval
from receiver.web.auth import Scope
from receiver.web.openapi.building import (
    ANYTHING,
    TEXT,
    TIME,
    TRUTH,
    WHOLE,
    WORD,
    Schema,
    always,
    counts_of,
    many,
    maybe,
    one_of,
    only,
    page,
    ref,
    some,
)
from receiver.web.recipient_requests import LONGEST_REASON, MOST_CHECKED
from receiver.web.requests import MOST_ON_A_PAGE
from receiver.web.retry_requests import LONGEST_DELAY_S, LONGEST_LEASE_S, MOST_CLAIMED
from receiver.web.statistics import DIMENSIONS

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
    "by": many(one_of(DIMENSIONS)), "state": many(one_of(State)),
    "category": many(one_of(Category)), "registered": _FLAG, "channel": _SEVERAL,
    "application": _SEVERAL, "code": _SEVERAL, "country": _SEVERAL, "template": _SEVERAL,
    **_PERIOD, "interval": one_of(Interval), "limit": _LIMIT,
}  # fmt: skip
_SETTLED = {"id": WHOLE, "state": one_of(ItemState)}

MESSAGES = (
    Operation(
        "POST", "/v1/sends", "Register sends", WRITE, _LANG, status=202,
        body=some(
            response=ANYTHING, request=ANYTHING, sends=many(ref("Send")), reference=maybe(TEXT),
            references=ANYTHING, extend=maybe(TEXT), template_id=maybe(TEXT),
            text_length=maybe(WHOLE), retry_of=maybe(TEXT), application=maybe(TEXT),
        ),
        answer=ref("Registered"),
    ),
    Operation("GET", "/v1/messages", "List messages", READ, {**_OF_MESSAGES, **_PAGE, **_LANG},
              answer=page("messages", ref("Message"))),
    Operation(
        "POST", "/v1/messages/lookup", "Look many messages up", READ, _LANG,
        body=some(
            ids=maybe(many(TEXT)), references=maybe(many(TEXT)), extends=maybe(many(TEXT)),
            application=maybe(TEXT),
        ),
        answer=some(
            ["messages", "missing"], messages=many(ref("Message")), missing=many(TEXT),
            **dict.fromkeys(
                ("missing_references", "cut_references", "missing_extends", "cut_extends"),
                many(TEXT),
            ),
        ),
    ),
    Operation("GET", "/v1/messages/{sms_msg_id}", "One message", READ, {**_APPLICATION, **_LANG},
              answer=ref("Message"), problems=(404, 409)),
    Operation("GET", "/v1/messages/{sms_msg_id}/explain", "Why it is so", READ,
              {**_APPLICATION, **_LANG}, answer=ref("Explanation"), problems=(404, 409)),
    Operation("GET", "/v1/messages/{sms_msg_id}/attempts", "Its chain of attempts", READ,
              _APPLICATION, answer=ref("Attempts"), problems=(404, 409)),
    Operation("GET", "/v1/export/messages", "Export messages", READ,
              {**_OF_MESSAGES, **_FORMAT, **_PAGE, **_LANG}, media_types=_EXPORTED),
    Operation("GET", "/v1/uplinks", "List uplinks", READ, {**_OF_UPLINKS, **_PAGE},
              answer=page("uplinks", ref("Uplink"))),
    Operation("GET", "/v1/uplinks/{sms_msg_id}", "One uplink", READ, _APPLICATION,
              answer=ref("Uplink"), problems=(404, 409)),
    Operation("GET", "/v1/export/uplinks", "Export uplinks", READ,
              {**_OF_UPLINKS, **_FORMAT, **_PAGE}, media_types=_EXPORTED),
    Operation("GET", "/v1/quarantine", "What could not be understood", READ,
              {**_APPLICATION, "kind": _PARAMETER, **_PERIOD, **_PAGE},
              answer=page("quarantine", ref("Quarantined"))),
    Operation("GET", "/v1/stats", "Count messages", READ, _COUNTED, answer=ref("Statistics")),
    Operation("GET", "/v1/stats/silence", "What is silent", READ, _APPLICATION,
              answer=ref("Silence")),
)  # fmt: skip

RETRIES = (
    Operation(
        "GET", "/v1/retries", "The retry queue", READ,
        {"state": one_of(ItemState), **_APPLICATION, "due_before": TIME, **_PAGE, **_LANG},
        answer=page("retries", ref("RetryItem"), waiting=WHOLE, due=WHOLE, claimed=WHOLE,
                    expired=WHOLE),
    ),
    Operation(
        "POST", "/v1/retries/claim", "Take items that are due", WRITE, _LANG, repeatable=True,
        body=some(
            limit=_whole(1, MOST_CLAIMED), lease_seconds=_whole(1, LONGEST_LEASE_S),
            application=maybe(TEXT),
        ),
        body_needed=False, answer=always(lease_until=TIME, retries=many(ref("Claimed"))),
    ),
    Operation("POST", "/v1/retries/{id}/complete", "Say what was sent", WRITE, repeatable=True,
              body=some(["lease", "response"], lease=WORD, response=ANYTHING),
              answer=always(**_SETTLED, sms_msg_id=TEXT, next=TEXT, registered=TRUTH,
                            ignored=many(ref("Ignored"))),
              problems=(404, 409)),
    Operation("POST", "/v1/retries/{id}/release", "Put an item back", WRITE, repeatable=True,
              body=some(["lease"], lease=WORD, delay_seconds=_whole(0, LONGEST_DELAY_S)),
              answer=always(**_SETTLED, due_at=TIME), problems=(404, 409)),
    Operation("POST", "/v1/retries/{id}/abandon", "Give an item up", WRITE, repeatable=True,
              body=some(["lease", "reason"], lease=WORD, reason=WORD), answer=always(**_SETTLED),
              problems=(404, 409)),
)  # fmt: skip

RECIPIENTS = (
    Operation("GET", "/v1/recipients/{number}", "May this number be sent to?", READ,
              {"channel": _PARAMETER, **_APPLICATION, "kind": one_of(Kind), **_LANG},
              answer=ref("KnownRecipient")),
    Operation(
        "POST", "/v1/recipients/check", "May these numbers be sent to?", READ, _LANG,
        body=only(
            ["numbers"],
            numbers={"type": "array", "items": WORD, "minItems": 1, "maxItems": MOST_CHECKED},
            channel=maybe(WORD), application=maybe(WORD), kind=one_of(Kind),
        ),
        answer=always(may_send=WHOLE, refused=WHOLE, recipients=many(ref("CheckedRecipient"))),
    ),
    Operation(
        "GET", "/v1/suppressions", "Whom not to send to", READ,
        {"suppressed": _FLAG, "number": _PARAMETER, "channel": _PARAMETER, **_APPLICATION,
         "source": one_of(Source), **_PAGE},
        answer=page("suppressions", ref("Suppression")),
    ),
    Operation(
        "PUT", "/v1/suppressions/{number}", "Suppress a number by hand", WRITE, _LANG,
        body=only(["reason"], reason=_REASON, channel=maybe(WORD), application=maybe(WORD),
                  until=TIME),
        answer=ref("Recipient"),
    ),
    Operation(
        "DELETE", "/v1/suppressions/{number}", "Lift what is in the way", WRITE, _LANG,
        body=only(["reason"], reason=_REASON, channel=maybe(WORD), application=maybe(WORD),
                  override_opt_out=TRUTH),
        answer=ref("Recipient"), problems=(404, 409),
    ),
    Operation("GET", "/v1/suppressions/{number}/history", "What was set and lifted", READ,
              {**_APPLICATION, **_PAGE},
              answer=page("changes", ref("Change"), number=TEXT, words=many(ref("Word")))),
)  # fmt: skip

ADMINISTRATION = (
    Operation(
        "GET", "/v1/codes", "The catalogue", READ,
        {"category": one_of(Category), "retry": one_of(RetryClass), "origin": _PARAMETER,
         "seen": one_of(("unknown", "unlisted")), "limit": _LIMIT, **_LANG},
        answer=always(
            version=TEXT, codes=many({"anyOf": [ref("Entry"), ref("SeenCode")]})
        ),
    ),
    Operation("GET", "/v1/codes/{code}", "What a code means", READ,
              {"source": _whole(1, 3), "org_code": _PARAMETER, **_LANG},
              answer=always(
                  code=TEXT, version=TEXT, match=ref("Match"), entries=many(ref("Entry")))),
    Operation("GET", "/docs/codes", "The catalogue for people", None, _LANG,
              media_types=("text/html; charset=utf-8",)),
    Operation("POST", "/v1/reclassify", "Fold history again", ADMIN, body=only(since=maybe(TIME)),
              body_needed=False, status=202, answer=ref("Run"), problems=(409,)),
    Operation("GET", "/v1/reclassify", "How far that has come", READ, answer=ref("Run"),
              problems=(404,)),
    Operation("DELETE", "/v1/reclassify", "Stop it", ADMIN, answer=ref("Run"), problems=(404,)),
    Operation("POST", "/v1/reclassify/undo", "Take its suppressions back", ADMIN,
              answer=ref("Run"), problems=(404, 409)),
    Operation("POST", "/v1/purge", "Delete what is old", ADMIN, body=only(dry_run=TRUTH),
              body_needed=False, status=202, answer=ref("Purge"), problems=(409,)),
    Operation("GET", "/v1/purge", "How far that has come", ADMIN, answer=ref("Purge"),
              problems=(404,)),
    Operation(
        "POST", "/v1/forget", "Forget a person", ADMIN,
        body=only(["number"], number=WORD, keep_suppression=TRUTH),
        answer=always(
            erased=counts_of(), found_in_files=many(TEXT), searched_files=WHOLE,
            store_searched=TRUTH,
        ),
        problems=(409,),
    ),
    Operation("GET", "/metrics", "Prometheus metrics", None,
              media_types=("text/plain; version=0.0.4; charset=utf-8",
                           "text/plain; version=1.0.0; charset=utf-8",
                           "application/openmetrics-text; version=1.0.0; charset=utf-8"),
              problems=(401, 403, 429)),  # with `metrics_need_key`
    Operation("GET", "/healthz", "The process answers", None, answer=always(status=one_of(["ok"]))),
    Operation("GET", "/readyz", "Journal, projector, store and event loop work", None,
              answer=always(status=one_of(("ready", "not ready")), journal=TRUTH,
                            projector=TRUTH, store=TRUTH, event_loop=TRUTH,
                            problems=many(TEXT))),
    Operation("GET", "/openapi.json", "This document", None, answer=ANYTHING),
    Operation("GET", "/docs", "The routes for people", None,
              media_types=("text/html; charset=utf-8",)),
)  # fmt: skip

OPERATIONS = (*MESSAGES, *RETRIES, *RECIPIENTS, *ADMINISTRATION)
