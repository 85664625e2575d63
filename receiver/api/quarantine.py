"""The endpoint for the quarantine."""

from starlette.requests import Request
from starlette.responses import Response

from receiver.api.access.auth import Scope
from receiver.api.base import Endpoints, needs, page_answer
from receiver.api.bodies import views
from receiver.api.bodies.parsing import Query
from receiver.store import queries


class Quarantine(Endpoints):
    """Returns quarantined pushes and items."""

    @needs(Scope.READ)
    async def quarantine(self, request: Request) -> Response:
        """List what could not be understood, newest first."""
        query = Query(request)
        wanted = queries.QuarantineFilter(
            application=query.application(),
            kind=query.text("kind"),
            since=query.time("since"),
            until=query.time("until"),
        )
        page = query.page()
        query.done()
        async with self._parts.store.reading() as connection:
            found = await queries.list_quarantine(connection, wanted, page)
        items = [views.quarantine_json(row) for row in found.rows]
        return page_answer("quarantine", items, found.next)
