"""What a call of the client may take: of time and of memory, whatever answers at the other end."""

import asyncio
import gc
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
import trustme

from receiver.client import AsyncClient, Registered
from receiver.client.attempts import LARGEST_ANSWER, Failure, HttpAnswer
from receiver.client.connections import Connections
from tests.support.scripted import KINDS, RESPONSE, Reply, nobody, register, scripted
from tests.support.server import KEY
from tests.support.slow_receivers import BEHAVIOURS, ENDLESS, receiver_away, slow_receiver

LONG_S = 30.0  # none of these servers would ever end; a busy machine may take its time


def called(kind: str, url: str, response: Any = RESPONSE, **options: Any) -> Registered:
    """Register once with little time; it must end in time."""
    began = time.monotonic()
    (result,) = register(kind, url, response, timeout_s=0.4, patience_s=0.4, **options)
    assert time.monotonic() - began < LONG_S
    return result


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_an_answer_that_does_not_come(kind: str, behaviour: str) -> None:
    """A server that hangs or drips holds up a call for its time-out and not longer."""
    with slow_receiver(BEHAVIOURS[behaviour]) as slow:
        result = called(kind, slow.url)

    assert str(result.error).startswith("The receiver does not answer (")
    assert "Timeout" in str(result.error)


@pytest.mark.parametrize("kind", KINDS)
def test_an_address_that_drops_packets(kind: str) -> None:
    """To connect is part of the call, too."""
    with receiver_away() as url:
        result = called(kind, url)

    assert str(result.error).startswith("The receiver does not answer (")
    assert "Timeout" in str(result.error)


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_does_not_read(kind: str) -> None:
    """A registration that nobody takes in ends in time, too."""
    with slow_receiver(BEHAVIOURS["hangs"]) as slow:
        result = called(kind, slow.url, {"sends": [], "reference": 20_000_000 * "x"})

    assert str(result.error).startswith("The receiver does not answer (")
    assert "Timeout" in str(result.error)


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_does_not_speak_tls(kind: str) -> None:
    """The handshake is part of the call, too."""
    with slow_receiver(BEHAVIOURS["hangs"]) as slow:
        result = called(kind, slow.url.replace("http:", "https:"))
        gc.collect()  # a socket that was left open is a warning now

    assert str(result.error).startswith("The receiver does not answer (")
    assert "Timeout" in str(result.error)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("endless", ENDLESS)
def test_an_answer_without_end(kind: str, endless: str) -> None:
    """No more is read of an answer than a receiver's can have."""
    with slow_receiver(ENDLESS[endless]) as slow:
        (result,) = register(kind, slow.url, RESPONSE, timeout_s=LONG_S, patience_s=LONG_S)

    assert result.error == "The server at this address is not a receiver (HTTP 202)."
    buffers = 32 * 1024 * 1024  # of the kernel and the libraries, generously
    assert slow.sent < LARGEST_ANSWER + buffers


@pytest.mark.parametrize("kind", KINDS)
def test_headers_without_end(kind: str) -> None:
    """Neither is more read of its headers."""
    with slow_receiver(_pour_headers) as slow:
        result = called(kind, slow.url)

    assert result.error in (
        "The receiver does not answer (RemoteProtocolError).",
        "The receiver does not answer (ReadTimeout).",
        "The receiver does not answer (TimeoutError).",
    )


def _pour_headers(slow: Any, connection: socket.socket) -> None:
    connection.recv(65_536)
    slow.say(connection, b"HTTP/1.1 202 Accepted\r\n")
    slow.pour(connection, 1000 * b"x: y\r\n")


@pytest.mark.parametrize("kind", KINDS)
def test_a_redirection_is_not_followed(kind: str) -> None:
    """A server that redirects to itself is asked once."""
    with scripted(Reply(307, headers={"Location": "/v1/sends"})) as server:
        result = called(kind, server.url)

    assert result.error == "The server at this address is not a receiver (HTTP 307)."
    assert len(server.asked) == 1


# --- names ----------------------------------------------------------------------------------------


