"""A PostgreSQL that is away: pushes are taken all the same, and what is wrong is said."""

import subprocess
import sys

from tests.support.parts import form
from tests.support.server import MakeServer, clean_environment, eventually, free_port

PASSWORD = "s3cret-of-the-store"  # noqa: S105 - of no service


def test_a_server_that_is_away_is_named(make_server: MakeServer) -> None:
    """Log, readiness, API and `receiver check` say what cannot be reached, without the password."""
    port = free_port()
    url = f"postgresql://rita:{PASSWORD}@127.0.0.1:{port}/letters"
    server = make_server({"RECEIVER_STORE_URL": url}).start()
    assert server.push(form(smsMsgId="m1", status="DELIVRD")).status_code == 200
    where = f"host 127.0.0.1, port {port}, database letters, user rita"
    eventually(lambda: where in server.log.read_text(), "the log names the server")
    assert server.api.http.get("/readyz").json()["store"] is False
    answer = server.api.http.get("/v1/messages")
    assert answer.status_code == 503
    assert where in answer.json()["detail"]
    checked = subprocess.run(
        [sys.executable, "-m", "receiver", "check"],
        env=clean_environment(server.environment),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert where in checked.stderr
    assert PASSWORD not in server.printed() + answer.text + checked.stdout + checked.stderr
