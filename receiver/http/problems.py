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

    BAD_REQUEST = _Kind(400, "The request cannot be understood")
    UNUSABLE_PUSH = _Kind(400, "Nothing in the push can be used")
    UNSIGNED_PUSH = _Kind(401, "A valid push signature is needed")
    UNAUTHORIZED = _Kind(401, "A valid API key is needed")
    FORBIDDEN = _Kind(403, "The API key does not have the scope")
    WRONG_ADDRESS = _Kind(403, "Pushes may not come from this address")
    NOT_FOUND = _Kind(404, "There is nothing here")
    METHOD_NOT_ALLOWED = _Kind(405, "The method is not allowed here")
    BUSY = _Kind(409, "Another run is in progress")
    UNUSABLE_CATALOGUE = _Kind(409, "The catalogue file cannot be used")
    OPTED_OUT = _Kind(409, "The recipient has opted out")
    WRONG_HOST = _Kind(421, "The listener is not known by this name")
    WRONG_ORIGIN = _Kind(403, "Cross-origin request refused")
    SLOWED = _Kind(429, "Too many wrong keys or tokens")
    LEASE_LOST = _Kind(409, "The item is not yours to settle")
    AMBIGUOUS = _Kind(409, "The id is ambiguous")
    TOO_SLOW = _Kind(408, "The request took too long to come")
    TOO_LARGE = _Kind(413, "The body is too large")
    CURSOR_EXPIRED = _Kind(410, "The list must be begun again")
    KEY_USED = _Kind(422, "The Idempotency-Key was used before")
    HEAD_TOO_LARGE = _Kind(431, "The headers are too large")
    INTERNAL = _Kind(500, "The receiver failed")
    UNAVAILABLE = _Kind(503, "Not now; try again")

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
