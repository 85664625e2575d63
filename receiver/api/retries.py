"""The endpoints of the retry queue."""

from dataclasses import replace
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response

from receiver.api.access.auth import Scope
from receiver.api.access.idempotency import Repeatable, Reply
from receiver.api.base import check_application, json_answer, needs
from receiver.api.bodies.decisions import Telling
from receiver.api.bodies.parsing import (
    Query,
    read_body,
    read_json_object,
    refuse_unknown,
    within,
    write_cursor,
)
from receiver.api.bodies.retries import (
    LONGEST_DELAY_S,
    LONGEST_REASON,
    check_held,
    conflict,
    find_item,
    judged_json,
    message_id_of,
    read_completion,
    read_order,
    read_text,
    read_whole,
    respond,
    row_json,
)
from receiver.api.bodies.views import ignored_json, retry_json
from receiver.domain.inputs import Send, Trust
from receiver.domain.retries.items import ItemState
from receiver.domain.times import SECOND, to_rfc3339
from receiver.journal import EntryKind, JournalEntry
from receiver.retries.chains import find_chains
from receiver.retries.claims import claim, digest
from receiver.store import queries
from receiver.store.retries import leases

Json = dict[str, Any]

_SETTLED = frozenset({ItemState.CANCELLED, ItemState.ENDED})


