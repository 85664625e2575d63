"""The examples of the page "In your framework", as they stand there, with one real receiver.

In them only the receiver's address, the spool, and the port that a server listens on are replaced.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.support.server import (
    KEY,
    ROOT,
    Server,
    clean_environment,
    eventually,
    free_port,
    http_client,
)

PAGE_FILE = ROOT / "receiver/docs/en/frameworks.md"
PAGE = PAGE_FILE.read_text()
BLOCKS: list[str] = re.findall(r"^```[a-z]+\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
FILES = {m[1]: block for block in BLOCKS if (m := re.match(r"(?:#|//) (\S+\.\S+)\n", block))}
COMMANDS = [line for block in BLOCKS if block not in FILES.values() for line in block.splitlines()]

NUMBER = "+8615500005678"
# A documented response (sms_05_0001); its id says which process sent.
PLATFORM_API = """
import os, uuid

def batch_send_sms(request):
    entry = {
        "smsMsgId": f"{uuid.uuid4()}_{os.getpid()}", "originTo": request["to"],
        "from": request["from"], "createTime": "2026-01-31T08:00:00Z", "countryId": "CN",
        "total": 1, "status": "000000",
    }
    return {"code": "000000", "description": "Success", "result": [entry]}
"""
DJANGO = """
import django
from django.conf import settings
from django.test import Client

settings.configure(ROOT_URLCONF="urls", ALLOWED_HOSTS=["testserver"])
django.setup()
answer = Client().post("/orders/django/shipped", {"to": "%s"})
assert (answer.status_code, answer.json()) == (200, {"code": "000000"}), answer.content
"""


@dataclass
class Shop:
    """A directory with the files of the page, whose programs use a receiver."""

    directory: Path
    receiver: Server

    @property
    def spool(self) -> Path:
        """The spool of all programs."""
        return self.directory / "spool"

    def spawn(self, command: str) -> subprocess.Popen[str]:
        """Start a command as a shell would."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        more = {"PATH": path, "RECEIVER_API_KEY": KEY, "CELERY_BROKER_URL": "filesystem://"}
        return subprocess.Popen(
            ["sh", "-c", f"exec {command}"],
            cwd=self.directory,
            env=clean_environment(more),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, command: str, status: int = 0) -> str:
        """Run a command to its end; return what it printed."""
        with self.spawn(command) as process:
            printed, _ = process.communicate(timeout=120)
        assert process.returncode == status, printed
        return printed

    @contextmanager
    def running(self, command: str) -> Iterator[None]:
        """Run a command meanwhile, which has to end well when it is told to."""
        process = self.spawn(command)
        try:
            yield
            process.send_signal(signal.SIGTERM)
            printed, _ = process.communicate(timeout=60)
            assert process.returncode in (0, -signal.SIGTERM), printed
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                print(process.communicate()[0])  # noqa: T201 - shown where the test fails

    def registered(self, reference: str) -> list[str]:
        """Return the ids that are registered under a reference."""
        found = self.receiver.api.get("/v1/messages", reference=reference)["messages"]
        assert all(one["registered"] and one["state"] == "pending" for one in found)
        return [one["sms_msg_id"] for one in found]

    def kept(self) -> int:
        """Return how many registrations are in the spool."""
        return len(list(self.spool.glob("*.ndjson")))


@pytest.fixture
def shop(shared_server: Server, tmp_path: Path) -> Shop:
    """Return a directory with the files of the page."""
    made = Shop(tmp_path, shared_server)
    for name, text in {**FILES, "platform_api.py": PLATFORM_API}.items():
        here = text.replace("http://127.0.0.1:8081", shared_server.api_url)
        (tmp_path / name).write_text(here.replace("/var/spool/sms-registrations", str(made.spool)))
    (tmp_path / "authorization").write_text(f"Authorization: Bearer {KEY}\n")
    # Celery's broker without a server: what is put into one directory comes out of the other.
    (tmp_path / "data_in").mkdir()
    (tmp_path / "data_out").symlink_to("data_in")
    return made


def command(beginning: str) -> str:
    """Return the one command of the page that begins so."""
    (found,) = [line for line in COMMANDS if line.startswith(beginning)]
    return found


@contextmanager
def serving(shop: Shop, command: str) -> Iterator[str]:
    """Run a web server; return its address, once it listens."""
    port = str(free_port())
    assert "8000" in command
    url = f"http://127.0.0.1:{port}"
    with shop.running(command.replace("8000", port)), http_client(url) as http:

        def listens() -> bool:
            try:
                return http.get("/").status_code == 404
            except httpx.TransportError:
                return False

        eventually(listens, "the program listens")
        yield url


def order(url: str, name: str) -> None:
    """Have the program of a web server tell a customer of an order, which must work."""
    with http_client(url) as http:
        answer = http.post(f"/orders/{name}/shipped", data={"to": NUMBER})
    assert (answer.status_code, answer.json()) == (200, {"code": "000000"})


