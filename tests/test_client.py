"""The client for programs that send, against a server on loopback that answers as it is told."""

import asyncio
import json
import logging
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.client import AsyncClient, Client, NotRegisteredError, Registered, Unusable, spool
from receiver.client.attempts import Answer, Attempts, Failure, Outcome, Patience
from tests.conftest import ROOT
from tests.server import KEY, free_port

PERSON = "+8613912345678"
ENTRY = {"smsMsgId": "m_1", "originTo": PERSON, "status": "000000"}
RESPONSE = {"code": "000000", "description": "Success", "result": [ENTRY]}
KINDS = ["sync", "async"]


# --- a server that answers as it is told ----------------------------------------------------------


@dataclass
class Reply:
    """One answer."""

    status: int = 202
    body: Any = field(default_factory=lambda: {"registered": 1, "rejected": [], "refused": []})
    headers: dict[str, str] = field(default_factory=dict)
    after_s: float = 0.0
    drop: bool = False  # the connection, without an answer


@dataclass
class Scripted:
    """What a server is to answer, the last reply for ever; and what it was asked."""

    url: str
    replies: list[Reply]
    asked: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    connections: set[Any] = field(default_factory=set)

    @property
    def documents(self) -> list[Any]:
        """The registrations that came."""
        return [json.loads(body) for _, body in self.asked]


@contextmanager
def scripted(*replies: Reply, port: int = 0) -> Iterator[Scripted]:
    """Run a server on loopback."""
    script = Scripted("", list(replies) or [Reply()])
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 5

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            with lock:
                script.asked.append((dict(self.headers.items()), body))
                script.connections.add(self.client_address)
                reply = script.replies.pop(0) if len(script.replies) > 1 else script.replies[0]
            time.sleep(reply.after_s)
            if reply.drop:
                self.close_connection = True
                return
            answer = (
                reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
            )
            self.send_response(reply.status)
            for name, value in {**reply.headers, "Content-Length": str(len(answer))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            """A client that went away is no error of the test."""

    with Server(("127.0.0.1", port), Handler) as server:
        script.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield script
        finally:
            server.shutdown()
            thread.join()


def nobody() -> str:
    """Give an address where nothing listens."""
    return f"http://127.0.0.1:{free_port()}"


def register(kind: str, url: str, *responses: Any, **options: Any) -> list[Registered]:
    """Register responses, one after the other, by a client of either kind."""
    own = {"reference", "references", "extend", "template_id", "text_length", "request", "raising"}
    details = {name: options.pop(name) for name in own & set(options)}
    options = {"timeout_s": 2.0, "patience_s": 2.0, **options}

    async def all_of_them() -> list[Registered]:
        async with AsyncClient(url, KEY, **options) as client:
            return [await client.register(response, **details) for response in responses]

    if kind == "async":
        return asyncio.run(all_of_them())
    with Client(url, KEY, **options) as client:
        return [client.register(response, **details) for response in responses]


def flush(kind: str, url: str, directory: Path) -> int:
    """Deliver what is in a spool by a client of either kind; give how many are left."""

    async def all_of_it() -> int:
        async with AsyncClient(url, KEY, spool=directory, patience_s=0.3) as client:
            return await client.flush()

    if kind == "async":
        return asyncio.run(all_of_it())
    with Client(url, KEY, spool=directory, patience_s=0.3) as client:
        return client.flush()


def kept(directory: Path) -> list[Any]:
    """Give the documents in a spool, in order."""
    return [json.loads(file.read_bytes()) for file in sorted(directory.glob("*.ndjson"))]


# --- what is taken --------------------------------------------------------------------------------


class Model:
    """A model of another library."""

    def __init__(self, content: Any) -> None:
        self._content = content

    def to_dict(self) -> Any:
        """Give the content."""
        return self._content


class Raw(Model):
    """A model that has its content as it came, or not."""

    def to_json_object(self) -> Any:
        """Give the content as it came."""
        return json.loads('{"code":"as it came"}') if self._content else None

    def to_dict(self) -> Any:
        """Give the content in another spelling."""
        return {"code": "to_dict"}


class Broken(Model):
    """A model that fails."""

    def to_dict(self) -> Any:
        """Fail, with words about a person."""
        raise RuntimeError(PERSON)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("response", "details", "document"),
    [
        pytest.param(RESPONSE, {}, {"response": RESPONSE}, id="object"),
        pytest.param(json.dumps(RESPONSE), {}, {"response": RESPONSE}, id="text"),
        pytest.param(json.dumps(RESPONSE).encode(), {}, {"response": RESPONSE}, id="bytes"),
        pytest.param(Model(RESPONSE), {}, {"response": RESPONSE}, id="model"),
        pytest.param(
            {"result": [Model(ENTRY)]}, {}, {"response": {"result": [ENTRY]}}, id="models in it"
        ),
        pytest.param(Raw("{}"), {}, {"response": {"code": "as it came"}}, id="as it came"),
        pytest.param(Raw(None), {}, {"response": {"code": "to_dict"}}, id="made by hand"),
        pytest.param(
            {"sends": [ENTRY]},
            {"reference": "r"},
            {"sends": [ENTRY], "reference": "r"},
            id="a list of one's own",
        ),
        pytest.param(
            {"response": RESPONSE, "extend": "x"},
            {"extend": "y"},
            {"response": RESPONSE, "extend": "y"},
            id="a registration",
        ),
        pytest.param(
            RESPONSE,
            {
                "reference": uuid.UUID(int=7),
                "references": {PERSON: "r", 8: 9},
                "extend": "e",
                "template_id": "t",
                "text_length": 70,
            },
            {
                "response": RESPONSE,
                "reference": str(uuid.UUID(int=7)),
                "references": {PERSON: "r", "8": 9},
                "extend": "e",
                "template_id": "t",
                "text_length": 70,
            },
            id="with all beside it",
        ),
        pytest.param(
            RESPONSE,
            {"request": {"from": "1069", "templateId": "t", "templateParas": '["1234"]'}},
            {"response": RESPONSE, "request": {"from": "1069", "templateId": "t"}},
            id="request without its texts",
        ),
        pytest.param(
            RESPONSE,
            {
                "request": Model(
                    {
                        "body": {
                            "_from": "1069",
                            "extend": None,
                            "sms_content": [
                                {"to": [PERSON], "template_id": "t", "template_paras": ["1234"]}
                            ],
                        }
                    }
                )
            },
            {
                "response": RESPONSE,
                "request": {"from": "1069", "smsContent": [{"to": [PERSON], "templateId": "t"}]},
            },
            id="request of the SDK",
        ),
        pytest.param(
            RESPONSE, {"request": Broken(7)}, {"response": RESPONSE}, id="broken request left out"
        ),
    ],
)
def test_what_is_sent(kind: str, response: Any, details: dict[str, Any], document: Any) -> None:
    """A response in any form, with what belongs to it, becomes one registration."""
    with scripted() as server:
        (result,) = register(kind, server.url, response, **details)

    assert result == Registered(registered=1)
    assert server.documents == [document]
    (headers, _), *_ = server.asked
    assert headers["authorization"] == f"Bearer {KEY}"
    assert headers["content-type"] == "application/json"