class Retrying(Repeatable, Telling):
    """Lets applications claim and settle items of the retry queue."""

    @needs(Scope.READ)
    async def retries(self, request: Request) -> Response:
        """List the queue, what is due first at the top."""
        query = Query(request)
        wanted = leases.ItemFilter(
            state=query.one_of("state", ItemState, f"one of {', '.join(ItemState)}"),
            application=query.application(),
            due_before=query.time("due_before"),
        )
        page = query.page(numbers=2)
        language = query.language(self._parts.language)
        query.done()
        now = self._parts.clock()
        async with self._parts.store.reading() as connection:
            rows = await leases.list_items(connection, wanted, page)
            counts = await leases.count(connection, now, wanted.application)
            found = await queries.load_messages(connection, [row["message_id"] for row in rows])
            decided = {
                one.stored.row_id: retry_json(one.retry, language)
                for one in await self.decide(connection, list(found.values()), language)
            }
        more = len(rows) == page.limit
        last = rows[-1] if rows else {}
        return json_answer(
            {
                "waiting": counts.waiting,
                "due": counts.due,
                "claimed": counts.claimed,
                "expired": counts.expired,
                "retries": [{**row_json(row), "retry": decided[row["message_id"]]} for row in rows],
                "next": write_cursor((last["due_at"], last["message_id"])) if more else None,
            },
            language=language,
        )

    @needs(Scope.WRITE)
    async def claim(self, request: Request) -> Response:
        """Return items that are due to the caller alone, for as long as the lease lasts."""
        query = Query(request)
        language = query.language(self._parts.language)
        query.done()
        # Without a body everything is left open, which an empty object says as well.
        body = await read_body(request, self._parts.max_body_bytes) or b"{}"
        order = read_order(read_json_object(body))
        order = replace(order, application=within(request, order.application))
        check_application(order.application, self._parts.applications)
        # What was acknowledged before this question is known before it is answered.
        await self._parts.caught_up()

        async def work(connection: AsyncConnection, now: int) -> Reply:
            policy = self._parts.policy
            claimed = await claim(connection, order, policy, now)
            self._parts.metrics.retries_expired.inc(claimed.expired)
            shown = [judged_json(one, claimed) for one in claimed.items]
            return Reply(200, {"lease_until": to_rfc3339(claimed.until), "retries": shown})

        return respond(await self.once(request, body, work), language)

    @needs(Scope.WRITE)
    async def complete(self, request: Request) -> Response:
        """Register what was sent in place of a claimed message, and end its item."""
        body = await read_body(request, self._parts.max_body_bytes)
        given = read_json_object(body)
        lease = read_text(given, "lease")
        message_id = message_id_of(request)
        await self._parts.caught_up()
        async with self._parts.store.reading() as connection:
            again = await self.given_before(connection, request, body)
            if again is not None:
                return respond(again)
            item = await find_item(connection, message_id, request)
            stored = (await queries.load_messages(connection, [message_id]))[message_id]
        registration, sent, notes = read_completion(given, stored)
        # First of all it is registered: it was sent, whoever holds the lease now.
        await self._parts.accept(
            JournalEntry(
                kind=EntryKind.SENDS,
                application=item.application,
                received_at=self._parts.clock(),
                peer=request.client.host if request.client else "",
                trust=Trust.OPEN.value,
                headers="",
                body=registration,
            )
        )

        async def work(connection: AsyncConnection, now: int) -> Reply:
            reply = await self._finish(connection, request, message_id, lease, sent, now)
            return replace(reply, document={**reply.document, "ignored": ignored_json(notes)})

        return respond(await self.once(request, body, work))

    async def _finish(
        self,
        connection: AsyncConnection,
        request: Request,
        message_id: int,
        lease: str,
        sent: Send,
        now: int,
    ) -> Reply:
        item = await find_item(connection, message_id, request)
        stored = (await queries.load_messages(connection, [message_id]))[message_id]
        message = stored.message
        key = (item.application, message.sms_msg_id)
        policy = self._parts.policy
        chain = (await find_chains(connection, [key], policy)).get(key)
        holds = item.lease == digest(lease)
        told: Json = {
            "id": message_id,
            "sms_msg_id": message.sms_msg_id,
            "next": sent.sms_msg_id,
            "state": item.state.value,
        }
        if chain is not None and chain.arrived_besides(sent.sms_msg_id, policy.retry.trust_open):
            if item.state in (ItemState.CLAIMED, ItemState.WAITING):
                await leases.end(
                    connection, message_id, ItemState.CANCELLED, now, reason="delivered",
                    next_id=sent.sms_msg_id,
                )  # fmt: skip
            self._count("delivered_before")
            return conflict(
                "The message had already been delivered. Your send is registered as a "
                "further attempt.",
                {**told, "state": "delivered"},
            )
        if holds and item.state is ItemState.COMPLETED and item.next_id == sent.sms_msg_id:
            return Reply(200, {**told, "registered": True})
        # Said before, and the answer was lost on the way to the store: it is said again.
        said = chain is not None and chain.follows(message.sms_msg_id, sent.sms_msg_id)
        if holds and said and item.state is ItemState.ENDED:
            await leases.end(
                connection, message_id, ItemState.COMPLETED, now, next_id=sent.sms_msg_id
            )
            self._count("completed")
            return Reply(200, {**told, "state": ItemState.COMPLETED.value, "registered": True})
        if not holds or item.state is not ItemState.CLAIMED:
            self._count("lost")
            why = (
                "The item is already settled"
                if item.state in _SETTLED
                else "You do not hold the lease of the item"
            )
            return conflict(f"{why}. Your send is registered as a further attempt.", told)
        await leases.end(connection, message_id, ItemState.COMPLETED, now, next_id=sent.sms_msg_id)
        self._count("completed")
        return Reply(200, {**told, "state": ItemState.COMPLETED.value, "registered": True})

    @needs(Scope.WRITE)
    async def release(self, request: Request) -> Response:
        """Put a claimed item back."""
        body = await read_body(request, self._parts.max_body_bytes)
        given = read_json_object(body)
        refuse_unknown(given, "lease", "delay_seconds")
        lease, message_id = read_text(given, "lease"), message_id_of(request)
        delay_s = read_whole(given, "delay_seconds", 0, 0, LONGEST_DELAY_S)

        async def work(connection: AsyncConnection, now: int) -> Reply:
            item = await find_item(connection, message_id, request)
            check_held(item, lease)
            due_at = max(item.due_at, now + delay_s * SECOND) if delay_s else item.due_at
            await leases.put_back(connection, message_id, due_at, "released")
            self._count("released")
            return Reply(200, {"id": message_id, "state": "waiting", "due_at": to_rfc3339(due_at)})

        return respond(await self.once(request, body, work))

    @needs(Scope.WRITE)
    async def abandon(self, request: Request) -> Response:
        """Return a claimed item up for good."""
        body = await read_body(request, self._parts.max_body_bytes)
        given = read_json_object(body)
        refuse_unknown(given, "lease", "reason")
        lease, message_id = read_text(given, "lease"), message_id_of(request)
        reason = read_text(given, "reason")[:LONGEST_REASON]

        async def work(connection: AsyncConnection, now: int) -> Reply:
            check_held(await find_item(connection, message_id, request), lease)
            await leases.end(connection, message_id, ItemState.ABANDONED, now, reason=reason)
            self._count("abandoned")
            return Reply(200, {"id": message_id, "state": "abandoned"})

        return respond(await self.once(request, body, work))

    def _count(self, outcome: str) -> None:
        self._parts.metrics.retries.labels(outcome).inc()
