"""What both clients do besides waiting: write, judge, keep, deliver what was kept, tell."""

import logging
import math
import os
import ssl
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

import httpx

from receiver.client.attempts import Attempts, Outcome, Patience
from receiver.client.circuit import Admitted, Circuit
from receiver.client.documents import DocumentError, take_request, write_registration
from receiver.client.interruptions import interruption
from receiver.client.results import NotRegisteredError, Registered
from receiver.client.spool import Owner, Spool, UnusableFileError

KEY_VARIABLE = "RECEIVER_API_KEY"
USUAL_URL = "http://127.0.0.1:8081"  # the private API's own default
DRAIN_S = 1.0  # how long a registration may go on to deliver what is in the spool
_LEAST_S = 0.05  # no delivery in passing begins with less time
_REST_S = 5.0  # how long a receiver that is away is left alone
_SCAN_SHARE = 20  # of the time at most a twentieth goes into looking through the spool in passing
_KEEPERS = 4  # threads; a sync of one file need not wait for that of another
_STRANDED_S = 3600.0  # after which what only others deliver is worth a word

_log = logging.getLogger("receiver.client")

Drain = Generator[tuple[bytes, Attempts], Outcome, int]


@dataclass(slots=True)
class _Process:
    """What belongs to one process: a child of a fork finds things out by itself."""

    circuit: Circuit
    keepers: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(_KEEPERS))
    next_scan: float = 0.0  # of the spool in passing


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
        self.application = application
        if not (patience.timeout_s > 0 and patience.total_s > 0):
            raise ValueError("timeout_s and patience_s must be more than 0 seconds.")
        self.patience = patience
        owner = Owner.of(self.address, self.key, application)
        self.spool = None if spool is None else Spool(Path(spool), owner)
        self._verify = verify
        self._processes: dict[int, _Process] = {}  # no lock, which a fork could leave locked
        self._tell_of_stranded()

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
                _log.warning("A request was left out of a registration: %s.", _in_our_words(error))
        return write_registration(response, beside)

    def attempts(self) -> Attempts | None:
        """Return the attempts that a new registration has; None: it is not tried.

        A program that sends must not stand still at each send because its receiver is away.
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

    def settle(self, line: bytes, attempts: Attempts | None, outcome: Outcome) -> Registered:
        """Keep what could not be delivered, and tell."""
        self._note(attempts, outcome)
        if outcome.worth_keeping:
            return self._keep(line, outcome.result)
        tell(outcome)
        return outcome.result

    def begin_settling(
        self, line: bytes, attempts: Attempts | None, outcome: Outcome
    ) -> Future[Registered]:
        """Settle in a thread that goes on whatever becomes of the task that waits for it.

        Raises:
            RuntimeError: no thread can be begun, for the program is ending.
        """
        return self._process.keepers.submit(self.settle, line, attempts, outcome)

    def _note(self, attempts: Attempts | None, outcome: Outcome) -> None:
        """Remember whether the receiver is there."""
        circuit, now = self._process.circuit, monotonic()
        if not outcome.away:
            if outcome.status is not None:
                circuit.found()
        elif attempts is not None:
            circuit.missed(attempts, now, now - attempts.began if attempts.is_probe else None)

    def interrupted(self, line: bytes | None, write: Callable[[], bytes]) -> None:
        """Keep a registration in the midst of which the program was stopped.

        Args:
            line: as it was written; None: it was not yet.
            write: writes it.

        Raises:
            DocumentError: it is none.
        """
        self._keep(line or write(), Registered(error="It was interrupted."))

    def _keep(self, line: bytes, result: Registered) -> Registered:
        spooled, where = False, "it is lost, for there is no spool"
        if self.spool is not None:
            try:
                self._keep_undisturbed(self.spool, line)
                spooled, where = True, "it is kept in the spool"
            except OSError as error:
                if interruption(error):
                    raise
                where = f"it is lost, for the spool cannot be written ({type(error).__name__})"
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
        except RuntimeError:  # the program is ending, and no thread can be begun
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
        _log.error("What was to be registered cannot be used: %s", words)
        return Registered(error=words)

    def not_drained(self, error: Exception) -> None:
        """Tell that the spool could not be read; the registration at hand was delivered."""
        _log.error("The spool cannot be read (%s).", type(error).__name__)

    def adopt(self, application: str | None, url: str | None) -> int:
        """Take over what clients made with other arguments left; return how many they are."""
        address = self.address if url is None else _address(url)
        return 0 if self.spool is None else self.spool.adopt(address, application)

    def drain_patiently(self) -> Drain:
        """Deliver what is in the spool while nobody's send waits; return how many are left."""
        self._tell_of_stranded()
        return self._drain(lambda: Attempts(self.patience, monotonic()))

    def drain_in_passing(self) -> Drain | None:
        """Deliver out of the spool while somebody's send waits; None: it is too early for that."""
        process, now = self._process, monotonic()
        if self.spool is None or now < process.next_scan:
            return None
        until = now + DRAIN_S

        def attempts() -> Attempts:
            now = monotonic()
            timeout_s = min(self.patience.timeout_s, max(until - now, 0.0))
            return Attempts(Patience(timeout_s, timeout_s), now, single=True)

        return self._drain(attempts, until)

    def _drain(self, attempts: Callable[[], Attempts], until: float = math.inf) -> Drain:
        """Deliver out of the spool, the oldest first.

        Yields:
            A registration, and the attempts that it has; what became of it is sent back.

        Returns:
            How many are left.
        """
        spool, in_passing = self.spool, until < math.inf
        if spool is None:
            return 0
        began = monotonic()
        waiting = spool.waiting()
        now = monotonic()
        self._process.next_scan = now + _SCAN_SHARE * (now - began)
        done = 0
        for done, file in enumerate(waiting):  # noqa: B007 - after a break: how many were seen to
            if monotonic() + _LEAST_S > until:
                break
            if in_passing and spool.is_put_off(file):
                continue
            line = self._read(spool, file)
            if line is None:
                continue
            tries = attempts()
            outcome = yield line, tries
            if outcome.away and in_passing:
                break  # it had little time: that says nothing about the receiver
            self._note(tries, outcome)
            if outcome.away or outcome.concerns_all:
                break
            with _left_in_place(spool, file):
                self._settle_kept(spool, file, outcome)
        else:
            done = len(waiting)
        return len(waiting) - done + sum(map(spool.is_put_off, waiting[:done]))

    def _read(self, spool: Spool, file: Path) -> bytes | None:
        with _left_in_place(spool, file):
            try:
                return spool.read(file)
            except UnusableFileError as error:
                spool.set_aside(file)
                _log.error("%s It was put aside.", error)
        return None

    def _settle_kept(self, spool: Spool, file: Path, outcome: Outcome) -> None:
        if outcome.worth_keeping:
            _log.warning("A registration stays in the spool. %s", outcome.result.error)
            spool.put_off(file)
            return
        tell(outcome)
        if outcome.result.registered or outcome.result.error is None:
            spool.remove(file)
        else:
            spool.set_aside(file)

    def _tell_of_stranded(self) -> None:
        others = self.spool.count_others(_STRANDED_S) if self.spool else 0
        if others:
            _log.warning(
                "%d registrations of another key, application or address lie in the spool for more"
                " than an hour. Only their clients deliver them; after a change of the key or the"
                " application call adopt().",
                others,
            )


@contextmanager
def _left_in_place(spool: Spool, file: Path) -> Iterator[None]:
    """Leave a file in the spool that cannot be dealt with; the others go on."""
    try:
        yield
    except OSError as error:
        if interruption(error):
            raise
        _log.warning(
            "A file of the spool cannot be read, removed or put aside (%s).", type(error).__name__
        )
        spool.put_off(file)


def not_tried() -> Outcome:
    """Return the end of a registration that is not tried, so that a send does not wait for it."""
    error = "The receiver did not answer a moment ago."
    return Outcome(Registered(error=error), worth_keeping=True)


def broken(error: BaseException) -> Outcome:
    """Return the end of a registration that failed on our side of the wire."""
    text = f"The delivery failed ({type(error).__name__})."
    return Outcome(Registered(error=text), worth_keeping=True)


def _in_our_words(error: Exception) -> str:
    """Return the text of an error; only our own are sure to hold nothing of people."""
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
