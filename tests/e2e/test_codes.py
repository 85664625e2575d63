"""What users see of the catalogue: commands, answers and a page, in two languages."""

import csv
import io
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.pushes import form
from tests.support.catalogues import is_chinese, is_english
from tests.support.server import KEY, Server, http_client, run

Json = dict[str, Any]

# Rows of the test's own: what comes with the package may be corrected at any time.
MINE = """\
[[codes]]
code = "ZQ:0001"
category = "routing"
retry = "retry-later"
meaning = "No way out"
meaning_zh = "没有出路"
cause = "All lines are busy."
cause_zh = "线路繁忙。"
suggestion = "Send again later; nobody has to act."
suggestion_zh = "稍后重新发送。"

[[codes]]
code = "ZQ:*"
category = "carrier-failure"
retry = "retry-later"
meaning = "<script>alert(1)</script>"
meaning_zh = "<script>不行</script>"
"""
REFUSED = "E200033"
ENTRY = {"sms_msg_id": "refused_1", "status": REFUSED, "sent_at": "2024-01-01T00:00:00Z"}


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a catalogue file."""
    file = tmp_path_factory.mktemp("catalogue") / "mine.toml"
    file.write_text(MINE)
    return file


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, mine: Path) -> Iterator[Server]:
    """Return a server that knows that file and had reports of all kinds."""
    directory = tmp_path_factory.mktemp("codes") / "data"
    made = Server(directory, {"RECEIVER_CATALOGUE_FILE": str(mine)})
    with closing(made.start()):
        for sms_msg_id, status, more in (
            ("own_1", "ZQ:0001", {"statusDesc": "Their own words"}),
            ("family_1", "ZQ:7777", {}),
            ("unknown_1", "never heard of", {}),
            ("unknown_2", "never heard of", {}),
            ("known_1", "DELIVRD", {}),
        ):
            push = form(smsMsgId=sms_msg_id, status=status, **more)
            assert made.push(push).status_code == 200
        made.caught_up()
        yield made


def explained(code: str, *more: str, **env: str) -> Json:
    """Explain a code by the command."""
    done = run("explain", code, "--json", *more, env=env)
    assert done.returncode == 0, done.stderr
    match: Json = json.loads(done.stdout)["match"]
    return match


def ask(server: Server, path: str, header: str | None = None, **parameters: str) -> httpx.Response:
    """Get something that must be there."""
    headers = {} if header is None else {"accept-language": header}
    answer = server.api.http.get(path, params=parameters, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer


def texts_of(document: Json) -> list[str]:
    """Return the texts for people of a row or a verdict."""
    return [document[name] for name in ("meaning", "cause", "suggestion")]


# --- commands: what changed ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an export of the catalogue as it comes with the package."""
    done = run("codes", "--csv")
    assert done.returncode == 0, done.stderr
    file = tmp_path_factory.mktemp("before") / "before.csv"
    file.write_text(done.stdout)
    return file


@pytest.fixture
def corrected(tmp_path: Path) -> dict[str, str]:
    """Return the environment of a catalogue with one row more and one that decides otherwise."""
    file = tmp_path / "own.csv"
    file.write_text("code,category,retry,meaning\nMK:0012,,never,\nZQ:1,routing,never,No way\n")
    return {"RECEIVER_CATALOGUE_FILE": str(file)}


def test_diff_tells_programs_what_changed(before: Path, corrected: dict[str, str]) -> None:
    """Added rows come whole, changed ones with the old and new value of each field."""
    done = run("codes", "--diff", str(before), "--json", env=corrected)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert set(found) == {"version", "added", "removed", "changed"}
    assert [row["code"] for row in found["added"]] == ["ZQ:1"]
    assert found["added"][0]["retry"] == "never"
    assert found["removed"] == []
    (changed,) = found["changed"]
    assert changed["code"] == "MK:0012"
    assert changed["fields"]["retry"] == {"old": "retry-later", "new": "never"}


