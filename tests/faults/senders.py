"""A program that sends, as a process of its own: threads register by `receiver.client`.

It ends when its standard input is closed, and keeps a record of what `register` returned.
"""

import json
import os
import random
import select
import sys
import threading
import time
from itertools import count
from pathlib import Path
from typing import Annotated

import typer

from receiver.client import Client

_PAUSE_S = 0.005
_FORKED_AFTER_S = 0.1


def main(
    url: str,
    key: str,
    application: str,
    spool: Path,
    record: Path,
    threads: Annotated[int, typer.Argument(min=1)],
) -> None:
    """Register until the standard input is closed; a child of a fork does the same."""
    client = Client(
        url, key, application=application or None, spool=spool, timeout_s=0.5, patience_s=0.5
    )
    file = os.open(record, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    over = threading.Event()

    def send() -> None:
        prefix = f"{key}-{application}-{os.getpid()}-{threading.get_ident()}-{time.time_ns()}"
        for n in count():
            if over.is_set():
                return
            name = f"{prefix}-{n}"
            result = client.register({"sends": [{"sms_msg_id": name}]})
            line = json.dumps([name, result.registered == 1 or result.spooled])
            os.write(file, line.encode() + b"\n")  # one write, which other processes cannot split
            time.sleep(random.uniform(0, 2 * _PAUSE_S))  # noqa: S311 - no secret

    client.register({"sends": [{"sms_msg_id": f"{key}-{application}-{os.getpid()}-parent"}]})
    os.fork()  # before there are threads, with connections that must not be shared
    running = [threading.Thread(target=send) for _ in range(threads)]
    for thread in running:
        thread.start()
    select.select([sys.stdin], [], [])
    over.set()
    for thread in running:
        thread.join()


if __name__ == "__main__":
    typer.run(main)
