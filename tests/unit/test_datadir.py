"""The data directory: one process holds it, and secrets made for the operator stay secret."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from receiver.datadir import DataDirectory, read_secret
from receiver.errors import DataDirectoryError
from tests.support.parts import ROOT

HOLDER = """
import sys
from pathlib import Path
from receiver.datadir import DataDirectory
from tests.support.parts import ROOT
with DataDirectory(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def held_by_another(directory: Path) -> Iterator[int]:
    """Let another process hold the directory; gives its process id."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(directory)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "held\n"
            yield process.pid
        finally:
            process.kill()


def mode_of(path: Path) -> int:
    """Return the permission bits of a file."""
    return path.stat().st_mode & 0o777


def test_a_directory_that_another_process_holds_is_refused(tmp_path: Path) -> None:
    """The refusal names the directory and the process, and ends with that process."""
    with (
        held_by_another(tmp_path) as pid,
        pytest.raises(DataDirectoryError) as refusal,
        DataDirectory(tmp_path),
    ):
        pass
    assert str(tmp_path) in str(refusal.value)
    assert f"process {pid}" in str(refusal.value)
    with DataDirectory(tmp_path) as directory:  # the other one was killed, its lock went with it
        assert directory.path == tmp_path


def test_it_is_held_within_one_process_too(tmp_path: Path) -> None:
    """A second holder in the same process is refused; after the first left it may enter."""
    with (
        DataDirectory(tmp_path),
        pytest.raises(DataDirectoryError, match=f"process {os.getpid()}"),
        DataDirectory(tmp_path),
    ):
        pass
    with DataDirectory(tmp_path):
        pass


def test_it_is_made_for_this_user_alone(tmp_path: Path) -> None:
    """A directory that does not exist is made with its parents, closed to others."""
    path = tmp_path / "var" / "receiver"
    with DataDirectory(path):
        assert mode_of(path) == 0o700


def test_a_path_that_is_no_directory_is_refused(tmp_path: Path) -> None:
    """A file in the place of the directory is refused with its path and advice."""
    path = tmp_path / "file"
    path.touch()
    with (
        pytest.raises(DataDirectoryError, match=r"file cannot be used: .*data_dir"),
        DataDirectory(path),
    ):
        pass


def test_a_secret_is_made_once(tmp_path: Path) -> None:
    """A secret is the same ever after, is long, and different from any other."""
    with DataDirectory(tmp_path) as directory:
        made = directory.secret("api_key")
        assert directory.secret("api_key") == made
        assert directory.secret("callback_token") != made
    with DataDirectory(tmp_path) as directory:
        assert directory.secret("api_key") == made
    assert len(made) >= 43  # 256 bits of base64
    assert read_secret(tmp_path / "api_key") == made


def test_a_secret_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    """The file of a secret has mode 0600, whatever the umask."""
    mask = os.umask(0)
    try:
        with DataDirectory(tmp_path) as directory:
            assert directory.secret("api_key")
    finally:
        os.umask(mask)
    assert mode_of(tmp_path / "api_key") == 0o600


def test_a_secret_that_was_put_there_is_taken(tmp_path: Path) -> None:
    """A secret that the operator wrote into the file is used without the line's end."""
    mine = "of-the-operator." * 3
    (tmp_path / "api_key").write_text(f"{mine}\n")
    with DataDirectory(tmp_path) as directory:
        assert directory.secret("api_key") == mine


@pytest.mark.parametrize("name", ["api_key", "callback_token"])
@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda _: b"", id="emptied"),
        pytest.param(lambda _: b"\n", id="a line's end alone"),
        pytest.param(lambda whole: whole[: len(whole) // 2], id="halved"),
        pytest.param(lambda whole: whole[:42], id="a character less"),
        pytest.param(lambda whole: bytes(len(whole)), id="zeros"),
        pytest.param(lambda whole: b"!" + whole[1:], id="another character"),
        pytest.param(lambda whole: whole[:20] + b" " + whole[20:], id="a blank within"),
        pytest.param(lambda whole: b"\xff" + whole[1:], id="no text"),
    ],
)
def test_a_damaged_secret_is_refused(
    tmp_path: Path, name: str, damage: Callable[[bytes], bytes]
) -> None:
    """No piece of a secret is used, none is made in its place, and the file stays as it is."""
    file = tmp_path / name
    with DataDirectory(tmp_path) as directory:
        secret = directory.secret(name)
    file.write_bytes(damaged := damage(file.read_bytes()))
    with (
        DataDirectory(tmp_path) as directory,
        pytest.raises(DataDirectoryError, match=rf"{name} (is damaged|cannot be read)") as said,
    ):
        directory.secret(name)
    assert secret[:20] not in str(said.value)
    assert file.read_bytes() == damaged


def test_a_secret_that_does_not_exist_is_none(tmp_path: Path) -> None:
    """Reading alone makes nothing."""
    assert read_secret(tmp_path / "api_key") is None
    assert list(tmp_path.iterdir()) == []
