"""What the private API says of codes: rows, explanations, languages, what is missing, refusals."""

import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from receiver.app.credentials import now
from receiver.domain import times
from tests.support.catalogues import is_chinese, is_english
from tests.support.parts import Served, a_node, batch, check_problem

Json = dict[str, Any]

# Rows of the test's own: what comes with the package may be corrected at any time.
MINE = """\
code,category,retry,meaning,meaning_zh,cause,cause_zh,suggestion,suggestion_zh
ZQ:0001,routing,retry-later,No way out,没有出路,All lines are busy.,线路繁忙。,Wait a bit.,请稍候。
ZQ:*,carrier-failure,retry-later,ZQ failed,供应商故障,Unknown cause.,原因不明。,Wait.,请等待。
<b>&,account,never,<script>alert(1)</script>,<b>不行</b>,"""
MINE += """\"'><i>.,"\"'><i>。",</td>Stop & go.,停止 & 前进。
"""
TEXTS = ("meaning", "cause", "suggestion")


@asynccontextmanager
async def a_node_of_mine(directory: Path, **changes: Any) -> AsyncIterator[Served]:
    """Run a node with the rows of the test's own."""
    file = directory / "mine.csv"
    file.write_text(MINE)
    async with a_node(directory / "data", catalogue_file=file, **changes) as served:
        yield served


def texts_of(document: Json) -> list[str]:
    """Return the texts for people of a row, a match or a verdict."""
    return [document[name] for name in TEXTS]


async def push(served: Served, *items: Json) -> None:
    """Push reports, which must be taken."""
    answer = await served.push(batch(items))
    assert answer.status_code == 200, answer.text


# --- rows and explanations ------------------------------------------------------------------------


async def test_the_catalogue_is_listed(tmp_path: Path) -> None:
    """All codes are listed with the catalogue's version, those of the user's own file too."""
    async with a_node_of_mine(tmp_path) as served:
        everything = await served.get("/v1/codes")
    assert len(everything["codes"]) > 400
    assert re.fullmatch("[0-9a-f]{12}", everything["version"])
    (mine,) = [code for code in everything["codes"] if code["code"] == "ZQ:0001"]
    assert mine == {
        "code": "ZQ:0001",
        "origin": "supplier",
        "scope": "both",
        "category": "routing",
        "retry": "retry-later",
        "retry_after_s": None,
        "billable": None,
        "meaning": "No way out",
        "cause": "All lines are busy.",
        "suggestion": "Wait a bit.",
        "source": "mine.csv",
        "rank": "override",
    }


@pytest.mark.parametrize(
    "wanted",
    [
        pytest.param({"category": "timeout"}, id="category"),
        pytest.param({"retry": "never"}, id="retry class"),
        pytest.param({"origin": "send-api"}, id="origin"),
        pytest.param({"category": "configuration", "retry": "after-fix", "origin": "platform"},
                     id="all of them"),
    ],
)  # fmt: skip
async def test_codes_are_found_by_what_they_say(tmp_path: Path, wanted: dict[str, str]) -> None:
    """Each filter gives exactly the rows that fit, and several give those that fit all."""
    async with a_node(tmp_path) as served:
        everything = (await served.get("/v1/codes"))["codes"]
        some = (await served.get("/v1/codes", **wanted))["codes"]
    assert some
    assert some == [code for code in everything if wanted.items() <= code.items()]


@pytest.mark.parametrize(
    ("path", "rule", "category", "action"),
    [
        pytest.param("DELIVRD", "exact", "delivered", "none", id="listed"),
        pytest.param("ZQ%3A0001?source=2", "exact", "routing", "retry", id="own row"),
        pytest.param("zq%3A1", "variant", "routing", "retry", id="another notation"),
        pytest.param("ZQ%3A0099", "family", "carrier-failure", "retry", id="family"),
        pytest.param("never-heard-of", "fallback", "unknown", "investigate", id="not listed"),
        pytest.param("a%2Fb%25", "fallback", "unknown", "investigate", id="any characters"),
        pytest.param("UNDELIV?org_code=ZQ%3A0001", "exact", "routing", "retry", id="org code"),
    ],
)
async def test_a_code_is_explained(
    tmp_path: Path, path: str, rule: str, category: str, action: str
) -> None:
    """Each code, listed or not, is explained with the rule that decided and what there is to do."""
    async with a_node_of_mine(tmp_path) as served:
        answer = await served.api.get(f"/v1/codes/{path}")
    assert answer.status_code == 200
    document = answer.json()
    match = document["match"]
    assert match["rule"].startswith(rule)
    assert (match["category"], match["action"]) == (category, action)
    assert all(texts_of(match))
    assert document["version"]
    assert match["code"] in match["why"] or rule == "fallback"


