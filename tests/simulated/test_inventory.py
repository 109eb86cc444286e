"""What a worker finds: libvirt's test world, more domains by URI, and what it need not be told again."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.simulated.conftest import Connect
from tests.simulated.parts import SECONDS, TEST_UUID, URI, Attempt, Process, Worker
from virtbus.driver import HostSettings, Known, Target
from virtbus.observations import Observation, Rebooted, Resumed
from virtbus.state import DomainState
from virtbus_simulated.driver import SimulatedDriver


async def test_the_world_of_libvirts_test_driver_runs(worker: Worker) -> None:
    (test,) = worker.inventory
    assert (test.domain, test.name, test.id) == (TEST_UUID, "test", 1)
    assert (test.state, test.reason) == (DomainState.RUNNING, "booted")
    assert test.live is not None
    assert test.live.id == 1
    assert test.live.memory is not None
    assert test.live.memory.kib == 8388608


async def test_more_domains_have_names_uuids_and_devices_of_their_own(connect: Connect) -> None:
    worker = await connect("simulated:///default?domains=20")
    assert len({one.domain for one in worker.inventory}) == len({one.name for one in worker.inventory}) == 21
    lives = [one.live for one in worker.inventory if one.live is not None]
    macs = {str(live.devices.interfaces[0].mac.address) for live in lives[1:] if live.devices.interfaces[0].mac}
    assert len(macs) == 20
    assert all(device.alias for live in lives for device in live.devices.every())


async def test_a_domain_of_the_world_is_defined_until_the_record_knows_it(worker: Worker) -> None:
    (test,) = worker.inventory
    assert test.persistent is not None
    assert test.persistent.id is None
    known = {TEST_UUID: Known(incarnation=test.incarnation, position=test.position or 0)}
    (again,) = await worker.driver.inventory(known)
    assert again.persistent is None
    assert again.live is not None
    assert again.missed == ()


async def test_a_started_domain_is_never_called_defined(worker: Worker) -> None:
    target = await worker.boot()
    found = next(one for one in await worker.driver.inventory({}) if one.domain == target.uuid)
    assert found.persistent is None
    assert found.live is not None


async def test_domains_of_the_world_take_every_operation(worker: Worker, hypervisor: Process) -> None:
    target = worker.target(TEST_UUID, "test")
    await worker.driver.suspend(target, Attempt())
    await worker.driver.resume(target, Attempt())
    await worker.driver.set_vcpus(target, 1, Attempt())
    await worker.driver.destroy(target, Attempt())
    assert worker.kinds(TEST_UUID) == ["Suspended", "Resumed", "LiveChanged", "Stopped"]
    assert await worker.driver.inventory({}) == []


async def test_hosts_of_one_process_are_strangers_to_each_other(connect: Connect, hypervisor: Process) -> None:
    first = await connect("simulated:///default?domains=1")
    mine = {one.domain for one in first.inventory}
    target = await first.boot()
    hypervisor.host += "-b"
    second = await connect("simulated:///default?domains=1")
    theirs = {one.domain for one in second.inventory}
    assert mine & theirs == {TEST_UUID}
    assert target.uuid not in theirs
    assert first.facts.machine != second.facts.machine
    assert first.facts.boot == second.facts.boot


async def test_positions_grow_over_everything_that_happens(worker: Worker) -> None:
    target = await worker.boot()
    await worker.driver.suspend(target, Attempt())
    await worker.driver.resume(target, Attempt())
    positions = [one.position or 0 for one in worker.seen]
    assert positions == sorted(set(positions))
    assert positions[0] > (worker.inventory[0].position or 0)


async def test_what_the_inventory_shows_is_not_observed_again(hypervisor: Process, tmp_path: Path) -> None:
    seen: list[Observation] = []
    settings = HostSettings(
        name=hypervisor.host, uri=URI, run=tmp_path, state=tmp_path, options={"socket": str(hypervisor.socket)}
    )
    driver = SimulatedDriver(settings, seen.append)
    await driver.connect()
    await hypervisor.control(TEST_UUID, play="io-error")
    (test,) = await driver.inventory({})
    assert (test.state, test.reason) == (DomainState.PAUSED, "ioerror")
    target = Target(host=hypervisor.host, uuid=TEST_UUID, name="test", state=test.state, live=test.live)
    watching = asyncio.create_task(driver.watch())
    await driver.resume(target, Attempt())
    await driver.close()
    await asyncio.wait_for(watching, SECONDS)
    assert [type(one) for one in seen] == [Resumed]


async def test_what_happens_before_the_watch_is_observed_with_it(hypervisor: Process, tmp_path: Path) -> None:
    seen: list[Observation] = []
    settings = HostSettings(
        name=hypervisor.host, uri=URI, run=tmp_path, state=tmp_path, options={"socket": str(hypervisor.socket)}
    )
    driver = SimulatedDriver(settings, seen.append)
    await driver.connect()
    await driver.inventory({})
    await hypervisor.control(TEST_UUID, play="panic")
    await driver.inventory({TEST_UUID: Known(incarnation=None, position=0)})
    assert seen == []
    await hypervisor.control(TEST_UUID, play="reset")
    watching = asyncio.create_task(driver.watch())
    async with asyncio.timeout(SECONDS):
        while not seen:
            await asyncio.sleep(0.002)
    await driver.close()
    await asyncio.wait_for(watching, SECONDS)
    assert [type(one) for one in seen] == [Rebooted]


async def test_a_watch_that_began_before_the_inventory_tells_nothing_beyond_it(
    hypervisor: Process, tmp_path: Path
) -> None:
    seen: list[Observation] = []
    settings = HostSettings(
        name=hypervisor.host, uri=URI, run=tmp_path, state=tmp_path, options={"socket": str(hypervisor.socket)}
    )
    driver = SimulatedDriver(settings, seen.append)
    await driver.connect()
    watching = asyncio.create_task(driver.watch())
    await hypervisor.control(TEST_UUID, play="io-error")
    (test,) = await driver.inventory({TEST_UUID: Known(incarnation=None, position=0)})
    await driver.close()
    await asyncio.wait_for(watching, SECONDS)
    assert [one.position for one in test.missed] == [test.position]
    assert all((one.position or 0) <= (test.position or 0) for one in seen)
