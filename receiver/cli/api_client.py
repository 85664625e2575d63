"""Requests to a running receiver."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any, Self

import httpx

from receiver.client.problems import explain
from receiver.datadir import KEY_FILE, read_secret
from receiver.errors import ReceiverError
from receiver.settings import Settings, split_address

_TIMEOUT_S = 10.0
_LONGEST_PAUSE_S = 120.0  # of a long answer: the receiver gives way to pushes
_PAUSES_S = (0.2, 0.5, 1.0, 2.0)
Json = dict[str, Any]
Names = Mapping[str, str]  # parameter -> what it is called on the command line


class NotAnsweredError(ReceiverError):
    """The running receiver could not be asked.

    Attributes:
        may_pass: whether the same request may be answered later.
    """

    def __init__(self, text: str, *, may_pass: bool = False) -> None:
        super().__init__(text)
        self.may_pass = may_pass


@dataclass(frozen=True, slots=True)
class RunningReceiver:
    """Where a running receiver answers."""

    url: str
    key: str

    @classmethod
    def of(cls, settings: Settings, url: str | None, key: str | None) -> Self:
        """Take what is given, and the rest from the settings and the data directory.

        Raises:
            NotAnsweredError: there is no key to be found.
        """
        if url is None:
            host, port = split_address(settings.api_listen)
            url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        if key is None and settings.api_key is not None:
            key = settings.api_key.get_secret_value()
        key = key or read_secret(settings.data_dir / KEY_FILE)
        if key is None:
            raise NotAnsweredError(
                f"There is no API key in {settings.data_dir}. Pass --api-key, or set "
                "RECEIVER_DATA_DIR to the data directory of the running receiver."
            )
        return cls(url.rstrip("/"), key)

    def get(
        self, path: str, parameters: dict[str, str] | None = None, names: Names | None = None
    ) -> Json | None:
        """Get a document; None when there is none.

        Raises:
            NotAnsweredError: the receiver does not answer or refuses.
        """
        return self.ask("GET", path, parameters=parameters, names=names)

    def ask(
        self,
        method: str,
        path: str,
        *,
        parameters: dict[str, str] | None = None,
        document: Json | None = None,
        timeout_s: float = _TIMEOUT_S,
        names: Names | None = None,
    ) -> Json | None:
        """Send a request; None when there is nothing there.

        Args:
            method: of HTTP.
            path: below the address of the receiver.
            parameters: of the query.
            document: the body.
            timeout_s: how long to wait.
            names: of parameters that are no options of the same name.

        Raises:
            NotAnsweredError: the receiver does not answer or refuses.
        """
        answer = self._send(method, path, parameters, document, httpx.Timeout(timeout_s))
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        _refuse_errors(
            answer, _options({**(parameters or {}), **(document or {})}) | dict(names or {})
        )
        try:
            found: Json = answer.json()
        except ValueError:
            raise NotAnsweredError(
                f"The server at {self.url} is not a receiver. Correct --api-url."
            ) from None
        return found

    def part(
        self, path: str, parameters: dict[str, str], media_type: str, patience_s: float
    ) -> httpx.Response:
        """Get a part of a long list; all but the first are asked for again.

        Args:
            path: below the address of the receiver.
            parameters: of the query.
            media_type: of what is asked for.
            patience_s: for how long the receiver may be away.

        Raises:
            NotAnsweredError: the receiver does not answer in time, or refuses.
        """
        until = time.monotonic() + patience_s
        pauses = chain(_PAUSES_S, repeat(_PAUSES_S[-1]))
        timeout = httpx.Timeout(_TIMEOUT_S, read=_LONGEST_PAUSE_S)
        while True:
            try:
                answer = self._send("GET", path, parameters, None, timeout)
                _refuse_errors(answer, _options(parameters))
                break
            except NotAnsweredError as error:
                pause_s = next(pauses)
                is_first = "cursor" not in parameters
                if is_first or not error.may_pass or time.monotonic() + pause_s > until:
                    raise
                time.sleep(pause_s)
        if not answer.headers.get("content-type", "").startswith(media_type):
            raise NotAnsweredError(
                f"The server at {self.url} does not return {media_type}. Correct --api-url."
            )
        return answer

    def _send(
        self,
        method: str,
        path: str,
        parameters: dict[str, str] | None,
        document: Json | None,
        timeout: httpx.Timeout,
    ) -> httpx.Response:
        """Send a request.

        Raises:
            NotAnsweredError: the receiver does not answer.
        """
        headers = {"authorization": f"Bearer {self.key}"}
        try:
            return httpx.request(
                method,
                self.url + path,
                params=parameters,
                json=document,
                headers=headers,
                timeout=timeout,
            )
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            raise self._absent(error) from None

    def _absent(self, error: Exception) -> NotAnsweredError:
        return NotAnsweredError(
            f"No receiver answers at {self.url} ({type(error).__name__}). Start it with "
            "`receiver serve`, or pass its address with --api-url.",
            may_pass=isinstance(error, httpx.HTTPError),
        )


def _refuse_errors(answer: httpx.Response, called: Names) -> None:
    """Raise what a receiver says that refuses.

    Args:
        answer: of the receiver.
        called: what was asked for, as the command line calls it.
    """
    if answer.is_error:
        raise NotAnsweredError(
            f"The receiver refused the request: {detail_of(answer, called)}",
            may_pass=answer.is_server_error,
        )


def _options(given: Mapping[str, Any]) -> dict[str, str]:
    return {name: f"--{name.replace('_', '-')}" for name in given}


_HINTS = {httpx.codes.UNAUTHORIZED: "Pass a valid key with --api-key."}


def detail_of(answer: httpx.Response, names: Names | None = None) -> str:
    """Return what a problem document says in words of the command line, else the status.

    Args:
        answer: of the receiver.
        names: of what was asked for, as the command line calls it.
    """
    try:
        lines = explain(answer.json())
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"HTTP {answer.status_code}"
    if answer.status_code in _HINTS:
        lines.append(_HINTS[httpx.codes(answer.status_code)])
    text = "\n".join(lines)
    for name, option in {"application": "--application", **(names or {})}.items():
        text = text.replace(f"`{name}`", option)
    return text
