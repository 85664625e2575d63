"""What the public listener refuses, how it says so, and what it keeps of it."""

import json
import socket
from typing import Any

import httpx
import pytest

from tests.e2e.load import exchange
from tests.e2e.pushes import batch
from tests.support.server import TOKEN, Server

PATH = f"/callbacks/{TOKEN}"
MOST_BYTES = 1024 * 1024
MOST_FORM_BYTES = 64 * 1024
PROBLEM = "application/problem+json"


def assert_problem(answer: httpx.Response, status: int) -> None:
    """Assert that an answer is a problem document with this status."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == PROBLEM
    document = answer.json()
    assert document["status"] == status
    assert document["type"].startswith("urn:receiver:problem:")
    assert document["title"]
    assert document["detail"]


def send_raw(server: Server, request: bytes) -> tuple[int, bytes]:
    """Send bytes on a connection of their own; return status and body of the answer."""
    with socket.create_connection(("127.0.0.1", server.port), 10) as connection:
        return exchange(connection, request)


def test_a_declared_size_is_refused_before_it_is_sent(shared_server: Server) -> None:
    """A `Content-Length` above the limit gets 413 without one byte of the body."""
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: {MOST_BYTES + 1}\r\n\r\n"
    status, body = send_raw(shared_server, head.encode())
    assert status == 413
    assert json.loads(body)["status"] == 413


def test_an_undeclared_size_is_refused_when_it_is_reached(shared_server: Server) -> None:
    """A chunked body above the limit gets 413 though its end was never sent."""
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"40000\r\n" + b"a" * 0x40000 + b"\r\n"
    status, body = send_raw(shared_server, head.encode() + chunk * 5)
    assert status == 413
    assert json.loads(body)["status"] == 413


def test_a_body_of_just_the_limit_is_taken(shared_server: Server) -> None:
    """A push of exactly the largest size is accepted, declared or chunked, JSON or form."""
    start = b"smsMsgId=large_1&status=DELIVRD&extra="
    form = start + b"a" * (MOST_FORM_BYTES - len(start))
    several = batch([{"smsMsgId": "large_2", "status": "DELIVRD"}]).ljust(MOST_BYTES)
    for body in (form, several):
        assert shared_server.push(body).status_code == 200
        chunked = shared_server.public.post(PATH, content=iter([body[:1000], body[1000:]]))
        assert chunked.status_code == 200
    assert_problem(shared_server.push(form + b"a"), 413)


def escapes(text: str) -> str:
    """Write a text as JSON whose UTF-8 was taken for Latin-1 and escaped."""
    return "".join(f"\\u{byte:04x}" for byte in text.encode())


@pytest.mark.parametrize("writing", ["plain", "escaped", "escaped bytes"])
def test_a_batch_of_the_documented_maximum_is_taken(shared_server: Server, writing: str) -> None:
    """50 reports with each field at its documented length are stored, however they are escaped."""
    write = escapes if writing == "escaped bytes" else str
    ids = [f"{writing.replace(' ', '-')}-{number:050}"[-50:] for number in range(50)]
    desc, extend = write("短" * 500), write("扩" * 128)
    items = [
        f'{{"smsMsgId":"{one}","status":"UNDELIV","total":"1","sequence":"1","source":"2",'
        f'"updateTime":"2026-01-31T08:00:00Z","statusDesc":"{desc}","extend":"{extend}"}}'
        for one in ids
    ]
    body = f'{{"statusReportList":[{",".join(items)}]}}'
    if writing == "escaped":
        body = json.dumps(json.loads(body))
    assert shared_server.push(body.encode()).status_code == 200
    shared_server.caught_up()
    assert len(shared_server.api.lookup(ids)) == 50


def test_what_is_too_large_is_quarantined(server: Server) -> None:
    """Its beginning, its size and why stand in the quarantine, and the alarm metric counts it."""
    body = b"smsMsgId=m_1&status=DELIVRD&extra=" + b"a" * MOST_BYTES
    assert_problem(server.push(body), 413)
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: {10**12}\r\n\r\n"
    assert send_raw(server, head.encode() + body[:1000])[0] == 413
    server.caught_up()
    announced, large = server.api.get("/v1/quarantine")["quarantine"]
    assert (large["size"], large["truncated"]) == (len(body), True)
    assert body.startswith(large["body"].encode())
    assert len(large["body"]) == 64 * 1024
    assert f"{len(body)} bytes were announced" in large["reason"]
    assert "SHA-256" in large["reason"]
    assert f"{10**12} bytes were announced; 1000 bytes arrived" in announced["reason"]
    assert (announced["body"], announced["truncated"]) == (body[:1000].decode(), True)
    assert server.api.metric("receiver_pushes_cut_off_total") == 2
    assert server.api.http.get("/v1/messages/m_1").status_code == 404


@pytest.mark.parametrize(("method", "status"), [("POST", 400), ("GET", 405), ("PUT", 405)])
def test_fields_in_the_query_are_kept_and_not_logged(
    shared_server: Server, method: str, status: int
) -> None:
    """A callback that is configured wrongly gets told what to do, and its fields are kept."""
    fields = f"smsMsgId=query_{method}&status=DELIVRD"
    answer = shared_server.public.request(method, f"{PATH}?{fields}")
    assert_problem(answer, status)
    assert "as a form" in answer.json()["detail"]
    shared_server.caught_up()
    ((reason,),) = shared_server.rows(
        "SELECT reason FROM quarantine WHERE body = ?", fields.encode()
    )
    assert "as a form" in reason
    assert f"query_{method}" not in shared_server.printed()


@pytest.mark.parametrize("path", ["/callbacks/wrong", "/callbacks/", "/callbacks", f"{PATH}x"])
def test_an_unknown_token_is_not_found(shared_server: Server, path: str) -> None:
    """A push to an unknown token gets 404 and is not kept."""
    assert_problem(shared_server.public.post(path, content=b"smsMsgId=lost_1&status=DELIVRD"), 404)
    shared_server.caught_up()
    assert shared_server.api.http.get("/v1/messages/lost_1").status_code == 404
    assert shared_server.rows("SELECT count(*) FROM quarantine WHERE body LIKE '%lost_1%'") == [
        (0,)
    ]


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_only_post_is_allowed(shared_server: Server, method: str) -> None:
    """Any other method gets 405 with `Allow: POST`."""
    answer = shared_server.public.request(method, PATH)
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"


@pytest.mark.parametrize(
    "path", ["/", "/metrics", "/readyz", "/v1/messages", "/v1/sends", "/docs", "/openapi.json"]
)
def test_the_public_listener_serves_nothing_else(shared_server: Server, path: str) -> None:
    """What belongs to the private listener is not found on the public one, key or not."""
    authorization = shared_server.api.http.headers["authorization"]
    assert_problem(shared_server.public.get(path), 404)
    assert_problem(shared_server.public.get(path, headers={"authorization": authorization}), 404)
    assert_problem(shared_server.public.post(path, content=b"{}"), 404)


BAD_PUSHES = {
    "nothing at all": b"",
    "no form and no JSON": b"hello",
    "a form with neither status nor body": b"smsMsgId=a_1",
    "a report without id": b"status=DELIVRD",
    "an uplink without sender": b"smsMsgId=a_1&to=1069&body=R",
    "broken JSON": b'{"statusReportList":[',
    "JSON of something else": b'{"reports":[]}',
    "an empty batch": b'{"statusReportList":[]}',
    "a batch of bad items only": b'{"statusReportList":[{"status":"DELIVRD"},7]}',
    "bytes": bytes(range(1, 256)),
}


@pytest.mark.parametrize("name", BAD_PUSHES)
def test_an_unusable_push_is_refused_and_kept(shared_server: Server, name: str) -> None:
    """A push with nothing usable gets 400 with a problem document and a row of the quarantine."""
    body = BAD_PUSHES[name]
    assert_problem(shared_server.push(body), 400)
    shared_server.caught_up()
    ((row_id, reason), *_) = shared_server.rows(
        "SELECT id, reason FROM quarantine WHERE body = ? ORDER BY id DESC", body
    )
    assert reason
    (newest,) = shared_server.api.get("/v1/quarantine", limit="1")["quarantine"]
    assert (newest["id"], newest["reason"], newest["size"]) == (row_id, reason, len(body))


def test_a_batch_is_judged_item_by_item(shared_server: Server) -> None:
    """The good items of a batch count, the bad ones go to the quarantine, the answer is 200."""
    good = [{"smsMsgId": f"good_{number}", "status": "DELIVRD"} for number in range(3)]
    bad: list[dict[str, Any]] = [
        {"status": "DELIVRD"},
        {"smsMsgId": "bad_1", "status": ""},
        {"smsMsgId": [1]},
    ]
    mixed = [item for pair in zip(good, bad, strict=True) for item in pair]
    assert shared_server.push(batch(mixed)).status_code == 200
    shared_server.caught_up()
    found = shared_server.api.lookup([item["smsMsgId"] for item in good] + ["bad_1"])
    assert {sms_msg_id: found[sms_msg_id]["state"] for sms_msg_id in found} == {
        item["smsMsgId"]: "delivered" for item in good
    }
    kept = [
        json.loads(row["body"])
        for row in shared_server.api.get("/v1/quarantine", kind="batch", limit="3")["quarantine"]
    ]
    assert sorted(kept, key=str) == sorted(bad, key=str)
