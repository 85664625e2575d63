"""The internals of uvicorn and h11 that the private listener's connections drive."""

import asyncio
import inspect
from collections.abc import Callable
from operator import attrgetter
from typing import Any

import h11
import pytest
import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle
from uvicorn.server import Server, ServerState

from receiver.api.access.protocol import Bounded

REQUEST = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"


class Wire(asyncio.Transport):
    """A transport without a socket."""

    def __init__(self) -> None:
        super().__init__({"sockname": ("127.0.0.1", 1), "peername": ("127.0.0.1", 2)})

    def is_closing(self) -> bool:
        """Stay open."""
        return False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Drop what is written."""

    def pause_reading(self) -> None:
        """Read nothing, as before."""

    def resume_reading(self) -> None:
        """Read nothing, as before."""


async def in_a_request() -> H11Protocol:
    """Return uvicorn's own protocol once it has read the head of a request."""
    config = uvicorn.Config(Starlette(), http=H11Protocol, lifespan="off", log_config=None)
    protocol = H11Protocol(config, ServerState(), {})
    protocol.connection_made(Wire())
    protocol.data_received(REQUEST)
    await asyncio.gather(*protocol.tasks)
    return protocol


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("loop", asyncio.AbstractEventLoop),
        ("transport", Wire),
        ("client", tuple),
        ("flow", FlowControl),
        ("flow.read_paused", bool),
        ("headers", list),
        ("server_state", ServerState),
        ("conn", h11.Connection),
        ("conn.trailing_data", tuple),
        ("cycle", RequestResponseCycle),
        ("cycle.scope", dict),
        ("cycle.disconnected", bool),
        ("cycle.message_event", asyncio.Event),
    ],
)
async def test_has_what_is_used(name: str, kind: type) -> None:
    """A connection of uvicorn has each attribute that ours reads or sets."""
    value = attrgetter(name)(await in_a_request())
    assert isinstance(value, kind), f"H11Protocol.{name} is {type(value).__name__}"


@pytest.mark.parametrize(
    ("function", "parameters"),
    [
        (H11Protocol.__init__, "self config server_state app_state _loop"),
        (H11Protocol.connection_made, "self transport"),
        (H11Protocol.connection_lost, "self exc"),
        (H11Protocol.data_received, "self data"),
        (H11Protocol.on_response_complete, "self"),
        (H11Protocol.pause_writing, "self"),
        (H11Protocol.resume_writing, "self"),
        (H11Protocol.send_400_response, "self msg"),
        (FlowControl.__init__, "self transport"),
        (FlowControl.pause_reading, "self"),
        (FlowControl.resume_reading, "self"),
        (ServerState.__init__, "self"),
        (Server.__init__, "self config"),
        (Server.shutdown, "self sockets"),
        (Server.capture_signals, "self"),
        (h11.Connection.send, "self event"),
    ],
    ids=lambda given: getattr(given, "__qualname__", ""),
)
def test_has_the_signature(function: Callable[..., Any], parameters: str) -> None:
    """A method of uvicorn or h11 that ours overrides or calls takes the same parameters."""
    assert " ".join(inspect.signature(function).parameters) == parameters, function.__qualname__


@pytest.mark.parametrize("state", ["IDLE", "SEND_BODY", "SEND_RESPONSE", "DONE", "MUST_CLOSE"])
def test_h11_has_the_state(state: str) -> None:
    """h11 has each state by which a connection tells whose turn it is."""
    assert hasattr(h11, state), f"h11.{state}"


@pytest.mark.parametrize("name", sorted({name for name in vars(Bounded) if name[:1] != "_"}))
def test_overrides_something(name: str) -> None:
    """Each public method is an override that uvicorn still calls, or one of our own."""
    ours = {"room", "take", "take_turn", "make_room"}
    assert name in ours or hasattr(H11Protocol, name), f"H11Protocol.{name}"
