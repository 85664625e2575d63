"""`python -m tests.simulated_day [seed ...]`: prints how the policy does beside the others.

Columns: the share of messages that arrived in time, also of the oracle's; the share of what only a
retry could deliver; sends in all, also of the oracle's; retries; second copies that arrived;
retries to people who had opted out and to numbers that a code had shown to be lost.
"""

import sys
from collections.abc import Iterator
from time import perf_counter

from receiver.app.policies import make_retry_policy
from tests.simulated_day.day import Figures, Run
from tests.simulated_day.oracle import Foreseeing
from tests.simulated_day.strategies import SETTINGS, ByPolicy, Fixed, Never
from tests.simulated_day.world import make_world

SEEDS = (1, 2, 3, 4, 5)
MESSAGES = 8000


def simulate(seed: int, messages: int) -> dict[str, Figures]:
    """Run every strategy through the same day."""
    world = make_world(seed, messages)
    return {
        "oracle": Foreseeing(world, make_retry_policy(SETTINGS)).figures(),
        "policy": Run(world, ByPolicy()).finish(),
        "never": Run(world, Never()).finish(),
        "fixed": Run(world, Fixed()).finish(),
    }


def lines(found: dict[str, Figures]) -> Iterator[str]:
    """Write a table, a line for each strategy."""
    oracle, never = found["oracle"], found["never"]
    recoverable = oracle.delivered - never.delivered
    yield (
        "  strategy  delivered  of oracle's  recovered  attempts  of oracle's  retries"
        "  duplicates  to suppressed"
    )
    for name, one in found.items():
        yield (
            f"  {name:8}  {one.delivered / one.messages:9.2%}"
            f"  {one.delivered / oracle.delivered:11.2%}"
            f"  {(one.delivered - never.delivered) / recoverable:9.2%}"
            f"  {one.attempts:8}  {one.attempts / oracle.attempts:11.3f}  {one.retries:7}"
            f"  {one.duplicates:10}  {one.to_suppressed:13}"
        )


def main() -> None:
    """Print a table for each seed."""
    for seed in [int(text) for text in sys.argv[1:]] or SEEDS:
        begun = perf_counter()
        found = simulate(seed, MESSAGES)
        took_s = perf_counter() - begun
        title = f"seed {seed}: {found['oracle'].messages} messages, {took_s:.1f} s"
        sys.stdout.write("\n".join([title, *lines(found), ""]))


if __name__ == "__main__":
    main()
