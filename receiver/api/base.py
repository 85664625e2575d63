"""Shared parts of all endpoints of the private API: context, key check, response format."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar

from prometheus_client import CollectorRegistry
from starlette.requests import Request
from starlette.responses import Response

from receiver.api.access.auth import Key, Keys, Scope, digest_of
from receiver.api.bodies import views
from receiver.api.bodies.parsing import (
    ProblemError,
    bad,
    check_unrestricted,
    read_body,
    read_json_object,
    write_cursor,
)
from receiver.domain.compact_json import write_json
from receiver.domain.identifiers import clean
from receiver.domain.projection import Policy
from receiver.domain.silence import SilenceOptions
from receiver.domain.storable import is_storable
from receiver.domain.wording.languages import Language
from receiver.http.peers import FORWARDED_FOR, Networks, client_of, group_of
from receiver.http.problems import Problem
from receiver.http.throttle import Guesses
from receiver.journal import JournalEntry
from receiver.metrics import Metrics
from receiver.privacy.erasure import Forgetter
from receiver.privacy.retention import Purger
from receiver.projector.reclassifier import Reclassifier
from receiver.store.idempotency import AnswerLimits
from receiver.store.store import Store

_WRONG_KEY = (
    "The API key is missing or unknown. Send the header `Authorization: Bearer KEY` "
    "with a valid key."
)


_NO_JOURNAL = (
    "The journal cannot be written, so pushes are answered with 503. Check that the "
    "disk has free space and works; the log names the error."
)
_NO_PROJECTOR = (
    "The projector has not caught up yet, or its last attempt failed, so lookups may "
    "return old data. It keeps trying; the log names the error."
)
_NO_STORE = (
    "The store is unavailable: lookups fail, pushes are still accepted. The log names the error."
)
_LATE_LOOP = (
    "The event loop was delayed by more than `max_loop_delay_seconds` within the last "
    "ten seconds. The host or the process is overloaded."
)


@dataclass(frozen=True, slots=True)
class Health:
    """The parts that readiness depends on."""

    journal: bool
    projector: bool
    store: bool
    event_loop: bool  # whether it was in time lately
    found: Sequence[str] = ()  # what journal and projector say is or was wrong

    @property
    def problems(self) -> list[str]:
        """What is or was wrong, and what to do."""
        bad = [
            text
            for is_well, text in (
                (self.journal, _NO_JOURNAL),
                (self.store or bool(self.found), _NO_STORE),
                (self.projector or not self.store or bool(self.found), _NO_PROJECTOR),
                (self.event_loop, _LATE_LOOP),
            )
            if not is_well
        ]
        return [*self.found, *bad]

    @property
    def ready(self) -> bool:
        """Whether all of it works."""
        return self.journal and self.projector and self.store and self.event_loop


@dataclass(slots=True)
class ApiContext:
    """The parts that the API works with, made in the composition root."""

    store: Store
    policy: Policy  # in force; `reload_policy` puts another in its place
    reload_policy: Callable[[], Awaitable[Policy]]
    language: Language  # where a caller leaves the choice to us
    keys: Keys
    guesses: Guesses  # of keys
    proxies: Networks  # whose X-Forwarded-For is believed
    look_at_keys: Callable[[], bool]  # whether the file of keys had changed
    accept: Callable[[JournalEntry], Awaitable[object]]
    clock: Callable[[], int]
    applications: Sequence[str]  # the first one is meant when a caller names none
    registry: CollectorRegistry
    refresh_metrics: Callable[[], Awaitable[None]]
    health: Callable[[], Awaitable[Health]]
    reclassifier: Reclassifier
    purger: Purger
    forgetter: Forgetter
    silence: SilenceOptions
    metrics: Metrics
    caught_up: Callable[[], Awaitable[None]]  # returns when the store has processed all inputs
    heard_until: Callable[[], Awaitable[int]]  # up to when the store has processed all inputs
    overdue_after_us: int
    yield_factor: Callable[[], int]  # how much time long work leaves to others for each unit taken
    answer_within_us: int  # how long after a message an uplink can answer it
    max_body_bytes: int
    metrics_need_key: bool
    answer_limits: AnswerLimits  # of answers to an Idempotency-Key


class Endpoints:
    """A group of endpoints of the private listener."""

    def __init__(self, parts: ApiContext) -> None:
        self._parts = parts

    def check_key(self, request: Request, scope: Scope) -> None:
        """Refuse a request whose key does not have the scope; note whose key it is."""
        parts = self._parts
        now = parts.clock()
        authorization = request.headers.get("authorization")
        if authorization is None:
            parts.metrics.api_refused.labels("wrong_key").inc()
            raise _unauthorized(_WRONG_KEY)
        key = self._find_key(authorization, group_of(self._client(request)), now)
        if key.is_over(now):
            parts.metrics.api_refused.labels("expired").inc()
            raise _unauthorized(
                "The API key has expired. Create another with `receiver key create`."
            )
        if not key.may(scope):
            parts.metrics.api_refused.labels("scope").inc()
            raise ProblemError(
                Problem.FORBIDDEN,
                f"The API key does not have the scope `{scope.value}`. Use a key that has it.",
            )
        parts.keys.used[key.digest] = now
        request.state.key = key

    async def read_object(self, request: Request) -> dict[str, Any]:
        """Return the JSON object that is a request's body.

        Raises:
            ProblemError: the body is none, or too large.
        """
        return read_json_object(await read_body(request, self._parts.max_body_bytes))

    def _find_key(self, authorization: str, group: str, now: int) -> Key:
        """Return the key; who tries many wrong ones has to wait, and is not told what is right."""
        parts, digest = self._parts, digest_of(authorization)
        wait_s = parts.guesses.wait_s(group, now)
        if wait_s and not parts.guesses.was_right(group, digest, now):
            parts.metrics.api_refused.labels("slowed").inc()
            raise ProblemError(
                Problem.RATE_LIMITED,
                "Too many wrong API keys were sent from this address. Wait, then send a valid key.",
                {"retry-after": str(wait_s)},
            )
        key = parts.keys.find(digest)
        if key is None and parts.look_at_keys():
            key = parts.keys.find(digest)  # it may have been made this very second
        if key is None:
            parts.guesses.note_wrong(group, now)
            parts.metrics.api_refused.labels("wrong_key").inc()
            raise _unauthorized(_WRONG_KEY)
        parts.guesses.note_right(group, digest, now)
        return key

    def _client(self, request: Request) -> str:
        """Return the caller's address, which a proxy of ours tells."""
        peer = request.client.host if request.client else ""
        forwarded = [value for name, value in request.headers.raw if name == FORWARDED_FOR]
        return client_of(peer, forwarded, self._parts.proxies)


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
        raise bad("A string contains NUL or unpaired surrogates. Remove them.")


