"""What an experiment is, what it works with and what it shows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

Figures = Mapping[str, int | float | str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one experiment showed.

    Attributes:
        held: whether everything held that must.
        figures: what was counted and measured, by name.
        note: what did not hold, or what an operator was told.
    """

    held: bool
    figures: Figures
    note: str = ""


@dataclass(frozen=True, slots=True)
class Bench:
    """What an experiment works with.

    Attributes:
        directory: its own, empty.
        quick: the version of CI: few rounds, short times.
        say: tells people how far it is.
    """

    directory: Path
    quick: bool
    say: Callable[[str], None]

    def rounds(self, full: int, quick: int) -> int:
        """Choose a number of rounds."""
        return quick if self.quick else full

    def seconds(self, full: float, quick: float) -> float:
        """Choose a duration."""
        return quick if self.quick else full


@dataclass(frozen=True, slots=True)
class Experiment:
    """One line of the table.

    Attributes:
        name: for `--only`.
        how: what is done, one line.
        must_hold: what is expected, one line.
        run: does it; raises when the experiment itself cannot be carried out.
        needs: of the machine, names of `tools.NEEDS`.
    """

    name: str
    how: str
    must_hold: str
    run: Callable[[Bench], Outcome]
    needs: tuple[str, ...] = ()
