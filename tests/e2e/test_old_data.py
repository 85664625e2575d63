"""Data directories that earlier builds wrote and were killed on: this one answers the same."""

from pathlib import Path

import pytest

from tests.comparison import kept
from tests.comparison.builds import make_build
from tests.comparison.traffic import SETTINGS
from tests.comparison.values import Table
from tests.support.server import ROOT

_DIRECTORIES = sorted((ROOT / "tests" / "data").glob("data_of_*.tar.xz"))
# What is decided about sending again depends on the present.
_OF_THE_PRESENT = r"\.retry\.\w+$|\.verdict\.(action|retryable|not_before)$"


@pytest.mark.parametrize("file", _DIRECTORIES, ids=lambda file: file.name)
def test_what_an_earlier_build_kept_is_there(file: Path, tmp_path: Path) -> None:
    """A directory of an earlier build is upgraded, and all it said of its messages still holds."""
    said = kept.unpack(file, tmp_path)
    settings = {"RECEIVER_APPLICATIONS": SETTINGS["RECEIVER_APPLICATIONS"], **kept.SETTINGS}
    build = make_build(ROOT, tmp_path, settings)
    table = Table.load(file.name.removeprefix("data_of_").removesuffix(".tar.xz"))
    try:
        build.server.start()
        found = kept.differences(
            build, said, Table(table.changes, (*table.varies, _OF_THE_PRESENT))
        )
    finally:
        build.server.close()
    assert len(said.answers) > 1000
    assert found == []
