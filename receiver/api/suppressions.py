"""The endpoints for the suppression list."""

from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from receiver.api.access.auth import Scope
from receiver.api.base import Endpoints, json_answer, needs, page_answer
from receiver.api.bodies.parsing import (
    ProblemError,
    Query,
    check_named,
    within,
)
from receiver.api.bodies.suppressions import (
    Wanted,
    number_in_path,
    read_lift,
    read_suppression,
    recipient_json,
    sender_in_path,
    word_json,
)
from receiver.domain.inputs import Trust
from receiver.domain.numbers import seen
from receiver.domain.suppressions.manual import write_word
from receiver.domain.suppressions.suppression import (
    ScopedEntry,
    Source,
    SuppressionEntry,
    SuppressionScope,
    holding,
)
from receiver.domain.times import to_rfc3339
from receiver.http.problems import Problem
from receiver.journal import EntryKind, JournalEntry
from receiver.retries.recipients import Inquiry, inquire
from receiver.store.queries import Row
from receiver.store.suppressions import entries


class Suppressions(Endpoints):
    """Lists, sets and lifts suppressions."""

    @needs(Scope.READ)
    async def suppressions(self, request: Request) -> Response:
        """List who is not to be sent to (or, on request, what was lifted), the latest first."""
        query = Query(request)
        now = self._parts.clock()
        wanted = entries.SuppressionFilter(
            suppressed=query.flag("suppressed") is not False,
            now=now,
            number=query.number("number"),
            channel=query.text("channel", seen),
            application=query.application(),
            source=query.one_of("source", Source, f"one of {', '.join(Source)}"),
        )
        page = query.page()
        query.done()
        async with self._parts.store.reading() as connection:
            rows, following = await entries.list_suppressions(connection, wanted, page)
            said = await entries.all_said(connection, (row["number"] for row in rows))
        items = [self._listed(row, said[row["number"]], now) for row in rows]
        return page_answer("suppressions", items, following)

    @needs(Scope.WRITE)
    async def suppress(self, request: Request) -> Response:
        """Suppress a number manually; 200 when that is durable and holds."""
        return await self._set(request, suppressed=True)

    @needs(Scope.WRITE)
    async def lift(self, request: Request) -> Response:
        """Lift what keeps a number from being sent to; an opt-out only where that is said."""
        return await self._set(request, suppressed=False)

    @needs(Scope.READ)
    async def history(self, request: Request) -> Response:
        """List what was set and lifted for a number, and what is said about it now."""
        query = Query(request)
        application = query.application()
        page = query.page(numbers=2)
        query.done()
        number = sender_in_path(request)
        now = self._parts.clock()
        async with self._parts.store.reading() as connection:
            rows = await entries.list_changes(connection, number, page, application)
            said = (await entries.all_said(connection, [number])).get(number, [])
        said = [one for one in said if application in (None, one.party.application)]
        beside = {"number": number, "words": [_word(one, said, now) for one in said]}
        last = (rows[-1]["at"], rows[-1]["id"]) if len(rows) == page.limit else None
        items = [_change_json(row) for row in rows]
        return page_answer("changes", items, last, beside=beside)

    async def _set(self, request: Request, *, suppressed: bool) -> Response:
        parts = self._parts
        query = Query(request)
        language = query.language(parts.language)
        query.done()
        given = await self.read_object(request)
        check_named(request, given)
        number = number_in_path(request) if suppressed else sender_in_path(request)
        now = parts.clock()
        read = read_suppression if suppressed else read_lift
        wanted = read(given, parts.applications, now)
        wanted = replace(wanted, application=within(request, wanted.application or None) or "")
        party = SuppressionScope(number, wanted.channel, wanted.application)
        await parts.caught_up()
        async with parts.store.reading() as connection:
            said = (await entries.all_said(connection, [number])).get(number, [])
        said_at = max([now, *(one.word.decided_at + 1 for one in said)])
        word = ScopedEntry(
            party, _word_by_hand(request.state.key.name, wanted, said_at, suppressed)
        )
        if not suppressed:
            _check_lift(said, word, now)
        await parts.accept(
            JournalEntry(
                kind=EntryKind.SUPPRESSION,
                application=wanted.application or parts.applications[0],
                received_at=said_at,
                peer=request.client.host if request.client else "",
                trust=Trust.OPEN.value,
                headers="",
                body=write_word(word),
            )
        )
        await parts.caught_up()
        inquiry = Inquiry(wanted.channel, wanted.application, parts.policy.retry.kind)
        async with parts.store.reading() as connection:
            found = await inquire(connection, [number], inquiry, parts.policy.retry, now)
        return json_answer(recipient_json(found[0], inquiry, language), language=language)

    @staticmethod
    def _listed(row: Row, said: list[ScopedEntry], now: int) -> dict[str, Any]:
        one = entries.said_by(row)
        return {"number": row["number"], **_word(one, said, now)}


def _word(one: ScopedEntry, said: list[ScopedEntry], now: int) -> dict[str, Any]:
    """Write a word, and whether it holds: for somebody who sends by its own channel."""
    return word_json(one, holds=one in holding(said, one.party, now))


def _word_by_hand(by: str, wanted: Wanted, at: int, suppressed: bool) -> SuppressionEntry:
    return SuppressionEntry(
        suppressed=suppressed,
        decided_at=at,
        source=Source.HAND,
        source_id=by,
        reason=wanted.reason,
        until=wanted.until,
        overrides=wanted.overrides,
    )


def _check_lift(said: list[ScopedEntry], lift: ScopedEntry, now: int) -> None:
    """Refuse a lift that lifts nothing, or not all that is in the way.

    Raises:
        ProblemError: one or the other.
    """
    party = lift.party
    if not holding(said, party, now):
        raise ProblemError(Problem.NOT_FOUND, "The number is not suppressed.")
    others = [one for one in said if (one.party, one.word.source) != (party, lift.word.source)]
    if holding([*others, lift], party, now):
        covers_all = replace(lift, word=replace(lift.word, overrides=True))
        assert not holding([*others, covers_all], party, now)  # noqa: S101 - it is the newest word
        raise ProblemError(
            Problem.OPTED_OUT,
            "The recipient opted out by SMS. If the recipient has consented again "
            "through another channel, state this in `reason` and set `override_opt_out`.",
        )


def _change_json(row: Row) -> dict[str, Any]:
    until = row["until"]
    return {
        "at": to_rfc3339(row["at"]),
        "action": "suppressed" if row["suppressed"] else "lifted",
        "by": row["by"],
        "source": row["source"],
        "reason": row["reason"],
        "channel": row["channel"] or None,
        "application": row["application"] or None,
        "until": None if until is None else to_rfc3339(until),
        "override_opt_out": row["overrides"],
    }
