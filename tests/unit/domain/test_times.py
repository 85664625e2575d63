"""Instants: RFC 3339 at the edges, microseconds since the epoch inside."""

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.domain.times import (
    SECOND,
    TimeError,
    parse,
    parse_moment,
    parse_zoned,
    to_rfc3339,
)

MOMENT = 1_523_601_106_000_000  # 2018-04-13T06:31:46Z
FIRST = -62_135_596_800 * SECOND  # 0001-01-01T00:00:00Z
LAST = 253_402_300_800 * SECOND - 1  # 9999-12-31T23:59:59.999999Z


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        pytest.param("2018-04-13T06:31:46Z", MOMENT, id="as the platform writes"),
        pytest.param("2018-04-13T06:31:46+00:00", MOMENT, id="numeric UTC"),
        pytest.param("2018-04-13T14:31:46+08:00", MOMENT, id="Beijing: 14:31 - 8 h"),
        pytest.param("2018-04-13T06:31:46", MOMENT, id="no offset means UTC"),
        pytest.param("2018-04-13 06:31:46Z", MOMENT, id="blank instead of T"),
        pytest.param("2018-04-13T06:31:46.5Z", MOMENT + SECOND // 2, id="half a second"),
        pytest.param("2018-04-13T06:31:46.000001Z", MOMENT + 1, id="one microsecond"),
        pytest.param("1970-01-01T00:00:00Z", 0, id="the epoch"),
        pytest.param("1969-12-31T23:59:59.999999Z", -1, id="before the epoch"),
        pytest.param("2016-02-29", 1_456_704_000 * SECOND, id="a date is its first instant"),
    ],
)
def test_parse(text: str, micros: int) -> None:
    """A time is read as microseconds since the epoch, UTC."""
    assert parse(text) == micros


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("2026-11-30 16:00:00", "2026-11-30T16:00:00Z for UTC", id="blank"),
        pytest.param("2026-11-30T16:00:00", "2026-11-30T16:00:00+08:00", id="no zone"),
        pytest.param("2026-11-30", "2026-11-30T00:00:00Z for UTC", id="a date"),
        pytest.param("20261130", "2026-11-30T00:00:00Z for UTC", id="a date in one"),
        pytest.param("yesterday", "RFC 3339", id="no time"),
        pytest.param("", "RFC 3339", id="empty"),
    ],
)
def test_a_time_without_a_zone_is_refused_where_nobody_knows_whose_it_is(
    text: str, said: str
) -> None:
    """The reason shows the same time as it should be written."""
    with pytest.raises(TimeError, match=re.escape(said)):
        parse_zoned(text)


def test_a_time_with_its_zone_is_read() -> None:
    """Any offset will do, and Z."""
    assert parse_zoned("2018-04-13T14:31:46+08:00") == parse_zoned("2018-04-13t06:31:46z") == MOMENT


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "yesterday",
        "0",
        "1523601106",
        "2018-04-13T06:31:46+24:00",
        "2018-13-01T00:00:00Z",
        "2018-02-29T00:00:00Z",
        "2018-04-13T25:00:00Z",
        "2018-04-13T06:31:60Z",
        "2018-04-13T06:31:46ZZ",
        "2018-04-13T06:31:46 GMT",
        "10000-01-01T00:00:00Z",
        "-2018-04-13T06:31:46Z",
        "\uff12\uff10\uff11\uff18-04-13T06:31:46Z",
        "2018-04-13\ud80006:31:46\ud800",
        100_000 * "9",
    ],
)
def test_odd_texts_are_no_times(text: str) -> None:
    """What is no time gives None, never an error."""
    assert parse(text) is None


@given(st.text(st.characters(codec=None, exclude_categories=())) | st.text("0123456789-:+.TWZ "))
def test_any_text_is_a_time_or_none(text: str) -> None:
    """Any text at all gives a time that can be written again, or None."""
    micros = parse(text)

    assert micros is None or parse(to_rfc3339(micros)) == micros


@given(st.integers(FIRST, LAST))
def test_written_times_read_back(micros: int) -> None:
    """Every instant of the years 1 to 9999 survives being written."""
    text = to_rfc3339(micros)

    assert text.endswith("Z")
    assert parse(text) == micros


@given(st.datetimes(timezones=st.timezones() | st.just(UTC)))
def test_offsets_are_converted(moment: datetime) -> None:
    """A time with any offset is the same instant in UTC, or None beyond the years 1 to 9999."""
    micros = parse(moment.isoformat())
    seconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()

    if micros is None:
        assert not FIRST <= round(seconds * SECOND) <= LAST
    else:
        assert abs(micros / SECOND - seconds) < 1e-3  # as exact as a float is over 8,000 years
        assert parse(to_rfc3339(micros)) == micros


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00"])
def test_times_that_utc_cannot_write(text: str) -> None:
    """A time that falls out of the years 1 to 9999 in UTC is no time: it could not be written."""
    assert parse(text) is None


@pytest.mark.parametrize(
    ("micros", "text"),
    [
        (MOMENT, "2018-04-13T06:31:46Z"),
        (MOMENT + 1, "2018-04-13T06:31:46.000001Z"),
        (0, "1970-01-01T00:00:00Z"),
        (-1, "1969-12-31T23:59:59.999999Z"),
        (FIRST, "0001-01-01T00:00:00Z"),
        (LAST, "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_to_rfc3339(micros: int, text: str) -> None:
    """Fractions appear only when there are any; the offset is always Z."""
    assert to_rfc3339(micros) == text


@pytest.mark.parametrize(
    "text",
    [
        *("2018-04-13T06:31:46Z", "2018-04-13 06:31:46", "2018-04-13t06:31:46.5z"),
        *("20180413T063146Z", "2018-04-13T06:31Z", "2018-W15-5T06:31:46Z", "2018-04-13_06:31:46"),
    ],
)
def test_moments(text: str) -> None:
    """A date with hour and minute is an instant."""
    assert parse_moment(text) == parse(text) is not None


@pytest.mark.parametrize(
    "text",
    [
        *("2018-04-13", "20180413", "2018-W15", "2018-W15-5", "2018W155", "2018-04", "2018"),
        *("2018-04-13T06", "2018-04-13T06Z", "2018-04-13T06+08:00", "2018-04-13T", "06:31:46", ""),
    ],
)
def test_no_time_of_day_is_made_up(text: str) -> None:
    """A date, or an hour, is no instant."""
    assert parse_moment(text) is None


@given(st.text("0123456789-:+.TWZ ") | st.datetimes().map(str) | st.dates().map(str))
def test_a_moment_is_a_time(text: str) -> None:
    """Whatever is a moment is the time that it is read as; a date alone never is."""
    assert parse_moment(text) in (None, parse(text))
    assert len(text) > len("2018-04-13") or parse_moment(text) is None
