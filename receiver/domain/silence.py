"""How regularly reports arrive, and when a silence is longer than that explains.

What is usual is the longest gap between two arrivals in the days before the last one. A silence
rings the alarm when it is longer than that gap by a factor, and longer than a floor. Eight days
hold the night and the weekend of a week; a gap belongs to the day (UTC) in which it ended.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from receiver.domain import times

DAY = 24 * 3600 * times.SECOND
_DAYS_HEARD = 2  # before nothing is known of a night


@dataclass(frozen=True, slots=True)
class SilenceOptions:
    """When silence is too long."""

    floor_us: int = 15 * 60 * times.SECOND  # shorter silence is never too long
    factor: float = 1.5  # so many times the longest usual gap
    days: int = 8  # how far back a gap is usual
    min_heard: int = 20  # arrivals before a rhythm is known


@dataclass(frozen=True, slots=True)
class Rhythm:
    """The arrivals of one application's reports, in short. Times are microseconds."""

    heard: int = 0  # arrivals, redeliveries too
    last_at: int | None = None  # the newest of them
    gaps: Mapping[int, int] = field(default_factory=dict)  # days since the epoch -> longest gap

    def after(self, arrivals: Iterable[int], now: int, options: SilenceOptions) -> "Rhythm":
        """Fold arrivals in.

        An arrival from before the newest one counts, but makes no gap. What a clock that ran ahead
        has left behind from after `now` is forgotten.
        """
        rhythm = self._without_future(now)
        heard, last_at, gaps = rhythm.heard, rhythm.last_at, dict(rhythm.gaps)
        for at in arrivals:
            heard += 1
            if last_at is not None and at <= last_at:
                continue  # most arrivals are those of a batch, all at the same time
            if last_at is not None:
                day = at // DAY
                gaps[day] = max(gaps.get(day, 0), at - last_at)
            last_at = at
        return Rhythm(heard, last_at, _of_last_days(gaps, last_at, options.days))

    def usual_gap(self, options: SilenceOptions) -> int | None:
        """Return the longest gap of the days before the last arrival; None while none is known."""
        return max(_of_last_days(self.gaps, self.last_at, options.days).values(), default=None)

    def silence(self, now: int) -> int | None:
        """Return the time since the last arrival; None when nothing was ever received."""
        return None if self.last_at is None else max(0, now - self.last_at)

    def threshold(self, options: SilenceOptions) -> int | None:
        """Return the longest silence that is not alarming; None while the rhythm is not known.

        It is known after so many arrivals, on at least two days (UTC).
        """
        usual = self.usual_gap(options)
        if usual is None or self.heard < options.min_heard or len(self.gaps) < _DAYS_HEARD:
            return None
        return max(options.floor_us, round(options.factor * usual))

    def alarm(self, now: int, options: SilenceOptions) -> bool:
        """Return whether the silence is longer than the rhythm explains."""
        threshold, silence = self.threshold(options), self.silence(now)
        return threshold is not None and silence is not None and silence > threshold

    def _without_future(self, now: int) -> "Rhythm":
        if self.last_at is None or self.last_at <= now:
            return self
        past = {day: gap for day, gap in self.gaps.items() if day <= now // DAY}
        return replace(self, last_at=now, gaps=past)


def _of_last_days(gaps: Mapping[int, int], last_at: int | None, days: int) -> dict[int, int]:
    """Keep the gaps that ended in so many days, that of the last arrival included."""
    if last_at is None:
        return {}
    first = last_at // DAY - days + 1
    return {day: gap for day, gap in gaps.items() if day >= first}
