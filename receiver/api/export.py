"""The endpoints that export complete lists, page by page and in constant memory."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from typing import NamedTuple

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Send
from starlette.types import Scope as ASGIScope

from receiver.api import messages, uplinks
from receiver.api.access.auth import Scope
from receiver.api.base import headers_of, needs
from receiver.api.bodies import export_csv, views
from receiver.api.bodies.decisions import Telling
from receiver.api.bodies.parsing import Query, write_cursor
from receiver.domain import times
from receiver.domain.compact_json import write_json
from receiver.domain.wording.languages import Language
from receiver.errors import StoreUnavailableError
from receiver.pacing import Pacer
from receiver.store import queries
from receiver.store.paging import Place

_log = structlog.get_logger(__name__)

_PAGE = 100  # items in one transaction, and of a whole export in memory at once
_MOST_PAGES = 50  # of one part: where few items match, it ends early
_MOST_COUNTED = 1_000_000
_SLICE_S = 0.003


class ExportFormat(StrEnum):
    """How an export is written."""

    NDJSON = "ndjson"
    CSV = "csv"

    @property
    def media_type(self) -> str:
        """Of the answer."""
        if self is ExportFormat.NDJSON:
            return "application/x-ndjson"
        return "text/csv; charset=utf-8; header=present"


_Item = Callable[[], views.Json]  # writes a row of a list as JSON


class _ExportPage(NamedTuple):
    """Some items of a list, and the place behind which it goes on; None at its end."""

    items: Sequence[_Item]
    next: Place | None


_Read = Callable[[AsyncConnection, queries.Page], Awaitable[_ExportPage]]
_Count = Callable[[AsyncConnection, int], Awaitable[int]]


class _Export(NamedTuple):
    """What is asked for."""

    name: str
    form: ExportFormat
    columns: export_csv.Columns
    read: _Read
    total: _Count
    part: queries.Page | None  # None: all of it, in one answer
    language: Language | None = None


class Exporting(Telling):
    """Exports all matching rows in list order."""

    @needs(Scope.READ)
    async def messages(self, request: Request) -> Response:
        """Return all messages that match."""
        query = Query(request)
        wanted, form = messages.read_filter(query), _form(query)
        language = query.language(self._parts.language)
        part = _part(query, numbers=3)
        query.done()

        async def read(connection: AsyncConnection, page: queries.Page) -> _ExportPage:
            found = await queries.list_messages(connection, wanted, page)
            decided = await self.decide(connection, found.messages, language)
            items = [partial(views.message_json, one, language) for one in decided]
            return _ExportPage(items, found.next)

        async def count(connection: AsyncConnection, most: int) -> int:
            return await queries.count_messages(connection, wanted, most)

        export = _Export("messages", form, export_csv.MESSAGES, read, count, part, language)
        return await self._answer(request, export)

    @needs(Scope.READ)
    async def uplinks(self, request: Request) -> Response:
        """Return all uplinks that match."""
        query = Query(request)
        wanted, form = uplinks.read_filter(query), _form(query)
        part = _part(query, numbers=1)
        query.done()

        async def read(connection: AsyncConnection, page: queries.Page) -> _ExportPage:
            found = await queries.list_uplinks(connection, wanted, page)
            items = await uplinks.with_answers(self._parts, connection, found.rows)
            return _ExportPage([partial(dict, one) for one in items], found.next)

        async def count(connection: AsyncConnection, most: int) -> int:
            return await queries.count_uplinks(connection, wanted, most)

        export = _Export("uplinks", form, export_csv.UPLINKS, read, count, part)
        return await self._answer(request, export)

    async def _answer(self, request: Request, export: _Export) -> Response:
        moment = datetime.fromtimestamp(self._parts.clock() / times.SECOND, tz=UTC)
        name = f"{export.name}-{moment:%Y%m%dT%H%M%SZ}.{export.form.value}"
        headers = {
            **(headers_of(export.language) or {}),
            "content-disposition": f'attachment; filename="{name}"',
            "content-type": export.form.media_type,
            "cache-control": "no-store",
        }
        if export.part is not None:
            return await self._answer_part(export, export.part, headers)
        # What goes wrong with the first page can still be said by a status.
        first = await self._page(export.read)
        if request.method == "HEAD":
            return _of_unknown_length(headers)
        return _Streamed(request, self._write(export, first), headers)

    async def _answer_part(
        self, export: _Export, part: queries.Page, headers: dict[str, str]
    ) -> Response:
        """Answer with a part of an export as a whole: one that fails can be asked for again."""
        lines = []
        if part.before is None:
            async with self._parts.store.reading() as connection:
                total = await export.total(connection, _MOST_COUNTED)
            headers["total-count"] = f"{total}+" if total == _MOST_COUNTED else str(total)
            if export.form is ExportFormat.CSV:
                lines.append(export_csv.header_line(export.columns).encode())
        pacer = Pacer(_SLICE_S, self._parts.yield_factor)
        place, left = part.before, part.limit
        for _ in range(_MOST_PAGES):
            page = await self._page(export.read, place, min(left, _PAGE))
            for item in page.items:
                lines.append(_line(item(), export))
                await pacer.maybe_yield()
            place, left = page.next, left - len(page.items)
            if place is None or not left:
                break
        headers["item-count"] = str(part.limit - left)
        if place is not None:
            headers["next-cursor"] = write_cursor(place)
        return Response(b"".join(lines), headers=headers)

    async def _page(
        self, read: _Read, before: Place | None = None, limit: int = _PAGE
    ) -> _ExportPage:
        """Read the page behind a place; the transaction is over when it is returned."""
        async with self._parts.store.reading() as connection:
            return await read(connection, queries.Page(limit, before))

    async def _write(self, export: _Export, page: _ExportPage) -> AsyncIterator[bytes]:
        pacer = Pacer(_SLICE_S, self._parts.yield_factor)
        if export.form is ExportFormat.CSV:
            yield export_csv.header_line(export.columns).encode()
        count = 0
        while True:
            lines = []
            for item in page.items:
                lines.append(_line(item(), export))
                await pacer.maybe_yield()
            yield b"".join(lines)  # also without lines, to see whether somebody takes them
            count += len(page.items)
            if page.next is None:
                break
            page = await self._page(export.read, page.next)
            await pacer.yield_now()
        _log.info("exported", what=export.name, form=export.form.value, count=count)


def _part(query: Query, numbers: int) -> queries.Page | None:
    """Read which part is wanted; None where neither `limit` nor `cursor` is given."""
    page = query.page(numbers)
    return page if query.texts("limit") or query.texts("cursor") else None


def _form(query: Query) -> ExportFormat:
    return query.one_of("format", ExportFormat, "ndjson or csv") or ExportFormat.NDJSON


# JSON lets these stand in texts, and some readers of lines take them for line ends.
_LINE_ENDS = [(end.encode(), b"\\u%04x" % ord(end)) for end in "\x85\u2028\u2029"]


def _line(item: views.Json, export: _Export) -> bytes:
    if export.form is ExportFormat.CSV:
        # A lone surrogate has no UTF-8 form.
        return export_csv.item_line(export.columns, item).encode(errors="replace")
    line = write_json(item)
    for end, escaped in _LINE_ENDS:
        line = line.replace(end, escaped)
    return line + b"\n"


def _of_unknown_length(headers: Mapping[str, str]) -> Response:
    """Answer without a body, and without saying that GET would have none either."""
    response = Response(headers=headers)
    del response.headers["content-length"]
    return response


class _Streamed(Response):
    """An answer of unknown length.

    Where it cannot be brought to its end it breaks off: the last chunk never comes and the
    connection is closed, so that nobody takes it for complete.
    """

    def __init__(
        self, request: Request, pieces: AsyncIterator[bytes], headers: Mapping[str, str]
    ) -> None:
        super().__init__(headers=headers)
        del self.headers["content-length"]
        self._request = request
        self._pieces = pieces

    async def __call__(self, scope: ASGIScope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Send the pieces while somebody takes them."""
        await send(
            {
                "type": "http.response.start",
                "status": self.status_code,
                "headers": self.raw_headers,
            }
        )
        try:
            async for piece in self._pieces:
                # A reading of the store is better brought to its end than cancelled.
                if await self._request.is_disconnected():
                    return
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        except StoreUnavailableError as error:
            _log.warning("export aborted", reason=str(error))
            return
        await send({"type": "http.response.body", "body": b"", "more_body": False})
