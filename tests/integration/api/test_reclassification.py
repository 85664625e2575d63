"""Folding history again by the private API: begin, watch, stop, and what is refused."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from receiver.settings import ApiKey
from tests.support.parts import KEY, PATIENCE_S, Served, a_node, batch, check_problem

Json = dict[str, Any]

HEADER = "code,category,retry,meaning\n"
CORRECTED = HEADER + "ZQ:0001,account,never,Closed\n"
BAD = HEADER + "ZQ:0001,nonsense,never,Closed\nZQ:0002,account,perhaps,Closed\n"


async def done(served: Served) -> Json:
    """Wait for the end of a run."""
    async with asyncio.timeout(PATIENCE_S):
        while (run := await served.get("/v1/reclassify"))["phase"] == "running":  # noqa: ASYNC110 - as a client has to
            await asyncio.sleep(0.005)
    found: Json = run
    return found


async def fill(served: Served, count: int) -> None:
    """Push failures of a code that nothing explains."""
    items = [{"smsMsgId": f"m{number}", "status": "ZQ:0001"} for number in range(count)]
    assert (await served.push(batch(items))).status_code == 200


async def test_a_corrected_file_is_taken_over_without_a_restart(tmp_path: Path) -> None:
    """The file is reloaded; verdicts follow at once, stored categories when history was folded."""
    file = tmp_path / "mine.csv"
    file.write_text(HEADER)
    async with a_node(tmp_path / "data", catalogue_file=file) as served:
        await fill(served, 3)
        before = (await served.get("/v1/codes"))["version"]
        assert (await served.get("/v1/messages/m0"))["verdict"]["category"] == "unknown"
        file.write_text(CORRECTED)
        assert (await served.get("/v1/messages/m0"))["verdict"]["category"] == "unknown"
        answer = await served.api.post("/v1/reclassify")
        assert answer.status_code == 202
        run = await done(served)
        version = (await served.get("/v1/codes"))["version"]
        assert version != before
        message = await served.get("/v1/messages/m0")
        verdict = message["verdict"]
        assert (verdict["category"], verdict["catalogue"]) == ("account", version)
        found = await served.get("/v1/messages", category="account")
        assert len(found["messages"]) == 3
        assert (await served.get("/v1/messages", category="unknown"))["messages"] == []
        assert f'version="{version}"' in (await served.api.get("/metrics")).text
        await served.push(batch([{"smsMsgId": "new", "status": "ZQ:0001"}]))
        assert len((await served.get("/v1/messages", category="account"))["messages"]) == 4
    assert (run["phase"], run["share"], run["examined"], run["changed"]) == ("finished", 1, 3, 3)
    assert version in run["rules"]
    assert run["started_at"] <= run["updated_at"] == run["finished_at"]
    assert run["changes"] == [
        {
            "from": {"state": "failed", "category": "unknown"},
            "to": {"state": "failed", "category": "account"},
            "messages": 3,
            "examples": ["m0", "m1", "m2"],
        }
    ]


async def test_a_file_that_cannot_be_used_changes_nothing(tmp_path: Path) -> None:
    """The answer names each problem; the catalogue in force stays, and nothing is folded."""
    file = tmp_path / "mine.csv"
    file.write_text(HEADER)
    async with a_node(tmp_path / "data", catalogue_file=file) as served:
        await fill(served, 1)
        before = await served.get("/v1/codes")
        file.write_text(BAD)
        problem = check_problem(await served.api.post("/v1/reclassify"), 409)
        assert problem["type"].endswith(":unusable-catalogue")
        (first, second) = problem["problems"]
        assert f"{file}, line 2, category: 'nonsense'" in first
        assert f"{file}, line 3, retry: 'perhaps'" in second
        assert await served.get("/v1/codes") == before
        check_problem(await served.api.get("/v1/reclassify"), 404)
        file.unlink()
        check_problem(await served.api.post("/v1/reclassify"), 409)


async def test_a_run_is_stopped_and_goes_on(tmp_path: Path) -> None:
    """DELETE stops it where it is, the next POST goes on; another `since` is told to wait."""
    async with a_node(tmp_path, max_body_bytes=2**20) as served:
        await fill(served, 3000)
        began = (await served.api.post("/v1/reclassify")).json()
        assert began["phase"] == "running"
        other = {"since": "2020-01-01T00:00:00Z"}
        check_problem(await served.api.post("/v1/reclassify", json=other), 409)
        stopped = (await served.api.delete("/v1/reclassify")).json()
        assert stopped["phase"] == "stopped"
        assert stopped["share"] < 1
        assert await served.get("/v1/reclassify") == stopped
        again = (await served.api.post("/v1/reclassify", json={})).json()
        assert again["started_at"] == stopped["started_at"]
        assert again["examined"] >= stopped["examined"]
        assert (await done(served))["examined"] == 3000
        # What is at its end is not gone on with: another POST starts over.
        anew = (await served.api.post("/v1/reclassify", json=other)).json()
        assert anew["since"] == other["since"]
        assert anew["started_at"] > stopped["started_at"]
        assert (await done(served))["phase"] == "finished"


async def test_an_undo_waits_for_the_end(tmp_path: Path) -> None:
    """It is refused while a run is going on and where there was none; then it tells of itself."""
    async with a_node(tmp_path, max_body_bytes=2**20) as served:
        check_problem(await served.api.post("/v1/reclassify/undo"), 404)
        await fill(served, 3000)
        await served.api.post("/v1/reclassify")
        check_problem(await served.api.post("/v1/reclassify/undo"), 409)
        await served.api.delete("/v1/reclassify")
        undone = (await served.api.post("/v1/reclassify/undo")).json()
        assert undone["undo"] == {"at": undone["undo"]["at"], "restored": 0, "lifted": 0, "kept": 0}
        assert (await served.api.post("/v1/reclassify/undo")).json() == undone
        assert await served.get("/v1/reclassify") == undone


async def test_a_stopped_run_is_known_after_a_restart(tmp_path: Path) -> None:
    """How far it came stands in the store; a node that ends does not wait for its end."""
    async with a_node(tmp_path, max_body_bytes=2**20) as served:
        await fill(served, 3000)
        began = (await served.api.post("/v1/reclassify")).json()
        assert began["phase"] == "running"
    async with a_node(tmp_path) as served:
        found = await served.get("/v1/reclassify")
        assert (found["phase"], found["started_at"]) == ("stopped", began["started_at"])
        await served.api.post("/v1/reclassify")
        run = await done(served)
        assert (run["started_at"], run["examined"]) == (began["started_at"], 3000)


@pytest.mark.parametrize(
    ("method", "query", "body"),
    [
        pytest.param("POST", "", b"nonsense", id="no JSON"),
        pytest.param("POST", "", b"[]", id="no object"),
        pytest.param("POST", "", b'{"until": "2020-01-01T00:00:00Z"}', id="unknown member"),
        pytest.param("POST", "", b'{"since": "yesterday"}', id="no time"),
        pytest.param("POST", "", b'{"since": 7}', id="number"),
        pytest.param("POST", "?since=2020-01-01T00:00:00Z", b"", id="member in the wrong place"),
        pytest.param("GET", "?nonsense=1", b"", id="progress, unknown name"),
        pytest.param("DELETE", "?nonsense=1", b"", id="stop, unknown name"),
        pytest.param("POST", "/undo?nonsense=1", b"", id="undo, unknown name"),
    ],
)
async def test_a_request_that_makes_no_sense_is_refused(
    tmp_path: Path, method: str, query: str, body: bytes
) -> None:
    """What cannot be understood gets 400 and begins nothing."""
    async with a_node(tmp_path) as served:
        answer = await served.api.request(method, f"/v1/reclassify{query}", content=body)
        check_problem(answer, 400)
        check_problem(await served.api.get("/v1/reclassify"), 404)


async def test_only_an_administrator_folds_history_again(tmp_path: Path) -> None:
    """To begin and to stop needs the scope `admin`, to watch `read`."""
    names = ("read", "write", "admin")
    keys = [ApiKey(name=s, key=f"{s}-1f9c27e0b6a84d35", scopes=[s]) for s in names]
    allowed = {"POST": ["admin"], "GET": ["read", "admin"], "DELETE": ["admin"]}
    async with a_node(tmp_path, api_keys=keys) as served:
        assert served.api.headers["authorization"] == f"Bearer {KEY}"
        await served.api.post("/v1/reclassify")
        await done(served)
        for method, scopes in allowed.items():
            for scope in ("read", "write", "admin"):
                headers = {"authorization": f"Bearer {scope}-1f9c27e0b6a84d35"}
                answer = await served.api.request(method, "/v1/reclassify", headers=headers)
                assert answer.is_success == (scope in scopes), (method, scope)
                if scope not in scopes:
                    check_problem(answer, 403)
            answer = await served.api.request(
                method, "/v1/reclassify", headers={"authorization": ""}
            )
            check_problem(answer, 401)
