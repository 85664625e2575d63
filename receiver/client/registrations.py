"""What both clients share: build, judge, spool and log registrations."""

import logging
import os
import ssl
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

import httpx

from receiver.client.attempts import AttemptOutcome, Attempts, Patience
from receiver.client.circuit import PROBE_S, Admitted, Circuit
from receiver.client.documents import DocumentError, take_request, write_registration
from receiver.client.draining import Draining, tell
from receiver.client.interruptions import interruption, let_through
from receiver.client.results import NotRegisteredError, Registered
from receiver.client.spool import Owner, Spool

KEY_VARIABLE = "RECEIVER_API_KEY"
USUAL_URL = "http://127.0.0.1:8081"  # the private API's own default
_REST_S = 5.0  # how long a receiver that is unavailable is left alone
_KEEPERS = 4  # threads; a sync of one file need not wait for that of another

_log = logging.getLogger("receiver.client")


@dataclass(slots=True)
class _Process:
    """What belongs to one process: a child of a fork finds things out by itself."""

    circuit: Circuit
    keepers: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(_KEEPERS))


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
        self.address = _address(url)
        self.key = _usable_key(key or os.environ.get(KEY_VARIABLE))
        if application is not None and not application.strip():
            raise ValueError(
                "The application is empty. Omit it to use the first one of the receiver."
            )
        self.application = application
        if not (patience.timeout_s > 0 and patience.total_s > 0):
            raise ValueError("timeout_s and patience_s must be more than 0 seconds.")
        self.patience = patience
        owner = Owner.of(self.address, self.key, application)
        self.spool = None if spool is None else Spool(Path(spool).absolute(), owner)
        self._verify = verify
        self._processes: dict[int, _Process] = {}  # no lock, which a fork could leave locked
        self.draining = Draining(self.spool, patience, self._note)
        self.draining.tell_of_stranded()

    @property
    def _process(self) -> _Process:
        mine = self._processes.get(os.getpid())
        if mine is None:
            # Where nothing is kept, a receiver that refuses connections may be asked each time.
            rest_s = 0.0 if self.spool is None else _REST_S
            mine = _Process(Circuit(rest_s, self.patience.timeout_s))
            mine = self._processes.setdefault(os.getpid(), mine)
        return mine

    def describe(self, name: str) -> str:
        """Describe a client of this name; the key is no part of it."""
        spool = "a spool" if self.spool else "no spool"
        return f"<{name} of {self.origin}, {spool}>"

    def headers(self) -> dict[str, str]:
        """Return the headers of each request."""
        return {
            "accept": "application/json",
            "accept-encoding": "identity",  # a small answer must not grow when it is unpacked
            "authorization": f"Bearer {self.key}",
            "content-type": "application/json",
        }

    def context(self) -> ssl.SSLContext:
        """Return what certificates are checked with."""
        if self._verify is not None:
            return self._verify
        plain = self.address.startswith("http:")  # to load certificates that nobody uses takes long
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if plain else ssl.create_default_context()

    def write(self, response: Any, fields: Mapping[str, Any], request: Any) -> bytes:
        """Write a registration.

        Raises:
            DocumentError: it is none.
        """
        beside = {"application": self.application, **fields}
        if request is not None:
            try:
                beside["request"] = take_request(request)
            except Exception as error:
                if interruption(error):
                    raise
                _log.warning(
                    "The request was omitted from a registration: %s.", _in_our_words(error)
                )
        return write_registration(response, beside)

    def attempts(self) -> Attempts | None:
        """Return the attempts that a new registration has; None: it is not tried.

        A program that sends must not stand still at each send because its receiver is unavailable.
        """
        now, circuit = monotonic(), self._process.circuit
        probe_s = circuit.probe_s
        admitted = circuit.admit(now)
        if admitted is Admitted.NOT_NOW:
            return None
        if admitted is Admitted.AS_PROBE:
            patience = Patience(probe_s, self.patience.total_s)
            return Attempts(patience, now, single=True, is_probe=True)
        if self.spool is None:
            return Attempts(self.patience, now)
        return Attempts(self.patience, now, may_go_on=circuit.claim)

    def settle(self, line: bytes, attempts: Attempts | None, outcome: AttemptOutcome) -> Registered:
        """Keep what could not be delivered, and tell."""
        self._note(attempts, outcome)
        if outcome.worth_keeping:
            return self._keep(line, outcome.result)
        tell(outcome)
        if outcome.is_refused and self.spool is not None:
            try:
                self.spool.set_aside(self.spool.keep(line))
            except OSError as error:
                let_through(error)
                _log.error("A refused registration could not be kept (%s).", type(error).__name__)
        return outcome.result

    def begin_settling(
        self, line: bytes, attempts: Attempts | None, outcome: AttemptOutcome
    ) -> Future[Registered]:
        """Settle in a thread that goes on whatever becomes of the task that waits for it.

        Raises:
            RuntimeError: no thread can be begun, for the program is ending.
        """
        return self._process.keepers.submit(self.settle, line, attempts, outcome)

    def _note(self, attempts: Attempts | None, outcome: AttemptOutcome) -> None:
        """Remember whether the receiver is there."""
        if not outcome.away:
            if outcome.status is not None:
                self._process.circuit.found()
        elif attempts is not None:
            self._missed(attempts)

    def _missed(self, attempts: Attempts) -> None:
        now = monotonic()
        probed_s = now - attempts.began if attempts.is_probe else None
        self._process.circuit.missed(attempts, now, probed_s)

    def interrupted(
        self, line: bytes | None, write: Callable[[], bytes], attempts: Attempts | None
    ) -> None:
        """Keep a registration in the midst of which the program was stopped.

        Args:
            line: as it was written; None: it was not yet.
            write: writes it.
            attempts: that it had; None: it was not tried.

        Raises:
            DocumentError: it is none.
        """
        if attempts is not None and monotonic() - attempts.began >= PROBE_S:
            self._missed(attempts)  # the caller's patience was less than ours
        self._keep(line or write(), Registered(error="It was interrupted."))

    def _keep(self, line: bytes, result: Registered) -> Registered:
        spooled, where = False, "it is lost because there is no spool"
        if self.spool is not None:
            try:
                self._keep_undisturbed(self.spool, line)
                spooled, where = True, "it is kept in the spool"
            except OSError as error:
                let_through(error)
                where = f"it is lost because the spool cannot be written ({type(error).__name__})"
        _log.log(
            logging.WARNING if spooled else logging.ERROR,
            "A registration was not delivered; %s. %s",
            where,
            result.error,
        )
        return Registered(error=result.error, spooled=spooled)

    def _keep_undisturbed(self, spool: Spool, line: bytes) -> None:
        """Keep a registration where no signal handler can break in: they run in the main thread."""
        if threading.current_thread() is not threading.main_thread():
            spool.keep(line)
            return
        try:
            kept = self._process.keepers.submit(spool.keep, line)
        except RuntimeError as error:  # the program is ending, and no thread can be begun
            let_through(error)
            spool.keep(line)
            return
        try:
            kept.result()
        except BaseException as error:
            if interruption(error):
                wait([kept])
            raise

    def failed(self, error: Exception) -> Registered:
        """Return the result of what could not even be written as a registration."""
        words = _in_our_words(error)
        _log.error("A registration cannot be built from the arguments: %s", words)
        return Registered(error=words)

    def not_drained(self, error: Exception) -> None:
        """Tell that the spool could not be read; the registration at hand was delivered."""
        _log.error(
            "The spool cannot be read (%s), so what it holds is not delivered. "
            "Check its permissions.",
            type(error).__name__,
        )

    def adopt(self, application: str | None, url: str | None) -> int:
        """Take over what clients made with other arguments left; return how many they are."""
        address = self.address if url is None else _address(url)
        return 0 if self.spool is None else self.spool.adopt(address, application)


