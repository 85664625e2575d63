"""The endpoints for messages, uplinks and the quarantine."""

from starlette.requests import Request
from starlette.responses import Response

from receiver.domain.entries import Category
from receiver.domain.messages import State
from receiver.store import queries
from receiver.web import views
from receiver.web.auth import Scope
from receiver.web.endpoints import Endpoints, check_storable, json_answer, needs, page_answer
from receiver.web.problems import Problem
from receiver.web.requests import ProblemError, Query, bad, read_body, read_json_object

MOST_IDS = 1000


class Lookups(Endpoints):
    """Tells what the store has."""

    @needs(Scope.READ)
    async def message(self, request: Request) -> Response:
        """Give one message."""
        query = Query(request)
        application = query.text("application")
        language = query.language(self._parts.language)
        query.done()
        sms_msg_id = request.path_params["sms_msg_id"]
        check_storable(sms_msg_id)
        async with self._parts.store.reading() as connection:
            found = await queries.find_messages(connection, [sms_msg_id], application)
        if not found:
            raise ProblemError(
                Problem.NOT_FOUND,
                "No send and no report with this id has come yet.",
            )
        if len(found) > 1:
            raise ProblemError(
                Problem.AMBIGUOUS,
                "Add `?application=` with one of these.",
                applications=sorted(stored.message.application for stored in found),
            )
        return json_answer(
            views.message_json(found[0], self._parts.policy, language), language=language
        )

    @needs(Scope.READ)
    async def messages(self, request: Request) -> Response:
        """List messages, newest first."""
        query = Query(request)
        wanted = queries.MessageFilter(
            to=query.number("to"),
            state=query.one_of("state", State, f"one of {', '.join(State)}"),
            code=query.text("code"),
            category=query.one_of("category", Category, f"one of {', '.join(Category)}"),
            application=query.text("application"),
            extend=query.text("extend"),
            reference=query.text("reference"),
            registered=query.flag("registered"),
            since=query.time("since"),
            until=query.time("until"),
        )
        page = query.page()
        language = query.language(self._parts.language)
        query.done()
        async with self._parts.store.reading() as connection:
            found = await queries.list_messages(connection, wanted, page)
        policy = self._parts.policy
        return page_answer(
            "messages",
            [views.message_json(stored, policy, language) for stored in found],
            [stored.row_id for stored in found],
            page,
            language,
        )

    @needs(Scope.READ)
    async def lookup(self, request: Request) -> Response:
        """Give up to 1,000 messages by id."""
        query = Query(request)
        language = query.language(self._parts.language)
        query.done()
        document = read_json_object(await read_body(request, self._parts.max_body_bytes))
        ids = document.get("ids")
        if not isinstance(ids, list) or not all(isinstance(one, str) for one in ids):
            raise bad('Send {"ids": [...]} with message ids as text.')
        if len(ids) > MOST_IDS:
            raise bad(f"Up to {MOST_IDS} ids can be looked up at once.")
        application = document.get("application")
        if application is not None and not isinstance(application, str):
            raise bad("`application` is not text.")
        check_storable(application or "")
        for one in ids:
            check_storable(one)
        wanted = dict.fromkeys(ids)
        async with self._parts.store.reading() as connection:
            found = await queries.find_messages(connection, wanted, application)
        known = {stored.message.sms_msg_id for stored in found}
        order = {sms_msg_id: place for place, sms_msg_id in enumerate(wanted)}
        found.sort(key=lambda stored: order[stored.message.sms_msg_id])
        return json_answer(
            {
                "messages": [views.message_json(s, self._parts.policy, language) for s in found],
                "missing": [sms_msg_id for sms_msg_id in wanted if sms_msg_id not in known],
            },
            language=language,
        )

    @needs(Scope.READ)
    async def uplinks(self, request: Request) -> Response:
        """List uplinks, newest first."""
        query = Query(request)
        wanted = queries.UplinkFilter(
            sender=query.number("from"),
            to=query.text("to"),
            application=query.text("application"),
            since=query.time("since"),
            until=query.time("until"),
        )
        page = query.page()
        query.done()
        async with self._parts.store.reading() as connection:
            rows = await queries.list_uplinks(connection, wanted, page)
        return page_answer(
            "uplinks", [views.uplink_json(r) for r in rows], [r["id"] for r in rows], page
        )

    @needs(Scope.READ)
    async def quarantine(self, request: Request) -> Response:
        """List what could not be understood, newest first."""
        query = Query(request)
        wanted = queries.QuarantineFilter(
            application=query.text("application"),
            kind=query.text("kind"),
            since=query.time("since"),
            until=query.time("until"),
        )
        page = query.page()
        query.done()
        async with self._parts.store.reading() as connection:
            rows = await queries.list_quarantine(connection, wanted, page)
        items = [views.quarantine_json(row) for row in rows]
        return page_answer("quarantine", items, [row["id"] for row in rows], page)
