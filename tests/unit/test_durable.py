"""Files that are written to the disk, and their names."""

from pathlib import Path

import pytest

from receiver.durable import replace_file, sync_file


@pytest.mark.parametrize("before", [None, b"old"], ids=["none", "another one"])
def test_a_file_gets_its_name(tmp_path: Path, before: bytes | None) -> None:
    """A file takes the place of another one or of none, with what was written to it."""
    file, written = tmp_path / "file", tmp_path / "file.new"
    if before is not None:
        file.write_bytes(before)
    with written.open("wb") as writing:
        writing.write(b"new")
        sync_file(writing)
        assert written.read_bytes() == b"new"  # nothing waits in the process
    replace_file(written, file)
    assert [one.name for one in tmp_path.iterdir()] == ["file"]
    assert file.read_bytes() == b"new"
