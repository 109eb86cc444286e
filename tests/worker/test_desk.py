"""The desk writes what is told in order, and who waits for it waits for no more than that."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from tests.worker.test_transitions import record
from virtbus import observations as seen
from virtbus.errors import Unavailable
from virtbus.eventkinds import EventKind
from virtbus.records import DomainRecord
from virtbus.state import DomainState
from virtbus.worker.desk import Desk, Post

LIMIT = 5.0


class Records:
    """A bucket whose writes end when the test says so."""

    def __init__(self) -> None:
        self.allowed = asyncio.Semaphore(0)
        self.written: list[DomainRecord] = []
        self.broken = False

    async def update(self, key: str, value: DomainRecord, revision: int) -> int:
        await self.allowed.acquire()
        if self.broken:
            raise Unavailable("the bus is gone")
        self.written.append(value)
        return revision + 1


async def no_publishing(_: object) -> None:
    return None


def desk_on(records: Records, group: asyncio.TaskGroup) -> Desk:
    async def survive(work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Unavailable:
            return

    def check() -> None:
        return None

    bus: Any = SimpleNamespace(domains=records, events=SimpleNamespace(publish=no_publishing))
    unused: Any = None
    post = Post(
        bus=bus, host="h", family="test", epoch=1, definitions=unused, settled=unused, check=check,
        spawn=lambda work: (group.create_task(survive(work)), None)[1], cause=lambda _: None,
    )  # fmt: skip
    return Desk(post, record(DomainState.RUNNING), 1)


def noise(number: int) -> seen.Noticed:
    domain = UUID("6695eb01-f6a4-8304-79aa-97f2502e193f")
    return seen.Noticed(domain=domain, kind=EventKind.RTC_CHANGE, subject=str(number))


async def test_a_guest_that_never_falls_silent_holds_nobody_up() -> None:
    records = Records()
    async with asyncio.timeout(LIMIT), asyncio.TaskGroup() as group:
        desk = desk_on(records, group)
        desk.tell(noise(1))
        waiting = asyncio.ensure_future(desk.recorded())
        for number in range(2, 5):
            await asyncio.sleep(0)
            desk.tell(noise(number))
        records.allowed.release()
        await waiting
        assert [event.subject for event in records.written[0].outbox] == ["1"]
        assert len(records.written) == 1
        # What was told meanwhile is still on its way, in order.
        records.allowed.release()
        await desk.recorded()
        assert [event.subject for event in records.written[1].outbox][-3:] == ["2", "3", "4"]
        for _ in range(9):
            records.allowed.release()


async def test_who_waits_is_told_when_it_cannot_be_written() -> None:
    records = Records()
    records.broken = True
    async with asyncio.timeout(LIMIT), asyncio.TaskGroup() as group:
        desk = desk_on(records, group)
        desk.tell(noise(1))
        waiting = asyncio.ensure_future(desk.recorded())
        records.allowed.release()
        with pytest.raises(Unavailable, match="could not be recorded"):
            await waiting
