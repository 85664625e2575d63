"""Problem documents (RFC 9457): every error on either listener, from one table."""

import json
from dataclasses import dataclass
from enum import Enum
from typing import Any

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 1  # of refusals that end by themselves


@dataclass(frozen=True, slots=True)
class _Kind:
    status: int
    title: str


class Problem(Enum):
    """Everything that can go wrong in a request. The value's status and title never vary."""

    BAD_REQUEST = _Kind(400, "The request is invalid")
    UNUSABLE_PUSH = _Kind(400, "The push contains nothing usable")
    UNSIGNED_PUSH = _Kind(401, "The push has no valid signature")
    UNAUTHORIZED = _Kind(401, "A valid API key is required")
    FORBIDDEN = _Kind(403, "The API key lacks the permission")
    WRONG_ADDRESS = _Kind(403, "Pushes from this address are not allowed")
    NOT_FOUND = _Kind(404, "Not found")
    METHOD_NOT_ALLOWED = _Kind(405, "Method not allowed")
    BUSY = _Kind(409, "Another run is in progress")
    UNUSABLE_CATALOGUE = _Kind(409, "The catalogue file cannot be used")
    OPTED_OUT = _Kind(409, "The recipient has opted out")
    WRONG_HOST = _Kind(421, "The Host header is not a name of this listener")
    WRONG_ORIGIN = _Kind(403, "Cross-origin request refused")
    RATE_LIMITED = _Kind(429, "Too many wrong keys or tokens")
    LEASE_LOST = _Kind(409, "The caller does not hold the item")
    AMBIGUOUS = _Kind(409, "The id is ambiguous")
    TOO_SLOW = _Kind(408, "The request was not complete in time")
    TOO_LARGE = _Kind(413, "The body is too large")
    CURSOR_EXPIRED = _Kind(410, "The cursor has expired")
    KEY_USED = _Kind(422, "The Idempotency-Key was used for a different request")
    HEAD_TOO_LARGE = _Kind(431, "The headers are too large")
    INTERNAL = _Kind(500, "The receiver failed")
    UNAVAILABLE = _Kind(503, "Temporarily unavailable")

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.value.status

    @property
    def slug(self) -> str:
        """The machine-readable name, as in `type`."""
        return self.name.lower().replace("_", "-")


# Several problems share some statuses; these are what a status means by itself.
_GENERAL = {
    problem.status: problem
    for problem in (
        Problem.BAD_REQUEST,
        Problem.UNAUTHORIZED,
        Problem.FORBIDDEN,
        Problem.NOT_FOUND,
        Problem.METHOD_NOT_ALLOWED,
        Problem.TOO_SLOW,
        Problem.TOO_LARGE,
        Problem.HEAD_TOO_LARGE,
        Problem.INTERNAL,
        Problem.UNAVAILABLE,
    )
}


def of_status(status: int) -> Problem:
    """Return the problem of an error of which only the HTTP status is known."""
    other = Problem.INTERNAL if status >= Problem.INTERNAL.status else Problem.BAD_REQUEST
    return _GENERAL.get(status, other)


def document(problem: Problem, detail: str, **more: Any) -> bytes:
    """Write the problem document.

    Args:
        problem: what went wrong.
        detail: what is wrong in this case and what to do; never a value of a person.
        more: further members.
    """
    return json.dumps(
        {
            "type": f"urn:receiver:problem:{problem.slug}",
            "title": problem.value.title,
            "status": problem.status,
            "detail": detail,
            **more,
        },
        ensure_ascii=False,
    ).encode(errors="replace")
