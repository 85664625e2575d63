"""The client for asynchronous programs."""

import asyncio
import inspect
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from concurrent.futures import Future
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, Self, cast

import httpx

from receiver.client.attempts import (
    LARGEST_ANSWER,
    AttemptOutcome,
    Attempts,
    Failure,
    HttpAnswer,
)
from receiver.client.base import BaseClient
from receiver.client.documents import is_future
from receiver.client.draining import Drain
from receiver.client.interruptions import interruption
from receiver.client.registrations import broken, finish, not_tried
from receiver.client.results import Registered

if TYPE_CHECKING:
    import httpcore


@dataclass(slots=True)
class _LoopState:
    """What one event loop of one process holds: connections belong to the loop they began on."""

    http: httpx.AsyncClient
    loop: asyncio.AbstractEventLoop
    pid: int = field(default_factory=os.getpid)
    draining: asyncio.Lock = field(default_factory=asyncio.Lock)


class AsyncClient(BaseClient):
    """Registers sends with a receiver. Tasks of one event loop may share it.

    Args and errors are those of `receiver.client.Client`.
    """

    def _begin(self) -> None:
        self._held: _LoopState | None = None
        self._sending: set[asyncio.Task[Any]] = set()

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
        except Exception as error:  # no failure of ours may stop the caller's send
            if interruption(error):
                raise
            result = self._registrations.failed(error)
        return finish(result, raising=raising)

    def sending(self, send: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
        """Wrap a function that takes a request and gives the platform's response.

        As `Client.sending`. A function that is not asynchronous, as those of the SDK, runs in a
        thread; where the caller is cancelled meanwhile, it goes on, and its response is registered,
        if only `aclose()` is awaited before the event loop ends.
        Where it gives a future, as the SDK's asynchronous client does, the wrapped function gives
        what the future gives.
        """
        is_asynchronous = inspect.iscoroutinefunction(send)

        async def call(*args: Any, **kwargs: Any) -> Any:
            if is_asynchronous:
                return await send(*args, **kwargs)
            response = await asyncio.to_thread(_without_stop, send, *args, **kwargs)
            if inspect.isawaitable(response):
                return await response
            if isinstance(response, Future):
                return await asyncio.wrap_future(response)
            return await asyncio.to_thread(response.result) if is_future(response) else response

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
        """Deliver what is in the spool; return how many are left, of those this client may deliver.

        Raises:
            OSError: the spool cannot be read.
        """
        async with self._hold().draining:
            return await self._drain(self._registrations.draining.patiently())

    async def adopt(self, application: str | None = None, *, url: str | None = None) -> int:
        """Make what clients made with other arguments left in the spool this client's own.

        As `Client.adopt`.
        """
        return await asyncio.to_thread(self._registrations.adopt, application, url)

    async def _register(self, response: Any, fields: Mapping[str, Any], request: Any) -> Registered:
        registrations = self._registrations
        write = partial(registrations.write, response, fields, request)
        line, attempts, settling = None, None, None
        try:
            line = write()
            attempts = registrations.attempts()
            outcome = await self._deliver(line, attempts) if attempts else not_tried()
            if outcome.worth_keeping:
                # To sync a file takes milliseconds; once begun, a cancelled task does not end it.
                settling = registrations.begin_settling(line, attempts, outcome)
                return await asyncio.shield(asyncio.wrap_future(settling))
        except BaseException as error:
            interrupt = interruption(error)
            if interrupt is not None:
                if settling is None:
                    registrations.interrupted(line, write, attempts)
                raise interrupt from None
            if line is None:
                raise
            outcome = broken(error)
        result = registrations.settle(line, attempts, outcome)
        if not outcome.worth_keeping:
            await self._drain_in_passing()
        return result

    async def _drain_in_passing(self) -> None:
        drain, held = self._registrations.draining.in_passing(), self._hold()
        if drain is None or held.draining.locked():
            return
        async with held.draining:
            try:
                await self._drain(drain)
            except Exception as error:  # the registration at hand was delivered
                if interruption(error):
                    raise
                self._registrations.not_drained(error)

    async def _drain(self, drain: Drain) -> int:
        step = await asyncio.to_thread(_go_on, drain, None)
        while not isinstance(step, int):
            step = await asyncio.to_thread(_go_on, drain, await self._deliver(*step))
        return step

    async def _deliver(self, line: bytes, attempts: Attempts) -> AttemptOutcome:
        http, address = self._hold().http, self._registrations.address
        while True:
            heard = await _post(http, address, line, attempts.timeout_s(monotonic()))
            judged = attempts.judge(heard, monotonic())
            if isinstance(judged, AttemptOutcome):
                return judged
            await asyncio.sleep(judged)

    def _hold(self) -> _LoopState:
        held = self._held
        if held is None or not _is_here(held):
            registrations = self._registrations
            http = httpx.AsyncClient(
                headers=registrations.headers(),
                verify=registrations.context(),
                # A proxy of the environment has no business between a program and its receiver.
                trust_env=False,
            )
            held = self._held = _LoopState(http, asyncio.get_running_loop())
        return held


def _without_stop(send: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a function; StopIteration, which no future can carry, becomes a RuntimeError."""
    try:
        return send(*args, **kwargs)
    except StopIteration as error:
        raise RuntimeError("`send` raised StopIteration") from error


def _is_here(held: _LoopState) -> bool:
    return held.pid == os.getpid() and held.loop is asyncio.get_running_loop()


def _go_on(drain: Drain, outcome: AttemptOutcome | None) -> tuple[bytes, Attempts] | int:
    """Return the next step of a drain, or how many registrations it has left."""
    try:
        return next(drain) if outcome is None else drain.send(outcome)
    except StopIteration as end:
        return int(end.value)


async def _post(
    http: httpx.AsyncClient, address: str, line: bytes, timeout_s: float
) -> HttpAnswer | Failure:
    body = bytearray()
    extensions = {"trace": _HandshakeTrace()}
    try:
        async with (
            asyncio.timeout(timeout_s),
            http.stream(
                "POST", address, content=line, timeout=timeout_s, extensions=extensions
            ) as answer,
            aclosing(cast("AsyncGenerator[bytes, None]", answer.aiter_raw())) as chunks,
        ):
            async for chunk in chunks:
                body += chunk
                if len(body) > LARGEST_ANSWER:
                    body.clear()
                    break
    except (httpx.HTTPError, TimeoutError) as error:
        interrupt = interruption(error)
        if interrupt is not None:
            raise interrupt from None
        return Failure(type(error).__name__)
    return HttpAnswer(answer.status_code, bytes(body), answer.headers.get("retry-after"))


class _HandshakeTrace:
    """Closes a connection whose TLS handshake fails: httpcore forgets one that is cancelled."""

    def __init__(self) -> None:
        self._connected: httpcore.AsyncNetworkStream | None = None

    async def __call__(self, event: str, info: Mapping[str, Any]) -> None:
        if event == "connection.connect_tcp.complete":
            self._connected = info["return_value"]
        elif event == "connection.start_tls.failed" and self._connected is not None:
            await self._connected.aclose()
