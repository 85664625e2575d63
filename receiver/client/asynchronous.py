"""The client for asynchronous programs."""

import asyncio
import inspect
import math
import os
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Self

import httpx

from receiver.client.attempts import Answer, Attempts, Failure, Outcome, Patience
from receiver.client.registrations import (
    DRAIN_S,
    USUAL_URL,
    Registrations,
    broken,
    finish,
    not_tried,
)
from receiver.client.results import Registered


@dataclass(slots=True)
class _Held:
    """What one event loop of one process holds: connections belong to the loop they began on."""

    http: httpx.AsyncClient
    loop: asyncio.AbstractEventLoop
    pid: int = field(default_factory=os.getpid)
    draining: asyncio.Lock = field(default_factory=asyncio.Lock)


class AsyncClient:
    """Registers sends with a receiver. Tasks of one event loop may share it.

    Args and errors are those of `receiver.client.Client`.
    """

    def __init__(
        self,
        url: str = USUAL_URL,
        key: str | None = None,
        *,
        application: str | None = None,
        timeout_s: float = 5.0,
        patience_s: float = 10.0,
        spool: str | os.PathLike[str] | None = None,
        verify: ssl.SSLContext | None = None,
    ) -> None:
        patience = Patience(timeout_s, patience_s)
        self._registrations = Registrations(url, key, application, patience, spool, verify)
        self._held: _Held | None = None
        self._sending: set[asyncio.Task[Any]] = set()

    def __repr__(self) -> str:
        return self._registrations.describe("AsyncClient")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Wait for sends that go on in threads, and close the connections."""
        if self._sending:
            await asyncio.wait(set(self._sending))
        held, self._held = self._held, None
        if held is not None and _is_here(held):
            await held.http.aclose()

    async def register(
        self,
        response: Any,
        *,
        reference: str | None = None,
        references: Mapping[str, str] | None = None,
        extend: str | None = None,
        template_id: str | None = None,
        text_length: int | None = None,
        request: Any = None,
        raising: bool = False,
    ) -> Registered:
        """Register what the platform answered to a send request; as `Client.register`.

        A registration in the midst of which the task is cancelled goes to the spool.

        Raises:
            NotRegisteredError: only with `raising`: not everything is registered.
        """
        fields = {
            "reference": reference,
            "references": references,
            "extend": extend,
            "template_id": template_id,
            "text_length": text_length,
        }
        try:
            result = await self._register(response, fields, request)
        except Exception as error:  # noqa: BLE001 - no failure of ours may stop the caller's send
            result = self._registrations.failed(error)
        return finish(result, raising=raising)

    def sending(self, send: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
        """Wrap a function that takes a request and gives the platform's response.

        As `Client.sending`. A function that is not asynchronous, as those of the SDK, runs in a
        thread; where the caller is cancelled meanwhile, it goes on, and its response is registered.
        """
        is_asynchronous = inspect.iscoroutinefunction(send)

        async def call(*args: Any, **kwargs: Any) -> Any:
            if is_asynchronous:
                return await send(*args, **kwargs)
            response = await asyncio.to_thread(send, *args, **kwargs)
            return await response if inspect.isawaitable(response) else response

        async def send_and_register(
            request: Any,
            *args: Any,
            reference: str | None = None,
            references: Mapping[str, str] | None = None,
            text_length: int | None = None,
            **kwargs: Any,
        ) -> Any:
            response = await call(request, *args, **kwargs)
            await self.register(
                response,
                reference=reference,
                references=references,
                text_length=text_length,
                request=request,
            )
            return response

        async def send_in_background(*args: Any, **kwargs: Any) -> Any:
            task = asyncio.create_task(send_and_register(*args, **kwargs))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)
            return await asyncio.shield(task)

        return send_and_register if is_asynchronous else send_in_background

    async def flush(self) -> int:
        """Deliver what is in the spool; gives how many are left, for the receiver is away.

        Raises:
            OSError: the spool cannot be read.
        """
        held = self._hold()
        async with held.draining:
            return await self._drain(held.http, self._registrations.patient_attempts)

    async def _register(self, response: Any, fields: Mapping[str, Any], request: Any) -> Registered:
        registrations = self._registrations
        line = registrations.write(response, fields, request)
        try:
            attempts = registrations.attempts()
            outcome = await self._deliver(line, attempts) if attempts else not_tried()
        except Exception as error:  # noqa: BLE001 - whatever it is, the registration is kept
            outcome = broken(error)
        except BaseException:
            registrations.interrupted(line)
            raise
        if not outcome.worth_keeping:
            result = registrations.settle(line, outcome)
            await self._drain_in_passing()
            return result
        # To sync a file takes milliseconds; once begun it must not be cancelled half-way.
        return await asyncio.shield(asyncio.to_thread(registrations.settle, line, outcome))

    async def _drain_in_passing(self) -> None:
        held = self._hold()
        if self._registrations.spool is None or held.draining.locked():
            return
        async with held.draining:
            try:
                until = monotonic() + DRAIN_S
                await self._drain(held.http, self._registrations.attempts_in_passing, until)
            except OSError as error:
                self._registrations.not_drained(error)

    async def _drain(
        self, http: httpx.AsyncClient, attempts: Callable[[], Attempts], until: float = math.inf
    ) -> int:
        """Deliver out of the spool, for a while; gives how many are left."""
        registrations, spool = self._registrations, self._registrations.spool
        if spool is None:
            return 0
        waiting = await asyncio.to_thread(spool.waiting)
        for place, file in enumerate(waiting):
            if monotonic() >= until:
                return len(waiting) - place
            line = await asyncio.to_thread(spool.read, file)
            if line is not None and not registrations.delivered(
                file, await _deliver(http, registrations.address, line, attempts())
            ):
                return len(waiting) - place
        return 0

    async def _deliver(self, line: bytes, attempts: Attempts) -> Outcome:
        return await _deliver(self._hold().http, self._registrations.address, line, attempts)

    def _hold(self) -> _Held:
        held = self._held
        if held is None or not _is_here(held):
            http = httpx.AsyncClient(**self._registrations.http_options())
            held = self._held = _Held(http, asyncio.get_running_loop())
        return held


def _is_here(held: _Held) -> bool:
    return held.pid == os.getpid() and held.loop is asyncio.get_running_loop()


async def _deliver(
    http: httpx.AsyncClient, address: str, line: bytes, attempts: Attempts
) -> Outcome:
    while True:
        heard = await _post(http, address, line, attempts.timeout_s(monotonic()))
        judged = attempts.judge(heard, monotonic())
        if isinstance(judged, Outcome):
            return judged
        await asyncio.sleep(judged)


async def _post(
    http: httpx.AsyncClient, address: str, line: bytes, timeout_s: float
) -> Answer | Failure:
    try:
        async with asyncio.timeout(timeout_s):
            answer = await http.post(address, content=line, timeout=timeout_s)
    except (httpx.HTTPError, TimeoutError) as error:
        return Failure(type(error).__name__)
    return Answer(answer.status_code, answer.content, answer.headers.get("retry-after"))
