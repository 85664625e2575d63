"""The gauges of pending messages and of silence, updated when metrics are read."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from receiver.domain import times
from receiver.domain.retries.breaker import Position
from receiver.domain.silence import Rhythm, SilenceOptions
from receiver.domain.statistics import AGES, DAY
from receiver.errors import StoreUnavailableError
from receiver.metrics import Metrics
from receiver.store import silence, statistics_queries
from receiver.store.retries import history, leases
from receiver.store.store import Store
from receiver.store.suppressions import entries

_DAYS = 31  # older messages are left aside
_PATIENCE_S = 2.0


class Watch:
    """Updates the gauges whenever metrics are requested."""

    def __init__(
        self,
        store: Store,
        metrics: Metrics,
        applications: Sequence[str],
        options: SilenceOptions,
        *,
        clock: Callable[[], int],
        heard_until: Callable[[], Awaitable[int]],
    ) -> None:
        """Make a watch that has not looked yet.

        Args:
            store: where messages and rhythms are.
            metrics: where the gauges are.
            applications: the configured ones; others get no series.
            options: when silence is too long.
            clock: microseconds.
            heard_until: gives the time up to which the store has processed all inputs.
        """
        self._store = store
        self._metrics = metrics
        self._applications = applications
        self._options = options
        self._clock = clock
        self._heard_until = heard_until
        self._rhythms: Mapping[str, Rhythm] = {}

    async def look(self) -> None:
        """Set the gauges; while the store does not answer, by what it said before."""
        now = self._clock()
        try:
            async with asyncio.timeout(_PATIENCE_S), self._store.watching() as connection:
                silent = await statistics_queries.silent(connection, now, silent_since(now))
                self._rhythms = await silence.read_rhythms(connection)
                queue = await leases.count(connection, now)
                breakers = await history.read_breakers(connection)
                suppressed = await entries.count_suppressed(connection, now)
        except (StoreUnavailableError, TimeoutError):
            pass
        else:
            self._show_ages(silent)
            self._metrics.retries_due.set(queue.due)
            self._metrics.retries_claimed.set(queue.claimed)
            self._metrics.breakers_open.set(
                sum(one.state.position is not Position.CLOSED for one in breakers.values())
            )
            for source, number in suppressed.items():
                self._metrics.suppressed.labels(source.value).set(number)
        self._show_gaps(await self._heard_until())

    def _show_ages(self, silent: Sequence[statistics_queries.Silent]) -> None:
        orphans = by_age([one for one in silent if not one.registered])
        for age, number in orphans.items():
            self._metrics.orphans_by_age.labels(age).set(number)
        for name in self._applications:
            pending = [one for one in silent if one.registered and one.application == name]
            for age, number in by_age(pending).items():
                self._metrics.pending_by_age.labels(name, age).set(number)

    def _show_gaps(self, heard_until: int) -> None:
        metrics = self._metrics
        for name in self._applications:
            rhythm = self._rhythms.get(name, Rhythm())
            metrics.report_gap.labels(name).set(_seconds(rhythm.silence(heard_until)))
            metrics.report_gap_usual.labels(name).set(_seconds(rhythm.usual_gap(self._options)))
            metrics.report_gap_alarm.labels(name).set(rhythm.alarm(heard_until, self._options))


def _seconds(micros: int | None) -> float:
    """Return a gauge's value; what is not known yet is there as NaN, which rings no alarm."""
    return float("nan") if micros is None else micros / times.SECOND


def silent_since(now: int) -> int:
    """Return the time before which silent messages are left aside."""
    return (now - _DAYS * DAY) // DAY * DAY


def by_age(silent: Sequence[statistics_queries.Silent]) -> dict[str, int]:
    """Count messages by the names of their ages."""
    return {
        age.name: sum(one.messages for one in silent if one.age == index)
        for index, age in enumerate(AGES)
    }
