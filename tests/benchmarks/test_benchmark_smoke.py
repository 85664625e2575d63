"""The benchmark runs to its end and reports what it promises."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.load import Generator
from tests.benchmarks.percentiles import percentile

ROOT = Path(__file__).parents[2]
WITHOUT_WRK = pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")


@pytest.mark.parametrize(
    "generator",
    [
        pytest.param(Generator.WRK, marks=WITHOUT_WRK, id="wrk"),
        pytest.param(Generator.BUILTIN, id="builtin"),
    ],
)
def test_a_quick_run_prints_rates_with_ratios(generator: Generator, tmp_path: Path) -> None:
    """A quick run on the bare server ends well, prints its ratios and writes them as JSON."""
    path = tmp_path / "result.json"
    command = [sys.executable, "-m", "tests.benchmarks", "--quick", "--server", "bare"]
    ran = subprocess.run(
        [*command, "--generator", generator, "--json", str(path)],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "x bare" in ran.stdout
    assert "x fastapi" in ran.stdout
    assert "1.00" in ran.stdout
    document = json.loads(path.read_text())
    assert document["machine"]["cores"] > 0
    assert document["machine"]["fdatasync_p99_us"] >= document["machine"]["fdatasync_p50_us"] > 0
    assert [row["mode"] for row in document["results"]] == ["close", "keep-alive"]
    for row in document["results"]:
        assert row["per_second"] > 0
        assert row["p99_ms"] >= row["p50_ms"] > 0
        assert row["to_bare"] == 1.0
        assert row["to_fastapi"] is None


@pytest.mark.parametrize(
    ("percent", "expected"),
    [
        pytest.param(0, 1, id="0: the first"),
        pytest.param(50, 2, id="50: 4 x 0.5 = 2nd"),
        pytest.param(51, 3, id="51: 4 x 0.51 rounded up = 3rd"),
        pytest.param(99, 4, id="99: the last"),
    ],
)
def test_a_percentile_is_the_nearest_rank(percent: float, expected: float) -> None:
    """A percentile is the value at its rank, rounded up, of the ordered values."""
    assert percentile([4, 2, 1, 3], percent) == expected
