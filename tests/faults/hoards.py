"""Strangers leave behind as much as they can: what the receiver keeps of it."""

import resource
import socket
import time
from collections import deque
from contextlib import closing, suppress

from tests.faults.experiment import Bench, Experiment, Outcome
from tests.faults.injection import resident_bytes
from tests.faults.rounds import stop_and_audit
from tests.faults.shown import Shown
from tests.support.server import Server

_CONNECTIONS, _QUICK_CONNECTIONS = 10_000, 1_000  # in a wave
_ADDRESSES = 20
_OPEN_AT_ONCE = 5_000  # more than the receiver takes
_WAVES = 3
_REST_S = 1.5
_RECEIVE_BYTES = 4096  # of the client's window: what it does not read stays with the server
_MEBIBYTE = 1024 * 1024
_MOST_GROWTH = 160 * _MEBIBYTE  # at the height of any wave
_MOST_GROWTH_AGAIN = 24 * _MEBIBYTE  # from the first wave of a kind to the last one

_HEAD = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
_KINDS = {
    "long heads": _HEAD + b"a: " + b"b" * 15_000,
    "short headers": _HEAD + b"a:\r\n" * 3700,
    "unread answers": (_HEAD + b"\r\n") * 2000,
    "bodies": b"POST @ HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n" + b"b" * 59_000,
}


def _wave(server: Server, data: bytes, connections: int) -> int:
    """Connect, send and leave it there; return the most memory (bytes) that was seen."""
    most = 0
    kept: deque[socket.socket] = deque()
    for number in range(connections):
        one = socket.socket()
        kept.append(one)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BYTES)
        one.bind((f"127.0.{1 + number % _ADDRESSES}.1", 0))
        one.settimeout(_REST_S)
        with suppress(OSError):
            one.connect(("127.0.0.1", server.port))
            one.setblocking(False)  # noqa: FBT003 - the signature is the library's
            one.send(data)
        if len(kept) > _OPEN_AT_ONCE:
            kept.popleft().close()
        if number % 100 == 0:
            most = max(most, resident_bytes(server))
    time.sleep(_REST_S)
    most = max(most, resident_bytes(server))
    for one in kept:
        one.close()
    time.sleep(_REST_S)
    return most


def hoard(bench: Bench) -> Outcome:
    """Let waves of each kind come, look at the memory at their height and behind them."""
    shown = Shown()
    connections = bench.rounds(_CONNECTIONS, _QUICK_CONNECTIONS)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with closing(Server(bench.directory / "data").start()) as server:
        server.ready()
        before = resident_bytes(server)
        shown.figures["rss_before_mib"] = before // _MEBIBYTE
        for kind, data in _KINDS.items():
            sent = data.replace(b"@", server.callback_path.encode())
            behind, most = [], 0
            for number in range(_WAVES):
                bench.say(f"{kind}, wave {number + 1}")
                most = max(most, _wave(server, sent, connections))
                behind.append(resident_bytes(server))
            shown.figures[kind] = (
                " ".join(str(one // _MEBIBYTE) for one in (most, *behind)) + " MiB"
            )
            shown.require(most - before < _MOST_GROWTH, f"{kind}: {most // _MEBIBYTE} MiB")
            shown.require(
                behind[-1] - behind[0] < _MOST_GROWTH_AGAIN, f"{kind}: grows with each wave"
            )
        shown.take(stop_and_audit(server, {}))
    return shown.outcome()


EXPERIMENTS = (
    Experiment(
        name="hoards",
        how=(
            f"{_WAVES} waves of {_CONNECTIONS:,} connections from {_ADDRESSES} addresses leave "
            "requests unfinished or answers unread, in each of "
            f"{len(_KINDS)} ways; memory at the height and behind each wave"
        ),
        must_hold=(
            f"memory grows < {_MOST_GROWTH // _MEBIBYTE} MiB, and by repetition "
            f"< {_MOST_GROWTH_AGAIN // _MEBIBYTE} MiB"
        ),
        run=hoard,
    ),
)
