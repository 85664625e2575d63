"""Nothing of people and no secret reaches log, metrics or error answers, whatever is sent."""

import json
import re
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import quote

import httpx
import pytest

from tests.e2e.pushes import batch, form
from tests.support.server import KEY, TOKEN, MakeServer, Server, eventually

PERSON = "+8613912345678"
SECOND_PERSON = "+447700900123"
TEXT = "Distinctive words of a person"
EXTEND = "distinctive-extend-of-ours"
WRONG_TOKEN = "distinctive-wrong-token-0123456789"  # noqa: S105 - of no service
WRONG_KEY = "distinctive-wrong-key-0123456789"
STRANGE_CODE = "DISTINCT:{}"

SECRETS = {
    "the number": PERSON.lstrip("+"),
    "the national number": PERSON.removeprefix("+86"),
    "the other number": SECOND_PERSON.lstrip("+"),
    "the text": "Distinctive words",
    "the text, escaped": quote("Distinctive words"),
    "the text, as a form has it": "Distinctive+words",
    "the extend field": EXTEND,
    "the wrong token": WRONG_TOKEN,
    "the wrong key": WRONG_KEY,
    "the token": TOKEN,
    "the key": KEY,
    "a strange code": "DISTINCT",
}


class Refusals:
    """Everything that both listeners answered but success."""

    def __init__(self, server: Server) -> None:
        self._texts: list[str] = []
        for client in (server.public, server.api.http):
            client.event_hooks["response"].append(self._note)

    def _note(self, answer: httpx.Response) -> None:
        if not answer.is_success:
            answer.read()
            self._texts.append(f"{answer.headers}{answer.text}")

    def text(self) -> str:
        """Return all of it."""
        return "\n".join(self._texts)


TEXT_OR_NUMBER = re.compile(f"{re.escape(TEXT)}|{PERSON.lstrip('+')}")


def use_everything(server: Server) -> None:
    """Send good and bad requests full of what must not be repeated."""
    report = {"smsMsgId": "a_1", "status": "E200027", "to": PERSON, "extend": EXTEND}
    assert server.push(form(**report)).status_code == 200
    assert server.push(form(**report, statusDesc=TEXT)).status_code == 200
    assert server.push(batch([report, {"to": PERSON, "statusDesc": TEXT}])).status_code == 200
    uplink = form(smsMsgId="u_1", from_=PERSON, to="1069", body=TEXT)
    assert server.push(uplink).status_code == 200
    strange = form(smsMsgId="s_1", status=STRANGE_CODE.format(0), to=SECOND_PERSON)
    assert server.push(strange).status_code == 200
    for bad in (
        form(from_=PERSON, body=TEXT),
        f"{TEXT} {PERSON}".encode(),
        json.dumps({"statusReportList": [{"to": PERSON, "statusDesc": TEXT}]}).encode(),
        ('{"statusReportList": "' + TEXT + PERSON).encode(),
    ):
        assert server.push(bad).status_code == 400
    server.public.post(f"/callbacks/{WRONG_TOKEN}", content=form(**report))
    server.public.get(f"/{quote(TEXT)}?to={quote(PERSON)}")
    server.public.request("DISTINCTIVE", server.callback_path)
    use_api(server)


def use_api(server: Server) -> None:
    """Ask the API for and with what must not be repeated."""
    http = server.api.http
    sends = {"sends": [{"sms_msg_id": "a_1", "to": PERSON, "extend": EXTEND}]}
    assert http.post("/v1/sends", json=sends).status_code == 202
    assert http.post("/v1/sends", json={"sends": [{"to": PERSON}]}).status_code == 400
    assert http.post("/v1/sends", content=f"{TEXT}{PERSON}".encode()).status_code == 400
    server.caught_up()
    assert http.get("/v1/messages", params={"to": PERSON}).json()["messages"]
    assert http.get("/v1/uplinks", params={"from": PERSON}).json()["uplinks"]
    assert http.get("/v1/messages", params={"state": TEXT}).status_code == 400
    assert http.get(f"/v1/messages/{PERSON}").status_code == 404
    assert http.get(f"/{quote(TEXT)}").status_code == 404
    for method in ("GET", "DELETE"):
        answer = http.request(method, "/v1/messages", headers={"authorization": WRONG_KEY})
        assert answer.status_code in (401, 405)
    wrong = {"authorization": f"Bearer {WRONG_KEY}"}
    assert http.get("/v1/messages", headers=wrong).status_code == 401
    for what in ("messages", "uplinks"):
        for form_ in ("ndjson", "csv"):
            path = f"/v1/export/{what}"
            assert TEXT_OR_NUMBER.search(http.get(path, params={"format": form_}).text)
    use_suppressions_and_retries(http)
    refuse_questions(http)


def use_suppressions_and_retries(http: httpx.Client) -> None:
    """Suppress, ask about and lift people, and go through the queue."""
    one = f"/v1/suppressions/{quote(PERSON)}"
    assert http.put(one, json={"reason": TEXT}).status_code == 200
    assert http.get("/v1/suppressions", params={"number": PERSON}).json()["suppressions"]
    assert http.get(f"{one}/history").json()["changes"]
    assert http.get(f"/v1/recipients/{quote(PERSON)}").status_code == 200
    numbers = {"numbers": [PERSON, SECOND_PERSON, TEXT]}
    assert http.post("/v1/recipients/check", json=numbers).status_code == 200
    assert http.request("DELETE", one, json={"reason": TEXT}).status_code == 200
    assert http.post("/v1/retries/claim", json={"limit": 10}).status_code == 200
    for path in ("/v1/retries", "/v1/quarantine", "/v1/stats", "/v1/codes?seen=unknown"):
        assert http.get(path).status_code == 200
    for path in ("/v1/messages/a_1/explain", "/v1/messages/a_1/attempts"):
        assert http.get(path).status_code == 200
    keys = {"references": [TEXT], "extends": [EXTEND], "ids": [PERSON]}
    assert http.post("/v1/messages/lookup", json=keys).json()["messages"]
    assert http.post("/v1/reclassify", json={}).is_success


