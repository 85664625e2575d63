"""The routes of the private API, and the mapping of exceptions to responses."""

from typing import Any

import structlog
from starlette.applications import Starlette
from starlette.convertors import Convertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Scope

from receiver.api.base import ApiContext
from receiver.api.bodies.parsing import ProblemError
from receiver.api.codes import Codes
from receiver.api.docs import Describing
from receiver.api.explain import Explaining
from receiver.api.export import Exporting
from receiver.api.health import Process
from receiver.api.message_lookup import MessageFinder
from receiver.api.messages import Lookups
from receiver.api.privacy import Privacy
from receiver.api.quarantine import Quarantine
from receiver.api.recipients import Recipients
from receiver.api.reclassification import Reclassifying
from receiver.api.retries import Retrying
from receiver.api.sends import Registering
from receiver.api.statistics import Statistics
from receiver.api.suppressions import Suppressions
from receiver.api.uplinks import Uplinks
from receiver.errors import JournalUnavailableError, StoreUnavailableError
from receiver.http.problems import MEDIA_TYPE, RETRY_AFTER_S, Problem, document, of_status
from receiver.store.moves import ExpiredCursorError

_log = structlog.get_logger(__name__)


class _Opaque(Convertor[str]):
    """A path parameter that may hold anything, slashes and line ends too."""

    regex = r"[\s\S]+"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("opaque", _Opaque())


class _ByLastWord(Route):
    """A route whose last word stands in the URL as it is: escaped it belongs to an opaque id."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Return whether a request is for this route."""
        word = self.path.rpartition("/")[2]
        if not scope.get("raw_path", b"").endswith(f"/{word}".encode()):
            return Match.NONE, {}
        return super().matches(scope)


def make_api(parts: ApiContext) -> Starlette:
    """Return the ASGI application of the private listener."""
    registering, lookups = Registering(parts), Lookups(parts)
    finding, explaining = MessageFinder(parts), Explaining(parts)
    codes, reclassifying, process = Codes(parts), Reclassifying(parts), Process(parts)
    statistics, retrying, quarantine = Statistics(parts), Retrying(parts), Quarantine(parts)
    uplinks, suppressions = Uplinks(parts), Suppressions(parts)
    recipients, exporting, privacy = Recipients(parts), Exporting(parts), Privacy(parts)
    describing = Describing(parts)
    api = Starlette(
        routes=[
            Route("/v1/sends", registering.register, methods=["POST"]),
            Route("/v1/messages", lookups.messages, methods=["GET"]),
            Route("/v1/messages/lookup", finding.lookup, methods=["POST"]),
            _ByLastWord(
                "/v1/messages/{sms_msg_id:opaque}/explain", explaining.explain, methods=["GET"]
            ),
            _ByLastWord(
                "/v1/messages/{sms_msg_id:opaque}/attempts", lookups.attempts, methods=["GET"]
            ),
            Route("/v1/messages/{sms_msg_id:opaque}", lookups.message, methods=["GET"]),
            Route("/v1/retries", retrying.retries, methods=["GET"]),
            Route("/v1/retries/claim", retrying.claim, methods=["POST"]),
            Route("/v1/retries/{id:int}/complete", retrying.complete, methods=["POST"]),
            Route("/v1/retries/{id:int}/release", retrying.release, methods=["POST"]),
            Route("/v1/retries/{id:int}/abandon", retrying.abandon, methods=["POST"]),
            Route("/v1/stats", statistics.count, methods=["GET"]),
            Route("/v1/stats/silence", statistics.silence, methods=["GET"]),
            Route("/v1/uplinks", uplinks.uplinks, methods=["GET"]),
            Route("/v1/uplinks/{sms_msg_id:opaque}", uplinks.uplink, methods=["GET"]),
            Route("/v1/export/messages", exporting.messages, methods=["GET"]),
            Route("/v1/export/uplinks", exporting.uplinks, methods=["GET"]),
            Route("/v1/suppressions", suppressions.suppressions, methods=["GET"]),
            _ByLastWord(
                "/v1/suppressions/{number:opaque}/history", suppressions.history, methods=["GET"]
            ),
            Route("/v1/suppressions/{number:opaque}", suppressions.suppress, methods=["PUT"]),
            Route("/v1/suppressions/{number:opaque}", suppressions.lift, methods=["DELETE"]),
            Route("/v1/recipients/check", recipients.check, methods=["POST"]),
            Route("/v1/recipients/{number:opaque}", recipients.recipient, methods=["GET"]),
            Route("/v1/quarantine", quarantine.quarantine, methods=["GET"]),
            Route("/v1/codes", codes.codes, methods=["GET"]),
            Route("/v1/codes/{code:opaque}", codes.code, methods=["GET"]),
            Route("/openapi.json", describing.document, methods=["GET"]),
            Route("/docs", describing.page, methods=["GET"]),
            Route("/docs/codes", codes.page, methods=["GET"]),
            Route("/v1/reclassify", reclassifying.start, methods=["POST"]),
            Route("/v1/reclassify", reclassifying.progress, methods=["GET"]),
            Route("/v1/reclassify", reclassifying.stop, methods=["DELETE"]),
            Route("/v1/reclassify/undo", reclassifying.undo, methods=["POST"]),
            Route("/v1/purge", privacy.purge, methods=["POST"]),
            Route("/v1/purge", privacy.progress, methods=["GET"]),
            Route("/v1/forget", privacy.forget, methods=["POST"]),
            Route("/metrics", process.metrics, methods=["GET"]),
            Route("/healthz", process.healthz, methods=["GET"]),
            Route("/readyz", process.readyz, methods=["GET"]),
        ],
        exception_handlers={
            ProblemError: _problem,
            HTTPException: _http_exception,
            JournalUnavailableError: _unavailable,
            StoreUnavailableError: _unavailable,
            ExpiredCursorError: _expired,
            Exception: _internal,
        },
    )
    # A path with a slash too many is a mistake to be told; clients lose their key on the way to
    # another path, and an id may end with a slash.
    api.router.redirect_slashes = False
    return api


