"""Several claimers of one retry queue, killed in the middle, over a real process."""

from pathlib import Path

from tests.support.claimers import Plan, run
from tests.support.server import at_length


def test_claimers_share_a_queue_whoever_is_killed(tmp_path: Path) -> None:
    """No item is held by two, none is lost, and nothing delivered is handed out."""
    found = run(Plan(at_length(500, 1500), claimers=3, seconds=at_length(5.0, 9.0)), tmp_path)
    assert (found.twice, found.handed_out_late, found.lost) == ([], [], [])
    assert found.killed_claimers > 3
    assert found.killed_servers == 2
    assert found.completed > at_length(100, 300)
    assert found.delivered > at_length(5, 20)
