"""How long somebody who guesses secrets has to wait, and who has not."""

import pytest

from receiver.domain.times import SECOND
from receiver.http.throttle import Guesses, GuessLimits

MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
RIGHT = b"digest of a right secret"


def guesses(
    per_minute: int = 2, remembered: int = 100, evicted: list[None] | None = None
) -> Guesses:
    """Make an empty record of guesses; right uses count for an hour."""
    noted = [] if evicted is None else evicted
    return Guesses(GuessLimits(per_minute, remembered, HOUR), lambda: noted.append(None))


def guess(record: Guesses, group: str, now: int) -> int:
    """Try a wrong secret, as far as the limit allows; return the wait."""
    wait_s = record.wait_s(group, now)
    if not wait_s:
        record.note_wrong(group, now)
    return wait_s


@pytest.mark.parametrize(
    ("seconds", "waits"),
    [
        pytest.param([0, 1, 2], [0, 0, 58], id="the third of two"),
        pytest.param([0, 30, 59], [0, 0, 1], id="at the end of the minute"),
        pytest.param([0, 30, 60], [0, 0, 0], id="in the next minute"),
        pytest.param([0, 1, 2, 60, 61, 62], [0, 0, 58, 0, 0, 58], id="again in the next"),
        pytest.param([100, 101, 50], [0, 0, 0], id="the clock was set back"),
    ],
)
def test_waits(seconds: list[int], waits: list[int]) -> None:
    """Two wrong secrets a minute are free, counted from the first."""
    record = guesses(2)
    assert [guess(record, "a", second * SECOND) for second in seconds] == waits


def test_a_flood_of_addresses_washes_no_record_out() -> None:
    """Who is over the limit stays so, whatever others send; what is forgotten is counted."""
    evicted: list[None] = []
    record = guesses(2, remembered=100, evicted=evicted)
    record.note_right("owner", RIGHT, 0)
    for _ in range(2):
        record.note_wrong("guesser", 0)
    for number in range(10_000):
        record.note_wrong(f"2001:db8:{number:x}::/64", SECOND)
    assert record.wait_s("guesser", SECOND) == 59
    assert record.was_right("owner", RIGHT, SECOND)
    assert len(evicted) == 10_001 - 100


def test_addresses_over_the_limit_are_bounded_too() -> None:
    """When all that are remembered are over the limit, the one that came first is forgotten."""
    evicted: list[None] = []
    record = guesses(1, remembered=10, evicted=evicted)
    for number in range(11):
        record.note_wrong(str(number), 0)
    assert [record.wait_s(str(number), 0) for number in range(11)] == [0, *[60] * 10]
    assert len(evicted) == 1


def test_a_right_secret_counts_for_its_address_and_itself() -> None:
    """A right use excuses that secret at that address, for an hour, and no other one."""
    record = guesses()
    record.note_right("a", RIGHT, 0)
    assert record.was_right("a", RIGHT, HOUR - 1)
    assert not record.was_right("a", RIGHT, HOUR)
    assert not record.was_right("a", b"another", 0)
    assert not record.was_right("b", RIGHT, 0)


def test_right_uses_are_bounded_and_the_longest_ago_goes_first() -> None:
    """Of too many right uses the one that was not repeated is forgotten."""
    record = guesses(remembered=2)
    record.note_right("a", RIGHT, 0)
    record.note_right("b", RIGHT, 1)
    record.note_right("a", RIGHT, 2)
    record.note_right("c", RIGHT, 3)
    assert [record.was_right(group, RIGHT, 4) for group in "abc"] == [True, False, True]
