"""The endpoints that report whether numbers may be sent to."""

from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response

from receiver.api.access.auth import Scope
from receiver.api.base import Endpoints, check_application, json_answer, needs
from receiver.api.bodies.parsing import Query, check_named, within
from receiver.api.bodies.suppressions import (
    Json,
    read_check,
    recipient_json,
    sender_in_path,
    word_json,
)
from receiver.domain.numbers import normalise, normalise_channel, seen
from receiver.domain.retries.policy import MessageKind
from receiver.domain.times import to_rfc3339
from receiver.retries.recipients import Inquiry, inquire
from receiver.store import queries
from receiver.store.queries import MessageFilter, Page, StoredMessage

_RECENT = 20  # messages


class Recipients(Endpoints):
    """Reports whether numbers may be sent to."""

    @needs(Scope.READ)
    async def recipient(self, request: Request) -> Response:
        """Tell whether a number may be sent to now, why not, until when, and what went there."""
        parts = self._parts
        query = Query(request)
        channel, application = query.text("channel", seen), query.application()
        kind = query.one_of("kind", MessageKind, f"one of {', '.join(MessageKind)}")
        language = query.language(parts.language)
        query.done()
        number = sender_in_path(request)
        inquiry = Inquiry(
            normalise_channel(channel or ""),
            check_application(application, parts.applications) or "",
            kind or parts.policy.retry.kind,
        )
        wanted = MessageFilter(to=number, application=application)
        async with parts.store.reading() as connection:
            now = parts.clock()
            (found,) = await inquire(connection, [number], inquiry, parts.policy.retry, now)
            recent = (await queries.list_messages(connection, wanted, Page(_RECENT))).messages
        answer = recipient_json(found, inquiry, language)
        holding = set(found.holds)
        answer["limits"] = [
            {
                "limit": used.limit.name,
                "within_seconds": used.limit.within_s,
                "allowed": used.limit.sends,
                "sent": used.sent,
            }
            for used in found.used
        ]
        own = within(request, None)
        said = [one for one in found.said if own is None or one.party.application in ("", own)]
        answer["words"] = [word_json(one, holds=one in holding) for one in said]
        answer["messages"] = [_message_json(stored) for stored in recent]
        return json_answer(answer, language=language)

    @needs(Scope.READ)
    async def check(self, request: Request) -> Response:
        """Tell of many numbers at once whether they may be sent to now."""
        parts = self._parts
        query = Query(request)
        language = query.language(parts.language)
        query.done()
        given = await self.read_object(request)
        check_named(request, given)
        asked, inquiry = read_check(given, parts.applications, parts.policy.retry.kind)
        only = within(request, inquiry.application or None)
        inquiry = replace(inquiry, application=only or "")
        numbers = [normalise(number) or number for number in asked]
        async with parts.store.reading() as connection:
            found = await inquire(connection, numbers, inquiry, parts.policy.retry, parts.clock())
        answers = [
            {"asked": text, **recipient_json(one, inquiry, language)}
            for text, one in zip(asked, found, strict=True)
        ]
        refused = sum(not one.may_send for one in found)
        return json_answer(
            {"may_send": len(found) - refused, "refused": refused, "recipients": answers},
            language=language,
        )


def _message_json(stored: StoredMessage) -> Json:
    message, send = stored.message, stored.message.send
    return {
        "sms_msg_id": message.sms_msg_id,
        "application": message.application,
        "at": to_rfc3339(stored.occurred_at),
        "state": stored.state.value,
        "code": message.stored["code"],
        "from": send.sender if send else None,
        "template_id": send.template_id if send else None,
        "reference": send.reference if send else None,
    }