def refuse_questions(http: httpx.Client) -> None:
    """Put people where they do not belong, all over the API."""
    for path in ("/v1/messages", "/v1/uplinks", "/v1/export/messages", "/v1/stats"):
        for name in ("since", "until", "limit", "cursor", "state", "registered", "by", "format"):
            for value in (PERSON, TEXT):
                answer = http.get(path, params={name: value})
                assert answer.status_code == 400, f"{path} {name}"
    junk = {"reason": 7, "until": TEXT, "limit": PERSON, "since": PERSON, "numbers": TEXT}
    for method, path in (
        ("POST", "/v1/sends"),
        ("POST", "/v1/messages/lookup"),
        ("POST", "/v1/retries/claim"),
        ("POST", "/v1/recipients/check"),
        ("POST", "/v1/reclassify"),
        ("PUT", f"/v1/suppressions/{quote(PERSON)}"),
        ("PUT", f"/v1/suppressions/{quote(TEXT)}"),
        ("DELETE", f"/v1/suppressions/{quote(SECOND_PERSON)}"),
        ("GET", f"/v1/recipients/{quote(TEXT)}"),
        ("GET", f"/v1/uplinks/{quote(PERSON)}"),
        ("POST", f"/v1/retries/{quote(PERSON)}/complete"),
    ):
        for content in (json.dumps(junk).encode(), f'{{"{TEXT}": "{PERSON}'.encode()):
            answer = http.request(method, path, content=content)
            assert 400 <= answer.status_code < 500, f"{method} {path}"


def check_clean(where: str, text: str) -> None:
    """Assert that a text holds nothing of people and no secret."""
    assert text, f"there is no {where} to search"
    for what, secret in SECRETS.items():
        assert secret.lower() not in text.lower(), f"{what} is in the {where}"


def test_log_metrics_and_refusals_tell_nothing_of_people(make_server: MakeServer) -> None:
    """Numbers, texts, tokens and keys are in neither the log at debug, metrics nor refusals."""
    server = make_server({"RECEIVER_LOG_LEVEL": "debug"}).start()
    server.ready()
    refusals = Refusals(server)
    use_everything(server)
    server.caught_up()
    metrics = server.api.metrics()
    assert server.stop() == 0
    check_clean("log", server.printed())
    check_clean("metrics", metrics)
    check_clean("refusals", refusals.text())


def break_tables(server: Server) -> None:
    """Let every reading and writing of messages and uplinks fail."""
    for table in ("messages", "uplinks"):
        server.write(f"DROP TABLE {table}")


def refuse_values(server: Server) -> None:
    """Let the store refuse values, by an error in which a driver would quote the row."""
    for table in ("messages", "uplinks"):
        server.write(
            f"CREATE TRIGGER no_{table} BEFORE INSERT ON {table} BEGIN "
            "SELECT RAISE(ABORT, 'no'); END"
        )


@pytest.mark.parametrize("fail", [break_tables, refuse_values])
def test_failures_tell_nothing_of_people(
    make_server: MakeServer, fail: Callable[[Server], None]
) -> None:
    """A store that fails is logged and answered without what it was to hold or to find."""
    server = make_server({"RECEIVER_LOG_LEVEL": "debug"}).start()
    server.ready()
    fail(server)
    refusals = Refusals(server)
    report = {"smsMsgId": "a_1", "status": "E200027", "to": PERSON, "extend": EXTEND}
    assert server.push(form(**report)).status_code == 200
    assert server.push(form(smsMsgId="u_1", from_=PERSON, to="1", body=TEXT)).status_code == 200
    failed = re.compile(r"^receiver_(projector_failures|quarantined)_total.* [1-9]", re.MULTILINE)
    eventually(lambda: failed.search(server.api.metrics()), "something has failed")
    for path in ("/v1/messages", "/v1/export/messages", f"/v1/messages/{PERSON}"):
        with suppress(httpx.TransportError):
            server.api.http.get(path, params={} if PERSON in path else {"to": PERSON})
    server.api.http.get("/v1/nothing")
    metrics = server.api.metrics()
    server.stop()
    check_clean("log", server.printed())
    check_clean("metrics", metrics)
    check_clean("refusals", refusals.text())


def series(server: Server) -> set[str]:
    """Return the names and labels of all series."""
    return {
        line.rpartition(" ")[0]
        for line in server.api.metrics().splitlines()
        if line.startswith("receiver_")
    }


def test_strange_codes_add_no_series(server: Server) -> None:
    """Unlisted codes, tokens, paths and methods add at most the one series for the unlisted."""

    def push_strange(start: int, count: int) -> None:
        for number in range(start, start + count):
            code = STRANGE_CODE.format(number)
            push = form(smsMsgId=f"strange-{number}_1", status=code, source="2")
            assert server.push(push).status_code == 200
            server.public.post(f"/callbacks/{WRONG_TOKEN}-{number}", content=push)
            server.public.request(f"M{'X' * number}", server.callback_path)
        server.caught_up()
        expected = start + count
        eventually(
            lambda: server.api.metric("receiver_unknown_codes_total") == expected,
            "the strange codes are counted",
        )

    push_strange(0, 1)
    before = series(server)
    push_strange(1, 50)
    assert series(server) == before
    assert not [line for line in before if re.search("DISTINCT|distinctive", line)]
