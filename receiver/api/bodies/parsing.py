"""Parsing of requests to the private API: bodies, query parameters, cursors."""

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request

from receiver.domain import times
from receiver.domain.identifiers import clean
from receiver.domain.members import RepeatedError, single
from receiver.domain.numbers import (
    is_mainland_mobile,
    is_number,
    may_stand_for_number,
    normalise,
    seen,
)
from receiver.domain.storable import is_storable
from receiver.domain.wording.languages import FALLBACK, Language, negotiate, speaks
from receiver.http.problems import Problem
from receiver.store.queries import Page

MOST_ON_A_PAGE = 1000
_USUAL_PAGE = 50
_LONGEST_PARAMETER = 1024
A_NUMBER = "a full phone number, such as +8613800000000"
_T = TypeVar("_T")


class ProblemError(Exception):
    """A request that is answered with a problem document."""

    def __init__(
        self,
        problem: Problem,
        detail: str,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(detail)
        self.problem = problem
        self.detail = detail
        self.headers = headers
        self.more = more


def bad(detail: str, **more: Any) -> ProblemError:
    """Return the error of a request that the caller must correct."""
    return ProblemError(Problem.BAD_REQUEST, detail, **more)


async def read_body(request: Request, limit: int) -> bytes:
    """Read the body.

    Raises:
        ProblemError: it is larger than the limit (bytes), or compressed.
    """
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit:
                raise ProblemError(
                    Problem.TOO_LARGE,
                    f"The body has more than {limit} bytes. Split it into several requests.",
                    {"connection": "close"},
                )
    except ClientDisconnect:
        raise bad("The body is incomplete. Send the request again.") from None
    if request.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise ProblemError(
            Problem.BAD_REQUEST,
            "The body is compressed. Send it uncompressed, without `Content-Encoding`.",
            {"accept-encoding": "identity"},
        )
    return bytes(body)


def within(request: Request, application: str | None) -> str | None:
    """Return the application that a request is about, as far as its key may ask.

    Args:
        request: one whose key was checked.
        application: the one that it names; None: any.

    Raises:
        ProblemError: the key is for another one.
    """
    only: str | None = request.state.key.application
    if only is None:
        return application
    if application not in (None, only):
        raise ProblemError(
            Problem.FORBIDDEN,
            "The API key is for another application. Use a key for this one.",
            application=only,
        )
    return only


def check_named(request: Request, given: Mapping[str, Any]) -> None:
    """Refuse a body that names an application which the request's key may not ask about.

    To be called before the name is looked up: what applications there are is not told to all.

    Raises:
        ProblemError: it does.
    """
    named = given.get("application")
    within(request, named if isinstance(named, str) else None)


def check_unrestricted(request: Request) -> None:
    """Refuse a key that is for a single application.

    Raises:
        ProblemError: it is.
    """
    if request.state.key.application is not None:
        raise ProblemError(
            Problem.FORBIDDEN,
            "The request covers all applications, but the API key is for one of them. "
            "Use a key for all.",
        )


def read_time(name: str, value: object) -> int:
    """Read a time that a parameter or a member of a body holds, microseconds since the epoch.

    Raises:
        ProblemError: it is none, or does not name its zone.
    """
    try:
        return times.parse_zoned(value if isinstance(value, str) else "")
    except times.TimeError as error:
        raise bad(f"`{name}` must be {error}.") from None


def read_json_object(body: bytes) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        ProblemError: it is none.
    """
    try:
        document = json.loads(body, object_pairs_hook=single)
    except RepeatedError as error:
        raise bad(str(error)) from None
    except (ValueError, RecursionError):
        raise bad("The body is not valid JSON. Send a JSON object in UTF-8.") from None
    if not isinstance(document, dict):
        raise bad("The body is not a JSON object. Send one.")
    return document


def refuse_unknown(given: Mapping[str, Any], *known: str) -> None:
    """Refuse fields of a body that are unknown, so that a typing error is not a silent answer.

    Raises:
        ProblemError: there is one.
    """
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise bad(
            "The body has unknown fields. Remove those in `unknown`; `known` lists the valid ones.",
            unknown=unknown,
            known=sorted(known),
        )


class Query:
    """The query parameters of a request; `done` rejects unknown ones."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._parameters = request.query_params
        self._accept_language = ",".join(request.headers.getlist("accept-language"))
        self._asked: set[str] = set()

    def text(self, name: str, read: Callable[[str], str] = clean) -> str | None:
        """Return a parameter unchanged; an empty one is refused, for a script may have lost it."""
        given = self.texts(name, read)
        if len(set(given)) > 1:
            raise bad(f"`{name}` is given more than once with different values. Give it once.")
        return given[0] if given else None

    def application(self) -> str | None:
        """Return the application that is asked about, as far as the key may ask; None: any.

        Raises:
            ProblemError: the key is for another one.
        """
        return within(self._request, self.text("application"))

    def texts(self, name: str, read: Callable[[str], str] = clean) -> list[str]:
        """Return a parameter that may be given several times, cleaned; none may be empty."""
        self._asked.add(name)
        given = [read(text) for text in self._parameters.getlist(name)]
        for text in given:
            if text == "":
                raise bad(f"`{name}` is empty. Omit it or give it a value.")
            if len(text) > _LONGEST_PARAMETER or not is_storable(text):
                raise bad(
                    f"`{name}` must have at most {_LONGEST_PARAMETER} characters, "
                    "without NUL and unpaired surrogates."
                )
        return given

    def number(self, name: str) -> str | None:
        """Return a phone number, or what can stand in its place, such as a short code.

        A `+` that was not escaped came as a blank and is put back.

        Raises:
            ProblemError: the text can stand for no number.
        """
        text = self.text(name, seen)
        if text is None:
            return None
        if self._parameters[name].startswith(" ") and _had_plus(text):
            text = f"+{text}"
        if not may_stand_for_number(text):
            raise bad(
                f"`{name}` must be {A_NUMBER}, or a short code, a masked number or an "
                "alias exactly as it was reported."
            )
        return text

    def one_of(self, name: str, make: Callable[[str], _T], allowed: str) -> _T | None:
        """Return a parameter made by a function that raises ValueError for what is not allowed."""
        text = self.text(name)
        if text is None:
            return None
        try:
            return make(text)
        except ValueError:
            raise bad(f"`{name}` must be {allowed}.") from None

    def any_of(self, name: str, make: Callable[[str], _T], allowed: str) -> list[_T]:
        """Return a parameter that may stand several times, made as by `one_of`."""
        try:
            return [make(text) for text in self.texts(name)]
        except ValueError:
            raise bad(f"`{name}` must be {allowed}.") from None

    def flag(self, name: str) -> bool | None:
        """Return true or false."""
        return self.one_of(name, _FLAGS.__getitem__, "true or false")

    def whole(self, name: str, lowest: int, highest: int) -> int | None:
        """Return a whole number within bounds."""

        def make(text: str) -> int:
            if not (text.isascii() and text.isdigit() and lowest <= int(text) <= highest):
                raise ValueError
            return int(text)

        return self.one_of(name, make, f"an integer from {lowest} to {highest}")

    def time(self, name: str) -> int | None:
        """Return a time, microseconds since the epoch."""
        text = self.text(name)
        # A `+` of an offset that was not escaped came as a blank.
        return None if text is None else read_time(name, _BLANK_FOR_PLUS.sub(r"\1+\2", text))

    def language(self, usual: Language) -> Language:
        """Return the language of the texts: by `lang`, else `Accept-Language`, else the usual."""
        tag = self.text("lang")
        if tag is not None:
            return speaks(tag) or FALLBACK
        return negotiate(self._accept_language) or usual

    def limit(self) -> int:
        """Return how many items are wanted."""
        return self.whole("limit", 1, MOST_ON_A_PAGE) or _USUAL_PAGE

    def page(self, numbers: int = 1) -> Page:
        """Return the stretch of a list that `limit` and `cursor` ask for.

        Args:
            numbers: of how many a row's place in the list is made.
        """
        read = partial(read_cursor, numbers=numbers)
        return Page(
            self.limit(), self.one_of("cursor", read, "the value of `next` from the previous page")
        )

    def done(self) -> None:
        """Refuse parameters that do not exist, so that a typing error is not a silent answer.

        Raises:
            ProblemError: there is one.
        """
        unknown = sorted(set(self._parameters) - self._asked)
        if unknown:
            raise bad(
                "The query has unknown parameters. Remove those in `unknown`; `known` "
                "lists the valid ones.",
                unknown=unknown,
                known=sorted(self._asked),
            )


def _had_plus(text: str) -> bool:
    """Return whether a blank in front of a number was a `+`: digits alone may be a short code."""
    if is_mainland_mobile(text):
        return False
    return is_number(normalise(f"+{text}") or "") or (text[0].isdigit() and "*" in text)


class _Flags(dict[str, bool]):
    def __missing__(self, key: str) -> bool:
        raise ValueError(key)


# Behind a time of day, at the end.
_BLANK_FOR_PLUS = re.compile(r"(:[0-9]{2}(?:\.[0-9]+)?) ([0-9]{2}(?::?[0-9]{2})?)\Z")
_PLACE = re.compile(r"-?[0-9]{1,18}")  # what fits a column
_FLAGS = _Flags({"true": True, "false": False, "1": True, "0": False})


def write_cursor(place: Sequence[int]) -> str:
    """Write the cursor behind a row; callers must not look into it."""
    text = ".".join(map(str, place))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_cursor(text: str, numbers: int) -> tuple[int, ...]:
    """Read a cursor.

    Raises:
        ValueError: it is none of ours, or not one of this list.
    """
    try:
        place = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("ascii").split(".")
    except (binascii.Error, ValueError):
        raise ValueError("not a cursor") from None
    if len(place) != numbers or not all(map(_PLACE.fullmatch, place)):
        raise ValueError("not a cursor")
    return tuple(map(int, place))
