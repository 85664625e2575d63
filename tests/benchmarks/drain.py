"""How fast, and at which cost, the projector works off a backlog while nothing else comes."""

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from . import backlog, private, processes
from .figures import Figure
from .servers import Name, Server, ServerError, serving
from .trial import Setting

ROWS = 60_000
QUICK_ROWS = 5_000
_ROUNDS = 3
_LOOK_EVERY_S = 0.2  # to be looked at costs a server some milliseconds
_FIRST_LOOKS_EVERY_S = 0.01
_LONGEST_S = 300.0


@dataclass(frozen=True, slots=True)
class Drained:
    """One backlog worked off, from the first moment that the lag was seen to fall."""

    rows: int
    seconds: float
    cpu_s: float  # of all processes of the server

    @property
    def per_second(self) -> float:
        """Reports a second."""
        return self.rows / self.seconds

    @property
    def cpu_us_a_report(self) -> float:
        """Processor time a report, of all processes of the server."""
        return self.cpu_s / self.rows * 1e6


def measure(setting: Setting) -> Figure:
    """Measure the drain of a backlog into an empty store."""
    rows = QUICK_ROWS if setting.quick else ROWS
    runs = []
    for number in range(1 if setting.quick else _ROUNDS):
        runs.append(work_off(setting.fresh("drain"), rows))
        setting.say(f"drain, run {number + 1}: {runs[-1].per_second:,.0f} reports/s")
    return Figure(
        "drain",
        {
            "reports_per_second": median(run.per_second for run in runs),
            "cpu_us_a_report": median(run.cpu_us_a_report for run in runs),
        },
        (f"{rows:,} single reports, {len(runs)} runs",),
        {"runs": [asdict(run) for run in runs]},
        judged=not setting.quick,
    )


def work_off(directory: Path, rows: int) -> Drained:
    """Fill the journal of a receiver that does not run, start it and watch the lag fall to 0."""
    backlog.fill(directory, rows)
    with serving(Name.RECEIVER, directory) as server:
        began, cpu, lag = _await_first_step(server, rows)
        until = time.monotonic() + _LONGEST_S
        while private.lag_rows(server) > 0:
            if time.monotonic() > until:
                raise ServerError(f"The projector did not catch up in {_LONGEST_S:.0f} s.")
            time.sleep(_LOOK_EVERY_S)
        seconds = time.monotonic() - began
        cpu = processes.cpu_seconds(server.process.pid) - cpu
        if (aside := private.metric(server, "receiver_quarantined_total")) > 0:
            raise ServerError(f"The projector did not understand {aside:.0f} reports.")
        return Drained(lag, seconds, cpu)


def _await_first_step(server: Server, rows: int) -> tuple[float, float, int]:
    """Return the moment, the processor time so far and the lag left when the lag began to fall."""
    until = time.monotonic() + _LONGEST_S
    while time.monotonic() < until:
        lag = private.lag_rows(server)
        if 0 < lag < rows:
            return time.monotonic(), processes.cpu_seconds(server.process.pid), lag
        time.sleep(_FIRST_LOOKS_EVERY_S)
    raise ServerError("The projector did not begin, or had ended before it could be watched.")
