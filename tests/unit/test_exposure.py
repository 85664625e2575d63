"""Modes and owners of our files: what others could do is said, and repaired where it is ours."""

from pathlib import Path
from typing import Any

import pytest

from receiver.exposure import find_exposed, find_readable

CASES: list[Any] = [
    # mode of the directory, of a file in it -> modes afterwards, what is said
    pytest.param(0o700, 0o600, 0o700, 0o600, [], id="closed"),
    pytest.param(0o755, 0o600, 0o755, 0o600, [], id="others see the names"),
    pytest.param(0o777, 0o600, 0o755, 0o600, ["data has mode 0777"], id="open to all"),
    pytest.param(0o770, 0o600, 0o750, 0o600, ["data has mode 0770"], id="open to the group"),
    pytest.param(0o1777, 0o600, 0o1755, 0o600, ["data has mode 1777"], id="open and sticky"),
    pytest.param(0o700, 0o644, 0o700, 0o600, ["api_key has mode 0644"], id="a readable secret"),
    pytest.param(0o700, 0o620, 0o700, 0o600, ["api_key has mode 0620"], id="a writable secret"),
    pytest.param(
        0o777, 0o666, 0o755, 0o600, ["data has mode 0777", "api_key has mode 0666"], id="all open"
    ),
]


@pytest.mark.parametrize(("mode", "file_mode", "after", "file_after", "said"), CASES)
def test_what_is_open_is_said_and_closed(
    tmp_path: Path, mode: int, file_mode: int, after: int, file_after: int, said: list[str]
) -> None:
    """A look names each open file with the command that closes it; a start closes it."""
    directory = tmp_path / "data"
    directory.mkdir()
    secret = directory / "api_key"
    secret.write_text("x")
    secret.chmod(file_mode)
    directory.chmod(mode)
    looked = find_exposed(directory)
    assert len(looked) == len(said)
    for part, line in zip(said, looked, strict=True):
        assert part in line
        assert "run `chmod " in line
    assert (directory.stat().st_mode & 0o7777, secret.stat().st_mode & 0o777) == (mode, file_mode)
    repaired = find_exposed(directory, repair=True)
    assert all(part in line for part, line in zip(said, repaired, strict=True))
    assert (directory.stat().st_mode & 0o7777, secret.stat().st_mode & 0o777) == (after, file_after)
    assert find_exposed(directory) == []


def test_an_open_parent_is_said(tmp_path: Path) -> None:
    """Whoever may write a parent may put another directory in the place of ours."""
    directory = tmp_path / "srv" / "data"
    directory.mkdir(parents=True)
    directory.parent.chmod(0o777)
    (line,) = find_exposed(directory, repair=True)
    assert f"run `chmod o-w {directory.parent}`" in line
    directory.parent.chmod(0o1777)
    assert find_exposed(directory) == []


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """What a link leads to is nothing of ours, and its mode stays."""
    outside, directory = tmp_path / "outside", tmp_path / "data"
    outside.write_text("x")
    outside.chmod(0o666)
    directory.mkdir()
    (directory / "link").symlink_to(outside)
    assert find_exposed(directory, repair=True) == []
    assert outside.stat().st_mode & 0o777 == 0o666


@pytest.mark.parametrize(
    ("mode", "is_said"), [(0o600, False), (0o640, False), (0o644, True), (0o602, True)]
)
def test_a_file_of_the_operator_that_all_can_read(tmp_path: Path, mode: int, is_said: bool) -> None:
    """It is said how to close it; its mode stays, because it is the operator's."""
    file = tmp_path / "receiver.toml"
    file.write_text("")
    file.chmod(mode)
    said = find_readable(file, "secrets")
    assert bool(said) is is_said
    assert all(f"chmod o-rwx {file}" in line for line in said)
    assert file.stat().st_mode & 0o777 == mode
