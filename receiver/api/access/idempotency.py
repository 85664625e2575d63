"""Idempotency-Key: a repeated request gets the response of the first one."""

import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request

from receiver.api.access.auth import Key
from receiver.api.base import Endpoints, check_storable
from receiver.api.bodies.parsing import ProblemError, bad
from receiver.http.problems import Problem
from receiver.store import idempotency
from receiver.store.database.columns import ReadingContext
from receiver.store.idempotency import Asked, Given
from receiver.store.projector import begin_write

_LONGEST_KEY = 255  # characters


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that may have to be given again."""

    status: int
    document: dict[str, Any]


class Repeatable(Endpoints):
    """Endpoints that do their work once for each Idempotency-Key."""

    async def once(
        self,
        request: Request,
        body: bytes,
        work: Callable[[AsyncConnection, int], Awaitable[Reply]],
    ) -> Reply:
        """Do work in a transaction, or give the answer that its key got before."""
        asked = self._asked(request, body)
        now = self._parts.clock()
        async with self._parts.store.writing() as connection:
            await begin_write(connection)
            again = await self.given_before(connection, request, body)
            if again is not None:
                return again
            reply = await work(connection, now)
            if asked is not None:
                await self._remember(connection, asked, reply, now)
        return reply

    async def _remember(
        self, connection: AsyncConnection, asked: Asked, reply: Reply, now: int
    ) -> None:
        """Keep an answer.

        Raises:
            ProblemError: it is too large, so that the work is not done either.
        """
        limits = self._parts.answer_limits
        given = Given(asked.request, reply.status, json.dumps(reply.document))
        if not limits.admit(given.answer):
            raise bad(
                "The response is too large to be kept for this Idempotency-Key "
                "(`idempotency.answer_bytes`), so nothing was changed. Request fewer "
                "items."
            )
        evicted = await idempotency.remember(connection, asked, given, now, limits)
        self._parts.metrics.answers_evicted.inc(evicted)

    async def given_before(
        self, connection: AsyncConnection, request: Request, body: bytes
    ) -> Reply | None:
        """Return the answer that a request got before.

        Raises:
            ProblemError: its key was used for another request.
        """
        asked = self._asked(request, body)
        if asked is None:
            return None
        given = await idempotency.given(
            connection, asked, self._parts.clock() - idempotency.KEPT_US
        )
        if given is None:
            return None
        if given.request != asked.request:
            raise ProblemError(
                Problem.KEY_USED,
                "The Idempotency-Key was used for a different request. Use a new key "
                "for each request.",
            )
        with ReadingContext("idempotency.answer"):
            return Reply(given.status, json.loads(given.answer))

    def _asked(self, request: Request, body: bytes) -> Asked | None:
        key = request.headers.get("idempotency-key")
        if key is None:
            return None
        if not key or len(key) > _LONGEST_KEY:
            raise bad(f"Idempotency-Key must have 1 to {_LONGEST_KEY} characters.")
        check_storable(key)
        what = hashlib.sha256(request.url.path.encode() + b"\0" + _meaning(body)).hexdigest()
        return Asked(_owner(request.state.key), key, what)


def _meaning(body: bytes) -> bytes:
    """Write a body so that blanks and the order of its fields make no difference."""
    try:
        return json.dumps(json.loads(body), sort_keys=True).encode()
    except (ValueError, RecursionError):
        return body


def _owner(key: Key) -> str:
    """Say whose answers are whose: of the key itself, whatever its name, and of what it may see."""
    return hashlib.sha256(key.digest + (key.application or "").encode()).hexdigest()
