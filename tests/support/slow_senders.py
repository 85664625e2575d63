"""Many slow senders, and what becomes of genuine pushes meanwhile.

    python -m tests.support.slow_senders                 # 1,000 sockets from 10 addresses for 60 s

Slow senders connect and say nothing, send a head byte by byte, a body byte by byte, or keep a
finished connection open; whoever is cut off connects again at once.
"""

import asyncio
import resource
import statistics
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import typer

from tests.e2e.pushes import form
from tests.support.server import Server

_PACE_S = 0.5  # between two bytes of a slow sender
_AGAIN_S = 0.05  # before one that was cut off connects again
_GENUINE = "127.0.1.1"  # where pushes come from
_PUSHES_PER_S = 50
_FILES = 4096


@dataclass
class Outcome:
    """What was seen."""

    seconds: list[float] = field(default_factory=list)  # to the answer, of each genuine push
    refused: Counter[str] = field(default_factory=Counter)  # genuine pushes without a 200
    connected: int = 0  # slow connections, also those that came again

    @property
    def p99_ms(self) -> float:
        """The time in which 99 of 100 genuine pushes were answered."""
        return 1000 * statistics.quantiles(self.seconds, n=100)[98]


class _Slow:
    """One slow sender at one address, again and again until it is cancelled."""

    def __init__(self, server: Server, outcome: Outcome, address: str, manner: int) -> None:
        self._server = server
        self._outcome = outcome
        self._address = address
        head = (
            f"POST {server.callback_path} HTTP/1.1\r\nhost: x\r\n"
            "content-type: application/x-www-form-urlencoded\r\n"
        )
        body = f"{head}content-length: 4000\r\n\r\n"
        whole = f"{head}content-length: 4\r\n\r\na=b&"
        # What comes at once, and what comes byte by byte behind it.
        self._fast, self._slow = (
            ("", ""),
            ("", head + "x: " + 2000 * "y"),
            (body, 4000 * "a"),
            (whole, ""),
        )[manner % 4]

    async def run(self) -> None:
        while True:
            with suppress(OSError):
                await self._once()
            await asyncio.sleep(_AGAIN_S)

    async def _once(self) -> None:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self._server.port, local_addr=(self._address, 0)
        )
        self._outcome.connected += 1
        ended = asyncio.create_task(_read_to_the_end(reader))
        try:
            writer.write(self._fast.encode())
            for character in self._slow:
                writer.write(character.encode())
                await writer.drain()
                await asyncio.wait({ended}, timeout=_PACE_S)
                if ended.done():
                    return
            await ended
        finally:
            ended.cancel()
            writer.close()


async def _read_to_the_end(reader: asyncio.StreamReader) -> None:
    try:
        while await reader.read(4096):
            pass
    except OSError:
        return


async def _push(server: Server, number: int, outcome: Outcome) -> None:
    body = form(smsMsgId=f"genuine-{number}", status="DELIVRD", source="2")
    head = (
        f"POST {server.callback_path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n"
        f"content-type: application/x-www-form-urlencoded\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    began = time.perf_counter()
    try:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", server.port, local_addr=(_GENUINE, 0)
        )
        with closing(writer):
            writer.write(head.encode() + body)
            answer = await asyncio.wait_for(reader.read(), 10)
    except (OSError, TimeoutError) as error:
        outcome.refused[type(error).__name__] += 1
        return
    outcome.seconds.append(time.perf_counter() - began)
    if not answer.startswith(b"HTTP/1.1 200"):
        outcome.refused[answer[:12].decode("latin-1")] += 1


async def besiege(server: Server, *, sockets: int, addresses: int, seconds: float) -> Outcome:
    """Let slow senders at a server and push beside them, from another address."""
    outcome = Outcome()
    slow = [
        asyncio.create_task(
            _Slow(server, outcome, f"127.0.0.{1 + number % addresses}", number // addresses).run()
        )
        for number in range(sockets)
    ]
    await asyncio.sleep(2)
    until = time.monotonic() + seconds
    pushes: list[asyncio.Task[None]] = []
    while time.monotonic() < until:
        pushes.append(asyncio.create_task(_push(server, len(pushes), outcome)))
        await asyncio.sleep(1 / _PUSHES_PER_S)
    await asyncio.gather(*pushes)
    for task in slow:
        task.cancel()
    await asyncio.gather(*slow, return_exceptions=True)
    return outcome


def allow_files() -> None:
    """Let this process have as many sockets as it needs."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, _FILES)), hard))


def main(sockets: int = 1000, addresses: int = 10, seconds: float = 60.0) -> None:
    """Besiege a receiver, with its defaults and with room for half of the sockets only."""
    allow_files()
    failed = False
    for most in (4000, sockets // 2):
        with tempfile.TemporaryDirectory() as directory:
            settings = {"RECEIVER_MAX_CONNECTIONS": str(most)}
            with closing(Server(Path(directory) / "data", settings).start()) as server:
                found = asyncio.run(
                    besiege(server, sockets=sockets, addresses=addresses, seconds=seconds)
                )
        failed |= bool(found.refused) or found.p99_ms >= 500
        typer.echo(
            f"{sockets} slow sockets from {addresses} addresses for {seconds:g} s, "
            f"room for {most}: {len(found.seconds)} pushes, p99 {found.p99_ms:.1f} ms, "
            f"slowest {1000 * max(found.seconds):.0f} ms, refused {dict(found.refused)}, "
            f"{found.connected} slow connections"
        )
    sys.exit(failed)


if __name__ == "__main__":
    typer.run(main)