@pytest.mark.parametrize("kind", KINDS)
def test_the_application_is_named(kind: str) -> None:
    """A client of an application says so in each registration."""
    with scripted() as server:
        register(kind, server.url, RESPONSE, application="shop")

    assert server.documents == [{"response": RESPONSE, "application": "shop"}]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "response",
    [None, 7, [ENTRY], "nonsense", b"\xff", "[]", Broken(1), Model(7), {"result": object()}],
    ids=["none", "number", "list", "text", "bytes", "array", "broken", "model", "object"],
)
def test_no_response_raises(kind: str, response: Any, caplog: pytest.LogCaptureFixture) -> None:
    """What is no response is told in the result and in the log, not raised, and not sent."""
    with scripted() as server:
        (result,) = register(kind, server.url, response)

    assert result.error
    assert result.registered == 0
    assert server.asked == []
    assert caplog.records
    assert PERSON not in caplog.text + result.error


# --- what is answered -----------------------------------------------------------------------------

VERDICT = {"action": "fix", "meaning": "No gateway fits this message"}


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_taken_is_told(kind: str) -> None:
    """The result has what the platform refused with its verdict, and what could not be used."""
    body = {
        "application": "default",
        "registered": 2,
        "rejected": [{"index": 1, "reason": "no id"}],
        "ignored": [{"index": None, "reason": "no length"}],
        "refused": [{"sms_msg_id": "m_2", "code": "E200033", "verdict": VERDICT}],
        "request": {"code": "E000510", "verdict": VERDICT},
    }
    with scripted(Reply(body=body)) as server:
        (result,) = register(kind, server.url, RESPONSE)

    assert (result.registered, result.spooled) == (2, False)
    assert result.rejected == (Unusable(1, "no id"),)
    assert result.ignored == (Unusable(None, "no length"),)
    (refused,) = result.refused
    assert (refused.sms_msg_id, refused.code, refused.verdict) == ("m_2", "E200033", VERDICT)
    assert result.request is not None
    assert (result.request.sms_msg_id, result.request.code) == (None, "E000510")
    assert result.error == "The receiver could not use some entries; `rejected` names them."


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("reply", "error", "is_kept"),
    [
        pytest.param(
            Reply(400, {"detail": "Not so.", "rejected": [{"index": 0, "reason": "x"}]}),
            "The receiver refused it: Not so.",
            False,
            id="refused",
        ),
        pytest.param(Reply(413, b"<html>"), "The receiver refused it: HTTP 413", False, id="size"),
        pytest.param(
            Reply(401, {}), "The receiver refuses the key (HTTP 401).", True, id="wrong key"
        ),
        pytest.param(
            Reply(403, {}), "The receiver refuses the key (HTTP 403).", True, id="weak key"
        ),
        pytest.param(
            Reply(404, {}), "What answers there is no receiver (HTTP 404).", True, id="nothing"
        ),
        pytest.param(
            Reply(302, headers={"Location": "/"}),
            "What answers there is no receiver (HTTP 302).",
            True,
            id="redirection",
        ),
        pytest.param(
            Reply(200, b"<html>"), "What answers there is no receiver (HTTP 200).", True, id="page"
        ),
        pytest.param(
            Reply(202, [7]), "What answers there is no receiver (HTTP 202).", True, id="202"
        ),
    ],
)
def test_final_answers(kind: str, reply: Reply, error: str, is_kept: bool, tmp_path: Path) -> None:
    """An answer that another attempt would not change ends it; what may change later is kept."""
    with scripted(reply) as server:
        (result,) = register(kind, server.url, RESPONSE, spool=tmp_path)

    assert (result.error, result.spooled) == (error, is_kept)
    assert len(server.asked) == 1
    assert kept(tmp_path) == is_kept * [{"response": RESPONSE}]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "replies",
    [
        pytest.param([Reply(503, {}, {"Retry-After": "0"}), Reply(500, {}), Reply()], id="5xx"),
        pytest.param([Reply(drop=True), Reply()], id="connection lost"),
        pytest.param([Reply(429, {}), Reply(408, {}), Reply()], id="too much"),
        pytest.param([Reply(after_s=0.6), Reply()], id="time-out"),
        pytest.param([Reply(503, {}, {"Retry-After": "soon"}), Reply()], id="odd Retry-After"),
    ],
)
def test_tried_again(kind: str, replies: list[Reply]) -> None:
    """What may pass is tried again until it is taken."""
    with scripted(*replies) as server:
        (result,) = register(kind, server.url, RESPONSE, timeout_s=0.4)

    assert result == Registered(registered=1)
    assert server.documents == len(replies) * [{"response": RESPONSE}]


