"""The private listener: who is slow or comes in numbers is in nobody's way."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from tests.e2e.pushes import form
from tests.support.server import KEY, MakeServer, Server

MOST = 20
PATIENCE_S = 1.0
SPARE_S = 10.0  # for a busy machine
HEAD = f"Host: localhost\r\nAuthorization: Bearer {KEY}\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return a server whose private listener soon loses patience."""
    one = Server(
        tmp_path_factory.mktemp("bounds") / "data",
        {
            "RECEIVER_API_MAX_CONNECTIONS": str(MOST),
            "RECEIVER_API_REQUEST_SECONDS": str(PATIENCE_S),
            "RECEIVER_IDLE_SECONDS": "5",
        },
    )
    with closing(one.start()):
        one.ready()
        yield one


def connect(server: Server) -> socket.socket:
    """Open a connection to the private listener."""
    return socket.create_connection(("127.0.0.1", server.api_port), timeout=10)


def read_to_the_end(connection: socket.socket) -> bytes:
    """Read until the server closes."""
    got = b""
    try:
        while piece := connection.recv(65536):
            got += piece
    except ConnectionResetError:
        pass
    return got


def check_alive(server: Server) -> None:
    """Assert that pushes and look-ups are answered, and that nothing went wrong inside."""
    assert server.push(form(smsMsgId="m", status="DELIVRD", source="2")).status_code == 200
    with socket.create_connection(("127.0.0.1", server.api_port), timeout=5) as connection:
        connection.sendall(f"GET /v1/messages HTTP/1.1\r\n{HEAD}Connection: close\r\n\r\n".encode())
        assert read_to_the_end(connection).startswith(b"HTTP/1.1 200 ")
    logged = server.log.read_text()
    assert "Traceback" not in logged
    assert "exception" not in logged.lower()


POST = f"POST /v1/sends HTTP/1.1\r\n{HEAD}"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        pytest.param("", None, id="nothing"),
        pytest.param("GET /v1/mess", 408, id="half a line"),
        pytest.param(f"GET /v1/messages HTTP/1.1\r\n{HEAD}", 408, id="half a head"),
        pytest.param(f"{POST}Content-Length: 100\r\n\r\n{{", 408, id="half a body"),
        pytest.param(f"{POST}Transfer-Encoding: chunked\r\n\r\n5\r\n{{", 408, id="half a chunk"),
        pytest.param(
            f"GET /healthz HTTP/1.1\r\n{HEAD}Content-Length: 9\r\n\r\nx", 200, id="body unread"
        ),
        pytest.param("nonsense\r\n\r\n", 400, id="no request"),
        pytest.param(f"{POST}Transfer-Encoding: chunked\r\n\r\nx\r\n", 400, id="no chunk"),
        pytest.param(f"GET / HTTP/1.1\r\n{HEAD}X: {'y' * 20_000}\r\n\r\n", 431, id="large head"),
        pytest.param(f"GET / HTTP/1.1\r\n{HEAD}X: {'y' * 300_000}", 431, id="endless head"),
        pytest.param(f"GET /v1/messages HTTP/2.0\r\n{HEAD}\r\n", 400, id="another HTTP"),
        pytest.param(
            f"{POST}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
            id="chunked and a length",
        ),
        pytest.param(
            f"{POST}Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400, id="two lengths"
        ),
    ],
)
def test_who_does_not_finish_is_told_and_left(
    sent: str, status: int | None, server: Server
) -> None:
    """A request that does not come whole, or is none, gets a problem document and is over."""
    started = time.monotonic()
    with connect(server) as connection:
        connection.sendall(sent.encode())
        got = read_to_the_end(connection)
    assert time.monotonic() - started < PATIENCE_S + SPARE_S
    head, _, body = got.partition(b"\r\n\r\n")
    if status is None:
        assert got == b""
    elif status == 200:
        assert head.startswith(b"HTTP/1.1 200 ")
    else:
        assert head.startswith(f"HTTP/1.1 {status} ".encode())
        assert b"application/problem+json" in head
        assert json.loads(body)["status"] == status
    check_alive(server)


def test_half_a_body_behind_a_request_ends_too(server: Server) -> None:
    """What came in one packet with another request has its own time."""
    with connect(server) as connection:
        first = f"GET /healthz HTTP/1.1\r\n{HEAD}\r\n"
        connection.sendall(f"{first}{POST}Content-Length: 100\r\n\r\n{{".encode())
        got = read_to_the_end(connection)
    assert got.startswith(b"HTTP/1.1 200 ")
    assert b"HTTP/1.1 408 " in got
    check_alive(server)


