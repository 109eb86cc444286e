"""A bucket is changed by compare-and-set and watched without loss."""

from __future__ import annotations

import asyncio

import pytest

from tests.conftest import Broker
from virtbus.bus.bucket import Change, Exists, Stale, Synced
from virtbus.bus.connection import Bus
from virtbus.bus.settings import BusSettings
from virtbus.records import HostRecord


def host(name: str, version: str = "") -> HostRecord:
    return HostRecord(name=name, family="simulated", uri="simulated:///default", version=version)


async def test_create_refuses_a_key_that_has_a_value(bus: Bus) -> None:
    revision = await bus.hosts.create("a", host("a"))
    with pytest.raises(Exists):
        await bus.hosts.create("a", host("a", "2"))
    stored = await bus.hosts.get("a")
    assert stored is not None
    assert (stored.revision, stored.record.version) == (revision, "")


async def test_update_refuses_a_revision_that_is_not_the_last(bus: Bus) -> None:
    first = await bus.hosts.create("a", host("a"))
    second = await bus.hosts.update("a", host("a", "2"), first)
    with pytest.raises(Stale):
        await bus.hosts.update("a", host("a", "3"), first)
    assert second > first


async def test_a_repeated_write_whose_answer_was_lost_is_the_same_write(bus: Bus) -> None:
    first = await bus.hosts.create("a", host("a"))
    record = host("a", "2")
    second = await bus.hosts.update("a", record, first)
    assert await bus.hosts.update("a", record, first) == second


async def test_a_record_keeps_the_fields_of_a_newer_version(bus: Bus) -> None:
    newer = HostRecord.model_validate(host("a").model_dump() | {"colour": "green"})
    await bus.hosts.create("a", newer)
    stored = await bus.hosts.get("a")
    assert stored is not None
    assert stored.record.model_dump()["colour"] == "green"


async def test_a_watch_gives_what_is_then_synced_then_changes(bus: Bus) -> None:
    await bus.hosts.create("a", host("a"))
    last = await bus.hosts.create("b", host("b"))
    seen: list[object] = []
    async with asyncio.timeout(10):
        async for change in bus.hosts.watch():
            seen.append(change.key if isinstance(change, Change) else change)
            if isinstance(change, Synced):
                await bus.hosts.create("c", host("c"))
            elif change.key == "c":
                break
    assert seen == ["a", "b", Synced(last), "c"]


async def test_a_watch_of_an_empty_bucket_is_synced_at_once(bus: Bus) -> None:
    async with asyncio.timeout(10):
        async for change in bus.hosts.watch():
            assert change == Synced(0)
            break


async def test_everything_leaves_out_what_was_deleted(bus: Bus) -> None:
    await bus.hosts.create("a", host("a"))
    await bus.hosts.create("b", host("b"))
    await bus.hosts.delete("a")
    assert [stored.key for stored in await bus.hosts.everything()] == ["b"]


async def test_a_watch_survives_a_broker_killed_and_started_again(own_broker: Broker) -> None:
    bus = await Bus.connect(BusSettings(servers=[own_broker.url]), role="gateway", name="gateway")
    seen: list[str] = []
    async with asyncio.timeout(30):
        async for change in bus.hosts.watch():
            if isinstance(change, Synced):
                await bus.hosts.create("a", host("a"))
                continue
            seen.append(change.key)
            if change.key == "a":
                await own_broker.kill()
                await own_broker.start()
                await bus.hosts.create("b", host("b"))
            if change.key == "b":
                break
    await bus.close()
    assert seen == ["a", "b"]
