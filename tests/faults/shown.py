"""What an experiment has shown so far, while it is still at it."""

from dataclasses import dataclass, field

from tests.faults.experiment import Outcome
from tests.faults.oracle import Audit


@dataclass
class Shown:
    """Figures and complaints as they come.

    Attributes:
        figures: what was counted and measured, by name.
        complaints: what did not hold.
    """

    figures: dict[str, int | float | str] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)

    def require(self, holds: object, complaint: str) -> None:
        """Note a complaint unless something holds."""
        if not holds:
            self.complaints.append(complaint)

    def take(self, found: Audit) -> None:
        """Note what an audit found."""
        self.figures |= found.figures()
        self.require(found.holds, found.complaint())

    def outcome(self, note: str = "") -> Outcome:
        """Sum up; the note stands when there is no complaint."""
        return Outcome(not self.complaints, self.figures, "; ".join(self.complaints) or note)
