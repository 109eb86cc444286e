"""Jobs are accepted once; events are published once and read from any point."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import pytest

from virtbus.bus.connection import Bus
from virtbus.bus.events import FROM_THE_BEGINNING
from virtbus.errors import KeyReused, NoDomain, Unavailable
from virtbus.eventkinds import EventKind
from virtbus.records import Event, JobRecord

DOMAIN = UUID("6695eb01-f6a4-8304-79aa-97f2502e193f")


def job(number: int, digest: str = "") -> JobRecord:
    return JobRecord(id=str(UUID(int=number)), operation="domain.start", host="h", domain=DOMAIN, digest=digest)


def event(generation: int, kind: EventKind = EventKind.REBOOT) -> Event:
    return Event(kind=kind, host="h", family="simulated", domain=DOMAIN, generation=generation)


async def test_the_same_id_and_request_is_accepted_once(bus: Bus) -> None:
    first, new = await bus.queue.accept(job(1))
    again, repeated = await bus.queue.accept(job(1))
    assert (new, repeated) == (True, False)
    assert again.accepted == first.accepted
    assert await bus.queue.open("h") == 1


async def test_the_same_id_with_another_request_is_refused(bus: Bus) -> None:
    await bus.queue.accept(job(1, "x"))
    with pytest.raises(KeyReused):
        await bus.queue.accept(job(1, "y"))


async def test_whoever_opens_the_queue_gets_every_unfinished_job_in_order(bus: Bus) -> None:
    for number in (1, 2, 3):
        await bus.queue.accept(job(number))
    for finished in (0, 1):
        count = await bus.queue.open("h")
        assert count == 3 - finished
        seen = []
        async with asyncio.timeout(10):
            async for delivery in bus.queue.deliveries("h"):
                if not finished and not seen:
                    await bus.queue.done(delivery)
                seen.append(delivery.job)
                if len(seen) == count:
                    break
        assert seen == [job(number).id for number in range(1 + finished, 4)]


async def test_an_event_published_twice_is_there_once(bus: Bus) -> None:
    assert await bus.events.publish(event(1)) == await bus.events.publish(event(1))
    await bus.events.publish(event(2, EventKind.LIFECYCLE))
    assert await bus.events.last_generation("h", DOMAIN) == 2
    assert await bus.events.last_generation("h", uuid4()) == 0


async def test_events_are_followed_from_a_cursor(bus: Bus) -> None:
    for generation in (1, 2, 3):
        await bus.events.publish(event(generation))
    seen = []
    cursor = ""
    async with asyncio.timeout(10):
        async for at, found in bus.events.follow(FROM_THE_BEGINNING):
            seen.append(found.generation)
            if found.generation == 2:
                cursor = at
                break
        async for _, found in bus.events.follow(cursor, host="h", domain=DOMAIN, kinds=[EventKind.REBOOT]):
            seen.append(found.generation)
            break
    assert seen == [1, 2, 3]


@pytest.mark.parametrize("cursor", ["garbage", "Z2FyYmFnZTox"])
async def test_a_foreign_cursor_gives_one_gap_and_goes_on(bus: Bus, cursor: str) -> None:
    await bus.events.publish(event(1))
    kinds = []
    async with asyncio.timeout(10):
        async for _, found in bus.events.follow(cursor):
            kinds.append(found.kind)
            if found.kind is not EventKind.GAP:
                break
            await bus.events.publish(event(2))
    assert kinds == [EventKind.GAP, EventKind.REBOOT]


async def test_a_query_brings_back_the_workers_typed_error(bus: Bus) -> None:
    async def answer(arguments: dict[str, object]) -> dict[str, object]:
        if "uuid" in arguments:
            raise NoDomain("no domain", host="h", domain=str(arguments["uuid"]))
        return {"seen": arguments}

    async with asyncio.TaskGroup() as group:
        service = await bus.queries.serve("h", {"domain.stats": answer}, lambda work: group.create_task(work))
        assert await bus.queries.ask("h", "domain.stats", {"a": 1}, 2) == {"seen": {"a": 1}}
        with pytest.raises(NoDomain) as caught:
            await bus.queries.ask("h", "domain.stats", {"uuid": "u"}, 2)
        await service.stop()
    assert (caught.value.host, caught.value.domain) == ("h", "u")


async def test_a_query_to_a_host_that_nobody_serves_says_so(bus: Bus) -> None:
    with pytest.raises(Unavailable) as caught:
        await bus.queries.ask("nowhere", "domain.stats", {}, 2)
    assert caught.value.host == "nowhere"
