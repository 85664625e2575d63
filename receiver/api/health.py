"""The endpoints for the process: health, readiness, metrics."""

from prometheus_client.exposition import choose_encoder
from starlette.requests import Request
from starlette.responses import Response

from receiver.api.access.auth import Scope
from receiver.api.base import Endpoints, json_answer
from receiver.api.bodies.parsing import check_unrestricted


class Process(Endpoints):
    """Health, readiness and metrics."""

    async def metrics(self, request: Request) -> Response:
        """Return all metrics in the format that the scraper prefers."""
        if self._parts.metrics_need_key:
            self.check_key(request, Scope.READ)
            check_unrestricted(request)
        await self._parts.refresh_metrics()
        encode, media_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(self._parts.registry), media_type=media_type)

    async def healthz(self, _: Request) -> Response:
        """Answer that the process is alive."""
        return json_answer({"status": "ok"})

    async def readyz(self, _: Request) -> Response:
        """Answer whether journal, projector, store and event loop work."""
        health = await self._parts.health()
        return json_answer(
            {
                "status": "ready" if health.ready else "not ready",
                "journal": health.journal,
                "projector": health.projector,
                "store": health.store,
                "event_loop": health.event_loop,
                "problems": list(health.problems),
            },
            status=200 if health.ready else 503,
        )
