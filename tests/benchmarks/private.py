"""What a receiver says about itself, and sends registered, over its private API."""

import json
import re
import time
import urllib.request
from collections.abc import Mapping, Sequence

from .servers import KEY, Server, ServerError

_TIMEOUT_S = 30.0


def metric(server: Server, name: str) -> float:
    """Read one metric, the sum of its series; 0 while it has none."""
    url = f"http://127.0.0.1:{server.private_port}/metrics"
    with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:
        text = answer.read().decode()
    found = re.findall(rf"^{re.escape(name)}(?:\{{.*\}})? (\S+)$", text, re.MULTILINE)
    if not found and f"# TYPE {name} " not in text:
        raise ServerError(f"The receiver has no metric {name}.")
    return sum(float(value) for value in found)


def lag_rows(server: Server) -> int:
    """Return how many entries of the journal the store does not have yet."""
    return int(metric(server, "receiver_projector_lag_rows"))


def lag_seconds(server: Server) -> float:
    """Return the age of the oldest entry that the store does not have yet."""
    return metric(server, "receiver_projector_lag_seconds")


def catch_up(server: Server, timeout_s: float) -> bool:
    """Wait until the store has everything; tell whether it came so far."""
    until = time.monotonic() + timeout_s
    while lag_rows(server) > 0:
        if time.monotonic() > until:
            return False
        time.sleep(0.1)
    return True


def register(server: Server, sends: Sequence[Mapping[str, str]]) -> None:
    """Register sends."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.private_port}/v1/sends",
        json.dumps({"sends": sends}).encode(),
        {"content-type": "application/json", "authorization": f"Bearer {KEY}"},
    )
    with urllib.request.urlopen(request, timeout=_TIMEOUT_S):  # noqa: S310
        pass
