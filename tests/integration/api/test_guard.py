"""The private listener answers to its own names only, and tells browsers to be careful."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.parts import KEY, Served, a_node, check_problem

HOSTS: list[Any] = [
    pytest.param("localhost", 200, id="localhost"),
    pytest.param("localhost:8081", 200, id="with a port"),
    pytest.param("LOCALHOST", 200, id="in capitals"),
    pytest.param("127.0.0.1:8081", 200, id="an address"),
    pytest.param("10.1.2.3", 200, id="any address: no name leads here"),
    pytest.param("[::1]:8081", 200, id="IPv6"),
    pytest.param("sms.internal:443", 200, id="a name that is set"),
    pytest.param("evil.example", 421, id="another name"),
    pytest.param("localhost.evil.example", 421, id="a name that begins alike"),
    pytest.param("127.0.0.1.evil.example", 421, id="an address that is none"),
    pytest.param("", 421, id="empty"),
    pytest.param("localhost@evil.example", 421, id="with a user"),
    pytest.param("localhost:80@evil.example", 421, id="with a user behind a port"),
    pytest.param("[::1]evil.example", 421, id="behind a bracket"),
    pytest.param("localhost:123456", 421, id="no port"),
]


async def asked(served: Served, host: str, method: str = "GET", **headers: str) -> httpx.Response:
    """Ask by a host."""
    return await served.api.request(method, "/v1/messages", headers={"host": host, **headers})


@pytest.mark.parametrize(("host", "status"), HOSTS)
async def test_the_host_is_checked(tmp_path: Path, host: str, status: int) -> None:
    """Names that a stranger's DNS may lead here are refused, with what to do."""
    async with a_node(tmp_path, api_hosts=["sms.internal"]) as served:
        answer = await asked(served, host)
        assert answer.status_code == status
        if status != 200:
            assert "api_hosts" in check_problem(answer, 421)["detail"]


@pytest.mark.parametrize(
    ("origin", "refused"),
    [
        pytest.param("http://localhost", False, id="our own page"),
        pytest.param("http://localhost:80", False, id="with the usual port"),
        pytest.param("HTTP://LOCALHOST", False, id="in capitals"),
        pytest.param("http://localhost:3000", True, id="another port of this machine"),
        pytest.param("https://localhost", False, id="behind a proxy with TLS"),
        pytest.param("http://127.0.0.1", True, id="the address, which is another origin"),
        pytest.param("http://203.0.113.9", True, id="the page of an address"),
        pytest.param("http://localhost@evil.example", True, id="with a user"),
        pytest.param("https://evil.example", True, id="another page"),
        pytest.param("null", True, id="a sandboxed page"),
        pytest.param("", True, id="empty"),
    ],
)
async def test_pages_of_others_change_nothing(tmp_path: Path, origin: str, refused: bool) -> None:
    """A writing request that a page of another host makes is refused, a reading one is not."""
    async with a_node(tmp_path) as served:
        sent = {"sends": [{"sms_msg_id": "m"}]}
        answer = await served.api.post("/v1/sends", json=sent, headers={"origin": origin})
        assert answer.status_code == (403 if refused else 202), answer.text
        assert (await asked(served, "localhost", origin=origin)).status_code == 200
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("path", ["/v1/messages", "/docs/codes", "/metrics", "/nothing"])
@pytest.mark.parametrize("host", ["localhost", "evil.example"])
async def test_answers_carry_the_usual_headers(tmp_path: Path, path: str, host: str) -> None:
    """No sniffing, no frames, no referrer, no cache, no scripts but our own; refusals too."""
    async with a_node(tmp_path) as served:
        headers = (await served.api.get(path, headers={"host": host})).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert headers["content-security-policy"].startswith("default-src 'none'")


# --- wrong keys ---------------------------------------------------------------------------------


READER = "reader-key-0123456789abcdef"
KEYS = [{"name": "reader", "key": READER, "scopes": ["read"]}]
PROXY: dict[str, Any] = {"api_trusted_proxies": ["192.0.2.7"]}  # the client of the tests


async def ask(served: Served, key: str | None, **headers: str) -> int:
    """Ask with a key; return the status."""
    sent = {"x-forwarded-for": headers["client"]} if headers else {}
    if key is not None:
        sent["authorization"] = f"Bearer {key}"
    answer = await served.api.get("/v1/messages", headers=sent)
    if answer.status_code == 429:
        assert 1 <= int(answer.headers["retry-after"]) <= 60
    return int(answer.status_code)


async def test_wrong_keys_are_slowed(tmp_path: Path) -> None:
    """After some wrong keys no key is looked at, unless this one was lately used from there."""
    async with a_node(tmp_path, api_wrong_keys_per_minute=3, api_keys=KEYS) as served:
        wrong = ["no-key-of-ours"] * 5
        # The node was asked with its own key while it started.
        del served.api.headers["authorization"]
        assert [await ask(served, key) for key in wrong] == [401, 401, 401, 429, 429]
        assert await ask(served, KEY) == 200
        assert await ask(served, READER) == 429  # right, and nobody learns it
        assert await ask(served, None) == 401  # it tries none
        metrics = (await served.api.get("/metrics")).text
    assert 'receiver_api_refused_total{reason="wrong_key"} 4.0' in metrics
    assert 'receiver_api_refused_total{reason="slowed"} 3.0' in metrics


@pytest.mark.parametrize(
    ("guesser", "caller", "status"),
    [
        pytest.param("198.51.100.1", "198.51.100.1", 429, id="the same address"),
        pytest.param("198.51.100.1", "198.51.100.2", 200, id="another address"),
        pytest.param("2001:db8::1", "2001:db8::ffff:1", 429, id="the same /64"),
        pytest.param("2001:db8::1", "2001:db8:0:1::1", 200, id="another /64"),
    ],
)
async def test_callers_behind_a_proxy_stand_apart(
    tmp_path: Path, guesser: str, caller: str, status: int
) -> None:
    """Wrong keys count for the address that a trusted proxy tells, IPv6 by its /64."""
    async with a_node(tmp_path, api_wrong_keys_per_minute=1, api_keys=KEYS, **PROXY) as served:
        assert await ask(served, "no-key-of-ours", client=guesser) == 401
        assert await ask(served, "no-key-of-ours", client=guesser) == 429
        assert await ask(served, READER, client=caller) == status


async def test_a_stranger_s_word_for_its_address_is_not_believed(tmp_path: Path) -> None:
    """Without a trusted proxy X-Forwarded-For gives nobody another address."""
    async with a_node(tmp_path, api_wrong_keys_per_minute=1) as served:
        asked = [await ask(served, "no-key-of-ours", client=f"192.0.2.{n}") for n in range(3)]
    assert asked == [401, 429, 429]
