"""Usable items of a push -> events: texts, times and what was mangled on the way."""

from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.domain.inputs import StatusReport, Uplink
from receiver.huawei.items import read_report, read_uplink
from receiver.huawei.mojibake import repair
from receiver.huawei.wire import sift

WRITTEN = 1_523_601_106_000_000  # 2018-04-13T06:31:46Z


def report_of(**fields: str) -> StatusReport:
    """Return the report that a form with these fields is read as."""
    (item,) = sift(urlencode(fields).encode()).items
    return read_report(item)


def uplink_of(**fields: str) -> Uplink:
    """Return the uplink that a form with these fields is read as."""
    needed = {"smsMsgId": "u-1", "from": "+8615500005172", "to": "1069", "body": ""}
    (item,) = sift(urlencode({**needed, **fields}).encode()).items
    return read_uplink(item)


@pytest.mark.parametrize(
    "text",
    ["a&b=c+d%20e;f", "好的 👍🏽", "", "R", "  \r\n", "100% sûr"],
    ids=["separators", "emoji", "empty", "opt-out", "blank", "accents and percent"],
)
def test_uplink_text_arrives_unchanged(text: str) -> None:
    """The text of an uplink is what the person wrote, whatever separators it holds."""
    uplink = uplink_of(body=text)

    assert (uplink.body, uplink.original_body) == (text, None)


def test_uplink_time() -> None:
    """The time of an uplink is read where the platform gives it."""
    assert uplink_of(createTime="2018-04-13T06:31:46Z").created_at == WRITTEN
    assert uplink_of(createTime="soon").created_at is None
    assert uplink_of().created_at is None


@pytest.mark.parametrize("text", ["退订", "été", "Grüße 👍", "¿Qué?"])
def test_mangled_uplink_is_repaired(text: str) -> None:
    """UTF-8 that was read as Latin-1 on its way is repaired, and the original kept."""
    mangled = text.encode().decode("latin-1")

    uplink = uplink_of(body=mangled)

    assert (uplink.body, uplink.original_body) == (text, mangled)
    assert uplink.raw["body"] == mangled


@pytest.mark.parametrize("text", ["订单", "单", "验证码", "中文", "🙏"])
def test_a_mangled_field_is_repaired_whole(text: str) -> None:
    """What looks like a blank or control character behind a field may be part of a character."""
    mangled = text.encode().decode("latin-1")
    report = report_of(smsMsgId="m", status="UNDELIV", extend=f" {mangled}", to=mangled)
    assert (report.extend, report.to) == (text, text)


def test_a_code_that_was_escaped_twice_is_read() -> None:
    """A code has no percent sign of its own."""
    assert report_of(smsMsgId="m", status="UNDELIV%20").status == "UNDELIV"


@pytest.mark.parametrize("text", ["Café à Genève", "Ångström", "niño", "£5 \u2013 Ãnd", "退订 Ã©"])
def test_ordinary_accented_text_is_left_alone(text: str) -> None:
    """Text that is not mangled UTF-8 as a whole is never touched."""
    assert repair(text) == text
    assert uplink_of(body=text).original_body is None


@given(st.text())
def test_repair_undoes_one_mangling(text: str) -> None:
    """Whatever a person wrote in Unicode comes back from one Latin-1 reading of its bytes."""
    valid = text.encode(errors="replace").decode()

    assert repair(valid.encode().decode("latin-1")) == valid


def read_as_windows_1252(data: bytes) -> str:
    """Read bytes as Windows-1252 as browsers do: its five empty places are control characters."""
    return "".join(bytes([byte]).decode("cp1252", errors="ignore") or chr(byte) for byte in data)


@pytest.mark.parametrize("text", ["退订", "请取消订阅", "R 退订 R", "Привет", "OK 😀"])
def test_an_uplink_read_as_windows_1252_is_repaired(text: str) -> None:
    """UTF-8 that was read as Windows-1252 on its way is repaired, and the original kept."""
    mangled = read_as_windows_1252(text.encode())

    uplink = uplink_of(body=mangled)

    assert (uplink.body, uplink.original_body) == (text, mangled)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("é€€ T", id="one character alone"),
        pytest.param("café…”", id="accent before punctuation"),
        pytest.param("OLÉ… “sí”", id="quotes"),
        pytest.param("€ 5", id="a sign"),
        pytest.param("退订 é€€è®¢", id="beside characters of no byte"),
    ],
)
def test_what_may_be_ordinary_text_is_left_alone(text: str) -> None:
    """A text that is well-formed UTF-8 by accident, or not as a whole, is never touched."""
    assert uplink_of(body=text).body == text


@given(st.text(st.characters(min_codepoint=0x80, codec="utf-8"), min_size=2))
def test_repair_undoes_a_windows_1252_reading(text: str) -> None:
    """Two characters or more that are not ASCII come back from a Windows-1252 reading."""
    assert repair(read_as_windows_1252(text.encode())) == text


_OF_BYTES = [chr(code) for code in range(256)] + list(read_as_windows_1252(bytes(range(128, 160))))


@given(st.text() | st.text(st.sampled_from(_OF_BYTES)))
def test_repair_never_makes_anything_up(text: str) -> None:
    """A text stays as it is, or it is exactly a reading of what it becomes."""
    repaired = repair(text)

    if repaired != text:
        by_latin_1 = repaired.encode().decode("latin-1")
        shown = dict(zip(by_latin_1, read_as_windows_1252(repaired.encode()), strict=True))
        assert len(text) == len(by_latin_1)
        assert all(seen in (byte, shown[byte]) for seen, byte in zip(text, by_latin_1, strict=True))
