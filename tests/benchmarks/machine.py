"""The facts about a machine without which a measured number says nothing."""

import os
import platform
import sqlite3
import subprocess
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from receiver.domain import times

from .percentiles import percentile

_ROOT = Path(__file__).resolve().parents[2]
_PROBES = 300
_PROBE_BYTES = 512


@dataclass(frozen=True, slots=True)
class Machine:
    """Where and when a run took place; the syncs are those of the run's temporary directory."""

    date: str
    cores: int
    processor: str
    python: str
    sqlite: str
    load_before: float  # runnable processes in the minute before
    fdatasync_p50_us: float
    fdatasync_p99_us: float

    def describe(self) -> str:
        """One line for people."""
        return (
            f"{self.date}, {self.cores} cores ({self.processor}), Python {self.python}, "
            f"SQLite {self.sqlite}, load before {self.load_before:.1f}, "
            f"fdatasync p50 {self.fdatasync_p50_us:.0f} µs p99 {self.fdatasync_p99_us:.0f} µs"
        )


def inspect(directory: Path) -> Machine:
    """Gather the facts; a few hundred small appends in `directory` time its syncs."""
    syncs = time_syncs(directory / "sync-probe", _PROBES, _PROBE_BYTES)
    now = datetime.now(UTC).replace(microsecond=0)
    return Machine(
        date=times.to_rfc3339(int(now.timestamp()) * times.SECOND),
        cores=len(os.sched_getaffinity(0)),
        processor=_processor(),
        python=platform.python_version(),
        sqlite=sqlite3.sqlite_version,
        load_before=os.getloadavg()[0],
        fdatasync_p50_us=percentile(syncs, 50) * 1e6,
        fdatasync_p99_us=percentile(syncs, 99) * 1e6,
    )


def commit() -> str | None:
    """Return the commit that is measured, `-dirty` when files differ; None: nobody knows."""
    command = ("git", "-C", str(_ROOT), "describe", "--always", "--dirty", "--exclude=*")
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def time_syncs(path: Path, count: int, size: int) -> list[float]:
    """Return the seconds that each fdatasync took after an append of `size` bytes to a new file."""
    seconds = []
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        for _ in range(count):
            os.write(descriptor, b"x" * size)
            began = time.perf_counter()
            os.fdatasync(descriptor)
            seconds.append(time.perf_counter() - began)
    finally:
        os.close(descriptor)
        path.unlink()
    return seconds


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()
