"""How a failure ends the program: one line, and an exit code that scripts can tell apart."""

from __future__ import annotations

import sys

from virtbus.cli.view import print_json, printable
from virtbus.client.job import StillRunning
from virtbus.errors import NotFound, Unavailable, VirtbusError
from virtbus.records import JobRecord

OK, FAILED, USAGE, NOT_FOUND, RUNNING, UNREACHABLE, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130

_CODES: tuple[tuple[type[VirtbusError], int], ...] = (
    (StillRunning, RUNNING),
    (NotFound, NOT_FOUND),
    (Unavailable, UNREACHABLE),
    (VirtbusError, FAILED),
)


class UsageError(Exception):
    """The words on the command line do not go together."""


class Left(Exception):
    """--no-wait: the job was accepted and is left to itself."""

    def __init__(self, record: JobRecord) -> None:
        super().__init__(record.id)
        self.record = record


def report(error: VirtbusError, *, as_json: bool) -> int:
    """Say what went wrong; returns the exit code."""
    if as_json:
        print_json({"error": error.reply().model_dump(mode="json")}, indent=2)
    print(f"error: {' '.join(printable(error).split())}", file=sys.stderr)
    return next(code for kind, code in _CODES if isinstance(error, kind))


def report_usage(error: UsageError) -> int:
    print(f"error: {printable(error)}", file=sys.stderr)
    return USAGE


def report_left(record: JobRecord, *, as_json: bool) -> int:
    """Print the id of a job that nobody waits for; returns the exit code."""
    if as_json:
        print_json(record.model_dump(mode="json"), indent=2)
    else:
        print(record.id)
    return RUNNING


def report_interrupt(record: JobRecord | None) -> int:
    """Say that only the watching has ended; returns the exit code."""
    if record is None or record.state.ended:
        print("interrupted", file=sys.stderr)
    else:
        print(
            f"interrupted; job {record.id} goes on."
            f" To watch it: virtbus job wait {record.id}  To cancel it: virtbus job cancel {record.id}",
            file=sys.stderr,
        )
    return INTERRUPTED
