"""Registers many sends with a running receiver: in batches, in order, with repetitions.

A registration that is repeated changes nothing, so every doubt is settled by asking once more.
"""

import json
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from time import monotonic
from types import TracebackType
from typing import Any, Self

import httpx

from receiver.cli.api_client import Json, NotAnsweredError, RunningReceiver, detail_of
from receiver.client.attempts import is_for_now, retry_after_s
from receiver.errors import ReceiverError
from receiver.huawei.imports import SendRow
from receiver.huawei.registration import entry_of

BATCH = 100  # sends of a request: a few ms of the receiver's time, and it names every bad one
_AT_ONCE = 2  # requests: while the receiver makes one durable, it reads the next
_TIMEOUT_S = 30.0
_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 5.0
_LONGEST_RETRY_AFTER_S = 30.0
_PATH = "/v1/sends"


class GaveUpError(ReceiverError):
    """The receiver was unavailable for too long."""


@dataclass(frozen=True, slots=True)
class Done:
    """A batch of which each send is registered or was refused by the receiver."""

    registered: Sequence[SendRow]
    rejected: Sequence[tuple[SendRow, str]]  # by the receiver, with the reason
    up_to_line: int  # all sends of the file up to this line are in this batch or an earlier one


class ImportRegistrar:
    """Registers sends in the given order; a context manager, ended with `finish`."""

    def __init__(
        self,
        client: RunningReceiver,
        application: str | None,
        *,
        patience_s: float,
        on_done: Callable[[Done], None],
    ) -> None:
        self._client = client
        self._application = application
        self._patience_s = patience_s
        self._on_done = on_done
        self._http = httpx.Client(
            headers={
                "authorization": f"Bearer {client.key}",
                "content-type": "application/json",
            },
            timeout=_TIMEOUT_S,
        )
        self._threads = ThreadPoolExecutor(_AT_ONCE)
        self._stopping = threading.Event()
        self._batch: list[SendRow] = []
        self._under_way: deque[Future[Done]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._threads.shutdown(cancel_futures=True)
        self._http.close()

    def check(self) -> None:
        """See that the receiver is there, takes the key and knows the application.

        Raises:
            NotAnsweredError: it is not so.
        """
        if self._client.ask("POST", _PATH, document=self._document([], self._application)) is None:
            raise NotAnsweredError(
                f"The server at {self._client.url} is not a receiver. Correct --api-url."
            )

    def add(self, found: SendRow) -> None:
        """Take a send; waits while enough requests are under way.

        Raises:
            ReceiverError: an earlier batch could not be registered.
        """
        batch = self._batch
        if len(batch) >= BATCH or (batch and batch[-1].application != found.application):
            self._submit(up_to_line=found.line - 1)
        self._batch.append(found)

    def finish(self) -> None:
        """Register what is left, and wait for all.

        Raises:
            ReceiverError: a batch could not be registered.
        """
        if self._batch:
            self._submit(up_to_line=self._batch[-1].line)
        while self._under_way:
            self._settle()

    def stop(self) -> None:
        """Ask for nothing more, and wait for the requests under way."""
        self._stopping.set()
        self._batch.clear()
        while self._under_way:
            try:
                self._settle()
            except ReceiverError:
                self._under_way.clear()  # what comes after a gap is not told as registered

    def _submit(self, up_to_line: int) -> None:
        batch, self._batch = self._batch, []
        while len(self._under_way) >= _AT_ONCE:
            self._settle()
        self._under_way.append(self._threads.submit(self._register, batch, up_to_line))

    def _settle(self) -> None:
        self._on_done(self._under_way[0].result())
        self._under_way.popleft()  # behind it: an interrupt between tells it once more, never less

    # --- in the threads ------------------------------------------------------------------------

    def _register(self, batch: Sequence[SendRow], up_to_line: int) -> Done:
        reasons = self._register_all(batch)
        return Done(
            registered=[found for index, found in enumerate(batch) if index not in reasons],
            rejected=[(batch[index], reason) for index, reason in sorted(reasons.items())],
            up_to_line=up_to_line,
        )

    def _register_all(self, batch: Sequence[SendRow]) -> dict[int, str]:
        """Register; give index -> reason of the sends that were rejected."""
        application = batch[0].application or self._application
        body = json.dumps(self._document(batch, application), separators=(",", ":")).encode()
        answer = self._post(body)
        if answer.status_code != httpx.codes.REQUEST_ENTITY_TOO_LARGE:
            return self._read(answer, len(batch))
        if len(batch) == 1:
            return {0: "The row is larger than the receiver accepts (`api_max_body_bytes`)."}
        middle = len(batch) // 2
        reasons = self._register_all(batch[:middle])
        rest = self._register_all(batch[middle:])
        return reasons | {middle + index: reason for index, reason in rest.items()}

    def _post(self, body: bytes) -> httpx.Response:
        """Post until there is an answer that more patience would not change."""
        until = monotonic() + self._patience_s
        pause = _FIRST_PAUSE_S
        while True:
            wait = pause
            try:
                answer = self._http.post(self._client.url + _PATH, content=body)
            except (httpx.HTTPError, UnicodeError) as error:
                trouble = type(error).__name__
            else:
                if not is_for_now(answer.status_code):
                    return answer
                trouble = f"HTTP {answer.status_code}"
                asked = retry_after_s(answer.headers.get("retry-after"))
                wait = max(pause, min(asked, _LONGEST_RETRY_AFTER_S))
            if monotonic() + wait > until or self._stopping.wait(wait):
                raise GaveUpError(f"The receiver at {self._client.url} did not answer ({trouble}).")
            pause = min(2 * pause, _LONGEST_PAUSE_S)

    def _read(self, answer: httpx.Response, count: int) -> dict[int, str]:
        """Return index -> reason of the sends that were not registered."""
        try:
            document: Any = answer.json()
            if answer.is_error:
                registered, rejected = 0, document["rejected"]
            else:
                registered, rejected = int(document["registered"]), document["rejected"]
            reasons = {int(one["index"]): str(one["reason"]) for one in rejected}
        except (ValueError, KeyError, TypeError):
            if answer.is_error:
                raise NotAnsweredError(
                    f"The receiver refused the request: {detail_of(answer)}"
                ) from None
            raise NotAnsweredError(
                f"The server at {self._client.url} is not a receiver. Correct --api-url."
            ) from None
        if registered + len(reasons) != count or not all(0 <= one < count for one in reasons):
            raise NotAnsweredError(
                "The receiver did not report on every send of a request. Correct --api-url."
            )
        return reasons

    @staticmethod
    def _document(batch: Sequence[SendRow], application: str | None) -> Json:
        document: Json = {"sends": [entry_of(found.send) for found in batch]}
        if application is not None:
            document["application"] = application
        return document
