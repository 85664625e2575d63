"""What all endpoints of the private API share: their parts, the key, the form of an answer."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, NoReturn, TypeVar

from prometheus_client import CollectorRegistry
from starlette.requests import Request
from starlette.responses import Response

from receiver.domain import rhythm
from receiver.domain.languages import Language
from receiver.domain.texts import is_storable
from receiver.forgetter import Forgetter
from receiver.journal import Entry
from receiver.metrics import Metrics
from receiver.projection import Policy
from receiver.purger import Purger
from receiver.reclassifier import Reclassifier
from receiver.store import queries
from receiver.store.store import Store
from receiver.web import views
from receiver.web.auth import Keys, Scope
from receiver.web.peers import group_of
from receiver.web.problems import Problem
from receiver.web.requests import ProblemError, bad, check_unrestricted, write_cursor
from receiver.web.slowing import WrongKeys


@dataclass(frozen=True, slots=True)
class Health:
    """What readiness is made of."""

    journal: bool
    projector: bool
    store: bool
    problems: Sequence[str] = ()  # what is or was wrong, and what to do

    @property
    def ready(self) -> bool:
        """Whether all of it works."""
        return self.journal and self.projector and self.store


@dataclass(slots=True)
class Parts:
    """What the API works with; made in the composition root."""

    store: Store
    policy: Policy  # in force; `reload_policy` puts another in its place
    reload_policy: Callable[[], Awaitable[Policy]]
    language: Language  # where a caller leaves the choice to us
    keys: Keys
    wrong_keys: WrongKeys
    look_at_keys: Callable[[], bool]  # whether the file of keys had changed
    accept: Callable[[Entry], Awaitable[object]]
    clock: Callable[[], int]
    applications: Sequence[str]  # the first one is meant when a caller names none
    registry: CollectorRegistry
    refresh_metrics: Callable[[], Awaitable[None]]
    health: Callable[[], Awaitable[Health]]
    reclassifier: Reclassifier
    purger: Purger
    forgetter: Forgetter
    silence: rhythm.Options
    metrics: Metrics
    caught_up: Callable[[], Awaitable[None]]  # returns when the store knows all that was heard
    heard_until: Callable[[], Awaitable[int]]  # up to when the store knows all that was heard
    overdue_after_us: int
    give_way: Callable[[], int]  # how much time long work leaves to others for each unit taken
    answer_within_us: int  # how long after a message an uplink can answer it
    max_body_bytes: int
    metrics_need_key: bool


class Endpoints:
    """A group of endpoints of the private listener."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def check_key(self, request: Request, scope: Scope) -> None:
        """Refuse a request whose key does not have the scope; note whose key it is."""
        parts = self._parts
        now = parts.clock()
        authorization = request.headers.get("authorization")
        key = parts.keys.find(authorization)
        if key is None and authorization is not None and parts.look_at_keys():
            key = parts.keys.find(authorization)  # it may have been made this very second
        if key is None:
            self._refuse_wrong(request, now, given=authorization is not None)
        elif key.is_over(now):
            parts.metrics.api_refused.labels("expired").inc()
            raise _unauthorized("The key has expired; make another with `receiver key create`.")
        elif not key.may(scope):
            parts.metrics.api_refused.labels("scope").inc()
            raise ProblemError(Problem.FORBIDDEN, f"The key needs the scope `{scope.value}`.")
        else:
            parts.keys.used[key.name] = now
            request.state.key = key

    def _refuse_wrong(self, request: Request, now: int, *, given: bool) -> NoReturn:
        """Refuse a request without a key, or with a wrong one; who tries many has to wait."""
        parts = self._parts
        peer = request.client.host if request.client else ""
        wait_s = parts.wrong_keys.wait_s(group_of(peer), now) if given else 0
        parts.metrics.api_refused.labels("slowed" if wait_s else "wrong_key").inc()
        if wait_s:
            raise ProblemError(
                Problem.SLOWED,
                "Too many wrong keys came from this address.",
                {"retry-after": str(wait_s)},
            )
        raise _unauthorized(
            "Send the header `Authorization: Bearer KEY` with a key of this receiver."
        )


def _unauthorized(detail: str) -> ProblemError:
    return ProblemError(Problem.UNAUTHORIZED, detail, {"www-authenticate": "Bearer"})


_Group = TypeVar("_Group", bound=Endpoints)
_Endpoint = Callable[[_Group, Request], Awaitable[Response]]


def needs(
    scope: Scope, *, of_all: bool = False
) -> Callable[[_Endpoint[_Group]], _Endpoint[_Group]]:
    """Let an endpoint run only with a key that has the scope.

    Args:
        scope: what it takes.
        of_all: it is about all applications, so that a key for a single one does not do.
    """

    def decorate(endpoint: _Endpoint[_Group]) -> _Endpoint[_Group]:
        @wraps(endpoint)
        async def checked(self: _Group, request: Request) -> Response:
            self.check_key(request, scope)
            if of_all:
                check_unrestricted(request)
            return await endpoint(self, request)

        return checked

    return decorate


def check_storable(text: str) -> None:
    """Refuse what no column could hold."""
    if not is_storable(text):
        raise bad("A text holds characters that nothing stored can hold.")


def json_answer(value: Any, status: int = 200, language: Language | None = None) -> Response:
    """Answer with JSON; `language` is that of its texts, if it was chosen."""
    return Response(write_json(value), status, headers_of(language), media_type="application/json")


def write_json(value: Any) -> bytes:
    """Write a JSON document in one line."""
    # What came as a lone surrogate has no UTF-8 form; escaped it stays valid JSON.
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()


def headers_of(language: Language | None) -> dict[str, str] | None:
    """Give the headers that tell a language, and caches that it was asked for."""
    if language is None:
        return None
    return {"content-language": language.tag, "vary": "Accept-Language"}


def page_answer(
    name: str,
    items: list[views.Json],
    places: Sequence[Sequence[int]],
    page: queries.Page,
    language: Language | None = None,
    beside: Mapping[str, Any] | None = None,
) -> Response:
    """Answer with a stretch of a list, and what else there is to say beside it."""
    more = len(items) == page.limit
    cursor = write_cursor(places[-1]) if more else None
    return json_answer({**(beside or {}), name: items, "next": cursor}, language=language)
