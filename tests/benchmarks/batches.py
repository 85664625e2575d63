"""Reports a second when the platform pushes 50 in one request."""

from dataclasses import asdict
from statistics import median

from .figures import Figure
from .load import Mode, Push, Window, drive
from .trial import Setting, trial

ITEMS = 50


def measure(setting: Setting) -> Figure:
    """Measure batches, with connections as the platform's and kept alive in turns."""
    windows: list[Window] = []
    with trial(setting, "batches", setting.fresh("batches")) as running:
        for number in range(1 if setting.quick else setting.rounds):
            for mode in Mode:
                window = drive(
                    running.server,
                    mode,
                    number,
                    seconds=1 if setting.quick else setting.seconds,
                    connections=setting.connections,
                    by=setting.generator,
                    push=Push.BATCH,
                )
                running.count(f"batches, {mode}", window)
                windows.append(window)
                setting.say(f"batches, {mode}: {ITEMS * window.per_second:,.0f} reports/s")
    rate = {
        mode: ITEMS * median(window.per_second for window in windows if window.mode is mode)
        for mode in Mode
    }
    p99 = median(window.p99_ms for window in windows if window.mode is Mode.CLOSE)
    return Figure(
        "batches",
        {"reports_per_second": rate[Mode.CLOSE], "keep_alive": rate[Mode.KEEP_ALIVE]},
        (f"p99 {p99:.1f} ms; keep-alive {rate[Mode.KEEP_ALIVE]:,.0f} reports/s",),
        {"windows": [asdict(window) for window in windows]},
        judged=setting.judges,
    )
