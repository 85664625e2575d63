"""Ack latency at a given rate of pushes: runs of `openloop_client` and their figures."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from .servers import ROOT, TOKEN, Server

_SAMPLE_EVERY_S = 1.0
_GRACE_S = 40.0


@dataclass(frozen=True, slots=True)
class Answers:
    """What came back of one run; latencies count from the scheduled moment."""

    rate: float  # pushes a second that were scheduled
    seconds: float
    sent: int
    answers: int  # all of them, refusals too
    refused: int  # not 2xx
    failed: int  # connections that failed, or stayed without an answer
    p50_ms: float
    p90_ms: float
    p99_ms: float
    worst_ms: float
    late_p99_ms: float  # how late the generator itself sent
    cpu_us_a_push: float  # what the generator took

    @property
    def accepted(self) -> int:
        """How many answers were a 2xx."""
        return self.answers - self.refused


def push(
    server: Server,
    rate: float,
    seconds: float,
    *,
    seed: int = 1,
    sample: Callable[[], None] | None = None,
) -> Answers:
    """Push at a rate for a time; `sample` is called every second meanwhile.

    Raises:
        subprocess.SubprocessError: the generator failed or did not end.
    """
    arguments = [str(server.port), f"/callbacks/{TOKEN}", str(rate), str(seconds), str(seed)]
    command = [sys.executable, "-m", f"{__package__}.openloop_client", *arguments]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        until = time.monotonic() + seconds
        while sample is not None and time.monotonic() < until and process.poll() is None:
            began = time.monotonic()
            sample()
            time.sleep(max(0.0, _SAMPLE_EVERY_S - (time.monotonic() - began)))
        printed, _ = process.communicate(timeout=seconds + _GRACE_S)
    finally:
        process.kill()
        process.wait()
    if process.returncode != 0:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Answers(**json.loads(printed.splitlines()[-1]))
