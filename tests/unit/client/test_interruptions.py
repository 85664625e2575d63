"""Programs that are interrupted while the client is at work: no registration is lost by that."""

import asyncio
import functools
import gc
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from receiver.client import AsyncClient, Client, registrations, spool
from receiver.client import __file__ as client_file
from receiver.client.interruptions import interruption
from tests.support.parts import ROOT
from tests.support.scripted import KINDS, RESPONSE, Reply, kept, nobody, register, scripted
from tests.support.server import KEY, at_length, eventually, free_port

PACKAGE = str(Path(client_file).parent)


class SoftTimeLimitExceededError(Exception):
    """As task queues raise it out of a signal handler; no more than an Exception."""


ANY_LINE = [KeyboardInterrupt, SoftTimeLimitExceededError, OSError, ValueError, RuntimeError]

# Functions that wait for a receiver: of an event loop, of a connection, and between two attempts.
WAITING = {"select", "read", "_deliver"}

RAISED = [KeyboardInterrupt, SystemExit, SoftTimeLimitExceededError, TimeoutError, OSError]


@contextmanager
def handler(raised: type[BaseException]) -> Iterator[None]:
    """Let a signal raise something."""

    def interrupt(_: int, __: FrameType | None) -> None:
        raise raised

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGUSR1, before)


def _signal(reply: Reply) -> Reply:
    """Send this process a signal as soon as its main thread waits, and return a reply.

    While a callback runs, an event loop keeps exceptions of signal handlers to itself.
    """

    def call() -> None:
        times = 0
        while times < 3:  # it does not merely pass by
            time.sleep(0.02)
            frame = sys._current_frames()[threading.main_thread().ident or 0]  # noqa: SLF001
            times = times + 1 if frame.f_code.co_name in WAITING else 0
        os.kill(os.getpid(), signal.SIGUSR1)

    threading.Thread(target=call).start()
    return reply


# --- while a receiver is waited for ---------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("raised", RAISED)
def test_an_interrupt_gets_through(kind: str, raised: type[BaseException], tmp_path: Path) -> None:
    """Whatever a signal handler raises gets through, and the registration is kept."""
    slow = scripted(decide=lambda *_: _signal(Reply(after_s=5)))
    options = {"timeout_s": 20.0, "patience_s": 20.0}
    with slow as server, handler(raised), pytest.raises(raised):
        register(kind, server.url, RESPONSE, spool=tmp_path, **options)

    assert kept(tmp_path) == [{"response": RESPONSE}]


@pytest.mark.parametrize("raised", RAISED)
def test_an_interrupt_between_two_attempts(raised: type[BaseException], tmp_path: Path) -> None:
    """The pause between two attempts is interrupted like an attempt."""
    reply = Reply(503, {}, {"Retry-After": "5"})
    busy = scripted(decide=lambda *_: _signal(reply))
    options = {"timeout_s": 20.0, "patience_s": 20.0}
    with busy as server, handler(raised), pytest.raises(raised):
        register("sync", server.url, RESPONSE, spool=tmp_path, **options)

    assert kept(tmp_path) == [{"response": RESPONSE}]


