"""What the public listener hands over: a request, the place of its answer, and their limits."""

from collections.abc import Container
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

from receiver.http.responses import Header, PreparedResponse


class RequestError(Enum):
    """Why a request was given up before it was whole."""

    MALFORMED = auto()
    HEAD_TOO_LARGE = auto()
    BODY_TOO_LARGE = auto()
    TOO_SLOW = auto()
    NO_ROOM = auto()  # all requests together were too large, and this one was the largest
    OVERLOADED = auto()  # others needed the connection
    DEFECT = auto()  # of ours


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """How much a request may be, and how long it may take."""

    max_body_bytes: int = 1024 * 1024
    max_form_bytes: int = 64 * 1024
    max_inflight_body_bytes: int = 64 * 1024 * 1024  # all bodies and unfinished heads together
    cut_off_body_bytes: int = 64 * 1024  # kept of a body that is too large
    cut_off_traces_per_minute: int = 10  # such bodies of an application that are kept
    max_head_bytes: int = 16 * 1024
    request_s: float = 10.0  # for head and body together
    idle_s: float = 10.0  # between two requests of a connection
    max_headers: int = 100
    max_connections: int = 4000
    max_connections_per_peer: int = 1000
    exempt_peers: Container[str] = ()  # that speak for many clients


class Answering(Protocol):
    """The connection of a request."""

    def send_answer(self, exchange: "Exchange") -> None:
        """Hold the body no longer; send the answers whose turn it is."""

    def read_no_more(self) -> None:
        """Take no further request."""


class Exchange:
    """One request, and the place where its answer is given.

    Attributes:
        method: as received.
        path: without the query, percent-encoding undone.
        target: path and query as received.
        headers: names in lower case.
        body: whole when the handler takes the exchange.
        claimed: bytes that the body was to have, where that is more than it may; else 0.
        held: bytes of the body that are counted until the answer.
        peer: the client's address, empty when it has none.
        started: when its first bytes were there, `time.perf_counter`.
        application: the handler's own note of whose request it is.
        address: the handler's own note of where it came to.
        trust: the handler's own note of how far it is believed.
    """

    __slots__ = (
        "_connection",
        "address",
        "answered",
        "application",
        "body",
        "claimed",
        "headers",
        "held",
        "is_whole",
        "keep_alive",
        "method",
        "path",
        "peer",
        "started",
        "target",
        "trust",
    )

    def __init__(self, connection: Answering, peer: str) -> None:
        self._connection = connection
        self.peer = peer
        self.headers: list[Header] = []
        self.body = b""
        self.claimed = 0
        self.held = 0
        self.application = ""
        self.address = b""
        self.trust = ""
        self.method = b""
        self.path = ""
        self.target = b""
        self.started = 0.0
        self.keep_alive = False
        self.is_whole = False
        self.answered: PreparedResponse | None = None

    def answer(self, answer: PreparedResponse) -> None:
        """Send the answer, after those of earlier requests; a client that left is no error."""
        self.answered = answer
        self._connection.send_answer(self)

    def dismiss(self, answer: PreparedResponse) -> None:
        """Answer a stranger: nothing behind this request is read."""
        self.keep_alive = False
        self._connection.read_no_more()
        self.answer(answer)


class Handler(Protocol):
    """What decides about requests."""

    def open(self, exchange: Exchange) -> PreparedResponse | None:
        """Judge a request by its head; None: its body is wanted.

        A refusal ends the connection; so does any other answer to who asks more at a time.
        """

    def take(self, exchange: Exchange) -> None:
        """Take a whole request; `exchange.answer` is to be called once, now or later."""

    def cut_off(self, exchange: Exchange) -> None:
        """Take what was read of a body that is too large; to be answered as by `take`."""

    def give_up(self, trouble: RequestError) -> PreparedResponse:
        """Return the answer to a request that did not become whole."""
