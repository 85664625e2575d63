"""A server whose wall clock an experiment moves by writing a file, with libfaketime.

The monotonic clock stays as it is, as when an operator or an NTP client sets the time.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path

from tests.faults.tools import libfaketime
from tests.support.server import ROOT, Server

# libfaketime 0.9.10 takes an absolute deadline of the monotonic clock, which Python's own sleep
# gives, for one of the clock that it fakes, and the sleep fails. A relative one is left alone.
_SLEEP = """\
import select
import time

time.sleep = lambda seconds: select.select((), (), (), seconds) and None
"""
_LEFT = ("/dev/shm/faketime_shm_", "/dev/shm/sem.faketime_sem_")  # noqa: S108 - the library's


@dataclass
class FakedServer(Server):
    """A server whose wall clock is set by the experiment."""

    offset_s: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        shim = self.directory.with_name("shim")
        shim.mkdir()
        (shim / "sitecustomize.py").write_text(_SLEEP)
        self._clock = self.directory.with_name("clock")
        library = libfaketime()
        assert library is not None
        self.extra_env = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self._clock),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            # Else each wait for Python's interpreter lock ends at once, and threads spin for it.
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",
            "PYTHONPATH": f"{shim}{os.pathsep}{ROOT}",
        }
        self.jump(0)

    def jump(self, offset_s: int) -> None:
        """Set the clock so many seconds from the true time, at once."""
        new = self._clock.with_suffix(".new")
        new.write_text(f"{offset_s:+d}\n")
        new.rename(self._clock)
        self.offset_s = offset_s

    def now(self) -> float:
        """Return the time that the server should think it is, seconds since the epoch."""
        return time.time() + self.offset_s

    def restart(self) -> None:
        """Restart it, so that its upkeep runs at once and by the present clock."""
        assert self.stop() == 0
        self.start()
        self.caught_up()
        seen = self.api.metric("receiver_projector_lag_seconds")
        assert seen == 0, f"caught up, and {seen} s behind"

    def close(self) -> None:
        """End whatever is left, and remove what the library leaves of a process that is killed."""
        killed = self.process.pid if self.process is not None else None
        super().close()
        for left in _LEFT:
            Path(f"{left}{killed}").unlink(missing_ok=True)
