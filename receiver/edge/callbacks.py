"""The public edge: takes the platform's pushes and answers when they are durable.

It knows nothing of catalogue, state or store, so none of them can touch the 200. The way of a push
from its head to its answer stands in one class, for each step counts what an earlier one began.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, partial

import structlog

from receiver.domain.digests import secret_digest
from receiver.domain.inputs import Trust
from receiver.domain.steps import walk
from receiver.domain.strength import is_hard_to_guess
from receiver.edge import refusals
from receiver.edge.admission import Gates
from receiver.edge.exchanges import Exchange, RequestError, RequestLimits
from receiver.edge.judging import (
    UNKNOWN,
    PushVerdict,
    carries_fields,
    is_compressed,
    judge,
    judge_in_steps,
    loses_fields,
    query_of,
)
from receiver.edge.traces import Traces, describe
from receiver.errors import ReceiverError
from receiver.http.peers import group_of
from receiver.http.problems import Problem
from receiver.http.responses import Header, PreparedResponse, make_answer, refusal
from receiver.http.throttle import Guesses
from receiver.huawei import wire
from receiver.journal import EntryKind, JournalEntry, Settle, note_refusal
from receiver.metrics import Metrics
from receiver.pacing import Pacer

_log = structlog.get_logger(__name__)

CALLBACK_PREFIX = "/callbacks/"
# A push with many values is judged in slices, one such push at a time; in between others have as
# much time.
_SLICE_S = 0.002
_LARGEST_SIZE = 2**31 - 1  # that the store can hold

_NOTE_EVERY_US = 60_000_000
_MOST_NOTED = 10_000  # addresses
_ANY_TOKEN = b""  # who pushes by one token is no guesser of another

# The platform's own sample of an answer; it ignores the body (sms_05_0003).
_ACCEPTED = make_answer(
    200, "application/json;charset=UTF-8", b'{"returnCode":0,"returnCodeDesc":"Success"}'
)
_HEALTHY = make_answer(200, "application/json", b'{"status":"ok"}')
_COMPRESSED = PushVerdict(UNKNOWN, "unusable", refusal=refusals.COMPRESSED)

# Of the documented headers, those that help to trace a push; the others say nothing about it.
_KEPT_HEADERS = frozenset({b"content-type", b"x-sdk-date", b"ompsid", b"tracehandle"})
_LONGEST_KEPT_HEADER = 200

_REFUSED = (
    "unavailable", "unusable", "unknown_token", "wrong_method", "wrong_address", "unsigned",
    "slowed",
)  # fmt: skip
_OUTCOMES = {
    *((kind.value, outcome) for kind in wire.PushKind for outcome in ("accepted", "unavailable")),
    *(("unknown", one) for one in _REFUSED),
    *(("unknown", outcome) for outcome in refusals.OUTCOMES.values()),
}


@dataclass(frozen=True, slots=True)
class Address:
    """A callback token by its digest, whose it is, and how far its pushes are believed."""

    digest: bytes
    application: str
    trust: Trust


def address_of(token: str, application: str) -> Address:
    """Return the address that a token makes; the token is not kept."""
    trust = Trust.TOKEN if is_hard_to_guess(token) else Trust.OPEN
    return Address(secret_digest(token), application, trust)


class Callbacks:
    """The handler of the public listener.

    Args:
        addresses: the callback tokens.
        submit: makes an entry durable and then settles it; may raise JournalUnavailableError.
        metrics: where to count.
        clock: the time, microseconds since the epoch, UTC.
        limits: named in the answers to requests that break them.
        gates: who may push for which application.
        guesses: bounds wrong tokens.
    """

    def __init__(
        self,
        addresses: Iterable[Address],
        submit: Callable[[JournalEntry, Settle], None],
        metrics: Metrics,
        clock: Callable[[], int],
        limits: RequestLimits,
        gates: Gates,
        guesses: Guesses,
    ) -> None:
        self._guesses = guesses
        self._submit = submit
        self._gates = gates
        self._clock = clock
        self._outcome = {pair: metrics.pushes.labels(*pair) for pair in _OUTCOMES}
        self._metrics = metrics
        self.used: dict[bytes, int] = {}  # digest of a token -> when a push came by it
        self.look_for_tokens: Callable[[], bool] = lambda: False  # whether there are new ones
        self.take_addresses(addresses)
        self._items = metrics.push_items
        self._ack_seconds = metrics.ack_seconds
        self._troubles = {
            trouble: (outcome, refusals.give_up(trouble, limits))
            for trouble, outcome in refusals.OUTCOMES.items()
        }
        self._limits = limits
        # Neither a form that is too large nor long work.
        self._quick_bytes = min(limits.max_form_bytes, wire.MANY_VALUES)
        self._form_too_large = refusals.FORM_TOO_LARGE.format(limits)
        self._push_too_large = refusals.PUSH_TOO_LARGE.format(limits)
        self._traces = Traces(limits.cut_off_traces_per_minute, clock)
        self._judging: set[asyncio.Task[None]] = set()
        self._one_at_a_time = asyncio.Lock()
        self._noted: set[str] = set()  # whose pushes were accepted since then
        self._note_again_at = 0

    def take_addresses(self, addresses: Iterable[Address]) -> None:
        """Put these callback addresses in place of those before."""
        # Looked up by digest: how long the search takes says nothing about a token.
        self._addresses: Mapping[bytes, Address] = {one.digest: one for one in addresses}
        self._last_push = {
            one.application: self._metrics.last_push.labels(one.application)
            for one in self._addresses.values()
        }

    def open(self, exchange: Exchange) -> PreparedResponse | None:
        """Judge a request by its path and method; None: its body is wanted."""
        path = exchange.path
        if not path.startswith(CALLBACK_PREFIX):
            return _answer_elsewhere(exchange)
        if exchange.method != b"POST" and not carries_fields(exchange):
            self._count("unknown", "wrong_method")
            return refusals.NOT_A_POST
        self._gates.identify(exchange)
        digest = secret_digest(path[len(CALLBACK_PREFIX) :].removesuffix("/"))
        address = self._addresses.get(digest)
        if address is None or address.trust is Trust.OPEN:
            # A token that is hard to guess passes at any time: the platform pushes once, and no
            # limit is needed where guessing is hopeless.
            wait_s = self._wait_s(exchange.peer)
            if wait_s:
                self._count("unknown", "slowed")
                return refusals.rate_limited(wait_s)
        if address is None and self.look_for_tokens():
            address = self._addresses.get(digest)  # it may have been made this very second
        if address is None:
            self._guesses.note_wrong(group_of(exchange.peer), self._clock())
            self._count("unknown", "unknown_token")
            return refusals.UNKNOWN_TOKEN
        exchange.application = address.application
        exchange.trust = address.trust.value
        exchange.address = digest
        if not self._gates.admits(exchange):
            self._count("unknown", "wrong_address")
            return refusals.WRONG_ADDRESS
        return None

    def _wait_s(self, peer: str) -> int:
        """Return how many seconds a client that guesses tokens must wait."""
        now = self._clock()
        group = group_of(peer)
        wait_s = self._guesses.wait_s(group, now)
        if wait_s and (self._gates.knows(peer) or self._guesses.was_right(group, _ANY_TOKEN, now)):
            return 0
        return wait_s

    def take(self, exchange: Exchange) -> None:
        """Take a push; it is answered when it is durable."""
        body = exchange.body
        if not self._gates.believes(exchange):
            self._count("unknown", "unsigned")
            exchange.dismiss(refusals.NOT_SIGNED)
            return
        if body and b"?" in exchange.target and loses_fields(exchange):
            self._keep_query(exchange)
        if exchange.method != b"POST" or not body:
            self._take_misplaced(exchange)
        elif len(body) <= self._quick_bytes:  # nearly always
            self._keep(exchange, judge(body))
        elif len(body) > self._limits.max_form_bytes and not wire.is_json(body):
            self.cut_off(exchange)
        elif wire.is_long_work(body):
            task = asyncio.create_task(self._judge_in_slices(exchange))
            self._judging.add(task)
            task.add_done_callback(self._judging.discard)
        else:
            self._keep(exchange, judge(body))

    def _keep_query(self, exchange: Exchange) -> None:
        """Keep the query of a push whose body is taken: nothing else reports it."""
        if self._traces.leave(exchange.application) is None:
            return
        headers = note_refusal(_kept_headers(exchange.headers), refusals.FIELDS_BESIDE_A_BODY, None)
        entry = self._entry(exchange, EntryKind.UNUSABLE, headers, query_of(exchange))
        with suppress(ReceiverError):  # the push that follows fares alike, and says so
            self._submit(entry, lambda _: None)

    def _entry(self, exchange: Exchange, kind: str, headers: str, body: bytes) -> JournalEntry:
        # Without the names of the fields, which every push would pay for.
        return JournalEntry(
            kind,
            exchange.application,
            self._clock(),
            exchange.peer,
            exchange.trust,
            headers,
            body,
        )

    def _take_misplaced(self, exchange: Exchange) -> None:
        """Keep what came where no push belongs, for it is lost otherwise."""
        query = query_of(exchange)
        if exchange.method != b"POST":
            reason = refusals.MISPLACED_ELSEWHERE
            verdict = PushVerdict(
                "unknown", "wrong_method", refusal=refusals.NOT_A_POST_WITH_FIELDS
            )
        elif query:
            reason = refusals.MISPLACED_BY_POST
            answer = refusal(Problem.UNUSABLE_PUSH, reason)
            verdict = PushVerdict("unknown", "unusable", refusal=answer)
        else:
            self._keep(exchange, judge(exchange.body))
            return
        exchange.body = exchange.body or query
        self._keep(exchange, verdict, reason)

    async def _judge_in_slices(self, exchange: Exchange) -> None:
        try:
            async with self._one_at_a_time:
                pacer = Pacer(_SLICE_S, lambda: 1)
                verdict = await walk(judge_in_steps(exchange.body), pacer.maybe_yield)
            self._keep(exchange, verdict)
        except Exception as error:  # noqa: BLE001 - whatever it is, the client must hear of it
            _log.error("request failed", exc_info=error)
            exchange.answer(self.give_up(RequestError.DEFECT))

    def cut_off(self, exchange: Exchange) -> None:
        """Keep the beginning of a push that is too large, as far as traces may be left."""
        body = exchange.body
        is_form = max(exchange.claimed, len(body)) <= self._limits.max_body_bytes
        reason = self._form_too_large if is_form else self._push_too_large
        answer = refusal(Problem.TOO_LARGE, reason)
        verdict = PushVerdict("unknown", "too_large", refusal=answer)
        self._metrics.cut_off.labels(exchange.application).inc()
        untraced = self._traces.leave(exchange.application)
        if untraced is None:
            self._count("unknown", "too_large")
            exchange.answer(answer)
            return
        reason = f"{reason} {describe(body, exchange.claimed, untraced)}"
        exchange.body = body[: self._limits.cut_off_body_bytes]
        whole_bytes = min(max(exchange.claimed, len(body)), _LARGEST_SIZE)
        self._keep(exchange, verdict, reason, whole_bytes)

    def _keep(
        self,
        exchange: Exchange,
        verdict: PushVerdict,
        reason: str | None = None,
        whole_bytes: int | None = None,
    ) -> None:
        """Make a push durable, then answer it.

        Args:
            exchange: the push.
            verdict: of it.
            reason: why it cannot be used, where the body does not say.
            whole_bytes: its size, where the body is the beginning of it.
        """
        kind = verdict.kind
        if verdict.refusal:
            kind = EntryKind.UNUSABLE
            if reason is None and is_compressed(exchange):
                verdict, reason = _COMPRESSED, refusals.SEND_UNCOMPRESSED
        headers = _kept_headers(exchange.headers)
        if reason is not None:
            headers = note_refusal(headers, reason, whole_bytes)
        entry = self._entry(exchange, kind, headers, exchange.body)
        settle = partial(self._settle, exchange, verdict, entry)
        try:
            self._submit(entry, settle)
        except ReceiverError as error:
            settle(error)

    def _settle(
        self,
        exchange: Exchange,
        verdict: PushVerdict,
        entry: JournalEntry,
        result: int | ReceiverError,
    ) -> None:
        if isinstance(result, ReceiverError):
            self._count(verdict.kind, "unavailable")
            exchange.answer(refusals.NOT_DURABLE)
        elif verdict.refusal is not None:
            self._count(verdict.kind, verdict.outcome)
            exchange.answer(verdict.refusal)
        else:
            exchange.answer(_ACCEPTED)
            self._ack_seconds.observe(time.perf_counter() - exchange.started)
            self._items.observe(verdict.items)
            self._count(verdict.kind, verdict.outcome)
            self._last_push[entry.application].set(entry.received_at / 1e6)
            self.used[exchange.address] = entry.received_at
            if exchange.peer not in self._noted or entry.received_at >= self._note_again_at:
                self._note_pusher(exchange.peer, entry.received_at)

    def _note_pusher(self, peer: str, now: int) -> None:
        """Note that a push was accepted from an address; once a minute is enough."""
        if not 0 <= self._note_again_at - now <= _NOTE_EVERY_US:
            self._note_again_at = now + _NOTE_EVERY_US
            self._noted.clear()
        if len(self._noted) < _MOST_NOTED:
            self._noted.add(peer)
        self._guesses.note_right(group_of(peer), _ANY_TOKEN, now)

    def give_up(self, trouble: RequestError) -> PreparedResponse:
        """Count a request that did not become whole, and say why."""
        outcome, answer = self._troubles[trouble]
        self._count("unknown", outcome)
        return answer

    def _count(self, kind: str, outcome: str) -> None:
        self._outcome[kind, outcome].inc()


def _kept_headers(headers: Iterable[Header]) -> str:
    return "\n".join([_header_line(header) for header in headers if header[0] in _KEPT_HEADERS])


@lru_cache(maxsize=64)  # nearly all pushes have the same ones
def _header_line(header: Header) -> str:
    name, value = header
    return f"{name.decode('latin-1')}: {value[:_LONGEST_KEPT_HEADER].decode('latin-1')}"


def _answer_elsewhere(exchange: Exchange) -> PreparedResponse:
    if exchange.path != "/healthz":
        return refusals.NOTHING_HERE
    return _HEALTHY if exchange.method in (b"GET", b"HEAD") else refusals.NOT_A_GET