async def test_an_explanation_shows_every_row_that_could_apply(tmp_path: Path) -> None:
    """Beside the row that decides stands its family, for who wants to know."""
    async with a_node_of_mine(tmp_path) as served:
        found = await served.get("/v1/codes/ZQ%3A0001")
    assert [entry["code"] for entry in found["entries"]] == ["ZQ:0001", "ZQ:*"]


@pytest.mark.parametrize(
    "query",
    [
        pytest.param("/v1/codes?nonsense=1", id="unknown name"),
        pytest.param("/v1/codes?category=lost", id="no category"),
        pytest.param("/v1/codes?retry=perhaps", id="no retry class"),
        pytest.param("/v1/codes?seen=all", id="no way to be seen"),
        pytest.param("/v1/codes?seen=unknown&category=routing", id="seen with a filter"),
        pytest.param("/v1/codes?seen=unknown&limit=1001", id="limit too high"),
        pytest.param("/v1/codes?lang=", id="no language"),
        pytest.param("/v1/codes/X?source=4", id="no source"),
        pytest.param("/v1/codes/X?nonsense=1", id="code, unknown name"),
        pytest.param("/docs/codes?nonsense=1", id="page, unknown name"),
    ],
)
async def test_a_question_that_makes_no_sense_is_refused(tmp_path: Path, query: str) -> None:
    """Unknown parameters and values get 400, so that a typing error is not a silent answer."""
    async with a_node(tmp_path) as served:
        check_problem(await served.api.get(query), 400)


# --- languages ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("usual", "header", "lang", "expected"),
    [
        pytest.param("en", None, None, "en", id="nothing said"),
        pytest.param("zh", None, None, "zh-CN", id="nothing said, set to Chinese"),
        pytest.param("en", "zh-CN", None, "zh-CN", id="header"),
        pytest.param("en", "fr, zh;q=0.5", None, "zh-CN", id="header, second choice"),
        pytest.param("zh", "en-GB,zh;q=0.9", None, "en", id="header over setting"),
        pytest.param("zh", "*", None, "zh-CN", id="header leaves the choice"),
        pytest.param("zh", "fr", None, "en", id="header of a language that there is not"),
        pytest.param("en", "en", "zh", "zh-CN", id="parameter over header"),
        pytest.param("zh", "zh", "en-US", "en", id="parameter over all"),
        pytest.param("zh", "zh", "fr", "en", id="parameter of a language that there is not"),
    ],
)
async def test_the_language_is_chosen(
    tmp_path: Path, usual: str, header: str | None, lang: str | None, expected: str
) -> None:
    """`lang`, else `Accept-Language`, else the setting decides; what there is not is English."""
    headers = {} if header is None else {"accept-language": header}
    parameters = {} if lang is None else {"lang": lang}
    async with a_node_of_mine(tmp_path, language=usual) as served:
        answer = await served.api.get("/v1/codes/ZQ:0001", headers=headers, params=parameters)
    assert answer.headers["content-language"] == expected
    assert answer.headers["vary"] == "Accept-Language"
    meaning = answer.json()["match"]["meaning"]
    assert meaning == {"en": "No way out", "zh-CN": "没有出路"}[expected]


@pytest.mark.parametrize(("lang", "is_right"), [("en", is_english), ("zh", is_chinese)])
async def test_every_answer_with_texts_speaks_the_language(
    tmp_path: Path, lang: str, is_right: Callable[[str], bool]
) -> None:
    """Messages, look-ups, registrations and explanations have no text in the other language."""
    sends = [{"sms_msg_id": "r", "status": "E200033"}, {"sms_msg_id": "p"}]
    async with a_node(tmp_path) as served:

        async def ask(method: str, path: str, body: Json | None = None) -> Json:
            answer = await served.api.request(method, path, params={"lang": lang}, json=body)
            assert answer.is_success, answer.text
            assert answer.headers["content-language"].startswith(lang)
            found: Json = answer.json()
            return found

        await push(
            served,
            {"smsMsgId": "d", "status": "DELIVRD"},
            {"smsMsgId": "f", "status": "MK:0012"},
            {"smsMsgId": "x", "status": "never heard of"},
        )
        taken = await ask("POST", "/v1/sends", {"response": {"code": "E000510", "result": sends}})
        listed = (await ask("GET", "/v1/messages"))["messages"]
        found = (await ask("POST", "/v1/messages/lookup", {"ids": list("rpdfx")}))["messages"]
        single = [await ask("GET", f"/v1/messages/{name}") for name in "rpdfx"]
        explained = (await ask("GET", "/v1/codes/DELIVRD"))["match"]
    assert sorted(map(str, listed)) == sorted(map(str, found)) == sorted(map(str, single))
    spoken = [taken["request"]["verdict"], taken["refused"][0]["verdict"], explained]
    spoken += [message["verdict"] for message in listed]
    assert len(spoken) == 8
    for one in spoken:
        assert all(is_right(text) for text in texts_of(one)), one
        why = one["why"] if isinstance(one["why"], str) else one["why"]["text"]
        assert is_english(why) == (lang == "en"), why


