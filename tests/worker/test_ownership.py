"""Who may act on a host."""

from __future__ import annotations

import pytest

from virtbus.bus.connection import Bus
from virtbus.bus.ownership import take
from virtbus.errors import HostTaken
from virtbus.records import HostRecord, SessionRecord


def wanted(machine: str = "m1") -> HostRecord:
    return HostRecord(name="h", family="simulated", uri="simulated:///default", machine=machine)


async def begun(bus: Bus, name: str) -> str:
    record = SessionRecord(id=f"{name}.1", machine="m1", pid=1, family="simulated")
    await bus.sessions.new(record).begin()
    return record.id


async def test_a_host_is_taken_once_and_each_taking_has_a_higher_epoch(bus: Bus) -> None:
    first = await take(bus.hosts, bus.sessions, wanted(), await begun(bus, "a"), fenced=False)
    again = await take(bus.hosts, bus.sessions, wanted(), await begun(bus, "b"), fenced=True)
    assert first is not None
    assert again is not None
    assert again.epoch == first.epoch + 1


async def test_a_living_owner_keeps_its_host(bus: Bus) -> None:
    await take(bus.hosts, bus.sessions, wanted(), await begun(bus, "a"), fenced=False)
    assert await take(bus.hosts, bus.sessions, wanted(), await begun(bus, "b"), fenced=False) is None


async def test_an_owner_without_a_session_loses_its_host(bus: Bus) -> None:
    await take(bus.hosts, bus.sessions, wanted(), "gone.1", fenced=False)
    taken = await take(bus.hosts, bus.sessions, wanted(), await begun(bus, "b"), fenced=False)
    assert taken is not None
    assert taken.record.owner is not None
    assert taken.record.owner.session == "b.1"


async def test_another_machine_that_claims_the_name_is_refused_unless_forced(bus: Bus) -> None:
    await take(bus.hosts, bus.sessions, wanted(), "gone.1", fenced=False)
    with pytest.raises(HostTaken) as caught:
        await take(bus.hosts, bus.sessions, wanted("m2"), await begun(bus, "b"), fenced=True)
    assert caught.value.host == "h"
    assert "--take-over-host" in (caught.value.hint or "")
    forced = await take(bus.hosts, bus.sessions, wanted("m2"), await begun(bus, "c"), fenced=True, force=True)
    assert forced is not None
    assert forced.record.machine == "m2"


async def test_the_boot_last_served_is_kept(bus: Bus) -> None:
    first = await take(bus.hosts, bus.sessions, wanted(), "gone.1", fenced=False)
    assert first is not None
    await bus.hosts.update("h", first.record.model_copy(update={"boot": "b1"}), first.revision)
    again = await take(bus.hosts, bus.sessions, wanted(), await begun(bus, "b"), fenced=False)
    assert again is not None
    assert again.record.boot == "b1"


async def test_a_record_that_makes_no_sense_is_written_anew(bus: Bus) -> None:
    await bus.link.write(bus.subjects.key("hosts", "h"), b"\xc1")
    taken = await take(bus.hosts, bus.sessions, wanted(), await begun(bus, "a"), fenced=False)
    assert taken is not None
    stored = await bus.hosts.get("h")
    assert stored is not None
    assert stored.record.owner == taken.record.owner
