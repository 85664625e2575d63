"""What a receiver uses while nobody pushes."""

import time
from dataclasses import asdict

from . import processes
from .figures import Figure
from .trial import Setting, trial

_SETTLE_S = 5.0
_SECONDS = 30.0
_QUICK_SECONDS = 3.0


def measure(setting: Setting) -> Figure:
    """Measure an idle receiver after it has settled; nobody asks it for anything meanwhile."""
    setting.say("idle")
    seconds = _QUICK_SECONDS if setting.quick else _SECONDS
    with trial(setting, "idle", setting.fresh("idle")) as running:
        leader = running.server.process.pid
        time.sleep(1 if setting.quick else _SETTLE_S)
        before, began = processes.cpu_seconds(leader), time.monotonic()
        time.sleep(seconds)
        took, elapsed = processes.cpu_seconds(leader) - before, time.monotonic() - began
        memory = processes.usage(leader)
    return Figure(
        "idle",
        {"cpu_percent": took / elapsed * 100, "rss_mb": memory.rss_mb},
        (
            (
                f"{memory.processes} processes; the main one {memory.main_rss_mb:.0f} MB; shared "
                f"pages counted once {memory.pss_mb:.0f} MB; over {elapsed:.0f} s"
            ),
        ),
        {"usage": asdict(memory), "seconds": elapsed},
        judged=not setting.quick,
    )
