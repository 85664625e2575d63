"""Servers for the tests of this folder; whatever a test leaves running is ended."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.support.server import READER_KEYS, MakeServer, Server

# All tests of a module ask from one address, some of them with wrong keys.
_SHARED = {"RECEIVER_API_KEYS": READER_KEYS, "RECEIVER_API_WRONG_KEYS_PER_MINUTE": "1000000"}


@pytest.fixture
def make_server(tmp_path: Path) -> Iterator[MakeServer]:
    """Return a function that makes servers (not started) with settings of a test's own."""
    with ExitStack() as stack:

        def make(settings: Mapping[str, str] | None = None, directory: str = "data") -> Server:
            server = Server(tmp_path / directory, settings or {})
            stack.callback(server.close)
            return server

        yield make


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return a ready server that all tests of a module share; none may depend on another's data."""
    server = Server(tmp_path_factory.mktemp("shared") / "data", _SHARED)
    with closing(server.start()):
        server.ready()
        yield server


@pytest.fixture
def server(make_server: MakeServer) -> Server:
    """Return a ready server on an empty directory."""
    server = make_server().start()
    server.ready()
    return server
