"""A simulated platform: it sends no SMS, but pushes what the platform would.

It plays the outside world, so it shares no code with the parts that it exercises.
"""

from receiver.simulator.options import SimulationError, SimulationOptions
from receiver.simulator.progress import show_progress, tally_table
from receiver.simulator.run import simulate
from receiver.simulator.tally import SimulationTally

__all__ = [
    "SimulationError",
    "SimulationOptions",
    "SimulationTally",
    "show_progress",
    "simulate",
    "tally_table",
]
