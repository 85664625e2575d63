"""The platform's own SDK, sending through the recipe of the README, and a real receiver.

The SDK talks to a stub of the platform's send API on loopback; nothing leaves the machine.
"""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException
from huaweicloudsdksmsapi.v1 import (
    BatchSendDiffSmsRequest,
    BatchSendDiffSmsRequestBody,
    BatchSendSmsRequest,
    BatchSendSmsRequestBody,
    BatchSendSmsResponse,
    SMSApiAsyncClient,
    SMSApiClient,
    SmsContent,
    SmsID,
)
from huaweicloudsdksmsapi.v1.smsapi_credentials import SMSApiCredentials

from receiver.client import AsyncClient, Client, Registered
from tests.e2e.pushes import batch, form
from tests.support.server import KEY, MakeServer, Server

SENT, REPORTED = "2026-01-31T08:00:00Z", "2026-01-31T08:00:05Z"
CHANNEL = "1069000000000012"
TEMPLATE, OTHER_TEMPLATE = "8ff55eac1d0b478ab3c06c3c6a492300", "8ff55eac1d0b478ab3c06c3c6a492301"
EXTEND = "campaign-7"
REFUSED_NUMBER = "17300005478"
UNKNOWN_SENDER = "nobody"
_REFUSED_REQUEST = {"code": "E000102", "description": "Invalid app_key."}


# --- a stub of the send API -----------------------------------------------------------------------


@dataclass
class Platform:
    """A stub of the platform: answers send requests, and remembers what it handed out."""

    url: str = ""
    paths: list[str] = field(default_factory=list)
    ids: dict[str, str] = field(default_factory=dict)  # number -> smsMsgId, the latest
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        """Answer a request to `batchSendSms` or `batchSendDiffSms` (sms_05_0001, sms_05_0002)."""
        with self.lock:
            self.paths.append(path)
            if path == "/sms/batchSendSms/v1":
                fields = {name: value for name, (value,) in parse_qs(body.decode()).items()}
                numbers = fields["to"].split(",")
            else:
                fields = json.loads(body)
                numbers = [number for one in fields["smsContent"] for number in one["to"]]
            if fields["from"] == UNKNOWN_SENDER:
                return 400, _REFUSED_REQUEST
            entries = [self._entry(number, fields["from"]) for number in numbers]
        if all(entry["status"] == "000000" for entry in entries):
            return 200, {"result": entries, "code": "000000", "description": "Success"}
        text = "The SMS fails to be sent. For details, see status."
        return 200, {"result": entries, "code": "E000510", "description": text}

    def _entry(self, number: str, sender: str) -> dict[str, Any]:
        self.ids[number] = f"d6e3cdd0-522b-4692-8304-a07553cdf591_{len(self.ids) + 1}"
        return {
            "total": 1,
            "originTo": number,
            "createTime": SENT,
            "from": sender,
            "smsMsgId": self.ids[number],
            "countryId": "CN",
            "status": "E200033" if number == REFUSED_NUMBER else "000000",
        }


@pytest.fixture
def platform() -> Iterator[Platform]:
    """Return a platform that listens on loopback."""
    with _listening(Platform()) as listening:
        yield listening


