"""Which rows of the quarantine are evicted when it is full.

The room is shared between sources: each may keep an equal part, and what small sources leave goes
to large ones. So a source that sends much loses its own oldest rows, never those of others. A
source is an application and the network that pushes for it, from a wide network to the single
address: many addresses of one network are one source. Verified pushes of an application (from an
address of `allow_from`, or signed) are one source, whatever their address.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import NamedTuple

from receiver.domain.inputs import Trust
from receiver.domain.steps import Steps

_PART_OF_STRANGERS = 8  # one part in so many is theirs alone, and all that others leave
_VERIFIED = frozenset({Trust.ALLOWLISTED, Trust.SIGNED})
_IPV4_PREFIXES = (16, 24, 32)
_IPV6_PREFIXES = (32, 48, 64)  # anyone who has one address of a /64 has all of it
_PEERS_KEPT = 1024


class QuarantinedRow(NamedTuple):
    """A row of the quarantine, as far as its eviction depends on it."""

    id: int  # the newer the higher
    application: str
    trust: str
    peer: str
    size: int  # bytes that are kept


@dataclass(frozen=True, slots=True)
class Room:
    """How much may be kept."""

    rows: int
    size: int  # bytes


_Source = tuple[str, ...]  # from the widest to the narrowest, always as many
_Sourced = tuple[_Source, QuarantinedRow]
_Cost = Callable[[QuarantinedRow], int]


def choose(held: Iterable[QuarantinedRow], room: Room) -> Steps[list[int]]:
    """Return the ids of the rows that must go so that the others fit into the room."""
    newest_first = sorted(held, key=lambda row: row.id, reverse=True)
    kept: list[_Sourced] = []
    for row in newest_first:
        kept.append((_source_of(row), row))
        yield
    kept = yield from _share_with_strangers(kept, room.rows, lambda _: 1)
    kept = yield from _share_with_strangers(kept, room.size, lambda row: row.size)
    staying = {row.id for _, row in kept}
    return [row.id for row in newest_first if row.id not in staying]


def _share_with_strangers(
    rows: Sequence[_Sourced], room: int, cost: _Cost
) -> Steps[list[_Sourced]]:
    """Let pushes by a token that can be guessed take no room from others, nor lose theirs."""
    strangers = [one for one in rows if one[1].trust == Trust.OPEN]
    others = [one for one in rows if one[1].trust != Trust.OPEN]
    kept = yield from _share(others, room - room // _PART_OF_STRANGERS, cost, 0)
    left = room - _total(kept, cost)
    return kept + (yield from _share(strangers, left, cost, 0))


def _share(rows: Sequence[_Sourced], room: int, cost: _Cost, level: int) -> Steps[list[_Sourced]]:
    """Return the rows that stay, newest first within a source.

    Args:
        rows: of sources that are the same above the level.
        room: for all of them.
        cost: how much of the room a row takes.
        level: of the sources, between which the room is shared.
    """
    yield
    if _total(rows, cost) <= room:
        return list(rows)
    if level == len(rows[0][0]):
        return _newest(rows, room, cost)
    groups: dict[str, list[_Sourced]] = {}
    for one in rows:
        groups.setdefault(one[0][level], []).append(one)
    kept: list[_Sourced] = []
    smallest_first = sorted(groups.values(), key=lambda group: _total(group, cost))
    for behind, group in zip(range(len(groups), 0, -1), smallest_first, strict=True):
        stays = yield from _share(group, room // behind, cost, level + 1)
        room -= _total(stays, cost)
        kept += stays
    return kept


def _newest(rows: Iterable[_Sourced], room: int, cost: _Cost) -> list[_Sourced]:
    kept = []
    for one in rows:
        if (taken := cost(one[1])) <= room:
            room -= taken
            kept.append(one)
    return kept


def _total(rows: Iterable[_Sourced], cost: _Cost) -> int:
    return sum([cost(row) for _, row in rows])


def _source_of(row: QuarantinedRow) -> _Source:
    networks = (row.trust,) * 3 if row.trust in _VERIFIED else _networks_of(row.peer)
    return row.application, *networks


@lru_cache(maxsize=_PEERS_KEPT)
def _networks_of(peer: str) -> _Source:
    """Return the networks that an address lies in, the widest first."""
    try:
        address = ip_address(peer.partition("%")[0])
    except ValueError:
        return (peer,) * 3
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    prefixes = _IPV6_PREFIXES if isinstance(address, IPv6Address) else _IPV4_PREFIXES
    bits, number = address.max_prefixlen, int(address)
    return tuple([f"{number >> bits - length:x}/{bits}.{length}" for length in prefixes])