def test_a_bad_chunk_of_a_head_request_is_no_trouble(server: Server) -> None:
    """Who asks for no body gets none, whatever is wrong."""
    with connect(server) as connection:
        connection.sendall(
            f"HEAD /v1/messages HTTP/1.1\r\n{HEAD}Transfer-Encoding: chunked\r\n\r\nZ\r\n".encode()
        )
        got = read_to_the_end(connection)
    assert not got.partition(b"\r\n\r\n")[2]
    check_alive(server)


def test_who_does_not_read_makes_room(make_server: MakeServer) -> None:
    """Answers that nobody reads, one request behind the other, keep no place."""
    server = make_server({"RECEIVER_API_MAX_CONNECTIONS": "3"}).start()
    server.ready()
    request = f"GET /openapi.json HTTP/1.1\r\n{HEAD}\r\n".encode() * 200
    with ExitStack() as stack:
        for _ in range(3):
            deaf = stack.enter_context(socket.socket())
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            deaf.connect(("127.0.0.1", server.api_port))
            deaf.sendall(request)
        time.sleep(1)
        for _ in range(3):
            check_alive(server)


def test_a_trickling_body_is_no_way_to_stay(server: Server) -> None:
    """One byte now and then does not extend the time for a request."""
    started = time.monotonic()
    with connect(server) as connection:
        connection.sendall(f"{POST}Content-Length: 1000\r\n\r\n".encode())
        connection.settimeout(0.1)
        got = None
        while got is None and time.monotonic() - started < PATIENCE_S + SPARE_S:
            try:
                connection.sendall(b" ")
                got = connection.recv(65536)
            except TimeoutError:
                continue
            except ConnectionError:  # a byte met the closed connection before the answer was read
                got = b""
    assert got is not None
    assert not got or got.startswith(b"HTTP/1.1 408 ")
    check_alive(server)


def test_an_idle_connection_stays_for_the_next_request(server: Server) -> None:
    """Within the idle time the next request is answered; afterwards the server closes."""
    request = f"GET /healthz HTTP/1.1\r\n{HEAD}\r\n".encode()
    with connect(server) as connection:
        for pause_s in (0.0, 1.5):  # longer than a request may take
            time.sleep(pause_s)
            connection.sendall(request)
            got = b""
            while not got.endswith(b'{"status":"ok"}'):
                got += connection.recv(65536)
            assert got.startswith(b"HTTP/1.1 200 ")
        assert read_to_the_end(connection) == b""
    check_alive(server)


def test_many_connections_make_room_for_those_that_ask(make_server: MakeServer) -> None:
    """Of connections that only wait the oldest are closed, and told so where they had begun."""
    server = make_server({"RECEIVER_API_MAX_CONNECTIONS": str(MOST)}).start()
    server.ready()
    with ExitStack() as stack:
        silent = [stack.enter_context(connect(server)) for _ in range(2 * MOST)]
        check_alive(server)
        for one in silent[:MOST]:
            assert read_to_the_end(one) == b""
        half = [stack.enter_context(connect(server)) for _ in range(MOST)]
        for one in half:
            one.sendall(b"GET /v1/messages HTTP/1.1\r\n")
        check_alive(server)
        for _ in range(MOST):
            stack.enter_context(connect(server))
        assert read_to_the_end(half[0]).startswith(b"HTTP/1.1 503 ")
        check_alive(server)


@pytest.mark.parametrize(
    ("target", "status"),
    [
        pytest.param("http://127.0.0.1:8081/v1/messages?limit=1", 200, id="a whole URL"),
        pytest.param("HTTP://localhost/v1/messages", 200, id="in capitals"),
        pytest.param("http://localhost", 404, id="without a path"),
        pytest.param("http://evil.example/v1/messages", 421, id="of another name"),
        pytest.param("ftp://localhost/v1/messages", 404, id="of another protocol"),
    ],
)
def test_a_target_may_be_a_whole_url(server: Server, target: str, status: int) -> None:
    """As a program behind a proxy writes it (RFC 9112 3.2.2); its host is checked like `Host`."""
    with connect(server) as connection:
        connection.sendall(f"GET {target} HTTP/1.1\r\n{HEAD}Connection: close\r\n\r\n".encode())
        assert read_to_the_end(connection).startswith(f"HTTP/1.1 {status} ".encode())
