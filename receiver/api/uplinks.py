"""The endpoints for uplinks and the messages that they answer."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response

from receiver.api.access.auth import Scope
from receiver.api.base import (
    ApiContext,
    Endpoints,
    json_answer,
    needs,
    page_answer,
    text_in_path,
)
from receiver.api.bodies.parsing import ProblemError, Query
from receiver.domain.replies import ReplyMatch
from receiver.domain.times import to_rfc3339
from receiver.http.problems import Problem
from receiver.pacing import Pacer
from receiver.store import queries, replies

Json = dict[str, Any]

_SLICE_S = 0.003


class Uplinks(Endpoints):
    """Returns uplinks."""

    @needs(Scope.READ)
    async def uplink(self, request: Request) -> Response:
        """Return one uplink."""
        query = Query(request)
        application = query.application()
        query.done()
        sms_msg_id = text_in_path(request)
        async with self._parts.store.reading() as connection:
            rows = await queries.find_uplinks(connection, sms_msg_id, application)
            found = await with_answers(self._parts, connection, rows)
        if not found:
            raise ProblemError(Problem.NOT_FOUND, "No uplink with this id has been received.")
        if len(found) > 1:
            raise _ambiguous(rows)
        return json_answer(found[0])

    @needs(Scope.READ)
    async def uplinks(self, request: Request) -> Response:
        """List uplinks, newest first."""
        query = Query(request)
        wanted = read_filter(query)
        page = query.page()
        query.done()
        async with self._parts.store.reading() as connection:
            found = await queries.list_uplinks(connection, wanted, page)
            items = await with_answers(self._parts, connection, found.rows)
        return page_answer("uplinks", items, found.next)


def read_filter(query: Query) -> queries.UplinkFilter:
    """Read which uplinks are wanted."""
    return queries.UplinkFilter(
        sender=query.number("from"),
        to=query.number("to"),
        sms_msg_id=query.text("sms_msg_id"),
        application=query.application(),
        since=query.time("since"),
        until=query.time("until"),
    )


def _ambiguous(rows: Sequence[queries.Row]) -> ProblemError:
    """Refuse to choose among uplinks under one id."""
    applications = sorted({row["application"] for row in rows})
    if len(applications) > 1:
        detail = "Several applications have an uplink with this id. Choose one with `application`."
    else:
        detail = "Several uplinks have this id. List them with `GET /v1/uplinks?sms_msg_id=`."
    return ProblemError(Problem.AMBIGUOUS, detail, applications=applications)


async def with_answers(
    parts: ApiContext, connection: AsyncConnection, rows: Sequence[queries.Row]
) -> list[Json]:
    """Write uplinks, each with the message that it answers."""
    maybe_yield = Pacer(_SLICE_S, lambda: 0).maybe_yield
    answers = await replies.find_answers(connection, rows, parts.answer_within_us, maybe_yield)
    return [_uplink_json(row, answer) for row, answer in zip(rows, answers, strict=True)]


def _uplink_json(row: queries.Row, answer: ReplyMatch | None) -> Json:
    created_at = row["created_at"]
    return {
        "sms_msg_id": row["sms_msg_id"],
        "application": row["application"],
        "from": row["from_number"],
        "to": row["to_number"],
        "body": row["body"],
        "original_body": row["original_body"],
        "created_at": None if created_at is None else to_rfc3339(created_at),
        "received_at": to_rfc3339(row["received_at"]),
        "redeliveries": row["redeliveries"],
        "trust": row["trust"],
        "intent": row["intent"],
        "answers": _answer_json(answer) if answer else None,
    }


def _answer_json(answer: ReplyMatch) -> Json:
    message = answer.message
    return {
        "sms_msg_id": message.sms_msg_id,
        "reference": message.reference,
        "extend": message.extend,
        "rule": answer.rule.value,
        "ambiguous": answer.ambiguous,
        "candidates": list(answer.candidates),
    }
