"""Exceptions raised by the program's own signal handlers while a client works."""

import functools
import signal
from types import CodeType, TracebackType
from typing import Any


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


def let_through(error: Exception) -> None:
    """Raise what interrupts the program; return where an error is a failure of the work itself."""
    interrupt = interruption(error)
    if interrupt is not None:
        raise interrupt from None


def _is_from_a_handler(traceback: TracebackType | None) -> bool:
    """Return whether a frame is that of a handler.

    It runs the code of one, or got the frame before it as an argument: only handlers are called so,
    and one that has raised may have been replaced meanwhile.
    """
    handlers = _codes_of_handlers()
    while traceback is not None and traceback.tb_next is not None:
        interrupted, traceback = traceback.tb_frame, traceback.tb_next
        code, values = traceback.tb_frame.f_code, traceback.tb_frame.f_locals
        if code in handlers:
            return True
        arguments = code.co_argcount + code.co_kwonlyargcount + 1  # one more for `*args`
        for name in code.co_varnames[:arguments]:
            value = values.get(name)
            given = value if isinstance(value, tuple) else (value,)
            if any(one is interrupted for one in given):
                return True
    return False


def _codes_of_handlers() -> set[CodeType]:
    """Return the code of each handler of today that is written in Python."""
    found = set()
    for number in signal.valid_signals():
        handler: Any = signal.getsignal(number)
        while isinstance(handler, functools.partial):
            handler = handler.func
        if callable(handler) and not hasattr(handler, "__code__"):
            handler = getattr(handler, "__func__", type(handler).__call__)
        code = getattr(handler, "__code__", None)
        if code is not None:
            found.add(code)
    return found
