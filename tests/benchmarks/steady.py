"""A steady load for minutes: latency, lag, memory and files must stay where they were."""

from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from . import openloop, private, processes
from .figures import Figure
from .servers import Server
from .trial import Setting, trial

RATE = 500
_SECONDS = 600  # of the target
_WARM_UP_S = 1
_CATCH_UP_S = 30.0
_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Sample:
    """The state of a receiver at one moment."""

    lag_s: float
    lag_rows: int
    rss_mb: float  # of all processes
    main_rss_mb: float
    wal_mb: float  # of the journal and the store together


def take(server: Server) -> Sample:
    """Look at a receiver."""
    memory = processes.usage(server.process.pid)
    return Sample(
        lag_s=private.lag_seconds(server),
        lag_rows=private.lag_rows(server),
        rss_mb=memory.rss_mb,
        main_rss_mb=memory.main_rss_mb,
        wal_mb=sum(_size(path) for path in server.directory.glob("*-wal")) / _MIB,
    )


def measure(setting: Setting) -> Figure:
    """Measure a receiver under a steady load, looking at it every second."""
    seconds = setting.steady_seconds
    samples: list[Sample] = []
    with trial(setting, "steady", setting.fresh("steady")) as running:
        running.count("steady, warm-up", openloop.push(running.server, RATE, _WARM_UP_S))
        private.catch_up(running.server, _CATCH_UP_S)

        def sample() -> None:
            samples.append(take(running.server))
            setting.say(f"steady {RATE}/s: {len(samples)} of {seconds} s")

        answers = openloop.push(running.server, RATE, seconds, sample=sample)
        running.count("steady", answers)
    early, late = _early_and_late([one.rss_mb for one in samples])
    return Figure(
        "steady",
        {
            "p99_ms": answers.p99_ms,
            "lag_s": max(one.lag_s for one in samples),
            "rss_growth_percent": (late / early - 1) * 100,
            "wal_mb": max(one.wal_mb for one in samples),
        },
        (
            (
                f"for {seconds} s: p50 {answers.p50_ms:.1f} ms, slowest {answers.worst_ms:.0f} ms; "
                f"RSS {early:.1f} -> {late:.1f} MB"
            ),
        ),
        {"answers": asdict(answers), "samples": [asdict(one) for one in samples]},
        judged=seconds >= _SECONDS,
    )


def _early_and_late(values: list[float]) -> tuple[float, float]:
    """Return the medians of the second and the last tenth: of ten minutes, minutes."""
    tenth = max(1, len(values) // 10)
    return median(values[tenth : 2 * tenth] or values), median(values[-tenth:])


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
