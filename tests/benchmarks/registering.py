"""What does `register` add to a send? `python -m tests.benchmarks.registering`.

For each receiver, with a spool and without: the first call that meets it, then threads that send.
Prints the table of the README's section 2.
"""

import logging
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from receiver.client import Client
from tests.support.scripted import nobody
from tests.support.server import KEY, Server
from tests.support.slow_receivers import BEHAVIOURS, receiver_away, slow_receiver

from .machine import inspect
from .percentiles import percentile

_THREADS = 8
_SEND_S = 0.02
_ENTRY = {"originTo": "+8613900000000", "status": "000000", "createTime": "2026-01-31T08:00:00Z"}


@dataclass(frozen=True, slots=True)
class _Row:
    first_s: float
    calls_s: list[float]
    lost: int

    def describe(self) -> str:
        """Return the row's cells."""
        times = (percentile(self.calls_s, 50), percentile(self.calls_s, 99), max(self.calls_s))
        cells = [_time(value) for value in (self.first_s, *times)]
        return " | ".join([*cells, f"{100 * self.lost / len(self.calls_s):.0f} %"])


def main(
    *,
    quick: Annotated[bool, typer.Option("--quick", help="short times: shows, judges none")] = False,
) -> None:
    """Measure what a registration adds to a send and print the table."""
    logging.getLogger("receiver.client").addHandler(logging.NullHandler())
    console = Console(highlight=False, soft_wrap=True)
    with tempfile.TemporaryDirectory(prefix="receiver-registering-") as made:
        directory = Path(made)
        console.print(f"{inspect(directory).describe()}.\n")
        console.print("| receiver | spool | first call | p50 | p99 | longest | lost |")
        console.print("|---|---|---|---|---|---|---|")
        for name, receiver in _receivers(directory).items():
            for spool in (directory / name, None):
                row = _measure(receiver, spool, 3.0 if quick else 30.0)
                with_spool = "no" if spool is None else "yes"
                console.print(f"| {name} | {with_spool} | {row.describe()} |")


def _receivers(directory: Path) -> dict[str, Callable[[], AbstractContextManager[str]]]:
    return {
        "healthy": lambda: _healthy(directory),
        "refusing": _refusing,
        "hanging": lambda: _slow("hangs"),
        "dripping": lambda: _slow("drips its answer"),
        "away": receiver_away,
    }


@contextmanager
def _healthy(directory: Path) -> Iterator[str]:
    made = tempfile.TemporaryDirectory(dir=directory)
    with made as data, closing(Server(Path(data) / "data")) as server:
        yield server.start().api_url


@contextmanager
def _refusing() -> Iterator[str]:
    yield nobody()


@contextmanager
def _slow(behaviour: str) -> Iterator[str]:
    with slow_receiver(BEHAVIOURS[behaviour]) as slow:
        yield slow.url


def _measure(
    receiver: Callable[[], AbstractContextManager[str]], spool: Path | None, seconds: float
) -> _Row:
    """Send with a client of the usual arguments."""
    calls: list[float] = []
    lost: list[int] = []
    with ExitStack() as all_:
        client = all_.enter_context(Client(all_.enter_context(receiver()), KEY, spool=spool))

        def register(number: int) -> float:
            response = {"code": "000000", "result": [{**_ENTRY, "smsMsgId": f"m_{number}"}]}
            began = time.monotonic()
            result = client.register(response)
            took_s = time.monotonic() - began
            if not result.registered and not result.spooled:
                lost.append(number)
            return took_s

        first_s = register(0)
        lost.clear()
        until = time.monotonic() + seconds

        def send(thread: int) -> None:
            number = thread
            while time.monotonic() < until:
                number += _THREADS
                time.sleep(_SEND_S)  # the send itself
                calls.append(register(number))

        threads = [threading.Thread(target=send, args=(n,)) for n in range(1, _THREADS + 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return _Row(first_s, calls, len(lost))


def _time(seconds: float) -> str:
    return f"{1000 * seconds:.1f} ms" if seconds < 0.1 else f"{seconds:.1f} s"


if __name__ == "__main__":
    typer.run(main)
