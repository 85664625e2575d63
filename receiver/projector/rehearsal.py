"""The rehearsal of a reclassification: the same code over a copy in memory."""

from collections.abc import Callable

from sqlalchemy.ext.asyncio import AsyncConnection

from receiver.domain.projection import Policy
from receiver.domain.reclassification import Run
from receiver.projector.rereader import RereadContext, Rereader
from receiver.projector.stretch import end_of_stretch, read_stretch, refold, revise
from receiver.store import reclassification
from receiver.store.database.scratch import Scratch
from receiver.store.store import Store
from receiver.store.suppressions import by_code


async def rehearse(
    store: Store,
    policy: Policy,
    since: int | None,
    *,
    clock: Callable[[], int],
    on_progress: Callable[[Run], None],
) -> Run:
    """Return what a reclassification would change, without changing it.

    What a run would write over is copied into memory and written there, by the same code.

    Raises:
        StoreUnavailableError: the store cannot be read.
    """
    now = clock()
    rereader, scratch = Rereader(None), Scratch()
    async with store.reading() as connection:
        last = await reclassification.last_message(connection)
        begun = await rereader.begin(connection, apply=False)
    run = Run(policy.name, since, last, started_at=now, updated_at=now, rereading=begun)
    revised: set[by_code.Number] = set()
    try:
        await scratch.open()
        while run.finished_at is None:
            async with store.reading() as connection:
                if run.position < run.upto:
                    run = await _rehearse_slice(connection, scratch, run, policy, revised, clock())
                else:
                    context = RereadContext(connection, policy, _hurry, apply=False)
                    so_far = await rereader.slice(context, run.rereading)
                    run = run.reread(so_far, clock())
            on_progress(run)
    finally:
        await scratch.close()
    return run


async def _rehearse_slice(
    connection: AsyncConnection,
    scratch: Scratch,
    run: Run,
    policy: Policy,
    revised: set[by_code.Number],
    now: int,
) -> Run:
    """Fold the next stretch in memory.

    A number is revised once, when the first message is met that may change what stands about it:
    with all messages to it folded again, as they are when a run is done.
    """
    upto = end_of_stretch(run)
    read = await read_stretch(connection, run.position, upto, run.since)
    async with scratch.of_slice(connection, run.position, upto, read.keys) as copied:
        stretch = await refold(copied, read, policy, _hurry)
    numbers = await by_code.concerned(connection, stretch.decided, policy) - revised
    lines = []
    if numbers:
        async with scratch.of_numbers(connection, (number for number, _ in numbers)) as copied:
            all_of_it = await read_stretch(copied, 0, run.upto, run.since)
            await refold(copied, all_of_it, policy, _hurry)
            lines = await revise(
                copied, 0, numbers, policy, began_at=run.started_at, now=run.started_at
            )
        revised |= numbers
    return stretch.added_to(run, upto, lines, now)


async def _hurry() -> None:
    """Wait for nobody."""