def test_diff_shows_people_what_changed(before: Path, corrected: dict[str, str]) -> None:
    """A table has a line for each field that changed, and the last line counts the rows."""
    done = run("codes", "--diff", str(before), env=corrected)
    assert done.returncode == 0, done.stderr
    (line,) = [text for text in done.stdout.splitlines() if " retry " in text]
    assert line.index("MK:0012") < line.index("retry-later") < line.index("never")
    assert done.stdout.splitlines()[-1] == "Rows added: 1, removed: 0, changed: 1."


@pytest.mark.parametrize(
    ("more", "said"),
    [
        pytest.param(
            ("--retry", "never"), "Rows added: 1, removed: 0, changed: 1.", id="new class"
        ),
        pytest.param(
            ("--retry", "retry-later"), "Rows added: 0, removed: 0, changed: 1.", id="old class"
        ),
        pytest.param(
            ("--category", "account"), "Rows added: 0, removed: 0, changed: 0.", id="category"
        ),
    ],
)
def test_diff_can_be_narrowed(
    before: Path, corrected: dict[str, str], more: tuple[str, ...], said: str
) -> None:
    """A row counts that is of the class or category before or after."""
    done = run("codes", "--diff", str(before), *more, env=corrected)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith(said)


@pytest.mark.parametrize(
    "more", [("--csv",), ("--seen", "unknown"), ("--diff", "/no/such/file")], ids=lambda m: m[0]
)
def test_diff_refuses_what_it_cannot_do(before: Path, more: tuple[str, ...]) -> None:
    """Another output, codes without rows and a file that is not there end with plain words."""
    done = run("codes", "--diff", str(before), *more)
    assert done.returncode == 2
    assert "--diff" in done.stderr
    assert "Traceback" not in done.stderr


# --- commands -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tag", "is_right"),
    [
        pytest.param("zh", is_chinese, id="zh"),
        pytest.param("zh-CN", is_chinese, id="zh-CN"),
        pytest.param("en", is_english, id="en"),
        pytest.param("fr", is_english, id="fr falls back to English"),
    ],
)
def test_explain_speaks_the_language(tag: str, is_right: Any) -> None:
    """`--lang` chooses the texts; a language that there is not gives English."""
    match = explained("E200033", "--lang", tag)
    assert all(is_right(text) for text in texts_of(match))
    assert is_english(match["why"]) == (is_right is is_english)


def test_the_usual_language_is_a_setting() -> None:
    """Without `--lang` the setting decides, and `--lang` takes precedence."""
    assert is_chinese(explained("E200033", RECEIVER_LANGUAGE="zh")["meaning"])
    assert is_english(explained("E200033", "--lang", "en", RECEIVER_LANGUAGE="zh")["meaning"])


def test_a_code_that_looks_like_an_option_is_explained() -> None:
    """The platform has codes that begin with a minus sign."""
    assert explained("-8437")["rule"] == "exact"


@pytest.mark.parametrize(
    ("code", "rule", "category"),
    [
        ("ZQ:0001", "exact", "routing"),
        ("zq:1", "variant", "routing"),
        ("ZQ:7777", "family", "carrier-failure"),
        ("never heard of", "fallback", "unknown"),
    ],
)
def test_explain_tells_how_it_knows(mine: Path, code: str, rule: str, category: str) -> None:
    """The user's own rows explain too, and `why` says which row decided."""
    match = explained(code, RECEIVER_CATALOGUE_FILE=str(mine))
    assert (match["rule"], match["category"]) == (rule, category)
    assert rule == "fallback" or match["code"] in match["why"]
    assert rule == "fallback" or "your own catalogue file" in match["why"]


def test_codes_shows_a_table_in_a_language() -> None:
    """The rows of a category are listed with texts in the language asked for."""
    done = run("codes", "--category", "blocked-recipient", "--lang", "zh", "--json")
    assert done.returncode == 0, done.stderr
    codes = json.loads(done.stdout)["codes"]
    assert codes
    assert {code["category"] for code in codes} == {"blocked-recipient"}
    assert all(is_chinese(text) for code in codes for text in texts_of(code))
    shown = run("codes", "--category", "blocked-recipient", "--lang", "zh", env={"COLUMNS": "300"})
    assert shown.returncode == 0, shown.stderr
    assert codes[0]["code"] in shown.stdout
    assert codes[0]["meaning"] in shown.stdout


