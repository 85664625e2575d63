"""The endpoint that tells the attempts to get one message delivered."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from receiver.domain.messages import State
from receiver.domain.retrying.candidates import Chain
from receiver.domain.times import to_rfc3339
from receiver.store.chains import find_chains
from receiver.web.auth import Scope
from receiver.web.endpoints import Endpoints, json_answer, needs, text_in_path
from receiver.web.lookups import find_one
from receiver.web.requests import Query

Json = dict[str, Any]

_OPEN = (State.PENDING, State.ACCEPTED, State.UNKNOWN)


class Attempts(Endpoints):
    """Tells chains."""

    @needs(Scope.READ)
    async def attempts(self, request: Request) -> Response:
        """Give the chain that a message belongs to, its first attempt first."""
        query = Query(request)
        application = query.application()
        query.done()
        stored = await find_one(self._parts.store, text_in_path(request), application)
        key = (stored.message.application, stored.message.sms_msg_id)
        async with self._parts.store.reading() as connection:
            chain = (await find_chains(connection, [key])).get(key, Chain(()))
        return json_answer(
            {
                "application": stored.message.application,
                "outcome": outcome_of(chain).value,
                "attempts": [
                    {
                        "attempt": number,
                        "sms_msg_id": one.sms_msg_id,
                        "retry_of": one.retry_of,
                        "state": one.state.value,
                        "code": one.code,
                        "sent_at": to_rfc3339(one.sent_at),
                    }
                    for number, one in enumerate(chain.attempts, 1)
                ],
            }
        )


def outcome_of(chain: Chain) -> State:
    """Give the state of a chain: delivered if one is, else what is open, else the last one's."""
    states = [one.state for one in chain.attempts]
    if State.DELIVERED in states:
        return State.DELIVERED
    return next((state for state in reversed(states) if state in _OPEN), states[-1])