@contextmanager
def _listening(platform: Platform) -> Iterator[Platform]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            authorization = self.headers["authorization"]
            assert authorization.startswith("SDK-HMAC-SHA256 Access=app-key,"), authorization
            body = self.rfile.read(int(self.headers["content-length"]))
            status, document = platform.answer(self.path, body)
            answer = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        platform.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield platform
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def sdk(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the SDK's client, pointed at the stub."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    credentials = SMSApiCredentials("app-key", "app-secret")
    builder = SMSApiClient.new_builder().with_credentials(credentials)
    return builder.with_endpoints([platform.url]).build()


def one_template(*numbers: str, **fields: str) -> Any:
    """Make a request for `batch_send_sms`."""
    usual = {"_from": CHANNEL, "template_id": TEMPLATE, "extend": EXTEND}
    body = BatchSendSmsRequestBody(
        to=",".join(numbers), template_paras='["369751"]', **{**usual, **fields}
    )
    return BatchSendSmsRequest(body=body)


def several_templates(contents: dict[str, list[str]]) -> Any:
    """Make a request for `batch_send_diff_sms`: template -> numbers."""
    content = [
        SmsContent(to=numbers, template_id=template, template_paras=["369751"])
        for template, numbers in contents.items()
    ]
    body = BatchSendDiffSmsRequestBody(_from=CHANNEL, extend=EXTEND, sms_content=content)
    return BatchSendDiffSmsRequest(body=body)


def send(kind: str, server: Server, call: Callable[..., Any], request: Any, **details: Any) -> Any:
    """Send by the recipe, with a client of either kind; return the SDK's response."""

    async def in_a_loop() -> Any:
        async with AsyncClient(server.api_url, KEY) as client:
            return await client.sending(call)(request, **details)

    if kind == "async":
        return asyncio.run(in_a_loop())
    with Client(server.api_url, KEY) as client:
        return client.sending(call)(request, **details)


# --- all correlated -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_one_template_to_many(kind: str, server: Server, platform: Platform, sdk: Any) -> None:
    """Every report of a send by `batch_send_sms` finds its message, with all the program knew."""
    numbers = [f"1550000{n:04}" for n in range(20)]
    references = {number: f"order-{number}" for number in numbers}
    response = send(
        kind, server, sdk.batch_send_sms, one_template(*numbers), references=references,
        text_length=24,
    )  # fmt: skip
    assert isinstance(response, BatchSendSmsResponse)
    assert [entry.origin_to for entry in response.result] == numbers
    assert platform.paths == ["/sms/batchSendSms/v1"]

    for number in numbers[:10]:
        report = {"smsMsgId": platform.ids[number], "status": "DELIVRD", "updateTime": REPORTED}
        assert server.push(form(**report, source="2", extend=EXTEND, to=number)).is_success
    reports = [
        {"smsMsgId": platform.ids[number], "status": "DELIVRD", "updateTime": REPORTED}
        for number in numbers[10:]
    ]
    assert server.push(batch(reports)).is_success
    server.caught_up()

    messages = server.api.lookup(list(platform.ids.values()))
    assert len(messages) == len(numbers)
    for number in numbers:
        message = messages[platform.ids[number]]
        assert message["registered"] is True
        assert (message["state"], message["sent_at"]) == ("delivered", SENT)
        assert (message["to"], message["from"]) == (f"+86{number}", CHANNEL)
        assert message["reference"] == f"order-{number}"
        assert (message["template_id"], message["extend"]) == (TEMPLATE, EXTEND)
        assert (message["text_length"], message["country"]) == (24, "CN")


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_several_templates(kind: str, server: Server, platform: Platform, sdk: Any) -> None:
    """A message of `batch_send_diff_sms` knows the template of its own recipient."""
    contents = {TEMPLATE: ["15500000001", "15500000002"], OTHER_TEMPLATE: ["+8615500000003"]}
    request = several_templates(contents)
    send(kind, server, sdk.batch_send_diff_sms, request, reference="order-4711")
    assert platform.paths == ["/sms/batchSendDiffSms/v1"]
    for sms_msg_id in platform.ids.values():
        server.push(form(smsMsgId=sms_msg_id, status="DELIVRD", updateTime=REPORTED))
    server.caught_up()

    for template, numbers in contents.items():
        for number in numbers:
            message = server.api.message(platform.ids[number])
            assert (message["registered"], message["state"]) == (True, "delivered")
            assert (message["template_id"], message["extend"]) == (template, EXTEND)
            assert message["reference"] == "order-4711"


def test_reports_that_come_before_the_registration(
    server: Server, platform: Platform, sdk: Any
) -> None:
    """A report that overtakes the registration is bound by it."""

    def send_and_dawdle(request: Any) -> Any:
        response = sdk.batch_send_sms(request)
        server.push(form(smsMsgId=platform.ids["15500000001"], status="DELIVRD"))
        return response

    send("sync", server, send_and_dawdle, one_template("15500000001"), reference="order-1")
    server.caught_up()

    message = server.api.message(platform.ids["15500000001"])
    assert (message["registered"], message["state"]) == (True, "delivered")
    assert message["reference"] == "order-1"


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_the_asynchronous_client_of_the_sdk(
    kind: str, server: Server, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its futures are registered when they are done, though nobody waits for them."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    credentials = SMSApiCredentials("app-key", "app-secret")
    builder = SMSApiAsyncClient.new_builder().with_credentials(credentials)
    sdk = builder.with_endpoints([platform.url]).build()
    given = send(
        kind, server, sdk.batch_send_sms_async, one_template("15500000001"), reference="order-1"
    )
    assert isinstance(given, BatchSendSmsResponse) == (kind == "async")
    server.caught_up()

    message = server.api.message(platform.ids["15500000001"])
    assert (message["registered"], message["reference"]) == (True, "order-1")
    assert (message["template_id"], message["extend"]) == (TEMPLATE, EXTEND)


# --- what the platform refuses --------------------------------------------------------------------


def test_a_refused_entry(server: Server, platform: Platform, sdk: Any) -> None:
    """Of a response with a refused entry all are registered, the refused one with its verdict."""
    request = one_template("15500000001", REFUSED_NUMBER)
    with Client(server.api_url, KEY) as client:
        response = client.sending(sdk.batch_send_sms)(request)
        result = client.register(response, request=request)
    assert response.code == "E000510"
    assert result.registered == 2
    assert [(one.sms_msg_id, one.code) for one in result.refused] == [
        (platform.ids[REFUSED_NUMBER], "E200033")
    ]
    server.push(form(smsMsgId=platform.ids["15500000001"], status="DELIVRD"))
    server.caught_up()

    refused = server.api.message(platform.ids[REFUSED_NUMBER])
    assert (refused["state"], refused["code"], refused["final"]) == ("refused", "E200033", True)
    assert refused["template_id"] == TEMPLATE
    assert server.api.message(platform.ids["15500000001"])["state"] == "delivered"


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_request_that_the_sdk_raises_for(kind: str, server: Server, sdk: Any) -> None:
    """What the SDK raises comes through as it is; nothing is registered."""
    with pytest.raises(ClientRequestException) as raised:
        send(kind, server, sdk.batch_send_sms, one_template("1", _from=UNKNOWN_SENDER))

    assert raised.value.status_code == 400
    server.caught_up()
    assert server.api.get("/v1/messages")["messages"] == []


# --- a receiver that is away ----------------------------------------------------------------------


def test_a_receiver_that_is_down_while_sending(
    make_server: MakeServer, platform: Platform, sdk: Any, tmp_path: Path
) -> None:
    """Sending does not notice that the receiver is down; its sends are registered afterwards."""
    server = make_server()
    with Client(server.api_url, KEY, spool=tmp_path / "spool", patience_s=0.3) as client:
        sending = client.sending(sdk.batch_send_sms)
        for n in range(3):
            response = sending(one_template(f"1550000000{n}"), reference=f"order-{n}")
            assert response.code == "000000"
        assert len(list((tmp_path / "spool").iterdir())) == 3
        server.start()
        for sms_msg_id in platform.ids.values():
            assert server.push(form(smsMsgId=sms_msg_id, status="DELIVRD")).is_success
        assert client.flush() == 0

    server.caught_up()
    for n in range(3):
        message = server.api.message(platform.ids[f"1550000000{n}"])
        assert (message["registered"], message["state"]) == (True, "delivered")
        assert (message["reference"], message["template_id"]) == (f"order-{n}", TEMPLATE)
        assert message["extend"] == EXTEND


# --- the response's own forms ---------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:.*to_dict.. is deprecated:DeprecationWarning")
@pytest.mark.parametrize("form_of", ["to_dict", "posted", "made by hand"])
def test_the_forms_of_a_response(
    form_of: str, server: Server, platform: Platform, sdk: Any
) -> None:
    """The API takes `to_dict()` as it is, and the client the response in each of its forms."""
    response = sdk.batch_send_sms(one_template("15500000001"))
    (sms_msg_id,) = platform.ids.values()
    if form_of == "posted":
        taken = server.api.register({"response": response.to_dict(), "reference": "r"})
        assert (taken["registered"], taken["ignored"]) == (1, [])
    else:
        given = response.to_dict() if form_of == "to_dict" else _by_hand(sms_msg_id)
        with Client(server.api_url, KEY) as client:
            assert client.register(given, reference="r") == Registered(registered=1)
    server.caught_up()

    message = server.api.message(sms_msg_id)
    assert (message["to"], message["from"]) == ("+8615500000001", CHANNEL)
    assert (message["sent_at"], message["country"]) == (SENT, "CN")
    assert (message["total"], message["reference"]) == (1, "r")


def _by_hand(sms_msg_id: str) -> Any:
    entry = SmsID(
        create_time=SENT,
        _from=CHANNEL,
        origin_to="15500000001",
        sms_msg_id=sms_msg_id,
        status="000000",
        country_id="CN",
        total=1,
    )
    return BatchSendSmsResponse(code="000000", description="Success", result=[entry])
