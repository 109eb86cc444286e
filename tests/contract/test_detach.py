"""Detaching from a guest that takes its time: pending until it answers, is reset or ends; never done on a timeout."""

from __future__ import annotations

import asyncio

import pytest

from tests.contract.drivers import LIMIT, Guest
from tests.contract.lab import Lab, Vm, ended, refused
from virtbus.client.job import Job
from virtbus.errors import Cancelled, Expired
from virtbus.eventkinds import EventKind
from virtbus.operations.device import AttachDevice, DetachDevice, Detachment
from virtbus.operations.domain import DestroyDomain, ResetDomain
from virtbus.records import Event, JobState

pytestmark = [pytest.mark.facets("Lifecycle", "Devices"), pytest.mark.case(asks_guest=True)]
NEW = "ua-new"


async def waiting(vm: Vm, timeout: float = 60) -> Job[Detachment]:
    """A removal that the guest does not answer."""
    job = await vm.submit(DetachDevice, alias=NEW, timeout=timeout)
    await vm.next(ended(job, JobState.WAITING))
    return job


async def joined(vm: Vm, timeout: float = 60) -> Job[Detachment]:
    """The same, but only until the mark has the job: the worker looks for a quick answer still."""
    job = await vm.submit(DetachDevice, alias=NEW, timeout=timeout)
    async with asyncio.timeout(LIMIT):
        # No event tells of a mark.
        while not any(job.id in mark.jobs for mark in (await vm.summary()).pending):
            await asyncio.sleep(0.01)
    return job


@pytest.fixture
async def vm(lab: Lab) -> Vm:
    """A domain with one device more, whose guest never answers."""
    vm = await lab.started(Guest.DEAF)
    await vm.run(AttachDevice, xml=lab.device("disk"))
    return vm


async def test_a_removal_that_the_guest_does_not_answer_is_pending_and_a_cancel_ends_only_its_job(vm: Vm) -> None:
    job = await waiting(vm)
    mark = (await vm.summary()).pending[0]
    assert (mark.alias, mark.job) == (NEW, job.id)
    assert (await vm.device(NEW)).pending
    xml = vm.lab.device("interface").replace(NEW, "ua-other")
    assert (await vm.run(AttachDevice, xml=xml, timeout=20)).alias == "ua-other"
    assert (await job.refresh()).state is JobState.WAITING
    await job.cancel()
    await refused(job.wait(), Cancelled, "OPERATION_ABORTED")
    assert job.record.state is JobState.CANCELLED
    assert (await vm.device(NEW)).pending
    assert await removals(vm) == []


async def test_the_time_limit_ends_the_job_and_not_the_removal(vm: Vm) -> None:
    job = await vm.submit(DetachDevice, alias=NEW, timeout=1)
    error = await refused(job.wait(), Expired, "OPERATION_TIMEOUT")
    assert job.record.state is JobState.EXPIRED
    assert (error.host, error.domain) == (vm.lab.host, str(vm.uuid))
    assert error.hint
    assert [mark.alias for mark in (await vm.summary()).pending] == [NEW]
    # What it was asked still comes true, and its cause is who asked.
    await vm.run(ResetDomain)
    event = await vm.next(lambda event: event.kind is EventKind.DEVICE_REMOVED)
    assert event.cause == job.id
    assert (await job.refresh()).state is JobState.EXPIRED
    assert NEW not in await vm.aliases()


async def test_a_reset_completes_the_removal_which_its_first_job_caused(vm: Vm) -> None:
    job = await waiting(vm)
    await vm.run(ResetDomain)
    gone = await job.wait()
    assert (gone.outcome, gone.by) == ("removed", "reset")
    assert NEW not in await vm.aliases()
    await vm.unmarked()
    assert [(event.cause, event.detail["alias"]) for event in await removals(vm)] == [(job.id, NEW)]
    # All that served it is free again.
    assert (await vm.run(AttachDevice, xml=vm.lab.device("disk"))).alias == NEW


async def test_a_repeat_joins_the_pending_removal_and_gets_the_same_outcome(vm: Vm) -> None:
    first, second = await joined(vm), await joined(vm)
    mark = (await vm.summary()).pending[0]
    assert (mark.job, mark.jobs) == (first.id, [first.id, second.id])
    await vm.run(ResetDomain)
    assert await first.wait() == await second.wait()
    assert [event.cause for event in await removals(vm)] == [first.id]


async def test_a_repeat_after_the_first_job_expired_joins_its_mark(vm: Vm) -> None:
    first = await vm.submit(DetachDevice, alias=NEW, timeout=1)
    await refused(first.wait(), Expired, "OPERATION_TIMEOUT")
    second = await joined(vm)
    assert (await vm.summary()).pending[0].job == first.id
    await vm.run(ResetDomain)
    assert (await second.wait()).outcome == "removed"
    assert [event.cause for event in await removals(vm)] == [first.id]


async def test_the_end_of_the_domain_completes_the_removal(vm: Vm) -> None:
    job = await joined(vm)
    await vm.run(DestroyDomain)
    gone = await job.wait()
    assert (gone.outcome, gone.by) == ("removed", "exit")
    await vm.unmarked()


async def removals(vm: Vm) -> list[Event]:
    """The events that tell of devices that are gone."""
    return [event for event in await vm.events() if event.kind is EventKind.DEVICE_REMOVED]
