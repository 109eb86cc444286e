"""One attempt at a job: its limits, its marks, its one end."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest

from virtbus.bus.connection import Bus
from virtbus.bus.queue import job_key
from virtbus.errors import Cancelled, Expired, InternalError, Overtaken, Unavailable
from virtbus.operations.declaration import Empty
from virtbus.operations.qemu import MonitorReply
from virtbus.records import JobRecord, JobState
from virtbus.worker.work import JobWork

DOMAIN = UUID("6695eb01-f6a4-8304-79aa-97f2502e193f")
KEY = job_key("h", str(DOMAIN))


async def attempt(bus: Bus, *, age: float = 0.0, **fields: Any) -> JobWork:
    record = JobRecord(
        id=str(DOMAIN), operation="domain.define", host="h", domain=DOMAIN, arguments={"xml": "<secret/>"}, **fields
    )
    await bus.queue.accept(record)
    return await again(bus, age=age)


async def again(bus: Bus, *, age: float = 0.0) -> JobWork:
    stored = await bus.jobs.get(KEY)
    assert stored is not None
    return JobWork(bus, stored.record, stored.revision, family="simulated", age=age, check=lambda: None)


async def stored(bus: Bus) -> JobRecord:
    found = await bus.jobs.get(KEY)
    assert found is not None
    return found.record


async def test_an_ended_job_keeps_no_arguments(bus: Bus) -> None:
    work = await attempt(bus)
    await work.succeed(Empty(), 7)
    record = await stored(bus)
    assert (record.state, record.arguments, record.revision) == (JobState.SUCCEEDED, None, 7)


async def test_a_job_has_one_end(bus: Bus) -> None:
    first, second = await attempt(bus), await again(bus)
    await first.succeed(Empty(), 1)
    await second.fail(InternalError("too late"), 2)
    assert (await stored(bus)).state is JobState.SUCCEEDED


async def test_a_second_attempt_knows_the_marks_of_the_first(bus: Bus) -> None:
    first = await attempt(bus)
    assert first.begun is None
    await first.before_effect(position=5)
    second = await again(bus)
    assert second.attempt == 2
    assert second.begun == {"run": None, "position": 5}


async def test_no_effect_begins_for_a_job_that_has_ended(bus: Bus) -> None:
    first, second = await attempt(bus), await again(bus)
    await first.succeed(Empty(), 1)
    with pytest.raises(Overtaken):
        await second.before_effect()


async def test_no_effect_begins_past_the_time_limit(bus: Bus) -> None:
    work = await attempt(bus, timeout=5.0, age=6.0)
    with pytest.raises(Expired):
        await work.before_effect()
    assert (await stored(bus)).state is JobState.ACCEPTED


async def test_a_cancel_that_came_meanwhile_is_heard_at_the_next_write(bus: Bus) -> None:
    work = await attempt(bus)
    found = await bus.jobs.get(KEY)
    assert found is not None
    await bus.jobs.update(KEY, found.record.model_copy(update={"cancel_requested": "alice"}), found.revision)
    with pytest.raises(Cancelled, match="alice"):
        await work.before_effect()
    assert (await stored(bus)).cancel_requested == "alice"


async def test_what_cannot_be_stored_still_ends_the_job(bus: Bus) -> None:
    work = await attempt(bus)
    await work.succeed(MonitorReply(reply="\ud800"), 3)
    record = await stored(bus)
    assert record.state is JobState.FAILED
    assert record.error is not None
    assert "cannot be stored" in record.error.message


async def test_waiting_is_cut_short_when_the_job_is_given_up(bus: Bus) -> None:
    work = await attempt(bus)
    waiting = asyncio.ensure_future(work.until(asyncio.sleep(60)))
    work.give_up(Cancelled("cancelled by bob"))
    with pytest.raises(Cancelled, match="bob"):
        await waiting


async def test_whoever_may_not_act_any_more_says_nothing_of_a_job(bus: Bus) -> None:
    await attempt(bus)

    def lost() -> None:
        raise Unavailable("the session ran out")

    found = await bus.jobs.get(KEY)
    assert found is not None
    frozen = JobWork(bus, found.record, found.revision, family="simulated", age=0.0, check=lost)
    with pytest.raises(Unavailable):
        await frozen.succeed(Empty(), 1)
    assert (await stored(bus)).state is JobState.ACCEPTED
