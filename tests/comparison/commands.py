"""The commands that both builds are given, and the files that they read.

The files `commands_*.txt` have a command a line.
"""

import json
import time
from pathlib import Path

from tests.support.signer import sign
from tests.support.workbooks import xlsx

from .builds import Build
from .traffic import SIGNED_HOST, SIGNED_TOKEN, Traffic
from .values import Answers

_FILES = Path(__file__).parent
_HEADER = ("smsMsgId", "Mobile Number", "发送时间", "total", "reference")
_NAMES = ("sms_msg_id", "to", "sent_at", "total", "reference")
_GOOD_ROWS = (
    ("imported_1", "15500005172", "2026-01-31 08:00:00", "1", "order-1"),
    ("imported_2", "+4915112345678", "2026-01-31T08:00:00Z", "2", "order-2"),
    ("imported_1", "15500005172", "2026-01-31 08:00:00", "1", "order-1"),
)
_ROWS = (
    *_GOOD_ROWS,
    ("", "15500005173", "2026-01-31 08:00:00", "1", "no id"),
    ("imported_3", "1", "yesterday", "many", ""),
    ("Total", "", "", "5", ""),
)
_CATALOGUE = """code,category,retry,retry_after_s,meaning,suggestion,reason
MK:0012,,retry-later,3600,,,Its phones are off for longer.
XY:*,carrier-failure,retry-later,,Our second supplier failed,Send again later.,
"""
_BAD_CATALOGUE = "code,category,retry\nMK:0012,nothing,sometimes\n,,\nZZ:1,timeout,never\n"
_BAD_SETTINGS = """max_body_bytes = "many"
unknown = 1
[retry]
attempts = 0
[retry.kinds.code]
quiet_hours = "x"
[uplinks]
opt_out_words = ["START"]
[[api_keys]]
name = ""
key = "k"
scopes = ["all"]
"""
_CHANGED_HEADERS: dict[str, dict[str, str]] = {
    "good": {},
    "bad": {"connection": "keep-alive"},
    "unsigned": {"authorization": ""},
}


def write_files(directory: Path) -> None:
    """Write what the commands read."""

    def table(rows: tuple[tuple[str, ...], ...], separator: str = ",") -> str:
        return "\n".join(separator.join(row) for row in (_HEADER, *rows))

    lines = [json.dumps(dict(zip(_NAMES, row, strict=True))) for row in _ROWS]
    texts = {
        "good.csv": table(_GOOD_ROWS),
        "rows.csv": table(_ROWS),
        "rows.ndjson": "\n".join([*lines, "{", "[7]"]),
        "nothing.csv": "a,b\n1,2\n",
        "catalogue.csv": _CATALOGUE,
        "bad_catalogue.csv": _BAD_CATALOGUE,
        "bad.toml": _BAD_SETTINGS,
        "torn.toml": "[retry\n",
    }
    for name in ("catalogue", "bad_catalogue"):
        texts[f"{name}.toml"] = f'catalogue_file = "{directory}/{name}.csv"\n'
    for name, text in texts.items():
        (directory / name).write_text(text)
    (directory / "rows.gb18030.csv").write_bytes(table(_ROWS, ";").encode("gb18030"))
    (directory / "rows.xlsx").write_bytes(xlsx([list(row) for row in (_HEADER, *_ROWS)]))
    path, body = f"/callbacks/{SIGNED_TOKEN}", b"smsMsgId=signed_1&status=DELIVRD"
    headers = sign(path, body, host=SIGNED_HOST, at=time.time() // 3600 * 3600)
    for name, changed in _CHANGED_HEADERS.items():
        kept = {key: value for key, value in {**headers, **changed}.items() if value}
        head = "".join(f"{key}: {value}\r\n" for key, value in kept.items())
        request = f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body
        (directory / f"{name}.http").write_bytes(request)


def run_online(build: Build, traffic: Traffic, *, quick: bool) -> Answers:
    """Run the commands that need a running receiver; quickly, one in five."""
    names = {
        "first": traffic.ids[0],
        "second": traffic.ids[1],
        "last": traffic.ids[-1],
        "uplink": traffic.uplinks[0],
        "number": traffic.numbers[0],
        "kept_number": traffic.numbers[-2],
        "forgotten_number": traffic.numbers[-1],
    }
    return _run(build, _lines("online", quick=quick), names)


def run_offline(build: Build, *, quick: bool) -> Answers:
    """Run the commands that need none; quickly, one in five."""
    return _run(build, _lines("offline", quick=quick), {})


def run_stopped(build: Build) -> Answers:
    """Run the commands that work on the data directory of a receiver that is stopped."""
    return _run(build, ["lookup none", "reclassify --dry-run", "reclassify --json", "purge"], {})


def _lines(file: str, *, quick: bool) -> list[str]:
    lines = (_FILES / f"commands_{file}.txt").read_text().splitlines()
    return lines[:: 5 if quick else 1]


def _run(build: Build, lines: list[str], names: dict[str, str]) -> Answers:
    return build.run(lines, names, b'{"sms_msg_id": "piped_1", "to": "15500005172"}\n')
