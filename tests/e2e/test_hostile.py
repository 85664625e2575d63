"""Whatever strangers send to the public port, it does not fail, grow or stop taking pushes."""

import asyncio
import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from tests.e2e.pushes import form
from tests.support.hostile import hostile
from tests.support.server import MakeServer, Server, at_length

INPUTS = at_length(2_500, 100_000)
SEED = 20_180_413
AT_ONCE = 48
ALLOWED = {b"100", b"200", b"400", b"404", b"405", b"408", b"413", b"431", b"503"}
GROWTH_MIB = 64
_STATUS = re.compile(rb"^HTTP/1\.1 (\d{3}) ", re.MULTILINE)
_LARGE_HEADER = b"x: " + b"y" * (32 * 1024 * 1024)


def memory_mib(server: Server) -> float:
    """Return what the server's processes hold in memory."""
    assert server.process is not None
    pids = [server.process.pid, *server.children()]
    pages = [int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids]
    return sum(pages) * 4096 / 2**20


async def talk(server: Server, text: bytes) -> bytes:
    """Send something and say that it was all; return what is answered until the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    answer = b""
    try:
        with suppress(ConnectionError):  # it may be cut off before all is sent
            writer.write(text)
            await writer.drain()
            writer.write_eof()
        with suppress(ConnectionError):
            answer = await asyncio.wait_for(reader.read(), 20)
    finally:
        writer.transport.abort()  # to close it would wait until what is left has been sent
    return answer


async def attack(server: Server, inputs: Iterator[tuple[str, bytes]]) -> Counter[bytes]:
    """Send all inputs, several at a time; return how often each status came."""
    seen: Counter[bytes] = Counter()

    async def some() -> None:
        for name, text in inputs:
            for status in _STATUS.findall(await talk(server, text)):
                assert status in ALLOWED, f"{status!r} to {name}: {text[:300]!r}"
                seen[status] += 1

    async with asyncio.TaskGroup() as tasks:
        for _ in range(AT_ONCE):
            tasks.create_task(some())
    return seen


def ack_ms(server: Server, number: int) -> float:
    """Push a good report; return how long its answer took."""
    began = time.perf_counter()
    body = form(smsMsgId=f"good-{number}", status="DELIVRD", source="2")
    assert server.push(body).status_code == 200
    return 1000 * (time.perf_counter() - began)


def test_hostile_input_of_every_kind(make_server: MakeServer) -> None:
    """Many inputs: no 5xx but 503, no trace, bounded memory; then all is as before."""
    server = make_server({"RECEIVER_LOG_LEVEL": "debug"}).start()
    server.caught_up()
    asyncio.run(attack(server, hostile(1, 2000, server.callback_path.encode())))
    before = memory_mib(server)

    seen = asyncio.run(attack(server, hostile(SEED, INPUTS, server.callback_path.encode())))
    asyncio.run(
        attack(server, iter([("32 MiB header", b"GET / HTTP/1.1\r\n" + _LARGE_HEADER)] * 3))
    )

    assert seen.total() > INPUTS // 2
    assert {b"200", b"400", b"404", b"405", b"413", b"431"} <= set(seen)
    assert memory_mib(server) - before < GROWTH_MIB
    assert "Traceback" not in server.log.read_text()
    assert min(ack_ms(server, number) for number in range(20)) < 50
    server.caught_up(120)
    assert server.api.message("good-0")["state"] == "delivered"
    assert server.stop() == 0
