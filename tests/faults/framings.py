"""The same oddly framed requests to the receiver, to bare uvicorn and to nginx."""

import re
import socket
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from functools import partial

from tests.faults.experiment import Bench, Experiment, Outcome
from tests.faults.rivals import bare_uvicorn, nginx
from tests.faults.shown import Shown
from tests.support.framing import CASES, Case
from tests.support.server import Server

_AT_ONCE = 16
_PATIENCE_S = 0.5  # for what may come behind an answer
_STATUS = re.compile(rb"^HTTP/1\.[01] ([2-5]\d\d) ", re.MULTILINE)  # but `100 Continue`


def _ask(port: int, path: str, case: Case) -> str:
    """Return the statuses of all answers to a request, `none` where there was none."""
    got = b""
    connection = socket.create_connection(("127.0.0.1", port), timeout=5)
    with connection, suppress(OSError):
        connection.sendall(case.sent_to(path))
        connection.settimeout(_PATIENCE_S)
        while piece := connection.recv(65536):
            got += piece
    return "+".join(status.decode() for status in _STATUS.findall(got)) or "none"


def framing(bench: Bench) -> Outcome:
    """Send the corpus to each, compare the answers of the receiver with the table."""
    shown = Shown()
    with ExitStack() as stack:
        server = stack.enter_context(closing(Server(bench.directory / "data").start()))
        ports = {"receiver": server.port, "bare uvicorn": stack.enter_context(bare_uvicorn())}
        rival = stack.enter_context(nginx(bench.directory / "nginx"))
        if rival is not None:
            ports["nginx"] = rival
        threads = stack.enter_context(ThreadPoolExecutor(_AT_ONCE))
        for name, port in ports.items():
            ask = partial(_ask, port, server.callback_path)
            answers = dict(zip((case.name for case in CASES), threads.map(ask, CASES), strict=True))
            _compare(name, answers, shown)
    shown.figures = {"cases": len(CASES), **shown.figures}
    return shown.outcome()


def _compare(name: str, answers: Mapping[str, str], shown: Shown) -> None:
    """Note whom a server takes that is to be refused, and the other way round."""
    taken = [one.name for one in CASES if one.status != 200 and answers[one.name][-3:] == "200"]
    refused = [one.name for one in CASES if one.status == 200 and answers[one.name] != "200"]
    shown.figures[f"{name} takes"] = "; ".join(taken) or "none of the others"
    if refused:
        shown.figures[f"{name} refuses"] = "; ".join(refused)
    if name == "receiver":
        for case in CASES:
            answer = answers[case.name]
            shown.require(answer == str(case.status), f"{case.name}: {answer}, not {case.status}")


EXPERIMENTS = (
    Experiment(
        name="framing",
        how="oddly framed requests to the receiver, bare uvicorn and (if installed) nginx",
        must_hold="the receiver answers as the table says, and takes nothing that nginx refuses",
        run=framing,
    ),
)
