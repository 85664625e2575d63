"""Statistics as pure values: the cell of a message, the effect of a change, summaries."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from receiver.domain import times
from receiver.domain.messages.durations import NO_CLASS, class_of, delivery_time_us, percentile_us
from receiver.domain.messages.state import FINAL_STATES, State

HOUR = times.HOUR
DAY = 24 * HOUR
LONGEST_TEXT = 64  # characters: texts are part of a key, whose size is limited


@dataclass(frozen=True, slots=True)
class Age:
    """A class of ages: from its beginning to that of the next one."""

    name: str
    begins_us: int


AGES = (
    Age("under_1h", 0),
    Age("1h_to_6h", HOUR),
    Age("6h_to_24h", 6 * HOUR),
    Age("24h_to_72h", DAY),
    Age("over_72h", 3 * DAY),
)

# The hour and all that messages are told apart by, in the order of the table's key.
Cell = tuple[int, str, bool, str, str, str, str, str, str, int]

# The columns of a message that its cell is made of.
SOURCES = (
    "occurred_at", "application", "registered", "state", "category", "code", "country",
    "template_id", "from_number", "sent_at", "delivered_at", "last_report_at",
)  # fmt: skip


def cell_of(message: Mapping[str, Any]) -> Cell:
    """Return the cell in which a message is counted, from its columns."""
    occurred_at = message["occurred_at"]
    duration = delivery_time_us(
        message["sent_at"], message["delivered_at"], message["last_report_at"]
    )
    # Clipped in place, for this is done twice for every report.
    return (
        occurred_at - occurred_at % HOUR,
        message["application"][:LONGEST_TEXT],
        message["registered"],
        message["state"],
        (message["category"] or "")[:LONGEST_TEXT],
        (message["code"] or "")[:LONGEST_TEXT],
        (message["country"] or "")[:LONGEST_TEXT],
        (message["template_id"] or "")[:LONGEST_TEXT],
        (message["from_number"] or "")[:LONGEST_TEXT],
        class_of(duration),
    )


def clip(text: str) -> str:
    """Return a text as it stands in a cell."""
    return text[:LONGEST_TEXT]


class Deltas:
    """What the changes of many messages add to cells and take from them."""

    def __init__(self) -> None:
        self._cells: Counter[Cell] = Counter()

    def move(self, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> None:
        """Count a message where it is now, and no longer where it was.

        Args:
            before: its columns as stored; None for a new message.
            after: its columns as they become; None where it goes.
        """
        old = cell_of(before) if before is not None else None
        new = cell_of(after) if after is not None else None
        if old == new:
            return
        if old is not None:
            self._cells[old] -= 1
        if new is not None:
            self._cells[new] += 1

    def rows(self) -> list[tuple[int, Cell, int]]:
        """Return what changes: 1 or 24 hours, a cell that begins with their start, messages.

        They are in the order of the table's key: writers who go the same way cannot block each
        other.
        """
        days: Counter[Cell] = Counter()
        for cell, messages in self._cells.items():
            days[cell[0] - cell[0] % DAY, *cell[1:]] += messages
        return [
            (hours, cell, messages)
            for hours, cells in ((1, self._cells), (24, days))
            for cell, messages in sorted(cells.items())
            if messages
        ]


@dataclass(slots=True)
class Summary:
    """Messages that were counted together."""

    messages: int = 0
    states: Counter[str] = field(default_factory=Counter)
    delivery_classes: Counter[int] = field(default_factory=Counter)

    def add(self, state: str, delivery_class: int, messages: int) -> None:
        """Add messages of one state whose deliveries took equally long."""
        self.messages += messages
        self.states[state] += messages
        if delivery_class != NO_CLASS:
            self.delivery_classes[delivery_class] += messages

    @property
    def final(self) -> int:
        """How many have come to their end."""
        return sum(self.states[state] for state in FINAL_STATES)

    @property
    def delivered_share(self) -> float | None:
        """The delivered ones among those that have come to their end; None where none has."""
        return self.states[State.DELIVERED] / self.final if self.final else None

    @property
    def timed(self) -> int:
        """How many have a delivery time."""
        return self.delivery_classes.total()

    def delivery_seconds(self, percent: int) -> float | None:
        """Estimate a percentile of the delivery times."""
        micros = percentile_us(self.delivery_classes, percent)
        return None if micros is None else micros / times.SECOND


@dataclass(slots=True)
class SummarySeries:
    """A summary, and the same for each step of a time series where one is wanted."""

    whole: Summary = field(default_factory=Summary)
    series: dict[int, Summary] = field(default_factory=dict)  # by the start of the step

    def add(self, start: int | None, state: str, delivery_class: int, messages: int) -> None:
        """Add messages of one step."""
        self.whole.add(state, delivery_class, messages)
        if start is not None:
            self.series.setdefault(start, Summary()).add(state, delivery_class, messages)


Group = tuple[Any, ...]  # the values by which messages are grouped


@dataclass(slots=True)
class StatisticsResult:
    """What a question to the statistics finds."""

    total: SummarySeries = field(default_factory=SummarySeries)  # of all groups
    groups: dict[Group, SummarySeries] = field(
        default_factory=dict
    )  # those shown, larger ones first
    groups_found: int = 0  # also those that are not shown

    @property
    def omitted(self) -> int:
        """How many messages are in the groups that are not shown."""
        return self.total.whole.messages - sum(
            tally.whole.messages for tally in self.groups.values()
        )

    def add(self, group: Group | None, start: int | None, counted: tuple[str, int, int]) -> None:
        """Add messages.

        Args:
            group: None when theirs is not shown.
            start: of their step in the time series.
            counted: state, class of the delivery time, how many.
        """
        self.total.add(start, *counted)
        if group is not None:
            self.groups.setdefault(group, SummarySeries()).add(start, *counted)
