"""Jobs of a domain run in the order in which they were accepted; destroy and reset go past what runs."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from virtbus.bus.queue import Delivery
from virtbus.bus.reading import Entry
from virtbus.worker.lane import Lane

DOMAIN = UUID(int=1)


def delivery(name: str) -> Delivery:
    entry = Entry("s", b"", {}, 1, datetime.now(UTC), 1, "", 0)
    return Delivery(name, "domain.start", DOMAIN, entry)


class Course:
    """Runs each job until it is let go, and notes when it began and ended."""

    def __init__(self, group: asyncio.TaskGroup) -> None:
        self._group = group
        self.noted: list[str] = []
        self.gates: dict[str, asyncio.Event] = {}
        self.moved = asyncio.Condition()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self._group.create_task(work)

    async def run(self, lane: Lane, job: Delivery, overtaking: bool) -> None:
        await self.note(f"+{job.job}")
        await self.gates.setdefault(job.job, asyncio.Event()).wait()
        await self.note(f"-{job.job}")

    async def note(self, what: str) -> None:
        async with self.moved:
            self.noted.append(what)
            self.moved.notify_all()

    async def until(self, what: str) -> None:
        async with asyncio.timeout(5), self.moved:
            await self.moved.wait_for(lambda: what in self.noted)

    def let_go(self, job: str) -> None:
        self.gates.setdefault(job, asyncio.Event()).set()


async def test_jobs_run_one_after_the_other_as_accepted() -> None:
    async with asyncio.TaskGroup() as group:
        course = Course(group)
        lane = Lane(course.run, course.spawn)
        for name in "abc":
            lane.take(delivery(name), overtakes=False)
            course.let_go(name)
        await course.until("-c")
    assert course.noted == ["+a", "-a", "+b", "-b", "+c", "-c"]
    assert lane.idle


async def test_a_job_that_overtakes_begins_while_another_runs() -> None:
    async with asyncio.TaskGroup() as group:
        course = Course(group)
        lane = Lane(course.run, course.spawn)
        lane.take(delivery("slow"), overtakes=False)
        await course.until("+slow")
        lane.take(delivery("queued"), overtakes=False)
        lane.take(delivery("destroy"), overtakes=True)
        course.let_go("destroy")
        await course.until("-destroy")
        assert course.noted == ["+slow", "+destroy", "-destroy"]
        course.let_go("slow")
        course.let_go("queued")
        await course.until("-queued")
    assert course.noted[3:] == ["-slow", "+queued", "-queued"]


async def test_one_that_could_overtake_keeps_its_turn_where_nothing_runs() -> None:
    async with asyncio.TaskGroup() as group:
        course = Course(group)
        lane = Lane(course.run, course.spawn)
        lane.take(delivery("destroy"), overtakes=True)
        lane.take(delivery("start"), overtakes=False)
        course.let_go("destroy")
        course.let_go("start")
        await course.until("-start")
    assert course.noted == ["+destroy", "-destroy", "+start", "-start"]
