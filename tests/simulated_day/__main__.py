"""`python -m tests.simulated_day [seed ...]`: prints how the policy does beside the others."""

import sys
from time import perf_counter

from receiver.policies import make_retry_policy
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


def main() -> None:
    """Print a table for each seed."""
    for seed in [int(text) for text in sys.argv[1:]] or SEEDS:
        begun = perf_counter()
        found = simulate(seed, MESSAGES)
        oracle, never = found["oracle"], found["never"]
        print(f"seed {seed}: {oracle.messages} messages, {perf_counter() - begun:.1f} s")
        print("  strategy  delivered  of oracle's  recovered  attempts  of oracle's  "
              "duplicates  to suppressed")
        recoverable = oracle.delivered - never.delivered
        for name, one in found.items():
            print(
                f"  {name:8}  {one.delivered / one.messages:9.2%}"
                f"  {one.delivered / oracle.delivered:11.2%}"
                f"  {(one.delivered - never.delivered) / recoverable:9.2%}"
                f"  {one.attempts:8}  {one.attempts / oracle.attempts:11.3f}"
                f"  {one.duplicates:10}  {one.to_suppressed:13}"
            )


if __name__ == "__main__":
    main()
