"""How long somebody who tries keys has to wait."""

import pytest

from receiver.domain.times import SECOND
from receiver.web.slowing import WrongKeys


@pytest.mark.parametrize(
    ("seconds", "waits"),
    [
        pytest.param([0, 1, 2], [0, 0, 58], id="the third of two"),
        pytest.param([0, 30, 59], [0, 0, 1], id="at the end of the minute"),
        pytest.param([0, 30, 60], [0, 0, 0], id="in the next minute"),
        pytest.param([0, 1, 2, 60, 61, 62], [0, 0, 58, 0, 0, 58], id="again in the next"),
    ],
)
def test_waits(seconds: list[int], waits: list[int]) -> None:
    """Two wrong keys a minute are free, counted from the first."""
    keys = WrongKeys(2)
    assert [keys.wait_s("a", second * SECOND) for second in seconds] == waits


def test_addresses_stand_apart_and_are_bounded() -> None:
    """Nobody waits for what another address did, and many addresses take no memory for ever."""
    keys = WrongKeys(1)
    assert keys.wait_s("first", 0) == 0
    assert [keys.wait_s(f"peer-{number}", 0) for number in range(10_000)] == [0] * 10_000
    assert keys.wait_s("peer-9999", 0) > 0
    assert keys.wait_s("first", 0) == 0  # forgotten: it came first
