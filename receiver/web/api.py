"""The private API: register sends, look up messages, uplinks, codes and the quarantine."""

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any

import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.convertors import Convertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from receiver.domain.catalogue import Category
from receiver.domain.events import Trust
from receiver.domain.messages import State
from receiver.domain.texts import is_storable
from receiver.errors import JournalUnavailableError, StoreUnavailableError
from receiver.huawei.registration import RegistrationError, read_registration
from receiver.journal import Entry, Kind
from receiver.projection import Policy
from receiver.store import queries
from receiver.store.store import Store
from receiver.web import views
from receiver.web.auth import Keys, Scope
from receiver.web.callbacks import RETRY_AFTER_S
from receiver.web.problems import MEDIA_TYPE, Problem, document
from receiver.web.requests import (
    ProblemError,
    Query,
    bad,
    read_body,
    read_json_object,
    write_cursor,
)

_log = structlog.get_logger(__name__)

MOST_IDS = 1000
MOST_REJECTIONS_SHOWN = 100


class _Opaque(Convertor[str]):
    """A path parameter that may hold anything, slashes and line ends too."""

    regex = r"[\s\S]+"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("opaque", _Opaque())

Endpoint = Callable[["Api", Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Health:
    """What readiness is made of."""

    journal: bool
    projector: bool
    store: bool

    @property
    def ready(self) -> bool:
        """Whether all of it works."""
        return self.journal and self.projector and self.store


@dataclass(frozen=True, slots=True)
class Parts:
    """What the API works with; made in the composition root."""

    store: Store
    policy: Policy
    keys: Keys
    accept: Callable[[Entry], Awaitable[object]]
    clock: Callable[[], int]
    applications: Sequence[str]  # the first one is meant when a caller names none
    registry: CollectorRegistry
    refresh_metrics: Callable[[], Awaitable[None]]
    health: Callable[[], Awaitable[Health]]
    max_body_bytes: int
    metrics_need_key: bool


def needs(scope: Scope) -> Callable[[Endpoint], Endpoint]:
    """Let an endpoint run only with a key that has the scope."""

    def decorate(endpoint: Endpoint) -> Endpoint:
        @wraps(endpoint)
        async def checked(self: "Api", request: Request) -> Response:
            self.check_key(request, scope)
            return await endpoint(self, request)

        return checked

    return decorate


class Api:
    """The endpoints of the private listener."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def application(self) -> Starlette:
        """Make the ASGI application."""
        return Starlette(
            routes=[
                Route("/v1/sends", self.register, methods=["POST"]),
                Route("/v1/messages", self.messages, methods=["GET"]),
                Route("/v1/messages/lookup", self.lookup, methods=["POST"]),
                Route("/v1/messages/{sms_msg_id:opaque}", self.message, methods=["GET"]),
                Route("/v1/uplinks", self.uplinks, methods=["GET"]),
                Route("/v1/codes", self.codes, methods=["GET"]),
                Route("/v1/codes/{code:opaque}", self.code, methods=["GET"]),
                Route("/v1/quarantine", self.quarantine, methods=["GET"]),
                Route("/metrics", self.metrics, methods=["GET"]),
                Route("/healthz", self.healthz, methods=["GET"]),
                Route("/readyz", self.readyz, methods=["GET"]),
            ],
            exception_handlers={
                ProblemError: _problem,
                HTTPException: _http_exception,
                JournalUnavailableError: _unavailable,
                StoreUnavailableError: _unavailable,
                Exception: _internal,
            },
        )

    def check_key(self, request: Request, scope: Scope) -> None:
        """Refuse a request whose key does not have the scope."""
        key = self._parts.keys.find(request.headers.get("authorization"))
        if key is None:
            raise ProblemError(
                Problem.UNAUTHORIZED,
                "Send the header `Authorization: Bearer KEY` with a key of this receiver.",
                {"www-authenticate": "Bearer"},
            )
        if not key.may(scope):
            raise ProblemError(Problem.FORBIDDEN, f"The key needs the scope `{scope.value}`.")

    # --- registering ------------------------------------------------------------------------

    @needs(Scope.WRITE)
    async def register(self, request: Request) -> Response:
        """Register sends; 202 when they are durable."""
        parts = self._parts
        body = await read_body(request, parts.max_body_bytes)
        try:
            registration = read_registration(body)
        except RegistrationError as error:
            raise bad(str(error)) from None
        application = self._known_application(registration.application)
        shown = registration.rejected[:MOST_REJECTIONS_SHOWN]
        rejected = [{"index": r.index, "reason": r.reason} for r in shown]
        if rejected and not registration.sends:
            raise bad("No entry can be registered.", rejected=rejected)
        if registration.sends:
            await parts.accept(self._entry(application, request, body))
        return _json(
            {
                "application": application,
                "registered": len(registration.sends),
                "rejected": rejected,
            },
            status=202,
        )

    def _entry(self, application: str, request: Request, body: bytes) -> Entry:
        return Entry(
            kind=Kind.SENDS,
            application=application,
            received_at=self._parts.clock(),
            peer=request.client.host if request.client else "",
            trust=Trust.OPEN.value,
            headers="",
            body=body,
        )

    def _known_application(self, name: str | None) -> str:
        known = self._parts.applications
        if name is None:
            return known[0]
        if name not in known:
            raise bad("There is no such application.", known=list(known))
        return name

    # --- messages ---------------------------------------------------------------------------

    @needs(Scope.READ)
    async def message(self, request: Request) -> Response:
        """Give one message."""
        query = Query(request)
        application = query.text("application")
        query.done()
        sms_msg_id = request.path_params["sms_msg_id"]
        _check_storable(sms_msg_id)
        async with self._parts.store.reading() as connection:
            found = await queries.find_messages(connection, [sms_msg_id], application)
        if not found:
            raise ProblemError(
                Problem.NOT_FOUND,
                "No send and no report with this id has come yet.",
            )
        if len(found) > 1:
            raise ProblemError(
                Problem.AMBIGUOUS,
                "Add `?application=` with one of these.",
                applications=sorted(stored.message.application for stored in found),
            )
        return _json(views.message_json(found[0], self._parts.policy))

    @needs(Scope.READ)
    async def messages(self, request: Request) -> Response:
        """List messages, newest first."""
        query = Query(request)
        wanted = queries.MessageFilter(
            to=query.number("to"),
            state=query.one_of("state", State, f"one of {', '.join(State)}"),
            code=query.text("code"),
            category=query.one_of("category", Category, f"one of {', '.join(Category)}"),
            application=query.text("application"),
            extend=query.text("extend"),
            reference=query.text("reference"),
            registered=query.flag("registered"),
            since=query.time("since"),
            until=query.time("until"),
        )
        page = query.page()
        query.done()
        async with self._parts.store.reading() as connection:
            found = await queries.list_messages(connection, wanted, page)
        policy = self._parts.policy
        return _page(
            "messages",
            [views.message_json(stored, policy) for stored in found],
            [stored.row_id for stored in found],
            page,
        )

    @needs(Scope.READ)
    async def lookup(self, request: Request) -> Response:
        """Give up to 1,000 messages by id."""
        document = read_json_object(await read_body(request, self._parts.max_body_bytes))
        ids = document.get("ids")
        if not isinstance(ids, list) or not all(isinstance(one, str) for one in ids):
            raise bad('Send {"ids": [...]} with message ids as text.')
        if len(ids) > MOST_IDS:
            raise bad(f"Up to {MOST_IDS} ids can be looked up at once.")
        application = document.get("application")
        if application is not None and not isinstance(application, str):
            raise bad("`application` is not text.")
        _check_storable(application or "")
        for one in ids:
            _check_storable(one)
        wanted = dict.fromkeys(ids)
        async with self._parts.store.reading() as connection:
            found = await queries.find_messages(connection, wanted, application)
        known = {stored.message.sms_msg_id for stored in found}
        order = {sms_msg_id: place for place, sms_msg_id in enumerate(wanted)}
        found.sort(key=lambda stored: order[stored.message.sms_msg_id])
        return _json(
            {
                "messages": [views.message_json(s, self._parts.policy) for s in found],
                "missing": [sms_msg_id for sms_msg_id in wanted if sms_msg_id not in known],
            }
        )

    # --- uplinks, quarantine, codes -----------------------------------------------------------

    @needs(Scope.READ)
    async def uplinks(self, request: Request) -> Response:
        """List uplinks, newest first."""
        query = Query(request)
        wanted = queries.UplinkFilter(
            sender=query.number("from"),
            to=query.text("to"),
            application=query.text("application"),
            since=query.time("since"),
            until=query.time("until"),
        )
        page = query.page()
        query.done()
        async with self._parts.store.reading() as connection:
            rows = await queries.list_uplinks(connection, wanted, page)
        return _page("uplinks", [views.uplink_json(r) for r in rows], [r["id"] for r in rows], page)

    @needs(Scope.READ)
    async def quarantine(self, request: Request) -> Response:
        """List what could not be understood, newest first."""
        query = Query(request)
        wanted = queries.QuarantineFilter(
            application=query.text("application"),
            kind=query.text("kind"),
            since=query.time("since"),
            until=query.time("until"),
        )
        page = query.page()
        query.done()
        async with self._parts.store.reading() as connection:
            rows = await queries.list_quarantine(connection, wanted, page)
        items = [views.quarantine_json(row) for row in rows]
        return _page("quarantine", items, [row["id"] for row in rows], page)

    @needs(Scope.READ)
    async def codes(self, request: Request) -> Response:
        """List the catalogue."""
        query = Query(request)
        category = query.one_of("category", Category, f"one of {', '.join(Category)}")
        query.done()
        catalogue = self._parts.policy.catalogue
        entries = [e for e in catalogue.entries if category in (None, e.category)]
        return _json(
            {"version": catalogue.version, "codes": [views.entry_json(e) for e in entries]}
        )

    @needs(Scope.READ)
    async def code(self, request: Request) -> Response:
        """Explain one status code, listed or not."""
        query = Query(request)
        source = query.whole("source", 1, 3)
        org_code = query.text("org_code")
        query.done()
        code = request.path_params["code"]
        catalogue = self._parts.policy.catalogue
        match = catalogue.lookup(code, source=source, org_code=org_code)
        return _json(
            {
                "code": code,
                "version": catalogue.version,
                "match": views.match_json(match),
                "entries": [views.entry_json(entry) for entry in catalogue.explain(code)],
            }
        )

    # --- the process ------------------------------------------------------------------------

    async def metrics(self, request: Request) -> Response:
        """Give all metrics in the format that the scraper prefers."""
        if self._parts.metrics_need_key:
            self.check_key(request, Scope.READ)
        await self._parts.refresh_metrics()
        encode, media_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(self._parts.registry), media_type=media_type)

    async def healthz(self, _: Request) -> Response:
        """Say that the process answers."""
        return _json({"status": "ok"})

    async def readyz(self, _: Request) -> Response:
        """Say whether journal, projector and store work."""
        health = await self._parts.health()
        return _json(
            {
                "status": "ready" if health.ready else "not ready",
                "journal": health.journal,
                "projector": health.projector,
                "store": health.store,
            },
            status=200 if health.ready else 503,
        )


def _check_storable(text: str) -> None:
    if not is_storable(text):
        raise bad("A text holds characters that nothing stored can hold.")


def _page(name: str, items: list[views.Json], ids: list[int], page: queries.Page) -> Response:
    more = len(items) == page.limit
    return _json({name: items, "next": write_cursor(ids[-1]) if more else None})


def _json(value: Any, status: int = 200) -> Response:
    # What came as a lone surrogate has no UTF-8 form; escaped it stays valid JSON.
    try:
        body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        body = json.dumps(value, separators=(",", ":")).encode()
    return Response(body, status, media_type="application/json")


async def _problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)  # noqa: S101 - the table of handlers says so
    return _problem_response(error.problem, error.detail, error.headers, **error.more)


_OF_STATUS = {problem.status: problem for problem in Problem}


async def _http_exception(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - as above
    problem = _OF_STATUS.get(error.status_code, Problem.BAD_REQUEST)
    return _problem_response(problem, error.detail, error.headers)


async def _unavailable(_: Request, error: Exception) -> Response:
    return _problem_response(Problem.UNAVAILABLE, str(error), {"retry-after": str(RETRY_AFTER_S)})


async def _internal(request: Request, error: Exception) -> Response:
    _log.error("request failed", method=request.method, error=type(error).__name__)
    return _problem_response(
        Problem.INTERNAL, "This is a defect of the receiver; nothing was changed."
    )


def _problem_response(problem: Problem, detail: str, headers: Any = None, **more: Any) -> Response:
    return Response(
        document(problem, detail, **more), problem.status, headers, media_type=MEDIA_TYPE
    )
