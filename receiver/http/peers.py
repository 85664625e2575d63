"""The client of a connection: addresses, networks, and the headers of proxies."""

from collections.abc import Iterable, Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network

FORWARDED_FOR = b"x-forwarded-for"
_HOST_BITS = 64  # of an IPv6 address
_MOST_HOPS = 32  # of a chain of proxies; a longer one is a stranger's


class Networks:
    """Some networks; an IPv4 address is the same when it is written as an IPv6 one."""

    __slots__ = ("_networks",)

    def __init__(self, networks: Iterable[str] = ()) -> None:
        """Read networks.

        Args:
            networks: in CIDR form, or single addresses.

        Raises:
            ValueError: one is neither.
        """
        self._networks: tuple[IPNetwork, ...] = tuple(ip_network(one) for one in networks)

    def __bool__(self) -> bool:
        return bool(self._networks)

    def __contains__(self, address: object) -> bool:
        if not self._networks:
            return False  # as for nearly every new connection; to read an address takes longer
        known = read_address(address) if isinstance(address, str) else None
        return known is not None and any(
            known.version == network.version and known in network for network in self._networks
        )


def read_address(text: str) -> IPAddress | None:
    """Read an address, as a socket or a proxy writes it; None when it is none."""
    plain = text.strip().partition("%")[0]  # without the zone of a link-local one
    try:
        address = ip_address(plain)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def group_of(address: str) -> str:
    """Return the group of an address where strangers are bounded: of IPv6 the whole /64.

    A customer of a network gets at least that much, so single addresses of it bound nobody.
    """
    if ":" not in address:
        return address
    known = read_address(address)
    if not isinstance(known, IPv6Address):
        return address if known is None else str(known)
    return str(IPv6Network((int(known) >> _HOST_BITS << _HOST_BITS, 128 - _HOST_BITS)))


def client_of(peer: str, forwarded: Sequence[bytes], trusted: Networks) -> str:
    """Return the address of the client, which a proxy tells by X-Forwarded-For.

    Each proxy adds whom it heard from at the end; so the chain is read from there, for as long as
    it names proxies of our own. What a stranger wrote further ahead is never reached.

    Args:
        peer: the address at the other end of the connection.
        forwarded: the values of the header, in their order.
        trusted: our own proxies.
    """
    client = peer
    if peer not in trusted:
        return client
    hops = b",".join(forwarded).decode("latin-1").split(",")
    for hop in reversed(hops[-_MOST_HOPS:]):
        address = read_address(_without_port(hop.strip()))
        if address is None:
            return client
        client = str(address)
        if client not in trusted:
            return client
    return client


def _without_port(text: str) -> str:
    """Take off what some proxies add: `192.0.2.1:51234`, `[2001:db8::1]:51234`."""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    host, colon, port = text.rpartition(":")
    return host if colon and "." in host and port.isdigit() else text
