"""Hostile requests for the public port, drawn by recipes."""

import gzip
import json
import random
from collections.abc import Callable, Iterator, Mapping

_FORM = b"application/x-www-form-urlencoded"
_JSON = b"application/json"
_BODY_LIMIT = 64 * 1024
_FIELDS = (b"smsMsgId", b"status", b"total", b"sequence", b"source", b"updateTime", b"orgCode",
           b"extend", b"to", b"from", b"body", b"statusDesc", b"createTime")  # fmt: skip

Draw = random.Random
Recipe = Callable[[Draw, bytes], bytes]


def request(
    path: bytes,
    body: bytes = b"",
    *,
    method: bytes = b"POST",
    headers: bytes = b"",
    kind: bytes = _FORM,
    length: bytes | None = None,
) -> bytes:
    """Write a request; by default the server is to close behind it."""
    told = str(len(body)).encode() if length is None else length
    return (
        method + b" " + path + b" HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: "
        + kind + b"\r\ncontent-length: " + told + b"\r\n" + headers + b"\r\n" + body
    )  # fmt: skip


# --- bodies -------------------------------------------------------------------------------------


def _noise(draw: Draw, most: int = 200) -> bytes:
    return draw.randbytes(draw.randint(0, most))


def _odd_text(draw: Draw) -> bytes:
    return draw.choice(
        (
            b"%00", b"%", b"%%", b"%zz", b"%ED%A0%80", b"%FF%FE", b"%u0041", b"+" * 50, b"\x00",
            "退订".encode(), "退订".encode("gbk"), b"\xc0\xaf", b"'; DROP TABLE messages;--", b"=",
            b"{{7*7}}", b"%0d%0aSet-Cookie:x", b"\xf0\x9f\x98\x80", b"9" * 400, b"-1", b"1e999",
            b"NaN", b"../../etc/passwd", b"<script>", b"%E2%80%AE",
        )
    )  # fmt: skip


def _form(draw: Draw, path: bytes) -> bytes:
    pairs = [
        draw.choice((*_FIELDS, _odd_text(draw))) + b"=" + draw.choice((b"x", _odd_text(draw)))
        for _ in range(draw.randint(0, 12))
    ]
    return request(path, draw.choice((b"&", b";", b"&&")).join(pairs))


def _many_fields(draw: Draw, path: bytes) -> bytes:
    fields = draw.choice((63, 64, 65, 1000))
    return request(path, b"&".join(b"a%d=1" % place for place in range(fields)))


def _semicolons(draw: Draw, path: bytes) -> bytes:
    return request(path, b"a;" * draw.randint(1, 30_000))


def _value(draw: Draw, depth: int = 0) -> object:
    if depth < 4 and draw.random() < 0.3:
        if draw.random() < 0.5:
            return [_value(draw, depth + 1) for _ in range(draw.randint(0, 4))]
        return {_text(draw): _value(draw, depth + 1) for _ in range(draw.randint(0, 4))}
    return draw.choice((None, True, False, 0, -1, 10**400, 1e300, "", _text(draw), "DELIVRD", []))


def _text(draw: Draw) -> str:
    return _odd_text(draw).decode("utf-8", "surrogateescape")


def _json(draw: Draw, path: bytes) -> bytes:
    names = [field.decode() for field in _FIELDS]
    items = [
        {draw.choice(names): _value(draw) for _ in range(draw.randint(0, 6))}
        if draw.random() < 0.8
        else _value(draw)
        for _ in range(draw.randint(0, 6))
    ]
    name = draw.choice(("statusReportList", "statusReportList", "StatusReportList", "x"))
    text = json.dumps({name: items if draw.random() < 0.9 else _value(draw)})
    return request(path, text.encode(), kind=_JSON)


def _broken_json(draw: Draw, path: bytes) -> bytes:
    body = draw.choice(
        (
            b"[" * draw.randint(1, 30_000),
            b'{"a":' * draw.randint(1, 10_000),
            b'{"statusReportList":[{"smsMsgId":"\\ud800","status":"DELIVRD"}]}',
            b'{"statusReportList":[{"smsMsgId":"a","smsMsgId":"b","status":NaN}]}',
            b'{"statusReportList":' + b"[[" * 200 + b"]]" * 200 + b"}",
            b'{"statusReportList":[' + b"1" * 5000 + b"]}",
            b"\xef\xbb\xbf{}", b"\xff\xfe{\x00}\x00", b"{", b"nul", b'"', b"{}" * 100,
            b'{"statusReportList":[' + b",".join([b"{}"] * 9000) + b"]}",
        )
    )  # fmt: skip
    return request(path, body, kind=draw.choice((_JSON, _FORM, b"text/plain")))


