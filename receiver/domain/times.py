"""Instants as integer microseconds since the Unix epoch, UTC.

One representation from the wire to the store: it compares, sorts and subtracts without a time
zone to forget, and SQLite and PostgreSQL keep it alike. RFC 3339 appears only at the edges.
"""

import re
from datetime import UTC, datetime, timedelta

SECOND = 1_000_000
HOUR = 3600 * SECOND
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = datetime.max.replace(tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# A date of any kind, one sign between, hour and minute: without them an instant is a guess.
_TO_THE_MINUTE = re.compile(r"[0-9Ww-]{7,10}[^0-9+-][0-9]{2}:?[0-9]{2}")
FIRST = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
LAST = (_LAST - _EPOCH) // _MICROSECOND  # that RFC 3339 can write


class TimeError(ValueError):
    """A text is no time for certain; the message completes "`since` must be ..."."""


def parse(text: str) -> int | None:
    """Read an RFC 3339 or ISO 8601 time; a missing offset means UTC. None when it is no time."""
    try:
        moment = datetime.fromisoformat(text.upper())
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return (moment.astimezone(UTC) - _EPOCH) // _MICROSECOND
    except (ValueError, OverflowError):  # no time, or one outside the years 1 to 9999 of UTC
        return None


def names_zone(text: str) -> bool:
    """Return whether a time, as `parse` reads it, says by which clock it is meant."""
    try:
        return datetime.fromisoformat(text.upper()).tzinfo is not None
    except ValueError:
        return False


def parse_zoned(text: str) -> int:
    """Read an RFC 3339 time of somebody whose time zone is not known.

    Raises:
        TimeError: it is no time, or does not name its zone.
    """
    moment = parse(text)
    if moment is None:
        raise TimeError("an RFC 3339 time such as 2026-01-31T08:00:00Z")
    if not names_zone(text):
        utc = to_rfc3339(moment)
        raise TimeError(
            f"a time with its zone: {utc} for UTC, or {utc.removesuffix('Z')}+08:00 for that of "
            "China (in a URL `+` is written %2B)"
        )
    return moment


def parse_moment(text: str) -> int | None:
    """Read a time as `parse`; None also for a date, or an hour, without the time of day."""
    return parse(text) if _TO_THE_MINUTE.match(text) else None


def to_rfc3339(micros: int) -> str:
    """Write an instant as RFC 3339 UTC; fractions appear only when there are any.

    What RFC 3339 cannot write, because it lies after the year 9999, becomes the last it can.
    """
    moment = _EPOCH + min(timedelta(microseconds=micros), _LAST - _EPOCH)
    return moment.isoformat().replace("+00:00", "Z")
