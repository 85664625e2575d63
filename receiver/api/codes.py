"""The endpoints for the catalogue."""

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from receiver.api import docs
from receiver.api.access.auth import Scope
from receiver.api.base import Endpoints, headers_of, json_answer, needs, text_in_path
from receiver.api.bodies import views
from receiver.api.bodies.code_views import entry_json, match_json
from receiver.api.bodies.parsing import Query, bad, check_unrestricted
from receiver.domain.catalogue.entries import Category, Match, RetryClass
from receiver.store.seen_codes import SeenCode, find_seen_codes

_SEEN = ("unknown", "unlisted")


class Codes(Endpoints):
    """Returns the catalogue."""

    @needs(Scope.READ)
    async def codes(self, request: Request) -> Response:
        """List the catalogue; or the codes that came and are not in it."""
        query = Query(request)
        category = query.one_of("category", Category, f"one of {', '.join(Category)}")
        retry = query.one_of("retry", RetryClass, f"one of {', '.join(RetryClass)}")
        origin = query.text("origin")
        seen = query.one_of("seen", _seen, f"one of {', '.join(_SEEN)}")
        limit = query.limit() if seen is not None else 0
        language = query.language(self._parts.language)
        query.done()
        catalogue = self._parts.policy.catalogue
        answer: views.Json = {"version": catalogue.version}
        if seen is not None:
            check_unrestricted(request)
            if (category, retry, origin) != (None, None, None):
                raise bad("`seen` can be combined only with `limit` and `lang`.")
            answer["codes"] = await self._seen(seen, limit)
        else:
            answer["codes"] = [
                entry_json(entry, language)
                for entry in catalogue.entries
                if category in (None, entry.category)
                and retry in (None, entry.retry)
                and origin in (None, entry.origin)
            ]
        return json_answer(answer, language=language)

    @needs(Scope.READ)
    async def code(self, request: Request) -> Response:
        """Explain one status code, listed or not."""
        query = Query(request)
        source = query.whole("source", 1, 3)
        org_code = query.text("org_code")
        language = query.language(self._parts.language)
        query.done()
        code = text_in_path(request, "code")
        catalogue = self._parts.policy.catalogue
        match = catalogue.lookup_any(code, source=source, org_code=org_code)
        return json_answer(
            {
                "code": code,
                "version": catalogue.version,
                "match": match_json(match, code, language),
                "entries": [entry_json(e, language) for e in catalogue.explain(code)],
            },
            language=language,
        )

    async def page(self, request: Request) -> Response:
        """Show the catalogue to people; it holds nothing of anybody, so no key is asked for."""
        query = Query(request)
        language = query.language(self._parts.language)
        query.done()
        html = docs.catalogue_page(self._parts.policy.catalogue, language)
        return HTMLResponse(html, headers=docs.HEADERS | (headers_of(language) or {}))

    async def _seen(self, seen: str, limit: int) -> list[views.Json]:
        catalogue = self._parts.policy.catalogue

        def is_missing(match: Match) -> bool:
            return match.is_unknown if seen == "unknown" else not match.is_listed

        def is_wanted(code: SeenCode) -> bool:
            if code.refused:
                return is_missing(catalogue.lookup_send(code.code))
            return is_missing(
                catalogue.lookup(code.code, source=code.source, org_code=code.org_code)
            )

        def may_be_wanted(code: str) -> bool:
            if is_missing(catalogue.lookup(code)):
                return True
            return seen == "unlisted" and catalogue.may_be_refined(code)

        async with self._parts.store.reading() as connection:
            found = await find_seen_codes(connection, may_be_wanted, is_wanted, limit)
        return [views.seen_json(code) for code in found]


def _seen(text: str) -> str:
    if text not in _SEEN:
        raise ValueError(text)
    return text
