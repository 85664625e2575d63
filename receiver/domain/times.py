"""Instants as integer microseconds since the Unix epoch, UTC.

One representation from the wire to the store: it compares, sorts and subtracts without a time
zone to forget, and SQLite and PostgreSQL keep it alike. RFC 3339 appears only at the edges.
"""

from datetime import UTC, datetime, timedelta

SECOND = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def parse(text: str) -> int | None:
    """Read an RFC 3339 or ISO 8601 time; a missing offset means UTC. None when it is no time."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    try:
        return (moment - _EPOCH) // _MICROSECOND
    except OverflowError:
        return None


def to_rfc3339(micros: int) -> str:
    """Write an instant as RFC 3339 UTC; fractions appear only when there are any."""
    moment = _EPOCH + timedelta(microseconds=micros)
    return moment.isoformat().replace("+00:00", "Z")