def slug(heading: str) -> str:
    """Return the anchor of a heading, as the repository's pages have it."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


# --- the receiver is there ------------------------------------------------------------------------


def test_every_example_is_run() -> None:
    """There is no file and no command on the page that no test here knows."""
    programs = {"sms.py", "flask_app.py", "views.py", "urls.py", "fastapi_app.py", "tasks.py"}
    assert set(FILES) == {*programs, "remind.py", "register.sh", "lookup.sh", "sms.mjs", "sms.go"}
    assert {line.split()[0] for line in COMMANDS} == {
        *["gunicorn", "uvicorn", "celery", "python", "node", "go"]
    }
    assert len(COMMANDS) == 8


def test_links_lead_somewhere() -> None:
    """The page's links lead to headings that exist, and the README has one to the page."""
    for address in re.findall(r"\]\((\S+?)\)", PAGE):
        file, _, anchor = address.partition("#")
        target = (PAGE_FILE.parent / file if file else PAGE_FILE).read_text()
        assert anchor in map(slug, re.findall(r"^#+ (.+)$", target, re.MULTILINE)), address
    assert f"]({PAGE_FILE.relative_to(ROOT)})" in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("preload", ["", " --preload"])
def test_flask_under_gunicorn(shop: Shop, preload: str) -> None:
    """Each of two workers registers what it sends, with a client made before or after the fork."""
    name = f"flask{preload.strip()}"
    with serving(shop, command("gunicorn") + preload) as url, ThreadPoolExecutor(4) as threads:

        def both_have_registered() -> bool:
            list(threads.map(order, [url] * 4, [name] * 4))
            ids = shop.registered(name)
            return len({one.rpartition("_")[2] for one in ids}) == 2

        eventually(both_have_registered, "both workers have registered")


def test_django(shop: Shop) -> None:
    """A view registers what it sends."""
    (shop.directory / "test.py").write_text(DJANGO % NUMBER)
    shop.run("python test.py")
    eventually(lambda: len(shop.registered("django")) == 1, "it is registered")


def test_fastapi(shop: Shop) -> None:
    """A coroutine registers what a function that is none sends."""
    with serving(shop, command("uvicorn")) as url:
        order(url, "fastapi")
        eventually(lambda: len(shop.registered("fastapi")) == 1, "it is registered")


def test_celery(shop: Shop) -> None:
    """Tasks in the processes that a worker forks register what they send."""
    task = f"from tasks import shipped; [shipped.delay('celery', '{NUMBER}') for _ in range(4)]"
    shop.run(f'python -c "{task}"')
    with shop.running(command("celery")):
        eventually(lambda: len(shop.registered("celery")) == 4, "all tasks have registered")


@pytest.mark.parametrize(
    ("register", "lookup"),
    [
        pytest.param("sh register.sh order-4711", "sh lookup.sh order-4711", id="curl"),
        pytest.param(command("node sms.mjs reg"), command("node sms.mjs look"), id="node"),
        pytest.param(command("go run sms.go reg"), command("go run sms.go look"), id="go"),
    ],
)
def test_others(shop: Shop, request: pytest.FixtureRequest, register: str, lookup: str) -> None:
    """A program in another language registers the platform's answer and finds it."""
    name = request.node.callspec.id
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    sms_msg_id, reference = f"4b4b34e7-1a9e-42ac-b309-d10997148905_{name}", f"order of {name}"
    answer = {"code": "000000", "result": [{"smsMsgId": sms_msg_id, "status": "000000"}]}
    (shop.directory / "send_response.json").write_text(json.dumps(answer))

    def run(what: str) -> str:
        return shop.run(what.replace("order-4711", f"'{reference}'"))

    assert re.search(r"registered\W+1", run(register))
    eventually(lambda: shop.registered(reference) == [sms_msg_id], "it is registered")
    found = run(lookup)
    assert sms_msg_id in found
    assert "pending" in found


# --- the receiver is away -------------------------------------------------------------------------


def test_a_receiver_that_is_away_stops_nobody(shop: Shop) -> None:
    """Sends go on and are kept; the cron script then delivers them, those of others too."""
    (shop.directory / "orders.txt").write_text(f"away {NUMBER}\nback {NUMBER}\n")
    cron = command("python remind.py")
    shop.receiver.stop()
    with serving(shop, command("gunicorn")) as url:
        order(url, "away")
        printed = shop.run(cron, status=1)
        assert "3 registrations are left in the spool; the next run delivers them." in printed
        assert NUMBER not in printed
    assert shop.kept() == 3

    shop.receiver.start().ready()
    shop.run(cron.replace("orders.txt", "/dev/null"))
    assert shop.kept() == 0
    eventually(lambda: len(shop.registered("away")) == 2, "what was sent twice is registered")
    assert len(shop.registered("back")) == 1
