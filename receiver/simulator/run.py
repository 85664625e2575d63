"""The simulation: register, push at the requested rate, count the responses."""

import asyncio
import secrets
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from receiver.simulator.options import MOST_CONNECTIONS, SimulationError, SimulationOptions
from receiver.simulator.population import ACCEPTED, Wave, make_wave, wave_count
from receiver.simulator.pushes import SimulatedPush, make_pushes
from receiver.simulator.registrar import SimulatedRegistrar
from receiver.simulator.tally import SimulationTally
from receiver.simulator.wire import NotHttpError, Target, deliver, find_target

Progress = Callable[[SimulationTally], None]

_SEEDS = 2**32
_SECONDS_BETWEEN_PROGRESS = 0.2
_ACKNOWLEDGED = 200  # the platform's documentation asks for this one; others of 2xx are no promise


async def simulate(
    options: SimulationOptions,
    *,
    on_progress: Progress | None = None,
    stop: asyncio.Event | None = None,
) -> SimulationTally:
    """Push simulated traffic at a receiver and count what it answers.

    A push that fails is lost, as the platform forgets it too.

    Args:
        options: What to do.
        on_progress: Called with the growing tally a few times per second, and once at the end.
        stop: Ends the simulation early when set; what is under way is finished first, and what
            should be registered after all reports is left alone.

    Raises:
        SimulationError: nothing answers at the start, or the API refuses; the text says what
            to do.
    """
    target = await find_target(options.url, options.timeout_seconds)
    seed = secrets.randbelow(_SEEDS) if options.seed is None else options.seed
    async with AsyncExitStack() as stack:
        registrar = None
        if options.register != "never":
            registrar = await stack.enter_async_context(SimulatedRegistrar(options))
        if registrar and options.register == "after":
            await registrar.check()
        record = stack.enter_context(_open(options.record_ids)) if options.record_ids else None
        simulation = _Simulation(
            options, target, registrar, record, stop or asyncio.Event(), SimulationTally(seed)
        )
        try:
            await simulation.run(on_progress or _show_nothing)
        except ExceptionGroup as failures:  # of tasks; the first one has stopped the others
            raise _first_of(failures) from failures
        return simulation.tally


def _first_of(failures: ExceptionGroup[Exception]) -> Exception:
    first = failures.exceptions[0]
    return _first_of(first) if isinstance(first, ExceptionGroup) else first


def _show_nothing(_: SimulationTally) -> None:
    """Stand in for progress that nobody watches."""


def _open(path: Path) -> TextIO:
    try:
        return path.open("w", encoding="utf-8")
    except OSError as error:
        raise SimulationError(
            f"record_ids: {path} cannot be written ({error.strerror}). Name another file."
        ) from error


