"""Whose address it is: what our own proxies say is believed, what strangers say is not."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.http.peers import Networks, client_of, group_of, read_address

PROXIES = Networks(["10.0.0.0/8", "fd00::/8"])

CLIENTS: list[Any] = [
    pytest.param("192.0.2.7", [b"198.51.100.1"], "192.0.2.7", id="a stranger's word"),
    pytest.param("192.0.2.7", [], "192.0.2.7", id="no word"),
    pytest.param("10.0.0.5", [], "10.0.0.5", id="a proxy that says nothing"),
    pytest.param("10.0.0.5", [b"192.0.2.7"], "192.0.2.7", id="a proxy's word"),
    pytest.param("10.0.0.5", [b"203.0.113.9, 192.0.2.7"], "192.0.2.7",
                 id="what a client claimed stands further ahead"),
    pytest.param("10.0.0.5", [b"192.0.2.7, 10.0.0.9"], "192.0.2.7", id="two proxies"),
    pytest.param("10.0.0.5", [b"192.0.2.7", b"10.0.0.9"], "192.0.2.7", id="two headers"),
    pytest.param("10.0.0.5", [b"10.0.0.9"], "10.0.0.9", id="a proxy as the client"),
    pytest.param("10.0.0.5", [b"192.0.2.7:51234"], "192.0.2.7", id="with a port"),
    pytest.param("10.0.0.5", [b"[2001:db8::1]:51234"], "2001:db8::1", id="IPv6 with a port"),
    pytest.param("10.0.0.5", [b"2001:db8::1"], "2001:db8::1", id="IPv6"),
    pytest.param("fd00::5", [b"192.0.2.7"], "192.0.2.7", id="a proxy by IPv6"),
    pytest.param("::ffff:10.0.0.5", [b"192.0.2.7"], "192.0.2.7", id="a proxy, mapped"),
    pytest.param("10.0.0.5", [b"unknown"], "10.0.0.5", id="no address"),
    pytest.param("10.0.0.5", [b"192.0.2.7, unknown"], "10.0.0.5", id="no address at the end"),
    pytest.param("10.0.0.5", [b""], "10.0.0.5", id="empty"),
    pytest.param("10.0.0.5", [b"192.0.2.7,"], "10.0.0.5", id="empty at the end"),
    pytest.param("", [b"192.0.2.7"], "", id="no peer"),
]  # fmt: skip


@pytest.mark.parametrize(("peer", "forwarded", "client"), CLIENTS)
def test_the_address_of_the_client(peer: str, forwarded: list[bytes], client: str) -> None:
    """The last address that no proxy of ours stands for."""
    assert client_of(peer, forwarded, PROXIES) == client


@given(st.lists(st.binary(max_size=40), max_size=4))
def test_a_stranger_never_becomes_somebody_else(forwarded: list[bytes]) -> None:
    """Whatever a peer that is no proxy sends, its address stays."""
    assert client_of("192.0.2.7", forwarded, PROXIES) == "192.0.2.7"


@given(st.lists(st.binary(max_size=40), max_size=4))
def test_the_word_of_the_last_proxy_counts(forwarded: list[bytes]) -> None:
    """Whatever stands ahead of what our proxy added is not reached."""
    assert client_of("10.0.0.5", [*forwarded, b"192.0.2.7"], PROXIES) == "192.0.2.7"


@pytest.mark.parametrize(
    ("address", "inside"),
    [
        pytest.param("10.1.2.3", True, id="inside"),
        pytest.param("11.0.0.1", False, id="outside"),
        pytest.param("::ffff:10.1.2.3", True, id="mapped"),
        pytest.param("fd12::1%eth0", True, id="with a zone"),
        pytest.param("", False, id="none"),
        pytest.param("nonsense", False, id="no address"),
        pytest.param(None, False, id="no text"),
    ],
)
def test_networks(address: Any, inside: bool) -> None:
    """An address in any writing is in a network or not; what is none is in none."""
    assert (address in PROXIES) is inside


@pytest.mark.parametrize(
    ("address", "group"),
    [
        pytest.param("192.0.2.7", "192.0.2.7", id="IPv4 stands for itself"),
        pytest.param("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64", id="IPv6 for its /64"),
        pytest.param("2001:db8:1:2::1", "2001:db8:1:2::/64", id="another one of it"),
        pytest.param("::ffff:192.0.2.7", "192.0.2.7", id="mapped"),
        pytest.param("nonsense:x", "nonsense:x", id="none"),
        pytest.param("", "", id="empty"),
    ],
)
def test_whom_an_address_stands_for(address: str, group: str) -> None:
    """Bounds hold for what one customer of a network has."""
    assert group_of(address) == group


def test_an_address_is_read() -> None:
    """Blanks around it do no harm."""
    assert str(read_address(" 192.0.2.7 ")) == "192.0.2.7"
