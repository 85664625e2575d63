"""Long work in steps, so that the driver decides when other work runs in between."""

from collections.abc import Awaitable, Callable, Generator
from typing import TypeVar

T = TypeVar("T")

# Work that may be interrupted at each `yield`, and its result.
Steps = Generator[None, None, T]


def finish(steps: Steps[T]) -> T:
    """Do all steps at once."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result


async def walk(steps: Steps[T], maybe_yield: Callable[[], Awaitable[None]]) -> T:
    """Do all steps, and await `maybe_yield` after each."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result
        await maybe_yield()
