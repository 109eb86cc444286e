"""A worker dies between an effect and its answer: the next attempt looks, and never does it twice."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.simulated.conftest import Connect
from tests.simulated.parts import DISK, XML, Attempt, Process, Worker, uuid4
from virtbus.domain import Domain, parse_device
from virtbus.driver import Target
from virtbus.errors import HypervisorError, OutcomeUnknown, Unavailable
from virtbus.observations import DeviceAdded, Started, Stopped

Act = Callable[[Worker, Target, Attempt], Awaitable[object]]

LINK = "<interface type='user'><mac address='52:54:00:00:00:01'/><link state='down'/></interface>"

OPERATIONS: dict[str, tuple[Act, list[str], list[str]]] = {
    "shutdown": (lambda w, t, a: w.driver.shutdown(t, a), ["power-off-asked", "powered-off", "stopped"], []),
    "reboot": (lambda w, t, a: w.driver.reboot(t, a), ["reboot-asked", "reset"], []),
    "reset": (lambda w, t, a: w.driver.reset(t, a), ["reset"], []),
    "destroy": (lambda w, t, a: w.driver.destroy(t, a), ["stopped"], []),
    "suspend": (lambda w, t, a: w.driver.suspend(t, a), ["suspended"], []),
    "resume": (lambda w, t, a: w.driver.resume(t, a), ["resumed"], ["suspend"]),
    "attach": (lambda w, t, a: w.driver.attach(t, parse_device(DISK.format(target="vdb")), a), ["device-added"], []),
    "detach": (lambda w, t, a: w.driver.detach(t, "virtio-disk0", a), ["unplug-asked", "device-removed"], []),
    "update": (
        lambda w, t, a: w.driver.update(t, "net0", parse_device(LINK), a, force=False), ["device-changed"], [],
    ),
    "set_vcpus": (lambda w, t, a: w.driver.set_vcpus(t, 3, a), ["vcpus-changed"], []),
    "set_memory": (lambda w, t, a: w.driver.set_memory(t, 524288, a), ["memory-changed"], []),
    "send_keys": (lambda w, t, a: w.driver.send_keys(t, ["KEY_A"], 10, a), ["keys-sent"], []),
}  # fmt: skip
"""Each operation with the effects that it has, and the operations that must come before."""


async def prepared(worker: Worker, before: list[str]) -> Target:
    target = await worker.boot()
    for operation in before:
        await OPERATIONS[operation][0](worker, target, Attempt())
    return worker.target(target.uuid)


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_an_effect_without_an_answer_is_not_repeated(
    connect: Connect, hypervisor: Process, operation: str
) -> None:
    act, effects, before = OPERATIONS[operation]
    first = await connect()
    target = await prepared(first, before)
    count = len(hypervisor.effects(target.uuid))
    known = first.known()
    await hypervisor.control(target.uuid, fail=["lost-answer"])
    work = Attempt()
    with pytest.raises(Unavailable):
        await act(first, target, work)
    assert work.marks

    second = await connect(known=known)
    await act(second, target, work.again())
    async with asyncio.timeout(5):
        while len(hypervisor.effects(target.uuid)) < count + len(effects):
            await asyncio.sleep(0.002)
    assert [effect for effect, _ in hypervisor.effects(target.uuid)[count:]] == effects
    told = [type(one) for observed in second.inventory for one in observed.missed] + [type(one) for one in second.seen]
    assert len(told) == len(set(told))


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_an_effect_that_never_happened_happens_once(
    connect: Connect, hypervisor: Process, operation: str
) -> None:
    act, effects, before = OPERATIONS[operation]
    first = await connect()
    target = await prepared(first, before)
    count = len(hypervisor.effects(target.uuid))
    # The mark was written, and then the worker died before it sent anything.
    work = Attempt(begun={"position": first.driver.session.ledger.latest, "alias": "virtio-disk1"})
    second = await connect(known=first.known())
    await act(second, target, work)
    async with asyncio.timeout(5):
        while len(hypervisor.effects(target.uuid)) < count + len(effects):
            await asyncio.sleep(0.002)
    assert [effect for effect, _ in hypervisor.effects(target.uuid)[count:]] == effects


def definition(worker: Worker, name: str) -> tuple[Target, Domain]:
    made = worker.driver.complete(Domain.parse(XML.format(name=name, uuid=uuid4())), None)
    assert made.uuid is not None
    return worker.target(made.uuid, name), made


async def cut_start(connect: Connect, hypervisor: Process, name: str) -> tuple[Target, Domain, Attempt]:
    """A start whose worker dies as soon as it is under way."""
    worker = await connect()
    target, made = definition(worker, name)
    work = Attempt()
    job = asyncio.create_task(worker.driver.start(target, made, work, paused=False))
    async with asyncio.timeout(5):
        while (await hypervisor.ask("history", domain=str(target.uuid), since=0))["state"] == "off":
            await asyncio.sleep(0.002)
    await worker.stop()
    with pytest.raises(Unavailable):
        await job
    return target, made, work


async def test_a_start_under_way_is_joined(connect: Connect, hypervisor: Process) -> None:
    target, made, work = await cut_start(connect, hypervisor, "vm.slow-start")
    second = await connect()
    assert target.uuid not in {one.domain for one in second.inventory}
    await second.driver.start(target, made, work.again(), paused=False)
    assert (await second.wait(Started)).cause == work.job
    assert hypervisor.effects(target.uuid) == [("started", "")]


async def test_a_start_that_was_done_meanwhile_is_told_with_its_job(connect: Connect, hypervisor: Process) -> None:
    target, made, work = await cut_start(connect, hypervisor, "vm.slow-start")
    async with asyncio.timeout(5):
        while not hypervisor.effects(target.uuid):
            await asyncio.sleep(0.002)
    second = await connect()
    observed = next(one for one in second.inventory if one.domain == target.uuid)
    assert [(type(one), one.cause) for one in observed.missed] == [(Started, work.job)]
    await second.driver.start(target, made, work.again(), paused=False)
    assert second.seen == []
    assert hypervisor.effects(target.uuid) == [("started", "")]


async def test_a_domain_that_came_and_went_meanwhile_is_told_whole(connect: Connect, hypervisor: Process) -> None:
    target, made, work = await cut_start(connect, hypervisor, "vm.slow-start")
    async with asyncio.timeout(5):
        while not hypervisor.effects(target.uuid):
            await asyncio.sleep(0.002)
    await hypervisor.control(target.uuid, play="die")
    second = await connect()
    assert target.uuid not in {one.domain for one in second.inventory}
    await second.driver.start(target, made, work.again(), paused=False)
    assert second.kinds(target.uuid) == ["Started", "Stopped"]
    assert hypervisor.effects(target.uuid) == [("started", ""), ("stopped", "")]


async def test_a_start_that_failed_meanwhile_fails_again_without_a_second_one(
    connect: Connect, hypervisor: Process
) -> None:
    target, made, work = await cut_start(connect, hypervisor, "vm.slow-start.dies-in-start")
    second = await connect()
    with pytest.raises(HypervisorError, match="ended while it started"):
        await second.driver.start(target, made, work.again(), paused=False)
    assert hypervisor.effects(target.uuid) == [("start-failed", "")]
    with pytest.raises(HypervisorError, match="ended while it started"):
        await second.driver.start(target, made, work.again(), paused=False)


async def test_an_attempt_that_noted_no_position_had_no_effect(worker: Worker, hypervisor: Process) -> None:
    target = await worker.boot()
    await worker.driver.suspend(target, Attempt(begun={"run": "boot-1"}))
    assert [effect for effect, _ in hypervisor.effects(target.uuid)] == ["started", "suspended"]


async def test_what_lies_beyond_the_history_is_unknown_and_not_repeated(connect: Connect, hypervisor: Process) -> None:
    worker = await connect("simulated:///default?history=3")
    target = await worker.boot()
    begun = {"position": worker.driver.session.ledger.latest}
    for _ in range(2):
        await worker.driver.suspend(target, Attempt())
        await worker.driver.resume(target, Attempt())
    count = len(hypervisor.effects(target.uuid))
    with pytest.raises(OutcomeUnknown):
        await worker.driver.suspend(target, Attempt(begun=begun))
    assert len(hypervisor.effects(target.uuid)) == count


async def test_a_booted_host_leaves_the_outcome_unknown(connect: Connect, tmp_path: Path) -> None:
    process = Process(tmp_path)
    try:
        first = await connect(process=process)
        target = await first.boot()
        work = Attempt(begun={"position": first.driver.session.ledger.latest})
        assert process.stop() == 0
        assert first.watching is not None
        await asyncio.wait_for(first.watching, 5)
        process.boot()
        second = await connect(process=process)
        with pytest.raises(OutcomeUnknown):
            await second.driver.destroy(target, work)
    finally:
        process.stop()
    assert second.facts.boot != first.facts.boot
    assert second.facts.machine == first.facts.machine


async def test_the_last_worker_to_open_the_host_fences_the_one_before(connect: Connect, hypervisor: Process) -> None:
    first = await connect()
    target = await first.boot()
    second = await connect(known=first.known())
    with pytest.raises(Unavailable):
        await first.driver.destroy(target, Attempt())
    assert first.watching is not None
    await asyncio.wait_for(asyncio.wait([first.watching]), 5)
    await second.driver.destroy(target, Attempt())
    assert hypervisor.effects(target.uuid) == [("started", ""), ("stopped", "")]
    assert isinstance(second.seen[-1], Stopped)


async def test_what_happened_in_a_workers_absence_is_missed_once(connect: Connect, hypervisor: Process) -> None:
    first = await connect()
    target = await first.boot()
    known = first.known()
    await first.driver.attach(target, parse_device(DISK.format(target="vdb")), Attempt())
    await first.stop()
    await hypervisor.control(target.uuid, play="die")
    second = await connect(known=known)
    observed = next(one for one in second.inventory if one.domain == target.uuid)
    assert [type(one) for one in observed.missed] == [DeviceAdded, Stopped]
    assert observed.stopped == "crashed"
    assert not observed.state.active
    assert second.seen == []