@pytest.fixture
def slow_names(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Let the look-up of names hang until an event is set, as one does whose servers are away."""
    found, look_up = threading.Event(), socket.getaddrinfo

    def hang(host: Any, *more: Any, **options: Any) -> Any:
        if host == "receiver.test" and "flags" not in options:  # those forbid to look it up
            found.wait()
            host = "127.0.0.1"
        return look_up(host, *more, **options)

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    yield found
    found.set()


def test_a_name_that_is_not_found_in_time(slow_names: threading.Event) -> None:
    """A look-up that hangs holds up a call for its time-out; many do not make many threads."""
    before = threading.active_count()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    connections = Connections("http://receiver.test:1/v1/sends", {}, context)
    for _ in range(20):
        assert connections.post(b"{}", 0.02) == Failure("ConnectTimeout")
    assert threading.active_count() - before <= 8
    slow_names.set()


def _by_name(url: str) -> str:
    return url.replace("127.0.0.1", "receiver.test")


@pytest.mark.usefixtures("slow_names")
def test_a_slow_name_of_a_registration() -> None:
    """Such a registration is one that found no receiver."""
    with scripted() as server:
        result = called("sync", _by_name(server.url))

    assert result.error == "The receiver does not answer (ConnectTimeout)."
    assert server.asked == []


def test_a_name_with_several_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address that drops packets leaves time for the next one of the same name."""
    with receiver_away() as away, scripted() as server:
        ports = [int(url.rpartition(":")[2]) for url in (away, server.url)]
        both = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in ports]
        look_up = socket.getaddrinfo

        def look_up_both(host: Any, *more: Any, **options: Any) -> Any:
            is_by_name = host == "receiver.test" and "flags" not in options
            return both if is_by_name else look_up(host, *more, **options)

        monkeypatch.setattr(socket, "getaddrinfo", look_up_both)
        (result,) = register("sync", _by_name(server.url), RESPONSE, timeout_s=4, patience_s=4)

    assert result == Registered(registered=1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_name_that_does_not_exist(kind: str) -> None:
    """A name without an address is a receiver that does not answer."""
    result = called(kind, "http://receiver.invalid:8081")

    assert result.error is not None
    assert result.error.startswith("The receiver does not answer (Connect")


# --- TLS ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("trusted", [True, False])
def test_a_receiver_behind_tls(kind: str, trusted: bool) -> None:
    """Certificates are checked; connections stay open as without TLS."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    checking = ssl.create_default_context()
    if trusted:
        authority.configure_trust(checking)
    with scripted(tls=context) as server:
        patience_s = LONG_S if trusted else 0.5
        options = {"verify": checking, "timeout_s": LONG_S, "patience_s": patience_s}
        results = register(kind, server.url, *(3 * [RESPONSE]), **options)

    if trusted:
        assert results == 3 * [Registered(registered=1)]
        assert len(server.connections) == 1
    else:
        assert results[0].error == "The receiver does not answer (ConnectError)."


# --- connections ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_connections_that_the_server_closes(kind: str) -> None:
    """A connection that was closed meanwhile is not used again, and costs no pause."""
    with scripted(close=True) as server:
        results = register(kind, server.url, *(5 * [RESPONSE]))

    assert results == 5 * [Registered(registered=1)]
    assert len(server.asked) == 5


def test_no_thread_shares_a_connection_after_a_failure() -> None:
    """After a call that was cut short the next one has a connection of its own."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with scripted(Reply(after_s=5.0), Reply()) as server:
        headers = {"authorization": f"Bearer {KEY}"}
        connections = Connections(f"{server.url}/v1/sends", headers, context)
        with closing(connections):
            assert connections.post(b"{}", 1.0) == Failure("ReadTimeout")
            for _ in range(2):
                answer = connections.post(b"{}", LONG_S)
                assert isinstance(answer, HttpAnswer)
                assert answer.status == 202
    assert len(server.connections) == 2


async def test_tasks_wait_in_common() -> None:
    """Many tasks of a loop end in the time of one."""
    with slow_receiver(BEHAVIOURS["hangs"]) as slow:
        async with AsyncClient(slow.url, KEY, timeout_s=0.4, patience_s=0.4) as client:
            async with asyncio.timeout(LONG_S):
                results = await asyncio.gather(*(client.register(RESPONSE) for _ in range(150)))

    assert {result.registered for result in results} == {0}


def test_nobody_listens_there() -> None:
    """A refused connection is known at once, whatever the time-out."""
    (result,) = register("sync", nobody(), RESPONSE, timeout_s=300, patience_s=0.05)

    assert result.error == "The receiver does not answer (ConnectError)."
