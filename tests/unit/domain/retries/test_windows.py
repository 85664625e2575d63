"""Hours of the day by wall clocks in the recipients' zones."""

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.domain.retries.windows import (
    Hours,
    any_left,
    blocked_hours,
    first_free,
    is_blocked,
    read_hours,
)
from receiver.domain.retries.zones import is_zone, zones_of
from receiver.domain.times import SECOND
from receiver.settings.retry import hours_of
from tests.support.retries import MINUTE, at

ZONES = (
    "Asia/Shanghai",
    "America/New_York",
    "Europe/London",
    "Australia/Lord_Howe",  # its clocks change by half an hour
    "Asia/Kathmandu",
    "America/St_Johns",
    "Pacific/Chatham",
    "Africa/Casablanca",
)


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("22:00-08:00", 1320, 480),
        ("08:00-22:00", 480, 1320),
        ("00:00-24:00", None, None),
        ("7:05-24:00", 425, 0),
        (" 08:00 - 09:30 ", 480, 570),
        ("", None, None),
        ("08:00", None, None),
        ("08:00-08:00", None, None),
        ("8-9", None, None),
        ("08:60-09:00", None, None),
        ("24:01-09:00", None, None),
        ("-1:00-09:00", None, None),
        ("08:0-09:00", None, None),
        ("\u0668:00-09:00", None, None),
    ],
)
def test_reading(text: str, start: int | None, end: int | None) -> None:
    """Hours are two different times of day with a dash between them; all else is refused."""
    if start is None or end is None:
        with pytest.raises(ValueError, match="two different times of day"):
            read_hours(text)
    else:
        assert read_hours(text) == Hours(start, end)


def test_writing() -> None:
    """Hours are written as they are read."""
    assert str(read_hours("22:05-08:00")) == "22:05-08:00"


FREE_ROWS = [
    # hours, zones, from, first free instant
    pytest.param("22:00-08:00", "Asia/Shanghai", "2026-03-10T21:59:59+08:00",
                 "2026-03-10T21:59:59+08:00", id="a second before: now"),
    pytest.param("22:00-08:00", "Asia/Shanghai", "2026-03-10T22:00:00+08:00",
                 "2026-03-11T08:00:00+08:00", id="the first second: in the morning"),
    pytest.param("22:00-08:00", "Asia/Shanghai", "2026-03-11T07:59:59.999999+08:00",
                 "2026-03-11T08:00:00+08:00", id="the last microsecond"),
    pytest.param("12:00-13:00", "Asia/Shanghai", "2026-03-10T12:30:00+08:00",
                 "2026-03-10T13:00:00+08:00", id="within one day"),
    pytest.param("00:00-06:00", "Asia/Shanghai", "2026-03-10T00:00:00+08:00",
                 "2026-03-10T06:00:00+08:00", id="midnight itself"),
    pytest.param("18:00-00:00", "Asia/Shanghai", "2026-03-10T23:59:59+08:00",
                 "2026-03-11T00:00:00+08:00", id="until midnight"),
    pytest.param("01:30-02:30", "America/New_York", "2026-03-08T01:45:00-05:00",
                 "2026-03-08T03:00:00-04:00", id="spring: 02:30 is left out, so 03:00 at once"),
    pytest.param("22:00-03:30", "America/New_York", "2026-03-07T23:00:00-05:00",
                 "2026-03-08T03:30:00-04:00", id="spring: 3.5 h later, not 4.5"),
    pytest.param("01:30-02:30", "America/New_York", "2026-03-08T01:15:00-05:00",
                 "2026-03-08T01:15:00-05:00", id="spring: before it"),
    pytest.param("22:00-08:00", "America/New_York", "2026-10-31T23:00:00-04:00",
                 "2026-11-01T08:00:00-05:00", id="autumn: 10 h later, not 9"),
    pytest.param("01:15-01:45", "America/New_York", "2026-11-01T01:20:00-04:00",
                 "2026-11-01T01:45:00-04:00", id="autumn: the first 01:45"),
    pytest.param("01:15-01:45", "America/New_York", "2026-11-01T01:20:00-05:00",
                 "2026-11-01T01:45:00-05:00", id="autumn: the second 01:45"),
    pytest.param("01:30-02:30", "America/New_York", "2026-11-01T01:45:00-04:00",
                 "2026-11-01T01:00:00-05:00", id="autumn: at 02:00 it is 01:00 again, and free"),
    pytest.param("01:45-02:15", "Australia/Lord_Howe", "2026-10-04T01:50:00+10:30",
                 "2026-10-04T02:30:00+11:00", id="half an hour left out"),
    pytest.param("22:00-08:00", "Europe/London", "2026-03-28T23:00:00+00:00",
                 "2026-03-29T08:00:00+01:00", id="London, spring"),
    pytest.param("22:00-08:00", "Europe/London,Asia/Shanghai", "2026-01-10T14:00:00+00:00",
                 "2026-01-11T08:00:00+00:00", id="two zones: at 22:00 in China London waits too"),
    pytest.param("06:00-23:00", "Asia/Shanghai,America/New_York", "2026-01-10T23:30:00+08:00",
                 None, id="two zones that share no night"),
]  # fmt: skip