def _noise_body(draw: Draw, path: bytes) -> bytes:
    return request(path, _noise(draw, 2000), kind=draw.choice((_FORM, _JSON, _noise_word(draw))))


def _noise_word(draw: Draw) -> bytes:
    return bytes(draw.choices(b"abcXYZ0129-_./;=, ", k=draw.randint(1, 40)))


def _encoded(draw: Draw, path: bytes) -> bytes:
    body = gzip.compress(b"smsMsgId=a&status=DELIVRD")
    header = draw.choice((b"content-encoding: gzip\r\n", b"content-encoding: br\r\n", b""))
    kind = draw.choice((_FORM + b"; charset=utf-16", _FORM + b"; charset=" + _noise_word(draw)))
    return request(path, body, headers=header, kind=kind)


def _at_the_limit(draw: Draw, path: bytes) -> bytes:
    size = _BODY_LIMIT + draw.choice((-1, 0, 1, 1000))
    start = b"smsMsgId=a&status=DELIVRD&x="
    return request(path, start + b"y" * (size - len(start)))


# --- framing ------------------------------------------------------------------------------------


def _chunked(draw: Draw, path: bytes) -> bytes:
    chunks = draw.choice(
        (
            b"5\r\na=b&c\r\n0\r\n\r\n", b"5\r\na=b\r\n0\r\n\r\n", b"ffffffffffffffff\r\na\r\n",
            b"-1\r\na\r\n0\r\n\r\n", b"5;x=" + b"y" * 5000 + b"\r\na=b&c\r\n0\r\n\r\n",
            b"0\r\nx: y\r\n\r\n", b"0\r\n" + b"x: y\r\n" * 300 + b"\r\n", b"zz\r\n", b"1\na\n0\n\n",
            b"3\r\na=b" * 100, b"0x5\r\na=b&c\r\n0\r\n\r\n", b"5 \r\na=b&c\r\n0\r\n\r\n",
        )
    )  # fmt: skip
    coding = draw.choice(
        (
            b"chunked", b"Chunked", b"gzip, chunked", b"chunked, identity", b"xchunked",
            b"chunked\r\ntransfer-encoding: chunked", b"\x0bchunked",
        )
    )  # fmt: skip
    return (
        b"POST " + path + b" HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: "
        + coding + b"\r\n\r\n" + chunks
    )  # fmt: skip


def _two_lengths(draw: Draw, path: bytes) -> bytes:
    extra = draw.choice(
        (
            b"transfer-encoding: chunked\r\n", b"content-length: 5\r\n",
            b"content-length: 3, 3\r\n", b"content-length : 3\r\n", b"Content_Length: 4\r\n",
        )
    )  # fmt: skip
    length = draw.choice(
        (None, b"+3", b"-1", b"3.0", b"0x3", b"99999999999999999999", b" ", b"3 3")
    )
    return request(path, b"a=b", headers=extra, length=length)


_VERSIONS = (b"HTTP/1.2", b"HTTP/2.0", b"HTTP/9", b"http/1.1", b"")


def _odd_lines(draw: Draw, path: bytes) -> bytes:
    text = request(path, b"smsMsgId=a&status=DELIVRD")
    return draw.choice(
        (
            text.replace(b"\r\n", b"\n"),
            text.replace(b"host: x\r\n", b"host: x\r\n folded\r\n"),
            text.replace(b"host: x\r\n", b"host: x\r\n\tfolded\r\n"),
            text.replace(b"host: x", b"host x"),
            text.replace(b"host: x", b": x"),
            text.replace(b"host: x", b"ho st: x"),
            text.replace(b"host: x", b"host: \x00"),
            text.replace(b"host: x\r\n", b"host: x\r"),
            text.replace(b"HTTP/1.1", draw.choice(_VERSIONS)),
            b"\r\n" * draw.randint(1, 50) + text,
            text.replace(b"host: x\r\n", b""),
            text.replace(b"host: x\r\n", b"host: x\r\nhost: y\r\n"),
        )
    )  # fmt: skip


