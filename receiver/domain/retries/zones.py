"""The time zones in which a phone number may be."""

from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import phonenumbers
from phonenumbers import timezone

_MAINLAND = "+86"
_MAINLAND_ZONE = "Asia/Shanghai"  # the only one, whatever the province
_UNKNOWN = "Etc/Unknown"


def zones_of(number: str | None, otherwise: str) -> tuple[ZoneInfo, ...]:
    """Return every zone in which the owner of an E.164 number may be.

    Args:
        number: `+8615500005172`; what is no number has no zone of its own.
        otherwise: the name of the zone where the number tells none.
    """
    if number is not None and number.startswith(_MAINLAND):
        return (ZoneInfo(_MAINLAND_ZONE),)
    found = _known(number) if number else ()
    return found or (ZoneInfo(otherwise),)


def is_zone(name: str) -> bool:
    """Return whether there is a zone of that name."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # also names that are no path, or a folder
        return False
    return True


@lru_cache(maxsize=4096)
def _known(number: str) -> tuple[ZoneInfo, ...]:
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return ()
    names = timezone.time_zones_for_number(parsed)
    return tuple(ZoneInfo(name) for name in names if name != _UNKNOWN and is_zone(name))
