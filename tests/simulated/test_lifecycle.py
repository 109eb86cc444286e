"""Starting, stopping and pausing through the driver."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.simulated.conftest import Connect
from tests.simulated.parts import TEST_UUID, Attempt, Process, Worker
from virtbus.errors import Cancelled, Expired, HypervisorError, WrongState
from virtbus.observations import PoweredOff, Rebooted, Started, Stopped, Suspended


async def test_a_started_domain_runs_with_an_alias_for_every_device(worker: Worker) -> None:
    target = await worker.boot()
    started = await worker.wait(Started)
    assert started.domain == target.uuid
    assert started.live.id == started.id
    aliases = [device.alias for device in started.live.devices.every()]
    assert aliases == ["virtio-disk0", "scsi0-0-0-0", "scsi0", "net0"]


async def test_a_start_is_caused_by_its_job_and_can_be_paused(worker: Worker) -> None:
    target = await worker.boot(paused=True)
    started = await worker.wait(Started)
    assert started.paused
    assert started.cause is not None
    await worker.driver.resume(target, Attempt())
    assert worker.kinds(target.uuid) == ["Started", "Resumed"]


async def test_a_running_domain_cannot_be_started(worker: Worker, hypervisor: Process) -> None:
    target = await worker.boot()
    with pytest.raises(WrongState, match="already active"):
        await worker.driver.start(target, worker.target(target.uuid).live, Attempt(), paused=False)  # type: ignore[arg-type]
    assert hypervisor.effects(target.uuid) == [("started", "")]


async def test_shutdown_waits_for_the_guest_and_names_its_job(worker: Worker) -> None:
    target = await worker.boot()
    work = Attempt()
    await worker.driver.shutdown(target, work)
    assert worker.kinds(target.uuid) == ["Started", "PoweredOff", "Stopped"]
    assert (await worker.wait(PoweredOff)).cause == (await worker.wait(Stopped)).cause == work.job
    assert (await worker.wait(Stopped)).detail == "shutdown"


async def test_a_deaf_guest_lets_shutdown_expire_and_runs_on(worker: Worker, hypervisor: Process) -> None:
    target = await worker.boot("vm.deaf-guest")
    with pytest.raises(Expired):
        await worker.driver.shutdown(target, Attempt(seconds=0.2))
    assert hypervisor.effects(target.uuid) == [("started", ""), ("power-off-asked", "")]


async def test_a_reset_brings_a_deaf_guest_round(worker: Worker) -> None:
    target = await worker.boot("vm.deaf-guest")
    await worker.driver.reset(target, Attempt())
    await worker.driver.shutdown(target, Attempt())
    assert worker.kinds(target.uuid) == ["Started", "Rebooted", "PoweredOff", "Stopped"]


async def test_a_slow_guest_takes_its_time(worker: Worker) -> None:
    target = await worker.boot("vm.slow-guest")
    before = time.monotonic()
    await worker.driver.reboot(target, Attempt())
    assert time.monotonic() - before >= 0.29
    assert isinstance(worker.seen[-1], Rebooted)


async def test_a_cancelled_shutdown_ends_at_once(worker: Worker) -> None:
    target = await worker.boot("vm.deaf-guest")
    work = Attempt()
    job = asyncio.create_task(worker.driver.shutdown(target, work))
    work.cancelled.set()
    with pytest.raises(Cancelled):
        await job


async def test_suspend_and_resume(worker: Worker) -> None:
    target = await worker.boot()
    work = Attempt()
    await worker.driver.suspend(target, work)
    suspended = await worker.wait(Suspended)
    assert (suspended.detail, suspended.reason, suspended.cause) == ("paused", "user", work.job)
    with pytest.raises(WrongState, match="paused"):
        await worker.driver.suspend(target, Attempt())
    await worker.driver.resume(target, Attempt())
    assert worker.kinds(target.uuid) == ["Started", "Suspended", "Resumed"]


async def test_destroy_gets_through_to_a_hung_domain_within_a_second(worker: Worker) -> None:
    target = await worker.boot("vm.hung-monitor")
    stuck = Attempt()
    job = asyncio.create_task(worker.driver.suspend(target, stuck))
    before = time.monotonic()
    await worker.driver.destroy(target, Attempt())
    assert time.monotonic() - before < 1
    with pytest.raises(WrongState):
        await job
    assert worker.kinds(target.uuid) == ["Started", "Stopped"]


async def test_a_hung_domain_delays_no_other_and_its_job_expires(worker: Worker) -> None:
    hung = await worker.boot("vm.hung-monitor")
    well = await worker.boot("other")
    job = asyncio.create_task(worker.driver.suspend(hung, Attempt(seconds=0.3)))
    await worker.driver.suspend(well, Attempt())
    assert not job.done()
    with pytest.raises(Expired):
        await job


async def test_what_was_asked_of_a_hung_domain_happens_when_it_answers_again(
    worker: Worker, hypervisor: Process
) -> None:
    target = await worker.boot()
    await hypervisor.control(target.uuid, fail=["hung-monitor"])
    with pytest.raises(Expired):
        await worker.driver.suspend(target, Attempt(seconds=0.1))
    await hypervisor.control(target.uuid, fail=[])
    await worker.wait(Suspended)


@pytest.mark.parametrize("failure", ["start-fails", "dies-in-start"])
async def test_a_failed_start_leaves_nothing(worker: Worker, hypervisor: Process, failure: str) -> None:
    with pytest.raises(HypervisorError):
        await worker.boot(f"vm.{failure}")
    assert worker.seen == []
    assert [effect for effect, _ in hypervisor.effects()] == ["start-failed"]
    assert {one.domain for one in await worker.driver.inventory({})} == {TEST_UUID}


async def test_a_start_past_its_time_does_not_come_true_afterwards(worker: Worker, hypervisor: Process) -> None:
    definition = worker.driver.complete((await worker.boot()).live.copy(), None)  # type: ignore[union-attr]
    await worker.driver.destroy(worker.target(worker.seen[0].domain), Attempt())
    definition.name = "vm.slow-start"
    target = worker.target(worker.seen[0].domain, definition.name)
    with pytest.raises(Expired):
        await worker.driver.start(target, definition, Attempt(seconds=0.1), paused=False)
    assert [effect for effect, _ in hypervisor.effects(target.uuid)] == ["started", "stopped", "start-failed"]


async def test_a_lost_event_is_found_in_the_history(connect: Connect, hypervisor: Process) -> None:
    worker = await connect()
    target = await worker.boot("vm.lost-event")
    work = Attempt()
    await worker.driver.suspend(target, work)
    assert [one.cause for one in worker.seen if isinstance(one, Suspended)] == [work.job]
    await hypervisor.control(target.uuid, play="die")
    assert (await worker.wait(Stopped)).detail == "crashed"
    assert worker.kinds(target.uuid) == ["Started", "Suspended", "Stopped"]


@pytest.mark.parametrize(
    ("play", "kinds"),
    [
        ("panic", ["Started", "Crashed"]),
        ("io-error", ["Started", "Suspended"]),
        ("reset", ["Started", "Rebooted"]),
        ("power-off", ["Started", "PoweredOff", "Stopped"]),
        ("die", ["Started", "Stopped"]),
    ],
)
async def test_what_a_guest_does_by_itself_is_observed(
    worker: Worker, hypervisor: Process, play: str, kinds: list[str]
) -> None:
    target = await worker.boot()
    await hypervisor.control(target.uuid, play=play)
    async with asyncio.timeout(5):
        while worker.kinds(target.uuid) != kinds:
            await asyncio.sleep(0.002)
    assert worker.seen[-1].cause is None


async def test_an_event_after_a_lost_one_waits_for_it(worker: Worker, hypervisor: Process) -> None:
    target = await worker.boot()
    await hypervisor.control(target.uuid, fail=["lost-event"])
    await hypervisor.control(target.uuid, play="io-error")
    await hypervisor.control(target.uuid, fail=[])
    await hypervisor.control(target.uuid, play="die")
    await worker.wait(Stopped)
    assert worker.kinds(target.uuid) == ["Started", "Suspended", "Stopped"]


async def test_a_hung_guest_stands_still(connect: Connect, hypervisor: Process) -> None:
    worker = await connect("simulated:///default?shutdown_ms=20")
    target = await worker.boot()
    job = asyncio.create_task(worker.driver.shutdown(target, Attempt()))
    while ("power-off-asked", "") not in hypervisor.effects(target.uuid):
        await asyncio.sleep(0)
    await hypervisor.control(target.uuid, fail=["hung-monitor"])
    await asyncio.wait([job], timeout=0.1)
    assert not job.done()
    await hypervisor.control(target.uuid, fail=[])
    await job
    assert worker.kinds(target.uuid) == ["Started", "PoweredOff", "Stopped"]
