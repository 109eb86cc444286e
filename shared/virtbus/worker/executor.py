"""Carrying out one job: its record read, its handler run within its limits, its one end written, its message taken
out of the queue last."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from prometheus_client import Counter, Histogram
from pydantic import BaseModel, ValidationError

from virtbus.bus.bucket import Stale, Stored
from virtbus.bus.codec import DecodeError
from virtbus.bus.connection import Bus
from virtbus.bus.queue import Delivery, job_key
from virtbus.driver import Driver
from virtbus.errors import Cancelled, Expired, InternalError, InvalidArgument, NotSupported, Unavailable, VirtbusError
from virtbus.operations import OPERATIONS
from virtbus.records import JobRecord, JobState, PendingRemoval, now
from virtbus.worker.desk import Desk, Spawn
from virtbus.worker.handlers import HANDLERS, Case
from virtbus.worker.handlers.case import Names
from virtbus.worker.lane import Lane
from virtbus.worker.removal import Waiters, Waiting, remember_sent, result
from virtbus.worker.work import JobWork

log = logging.getLogger(__name__)

JOBS = Counter("virtbus_jobs_total", "Jobs ended, by operation and how", ["operation", "result"])
DURATION = Histogram(
    "virtbus_job_duration_seconds", "From a job's acceptance to its end", ["operation"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)  # fmt: skip
RECORD_WAITS = (0.001, 0.01, 0.1, 1.0, 5.0)
"""Seconds between looks for the record of a job whose message has come."""
OVERDUE = 5.0
"""Seconds past a job's time limit after which its handler is ended by force."""


