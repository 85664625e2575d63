"""Requests to a build, and its answers as places and values."""

import json
from collections.abc import Iterable
from typing import Any

import httpx

from tests.support.server import KEY, eventually

from .builds import Build
from .traffic import Request
from .values import Answers, read_csv, read_json, read_lines, read_metrics

# The length follows the body, which is compared itself.
_NOT_COMPARED = ("date", "content-length")
_MOST_PAGES = 5
_REFUSED_RUN = 409


def ask(build: Build, requests: Iterable[Request]) -> Answers:
    """Send requests one after another; return what is answered, of lists all pages."""
    answers: Answers = {}
    for request in requests:
        answer = send(build, request)
        answers |= _read(build, request.name, request, answer)
        for number in range(2, _MOST_PAGES + 1):
            cursor = _next_of(request, answer)
            if cursor is None:
                break
            answer = send(build, request, cursor=cursor)
            answers |= _read(build, f"{request.name} page {number}", request, answer)
    return answers


def send(build: Build, request: Request, **parameters: str) -> httpx.Response:
    """Send one request."""
    client = build.server.public if request.public else build.server.api.http
    headers = {**request.headers}
    if request.key is not None:
        headers.setdefault("authorization", f"Bearer {request.key}")
    path = request.path
    if parameters:
        path += ("&" if "?" in path else "?") + str(httpx.QueryParams(parameters))
    made = client.build_request(request.method, path, content=request.body, headers=headers)
    if request.key is None and not request.public:
        made.headers.pop("authorization", None)
    return client.send(made)


def _next_of(request: Request, answer: httpx.Response) -> str | None:
    if request.method != "GET" or not answer.is_success:
        return None
    if "next-cursor" in answer.headers:
        return answer.headers["next-cursor"]
    if not answer.headers.get("content-type", "").startswith("application/json"):
        return None
    document = answer.json()
    cursor = document.get("next") if isinstance(document, dict) else None
    return cursor if isinstance(cursor, str) else None


def _read(build: Build, name: str, request: Request, answer: httpx.Response) -> Answers:
    kind = answer.headers.get("content-type", "")
    text = build.neutral(answer.text)
    answers: Answers = {f"{name} > status": answer.status_code}
    for header, value in answer.headers.items():
        if header not in _NOT_COMPARED:
            answers[f"{name} > header {header}"] = value
    if not text:
        return answers
    if "json" in kind and "ndjson" not in kind:
        answers |= read_json(name, json.loads(text))
    elif "ndjson" in kind:
        answers |= read_json(name, [json.loads(line) for line in text.splitlines()])
    elif "csv" in kind:
        answers |= read_csv(name, text)
    elif request.path.startswith("/metrics"):
        answers |= read_metrics(name, text)
    else:
        answers[f"{name} > text"] = read_lines(text)
    return answers


def settle(build: Build) -> Answers:
    """Claim what is due and complete, release or abandon it, in turn."""
    body = json.dumps({"limit": 40, "lease_seconds": 600}).encode()
    request = Request("claim", "POST", "/v1/retries/claim", body)
    claimed = send(build, request)
    answers = _read(build, "claim", request, claimed)
    for place, item in enumerate(claimed.json().get("retries", [])):
        word, more = _settlement(place, item)
        path = f"/v1/retries/{item['id']}/{word}"
        body = json.dumps({"lease": item["lease"], **more}).encode()
        answers |= ask(
            build, [Request(f"{word} {place} {n}", "POST", path, body) for n in ("once", "twice")]
        )
    return answers


def _settlement(place: int, item: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    entry = {"smsMsgId": f"again_{place}", "originTo": item["to"], "status": "000000", "total": 1}
    refused = {**entry, "status": "E200033"}
    return (
        ("complete", {"response": {"code": "000000", "result": [entry], "extra": 1}}),
        ("release", {"delay_seconds": 5}),
        ("abandon", {"reason": "a test"}),
        ("complete", {"response": {"code": "E000510", "result": [refused]}}),
        ("complete", {"response": {"code": "E000000", "result": []}}),
        ("release", {}),
    )[place % 6]


def reclassify(build: Build, *, undo: bool = False) -> Answers:
    """Fold all again, wait for the end and return what came of it."""
    path = "/v1/reclassify/undo" if undo else "/v1/reclassify"
    answers = ask(build, [Request(f"POST {path}", "POST", path)])
    progress = Request("reclassified", "GET", "/v1/reclassify", key=KEY)
    eventually(
        lambda: send(build, progress).json()["phase"] != "running",
        "the run is over",
        timeout_s=120,
    )
    return answers | ask(build, [progress])
