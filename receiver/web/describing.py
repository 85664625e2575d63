"""The endpoints that describe the API."""

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from receiver.web import docs
from receiver.web.endpoints import Endpoints, json_answer
from receiver.web.openapi import make_document
from receiver.web.requests import Query


class Describing(Endpoints):
    """Tells programs and people what there is; nothing of anybody, so no key is asked for."""

    async def document(self, request: Request) -> Response:
        """Give the OpenAPI document."""
        Query(request).done()
        return json_answer(make_document())

    async def page(self, request: Request) -> Response:
        """Show the routes to people."""
        Query(request).done()
        return HTMLResponse(docs.routes_page(make_document()), headers=docs.HEADERS)
