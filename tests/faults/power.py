"""The power goes: what the file system has not been told to keep is gone.

A file system of its own, on a loop device, is shut down without writing its log; then the server
is killed and the file system mounted again, as after a power cut.
"""

import fcntl
import os
import shutil
import signal
import struct
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from tests.faults import mounts
from tests.faults.client import Client
from tests.faults.experiment import Bench, Experiment, Outcome
from tests.faults.oracle import Audit
from tests.faults.rounds import again_and_again
from tests.support.server import ROOT, Server

# <uapi/linux/ext4.h>: EXT4_IOC_SHUTDOWN, _IOR('X', 125, __u32)
_SHUTDOWN = 0x8004587D
_WITHOUT_LOG_FLUSH = 2
_IMAGE_BYTES = 1 << 30  # sparse
# The kernel's own commits, every 5 s by default, would keep by luck what nobody asked it to keep.
_OPTIONS = "loop,data=ordered,commit=300"
_REPAIRED = 1  # highest status of e2fsck that is no trouble
_PRAGMA, _WEAKER = "PRAGMA synchronous = FULL", "PRAGMA synchronous = NORMAL"


class Disk:
    """An ext4 file system in a file; what it holds while it is not mounted has survived."""

    def __init__(self, image: Path, mounted_at: Path) -> None:
        self._image = image
        self._mounted_at = mounted_at
        mounted_at.mkdir()
        with image.open("wb") as file:
            file.truncate(_IMAGE_BYTES)
        mounts.run("mkfs.ext4", "-q", "-F", str(image))

    def mount(self) -> None:
        """Mount it; its log is replayed."""
        mounts.run("mount", "-o", _OPTIONS, str(self._image), str(self._mounted_at))

    def cut_the_power(self) -> None:
        """Let nothing more reach it, its log included."""
        descriptor = os.open(self._mounted_at, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, _SHUTDOWN, struct.pack("I", _WITHOUT_LOG_FLUSH))
        finally:
            os.close(descriptor)

    def unmount(self) -> None:
        """Unmount it as soon as the processes on it are gone."""
        mounts.unmount(self._mounted_at)

    def check(self) -> None:
        """Replay the log and assert that the file system itself is sound."""
        command = ("e2fsck", "-f", "-p", str(self._image))
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode <= _REPAIRED, f"e2fsck: {done.stdout}{done.stderr}"


@contextmanager
def mounted(directory: Path, name: str) -> Iterator[tuple[Disk, Path]]:
    """Return a mounted disk and its place; it is unmounted at the end."""
    place = directory / name
    disk = Disk(directory / f"{name}.ext4", place)
    try:
        disk.mount()
        yield disk, place
    finally:
        disk.unmount()


def cut_power_again_and_again(bench: Bench) -> Outcome:
    """Cut the power of the receiver as it is, then of one whose journal syncs less."""
    rounds, control_rounds = bench.rounds(30, 3), bench.rounds(10, 2)
    found = _cut(bench, "disk", rounds)
    weaker = bench.directory / "weaker"
    copy_with_weaker_journal(weaker)
    bench.say("control")
    control = _cut(bench, "control", control_rounds, weaker)
    figures = {
        "rounds": rounds,
        **found.figures(),
        "control_rounds": control_rounds,
        "control_acknowledged": control.acknowledged,
        "control_lost": control.lost,
    }
    notes = [found.complaint()]
    if control.lost == 0:
        notes.append("the control lost nothing either: this proves nothing")
    held = found.holds and control.lost > 0
    return Outcome(held, figures, "; ".join(note for note in notes if note))


def copy_with_weaker_journal(target: Path) -> None:
    """Copy the package; the copy's journal acknowledges before the disk has it."""
    package = target / "receiver"
    shutil.copytree(ROOT / "receiver", package, ignore=shutil.ignore_patterns("__pycache__"))
    writer = package / "journal" / "writer.py"
    source = writer.read_text()
    assert source.count(_PRAGMA) == 1, f"{_PRAGMA} does not stand in {writer.name} once"
    writer.write_text(source.replace(_PRAGMA, _WEAKER))


def _cut(bench: Bench, name: str, rounds: int, package: Path = ROOT) -> Audit:
    records = bench.directory / f"{name}-records"
    records.mkdir()
    with mounted(bench.directory, name) as (disk, place):
        server = Server(place, cwd=package, extra_env={"PYTHONPATH": f"{package}:{ROOT}"})
        with closing(server):

            def strike(_number: int, _client: Client) -> None:
                disk.cut_the_power()
                _kill_what_is_left(server)
                disk.unmount()
                disk.check()
                disk.mount()

            return again_and_again(Bench(records, bench.quick, bench.say), server, rounds, strike)


def _kill_what_is_left(server: Server) -> None:
    """Kill all of a server, which may have ended itself because its disk failed."""
    with suppress(ProcessLookupError):
        server.signal_all(signal.SIGKILL)
    server.wait()


EXPERIMENTS = (
    Experiment(
        name="power",
        how="ext4 on a loop device shut down without log flush, SIGKILL, mounted again",
        must_hold="0 lost; a control with synchronous=NORMAL loses some",
        run=cut_power_again_and_again,
        needs=("root", "loop"),
    ),
)
