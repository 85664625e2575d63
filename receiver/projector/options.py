"""Options and observers of the projector."""

from collections.abc import Callable
from dataclasses import dataclass, field

from receiver.domain import times
from receiver.domain.projection import ProjectedChanges
from receiver.domain.silence import SilenceOptions
from receiver.store.quarantine import QuarantineLimits


@dataclass(frozen=True, slots=True)
class ProjectorOptions:
    """How the projector works."""

    batch_rows: int = 500
    batch_bytes: int = 8 * 1024 * 1024
    slice_s: float = 0.003
    overdue_after_us: int = 73 * 3600 * times.SECOND
    journal_kept_us: int = 72 * 3600 * times.SECOND
    silence: SilenceOptions = field(default_factory=SilenceOptions)
    quarantine: QuarantineLimits = field(default_factory=QuarantineLimits)


def _ignore(*_: object) -> None:
    """Stand in for an observer."""


@dataclass(frozen=True, slots=True)
class ProjectorObservers:
    """The observers of the projector's work."""

    on_changes: Callable[[ProjectedChanges], None] = _ignore
    on_orphans: Callable[[int], None] = _ignore  # how many there are at the start
    on_overdue: Callable[[int], None] = _ignore
    on_failure: Callable[[], None] = _ignore
    on_evicted: Callable[[int], None] = _ignore  # how many rows left the quarantine for others
