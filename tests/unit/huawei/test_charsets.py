"""Texts of pushes that are not UTF-8: what is read, what is guessed and what stays bytes."""

import json
from typing import Any
from urllib.parse import quote, quote_from_bytes, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.domain.inputs import StatusReport, Uplink
from receiver.domain.projection import ReportArrived, UplinkArrived
from receiver.domain.steps import finish
from receiver.domain.storable import is_storable
from receiver.domain.suppressions.opt_outs import USUAL_WORDS, Intent
from receiver.huawei import wire
from receiver.huawei.charsets import declared_in
from receiver.huawei.items import read_report, read_uplink
from receiver.journal import Row
from receiver.projector.decoding import decode

FORM = "content-type: application/x-www-form-urlencoded"
OUT, IN = Intent.OPT_OUT, Intent.OPT_IN


def events_of(body: bytes, charset: str = "", kind: str = "uplink") -> list[Any]:
    """Return what becomes of a push, edge and projector alike."""
    wire.sift(body)
    headers = f"{FORM}; charset={charset}" if charset else FORM
    return finish(decode(Row(1, kind, "shop", 0, "192.0.2.1", "token", headers, body)))


def uplink_of(text: bytes, charset: str = "") -> Uplink:
    """Return the uplink whose body is these bytes."""
    body = b"smsMsgId=u&from=1&to=2&body=" + quote_from_bytes(text).encode()
    (event,) = events_of(body, charset)
    assert isinstance(event, UplinkArrived)
    assert event.uplink.raw["body"].encode(errors="surrogateescape") == text
    return event.uplink


def reports_of(body: bytes, charset: str = "") -> list[StatusReport]:
    """Return the reports of a push."""
    events = events_of(body, charset, "status")
    assert all(isinstance(event, ReportArrived) for event in events)
    return [event.report for event in events]


GBK, GBK_SHOWN = "退订".encode("gbk"), r"\xcd\xcb\xb6\xa9"
WORDS: list[Any] = [
    pytest.param(GBK, "", "退订", GBK_SHOWN, OUT, id="GBK, not declared"),
    pytest.param(GBK, "GBK", "退订", GBK_SHOWN, OUT, id="GBK"),
    pytest.param(GBK, '"gb2312"', "退订", GBK_SHOWN, OUT, id="a quoted charset"),
    pytest.param(GBK, "utf-8", "退订", GBK_SHOWN, OUT, id="GBK, declared as UTF-8"),
    pytest.param(GBK, "ISO-8859-1", "退订", GBK_SHOWN, OUT, id="GBK, declared by a server"),
    pytest.param(GBK, "no-such", "退订", GBK_SHOWN, OUT, id="GBK, charset unknown"),
    pytest.param("退订".encode(), "gbk", "退订", None, OUT, id="UTF-8, declared as GBK"),
    pytest.param("退订".encode(), "utf-16", "退订", None, OUT, id="UTF-8, declared as UTF-16"),
    pytest.param(b"STOP", "utf-16", "STOP", None, OUT, id="ASCII, declared as UTF-16"),
    pytest.param(b"STOP", "cp037", "STOP", None, OUT, id="ASCII, declared as EBCDIC"),
    pytest.param(b"STOP", "rot13", "STOP", None, OUT, id="no charset of texts"),
    pytest.param(b"+ADw-STOP", "utf-7", "+ADw-STOP", None, None, id="UTF-7 is not read"),
    pytest.param("退訂".encode("gbk"), "gbk", "退訂", r"\xcd\xcb\xd3\x86", OUT, id="all of GBK"),
    pytest.param(
        "退訂".encode("gbk"), "", r"\xcd\xcb\xd3\x86", r"\xcd\xcb\xd3\x86", OUT,
        id="not GB 2312: shown as bytes, opts out nevertheless",
    ),
    pytest.param("退訂".encode("big5"), "Big5", "退訂", r"\xb0h\xadq", OUT, id="Big5"),
    pytest.param("恢复订阅".encode("gbk"), "gbk", "恢复订阅", ..., IN, id="opt-in, declared"),
    pytest.param("恢复订阅".encode("gbk"), "", "恢复订阅", ..., None, id="opt-in, a guess"),
    pytest.param(b"\0R", "", "R", r"\x00R", OUT, id="UTF-16BE"),
    pytest.param(b"T\0D\0", "", "TD", r"T\x00D\x00", OUT, id="UTF-16LE"),
    pytest.param("退订".encode("utf-16-be"), "", "退订", ..., OUT, id="Chinese in UTF-16BE"),
    pytest.param("退订".encode("utf-16-le"), "", "退订", ..., OUT, id="Chinese in UTF-16LE"),
    pytest.param("退订".encode("utf-16"), "", "退订", ..., OUT, id="UTF-16 with its mark"),
    pytest.param("START".encode("utf-16"), "", "START", ..., IN, id="opt-in with a mark"),
    pytest.param("START".encode("utf-16-be"), "", "START", ..., None, id="opt-in by NULs"),
    pytest.param("拒收".encode("utf-16-be"), "utf-16be", "拒收", ..., OUT, id="without NULs"),
    pytest.param(b"STOP\0", "", r"STOP\x00", r"STOP\x00", OUT, id="NUL behind"),
    pytest.param(b"END\0", "", r"END\x00", r"END\x00", OUT, id="NUL behind, even length"),
    pytest.param(b"ST\0OP", "", r"ST\x00OP", r"ST\x00OP", OUT, id="NUL inside"),
    pytest.param(
        b"STOP \xed\xa0\xbd\xed\xb9\x8f", "", "STOP 🙏", ..., OUT, id="CESU-8"
    ),
    pytest.param(
        b"STOP \xf0\x9f\x99", "", r"STOP \xf0\x9f\x99", ..., OUT, id="an emoji without its end"
    ),
    pytest.param(
        b"STOP \xed\xa0\xbd", "", r"STOP \xed\xa0\xbd", ..., OUT, id="half a surrogate pair"
    ),
    pytest.param("退订吗".encode()[:-1], "", r"退订\xe5\x90", ..., None, id="cut UTF-8"),
    pytest.param("退订吗".encode("gbk")[:-1], "", r"退订\xc2", ..., None, id="cut GBK"),
    pytest.param(b"caf\xe9", "", r"caf\xe9", r"caf\xe9", None, id="a letter of Latin-1"),
    pytest.param(b"caf\xe9", "iso-8859-1", "café", r"caf\xe9", None, id="Latin-1"),
    pytest.param(b"\xc1\x93TOP", "", r"\xc1\x93TOP", ..., None, id="an overlong form"),
    pytest.param(b"START\xff", "", r"START\xff", ..., None, id="a byte is not nothing"),
    pytest.param(b"a\\\0", "", r"a\\\x00", r"a\\\x00", None, id="backslashes beside an escape"),
    pytest.param(b"a\\b", "", r"a\b", None, None, id="backslashes alone"),
    pytest.param(
        GBK.decode("latin-1").encode(), "", "ÍË¶©", None, OUT, id="GBK read as Latin-1"
    ),
]  # fmt: skip


