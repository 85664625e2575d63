"""Pushes on a schedule, whether or not the ones before were answered; a process of its own.

`python -m tests.benchmarks.openloop_client PORT PATH RATE SECONDS SEED` prints one line of JSON,
the fields of `openloop.Answers`. Each push has a connection of its own, as the platform's have;
arrivals are a Poisson process. Latency runs from the scheduled moment to the whole answer, so a
push that is sent late, because the server or this process stalls, counts with all its delay.

Plain non-blocking sockets and epoll: an event loop's transports cost twice the processor time,
which the server on the same machine would miss.
"""

import errno
import gc
import json
import os
import random
import resource
import select
import socket
import sys
import time
from dataclasses import dataclass, field

from .percentiles import percentile
from .reports import STATUSES

_PATIENCE_S = 10.0  # for answers, after the last push
_READ_BYTES = 65536
_HOLE = b"000000000000"


@dataclass(slots=True)
class _Push:
    socket: socket.socket
    due: float
    request: bytes  # what is still to be sent
    answer: bytes = b""


@dataclass(slots=True)
class _Tally:
    latencies: list[float] = field(default_factory=list)
    lateness: list[float] = field(default_factory=list)
    refused: int = 0
    failed: int = 0


class _Requests:
    """Requests that differ in the id and the status, built beforehand as far as can be."""

    def __init__(self, port: int, path: str) -> None:
        self._number = 0
        nonce = os.urandom(8).hex()
        prefix = f"{nonce[:8]}-{nonce[8:12]}-4a2a-{nonce[12:]}-"
        self._parts = [_split(port, path, prefix, status) for status in STATUSES]

    def next(self) -> bytes:
        self._number = number = self._number + 1
        before, after = self._parts[number % len(self._parts)]
        return b"%b%012x%b" % (before, number, after)


def _split(port: int, path: str, prefix: str, status: str) -> tuple[bytes, bytes]:
    body = (
        "sequence=1&total=1&orgCode=000&updateTime=2018-04-13T06%3A31%3A46Z&source=2"
        f"&smsMsgId={prefix}{_HOLE.decode()}_6&status={status.replace(':', '%3A')}"
    )
    request = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()
    before, after = request.split(prefix.encode() + _HOLE)
    return before + prefix.encode(), after


class _Generator:
    def __init__(self, port: int, path: str) -> None:
        self._address = ("127.0.0.1", port)
        self._requests = _Requests(port, path)
        self._epoll = select.epoll()
        self._open: dict[int, _Push] = {}
        self.tally = _Tally()

    def run(self, schedule: list[float]) -> None:
        """Send at the scheduled moments, seconds from now."""
        began = time.perf_counter()
        for due in schedule:
            wait = began + due - time.perf_counter()
            self._take_answers(wait)
            while wait > 0 and (wait := began + due - time.perf_counter()) > 0:
                self._take_answers(wait)
            self._send(began + due)
        until = time.perf_counter() + _PATIENCE_S
        while self._open and time.perf_counter() < until:
            self._take_answers(0.1)
        self.tally.failed += len(self._open)
        for push in self._open.values():
            push.socket.close()

    def _take_answers(self, wait_s: float) -> None:
        # The epoll's own timeout counts in milliseconds, too coarse for thousands a second.
        if wait_s > 0:
            select.select([self._epoll], [], [], wait_s)
        for descriptor, _ in self._epoll.poll(0):
            self._go_on(self._open[descriptor])

    def _send(self, due: float) -> None:
        self.tally.lateness.append(time.perf_counter() - due)
        try:
            connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        except OSError:
            self.tally.failed += 1
            return
        status = connection.connect_ex(self._address)
        if status not in (0, errno.EINPROGRESS):
            connection.close()
            self.tally.failed += 1
            return
        request = self._requests.next()
        descriptor = connection.fileno()
        try:
            # Over loopback the connection mostly stands by now.
            request = request[connection.send(request) :]
        except BlockingIOError:
            pass
        except OSError:
            connection.close()
            self.tally.failed += 1
            return
        self._open[descriptor] = _Push(connection, due, request)
        self._epoll.register(descriptor, select.EPOLLOUT if request else select.EPOLLIN)

    def _go_on(self, push: _Push) -> None:
        """Send what is still to be sent, or read what there is to read."""
        try:
            if push.request:
                push.request = push.request[push.socket.send(push.request) :]
                if not push.request:
                    self._epoll.modify(push.socket, select.EPOLLIN)
                return
            data = push.socket.recv(_READ_BYTES)
        except OSError:
            self._end(push, failed=True)
            return
        push.answer = push.answer + data if push.answer else data
        if _is_whole(push.answer):
            self.tally.latencies.append(time.perf_counter() - push.due)
            self.tally.refused += not push.answer.startswith(b"HTTP/1.1 2")
            self._end(push, failed=False)
        elif not data:
            self._end(push, failed=True)

    def _end(self, push: _Push, *, failed: bool) -> None:
        self.tally.failed += failed
        del self._open[push.socket.fileno()]
        push.socket.close()


def _is_whole(answer: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    if not end:
        return False
    _, _, rest = head.lower().partition(b"\r\ncontent-length:")
    return len(body) >= int(rest.split(b"\r\n", 1)[0] or 0)


def _poisson(rate: float, seconds: float, seed: int) -> list[float]:
    chance = random.Random(seed)  # noqa: S311 - a schedule, no secret
    moments = []
    moment = chance.expovariate(rate)
    while moment < seconds:
        moments.append(moment)
        moment += chance.expovariate(rate)
    return moments


def main() -> None:
    """Run and print what came back."""
    port, path, rate, seconds, seed = sys.argv[1:]
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    schedule = _poisson(float(rate), float(seconds), int(seed))
    generator = _Generator(int(port), path)
    gc.disable()
    cpu = time.process_time()
    generator.run(schedule)
    cpu = time.process_time() - cpu
    tally = generator.tally
    line = {
        "rate": float(rate),
        "seconds": float(seconds),
        "sent": len(schedule),
        "answers": len(tally.latencies),
        "refused": tally.refused,
        "failed": tally.failed,
        "p50_ms": percentile(tally.latencies, 50) * 1e3,
        "p90_ms": percentile(tally.latencies, 90) * 1e3,
        "p99_ms": percentile(tally.latencies, 99) * 1e3,
        "worst_ms": percentile(tally.latencies, 100) * 1e3,
        "late_p99_ms": percentile(tally.lateness, 99) * 1e3,
        "cpu_us_a_push": cpu / max(1, len(schedule)) * 1e6,
    }
    print(json.dumps(line))  # noqa: T201 - the result for the parent


if __name__ == "__main__":
    main()
