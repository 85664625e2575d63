"""The built-in load generator, a process of its own; used where `wrk` is absent, and slower.

`python -m tests.benchmarks.generator PORT PATH CONNECTIONS SECONDS CLOSE(0|1)` prints one line of
JSON: the fields of `load.Window` that come from a generator.
"""

import asyncio
import json
import os
import sys
import time
from dataclasses import dataclass, field

import uvloop

from .percentiles import percentile

_DRAIN_S = 2.0


@dataclass(slots=True)
class _Tally:
    ends_at: float
    latencies: list[float] = field(default_factory=list)
    refused: int = 0
    failed: int = 0
    sent: int = 0


class _Client:
    """One connection's worth of requests, each sent when the one before was answered."""

    def __init__(self, port: int, path: str, tally: _Tally, *, close: bool) -> None:
        self._port = port
        self._close = close
        self._tally = tally
        self._nonce = os.urandom(8).hex()
        connection = "close" if close else "keep-alive"
        self._head = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: {connection}\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: "
        )

    async def run(self) -> None:
        """Send until the time is over."""
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        while time.perf_counter() < self._tally.ends_at:
            try:
                streams = streams or await asyncio.open_connection("127.0.0.1", self._port)
                await self._ask(*streams)
            except (OSError, asyncio.IncompleteReadError):
                self._tally.failed += 1
                await asyncio.sleep(0.01)
                dropped = True
            else:
                dropped = self._close
            if streams is not None and dropped:
                streams[1].close()
                streams = None
        if streams is not None:
            streams[1].close()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tally = self._tally
        tally.sent += 1
        body = (
            "sequence=1&total=1&orgCode=000&updateTime=2018-04-13T06%3A31%3A46Z&source=2"
            f"&smsMsgId={self._nonce}-{tally.sent:019x}_6&status=DELIVRD"
        )
        began = time.perf_counter()
        writer.write(f"{self._head}{len(body)}\r\n\r\n{body}".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(_content_length(head))
        tally.latencies.append(time.perf_counter() - began)
        if not head.startswith(b"HTTP/1.1 2"):
            tally.refused += 1


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


async def _run(port: int, path: str, connections: int, seconds: float, close: bool) -> _Tally:
    tally = _Tally(ends_at=time.perf_counter() + seconds)
    clients = [_Client(port, path, tally, close=close) for _ in range(connections)]
    tasks = [asyncio.create_task(client.run()) for client in clients]
    _, late = await asyncio.wait(tasks, timeout=seconds + _DRAIN_S)
    for task in late:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return tally


def main() -> None:
    """Run and print the tally."""
    port, path, connections, seconds, close = sys.argv[1:]
    began = time.perf_counter()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        tally = runner.run(_run(int(port), path, int(connections), float(seconds), close == "1"))
    elapsed = time.perf_counter() - began
    line = {
        "answers": len(tally.latencies),
        "refused": tally.refused,
        "failed": tally.failed,
        "seconds": elapsed,
        "p50_ms": percentile(tally.latencies, 50) * 1e3,
        "p99_ms": percentile(tally.latencies, 99) * 1e3,
    }
    print(json.dumps(line))  # noqa: T201 - the result for the parent


if __name__ == "__main__":
    main()
