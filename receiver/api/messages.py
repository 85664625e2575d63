"""The endpoints for messages and the attempts to get them delivered."""

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response

from receiver.api.access.auth import Scope
from receiver.api.base import json_answer, needs, page_answer, text_in_path
from receiver.api.bodies.decisions import Telling
from receiver.api.bodies.parsing import ProblemError, Query
from receiver.domain.catalogue.entries import Category
from receiver.domain.messages.state import State
from receiver.domain.retries.candidates import Chain
from receiver.domain.times import to_rfc3339
from receiver.http.problems import Problem
from receiver.store import queries
from receiver.store.retries.chains import find_chains


class Lookups(Telling):
    """Returns messages and quarantined items."""

    @needs(Scope.READ)
    async def message(self, request: Request) -> Response:
        """Return one message."""
        query = Query(request)
        application = query.application()
        language = query.language(self._parts.language)
        query.done()
        async with self._parts.store.reading() as connection:
            stored = await find_one(connection, text_in_path(request), application)
            (told,) = await self.tell(connection, [stored], language)
        return json_answer(told, language=language)

    @needs(Scope.READ)
    async def messages(self, request: Request) -> Response:
        """List messages, newest first."""
        query = Query(request)
        wanted = read_filter(query)
        page = query.page(numbers=3)
        language = query.language(self._parts.language)
        query.done()
        async with self._parts.store.reading() as connection:
            found = await queries.list_messages(connection, wanted, page)
            told = await self.tell(connection, found.messages, language)
        return page_answer("messages", told, found.next, language)

    @needs(Scope.READ)
    async def attempts(self, request: Request) -> Response:
        """Return the chain that a message belongs to, its first attempt first."""
        query = Query(request)
        application = query.application()
        query.done()
        async with self._parts.store.reading() as connection:
            stored = await find_one(connection, text_in_path(request), application)
            key = (stored.message.application, stored.message.sms_msg_id)
            chain = (await find_chains(connection, [key])).get(key, Chain(()))
            ids = [one.sms_msg_id for one in chain.attempts]
            found = await queries.find_messages(connection, ids, key[0])
        sent = {
            one.message.sms_msg_id: to_rfc3339(one.message.send.sent_at)
            for one in found
            if one.message.send and one.message.send.sent_at is not None
        }
        return json_answer(
            {
                "application": stored.message.application,
                "outcome": chain.outcome.value,
                "attempts": [
                    {
                        "attempt": number,
                        "sms_msg_id": one.sms_msg_id,
                        "retry_of": one.retry_of,
                        "state": one.state.value,
                        "code": one.code,
                        "sent_at": sent.get(one.sms_msg_id),
                    }
                    for number, one in enumerate(chain.attempts, 1)
                ],
            }
        )


def read_filter(query: Query) -> queries.MessageFilter:
    """Read which messages are wanted."""
    return queries.MessageFilter(
        to=query.number("to"),
        state=query.one_of("state", State, f"one of {', '.join(State)}"),
        code=query.text("code"),
        category=query.one_of("category", Category, f"one of {', '.join(Category)}"),
        application=query.application(),
        extend=query.text("extend"),
        reference=query.text("reference"),
        registered=query.flag("registered"),
        since=query.time("since"),
        until=query.time("until"),
    )


async def find_one(
    connection: AsyncConnection, sms_msg_id: str, application: str | None
) -> queries.StoredMessage:
    """Return the message with an id.

    Raises:
        ProblemError: there is none, or several applications have one.
    """
    found = await queries.find_messages(connection, [sms_msg_id], application)
    if not found:
        raise ProblemError(
            Problem.NOT_FOUND,
            "No send and no report with this id has been received.",
        )
    if len(found) > 1:
        raise ProblemError(
            Problem.AMBIGUOUS,
            "Several applications have a message with this id. Choose one with `application`.",
            applications=sorted(stored.message.application for stored in found),
        )
    return found[0]