def not_tried() -> AttemptOutcome:
    """Return the end of a registration that is not tried, so that a send does not wait for it."""
    error = "The receiver did not answer a recent request; not tried."
    return AttemptOutcome(Registered(error=error), worth_keeping=True)


def broken(error: BaseException) -> AttemptOutcome:
    """Return the end of a registration that failed on our side of the wire."""
    text = f"The delivery failed ({type(error).__name__})."
    return AttemptOutcome(Registered(error=text), worth_keeping=True)


def _in_our_words(error: Exception) -> str:
    """Return the text of an error; only our own are sure to hold nothing of people."""
    return str(error) if isinstance(error, DocumentError) else type(error).__name__


def finish(result: Registered, *, raising: bool) -> Registered:
    """Return a result, or raise it where the caller wants that.

    Raises:
        NotRegisteredError: not everything is registered.
    """
    if raising and result.error is not None:
        raise NotRegisteredError(result)
    return result


def _address(url: str) -> str:
    return f"{url.rstrip('/')}/v1/sends"


def _origin(url: str) -> str:
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, TypeError):
        raise ValueError("The address of the receiver is not a URL.") from None
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ValueError(
            "The address of the receiver must begin with http:// or https:// and a host."
        )
    if parsed.userinfo or parsed.query or parsed.fragment:
        raise ValueError(
            "The address of the receiver must contain only scheme, host, port and path."
        )
    return str(parsed.copy_with(path="/")).rstrip("/")


def _usable_key(key: str | None) -> str:
    if not key:
        raise ValueError(f"There is no API key. Pass one, or set {KEY_VARIABLE}.")
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise ValueError("The API key contains characters that a key cannot have.")
    return key
