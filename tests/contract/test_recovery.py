"""The worker dies: domains run on, are found again, and what happened meanwhile is told once."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.contract.drivers import Guest, Misfortune
from tests.contract.lab import Lab, Vm, ended, refused
from virtbus.errors import Expired
from virtbus.eventkinds import EventKind
from virtbus.operations.device import AttachDevice, DetachDevice
from virtbus.operations.domain import DestroyDomain, ResumeDomain, ShutdownDomain, StartDomain, SuspendDomain
from virtbus.records import JobState
from virtbus.state import DomainState

pytestmark = pytest.mark.facets("Lifecycle")
NEW = "ua-new"


@pytest.fixture
async def vm(lab: Lab) -> AsyncIterator[Vm]:
    """A running domain; its host's worker is there again afterwards, whatever the test did to it."""
    yield await lab.started(Guest.DEAF)
    await lab.worker.kill()
    await lab.worker.start()


async def test_a_domain_runs_on_and_is_found_again(vm: Vm) -> None:
    before = (await vm.summary(), await vm.document(), await vm.told())
    await vm.lab.worker.kill()
    assert await vm.state() is DomainState.RUNNING
    await vm.lab.worker.start()
    assert (await vm.summary(), await vm.document(), await vm.told()) == before
    assert (await vm.run(SuspendDomain)).state is DomainState.PAUSED


async def test_a_job_that_is_accepted_without_a_worker_is_done_by_the_next_one(vm: Vm) -> None:
    await vm.lab.worker.kill()
    first, second = await vm.submit(SuspendDomain), await vm.submit(ResumeDomain)
    assert first.record.state is JobState.ACCEPTED
    await vm.lab.worker.start()
    await first.wait()
    assert (await second.wait()).state is DomainState.RUNNING
    assert [event.cause for event in (await vm.events())[-2:]] == [first.id, second.id]


async def test_what_happened_meanwhile_is_told_once_as_reconciled(vm: Vm) -> None:
    told = await vm.told()
    await vm.lab.worker.kill()
    await vm.befall(Misfortune.PAUSES)
    await vm.lab.worker.start()
    assert await vm.state() is DomainState.PAUSED
    await vm.lab.worker.kill()
    await vm.befall(Misfortune.DIES)
    await vm.lab.worker.start()
    assert await vm.state() is DomainState.SHUTOFF
    await vm.lab.worker.kill()
    await vm.lab.worker.start()
    events = (await vm.events())[len(told) :]
    assert [event.detail["event"] for event in events] == ["suspended", "stopped"]
    assert [(event.reconciled, event.cause) for event in events] == [(True, None)] * 2
    await vm.run(StartDomain, paused=True)


@pytest.mark.facets("Devices")
@pytest.mark.case(asks_guest=True)
async def test_a_removal_pending_over_the_workers_death_comes_to_the_same_outcome(vm: Vm) -> None:
    await vm.run(AttachDevice, xml=vm.lab.device("disk"))
    job = await vm.submit(DetachDevice, alias=NEW)
    await vm.next(ended(job, JobState.WAITING))
    await vm.lab.worker.kill()
    await vm.lab.worker.start()
    assert (await vm.device(NEW)).pending
    assert (await job.refresh()).state is JobState.WAITING
    await vm.lab.worker.kill()
    await vm.befall(Misfortune.RESETS)
    await vm.lab.worker.start()
    gone = await job.wait()
    assert (gone.alias, gone.outcome, gone.by) == (NEW, "removed", "reset")
    removals = [event for event in await vm.events() if event.kind is EventKind.DEVICE_REMOVED]
    assert [(event.cause, event.reconciled) for event in removals] == [(job.id, True)]
    assert NEW not in await vm.aliases()
    await vm.unmarked()
    # Its backends are gone too: the same device fits in again.
    await vm.run(AttachDevice, xml=vm.lab.device("disk"))


async def test_a_time_limit_passes_over_the_workers_death(vm: Vm) -> None:
    job = await vm.submit(ShutdownDomain, timeout=3)
    await vm.lab.worker.kill()
    await vm.lab.worker.start()
    await refused(job.wait(), Expired, "OPERATION_TIMEOUT")
    assert await vm.state() is DomainState.RUNNING


async def test_a_job_cut_off_in_its_effect_has_it_once(vm: Vm) -> None:
    await vm.run(DestroyDomain)
    before = len(await vm.events())
    job = await vm.submit(StartDomain, paused=True)
    await vm.lab.worker.kill()
    await vm.lab.worker.start()
    assert (await job.wait()).state is DomainState.PAUSED
    events = (await vm.events())[before:]
    assert [event.detail["event"] for event in events] == ["started", "suspended"]
