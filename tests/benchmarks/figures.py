"""The figures that the receiver must reach, and how a measured value stands to its bound."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Family(StrEnum):
    """What can be measured by itself, in the order of a run."""

    ACK = "ack"
    BACKLOG = "backlog"
    OPEN_LOOP = "open-loop"
    BATCHES = "batches"
    DRAIN = "drain"
    STEADY = "steady"
    GROWTH = "growth"
    START_UP = "start-up"
    IDLE = "idle"
    RECLASSIFY = "reclassify"
    LOOKUP = "lookup"
    IMPORT = "import"


@dataclass(frozen=True, slots=True)
class Bound:
    """A value by its name in `Figure.numbers`, and what it must reach or keep to."""

    value: str
    reads: str  # how the value reads, a format of it
    at_least: float | None = None
    below: float | None = None

    @property
    def target(self) -> str:
        """The bound for people."""
        limit = self.at_least if self.at_least is not None else self.below
        return f"{'≥' if self.at_least is not None else '<'} {limit:,g}"

    def is_reached(self, measured: float) -> bool:
        """Tell whether a value keeps to the bound; a value that is NaN does not."""
        if self.at_least is not None:
            return measured >= self.at_least
        return self.below is not None and measured < self.below


@dataclass(frozen=True, slots=True)
class Wanted:
    """A figure: what is measured, and the bounds of its values."""

    family: Family
    title: str
    bounds: tuple[Bound, ...]


FIGURES: Mapping[str, Wanted] = {
    "ack_close": Wanted(
        Family.ACK,
        "durable ack, Connection: close",
        (
            Bound("to_bare", "{:.2f} of bare", at_least=0.75),
            Bound("to_fastapi", "{:.1f} x FastAPI", at_least=30),
            Bound("to_starlette", "{:.1f} x Starlette", at_least=5),
        ),
    ),
    "ack_keep_alive": Wanted(
        Family.ACK,
        "durable ack, keep-alive",
        (Bound("to_bare", "{:.2f} of bare", at_least=0.38),),
    ),
    "backlog_close": Wanted(
        Family.BACKLOG,
        "durable ack, close, with a backlog",
        (Bound("to_bare", "{:.2f} of bare", at_least=0.55),),
    ),
    "backlog_keep_alive": Wanted(
        Family.BACKLOG,
        "durable ack, keep-alive, with a backlog",
        (Bound("to_bare", "{:.2f} of bare", at_least=0.28),),
    ),
    "open_loop": Wanted(
        Family.OPEN_LOOP,
        "open loop, 2,500 pushes/s, close",
        (Bound("p99_ms", "p99 {:.1f} ms", below=25),),
    ),
    "batches": Wanted(
        Family.BATCHES,
        "batches of 50, close, durable",
        (Bound("reports_per_second", "{:,.0f} reports/s", at_least=50_000),),
    ),
    "drain": Wanted(
        Family.DRAIN,
        "projector drain",
        (
            Bound("reports_per_second", "{:,.0f} reports/s", at_least=6_000),
            Bound("cpu_us_a_report", "{:.0f} µs of CPU a report", below=150),
        ),
    ),
    "steady": Wanted(
        Family.STEADY,
        "steady 500 pushes/s",
        (
            Bound("p99_ms", "p99 {:.1f} ms", below=20),
            Bound("lag_s", "projector lag ≤ {:.2f} s", below=1),
            Bound("rss_growth_percent", "RSS growth {:+.1f} %", below=5),
            Bound("wal_mb", "WAL ≤ {:.1f} MB", below=64),
        ),
    ),
    "growth": Wanted(
        Family.GROWTH,
        "cost of growth, full against empty",
        (
            Bound("p99_ratio", "ack p99 x {:.2f}", below=1.2),
            Bound("drain_ratio", "drain x {:.2f}", at_least=0.5),
        ),
    ),
    "start_up": Wanted(
        Family.START_UP,
        "start-up with full store and backlog",
        (Bound("seconds", "first 200 after {:.2f} s", below=2),),
    ),
    "idle": Wanted(
        Family.IDLE,
        "idle, all processes",
        (
            Bound("cpu_percent", "{:.2f} % CPU", below=0.5),
            Bound("rss_mb", "{:.0f} MB RSS", below=120),
        ),
    ),
    "reclassify": Wanted(
        Family.RECLASSIFY,
        "reclassify 1,000,000 messages beside 200 pushes/s",
        (
            Bound("seconds", "{:.0f} s", below=600),
            Bound("rss_mb", "{:.0f} MB RSS", below=300),
            Bound("p99_ms", "ack p99 {:.1f} ms", below=100),
        ),
    ),
    "lookup": Wanted(
        Family.LOOKUP,
        "look-ups in a full store beside 500 pushes/s",
        (
            Bound("id_ms", "by id p99 {:.1f} ms", below=20),
            Bound("number_ms", "by number p99 {:.1f} ms", below=50),
            Bound("extend_ms", "by extend p99 {:.1f} ms", below=50),
            Bound("reference_ms", "by reference p99 {:.1f} ms", below=50),
            Bound("list_ms", "list page p99 {:.1f} ms", below=100),
            Bound("stats_ms", "stats of 30 days p99 {:.1f} ms", below=200),
        ),
    ),
    "import": Wanted(
        Family.IMPORT,
        "import of 1,000,000 rows",
        (
            Bound("csv_s", "CSV {:.0f} s", below=300),
            Bound("ndjson_s", "NDJSON {:.0f} s", below=300),
            Bound("xlsx_s", "XLSX {:.0f} s", below=300),
            Bound("csv_mb", "CSV {:.0f} MB RSS", below=150),
            Bound("xlsx_mb", "XLSX {:.0f} MB RSS", below=1000),
        ),
    ),
}


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured figure: its values by name, and whatever else its runs gave."""

    name: str
    numbers: Mapping[str, float]
    notes: Sequence[str] = ()
    raw: Mapping[str, Any] = field(default_factory=dict)
    judged: bool = True  # False: the conditions were not those of the target

    @property
    def wanted(self) -> Wanted:
        """What was to be measured."""
        return FIGURES[self.name]
