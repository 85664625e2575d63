"""What experiments need from the machine, and which apt package gives it."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

_TRIAL_S = 10.0
_FAKETIME_PLACES = ("/usr/lib", "/usr/local/lib", "/lib")
_FAKETIME = "faketime/libfaketime.so.1"


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that a machine may lack.

    Attributes:
        is_there: looks for it.
        remedy: what to do when it is not there.
    """

    is_there: Callable[[], bool]
    remedy: str


def libfaketime() -> Path | None:
    """Find the library to preload for a clock that jumps."""
    for place in _FAKETIME_PLACES:
        for pattern in (_FAKETIME, f"*/{_FAKETIME}"):
            for found in sorted(Path(place).glob(pattern)):
                return found
    return None


def _succeeds(*command: str) -> bool:
    if shutil.which(command[0]) is None:
        return False
    try:
        done = subprocess.run(command, capture_output=True, timeout=_TRIAL_S, check=False)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def _is_root() -> bool:
    return os.geteuid() == 0


def _has_loop() -> bool:
    made = all(shutil.which(tool) for tool in ("mkfs.ext4", "e2fsck", "mount", "umount"))
    return made and _succeeds("losetup", "--find")


NEEDS: dict[str, Need] = {
    "root": Need(_is_root, "run it as root"),
    "strace": Need(
        # Where strace is installed, a container may still forbid it to trace.
        lambda: _succeeds("strace", "-o", os.devnull, "true"),
        "apt-get install strace (and allow ptrace)",
    ),
    "loop": Need(_has_loop, "apt-get install e2fsprogs mount (and allow loop devices)"),
    "faketime": Need(lambda: libfaketime() is not None, "apt-get install libfaketime"),
}


def missing(needs: Iterable[str]) -> dict[str, str]:
    """Return what a machine lacks, and the remedy for each."""
    return {name: NEEDS[name].remedy for name in needs if not NEEDS[name].is_there()}
