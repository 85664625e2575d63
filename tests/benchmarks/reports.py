"""Status reports as the platform writes them, with ids of their own and mixed codes."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode
from uuid import uuid4

# Of 20 reports 17 say delivered; the others fail in the ways that are common.
STATUSES = (*["DELIVRD"] * 17, "UNDELIV", "EXPIRED", "MK:0001")
_UPDATED = "2018-04-13T06:31:46Z"


@dataclass(frozen=True, slots=True)
class Report:
    """One report of a message of one part."""

    sms_msg_id: str
    status: str
    to: str

    @property
    def fields(self) -> Mapping[str, str]:
        """All documented fields."""
        return {
            "sequence": "1",
            "total": "1",
            "orgCode": "000",
            "updateTime": _UPDATED,
            "source": "2",
            "smsMsgId": self.sms_msg_id,
            "status": self.status,
            "statusDesc": "the text that the platform has for the code",
            "extend": f"order-{self.to}",
            "to": self.to,
        }

    @property
    def form(self) -> bytes:
        """A single push's body."""
        return urlencode(self.fields).encode()


def make_reports(count: int) -> Iterator[Report]:
    """Make reports, each of another message to another number."""
    for number in range(count):
        status = STATUSES[number % len(STATUSES)]
        yield Report(f"{uuid4()}_{number + 1}", status, f"+86137{number % 10**8:08d}")


def make_batch(reports: list[Report]) -> bytes:
    """Return a batch push's body."""
    return json.dumps({"statusReportList": [dict(report.fields) for report in reports]}).encode()
