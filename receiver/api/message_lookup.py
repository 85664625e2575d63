"""The endpoint that looks up several messages by id, reference or extend."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice, zip_longest

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response

from receiver.api.access.auth import Scope
from receiver.api.base import check_storable, json_answer, needs, read_application
from receiver.api.bodies import views
from receiver.api.bodies.decisions import Telling
from receiver.api.bodies.parsing import (
    Query,
    bad,
    refuse_unknown,
    within,
)
from receiver.domain.identifiers import clean
from receiver.store import queries

MOST_KEYS = 1000  # of all kinds together
MOST_OF_A_KEY = 100  # messages under one reference or extend
MOST_BY_KEYS = 1000  # messages under all of them
_TOO_MANY = (
    f"At most {MOST_KEYS} ids, references and extends can be looked up at once. Split "
    "them into several requests."
)

_KINDS: Mapping[str, queries.Key] = {"references": "reference", "extends": "extend"}


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a lookup asks for; None: the kind was not asked for."""

    ids: list[str] | None
    keys: Mapping[str, list[str]]  # of the kinds that were asked for
    application: str | None


@dataclass(frozen=True, slots=True)
class _Found:
    """The newest rows under each value of one kind of key."""

    rows: Mapping[str, Sequence[int]]

    @property
    def missing(self) -> list[str]:
        return [value for value, rows in self.rows.items() if not rows]

    def cut(self, given: set[int]) -> list[str]:
        """Name the values that have further messages than those given."""
        return [value for value, rows in self.rows.items() if not given.issuperset(rows)]


class MessageFinder(Telling):
    """Finds messages by their ids, references and extends."""

    @needs(Scope.READ)
    async def lookup(self, request: Request) -> Response:
        """Return the messages with up to 1,000 ids, references and extends."""
        query = Query(request)
        language = query.language(self._parts.language)
        query.done()
        asked = _read(await self.read_object(request))
        asked = replace(asked, application=within(request, asked.application))
        async with self._parts.store.reading() as connection:
            by_id = await queries.find_messages(connection, asked.ids or (), asked.application)
            found = {
                kind: await _find(connection, kind, values, asked.application)
                for kind, values in asked.keys.items()
            }
            wanted = _share(found.values())
            by_key = await queries.load_messages(connection, wanted) if wanted else {}
            order = {sms_msg_id: place for place, sms_msg_id in enumerate(asked.ids or ())}
            by_id.sort(key=lambda stored: order[stored.message.sms_msg_id])
            told = await self.tell(connection, _once(by_id, found.values(), by_key), language)
        known = {stored.message.sms_msg_id for stored in by_id}
        answer: views.Json = {
            "messages": told,
            "missing": [sms_msg_id for sms_msg_id in order if sms_msg_id not in known],
        }
        for kind, rows in found.items():
            answer[f"missing_{kind}"] = rows.missing
            answer[f"cut_{kind}"] = rows.cut(wanted)
        return json_answer(answer, language=language)


def _read(document: views.Json) -> _Asked:
    refuse_unknown(document, "ids", *_KINDS, "application")
    ids = _texts(document, "ids")
    keys = {kind: values for kind in _KINDS if (values := _texts(document, kind)) is not None}
    if ids is None and not keys:
        raise bad(
            "Send at least one of `ids`, `references` and `extends`, each an array of strings."
        )
    if len(ids or ()) + sum(map(len, keys.values())) > MOST_KEYS:
        raise bad(_TOO_MANY)
    return _Asked(ids, keys, read_application(document))


def _texts(document: views.Json, name: str) -> list[str] | None:
    """Read an array of strings, cleaned; one that is given more than once is asked for once."""
    values = document.get(name)
    if values is None:
        return None
    if not isinstance(values, list) or not all(isinstance(one, str) for one in values):
        raise bad(f"`{name}` must be an array of strings.")
    if len(values) > MOST_KEYS:
        raise bad(_TOO_MANY)
    cleaned = list(dict.fromkeys(map(clean, values)))
    for one in cleaned:
        check_storable(one)
    return cleaned


async def _find(
    connection: AsyncConnection, kind: str, values: list[str], application: str | None
) -> _Found:
    # One more than is given tells that there are more.
    most = MOST_OF_A_KEY + 1
    return _Found(
        await queries.find_by_key(
            connection, _KINDS[kind], values, most=most, application=application
        )
    )


def _share(found: Iterable[_Found]) -> set[int]:
    """Choose the rows to give: the newest of each value first, then the next of each, and so on."""
    lists = [rows[:MOST_OF_A_KEY] for one in found for rows in one.rows.values()]
    in_turns = (row for turn in zip_longest(*lists) for row in turn if row is not None)
    return set(islice(dict.fromkeys(in_turns), MOST_BY_KEYS))


def _once(
    by_id: Iterable[queries.StoredMessage],
    found: Iterable[_Found],
    by_key: Mapping[int, queries.StoredMessage],
) -> list[queries.StoredMessage]:
    """Return each message once: those by id, then those by the keys in the order asked."""
    ordered = {stored.row_id: stored for stored in by_id}
    for row in chain.from_iterable(chain.from_iterable(one.rows.values() for one in found)):
        if row in by_key:
            ordered.setdefault(row, by_key[row])
    return list(ordered.values())