@dataclass(slots=True)
class _Simulation:
    options: SimulationOptions
    target: Target
    registrar: SimulatedRegistrar | None
    record: TextIO | None
    stop: asyncio.Event
    tally: SimulationTally
    started_at: float = 0.0  # on the loop's clock, like every instant but `moments`
    moments: list[int] = field(default_factory=list)  # the wave's present; makes it again

    async def run(self, on_progress: Progress) -> None:
        async with asyncio.TaskGroup() as group:
            stopping = group.create_task(_until_set(self.stop))
            showing = group.create_task(self._show(on_progress))
            await self._push_all(stopping)
            if self.options.register == "after" and not stopping.done():
                await self._register_all(stopping)
            stopping.cancel()
            showing.cancel()
        on_progress(self.tally)

    async def _show(self, on_progress: Progress) -> None:
        while True:
            await asyncio.sleep(_SECONDS_BETWEEN_PROGRESS)
            on_progress(self.tally)

    async def _push_all(self, stopping: asyncio.Task[None]) -> None:
        """Push wave after wave; the next one is made and registered while one is pushed."""
        clock = asyncio.get_running_loop().time
        rate = self.options.rate
        interval = 1 / rate if rate else 0.0
        slots = asyncio.Semaphore(MOST_CONNECTIONS if rate else self.options.connections)
        waves = wave_count(self.options)
        async with asyncio.TaskGroup() as group:
            ahead = group.create_task(self._prepare(0))
            due = 0.0
            for number in range(waves):
                if not ahead.done():  # our own delay must not count as the receiver's
                    await asyncio.wait({ahead, stopping}, return_when=asyncio.FIRST_COMPLETED)
                    due = max(due, clock())
                if stopping.done():
                    break
                wave, pushes = await ahead
                self._begin(wave, due)
                if number + 1 < waves:
                    ahead = group.create_task(self._prepare(number + 1))
                for push in pushes:
                    if rate and (early := due - clock()) > 0:
                        await asyncio.wait({stopping}, timeout=early)
                    await slots.acquire()
                    if stopping.done():
                        slots.release()
                        break
                    self._count(push)
                    group.create_task(self._deliver(push, due if rate else clock(), slots))
                    due += interval
            ahead.cancel()
        self.tally.elapsed = clock() - self.started_at

    async def _prepare(self, number: int) -> tuple[Wave, list[SimulatedPush]]:
        self.moments.append(time.time_ns() // 1000)
        wave = make_wave(self.options, self.tally.seed, number, self.moments[number])
        if self.registrar and self.options.register == "first":
            await self._register(self.registrar, wave)
        await asyncio.sleep(0)  # making a wave takes milliseconds; pushes go first
        return wave, make_pushes(wave, self.options, self.tally.seed)

    async def _register_all(self, stopping: asyncio.Task[None]) -> None:
        for number, moment in enumerate(self.moments):
            if self.registrar and not stopping.done():
                wave = make_wave(self.options, self.tally.seed, number, moment)
                await self._register(self.registrar, wave)

    async def _register(self, registrar: SimulatedRegistrar, wave: Wave) -> None:
        for request in wave.requests:
            first = self.tally.registered == 0
            if await registrar.register(request, first=first):
                self.tally.registered += len(request.messages)
            else:
                self.tally.unregistered += len(request.messages)

    def _begin(self, wave: Wave, now: float) -> None:
        if wave.number == 0:
            self.started_at = now
        refused = sum(message.send.status != ACCEPTED for message in wave.messages)
        self.tally.refused += refused
        self.tally.messages += refused

    def _count(self, push: SimulatedPush) -> None:
        tally = self.tally
        tally.pushes[push.kind] += 1
        tally.messages += push.begins
        if push.redelivered:
            tally.redelivered += 1
        else:
            tally.reports += len(push.sms_msg_ids)

    async def _deliver(self, push: SimulatedPush, due: float, slots: asyncio.Semaphore) -> None:
        clock = asyncio.get_running_loop().time
        try:
            async with asyncio.timeout(self.options.timeout_seconds):
                status = await deliver(self.target, push)
        except (OSError, EOFError, NotHttpError) as error:  # a timeout is an OSError
            self.tally.not_acknowledged[type(error).__name__] += 1
        else:
            if status == _ACKNOWLEDGED:
                self.tally.acknowledged[push.kind] += 1
                self.tally.latencies.add((clock() - due) * 1000)
                self._write_down(push)
            else:
                self.tally.not_acknowledged[f"HTTP {status}"] += 1
        finally:
            slots.release()
            self.tally.elapsed = clock() - self.started_at

    def _write_down(self, push: SimulatedPush) -> None:
        if self.record is None or not push.sms_msg_ids:
            return
        try:
            # Flushed at once: what the file names was acknowledged, whatever ends this process.
            self.record.write("".join(f"{name}\n" for name in dict.fromkeys(push.sms_msg_ids)))
            self.record.flush()
        except OSError as error:
            raise SimulationError(
                f"record_ids: {self.options.record_ids} cannot be written ({error.strerror}). "
                "Name another file."
            ) from error


async def _until_set(stop: asyncio.Event) -> None:
    await stop.wait()
