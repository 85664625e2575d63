"""Look-ups and statistics over a full store, while pushes come."""

import http.client
import json
import random
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from itertools import cycle
from pathlib import Path
from urllib.parse import quote, urlencode

from . import openloop, private
from .backlog import STORE
from .figures import Figure
from .growth import FULL, Stores
from .percentiles import percentile
from .servers import KEY, Server, ServerError
from .trial import Setting, trial

RATE = 500  # pushes a second
_ROUNDS = 300  # questions of each kind
_QUICK_ROUNDS = 5
_WARM_UP = 20
_PAUSE_S = 0.015  # a question, a breath: one busy reader, not as many as fit
_CATCH_UP_S = 120.0
_PAGE = 50
_SEED = 20
_STATS_DAYS = 30
_DIMENSIONS = ("application", "state", "category", "code", "country", "template", "channel")
_FILTERS = (
    {"state": "failed"},
    {"code": "MK:0001"},
    {"category": "timeout"},
    {"registered": "false"},
    {"application": "default"},
)


@dataclass(frozen=True, slots=True)
class _Question:
    """One request and what it is an example of."""

    kind: str
    path: str


@dataclass(frozen=True, slots=True)
class _Known:
    """The keys of one message that is in the store."""

    sms_msg_id: str
    to_number: str
    extend: str
    reference: str
    occurred_at: int  # microseconds


def measure(setting: Setting, stores: Stores) -> Figure:
    """Ask for messages in all ways, in turns, while pushes come at a rate."""
    rounds = _QUICK_ROUNDS if setting.quick else _ROUNDS
    directory = stores.get(setting.messages)
    known = _choose(directory / STORE, setting.messages, rounds + _WARM_UP)
    questions = [_questions(one, place) for place, one in enumerate(known)]
    kinds = len(questions[0])
    seconds = 1 if setting.quick else rounds * kinds * _PAUSE_S * 2
    with trial(setting, "lookups", directory) as running, ThreadPoolExecutor(1) as beside:
        server = running.server
        _ask(server, questions[:_WARM_UP])
        pushing = beside.submit(openloop.push, server, RATE, seconds)
        times = _ask(server, questions[_WARM_UP:])
        answers = pushing.result()
        running.count("lookups", answers)
        private.catch_up(server, _CATCH_UP_S)
    numbers = {f"{kind}_ms": percentile(of_kind, 99) for kind, of_kind in times.items()}
    middles = ", ".join(f"{kind} {percentile(of_kind, 50):.1f}" for kind, of_kind in times.items())
    return Figure(
        "lookup",
        numbers,
        (
            (
                f"{setting.messages:,} messages, {rounds} questions of each kind beside {RATE} "
                f"pushes/s; p50 in ms: {middles}; ack p99 meanwhile {answers.p99_ms:.1f} ms"
            ),
        ),
        {"times_ms": times, "answers": asdict(answers)},
        judged=not setting.quick and setting.messages >= FULL,
    )


def _choose(store: Path, messages: int, count: int) -> Sequence[_Known]:
    """Draw messages from all of the store, the same ones in each run."""
    draw = random.Random(_SEED)  # noqa: S311 - no secret
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection:
        found: list[_Known] = []
        while len(found) < count:
            row = connection.execute(
                "SELECT sms_msg_id, to_number, extend, reference, occurred_at FROM messages"
                " WHERE id >= ? AND reference IS NOT NULL AND extend IS NOT NULL"
                " ORDER BY id LIMIT 1",
                (draw.randint(1, messages),),
            ).fetchone()
            if row is not None:
                found.append(_Known(*row))
    return found


def _questions(known: _Known, place: int) -> Sequence[_Question]:
    """Write one question of each kind."""
    moment = datetime.fromtimestamp(known.occurred_at / 1_000_000, UTC)
    period = {"since": _text(moment - timedelta(days=_STATS_DAYS)), "until": _text(moment)}
    filters: list[Mapping[str, str]] = [*_FILTERS, period, {**period, "state": "failed"}]
    stats = {
        **period,
        "by": _DIMENSIONS[place % len(_DIMENSIONS)],
    }
    return (
        _Question("id", f"/v1/messages/{quote(known.sms_msg_id, safe='')}"),
        _Question("number", _list(to=known.to_number)),
        _Question("extend", _list(extend=known.extend)),
        _Question("reference", _list(reference=known.reference)),
        _Question("list", _list(**filters[place % len(filters)], limit=str(_PAGE))),
        _Question("stats", f"/v1/stats?{urlencode(stats)}"),
    )


def _list(**conditions: str) -> str:
    return f"/v1/messages?{urlencode(conditions)}"


def _text(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _ask(server: Server, rounds: Sequence[Sequence[_Question]]) -> dict[str, list[float]]:
    """Ask one after another; return the milliseconds by kind.

    Raises:
        ServerError: an answer was no answer.
    """
    times: dict[str, list[float]] = {}
    connection = http.client.HTTPConnection("127.0.0.1", server.private_port, timeout=30)
    with closing(connection):
        for question in _in_turns(rounds):
            began = time.perf_counter()
            connection.request("GET", question.path, headers={"authorization": f"Bearer {KEY}"})
            answer = connection.getresponse()
            body = answer.read()
            taken = 1000 * (time.perf_counter() - began)
            if answer.status != HTTPStatus.OK or _is_empty(question, body):
                raise ServerError(f"A question by {question.kind} was answered {answer.status}.")
            times.setdefault(question.kind, []).append(taken)
            time.sleep(_PAUSE_S)
    return times


def _in_turns(rounds: Sequence[Sequence[_Question]]) -> Iterator[_Question]:
    """Begin each round with another kind, so that none always follows the same one."""
    for first, questions in zip(cycle(range(6)), rounds, strict=False):
        yield from (*questions[first:], *questions[:first])


def _is_empty(question: _Question, body: bytes) -> bool:
    """Tell whether an answer has nothing of what is known to be there."""
    document = json.loads(body)
    if question.kind == "id":
        return not document["reports"]
    return not document["groups" if question.kind == "stats" else "messages"]
