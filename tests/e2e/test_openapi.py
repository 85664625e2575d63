"""The OpenAPI document is true: schemathesis draws requests from it and judges the answers."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from receiver.api.openapi import make_document
from receiver.domain import times
from tests.e2e.pushes import form
from tests.support.server import KEY, ROOT, Server, at_length

EXAMPLES = at_length(1, 25)
STATUSES = ("DELIVRD", "UNDELIV", "MK:0001", "EXPIRED", "?!", "ACCEPTD")
CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance",
    "response_headers_conformance", "response_schema_conformance",
)  # fmt: skip
PERSON = "+8615500005172"


def ago(seconds: float) -> str:
    """Write a time that lies so far back."""
    return times.to_rfc3339(round((time.time() - seconds) * times.SECOND))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return a server that has something of everything to tell."""
    one = Server(tmp_path_factory.mktemp("described") / "data")
    with closing(one.start()):
        one.ready()
        sent = {"to": PERSON, "from": "1069", "reference": "0", "extend": "0"}
        sends = [
            {"sms_msg_id": f"{place}", "sent_at": ago(7300 - place), **sent} for place in range(9)
        ]
        one.api.register({"sends": sends})
        for place, status in enumerate(
            ("DELIVRD", "UNDELIV", "MK:0001", "EXPIRED", "?!", "ACCEPTD")
        ):
            report = {"smsMsgId": f"{place}", "status": status, "source": "2"}
            assert one.push(form(**report, updateTime=ago(7200))).status_code == 200
        one.push(form(from_=PERSON, to="1069", body="R", smsMsgId="0", createTime=ago(60)))
        one.push(b"nonsense")
        answer = one.api.http.put(f"/v1/suppressions/{PERSON}", json={"reason": "x"})
        assert answer.status_code == 200, answer.text
        one.caught_up()
        yield one


def test_no_undocumented_answer(server: Server) -> None:
    """No 5xx but 503, and no status, media type or body that the document does not have."""
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{server.api_url}/openapi.json"),
        *("--checks", ",".join(CHECKS), "--max-examples", str(EXAMPLES)),
        *("--phases", "examples,coverage,fuzzing", "--continue-on-failure", "--no-shrink"),
        *("-H", f"Authorization: Bearer {KEY}", "--warnings", "off"),
        *(("--seed", "7") if "CI" in os.environ else ()),
    ]
    environment = {name: value for name, value in os.environ.items() if "PYTEST" not in name}
    done = subprocess.run(
        command, cwd=server.directory.parent, env=environment, capture_output=True, text=True,
        timeout=280, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2000:]
    assert "Traceback" not in server.log.read_text()
    assert server.push(form(smsMsgId="after", status="DELIVRD", source="2")).status_code == 200


def test_the_document_is_served(server: Server) -> None:
    """It needs no key, and so does the page for people."""
    server.api.http.headers.pop("authorization")
    try:
        assert server.api.get("/openapi.json") == json.loads(json.dumps(make_document()))
        page = server.api.http.get("/docs")
    finally:
        server.api.http.headers["authorization"] = f"Bearer {KEY}"
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "/v1/messages/{sms_msg_id}" in page.text
    assert str(ROOT) not in page.text
