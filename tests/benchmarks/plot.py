"""The picture: how long an acknowledgement takes, over the load and over the size of the store."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Self

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from .machine import Machine
from .openloop import Answers

_BLUE, _RED, _GREY = "#1f5fa8", "#c0392b", "#8a8a8a"


@dataclass(frozen=True, slots=True)
class Point:
    """The latencies at one load or size: medians over the rounds, and the rounds' extremes."""

    at: int
    p50_ms: float
    p99_ms: float
    p99_lowest_ms: float
    p99_highest_ms: float
    not_accepted: int

    @classmethod
    def of(cls, at: int, runs: Sequence[Answers]) -> Self:
        """Take the medians of runs."""
        p99 = [run.p99_ms for run in runs]
        return cls(
            at,
            median(run.p50_ms for run in runs),
            median(p99),
            min(p99),
            max(p99),
            sum(run.refused + run.failed for run in runs),
        )


@dataclass(frozen=True, slots=True)
class Curves:
    """What is drawn: over the load by server, and over the number of messages at a fixed load."""

    over_load: Mapping[str, Sequence[Point]]
    over_size: Sequence[Point]
    size_rate: int  # pushes a second


def draw(curves: Curves, machine: Machine, path: Path) -> None:
    """Draw two panels into a file; its ending says which kind of picture."""
    mpl.rcParams["svg.hashsalt"] = "receiver"  # the same figures give the same file
    figure = Figure(figsize=(10, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    _draw_load(left, curves)
    _draw_size(right, curves)
    for axes in (left, right):
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.grid(visible=True, which="major", color="#dddddd", linewidth=0.8)
        axes.grid(visible=True, which="minor", axis="y", color="#eeeeee", linewidth=0.5)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    lines, labels = left.get_legend_handles_labels()
    figure.legend(lines, labels, frameon=False, fontsize=9, ncols=4, loc="outside lower center")
    left.set_ylabel("from the scheduled push to its 200, ms")
    figure.suptitle(
        "Durable acknowledgement, one connection a push, Poisson arrivals\n"
        f"{machine.processor}, {machine.cores} cores shared with the load generator, "
        f"{machine.date[:10]}",
        fontsize=11,
    )
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None, dpi=120)


def _draw_load(axes: Axes, curves: Curves) -> None:
    for name, points in curves.over_load.items():
        loads = [point.at for point in points]
        if name == "bare":
            p99 = [point.p99_ms for point in points]
            axes.plot(loads, p99, "--", color=_GREY, label="p99 of a server that stores nothing")
        else:
            _draw_latencies(axes, loads, points)
            lost = [point for point in points if point.not_accepted]
            if lost:
                axes.plot(
                    [point.at for point in lost], [point.p99_ms for point in lost],
                    "kx", markersize=10, label="some pushes not accepted",
                )  # fmt: skip
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.set_xlabel("pushes per second (open loop)")
    axes.set_xlim(left=0)
    axes.set_title("over the load", fontsize=10)


def _draw_size(axes: Axes, curves: Curves) -> None:
    places = range(len(curves.over_size))
    _draw_latencies(axes, list(places), curves.over_size)
    axes.set_xticks(list(places), [_count(point.at) for point in curves.over_size])
    axes.margins(x=0.15)
    axes.set_xlabel("messages in the store")
    axes.set_title(f"over the size of the store, at {curves.size_rate} pushes/s", fontsize=10)


def _draw_latencies(axes: Axes, places: Sequence[int], points: Sequence[Point]) -> None:
    p99 = [point.p99_ms for point in points]
    lowest = [point.p99_lowest_ms for point in points]
    highest = [point.p99_highest_ms for point in points]
    axes.fill_between(places, lowest, highest, color=_RED, alpha=0.15, linewidth=0)
    axes.plot(places, p99, "o-", color=_RED, label="p99 (band: all rounds)")
    axes.plot(places, [point.p50_ms for point in points], "o-", color=_BLUE, label="p50")


def _count(messages: int) -> str:
    if messages and messages % 1_000_000 == 0:
        return f"{messages // 1_000_000} million"
    return f"{messages:,}"
