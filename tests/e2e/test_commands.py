"""The small commands: `explain`, `lookup` and `check`."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.e2e.pushes import form
from tests.support.server import KEY, Server, free_port, run

NUMBER = "+8613800000001"


def lookup(server: Server, what: str, *more: str) -> subprocess.CompletedProcess[str]:
    """Look something up in a running receiver."""
    return run("lookup", what, "--api-url", server.api_url, "--api-key", KEY, *more)


@pytest.mark.parametrize("code", ["DELIVRD", "E200027", "MK:0001", "NOBODY:KNOWS"])
def test_explain_says_what_a_code_means(code: str) -> None:
    """Every code, listed or not, is explained with a suggestion."""
    done = run("explain", code, "--json")
    assert done.returncode == 0, done.stderr
    match = json.loads(done.stdout)["match"]
    assert match["category"]
    assert match["meaning"]
    assert match["suggestion"]


def test_explain_shows_a_table_to_people() -> None:
    """Without `--json` meaning, cause and suggestion are shown by name."""
    shown = run("explain", "E200027")
    assert shown.returncode == 0, shown.stderr
    for word in ("E200027", "category", "meaning", "cause", "suggestion"):
        assert word in shown.stdout


@pytest.mark.parametrize("code", ["[/b]", "[red]x", "\x1b[31mx", "a\nb"])
def test_a_code_that_a_stranger_chose_is_shown_as_it_stands(code: str) -> None:
    """Markup is not obeyed and control characters do not reach the terminal."""
    shown = run("explain", code)
    assert shown.returncode == 0, shown.stderr
    assert "\x1b[31m" not in shown.stdout
    assert code.strip("\x1b").partition("\n")[0] in shown.stdout


def test_lookup_finds_by_id_and_by_number(shared_server: Server) -> None:
    """A message is found by its id, and with others by the number."""
    for number, code in (("1", "DELIVRD"), ("2", "EXPIRED")):
        push = form(smsMsgId=f"a_{number}", status=code, extend="x", to=NUMBER)
        assert shared_server.push(push).status_code == 200
    shared_server.caught_up()
    by_id = lookup(shared_server, "a_1", "--json")
    assert by_id.returncode == 0, by_id.stderr
    assert json.loads(by_id.stdout)["state"] == "delivered"
    by_number = lookup(shared_server, NUMBER, "--json")
    assert {one["sms_msg_id"] for one in json.loads(by_number.stdout)} == {"a_1", "a_2"}
    shown = lookup(shared_server, "a_2")
    assert shown.returncode == 0, shown.stderr
    assert "failed" in shown.stdout
    assert "EXPIRED" in shown.stdout


def test_lookup_takes_address_and_key_from_the_settings(shared_server: Server) -> None:
    """With the settings of the receiver at hand no option is needed."""
    assert shared_server.push(b"smsMsgId=own_1&status=DELIVRD").status_code == 200
    shared_server.caught_up()
    done = run("lookup", "own_1", "--json", env=shared_server.environment)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["sms_msg_id"] == "own_1"


def test_lookup_of_nothing_ends_with_status_1(shared_server: Server) -> None:
    """An id that nobody knows, a wrong key and a dead receiver are told in plain words."""
    nothing = lookup(shared_server, "nobody_1")
    wrong = run("lookup", "a_1", "--api-url", shared_server.api_url, "--api-key", "wrong")
    nobody_there = f"http://127.0.0.1:{free_port()}"
    dead = run("lookup", "a_1", "--api-url", nobody_there, "--api-key", KEY)
    for done, said in ((nothing, "No message"), (wrong, "refused"), (dead, "No receiver answers")):
        assert done.returncode == 1
        assert said in done.stderr
        assert "Traceback" not in done.stderr


def test_check_explains_every_bad_value_at_once() -> None:
    """Several bad settings are all named in one run, which ends with status 1."""
    bad = {
        "RECEIVER_LISTEN": "nowhere",
        "RECEIVER_ACK": "never",
        "RECEIVER_MAX_BODY_BYTES": "few",
        "RECEIVER_JOURNAL__MAX_WAITING": "0",
        "RECEIVER_CALLBACK_TOKEN": "secret with blanks",
    }
    done = run("check", env=bad)
    assert done.returncode == 1
    for name in ("listen", "ack", "max_body_bytes", "journal.max_waiting", "callback_token"):
        assert f"error: {name}: " in done.stderr
    assert "secret with blanks" not in done.stdout + done.stderr
    problems = json.loads(run("check", "--json", env=bad).stdout)["problems"]
    assert len(problems) == len(bad)


def test_check_shows_the_settings_in_force(shared_server: Server) -> None:
    """Good settings are shown with their secrets masked, and a likely misspelling is named."""
    done = run("check", env={**shared_server.environment, "RECEIVER_LISTN": "x"})
    assert done.returncode == 0, done.stderr
    assert f"127.0.0.1:{shared_server.port}" in done.stdout
    assert KEY not in done.stdout + done.stderr
    assert "RECEIVER_LISTN" in done.stderr


def test_check_warns_of_rows_that_contradict_themselves(tmp_path: Path) -> None:
    """A row that can be used but resends too early is a warning with file, line and code."""
    file = tmp_path / "own.csv"
    file.write_text("code,retry,retry_after_s\nMK:0001,never,\n-8437,retry-later,60\n")
    done = run("check", "--json", env={"RECEIVER_CATALOGUE_FILE": str(file)})
    assert done.returncode == 0, done.stderr
    (warning,) = [w for w in json.loads(done.stdout)["warnings"] if "catalogue_file" in w]
    assert warning.startswith(f"catalogue_file: {file}, line 3, -8437, retry_after_s: ")


def test_check_warns_of_rows_beside_other_problems(tmp_path: Path) -> None:
    """A bad directory hides no doubtful row; a file that cannot be used is a problem alone."""
    file = tmp_path / "own.csv"
    env = {"RECEIVER_CATALOGUE_FILE": str(file), "RECEIVER_DATA_DIR": str(file)}
    for row, problems, warnings in (("-8437,60", 0, 1), ("-8437,soon", 1, 0)):
        file.write_text(f"code,retry_after_s\n{row}\n")
        done = run("check", "--json", env=env)
        assert done.returncode == 1, done.stderr
        found = json.loads(done.stdout)
        assert any("data_dir" in p for p in found["problems"]), found
        assert len([p for p in found["problems"] if "catalogue_file" in p]) == problems, found
        assert len([w for w in found["warnings"] if "catalogue_file" in w]) == warnings, found


def test_bad_settings_keep_serve_from_starting() -> None:
    """`serve` with a bad setting ends with status 1, plain words and no trace."""
    done = run("serve", env={"RECEIVER_LISTEN": "nowhere"})
    assert done.returncode == 1
    assert "listen: " in done.stderr
    assert "Traceback" not in done.stderr
