"""The endpoints for retention and erasure."""

from starlette.requests import Request
from starlette.responses import Response

from receiver.api.access.auth import Scope
from receiver.api.base import Endpoints, json_answer, needs
from receiver.api.bodies.parsing import (
    ProblemError,
    Query,
    bad,
    read_body,
    read_json_object,
    refuse_unknown,
)
from receiver.api.bodies.views import Json
from receiver.domain.numbers import is_number, normalise
from receiver.domain.times import to_rfc3339
from receiver.http.problems import Problem
from receiver.privacy.erasure import AnotherForgettingError
from receiver.privacy.retention import AnotherPurgeError, Purge


class Privacy(Endpoints):
    """Purges expired data and erases persons."""

    @needs(Scope.ADMIN, of_all=True)
    async def purge(self, request: Request) -> Response:
        """Begin a purge, or join the one that is going on."""
        Query(request).done()
        body = await read_body(request, self._parts.max_body_bytes)
        given = read_json_object(body) if body else {}
        dry_run = _flag(given, "dry_run", ("dry_run",))
        try:
            purge = self._parts.purger.start(dry_run=dry_run)
        except AnotherPurgeError as error:
            raise ProblemError(Problem.BUSY, str(error)) from None
        return json_answer(_purge_json(purge), status=202)

    @needs(Scope.ADMIN, of_all=True)
    async def progress(self, request: Request) -> Response:
        """Tell how far the newest purge has come."""
        Query(request).done()
        purge = self._parts.purger.progress
        if purge is None:
            raise ProblemError(
                Problem.NOT_FOUND,
                "No purge has run since the receiver started. Start one with POST.",
            )
        return json_answer(_purge_json(purge))

    @needs(Scope.ADMIN, of_all=True)
    async def forget(self, request: Request) -> Response:
        """Erase a person, and tell where the number still stands."""
        Query(request).done()
        given = await self.read_object(request)
        keep = _flag(given, "keep_suppression", ("number", "keep_suppression"))
        text = given.get("number")
        text = text if isinstance(text, str) else ""
        number = normalise(text) or ""
        if not is_number(number):
            raise bad(
                "`number` must be a full phone number, preferably with + and its country code."
            )
        try:
            done = await self._parts.forgetter.forget(number, keep_suppression=keep)
        except AnotherForgettingError as error:
            raise ProblemError(Problem.BUSY, str(error)) from None
        return json_answer(
            {
                "erased": done.erased,
                "found_in_files": done.found_in_files,
                "searched_files": done.searched_files,
                "store_searched": done.store_searched,
            }
        )


def _flag(given: Json, name: str, known: tuple[str, ...]) -> bool:
    """Read a field that is true or false and may be absent; refuse those that are not known."""
    refuse_unknown(given, *known)
    value = given.get(name, False)
    if not isinstance(value, bool):
        raise bad(f"`{name}` must be true or false.")
    return value


def _purge_json(purge: Purge) -> Json:
    cutoffs = purge.cutoffs
    finished_at = purge.finished_at
    return {
        "phase": purge.phase.value,
        "dry_run": purge.dry_run,
        "before": {
            "messages": _time(cutoffs.messages),
            "numbers": _time(cutoffs.numbers),
            "texts": _time(cutoffs.texts),
            "raw": _time(cutoffs.raw),
            "quarantine": _time(cutoffs.quarantine),
        },
        "counts": {
            name: purge.counts[name]
            for name in (
                "messages", "reports", "uplinks", "numbers", "texts", "raw", "quarantine", "spared",
            )
        },
        "started_at": to_rfc3339(purge.started_at),
        "updated_at": to_rfc3339(purge.updated_at),
        "finished_at": None if finished_at is None else to_rfc3339(finished_at),
    }  # fmt: skip


def _time(micros: int | None) -> str | None:
    return None if micros is None else to_rfc3339(micros)
