"""Genuine pushes at a steady pace, timed from when they were due: a process of its own.

    python -m tests.faults.pusher PORT PATH NAME SECONDS

It prints a line of JSON: of each push the id, the status of its answer and the seconds to it.
"""

import asyncio
import json
import sys
import time

import uvloop

from tests.e2e.load import post
from tests.e2e.pushes import FORM, form

_RATE = 100.0  # pushes a second
_STAYING = 4  # connections that stay; every other push has one of its own
_TIMEOUT_S = 15.0

_Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Pusher:
    def __init__(self, port: int, path: str, name: str) -> None:
        self._port, self._path, self._name = port, path, name
        self._staying: asyncio.Queue[_Stream | None] = asyncio.Queue()
        for _ in range(_STAYING):
            self._staying.put_nowait(None)
        self.answered: list[tuple[str, int, float]] = []

    async def push(self, number: int, due: float) -> None:
        """Push once; no answer is status 0."""
        sms_msg_id, stays, status = f"{self._name}-{number}_1", bool(number % 2), 0
        stream: _Stream | None = await self._staying.get() if stays else None
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                stream = stream or await asyncio.open_connection("127.0.0.1", self._port)
                status = await self._ask(stream, sms_msg_id, stays=stays)
        except (OSError, EOFError, TimeoutError):
            pass
        self.answered.append((sms_msg_id, status, time.perf_counter() - due))
        if stream is not None and not (stays and status):
            stream[1].close()
            stream = None
        if stays:
            self._staying.put_nowait(stream)

    async def _ask(self, stream: _Stream, sms_msg_id: str, *, stays: bool) -> int:
        reader, writer = stream
        body = form(smsMsgId=sms_msg_id, status="DELIVRD", source="2")
        writer.write(post(self._path, body, FORM, stays=stays))
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
        await reader.readexactly(length)
        return int(head.split(" ")[1])


async def main(port: int, path: str, name: str, seconds: float) -> None:
    """Push for so long."""
    pusher = _Pusher(port, path, name)
    began = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for number in range(round(seconds * _RATE)):
            due = began + number / _RATE
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            tasks.create_task(pusher.push(number, due))
    sys.stdout.write(json.dumps(pusher.answered))


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(int(sys.argv[1]), sys.argv[2], sys.argv[3], float(sys.argv[4])))
