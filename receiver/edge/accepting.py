"""Accepting connections under load: addresses take turns.

The event loop accepts one connection in each of its turns. Of a flood thousands would wait in the
queue of the operating system, where nobody can tell whose they are, and pushes behind them. So when
connections come close together, the queue is emptied at once, which costs little for each, and what
was found waits for a turn of its address.
"""

import asyncio
import socket
import ssl

from receiver.edge.exchanges import RequestError
from receiver.edge.http1 import Edge, PublicConnection

_MOST_AT_ONCE = 256  # taken from the queue in one go; more wait for the next turn of the event loop


class Arrivals:
    """Connections that were accepted and wait to be opened."""

    def __init__(
        self,
        edge: Edge,
        listening: socket.socket,
        tls: ssl.SSLContext | None,
        handshake_s: float | None,
    ) -> None:
        """Prepare to take connections.

        Args:
            edge: what they share.
            listening: where they come.
            tls: None: plain text.
            handshake_s: the longest handshake of TLS.
        """
        self.edge = edge
        self.waiting: set[_Arrival] = set()
        self._listening = listening
        self._tls = tls
        self._handshake_s = handshake_s
        self._opening: set[asyncio.Task[object]] = set()

    def accept_more(self) -> None:
        """Take what waits in the queue of the operating system."""
        for _ in range(_MOST_AT_ONCE):
            try:
                accepted, address = self._listening.accept()
            except OSError:  # nearly always: nobody is left; the event loop hears of anything else
                return
            _Arrival(self, accepted, address[0])

    def open(self, accepted: socket.socket) -> None:
        """Serve a connection."""
        loop = asyncio.get_running_loop()
        task = loop.create_task(
            loop.connect_accepted_socket(
                lambda: PublicConnection(self.edge),
                accepted,
                ssl=self._tls,
                ssl_handshake_timeout=self._handshake_s,
            )
        )
        self._opening.add(task)
        task.add_done_callback(self._opened)

    def _opened(self, task: asyncio.Task[object]) -> None:
        self._opening.discard(task)
        if not task.cancelled():
            task.exception()  # the client has left, or does not know TLS

    def close(self) -> None:
        """Close what was not opened."""
        for arrival in list(self.waiting):
            arrival.close()


class _Arrival:
    """One connection that waits to be opened."""

    __slots__ = ("_accepted", "_arrivals", "_group")

    def __init__(self, arrivals: Arrivals, accepted: socket.socket, peer: str) -> None:
        self._arrivals = arrivals
        self._accepted = accepted
        edge = arrivals.edge
        self._group = edge.group_of(peer)
        arrivals.waiting.add(self)
        edge.turns.wait(self, self._group)
        edge.come(self, self._group)

    def take_turn(self) -> None:
        """Open it, unless the client has left without a word."""
        if _has_left(self._accepted):  # ten times as cheap as to open it and see
            self.close()
            return
        self._forget()
        self._arrivals.open(self._accepted)

    def make_room(self) -> None:
        """Leave, because others need the connection."""
        self._arrivals.edge.handler.give_up(RequestError.OVERLOADED)
        self.close()

    def close(self) -> None:
        """Close it unread."""
        self._forget()
        self._accepted.close()

    def _forget(self) -> None:
        arrivals = self._arrivals
        arrivals.waiting.discard(self)
        arrivals.edge.turns.leave(self, self._group)
        arrivals.edge.connection_limits.remove(self, self._group)


def _has_left(accepted: socket.socket) -> bool:
    """Return whether a client has closed a connection, or half of it, and sent nothing before."""
    try:
        return not accepted.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except OSError:
        return True
