"""The client for programs that send, against a server on loopback that answers as it is told."""

import asyncio
import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.client import AsyncClient, Client, NotRegisteredError, Registered, Unusable
from receiver.client.attempts import AttemptOutcome, Attempts, Failure, HttpAnswer, Patience
from tests.support.parts import ROOT
from tests.support.scripted import (
    ENTRY,
    KINDS,
    PERSON,
    RESPONSE,
    Reply,
    kept,
    nobody,
    register,
    scripted,
)
from tests.support.server import KEY

# --- what is taken --------------------------------------------------------------------------------


class Model:
    """A model of another library."""

    def __init__(self, content: Any) -> None:
        self._content = content

    def to_dict(self) -> Any:
        """Return the content."""
        return self._content


class Raw(Model):
    """A model that has its content as it came, or not."""

    def to_json_object(self) -> Any:
        """Return the content as it came."""
        return json.loads('{"code":"as it came"}') if self._content else None

    def to_dict(self) -> Any:
        """Return the content in another spelling."""
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
    assert result.error == "The receiver could not use some entries; see `rejected`."


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("reply", "error", "is_kept"),
    [
        pytest.param(
            Reply(400, {"detail": "Not so.", "rejected": [{"index": 0, "reason": "x"}]}),
            "The receiver refused the registration: Not so.",
            False,
            id="refused",
        ),
        pytest.param(
            Reply(413, b"<html>"),
            "The receiver refused the registration: HTTP 413",
            False,
            id="size",
        ),
        pytest.param(
            Reply(401, {}),
            "The receiver does not accept the API key (HTTP 401).",
            True,
            id="wrong key",
        ),
        pytest.param(
            Reply(403, {}),
            "The receiver does not accept the API key (HTTP 403).",
            True,
            id="weak key",
        ),
        pytest.param(
            Reply(400, {"detail": "There is no such application.", "known": ["shop"]}),
            "The application is unknown to the receiver (HTTP 400). Correct `application`.",
            True,
            id="wrong application",
        ),
        pytest.param(
            Reply(404, {}),
            "The server at this address is not a receiver (HTTP 404).",
            True,
            id="nothing",
        ),
        pytest.param(
            Reply(302, headers={"Location": "/"}),
            "The server at this address is not a receiver (HTTP 302).",
            True,
            id="redirection",
        ),
        pytest.param(
            Reply(200, b"<html>"),
            "The server at this address is not a receiver (HTTP 200).",
            True,
            id="page",
        ),
        pytest.param(
            Reply(202, [7]),
            "The server at this address is not a receiver (HTTP 202).",
            True,
            id="202",
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
        pytest.param(
            [Reply(500, {})],
            "The receiver cannot accept the registration now (HTTP 500).",
            id="500",
        ),
        pytest.param(
            [Reply(503, {}, {"Retry-After": "60"})],
            "The receiver cannot accept the registration now (HTTP 503).",
            id="longer than one waits",
        ),
        pytest.param(
            [Reply(after_s=30)], "The receiver does not answer (ReadTimeout).", id="no answer"
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
    assert took < 20


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
        judged = attempts.judge(Failure("x") if asked is None else HttpAnswer(503, b"", asked), now)
        if isinstance(judged, AttemptOutcome):
            assert judged.worth_keeping
            assert judged.result.error
            return
        assert judged > 0
        now += judged
        assert now < 100.0 + total_s
    raise AssertionError("it goes on for ever")


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_spool_a_loss_is_an_error(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """Where nothing keeps it, the log says at level error that a registration is lost."""
    (result,) = register(kind, nobody(), RESPONSE, patience_s=0.2)

    assert not result.spooled
    assert [r.levelno for r in caplog.records if r.name == "receiver.client"] == [logging.ERROR]
    assert "lost" in caplog.text


@pytest.mark.parametrize("kind", KINDS)
def test_raising_when_asked(kind: str) -> None:
    """Who asks for it gets one exception type for whatever went wrong, with the result."""
    for url, response in ((nobody(), RESPONSE), (nobody(), 7)):
        with pytest.raises(NotRegisteredError) as raised:
            register(kind, url, response, raising=True, patience_s=0.2)
        assert raised.value.result.error == str(raised.value)


# --- programs -------------------------------------------------------------------------------------


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
    """Run a Python program to its end; return what it printed."""
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
        pytest.param({"key": "a\nb"}, "The API key contains characters", id="line end in the key"),
        pytest.param({"key": "schlüssel"}, "The API key contains characters", id="letters"),
        pytest.param({"url": "receiver:8081"}, "must begin with http", id="no scheme"),
        pytest.param({"url": "ftp://receiver"}, "must begin with http", id="other scheme"),
        pytest.param({"url": "http://"}, "must begin with http", id="no host"),
        pytest.param({"url": "http://[::1"}, "is not a URL", id="no URL"),
        pytest.param({"url": "http://a:b@receiver"}, "must contain only", id="password"),
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


class Promise:
    """A response to come that can only be waited for, as that of the SDK."""

    def __init__(self, future: Future[Any]) -> None:
        self._future = future

    def result(self) -> Any:
        """Wait for it."""
        return self._future.result()


@pytest.mark.parametrize("make", [Promise, lambda future: future], ids=["of the SDK", "standard"])
def test_a_send_that_gives_a_future(make: Callable[[Future[Any]], Any]) -> None:
    """The future comes back as it is, at once; it is registered when it is done."""
    future: Future[Any] = Future()
    given = make(future)
    with scripted() as server:
        with Client(server.url, KEY) as client:
            assert client.sending(lambda _: given)(REQUEST, reference="r") is given
            assert server.asked == []
            future.set_result(RESPONSE)
        assert server.documents == [{"response": RESPONSE, "request": REDUCED, "reference": "r"}]


@pytest.mark.parametrize("make", [Promise, lambda future: future], ids=["of the SDK", "standard"])
def test_a_future_in_an_asynchronous_program(make: Callable[[Future[Any]], Any]) -> None:
    """There the wrapped function gives what the future gives, registered."""

    def send(_: Any) -> Any:
        future: Future[Any] = Future()
        threading.Timer(0.05, future.set_result, (RESPONSE,)).start()
        return make(future)

    with scripted() as server:
        assert wrapped("async", server.url, send) == RESPONSE
    assert server.documents == [{"response": RESPONSE, "request": REDUCED}]


def test_a_future_that_fails() -> None:
    """What a future raises is for the one who has it; nothing is registered."""
    future: Future[Any] = Future()
    future.set_exception(RuntimeError("refused"))
    with scripted() as server:
        with Client(server.url, KEY) as client:
            given = client.sending(lambda _: future)(REQUEST)
        with pytest.raises(RuntimeError, match="refused"):
            given.result()
    assert server.asked == []


def test_futures_that_nobody_waits_for(tmp_path: Path) -> None:
    """A program that ends with sends under way registers them first."""
    program = (
        "import sys, time\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from receiver.client import Client\n"
        "pool = ThreadPoolExecutor(4)\n"
        "client = Client(sys.argv[1], 'key')\n"
        "send = client.sending(lambda n: pool.submit(lambda: time.sleep(0.3) or {'result': [n]}))\n"
        "for n in range(20): send({'n': n})\n"
    )
    file = tmp_path / "program.py"
    file.write_text(program)
    with scripted() as server:
        run_program(str(file), server.url)

    assert sorted(d["response"]["result"][0]["n"] for d in server.documents) == list(range(20))


def test_an_asynchronous_send_needs_the_other_client() -> None:
    """A coroutine function cannot be wrapped by the synchronous client: it would never be run."""

    async def send(_: Any) -> None:
        """Send."""

    with Client(nobody(), KEY) as client, pytest.raises(TypeError, match="AsyncClient"):
        client.sending(send)


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


async def test_a_send_that_raises_what_no_future_carries() -> None:
    """StopIteration out of a function that is not asynchronous reaches the caller as an error."""

    def send(_: Any) -> Any:
        raise StopIteration

    with scripted() as server:
        async with AsyncClient(server.url, KEY) as client:
            with pytest.raises(RuntimeError, match="StopIteration"):
                await client.sending(send)({})


@pytest.mark.parametrize("name", ["", "  "])
def test_an_application_without_a_name_is_refused(name: str) -> None:
    """An empty variable of the environment does not register with another application."""
    with pytest.raises(ValueError, match="application is empty"):
        Client(nobody(), KEY, application=name)
