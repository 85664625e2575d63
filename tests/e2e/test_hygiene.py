"""Nothing of people and no secret reaches the log or the metrics, whatever is sent."""

import json
import re
from urllib.parse import quote

from tests.e2e.pushes import batch, form
from tests.server import KEY, TOKEN, MakeServer, Server, eventually

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
    wrong = {"authorization": f"Bearer {WRONG_KEY}"}
    assert http.get("/v1/messages", headers=wrong).status_code == 401


def test_log_and_metrics_tell_nothing_of_people(make_server: MakeServer) -> None:
    """Numbers, texts, tokens and keys are in neither the log at debug nor the metrics."""
    server = make_server({"RECEIVER_LOG_LEVEL": "debug"}).start()
    use_everything(server)
    server.caught_up()
    metrics = server.api.metrics()
    assert server.stop() == 0
    printed = server.printed()
    assert printed, "there is no log to search"
    for what, secret in SECRETS.items():
        assert secret.lower() not in printed.lower(), f"{what} is in the log"
        assert secret.lower() not in metrics.lower(), f"{what} is in the metrics"


def series(server: Server) -> set[str]:
    """Give the names and labels of all series."""
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
