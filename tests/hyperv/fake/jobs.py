"""Jobs: what takes a while is done by one, and its outcome is asked for."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.hyperv.fake.machine import Thing, cim_time

RUNNING, COMPLETED, TERMINATED, KILLED, EXCEPTION = 4, 7, 8, 9, 10


class Refused(Exception):
    """What a method returns, or a job ends with, where it cannot be done."""

    def __init__(self, code: int, text: str = "") -> None:
        super().__init__(text)
        self.code = code
        self.text = text


@dataclass
class Job:
    """One Msvm_ConcreteJob."""

    kind: int
    work: Callable[[], None]
    id: str = field(default_factory=lambda: str(uuid.uuid4()).upper())
    state: int = RUNNING
    percent: int = 0
    code: int = 0
    text: str = ""
    started: str = field(default_factory=cim_time)

    def finish(self) -> None:
        """Do it now."""
        if self.state != RUNNING:
            return
        try:
            self.work()
        except Refused as refused:
            self.state, self.code, self.text = EXCEPTION, refused.code, refused.text
        else:
            self.state, self.percent = COMPLETED, 100

    def fail(self, code: int, text: str) -> None:
        """It cannot be done any more."""
        if self.state == RUNNING:
            self.state, self.code, self.text = EXCEPTION, code, text

    def cancel(self, state: int) -> None:
        if self.state == RUNNING:
            self.state = TERMINATED if state == 4 else KILLED

    def thing(self) -> Thing:
        """As WMI shows it."""
        return Thing("Msvm_ConcreteJob", {
            "InstanceID": self.id, "JobState": self.state, "JobType": self.kind, "PercentComplete": self.percent,
            "ErrorCode": self.code, "ErrorDescription": self.text or None, "StartTime": None,
            "TimeOfLastStateChange": self.started, "ElapsedTime": "00000000000001.000000:000", "Cancellable": True,
            "TimeBeforeRemoval": "00000000000500.000000:000",
        })  # fmt: skip


class Jobs:
    """A host's jobs."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.all: dict[str, Job] = {}

    def begin(self, kind: int, work: Callable[[], None], *, held: bool = False) -> Job:
        """A job that is done after a while; one that is held waits for somebody else."""
        job = Job(kind, work)
        self.all[job.id] = job
        if not held:
            asyncio.get_running_loop().call_later(self.seconds / 2, self._half, job)
            asyncio.get_running_loop().call_later(self.seconds, job.finish)
        return job

    def _half(self, job: Job) -> None:
        if job.state == RUNNING:
            job.percent = 50
