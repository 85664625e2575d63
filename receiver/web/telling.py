"""Telling of messages: each with the one decision about it."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from receiver.domain.languages import Language
from receiver.pacing import Pacer
from receiver.retrier.judging import Decided, decide_messages
from receiver.store.queries import StoredMessage
from receiver.web import views
from receiver.web.endpoints import Endpoints

_SLICE_S = 0.003


class Telling(Endpoints):
    """Endpoints that tell of messages."""

    async def decide(
        self, connection: AsyncConnection, found: Sequence[StoredMessage], language: Language
    ) -> list[Decided]:
        """Decide about messages as they stand now."""
        parts = self._parts
        breathe = Pacer(_SLICE_S, lambda: 0).breathe
        return await decide_messages(
            connection, found, parts.policy, parts.clock(), language, breathe
        )

    async def tell(
        self, connection: AsyncConnection, found: Sequence[StoredMessage], language: Language
    ) -> list[views.Json]:
        """Write messages as they stand now."""
        decided = await self.decide(connection, found, language)
        return [views.message_json(one, language) for one in decided]
