"""Going on in the background: the process that was called ends as soon as its child is ready."""

from __future__ import annotations

import os
from collections.abc import Callable

Run = Callable[[Callable[[], None]], int]
"""Runs until its end and returns an exit code; calls what it is given once it is ready."""


def in_background(run: Run) -> int:
    """Run in a child of its own session, which belongs to nobody once this returns.

    :returns: in the parent 0 once the child is ready, or the exit code of one that ended before; in the child the code
        of `run`.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        os.setsid()
        return run(lambda: _tell(writer))
    os.close(writer)
    ready = os.read(reader, 1)
    os.close(reader)
    if ready:
        return 0
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def _tell(writer: int) -> None:
    os.write(writer, b"1")
    os.close(writer)
