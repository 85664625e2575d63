"""Exports of sending details, laid out as the platform's console shows them.

The documentation names the columns by which the details are searched (template, mobile number,
template type, application, channel number, signature, result, time), the status code, and the
figures of three columns that only the export has: charged, result and type. That the message id is
among them follows from its answer on split messages. The order of the columns, and that the id is
headed as the interfaces call it, is assumed.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

from tests.support.workbooks import xlsx

NUMBERS = ("13812345678", "18612345678", "2412000000")
Row = list[str]


@dataclass(frozen=True)
class Layout:
    """One export: its language, and what stands around the table."""

    header: tuple[str, ...]
    above: tuple[Row, ...] = ()
    below: tuple[Row, ...] = ()
    of_task: str | None = None  # of the Group SMS Assistant, shown in a column of its own
    time: str = "2026/01/31 16:00:{:02d}"


_CHINESE = (
    "序号", "短信ID", "应用名称", "模板ID", "短信类型", "短信签名", "通道号", "手机号码",
    "国家/地区", "发送时间", "发送结果", "状态码", "是否收费",
)  # fmt: skip
_ENGLISH = (
    "No.", "SMS ID", "Application Name", "Template ID", "SMS Type", "SMS Signature",
    "Channel Number", "Recipient Mobile Number", "Country/Region", "Sending Time (UTC+08:00)",
    "Sending Result", "Status Code", "Charged",
)  # fmt: skip

LAYOUTS = {
    "console, Chinese": Layout(
        _CHINESE, above=(["发送详情 2026-01-31 至 2026-01-31"],), below=(["合计", "4"],)
    ),
    "console, English": Layout(
        _ENGLISH, below=(["Total", "4 messages"],), time="Jan 31, 2026 16:00:{:02d}"
    ),
    "assistant, Chinese": Layout((*_CHINESE, "任务名称"), of_task="春节通知"),
    "assistant, English": Layout((*_ENGLISH, "Task Name"), of_task="Spring festival"),
}


def ids(prefix: str) -> list[str]:
    """Return the ids of the messages of an export; the text of the last one was split."""
    return [f"{prefix}-f856-4376-afbf-570bd70a46ee_{11840135 + n}" for n in range(3)]


def table(layout: Layout, prefix: str) -> list[Row]:
    """Return the rows of an export: delivered, failed and awaited, the last in two parts."""
    names = ids(prefix)
    of_messages = [(0, "0", "DELIVRD", "0"), (1, "1", "MK:0001", "1"), (2, "2", "", "1")]
    rows = [
        [
            str(n + 1), names[which], "shop", "8ff55eac1d0b478ab3c06c3c6a492300", "3", "华为云",
            "1069031221280000001", NUMBERS[which], "中国", layout.time.format(which), result,
            status, charged, *([] if layout.of_task is None else [layout.of_task]),
        ]
        for n, (which, result, status, charged) in enumerate([*of_messages, of_messages[-1]])
    ]  # fmt: skip
    return [*layout.above, list(layout.header), *rows, *layout.below]


def as_xlsx(rows: Sequence[Row]) -> bytes:
    """Write it as a workbook; a long title runs over several cells."""
    return xlsx(rows, merged=["A1:M1"] if len(rows[0]) == 1 else [])


def as_csv(rows: Sequence[Row]) -> bytes:
    """Write it in the encoding of spreadsheets in China, with a tab that keeps digits text."""
    file = io.StringIO()
    csv.writer(file).writerows(
        [f"{cell}\t" if len(cell) > 15 else cell for cell in row] for row in rows
    )
    return file.getvalue().encode("gb18030")


WRITERS = {"xlsx": as_xlsx, "csv": as_csv}

# What the Group SMS Assistant takes, and what it lists of its tasks: neither has a message id.
WITHOUT_IDS = {
    "numbers for the assistant": [["手机号码", "姓名"], [NUMBERS[0], "张"]],
    "record of tasks": [
        ["Task Name", "SMS Type", "Template ID", "Number of Recipients", "Created At", "Status"],
        ["Spring festival", "3", "8ff5", "3", "2026/01/31 16:00:00", "Completed"],
    ],
}
