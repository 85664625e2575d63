"""Interleaved rounds over all servers, their medians and ratios, and the check of durability."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Self

from rich.table import Table

from . import backlog, private
from .load import Generator, Mode, Window, drive
from .servers import OURS, Name, Server, count_rows, serving

_SETTLE_S = 0.3  # what is still on its way is answered before a server is paused
WARM_UP = -1  # the round whose figures do not count


@dataclass(frozen=True, slots=True)
class Plan:
    """What a comparison measures."""

    servers: tuple[Name, ...]
    rounds: int
    seconds: int
    connections: int
    generator: Generator
    warm_up: bool
    backlog_rows: int  # that the server `behind` starts with


@dataclass(frozen=True, slots=True)
class Row:
    """A server's medians in one mode; ratios are of requests per second, None without the other."""

    server: Name
    mode: Mode
    per_second: float
    p50_ms: float
    p99_ms: float
    to_bare: float | None
    to_fastapi: float | None
    to_starlette: float | None


@dataclass(frozen=True, slots=True)
class Durability:
    """What a server acknowledged in the whole run, and what its file held afterwards."""

    server: Name
    acknowledged: int
    stored: int

    @property
    def holds(self) -> bool:
        """Whether nothing that was acknowledged is missing."""
        return self.stored >= self.acknowledged


def run(
    plan: Plan, directory: Path, on_window: Callable[[Window], None]
) -> tuple[list[Window], list[Durability]]:
    """Measure all windows, stop the servers, then count what they stored."""
    windows = []
    filled: dict[Name, int] = {}
    if Name.BEHIND in plan.servers:
        backlog.fill(directory / Name.BEHIND, plan.backlog_rows)
        filled[Name.BEHIND] = plan.backlog_rows
    with ExitStack() as stack:
        running = {}
        for name in plan.servers:
            running[name] = stack.enter_context(serving(name, directory / name))
            running[name].pause()
        for number, mode, name in _schedule(plan):
            with _awake(running[name]) as server:
                window = _drive(plan, server, mode, number)
            windows.append(window)
            on_window(window)
    return windows, _check_durability(running.values(), windows, filled)


def _drive(plan: Plan, server: Server, mode: Mode, number: int) -> Window:
    if server.name not in OURS:
        return _measure(plan, server, mode, number)
    before = _Progress.of(server)
    window = _measure(plan, server, mode, number)
    after = _Progress.of(server)
    return replace(
        window,
        lag_before=before.lag_rows,
        lag_after=after.lag_rows,
        projected_per_second=(after.projected - before.projected) / (after.at - before.at),
    )


@dataclass(frozen=True, slots=True)
class _Progress:
    """How far a receiver's projector is at a moment."""

    at: float
    lag_rows: int
    projected: int  # rows since ever

    @classmethod
    def of(cls, server: Server) -> Self:
        lag = private.lag_rows(server)
        return cls(time.monotonic(), lag, backlog.last_position(server.directory) - lag)


def _measure(plan: Plan, server: Server, mode: Mode, number: int) -> Window:
    return drive(
        server,
        mode,
        number,
        seconds=1 if number == WARM_UP else plan.seconds,
        connections=plan.connections,
        by=plan.generator,
    )


def _schedule(plan: Plan) -> Iterator[tuple[int, Mode, Name]]:
    """Return round, mode and server of each window; the bare one before each of the others."""
    if plan.warm_up:
        yield from ((WARM_UP, Mode.KEEP_ALIVE, name) for name in plan.servers)
    others = [name for name in plan.servers if name is not Name.BARE]
    for number in range(plan.rounds):
        for mode in Mode:
            if Name.BARE not in plan.servers:
                yield from ((number, mode, name) for name in others)
            elif not others or not plan.warm_up:
                yield from ((number, mode, name) for name in plan.servers)
            else:
                for name in others:
                    yield number, mode, Name.BARE
                    yield number, mode, name


@contextmanager
def _awake(server: Server) -> Iterator[Server]:
    server.resume()
    try:
        yield server
        time.sleep(_SETTLE_S)
    finally:
        server.pause()


def _check_durability(
    servers: Iterable[Server], windows: Sequence[Window], filled: Mapping[Name, int]
) -> list[Durability]:
    return [
        Durability(
            server=server.name,
            acknowledged=sum(one.accepted for one in windows if one.server is server.name),
            stored=count_rows(server.database) - filled.get(server.name, 0),
        )
        for server in servers
        if server.database is not None
    ]


def tally(windows: Sequence[Window]) -> list[Row]:
    """Take medians over the rounds; a ratio is the median of the rounds' own ratios."""
    counted = [window for window in windows if window.round != WARM_UP]
    groups: dict[tuple[Mode, Name], list[Window]] = {}
    for mode in Mode:
        for name in Name:
            group = [one for one in counted if one.mode is mode and one.server is name]
            if group:
                groups[mode, name] = group
    return [
        Row(
            server=name,
            mode=mode,
            per_second=median([one.per_second for one in group]),
            p50_ms=median([one.p50_ms for one in group]),
            p99_ms=median([one.p99_ms for one in group]),
            to_bare=_ratio(group, groups.get((mode, Name.BARE))),
            to_fastapi=_ratio(group, groups.get((mode, Name.FASTAPI))),
            to_starlette=_ratio(group, groups.get((mode, Name.STARLETTE))),
        )
        for (mode, name), group in groups.items()
    ]


def _ratio(group: Sequence[Window], base: Sequence[Window] | None) -> float | None:
    if base is None:
        return None
    own, other = _by_round(group), _by_round(base)
    ratios = [own[number] / other[number] for number in own if other.get(number)]
    return median(ratios) if ratios else None  # a base that answered nothing compares to nothing


def _by_round(group: Sequence[Window]) -> Mapping[int, float]:
    rounds: dict[int, list[float]] = {}
    for window in group:
        rounds.setdefault(window.round, []).append(window.per_second)
    return {number: sum(rates) / len(rates) for number, rates in rounds.items()}


def tabulate(rows: Sequence[Row], title: str) -> Table:
    """Lay out the rows, the modes apart."""
    table = Table(title=title)
    table.add_column("connections")
    table.add_column("server")
    for heading in ("req/s", "p50 ms", "p99 ms", "x bare", "x fastapi", "x starlette"):
        table.add_column(heading, justify="right")
    for before, row in zip([None, *rows], rows, strict=False):
        if before is not None and before.mode is not row.mode:
            table.add_section()
        table.add_row(
            row.mode,
            row.server,
            f"{row.per_second:,.0f}",
            f"{row.p50_ms:.1f}",
            f"{row.p99_ms:.1f}",
            *(_show(ratio) for ratio in (row.to_bare, row.to_fastapi, row.to_starlette)),
        )
    return table


def _show(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.2f}"
