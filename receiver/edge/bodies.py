"""The memory of all bodies: those being received, and those waiting for the disk.

A head that came in pieces counts as a part of its body.

When there is no room, the largest unfinished body goes: anyone who sends much slowly makes room for
all who send little. An eighth of the room is for small bodies alone.
"""

from typing import Protocol

SMALL_BYTES = 64 * 1024  # every documented form has less
_PART_OF_SMALL = 8  # one part in so many


class Growing(Protocol):
    """A connection whose request has a body that is not whole yet."""

    def lose_body(self) -> None:
        """Return the request up."""


class Bodies:
    """How much is held, exactly: each body is dropped, or completed and then released, once."""

    def __init__(self, room: int) -> None:
        """Begin with nothing.

        Args:
            room: bytes that all bodies may have together.
        """
        self.held = 0
        self._room = room
        self._held_by_large = 0
        self._room_of_large = room - room // _PART_OF_SMALL
        self._growing: dict[Growing, int] = {}

    def grow(self, growing: Growing, more: int) -> None:
        """Count a piece of a body; somebody loses one when there is no room, perhaps this one."""
        size = self._growing.get(growing, 0) + more
        self._growing[growing] = size
        self.held += more
        if size > SMALL_BYTES:
            self._held_by_large += more if size - more > SMALL_BYTES else size
        if self.held > self._room or self._held_by_large > self._room_of_large:
            self._make_room()

    def _make_room(self) -> None:
        while self._growing and self._is_too_much():
            largest = max(self._growing, key=self._growing.__getitem__)
            largest.lose_body()
            self.drop(largest)

    def _is_too_much(self) -> bool:
        return self.held > self._room or self._held_by_large > self._room_of_large

    def drop(self, growing: Growing) -> None:
        """Forget a body that does not become whole."""
        self.release(self.complete(growing))

    def complete(self, growing: Growing) -> int:
        """Keep a body that is whole, until its size, which is given, is released."""
        return self._growing.pop(growing, 0)

    def release(self, size: int) -> None:
        """Forget a body that was completed."""
        self.held -= size
        if size > SMALL_BYTES:
            self._held_by_large -= size
