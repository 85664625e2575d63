"""The endpoint for the suppression list."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from receiver.domain.times import to_rfc3339
from receiver.store import suppressing
from receiver.store.queries import Row
from receiver.web.auth import Scope
from receiver.web.endpoints import Endpoints, needs, page_answer
from receiver.web.requests import Query


class Suppressions(Endpoints):
    """Tells who is not to be sent to."""

    @needs(Scope.READ)
    async def suppressions(self, request: Request) -> Response:
        """List who opted out (or, on request, who opted in again), the latest change first."""
        query = Query(request)
        wanted = suppressing.SuppressionFilter(
            suppressed=query.flag("suppressed") is not False,
            number=query.number("number"),
            channel=query.text("channel"),
            application=query.text("application"),
        )
        page = query.page()
        query.done()
        async with self._parts.store.reading() as connection:
            rows = await suppressing.list_suppressions(connection, wanted, page)
        items = [_suppression_json(row) for row in rows]
        return page_answer("suppressions", items, [(row["id"],) for row in rows], page)


def _suppression_json(row: Row) -> dict[str, Any]:
    return {
        "number": row["number"],
        "channel": row["channel"],
        "application": row["application"],
        "suppressed": row["suppressed"],
        "source": row["source"],
        "source_id": row["source_id"],
        "since": to_rfc3339(row["decided_at"]),
    }
