"""How often a registration is attempted, and what each response means; no I/O."""

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from receiver.client.interruptions import let_through
from receiver.client.problems import explain
from receiver.client.results import Refused, Registered, Unusable

_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 2.0
_LEAST_TIMEOUT_S = 0.1
_WITH_SPOOL_S, _WITHOUT_SPOOL_S = 2.0, 10.0
_LONGEST_DETAIL = 500
LARGEST_ANSWER = 1024 * 1024  # bytes; the receiver's own lists in an answer are bounded
_SOME_REJECTED = "The receiver could not use some entries; see `rejected`."

# The document itself is at fault: it would be refused again.
_FOR_GOOD = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    }
)
_FOR_NOW = frozenset(
    {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}
)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a registration may take, in seconds."""

    timeout_s: float  # for one attempt from its connection to the last byte of its answer
    total_s: float  # no attempt begins later


def usual_patience(timeout_s: float, total_s: float | None, *, has_spool: bool) -> Patience:
    """Return how long a registration may take where a program may leave it open."""
    usual_s = _WITH_SPOOL_S if has_spool else _WITHOUT_SPOOL_S
    return Patience(timeout_s, usual_s if total_s is None else total_s)


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What the receiver answered."""

    status: int
    body: bytes  # empty where it was larger than LARGEST_ANSWER
    retry_after: str | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """The receiver did not answer."""

    what: str  # the kind of failure


@dataclass(frozen=True, slots=True)
class AttemptOutcome:
    """How a registration ended."""

    result: Registered
    worth_keeping: bool = False  # it was not taken, and could be another time
    away: bool = False  # the receiver did not answer, or cannot take anything now
    concerns_all: bool = False  # the key or the address is at fault: others fare no better
    status: int | None = None  # of the last answer

    @property
    def is_refused(self) -> bool:
        """Whether nothing of it was taken, for good."""
        taken = self.result.registered or self.result.error is None
        return not (taken or self.worth_keeping)


class Attempts:
    """The attempts at one registration.

    Args:
        patience: how long it may take.
        now: the time of a clock that only goes forward, seconds.
        single: there is to be one attempt only.
        is_probe: it finds out whether a receiver that was unavailable is back.
        may_go_on: asked after each failure whether these attempts, which would end at a moment, may
            continue.
    """

    def __init__(
        self,
        patience: Patience,
        now: float,
        *,
        single: bool = False,
        is_probe: bool = False,
        may_go_on: Callable[[object, float], bool] = lambda *_: True,
    ) -> None:
        self.began = now
        self.is_probe = is_probe
        self._timeout_s = patience.timeout_s
        self._until = now if single else now + patience.total_s
        self._single = single
        self._may_go_on = may_go_on
        self._pause_s = _FIRST_PAUSE_S

    def timeout_s(self, now: float) -> float:
        """Return how long the next attempt may take."""
        if self._single:
            return self._timeout_s
        return min(self._timeout_s, max(self._until - now, _LEAST_TIMEOUT_S))

    def judge(self, heard: HttpAnswer | Failure, now: float) -> AttemptOutcome | float:
        """Return the end of it, or how many seconds to wait before the next attempt."""
        if isinstance(heard, HttpAnswer) and not is_for_now(heard.status):
            return _end(heard)
        pause_s = self._pause_s * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
        if isinstance(heard, HttpAnswer):
            pause_s = max(pause_s, retry_after_s(heard.retry_after))
        self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
        if now + pause_s < self._until and self._may_go_on(self, self._until):
            return pause_s
        if isinstance(heard, Failure):
            error = f"The receiver does not answer ({heard.what})."
            return AttemptOutcome(Registered(error=error), worth_keeping=True, away=True)
        error = f"The receiver cannot accept the registration now (HTTP {heard.status})."
        return AttemptOutcome(
            Registered(error=error), worth_keeping=True, away=True, status=heard.status
        )


def is_for_now(status: int) -> bool:
    """Return whether the same request may be answered otherwise at another time."""
    return status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _FOR_NOW


def retry_after_s(retry_after: str | None) -> float:
    """Return the seconds that a header `Retry-After` asks for; 0: it names none."""
    digits = (retry_after or "").strip()
    return float(digits) if digits.isascii() and digits.isdigit() else 0.0


def _end(answer: HttpAnswer) -> AttemptOutcome:
    """Read an answer after which nothing is tried again."""
    document = _object(answer.body)
    if answer.status == HTTPStatus.ACCEPTED:
        result = _taken(document)
        if result is not None:
            return AttemptOutcome(result, status=answer.status)
    if answer.status == HTTPStatus.BAD_REQUEST and _names_applications(document):
        error = "The application is unknown to the receiver (HTTP 400). Correct `application`."
        return AttemptOutcome(Registered(error=error), worth_keeping=True, status=answer.status)
    if answer.status in _FOR_GOOD:
        rejected = _unusable(document.get("rejected"))
        told = {name: value for name, value in document.items() if name != "rejected"}
        lines = explain(told) if told.get("detail") else [f"HTTP {answer.status}"]
        detail = "; ".join(lines)[:_LONGEST_DETAIL]
        error = f"The receiver refused the registration: {detail}"
        return AttemptOutcome(Registered(rejected=rejected, error=error), status=answer.status)
    if answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        error = f"The receiver does not accept the API key (HTTP {answer.status})."
        # A key that is known may still be for another application than this registration's.
        concerns_all = answer.status == HTTPStatus.UNAUTHORIZED
    else:
        error = f"The server at this address is not a receiver (HTTP {answer.status})."
        concerns_all = True
    result = Registered(error=error)
    return AttemptOutcome(
        result, worth_keeping=True, concerns_all=concerns_all, status=answer.status
    )


def _names_applications(document: Mapping[str, Any]) -> bool:
    """Return whether a problem document is about an application that does not exist."""
    return isinstance(document.get("known"), list) and "unknown" not in document


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        let_through(error)
        return {}
    return document if isinstance(document, dict) else {}


def _taken(document: Mapping[str, Any]) -> Registered | None:
    registered = document.get("registered")
    if not isinstance(registered, int):
        return None
    rejected = _unusable(document.get("rejected"))
    return Registered(
        registered=registered,
        refused=tuple(map(_refused, _objects(document.get("refused")))),
        request=next(map(_refused, _objects([document.get("request")])), None),
        rejected=rejected,
        ignored=_unusable(document.get("ignored")),
        error=_SOME_REJECTED if rejected else None,
    )


def _refused(item: Mapping[str, Any]) -> Refused:
    verdict = item.get("verdict")
    return Refused(
        item.get("sms_msg_id"), str(item.get("code")), verdict if isinstance(verdict, dict) else {}
    )


def _unusable(items: Any) -> tuple[Unusable, ...]:
    return tuple(Unusable(i.get("index"), str(i.get("reason"))) for i in _objects(items))


def _objects(items: Any) -> list[Mapping[str, Any]]:
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
