"""The endpoints for reclassification."""

from starlette.requests import Request
from starlette.responses import Response

from receiver.api.access.auth import Scope
from receiver.api.base import Endpoints, json_answer, needs
from receiver.api.bodies import views
from receiver.api.bodies.parsing import (
    ProblemError,
    Query,
    read_body,
    read_json_object,
    read_time,
    refuse_unknown,
)
from receiver.domain.reclassification import Run
from receiver.errors import SettingsError
from receiver.http.problems import Problem
from receiver.projector.reclassifier import AnotherRunError, RunPhase


class Reclassifying(Endpoints):
    """Starts, monitors, stops and undoes a reclassification."""

    @needs(Scope.ADMIN, of_all=True)
    async def start(self, request: Request) -> Response:
        """Reload the catalogue file and reclassify history by it; goes on where one stopped."""
        parts = self._parts
        Query(request).done()
        body = await read_body(request, parts.max_body_bytes)
        since = _since(read_json_object(body)) if body else None
        try:
            policy = await parts.reload_policy()
        except SettingsError as error:
            raise ProblemError(
                Problem.UNUSABLE_CATALOGUE,
                "The catalogue in use is unchanged. Correct the file and try again.",
                problems=str(error).splitlines(),
            ) from None
        try:
            await parts.reclassifier.start(policy, since)
        except AnotherRunError as error:
            raise ProblemError(Problem.BUSY, str(error)) from None
        return await self._progress(status=202)

    @needs(Scope.READ, of_all=True)
    async def progress(self, request: Request) -> Response:
        """Tell how far the newest run has come."""
        Query(request).done()
        return await self._progress()

    @needs(Scope.ADMIN, of_all=True)
    async def stop(self, request: Request) -> Response:
        """Stop; the next start goes on from there."""
        Query(request).done()
        await self._parts.reclassifier.stop()
        return await self._progress()

    @needs(Scope.ADMIN, of_all=True)
    async def undo(self, request: Request) -> Response:
        """Take back what the newest run did to suppressions by codes."""
        Query(request).done()
        try:
            newest = await self._parts.reclassifier.undo()
        except AnotherRunError as error:
            raise ProblemError(Problem.BUSY, str(error)) from None
        return _answer(newest)

    async def _progress(self, status: int = 200) -> Response:
        return _answer(await self._parts.reclassifier.progress(), status)


def _answer(newest: tuple[Run, RunPhase] | None, status: int = 200) -> Response:
    if newest is None:
        raise ProblemError(
            Problem.NOT_FOUND, "No reclassification has run yet. Start one with POST."
        )
    return json_answer(views.run_json(*newest), status=status)


def _since(document: views.Json) -> int | None:
    refuse_unknown(document, "since")
    since = document.get("since")
    return None if since is None else read_time("since", since)
