"""A spinner with a job's phase and the time it has taken, on a terminal's standard error and nowhere else."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from virtbus.client.job import OnProgress
from virtbus.records import JobRecord, JobState

_PHASES = {
    JobState.ACCEPTED: "accepted, waiting for its turn",
    JobState.RUNNING: "running",
    JobState.WAITING: "waiting for the guest",
}


def phase_of(record: JobRecord) -> str:
    """What a job is doing, in words."""
    progress = record.progress
    if progress is None or not progress.phase:
        return _PHASES.get(record.state, record.state)
    if progress.done is None:
        return progress.phase
    total = "" if progress.total is None else f"/{progress.total}"
    return f"{progress.phase} {progress.done}{total}{f' {progress.unit}' if progress.unit else ''}"


@contextmanager
def spinner(what: str, *, quiet: bool) -> Iterator[OnProgress | None]:
    """What to call with the job's record as it advances; None where nobody sees it."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as drawn:
        task = drawn.add_task(what)
        yield lambda record: drawn.update(task, description=f"{what}: {phase_of(record)}")
