"""A data directory and a configuration file that others could read or change."""

import subprocess
import sys

from tests.support.parts import form
from tests.support.server import KEY, MakeServer, clean_environment


def test_an_open_data_directory_is_said_and_closed(make_server: MakeServer) -> None:
    """`check` warns and changes nothing; a start closes the directory, says so, and goes on."""
    server = make_server()
    server.directory.mkdir()
    server.directory.chmod(0o777)
    config = server.directory.with_name("receiver.toml")
    config.write_text(f'api_key = "{KEY}"\n')
    config.chmod(0o644)
    checked = subprocess.run(
        [sys.executable, "-m", "receiver", "check", "--config", str(config)],
        env=clean_environment(server.environment),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert f"run `chmod 755 {server.directory}`" in checked.stderr
    assert f"run `chmod o-rwx {config}`" in checked.stderr
    assert KEY not in checked.stderr + checked.stdout
    server.start()
    assert server.push(form(smsMsgId="m1", status="DELIVRD")).status_code == 200
    assert f"{server.directory} has mode 0777" in server.log.read_text()
    assert server.directory.stat().st_mode & 0o777 == 0o755
