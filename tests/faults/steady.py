"""A client that pushes at a fixed rate whatever the server does: a process of its own.

A push that is late because the one before it was slow is timed from the moment it was due, so that
a stall counts for every push that it delayed.
"""

import itertools
import json
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import quantiles
from typing import Annotated, Self

import typer

from tests.e2e.load import STATES, Attempt, Load
from tests.faults.client import write_record
from tests.support.server import ROOT, Server, clean_environment, eventually

RATE = 200.0  # pushes a second
_SLOWEST_S = 1.0
_CONNECTIONS = 40
_BEGIN_AFTER_S = 0.1
_WARM_UP_S = 1.0
_END_PATIENCE_S = 30.0
_BATCH_EVERY, _IN_A_BATCH = 5, 4  # each fifth push is a batch
_LEAST_SHARE = 0.95  # of the rate; less would be another experiment


@dataclass(frozen=True, slots=True)
class Pace:
    """How the pushes of a stretch of time were answered.

    Attributes:
        pushes: how many were due.
        refused: of them, those that got no 200.
        rate: pushes a second.
        p99_s, slowest_s: from the moment a push was due to its answer.
        example: what became of one that was refused.
    """

    pushes: int
    refused: int
    rate: float
    p99_s: float
    slowest_s: float
    example: str

    @classmethod
    def of(cls, attempts: Sequence[Attempt], seconds: float) -> Self:
        """Sum up the attempts of a stretch of so many seconds."""
        refused = [attempt for attempt in attempts if attempt.status != 200]
        latencies = [attempt.seconds for attempt in attempts if attempt.status == 200]
        return cls(
            pushes=len(attempts),
            refused=len(refused),
            rate=len(attempts) / seconds,
            p99_s=quantiles(latencies, n=100)[-1] if len(latencies) > 1 else 0.0,
            slowest_s=max(latencies, default=0.0),
            example=f"{refused[0].status} {refused[0].trouble}" if refused else "",
        )

    def figures(self) -> dict[str, int | float]:
        """Return the figures by name."""
        return {
            "pushes": self.pushes,
            "refused": self.refused,
            "pushes_per_s": round(self.rate),
            "ack_p99_ms": round(self.p99_s * 1000, 1),
            "ack_slowest_ms": round(self.slowest_s * 1000, 1),
        }

    def complaints(self) -> list[str]:
        """Say what an acknowledgement that goes on does not look like."""
        found = []
        if self.refused:
            found.append(f"{self.refused} of {self.pushes} pushes had no 200 ({self.example})")
        if self.slowest_s >= _SLOWEST_S:
            found.append(f"an acknowledgement took {self.slowest_s:.2f} s")
        if self.rate < _LEAST_SHARE * RATE:
            found.append(f"only {self.rate:.0f} pushes a second came: proves nothing")
        return found


@dataclass
class Steady:
    """A steady load on a server; a context that is entered when pushes are acknowledged.

    Attributes:
        server: what is pushed to.
        name: the prefix of all message ids.
        directory: where the record is kept.
        acknowledged: the status code of every id that got a 200; whole after the context.
    """

    server: Server
    name: str
    directory: Path
    acknowledged: dict[str, str] = field(default_factory=dict)

    def __enter__(self) -> Self:
        self._record = self.directory / f"{self.name}.record"
        self._record.touch()
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(self.server.port), self.name, str(self._record)],
            env=clean_environment({}),
            cwd=ROOT,
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            eventually(
                lambda: any(attempt.status == 200 for attempt in self._attempts()),
                "pushes are acknowledged",
            )
        except BaseException:
            self._end()
            raise
        time.sleep(_WARM_UP_S)
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        status = self._end()
        for attempt in self._attempts():
            if attempt.status == 200:
                self.acknowledged |= attempt.codes
        # A client that broke down may have been answered more than it has written.
        assert status == 0 or kind is not None, f"the client ended with status {status}"

    def _end(self) -> int:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            return self._process.wait(_END_PATIENCE_S)
        finally:
            self._process.kill()
            self._process.wait()

    def _attempts(self) -> list[Attempt]:
        *lines, _ = self._record.read_bytes().split(b"\n")
        return [Attempt(**json.loads(line)) for line in lines]

    def pace(self, start: float, end: float) -> Pace:
        """Sum up the pushes that were due between two moments; after the context."""
        due = [attempt for attempt in self._attempts() if start < attempt.sent_at < end]
        return Pace.of(due, end - start)


class _SteadyLoad(Load):
    """Each connection has every n-th push of the schedule; every other one stays open."""

    def __enter__(self) -> Self:
        self._begin = time.monotonic() + _BEGIN_AFTER_S
        return super().__enter__()

    def _work(self, number: int) -> None:
        chance = random.Random(f"{self.name}/{number}")  # noqa: S311 - traffic, no secret
        ids = (f"{self.name}-{number}-{count}_1" for count in itertools.count())
        connection: socket.socket | None = None
        for place in itertools.count(number, self.connections):
            due = self._begin + place / RATE
            if self._stopping.wait(max(0.0, due - time.monotonic())):
                break
            connection = connection or self._connect()
            attempt = self._push_due(connection, due, _codes(chance, ids, place), stays=number % 2)
            self.attempts.append(attempt)
            if connection is not None and (number % 2 == 0 or attempt.status is None):
                connection.close()
                connection = None
        if connection is not None:
            connection.close()

    def _push_due(
        self, connection: socket.socket | None, due: float, codes: dict[str, str], *, stays: int
    ) -> Attempt:
        if connection is None:
            return Attempt(codes, due, None, trouble="no connection")
        attempt = self._push(connection, codes, stays=bool(stays))
        return replace(attempt, sent_at=due, seconds=time.monotonic() - due)


def _codes(chance: random.Random, ids: Iterator[str], place: int) -> dict[str, str]:
    count = _IN_A_BATCH if place % _BATCH_EVERY == 0 else 1
    return {next(ids): chance.choice(list(STATES)) for _ in range(count)}


def main(
    port: Annotated[int, typer.Argument(min=1)],
    name: str,
    record: Path,
) -> None:
    """Push until the standard input is closed; write a line of JSON for each push."""
    not_ours = Server(record.parent / "none", port=port)
    write_record(_SteadyLoad(not_ours, name, connections=_CONNECTIONS), record)


if __name__ == "__main__":
    typer.run(main)
