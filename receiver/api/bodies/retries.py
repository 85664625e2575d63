"""Request and response bodies of the retry queue."""

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response

from receiver.api.access.idempotency import Reply
from receiver.api.base import check_storable, json_answer, read_application
from receiver.api.bodies import views
from receiver.api.bodies.parsing import ProblemError, bad, refuse_unknown
from receiver.domain.identifiers import clean
from receiver.domain.inputs import Send
from receiver.domain.messages.state import fold
from receiver.domain.numbers import normalise
from receiver.domain.retries.items import ItemState
from receiver.domain.times import SECOND, to_rfc3339
from receiver.domain.wording.languages import Language
from receiver.http.problems import MEDIA_TYPE, Problem, document
from receiver.huawei.registration import Note, RegistrationError, read_registration
from receiver.retries.claims import Claimed, Order, digest
from receiver.retries.judge import JudgedRetry
from receiver.store import queries
from receiver.store.retries import leases
from receiver.store.retries.leases import Item

Json = dict[str, Any]

MOST_CLAIMED = 500
LONGEST_LEASE_S = 86_400
LONGEST_DELAY_S = 30 * 86_400
LONGEST_REASON = 200
_USUAL_LEASE_S = 60
_HIGHEST_ID = 2**63 - 1


def message_id_of(request: Request) -> int:
    """Return the id of an item, as it stands in the path.

    Raises:
        ProblemError: no item can have it.
    """
    message_id = int(request.path_params["id"])
    if message_id > _HIGHEST_ID:
        raise _no_such_item()
    return message_id


def _no_such_item() -> ProblemError:
    return ProblemError(
        Problem.NOT_FOUND,
        "There is no such item in the retry queue. List the items with `GET /v1/retries`.",
    )


def read_order(given: Mapping[str, Any]) -> Order:
    """Read what a claimer asks for."""
    refuse_unknown(given, "limit", "lease_seconds", "application")
    return Order(
        limit=read_whole(given, "limit", 1, 1, MOST_CLAIMED),
        lease_us=read_whole(given, "lease_seconds", _USUAL_LEASE_S, 1, LONGEST_LEASE_S) * SECOND,
        application=read_application(given),
    )


def read_whole(given: Mapping[str, Any], name: str, usual: int, lowest: int, highest: int) -> int:
    """Read a whole number."""
    value = given.get(name, usual)
    if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
        raise bad(f"`{name}` must be an integer from {lowest} to {highest}.")
    return value


def read_text(given: Mapping[str, Any], name: str) -> str:
    """Read a text that must be there."""
    value = given.get(name)
    text = clean(value) if isinstance(value, str) else ""
    if not text:
        raise bad(f"`{name}` must be a non-empty string.")
    check_storable(text)
    return text


def read_completion(
    given: Mapping[str, Any], stored: queries.StoredMessage
) -> tuple[bytes, Send, list[Note]]:
    """Return the registration of what was sent, which tells what it followed.

    Returns:
        The registration, the send in it, and what was left out of it.

    Raises:
        ProblemError: the response does not name exactly one send to the same number.
    """
    message = stored.message
    before = message.send
    extend = fold(before, list(message.reports.values())).extend
    told: Json = {name: value for name, value in given.items() if name != "lease"}
    told["retry_of"] = message.sms_msg_id
    for name, value in (
        ("reference", before.reference if before else None),
        ("template_id", before.template_id if before else None),
        ("extend", extend),
    ):
        if value is not None:
            told.setdefault(name, value)
    body = json.dumps(told).encode()
    try:
        registration = read_registration(body)
    except RegistrationError as error:
        raise bad(str(error)) from None
    sends = registration.sends
    if not sends:
        raise bad(
            "The response contains no usable send, so nothing was sent. Release or "
            "abandon the item.",
            rejected=[{"index": one.index, "reason": one.reason} for one in registration.rejected],
        )
    if len(sends) > 1:
        raise bad("The response contains several sends. Complete each item with its own response.")
    if sends[0].sms_msg_id == message.sms_msg_id:
        raise bad(
            "The response is that of the original message. Send the response of the new attempt."
        )
    number, sent_to = before.to if before else None, sends[0].to
    if None not in (number, sent_to) and normalise(sent_to) != normalise(number):
        raise bad(
            "The response is about a number other than the item's. Complete each item "
            "with its own response."
        )
    return body, sends[0], registration.ignored


async def find_item(connection: AsyncConnection, message_id: int, request: Request) -> Item:
    """Return an item that the request's key may see.

    Raises:
        ProblemError: there is none.
    """
    item = await leases.find_item(connection, message_id)
    only = request.state.key.application
    if item is None or only not in (None, item.application):
        raise _no_such_item()
    return item


def check_held(item: Item, lease: str) -> None:
    """Refuse those who do not hold an item.

    Raises:
        ProblemError: the caller does not.
    """
    if item.state is not ItemState.CLAIMED or item.lease != digest(lease):
        raise ProblemError(
            Problem.LEASE_LOST,
            "You do not hold the lease of this item: it has expired or belongs to "
            "another claimer. Claim the item again.",
            state=item.state.value,
        )


def conflict(detail: str, told: Json) -> Reply:
    """Return the response for an item that the caller does not hold."""
    return Reply(409, {"detail": detail, **told})


def respond(reply: Reply, language: Language | None = None) -> Response:
    """Write an answer, given for the first time or again."""
    if reply.status == Problem.LEASE_LOST.status:
        told = dict(reply.document)
        content = document(Problem.LEASE_LOST, told.pop("detail"), **told)
        return Response(content, reply.status, media_type=MEDIA_TYPE)
    return json_answer(reply.document, reply.status, language)


def judged_json(one: JudgedRetry, claimed: Claimed) -> Json:
    """Write an item that is handed out."""
    candidate, send = one.candidate, one.stored.message.send
    return {
        "id": one.stored.row_id,
        "lease": claimed.secret,
        "lease_until": to_rfc3339(claimed.until),
        "sms_msg_id": candidate.sms_msg_id,
        "application": candidate.application,
        "to": candidate.number,
        "from": send.sender if send else None,
        "extend": candidate.extend,
        "reference": candidate.reference,
        "template_id": candidate.template_id,
        "kind": one.planned.kind.value,
        "attempt": one.planned.attempt,
        "deadline": to_rfc3339(one.planned.deadline or claimed.until),
        "verdict": views.verdict_json(one.verdict),
    }


def row_json(row: queries.Row) -> Json:
    """Write an item of the list."""
    until = row["lease_until"]
    return {
        "id": row["message_id"],
        "sms_msg_id": row["sms_msg_id"],
        "application": row["application"],
        "state": row["state"],
        "due_at": to_rfc3339(row["due_at"]),
        "to": row["to_number"],
        "code": row["code"],
        "category": row["category"],
        "reference": row["reference"],
        "template_id": row["template_id"],
        "reason": row["reason"],
        "claims": row["claims"],
        "lease_until": None if until is None else to_rfc3339(until),
        "next": row["next_id"],
    }
