"""The endpoints that describe the API."""

from functools import cache

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from receiver.api import docs
from receiver.api.base import Endpoints
from receiver.api.bodies.parsing import Query
from receiver.api.openapi import make_document
from receiver.domain.compact_json import write_json


class Describing(Endpoints):
    """Tells programs and people what there is; nothing of anybody, so no key is asked for."""

    async def document(self, request: Request) -> Response:
        """Return the OpenAPI document."""
        Query(request).done()
        return Response(_document(), media_type="application/json")

    async def page(self, request: Request) -> Response:
        """Show the routes to people."""
        Query(request).done()
        return HTMLResponse(_page(), headers=docs.HEADERS)


# Both are always the same, and anybody may ask for them: they are written once.
@cache
def _document() -> bytes:
    return write_json(make_document())


@cache
def _page() -> bytes:
    return docs.routes_page(make_document())
