"""A handle on a job: wait for its end, follow its progress, cancel it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from virtbus.errors import Cancelled, Expired, InternalError, Unavailable, VirtbusError
from virtbus.operations.job import CancelJob, GetJob
from virtbus.records import JobRecord, JobState

if TYPE_CHECKING:
    from virtbus.client.client import Client

ResultT = TypeVar("ResultT", bound=BaseModel)
OnProgress = Callable[[JobRecord], None]
"""Called with the job's record whenever the client sees it anew."""

HOLD = 20.0
"""Seconds that one request for a job's end is held at most: well below the patience of proxies."""
STEP = 1.0
"""The same while somebody watches the progress."""
GRACE = 15.0
"""Seconds beyond the job's own time limit until its end must be known."""


class StillRunning(Expired):
    """The client's own time limit passed first; the job goes on. `job_id` finds it again."""

    def __init__(self, record: JobRecord) -> None:
        super().__init__(
            f"job {record.id} ({record.operation}) is still {record.state}",
            host=record.host,
            domain=record.domain,
            hint="it goes on; wait for it again, or cancel it",
            evidence={"job": record.id},
        )
        self.record = record
        self.job_id = record.id


class OtherResult(BaseModel):
    """The result of an operation that this version does not know: its fields as they came."""

    model_config = ConfigDict(extra="allow")


class Job(Generic[ResultT]):
    """A job that was accepted; `record` is what was last heard of it."""

    def __init__(
        self, client: Client, record: JobRecord, result: type[ResultT], *, deadline: float | None = None
    ) -> None:
        self._client = client
        self._result = result
        self._deadline = time.monotonic() + record.timeout + GRACE if deadline is None else deadline
        self.record = record

    @property
    def id(self) -> str:
        return self.record.id

    async def wait(self, *, timeout: float | None = None, progress: OnProgress | None = None) -> ResultT:
        """The job's result, once it has ended.

        :param timeout: seconds; without it, the job's time limit and a little more.
        :raises StillRunning: it has not ended by then, and goes on.
        :raises VirtbusError: its typed error, where it failed, expired or was cancelled; `evidence["job"]` is its id.
        """
        deadline = self._deadline if timeout is None else time.monotonic() + timeout
        while True:
            if progress is not None:
                progress(self.record)
            if self.record.state.ended:
                return self.outcome()
            left = deadline - time.monotonic()
            if left <= 0:
                raise StillRunning(self.record)
            await self.refresh(min(left, STEP if progress else HOLD), deadline=deadline)

    async def refresh(self, wait: float = 0.0, *, deadline: float | None = None) -> JobRecord:
        """The job's record as it is now, or once it has ended, at most `wait` seconds from now."""
        question = GetJob(job=self.id, wait=round(wait, 3)) if wait else GetJob(job=self.id)
        try:
            self.record = await self._client.read(question, deadline=deadline, wait=wait)
        except Unavailable as error:
            error.evidence.setdefault("job", self.id)
            raise
        return self.record

    async def cancel(self) -> JobRecord:
        """Ask for it to be cancelled; `wait` tells whether that came in time."""
        self.record = await self._client.run(CancelJob(job=self.id))
        return self.record

    def outcome(self) -> ResultT:
        """The result of a job that has ended.

        :raises VirtbusError: its typed error, where it did not succeed.
        """
        if self.record.state is JobState.SUCCEEDED:
            return self._result.model_validate(self.record.result or {})
        raise self._error()

    def _error(self) -> VirtbusError:
        record = self.record
        if record.error is not None:
            error = VirtbusError.from_reply(record.error)
        else:
            kinds: dict[JobState, type[VirtbusError]] = {JobState.CANCELLED: Cancelled, JobState.EXPIRED: Expired}
            error = kinds.get(record.state, InternalError)(f"{record.operation} ended as {record.state}")
        error.evidence.setdefault("job", record.id)
        return error.at(record.host, record.domain)
