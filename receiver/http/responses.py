"""Answers of the public listener, written once as far as they are always the same."""

from dataclasses import dataclass
from http import HTTPStatus

from receiver.http.problems import MEDIA_TYPE, Problem, document

Header = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True, eq=False)
class PreparedResponse:
    """A complete answer but for what changes with time and connection (`Date`, `Connection`).

    Attributes:
        status: the HTTP status.
        head: status line and headers, each with its line end.
        body: the content.
    """

    status: int
    head: bytes
    body: bytes


def make_answer(status: int, media_type: str, body: bytes, *headers: Header) -> PreparedResponse:
    """Write an answer.

    Args:
        status: the HTTP status.
        media_type: of the body.
        body: the content.
        headers: further ones.
    """
    lines = [
        b"HTTP/1.1 %d %b" % (status, HTTPStatus(status).phrase.encode()),
        b"content-type: " + media_type.encode(),
        b"content-length: %d" % len(body),
        *(name + b": " + value for name, value in headers),
    ]
    return PreparedResponse(status, b"".join(line + b"\r\n" for line in lines), body)


def refusal(problem: Problem, detail: str, *headers: Header) -> PreparedResponse:
    """Write an answer that says what is wrong, as a problem document."""
    return make_answer(problem.status, MEDIA_TYPE, document(problem, detail), *headers)
