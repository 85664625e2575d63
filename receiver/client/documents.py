"""Objects that a program has after sending -> the body of `POST /v1/sends`."""

import json
from collections.abc import Mapping
from typing import Any

from receiver.client.interruptions import let_through

Json = dict[str, Any]

# What a registration takes of a request, in the platform's spelling: never its texts.
_OF_REQUEST = {
    "templateId": ("templateId", "template_id"),
    "extend": ("extend",),
    "from": ("from", "_from"),
}
_OF_CONTENT = {"to": ("to",), "templateId": ("templateId", "template_id")}
_CONTENTS = ("smsContent", "sms_content")


class DocumentError(ValueError):
    """The arguments are not a registration; the text states what was expected."""


def write_registration(response: Any, fields: Mapping[str, Any]) -> bytes:
    """Write a registration as one line of ASCII.

    Args:
        response: the platform's response as an object, as text or bytes of JSON, or as anything
            with `to_dict()`; or a whole registration (`{"sends": [...]}`, `{"response": ...}`).
        fields: what stands beside it; None is left out.

    Raises:
        DocumentError: it is none of these.
    """
    document = _plain(response, "The response")
    if "sends" not in document and "response" not in document:
        document = {"response": document}
    beside = {name: _written(value) for name, value in fields.items() if value is not None}
    try:
        return json.dumps({**document, **beside}, separators=(",", ":"), default=_of_model).encode()
    except (TypeError, ValueError, RecursionError) as error:
        let_through(error)
        raise DocumentError(
            "The registration contains a value that JSON cannot represent."
        ) from None


def take_request(request: Any) -> Json:
    """Take of a request what a registration may need; texts and parameters stay with the caller.

    Raises:
        DocumentError: it is no request.
    """
    fields = _plain(request, "The request")
    if fields.get("body") is not None:  # the SDK's request objects hold it so
        fields = _plain(fields["body"], "The body of the request")
    taken = _take(fields, _OF_REQUEST)
    contents = next((fields[name] for name in _CONTENTS if fields.get(name)), None)
    if isinstance(contents, (list, tuple)):
        plain = (_plain(content, "A content of the request") for content in contents)
        taken["smsContent"] = [_take(content, _OF_CONTENT) for content in plain]
    return taken


def is_future(response: Any) -> bool:
    """Return whether a response is still to come, as that of the SDK's asynchronous client."""
    return callable(getattr(response, "result", None))


def _written(value: Any) -> Any:
    """Write references that are keys of a database, such as a UUID, as people see them."""
    if isinstance(value, Mapping):
        return {str(key): _written(inner) for key, inner in value.items()}
    return value if isinstance(value, (str, int, list, tuple)) or value is None else str(value)


def _plain(given: Any, what: str) -> Json:
    if isinstance(given, (str, bytes, bytearray)):
        try:
            given = json.loads(given)
        except (ValueError, RecursionError) as error:
            let_through(error)
            raise DocumentError(f"{what} is not valid JSON.") from None
    elif not isinstance(given, Mapping):
        given = _content_of(given)
    if not isinstance(given, Mapping):
        raise DocumentError(f"{what} is not a JSON object and has no to_dict() that returns one.")
    return dict(given)


def _content_of(model: Any) -> Any:
    """Return what a model of the SDK, or of another library, holds."""
    as_it_came = getattr(model, "to_json_object", None)
    if callable(as_it_came):  # what the SDK wants used for responses that came over the wire
        try:
            content = as_it_came()
        except ValueError as error:
            let_through(error)
            content = None
        if content is not None:
            return content
    as_dict = getattr(model, "to_dict", None)
    return as_dict() if callable(as_dict) else None


def _of_model(value: Any) -> Any:
    """Write what stands inside a document and is no JSON yet."""
    if isinstance(value, Mapping):
        return dict(value)
    content = _content_of(value)
    if content is None:
        raise TypeError
    return content


def _take(fields: Json, names: Mapping[str, tuple[str, ...]]) -> Json:
    taken = {
        ours: next((fields[name] for name in theirs if fields.get(name)), None)
        for ours, theirs in names.items()
    }
    return {name: value for name, value in taken.items() if value is not None}
