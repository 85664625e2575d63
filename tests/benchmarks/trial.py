"""A receiver measured by itself, and what a run was asked for."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from .backlog import last_position
from .load import Generator, Window
from .openloop import Answers
from .servers import Name, Server, serving

_ROUNDS = 5


@dataclass(slots=True)
class Setting:
    """What a run was asked for, where it may write, and what went wrong in it."""

    quick: bool
    rounds: int
    seconds: int
    connections: int
    generator: Generator
    messages: int  # in the full store
    steady_seconds: int
    directory: Path  # temporary
    data: Path  # of stores that are built
    say: Callable[[str], None]  # what goes on
    troubles: list[str] = field(default_factory=list)

    @property
    def judges(self) -> bool:
        """Whether the rounds are as many as the targets ask for."""
        return not self.quick and self.rounds >= _ROUNDS

    def fresh(self, name: str) -> Path:
        """Name a directory that is not there yet."""
        number = sum(1 for one in self.directory.iterdir() if one.name.startswith(f"{name}-"))
        return self.directory / f"{name}-{number}"


@dataclass(slots=True)
class Trial:
    """A running receiver whose acknowledgements are counted."""

    server: Server
    setting: Setting
    accepted: int = 0

    def count(self, what: str, answers: Answers | Window) -> None:
        """Note what was acknowledged; a refused or failed push is a trouble."""
        self.accepted += answers.accepted
        if answers.refused or answers.failed or not answers.accepted:
            self.setting.troubles.append(
                f"{what}: {answers.refused} answers were not 2xx, {answers.failed} connections "
                f"failed, {answers.accepted} pushes were accepted"
            )


@contextmanager
def trial(setting: Setting, what: str, directory: Path) -> Iterator[Trial]:
    """Run a receiver on a directory; afterwards all that it acknowledged must be there."""
    before = last_position(directory) if directory.exists() else 0
    with serving(Name.RECEIVER, directory) as server:
        running = Trial(server, setting)
        yield running
    kept = last_position(directory) - before
    if kept < running.accepted:
        setting.troubles.append(f"{what}: LOST {running.accepted - kept} acknowledged pushes")
