"""Processes of the receiver, forked from one that has imported everything.

To import the receiver takes a second of a processor, and the tests start hundreds. Everything else
is as with `python -m receiver`: a process of its own, with its own environment and directory,
ended by signals. Tests at length (`RECEIVER_TEST_AT_LENGTH`) start the interpreter each time.
"""

import atexit
import gc
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[2]
_LARGEST = 1 << 20
_allowed = threading.Event()
# What an interpreter reads when it starts.
_OF_THE_INTERPRETER = ("PYTHON", "LD_", "LC_", "LANG", "TZ")


class Forked:
    """A process that was forked; used as a `subprocess.Popen` is."""

    def __init__(self, pid: int, ended: int) -> None:
        """Take over a process.

        Args:
            pid: its number.
            ended: a descriptor from which its exit status can be read when it has ended.
        """
        self.pid = pid
        self.returncode: int | None = None
        self._ended = ended

    def __del__(self) -> None:
        """Let go of the descriptor."""
        if self.returncode is None:
            os.close(self._ended)

    def poll(self) -> int | None:
        """Return the exit status; None: it still runs."""
        with suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end; return the exit status.

        Raises:
            subprocess.TimeoutExpired: it did not end in time.
        """
        if self.returncode is None:
            if not wait([self._ended], timeout):
                raise subprocess.TimeoutExpired("receiver", timeout or 0)
            self.returncode = int(os.read(self._ended, 100))
            os.close(self._ended)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)


def allow() -> None:
    """Let receivers be forked from now on: in tests, not where figures and failures are judged."""
    if "RECEIVER_TEST_AT_LENGTH" not in os.environ:
        _allowed.set()


def can_fork(env: Mapping[str, str]) -> bool:
    """Tell whether a fork is like a new interpreter, which reads some variables at its start."""

    def read_at_start(names: Mapping[str, str]) -> dict[str, str]:
        return {
            name: value
            for name, value in names.items()
            if name.startswith(_OF_THE_INTERPRETER) and name != "PYTHONPATH"
        }

    is_ours = env.get("PYTHONPATH") == str(_ROOT)  # and no changed copy of the package
    return _allowed.is_set() and is_ours and read_at_start(env) == read_at_start(os.environ)


def fork(
    arguments: Sequence[str],
    env: Mapping[str, str],
    cwd: Path,
    descriptors: tuple[int, int, int],
    *,
    new_session: bool,
) -> Forked:
    """Start `receiver ARGUMENTS`.

    Args:
        arguments: what it is to do.
        env: its environment.
        cwd: its working directory.
        descriptors: its standard input, output and error.
        new_session: whether it leads a session of its own.
    """
    reading, writing = os.pipe()
    order = {
        "arguments": list(arguments),
        "env": dict(env),
        "cwd": str(cwd),
        "new_session": new_session,
    }
    lock, server = _server()
    with lock:
        socket.send_fds(server, [json.dumps(order).encode()], [*descriptors, writing])
        pid = int(server.recv(100))
    os.close(writing)
    return Forked(pid, reading)


@cache
def _server() -> tuple[threading.Lock, socket.socket]:
    """Start the process that forks; it ends with this one."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(theirs.fileno())],
            cwd=_ROOT,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return threading.Lock(), ours


# --- the process that forks ----------------------------------------------------------------------


def main(number: int) -> None:
    """Fork as told until nobody is left who does; return in the new process."""
    for module in pkgutil.walk_packages(import_module("receiver.cli").__path__, "receiver.cli."):
        import_module(module.name)
    gc.freeze()
    running: dict[int, tuple[int, int]] = {}  # by a descriptor that tells of the end
    with socket.socket(fileno=number) as orders:
        while True:
            for one in select.select([orders.fileno(), *running], [], [])[0]:
                if one in running:
                    pid, writing = running.pop(one)
                    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                    with suppress(BrokenPipeError):
                        os.write(writing, b"%d" % status)
                    os.close(writing)
                    os.close(one)
                    continue
                text, descriptors, _, _ = socket.recv_fds(orders, _LARGEST, 4)
                if not text:
                    os._exit(0)  # what still runs goes on
                pid = os.fork()
                if pid == 0:
                    _become(json.loads(text), descriptors[:3])
                    orders.detach()
                    return
                for descriptor in descriptors[:3]:
                    os.close(descriptor)
                running[os.pidfd_open(pid)] = pid, descriptors[3]
                orders.send(b"%d" % pid)


def _become(order: dict[str, Any], descriptors: list[int]) -> None:
    """Be as a new interpreter that was started so."""
    for target, descriptor in enumerate(descriptors):
        os.dup2(descriptor, target)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    if order["new_session"]:
        os.setsid()
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["env"])
    sys.argv = ["receiver", *order["arguments"]]


def _run() -> int:
    """Run the command line; return its exit status."""
    try:
        runpy.run_module("receiver", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)  # noqa: T201 - as the interpreter does
        return end.code if isinstance(end.code, int) else int(bool(end.code))
    except BaseException:  # noqa: BLE001 - as the interpreter does
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    main(int(sys.argv[1]))
    exit_status = _run()
    # Not the whole end of an interpreter: it would free, one by one, what all forks share.
    threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001 - there is no public way
    atexit._run_exitfuncs()  # noqa: SLF001 - likewise
    sys.stdout.flush()
    os._exit(exit_status)
