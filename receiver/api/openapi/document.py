"""The tables of routes and schemas -> an OpenAPI 3.1 document."""

import re
from functools import lru_cache
from typing import Any

from receiver import __version__
from receiver.api.openapi.operations import JSON, OPERATIONS, Operation
from receiver.api.openapi.schemas import NAMED
from receiver.api.openapi.types import WHOLE, Schema, ref
from receiver.http.problems import MEDIA_TYPE

_IN_PATH = re.compile(r"{([a-z_]+)}")
_OF_KEYS = (401, 403, 429)  # any route that needs a key
_OF_ALL = (400, 405, 408, 421, 431, 503)
_OF_BODIES = (413,)
_WHOLE_IN_PATH = frozenset({"id"})
_LARGEST_ID = 2**63 - 1
_SAID = {
    400: "The request is invalid.",
    401: "The API key is missing, unknown or expired.",
    403: (
        "The API key lacks the scope or is for another application, or the request is cross-origin."
    ),
    404: "The resource does not exist.",
    405: "The route does not support the method.",
    408: "The request was not complete in time.",
    409: "The request conflicts with the current state.",
    410: "The cursor has expired. Start the list again without it.",
    413: "The body is too large.",
    421: "The Host header is not a name of this listener.",
    422: "The Idempotency-Key was used for a different request.",
    429: "Too many wrong API keys were sent from this address.",
    431: "The headers are too large.",
    503: "Temporarily unavailable. Try again.",
}


@lru_cache(maxsize=1)
def make_document() -> dict[str, Any]:
    """Return the document; callers must not change it."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _describe(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "receiver",
            "version": __version__,
            "description": "Times are RFC 3339 in UTC. Errors are problem documents (RFC 9457).",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": NAMED,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _describe(operation: Operation) -> dict[str, Any]:
    parameters = [_in_path(name) for name in _IN_PATH.findall(operation.path)]
    parameters += [
        {"name": name, "in": "query", "schema": schema, "required": False}
        for name, schema in operation.query.items()
    ]
    if operation.repeatable:
        schema = {"type": "string", "minLength": 1, "maxLength": 255}
        parameters.append({"name": "Idempotency-Key", "in": "header", "schema": schema})
    if "lang" in operation.query:
        parameters.append({"name": "Accept-Language", "in": "header", "schema": {"type": "string"}})
    described: dict[str, Any] = {
        "operationId": _name(operation),
        "summary": operation.summary,
        "parameters": parameters,
        "responses": _answers(operation),
        "security": [] if operation.scope is None else [{"key": []}],
    }
    if operation.scope is not None:
        described["description"] = f"Requires the scope `{operation.scope.value}`."
    if operation.body is not None:
        described["requestBody"] = {
            "required": operation.body_needed,
            "content": {JSON: {"schema": operation.body}},
        }
    return described


def _in_path(name: str) -> dict[str, Any]:
    schema: Schema = {"type": "string", "minLength": 1}
    if name in _WHOLE_IN_PATH:
        schema = {**WHOLE, "minimum": 0, "maximum": _LARGEST_ID}
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _answers(operation: Operation) -> dict[str, Any]:
    schema = {} if operation.answer is None else {"schema": operation.answer}
    answers: dict[str, Any] = {
        str(operation.status): {
            "description": operation.summary,
            "content": dict.fromkeys(operation.media_types, schema),
        }
    }
    for status in sorted(_problems(operation)):
        answers[str(status)] = {
            "description": _SAID[status],
            "content": {MEDIA_TYPE: {"schema": ref("Problem")}},
        }
    if operation.path == "/readyz":
        answers["503"]["content"][JSON] = schema
    return answers


def _problems(operation: Operation) -> set[int]:
    found = {*_OF_ALL, *operation.problems}
    if operation.scope is not None:
        found |= {*_OF_KEYS}
    if "{" in operation.path:
        found.add(404)  # also where the path's value leads nowhere
    if operation.body is not None:
        found |= {*_OF_BODIES, 403}
    if operation.path in ("/v1/messages", "/v1/export/messages"):
        found.add(410)  # messages may change their places
    if operation.repeatable:
        found.add(422)
    return found


def _name(operation: Operation) -> str:
    words = [word for word in re.split(r"[^a-z]+", operation.path) if word not in ("", "v")]
    return "_".join((operation.method.lower(), *words))
