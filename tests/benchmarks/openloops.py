"""Ack latency at 2,500 pushes a second, and over the load."""

from contextlib import ExitStack
from dataclasses import asdict, dataclass
from statistics import median

from . import openloop, private
from .figures import Figure
from .machine import time_syncs
from .openloop import Answers
from .percentiles import percentile
from .plot import Point
from .servers import Name, serving
from .trial import Setting, trial

RATE = 2_500
LOADS = (250, 500, 1_000, 1_500, 2_000, 2_500, 3_000, 4_000)
_QUICK_LOADS = (250, 1_000)
_SECONDS = 10
_CURVE_SECONDS = 5
_CURVE_ROUNDS = 3
_CATCH_UP_S = 60.0
_SYNCS, _SYNC_BYTES = 100, 4096


@dataclass(frozen=True, slots=True)
class Run:
    """One run and how fast the disk was right after it."""

    answers: Answers
    fdatasync_p99_ms: float


def measure(setting: Setting) -> Figure:
    """Measure the latency at the rate of the target."""
    runs: list[Run] = []
    with trial(setting, "open loop", setting.fresh("open-loop")) as running:
        if not setting.quick:
            running.count("open loop, warm-up", openloop.push(running.server, RATE, 1))
        for number in range(1 if setting.quick else setting.rounds):
            private.catch_up(running.server, _CATCH_UP_S)
            seconds = 2 if setting.quick else _SECONDS
            answers = openloop.push(running.server, RATE, seconds, seed=number)
            running.count("open loop", answers)
            syncs = time_syncs(running.server.directory / "sync-probe", _SYNCS, _SYNC_BYTES)
            runs.append(Run(answers, percentile(syncs, 99) * 1e3))
            setting.say(f"open loop, run {number + 1}: p99 {answers.p99_ms:.1f} ms")
    worst = max(runs, key=lambda run: run.answers.p99_ms)
    p99 = median(run.answers.p99_ms for run in runs)
    late = max(run.answers.late_p99_ms for run in runs)
    cpu = median(run.answers.cpu_us_a_push for run in runs)
    return Figure(
        "open_loop",
        {"p99_ms": p99},
        (
            (
                f"p50 {median(run.answers.p50_ms for run in runs):.1f} ms; worst run: p99 "
                f"{worst.answers.p99_ms:.1f} ms, fdatasync p99 {worst.fdatasync_p99_ms:.2f} ms "
                f"(all runs: {median(run.fdatasync_p99_ms for run in runs):.2f} ms)"
            ),
            (
                f"the generator sent {late:.1f} ms late (p99 of the worst run) "
                f"and took {cpu:.0f} µs of CPU a push"
            ),
        ),
        {"runs": [asdict(run) for run in runs]},
        judged=setting.judges,
    )


def measure_curve(setting: Setting) -> dict[str, list[Point]]:
    """Measure the latency over the load: of the receiver, and of the bare server beside it.

    Refusals are data here, for the highest loads may be more than a machine can take.
    """
    loads = _QUICK_LOADS if setting.quick else LOADS
    rounds = 1 if setting.quick else _CURVE_ROUNDS
    seconds = 1 if setting.quick else _CURVE_SECONDS
    found: dict[tuple[Name, int], list[Answers]] = {}
    with ExitStack() as stack:
        running = stack.enter_context(trial(setting, "load curve", setting.fresh("load")))
        servers = [running.server]
        if not setting.quick:
            servers.append(stack.enter_context(serving(Name.BARE, setting.fresh("load-bare"))))
        for number in range(rounds):
            for load in loads:
                for server in servers:
                    answers = openloop.push(server, load, seconds, seed=number)
                    found.setdefault((server.name, load), []).append(answers)
                running.accepted += found[Name.RECEIVER, load][-1].accepted
                private.catch_up(running.server, _CATCH_UP_S)
                setting.say(f"ack latency over load, round {number + 1}: {load}/s")
    return {
        server.name.value: [Point.of(load, found[server.name, load]) for load in loads]
        for server in servers
    }
