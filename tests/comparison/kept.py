"""Data directories of earlier builds, with what those builds answered of them."""

import io
import json
import tarfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from .asking import ask
from .builds import Build
from .traffic import Request, Traffic, all_ids
from .values import Answers, Difference, Table, compare

# The same whenever it is asked: nothing goes because it is old.
SETTINGS = {
    f"RECEIVER_RETENTION__{name}_DAYS": "0" for name in ("MESSAGES", "TEXTS", "RAW", "QUARANTINE")
}
_ANSWERS = "answers.json"
_YEARS = "since=2018-01-01T00:00:00Z&limit=1000"


@dataclass(frozen=True)
class Kept:
    """What a build was asked, and what it answered."""

    requests: list[Request]
    answers: Answers


def _questions(traffic: Traffic) -> Iterator[Request]:
    """Ask for all that was stored, by routes whose answers do not change with time."""
    for place, ids in enumerate(all_ids(traffic)):
        body = json.dumps({"ids": ids}).encode()
        yield Request(f"look-up {place}", "POST", "/v1/messages/lookup", body)
    paths = [f"/v1/{what}?{_YEARS}" for what in ("messages", "uplinks", "quarantine")]
    paths += ["/v1/suppressions?limit=1000", "/v1/suppressions?limit=1000&suppressed=false"]
    paths += [f"/v1/uplinks/{sms_msg_id}" for sms_msg_id in traffic.uplinks]
    paths += [f"/v1/messages/{quote(sms_msg_id)}/attempts" for sms_msg_id in traffic.ids[:50]]
    paths += [f"/v1/suppressions/{quote(number)}/history" for number in traffic.numbers[:50]]
    for path in paths:
        yield Request(f"GET {path}", "GET", path)


def record(build: Build, traffic: Traffic) -> Kept:
    """Fill a build and ask it; what it refuses is left out, for it may not have that route yet."""
    ask(build, traffic.requests)
    build.server.caught_up(300)
    asked = [(request, ask(build, [request])) for request in _questions(traffic)]
    good = [(request, said) for request, said in asked if said[f"{request.name} > status"] == 200]
    answers: Answers = {}
    for _, said in good:
        answers |= said
    return Kept([request for request, _ in good], answers)


def differences(build: Build, kept: Kept, table: Table) -> list[Difference]:
    """Ask a build the same and compare it with what was kept; more than that it may say."""
    build.server.caught_up(300)
    said = ask(build, kept.requests)
    return compare(
        kept.answers, {where: said[where] for where in kept.answers if where in said}, table
    )


def pack(file: Path, directory: Path, kept: Kept) -> None:
    """Write a data directory and what was kept of its build into one file."""
    requests = [{**asdict(one), "body": one.body.decode()} for one in kept.requests]
    document = json.dumps({"requests": requests, "answers": kept.answers}, ensure_ascii=False)
    head = tarfile.TarInfo(_ANSWERS)
    head.size = len(document.encode())
    with tarfile.open(file, "w:xz", preset=9) as archive:
        archive.addfile(head, io.BytesIO(document.encode()))
        archive.add(directory, "data", filter=_anonymous)


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


def unpack(file: Path, directory: Path) -> Kept:
    """Unpack `data` into a directory; return what was kept."""
    with tarfile.open(file) as archive:
        archive.extractall(directory, filter="data")
    document: dict[str, Any] = json.loads((directory / _ANSWERS).read_text())
    requests = [Request(**{**one, "body": one["body"].encode()}) for one in document["requests"]]
    return Kept(requests, document["answers"])
