"""What the receiver is compared with in the same run: bare uvicorn, and nginx if installed."""

import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.support.framing import MAX_BODY_BYTES
from tests.support.server import ROOT, clean_environment, eventually, free_port

_END_PATIENCE_S = 10.0
_NGINX = """
daemon off;
pid {directory}/nginx.pid;
error_log {directory}/nginx.log;
worker_processes 1;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_max_body_size {most};
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  # By way of a second server: only who needs the body reads it.
  server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://127.0.0.1:{behind}; }} }}
  server {{ listen 127.0.0.1:{behind}; location / {{ return 200; }} }}
}}
"""


@contextmanager
def bare_uvicorn() -> Iterator[int]:
    """Serve an application that reads the push and answers 200; return the port."""
    port = free_port()
    options = "--loop uvloop --http httptools --ws none --lifespan off --log-level critical"
    app = "tests.benchmarks.bare_app:app"
    command = [sys.executable, "-m", "uvicorn", app, "--port", str(port), *options.split()]
    with _serving(command, port):
        yield port


@contextmanager
def nginx(directory: Path) -> Iterator[int | None]:
    """Serve by nginx what it lets through; return the port, None where it is not installed."""
    program = shutil.which("nginx")
    if program is None:
        yield None
        return
    directory.mkdir()
    directory.chmod(0o755)
    directory.parent.chmod(0o755)  # its workers are another user
    port = free_port()
    text = _NGINX.format(directory=directory, port=port, behind=free_port(), most=MAX_BODY_BYTES)
    configuration = directory / "nginx.conf"
    configuration.write_text(text)
    with _serving([program, "-p", str(directory), "-c", str(configuration)], port):
        yield port


@contextmanager
def _serving(command: Sequence[str], port: int) -> Iterator[None]:
    process = subprocess.Popen(
        command,
        env=clean_environment({}),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )

    def is_up() -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{port}/", trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    try:
        eventually(is_up, f"{command[0]} is up", timeout_s=30)
        yield
    finally:
        process.terminate()
        process.wait(_END_PATIENCE_S)