# --- what is missing ------------------------------------------------------------------------------


async def test_codes_that_nothing_explains_are_listed(tmp_path: Path) -> None:
    """`seen=unknown` lists codes without row and family, `unlisted` also those of a family."""
    async with a_node_of_mine(tmp_path) as served:
        await push(
            served,
            {"smsMsgId": "1", "status": "never heard of"},
            {"smsMsgId": "2", "status": "never heard of", "orgCode": "nor of this"},
            {"smsMsgId": "3", "status": "never heard of", "orgCode": "ZQ:0001"},
            {"smsMsgId": "4", "status": "ZQ:0077"},
            {"smsMsgId": "5", "status": "ZQ:0077"},
            {"smsMsgId": "6", "status": "ZQ:0001"},
            {"smsMsgId": "7", "status": "DELIVRD"},
            {"smsMsgId": "9", "status": "UNDELIV", "orgCode": "MN:0013"},
            {"smsMsgId": "10", "status": "UNDELIV", "orgCode": "000"},
        )
        await served.register(sends=[{"sms_msg_id": "8", "status": "E999999"}])
        unknown = await served.get("/v1/codes", seen="unknown")
        unlisted = await served.get("/v1/codes", seen="unlisted")
        first = await served.get("/v1/codes", seen="unlisted", limit="1")
        assert (await served.get("/v1/codes"))["version"] == unknown["version"]

    def shown(codes: list[Json]) -> set[tuple[Any, ...]]:
        return {(c["code"], c["org_code"], c["refused"], c["messages"]) for c in codes}

    nothing = {
        ("never heard of", None, False, 1),
        ("never heard of", "nor of this", False, 1),
        ("E999999", None, True, 1),
    }
    assert shown(unknown["codes"]) == nothing
    assert shown(unlisted["codes"]) == nothing | {
        ("ZQ:0077", None, False, 2),
        ("UNDELIV", "MN:0013", False, 1),  # listed, but what decides is a sibling of the own code
    }
    assert shown(first["codes"]) == {("ZQ:0077", None, False, 2)}
    (family,) = first["codes"]
    assert family["example"] == {"sms_msg_id": "5", "application": "default"}
    assert family["first_at"] <= family["last_at"]
    assert family["last_at"].endswith("Z")


async def test_unknown_codes_are_counted(tmp_path: Path) -> None:
    """The metric grows with each report that nothing explains, and its labels stay ours."""
    async with a_node_of_mine(tmp_path) as served:
        await push(
            served,
            {"smsMsgId": "1", "status": "never heard of"},
            {"smsMsgId": "2", "status": "ZQ:0077"},
            {"smsMsgId": "3", "status": "never heard of", "orgCode": "ZQ:0001"},
        )
        metrics = (await served.api.get("/metrics")).text
        version = (await served.get("/v1/codes"))["version"]
    assert "\nreceiver_unknown_codes_total 1.0\n" in metrics
    assert 'receiver_reports_total{category="unknown",code="*"} 1.0' in metrics
    assert 'receiver_reports_total{category="carrier-failure",code="ZQ:*"} 1.0' in metrics
    assert f'receiver_catalogue_info{{version="{version}"}} 1.0' in metrics
    assert "never heard of" not in metrics


# --- what the platform refused --------------------------------------------------------------------


async def test_a_refused_send_has_its_verdict_at_once(tmp_path: Path) -> None:
    """The answer to a registration names each refused entry with what to do about it."""
    sent_at = times.to_rfc3339(now() - 60 * times.SECOND)
    sends = [
        {"sms_msg_id": "taken"},
        {"sms_msg_id": "refused", "status": "E200033", "sent_at": "2023-11-04T00:00:00Z"},
        {"sms_msg_id": "later", "status": "E200015", "sent_at": sent_at, "to": "15500005172"},
    ]
    async with a_node(tmp_path) as served:
        answer = await served.api.post("/v1/sends", json={"sends": sends})
        taken = answer.json()
        assert (answer.status_code, taken["registered"], taken["request"]) == (202, 3, None)
        refused, later = taken["refused"]
        assert (refused["sms_msg_id"], refused["code"]) == ("refused", "E200033")
        assert (refused["verdict"]["action"], later["verdict"]["action"]) == ("fix", "retry")
        assert later["verdict"]["not_before"] > sent_at
        for one in (refused, later):
            message = await served.get(f"/v1/messages/{one['sms_msg_id']}")
            assert (message["state"], message["code"]) == ("refused", one["code"])
            assert message["verdict"] == one["verdict"]