@pytest.mark.parametrize(("text", "charset", "body", "original", "intent"), WORDS)
def test_how_an_uplink_is_read(
    text: bytes, charset: str, body: str, original: Any, intent: Intent | None
) -> None:
    """Bytes are read where their charset is clear, else shown; a guess never lifts an opt-out."""
    uplink = uplink_of(text, charset)

    assert uplink.body == body
    assert uplink.original_body == original or (original is ... and uplink.original_body)
    assert USUAL_WORDS.asked_by(uplink) is intent


FIELDS: list[Any] = [
    pytest.param("号码错误", "订单1", "gbk", "", id="GBK"),
    pytest.param("号码错误", "模", "gbk", "", id="a text that could be UTF-8 beside GBK"),
    pytest.param("错", "模", "gbk", "gbk", id="declared"),
    pytest.param("號碼錯誤", "訂單1", "gbk", "gbk", id="declared, not GB 2312"),
    pytest.param("號碼", "訂單1", "big5", "big5", id="Big5"),
    pytest.param("号码错误", "订单1", "utf-16-be", "utf-16be", id="UTF-16BE"),
    pytest.param("号码🙏", "é", "utf-8", "", id="UTF-8"),
]


@pytest.mark.parametrize(("description", "extend", "codec", "declared"), FIELDS)
def test_all_texts_of_a_report_are_read(
    description: str, extend: str, codec: str, declared: str
) -> None:
    """The texts of a form are read in one charset, which the clearest of them shows."""
    fields = {"smsMsgId": "m", "status": "UNDELIV", "statusDesc": description, "extend": extend}
    ascii_only = {"smsMsgId", "status"}
    body = urlencode({n: v if n in ascii_only else v.encode(codec) for n, v in fields.items()})

    (report,) = reports_of(body.encode(), declared)

    assert (report.status_desc, report.extend) == (description, extend)
    if not declared:  # what is stored tells it again
        assert read_report(json.loads(json.dumps(report.raw))) == report


def test_mixed_charsets_are_read_each_for_itself() -> None:
    """A UTF-8 text beside one in GBK is not read as GBK."""
    body = urlencode({"smsMsgId": "m", "status": "A", "statusDesc": "中文".encode(), "extend": GBK})

    (report,) = reports_of(body.encode())

    assert (report.status_desc, report.extend) == ("中文", "退订")


DOCUMENT = {
    "statusReportList": [
        {"smsMsgId": "a", "status": "UNDELIV", "statusDesc": "号码错误", "extend": "订单1"},
        {"smsMsgId": "b", "status": "UNDELIV", "extend": "模"},
    ]
}


