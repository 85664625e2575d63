"""Builds of the receiver: checked out, run as servers and as commands."""

import io
import json
import re
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.server import KEY, ROOT, Server, clean_environment

from .values import Answers, read_lines, read_text

_CLOCK = re.compile(r"\bit is \d\d:\d\d in\b")
_COMMANDS_S = 900.0
# Runs each command in a fork of a process that has imported the whole build. It is code of neither
# build: only the build's own directory may be on the path.
_RUN_ALL = """
import importlib, json, os, pkgutil, runpy, sys, tempfile
import receiver
for module in pkgutil.walk_packages(receiver.__path__, "receiver."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
said = []
for words in json.loads(sys.argv[1]):
    new = tempfile.TemporaryFile
    with new() as given, new() as out, new() as errors:
        given.write(sys.argv[2].encode())
        given.seek(0)
        child = os.fork()
        if not child:
            for place, file in enumerate((given, out, errors)):
                os.dup2(file.fileno(), place)
            sys.argv = ["receiver", *words]
            runpy.run_module("receiver", run_name="__main__", alter_sys=True)
            sys.exit()
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        texts = {}
        for name, file in (("output", out), ("errors", errors)):
            file.seek(0)
            texts[name] = file.read().decode()
        said.append({"status": status, **texts})
print(json.dumps(said))
"""
# So wide that no text is wrapped: where a line ends is no difference.
_TERMINAL = {"COLUMNS": "1000", "NO_COLOR": "1", "TERM": "dumb"}


def check_out(revision: str, directory: Path) -> Path:
    """Write the files of a revision into a new directory; return it."""
    archive = subprocess.run(
        ["git", "-C", str(ROOT), "archive", revision], check=True, capture_output=True
    ).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(directory, filter="data")
    return directory


@dataclass
class Build:
    """A build on a data directory and two ports of its own.

    Attributes:
        tree: its files.
        server: the process.
        files: a directory for what commands read and write.
    """

    tree: Path
    server: Server
    files: Path

    def neutral(self, text: str) -> str:
        """Return a text without what is this run's own: paths, ports and the time of day."""
        for own, name in (
            (self.server.directory, "<data>"),
            (self.files, "<files>"),
            (self.tree, "<tree>"),
            (self.server.port, "<port>"),
            (self.server.api_port, "<api port>"),
        ):
            text = text.replace(str(own), name)
        return _CLOCK.sub("it is <now> in", text)

    def run(self, lines: list[str], names: Mapping[str, str], stdin: bytes) -> Answers:
        """Run commands beside the server; `{files}`, `{url}` and the names given are filled in."""
        server = self.server
        url = f"{server.url}{server.callback_path}"
        own = {"files": self.files, "url": url}
        filled = [line.format(**own, **names).split() for line in lines]
        tree = {"PYTHONPATH": str(self.tree)}
        done = subprocess.run(
            [sys.executable, "-c", _RUN_ALL, json.dumps(filled), stdin.decode()],
            env=clean_environment({**server.environment, **_TERMINAL, **tree}),
            cwd=self.tree,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_COMMANDS_S,
            check=True,
        )
        answers: Answers = {}
        for place, (line, said) in enumerate(zip(lines, json.loads(done.stdout), strict=True)):
            again = f" ({lines[:place].count(line) + 1})" if line in lines[:place] else ""
            name = f"receiver {line}{again}"
            answers[f"{name} > status"] = said["status"]
            answers |= read_text(f"{name} > output", self.neutral(said["output"]))
            answers[f"{name} > errors"] = read_lines(self.neutral(said["errors"]))
        return answers

    def written(self) -> Answers:
        """Return what commands wrote into the directory of files."""
        answers: Answers = {}
        for file in sorted(self.files.glob("out*")):
            answers |= read_text(f"file {file.name}", self.neutral(file.read_text()))
        return answers


def make_build(
    tree: Path, home: Path, settings: dict[str, str], directory: Path | None = None
) -> Build:
    """Make a build, not started; `home` is for its data unless a directory is given."""
    files = home / "files"
    files.mkdir(parents=True, exist_ok=True)
    server = Server(
        directory or home / "data",
        {"RECEIVER_API_KEY": KEY, **settings},
        cwd=tree,
        extra_env={"PYTHONPATH": str(tree)},
    )
    return Build(tree, server, files)
