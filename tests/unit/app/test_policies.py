"""The rules of decision, as the settings have them."""

from pathlib import Path

import pytest

from receiver.app.policies import make_catalogue, make_policy
from receiver.domain.retries.planning import plan
from receiver.domain.times import SECOND
from receiver.errors import SettingsError
from receiver.huawei.catalogue import load_catalogue
from receiver.settings import RetrySettings, Settings
from tests.support.retries import a_failure

ROW = "ZQ:0001,account,never,Closed"


def test_without_a_file_the_catalogue_is_the_one_that_comes_with_the_package() -> None:
    """Nothing needs to be set, and the version tells that nothing was."""
    assert make_catalogue(Settings()).version == load_catalogue().version


def test_a_file_corrects_the_catalogue(tmp_path: Path) -> None:
    """Rows of a file decide, and the catalogue has another version with each of its changes."""
    file = tmp_path / "mine.csv"
    versions = {load_catalogue().version}
    for row in (ROW, ROW.replace("Closed", "Gone")):
        file.write_text(f"code,category,retry,meaning\n{row}\n")
        policy = make_policy(Settings(catalogue_file=file))
        assert policy.catalogue.lookup("ZQ:0001").entry.category == "account"
        versions.add(policy.catalogue.version)
    assert len(versions) == 3


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(
            b"code,category,retry,meaning\nZQ:1,x,never,a\n\nZQ:2,account,y,a\n",
            ["line 2, category: 'x'", "line 4, retry: 'y'"],
            id="two bad rows",
        ),
        pytest.param(b"code,colour\nZQ:1,red\n", ["line 1, colour: "], id="unknown field"),
        pytest.param(b"code\n\xff\n", ["line 2: not UTF-8 text"], id="bytes"),
        pytest.param(None, ["cannot be read: "], id="no file"),
    ],
)
def test_a_bad_file_is_a_bad_setting(
    tmp_path: Path, content: bytes | None, said: list[str]
) -> None:
    """Each problem is told in a line of its own, with the setting, the file and the place in it."""
    file = tmp_path / "mine.csv"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsError) as refused:
        make_policy(Settings(catalogue_file=file))
    lines = str(refused.value).splitlines()
    assert len(lines) == len(said)
    for line, expected in zip(lines, said, strict=True):
        assert line.startswith(f"catalogue_file: {file}")
        assert expected in line


@pytest.mark.parametrize(
    ("retry", "wait_s"), [("retry-soon", 7), ("retry-later", 8), ("next-day", 9)]
)
def test_waits_are_settings(tmp_path: Path, retry: str, wait_s: int) -> None:
    """How long to wait before a retry, and what a late delivery counts, follow the settings."""
    file = tmp_path / "mine.csv"
    file.write_text(f"code,category,retry,meaning\nZQ:1,routing,{retry},No way\n")
    policy = make_policy(
        Settings(
            catalogue_file=file,
            late_delivered="ignored",
            retry=RetrySettings(soon_seconds=7, later_seconds=8, next_day_seconds=9),
        )
    )
    entry = policy.catalogue.lookup("ZQ:1").entry
    candidate = a_failure(category=entry.category, retry=entry.retry)
    planned = plan(candidate, policy.retry, fraction=0)
    assert planned.due_at == (candidate.failed_at or 0) + wait_s * SECOND
    assert policy.late_delivered == "ignored"