@pytest.mark.parametrize("raised", RAISED)
def test_an_interrupt_while_a_file_is_synced(
    raised: type[BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is being written is finished before the interrupt gets through."""
    sync, begun = os.fsync, threading.Event()

    def sync_slowly(descriptor: int) -> None:
        begun.set()
        time.sleep(0.5)
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", sync_slowly)

    def call() -> None:
        begun.wait()
        os.kill(os.getpid(), signal.SIGUSR1)

    caller = threading.Thread(target=call)
    caller.start()
    with handler(raised), pytest.raises(raised):
        register("sync", nobody(), RESPONSE, spool=tmp_path, patience_s=0.05)
    caller.join()

    # Kept again, since it might not have been: a second delivery changes nothing.
    assert {str(document) for document in kept(tmp_path)} == {str({"response": RESPONSE})}
    assert list(tmp_path.glob("*.tmp")) == []


@pytest.mark.parametrize("raised", ANY_LINE)
@pytest.mark.parametrize("receiver", ["there", "away", "full spool"])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_at_any_line(
    receiver: str, raised: type[BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At whatever line of the client it comes, an interrupt gets through and nothing is lost.

    Line by line: a handler runs at each of them in turn, from the moment that the registration is
    being written. Afterwards the same client goes on.
    """
    monkeypatch.setattr(registrations, "_REST_S", 0.0)
    port, ended = free_port(), False
    with handler(raised), scripted(port=port) as server:
        url = nobody() if receiver == "away" else server.url
        step = at_length(13, 1) * (3 if receiver == "full spool" else 1)  # it has many more lines
        for number in itertools.count(1, step):
            directory = tmp_path / str(number)
            patience_s = 0.02 if receiver == "away" else 20.0
            with Client(url, KEY, spool=directory, patience_s=patience_s) as client:
                if receiver == "full spool":
                    for _ in range(2):
                        client._registrations.spool.keep(b'{"sends":[]}')  # type: ignore[union-attr]  # noqa: SLF001
                server.asked.clear()
                call = functools.partial(client.register, RESPONSE)
                ended = not _interrupted_at(number, call, raised)
                documents = [*server.documents, *kept(directory)]
                assert {"response": RESPONSE} in documents, f"lost at line {number}"
                if receiver != "away":
                    assert client.register(RESPONSE).registered == 1
                    client.flush()
                    assert kept(directory) == []
            if ended:
                break
    gc.collect()  # a socket in a circle with the exception may be finalized before its owner
    assert number > 100


def _interrupted_at(number: int, call: Callable[[], object], raised: type[BaseException]) -> bool:
    """Call something and interrupt it at a line of the client; tell whether it has so many.

    Not while an object is disposed of: Python itself drops what is raised there.
    """
    lines = itertools.count(1)
    begun, is_reached = False, False

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal begun, is_reached
        code, caller = frame.f_code, frame.f_back
        if not code.co_filename.startswith(PACKAGE) or code.co_name == "__del__":
            return None
        if caller is not None and caller.f_code.co_name == "__del__":
            return None
        begun = begun or code.co_name == "write"
        if event == "line" and begun and next(lines) == number:
            is_reached = True
            sys.settrace(None)
            signal.raise_signal(signal.SIGUSR1)
        return trace

    def called() -> Iterator[object]:
        # A generator has a state of its own for the exception that is being handled: what is
        # raised at the last line of a handler leaves it behind there, as the context of the next.
        yield call()

    before = sys.gettrace()
    sys.settrace(trace)
    is_raised = False
    try:
        next(called())
    except raised:
        is_raised = True
    finally:
        sys.settrace(before)
    assert is_raised == is_reached, f"line {number} swallows it"
    return is_reached


async def test_a_task_that_is_cancelled_keeps_its_registration(tmp_path: Path) -> None:
    """A cancelled registration is cancelled, and kept."""
    with scripted(Reply(after_s=1)) as server:
        async with AsyncClient(server.url, KEY, spool=tmp_path) as client:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await client.register(RESPONSE)

    assert kept(tmp_path) == [{"response": RESPONSE}]


def test_tasks_that_are_cancelled_at_any_step(tmp_path: Path) -> None:
    """At whatever step a task is cancelled, with its loop or alone, its registration is kept."""

    async def cancel_after(steps: int, directory: Path) -> None:
        client = AsyncClient(url, KEY, spool=directory, patience_s=0.02)
        task = asyncio.create_task(client.register(RESPONSE))
        for _ in range(steps):
            await asyncio.sleep(0)
        if steps % 2:
            task.cancel()  # else it ends with the loop

    url = nobody()
    for steps in range(1, 40):
        directory = tmp_path / str(steps)
        asyncio.run(cancel_after(steps, directory))
        eventually(lambda d=directory: kept(d), f"kept after {steps} steps")  # type: ignore[misc]


# --- programs that end ----------------------------------------------------------------------------

PROGRAM = """
import os, signal, sys
from receiver.client import Client
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
client = Client(sys.argv[1], "key", spool=sys.argv[2], patience_s=0.01)
sync = os.fsync
def slowly(descriptor):
    print("syncing", flush=True)
    import time; time.sleep(0.5)
    sync(descriptor)
os.fsync = slowly
client.register({"result": []})
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_program_that_is_ended_while_it_writes(number: signal.Signals, tmp_path: Path) -> None:
    """A program that is asked to end in the midst of a write finishes the file first."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, nobody(), str(tmp_path / "spool")],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as program:
        assert program.stdout is not None
        program.stdout.readline()
        program.send_signal(number)
        program.communicate(timeout=60)

    assert {"response": {"result": []}} in kept(tmp_path / "spool")


def test_a_registration_at_the_very_end(tmp_path: Path) -> None:
    """A registration in a program's last moments, when no thread can be begun, is kept as well."""
    program = (
        "import atexit, sys\n"
        "from receiver.client import Client\n"
        "client = Client(sys.argv[1], 'key', spool=sys.argv[2], patience_s=0.01)\n"
        "atexit.register(client.register, {'result': []})\n"
    )
    subprocess.run(
        [sys.executable, "-c", program, nobody(), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
        timeout=60,
    )

    assert kept(tmp_path) == [{"response": {"result": []}}]


# --- what is an interrupt -------------------------------------------------------------------------


class Handlers:
    """Signal handlers of several makes; all raise."""

    def method(self, _: int, __: FrameType | None) -> None:
        """Raise."""
        raise TimeoutError

    def __call__(self, *_: object) -> None:
        """Raise."""
        raise TimeoutError

    def resetting(self, number: int, _: FrameType | None) -> None:
        """Raise once."""
        signal.signal(number, signal.SIG_IGN)
        self.deep(3)

    def deleting(self, number: int, frame: FrameType | None) -> None:
        """Raise, without a trace of what was given."""
        del number, frame
        raise TimeoutError

    def keyword(self, _: int, *rest: object, wanted: type[Exception] = TimeoutError) -> None:
        """Raise what is wanted."""
        raise wanted(len(rest))

    def deep(self, depth: int) -> None:
        """Raise further down."""
        if depth:
            self.deep(depth - 1)
        raise TimeoutError


def partial_handler(_: str, __: int, ___: FrameType | None) -> None:
    """Raise."""
    raise TimeoutError


MAKES: dict[str, Any] = {
    "method": Handlers().method,
    "object": Handlers(),
    "resetting": Handlers().resetting,
    "deleting": Handlers().deleting,
    "keyword": Handlers().keyword,
    "partial": functools.partial(partial_handler, "more"),
    "lambda": lambda *given: partial_handler("more", *given),
}


@pytest.mark.parametrize("make", MAKES)
def test_handlers_of_any_make(make: str) -> None:
    """What a handler raises is told from a failure of the work, also when it was wrapped."""
    before = signal.signal(signal.SIGUSR1, MAKES[make])
    try:
        try:
            signal.raise_signal(signal.SIGUSR1)
        except TimeoutError as error:
            caught = error
        wrapped = RuntimeError("wrapped")
        wrapped.__cause__ = caught
        assert interruption(caught) is caught
        assert interruption(wrapped) is caught
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_failures_that_are_no_interrupt() -> None:
    """An exception that nobody's handler raised is a failure, however it is linked."""
    first, second = ValueError(), RuntimeError()
    first.__context__, second.__cause__ = second, first
    assert interruption(first) is None
    with pytest.raises(OSError, match="nowhere") as refused:
        spool.Spool(Path("/proc/nowhere"), spool.Owner("a", "b", None))
    assert interruption(refused.value) is None