@dataclass(frozen=True)
class Executor:
    """What carries out the jobs of one host."""

    bus: Bus
    driver: Driver
    names: Names
    waiters: Waiters
    spawn: Spawn
    check: Callable[[], None]
    """Raises if this process may not act on the host any more."""
    skew: float
    """Seconds that the broker's clock is ahead of ours."""

    async def run(self, desk: Desk | None, lane: Lane, delivery: Delivery, overtaking: bool) -> None:
        """Carry out a delivered job, to its end or until it waits for the guest."""
        work = await self._work(delivery)
        if work is None:
            return
        if work.record.state.ended or work.record.state is JobState.WAITING:
            # A predecessor died before its last word: the record is complete, the message has to go.
            await work.announce()
            await self._acknowledge(delivery)
            return
        if desk is None:
            await work.fail(InternalError(f"{delivery.operation} is not for a domain"), 0)
        else:
            await self._carry_out(desk, lane, work, overtaking)
        if work.record.state.ended:
            await self._finish(work)
        await self._acknowledge(delivery)

    async def _work(self, delivery: Delivery) -> JobWork | None:
        host = self.driver.settings.name
        try:
            stored = await self._stored(job_key(host, delivery.job))
        except DecodeError as error:
            log.error("the record of job %s cannot be read, and nobody can end it: %s", delivery.job, error)
            await self._acknowledge(delivery)
            return None
        if stored is None:
            log.warning("job %s of host %s has no record any more and is dropped", delivery.job, host)
            await self._acknowledge(delivery)
            return None
        return self.work(stored.record, stored.revision, min(stored.written, delivery.entry.time))

    async def _stored(self, key: str) -> Stored[JobRecord] | None:
        """A job's record; its message may come a moment before it."""
        for wait in (*RECORD_WAITS, None):
            stored = await self.bus.jobs.get(key)
            if stored is not None or wait is None:
                return stored
            await asyncio.sleep(wait)
        return None

    def work(self, record: JobRecord, revision: int, since: datetime | None = None) -> JobWork:
        """An attempt at a job that is stored.

        :param since: the broker's timestamp from which its time limit counts.
        """
        age = max(0.0, now().timestamp() + self.skew - (since or record.accepted).timestamp())
        return JobWork(
            self.bus, record, revision, family=self.driver.family, age=age, check=self.check
        )

    async def _carry_out(self, desk: Desk, lane: Lane, work: JobWork, overtaking: bool) -> None:
        lane.begin(work, overtaking=overtaking)
        work.run = desk.record.incarnation
        try:
            work.check()
            outcome = await self._handle(desk, lane, work)
        except Waiting:
            await remember_sent(desk, work.job)
            await work.wait_for_guest()
            self.spawn(self.watch_waiting(desk, work))
        except (Unavailable, Stale):
            # The bus is out of reach or the host is not ours any more: the job stays as it is, for whoever comes.
            raise
        except VirtbusError as error:
            await work.fail(error, desk.revision)
        else:
            await work.succeed(outcome, desk.revision)

    async def _handle(self, desk: Desk, lane: Lane, work: JobWork) -> BaseModel:
        handler = HANDLERS.get(work.record.operation)
        declared = OPERATIONS.get(work.record.operation)
        if handler is None or declared is None:
            raise NotSupported(f"this worker does not know {work.record.operation}")
        try:
            operation = declared.build(work.record.host, work.record.domain, work.record.arguments or {})
        except ValidationError as error:
            raise InvalidArgument(f"the arguments of {work.record.operation} are not valid: {error}") from error
        case = Case(operation, desk, work, self.driver, lane, self.waiters, self.names)
        try:
            async with asyncio.timeout(work.remaining() + OVERDUE):
                return await handler(case)
        except TimeoutError as error:
            raise work.expired() from error
        except (VirtbusError, Waiting, asyncio.CancelledError):
            raise
        except Exception as error:
            log.exception("job %s (%s) failed by a defect", work.job, work.record.operation)
            text = f"{type(error).__name__}: {error}"
            raise InternalError(text, hint="the worker's log has the whole of it") from error

    async def _acknowledge(self, delivery: Delivery) -> None:
        try:
            await self.bus.queue.done(delivery)
        except Unavailable as error:
            # The job's end is recorded: its message comes again, and goes then.
            log.info("job %s: %s", delivery.job, error)

    async def _finish(self, work: JobWork) -> None:
        """The job has ended: count it and tell it, before its message leaves the queue."""
        record = work.record
        JOBS.labels(record.operation, record.state).inc()
        if record.ended is not None:
            DURATION.labels(record.operation).observe(max(0.0, (record.ended - record.accepted).total_seconds()))
        await work.announce()

    async def watch_waiting(self, desk: Desk, work: JobWork) -> None:
        """End a waiting job when its time is over or it is cancelled; what the guest was asked stays asked."""
        try:
            async with asyncio.timeout(work.remaining()):
                await work.cancelled.wait()
            work.check()
        except TimeoutError:
            error: VirtbusError = work.expired()
        except VirtbusError as reason:
            error = reason
        if self.waiters.jobs.pop(work.job, None) is None:
            return
        if isinstance(error, Cancelled | Expired):
            error.hint = "the guest was asked to let go of the device, and the device leaves when it does"
            await work.fail(error, desk.revision)
            await self._finish(work)

    async def settle(self, desk: Desk, mark: PendingRemoval) -> None:
        """A removal is settled: end every job that waited for it and that no handler holds."""
        self.waiters.tell(desk, mark)
        for job in mark.jobs:
            held = self.waiters.held.get(job)
            work = held or self.waiters.jobs.pop(job, None) or await self._from_record(desk, job)
            if work is None:
                continue
            try:
                outcome = result(mark, desk)
            except VirtbusError as error:
                await work.fail(error, desk.revision)
            else:
                await work.succeed(outcome, desk.revision)
            if held is None:
                # Whoever ended it before may have died before saying so.
                await self._finish(work)

    async def _from_record(self, desk: Desk, job: str) -> JobWork | None:
        try:
            stored = await self.bus.jobs.get(job_key(desk.record.host, job))
        except DecodeError as error:
            log.error("the record of job %s cannot be read: %s", job, error)
            return None
        return None if stored is None else self.work(stored.record, stored.revision)

    async def resume_waiting(self, desk: Desk) -> None:
        """After taking the host: go on watching the jobs that wait for this domain's guest."""
        for mark in desk.record.pending:
            for job in mark.jobs:
                work = await self._from_record(desk, job)
                if work is None:
                    continue
                if work.record.state is JobState.WAITING:
                    self.waiters.jobs[job] = work
                    self.spawn(self.watch_waiting(desk, work))
                elif work.record.state.ended:
                    # Its end may not have been told: its message left the queue when it began to wait.
                    await work.announce()
