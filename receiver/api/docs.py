"""The catalogue as an HTML page, generated from the data."""

import base64
import hashlib
from collections import Counter
from functools import cache, lru_cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from receiver.api.base import Endpoints
from receiver.api.bodies.parsing import Query
from receiver.api.openapi import make_document
from receiver.domain.catalogue.catalogue import Catalogue
from receiver.domain.catalogue.terms import CATEGORY_WORDS, RETRY_WORDS
from receiver.domain.compact_json import write_json
from receiver.domain.wording.languages import Language

_PAGES = Environment(
    loader=PackageLoader("receiver.api"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_SCRIPT = _PAGES.loader.get_source(_PAGES, "codes.js")[0] if _PAGES.loader else ""
_STYLE = _PAGES.loader.get_source(_PAGES, "codes.css")[0] if _PAGES.loader else ""


def _hash(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


# Only what we wrote ourselves runs, wherever the texts in the page come from.
HEADERS = {
    "content-security-policy": (
        f"default-src 'none'; script-src {_hash(_SCRIPT)}; style-src {_hash(_STYLE)}; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}


# Kept, for anybody may ask and writing it holds the event loop for a tenth of a second.
@lru_cache(maxsize=len(Language))
def catalogue_page(catalogue: Catalogue, language: Language) -> bytes:
    """Write the catalogue in one language as HTML."""
    counts = Counter(entry.category for entry in catalogue.entries)
    page = _PAGES.get_template("codes.html").render(
        language=language,
        version=catalogue.version,
        entries=catalogue.entries,
        counts=counts,
        categories=CATEGORY_WORDS,
        retries=RETRY_WORDS,
        script=_SCRIPT,
        style=_STYLE,
    )
    return page.encode()


class Describing(Endpoints):
    """Serves the description of the API. It contains no data, so no key is required."""

    async def document(self, request: Request) -> Response:
        """Return the OpenAPI document."""
        Query(request).done()
        return Response(_document(), media_type="application/json")

    async def page(self, request: Request) -> Response:
        """Show the routes to people."""
        Query(request).done()
        return HTMLResponse(_page(), headers=HEADERS)


# Both are always the same, and anybody may ask for them: they are written once.
@cache
def _document() -> bytes:
    return write_json(make_document())


@cache
def _page() -> bytes:
    page = _PAGES.get_template("routes.html").render(document=make_document(), style=_STYLE)
    return page.encode()