@pytest.mark.parametrize("kind", KINDS)
def test_retry_after_is_waited_for(kind: str) -> None:
    """The next attempt comes no earlier than the receiver asks."""
    with scripted(Reply(503, {}, {"Retry-After": "1"}), Reply()) as server:
        began = time.monotonic()
        (result,) = register(kind, server.url, RESPONSE, patience_s=5)

    assert result.error is None
    assert time.monotonic() - began >= 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("replies", "error"),
    [
        pytest.param([Reply(500, {})], "The receiver cannot take it now (HTTP 500).", id="500"),
        pytest.param(
            [Reply(503, {}, {"Retry-After": "60"})],
            "The receiver cannot take it now (HTTP 503).",
            id="longer than one waits",
        ),
        pytest.param(
            [Reply(after_s=3)], "The receiver does not answer (ReadTimeout).", id="no answer"
        ),
    ],
)
def test_patience_ends(kind: str, replies: list[Reply], error: str) -> None:
    """A registration takes no longer than its patience and one time-out."""
    with scripted(*replies) as server:
        began = time.monotonic()
        (result,) = register(kind, server.url, RESPONSE, patience_s=0.5, timeout_s=0.5)
        took = time.monotonic() - began

    assert result.error in (error, error.replace("ReadTimeout", "TimeoutError"))
    assert took < 2


