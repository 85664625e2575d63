"""Rows of the journal, read from raw pages that SQLite no longer finds.

The format: https://www.sqlite.org/fileformat2.html, "B-tree Pages" and "Record Format".
"""

import mmap
import struct
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from receiver.journal.entries import FoundRow, read_row

Fetch = Callable[[int], bytes | None]  # the page of a number; None: there is none

PAGE_SIZES = frozenset(1 << n for n in range(9, 17))
USUAL_PAGE_SIZE = 4096

_HEADER_BYTES = 100  # of the file, before the b-tree of page 1
_TABLE_LEAF = 13
_COLUMNS = frozenset({8, 9})  # rows of older versions have no checksum
_NULL = 0  # serial type: the position stands in the key, not in the record
_MAX_VARINT = 9
_MORE = 0x80  # the bit of a byte that says another one follows
_FIXED = {0: 0, 1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8, 7: 8, 8: 0, 9: 0}  # serial type: bytes
_FLOAT, _ZERO, _FIRST_OF_ANY_SIZE = 7, 8, 12
_U16, _U32, _F64 = struct.Struct(">H"), struct.Struct(">I"), struct.Struct(">d")


def read_rows(page: bytes, fetch: Fetch) -> Iterator[FoundRow]:
    """Return the rows of the journal's table that a page holds; of another page none.

    A cell that is damaged, or whose overflow pages are, is left out.

    Args:
        page: as it stands in the file.
        fetch: for the overflow pages.
    """
    if len(page) < USUAL_PAGE_SIZE // 8 or page[0] != _TABLE_LEAF:
        return
    (cells,) = _U16.unpack_from(page, 3)
    for number in range(min(cells, len(page) // 4)):
        try:
            (at,) = _U16.unpack_from(page, 8 + 2 * number)
            row = _read_cell(page, at, fetch)
        except (IndexError, ValueError, struct.error):
            continue
        if row is not None:
            yield row


def _read_cell(page: bytes, at: int, fetch: Fetch) -> FoundRow | None:
    size, at = _read_varint(page, at)
    position, at = _read_varint(page, at)
    payload = _read_payload(page, at, size, fetch)
    header, place = _read_varint(payload, 0)
    types: list[int] = []
    while place < header:
        one, place = _read_varint(payload, place)
        types.append(one)
    if len(types) not in _COLUMNS or types[0] != _NULL or position <= 0:
        return None
    values: list[object] = []
    for one in types[1:]:
        value, place = _read_value(payload, place, one)
        values.append(value)
    if place != len(payload):
        return None
    return read_row(position, *values)


def _read_payload(page: bytes, at: int, size: int, fetch: Fetch) -> bytes:
    usable = len(page)
    local = size
    if size > usable - 35:
        least = (usable - 12) * 32 // 255 - 23
        local = least + (size - least) % (usable - 4)
        if local > usable - 35:
            local = least
    payload = page[at : at + local]
    if len(payload) != local:
        raise ValueError("the cell runs over the page")
    if local == size:
        return payload
    (following,) = _U32.unpack_from(page, at + local)
    parts, left = [payload], size - local
    while left > 0:
        overflow = fetch(following) if following else None
        if overflow is None:
            raise ValueError("the overflow chain is broken")
        parts.append(overflow[4 : 4 + min(left, usable - 4)])
        left -= len(parts[-1])
        (following,) = _U32.unpack_from(overflow)
    return b"".join(parts)


def _read_value(payload: bytes, at: int, kind: int) -> tuple[object, int]:
    size = _FIXED[kind] if kind in _FIXED else (kind - _FIRST_OF_ANY_SIZE) // 2
    data = payload[at : at + size]
    if size < 0 or len(data) != size:
        raise ValueError("the record is cut off")
    after = at + size
    if kind >= _FIRST_OF_ANY_SIZE:
        return (data if kind % 2 == 0 else data.decode(errors="replace")), after
    if kind == _FLOAT:
        return _F64.unpack(data)[0], after
    if kind >= _ZERO:
        return kind - _ZERO, after
    return (None if kind == _NULL else int.from_bytes(data, "big", signed=True)), after


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for place in range(_MAX_VARINT):
        byte = data[at + place]
        if place == _MAX_VARINT - 1:
            value = value << 8 | byte
            return (value - (1 << 64) if value >> 63 else value), at + _MAX_VARINT
        value = value << 7 | byte & ~_MORE
        if not byte & _MORE:
            return value, at + place + 1
    raise ValueError("unreachable")


def scan(
    path: Path, newer: Mapping[int, bytes], maybe_yield: Callable[[], None]
) -> Iterator[FoundRow]:
    """Return all rows found on any page of a file that is not free, in no order (blocking).

    Args:
        path: the file, however damaged.
        newer: pages that stand in its write-ahead log, by number.
        maybe_yield: called after each page.
    """
    with path.open("rb") as file:
        if path.stat().st_size == 0:
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            size = _page_size(data)

            def fetch(number: int) -> bytes | None:
                page = newer.get(number) or data[(number - 1) * size : number * size]
                return page if len(page) == size else None

            count = max([len(data) // size, *newer])
            free = _free_pages(fetch, count)
            for number in range(2, count + 1):
                page = fetch(number)
                if page is not None and number not in free:
                    yield from read_rows(page, fetch)
                maybe_yield()


def _page_size(data: mmap.mmap) -> int:
    (size,) = _U16.unpack_from(data[16:18].ljust(2, b"\0"))
    size = 1 << 16 if size == 1 else size
    return size if size in PAGE_SIZES else USUAL_PAGE_SIZE


def _free_pages(fetch: Fetch, count: int) -> set[int]:
    """Return the pages of the free list: what was deleted must not come back."""
    first = fetch(1)
    free: set[int] = set()
    trunk = 0 if first is None else _U32.unpack_from(first, 32)[0]
    while 1 < trunk <= count and trunk not in free and (page := fetch(trunk)) is not None:
        free.add(trunk)
        (trunk, leaves) = struct.unpack_from(">II", page)
        leaves = min(leaves, len(page) // 4 - 2)
        free.update(struct.unpack_from(f">{leaves}I", page, 8))
    return free
