"""What the private API refuses: always by a problem document that says what to do."""

import json
from typing import Any

import httpx
import pytest

from tests.support.server import KEY, READER, Server, http_client


def ask(server: Server, method: str, path: str, key: str | None, **more: Any) -> httpx.Response:
    """Ask with a key, or with none at all."""
    with http_client(server.api_url, key) as client:
        return client.request(method, path, **more)


def assert_problem(answer: httpx.Response, status: int) -> None:
    """Assert that an answer is a problem document with this status."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json()
    assert document["status"] == status
    assert document["title"]
    assert document["detail"]


@pytest.mark.parametrize("key", [None, "wrong", f"{KEY}x"], ids=["none", "wrong", "longer"])
@pytest.mark.parametrize(
    "path",
    [
        "/v1/messages",
        "/v1/messages/a_1",
        "/v1/uplinks",
        "/v1/quarantine",
        "/v1/codes",
        "/v1/codes/E200027",
    ],
)
def test_without_a_valid_key_nothing_is_shown(
    shared_server: Server, path: str, key: str | None
) -> None:
    """A request without a valid key gets 401 and is told the scheme."""
    answer = ask(shared_server, "GET", path, key)
    assert_problem(answer, 401)
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_reader_may_not_register(shared_server: Server) -> None:
    """A key that may read gets its look-ups, but 403 when it registers."""
    assert ask(shared_server, "GET", "/v1/messages", READER).status_code == 200
    body = b'{"sends":[{"sms_msg_id":"a_1"}]}'
    assert_problem(ask(shared_server, "POST", "/v1/sends", READER, content=body), 403)
    assert ask(shared_server, "POST", "/v1/sends", KEY, content=body).status_code == 202


BAD_REQUESTS: dict[str, tuple[str, str, bytes | None]] = {
    "a registration that is no JSON": ("POST", "/v1/sends", b"{"),
    "a registration of nothing known": ("POST", "/v1/sends", b'{"hello":1}'),
    "a registration without any id": ("POST", "/v1/sends", b'{"sends":[{"to":"+861"}]}'),
    "an unknown application": (
        "POST",
        "/v1/sends",
        b'{"application":"x","sends":[{"sms_msg_id":"a"}]}',
    ),
    "a look-up without ids": ("POST", "/v1/messages/lookup", b"{}"),
    "a look-up that is no JSON": ("POST", "/v1/messages/lookup", b"ids"),
    "a look-up of too many": (
        "POST",
        "/v1/messages/lookup",
        json.dumps({"ids": [str(number) for number in range(1001)]}).encode(),
    ),
    "an unknown state": ("GET", "/v1/messages?state=gone", None),
    "an unknown category": ("GET", "/v1/codes?category=gone", None),
    "a time that is none": ("GET", "/v1/messages?since=yesterday", None),
    "a limit of nothing": ("GET", "/v1/messages?limit=0", None),
    "a limit beyond all": ("GET", "/v1/messages?limit=1001", None),
    "a cursor that is none": ("GET", "/v1/messages?cursor=%25", None),
    "a parameter that does not exist": ("GET", "/v1/messages?stat=failed", None),
    "a parameter given twice": ("GET", "/v1/messages?to=1&to=2", None),
    "a source that does not exist": ("GET", "/v1/codes/E200027?source=4", None),
}


@pytest.mark.parametrize("name", BAD_REQUESTS)
def test_a_bad_request_is_explained(shared_server: Server, name: str) -> None:
    """A request that cannot be understood gets 400 with a problem document."""
    method, path, body = BAD_REQUESTS[name]
    assert_problem(ask(shared_server, method, path, KEY, content=body), 400)


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/message", "/callbacks/x", "/v1/messages/none_1"])
def test_what_does_not_exist_is_not_found(shared_server: Server, path: str) -> None:
    """An unknown path and an unknown message get 404 with a problem document."""
    assert_problem(ask(shared_server, "GET", path, KEY), 404)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("GET", "/v1/sends", "POST"), ("DELETE", "/v1/messages", "GET"), ("POST", "/metrics", "GET")],
)
def test_a_wrong_method_is_told_the_right_one(
    shared_server: Server, method: str, path: str, allowed: str
) -> None:
    """A wrong method gets 405 with a problem document and `Allow`."""
    answer = ask(shared_server, method, path, KEY)
    assert_problem(answer, 405)
    assert allowed in answer.headers["allow"].split(", ")


def test_a_registration_that_is_too_large_is_refused(shared_server: Server) -> None:
    """A body above the limit of the API gets 413 with a problem document."""
    answer = ask(shared_server, "POST", "/v1/sends", KEY, content=b" " * (4 * 1024 * 1024 + 1))
    assert_problem(answer, 413)


def test_health_and_metrics_need_no_key(shared_server: Server) -> None:
    """A supervisor and a scraper need no key."""
    for path in ("/healthz", "/readyz", "/metrics"):
        assert ask(shared_server, "GET", path, None).status_code == 200
