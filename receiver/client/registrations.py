"""What both clients do besides waiting: write, judge, keep, tell."""

import logging
import os
import ssl
from collections.abc import Mapping
from pathlib import Path
from time import monotonic
from typing import Any

import httpx

from receiver.client.attempts import Attempts, Outcome, Patience
from receiver.client.documents import DocumentError, take_request, write_registration
from receiver.client.results import NotRegisteredError, Registered
from receiver.client.spool import Spool

KEY_VARIABLE = "RECEIVER_API_KEY"
USUAL_URL = "http://127.0.0.1:8081"  # the private API's own default
DRAIN_S = 1.0  # how long a registration may go on to deliver what is in the spool
_REST_S = 5.0  # how long a receiver that is away is left alone

_log = logging.getLogger("receiver.client")


class Registrations:
    """The configuration and the memory of a client.

    Raises:
        ValueError: something of it cannot be used; the text says what.
        OSError: the spool cannot be used.
    """

    def __init__(
        self,
        url: str,
        key: str | None,
        application: str | None,
        patience: Patience,
        spool: str | os.PathLike[str] | None,
        verify: ssl.SSLContext | None,
    ) -> None:
        self.origin = _origin(url)
        self.address = f"{url.rstrip('/')}/v1/sends"
        self.key = _usable_key(key or os.environ.get(KEY_VARIABLE))
        self.application = application
        if not (patience.timeout_s > 0 and patience.total_s > 0):
            raise ValueError("timeout_s and patience_s must be more than 0 seconds.")
        self.patience = patience
        self.spool = None if spool is None else Spool(Path(spool))
        self._verify = verify
        self._away_since: float | None = None

    def describe(self, name: str) -> str:
        """Describe a client of this name; the key is no part of it."""
        spool = "a spool" if self.spool else "no spool"
        return f"<{name} of {self.origin}, {spool}>"

    def http_options(self) -> dict[str, Any]:
        """Give what both kinds of HTTP client are made with."""
        plain = self.address.startswith("http:")  # to load certificates that nobody uses takes long
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if plain else ssl.create_default_context()
        return {
            "headers": {
                "authorization": f"Bearer {self.key}",
                "content-type": "application/json",
            },
            # A proxy of the environment has no business between a program and its receiver.
            "trust_env": False,
            "verify": self._verify or context,
        }

    def write(self, response: Any, fields: Mapping[str, Any], request: Any) -> bytes:
        """Write a registration.

        Raises:
            DocumentError: it is none.
        """
        beside = {"application": self.application, **fields}
        if request is not None:
            try:
                beside["request"] = take_request(request)
            except Exception as error:  # noqa: BLE001 - the caller's own type; the response is what matters
                _log.warning("A request was left out of a registration: %s.", _in_our_words(error))
        return write_registration(response, beside)

    def attempts(self) -> Attempts | None:
        """Give the attempts that a new registration has; None: it goes straight to the spool.

        A program that sends must not stand still at each send because its receiver is away.
        """
        now, since = monotonic(), self._away_since
        if self.spool and since is not None and now - since < _REST_S:
            return None
        return Attempts(self.patience, now, single=since is not None)

    def attempts_in_passing(self) -> Attempts:
        """Give the attempts of a delivery out of the spool while somebody's send waits."""
        return Attempts(self.patience, monotonic(), single=True)

    def patient_attempts(self) -> Attempts:
        """Give the attempts of a delivery that nobody's send waits for."""
        return Attempts(self.patience, monotonic())

    def settle(self, line: bytes, outcome: Outcome) -> Registered:
        """Keep what could not be delivered, and tell."""
        self.note(outcome)
        if outcome.worth_keeping:
            return self._keep(line, outcome.result)
        tell(outcome)
        return outcome.result

    def note(self, outcome: Outcome) -> None:
        """Remember whether the receiver is there."""
        if outcome.tried:
            self._away_since = monotonic() if outcome.away else None

    def interrupted(self, line: bytes) -> None:
        """Keep a registration in the midst of which the program was stopped."""
        self._keep(line, Registered(error="It was interrupted."))

    def _keep(self, line: bytes, result: Registered) -> Registered:
        spooled, where = False, "it is lost, for there is no spool"
        if self.spool is not None:
            try:
                self.spool.keep(line)
                spooled, where = True, "it is kept in the spool"
            except OSError as error:
                where = f"it is lost, for the spool cannot be written ({type(error).__name__})"
        _log.log(
            logging.WARNING if spooled else logging.ERROR,
            "A registration was not delivered; %s. %s",
            where,
            result.error,
        )
        return Registered(error=result.error, spooled=spooled)

    def failed(self, error: Exception) -> Registered:
        """Make the result of what could not even be written as a registration."""
        words = _in_our_words(error)
        _log.error("What was to be registered cannot be used: %s", words)
        return Registered(error=words)

    def not_drained(self, error: OSError) -> None:
        """Tell that the spool could not be read; the registration at hand was delivered."""
        _log.error("The spool cannot be read (%s).", type(error).__name__)

    def delivered(self, file: Path, outcome: Outcome) -> bool:
        """Settle one delivery out of the spool; False when the rest has to wait."""
        assert self.spool is not None  # noqa: S101 - the file is out of it
        self.note(outcome)
        if outcome.worth_keeping:
            return False
        tell(outcome)
        if outcome.result.registered or outcome.result.error is None:
            self.spool.remove(file)
        else:
            self.spool.set_aside(file)
        return True


def not_tried() -> Outcome:
    """Give the end of a registration that is not tried, so that a send does not wait for it."""
    error = "The receiver did not answer a moment ago."
    return Outcome(Registered(error=error), worth_keeping=True, tried=False)


def broken(error: Exception) -> Outcome:
    """Give the end of a registration that failed on our side of the wire."""
    text = f"The delivery failed ({type(error).__name__})."
    return Outcome(Registered(error=text), worth_keeping=True)


def _in_our_words(error: Exception) -> str:
    """Give the text of an error; only our own are sure to hold nothing of people."""
    return str(error) if isinstance(error, DocumentError) else type(error).__name__


def tell(outcome: Outcome) -> None:
    """Log what the receiver has not taken; its own words stay out of the log."""
    result = outcome.result
    if result.error is not None and not result.registered:
        _log.error("The receiver refused a registration (HTTP %s).", outcome.status)
    elif result.rejected:
        _log.error("The receiver could not use %d entries.", len(result.rejected))
    if result.ignored:
        _log.warning("The receiver left out %d details.", len(result.ignored))


def finish(result: Registered, *, raising: bool) -> Registered:
    """Give a result, or raise it where the caller wants that.

    Raises:
        NotRegisteredError: not everything is registered.
    """
    if raising and result.error is not None:
        raise NotRegisteredError(result)
    return result


def _origin(url: str) -> str:
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, TypeError):
        raise ValueError("The receiver's address is no URL.") from None
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ValueError("The receiver's address must begin with http:// or https:// and a host.")
    if parsed.userinfo or parsed.query or parsed.fragment:
        raise ValueError("The receiver's address holds more than scheme, host, port and path.")
    return str(parsed.copy_with(path="/")).rstrip("/")


def _usable_key(key: str | None) -> str:
    if not key:
        raise ValueError(f"There is no API key: give one, or set {KEY_VARIABLE}.")
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise ValueError("The API key holds characters that no key has.")
    return key