def read_application(given: Mapping[str, Any]) -> str | None:
    """Read the application that a body names; None where it names none.

    Raises:
        ProblemError: it is no text, or nothing stored can have that name.
    """
    application = given.get("application")
    if application is not None and not isinstance(application, str):
        raise bad("`application` must be a string.")
    application = clean(application or "") or None
    check_storable(application or "")
    return application


def check_application(name: str | None, known: Sequence[str]) -> str | None:
    """Return an application's name; None where none is named.

    Raises:
        ProblemError: there is none of that name.
    """
    if name is not None and name not in known:
        raise bad(
            "The application is unknown. Name one of `known`, or omit `application`.",
            known=list(known),
        )
    return name


def text_in_path(request: Request, name: str = "sms_msg_id") -> str:
    """Return an id or a code that the path names, cleaned.

    Raises:
        ProblemError: it is empty, or nothing stored can have it.
    """
    text = clean(request.path_params[name])
    if not text:
        raise bad(f"`{name}` in the path is empty. Give it a value.")
    check_storable(text)
    return text


def json_answer(value: Any, status: int = 200, language: Language | None = None) -> Response:
    """Answer with JSON; `language` is that of its texts, if it was chosen."""
    return Response(write_json(value), status, headers_of(language), media_type="application/json")


def headers_of(language: Language | None) -> dict[str, str] | None:
    """Return the headers that tell a language, and caches that it was asked for."""
    if language is None:
        return None
    return {"content-language": language.tag, "vary": "Accept-Language"}


def page_answer(
    name: str,
    items: list[views.Json],
    following: Sequence[int] | None,
    language: Language | None = None,
    beside: Mapping[str, Any] | None = None,
) -> Response:
    """Answer with a stretch of a list, and what else there is to say beside it.

    Args:
        name: of the list.
        items: of the stretch; there may be none, and the list goes on nevertheless.
        following: the place behind which it goes on; None at its end.
        language: of the texts.
        beside: what stands before the list.
    """
    cursor = None if following is None else write_cursor(following)
    return json_answer({**(beside or {}), name: items, "next": cursor}, language=language)
