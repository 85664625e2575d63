"""The endpoints for statistics and silence."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from receiver.api.access.auth import Scope
from receiver.api.base import Endpoints, json_answer, needs
from receiver.api.bodies.parsing import MOST_ON_A_PAGE, Query, bad, within
from receiver.api.gauges import by_age, silent_since
from receiver.domain import times
from receiver.domain.catalogue.entries import Category
from receiver.domain.messages.state import State
from receiver.domain.silence import Rhythm, SilenceOptions
from receiver.domain.statistics import (
    DAY,
    HOUR,
    Group,
    StatisticsResult,
    Summary,
    SummarySeries,
    clip,
)
from receiver.pacing import Pacer
from receiver.store import silence, statistics_queries
from receiver.store.statistics_queries import Interval, Question, Silent, Waiting

Json = dict[str, Any]
MaybeYield = Callable[[], Awaitable[None]]

MOST_DAYS = 366
MOST_POINTS = 2000  # of all time series in an answer
_USUAL_GROUPS = 50
_PERCENTILES = (50, 90, 99)
_SLICE_S = 0.003

# How the columns of the statistics are called outside.
DIMENSIONS = {
    "application": "application",
    "state": "state",
    "category": "category",
    "code": "code",
    "country": "country",
    "template": "template_id",
    "channel": "from_number",
    "registered": "registered",
}


class Statistics(Endpoints):
    """Returns counts and silences."""

    @needs(Scope.READ)
    async def count(self, request: Request) -> Response:
        """Count messages by group and time."""
        query = Query(request)
        by = _by(query)
        interval = query.one_of("interval", Interval, f"one of {', '.join(Interval)}")
        step = interval.us if interval else HOUR
        since, until = _period(query, self._parts.clock(), step)
        only = _filters(query)
        for name in only.get("application", ()):
            within(request, str(name))
        own = within(request, None)
        if own is not None:
            only["application"] = [own]
        points = (until - since) // step if interval else 0
        limit = _limit(query, points, grouped=bool(by))
        query.done()
        question = Question(
            since, until, tuple(DIMENSIONS[one] for one in by), only, limit, interval
        )
        maybe_yield = Pacer(_SLICE_S, lambda: 0).maybe_yield
        async with self._parts.store.reading() as connection:
            answer = await statistics_queries.count(connection, question, maybe_yield)
        document: Json = {
            "since": times.to_rfc3339(since),
            "until": times.to_rfc3339(until),
            "by": by,
            "interval": interval,
            **_tally_json(answer.total, question),
            "groups": await _groups_json(answer, by, question, maybe_yield),
            "omitted": {
                "groups": answer.groups_found - len(answer.groups),
                "messages": answer.omitted if by else 0,
            },
        }
        return json_answer(document)

    @needs(Scope.READ)
    async def silence(self, request: Request) -> Response:
        """Tell what is pending and how old it is, and when reports were last received."""
        query = Query(request)
        application = query.application()
        query.done()
        now, options = self._parts.clock(), self._parts.silence
        heard_until = await self._parts.heard_until()
        since = silent_since(now)
        async with self._parts.store.reading() as connection:
            silent = await statistics_queries.silent(connection, now, since, application)
            heard = await silence.read_rhythms(connection)
            names = {*self._parts.applications, *heard, *(one.application for one in silent)}
            if application is not None:
                names &= {application}
            applications = []
            for one in sorted(names):
                of_one = [s for s in silent if s.application == one]
                oldest = await statistics_queries.oldest_waiting(
                    connection, one, _waited_for(of_one), since
                )
                rhythm = heard.get(one, Rhythm())
                applications.append(
                    {
                        "application": one,
                        **_silent_json(of_one),
                        "oldest_pending": _oldest_json(oldest, now),
                        **_rhythm_json(rhythm, heard_until, options),
                    }
                )
        return json_answer(
            {
                "at": times.to_rfc3339(now),
                "since": times.to_rfc3339(since),
                "applications": applications,
            }
        )


# --- the question -------------------------------------------------------------------------------


def _by(query: Query) -> list[str]:
    given = [name for text in query.texts("by") for name in text.split(",")]
    for name in given:
        if name not in DIMENSIONS:
            raise bad(f"`by` must consist of: {', '.join(DIMENSIONS)}.")
    return list(dict.fromkeys(given))


def _period(query: Query, now: int, step: int) -> tuple[int, int]:
    """Return the period, rounded outwards to full steps; without any it is the last 24 hours."""
    since, until = query.time("since"), query.time("until")
    until = now if until is None else until
    since = until - DAY if since is None else since
    if since >= until:
        raise bad("`since` must be before `until`, which defaults to the current time.")
    since, until = since // step * step, -(-until // step) * step
    if until - since > (MOST_DAYS + 1) * DAY:
        raise bad(f"The period must be at most {MOST_DAYS} days. Split it into several requests.")
    return since, until


def _filters(query: Query) -> dict[str, Sequence[str | bool]]:
    states = query.any_of("state", State, f"one of {', '.join(State)}")
    categories = query.any_of("category", Category, f"one of {', '.join(Category)}")
    registered = query.flag("registered")
    # A `+` that was not escaped came as a blank.
    channels = ["+" + text[1:] if text[0] == " " else text for text in query.texts("channel")]
    only: dict[str, Sequence[str | bool]] = {
        "state": [state.value for state in states],
        "category": [category.value for category in categories],
        "registered": [] if registered is None else [registered],
        "from_number": [clip(text) for text in channels],
    }
    for name in ("application", "code", "country", "template"):
        only[DIMENSIONS[name]] = [clip(text) for text in query.texts(name)]
    return {column: values for column, values in only.items() if values}


def _limit(query: Query, points: int, *, grouped: bool) -> int:
    """Return how many groups are shown: as many as asked for, or as a time series lets through."""
    most = MOST_POINTS // points - 1 if points else MOST_ON_A_PAGE
    if points > MOST_POINTS or (grouped and most < 1):
        raise bad(
            f"The time series has more than {MOST_POINTS} points. Request a shorter "
            "period or interval=day."
        )
    limit = query.whole("limit", 1, MOST_ON_A_PAGE)
    if limit is None:
        return min(_USUAL_GROUPS, max(most, 1))
    if grouped and limit > most:
        raise bad(
            f"The time series has more than {MOST_POINTS} points. Request a shorter "
            f"period, interval=day or limit={most}."
        )
    return limit


# --- the answer ---------------------------------------------------------------------------------


async def _groups_json(
    answer: StatisticsResult, by: Sequence[str], question: Question, maybe_yield: MaybeYield
) -> list[Json]:
    groups = []
    for group, tally in answer.groups.items():
        groups.append({**_group_json(by, group), **_tally_json(tally, question)})
        await maybe_yield()
    return groups


def _group_json(by: Sequence[str], group: Group) -> Json:
    """Write what a group has in common; null for messages that have none of it."""
    return {name: None if value == "" else value for name, value in zip(by, group, strict=True)}


def _tally_json(tally: SummarySeries, question: Question) -> Json:
    if question.interval is None:
        return _summary_json(tally.whole)
    nothing = Summary()
    series = [
        {
            "start": times.to_rfc3339(start),
            **_summary_json(tally.series.get(start, nothing)),
        }
        for start in range(question.since, question.until, question.interval.us)
    ]
    return {**_summary_json(tally.whole), "series": series}


def _summary_json(summary: Summary) -> Json:
    share = summary.delivered_share
    return {
        "messages": summary.messages,
        "states": {state.value: summary.states[state] for state in State},
        "delivered_share": None if share is None else round(share, 4),
        "delivery_seconds": {
            "count": summary.timed,
            **{f"p{p}": _rounded(summary.delivery_seconds(p)) for p in _PERCENTILES},
        },
    }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)


# --- silence ------------------------------------------------------------------------------------


def _waited_for(silent: Sequence[Silent]) -> list[State]:
    """Name the states in which there are messages that may still be reported."""
    there = {one.state for one in silent if one.registered}
    return [state for state in statistics_queries.WAITED_FOR if state in there]


def _silent_json(silent: Sequence[Silent]) -> Json:
    pending = [one for one in silent if one.registered]
    states = (*statistics_queries.WAITED_FOR, State.OVERDUE)
    return {
        "pending": {
            "messages": sum(one.messages for one in pending),
            "states": {
                state.value: sum(one.messages for one in pending if one.state is state)
                for state in states
            },
            "by_age": by_age(pending),
        },
        "orphans": {
            "messages": sum(one.messages for one in silent if not one.registered),
            "by_age": by_age([one for one in silent if not one.registered]),
        },
    }


def _oldest_json(oldest: Waiting | None, now: int) -> Json | None:
    if oldest is None:
        return None
    return {
        "sms_msg_id": oldest.sms_msg_id,
        "since": times.to_rfc3339(oldest.occurred_at),
        "age_seconds": max(0, now - oldest.occurred_at) // times.SECOND,
    }


def _rhythm_json(rhythm: Rhythm, heard_until: int, options: SilenceOptions) -> Json:
    last_at = rhythm.last_at
    return {
        "last_report_at": None if last_at is None else times.to_rfc3339(last_at),
        "gap_seconds": _whole_seconds(rhythm.silence(heard_until)),
        "usual_gap_seconds": _whole_seconds(rhythm.usual_gap(options)),
        "alarm_after_seconds": _whole_seconds(rhythm.threshold(options)),
        "alarm": rhythm.alarm(heard_until, options),
    }


def _whole_seconds(micros: int | None) -> int | None:
    return None if micros is None else micros // times.SECOND
