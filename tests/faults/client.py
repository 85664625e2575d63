"""A client that is a process of its own and keeps a record of what was answered.

It outlives whatever happens to the server, and ends when its standard input is closed.
"""

import json
import select
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Self, TextIO

import typer

from tests.e2e.load import Attempt, Load
from tests.support.server import ROOT, Server, clean_environment, eventually

_NOTE_EVERY_S = 0.02
_END_PATIENCE_S = 30.0


@dataclass
class Client:
    """A load on a server from another process; a context.

    Attributes:
        server: what is pushed to, whether it runs or not.
        name: the prefix of all message ids, different for each client of a server.
        directory: where the record is kept.
        connections: how many push at once.
        pause_s: of each connection between two pushes.
        attempts: what the record said when it was last read.
        acknowledged: the status code of every id that got a 200, likewise.
    """

    server: Server
    name: str
    directory: Path
    connections: int = 20
    pause_s: float = 0.02
    attempts: list[Attempt] = field(default_factory=list)
    acknowledged: dict[str, str] = field(default_factory=dict)

    def __enter__(self) -> Self:
        self._record = self.directory / f"{self.name}.record"
        self._record.touch()
        self._read_up_to = 0  # bytes
        arguments = (self.server.port, self.name, self._record, self.connections, self.pause_s)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.client", *map(str, arguments)],
            env=clean_environment({}),
            cwd=ROOT,
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            status = self._process.wait(_END_PATIENCE_S)
        finally:
            self._process.kill()
            self._process.wait()
        self.read()
        # A client that broke down may have been answered more than it has written.
        assert status == 0 or kind is not None, f"the client ended with status {status}"

    def read(self) -> Self:
        """Read what the record says by now."""
        with self._record.open("rb") as record:
            record.seek(self._read_up_to)
            *lines, rest = record.read().split(b"\n")
            self._read_up_to = record.tell() - len(rest)
        for line in lines:
            attempt = Attempt(**json.loads(line))
            self.attempts.append(attempt)
            if attempt.status == 200:
                self.acknowledged |= attempt.codes
        return self

    def acknowledged_since(self, moment: float) -> bool:
        """Tell whether a push that was sent after a moment (monotonic seconds) got its 200."""
        return any(a.status == 200 and a.sent_at > moment for a in reversed(self.read().attempts))

    def wait_for_acknowledgement(self, since: float, timeout_s: float = 20.0) -> None:
        """Wait until a push that was sent after a moment got its 200."""
        eventually(
            lambda: self.acknowledged_since(since),
            "pushes are acknowledged",
            timeout_s=timeout_s,
            every_s=_NOTE_EVERY_S,
        )

    def sent_between(self, start: float, end: float) -> list[Attempt]:
        """Return the pushes that were sent between two moments."""
        return [a for a in self.read().attempts if start < a.sent_at < end]


def main(
    port: int,
    name: str,
    record: Path,
    connections: Annotated[int, typer.Argument(min=1)],
    pause_s: Annotated[float, typer.Argument(min=0)],
) -> None:
    """Push until the standard input is closed; write a line of JSON for each push."""
    never_started = Server(record.parent / "none", port=port)
    write_record(Load(never_started, name, connections, pause_s), record)


def write_record(load: Load, record: Path) -> None:
    """Let a load push until the standard input is closed; write a line of JSON for each push."""
    with record.open("a") as file:
        written = 0
        with load:
            while not select.select([sys.stdin], [], [], _NOTE_EVERY_S)[0]:
                written = _note(load, file, written)
        _note(load, file, written)


def _note(load: Load, file: TextIO, written: int) -> int:
    """Write the attempts from a number on; return the number of the next."""
    new = load.attempts[written:]
    file.writelines(f"{json.dumps(asdict(attempt))}\n" for attempt in new)
    file.flush()
    return written + len(new)


if __name__ == "__main__":
    typer.run(main)