@pytest.mark.parametrize(
    ("codec", "charset"),
    [
        ("gbk", ""), ("gbk", "GBK"), ("gbk", "utf-8"), ("utf-16", ""), ("utf-16-le", ""),
        ("utf-16-be", ""), ("utf-8-sig", ""), ("utf-32", ""), ("utf-8", "gbk"),
    ],
)  # fmt: skip
def test_json_in_any_charset_is_read(codec: str, charset: str) -> None:
    """A batch that is not UTF-8 is read as a whole."""
    body = json.dumps(DOCUMENT, ensure_ascii=False).encode(codec)

    told = [(one.status_desc, one.extend) for one in reports_of(body, charset)]

    assert told == [("号码错误", "订单1"), (None, "模")]


@pytest.mark.parametrize("codec", ["gbk", "big5", "shift_jis"])
def test_json_whose_characters_end_with_a_backslash_is_read(codec: str) -> None:
    """A character whose second byte is that of a backslash breaks no JSON."""
    text = {"gbk": "運", "big5": "功", "shift_jis": "表"}[codec]
    item = {"smsMsgId": "m", "status": "UNDELIV", "statusDesc": text}
    body = json.dumps({"statusReportList": [item]}, ensure_ascii=False).encode(codec)

    (report,) = reports_of(body, codec)

    assert report.status_desc == text


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-be", "utf-16-le"])
def test_a_form_in_utf_16_is_read(codec: str) -> None:
    """A form that is UTF-16 as a whole, or whose fields are, is read."""
    fields = {"smsMsgId": "u-1", "from": "861", "to": "106", "body": "TD"}
    bodies = [
        "&".join(f"{name}={value}" for name, value in fields.items()).encode(codec),
        urlencode(fields, encoding=codec).encode(),
    ]

    for body in bodies:
        (event,) = events_of(body)
        uplink = event.uplink
        read = (uplink.sms_msg_id, uplink.sender, uplink.to, uplink.body)
        assert read == tuple(fields.values())


@pytest.mark.parametrize("text", [b"%E9%80%80%E8%AE%A2", b"STOP%2520%F0%9F%99%8F"])
def test_an_opt_out_that_was_escaped_twice_counts(text: bytes) -> None:
    """What a text says when it is unescaped once more may add an opt-out, and nothing else."""
    assert USUAL_WORDS.asked_by(uplink_of(text)) is OUT
    assert USUAL_WORDS.asked_by(uplink_of(quote("订阅").encode())) is None


def test_lone_surrogates_of_json_are_shown() -> None:
    """What JSON escapes and no UTF-8 holds is shown as it was escaped."""
    body = (
        rb'{"statusReportList":[{"smsMsgId":"m","status":"A","statusDesc":"x\ud83dy","to":"1\u00002"'
        rb',"extend":"\ud83d\ude4f"}]}'
    )

    (report,) = reports_of(body)

    assert (report.status_desc, report.to, report.extend) == (r"x\ud83dy", r"1\x002", "🙏")


@pytest.mark.parametrize(
    ("headers", "codec"),
    [
        (f"{FORM}; charset=GBK", "gb18030"),
        (f'ompsid: x; charset=big5\n{FORM}; a=b; charset="gb2312"; c=d', "gb18030"),
        (f"{FORM}; charset=unicode_escape", None),
        (f"{FORM}; charset=idna", None),
        (f"{FORM}; charset=" + "x" * 500, None),
        (f"{FORM}; charset=", None),
        (FORM, None),
        ("", None),
        ("x-note: content-type: a; charset=gbk", None),
    ],
)
def test_which_charset_is_declared(headers: str, codec: str | None) -> None:
    """Only charsets of texts count, out of the header that declares them."""
    assert declared_in(headers) == codec


@given(st.binary(max_size=12), st.sampled_from(["", "gbk", "utf-16", "iso-8859-1", "big5", "x"]))
def test_no_byte_is_lost(text: bytes, charset: str) -> None:
    """Whatever the bytes of a text are, it can be stored, and they are kept."""
    uplink = uplink_of(text, charset)

    assert is_storable(uplink.body)
    assert "\ufffd" not in uplink.body or "\ufffd".encode() in text
    assert read_uplink(json.loads(json.dumps(uplink.raw))).raw == uplink.raw
    if uplink.original_body is None:
        assert uplink.body.encode() == text


@given(st.text(max_size=12), st.sampled_from(["", "gbk", "utf-16", "iso-8859-1", "big5", "x"]))
def test_utf_8_stays_utf_8(text: str, charset: str) -> None:
    """No declared charset makes another text of UTF-8 that says something else."""
    valid = text.encode(errors="replace").decode().replace("\0", "")
    uplink = uplink_of(valid.encode(), charset)

    is_ambiguous = bool(valid) and max(valid) < "\u0800"
    is_marked = valid.encode()[:2] in (b"\xff\xfe", b"\xfe\xff")
    assert uplink.body == valid or is_ambiguous or is_marked


@given(st.text("一是不了人我在有他这退订，。", min_size=2, max_size=20))
def test_gb_2312_is_read(text: str) -> None:
    """Chinese in GB 2312 that nobody declared is read, unless it is UTF-8 too."""
    uplink = uplink_of(text.encode("gb2312"))

    assert uplink.body == text or uplink.original_body is None
