"""The rhythm of reports: what silence it explains, and what it does not."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.domain import times
from receiver.domain.silence import DAY, Rhythm, SilenceOptions

MINUTE = 60 * times.SECOND
HOUR = 60 * MINUTE
USUAL = SilenceOptions()
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MONDAY = datetime(2023, 11, 6, tzinfo=UTC)


def at(text: str) -> int:
    """Read a time from Monday 2023-11-06 on: "fri 18:00", of the second week "fri2 18:00"."""
    day, clock = text.split()
    hour, minute = map(int, clock.split(":"))
    days = DAYS.index(day[:3]) + 7 * (int(day[3:] or 1) - 1)
    moment = MONDAY + timedelta(days=days, hours=hour, minutes=minute)
    return int(moment.timestamp()) * times.SECOND


def every(minutes: int, since: str, until: str, *, days: str = "") -> Iterable[int]:
    """Return times from one to another, both included; on each of the named days."""
    if days:
        for day in days.split():
            yield from every(minutes, f"{day} {since}", f"{day} {until}")
        return
    yield from range(at(since), at(until) + 1, minutes * MINUTE)


def heard(arrivals: Iterable[int], options: SilenceOptions = USUAL) -> Rhythm:
    """Return the rhythm of arrivals, folded one by one as they come."""
    rhythm, now = Rhythm(), 0
    for arrival in arrivals:
        now = max(now, arrival)
        rhythm = rhythm.after([arrival], now, options)
    return rhythm


WEEK = "mon tue wed thu fri"
BY_DAY = list(every(10, "8:00", "22:00", days="mon tue wed"))
OFFICE = list(every(30, "9:00", "18:00", days=WEEK))
TWO_WEEKS = [*OFFICE, *every(30, "9:00", "18:00", days="mon2 tue2 wed2 thu2 fri2")]
ALL_DAY = list(every(2, "mon 0:00", "wed 12:00"))


@pytest.mark.parametrize(
    ("arrivals", "usual", "quiet", "alarming"),
    [
        # 22:00 to 8:00 are 10 h; 1.5 x 10 h = 15 h; 22:00 + 15 h = 13:00.
        pytest.param(BY_DAY, 10 * HOUR, "thu 13:00", "thu 13:01", id="nights"),
        # The last report came at 12:00 and the longest gap is still that of a night: 12:00 + 15 h.
        pytest.param(
            [*BY_DAY, *every(1, "thu 8:00", "thu 12:00")],
            10 * HOUR,
            "fri 3:00",
            "fri 3:01",
            id="after a busy morning, where nights are silent",
        ),
        # 1.5 x 2 min = 3 min, which is below the floor of 15 min: 12:00 + 15 min.
        pytest.param(
            ALL_DAY, 2 * MINUTE, "wed 12:15", "wed 12:16", id="after a busy hour, day and night"
        ),
        # 1.5 x 40 min = 60 min, above the floor.
        pytest.param(
            list(every(40, "mon 0:00", "wed 12:00")),
            40 * MINUTE,
            "wed 13:00",
            "wed 13:01",
            id="seldom but steady",
        ),
        # 18:00 to 9:00 are 15 h; 1.5 x 15 h = 22.5 h; Friday 18:00 + 22.5 h = Saturday 16:30.
        pytest.param(OFFICE, 15 * HOUR, "sat 16:30", "sat 16:31", id="the first weekend"),
        # Friday 18:00 to Monday 9:00 are 63 h; 1.5 x 63 h = 94.5 h; Friday 18:00 + 94.5 h is
        # Tuesday 16:30: Monday's first report, at 9:00, is waited for.
        pytest.param(TWO_WEEKS, 63 * HOUR, "tue3 16:30", "tue3 16:31", id="the second weekend"),
        # The gap of 20 h ended on Monday, seven days before the last day: 1.5 x 20 h = 30 h.
        pytest.param(
            [*every(5, "mon 20:00", "mon2 12:00"), at("mon 0:00")],
            5 * MINUTE,
            "mon2 12:15",
            "mon2 12:16",
            id="what came late makes no gap",
        ),
        pytest.param(
            [at("mon 0:00"), *every(5, "mon 20:00", "mon2 12:00")],
            20 * HOUR,
            "tue2 18:00",
            "tue2 18:01",
            id="an outage within eight days",
        ),
        # ... eight days before it: forgotten, 12:00 + 15 min.
        pytest.param(
            [at("mon 0:00"), *every(5, "mon 20:00", "tue2 12:00")],
            5 * MINUTE,
            "tue2 12:15",
            "tue2 12:16",
            id="an outage before that",
        ),
    ],
)
def test_silence_is_judged_by_the_longest_recent_gap(
    arrivals: list[int], usual: int, quiet: str, alarming: str
) -> None:
    """The alarm comes when the silence is 1.5 times the longest gap of 8 days, and 15 minutes."""
    rhythm = heard(arrivals)
    assert rhythm.usual_gap(USUAL) == usual
    assert not rhythm.alarm(at(quiet), USUAL)
    assert rhythm.alarm(at(alarming), USUAL)


@pytest.mark.parametrize(
    ("arrivals", "options"),
    [
        pytest.param([], USUAL, id="nothing was ever heard"),
        pytest.param([at("mon 9:00")], USUAL, id="a single report"),
        pytest.param(list(every(1, "mon 9:00", "mon 18:00")), USUAL, id="the first day"),
        pytest.param(
            list(every(240, "9:00", "17:00", days=WEEK)), USUAL, id="fifteen reports in five days"
        ),
        pytest.param(TWO_WEEKS, SilenceOptions(min_heard=1000), id="fewer than asked for"),
    ],
)
def test_an_unknown_rhythm_rings_no_alarm(arrivals: list[int], options: SilenceOptions) -> None:
    """Before enough was heard on two days, no silence is too long."""
    rhythm = heard(arrivals, options)
    assert rhythm.threshold(options) is None
    assert not rhythm.alarm(at("mon9 0:00"), options)


def test_the_alarm_ends_with_the_next_report() -> None:
    """A silence that was too long is over with the first arrival, and belongs to the rhythm."""
    rhythm = heard(ALL_DAY)
    end = at("wed 16:00")
    assert rhythm.alarm(end, USUAL)
    after = rhythm.after([end], end, USUAL)
    assert not after.alarm(end, USUAL)
    assert after.usual_gap(USUAL) == 4 * HOUR


def test_a_silence_of_weeks_stays_alarming() -> None:
    """The rhythm is judged by the days before the silence, so that it does not fade with it."""
    assert heard(ALL_DAY).alarm(at("mon9 0:00"), USUAL)


def test_a_clock_that_ran_ahead_is_forgotten() -> None:
    """Arrivals of a wrong clock hide no silence once the clock is right again."""
    rhythm = heard(ALL_DAY)
    ahead = rhythm.after([at("mon9 0:00")], at("mon9 0:00"), USUAL)
    right = at("wed 12:02")
    back = ahead.after([right], right, USUAL)
    assert back.last_at == right
    assert back.silence(right + HOUR) == HOUR
    assert all(gap <= DAY for gap in back.gaps.values())


def test_only_the_days_that_count_are_kept() -> None:
    """The gaps of a year of reports take no more room than those of eight days."""
    rhythm = heard(range(0, 365 * DAY, 6 * HOUR))
    assert len(rhythm.gaps) == USUAL.days
    assert rhythm.heard == 365 * 4


@given(st.lists(st.integers(0, 20 * DAY), min_size=1), st.lists(st.integers(0, 99)))
def test_batches_do_not_matter(arrivals: list[int], cuts: list[int]) -> None:
    """However arrivals are cut into batches, and whatever comes late, the rhythm is the same."""
    now = 20 * DAY
    whole = Rhythm().after(arrivals, now, USUAL)
    rhythm, start = Rhythm(), 0
    for end in sorted({*(min(cut, len(arrivals)) for cut in cuts), len(arrivals)}):
        rhythm = rhythm.after(arrivals[start:end], now, USUAL)
        start = end
    assert rhythm == whole
    assert rhythm.last_at == max(arrivals)
    assert all(gap > 0 for gap in rhythm.gaps.values())
