"""Durable acknowledgement against other servers, alone and while the projector works."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median

from . import comparison
from .comparison import Durability, Plan, Row
from .figures import Family, Figure
from .load import Mode, Window
from .servers import Name
from .trial import Setting

BACKLOG_ROWS = 350_000  # stays above 200,000 through all windows
_QUICK_BACKLOG_ROWS = 20_000
_LEAST_LAG = 200_000
_SERVERS = {
    Family.ACK: (Name.BARE, Name.RECEIVER, Name.FASTAPI, Name.STARLETTE),
    Family.BACKLOG: (Name.BARE, Name.BEHIND),
}


@dataclass(frozen=True, slots=True)
class Compared:
    """The figures of a comparison, and all that they come from."""

    plan: Plan
    figures: list[Figure]
    rows: list[Row]
    windows: list[Window]
    kept: list[Durability]


def measure(
    setting: Setting, families: Sequence[Family], servers: Sequence[Name] | None
) -> Compared:
    """Compare the servers that the families need, or only those that are asked for."""
    wanted = servers or [name for family in families for name in _SERVERS.get(family, ())]
    plan = Plan(
        servers=tuple(name for name in Name if name in wanted),
        rounds=1 if setting.quick else setting.rounds,
        seconds=1 if setting.quick else setting.seconds,
        connections=setting.connections,
        generator=setting.generator,
        warm_up=not setting.quick,
        backlog_rows=_QUICK_BACKLOG_ROWS if setting.quick else BACKLOG_ROWS,
    )
    windows, kept = comparison.run(
        plan,
        setting.directory,
        lambda one: setting.say(f"{one.server} {one.mode}: {one.per_second:,.0f}/s"),
    )
    setting.troubles += _troubles(windows, kept)
    rows = comparison.tally(windows)
    figures = []
    for name, suffix in ((Name.RECEIVER, "ack"), (Name.BEHIND, "backlog")):
        for mode in Mode:
            figures += _figures(setting, f"{suffix}_{mode.replace('-', '_')}", rows, name, mode)
    if Name.BEHIND in plan.servers:
        figures = [_with_lag(one, windows, setting) for one in figures]
    return Compared(plan, figures, rows, windows, kept)


def _figures(
    setting: Setting, figure: str, rows: Sequence[Row], name: Name, mode: Mode
) -> list[Figure]:
    """Make a server's figure, where it and the bare server were measured."""
    found = [row for row in rows if row.server is name and row.mode is mode]
    if not found or found[0].to_bare is None:
        return []
    row = found[0]
    ratios = {
        "to_bare": row.to_bare,
        "to_fastapi": row.to_fastapi,
        "to_starlette": row.to_starlette,
    }
    note = f"{row.per_second:,.0f}/s, p50 {row.p50_ms:.1f} ms, p99 {row.p99_ms:.1f} ms"
    return [
        Figure(
            figure,
            {key: value for key, value in ratios.items() if value is not None},
            (note,),
            asdict(row),
            judged=setting.judges,
        )
    ]


def _with_lag(figure: Figure, windows: Sequence[Window], setting: Setting) -> Figure:
    """Show that the projector was behind before and after each window, and how fast it worked."""
    if figure.wanted.family is not Family.BACKLOG:
        return figure
    mode = Mode.CLOSE if figure.name == "backlog_close" else Mode.KEEP_ALIVE
    found = [
        (one.lag_before, one.lag_after, one.projected_per_second)
        for one in windows
        if one.server is Name.BEHIND and one.mode is mode and one.round != comparison.WARM_UP
        if None not in (one.lag_before, one.lag_after, one.projected_per_second)
    ]
    projected = median(rate for _, _, rate in found if rate is not None)
    before = min(lag for lag, _, _ in found if lag is not None)
    after = min(lag for _, lag, _ in found if lag is not None)
    steps = ", ".join(f"{one:,} → {other:,}" for one, other, _ in found)
    notes = (
        f"{projected:,.0f} rows/s projected meanwhile",
        f"rows behind, before → after each window: {steps}",
    )
    held = before > _LEAST_LAG and after > 0
    return Figure(
        figure.name,
        {
            **figure.numbers,
            "projected_per_second": projected,
            "least_rows_behind": min(before, after),
        },
        (*figure.notes, *notes),
        figure.raw,
        judged=held and setting.judges,
    )


def _troubles(windows: Sequence[Window], kept: Sequence[Durability]) -> list[str]:
    found = [
        f"{one.server} {one.mode} round {one.round}: {one.refused} answers were not 2xx, "
        f"{one.failed} connections failed, {one.accepted} pushes were accepted"
        for one in windows
        if one.refused or one.failed or not one.accepted
    ]
    lost = [f"{one.server} LOST {one.acknowledged - one.stored}" for one in kept if not one.holds]
    return found + lost
