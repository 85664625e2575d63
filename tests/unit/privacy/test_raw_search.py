"""The search of raw bytes: across reads, in every file, and ended when nobody waits."""

from pathlib import Path

import pytest

from receiver.domain.privacy.number_matcher import Writings
from receiver.privacy.raw_search import GivenUpError, files_below, find_in_files

HOLDS = Writings("+8615500005172").in_raw
READ = 256 * 1024


@pytest.mark.parametrize(
    ("content", "found"),
    [
        pytest.param(b"15500005172", True, id="alone"),
        pytest.param(b"9915500005172" + b"99", True, id="beside other values"),
        pytest.param(b"x" * (READ - 5) + b"15500005172", True, id="across two reads"),
        pytest.param(b"x" * (READ - 3) + b"155-0000-5172", True, id="groups across two reads"),
        pytest.param(b"\0" * READ * 2 + b"15500005172", True, id="in the third read"),
        pytest.param(b"1550000517", False, id="not all of it"),
        pytest.param(b"", False, id="empty"),
    ],
)
def test_bytes_are_searched(tmp_path: Path, content: bytes, found: bool) -> None:
    """Wherever in a file the digits stand they are found."""
    file = tmp_path / "below" / "file"
    file.parent.mkdir()
    file.write_bytes(content)
    assert find_in_files(files_below(tmp_path), HOLDS) == ([file] if found else [])


def test_a_file_that_is_gone_holds_nothing(tmp_path: Path) -> None:
    """SQLite takes its files away when it likes."""
    assert find_in_files([tmp_path / "gone"], HOLDS) == []


def test_it_ends_when_nobody_waits(tmp_path: Path) -> None:
    """The search stops at the next read."""
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(GivenUpError):
        find_in_files(files_below(tmp_path), HOLDS, lambda: True)
