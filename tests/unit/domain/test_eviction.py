"""What leaves the quarantine: rows of whoever fills it, whatever addresses that one has."""

from collections import Counter
from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.domain.eviction import QuarantinedRow, Room, choose
from receiver.domain.steps import finish

ROOM = Room(rows=80, size=80_000)

Source = tuple[str, str, str]  # application, trust, address
FEW = 10

PLATFORM = ("shop", "token", "117.78.29.5")
STRANGER = ("shop", "open", "203.0.113.9")
OTHER = ("desk", "token", "192.0.2.1")
SIGNED = ("desk", "signed", "124.70.27.1")


def addresses(application: str, trust: str, pattern: str) -> Iterator[Source]:
    """Return as many addresses as a flood wants, of a pattern with the numbers a and b."""
    for n in range(1000):
        yield application, trust, pattern.format(a=n % 250, b=n // 250, n=n)


def held(*sources: Source, size: int = 1, first: int = 1) -> list[QuarantinedRow]:
    """Make rows of sources, in order of their arrival."""
    return [QuarantinedRow(first + n, *source, size) for n, source in enumerate(sources)]


def staying(rows: Iterable[QuarantinedRow], room: Room = ROOM) -> list[QuarantinedRow]:
    """Return the rows that are not chosen to go."""
    rows = list(rows)
    going = set(finish(choose(rows, room)))
    return [row for row in rows if row.id not in going]


FLOODS = [
    pytest.param(OTHER, [PLATFORM] * 1000, id="of another application"),
    pytest.param(PLATFORM, [("shop", "token", "198.51.100.7")] * 1000, id="of another address"),
    pytest.param(PLATFORM, addresses("shop", "token", "198.51.{b}.{a}"), id="of an IPv4 network"),
    pytest.param(PLATFORM, addresses("shop", "token", "2001:db8:{n:x}::1"), id="of an IPv6 /32"),
    pytest.param(PLATFORM, addresses("shop", "token", "2001:db8:1:{n:x}::1"),
                 id="of an IPv6 /48"),
    pytest.param(PLATFORM, addresses("shop", "token", "2001:db8:1:1::{n:x}"),
                 id="of an IPv6 /64"),
    pytest.param(PLATFORM, addresses("shop", "token", "::ffff:198.51.{b}.{a}"),
                 id="of IPv4 addresses written as IPv6"),
    pytest.param(SIGNED, addresses("desk", "token", "198.51.{b}.{a}"), id="beside signed pushes"),
    pytest.param(PLATFORM, addresses("shop", "open", "{a}.{b}.1.1"), id="of strangers everywhere"),
    pytest.param(STRANGER, [PLATFORM] * 1000, id="trusted, beside a stranger"),
    pytest.param(STRANGER, addresses("shop", "open", "198.51.{b}.{a}"), id="of other strangers"),
    pytest.param(("shop", "token", "no address"), [PLATFORM] * 1000, id="beside no address"),
]  # fmt: skip


@pytest.mark.parametrize(("source", "flood"), FLOODS)
def test_a_flood_takes_no_room_from_others(source: Source, flood: Iterable[Source]) -> None:
    """Rows of a source that keeps little stay, however many newer ones another one sends."""
    rows = held(*[source] * FEW, *flood)
    kept = staying(rows)
    assert [row.id for row in kept if row.id <= FEW] == list(range(1, FEW + 1))
    assert len(kept) <= ROOM.rows


def test_strangers_take_nothing_from_the_trusted() -> None:
    """Pushes by a guessable token get a part of their own, and what is left, never more."""
    rows = held(*[PLATFORM] * 70, *addresses("shop", "open", "{a}.{b}.1.1"))
    assert Counter(row.trust for row in staying(rows)) == {"token": 70, "open": 10}
    assert len(staying(held(*[STRANGER] * 100))) == ROOM.rows


def test_verified_pushes_are_one_source_whatever_their_address() -> None:
    """The platform's many addresses share the room in order of arrival."""
    rows = held(*addresses("shop", "signed", "{a}.{b}.1.1"))
    assert [row.id for row in staying(rows)] == list(range(931, 1001))


def test_the_newest_rows_of_a_source_stay() -> None:
    """Within one source the oldest go first."""
    assert [row.id for row in staying(held(*[PLATFORM] * 100))] == list(range(31, 101))


def test_bytes_are_bounded_as_rows_are() -> None:
    """Large bodies go although there is room for more rows; those of small sources stay."""
    rows = held(*[OTHER] * FEW, size=100) + held(*[PLATFORM] * 50, size=20_000, first=11)
    kept = staying(rows)
    assert sum(row.size for row in kept) <= ROOM.size
    assert Counter(row.application for row in kept) == {"desk": FEW, "shop": 3}


ROWS = st.lists(
    st.tuples(
        st.sampled_from(["shop", "desk"]),
        st.sampled_from(["open", "token", "allowlisted", "signed"]),
        st.one_of(st.ip_addresses().map(str), st.text(max_size=5)),
        st.integers(0, 500),
    ),
    max_size=60,
)


@given(rows=ROWS, room=st.builds(Room, rows=st.integers(1, 40), size=st.integers(0, 5000)))
def test_what_stays_fits(rows: list[tuple[str, str, str, int]], room: Room) -> None:
    """Any rows fit into any room afterwards, and none goes where all fit before."""
    all_rows = [QuarantinedRow(n, *row) for n, row in enumerate(rows)]
    kept = staying(all_rows, room)
    assert len(kept) <= room.rows
    assert sum(row.size for row in kept) <= room.size
    reserved = Room(room.rows - room.rows // 8, room.size - room.size // 8)
    if len(rows) <= reserved.rows and sum(row.size for row in all_rows) <= reserved.size:
        assert kept == all_rows
