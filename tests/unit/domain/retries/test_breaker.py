"""The breaker: opens when failures jump, sends one probe, then closes or waits twice as long."""

import pytest

from receiver.domain.retries.breaker import (
    CLOSED,
    Breaker,
    BreakerOptions,
    Counts,
    Position,
    Result,
    at,
    observe,
    probe_ended,
    probe_sent,
    waits_until,
)
from receiver.domain.times import SECOND

OPTIONS = BreakerOptions(failures=20, share=0.3, factor=3.0, pause_s=300, cap_s=1000, probe_s=600)
NOW = 1_000_000 * SECOND
OPEN = Breaker(Position.OPEN, 300, NOW + 300 * SECOND)
HALF_OPEN = Breaker(Position.HALF_OPEN, 300)
PROBING = Breaker(Position.HALF_OPEN, 300, NOW + 600 * SECOND)

JUMP_ROWS = [
    # recent ended and failed, baseline ended and failed, whether it opens
    pytest.param((0, 0), (0, 0), False, id="nothing happened"),
    pytest.param((60, 20), (1000, 10), True, id="33 % of 60, usually 1 %"),
    pytest.param((60, 19), (1000, 10), False, id="19 failures are too few"),
    pytest.param((67, 20), (1000, 10), False, id="20 of 67 = 29.9 % is too small a share"),
    pytest.param((20, 20), (0, 0), True, id="all fail, and there is no baseline"),
    pytest.param((100, 30), (1000, 100), True, id="30 % = 3 x 10 %"),
    pytest.param((100, 30), (1000, 101), False, id="30 % < 3 x 10.1 %: always so"),
    pytest.param((100, 90), (1000, 310), False, id="90 % < 3 x 31 %: nothing new"),
]


@pytest.mark.parametrize(("recent", "baseline", "opens"), JUMP_ROWS)
def test_jump(recent: tuple[int, int], baseline: tuple[int, int], opens: bool) -> None:
    """It opens when failures are enough, a large share, and so many times the usual share."""
    found = observe(CLOSED, Counts(*recent), Counts(*baseline), OPTIONS, NOW)

    assert found == (OPEN if opens else CLOSED)


def test_retries_wait_while_it_is_open() -> None:
    """Closed, a retry goes; open, it waits until the pause is over, and not longer."""
    assert waits_until(CLOSED, NOW) is None
    assert waits_until(OPEN, NOW) == NOW + 300 * SECOND
    assert waits_until(OPEN, NOW + 300 * SECOND - 1) == NOW + 300 * SECOND
    assert waits_until(OPEN, NOW + 300 * SECOND) is None


def test_one_probe_goes_and_the_others_wait_for_it() -> None:
    """When the pause is over one retry goes; the next waits for its end, but not for ever."""
    later = NOW + 300 * SECOND
    half_open = at(OPEN, later)
    assert half_open == HALF_OPEN

    probing = probe_sent(half_open, OPTIONS, later)

    assert waits_until(probing, later) == later + 600 * SECOND
    assert waits_until(probing, later + 600 * SECOND) is None
    assert at(probing, later + 600 * SECOND) == HALF_OPEN


END_ROWS = [
    # state, result, position, pause, seconds until
    pytest.param(PROBING, Result.DELIVERED, Position.CLOSED, 0, 4500, id="delivered: closed"),
    pytest.param(PROBING, Result.FAILED, Position.OPEN, 600, 600, id="failed so again: 300 x 2"),
    pytest.param(
        Breaker(Position.HALF_OPEN, 600, NOW), Result.FAILED, Position.OPEN, 1000, 1000,
        id="600 x 2 = 1200 is capped to 1000",
    ),
    pytest.param(PROBING, Result.OTHER, Position.HALF_OPEN, 300, 0, id="otherwise: the next probe"),
    pytest.param(OPEN, Result.DELIVERED, Position.CLOSED, 0, 4500, id="a late delivery closes too"),
    pytest.param(CLOSED, Result.FAILED, Position.CLOSED, 0, 0, id="closed stays closed"),
]  # fmt: skip


@pytest.mark.parametrize(("state", "result", "position", "pause_s", "until_s"), END_ROWS)
def test_what_a_probe_tells(
    state: Breaker, result: Result, position: Position, pause_s: int, until_s: int
) -> None:
    """A delivered probe closes it, one that fails alike doubles the pause, others tell nothing."""
    found = probe_ended(state, result, OPTIONS, NOW)

    until = NOW + until_s * SECOND if until_s else 0
    assert found == Breaker(position, pause_s, until)


@pytest.mark.parametrize(
    ("recent", "closes"),
    [
        pytest.param((100, 14), True, id="14 % < 0.3 / 2"),
        pytest.param((100, 15), False, id="15 % = 0.3 / 2"),
        pytest.param((19, 0), False, id="19 are too few to tell"),
        pytest.param((20, 0), True, id="20 all delivered"),
    ],
)
@pytest.mark.parametrize("state", [OPEN, PROBING], ids=["open", "probing"])
def test_other_messages_that_arrive_close_it(
    state: Breaker, recent: tuple[int, int], closes: bool
) -> None:
    """Enough messages of late that do not fail tell as much as a probe."""
    found = observe(state, Counts(*recent), Counts(), OPTIONS, NOW)

    assert found == (CLOSED if closes else state)


def test_an_outage_from_its_beginning_to_its_end() -> None:
    """Opened at 0 s, probes at 300, 900 and 1900 s: two fail, the third is delivered."""
    bad, usual = Counts(50, 45), Counts(5000, 10)
    state = observe(CLOSED, bad, usual, OPTIONS, NOW)
    probes = []
    now = NOW
    for result in (Result.FAILED, Result.FAILED, Result.DELIVERED):
        now = waits_until(state, now) or now
        state = observe(state, bad, usual, OPTIONS, now)
        assert waits_until(state, now) is None
        probes.append((now - NOW) // SECOND)
        state = probe_ended(probe_sent(state, OPTIONS, now), result, OPTIONS, now)

    assert probes == [300, 300 + 600, 300 + 600 + 1000]
    assert state.position is Position.CLOSED
    assert observe(state, bad, usual, OPTIONS, state.until - 1) == state
    assert observe(state, bad, usual, OPTIONS, state.until).position is Position.OPEN
