"""Jobs: their order, their limits, and that each has one end."""

from __future__ import annotations

import asyncio

import pytest

from tests.contract.drivers import Guest
from tests.contract.lab import Lab, refused
from virtbus.errors import Cancelled, Expired, KeyReused, WrongState
from virtbus.operations.domain import (
    DestroyDomain,
    ResumeDomain,
    SetLabels,
    ShutdownDomain,
    StartDomain,
    SuspendDomain,
)
from virtbus.records import JobState
from virtbus.state import DomainState

pytestmark = pytest.mark.facets("Lifecycle")


async def test_jobs_of_one_domain_run_in_the_order_in_which_they_were_accepted(lab: Lab) -> None:
    vm = await lab.defined()
    jobs = [await vm.submit(StartDomain, paused=True)]
    for _ in range(3):
        jobs += [await vm.submit(ResumeDomain), await vm.submit(SuspendDomain)]
    for job in jobs:
        await job.wait()
    caused = list(dict.fromkeys(event.cause for event in (await vm.events())[1:]))
    assert caused == [job.id for job in jobs]


async def test_jobs_of_different_domains_run_side_by_side(lab: Lab) -> None:
    busy, free = await lab.started(Guest.DEAF), await lab.started(Guest.DEAF)
    waiting = await busy.submit(ShutdownDomain)
    queued = await busy.submit(SuspendDomain)
    await free.run(SuspendDomain)
    assert {(await waiting.refresh()).state.ended, (await queued.refresh()).state.ended} == {False}
    await waiting.cancel()
    await refused(waiting.wait(), Cancelled, "OPERATION_ABORTED")
    assert (await queued.wait()).state is DomainState.PAUSED


async def test_a_cancelled_job_ends_as_cancelled_and_the_domain_runs_on(lab: Lab) -> None:
    vm = await lab.started(Guest.DEAF)
    job = await vm.submit(ShutdownDomain)
    await job.cancel()
    await refused(job.wait(), Cancelled, "OPERATION_ABORTED")
    assert job.record.state is JobState.CANCELLED
    assert await vm.state() is DomainState.RUNNING
    again = await job.cancel()
    assert again.state is JobState.CANCELLED


async def test_a_job_that_has_ended_cannot_be_cancelled(lab: Lab) -> None:
    vm = await lab.defined()
    job = await vm.submit(SetLabels, labels={"a": "b"})
    await job.wait()
    await refused(job.cancel(), WrongState, "OPERATION_INVALID")


async def test_a_job_that_waits_in_line_past_its_time_is_not_begun(lab: Lab) -> None:
    vm = await lab.started(Guest.DEAF)
    first = await vm.submit(ShutdownDomain, timeout=3)
    late = await vm.submit(SuspendDomain, timeout=1)
    await refused(first.wait(), Expired, "OPERATION_TIMEOUT")
    await refused(late.wait(), Expired, "OPERATION_TIMEOUT")
    assert await vm.state() is DomainState.RUNNING


async def test_a_request_with_the_same_key_is_the_same_job(lab: Lab) -> None:
    vm = await lab.defined()
    start = StartDomain(**vm.where, paused=True)
    key = f"key-{vm.uuid}"
    first = await lab.client.submit(start, idempotency_key=key)
    again = await asyncio.gather(*(lab.client.submit(start, idempotency_key=key) for _ in range(3)))
    assert {job.id for job in again} == {first.id}
    await first.wait()
    last = await lab.client.submit(start, idempotency_key=key)
    assert last.record.state is JobState.SUCCEEDED
    other = StartDomain(**vm.where, paused=False)
    await refused(lab.client.submit(other, idempotency_key=key), KeyReused, "INVALID_ARG")
    assert [event.cause for event in await vm.events()].count(first.id) == 2


async def test_destroy_goes_past_what_waits_in_line(lab: Lab) -> None:
    vm = await lab.started(Guest.DEAF)
    waiting = await vm.submit(ShutdownDomain)
    queued = await vm.submit(SuspendDomain)
    assert (await vm.run(DestroyDomain)).state is DomainState.SHUTOFF
    await waiting.wait()
    await refused(queued.wait(), WrongState, "OPERATION_INVALID")
