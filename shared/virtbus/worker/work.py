"""One attempt at a job: its record on the bus, its limits, and its one end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from pydantic import BaseModel

from virtbus.bus.bucket import Stale
from virtbus.bus.codec import EncodeError
from virtbus.bus.connection import Bus
from virtbus.bus.queue import job_key
from virtbus.errors import Cancelled, ErrorReply, Expired, InternalError, Overtaken, TooLarge, VirtbusError
from virtbus.eventkinds import EventKind
from virtbus.records import Event, JobRecord, JobState, Progress, now

log = logging.getLogger(__name__)

T = TypeVar("T")


class JobWork:
    """The runtime's side of `virtbus.driver.Work`.

    Its writes go to the job's record by compare-and-set; only the gateway writes there besides, to ask for a cancel.
    """

    def __init__(
        self, bus: Bus, record: JobRecord, revision: int, *, family: str, age: float, check: Callable[[], None]
    ) -> None:
        """:param age: seconds since the job was accepted, by the broker's clock.
        :param check: raises if this process may not act on the host any more."""
        self._bus = bus
        self._family = family
        self.record = record
        self._revision = revision
        self._check = check
        self._deadline = asyncio.get_running_loop().time() + record.timeout - age
        self.cancelled = asyncio.Event()
        self._reason: VirtbusError | None = None
        self.finished = asyncio.Event()
        """Set when this attempt is over."""
        self._writing = asyncio.Lock()
        self.begun: dict[str, Any] | None = None if record.begun is None else dict(record.begun)
        """What earlier attempts noted; this attempt's own marks are in the record."""
        self.run: str | None = None
        """The domain's incarnation when this attempt began; it is part of every mark."""
        self.attempt = record.attempts + 1
        if record.cancel_requested:
            self.give_up(Cancelled(f"cancelled by {record.cancel_requested}"))

    @property
    def job(self) -> str:
        return self.record.id

    def remaining(self) -> float:
        """Seconds until the time limit; never negative."""
        return max(0.0, self._deadline - asyncio.get_running_loop().time())

    def give_up(self, reason: VirtbusError) -> None:
        """Have the job end as soon as its handler notices; the first reason counts."""
        if self._reason is None:
            self._reason = reason.at(self.record.host, self.record.domain)
            self.cancelled.set()

    def check(self) -> None:
        """Raise why the job must not go on, if there is a reason."""
        if self._reason is not None:
            raise self._reason
        if self.remaining() <= 0:
            raise self.expired()
        self._check()

    def expired(self) -> Expired:
        """The error of a job whose time limit passed."""
        return Expired(
            f"{self.record.operation} did not end within its time limit of {self.record.timeout:g} s",
            host=self.record.host,
            domain=self.record.domain,
            hint="what was asked of the guest stays asked; look at the domain before trying again",
        )

    async def before_effect(self, **mark: Any) -> None:
        """See virtbus.driver.Work."""
        self.check()
        begun = {"run": self.run, **(self.record.begun or {}), **mark}
        if begun != self.record.begun:
            await self._write(state=JobState.RUNNING, begun=begun, attempts=self.attempt)
            if self.record.state.ended:
                raise Overtaken("the job has been ended meanwhile", host=self.record.host, domain=self.record.domain)
            self.check()

    async def progress(
        self, phase: str, done: int | None = None, total: int | None = None, unit: str | None = None
    ) -> None:
        """See virtbus.driver.Work."""
        progress = Progress(phase=phase, done=done, total=total, unit=unit)
        if progress != self.record.progress:
            state = JobState.RUNNING if self.record.state is JobState.ACCEPTED else self.record.state
            await self._write(state=state, progress=progress, attempts=self.attempt)

    async def until(self, awaited: Coroutine[Any, Any, T]) -> T:
        """Await something for as long as the job may go on.

        :raises Cancelled, Expired, Overtaken: it may not any more.
        """
        task = asyncio.ensure_future(awaited)
        signal = asyncio.ensure_future(self.cancelled.wait())
        try:
            await asyncio.wait({task, signal}, timeout=self.remaining(), return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            self.check()
            raise self.expired()
        finally:
            for other in (task, signal):
                if not other.done():
                    other.cancel()
            await asyncio.gather(task, signal, return_exceptions=True)

    async def wait_for_guest(self) -> None:
        """The job waits from here on without being worked on."""
        await self._write(state=JobState.WAITING, attempts=self.attempt, progress=Progress(phase="waiting-for-guest"))
        await self.announce()

    async def succeed(self, result: BaseModel, revision: int) -> None:
        """End the job well; `revision` is that of the domain's record with its effect."""
        await self._end(JobState.SUCCEEDED, result=result.model_dump(mode="json"), revision=revision)

    async def fail(self, error: VirtbusError, revision: int) -> None:
        """End the job with an error: as cancelled or expired where that is the reason."""
        error.at(self.record.host, self.record.domain)
        state = {Cancelled: JobState.CANCELLED, Expired: JobState.EXPIRED}.get(type(error), JobState.FAILED)
        await self._end(state, error=error.reply(), revision=revision)

    async def _end(
        self,
        state: JobState,
        *,
        result: dict[str, Any] | None = None,
        error: ErrorReply | None = None,
        revision: int = 0,
    ) -> None:
        end: dict[str, Any] = {"revision": revision, "ended": now(), "arguments": None, "attempts": self.attempt}
        try:
            await self._write(state=state, result=result, error=error, **end)
        except (TooLarge, EncodeError) as fault:
            told = InternalError(
                f"the job ended as {state}, but what it has to say cannot be stored: {fault.message[:200]}",
                host=self.record.host, domain=self.record.domain, hint="ask for less, or look at the domain itself",
            )  # fmt: skip
            await self._write(state=JobState.FAILED, error=told.reply(), **end)

    async def announce(self) -> None:
        """Publish where the job stands; its message leaves the queue after that, so it is never left out."""
        record = self.record
        detail: dict[str, Any] = {"job": record.id, "operation": record.operation, "state": record.state}
        if record.error is not None:
            detail["error"] = record.error.model_dump(mode="json", exclude={"evidence"})
        event = Event(
            kind=EventKind.JOB, host=record.host, family=self._family, project=record.project, domain=record.domain,
            time=record.ended or now(), cause=record.id, subject=f"{record.id}:{record.state}", detail=detail,
        )  # fmt: skip
        await self._bus.events.publish(event)

    async def _write(self, **fields: Any) -> None:
        key = job_key(self.record.host, self.record.id)
        async with self._writing:
            while not self.record.state.ended:
                # Only the host's owner may say how a job stands: a process that was frozen past its session may not.
                self._check()
                wanted = self.record.model_copy(update=fields)
                try:
                    self._revision = await self._bus.jobs.update(key, wanted, self._revision)
                except Stale:
                    stored = await self._bus.jobs.get(key)
                    if stored is None:
                        raise
                    if stored.record.state.ended:
                        # A job has one end, and it has it already: what somebody else found out is the same.
                        self.record, self._revision = stored.record, stored.revision
                        return
                    # The gateway asked for a cancel meanwhile: keep that, and write again.
                    log.info("job %s was asked to be cancelled", self.record.id)
                    self.record = self.record.model_copy(update={"cancel_requested": stored.record.cancel_requested})
                    self._revision = stored.revision
                    if stored.record.cancel_requested:
                        self.give_up(Cancelled(f"cancelled by {stored.record.cancel_requested}"))
                    continue
                self.record = wanted
                return


