"""Hours of the day in the recipient's local time."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from receiver.domain.times import SECOND

_MINUTE_S = 60
_DAY_S = 24 * 60 * _MINUTE_S
_FARTHEST = 8 * _DAY_S * SECOND  # two zones that never share an hour are given up after a week
_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


@dataclass(frozen=True, slots=True)
class Hours:
    """From a minute of the day up to another, which does not belong to it; may span midnight."""

    start: int  # minutes since midnight, 0 to 1439
    end: int  # not the same

    def __str__(self) -> str:
        return f"{_write(self.start)}-{_write(self.end)}"

    @property
    def rest(self) -> "Hours":
        """The other hours of the day."""
        return Hours(self.end, self.start)

    def until_end_s(self, second: int) -> int:
        """Return how long they last from a second of the day on; 0 when it is outside."""
        since = (second - self.start * _MINUTE_S) % _DAY_S
        return max(0, (self.end - self.start) * _MINUTE_S % _DAY_S - since)


def read_hours(text: str) -> Hours:
    """Read `22:00-08:00`; `24:00` is midnight.

    Raises:
        ValueError: it is not of that form, or both times are the same.
    """
    start, dash, end = text.partition("-")
    hours = Hours(_minute_of(start), _minute_of(end)) if dash else None
    if hours is None or hours.start == hours.end:
        raise ValueError("must be two different times of day, for example 22:00-08:00")
    return hours


def blocked_hours(send_window: Hours | None, quiet_hours: Hours | None) -> tuple[Hours, ...]:
    """Return the hours in which nothing is sent."""
    found = (quiet_hours, None if send_window is None else send_window.rest)
    return tuple(hours for hours in found if hours is not None)


def any_left(blocked: Sequence[Hours]) -> bool:
    """Return whether a day has a minute that is not blocked."""
    return any(
        not any(hours.until_end_s(minute * _MINUTE_S) for hours in blocked)
        for minute in range(_DAY_S // _MINUTE_S)
    )


def is_blocked(moment: int, blocked: Iterable[Hours], zones: Iterable[ZoneInfo]) -> bool:
    """Return whether an instant lies in blocked hours of any of the zones."""
    hours, walls = tuple(blocked), [_wall(moment, zone) for zone in zones]
    return any(one.until_end_s(_second_of(wall)) for one in hours for wall in walls)


def first_free(moment: int, blocked: Sequence[Hours], zones: Sequence[ZoneInfo]) -> int | None:
    """Return the first instant, this one or later, outside blocked hours in all zones.

    Args:
        moment: microseconds.
        blocked: hours in which nothing is sent, by each zone's wall clock.
        zones: all in which the recipient may be.

    Returns:
        Microseconds; None when a week has no such instant.
    """
    found = moment
    while found - moment <= _FARTHEST:
        ends = [_end_of(found, hours, zone) for hours in blocked for zone in zones]
        latest = max(ends, default=found)
        if latest == found:
            return found
        found = latest
    return None


def wall_clock(moment: int, zone: ZoneInfo) -> str:
    """Write the time of day in a zone, `07:59`."""
    return _wall(moment, zone).strftime("%H:%M")


def _end_of(moment: int, hours: Hours, zone: ZoneInfo) -> int:
    """Return when the hours end in which an instant lies; the instant itself for none."""
    wall = _wall(moment, zone)
    left_s = hours.until_end_s(_second_of(wall))
    if not left_s:
        return moment
    # To the whole second: the wall clock's fraction is that of the instant.
    start = moment - moment % SECOND
    end = start + left_s * SECOND
    jump = _offset(end, zone) - _offset(start, zone)
    if jump == 0:
        return end
    change = _change(start, end, zone)
    if jump < 0:  # an hour comes twice: anyone who asks again from there finds whether they go on
        return change
    # The clocks go forward: the end comes sooner, or at the very change when it is left out.
    return max(end - jump * SECOND, change)


def _change(start: int, end: int, zone: ZoneInfo) -> int:
    """Find the instant between two at which a zone's offset is that of the later one."""
    after = _offset(end, zone)
    while end - start > SECOND:
        middle = start + (end - start) // (2 * SECOND) * SECOND
        if _offset(middle, zone) == after:
            end = middle
        else:
            start = middle
    return end


def _wall(moment: int, zone: ZoneInfo) -> datetime:
    return (_EPOCH + timedelta(microseconds=moment)).astimezone(zone)


def _offset(moment: int, zone: ZoneInfo) -> int:
    offset = _wall(moment, zone).utcoffset()
    return 0 if offset is None else int(offset.total_seconds())


def _second_of(wall: datetime) -> int:
    return (wall.hour * 60 + wall.minute) * _MINUTE_S + wall.second


def _minute_of(text: str) -> int:
    hour, colon, minute = text.strip().partition(":")
    digits = f"{hour}{minute}"
    if not colon or not (digits.isascii() and digits.isdigit()) or len(minute) != len("00"):
        raise ValueError("must be two different times of day, for example 22:00-08:00")
    total = int(hour) * 60 + int(minute)
    if int(minute) >= 60 or total > 24 * 60:  # noqa: PLR2004 - minutes, hours
        raise ValueError("must be two different times of day, for example 22:00-08:00")
    return total % (24 * 60)


def _write(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
