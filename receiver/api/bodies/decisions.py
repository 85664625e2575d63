"""Response bodies for messages, each with its single decision."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from receiver.api.base import Endpoints
from receiver.api.bodies import views
from receiver.domain.wording.languages import Language
from receiver.pacing import Pacer
from receiver.retries.judge import MessageDecision, decide_messages
from receiver.store.queries import StoredMessage

_SLICE_S = 0.003


class Telling(Endpoints):
    """Endpoints that return messages."""

    async def decide(
        self, connection: AsyncConnection, found: Sequence[StoredMessage], language: Language
    ) -> list[MessageDecision]:
        """Decide about messages as they stand now."""
        parts = self._parts
        maybe_yield = Pacer(_SLICE_S, lambda: 0).maybe_yield
        return await decide_messages(
            connection, found, parts.policy, parts.clock(), language, maybe_yield
        )

    async def tell(
        self, connection: AsyncConnection, found: Sequence[StoredMessage], language: Language
    ) -> list[views.Json]:
        """Write messages as they stand now."""
        decided = await self.decide(connection, found, language)
        return [views.message_json(one, language) for one in decided]
