"""How far an export is, as the command tells it."""

import pytest

from receiver.cli.export import at_least


@pytest.mark.parametrize(
    ("total", "written", "expected"),
    [
        pytest.param("5", 3, "5", id="fewer"),
        pytest.param("5", 5, "5", id="all"),
        pytest.param("5", 7, "7", id="registered since"),
        pytest.param("1000000+", 7, "1000000+", id="not counted to the end"),
        pytest.param("1000000+", 1_000_007, "1000007+", id="nor beyond it"),
        pytest.param("0", 0, "0", id="nothing"),
    ],
)
def test_more_is_never_written_than_there_is(total: str, written: int, expected: str) -> None:
    """The count is of the beginning: what came since and is written raises it."""
    assert at_least(total, written) == expected