def test_the_export_can_be_read_back(mine: Path, tmp_path: Path) -> None:
    """What `--csv` writes is a catalogue file of the same rows, whatever they say."""
    first = run("codes", "--csv", env={"RECEIVER_CATALOGUE_FILE": str(mine)})
    assert first.returncode == 0, first.stderr
    file = tmp_path / "exported.csv"
    file.write_text(first.stdout)
    again = run("codes", "--csv", env={"RECEIVER_CATALOGUE_FILE": str(file)})
    assert again.returncode == 0, again.stderr
    rows = list(csv.DictReader(io.StringIO(first.stdout)))
    assert len(rows) > 400
    assert again.stdout == first.stdout
    (own,) = [row for row in rows if row["code"] == "ZQ:0001"]
    assert (own["meaning"], own["meaning_zh"]) == ("No way out", "没有出路")


def test_codes_that_came_and_are_missing_are_listed(server: Server) -> None:
    """`--seen unknown` and `--seen unlisted` ask the running receiver."""

    def seen(which: str) -> dict[str, Json]:
        done = run("codes", "--seen", which, "--json", env=server.environment)
        assert done.returncode == 0, done.stderr
        return {code["code"]: code for code in json.loads(done.stdout)}

    assert set(seen("unknown")) == {"never heard of"}
    assert set(seen("unlisted")) == {"never heard of", "ZQ:7777"}
    code = seen("unknown")["never heard of"]
    assert (code["messages"], code["example"]["sms_msg_id"]) == (2, "unknown_2")
    shown = run("codes", "--seen", "unknown", env=server.environment)
    assert "never heard of" in shown.stdout
    assert "unknown_2" in shown.stdout


def test_lookup_speaks_the_language(server: Server) -> None:
    """`receiver lookup --lang zh` shows the verdict in Chinese and the platform's words beside."""
    where = ("--api-url", server.api_url, "--api-key", KEY, "--lang", "zh")
    done = run("lookup", "own_1", "--json", *where)
    assert done.returncode == 0, done.stderr
    message = json.loads(done.stdout)
    assert message["verdict"]["meaning"] == "没有出路"
    shown = run("lookup", "own_1", *where)
    assert "没有出路" in shown.stdout
    assert "Their own words" in shown.stdout


# --- answers ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "parameters", "tag"),
    [
        pytest.param("zh-CN", {}, "zh-CN", id="header"),
        pytest.param("zh-CN,zh;q=0.9,en;q=0.8", {}, "zh-CN", id="a browser's header"),
        pytest.param(None, {"lang": "zh"}, "zh-CN", id="parameter"),
        pytest.param("zh-CN", {"lang": "en"}, "en", id="parameter over header"),
        pytest.param("fr", {}, "en", id="another language"),
        pytest.param(None, {}, "en", id="nothing said"),
    ],
)
def test_answers_speak_the_language(
    server: Server, header: str | None, parameters: dict[str, str], tag: str
) -> None:
    """Messages, look-ups and codes come in the language asked for, and say which it is."""
    headers = {} if header is None else {"accept-language": header}
    found = server.api.http.post(
        "/v1/messages/lookup", json={"ids": ["own_1"]}, params=parameters, headers=headers
    )
    one = ask(server, "/v1/messages/own_1", header, **parameters)
    listed = ask(server, "/v1/messages", header, code="ZQ:0001", **parameters)
    code = ask(server, "/v1/codes/ZQ:0001", header, **parameters)
    codes = ask(server, "/v1/codes", header, category="routing", **parameters)
    for answer in (found, one, listed, code, codes):
        assert answer.headers["content-language"] == tag
        assert "Accept-Language" in answer.headers["vary"]
    meanings = [
        found.json()["messages"][0]["verdict"]["meaning"],
        one.json()["verdict"]["meaning"],
        listed.json()["messages"][0]["verdict"]["meaning"],
        code.json()["match"]["meaning"],
        *(row["meaning"] for row in codes.json()["codes"] if row["code"] == "ZQ:0001"),
    ]
    assert meanings == [{"en": "No way out", "zh-CN": "没有出路"}[tag]] * 5


