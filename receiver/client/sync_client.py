"""The client for synchronous programs."""

import inspect
import os
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import Any, Self, TypeVar

from receiver.client.attempts import AttemptOutcome, Attempts
from receiver.client.base import BaseClient
from receiver.client.connections import Connections
from receiver.client.documents import is_future
from receiver.client.draining import Drain
from receiver.client.interruptions import interruption, let_through
from receiver.client.registrations import broken, finish, not_tried
from receiver.client.results import Registered

_WAITERS = 8  # threads that wait for futures; the SDK sends with as many at once

_Response = TypeVar("_Response")


@dataclass(slots=True)
class _ProcessState:
    """What one process holds: after a fork the child must not use its parent's connections."""

    connections: Connections
    waiters: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(_WAITERS))
    draining: Any = field(default_factory=threading.RLock)


class Client(BaseClient):
    """Registers sends with a receiver. Threads may share it; it works across a fork.

    Args:
        url: where the receiver's private API listens.
        key: an API key with the scope `write`; usually from `RECEIVER_API_KEY`.
        application: whose sends these are; the receiver's first application when not given.
        timeout_s: how long one attempt may take, from the lookup of the address to the last byte
            of the answer.
        patience_s: how long all attempts at one registration may take; None: 2 seconds with a
            spool, which is more patient than any program that sends, and 10 without.
        spool: a directory in which to keep what could not be delivered.
        verify: how to check the certificate of an https address.

    Raises:
        ValueError: an argument cannot be used, or there is no key.
        OSError: the spool cannot be made or read.
    """

    def _begin(self) -> None:
        # By process; no lock, which a fork could leave locked.
        self._held: dict[int, _ProcessState] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Wait for sends whose futures are not done, and close the connections.

        Another registration opens new ones.
        """
        held = self._held.get(os.getpid())
        if held is not None:
            held.waiters.shutdown()  # what is registered meanwhile uses the connections
            self._held.pop(os.getpid(), None)
            held.connections.close()

    def register(
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
        """Register what the platform answered to a send request.

        Args:
            response: the answer as an object, as JSON text or bytes, or as the SDK's response; or
                a whole registration of one's own, such as `{"sends": [...]}`.
            reference: what the program wants to find the messages by.
            references: the same for each recipient: by number, or by the SMS's id.
            extend: the request's `extend`.
            template_id: the request's `templateId`.
            text_length: characters of the text.
            request: the request, for what the response lacks; of it go `templateId`, `extend`,
                `from` and, for each content, `to` and `templateId`.
            raising: raise what is otherwise logged and told in the result.

        Raises:
            NotRegisteredError: only with `raising`: not everything is registered.
        """
        try:
            fields = {
                "reference": reference,
                "references": references,
                "extend": extend,
                "template_id": template_id,
                "text_length": text_length,
            }
            result = self._register(response, fields, request)
        except Exception as error:  # no failure of ours may stop the caller's send
            if interruption(error):
                raise
            result = self._registrations.failed(error)
        return finish(result, raising=raising)

    def sending(self, send: Callable[..., _Response]) -> Callable[..., _Response]:
        """Wrap a function that takes a request and gives the platform's response.

        The wrapped function takes the same arguments, and by name `reference`, `references` and
        `text_length`. It gives the response unchanged; what `send` raises comes through unchanged,
        and nothing else is raised, for the SMS has been sent. Where `send` gives a future, as the
        SDK's asynchronous client does, the registration happens in a thread as soon as it is done.

        Raises:
            TypeError: `send` is a coroutine function.
        """
        if inspect.iscoroutinefunction(send):
            raise TypeError("An asynchronous `send` requires an AsyncClient.")

        def send_and_register(
            request: Any,
            *args: Any,
            reference: str | None = None,
            references: Mapping[str, str] | None = None,
            text_length: int | None = None,
            **kwargs: Any,
        ) -> _Response:
            response = send(request, *args, **kwargs)

            def register(sent: Any) -> None:
                self.register(
                    sent,
                    reference=reference,
                    references=references,
                    text_length=text_length,
                    request=request,
                )

            if is_future(response):
                self._register_when_done(response, register)
            else:
                register(response)
            return response

        return send_and_register

    def flush(self) -> int:
        """Deliver what is in the spool; return how many are left, of those this client may deliver.

        Raises:
            OSError: the spool cannot be read.
        """
        with self._hold().draining:
            return self._drain(self._registrations.draining.patiently())

    def adopt(self, application: str | None = None, *, url: str | None = None) -> int:
        """Make what clients made with other arguments left in the spool this client's own.

        For after a key, an application or an address was changed or corrected: what was left for
        that address and that application, with whatever key, this client delivers from now on, with
        its own key and under its own application.

        Args:
            application: the one that those clients were made with; None: without any.
            url: likewise; None: this client's own.

        Returns:
            How many registrations they are.

        Raises:
            OSError: the spool cannot be read or written.
        """
        return self._registrations.adopt(application, url)

    def _register(self, response: Any, fields: Mapping[str, Any], request: Any) -> Registered:
        registrations = self._registrations
        write = partial(registrations.write, response, fields, request)
        line, attempts = None, None
        try:
            line = write()
            attempts = registrations.attempts()
            outcome = self._deliver(line, attempts) if attempts else not_tried()
            result = registrations.settle(line, attempts, outcome)
        except BaseException as error:
            interrupt = interruption(error)
            if interrupt is not None:
                registrations.interrupted(line, write, attempts)
                raise interrupt from None
            if line is None:
                raise
            outcome = broken(error)
            result = registrations.settle(line, attempts, outcome)
        if not outcome.worth_keeping:
            self._drain_in_passing()
        return result

    def _register_when_done(self, future: Any, register: Callable[[Any], None]) -> None:
        def wait() -> None:
            try:
                response = future.result()
            except Exception:  # noqa: BLE001 - it is the caller's, who has the future as well
                return
            register(response)

        try:
            self._hold().waiters.submit(wait)
        except RuntimeError as error:  # the program is ending, and no thread can be begun
            let_through(error)
            wait()

    def _drain_in_passing(self) -> None:
        drain, draining = self._registrations.draining.in_passing(), self._hold().draining
        if drain is None:
            return
        try:
            if draining.acquire(blocking=False):
                self._drain(drain)
        except Exception as error:  # the registration at hand was delivered
            if interruption(error):
                raise
            self._registrations.not_drained(error)
        finally:
            try:
                draining.release()
            except RuntimeError as error:  # another thread's; an interrupt may come at any time
                let_through(error)

    def _drain(self, drain: Drain) -> int:
        try:
            step = next(drain)
            while True:
                step = drain.send(self._deliver(*step))
        except StopIteration as end:
            return int(end.value)

    def _deliver(self, line: bytes, attempts: Attempts) -> AttemptOutcome:
        connections = self._hold().connections
        while True:
            heard = connections.post(line, attempts.timeout_s(monotonic()))
            judged = attempts.judge(heard, monotonic())
            if isinstance(judged, AttemptOutcome):
                return judged
            time.sleep(judged)

    def _hold(self) -> _ProcessState:
        pid = os.getpid()
        held = self._held.get(pid)
        if held is None:
            registrations = self._registrations
            made = _ProcessState(
                Connections(registrations.address, registrations.headers(), registrations.context())
            )
            held = self._held.setdefault(pid, made)
            for parent in set(self._held) - {pid}:  # its descriptors are copies, for nothing here
                inherited = self._held.pop(parent, None)
                if inherited is not None:
                    inherited.connections.close()
        return held
