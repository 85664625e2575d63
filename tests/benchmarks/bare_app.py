"""The upper bound: reads the push, keeps nothing, answers at once."""

from starlette.types import Receive, Scope, Send

_BODY = b'{"returnCode":0,"returnCodeDesc":"Success"}'
_START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(_BODY)),
    ],
}


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer 200 with the platform's sample body."""
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    while (await receive()).get("more_body", False):
        pass
    await send(_START)
    await send({"type": "http.response.body", "body": _BODY})