def test_what_is_missing_is_listed(server: Server) -> None:
    """`seen` gives the codes that nothing explains, or that have no row of their own."""
    unknown = ask(server, "/v1/codes", seen="unknown").json()["codes"]
    unlisted = ask(server, "/v1/codes", seen="unlisted").json()["codes"]
    assert [code["code"] for code in unknown] == ["never heard of"]
    assert [code["code"] for code in unlisted] == ["never heard of", "ZQ:7777"]
    assert server.api.metric("receiver_unknown_codes_total") == 2


def test_the_platforms_words_stand_beside_ours(server: Server) -> None:
    """`statusDesc` is shown as it came, and the verdict keeps its own words."""
    message = server.api.message("own_1")
    assert message["status_desc"] == "Their own words"
    assert message["verdict"]["meaning"] == "No way out"
    assert server.api.message("family_1")["status_desc"] is None


def test_what_the_platform_refused_has_a_verdict_at_once(server: Server) -> None:
    """A refused entry is told in the answer, in any language, and is looked up as refused."""
    answer = server.api.http.post(
        "/v1/sends", json={"code": "E000510", "result": [ENTRY]}, params={"lang": "zh"}
    )
    assert answer.status_code == 202
    assert answer.headers["content-language"] == "zh-CN"
    taken = answer.json()
    (refused,) = taken["refused"]
    assert (refused["sms_msg_id"], refused["code"]) == ("refused_1", REFUSED)
    assert taken["request"]["code"] == "E000510"
    for verdict in (refused["verdict"], taken["request"]["verdict"]):
        assert all(is_chinese(text) for text in texts_of(verdict))
        assert verdict["billable"] is False
    server.caught_up()
    message = ask(server, "/v1/messages/refused_1", lang="zh").json()
    assert (message["state"], message["code"]) == ("refused", REFUSED)
    assert message["verdict"] == refused["verdict"]


def test_a_request_that_failed_has_a_verdict_at_once(server: Server) -> None:
    """A send request that was refused as a whole says what to correct; nothing is registered."""
    taken = server.api.register({"code": "E000101", "description": "Authentication failed."})
    assert (taken["registered"], taken["refused"]) == (0, [])
    verdict = taken["request"]["verdict"]
    assert (verdict["category"], verdict["action"]) == ("account", "fix")


# --- the page -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "parameters", "tag"),
    [
        pytest.param("zh-CN", {}, "zh-CN", id="header"),
        pytest.param("en", {"lang": "zh"}, "zh-CN", id="parameter"),
        pytest.param("de", {}, "en", id="another language"),
    ],
)
def test_the_page_needs_no_key(
    server: Server, header: str, parameters: dict[str, str], tag: str
) -> None:
    """Anybody who reaches the private listener reads the catalogue; no text of it is obeyed."""
    with http_client(server.api_url) as stranger:
        answer = stranger.get("/docs/codes", params=parameters, headers={"accept-language": header})
        assert stranger.get("/v1/codes").status_code == 401
    assert answer.status_code == 200
    assert answer.headers["content-language"] == tag
    assert "Accept-Language" in answer.headers["vary"]
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    page = answer.text
    assert ("没有出路" in page) == (tag == "zh-CN")
    assert ("No way out" in page) == (tag == "en")
    inner = "alert(1)" if tag == "en" else "不行"
    assert f"&lt;script&gt;{inner}&lt;/script&gt;" in page
    assert f"<script>{inner}" not in page


def test_the_page_is_not_on_the_public_listener(server: Server) -> None:
    """Whoever pushes cannot read it."""
    assert server.public.get("/docs/codes").status_code == 404
