"""Whole numbers: every writing of one is read, and nothing else."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.domain.whole_numbers import is_given, read


@pytest.mark.parametrize(
    "value",
    [2, 2.0, "2", "02", "2.0", "2.", "2.000", "+2", " 2 ", "\ufeff2\u200b", "\uff12", "\u0662"],
)
def test_two(value: Any) -> None:
    """Every writing of a number is that number."""
    assert read(value, 1, 255) == 2


@pytest.mark.parametrize(
    "value",
    [
        *("two", "2.5", "2,0", "1e0", "-2", "2 2", "2/3", "0x2", "", " ", "\u00b2", "II", ".2"),
        *(2.5, -2, -0.5, 0, 256, 256.0, float("nan"), float("inf"), 1e300, True, False, None),
        *([], [2], {}, 300 * "2", 5000 * "0" + "2", "\ud800"),
    ],
)
def test_no_number(value: Any) -> None:
    """What is no whole number from 1 to 255 in one reading alone is none, and never an error."""
    assert read(value, 1, 255) is None


@pytest.mark.parametrize("value", [None, "", " ", "\u200b", "\r\n\ufeff"])
def test_nothing_is_given(value: Any) -> None:
    """An absent field and one of invisible characters say nothing."""
    assert not is_given(value)


@pytest.mark.parametrize("value", [0, False, [], {}, "0", "x", 0.0])
def test_something_is_given(value: Any) -> None:
    """Any other value says something, though it may be unreadable."""
    assert is_given(value)


@given(st.integers(0, 255), st.sampled_from(["{}", "{}.0", "0{}", " {}\u3000", "\ufeff{}"]))
def test_any_number_in_any_writing(number: int, writing: str) -> None:
    """A number comes back from each of its writings."""
    assert read(writing.format(number), 0, 255) == number