@given(
    st.lists(st.sampled_from([None, "0", "1", "999999999999", "never"]), min_size=60, max_size=60),
    st.floats(0.1, 60),
    st.floats(0.1, 60),
)
def test_attempts_end(retry_after: list[str | None], total_s: float, timeout_s: float) -> None:
    """Whatever is answered, attempts end, and none begins after the time for all of them."""
    now = 100.0
    attempts = Attempts(Patience(timeout_s, total_s), now)
    for asked in retry_after * 2:
        assert 0 < attempts.timeout_s(now) <= timeout_s
        judged = attempts.judge(Failure("x") if asked is None else Answer(503, b"", asked), now)
        if isinstance(judged, Outcome):
            assert judged.worth_keeping
            assert judged.result.error
            return
        assert judged > 0
        now += judged
        assert now < 100.0 + total_s
    raise AssertionError("it goes on for ever")


@pytest.mark.parametrize("kind", KINDS)
def test_raising_when_asked(kind: str) -> None:
    """Who asks for it gets one exception type for whatever went wrong, with the result."""
    for url, response in ((nobody(), RESPONSE), (nobody(), 7)):
        with pytest.raises(NotRegisteredError) as raised:
            register(kind, url, response, raising=True, patience_s=0.2)
        assert raised.value.result.error == str(raised.value)


