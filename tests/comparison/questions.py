"""What both builds are asked: every route, what must be refused, what changes something.

The files `requests_*.txt` have a request a line: method, path and body.
"""

import json
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from urllib.parse import quote

from receiver.api.openapi import make_document
from receiver.huawei.catalogue import load_catalogue
from tests.support.server import KEY, READER

from .traffic import SHOP_READER, WRITER, Request, Traffic, all_ids

_FILES = Path(__file__).parent
_CODES = ("MK:12", "mk:0012 absent", "SGIP:*", "5", "XX:99", "DELIVRD", "E200033", "空", "-42")
_METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD")
_HEADERS = {
    "of another origin": {"origin": "https://example.com"},
    "of another site": {"sec-fetch-site": "cross-site"},
    "for another host": {"host": "example.com"},
    "compressed": {"content-encoding": "gzip"},
    "as XML": {"content-type": "application/xml"},
    "by a basic key": {"authorization": "Basic eDp5"},
    "in UTF-16": {"content-type": "application/json; charset=utf-16"},
}
_OF_SHOP = ("messages?limit=3", "messages?application=default", "suppressions", "stats", "retries")


def _read(file: str, prefix: str = "") -> Iterator[Request]:
    for line in (_FILES / f"requests_{file}.txt").read_text().splitlines():
        method, path, *body = line.split(" ", 2)
        yield Request(prefix + line, method, path, "".join(body).encode())


def _post(path: str, **body: object) -> Request:
    text = json.dumps(body)
    return Request(f"POST {path} {text[:100]}", "POST", path, text.encode())


def _sample(values: list[str], most: int) -> list[str]:
    return values[:: max(1, len(values) // most)][:most]


def reading(traffic: Traffic, *, sample: int) -> Iterator[Request]:
    """Ask for all that there is.

    Args:
        traffic: what the receiver was filled with.
        sample: of how many messages, numbers and codes each route of one of them is asked.
    """
    yield from _read("reading")
    for ids in all_ids(traffic):
        yield _post("/v1/messages/lookup", ids=ids)
    yield _post("/v1/messages/lookup", references=["order-00000-000", "no"])
    yield _post("/v1/messages/lookup?lang=zh", extends=["order-00001-000/extend"])
    numbers = [*_sample(traffic.numbers, sample), "15500005172", "+1 234", "nobody", "+8613500000"]
    yield _post("/v1/recipients/check", numbers=numbers, kind="code")
    codes = sorted({row.code for row in load_catalogue().entries if "*" not in row.code})
    routes: dict[str, tuple[list[str], tuple[str, ...]]] = {
        "messages": (
            [*_sample(traffic.ids, sample), "odd_3", "odd_6", "a/b", "none"],
            ("", "/explain", "/attempts", "?application=default", "/explain?lang=zh"),
        ),
        "uplinks": ([*_sample(traffic.uplinks, sample), "odd_8", "none"], ("",)),
        "recipients": (numbers, ("?kind=promotional&channel=1069000000000034", "?lang=zh")),
        "suppressions": (numbers, ("/history",)),
        "codes": ([*_CODES, *_sample(codes, sample)], ("", "?source=2&org_code=5", "?lang=zh")),
    }
    for route, (values, suffixes) in routes.items():
        for value, suffix in ((value, suffix) for value in values for suffix in suffixes):
            path = f"/v1/{route}/{quote(value, safe='')}{suffix}"
            yield Request(f"GET {path}", "GET", path)


def refused() -> Iterator[Request]:
    """Ask for what cannot be answered."""
    yield from _read("refused", "refused ")
    for path in ("/v1/sends", "/v1/messages/lookup", "/v1/forget"):
        for name, body in (("no UTF-8", b"\xff"), ("deep", b"[" * 100_000)):
            yield Request(f"refused POST {path} {name}", "POST", path, body)
    for path, methods in make_document()["paths"].items():
        filled = path.replace("{id}", "1").replace("{", "").replace("}", "")
        for method in _METHODS:
            if method.lower() in methods:
                yield from _by_wrong_keys(method, filled)
            else:
                yield Request(f"refused {method} {filled}", method, filled)
    for path in _OF_SHOP:
        yield Request(f"by a key of shop: {path}", "GET", f"/v1/{path}", key=SHOP_READER)
    person = b'{"number": "15500005172"}'
    yield Request("by a writer: POST /v1/forget", "POST", "/v1/forget", person, key=WRITER)
    yield Request("too large", "POST", "/v1/sends", b" " * (4 * 1024 * 1024 + 1))
    for name, headers in _HEADERS.items():
        yield Request(name, "POST", "/v1/sends", b'{"sends": []}', headers)
        yield Request(f"read {name}", "GET", "/v1/messages?limit=1", headers=headers)


def _by_wrong_keys(method: str, path: str) -> Iterator[Request]:
    if path.startswith("/v1/"):
        for key in (None, f"{KEY}x"):
            yield Request(f"with key {key} {method} {path}", method, path, key=key)
        if method != "GET":
            yield Request(f"by a reader: {method} {path}", method, path, key=READER)


def changing() -> Iterator[Request]:
    """Change what the API can change, some of it twice."""
    again = {"idempotency-key": "comparison-1"}
    claims = (
        Request(
            f"claim with a key {place}",
            "POST",
            "/v1/retries/claim",
            json.dumps({"limit": limit, "lease_seconds": 600}).encode(),
            again,
        )
        for place, limit in enumerate((2, 2, 3))
    )
    return chain(_read("changing"), claims)
