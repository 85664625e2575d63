"""The worker of `deploy/retry_worker.py`, with the platform's own SDK, killed while it sends."""

import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from receiver.domain import times
from tests.e2e.pushes import batch
from tests.support.server import KEY, ROOT, MakeServer, Server

CHANNEL, TEMPLATE = "1069000000000012", "8ff55eac1d0b478ab3c06c3c6a492300"
REFUSED = "+8615500000099"
NUMBERS = [f"+8615500000{n:03}" for n in range(8)]
_PATIENCE_S = 60.0


class Platform:
    """A stub of the send API that counts what it was asked to send."""

    def __init__(self) -> None:
        self.url = ""
        self.sent: Counter[str] = Counter()
        self.asked = threading.Event()
        self.slow = True

    def answer(self, fields: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """Answer one request; slowly, so that a worker can be killed meanwhile."""
        number = fields["to"]
        if number == REFUSED:
            return 400, {"code": "E000102", "description": "Invalid app_key."}
        self.sent[number] += 1
        self.asked.set()
        if self.slow:
            time.sleep(0.5)
        entry = {
            "originTo": number,
            "createTime": times.to_rfc3339(time.time_ns() // 1000),
            "from": fields["from"],
            "smsMsgId": f"again-{number}-{self.sent[number]}",
            "status": "000000",
        }
        return 200, {"code": "000000", "description": "Success", "result": [entry]}


@contextmanager
def listening(platform: Platform) -> Iterator[None]:
    """Let the stub listen on loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            fields = {name: value for name, (value,) in parse_qs(body).items()}
            status, document = platform.answer(fields)
            answer = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            try:
                self.wfile.write(answer)
            except OSError:
                self.close_connection = True  # the worker was killed

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as stub:
        platform.url = f"http://127.0.0.1:{stub.server_address[1]}"
        thread = threading.Thread(target=stub.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield
        finally:
            stub.shutdown()
            thread.join()


@contextmanager
def working(server: Server, platform: Platform, notes: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run the worker."""
    environment = {
        **os.environ,
        "RECEIVER_URL": server.api_url,
        "RECEIVER_API_KEY": KEY,
        "RETRY_NOTES": str(notes),
        "SMS_ENDPOINT": platform.url,
        "SMS_APP_KEY": "app-key",
        "SMS_APP_SECRET": "app-secret",
        "NO_PROXY": "127.0.0.1",
    }
    command = [sys.executable, str(ROOT / "deploy" / "retry_worker.py")]
    worker = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)
    try:
        yield worker
    finally:
        worker.kill()
        _, said = worker.communicate()
        assert b"Traceback" not in said, said.decode()


def fill(server: Server) -> None:
    """Let some messages fail that may be sent again."""
    now = time.time_ns() // 1000
    sent, failed = (times.to_rfc3339(now - minutes * 60_000_000) for minutes in (120, 115))
    sends = [
        {"sms_msg_id": f"m{n}", "to": number, "from": CHANNEL, "template_id": TEMPLATE,
         "sent_at": sent, "reference": f"order-{n}"}
        for n, number in enumerate([*NUMBERS, REFUSED])
    ]  # fmt: skip
    server.api.register({"sends": sends})
    reports = [
        {"smsMsgId": one["sms_msg_id"], "status": "UNDELIV", "source": "2", "updateTime": failed}
        for one in sends
    ]
    assert server.push(batch(reports)).is_success
    server.caught_up()


def wait_until_done(server: Server) -> None:
    """Wait until nothing is due and nobody holds anything."""
    until = time.monotonic() + _PATIENCE_S
    while (queue := server.api.get("/v1/retries"))["due"] or queue["claimed"]:
        assert time.monotonic() < until, "the worker did not do it all"
        time.sleep(0.1)


def test_a_worker_that_is_killed_sends_nothing_twice(
    make_server: MakeServer, tmp_path: Path
) -> None:
    """Killed while it sends, it gives that message up and sends the others, each once."""
    server, platform, notes = make_server().start(), Platform(), tmp_path / "notes"
    server.ready()
    fill(server)
    with listening(platform):
        with working(server, platform, notes):
            assert platform.asked.wait(_PATIENCE_S)
        assert [file.suffix for file in notes.iterdir()] == [".json"]
        platform.slow = False
        with working(server, platform, notes):
            wait_until_done(server)
    (abandoned,) = server.api.get("/v1/retries", state="abandoned")["retries"]
    assert abandoned["reason"] == "in doubt after a crash"
    assert platform.sent == Counter(NUMBERS)
    assert list(notes.iterdir()) == []


def test_a_worker_sends_what_is_due_and_completes_it(
    make_server: MakeServer, tmp_path: Path
) -> None:
    """Each message is sent once with what was known of it; a refused request is put back."""
    server, platform = make_server().start(), Platform()
    platform.slow = False
    server.ready()
    fill(server)
    with listening(platform), working(server, platform, tmp_path / "notes"):
        wait_until_done(server)
    server.caught_up()
    assert platform.sent == Counter(NUMBERS)
    for n, number in enumerate(NUMBERS):
        message = server.api.message(f"again-{number}-1")
        assert message["attempts"]["previous"] == f"m{n}"
        assert message["attempts"]["next"] is None
        assert (message["reference"], message["template_id"]) == (f"order-{n}", TEMPLATE)
    (waiting,) = server.api.get("/v1/retries")["retries"]
    assert (waiting["to"], waiting["reason"]) == (REFUSED, "released")