# --- the spool ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_what_cannot_be_delivered_is_kept(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A registration that finds no receiver lies in the spool, whole, for its owner's eyes only."""
    directory = tmp_path / "spool"
    (result,) = register(kind, nobody(), RESPONSE, spool=directory, patience_s=0.2)

    assert result.spooled
    assert result.error == "The receiver does not answer (ConnectError)."
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    (file,) = directory.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_bytes().count(b"\n") == 1
    assert kept(directory) == [{"response": RESPONSE}]
    assert KEY not in file.read_text()
    (record,) = [record for record in caplog.records if record.name == "receiver.client"]
    assert record.levelno == logging.WARNING
    assert PERSON[3:] not in caplog.text
    assert KEY not in caplog.text


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_spool_a_loss_is_an_error(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """Where nothing keeps it, the log says at level error that a registration is lost."""
    (result,) = register(kind, nobody(), RESPONSE, patience_s=0.2)

    assert not result.spooled
    assert [r.levelno for r in caplog.records if r.name == "receiver.client"] == [logging.ERROR]
    assert "lost" in caplog.text


@pytest.mark.parametrize("kind", KINDS)
def test_the_next_success_delivers_the_spool(kind: str, tmp_path: Path) -> None:
    """Once a registration gets through, those in the spool follow it, the oldest first."""
    later = [{"sends": [{"sms_msg_id": f"m_{n}"}]} for n in range(3)]
    for document in later:
        register(kind, nobody(), document, spool=tmp_path, patience_s=0.2)
    with scripted() as server:
        (result,) = register(kind, server.url, RESPONSE, spool=tmp_path)

    assert result == Registered(registered=1)
    assert server.documents == [{"response": RESPONSE}, *later]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", KINDS)
def test_flushing(kind: str, tmp_path: Path) -> None:
    """`flush` delivers what is in the spool, or tells how many are left when nobody answers."""
    for n in range(2):
        register(kind, nobody(), {"sends": [{"sms_msg_id": f"m_{n}"}]}, spool=tmp_path)
    assert flush(kind, nobody(), tmp_path) == 2
    assert len(kept(tmp_path)) == 2
    with scripted() as server:
        assert flush(kind, server.url, tmp_path) == 0

    assert [document["sends"][0]["sms_msg_id"] for document in server.documents] == ["m_0", "m_1"]
    assert kept(tmp_path) == []


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_refused_for_good_does_not_block_the_spool(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A registration out of the spool that the receiver refuses is put aside; the rest goes on."""
    register(kind, nobody(), RESPONSE, {"sends": []}, spool=tmp_path, patience_s=0.2)
    with scripted(Reply(400, {"detail": PERSON}), Reply()) as server:
        assert flush(kind, server.url, tmp_path) == 0

    assert len(server.asked) == 2
    (aside,) = tmp_path.iterdir()
    assert aside.suffix == ".refused"
    assert json.loads(aside.read_bytes()) == {"response": RESPONSE}
    assert "refused" in caplog.text
    assert PERSON not in caplog.text


@pytest.mark.parametrize("kind", KINDS)
def test_an_absent_receiver_is_not_waited_for_at_each_send(kind: str, tmp_path: Path) -> None:
    """After one failure further registrations go to the spool at once, none is lost."""
    began = time.monotonic()
    first, *others = register(kind, nobody(), *(20 * [RESPONSE]), spool=tmp_path, patience_s=1)
    took = time.monotonic() - began

    assert first.error == "The receiver does not answer (ConnectError)."
    assert {other.error for other in others} == {"The receiver did not answer a moment ago."}
    assert len(kept(tmp_path)) == 20
    assert took < 3


@pytest.mark.parametrize("kind", KINDS)
def test_a_full_spool_does_not_hold_up_a_send(kind: str, tmp_path: Path) -> None:
    """A registration delivers out of the spool for about a second, and leaves the rest."""
    register(kind, nobody(), *(8 * [RESPONSE]), spool=tmp_path, patience_s=0.2)
    with scripted(Reply(after_s=0.3)) as server:
        began = time.monotonic()
        (result,) = register(kind, server.url, RESPONSE, spool=tmp_path)
        took = time.monotonic() - began

    assert result.error is None
    assert took < 2.5
    assert 0 < len(kept(tmp_path)) < 8


def test_what_a_crash_left_is_not_delivered(tmp_path: Path) -> None:
    """A file that was not finished is never delivered, and is removed when it is old."""
    young, old = tmp_path / "1-1-a.tmp", tmp_path / "0-1-b.tmp"
    for file in (young, old):
        file.write_text('{"response": {"co')
    os.utime(old, (1, 1))
    with scripted() as server:
        register("sync", server.url, RESPONSE, spool=tmp_path)

    assert server.documents == [{"response": RESPONSE}]
    assert list(tmp_path.iterdir()) == [young]


@pytest.mark.parametrize("kind", KINDS)
def test_a_spool_that_cannot_be_written(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A directory that is gone is told as an error; the send path never notices."""
    directory = tmp_path / "spool"

    async def in_a_loop() -> Registered:
        async with AsyncClient(nobody(), KEY, spool=directory, patience_s=0.2) as client:
            directory.rmdir()
            return await client.register(RESPONSE)

    if kind == "async":
        result = asyncio.run(in_a_loop())
    else:
        with Client(nobody(), KEY, spool=directory, patience_s=0.2) as client:
            directory.rmdir()
            result = client.register(RESPONSE)

    assert result.error
    assert not result.spooled
    assert "the spool cannot be written (FileNotFoundError)" in caplog.text


@pytest.mark.parametrize("kind", KINDS)
def test_a_delivery_counts_though_the_spool_is_gone(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A registration that got through is a success, whatever happens to the spool afterwards."""
    directory = tmp_path / "spool"

    async def in_a_loop(url: str) -> Registered:
        async with AsyncClient(url, KEY, spool=directory) as client:
            directory.rmdir()
            return await client.register(RESPONSE)

    with scripted() as server:
        if kind == "async":
            result = asyncio.run(in_a_loop(server.url))
        else:
            with Client(server.url, KEY, spool=directory) as client:
                directory.rmdir()
                result = client.register(RESPONSE)

    assert result == Registered(registered=1)
    assert "The spool cannot be read" in caplog.text


def test_the_spool_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A spool takes a limited number; what comes on top is told to be lost."""
    monkeypatch.setattr(spool, "MOST_KEPT", 2)
    results = register("sync", nobody(), *(3 * [RESPONSE]), spool=tmp_path, patience_s=0.2)

    assert [result.spooled for result in results] == [True, True, False]
    assert len(kept(tmp_path)) == 2


# --- programs -------------------------------------------------------------------------------------


def test_a_program_that_is_stopped_keeps_its_registration(tmp_path: Path) -> None:
    """An interrupt in the midst of a registration gets through, and the registration is kept."""

    def interrupt(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGUSR1, interrupt)
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGUSR1))
    try:
        with scripted(Reply(after_s=2)) as server:
            timer.start()
            with pytest.raises(KeyboardInterrupt):
                register("sync", server.url, RESPONSE, spool=tmp_path, timeout_s=5)
    finally:
        timer.cancel()
        signal.signal(signal.SIGUSR1, before)

    assert kept(tmp_path) == [{"response": RESPONSE}]


async def test_a_task_that_is_cancelled_keeps_its_registration(tmp_path: Path) -> None:
    """A cancelled registration is cancelled, and kept."""
    with scripted(Reply(after_s=1)) as server:
        async with AsyncClient(server.url, KEY, spool=tmp_path) as client:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await client.register(RESPONSE)

    assert kept(tmp_path) == [{"response": RESPONSE}]


def test_threads_share_a_client() -> None:
    """Threads register through one client, over a few connections that stay open."""
    with scripted() as server, Client(server.url, KEY) as client:
        with ThreadPoolExecutor(8) as pool:
            results = list(
                pool.map(lambda n: client.register(RESPONSE, reference=str(n)), range(100))
            )

        assert [result.registered for result in results] == 100 * [1]
        assert {d["reference"] for d in server.documents} == {str(n) for n in range(100)}
        assert len(server.connections) <= 8


def test_a_client_works_across_a_fork(tmp_path: Path) -> None:
    """The child of a fork does not use its parent's connections."""
    program = tmp_path / "program.py"
    program.write_text(
        "import os, sys\n"
        "from receiver.client import Client\n"
        "client = Client(sys.argv[1], 'key')\n"
        "assert client.register({'result': []}).error is None\n"
        "child = os.fork()\n"
        "assert client.register({'result': []}).error is None\n"
        "if child: sys.exit(os.waitpid(child, 0)[1])\n"
    )
    with scripted() as server:
        run_program(str(program), server.url)

    assert len(server.asked) == 3
    assert len(server.connections) == 2


def test_a_client_outlives_an_event_loop(tmp_path: Path) -> None:
    """An asynchronous client that is used by one loop after another goes on."""
    program = tmp_path / "program.py"
    program.write_text(
        "import asyncio, sys\n"
        "from receiver.client import AsyncClient\n"
        "client = AsyncClient(sys.argv[1], 'key')\n"
        "for _ in range(2):\n"
        "    assert asyncio.run(client.register({'result': []})).error is None\n"
    )
    with scripted() as server:
        run_program(str(program), server.url)

    assert len(server.asked) == 2


def test_importing_it_is_light() -> None:
    """A program that sends does not load the receiver itself, nor what it is built with."""
    heavy = ("starlette", "sqlalchemy", "uvicorn", "pydantic", "structlog", "receiver.settings")
    answer = run_program(
        "-c",
        "import sys, receiver.client\n"
        f"print([name for name in sys.modules if name.startswith({heavy!r})])",
    )

    assert answer == "[]\n"


def run_program(*arguments: str) -> str:
    """Run a Python program to its end; give what it printed."""
    done = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# --- arguments ------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [Client, AsyncClient])
def test_the_key_stays_out_of_sight(
    make: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key may come from the environment, and no description shows it."""
    monkeypatch.setenv("RECEIVER_API_KEY", KEY)
    client = make("http://receiver.test:8081/behind/a/proxy")

    assert repr(client) == f"<{make.__name__} of http://receiver.test:8081, no spool>"
    assert KEY not in repr(vars(client))


@pytest.mark.parametrize("make", [Client, AsyncClient])
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param({"key": ""}, "There is no API key", id="no key"),
        pytest.param({"key": "a\nb"}, "The API key holds characters", id="line end in the key"),
        pytest.param({"key": "schlüssel"}, "The API key holds characters", id="letters"),
        pytest.param({"url": "receiver:8081"}, "must begin with http", id="no scheme"),
        pytest.param({"url": "ftp://receiver"}, "must begin with http", id="other scheme"),
        pytest.param({"url": "http://"}, "must begin with http", id="no host"),
        pytest.param({"url": "http://[::1"}, "is no URL", id="no URL"),
        pytest.param({"url": "http://a:b@receiver"}, "holds more than", id="password"),
        pytest.param({"timeout_s": 0}, "more than 0 seconds", id="no time"),
        pytest.param({"patience_s": -1}, "more than 0 seconds", id="no patience"),
    ],
)
def test_arguments_that_cannot_be_used(
    make: Callable[..., Any], arguments: dict[str, Any], words: str
) -> None:
    """What is wrong with the configuration is told when the client is made."""
    with pytest.raises(ValueError, match=words) as refused:
        make(**{"url": "http://127.0.0.1", "key": KEY, **arguments})

    assert KEY not in str(refused.value)


def test_a_spool_that_is_a_file(tmp_path: Path) -> None:
    """A spool that cannot be a directory is told when the client is made."""
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(OSError, match="file"):
        Client("http://127.0.0.1", KEY, spool=file)


# --- wrapping a send function ---------------------------------------------------------------------

REQUEST = {"from": "1069", "to": PERSON, "templateId": "t", "extend": "e"}
REDUCED = {"from": "1069", "templateId": "t", "extend": "e"}


def wrapped(kind: str, url: str, send: Callable[..., Any], **details: Any) -> Any:
    """Call a wrapped send function once."""

    async def in_a_loop() -> Any:
        async with AsyncClient(url, KEY, patience_s=0.2) as client:
            return await client.sending(send)(REQUEST, **details)

    if kind == "async":
        return asyncio.run(in_a_loop())
    with Client(url, KEY, patience_s=0.2) as client:
        return client.sending(send)(REQUEST, **details)


@pytest.mark.parametrize("kind", KINDS)
def test_a_wrapped_send(kind: str) -> None:
    """A wrapped function gives its response unchanged, which is registered with the request."""
    response = Model(RESPONSE)
    calls: list[Any] = []

    def send(request: Any, *, retries: int) -> Model:
        calls.append((request, retries))
        return response

    with scripted() as server:
        given = wrapped(kind, server.url, send, retries=2, reference="r", text_length=7)

    assert given is response
    assert calls == [(REQUEST, 2)]
    assert server.documents == [
        {"response": RESPONSE, "request": REDUCED, "reference": "r", "text_length": 7}
    ]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("response", [Model(RESPONSE), None, Broken(1)], ids=["good", "no", "bad"])
def test_a_wrapped_send_without_a_receiver(kind: str, response: Any) -> None:
    """Neither an absent receiver nor an odd response reaches the one who sends."""
    assert wrapped(kind, nobody(), lambda _: response) is response


@pytest.mark.parametrize("kind", KINDS)
def test_a_wrapped_send_that_fails(kind: str) -> None:
    """What the function raises comes through as it is, and nothing is registered."""
    failure = RuntimeError("refused")

    def send(_: Any) -> None:
        raise failure

    with scripted() as server, pytest.raises(RuntimeError) as raised:
        wrapped(kind, server.url, send)

    assert raised.value is failure
    assert server.asked == []


class Sender:
    """An object that sends when it is called, asynchronously."""

    async def __call__(self, _: Any) -> dict[str, Any]:
        """Send."""
        await asyncio.sleep(0)
        return RESPONSE


@pytest.mark.parametrize("send", [Sender(), Sender().__call__], ids=["object", "function"])
def test_an_asynchronous_send(send: Callable[..., Any]) -> None:
    """An asynchronous function is awaited."""
    with scripted() as server:
        given = wrapped("async", server.url, send)

    assert given == RESPONSE
    assert server.documents == [{"response": RESPONSE, "request": REDUCED}]


async def test_a_send_in_a_thread_is_registered_though_its_caller_left() -> None:
    """What was sent after its caller was cancelled is registered all the same."""

    def send(_: Any) -> dict[str, Any]:
        time.sleep(0.4)
        return RESPONSE

    with scripted() as server:
        async with AsyncClient(server.url, KEY) as client:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await client.sending(send)(REQUEST)
            assert server.asked == []

        assert server.documents == [{"response": RESPONSE, "request": REDUCED}]


def test_a_port_where_something_else_listens() -> None:
    """Something that speaks no HTTP is as good as nobody."""
    with closing(socket.create_server(("127.0.0.1", 0))) as other:

        def talk() -> None:
            connection, _ = other.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(b"220 mail.example ESMTP\r\n")

        thread = threading.Thread(target=talk)
        thread.start()
        url = f"http://127.0.0.1:{other.getsockname()[1]}"
        (result,) = register("sync", url, RESPONSE, patience_s=0.05)
        thread.join()

    assert result.error
    assert result.error.startswith("The receiver does not answer (")
