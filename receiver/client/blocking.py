"""The client for synchronous programs."""

import math
import os
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Self, TypeVar

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

_Response = TypeVar("_Response")


@dataclass(slots=True)
class _Held:
    """What one process holds: after a fork the child must not use its parent's connections."""

    http: httpx.Client
    draining: threading.Lock = field(default_factory=threading.Lock)


class Client:
    """Registers sends with a receiver. Threads may share it; it works across a fork.

    Args:
        url: where the receiver's private API listens.
        key: an API key with the scope `write`; usually from `RECEIVER_API_KEY`.
        application: whose sends these are; the receiver's first application when not given.
        timeout_s: how long one attempt may take.
        patience_s: no attempt at one registration begins later than this.
        spool: a directory in which to keep what could not be delivered.
        verify: how to check the certificate of an https address.

    Raises:
        ValueError: an argument cannot be used, or there is no key.
        OSError: the spool cannot be made or read.
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
        self._held: dict[int, _Held] = {}  # by process; no lock, which a fork could leave locked

    def __repr__(self) -> str:
        return self._registrations.describe("Client")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; another registration opens new ones."""
        held = self._held.pop(os.getpid(), None)
        if held is not None:
            held.http.close()

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
        fields = {
            "reference": reference,
            "references": references,
            "extend": extend,
            "template_id": template_id,
            "text_length": text_length,
        }
        try:
            result = self._register(response, fields, request)
        except Exception as error:  # noqa: BLE001 - no failure of ours may stop the caller's send
            result = self._registrations.failed(error)
        return finish(result, raising=raising)

    def sending(self, send: Callable[..., _Response]) -> Callable[..., _Response]:
        """Wrap a function that takes a request and gives the platform's response.

        The wrapped function takes the same arguments, and by name `reference`, `references` and
        `text_length`. It gives the response unchanged; what `send` raises comes through unchanged,
        and nothing else is raised, for the SMS has been sent.
        """

        def send_and_register(
            request: Any,
            *args: Any,
            reference: str | None = None,
            references: Mapping[str, str] | None = None,
            text_length: int | None = None,
            **kwargs: Any,
        ) -> _Response:
            response = send(request, *args, **kwargs)
            self.register(
                response,
                reference=reference,
                references=references,
                text_length=text_length,
                request=request,
            )
            return response

        return send_and_register

    def flush(self) -> int:
        """Deliver what is in the spool; gives how many are left, for the receiver is away.

        Raises:
            OSError: the spool cannot be read.
        """
        held = self._hold()
        with held.draining:
            return self._drain(held.http, self._registrations.patient_attempts)

    def _register(self, response: Any, fields: Mapping[str, Any], request: Any) -> Registered:
        registrations = self._registrations
        line = registrations.write(response, fields, request)
        try:
            attempts = registrations.attempts()
            outcome = self._deliver(line, attempts) if attempts else not_tried()
        except Exception as error:  # noqa: BLE001 - whatever it is, the registration is kept
            outcome = broken(error)
        except BaseException:
            registrations.interrupted(line)
            raise
        result = registrations.settle(line, outcome)
        if registrations.spool and not outcome.worth_keeping:
            self._drain_in_passing()
        return result

    def _drain_in_passing(self) -> None:
        held = self._hold()
        if not held.draining.acquire(blocking=False):
            return
        try:
            until = monotonic() + DRAIN_S
            self._drain(held.http, self._registrations.attempts_in_passing, until)
        except OSError as error:
            self._registrations.not_drained(error)
        finally:
            held.draining.release()

    def _drain(
        self, http: httpx.Client, attempts: Callable[[], Attempts], until: float = math.inf
    ) -> int:
        """Deliver out of the spool, for a while; gives how many are left."""
        registrations, spool = self._registrations, self._registrations.spool
        if spool is None:
            return 0
        waiting = spool.waiting()
        for place, file in enumerate(waiting):
            if monotonic() >= until:
                return len(waiting) - place
            line = spool.read(file)
            if line is not None and not registrations.delivered(
                file, _deliver(http, registrations.address, line, attempts())
            ):
                return len(waiting) - place
        return 0

    def _deliver(self, line: bytes, attempts: Attempts) -> Outcome:
        return _deliver(self._hold().http, self._registrations.address, line, attempts)

    def _hold(self) -> _Held:
        pid = os.getpid()
        held = self._held.get(pid)
        if held is None:
            made = _Held(httpx.Client(**self._registrations.http_options()))
            held = self._held.setdefault(pid, made)
            if held is not made:  # another thread was first
                made.http.close()
        return held


def _deliver(http: httpx.Client, address: str, line: bytes, attempts: Attempts) -> Outcome:
    while True:
        heard = _post(http, address, line, attempts.timeout_s(monotonic()))
        judged = attempts.judge(heard, monotonic())
        if isinstance(judged, Outcome):
            return judged
        time.sleep(judged)


def _post(http: httpx.Client, address: str, line: bytes, timeout_s: float) -> Answer | Failure:
    try:
        answer = http.post(address, content=line, timeout=timeout_s)
    except httpx.HTTPError as error:
        return Failure(type(error).__name__)
    return Answer(answer.status_code, answer.content, answer.headers.get("retry-after"))
