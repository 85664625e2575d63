"""Journal rows that nobody should have written, and what is right to do with each.

A recipe makes one row from chance and a name that is in no other row. What a row holds that can be
understood is to be in the store; for what cannot, there is to be one entry in the quarantine each.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.e2e.pushes import batch, form

_LONGEST_ID = 255
_HUGE = 64 * 1024
_NOW = 1_700_000_000_000_000  # microseconds


@dataclass(frozen=True, slots=True)
class Poison:
    """A row and what is to become of it.

    Attributes:
        body: the push.
        kind, application, trust, headers, received_at: the other columns.
        quarantined: how many entries of the quarantine it makes.
        understood: the ids of messages or uplinks that are to be in the store.
    """

    body: bytes
    kind: str = "status"
    application: str = "default"
    trust: str = "open"
    headers: str = ""
    received_at: int = _NOW
    quarantined: int = 0
    understood: tuple[str, ...] = ()


Recipe = Callable[[Random, str], Poison]


def _lost(body: bytes, **columns: Any) -> Poison:
    """Make a row in which nothing can be used."""
    return Poison(body, quarantined=1, **columns)


def _good(name: str, body: bytes | None = None, **columns: Any) -> Poison:
    """Make a row with one usable item, whose id is the name."""
    return Poison(_report(name) if body is None else body, understood=(name,), **columns)


def _report(name: str, **fields: str) -> bytes:
    return form(**{"smsMsgId": name, "status": "DELIVRD", **fields})


def _json(document: Any) -> bytes:
    return json.dumps(document).encode()


def _one_of(*bodies: bytes, **columns: Any) -> Recipe:
    return lambda chance, _: _lost(chance.choice(bodies), **columns)


def _in_a_field(*values: Any) -> Recipe:
    """Put something strange into a field that is not needed."""
    names = ("to", "statusDesc", "orgCode", "extend", "updateTime", "total", "sequence", "source")

    def make(chance: Random, name: str) -> Poison:
        item = {"smsMsgId": name, "status": "DELIVRD", chance.choice(names): chance.choice(values)}
        return _good(name, _json({"statusReportList": [item]}))

    return make


def _id_of(*texts: str) -> Recipe:
    """Put something that is no id where an id is needed, in one of the ways to write it."""

    def make(chance: Random, _: str) -> Poison:
        text = chance.choice(texts)
        item = {"smsMsgId": text, "status": "DELIVRD"}
        as_json = _json({"statusReportList": [item]})
        if any("\ud800" <= character <= "\udfff" for character in text):
            return _lost(as_json, kind="batch")
        return _lost(chance.choice((as_json, form(**item))))

    return make


def _random_bytes(chance: Random, _: str) -> Poison:
    body = chance.randbytes(chance.randint(1, 300))
    return _lost(body, kind=chance.choice(("status", "batch", "uplink", "sends", "unusable")))


def _huge_noise(chance: Random, _: str) -> Poison:
    return _lost(chance.randbytes(_HUGE + chance.randint(1, _HUGE)))


def _huge_report(chance: Random, name: str) -> Poison:
    return _good(name, _report(name, statusDesc="x" * (_HUGE + chance.randint(0, _HUGE))))


def _broken_utf8_in_id(chance: Random, name: str) -> Poison:
    broken = chance.choice((b"%ff%fe", b"\xff", b"%ed%a0%80", b"\xc3", b"%80"))
    return _lost(b"status=DELIVRD&smsMsgId=" + name.encode() + broken)


def _broken_utf8_elsewhere(chance: Random, name: str) -> Poison:
    broken = chance.choice((b"%ff%fe", b"\xff", b"%ed%a0%80", b"\xc3", b"%80"))
    field = chance.choice((b"statusDesc", b"to", b"extend", b"updateTime", b"x\xff"))
    return _good(name, _report(name) + b"&" + field + b"=" + broken)


def _broken_utf8_in_json(chance: Random, name: str) -> Poison:
    whole = batch([{"smsMsgId": name, "status": "DELIVRD"}])
    place = whole.index(name.encode()) + chance.randrange(len(name))
    return _lost(whole[:place] + b"\xff" + whole[place:], kind="batch")


def _cut_short(chance: Random, name: str) -> Poison:
    whole = batch([{"smsMsgId": name, "status": "DELIVRD"}])
    return _lost(whole[: chance.randrange(1, len(whole))], kind="batch")


def _deep(chance: Random, _: str) -> Poison:
    levels = chance.choice((2_000, 50_000, 200_000))
    body = chance.choice((b"[" * levels, b"[" * levels + b"]" * levels, b'{"a":' * levels))
    return _lost(body, kind=chance.choice(("batch", "sends")))


def _deep_item(chance: Random, name: str) -> Poison:
    """A report that can be used, and one that is nested deeper than any store takes."""
    deep: Any = "x"
    for _ in range(chance.randint(20, 200)):
        deep = chance.choice(([deep], {"a": deep}))
    items = [{"smsMsgId": name, "status": "DELIVRD"}, {"smsMsgId": f"{name}d", "status": deep}]
    return Poison(_json({"statusReportList": items}), "batch", quarantined=1, understood=(name,))


def _mixed_batch(chance: Random, name: str) -> Poison:
    """A batch in which some items can be used: those count, each other one is set aside."""
    junk: tuple[Any, ...] = (
        None,
        3,
        "x",
        [],
        {},
        True,
        1.5,
        {"status": "DELIVRD"},
        {"smsMsgId": ["\ud800"]},
    )
    bad = [chance.choice(junk) for _ in range(chance.randint(1, 20))]
    ids = tuple(f"{name}-{number}" for number in range(chance.randint(1, 20)))
    items = [*bad, *({"smsMsgId": one, "status": "EXPIRED"} for one in ids)]
    chance.shuffle(items)
    return Poison(_json({"statusReportList": items}), "batch", quarantined=len(bad), understood=ids)


def _wrong_kind(chance: Random, name: str) -> Poison:
    """A kind that does not exist, or does not fit: the content tells what a push is."""
    kinds = ("", "nonsense", "SENDS", "unusable", "batch", "uplink", "\0", "😀", "k" * 10_000)
    body = chance.choice((_report(name), b"\xef\xbb\xbf" + _report(name), _report(name) + b"\r\n"))
    return _good(name, body, kind=chance.choice(kinds))


def _uplink(chance: Random, name: str) -> Poison:
    """An uplink whose text is what it likes; only its ids must be sound."""
    text = chance.choice((b"%ff", b"\x00", b"%00", b"", b"\xff" * 5_000, b"%F0%9F%98%80", b"%C3"))
    sender = chance.choice((b"1", b"%2B86155", b"nobody", b"0" * 255, "\uff11".encode()))
    head = b"smsMsgId=" + name.encode() + b"&to=1069&from=" + sender
    return _good(name, head + b"&body=" + text, kind=chance.choice(("uplink", "status")))


def _good_send(chance: Random, name: str) -> Poison:
    """A registration in which at least one entry can be used; the caller was told of the others."""
    entry = {"sms_msg_id": name}
    junk: tuple[Any, ...] = (
        None,
        3,
        "x",
        [],
        {},
        {"sms_msg_id": "\ud800"},
        {"sms_msg_id": "\0"},
        {"to": 1.5},
    )
    entries = [*(chance.choice(junk) for _ in range(chance.randint(0, 5))), entry]
    chance.shuffle(entries)
    document = chance.choice(
        (
            {"sends": entries},
            {"result": entries, "code": "000000"},
            {"response": {"result": entries}},
            {"response": json.dumps({"result": entries})},
        )
    )
    encoding = chance.choice(("utf-8", "utf-16", "utf-32"))  # RFC 4627: readers of JSON know them
    return _good(name, json.dumps(document).encode(encoding), kind="sends")


def _strange_application(chance: Random, name: str) -> Poison:
    return _good(name, application=chance.choice(("", "other", "😀", "a" * 10_000, "\x01\n")))


def _strange_trust(chance: Random, name: str) -> Poison:
    return _lost(_report(name), trust=chance.choice(("", "SIGNED", "Open", "\0", "t" * 10_000)))


def _strange_headers(chance: Random, _: str) -> Poison:
    headers = ("\0", "no colon", "a: b\n" * 10_000, "\x7f\x1b[2J", "😀")
    return _lost(b"\0" * 9, headers=chance.choice(headers))


_NO_REPORT_LIST = (
    b'{"statusReportList":{}}',
    b'{"statusReportList":[]}',
    b'{"statusReportList":[[],null,1]}',
    b'{"sends":[{"sms_msg_id":"x"}]}',
    b"[]",
    b"[{}]",
    b"{}",
    b"{]",
)
_NO_SENDS = (
    b"",
    b"[]",
    b"{}",
    b"null",
    b'"x"',
    b'{"sends":3}',
    b'{"sends":{}}',
    b'{"result":"x"}',
    b'{"code":"000000","result":{"a":1}}',
    b'{"response":[]}',
    b'{"response":"{"}',
    b'{"response":{}}',
    b'{"application":3.5,"sends":[]}',
    b'{"sends":[' + b"0," * 10_000 + b"0]}",
    b"smsMsgId=a_1&status=DELIVRD",
    b'{"sends":"\xff"}',
)
_NO_FORM = (
    b"status",
    b"status=DELIVRD",
    b"status=&smsMsgId=a_1",
    b"smsMsgId=a_1",
    b"smsMsgId=+&status=DELIVRD",
    b"&" * 40,
    b"=" * 40,
    b"%",
    b"&".join(b"f%d=1" % number for number in range(100)) + b"&smsMsgId=a_1&status=DELIVRD",
    b"smsMsgId=a_1&status=" + b"S" * 65,
    b"smsMsgId=a_1&body=x",
    b"smsMsgId=a_1&body=x&from=1",
    b"smsMsgId=a_1&body=x&from=1&to=%00",
)
RECIPES: dict[str, Recipe] = {
    "random bytes": _random_bytes,
    "nothing": _one_of(b"", b" ", b"\r\n", b"\t\t", b"\xef\xbb\xbf"),
    "NULs": lambda chance, _: _lost(b"\0" * chance.randint(1, 5_000)),
    "huge noise": _huge_noise,
    "huge report": _huge_report,
    "no form": _one_of(*_NO_FORM, kind="status"),
    "no list": _one_of(*_NO_REPORT_LIST, kind="batch"),
    "no sends": _one_of(*_NO_SENDS, kind="sends"),
    "UTF-16 push": lambda _, name: _good(name, _report(name).decode().encode("utf-16")),
    "broken UTF-8 in id": _broken_utf8_in_id,
    "broken UTF-8 elsewhere": _broken_utf8_elsewhere,
    "broken UTF-8 in JSON": _broken_utf8_in_json,
    "cut short": _cut_short,
    "no id": _id_of("", " ", "\0", "a\0b", "x" * (_LONGEST_ID + 1), "\ud800", "a\udfffb"),
    "lone surrogates": _in_a_field("\ud800", "\udfff\ud800", "a" * 254 + "\ud83d", "😀" * 300),
    "control characters": _in_a_field("\0", "\0" * 3_000, "\x1b[2J", "\u202e", "\x7f"),
    "wrong types": _in_a_field(
        *json.loads('[null, true, 1.5, [], {}, [[[]]], {"\\ud800": "\\udfff"}]')
    ),
    "numbers": _in_a_field(-1, 10**300, 2**63, 1e308, float("nan"), float("inf"), "²", "٣", "1e9"),
    "times": _in_a_field(
        "9999-12-31T23:59:59Z",
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "2016-12-31T23:59:60Z",
        "2018-02-30T00:00:00Z",
        "1969-12-31T23:59:59.999999Z",
        "yesterday",
    ),
    "deep": _deep,
    "deep item": _deep_item,
    "mixed batch": _mixed_batch,
    "wrong kind": _wrong_kind,
    "uplink": _uplink,
    "sends": _good_send,
    "application": _strange_application,
    "trust": _strange_trust,
    "headers": _strange_headers,
}
