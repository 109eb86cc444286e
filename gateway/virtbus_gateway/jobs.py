"""Jobs as the gateway sees them: which there are, where each stands, and waiting for an end.

One watch on the bucket serves the list and every waiter. What is kept of a job is what the list filters by; the
record itself is read from the bucket when it is shown.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left, insort
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from virtbus.bus.bucket import Bucket, Stored, Synced
from virtbus.errors import NoJob
from virtbus.operations.job import JobList, ListJobs
from virtbus.records import JobRecord, JobState
from virtbus_gateway.cursor import pack_cursor, unpack_cursor
from virtbus_gateway.inventory import Visible

KEPT = 50_000
"""How many jobs the list reaches back to; older ones are still found by their id."""
READS = 32
"""How many records of a page are read side by side."""


@dataclass(frozen=True, slots=True, order=True)
class JobMark:
    """What the list needs to know of a job; sorted by age."""

    accepted: float
    """Seconds since the epoch."""
    id: str
    host: str
    domain: str | None
    project: str
    state: JobState

    @property
    def key(self) -> str:
        return f"{self.host}.{self.id}"


class Jobs:
    """All jobs. `run` keeps it; `synced` is set once it has seen everything that was there."""

    def __init__(self, bucket: Bucket[JobRecord]) -> None:
        self.bucket = bucket
        self.synced = asyncio.Event()
        self._marks: dict[str, JobMark] = {}
        self._order: list[JobMark] = []
        self._waiters: dict[str, set[asyncio.Future[JobRecord]]] = {}

    async def run(self) -> None:
        """Follow the bucket until cancelled."""
        async for change in self.bucket.watch():
            if isinstance(change, Synced):
                self.synced.set()
            else:
                self.apply(change.key, change.record)

    def apply(self, key: str, record: JobRecord | None) -> None:
        """Take in what a key of the bucket holds now."""
        job = key.partition(".")[2]
        known = self._marks.pop(job, None)
        if known is not None:
            del self._order[bisect_left(self._order, known)]
        if record is None:
            return
        domain = None if record.domain is None else str(record.domain)
        mark = JobMark(record.accepted.timestamp(), job, record.host, domain, record.project, record.state)
        self._marks[job] = mark
        insort(self._order, mark)
        if len(self._order) > KEPT:
            del self._marks[self._order.pop(0).id]
        if record.state.ended:
            for waiter in self._waiters.pop(job, ()):
                if not waiter.done():
                    waiter.set_result(record)

    def host_of(self, job: str) -> str | None:
        """The host of a job, as far as it has been seen."""
        mark = self._marks.get(job)
        return None if mark is None else mark.host

    async def find(self, job: str) -> Stored[JobRecord]:
        """A job by its id, from the bucket's leader.

        :raises NoJob: none of that id is kept.
        :raises Unavailable: the bus is out of reach.
        """
        # The host that its key begins with need not be known: a job accepted a moment ago by another gateway.
        found = await self.bucket.get(f"{self.host_of(job) or '*'}.{job}")
        if found is None:
            raise NoJob(f"there is no job {job}", hint="jobs are forgotten some days after their end")
        return found

    @asynccontextmanager
    async def waiting(self, job: str) -> AsyncIterator[asyncio.Future[JobRecord]]:
        """A future of the job's record at its end; armed from here on, so that no end is missed."""
        end: asyncio.Future[JobRecord] = asyncio.get_running_loop().create_future()
        self._waiters.setdefault(job, set()).add(end)
        try:
            yield end
        finally:
            end.cancel()
            left = self._waiters.get(job)
            if left is not None:
                left.discard(end)
                if not left:
                    del self._waiters[job]

    async def ended(self, job: str, seconds: float, closing: asyncio.Event) -> JobRecord:
        """The job's record when it has ended, when the time is over or when the gateway is closing.

        :raises NoJob, Unavailable: it cannot be found.
        """
        async with self.waiting(job) as end:
            stored = await self.find(job)
            if stored.record.state.ended or seconds <= 0:
                return stored.record
            if await first_of(end, closing, seconds):
                return end.result()
        return (await self.find(job)).record

    async def page(self, query: ListJobs, visible: Visible) -> JobList:
        """The jobs that fit, the newest first, as many as were asked for.

        :raises InvalidArgument: the cursor is none of ours.
        """
        marks, cursor = self._select(query, visible)
        limit = asyncio.Semaphore(READS)

        async def read(mark: JobMark) -> Stored[JobRecord] | None:
            async with limit:
                return await self.bucket.get(mark.key)

        found = await asyncio.gather(*map(read, marks))
        for mark, stored in zip(marks, found, strict=True):
            if stored is None:
                # It fell out of the bucket by age, which a watch does not tell.
                self.apply(mark.key, None)
        return JobList(jobs=[stored.record for stored in found if stored is not None], cursor=cursor)

    def _select(self, query: ListJobs, visible: Visible) -> tuple[list[JobMark], str | None]:
        place = len(self._order)
        if query.cursor is not None:
            accepted, job = unpack_cursor(query.cursor, float, str)
            place = bisect_left(self._order, (accepted, job), key=lambda mark: (mark.accepted, mark.id))
        domain = None if query.domain is None else str(query.domain)
        marks: list[JobMark] = []
        for mark in reversed(self._order[:place]):
            if (
                (query.host is None or mark.host == query.host)
                and (domain is None or mark.domain == domain)
                and (query.state is None or mark.state is query.state)
                and visible(mark.host, mark.project)
            ):
                if len(marks) == query.limit:
                    return marks, pack_cursor(marks[-1].accepted, marks[-1].id)
                marks.append(mark)
        return marks, None


async def first_of(end: asyncio.Future[JobRecord], closing: asyncio.Event, seconds: float) -> bool:
    """Whether the future is done before the time is over and before the gateway closes."""
    async with asyncio.TaskGroup() as group:
        closed = group.create_task(closing.wait(), name="closing")
        ends: set[asyncio.Future[Any]] = {end, closed}
        await asyncio.wait(ends, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        closed.cancel()
    return end.done()