def _odd_target(draw: Draw, path: bytes) -> bytes:
    target = draw.choice(
        (
            b"http://x" + path, b"//x" + path, b"@x" + path, b"http://a@b:c" + path, b"*",
            path + b"?" + _noise_word(draw).replace(b" ", b""), path + b"#x", path + b"/../x",
            b"/callbacks/%2e%2e/x", b"/" + b"a" * 20_000, b"/callbacks/" + b"%00" * 20, b"x:443",
            path.replace(b"/", b"\\"), b"/callbacks//" + path[11:], path + b"%0d%0a", b"/\xff\xfe",
            path.upper(), b"/callbacks/", b"/", b"",
        )
    )  # fmt: skip
    return request(target, b"smsMsgId=a&status=DELIVRD")


def _odd_method(draw: Draw, path: bytes) -> bytes:
    method = draw.choice(
        (
            b"GET", b"PUT", b"TRACE", b"CONNECT", b"OPTIONS", b"PRI", b"post", b"\x16\x03",
            b"M" * 300, b"HEAD", b"DELETE", b"PATCH", b"BREW",
        )
    )  # fmt: skip
    return request(path, b"a=b", method=method)


def _many_headers(draw: Draw, path: bytes) -> bytes:
    count = draw.choice((99, 101, 500, 3000))
    return request(path, b"a=b", headers=b"".join(b"x%d: y\r\n" % n for n in range(count)))


def _long_header(draw: Draw, path: bytes) -> bytes:
    size = draw.choice((16_000, 16_384, 17_000, 200_000))
    return request(path, b"a=b", headers=b"x: " + b"y" * size + b"\r\n")


def _expectation(draw: Draw, path: bytes) -> bytes:
    header = draw.choice(
        (
            b"expect: 100-continue\r\n", b"expect: nonsense\r\n", b"upgrade: h2c\r\n",
            b"upgrade: websocket\r\nconnection: upgrade\r\n", b"te: trailers\r\n",
            b"authorization: SDK-HMAC-SHA256 Access=a, SignedHeaders=b, Signature=c\r\n",
            b"x-forwarded-for: " + b"1," * 3000 + b"\r\n", b"x-sdk-date: never\r\n",
        )
    )  # fmt: skip
    return request(path, b"smsMsgId=a&status=DELIVRD", headers=header)


def _noise_only(draw: Draw, path: bytes) -> bytes:  # noqa: ARG001 - as all recipes
    return draw.choice(
        (_noise(draw, 500), b"\x16\x03\x01\x02\x00\x01\x00", b"PRI * HTTP/2.0\r\n\r\nSM")
    )


def _cut(draw: Draw, path: bytes) -> bytes:
    whole = draw.choice(WHOLE)(draw, path)
    return whole[: draw.randint(0, len(whole))]


def _pipelined(draw: Draw, path: bytes) -> bytes:
    some = [draw.choice(WHOLE)(draw, path) for _ in range(draw.randint(2, 20))]
    return b"".join(one.replace(b"connection: close\r\n", b"") for one in some)


def _flipped(draw: Draw, path: bytes) -> bytes:
    text = bytearray(draw.choice(WHOLE)(draw, path)[:4000])
    for _ in range(draw.randint(1, 5)):
        text[draw.randrange(len(text))] = draw.randrange(256)
    return bytes(text)


WHOLE: tuple[Recipe, ...] = (
    _form, _form, _json, _json, _many_fields, _broken_json, _noise_body, _encoded, _two_lengths,
    _odd_target, _odd_method, _expectation,
)  # fmt: skip
RECIPES: Mapping[str, Recipe] = {
    recipe.__name__.strip("_"): recipe
    for recipe in (
        *WHOLE, _semicolons, _at_the_limit, _chunked, _odd_lines, _many_headers, _long_header,
        _noise_only, _cut, _pipelined, _flipped,
    )
}  # fmt: skip
_HEAVY = {"semicolons", "at_the_limit", "long_header", "many_headers", "broken_json"}


def hostile(seed: int, count: int, path: bytes) -> Iterator[tuple[str, bytes]]:
    """Draw inputs: the name of the recipe, and what goes over the wire.

    Args:
        seed: the same seed, the same inputs.
        count: how many.
        path: of the callback address.
    """
    draw = random.Random(seed)  # noqa: S311 - no secret
    names = sorted(RECIPES)
    weights = [1 if name in _HEAVY else 8 for name in names]
    for name in draw.choices(names, weights, k=count):
        yield name, RECIPES[name](draw, path)