async def test_a_request_that_failed_has_its_verdict_at_once(tmp_path: Path) -> None:
    """A whole request that the platform refused says what to do, with or without entries."""
    entry = {"smsMsgId": "m", "status": "E200033"}
    async with a_node(tmp_path) as served:
        for body, registered, refused in (
            ({"code": "E000112", "description": "x"}, 0, 0),
            ({"code": "E000112", "result": [entry]}, 1, 1),
            ({"response": {"code": "E000112"}}, 0, 0),
        ):
            taken = (await served.api.post("/v1/sends", json=body)).json()
            assert (taken["registered"], len(taken["refused"])) == (registered, refused)
            assert taken["request"]["code"] == "E000112"
            verdict = taken["request"]["verdict"]
            assert (verdict["category"], verdict["action"]) == ("account", "fix")
            assert verdict["billable"] is False
        well = (await served.api.post("/v1/sends", json={"code": "000000", "result": []})).json()
        assert well["request"] is None


async def test_long_lists_of_refusals_are_cut(tmp_path: Path) -> None:
    """Of thousands of refused entries a hundred are shown; all of them are registered."""
    sends = [{"sms_msg_id": f"m{number}", "status": "E200033"} for number in range(300)]
    async with a_node(tmp_path) as served:
        taken = (await served.api.post("/v1/sends", json={"sends": sends})).json()
    assert (taken["registered"], len(taken["refused"])) == (300, 100)


async def test_the_platforms_words_stand_beside_ours(tmp_path: Path) -> None:
    """`statusDesc` is shown as it came, and changes no word of the verdict."""
    described = {"smsMsgId": "a", "status": "ZQ:0001", "statusDesc": "Their <own> words"}
    async with a_node_of_mine(tmp_path) as served:
        await push(served, described, {"smsMsgId": "b", "status": "ZQ:0001"})
        with_words, without = [await served.get(f"/v1/messages/{name}") for name in "ab"]
    assert (with_words["status_desc"], without["status_desc"]) == ("Their <own> words", None)
    assert with_words["verdict"] == without["verdict"]
    assert with_words["verdict"]["meaning"] == "No way out"


# --- the page -----------------------------------------------------------------------------------


@pytest.mark.parametrize("lang", ["en", "zh"])
async def test_the_page_shows_every_row(tmp_path: Path, lang: str) -> None:
    """Without a key anybody reads all rows in the language asked for, and a link to the other."""
    async with a_node_of_mine(tmp_path) as served:
        codes = (await served.get("/v1/codes", lang=lang))["codes"]
        served.api.headers.pop("authorization")
        answer = await served.api.get("/docs/codes", params={"lang": lang})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["content-language"].startswith(lang)
    assert answer.headers["vary"] == "Accept-Language"
    page = answer.text
    assert page.count("<tr data-category=") == len(codes)
    assert f'<html lang="{answer.headers["content-language"]}">' in page
    assert f'href="?lang={"zh" if lang == "en" else "en"}"' in page
    mine = next(code for code in codes if code["code"] == "ZQ:0001")
    assert all(text in page for text in texts_of(mine))


async def test_the_page_obeys_no_text(tmp_path: Path) -> None:
    """What stands in a row is shown, not run: it is escaped, and the policy lets nothing run."""
    async with a_node_of_mine(tmp_path) as served:
        answer = await served.api.get("/docs/codes")
    page, policy = answer.text, answer.headers["content-security-policy"]
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "&lt;b&gt;&amp;" in page
    assert "<i>" not in page
    assert "</td>Stop" not in page
    assert page.count("<script") == 1
    assert page.count("</script") == 1
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_code_that_a_stranger_chose_is_shown_as_it_came(tmp_path: Path) -> None:
    """Whatever characters a code holds, the list of what is missing is valid JSON with them."""
    odd = '<b>\x1b[31m"\u540d'
    async with a_node(tmp_path) as served:
        await push(served, {"smsMsgId": "1", "status": odd})
        answer = await served.api.get("/v1/codes", params={"seen": "unknown"})
    (code,) = json.loads(answer.content)["codes"]
    assert code["code"] == odd
