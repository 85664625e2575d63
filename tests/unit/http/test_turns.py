"""Whose turn it is to read on: connections wait for each other, and so do addresses."""

import asyncio
import itertools
from dataclasses import dataclass

from receiver.http.turns import Turns


@dataclass(eq=False)
class Flooder:
    """A connection that wants its next turn as soon as it has had one."""

    name: str
    turns: Turns
    had: list[str]
    most: int = 3

    def take_turn(self) -> None:
        """Note it, and wait again."""
        self.had.append(self.name)
        if self.had.count(self.name) < self.most:
            self.turns.wait(self, self.name[0])


async def test_addresses_take_turns() -> None:
    """Many connections of one address are no faster than one of another address."""
    turns, had = Turns(), list[str]()
    for name in ("a1", "a2", "a3", "b1"):
        turns.wait(Flooder(name, turns, had), name[0])
    await asyncio.sleep(0.05)
    assert had[:6] == ["a1", "b1", "a2", "b1", "a3", "b1"]
    assert sorted(had) == sorted(["a1", "a2", "a3", "b1"] * 3)


async def test_others_are_served_between_turns() -> None:
    """However many wait, only a few read on before the event loop has looked at all others."""
    turns, had = Turns(), list[str]()
    for number in range(100):
        turns.wait(Flooder(f"a{number}", turns, had, most=1), "a")
    seen = []
    while len(had) < 100:
        await asyncio.sleep(0)
        seen.append(len(had))
    assert max(after - before for before, after in itertools.pairwise(seen)) <= 4


async def test_readings_that_complete_nothing_are_few_in_a_turn() -> None:
    """Some are free in each turn of the event loop, whoever reads; then all have to wait."""
    turns = Turns()
    for _ in range(3):
        spent = [turns.spend() for _ in range(40)]
        assert spent == sorted(spent)
        assert 0 < spent.count(False) < 40
        await asyncio.sleep(0)


async def test_who_leaves_has_no_turn() -> None:
    """A connection that ended while it waited is forgotten, and the others have their turns."""
    turns, had = Turns(), list[str]()
    gone, stays = Flooder("a1", turns, had, most=1), Flooder("a2", turns, had, most=1)
    turns.wait(gone, "a")
    turns.wait(stays, "a")
    turns.leave(gone, "a")
    turns.leave(gone, "b")
    await asyncio.sleep(0.01)
    assert had == ["a2"]
