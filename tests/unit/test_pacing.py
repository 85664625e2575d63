"""Pacing: who works long leaves time to others, the more the more of them wait."""

import asyncio

import pytest

from receiver.pacing import Pacer, at_intervals, yield_factor


@pytest.mark.parametrize(
    ("waiting", "behind", "expected"),
    [
        pytest.param(0, 10**6, 0, id="nobody waits"),
        pytest.param(2, 10**6, 0, id="a few wait"),
        pytest.param(3, 0, 15, id="a crowd"),
        pytest.param(10_000, 199_999, 15, id="a large crowd, not far behind"),
        pytest.param(3, 200_000, 7, id="far behind"),
        pytest.param(10_000, 10**9, 7, id="never more than an eighth"),
    ],
)
def test_pushes_that_wait_go_first(waiting: int, behind: int, expected: int) -> None:
    """A crowd of pushes gets most of the time, however far the store has fallen behind."""
    assert yield_factor(waiting=waiting, behind=behind) == expected


class Time:
    """A clock, and a sleep that moves it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Take the place of `asyncio.sleep`."""
        self.now = 0.0
        self.rests: list[float] = []
        self._sleep = asyncio.sleep
        monkeypatch.setattr(asyncio, "sleep", self.sleep)

    def __call__(self) -> float:
        """Return the seconds."""
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Let others run, and time pass."""
        await self._sleep(0)
        self.now += seconds
        if seconds:
            self.rests.append(seconds)


@pytest.mark.parametrize(
    ("left", "rests"),
    [
        pytest.param(0, [], id="nobody needs it"),
        pytest.param(15, [0.15], id="in proportion"),
        pytest.param(10**6, [0.5], id="not for ever"),
    ],
)
async def test_time_is_left_in_proportion(
    left: int, rests: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has worked for 10 ms rests for as many times that as is left to others, up to a bound."""
    clock = Time(monkeypatch)
    pacer = Pacer(0.003, lambda: left, clock)
    clock.now += 0.01  # the work
    await pacer.maybe_yield()
    assert clock.rests == pytest.approx(rests)


async def test_nobody_rests_before_the_slice_is_used_up() -> None:
    """Work that is shorter than its slice goes on at once, whatever others would need."""
    pacer = Pacer(5.0, lambda: 10**6)
    ran = asyncio.Event()
    asyncio.get_running_loop().call_soon(ran.set)
    await pacer.maybe_yield()
    assert not ran.is_set()


async def test_others_run_while_one_rests() -> None:
    """A rest lets everything that waits run, also when nobody needs more than that."""
    ran = asyncio.Event()
    asyncio.get_running_loop().call_soon(ran.set)
    await Pacer(0.003, lambda: 0).yield_now()
    assert ran.is_set()


async def test_a_rest_begins_a_new_slice(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was worked before a rest is paid for once."""
    clock = Time(monkeypatch)
    pacer = Pacer(0.003, lambda: 15, clock)
    clock.now += 0.01  # the work
    await pacer.yield_now()
    await pacer.yield_now()
    assert clock.rests == pytest.approx([0.15])


@pytest.mark.parametrize(
    ("is_due", "passed_on"),
    [
        pytest.param(False, [2, 4], id="after an interval"),
        pytest.param(True, [1, 3], id="at once"),
    ],
)
def test_calls_at_intervals(is_due: bool, passed_on: list[int]) -> None:
    """A call is passed on if none was for an interval, and forgotten otherwise."""
    clock = iter((0.0, 1.0, 5.0, 6.0, 10.0))
    calls: list[int] = []
    call = at_intervals(calls.append, 5.0, lambda: next(clock), is_due=is_due)
    for number in range(1, 5):
        call(number)
    assert calls == passed_on
