"""System calls of a running process that fail or stall, by strace."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.server import Server, eventually

SYNCS = "fdatasync,fsync"
WRITES = "pwrite64"
_END_PATIENCE_S = 10.0
_TAMPERED = ("(INJECTED)", "(DELAYED)")

Count = Callable[[], int]


def journal_writer(server: Server) -> int:
    """Return the process of a server that writes its journal."""
    found = [
        pid for pid in server.children() if "journal/writer.py" in _proc(pid, "cmdline").read_text()
    ]
    assert len(found) == 1, f"{len(found)} processes write the journal"
    return found[0]


@contextmanager
def injected(pid: int, calls: str, what: str, log: Path) -> Iterator[Count]:
    """Tamper with system calls of one process until the context ends.

    Args:
        pid: the process.
        calls: their names, separated by commas.
        what: as in strace's `inject=`, such as `error=EIO`.
        log: where strace writes; what stood there before goes.

    Yields:
        a function that tells how many calls were tampered with so far.
    """
    rules = ("-e", f"trace={calls}", "-e", f"inject={calls}:{what}")
    tracer = subprocess.Popen(
        ["strace", "-f", "-q", "-o", str(log), "-p", str(pid), *rules],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        eventually(
            lambda: _tracer_of(pid) == tracer.pid or tracer.poll() is not None,
            "strace is attached",
            every_s=0.002,
        )
        assert tracer.poll() is None, f"strace: {tracer.stderr and tracer.stderr.read()}"
        yield lambda: _count(log)
    finally:
        tracer.terminate()  # it detaches; the process goes on untouched
        tracer.communicate(timeout=_END_PATIENCE_S)


def _count(log: Path) -> int:
    return sum(any(mark in line for mark in _TAMPERED) for line in log.read_text().splitlines())


def _tracer_of(pid: int) -> int:
    status = _proc(pid, "status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) for line in lines if line.startswith("TracerPid:")), 0)


def resident_bytes(server: Server) -> int:
    """Return the memory that a server and its helpers hold now."""
    assert server.process is not None
    pids = (server.process.pid, *server.children())
    found = [line for pid in pids for line in _proc(pid, "status").read_text().splitlines()]
    return sum(int(line.split()[1]) * 1024 for line in found if line.startswith("VmRSS:"))


def _proc(pid: int, name: str) -> Path:
    return Path(f"/proc/{pid}/{name}")
