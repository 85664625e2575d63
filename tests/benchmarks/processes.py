"""What all the processes of a server use, read from /proc."""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Usage:
    """Processor time since the start, and memory now, of all processes of a session.

    `rss_mb` counts pages that processes share once for each; `pss_mb` counts them once.
    """

    cpu_s: float
    rss_mb: float
    pss_mb: float
    main_rss_mb: float
    processes: int


def usage(leader: int) -> Usage:
    """Add up the processes of the session that `leader` leads, those that ended included."""
    cpu = rss = pss = main_rss = 0.0
    count = 0
    for pid in _session(leader):
        with suppress(FileNotFoundError, ProcessLookupError):  # it may just have ended
            cpu += _cpu_ticks(pid, with_ended_children=pid == leader)
            memory = _memory(pid)
            rss += memory["Rss"]
            pss += memory["Pss"]
            count += 1
            if pid == leader:
                main_rss = memory["Rss"]
    return Usage(cpu / _TICKS, rss / _MIB, pss / _MIB, main_rss / _MIB, count)


def cpu_seconds(leader: int) -> float:
    """Return the processor time of all processes of a session; cheaper than `usage`."""
    ticks = 0
    for pid in _session(leader):
        with suppress(FileNotFoundError, ProcessLookupError):
            ticks += _cpu_ticks(pid, with_ended_children=pid == leader)
    return ticks / _TICKS


def _session(leader: int) -> Iterator[int]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(FileNotFoundError, ProcessLookupError):
                if int(_stat(int(entry.name))[3]) == leader:
                    yield int(entry.name)


def _stat(pid: int) -> list[str]:
    """Return the fields from the state on: the name before them may hold spaces and brackets."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _cpu_ticks(pid: int, *, with_ended_children: bool) -> int:
    return sum(int(field) for field in _stat(pid)[11 : 15 if with_ended_children else 13])


def _memory(pid: int) -> dict[str, int]:
    """Return bytes by name; exact, where the counters in `stat` are only nearly so."""
    found = {"Rss": 0, "Pss": 0}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        name, _, rest = line.partition(":")
        if name in found:
            found[name] = int(rest.split()[0]) * 1024
    return found
