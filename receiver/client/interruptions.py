"""Exceptions that the program's own signal handlers raise while a client is at work."""

from types import TracebackType


def interruption(error: BaseException) -> BaseException | None:
    """Return what interrupts the program, or None where an error is a failure of the work itself.

    KeyboardInterrupt, SystemExit and cancellations interrupt whatever they meet. Any other
    exception does so where a signal handler has raised it, as the soft time limits of task queues
    do; the library at work may have wrapped it meanwhile.
    """
    if not isinstance(error, Exception):
        return error
    seen: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in seen:
        if _is_from_a_handler(link.__traceback__):
            return link
        seen.append(link)
        link = link.__cause__ or link.__context__
    return None


def _is_from_a_handler(traceback: TracebackType | None) -> bool:
    """Tell whether a frame got the frame before it as an argument: only handlers are called so."""
    while traceback is not None and traceback.tb_next is not None:
        interrupted, traceback = traceback.tb_frame, traceback.tb_next
        code, values = traceback.tb_frame.f_code, traceback.tb_frame.f_locals
        for name in code.co_varnames[: code.co_argcount + 1]:  # one more for `*args`
            value = values.get(name)
            given = value if isinstance(value, tuple) else (value,)
            if any(one is interrupted for one in given):
                return True
    return False