@pytest.mark.parametrize(("hours", "zones", "moment", "free"), FREE_ROWS)
def test_first_free(hours: str, zones: str, moment: str, free: str | None) -> None:
    """Blocked hours end by the wall clock, also where its hours are left out or come twice."""
    found = first_free(
        at(moment), [read_hours(hours)], [ZoneInfo(name) for name in zones.split(",")]
    )

    assert found == (None if free is None else at(free))


_hours = st.builds(Hours, st.integers(0, 1439), st.integers(0, 1439)).filter(
    lambda hours: hours.start != hours.end
)
_moments = st.one_of(
    st.integers(at("2026-01-01T00:00:00Z"), at("2028-01-01T00:00:00Z")),
    st.sampled_from(["2026-03-08T06:00:00Z", "2026-11-01T05:00:00Z", "2026-10-03T15:00:00Z",
                     "2026-03-29T00:30:00Z", "2026-10-25T00:30:00Z"]).flatmap(
        lambda text: st.integers(at(text) - 7200 * SECOND, at(text) + 7200 * SECOND)
    ),
)  # fmt: skip


@given(_hours, _moments, st.lists(st.sampled_from(ZONES), min_size=1, max_size=2))
def test_first_free_is_free_and_the_first(hours: Hours, moment: int, names: list[str]) -> None:
    """What is found is not blocked, and every minute before it is, whatever the clocks do."""
    zones = [ZoneInfo(name) for name in names]

    found = first_free(moment, [hours], zones)

    if found is None:
        assert len(set(names)) > 1
        return
    assert found >= moment
    assert not is_blocked(found, [hours], zones)
    step = max(MINUTE * SECOND, (found - moment) // 200 // SECOND * SECOND)
    assert all(is_blocked(before, [hours], zones) for before in range(moment, found, step))
    assert found == moment or is_blocked(found - 1, [hours], zones)


@pytest.mark.parametrize(
    ("send_window", "quiet_hours", "left"),
    [
        (None, None, True),
        ("08:00-22:00", None, True),
        ("08:00-22:00", "12:00-14:00", True),
        ("08:00-22:00", "08:00-22:00", False),
        ("08:00-22:00", "07:00-23:00", False),
        ("08:00-22:00", "07:00-21:59", True),
    ],
)
def test_hours_that_leave_nothing(
    send_window: str | None, quiet_hours: str | None, left: bool
) -> None:
    """Whether a window and quiet hours leave a minute of the day is known beforehand."""
    blocked = blocked_hours(hours_of(send_window), hours_of(quiet_hours))

    assert any_left(blocked) is left


@pytest.mark.parametrize(
    ("number", "zones"),
    [
        ("+8613800000001", {"Asia/Shanghai"}),
        ("+12125550123", {"America/New_York"}),
        ("+442071234567", {"Europe/London"}),
        ("+61291234567", {"Australia/Sydney"}),
        ("+85261234567", {"Asia/Hong_Kong"}),
        ("+870773111632", {"Asia/Tokyo"}),
        ("no number", {"Asia/Tokyo"}),
        (None, {"Asia/Tokyo"}),
    ],
)
def test_zones(number: str | None, zones: set[str]) -> None:
    """A number tells its zones; one that does not has that of the setting."""
    assert {zone.key for zone in zones_of(number, "Asia/Tokyo")} == zones


@pytest.mark.parametrize(
    ("name", "exists"),
    [("Europe/Berlin", True), ("Mars/Base", False), ("", False), ("../x", False), ("Asia", False)],
)
def test_names_of_zones(name: str, exists: bool) -> None:
    """A name is of a zone, or not; nothing else comes of it."""
    assert is_zone(name) is exists
