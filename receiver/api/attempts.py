"""The endpoint that tells the attempts to get one message delivered."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from receiver.api.access.auth import Scope
from receiver.api.base import Endpoints, json_answer, needs, text_in_path
from receiver.api.bodies.parsing import Query
from receiver.api.messages import find_one
from receiver.domain.retries.candidates import Chain
from receiver.domain.times import to_rfc3339
from receiver.store import queries
from receiver.store.retries.chains import find_chains

Json = dict[str, Any]


class AttemptViews(Endpoints):
    """Tells chains."""

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