async def _problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)  # noqa: S101 - the table of handlers says so
    return _problem_response(error.problem, error.detail, error.headers, **error.more)


_SAID = {
    Problem.NOT_FOUND: "There is no such route. /docs lists all routes.",
    Problem.METHOD_NOT_ALLOWED: (
        "The route does not support this method. The header Allow lists the supported ones."
    ),
}


async def _http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - as above
    problem = of_status(error.status_code)
    headers = error.headers
    if problem is Problem.METHOD_NOT_ALLOWED:
        headers = {"allow": ", ".join(_allowed(request))}
    return _problem_response(problem, _SAID.get(problem, error.detail), headers)


def _allowed(request: Request) -> list[str]:
    """Name the methods of all routes of a path; Starlette names those of the first."""
    routes = [route for route in request.app.routes if isinstance(route, Route)]
    fitting = [route for route in routes if route.matches(request.scope)[0] is not Match.NONE]
    return sorted({method for route in fitting for method in route.methods or ()})


async def _unavailable(_: Request, error: Exception) -> Response:
    return _problem_response(Problem.UNAVAILABLE, str(error), {"retry-after": str(RETRY_AFTER_S)})


async def _expired(_: Request, error: Exception) -> Response:
    return _problem_response(Problem.CURSOR_EXPIRED, str(error))


async def _internal(request: Request, error: Exception) -> Response:
    _log.error("request failed", method=request.method, error=type(error).__name__)
    return _problem_response(
        Problem.INTERNAL, "The receiver has a defect. Nothing was changed; the log names the error."
    )


def _problem_response(problem: Problem, detail: str, headers: Any = None, **more: Any) -> Response:
    return Response(
        document(problem, detail, **more), problem.status, headers, media_type=MEDIA_TYPE
    )
