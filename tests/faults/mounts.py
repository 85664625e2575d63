"""File systems of an experiment's own, which are gone when it ends."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.server import eventually


@contextmanager
def tmpfs(place: Path, size_bytes: int) -> Iterator[None]:
    """Mount an empty file system of a size that is soon full."""
    place.mkdir()
    try:
        run("mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", str(place))
        yield
    finally:
        unmount(place)


def unmount(place: Path) -> None:
    """Unmount what is mounted at a place as soon as the processes on it are gone."""

    def try_to() -> bool:
        if not place.is_mount():
            return True
        done = subprocess.run(("umount", str(place)), capture_output=True, check=False)
        return done.returncode == 0

    eventually(try_to, f"{place} is unmounted", every_s=0.01)


def run(*command: str) -> None:
    """Run a command that must succeed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr.strip()}"
